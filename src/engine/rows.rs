//! What a row of a dataset *is* to the engine: its identities, its primary one, and its time.
//!
//! One reading of a group of rows, used by applying commits, scanning tables and merging alike.

use arrow::array::{Array, ArrayRef, Int64Array, TimestampMicrosecondArray, UInt32Array};

use crate::error::{Error, Result};
use crate::model::dataset::Dataset;
use crate::storage::part::{Part, time_type};

/// The identities and times of one group of rows.
#[derive(Clone, Debug)]
pub struct RowFacts {
    /// For each identity column in the order declared, the identities' numbers.
    pub identities: Vec<UInt32Array>,
    /// The rows' times; null where the source gave none.
    pub observed_at: TimestampMicrosecondArray,
}

impl RowFacts {
    /// Reads them.
    ///
    /// # Errors
    /// `XX001` if stored data is damaged, `58030` if the disk fails.
    pub fn read(part: &Part, group: usize, dataset: &Dataset) -> Result<Self> {
        let identities = dataset
            .identity_columns()
            .map(|(at, _)| part.identities(group, &dataset.columns[at].name))
            .collect::<Result<_>>()?;
        Ok(Self { identities, observed_at: observed_at(part, group, dataset)? })
    }

    /// The primary identity of a row: that of the first column with a usable value.
    pub fn primary(&self, row: usize) -> Option<u32> {
        self.identities.iter().find(|column| column.is_valid(row)).map(|column| column.value(row))
    }

    /// All identities of a row, each once, in the order declared.
    pub fn all(&self, row: usize, into: &mut Vec<u32>) {
        into.clear();
        for column in &self.identities {
            if column.is_valid(row) && !into.contains(&column.value(row)) {
                into.push(column.value(row));
            }
        }
    }

    /// As [`RowFacts::all`], with what is given for each identity's column.
    pub fn all_with(
        &self,
        row: usize,
        of_columns: &[u32],
        into: &mut Vec<u32>,
        with: &mut Vec<u32>,
    ) {
        into.clear();
        with.clear();
        for (column, given) in self.identities.iter().zip(of_columns) {
            if column.is_valid(row) && !into.contains(&column.value(row)) {
                into.push(column.value(row));
                with.push(*given);
            }
        }
    }

    /// The time of a row in microseconds.
    pub fn time(&self, row: usize) -> Option<i64> {
        self.observed_at.is_valid(row).then(|| self.observed_at.value(row))
    }
}

/// The rows' times: the declared column, or the time of ingestion.
pub fn observed_at(
    part: &Part,
    group: usize,
    dataset: &Dataset,
) -> Result<TimestampMicrosecondArray> {
    match dataset.observed_at() {
        Some(at) => times(&part.column(group, &dataset.columns[at].name, &time_type())?),
        None => part.ingested_at(group),
    }
}

fn times(array: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    array
        .as_any()
        .downcast_ref::<TimestampMicrosecondArray>()
        .cloned()
        .ok_or_else(|| Error::corrupted("a column of times holds no times"))
}

/// Times as the order of fragments needs them: a missing one is older than any (spec 5.3).
pub fn order_times(times: &TimestampMicrosecondArray) -> Int64Array {
    times.iter().map(|time| Some(time.unwrap_or(i64::MIN))).collect()
}
