//! Cursors of SQL: DECLARE, FETCH, MOVE, CLOSE.
//!
//! A cursor is a running query whose rows wait. It moves forward only, and ends with its transaction
//! unless it was declared WITH HOLD; it always reads the snapshot of its DECLARE. Portals of the
//! protocol are `wire`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::error::Result as StreamResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::error::{Error, Result, SqlState};
use crate::query::error::from_datafusion;
use crate::query::session::command::{Declare, Fetch};
use crate::query::session::prepare::Prepared;
use crate::query::session::transaction::{CommitGate, TransactionStatus};
use crate::query::session::{Inner, Outcome, execute};

/// The most cursors of a session: each is a running query with its buffers.
const CURSORS_MAX: usize = 100;

/// The cursors of a session by name.
#[derive(Default)]
pub(super) struct Cursors(Mutex<BTreeMap<String, Cursor>>);

struct Cursor {
    hold: bool,
    schema: SchemaRef,
    rows: Arc<AsyncMutex<Rows>>,
}

/// The rows that a cursor has not given yet.
struct Rows {
    stream: SendableRecordBatchStream,
    /// What is left of the last batch.
    rest: Option<RecordBatch>,
}

impl Rows {
    /// The next rows, at most so many.
    async fn next(&mut self, count_max: usize) -> Option<StreamResult<RecordBatch>> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match self.stream.next().await? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            },
        };
        if batch.num_rows() > count_max {
            self.rest = Some(batch.slice(count_max, batch.num_rows() - count_max));
            return Some(Ok(batch.slice(0, count_max)));
        }
        Some(Ok(batch))
    }
}

impl Cursors {
    /// The columns of a cursor.
    ///
    /// # Errors
    /// `34000`.
    pub(super) fn schema(&self, name: &str) -> Result<SchemaRef> {
        let cursors = self.0.lock();
        cursors.get(name).map(|cursor| Arc::clone(&cursor.schema)).ok_or_else(|| unknown(name))
    }

    /// Closes a cursor, or all.
    ///
    /// # Errors
    /// `34000`.
    pub(super) fn close(&self, name: Option<&str>) -> Result<()> {
        let mut cursors = self.0.lock();
        match name {
            Some(name) => cursors.remove(name).map(drop).ok_or_else(|| unknown(name)),
            None => {
                cursors.clear();
                Ok(())
            }
        }
    }

    /// Closes what ends with its transaction.
    pub(super) fn end_transaction(&self) {
        self.0.lock().retain(|_, cursor| cursor.hold);
    }
}

fn unknown(name: &str) -> Error {
    Error::new(SqlState::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist"))
}

/// Starts a cursor's query.
///
/// # Errors
/// `25P01` outside a block, `42P03` if the name is taken, `54000` beyond [`CURSORS_MAX`].
pub(super) async fn declare(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    declare: &Declare,
    query: &Arc<Prepared>,
    values: Vec<ScalarValue>,
) -> Result<Outcome> {
    let idle = session.transaction.lock().status == TransactionStatus::Idle;
    if idle && !declare.hold {
        let message = "DECLARE CURSOR can only be used in transaction blocks";
        return Err(Error::new(SqlState("25P01"), message).hint("BEGIN first, or add WITH HOLD"));
    }
    {
        let cursors = session.cursors.0.lock();
        if cursors.contains_key(&declare.name) {
            let message = format!("cursor \"{}\" already exists", declare.name);
            return Err(Error::new(SqlState("42P03"), message));
        }
        if cursors.len() >= CURSORS_MAX {
            let message = format!("a session can have at most {CURSORS_MAX} cursors");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
    }
    let outcome = Box::pin(execute::execute(session, gate, query, values)).await?;
    let Outcome::Rows { schema, stream, .. } = outcome else {
        return Err(Error::unsupported("DECLARE is for queries only"));
    };
    let rows = Arc::new(AsyncMutex::new(Rows { stream, rest: None }));
    let cursor = Cursor { hold: declare.hold, schema, rows };
    session.cursors.0.lock().insert(declare.name.clone(), cursor);
    Ok(Outcome::Done { tag: "DECLARE CURSOR".to_owned() })
}

/// Gives a cursor's next rows, or skips them.
///
/// # Errors
/// `34000`; when skipping, what the query says.
pub(super) async fn fetch(session: &Arc<Inner>, fetch: &Fetch) -> Result<Outcome> {
    let (schema, rows) = {
        let cursors = session.cursors.0.lock();
        let cursor = cursors.get(&fetch.name).ok_or_else(|| unknown(&fetch.name))?;
        (Arc::clone(&cursor.schema), Arc::clone(&cursor.rows))
    };
    let count =
        fetch.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let rows = rows.lock_owned().await;
    if fetch.skip {
        let skipped = skip(rows, count).await?;
        return Ok(Outcome::Done { tag: format!("MOVE {skipped}") });
    }
    let stream_schema = rows.stream.schema();
    let batches = futures::stream::unfold((rows, count), |(mut rows, left)| async move {
        if left == 0 {
            return None;
        }
        let batch = rows.next(left).await?;
        let taken = batch.as_ref().map_or(left, RecordBatch::num_rows);
        Some((batch, (rows, left - taken)))
    });
    let stream = Box::pin(RecordBatchStreamAdapter::new(stream_schema, batches));
    Ok(Outcome::Rows { schema, stream, tag: "FETCH" })
}

async fn skip(mut rows: OwnedMutexGuard<Rows>, count: usize) -> Result<usize> {
    let mut skipped = 0;
    while skipped < count
        && let Some(batch) = rows.next(count - skipped).await
    {
        skipped += batch.map_err(|error| from_datafusion(&error, ""))?.num_rows();
    }
    Ok(skipped)
}
