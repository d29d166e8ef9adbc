//! Parts: runs of rows of one dataset, in the log's tail or in a segment, read by column.

use std::sync::Arc;

use arrow::array::new_null_array;
use arrow::array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{cast, filter, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use crate::error::{Error, Result};
use crate::model::column::UTC;
use crate::storage::deletions::Deletions;
use crate::storage::segment::{OWN_PREFIX, Segment};

/// The column that holds the number of an identity column's identity.
pub fn identity_column(column: &str) -> String {
    format!("{OWN_PREFIX}identity:{column}")
}

/// The column of fragment ids, where they are not consecutive.
pub const FRAGMENT_ID: &str = "selfsame:fragment_id";

/// The column of ingestion times, where rows of several commits are together.
pub const INGESTED_AT: &str = "selfsame:ingested_at";

/// A run of rows.
#[derive(Clone, Debug)]
pub struct Part {
    /// The dataset's number.
    pub dataset: u32,
    /// The fragment id of the first row; the others follow unless a column says otherwise.
    pub first_fragment_id: i64,
    /// When the rows were accepted, in microseconds, unless a column says otherwise.
    pub committed_at: i64,
    rows: Rows,
    /// Row number at which each group begins, and the total at the end.
    starts: Vec<usize>,
    /// Rows that exist no more; `None`: all exist.
    deletions: Option<Arc<Deletions>>,
}

#[derive(Clone, Debug)]
enum Rows {
    Memory(RecordBatch),
    Segment(Arc<Segment>),
}

impl Part {
    /// A part in memory: one group.
    pub fn memory(
        dataset: u32,
        first_fragment_id: i64,
        committed_at: i64,
        batch: RecordBatch,
    ) -> Self {
        let starts = vec![0, batch.num_rows()];
        Self {
            dataset,
            first_fragment_id,
            committed_at,
            rows: Rows::Memory(batch),
            starts,
            deletions: None,
        }
    }

    /// A part in a segment: a group for each row group.
    pub fn segment(
        dataset: u32,
        first_fragment_id: i64,
        committed_at: i64,
        segment: Arc<Segment>,
    ) -> Self {
        let mut starts = vec![0];
        for rows in segment.group_rows() {
            starts.push(starts[starts.len() - 1] + rows);
        }
        let rows = Rows::Segment(segment);
        Self { dataset, first_fragment_id, committed_at, rows, starts, deletions: None }
    }

    /// The batch, if the part is in memory.
    pub fn batch(&self) -> Option<&RecordBatch> {
        match &self.rows {
            Rows::Memory(batch) => Some(batch),
            Rows::Segment(_) => None,
        }
    }

    /// The segment, if the part is in one.
    pub fn segment_file(&self) -> Option<&Arc<Segment>> {
        match &self.rows {
            Rows::Memory(_) => None,
            Rows::Segment(segment) => Some(segment),
        }
    }

    /// The same part with other rows deleted.
    #[must_use]
    pub fn with_deletions(&self, deletions: Deletions) -> Self {
        let deletions = (deletions.deleted_count() > 0).then(|| Arc::new(deletions));
        Self { deletions, ..self.clone() }
    }

    /// Rows that exist no more; `None`: all exist.
    pub fn deletions(&self) -> Option<&Arc<Deletions>> {
        self.deletions.as_ref()
    }

    /// Numbers of the deleted rows, ascending.
    pub fn deleted_rows(&self) -> Vec<u32> {
        self.deletions.as_ref().map_or(Vec::new(), |deletions| deletions.rows(&self.starts))
    }

    /// The mask of a group's rows that live; `None`: all live.
    pub fn live(&self, group: usize) -> Option<&BooleanArray> {
        self.deletions.as_ref().and_then(|deletions| deletions.live(group))
    }

    /// Whether a row of a group lives.
    pub fn is_live(&self, group: usize, row: usize) -> bool {
        self.live(group).is_none_or(|live| live.value(row))
    }

    /// How many rows live.
    pub fn live_count(&self) -> usize {
        self.row_count() - self.deletions.as_ref().map_or(0, |deletions| deletions.deleted_count())
    }

    /// How many rows of a group live.
    pub fn group_live_count(&self, group: usize) -> usize {
        self.live(group).map_or(self.group_rows(group), BooleanArray::true_count)
    }

    /// For each row the number that it has where deleted ones are left out; `None`: none is deleted.
    pub fn live_numbers(&self) -> Option<Vec<u32>> {
        self.deletions.as_ref()?;
        let mut next = 0;
        let mut number = |live: bool| {
            let number = next;
            next += u32::from(live);
            number
        };
        let groups = 0..self.group_count();
        let rows =
            groups.flat_map(|group| (0..self.group_rows(group)).map(move |row| (group, row)));
        Some(rows.map(|(group, row)| number(self.is_live(group, row))).collect())
    }

    /// The rows of a group that live, of a column with all of them.
    ///
    /// # Errors
    /// `XX000` if Arrow cannot filter, which would be a mistake of ours.
    pub fn live_column(&self, group: usize, column: ArrayRef) -> Result<ArrayRef> {
        match self.live(group) {
            None => Ok(column),
            Some(live) => {
                filter(column.as_ref(), live).map_err(|error| Error::internal(error.to_string()))
            }
        }
    }

    /// The rows of a group that live, of a batch with all of them.
    ///
    /// # Errors
    /// `XX000` if Arrow cannot filter, which would be a mistake of ours.
    pub fn live_rows(&self, group: usize, batch: RecordBatch) -> Result<RecordBatch> {
        match self.live(group) {
            None => Ok(batch),
            Some(live) => filter_record_batch(&batch, live)
                .map_err(|error| Error::internal(error.to_string())),
        }
    }

    /// How many rows there are, deleted ones included.
    pub fn row_count(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// How many groups of rows there are.
    pub fn group_count(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many rows a group has, deleted ones included.
    pub fn group_rows(&self, group: usize) -> usize {
        self.starts[group + 1] - self.starts[group]
    }

    /// The part's row number at which a group begins.
    pub fn group_start(&self, group: usize) -> usize {
        self.starts[group]
    }

    /// The group that holds a row of the part, and the row's number in it.
    pub fn locate(&self, row: usize) -> (usize, usize) {
        let group = self.starts.partition_point(|start| *start <= row) - 1;
        (group, row - self.starts[group])
    }

    fn raw(&self, group: usize, name: &str) -> Result<Option<ArrayRef>> {
        match &self.rows {
            Rows::Memory(batch) => Ok(batch.column_by_name(name).cloned()),
            Rows::Segment(segment) => segment.column(group, name),
        }
    }

    /// A column of a group in the type wanted; nulls where the rows are older than the column.
    ///
    /// # Errors
    /// `XX001` if stored data is damaged, `58030` if the disk fails.
    pub fn column(&self, group: usize, name: &str, ty: &DataType) -> Result<ArrayRef> {
        match self.raw(group, name)? {
            Some(array) if array.data_type() == ty => Ok(array),
            Some(array) => cast(&array, ty).map_err(|error| {
                Error::corrupted(format!("column \"{name}\" cannot be read as {ty}: {error}"))
            }),
            None => Ok(new_null_array(ty, self.group_rows(group))),
        }
    }

    /// The rows of a part of one group that live, with these columns, then their fragment ids and times.
    ///
    /// # Errors
    /// As [`Part::column`].
    pub fn with_columns(&self, schema: &Schema) -> Result<RecordBatch> {
        self.group_with_columns(0, schema)
    }

    /// As [`Part::with_columns`], for one group of a part of many.
    pub fn group_with_columns(&self, group: usize, schema: &Schema) -> Result<RecordBatch> {
        let fields = schema.fields().iter();
        let columns = fields
            .map(|field| self.column(group, field.name(), field.data_type()))
            .collect::<Result<Vec<_>>>()?;
        let rows = RecordBatch::try_new(Arc::new(schema.clone()), columns)
            .map_err(|error| Error::internal(error.to_string()))?;
        let (ids, times) = (self.fragment_ids(group)?, self.ingested_at(group)?);
        self.live_rows(group, with_own_columns(&rows, ids, times)?)
    }

    /// The numbers of the identities of an identity column.
    pub fn identities(&self, group: usize, column: &str) -> Result<UInt32Array> {
        let array = self.column(group, &identity_column(column), &DataType::UInt32)?;
        let numbers = array.as_any().downcast_ref::<UInt32Array>();
        numbers.cloned().ok_or_else(|| Error::corrupted("identity numbers are not numbers"))
    }

    /// Fragment ids of a group.
    pub fn fragment_ids(&self, group: usize) -> Result<Int64Array> {
        match self.raw(group, FRAGMENT_ID)? {
            Some(array) => {
                let ids = array.as_any().downcast_ref::<Int64Array>();
                ids.cloned().ok_or_else(|| Error::corrupted("fragment ids are not numbers"))
            }
            None => {
                let first = self.first_fragment_id + self.starts[group] as i64;
                let all = first..first + self.group_rows(group) as i64;
                Ok(Int64Array::from_iter_values(all))
            }
        }
    }

    /// Bounds of a group's fragment ids, known without reading them.
    pub fn fragment_id_bounds(&self, group: usize) -> (i64, i64) {
        let consecutive = || {
            let first = self.first_fragment_id + self.starts[group] as i64;
            (first, first + self.group_rows(group) as i64 - 1)
        };
        match &self.rows {
            Rows::Memory(batch) => {
                let column = batch.column_by_name(FRAGMENT_ID);
                let ids = column.and_then(|ids| ids.as_any().downcast_ref::<Int64Array>());
                let ids = ids.filter(|ids| !ids.is_empty());
                ids.map_or_else(consecutive, |ids| (ids.value(0), ids.value(ids.len() - 1)))
            }
            Rows::Segment(segment) => match segment.has_column(FRAGMENT_ID) {
                true => segment.bounds(group, FRAGMENT_ID).unwrap_or((i64::MIN, i64::MAX)),
                false => consecutive(),
            },
        }
    }

    /// Times of ingestion of a group.
    pub fn ingested_at(&self, group: usize) -> Result<TimestampMicrosecondArray> {
        let times = match self.raw(group, INGESTED_AT)? {
            Some(array) => array
                .as_any()
                .downcast_ref::<TimestampMicrosecondArray>()
                .cloned()
                .ok_or_else(|| Error::corrupted("times of ingestion are not times"))?,
            None => {
                TimestampMicrosecondArray::from_value(self.committed_at, self.group_rows(group))
            }
        };
        Ok(times.with_timezone(UTC))
    }
}

/// The type of every time in the virtual tables.
pub fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
}

/// A batch of the tail: with its fragment ids and times as columns, so that batches can be put together.
///
/// # Errors
/// `XX000` if the batch has those columns already.
pub fn tail_batch(
    batch: &RecordBatch,
    first_fragment_id: i64,
    committed_at: i64,
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let ids = Int64Array::from_iter_values(first_fragment_id..first_fragment_id + rows as i64);
    let times = TimestampMicrosecondArray::from_value(committed_at, rows).with_timezone(UTC);
    with_own_columns(batch, ids, times)
}

fn with_own_columns(
    batch: &RecordBatch,
    ids: Int64Array,
    times: TimestampMicrosecondArray,
) -> Result<RecordBatch> {
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(FRAGMENT_ID, DataType::Int64, false)));
    fields.push(Arc::new(Field::new(INGESTED_AT, times.data_type().clone(), false)));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(ids));
    columns.push(Arc::new(times));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| Error::internal(error.to_string()))
}
