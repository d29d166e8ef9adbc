//! The writer: one thread that owns the state and the store, fed by a bounded queue.
//!
//! It takes what waits in the queue as one group: each request is checked, applied to the state and
//! appended to the log; then one sync makes the group durable, one snapshot makes it visible, and all
//! are answered. If a request cannot be applied, the state goes back to what it was before it; if the
//! sync fails, to what it was before the group, and the store takes nothing more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use hashbrown::HashSet;
use parking_lot::{Mutex, RwLock};

use crate::catalog::Catalog;
use crate::engine::compaction::Compacted;
use crate::engine::database::{Defined, Shared};
use crate::engine::derived_state::Description;
use crate::engine::erasure::Erasure;
use crate::engine::intake::stored_schema;
use crate::engine::internal::{Ingest, internal_schema};
use crate::engine::operations::Progress;
use crate::engine::receipt::Receipt;
use crate::engine::scratch::scratch_schema;
use crate::engine::snapshot::Snapshot;
use crate::engine::state::{State, concat};
use crate::engine::step::{EventChanges, Stage, Step};
use crate::engine::touched::Touched;
use crate::engine::transaction::PendingTransaction;
use crate::env::clock::{Clock, RealClock, Stopwatch};
use crate::error::{Error, Result};
use crate::graph::changes::{ChangeKind, ProfileChange};
use crate::metrics::level;
use crate::model::dataset::Dataset;
use crate::model::definition::Definition;
use crate::storage::manifest::{Erased, Manifest, SegmentEntry};
use crate::storage::part::{Part, tail_batch};
use crate::storage::pins::Pin;
use crate::storage::record::{CommitPart, FileReference, PartRows, Record};
use crate::storage::store::Store;

/// Requests that may wait; beyond, senders wait: the queue is the back-pressure.
pub const QUEUE_MAX: usize = 1_024;

/// Requests made durable by one sync.
const GROUP_MAX: usize = 256;

/// Beyond so many bytes of log the tail is flushed into segments.
pub const FLUSH_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// Rows ready to be accepted.
#[derive(Clone)]
pub(crate) struct Pending {
    /// The dataset as the rows were made for it.
    pub(crate) dataset: Arc<Dataset>,
    /// Version of the catalog whose namespaces they were made under.
    pub(crate) catalog_version: u64,
    pub(crate) parts: Vec<PendingPart>,
    pub(crate) ingest: Option<Ingest>,
    /// Event ids that a load found to be new; an insert leaves finding them to the writer.
    pub(crate) new_ids: HashSet<u128>,
}

/// A run of rows of one dataset.
#[derive(Clone)]
pub(crate) struct PendingPart {
    pub(crate) dataset: u32,
    pub(crate) rows: PartRows,
}

/// Rows that are to cease to exist.
#[derive(Clone)]
pub(crate) struct PendingDelete {
    pub(crate) dataset: String,
    /// Ascending; those that are not there are no error.
    pub(crate) fragment_ids: Vec<i64>,
}

pub(crate) type Reply<T> = SyncSender<Result<T>>;

/// What the writer is asked for.
pub(crate) enum Request {
    /// With where to tell how far it is, if somebody watches.
    Define(Definition, Option<Progress>, Reply<Defined>),
    Commit(Pending, Reply<u64>),
    Delete(PendingDelete, Reply<u64>),
    Transaction(PendingTransaction, Reply<u64>),
    Flush(Reply<()>),
    Forget(Box<Erasure>, Reply<Receipt>),
    Compacted(Box<Compacted>, Reply<bool>),
    /// All that is committed, in files that stay until the pin is dropped.
    Pin(Reply<PinnedFiles>),
    Close(Reply<()>),
}

/// The files of a moment when all rows are in segments.
pub(crate) struct PinnedFiles {
    pub(crate) manifest: Manifest,
    /// The commit that they are as of.
    pub(crate) commit: u64,
    pub(crate) pin: Pin,
}

