//! Cursors of SQL: DECLARE, FETCH, MOVE, CLOSE.
//!
//! A cursor is a running query whose rows wait. Rows that were read stay while there are not too many, so
//! that it can go back; one that was declared SCROLL fails rather than forget, one that was declared NO
//! SCROLL keeps nothing. A cursor ends with its transaction unless it was declared WITH HOLD; it always
//! reads the snapshot of its DECLARE. Portals of the protocol are `wire`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::error::{Error, Result, SqlState};
use crate::query::error::{external, from_datafusion};
use crate::query::session::command::{Declare, Fetch, Scroll, Step};
use crate::query::session::prepare::Prepared;
use crate::query::session::transaction::{CommitGate, TransactionStatus};
use crate::query::session::{Inner, Outcome, execute};

/// The most cursors of a session: each is a running query with its buffers.
const CURSORS_MAX: usize = 100;

/// Bytes of rows that a cursor keeps to go back to, if it was not told whether it must.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// Bytes of rows that a SCROLL cursor keeps: it fails beyond.
const SCROLL_BYTES_MAX: usize = 256 << 20;

/// The cursors of a session by name.
#[derive(Default)]
pub(super) struct Cursors(Mutex<BTreeMap<String, Cursor>>);

struct Cursor {
    hold: bool,
    binary: bool,
    /// Whether the block that made it is still open.
    fresh: bool,
    schema: SchemaRef,
    rows: Arc<AsyncMutex<Rows>>,
}

/// The rows of a cursor.
struct Rows {
    stream: SendableRecordBatchStream,
    /// Rows that were read and are kept, each batch with the number of rows before it.
    kept: Vec<(usize, RecordBatch)>,
    kept_bytes: usize,
    /// Whether rows that were given may be forgotten.
    scroll: Scroll,
    /// How many rows were read.
    read_count: usize,
    /// Whether all were.
    is_read: bool,
    /// The row that the cursor is on, from 1; 0 is before the first, one more than there are is after the
    /// last.
    at: usize,
    sql: String,
}

impl Rows {
    fn new(stream: SendableRecordBatchStream, scroll: Scroll, sql: &str) -> Self {
        let sql = sql.to_owned();
        Self {
            stream,
            kept: Vec::new(),
            kept_bytes: 0,
            scroll,
            read_count: 0,
            is_read: false,
            at: 0,
            sql,
        }
    }

