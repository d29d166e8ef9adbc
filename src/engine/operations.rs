//! Operations: work that takes a while, as others may watch it while it goes on.
//!
//! Loads, flushes, deletions and definitions that fold graphs anew register here; the table
//! `selfsame.operations` shows them. Nothing is durable: after a restart there were none. What they do
//! is theirs to do; nothing here starts, stops or delays any.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::engine::internal::bounded_statement;
use crate::env::clock::Clock;
use crate::error::Result;

/// How many operations are remembered: a day of a busy server, in less than a megabyte or so.
pub const OPERATIONS_MAX: usize = 1_000;

/// Stands for a total that is not known.
const UNKNOWN: u64 = u64::MAX;

/// What has become of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationState {
    /// It goes on.
    Running,
    /// It was done.
    Done,
    /// It was not, and left nothing behind.
    Failed,
}

impl OperationState {
    /// Its name in `selfsame.operations`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// An operation as it stood when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRow {
    /// Its number.
    pub operation_id: i64,
    /// `load`, `flush`, `delete`, `definition`.
    pub kind: &'static str,
    /// The statement that it is the work of, if it is one's.
    pub statement: Option<String>,
    /// When it began, in microseconds.
    pub started_at: i64,
    /// When it ended, if it did.
    pub finished_at: Option<i64>,
    /// How much of it is done.
    pub done: u64,
    /// How much there is to do, if that is known.
    pub total: Option<u64>,
    /// What is counted.
    pub unit: &'static str,
    /// What has become of it.
    pub state: OperationState,
    /// What it did, or why it failed.
    pub detail: Option<String>,
}

impl OperationRow {
    /// How much of it is done, from 0 to 1, if that is known.
    pub fn progress(&self) -> Option<f64> {
        match (self.state, self.total) {
            (OperationState::Done, _) => Some(1.0),
            (_, None) => None,
            (_, Some(0)) => Some(0.0),
            (_, Some(total)) => Some((self.done as f64 / total as f64).min(1.0)),
        }
    }
}

/// How an operation ended.
#[derive(Debug)]
struct End {
    at: i64,
    state: OperationState,
    detail: Option<String>,
}

#[derive(Debug)]
struct Entry {
    operation_id: i64,
    kind: &'static str,
    statement: Option<String>,
    started_at: i64,
    unit: &'static str,
    done: AtomicU64,
    total: AtomicU64,
    end: Mutex<Option<End>>,
}

impl Entry {
    fn row(&self) -> OperationRow {
        let end = self.end.lock();
        let total = self.total.load(Ordering::Relaxed);
        OperationRow {
            operation_id: self.operation_id,
            kind: self.kind,
            statement: self.statement.clone(),
            started_at: self.started_at,
            finished_at: end.as_ref().map(|end| end.at),
            done: self.done.load(Ordering::Relaxed),
            total: (total != UNKNOWN).then_some(total),
            unit: self.unit,
            state: end.as_ref().map_or(OperationState::Running, |end| end.state),
            detail: end.as_ref().and_then(|end| end.detail.clone()),
        }
    }
}

/// The operations of one database; clones are the same.
#[derive(Clone)]
pub struct Operations {
    clock: Arc<dyn Clock>,
    all: Arc<Mutex<Remembered>>,
}

#[derive(Debug, Default)]
struct Remembered {
    last_id: i64,
    entries: VecDeque<Arc<Entry>>,
}

impl Remembered {
    /// Forgets the oldest that has ended; only if none has, the oldest.
    fn make_room(&mut self) {
        if self.entries.len() >= OPERATIONS_MAX {
            let ended = self.entries.iter().position(|entry| entry.end.lock().is_some());
            self.entries.remove(ended.unwrap_or(0));
        }
    }
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operations").field("all", &self.all.lock()).finish_non_exhaustive()
    }
}

impl Operations {
    /// No operations yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, all: Arc::default() }
    }

    /// Registers an operation that begins now. It runs until what is given back is ended or dropped.
    pub fn begin(
        &self,
        kind: &'static str,
        statement: Option<&str>,
        total: Option<u64>,
        unit: &'static str,
    ) -> Operation {
        let started_at = self.clock.now_micros();
        let mut all = self.all.lock();
        all.make_room();
        all.last_id += 1;
        let entry = Arc::new(Entry {
            operation_id: all.last_id,
            kind,
            statement: statement.map(bounded_statement),
            started_at,
            unit,
            done: AtomicU64::new(0),
            total: AtomicU64::new(total.unwrap_or(UNKNOWN)),
            end: Mutex::new(None),
        });
        all.entries.push_back(Arc::clone(&entry));
        Operation { clock: Arc::clone(&self.clock), progress: Progress(entry) }
    }

    /// The operations remembered, in the order in which they began.
    pub fn rows(&self) -> Vec<OperationRow> {
        let entries: Vec<Arc<Entry>> = self.all.lock().entries.iter().cloned().collect();
        entries.iter().map(|entry| entry.row()).collect()
    }
}

