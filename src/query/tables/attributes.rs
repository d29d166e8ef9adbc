//! `selfsame.attributes`: the union of the record datasets' columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::error::Result;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group, text_list, texts};

/// The table.
#[derive(Debug)]
pub struct Attributes;

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("name", text(), false, "its name"),
        column("data_type", text(), false, "the type that holds the values of all its columns"),
        column("datasets", text_list(), false, "record datasets that have it"),
        column("namespace", text(), true, "the namespace whose identities it shows, if it does"),
        column("strategy", text(), false, "how the default merge policy ends conflicts"),
    ]
}

impl VirtualTable for Attributes {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "attributes: columns of the same name over all record datasets".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["name"]
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let snapshot = binding.snapshot();
        let catalog = snapshot.catalog();
        let policy = catalog.policy(&catalog.default_policy)?;
        let plan = catalog.merge_plan(policy)?;
        let strategy = |at: usize| match &policy.query {
            Some(_) => "query".to_owned(),
            None => plan.strategy_name(at),
        };
        let all = catalog.attributes();
        let mut datasets = ListBuilder::new(StringViewBuilder::new());
        for attribute in &all {
            for (id, _) in &attribute.columns {
                let dataset = catalog.dataset_by_id(*id);
                dataset.iter().for_each(|dataset| datasets.values().append_value(&dataset.name));
            }
            datasets.append(true);
        }
        let columns: Vec<ArrayRef> = vec![
            texts(all.iter().map(|attribute| Some(attribute.name.clone()))),
            texts(all.iter().map(|attribute| Some(attribute.ty.to_string()))),
            Arc::new(datasets.finish()),
            texts(all.iter().map(|attribute| attribute.namespace.clone())),
            texts((0..all.len()).map(|at| Some(strategy(at)))),
        ];
        one_group(fields(), columns)
    }
}
