//! Transactions: several writes that count together, or not at all.
//!
//! A [`Transaction`] applies its writes to a state of its own, a copy of the snapshot that it began
//! with, so that it reads what it wrote and nobody else does. [`Transaction::commit`] hands the writes
//! to the writer, which applies them again to the state of that moment, as one record of the log, one
//! sync and one snapshot. What can no longer be applied there, because others changed it meanwhile, is
//! refused as a whole with `40001`: whoever commits first wins. Reads take no part in that, so that the
//! isolation is that of snapshots, as in PostgreSQL's REPEATABLE READ.
//!
//! `Accept` is what takes writes: the database, or a transaction of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::engine::database::{Database, Defined, Shared, is_new_dataset};
use crate::engine::profiles::ProfileViews;
use crate::engine::scratch::PendingScratch;
use crate::engine::snapshot::Snapshot;
use crate::engine::state::State;
use crate::engine::step::{EventChange, EventChanges, Stage, Step};
use crate::engine::touched::Touched;
use crate::engine::writer::{Pending, PendingDelete, PendingPart, logged_segments};
use crate::error::{Error, Result, SqlState};
use crate::model::dataset::Dataset;
use crate::model::definition::Definition;
use crate::model::namespace::Namespace;
use crate::storage::record::{CommitPart, PartRows, Record};

/// The most bytes of rows that a transaction holds in memory, and then in one record of the log. Rows of
/// large loads are in files meanwhile, and do not count.
pub const TRANSACTION_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The most writes of a transaction: the writer applies them at one go, while others wait.
pub const TRANSACTION_WRITES_MAX: usize = 100_000;

/// Versions of catalogs that only one transaction sees are counted from here on, so that none is taken
/// for a version that all see: those would have to grow by a thousand a second for thirty years.
const PRIVATE_VERSION_MIN: u64 = 1 << 40;

static NEXT_PRIVATE_VERSION: AtomicU64 = AtomicU64::new(PRIVATE_VERSION_MIN);

/// What takes writes.
pub(crate) trait Accept: Send + Sync {
    /// The database behind it.
    fn database(&self) -> &Database;

    /// What its next write is applied to.
    fn seen(&self) -> Arc<Snapshot>;

    /// What it knows of a dataset's event ids besides the database.
    fn events_changed(&self, dataset: &Dataset) -> Option<EventChange>;

    /// Takes a definition.
    ///
    /// # Errors
    /// As [`Database::define`].
    fn accept_definition(&self, definition: Definition) -> Result<Defined>;

    /// Takes rows; gives how many of the dataset's were accepted.
    ///
    /// # Errors
    /// As [`Database::insert`].
    fn accept_rows(&self, pending: Pending) -> Result<u64>;

    /// Takes rows to be deleted, ascending; gives how many there were.
    ///
    /// # Errors
    /// As [`Database::delete`].
    fn accept_delete(&self, dataset: &str, fragment_ids: Vec<i64>) -> Result<u64>;
}

/// One write of a transaction, as it is applied again at its end.
#[derive(Clone)]
enum Write {
    Define { definition: Definition, expected: Expected },
    Commit { pending: Pending, numbers: Numbers },
    Delete(PendingDelete),
    Scratch { pending: PendingScratch, numbers: Numbers },
}

/// Fragment ids that rows have within a transaction: the first, and how many, of each part.
type Numbers = Vec<(i64, i64)>;

/// What a definition made that has a number, which rows and links of the transaction go by.
#[derive(Clone, PartialEq)]
enum Expected {
    Nothing,
    Namespace(Option<Namespace>),
    Dataset(Option<Dataset>),
}

impl Expected {
    fn of(definition: &Definition, state: &State) -> Self {
        match definition {
            Definition::CreateNamespace { name, .. } => {
                Self::Namespace(state.catalog.namespaces.get(name).cloned())
            }
            Definition::CreateDataset { name, .. } => {
                Self::Dataset(state.catalog.datasets.get(name).cloned())
            }
            _ => Self::Nothing,
        }
    }
}

/// Writes that are to count together.
pub(crate) struct PendingTransaction {
    base: Arc<Snapshot>,
    writes: Vec<Write>,
}

