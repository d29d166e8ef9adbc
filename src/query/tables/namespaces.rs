//! `selfsame.namespaces`: the kinds of identifiers that are defined.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, ListBuilder, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::error::Result;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group, text_list, texts};

/// The table.
#[derive(Debug)]
pub struct Namespaces;

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("name", text(), false, "its name"),
        column("kind", text(), false, "what it identifies: PERSON, EMAIL, PHONE, DEVICE or COOKIE"),
        column("rank", DataType::Int64, false, "trust: 1 is the most trusted"),
        column(
            "is_unique",
            DataType::Boolean,
            false,
            "whether a graph may hold one identity of it only",
        ),
        column("normalization", text(), false, "how values are normalised"),
        column(
            "blocked",
            text_list(),
            false,
            "values that identify nobody, besides those blocked everywhere",
        ),
        column("definition", text(), false, "the statement that creates it"),
    ]
}

impl VirtualTable for Namespaces {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "kinds of identifiers, and how their values are normalised".to_owned()
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
        let mut all: Vec<_> = snapshot.catalog().namespaces.values().collect();
        all.sort_by_key(|namespace| (namespace.rank, namespace.name.clone()));
        let mut blocked = ListBuilder::new(StringViewBuilder::new());
        for namespace in &all {
            namespace.blocked.iter().for_each(|value| blocked.values().append_value(value));
            blocked.append(true);
        }
        let ranks = all.iter().map(|namespace| i64::from(namespace.rank));
        let unique: Vec<bool> = all.iter().map(|namespace| namespace.unique).collect();
        let columns: Vec<ArrayRef> = vec![
            texts(all.iter().map(|namespace| Some(namespace.name.clone()))),
            texts(all.iter().map(|namespace| Some(namespace.kind.name().to_owned()))),
            Arc::new(Int64Array::from_iter_values(ranks)),
            Arc::new(BooleanArray::from(unique)),
            texts(all.iter().map(|namespace| Some(namespace.normalization.name().to_owned()))),
            Arc::new(blocked.finish()),
            texts(all.iter().map(|namespace| Some(namespace.to_string()))),
        ];
        one_group(fields(), columns)
    }
}
