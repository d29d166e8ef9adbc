//! Receipts: what was erased, when and for whom it was asked, and nothing that says who it was.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Schema, SchemaRef};

use crate::engine::internal::column;
use crate::error::{Error, Result};
use crate::model::column::UTC;
use crate::storage::part::time_type;

/// What an erasure took away, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Its number; 0 of a dry run.
    pub erasure_id: i64,
    /// The namespace by which the person was named.
    pub namespace: String,
    /// The profile that is no more; `None` if nobody was known by the value.
    pub profile_id: Option<i64>,
    /// Rows by dataset, in order of their names.
    pub datasets: Vec<(String, u64)>,
    /// Rows of record datasets and of event datasets.
    pub row_counts: [u64; 2],
    /// Identities.
    pub identity_count: u64,
    /// Pairs of them that were seen together.
    pub link_count: u64,
    /// Decisions of stewards.
    pub decision_count: u64,
    /// Refused rows that named the person.
    pub reject_count: u64,
    /// Entries of the log of changes.
    pub change_count: u64,
    /// Whether rows that name the person are refused from now on.
    pub blocked: bool,
    /// Who asked.
    pub requested_by: String,
    /// The commit that took it away.
    pub commit_id: u64,
    /// When, in microseconds.
    pub forgotten_at: i64,
}

impl Receipt {
    /// Rows by dataset, as one text.
    pub fn datasets_text(&self) -> String {
        let each = self.datasets.iter().map(|(name, count)| format!("{name}: {count}"));
        each.collect::<Vec<_>>().join(", ")
    }
}

/// Columns of `selfsame.erasures`, and of the answer to FORGET.
pub fn erasures_schema() -> SchemaRef {
    let number = |name, comment| column(name, DataType::Int64, comment);
    Arc::new(Schema::new(vec![
        number("erasure_id", "number of the erasure"),
        column("namespace", DataType::Utf8View, "the namespace by which the person was named"),
        number("profile_id", "the profile that is no more; null if nobody was known")
            .with_nullable(true),
        column("datasets", DataType::Utf8View, "rows erased, by dataset"),
        number("fragment_count", "rows of record datasets erased"),
        number("event_count", "rows of event datasets erased"),
        number("identity_count", "identities erased"),
        number("link_count", "pairs of identities that were seen together"),
        number("decision_count", "LINK and UNLINK decisions erased"),
        number("reject_count", "refused rows erased, since they named the person"),
        number("change_count", "entries of identity_changes erased"),
        column("blocked", DataType::Boolean, "whether rows that name the person are refused since"),
        column("requested_by", DataType::Utf8View, "who asked"),
        number("commit_id", "the commit that erased"),
        column("forgotten_at", time_type(), "when it was durable and visible"),
    ]))
}

/// A receipt as a row of `selfsame.erasures`.
///
/// # Errors
/// `XX000` if it does not fit its columns, which would be a mistake of ours.
pub fn erasure_batch(receipt: &Receipt) -> Result<RecordBatch> {
    let number = |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![value as i64])) };
    let text = |value: &str| -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(std::iter::once(value)))
    };
    let at = TimestampMicrosecondArray::from(vec![receipt.forgotten_at]).with_timezone(UTC);
    let columns: Vec<ArrayRef> = vec![
        number(receipt.erasure_id as u64),
        text(&receipt.namespace),
        Arc::new(Int64Array::from(vec![receipt.profile_id])),
        text(&receipt.datasets_text()),
        number(receipt.row_counts[0]),
        number(receipt.row_counts[1]),
        number(receipt.identity_count),
        number(receipt.link_count),
        number(receipt.decision_count),
        number(receipt.reject_count),
        number(receipt.change_count),
        Arc::new(BooleanArray::from(vec![receipt.blocked])),
        text(&receipt.requested_by),
        number(receipt.commit_id),
        Arc::new(at),
    ];
    let schema = erasures_schema();
    RecordBatch::try_new(schema, columns).map_err(|error| Error::internal(error.to_string()))
}
