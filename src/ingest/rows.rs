//! Rows on their way from a record to a batch: one builder a column, and what a batch needs beside.
//!
//! The text formats share this; Parquet has batches already. A row is all or nothing: when a value
//! is refused, the row's place in the builders is filled up, left out of the batch by a mask, and
//! reported as a reject, so that the columns never get out of step.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;

use crate::error::{Error, Result};
use crate::ingest::builder::ColumnBuilder;
use crate::ingest::fault::{Fault, raw};
use crate::ingest::{BATCH_BYTES_MAX, Options, RAW_BYTES_MAX, Reject, Rows, Sink, Target};

/// A batch that is being filled.
pub(crate) struct RowBuilder<'a> {
    names: Vec<&'a str>,
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    kept: Vec<bool>,
    lines: Vec<u64>,
    raws: Raws,
    record_bytes: usize,
    rows_max: usize,
}

/// Texts of the rows kept, one after the other, each cut.
#[derive(Default)]
struct Raws {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Raws {
    fn push(&mut self, text: &[u8]) {
        // One byte more than will be shown, so that it shows as cut.
        self.bytes.extend_from_slice(&text[..text.len().min(RAW_BYTES_MAX + 1)]);
        self.ends.push(self.bytes.len());
    }

    fn get(&self, row: usize) -> String {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        raw(&self.bytes[start..self.ends[row]])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl<'a> RowBuilder<'a> {
    pub(crate) fn new(target: &'a Target, options: &Options) -> Self {
        let builder = |(_, ty): &(String, _)| ColumnBuilder::new(ty, options.array_delimiter);
        Self {
            names: target.columns.iter().map(|(name, _)| name.as_str()).collect(),
            schema: target.schema(),
            columns: target.columns.iter().map(builder).collect(),
            kept: Vec::new(),
            lines: Vec::new(),
            raws: Raws::default(),
            record_bytes: 0,
            rows_max: options.batch_rows.max(1),
        }
    }

    /// Takes one record: `fill` appends the value of each column in turn.
    ///
    /// # Errors
    /// What the sink fails with.
    pub(crate) fn row(
        &mut self,
        line: u64,
        text: &[u8],
        sink: &mut dyn Sink,
        mut fill: impl FnMut(usize, &mut ColumnBuilder) -> std::result::Result<(), Fault>,
    ) -> Result<()> {
        let mut fault = None;
        for (at, column) in self.columns.iter_mut().enumerate() {
            if fault.is_some() {
                column.append_null();
            } else if let Err(wrong) = fill(at, column) {
                column.append_null();
                fault = Some(wrong.of_column(self.names[at]));
            }
        }
        self.kept.push(fault.is_none());
        self.record_bytes += text.len();
        match fault {
            Some(fault) => reject(line, fault, text, sink)?,
            None => {
                self.lines.push(line);
                self.raws.push(text);
            }
        }
        let full = self.kept.len() >= self.rows_max || self.record_bytes >= BATCH_BYTES_MAX;
        if full { self.finish(sink) } else { Ok(()) }
    }

    /// Gives the rows at hand to the sink, if there are any.
    ///
    /// # Errors
    /// What the sink fails with.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let internal = |error: arrow::error::ArrowError| Error::internal(error.to_string());
        let columns = self.columns.iter_mut().map(ColumnBuilder::finish).collect::<Result<_>>()?;
        let kept = std::mem::take(&mut self.kept);
        if !self.lines.is_empty() {
            let schema = SchemaRef::clone(&self.schema);
            let mut batch = RecordBatch::try_new(schema, columns).map_err(internal)?;
            if self.lines.len() < kept.len() {
                batch = filter_record_batch(&batch, &BooleanArray::from(kept)).map_err(internal)?;
            }
            let raws = &self.raws;
            sink.rows(Rows { batch, lines: &self.lines, raw: &|row| raws.get(row) })?;
        }
        self.lines.clear();
        self.raws.clear();
        self.record_bytes = 0;
        Ok(())
    }
}

/// Reports a record that became no row.
///
/// # Errors
/// What the sink fails with.
pub(crate) fn reject(line: u64, fault: Fault, text: &[u8], sink: &mut dyn Sink) -> Result<()> {
    let Fault { code, message } = fault;
    sink.reject(Reject { line, code, message, raw: raw(text) })
}