impl PendingTransaction {
    /// Applies the writes to a state; if one fails, the state is to be thrown away.
    ///
    /// # Errors
    /// `40001` if others changed what the transaction changes.
    pub(crate) fn apply(self, shared: &Shared, state: &mut State) -> Result<Vec<Step>> {
        let committed_at = shared.clock.now_micros();
        let base_version = self.base.catalog().version;
        let named = |write: &Write| match write {
            Write::Define { definition, .. } => !matches!(definition, Definition::Relation(_)),
            Write::Commit { .. } => true,
            Write::Delete(_) | Write::Scratch { .. } => false,
        };
        let renumbering = self.writes.iter().any(named);
        if renumbering && base_version < state.rewritten_at {
            return Err(conflict("identities were renumbered meanwhile"));
        }
        let mut events = EventChanges::default();
        let mut steps = Vec::new();
        let mut numbers = Renumbered { base: self.base.state.next_fragment_id, runs: Vec::new() };
        for write in self.writes {
            let mut stage = Stage { shared, state, events: &events, committed_at };
            if let Some(step) = write.apply(&mut stage, base_version, &mut numbers)? {
                events.note(step.events.as_ref());
                steps.push(step);
            }
        }
        Ok(steps)
    }
}

/// Fragment ids of the transaction's own rows, and what they are now.
struct Renumbered {
    /// Smaller ones are those of rows that were there before.
    base: i64,
    /// First of then, how many, first of now.
    runs: Vec<(i64, i64, i64)>,
}

impl Renumbered {
    fn now(&self, id: i64) -> Result<i64> {
        if id < self.base {
            return Ok(id);
        }
        let at = self.runs.partition_point(|(first, ..)| *first <= id);
        let run = at.checked_sub(1).map(|at| self.runs[at]);
        let known = run.filter(|(first, count, _)| id < first + count);
        let (first, _, now) = known.ok_or_else(|| Error::internal("a row of nobody is deleted"))?;
        Ok(now + (id - first))
    }
}

impl Write {
    fn apply(
        self,
        stage: &mut Stage<'_>,
        base_version: u64,
        numbers: &mut Renumbered,
    ) -> Result<Option<Step>> {
        match self {
            Self::Define { definition, expected } => {
                if !stage.state.catalog.rewritten_by(&definition).is_empty() {
                    return Err(conflict("rows came that the definition would renumber"));
                }
                let (step, _) = stage.define(definition.clone(), None).map_err(refused)?;
                if Expected::of(&definition, stage.state) != expected {
                    return Err(conflict("others defined something at the same time"));
                }
                Ok(step)
            }
            Self::Commit { pending, numbers: then } => {
                let pending = Pending { catalog_version: base_version, ..pending };
                let step = stage.commit(pending).map_err(refused)?;
                let now = numbers_of(&step.record);
                if now.iter().map(|(_, count)| count).ne(then.iter().map(|(_, count)| count)) {
                    return Err(conflict("events of the transaction came from others meanwhile"));
                }
                let runs =
                    then.iter().zip(&now).map(|((then, count), (now, _))| (*then, *count, *now));
                numbers.runs.extend(runs);
                Ok(Some(step))
            }
            Self::Delete(PendingDelete { dataset, fragment_ids }) => {
                let mut fragment_ids =
                    fragment_ids.iter().map(|id| numbers.now(*id)).collect::<Result<Vec<_>>>()?;
                fragment_ids.sort_unstable();
                let expected = fragment_ids.len() as u64;
                let step =
                    stage.delete(&PendingDelete { dataset, fragment_ids }).map_err(refused)?;
                if step.as_ref().map_or(0, |step| step.row_count) != expected {
                    return Err(conflict("rows were deleted by others meanwhile"));
                }
                Ok(step)
            }
            Self::Scratch { pending, numbers: then } => {
                let deleted = pending.deleted.iter().map(|id| numbers.now(*id));
                let mut deleted = deleted.collect::<Result<Vec<_>>>()?;
                deleted.sort_unstable();
                let step = stage.change_scratch(&PendingScratch { deleted, ..pending });
                let step = step.map_err(refused)?;
                let now = numbers_of(&step.record);
                let runs =
                    then.iter().zip(&now).map(|((then, count), (now, _))| (*then, *count, *now));
                numbers.runs.extend(runs);
                Ok(Some(step))
            }
        }
    }
}

