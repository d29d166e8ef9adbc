//! The store's own datasets: refused rows and the record of loads.
//!
//! They are kept like any rows (log, tail, segments), under numbers that no user's dataset gets.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::model::column::UTC;
use crate::storage::part::time_type;

/// The number of `rejects`.
pub const REJECTS: u32 = u32::MAX;

/// The number of `selfsame.ingests`.
pub const INGESTS: u32 = u32::MAX - 1;

fn column(name: &str, ty: DataType, comment: &str) -> Field {
    let comment = [("comment".to_owned(), comment.to_owned())];
    Field::new(name, ty, false).with_metadata(comment.into())
}

/// Columns of `rejects`.
pub fn rejects_schema() -> SchemaRef {
    let text = || DataType::Utf8View;
    Arc::new(Schema::new(vec![
        column("ingest_id", DataType::Int64, "the load that brought the row"),
        column("dataset", text(), "the dataset it was meant for"),
        column("source", text(), "the file, or STDIN"),
        column("line", DataType::Int64, "where in the source: line, or row of a Parquet file"),
        column("code", text(), "why, as a code: an SQLSTATE, or no_identity"),
        column("message", text(), "why, in words"),
        column("raw", text(), "the row as it came, cut to 8192 bytes"),
        column("rejected_at", time_type(), "when it was refused"),
    ]))
}

/// Columns of `selfsame.ingests`.
pub fn ingests_schema() -> SchemaRef {
    let text = || DataType::Utf8View;
    Arc::new(Schema::new(vec![
        column("ingest_id", DataType::Int64, "number of the load"),
        column("dataset", text(), "the dataset loaded"),
        column("source", text(), "the files, or STDIN"),
        column("format", text(), "the format read"),
        column("accepted_count", DataType::Int64, "rows accepted"),
        column("rejected_count", DataType::Int64, "rows refused, listed in rejects"),
        column("duplicate_count", DataType::Int64, "events accepted before, so skipped"),
        column("started_at", time_type(), "when the load began"),
        column("finished_at", time_type(), "when its rows became durable and visible"),
    ]))
}

/// A refused row, on its way into `rejects`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// The file, or `STDIN`.
    pub source: String,
    /// Where in it.
    pub line: u64,
    /// Why, as a code.
    pub code: String,
    /// Why, in words.
    pub message: String,
    /// The row as it came.
    pub raw: String,
}

/// A load that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingest {
    /// Its number.
    pub ingest_id: i64,
    /// The dataset loaded.
    pub dataset: String,
    /// What was read.
    pub source: String,
    /// The format read.
    pub format: String,
    /// Rows accepted, refused, and skipped.
    pub counts: [u64; 3],
    /// When it began, in microseconds.
    pub started_at: i64,
    /// When it was done, in microseconds.
    pub finished_at: i64,
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringViewArray::from_iter_values(values))
}

fn times(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone(UTC))
}

fn batch(schema: SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(schema, columns).map_err(|error| Error::internal(error.to_string()))
}

/// Refused rows as rows of `rejects`.
pub fn rejects_batch(
    ingest_id: i64,
    dataset: &str,
    rejected_at: i64,
    rows: &[RejectedRow],
) -> Result<RecordBatch> {
    let numbers = |value: i64| -> ArrayRef { Arc::new(Int64Array::from_value(value, rows.len())) };
    let lines = Int64Array::from_iter_values(rows.iter().map(|row| row.line as i64));
    batch(
        rejects_schema(),
        vec![
            numbers(ingest_id),
            texts(rows.iter().map(|_| dataset)),
            texts(rows.iter().map(|row| row.source.as_str())),
            Arc::new(lines),
            texts(rows.iter().map(|row| row.code.as_str())),
            texts(rows.iter().map(|row| row.message.as_str())),
            texts(rows.iter().map(|row| row.raw.as_str())),
            times(rows.iter().map(|_| rejected_at)),
        ],
    )
}

/// A load as a row of `selfsame.ingests`.
pub fn ingest_batch(ingest: &Ingest) -> Result<RecordBatch> {
    let number = |value: i64| -> ArrayRef { Arc::new(Int64Array::from_value(value, 1)) };
    let text = |value: &str| texts(std::iter::once(value));
    batch(
        ingests_schema(),
        vec![
            number(ingest.ingest_id),
            text(&ingest.dataset),
            text(&ingest.source),
            text(&ingest.format),
            number(ingest.counts[0] as i64),
            number(ingest.counts[1] as i64),
            number(ingest.counts[2] as i64),
            times(std::iter::once(ingest.started_at)),
            times(std::iter::once(ingest.finished_at)),
        ],
    )
}
