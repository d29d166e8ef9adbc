//! `selfsame.operations`: work that takes a while, now and lately.
//!
//! Not of a snapshot: it shows what runs while it is read.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::error::Result;
use crate::query::tables::identities::time_column;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group, texts};
use crate::storage::part::time_type;

/// The table.
#[derive(Debug)]
pub struct Operations;

fn fields() -> Vec<Field> {
    let (text, number) = (|| DataType::Utf8View, || DataType::Int64);
    vec![
        column("operation_id", number(), false, "its number since the server started"),
        column("kind", text(), false, "load, flush, delete, definition"),
        column("statement", text(), true, "the statement that it is the work of, if it is one's"),
        column("started_at", time_type(), false, "when it began"),
        column("finished_at", time_type(), true, "when it ended, if it did"),
        column("progress", DataType::Float64, true, "how much is done, 0 to 1, if that is known"),
        column("done", number(), false, "how much is done, in units"),
        column("total", number(), true, "how much there is to do, if that is known"),
        column("unit", text(), false, "what is counted"),
        column("state", text(), false, "running, done, failed"),
        column("detail", text(), true, "what it did, or why it failed"),
    ]
}

impl VirtualTable for Operations {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "loads, flushes, deletions and refolding definitions, running and of late".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["operation_id"]
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let all = binding.database().operations().rows();
        let none = i64::MIN;
        let ids = all.iter().map(|row| row.operation_id);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(ids)),
            texts(all.iter().map(|row| Some(row.kind.to_owned()))),
            texts(all.iter().map(|row| row.statement.clone())),
            time_column(all.iter().map(|row| row.started_at), none),
            time_column(all.iter().map(|row| row.finished_at.unwrap_or(none)), none),
            Arc::new(all.iter().map(|row| row.progress()).collect::<Float64Array>()),
            Arc::new(Int64Array::from_iter_values(all.iter().map(|row| row.done as i64))),
            Arc::new(all.iter().map(|row| row.total.map(|n| n as i64)).collect::<Int64Array>()),
            texts(all.iter().map(|row| Some(row.unit.to_owned()))),
            texts(all.iter().map(|row| Some(row.state.name().to_owned()))),
            texts(all.iter().map(|row| row.detail.clone())),
        ];
        one_group(fields(), columns)
    }
}
