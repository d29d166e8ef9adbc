//! Answers EXPLAIN RETENTION: a row for each dataset that keeps its rows for a time.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::retention::Expiring;
use crate::error::Result;
use crate::model::column::UTC;
use crate::query::error::from_arrow;
use crate::query::session::execute::blocking;
use crate::query::session::{Inner, Outcome, show};
use crate::storage::part::time_type;

/// The columns of the answer.
pub(super) fn schema() -> SchemaRef {
    let column = |name: &str, ty| Field::new(name, ty, false);
    Arc::new(Schema::new(vec![
        column("dataset", DataType::Utf8View),
        column("retention", DataType::Utf8View),
        column("older_than", time_type()),
        column("expired_count", DataType::Int64),
        column("row_count", DataType::Int64),
    ]))
}

/// Answers the statement.
///
/// # Errors
/// What reading rows may give.
pub(super) async fn run(session: &Arc<Inner>) -> Result<Outcome> {
    let database = Arc::clone(&session.server.database);
    let all = blocking(move || database.retention_preview()).await?;
    let text = |of: fn(&Expiring) -> String| -> ArrayRef {
        Arc::new(all.iter().map(|it| Some(of(it))).collect::<StringViewArray>())
    };
    let number = |of: fn(&Expiring) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(all.iter().map(|it| of(it) as i64)))
    };
    let cutoffs = TimestampMicrosecondArray::from_iter_values(all.iter().map(|it| it.cutoff));
    let columns = vec![
        text(|it| it.dataset.clone()),
        text(|it| it.retention.to_string()),
        Arc::new(cutoffs.with_timezone(UTC)) as ArrayRef,
        number(|it| it.row_count),
        number(|it| it.total_count),
    ];
    let batch = RecordBatch::try_new(schema(), columns).map_err(|error| from_arrow(&error))?;
    show::rows_of(batch, "EXPLAIN")
}
