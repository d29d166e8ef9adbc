//! `selfsame.merge_strategies`: the strategies that policies may name.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::error::Result;
use crate::merge::ALL;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group, texts};

/// The table.
#[derive(Debug)]
pub struct MergeStrategies;

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("name", text(), false, "its name"),
        column("description", text(), false, "what it gives"),
        column(
            "sees_history",
            DataType::Boolean,
            false,
            "whether it always sees all values of the past",
        ),
        column(
            "idempotent",
            DataType::Boolean,
            false,
            "whether a value that is there twice counts once",
        ),
    ]
}

impl VirtualTable for MergeStrategies {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "strategies that merge policies may name, and their laws".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["name"]
    }

    fn groups(
        &self,
        _binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let history: Vec<bool> = ALL.iter().map(|strategy| strategy.history()).collect();
        let idempotent: Vec<bool> = ALL.iter().map(|strategy| strategy.laws().idempotent).collect();
        let columns: Vec<ArrayRef> = vec![
            texts(ALL.iter().map(|strategy| Some(strategy.name().to_owned()))),
            texts(ALL.iter().map(|strategy| Some(strategy.doc().to_owned()))),
            Arc::new(BooleanArray::from(history)),
            Arc::new(BooleanArray::from(idempotent)),
        ];
        one_group(fields(), columns)
    }
}
