//! The store's own datasets: refused rows, the record of loads, and what happened to profiles; receipts of
//! who was forgotten are in `receipt`.
//!
//! They are kept like any rows (log, tail, segments), under numbers that no user's dataset gets.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray, StringViewBuilder,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use crate::engine::snapshot::Snapshot;

use crate::error::{Error, Result};
use crate::graph::changes::ProfileChange;
use crate::model::column::UTC;
use crate::storage::part::time_type;

/// The number of `rejects`.
pub const REJECTS: u32 = u32::MAX;

/// The number of `selfsame.ingests`.
pub const INGESTS: u32 = u32::MAX - 1;

/// The number of what `identity_changes` shows.
pub const CHANGES: u32 = u32::MAX - 2;

/// The number of `selfsame.erasures`.
pub const ERASURES: u32 = u32::MAX - 3;

/// The most bytes of a statement that is kept to say what did something: enough to recognise it. Longer
/// ones end in an ellipsis.
pub const STATEMENT_BYTES_MAX: usize = 1_000;

/// A statement, cut to [`STATEMENT_BYTES_MAX`].
pub fn bounded_statement(text: &str) -> String {
    if text.len() <= STATEMENT_BYTES_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(STATEMENT_BYTES_MAX - "…".len());
    format!("{}…", &text[..end])
}

/// The columns of one of the store's own datasets.
pub fn internal_schema(dataset: u32) -> Option<SchemaRef> {
    match dataset {
        REJECTS => Some(rejects_schema()),
        INGESTS => Some(ingests_schema()),
        CHANGES => Some(changes_schema()),
        ERASURES => Some(crate::engine::receipt::erasures_schema()),
        _ => None,
    }
}

/// Columns of the log of changes. Identities are numbers in it, as in all that is stored.
pub fn changes_schema() -> SchemaRef {
    let number = |name: &str, nullable| Field::new(name, DataType::Int64, nullable);
    Arc::new(Schema::new(vec![
        Field::new("kind", DataType::Utf8View, false),
        Field::new("identity", DataType::UInt32, true),
        number("from_profile_id", false),
        number("to_profile_id", false),
        number("fragment_id", true),
        Field::new("statement", DataType::Utf8View, true),
        Field::new("changed_at", time_type(), false),
    ]))
}

pub(super) fn column(name: &str, ty: DataType, comment: &str) -> Field {
    let comment = [("comment".to_owned(), comment.to_owned())];
    Field::new(name, ty, false).with_metadata(comment.into())
}

fn optional(name: &str, ty: DataType, comment: &str) -> Field {
    column(name, ty, comment).with_nullable(true)
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
        optional("idempotency_key", text(), "the key that the client gave, if it gave one"),
        optional(
            "key_dataset_id",
            DataType::Int64,
            "the number of the dataset that the key is for",
        ),
        optional("fingerprint", text(), "SHA-256 of what came with the key"),
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
    /// The key that its client gave, if any, with the dataset's number and the fingerprint of the rows.
    pub key: Option<(String, u32, String)>,
}

impl Ingest {
    /// So many rows that counted as accepted turned out to be events that were accepted before.
    pub fn skip(&mut self, rows: u64) {
        self.counts[0] = self.counts[0].saturating_sub(rows);
        self.counts[2] += rows;
    }
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

/// The first rows that a load refused, from `rejects`.
///
/// # Errors
/// `XX001` if stored data is damaged, `58030` if the disk fails.
pub fn refused_by(
    snapshot: &Snapshot,
    ingest_id: i64,
    rows_max: usize,
) -> Result<Vec<RejectedRow>> {
    let mut found = Vec::new();
    for (_, part) in snapshot.state.parts(REJECTS) {
        for group in 0..part.group_count() {
            let ids = part.column(group, "ingest_id", &DataType::Int64)?;
            let ids = ids.as_primitive::<Int64Type>();
            if !ids.values().contains(&ingest_id) {
                continue;
            }
            let lines = part.column(group, "line", &DataType::Int64)?;
            let text = |name: &str| part.column(group, name, &DataType::Utf8View);
            let [source, code, message, raw] =
                [text("source")?, text("code")?, text("message")?, text("raw")?];
            let cell = |array: &ArrayRef, row: usize| array.as_string_view().value(row).to_owned();
            for row in (0..ids.len()).filter(|row| ids.value(*row) == ingest_id) {
                if found.len() == rows_max {
                    return Ok(found);
                }
                found.push(RejectedRow {
                    source: cell(&source, row),
                    line: lines.as_primitive::<Int64Type>().value(row) as u64,
                    code: cell(&code, row),
                    message: cell(&message, row),
                    raw: cell(&raw, row),
                });
            }
        }
    }
    Ok(found)
}

/// A load as a row of `selfsame.ingests`.
pub fn ingest_batch(ingest: &Ingest) -> Result<RecordBatch> {
    let number = |value: i64| -> ArrayRef { Arc::new(Int64Array::from_value(value, 1)) };
    let text = |value: &str| texts(std::iter::once(value));
    let optional = |value: Option<&str>| -> ArrayRef {
        Arc::new(StringViewArray::from_iter(std::iter::once(value)))
    };
    let key = ingest.key.as_ref();
    let key_dataset = key.map(|(_, dataset, _)| i64::from(*dataset));
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
            optional(key.map(|(key, _, _)| key.as_str())),
            Arc::new(Int64Array::from_iter(std::iter::once(key_dataset))),
            optional(key.map(|(_, _, fingerprint)| fingerprint.as_str())),
        ],
    )
}

/// What happened to profiles as rows of the log of it, by a statement, or else by the rows named.
pub fn changes_batch(
    changes: &[ProfileChange],
    statement: Option<&str>,
    changed_at: i64,
) -> Result<RecordBatch> {
    let profiles = |profile: fn(&ProfileChange) -> u32| -> ArrayRef {
        let ids = changes.iter().map(|change| i64::from(profile(change)));
        Arc::new(Int64Array::from_iter_values(ids))
    };
    let by_rows = |change: &ProfileChange| {
        (statement.is_none() && change.fragment_id > 0).then_some(change.fragment_id)
    };
    let statement = statement.map(bounded_statement);
    // One copy of the text, however many rows say it.
    let mut statements = StringViewBuilder::with_capacity(changes.len()).with_deduplicate_strings();
    changes.iter().for_each(|_| statements.append_option(statement.as_deref()));
    batch(
        changes_schema(),
        vec![
            texts(changes.iter().map(|change| change.kind.name())),
            Arc::new(changes.iter().map(|change| change.identity).collect::<UInt32Array>()),
            profiles(|change| change.from_profile),
            profiles(|change| change.to_profile),
            Arc::new(changes.iter().map(by_rows).collect::<Int64Array>()),
            Arc::new(statements.finish()),
            times(changes.iter().map(|_| changed_at)),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_statements_are_cut_between_characters() {
        for (length, cut) in [(1, false), (500, false), (501, true), (4_000, true)] {
            let text = "é".repeat(length);
            let bounded = bounded_statement(&text);
            assert_eq!(bounded != text, cut, "{length}");
            assert!(bounded.len() <= STATEMENT_BYTES_MAX);
            assert_eq!(bounded.ends_with('…'), cut);
        }
    }
}