/// Where an operation tells how far it is.
#[derive(Clone, Debug)]
pub struct Progress(Arc<Entry>);

impl Progress {
    /// So much more is done.
    pub fn advance(&self, count: u64) {
        self.0.done.fetch_add(count, Ordering::Relaxed);
    }

    /// So much is done in all.
    pub fn reach(&self, done: u64) {
        self.0.done.store(done, Ordering::Relaxed);
    }

    /// So much there is to do.
    pub fn set_total(&self, total: u64) {
        self.0.total.store(total, Ordering::Relaxed);
    }
}

/// A running operation: dropped without an end, it failed.
pub struct Operation {
    clock: Arc<dyn Clock>,
    progress: Progress,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl Operation {
    /// Where to tell how far it is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// It was done: all that there was to do.
    pub fn finish(self, detail: Option<String>) {
        let Entry { done, total, .. } = &*self.progress.0;
        match total.load(Ordering::Relaxed) {
            UNKNOWN => total.store(done.load(Ordering::Relaxed), Ordering::Relaxed),
            all => done.store(all, Ordering::Relaxed),
        }
        self.end(OperationState::Done, detail);
    }

    /// It ended as a result says: done, with a detail of what it did, or failed, with the error.
    pub fn conclude<T>(self, result: &Result<T>, detail: impl FnOnce(&T) -> Option<String>) {
        match result {
            Ok(value) => self.finish(detail(value)),
            Err(error) => {
                self.end(OperationState::Failed, Some(bounded_statement(error.message())));
            }
        }
    }

    fn end(&self, state: OperationState, detail: Option<String>) {
        let mut end = self.progress.0.end.lock();
        if end.is_none() {
            *end = Some(End { at: self.clock.now_micros(), state, detail });
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.end(OperationState::Failed, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::clock::ManualClock;
    use crate::error::Error;

    fn operations() -> Operations {
        Operations::new(Arc::new(ManualClock::at(100)))
    }

    /// The operations in a line each.
    fn check(operations: &Operations, expected: &[&str]) {
        let line = |row: OperationRow| {
            let (state, progress) = (row.state.name(), row.progress());
            format!(
                "{} {} {:?} {}..{:?} {}/{:?} {} {progress:?} {state} {:?}",
                row.operation_id,
                row.kind,
                row.statement.unwrap_or_default(),
                row.started_at,
                row.finished_at,
                row.done,
                row.total,
                row.unit,
                row.detail.unwrap_or_default(),
            )
        };
        let lines: Vec<String> = operations.rows().into_iter().map(line).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn an_operation_is_seen_from_its_begin_to_its_end() {
        let operations = operations();
        let load = operations.begin("load", Some("COPY crm FROM STDIN"), None, "rows");
        load.progress().advance(3);
        let flush = operations.begin("flush", None, Some(4), "datasets");
        flush.progress().advance(1);
        check(
            &operations,
            &[
                r#"1 load "COPY crm FROM STDIN" 100..None 3/None rows None running """#,
                r#"2 flush "" 101..None 1/Some(4) datasets Some(0.25) running """#,
            ],
        );
        load.finish(Some("3 accepted".to_owned()));
        drop(flush);
        let define = operations.begin("definition", None, Some(2), "graphs");
        let failed: Result<()> = Err(Error::internal("no"));
        define.conclude(&failed, |()| None);
        let delete = operations.begin("delete", None, None, "rows");
        delete.progress().set_total(8);
        delete.progress().reach(8);
        delete.conclude(&Ok(8), |count| Some(format!("{count} rows")));
        check(
            &operations,
            &[
                r#"1 load "COPY crm FROM STDIN" 100..Some(102) 3/Some(3) rows Some(1.0) done "3 accepted""#,
                r#"2 flush "" 101..Some(103) 1/Some(4) datasets Some(0.25) failed """#,
                r#"3 definition "" 104..Some(105) 0/Some(2) graphs Some(0.0) failed "no""#,
                r#"4 delete "" 106..Some(107) 8/Some(8) rows Some(1.0) done "8 rows""#,
            ],
        );
    }

    #[test]
    fn the_oldest_that_ended_are_forgotten() {
        let operations = operations();
        let running = operations.begin("load", None, None, "rows");
        for _ in 0..OPERATIONS_MAX + 5 {
            operations.begin("flush", None, None, "datasets").finish(None);
        }
        let ids: Vec<i64> = operations.rows().iter().map(|row| row.operation_id).collect();
        assert_eq!(ids.len(), OPERATIONS_MAX);
        assert_eq!((ids[0], ids[1]), (1, 8));
        assert_eq!(ids.last(), Some(&(OPERATIONS_MAX as i64 + 6)));
        drop(running);
        let others: Vec<Operation> =
            (0..OPERATIONS_MAX).map(|_| operations.begin("load", None, None, "rows")).collect();
        let last = operations.begin("load", None, None, "rows");
        assert_eq!(operations.rows().len(), OPERATIONS_MAX);
        drop((others, last));
    }
}
