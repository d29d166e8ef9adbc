//! `selfsame.replication`: where this process stands in the log of its store.
//!
//! Not of a snapshot: it shows what is so while it is read.

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
pub struct Replication;

fn fields() -> Vec<Field> {
    let (text, number) = (|| DataType::Utf8View, || DataType::Int64);
    vec![
        column("role", text(), false, "writer, follower"),
        column("writer", text(), true, "what the writer calls itself, in object storage"),
        column("epoch", number(), false, "which writer of the store that is, in object storage"),
        column("log_number", number(), false, "the log file that is written or read"),
        column("log_position", number(), false, "how many of its records queries see"),
        column("caught_up_at", time_type(), true, "when a follower last had everything"),
        column("lag_seconds", DataType::Float64, true, "how far a follower may be behind"),
        column("error", text(), true, "why a follower cannot go on, if it cannot"),
    ]
}

impl VirtualTable for Replication {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "where this server stands in the log of its store".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["role"]
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let database = binding.database();
        let here = database.replication();
        let lag = here.lag_micros(database.clock().now_micros()).map(|micros| micros as f64 / 1e6);
        let number =
            |value: u64| Arc::new(Int64Array::from_iter_values([value as i64])) as ArrayRef;
        let text = |value: Option<String>| texts([value].into_iter());
        let columns: Vec<ArrayRef> = vec![
            text(Some(here.role.name().to_owned())),
            text(here.writer.clone()),
            number(here.epoch),
            number(here.log_number),
            number(here.log_position),
            time_column([here.caught_up_at.unwrap_or(i64::MIN)].into_iter(), i64::MIN),
            Arc::new(Float64Array::from_iter([lag])),
            text(here.error.clone()),
        ];
        one_group(fields(), columns)
    }
}