impl Request {
    /// Tells whoever asked that it is not done.
    pub(super) fn refuse(self, error: Error) {
        match self {
            Self::Define(_, _, reply) => drop(reply.send(Err(error))),
            Self::Commit(_, reply) | Self::Delete(_, reply) | Self::Transaction(_, reply) => {
                drop(reply.send(Err(error)))
            }
            Self::Pin(reply) => drop(reply.send(Err(error))),
            Self::Forget(_, reply) => drop(reply.send(Err(error))),
            Self::Compacted(_, reply) => drop(reply.send(Err(error))),
            Self::Flush(reply) | Self::Close(reply) => drop(reply.send(Err(error))),
        }
    }
}

/// An answer that waits for the sync.
enum Answer {
    Defined(Reply<Defined>, Defined),
    Committed(Reply<u64>, u64),
}

impl Answer {
    fn send(self, result: Result<()>) {
        // A client that is gone does not wait for its answer.
        match self {
            Self::Defined(reply, defined) => drop(reply.send(result.map(|()| defined))),
            Self::Committed(reply, rows) => drop(reply.send(result.map(|()| rows))),
        }
    }
}

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) state: State,
    pub(crate) store: Store,
    /// Identities that became present since the last flush.
    pub(crate) unflushed: Vec<u32>,
    /// Files of identities written so far.
    pub(crate) identity_files: Vec<FileReference>,
    /// Segments that the log brought since the last flush.
    pub(crate) logged_segments: BTreeSet<String>,
    /// What is kept of people who were forgotten.
    pub(crate) erased: Erased,
    /// What the derived state is made of that is on disk and of use.
    pub(crate) saved: Option<Description>,
    /// How long a group waits for more requests.
    pub(crate) window: Duration,
}

