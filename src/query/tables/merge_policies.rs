//! `selfsame.merge_policies`: the merge policies that are defined.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, ListBuilder, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::error::Result;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group, text_list, texts};

/// The table.
#[derive(Debug)]
pub struct MergePolicies;

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("name", text(), false, "its name"),
        column(
            "is_default",
            DataType::Boolean,
            false,
            "whether profiles shows it unless a session says otherwise",
        ),
        column(
            "datasets",
            text_list(),
            true,
            "record datasets that take part, first wins ties; null: all",
        ),
        column("definition", text(), false, "the statement that creates it"),
    ]
}

impl VirtualTable for MergePolicies {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "merge policies: how conflicts between values end".to_owned()
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
        let all: Vec<_> = catalog.policies.values().collect();
        let mut datasets = ListBuilder::new(StringViewBuilder::new());
        for policy in &all {
            policy.datasets.iter().flatten().for_each(|name| datasets.values().append_value(name));
            datasets.append(policy.datasets.is_some());
        }
        let default: Vec<bool> = all.iter().map(|one| one.name == catalog.default_policy).collect();
        let columns: Vec<ArrayRef> = vec![
            texts(all.iter().map(|policy| Some(policy.name.clone()))),
            Arc::new(BooleanArray::from(default)),
            Arc::new(datasets.finish()),
            texts(all.iter().map(|policy| Some(policy.to_string()))),
        ];
        one_group(fields(), columns)
    }
}