/// The runs of fragment ids of a record's rows of users.
fn numbers_of(record: &Record) -> Numbers {
    let rows = |part: &CommitPart| match &part.rows {
        PartRows::Batch(batch) => batch.num_rows() as i64,
        PartRows::Segment(file) => file.row_count as i64,
    };
    let of_users =
        |part: &&CommitPart| crate::engine::internal::internal_schema(part.dataset).is_none();
    let parts = record.steps().iter().filter_map(|step| match step {
        Record::Commit(commit) => Some(&commit.parts),
        _ => None,
    });
    let parts = parts.flatten().filter(of_users);
    parts.map(|part| (part.first_fragment_id, rows(part))).collect()
}

fn conflict(why: &str) -> Error {
    let message = "could not serialize access due to concurrent update";
    Error::new(SqlState::SERIALIZATION_FAILURE, message)
        .detail(why)
        .hint("nothing of the transaction was accepted; run it again")
}

/// A write that was fine when the transaction made it is so no more.
fn refused(error: Error) -> Error {
    let code = error.code().0;
    // What is damaged, or fails inside, would fail again.
    if ["XX", "58", "53"].iter().any(|class| code.starts_with(class)) {
        return error;
    }
    conflict(&error.to_string())
}

/// Several writes that count together; made by [`Database::begin`].
pub struct Transaction {
    database: Arc<Database>,
    fork: Mutex<Fork>,
}

/// What a transaction has come to.
struct Fork {
    base: Arc<Snapshot>,
    /// What it reads.
    seen: Arc<Snapshot>,
    writes: Vec<Write>,
    /// What there is to know of each write.
    notes: Vec<Note>,
    byte_count: usize,
    events: EventChanges,
    /// Numbers of commits are not given twice, even where writes were rolled back.
    last_commit: u64,
}

/// What one write did besides changing the state.
struct Note {
    commit: u64,
    touched: Arc<Touched>,
    events: Option<(u32, EventChange)>,
    byte_count: usize,
    files: Vec<String>,
}

impl Note {
    fn of(step: Step, write: &Write) -> Self {
        let of_part = |part: &PendingPart| match &part.rows {
            PartRows::Batch(batch) => batch.get_array_memory_size(),
            PartRows::Segment(_) => 0,
        };
        let byte_count = match write {
            Write::Define { .. } => 0,
            Write::Commit { pending, .. } => pending.parts.iter().map(of_part).sum(),
            Write::Delete(pending) => size_of_val(&pending.fragment_ids[..]),
            Write::Scratch { pending, .. } => {
                let deleted = size_of_val(&pending.deleted[..]);
                deleted + pending.added.iter().map(of_part).sum::<usize>()
            }
        };
        let files = logged_segments(&step.record);
        let (commit, touched) = (step.commit, Arc::new(step.touched));
        Self { commit, touched, events: step.events, byte_count, files }
    }
}

/// A point of a transaction that it can go back to; its beginning, unless it was taken later.
#[derive(Clone, Debug, Default)]
pub struct Mark {
    write_count: usize,
    /// What was seen then, if it was kept.
    seen: Option<Arc<Snapshot>>,
}

impl Mark {
    /// Lets go of what was seen then; going back applies the writes again.
    pub fn forget_snapshot(&mut self) {
        self.seen = None;
    }
}

impl Database {
    /// Begins a transaction that reads a snapshot of this database.
    pub fn begin(self: &Arc<Self>, base: Arc<Snapshot>) -> Transaction {
        let (seen, last_commit) = (Arc::clone(&base), base.commit());
        let fork = Fork {
            base,
            seen,
            writes: Vec::new(),
            notes: Vec::new(),
            byte_count: 0,
            events: EventChanges::default(),
            last_commit,
        };
        Transaction { database: Arc::clone(self), fork: Mutex::new(fork) }
    }
}