impl Writer {
    /// Serves requests until asked to close.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            let mut group = vec![first];
            let begun = Stopwatch::start();
            while group.len() < GROUP_MAX {
                let waited = Duration::from_secs_f64(begun.seconds());
                let left = self.window.saturating_sub(waited);
                let Ok(request) = requests.recv_timeout(left) else { break };
                group.push(request);
            }
            if let Some(reply) = self.serve(group) {
                if self.shared.files.refusal().is_some() {
                    // What was acknowledged is in the log; whoever has the store now goes on from there.
                    drop(reply.send(Ok(())));
                    return;
                }
                let flushed = self.flush();
                if flushed.is_ok() {
                    self.save_if_changed();
                }
                if let Err(error) = self.shared.files.release() {
                    tracing::warn!(%error, "could not tell others that the store is closed");
                }
                drop(reply.send(flushed));
                return;
            }
            if self.store.log_bytes() > FLUSH_LOG_BYTES {
                self.flush_in_background();
            }
        }
    }

    fn flush_in_background(&mut self) {
        if let Err(error) = self.flush_and_save() {
            tracing::error!(%error, "could not flush the log into segments; it goes on growing");
        }
    }

    /// Serves a group; gives the reply to send when it asks to close.
    fn serve(&mut self, group: Vec<Request>) -> Option<Reply<()>> {
        let before = (self.state.clone(), self.unflushed.len());
        let (mut touched, mut close) = (Vec::new(), None);
        let (mut answers, mut flushes, mut rewrites) = (Vec::new(), Vec::new(), Vec::new());
        let (mut pins, mut erasures, mut compactions) = (Vec::new(), Vec::new(), Vec::new());
        for request in group {
            match request {
                Request::Define(definition, progress, reply)
                    if !self.state.catalog.rewritten_by(&definition).is_empty() =>
                {
                    rewrites.push((definition, progress, reply));
                }
                Request::Define(definition, progress, reply) => {
                    match self.define(definition, progress.as_ref(), &mut touched) {
                        Ok(defined) => answers.push(Answer::Defined(reply, defined)),
                        Err(error) => drop(reply.send(Err(error))),
                    }
                }
                Request::Commit(pending, reply) => match self.commit(pending, &mut touched) {
                    Ok(rows) => answers.push(Answer::Committed(reply, rows)),
                    Err(error) => drop(reply.send(Err(error))),
                },
                Request::Delete(pending, reply) => match self.delete(&pending, &mut touched) {
                    Ok(rows) => answers.push(Answer::Committed(reply, rows)),
                    Err(error) => drop(reply.send(Err(error))),
                },
                Request::Transaction(writes, reply) => {
                    match self.transaction(writes, &mut touched) {
                        Ok(rows) => answers.push(Answer::Committed(reply, rows)),
                        Err(error) => drop(reply.send(Err(error))),
                    }
                }
                Request::Flush(reply) => flushes.push(reply),
                Request::Pin(reply) => pins.push(reply),
                Request::Compacted(compacted, reply) => compactions.push((compacted, reply)),
                Request::Forget(erasure, reply) => erasures.push((erasure, reply)),
                Request::Close(reply) => close = Some(reply),
            }
        }
        let synced = self.sync(answers.len());
        match &synced {
            Ok(()) => {
                self.shared.metrics.commits.inc_by(answers.len() as u64);
                self.publish(touched);
            }
            Err(error) => {
                tracing::error!(%error, "writing the log failed; the store is read-only from now on");
                self.state = before.0;
                self.unflushed.truncate(before.1);
            }
        }
        answers.into_iter().for_each(|answer| answer.send(synced.clone()));
        for (definition, progress, reply) in rewrites {
            let rewritten = self.rewrite(&definition, progress.as_ref());
            drop(reply.send(rewritten));
        }
        for (compacted, reply) in compactions {
            drop(reply.send(self.take_compacted(&compacted)));
        }
        for (erasure, reply) in erasures {
            drop(reply.send(self.forget(&erasure)));
        }
        for reply in flushes {
            drop(reply.send(self.flush_and_save()));
        }
        for reply in pins {
            drop(reply.send(self.pin_files()));
        }
        close
    }

    /// Makes a group durable.
    fn sync(&mut self, answer_count: usize) -> Result<()> {
        let watch = Stopwatch::start();
        let synced = self.store.sync();
        if answer_count > 0 {
            let (metrics, log_bytes) = (&self.shared.metrics, self.store.log_bytes());
            metrics.note_sync(answer_count, watch.seconds(), synced.is_ok(), log_bytes);
        }
        synced
    }

    fn pin_files(&mut self) -> Result<PinnedFiles> {
        if self.store.log_bytes() > 0 {
            self.flush_and_save()?;
        }
        let manifest = self.store.manifest().clone();
        let pin = self.shared.files.pin(manifest.paths().cloned().collect());
        Ok(PinnedFiles { manifest, commit: self.state.commit, pin })
    }

    pub(super) fn publish(&mut self, touched: Vec<(u64, Touched)>) {
        let mut log = self.shared.touched.lock();
        touched.into_iter().for_each(|(commit, touched)| log.note(commit, touched));
        drop(log);
        let dictionary = Arc::clone(&self.shared.dictionary);
        let snapshot = Arc::new(Snapshot { state: self.state.clone(), dictionary, views: None });
        *self.shared.snapshot.write() = snapshot;
        self.shared.replication.lock().reached(self.store.position());
        // The machine's time: those who watch compare it with theirs.
        self.shared.metrics.note_published(RealClock.now_micros());
    }

    /// Adds a step that was applied to the log; notes what it changed outside of the state.
    fn accept(&mut self, step: Step, touched: &mut Vec<(u64, Touched)>) -> Result<u64> {
        self.store.append(&step.record)?;
        self.note(step, touched)
    }

    fn note(&mut self, step: Step, touched: &mut Vec<(u64, Touched)>) -> Result<u64> {
        self.logged_segments.extend(logged_segments(&step.record));
        self.unflushed.extend(&step.new_identities);
        touched.push((step.commit, step.touched));
        if let Some((dataset, events)) = step.events {
            let dataset = self.state.catalog.dataset_by_id(dataset);
            if let Some(known) = dataset.and_then(|dataset| self.shared.event_ids(dataset)) {
                known.remove(events.removed);
                known.extend(events.added);
            }
        }
        Ok(step.row_count)
    }

    /// Applies one write; the state is what it was if it may not be, or cannot be logged.
    fn step<T>(
        &mut self,
        touched: &mut Vec<(u64, Touched)>,
        write: impl FnOnce(&mut Stage<'_>) -> Result<(Option<Step>, T)>,
    ) -> Result<(u64, T)> {
        let before = self.state.clone();
        let committed_at = self.shared.clock.now_micros();
        let (shared, events) = (Arc::clone(&self.shared), EventChanges::default());
        let mut stage =
            Stage { shared: &shared, state: &mut self.state, events: &events, committed_at };
        let written = write(&mut stage).and_then(|(step, answer)| {
            let rows = step.map_or(Ok(0), |step| self.accept(step, touched))?;
            Ok((rows, answer))
        });
        if written.is_err() {
            self.state = before;
        }
        written
    }

    fn define(
        &mut self,
        definition: Definition,
        progress: Option<&Progress>,
        touched: &mut Vec<(u64, Touched)>,
    ) -> Result<Defined> {
        Ok(self.step(touched, |stage| stage.define(definition, progress))?.1)
    }

    fn commit(&mut self, pending: Pending, touched: &mut Vec<(u64, Touched)>) -> Result<u64> {
        let rows = self.step(touched, |stage| Ok((Some(stage.commit(pending)?), ())))?;
        Ok(rows.0)
    }

    fn delete(
        &mut self,
        pending: &PendingDelete,
        touched: &mut Vec<(u64, Touched)>,
    ) -> Result<u64> {
        Ok(self.step(touched, |stage| Ok((stage.delete(pending)?, ())))?.0)
    }

    /// Applies the writes of a transaction, all or none, as one record of the log.
    fn transaction(
        &mut self,
        writes: PendingTransaction,
        touched: &mut Vec<(u64, Touched)>,
    ) -> Result<u64> {
        let before = self.state.clone();
        let shared = Arc::clone(&self.shared);
        let steps = writes.apply(&shared, &mut self.state);
        let logged = steps.and_then(|mut steps| {
            let records = steps.iter().flat_map(|step| step.record.steps()).cloned().collect();
            match steps.len() {
                0 => {}
                1 => self.store.append(&steps[0].record)?,
                _ => self.store.append(&Record::Transaction(records))?,
            }
            let mut row_count = 0;
            for step in steps.drain(..) {
                row_count += self.note(step, touched)?;
            }
            Ok(row_count)
        });
        if logged.is_err() {
            self.state = before;
        }
        logged
    }

    /// Flushes, and saves derived state if much came since it was saved. No commit waits for it: those
    /// of the group have their answers, and the log holds them.
    fn flush_and_save(&mut self) -> Result<()> {
        self.flush()?;
        self.save_if_grown();
        Ok(())
    }

    /// Moves the tail into segments and starts a new log.
    pub(super) fn flush(&mut self) -> Result<()> {
        let dataset_count = self.state.datasets.len() as u64;
        let log_bytes = self.store.log_bytes();
        let operation =
            self.shared.operations.begin("flush", None, Some(dataset_count), "datasets");
        let watch = Stopwatch::start();
        let flushed = self.try_flush(operation.progress());
        self.shared.metrics.note_flush(watch.seconds(), flushed.is_ok());
        self.shared.metrics.log_bytes.set(level(self.store.log_bytes()));
        operation.conclude(&flushed, |()| Some(format!("{log_bytes} bytes of log")));
        flushed
    }

    fn try_flush(&mut self, progress: &Progress) -> Result<()> {
        self.store.check_writable()?;
        let mut next = self.flushed_state(progress)?;
        if !self.erased.pending.is_empty() {
            let before = (self.identity_files.clone(), self.erased.clone());
            if let Err(error) = self.purge(&mut next) {
                (self.identity_files, self.erased) = before;
                return Err(error);
            }
        }
        // One that was deleted and came again is there twice.
        let unflushed: BTreeSet<u32> = self.unflushed.iter().copied().collect();
        self.replace_manifest(next, &unflushed)?;
        self.publish(Vec::new());
        Ok(())
    }

    /// Puts a state that is wholly in files in the place of the present one, at once and for good.
    /// `new_identities` are those whose names are in no file yet.
    pub(super) fn replace_manifest(
        &mut self,
        next: State,
        new_identities: &BTreeSet<u32>,
    ) -> Result<()> {
        let identities = named(&self.shared, new_identities.iter())?;
        let mut identity_files = self.identity_files.clone();
        if !identities.is_empty() {
            identity_files.push(self.shared.files.write_identities(&identities)?);
        }
        let mut segments = Vec::new();
        for dataset in next.datasets.keys() {
            for (_, part) in next.parts(*dataset) {
                segments.push(segment_entry(part)?);
            }
        }
        let catalog = serde_json::to_value(next.catalog.as_ref())
            .map_err(|error| Error::internal(error.to_string()))?;
        let manifest = Manifest {
            catalog,
            next_fragment_id: next.next_fragment_id,
            segments,
            identities: identity_files.clone(),
            erased: self.erased.clone(),
            ..Manifest::default()
        };
        let mut old = self.logged_segments.clone();
        old.extend(self.store.manifest().paths().cloned());
        let new: BTreeSet<String> = manifest.paths().cloned().collect();
        self.store.flush(manifest)?;
        self.state = next;
        self.identity_files = identity_files;
        self.unflushed.clear();
        self.logged_segments.clear();
        self.shared.remove_files(old.difference(&new));
        Ok(())
    }

    /// As [`Writer::flushed_state`], where nobody watches.
    pub(super) fn flushed_state_unwatched(&self) -> Result<State> {
        let operation = self.shared.operations.begin("flush", None, None, "datasets");
        let flushed = self.flushed_state(operation.progress());
        operation.conclude(&flushed, |_| None);
        flushed
    }

    /// The state with all tails in segments, and the deletions from segments in files.
    pub(super) fn flushed_state(&self, progress: &Progress) -> Result<State> {
        let mut next = self.state.clone();
        let datasets: Vec<u32> = next.datasets.keys().copied().collect();
        for dataset in datasets {
            let tail: Vec<(u32, Arc<Part>)> = next
                .parts(dataset)
                .filter(|(_, part)| part.batch().is_some())
                .map(|(slot, part)| (slot, Arc::clone(part)))
                .collect();
            if !tail.is_empty() {
                self.flush_tail(&mut next, dataset, &tail)?;
            }
            self.flush_deletions(&mut next, dataset)?;
            progress.advance(1);
        }
        Ok(next)
    }

    fn flush_deletions(&self, next: &mut State, dataset: u32) -> Result<()> {
        let unwritten = |part: &Part| part.deletions().is_some_and(|it| it.file().is_none());
        let parts: Vec<(u32, Arc<Part>)> = next
            .parts(dataset)
            .filter(|(_, part)| unwritten(part))
            .map(|(slot, part)| (slot, Arc::clone(part)))
            .collect();
        for (slot, part) in parts {
            let Some(deletions) = part.deletions() else { continue };
            let stored = deletions.stored_as(self.shared.files.write_deletions(&part)?);
            let part = Arc::new(part.with_deletions(stored));
            Arc::make_mut(&mut next.slots).replace(slot, part);
        }
        Ok(())
    }

    fn flush_tail(&self, next: &mut State, dataset: u32, tail: &[(u32, Arc<Part>)]) -> Result<()> {
        let Some(schema) = schema_of(&next.catalog, dataset) else { return Ok(()) };
        let (mut batches, mut old, mut offset) = (Vec::new(), Vec::new(), 0);
        for (slot, part) in tail {
            old.push((*slot, offset));
            offset += part.live_count() as u32;
            batches.push(part.with_columns(&schema)?);
        }
        let all = concat(&batches)?;
        let mut writer = self.shared.files.create_segment(dataset, all.schema())?;
        writer.write(&all)?;
        let file = writer.finish(all.num_rows() as u64)?;
        self.shared.files.sync_segments(dataset)?;
        let segment = self.shared.files.open_segment(file)?;
        let first = &tail[0].1;
        let (id, at) = (first.first_fragment_id, first.committed_at);
        next.replace_slots(dataset, &old, Arc::new(Part::segment(dataset, id, at, segment)));
        Ok(())
    }
}