    /// Reads until there are so many rows, or all.
    async fn read_to(&mut self, count: usize) -> Result<()> {
        while self.read_count < count && !self.is_read {
            match self.stream.next().await {
                None => self.is_read = true,
                Some(batch) => {
                    let batch = batch.map_err(|error| from_datafusion(&error, &self.sql))?;
                    self.keep(batch)?;
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.kept_bytes += batch.get_array_memory_size();
        let before = self.read_count;
        self.read_count += batch.num_rows();
        self.kept.push((before, batch));
        match self.scroll {
            Scroll::Yes if self.kept_bytes > SCROLL_BYTES_MAX => {
                let message = format!("a SCROLL cursor can keep at most {SCROLL_BYTES_MAX} bytes");
                Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
                    .hint("declare it NO SCROLL, or give its query a LIMIT"))
            }
            Scroll::Open if self.kept_bytes > KEPT_BYTES_MAX => {
                self.scroll = Scroll::No;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Forgets what lies behind, if it may.
    fn forget(&mut self) {
        if self.scroll == Scroll::No {
            let at = self.at;
            self.kept.retain(|(before, batch)| before + batch.num_rows() >= at);
        }
    }

    /// The kept batch that has a row, from 1, and the row's place in it.
    fn find(&self, row: usize) -> Option<(&RecordBatch, usize)> {
        let index = row.checked_sub(1)?;
        let after = self.kept.partition_point(|(before, _)| *before <= index);
        let (before, batch) = self.kept.get(after.checked_sub(1)?)?;
        let place = index - before;
        (place < batch.num_rows()).then_some((batch, place))
    }

    /// The next rows, at most so many; moves the cursor over them.
    async fn forward(&mut self, count_max: usize) -> Result<Option<RecordBatch>> {
        let next = self.at + 1;
        self.read_to(next).await?;
        let Some((batch, place)) = self.find(next) else {
            self.at = self.read_count + 1;
            return Ok(None);
        };
        let count = count_max.min(batch.num_rows() - place);
        let rows = batch.slice(place, count);
        self.at += count;
        self.forget();
        Ok(Some(rows))
    }

    /// The rows before, nearest first, at most so many; moves the cursor over them.
    fn backward(&mut self, count_max: usize) -> Result<Vec<RecordBatch>> {
        self.check_back()?;
        let mut batches = Vec::new();
        let mut left = count_max.min(self.at.saturating_sub(1));
        let mut row = self.at;
        self.at = self.at.saturating_sub(count_max.min(self.at));
        while left > 0 {
            row -= 1;
            let (batch, place) = self.find(row).ok_or_else(only_forward)?;
            let count = left.min(place + 1);
            let first = place + 1 - count;
            let places = (first..=place).rev().map(|it| u32::try_from(it).unwrap_or(u32::MAX));
            let taken = take_record_batch(batch, &UInt32Array::from_iter_values(places))
                .map_err(|error| Error::internal(error.to_string()))?;
            batches.push(taken);
            left -= count;
            row -= count - 1;
        }
        Ok(batches)
    }

    fn check_back(&self) -> Result<()> {
        if self.scroll == Scroll::No { Err(only_forward()) } else { Ok(()) }
    }

    /// Goes to a row, from 1; negative numbers count from the end.
    async fn absolute(&mut self, row: i64) -> Result<Option<RecordBatch>> {
        let count = usize::try_from(row.unsigned_abs()).unwrap_or(usize::MAX);
        let target = if row >= 0 {
            self.read_to(count).await?;
            count.min(self.read_count + 1)
        } else {
            self.read_to(usize::MAX).await?;
            (self.read_count + 1).saturating_sub(count)
        };
        if target < self.at {
            self.check_back()?;
        }
        self.at = target;
        let found = self.find(target).map(|(batch, place)| batch.slice(place, 1));
        if found.is_none() && (1..=self.read_count).contains(&target) {
            return Err(only_forward());
        }
        self.forget();
        Ok(found)
    }

    async fn relative(&mut self, step: i64) -> Result<Option<RecordBatch>> {
        let at = i64::try_from(self.at).unwrap_or(i64::MAX);
        match at.saturating_add(step) {
            row if row > 0 => self.absolute(row).await,
            _ => self.absolute(0).await,
        }
    }
}

fn only_forward() -> Error {
    Error::new(SqlState("55000"), "cursor can only scan forward")
        .hint("Declare it with SCROLL option to enable backward scan.")
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

    /// Whether a cursor was declared BINARY.
    pub(super) fn is_binary(&self, name: &str) -> bool {
        self.0.lock().get(name).is_some_and(|cursor| cursor.binary)
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

    /// Closes what ends with its transaction: of one that failed all that it made.
    pub(super) fn end_transaction(&self, committed: bool) {
        let mut cursors = self.0.lock();
        cursors.retain(|_, cursor| cursor.hold && (committed || !cursor.fresh));
        cursors.values_mut().for_each(|cursor| cursor.fresh = false);
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
    let rows = Arc::new(AsyncMutex::new(Rows::new(stream, declare.scroll, &query.sql)));
    let Declare { hold, binary, .. } = *declare;
    let cursor = Cursor { hold, binary, fresh: !idle, schema, rows };
    session.cursors.0.lock().insert(declare.name.clone(), cursor);
    Ok(Outcome::Done { tag: "DECLARE CURSOR".to_owned() })
}

/// Gives rows of a cursor and moves it, or only moves it.
///
/// # Errors
/// `34000`, `55000` for a cursor that cannot go back; when moving, what the query says.
pub(super) async fn fetch(session: &Arc<Inner>, fetch: &Fetch) -> Result<Outcome> {
    let (schema, rows) = {
        let cursors = session.cursors.0.lock();
        let cursor = cursors.get(&fetch.name).ok_or_else(|| unknown(&fetch.name))?;
        (Arc::clone(&cursor.schema), Arc::clone(&cursor.rows))
    };
    let mut rows = rows.lock_owned().await;
    let count = |count: Option<u64>| {
        count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX))
    };
    let batches: Vec<RecordBatch> = match fetch.step {
        Step::Forward(forward) => return next(schema, rows, count(forward), fetch.skip).await,
        Step::Backward(back) => rows.backward(count(back))?,
        Step::Absolute(row) => rows.absolute(row).await?.into_iter().collect(),
        Step::Relative(step) => rows.relative(step).await?.into_iter().collect(),
    };
    if fetch.skip {
        let moved: usize = batches.iter().map(RecordBatch::num_rows).sum();
        return Ok(Outcome::Done { tag: format!("MOVE {moved}") });
    }
    let batches = futures::stream::iter(batches.into_iter().map(Ok));
    let stream = Box::pin(RecordBatchStreamAdapter::new(rows.stream.schema(), batches));
    Ok(Outcome::Rows { schema, stream, tag: "FETCH" })
}

/// Gives the next rows as they are made, or skips them.
async fn next(
    schema: SchemaRef,
    mut rows: OwnedMutexGuard<Rows>,
    count: usize,
    skip: bool,
) -> Result<Outcome> {
    if skip {
        let mut skipped = 0;
        while skipped < count
            && let Some(batch) = rows.forward(count - skipped).await?
        {
            skipped += batch.num_rows();
        }
        return Ok(Outcome::Done { tag: format!("MOVE {skipped}") });
    }
    let stream_schema = rows.stream.schema();
    let batches = futures::stream::unfold((rows, count), |(mut rows, left)| async move {
        if left == 0 {
            return None;
        }
        let batch = rows.forward(left).await.transpose()?;
        let taken = batch.as_ref().map_or(left, RecordBatch::num_rows);
        let batch = batch.map_err(|error: Error| -> DataFusionError { external(error) });
        Some((batch, (rows, left - taken)))
    });
    let stream = Box::pin(RecordBatchStreamAdapter::new(stream_schema, batches));
    Ok(Outcome::Rows { schema, stream, tag: "FETCH" })
}