impl Transaction {
    /// What it reads: the snapshot that it began with, and its own writes.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.fork.lock().seen)
    }

    /// Whether it has written nothing.
    pub fn is_empty(&self) -> bool {
        self.fork.lock().writes.is_empty()
    }

    /// A point to go back to.
    pub fn mark(&self) -> Mark {
        let fork = self.fork.lock();
        Mark { write_count: fork.writes.len(), seen: Some(Arc::clone(&fork.seen)) }
    }

    /// Forgets what was written after a point.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read; then nothing is forgotten.
    pub fn roll_back_to(&self, mark: &Mark) -> Result<()> {
        let mut fork = self.fork.lock();
        if fork.writes.len() > mark.write_count {
            let state = match &mark.seen {
                Some(seen) => seen.state.clone(),
                None => fork.state_after(mark.write_count, self.database.shared())?,
            };
            let files = fork.forget_after(mark.write_count, state);
            drop(fork);
            self.database.shared().remove_files(files.iter());
        }
        Ok(())
    }

    /// Makes the writes durable and visible, all at once; gives how many rows came and went.
    ///
    /// # Errors
    /// Nothing of the transaction counts then: `40001` if others changed what it changes, `54000` beyond
    /// the limits of a record, or what the disk says.
    pub fn commit(&self) -> Result<u64> {
        let mut fork = self.fork.lock();
        let writes = std::mem::take(&mut fork.writes);
        if writes.is_empty() {
            return Ok(0);
        }
        let pending = PendingTransaction { base: Arc::clone(&fork.base), writes };
        let committed = self.database.commit_transaction(pending);
        // Where the disk failed, nobody knows whether the log names the files; the next start does.
        if committed.as_ref().map_or_else(is_of_the_disk, |_| true) {
            fork.notes.clear();
        }
        committed
    }

    /// Changes the rows of a scratch table; gives how many came, or else went.
    ///
    /// # Errors
    /// `42P01` if there is no such table, `40001` if it has changed; `54000` beyond what a transaction
    /// can hold; what the disk says.
    pub(super) fn change_scratch(&self, pending: PendingScratch) -> Result<u64> {
        self.write(|stage| {
            let step = stage.change_scratch(&pending)?;
            let (numbers, row_count) = (numbers_of(&step.record), step.row_count);
            Ok((Some((step, Write::Scratch { pending, numbers })), row_count))
        })
    }

    fn write<T>(
        &self,
        apply: impl FnOnce(&mut Stage<'_>) -> Result<(Option<(Step, Write)>, T)>,
    ) -> Result<T> {
        let mut fork = self.fork.lock();
        if fork.writes.len() >= TRANSACTION_WRITES_MAX {
            let message = format!("a transaction can have at most {TRANSACTION_WRITES_MAX} writes");
            return Err(too_large(message));
        }
        let mut state = fork.seen.state.clone();
        state.commit = fork.last_commit;
        let committed_at = self.database.clock().now_micros();
        let (shared, events) = (self.database.shared(), &fork.events);
        let mut stage = Stage { shared, state: &mut state, events, committed_at };
        let (written, answer) = apply(&mut stage)?;
        if let Some((step, write)) = written {
            fork.accept(state, step, write)?;
        }
        Ok(answer)
    }
}

fn is_of_the_disk(error: &Error) -> bool {
    ["XX", "58", "57"].iter().any(|class| error.code().0.starts_with(class))
}

fn too_large(message: String) -> Error {
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
        .hint("commit more often, or load the rows with COPY, which keeps them in files")
}

impl Fork {
    fn accept(&mut self, mut state: State, step: Step, write: Write) -> Result<()> {
        let note = Note::of(step, &write);
        if self.byte_count + note.byte_count > TRANSACTION_BYTES_MAX {
            let message =
                format!("a transaction can hold at most {TRANSACTION_BYTES_MAX} bytes of rows");
            return Err(too_large(message));
        }
        if matches!(write, Write::Define { .. }) {
            let version = NEXT_PRIVATE_VERSION.fetch_add(1, Ordering::Relaxed);
            Arc::make_mut(&mut state.catalog).version = version;
        }
        self.events.note(note.events.as_ref());
        self.byte_count += note.byte_count;
        self.last_commit = note.commit;
        let views = match &self.seen.views {
            Some(views) => Arc::clone(views),
            None => Arc::new(ProfileViews::of_transaction(Arc::clone(&self.base))),
        };
        views.touch(note.commit, Arc::clone(&note.touched));
        self.notes.push(note);
        self.writes.push(write);
        self.show(state, views);
        Ok(())
    }

    fn show(&mut self, state: State, views: Arc<ProfileViews>) {
        let dictionary = Arc::clone(&self.base.dictionary);
        self.seen = Arc::new(Snapshot { state, dictionary, views: Some(views) });
    }

    /// The state after the first writes, made anew.
    fn state_after(&self, write_count: usize, shared: &Shared) -> Result<State> {
        let mut state = self.base.state.clone();
        let writes = self.writes[..write_count].to_vec();
        PendingTransaction { base: Arc::clone(&self.base), writes }.apply(shared, &mut state)?;
        if state.catalog != self.base.state.catalog {
            let version = NEXT_PRIVATE_VERSION.fetch_add(1, Ordering::Relaxed);
            Arc::make_mut(&mut state.catalog).version = version;
        }
        Ok(state)
    }