/// What the manifest says of a part, which must be in a segment.
pub(super) fn segment_entry(part: &Part) -> Result<SegmentEntry> {
    let segment = part.segment_file();
    let segment = segment.ok_or_else(|| Error::internal("a flush left rows in the tail"))?;
    Ok(SegmentEntry {
        dataset: part.dataset,
        first_fragment_id: part.first_fragment_id,
        committed_at: part.committed_at,
        file: segment.file().clone(),
        deletions: part.deletions().and_then(|it| it.file().cloned()),
    })
}

/// How many rows of a dataset these are.
pub(super) fn rows_for(parts: &[PendingPart], dataset: u32) -> u64 {
    let count = |part: &PendingPart| match &part.rows {
        PartRows::Batch(batch) => batch.num_rows() as u64,
        PartRows::Segment(file) => file.row_count,
    };
    parts.iter().filter(|part| part.dataset == dataset).map(count).sum()
}

/// Paths of the segments that a record brings.
pub(crate) fn logged_segments(record: &Record) -> Vec<String> {
    let file = |part: &CommitPart| match &part.rows {
        PartRows::Segment(file) => Some(file.path.clone()),
        PartRows::Batch(_) => None,
    };
    record.commits().into_iter().flat_map(|commit| &commit.parts).filter_map(file).collect()
}

