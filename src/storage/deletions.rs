//! Deletions: which rows of a part exist no more, while the part itself stays as it was written.
//!
//! For each group of the part a mask of the rows that live, in the form in which Arrow filters by it;
//! groups of which nothing was deleted have none. Copies share the masks, and deleting copies only those
//! of the groups concerned. Of a segment they are stored as a file of their own, which the manifest names
//! beside the segment:
//!
//! ```text
//! deletions/<number, 10 digits>.parquet    one column `row` (UINT32): numbers of the deleted rows within
//!                                          the segment, from 0, ascending
//! ```
//! This file knows neither why rows were deleted nor what was derived from them.

use std::sync::Arc;

use arrow::array::{BooleanArray, BooleanBufferBuilder, RecordBatch, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema};

use crate::error::{Error, Result};
use crate::storage::record::FileReference;

/// The column of a file of deletions.
pub const ROW: &str = "row";

/// Which rows of a part are deleted.
#[derive(Clone, Debug, Default)]
pub struct Deletions {
    /// For each group that has deleted rows, a mask of those that live.
    groups: Vec<Option<BooleanArray>>,
    deleted_count: usize,
    /// The file that says the same, if it was written.
    file: Option<FileReference>,
}

impl Deletions {
    /// The mask of a group's rows that live; `None`: all live.
    pub fn live(&self, group: usize) -> Option<&BooleanArray> {
        self.groups.get(group).and_then(Option::as_ref)
    }

    /// How many rows are deleted.
    pub fn deleted_count(&self) -> usize {
        self.deleted_count
    }

    /// The file that says the same, if it was written.
    pub fn file(&self) -> Option<&FileReference> {
        self.file.as_ref()
    }

    /// The same, as a file says it.
    #[must_use]
    pub fn stored_as(&self, file: FileReference) -> Self {
        Self { file: Some(file), ..self.clone() }
    }

    /// With more rows of a group deleted; the group has `row_count` rows.
    pub fn delete(&mut self, group: usize, row_count: usize, rows: &[u32]) {
        if self.groups.len() <= group {
            self.groups.resize(group + 1, None);
        }
        let mut live = BooleanBufferBuilder::new(row_count);
        match &self.groups[group] {
            Some(mask) => live.append_buffer(mask.values()),
            None => live.append_n(row_count, true),
        }
        for row in rows {
            self.deleted_count += usize::from(live.get_bit(*row as usize));
            live.set_bit(*row as usize, false);
        }
        self.groups[group] = Some(BooleanArray::new(live.finish(), None));
        self.file = None;
    }

    /// Numbers of the deleted rows within the part, ascending; groups begin at `starts`.
    pub fn rows(&self, starts: &[usize]) -> Vec<u32> {
        let mut rows = Vec::with_capacity(self.deleted_count);
        for (group, mask) in self.groups.iter().enumerate() {
            let Some(mask) = mask else { continue };
            let deleted: BooleanBuffer = !mask.values();
            rows.extend(deleted.set_indices().map(|row| (starts[group] + row) as u32));
        }
        rows
    }
}

/// Deleted rows as they are stored.
///
/// # Errors
/// `XX000` if Arrow refuses, which would be a mistake of ours.
pub fn deletions_batch(rows: Vec<u32>) -> Result<RecordBatch> {
    let schema = Arc::new(Schema::new(vec![Field::new(ROW, DataType::UInt32, false)]));
    RecordBatch::try_new(schema, vec![Arc::new(UInt32Array::from(rows))])
        .map_err(|error| Error::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of ten, deleted from in turn; rows of the part.
    fn check(deletes: &[(usize, &[u32])], expected: &[u32]) {
        let mut deletions = Deletions::default();
        for (group, rows) in deletes {
            let before = deletions.clone();
            deletions.delete(*group, 10, rows);
            let live = deletions.live(*group).expect("a group with deleted rows has a mask");
            assert!(rows.iter().all(|row| !live.value(*row as usize)));
            // What was deleted is added to, and whoever holds the copy does not see it.
            assert!(before.deleted_count() <= deletions.deleted_count());
            assert_eq!(before.rows(&[0, 10, 20, 30]).len(), before.deleted_count());
        }
        assert_eq!(deletions.rows(&[0, 10, 20, 30]), expected);
        assert_eq!(deletions.deleted_count(), expected.len());
    }

    #[test]
    fn rows_are_deleted_once() {
        check(&[], &[]);
        check(&[(1, &[3])], &[13]);
        check(&[(2, &[9, 0]), (0, &[5]), (2, &[9, 1])], &[5, 20, 21, 29]);
        check(&[(0, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_file_says_what_was_deleted_when_it_was_written() {
        let file = FileReference { path: "d".into(), byte_count: 1, crc32c: 2, row_count: 1 };
        let mut deletions = Deletions::default();
        deletions.delete(0, 3, &[1]);
        let mut stored = deletions.stored_as(file.clone());
        assert_eq!((deletions.file(), stored.file()), (None, Some(&file)));
        assert!(stored.live(1).is_none());
        stored.delete(0, 3, &[2]);
        assert_eq!(stored.file(), None, "it says less than is deleted now");
    }
}