    /// Goes back to the state after the first writes; gives the files that nothing refers to any more.
    fn forget_after(&mut self, write_count: usize, mut state: State) -> Vec<String> {
        self.writes.truncate(write_count);
        let forgotten = self.notes.split_off(write_count);
        self.byte_count = self.notes.iter().map(|note| note.byte_count).sum();
        self.events = EventChanges::default();
        let views = ProfileViews::of_transaction(Arc::clone(&self.base));
        for note in &self.notes {
            self.events.note(note.events.as_ref());
            views.touch(note.commit, Arc::clone(&note.touched));
        }
        match self.notes.last() {
            None => self.seen = Arc::clone(&self.base),
            Some(last) => {
                state.commit = last.commit;
                self.show(state, Arc::new(views));
            }
        }
        forgotten.into_iter().flat_map(|note| note.files).collect()
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let notes = std::mem::take(&mut self.fork.get_mut().notes);
        let files: Vec<String> = notes.into_iter().flat_map(|note| note.files).collect();
        self.database.shared().remove_files(files.iter());
    }
}

impl Accept for Database {
    fn database(&self) -> &Database {
        self
    }

    fn seen(&self) -> Arc<Snapshot> {
        self.snapshot()
    }

    fn events_changed(&self, _dataset: &Dataset) -> Option<EventChange> {
        None
    }

    fn accept_definition(&self, definition: Definition) -> Result<Defined> {
        self.define(definition)
    }

    fn accept_rows(&self, pending: Pending) -> Result<u64> {
        self.commit(pending)
    }

    fn accept_delete(&self, dataset: &str, fragment_ids: Vec<i64>) -> Result<u64> {
        self.delete(dataset, fragment_ids)
    }
}

impl Accept for Transaction {
    fn database(&self) -> &Database {
        &self.database
    }

    fn seen(&self) -> Arc<Snapshot> {
        self.snapshot()
    }

    fn events_changed(&self, dataset: &Dataset) -> Option<EventChange> {
        self.fork.lock().events.of(dataset.id).cloned()
    }

    fn accept_definition(&self, definition: Definition) -> Result<Defined> {
        if is_new_dataset(&definition, &self.snapshot()) {
            self.database.derivations().check(&definition)?;
        }
        self.write(|stage| {
            if !stage.state.catalog.rewritten_by(&definition).is_empty() {
                let message = "a namespace whose identities rows name cannot be changed like this inside a transaction block";
                return Err(Error::new(SqlState::ACTIVE_TRANSACTION, message)
                    .hint("all rows of its datasets are renumbered: run it on its own"));
            }
            let (step, defined) = stage.define(definition.clone(), None)?;
            let expected = Expected::of(&definition, stage.state);
            Ok((step.map(|step| (step, Write::Define { definition, expected })), defined))
        })
    }

    fn accept_rows(&self, pending: Pending) -> Result<u64> {
        self.write(|stage| {
            let (parts, new_ids) =
                stage.fresh_parts(pending.parts, &pending.dataset, pending.new_ids)?;
            let pending = Pending { parts, new_ids, ..pending };
            let step = stage.commit(pending.clone())?;
            let (numbers, row_count) = (numbers_of(&step.record), step.row_count);
            Ok((Some((step, Write::Commit { pending, numbers })), row_count))
        })
    }