/// What a definition did to profiles, for its user.
pub(super) fn profiles_notice(changes: &[ProfileChange]) -> Option<String> {
    let told = [
        (ChangeKind::Split, "profile", "split off"),
        (ChangeKind::Joined, "profile", "joined another"),
        (ChangeKind::Moved, "identity", "moved"),
    ];
    let told: Vec<String> = told
        .into_iter()
        .filter_map(|(kind, what, did)| {
            let what = match (changes.iter().filter(|change| change.kind == kind).count(), what) {
                (0, _) => return None,
                (1, what) => format!("1 {what}"),
                (count, "identity") => format!("{count} identities"),
                (count, what) => format!("{count} {what}s"),
            };
            Some(format!("{what} {did}"))
        })
        .collect();
    (!told.is_empty()).then(|| format!("{}; identity_changes lists them", told.join(", ")))
}

/// The columns of rows as they are stored; `None` if there is no such dataset or table any more.
pub(super) fn schema_of(catalog: &Catalog, dataset: u32) -> Option<SchemaRef> {
    let of_users = || catalog.dataset_by_id(dataset).map(stored_schema);
    let scratch = || catalog.relations.by_id(dataset).map(scratch_schema);
    internal_schema(dataset).or_else(of_users).or_else(scratch)
}

/// A stored part made readable.
pub(crate) fn open_part(shared: &Shared, part: &CommitPart, committed_at: i64) -> Result<Part> {
    let (dataset, first) = (part.dataset, part.first_fragment_id);
    Ok(match &part.rows {
        PartRows::Batch(batch) => {
            Part::memory(dataset, first, committed_at, tail_batch(batch, first, committed_at)?)
        }
        PartRows::Segment(file) => {
            Part::segment(dataset, first, committed_at, shared.files.open_segment(file.clone())?)
        }
    })
}

/// Identities with their namespaces and values, as the store keeps them.
pub(super) fn named<'a>(
    shared: &Shared,
    identities: impl IntoIterator<Item = &'a u32>,
) -> Result<Vec<(u32, u32, String)>> {
    let reader = shared.dictionary.reader();
    let name = |number: &u32| {
        let found = reader.get(*number);
        let (namespace, value) = found.ok_or_else(|| Error::internal("an identity has no name"))?;
        Ok((*number, namespace, value.to_owned()))
    };
    identities.into_iter().map(name).collect()
}

/// The cell that holds the current snapshot.
pub(crate) type SnapshotCell = RwLock<Arc<Snapshot>>;

/// The cell that holds what commits touched.
pub(crate) type TouchedCell = Mutex<crate::engine::touched::TouchedLog>;
