//! `FORGET` and `EXPLAIN FORGET`: the parameter becomes a value, the engine erases or tells, and the receipt
//! is the answer.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;

use crate::engine::erasure::Erasure;
use crate::engine::receipt::{erasure_batch, erasures_schema};
use crate::error::{Error, Result, SqlState};
use crate::query::error::from_arrow;
use crate::query::session::decide::said;
use crate::query::session::execute::blocking;
use crate::query::session::transaction::{CommitGate, TransactionStatus};
use crate::query::session::{Inner, Outcome, show};
use crate::query::statements::{Forget, StatedText};

/// The columns of the answer of a dry run: the counts.
const TOLD: std::ops::Range<usize> = 1..11;

/// The types of its parameters: as the client declared them, else text.
pub(super) fn parameters(stated: &Forget, declared: &[Option<DataType>]) -> Vec<DataType> {
    let count = match &stated.value {
        StatedText::Literal(_) => 0,
        StatedText::Parameter(at) => at + 1,
    };
    let ty = |at| declared.get(at).cloned().flatten().unwrap_or(DataType::Utf8View);
    (0..count.max(declared.len())).map(ty).collect()
}

/// The columns of the answer.
///
/// # Errors
/// `XX000` if there are fewer than are told, which would be a mistake of ours.
pub(super) fn schema(stated: &Forget) -> Result<SchemaRef> {
    let all = erasures_schema();
    if !stated.explain {
        return Ok(all);
    }
    all.project(&TOLD.collect::<Vec<_>>()).map(Arc::new).map_err(|error| from_arrow(&error))
}

/// Runs one; returns when the erasure is durable and visible.
///
/// # Errors
/// `25001` in a transaction block, `22004` for a value that is null, and what the engine says.
pub(super) async fn run(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    stated: &Forget,
    values: &[ScalarValue],
) -> Result<Outcome> {
    let value = said(&stated.value, values)?.ok_or_else(|| {
        let message = format!("the value of namespace \"{}\" is null", stated.namespace);
        Error::new(SqlState("22004"), message)
    })?;
    let erasure = Erasure {
        namespace: stated.namespace.clone(),
        value,
        now: stated.now,
        block: stated.block,
        requested_by: session.user.clone(),
    };
    let database = Arc::clone(&session.server.database);
    if stated.explain {
        let told = blocking(move || database.preview_forget(&erasure)).await?;
        let batch = erasure_batch(&told)?.project(&TOLD.collect::<Vec<_>>());
        return show::rows_of(batch.map_err(|error| from_arrow(&error))?, "EXPLAIN");
    }
    if session.transaction.lock().status != TransactionStatus::Idle {
        let message = "FORGET cannot run inside a transaction block";
        return Err(Error::new(SqlState::ACTIVE_TRANSACTION, message)
            .hint("what is erased cannot be rolled back"));
    }
    session.check_may_write("FORGET")?;
    gate.commit()?;
    let receipt = blocking(move || database.forget(erasure)).await?;
    show::rows_of(erasure_batch(&receipt)?, "FORGET")
}