    fn accept_delete(&self, dataset: &str, mut fragment_ids: Vec<i64>) -> Result<u64> {
        fragment_ids.sort_unstable();
        fragment_ids.dedup();
        let pending = PendingDelete { dataset: dataset.to_owned(), fragment_ids };
        self.write(|stage| {
            let step = stage.delete(&pending)?;
            let row_count = step.as_ref().map_or(0, |step| step.row_count);
            Ok((step.map(|step| (step, Write::Delete(pending.clone()))), row_count))
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, RecordBatch, StringViewArray};

    use super::*;
    use crate::engine::Options;
    use crate::model::column::ColumnType;
    use crate::model::dataset::{Column, DatasetKind, Role};
    use crate::model::definition::Existence;
    use crate::model::namespace::{Kind, Normalization};

    fn database() -> Arc<Database> {
        let database = Database::open(Options::memory()).unwrap();
        let namespace = Definition::CreateNamespace {
            name: "crm".to_owned(),
            kind: Kind::Person,
            rank: None,
            unique: false,
            normalization: Normalization::None,
            blocked: Vec::new(),
            existence: Existence::Strict,
        };
        let column = Column {
            name: "crm".to_owned(),
            ty: ColumnType::Text,
            attribute: None,
            derived: None,
            role: Role::Identity("crm".to_owned()),
        };
        let dataset = Definition::CreateDataset {
            name: "people".to_owned(),
            kind: DatasetKind::Record,
            columns: vec![column],
            options: Vec::new(),
            existence: Existence::Strict,
        };
        database.define(namespace).unwrap();
        database.define(dataset).unwrap();
        database
    }

    fn row(text: &str) -> RecordBatch {
        let column: ArrayRef = Arc::new(StringViewArray::from(vec![text]));
        RecordBatch::try_from_iter([("crm", column)]).unwrap()
    }

    fn count(snapshot: &Snapshot) -> usize {
        snapshot.state.row_count(snapshot.catalog().dataset("people").unwrap().id)
    }

    #[test]
    fn a_transaction_holds_only_so_much() {
        let database = database();
        let transaction = database.begin(database.snapshot());
        let accept: &dyn Accept = &transaction;
        accept.insert("people", &row("a")).unwrap();
        transaction.fork.lock().byte_count = TRANSACTION_BYTES_MAX;
        let error = accept.insert("people", &row("b")).unwrap_err();
        assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED);
        transaction.fork.lock().byte_count = 0;
        accept.insert("people", &row("b")).unwrap();
        let delete = PendingDelete { dataset: "people".to_owned(), fragment_ids: Vec::new() };
        let mut fork = transaction.fork.lock();
        fork.writes.resize(TRANSACTION_WRITES_MAX, Write::Delete(delete));
        drop(fork);
        let error = accept.insert("people", &row("c")).unwrap_err();
        assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED);
        assert_eq!(count(&transaction.snapshot()), 2);
        drop(transaction);
        assert_eq!(count(&database.snapshot()), 0);
    }

    #[test]
    fn going_back_is_the_same_with_and_without_what_was_seen() {
        let database = database();
        for forget in [false, true] {
            let transaction = database.begin(database.snapshot());
            let accept: &dyn Accept = &transaction;
            let mut marks = vec![transaction.mark()];
            for text in ["a", "b", "c", "d"] {
                accept.insert("people", &row(text)).unwrap();
                marks.push(transaction.mark());
            }
            for (at, mut mark) in marks.into_iter().enumerate().rev() {
                if forget {
                    mark.forget_snapshot();
                }
                transaction.roll_back_to(&mark).unwrap();
                let seen = transaction.snapshot();
                assert_eq!((count(&seen), seen.state.graph.identity_count()), (at, at));
                assert_eq!(database.profiles(&seen, "latest").unwrap().profile_count(), at);
            }
            assert!(transaction.is_empty());
        }
    }

    #[test]
    fn files_of_a_transaction_go_with_it() {
        let database = database();
        let many: Vec<String> = (0..20_000).map(|at| format!("n{at}")).collect();
        let load = |accept: &dyn Accept| {
            let text = format!("crm\n{}\n", many.join("\n"));
            let input =
                crate::ingest::Input::Stream(Box::new(std::io::Cursor::new(text.into_bytes())));
            accept
                .load(crate::engine::Load {
                    dataset: "people".to_owned(),
                    columns: None,
                    sources: vec![crate::engine::Source { name: "rows".to_owned(), input }],
                    format: crate::ingest::format_named("csv").unwrap(),
                    options: crate::ingest::Options::default(),
                    max_rejects: None,
                })
                .unwrap()
        };
        let files = |transaction: &Transaction| -> Vec<String> {
            let fork = transaction.fork.lock();
            fork.notes.iter().flat_map(|note| note.files.clone()).collect()
        };
        let transaction = database.begin(database.snapshot());
        load(&transaction);
        let kept = files(&transaction);
        assert!(!kept.is_empty(), "a load of this size is in files");
        assert_eq!(count(&transaction.snapshot()), many.len());
        let is_there = |path: &String| database.files().disk().read(path).is_ok();
        assert!(kept.iter().all(is_there));
        drop(transaction);
        assert!(!kept.iter().any(is_there));

        let transaction = database.begin(database.snapshot());
        load(&transaction);
        let kept = files(&transaction);
        assert_eq!(transaction.commit().unwrap(), many.len() as u64);
        drop(transaction);
        assert!(kept.iter().all(is_there));
        assert_eq!(count(&database.snapshot()), many.len());
    }
}
