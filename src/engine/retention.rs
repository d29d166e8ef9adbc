//! Retention: rows older than their dataset keeps them are deleted, some at a time; graphs and profiles follow.
//!
//! A row's age is that of its `observed_at`; of a row without one, that of its ingestion. Deleting is what a
//! DELETE does, in batches, between which everybody else has a turn.

use std::sync::Arc;

use arrow::array::Array;

use crate::engine::database::Database;
use crate::engine::rows::observed_at;
use crate::engine::snapshot::Snapshot;
use crate::engine::writer::{PendingDelete, Request};
use crate::error::Result;
use crate::model::dataset::Dataset;
use crate::model::names::quote_name;
use crate::model::retention::Retention;
use crate::storage::part::Part;

/// Rows deleted at once: commits that wait for a batch wait some milliseconds.
pub const BATCH_ROWS: usize = 4_096;

/// What retention would delete of a dataset now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// The dataset.
    pub dataset: String,
    /// How long it keeps rows.
    pub retention: Retention,
    /// The moment before which rows go, in microseconds.
    pub cutoff: i64,
    /// How many rows are older.
    pub row_count: u64,
    /// Of how many.
    pub total_count: u64,
}

/// Fragment ids of rows of a dataset that are older than a moment, in order of ingestion; at most so many.
fn expired(snapshot: &Snapshot, dataset: &Dataset, cutoff: i64, most: usize) -> Result<Vec<i64>> {
    let mut all = Vec::new();
    for (_, part) in snapshot.state.parts(dataset.id) {
        for group in 0..part.group_count() {
            if all.len() >= most {
                break;
            }
            if is_younger(part, group, dataset, cutoff) {
                continue;
            }
            let times = observed_at(part, group, dataset)?;
            let ingested = part.ingested_at(group)?;
            let ids = part.fragment_ids(group)?;
            let age = |row: usize| match times.is_valid(row) {
                true => times.value(row),
                false => ingested.value(row),
            };
            let old = |row: &usize| part.is_live(group, *row) && age(*row) < cutoff;
            let rows = (0..part.group_rows(group)).filter(old);
            all.extend(rows.take(most - all.len()).map(|row| ids.value(row)));
        }
    }
    all.sort_unstable();
    Ok(all)
}

/// Whether a group says of itself that it has no row so old.
fn is_younger(part: &Part, group: usize, dataset: &Dataset, cutoff: i64) -> bool {
    let (Some(segment), Some(at)) = (part.segment_file(), dataset.observed_at()) else {
        return false;
    };
    let bounds = segment.bounds(group, &dataset.columns[at].name);
    bounds.is_some_and(|(least, _)| least >= cutoff)
        && !segment.may_have_nulls(group, &dataset.columns[at].name)
}

impl Database {
    /// What retention would delete now, for each dataset that has one.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub fn retention_preview(&self) -> Result<Vec<Expiring>> {
        let (snapshot, now) = (self.snapshot(), self.clock().now_micros());
        let mut all = Vec::new();
        for dataset in snapshot.catalog().datasets.values() {
            let Some(retention) = dataset.options.retention else { continue };
            let cutoff = retention.cutoff(now);
            let row_count = expired(&snapshot, dataset, cutoff, usize::MAX)?.len() as u64;
            let total_count = snapshot.state.row_count(dataset.id) as u64;
            let name = dataset.name.clone();
            all.push(Expiring { dataset: name, retention, cutoff, row_count, total_count });
        }
        Ok(all)
    }

    /// Deletes what datasets keep no longer; gives how many rows.
    ///
    /// # Errors
    /// What reading and the disk say; what was deleted until then stays deleted.
    pub fn expire(&self) -> Result<u64> {
        let mut total = 0;
        let catalog = Arc::clone(self.snapshot().catalog());
        for dataset in catalog.datasets.values() {
            let Some(retention) = dataset.options.retention else { continue };
            total += self.expire_dataset(dataset, retention)?;
        }
        Ok(total)
    }

    fn expire_dataset(&self, dataset: &Dataset, retention: Retention) -> Result<u64> {
        let cutoff = retention.cutoff(self.clock().now_micros());
        let first = expired(&self.snapshot(), dataset, cutoff, BATCH_ROWS)?;
        if first.is_empty() {
            return Ok(0);
        }
        let statement = format!("retention of {}", quote_name(&dataset.name));
        let operation = self.operations().begin("retention", Some(&statement), None, "rows");
        let deleted = self.delete_batches(dataset, cutoff, first, |count| {
            operation.progress().advance(count);
        });
        operation.conclude(&deleted, |count| Some(format!("{count} rows deleted")));
        deleted
    }

    fn delete_batches(
        &self,
        dataset: &Dataset,
        cutoff: i64,
        mut batch: Vec<i64>,
        told: impl Fn(u64),
    ) -> Result<u64> {
        let mut total = 0;
        while !batch.is_empty() {
            let pending = PendingDelete { dataset: dataset.name.clone(), fragment_ids: batch };
            let count = self.ask(|reply| Request::Delete(pending, reply))?;
            told(count);
            total += count;
            batch = expired(&self.snapshot(), dataset, cutoff, BATCH_ROWS)?;
        }
        Ok(total)
    }
}
