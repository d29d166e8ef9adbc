//! `selfsame.ingests`: the loads that were done.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};

use crate::engine::Snapshot;
use crate::engine::idempotency::KEY_COLUMNS;
use crate::engine::internal::{INGESTS, ingests_schema};
use crate::error::Result;
use crate::query::tables::rejects::internal_groups;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column};

/// The table.
#[derive(Debug)]
pub struct Ingests;

impl VirtualTable for Ingests {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(schema())
    }

    fn comment(&self) -> String {
        "loads that were done, with what each accepted and refused".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["ingest_id"]
    }

    fn row_count(&self, snapshot: &Snapshot) -> Option<usize> {
        Some(snapshot.state.row_count(INGESTS))
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let groups = internal_groups(&binding.snapshot(), INGESTS, &ingests_schema());
        let timed = |stored| -> Arc<dyn RowGroup> { Arc::new(Timed { stored }) };
        Ok(groups.into_iter().map(timed).collect())
    }
}

/// What is stored but for the insides of keys, and what follows from it.
fn schema() -> SchemaRef {
    let stored = ingests_schema();
    let shown = |field: &&Arc<Field>| !KEY_COLUMNS[1..].contains(&field.name().as_str());
    let mut fields: Vec<Arc<Field>> = stored.fields().iter().filter(shown).cloned().collect();
    let seconds = "seconds from its begin until its rows were durable and visible";
    let rate = "rows read a second, accepted or not; null if it took no time";
    fields.push(Arc::new(column("duration_seconds", DataType::Float64, false, seconds)));
    fields.push(Arc::new(column("rows_per_second", DataType::Float64, true, rate)));
    Arc::new(Schema::new(fields))
}

/// Stored rows with the columns that follow from them.
struct Timed {
    stored: Arc<dyn RowGroup>,
}

impl Timed {
    fn stored(&self, name: &str) -> Result<ArrayRef> {
        let at = ingests_schema().index_of(name);
        self.stored.column(at.expect("a column of the same table"))
    }

    fn seconds(&self) -> Result<Vec<f64>> {
        let (from, to) = (self.stored("started_at")?, self.stored("finished_at")?);
        let from = from.as_primitive::<TimestampMicrosecondType>();
        let to = to.as_primitive::<TimestampMicrosecondType>();
        // The machine's clock may have been put back meanwhile.
        let seconds = |(from, to): (&i64, &i64)| (to - from).max(0) as f64 / 1e6;
        Ok(from.values().iter().zip(to.values()).map(seconds).collect())
    }

    fn rates(&self) -> Result<Float64Array> {
        let names = ["accepted_count", "rejected_count", "duplicate_count"];
        let counts = names.map(|name| self.stored(name));
        let [accepted, rejected, duplicates] = counts;
        let counts = [accepted?, rejected?, duplicates?];
        let counts = counts.each_ref().map(|column| column.as_primitive::<Int64Type>().values());
        let rate = |(row, seconds): (usize, f64)| {
            let rows: i64 = counts.iter().map(|column| column[row]).sum();
            (seconds > 0.0).then(|| rows as f64 / seconds)
        };
        Ok(self.seconds()?.into_iter().enumerate().map(rate).collect())
    }
}

impl RowGroup for Timed {
    fn row_count(&self) -> usize {
        self.stored.row_count()
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        match schema().field(at).name().as_str() {
            "duration_seconds" => Ok(Arc::new(Float64Array::from(self.seconds()?))),
            "rows_per_second" => Ok(Arc::new(self.rates()?)),
            name => self.stored(name),
        }
    }
}
