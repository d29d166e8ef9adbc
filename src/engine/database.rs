//! The database: what everybody outside the engine holds.
//!
//! Reading is taking a snapshot; writing is asking the writer and waiting for its answer. All calls
//! here block and belong on threads that may.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use parking_lot::{Mutex, RwLock};

use crate::engine::derive::Derivations;
use crate::engine::erasure::BlockedCell;
use crate::engine::follower::Follower;
use crate::engine::idempotency::IdempotencyKeys;
use crate::engine::intake::EventIds;
use crate::engine::operations::Operations;
use crate::engine::past::Pasts;
use crate::engine::policy_query::PolicyPrograms;
use crate::engine::profiles::ProfileViews;
use crate::engine::recovery;
use crate::engine::replication::Replication;
use crate::engine::snapshot::Snapshot;
use crate::engine::transaction::PendingTransaction;
use crate::engine::writer::{
    Pending, PendingDelete, QUEUE_MAX, Reply, Request, SnapshotCell, TouchedCell,
};
use crate::env::clock::{Clock, RealClock};
use crate::env::disk::Disk;
use crate::env::memory_disk::MemoryDisk;
use crate::env::objects::disk::{ObjectDisk, ObjectOptions};
use crate::env::objects::location::Location;
use crate::env::progress::Progress;
use crate::env::real_disk::RealDisk;
use crate::env::threads;
use crate::error::{Error, Result, SqlState};
use crate::graph::dictionary::Dictionary;
use crate::metrics::Metrics;
use crate::model::dataset::Dataset;
use crate::model::definition::Definition;
use crate::model::names::quote_name;
use crate::storage::store::Files;

/// Bytes of decoded columns kept unless configured otherwise.
pub const CACHE_BYTES_DEFAULT: u64 = 2 * 1024 * 1024 * 1024;

/// How long a commit waits for others in object storage unless configured otherwise: less than the
/// request takes, and it bounds the requests at 50 a second.
pub const OBJECT_COMMIT_WINDOW: Duration = Duration::from_millis(20);

/// How to open a database.
#[derive(Clone)]
pub struct Options {
    /// Where the ground state is.
    pub disk: Arc<dyn Disk>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Bytes of decoded columns to keep.
    pub cache_bytes: u64,
    /// Told how far opening is.
    pub progress: Progress,
    /// How long a commit waits for others that it can be made durable with. Where that costs a request,
    /// waiting is worth its time.
    pub commit_window: Duration,
    /// Read only what another process writes, and look for news so often.
    pub follow: Option<Duration>,
}

impl Options {
    /// A store in a folder.
    ///
    /// # Errors
    /// `55006` if another process has it open; otherwise what the system says.
    pub fn folder(path: &std::path::Path) -> Result<Self> {
        Ok(Self { disk: Arc::new(RealDisk::open(path)?), ..Self::memory() })
    }

    /// A store in a folder that another process writes; [`Options::follow`] is to be set too.
    ///
    /// # Errors
    /// `58P01` if there is no such folder, otherwise what the system says.
    pub fn followed_folder(path: &std::path::Path) -> Result<Self> {
        Ok(Self { disk: Arc::new(RealDisk::follow(path)?), ..Self::memory() })
    }

    /// A store in memory, gone with the process.
    pub fn memory() -> Self {
        Self {
            disk: Arc::new(MemoryDisk::new()),
            clock: Arc::new(RealClock),
            cache_bytes: CACHE_BYTES_DEFAULT,
            progress: Progress::default(),
            commit_window: Duration::ZERO,
            follow: None,
        }
    }

    /// A store in object storage.
    ///
    /// # Errors
    /// `22023` if the environment does not say how to reach it, or what the local disk says.
    pub fn objects(location: &Location, options: ObjectOptions) -> Result<Self> {
        let disk = Arc::new(ObjectDisk::open(location, options)?);
        Ok(Self { disk, commit_window: OBJECT_COMMIT_WINDOW, ..Self::memory() })
    }

    /// A store in a folder or in object storage if a place is given, else in memory.
    ///
    /// # Errors
    /// As [`Options::folder`] and [`Options::objects`].
    pub fn at(path: Option<&PathBuf>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::memory()) };
        match path.to_str().filter(|text| Location::is_meant(text)) {
            Some(location) => Self::objects(&Location::parse(location)?, ObjectOptions::default()),
            None => Self::folder(path),
        }
    }
}

/// What a definition did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defined {
    /// Whether anything changed.
    pub changed: bool,
    /// What the user should know.
    pub notice: Option<String>,
}

/// What readers, sessions and the writer share.
pub(crate) struct Shared {
    pub(crate) dictionary: Arc<Dictionary>,
    pub(crate) files: Arc<Files>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) snapshot: SnapshotCell,
    pub(crate) touched: TouchedCell,
    pub(crate) operations: Operations,
    pub(crate) metrics: Metrics,
    pub(crate) replication: Mutex<Replication>,
    /// Identities that are refused.
    pub(crate) blocked: Arc<BlockedCell>,
    /// Numbers of identities that were forgotten since the store was opened: rows made ready before that
    /// may still name them.
    pub(crate) forgotten: RwLock<HashSet<u32>>,
    event_ids: Mutex<HashMap<u32, Arc<EventIds>>>,
}

impl Shared {
    pub(crate) fn new(
        dictionary: Arc<Dictionary>,
        files: Arc<Files>,
        clock: Arc<dyn Clock>,
        snapshot: Snapshot,
    ) -> Self {
        let touched = crate::engine::touched::TouchedLog::starting_at(snapshot.commit());
        let operations = Operations::new(Arc::clone(&clock));
        Self {
            dictionary,
            files,
            clock,
            operations,
            metrics: Metrics::new(),
            replication: Mutex::default(),
            snapshot: SnapshotCell::new(Arc::new(snapshot)),
            touched: TouchedCell::new(touched),
            blocked: Arc::default(),
            forgotten: RwLock::default(),
            event_ids: Mutex::default(),
        }
    }

    /// The event ids that a dataset has accepted, if it recognises events by id.
    pub(crate) fn event_ids(&self, dataset: &Dataset) -> Option<Arc<EventIds>> {
        dataset.event_id()?;
        Some(Arc::clone(self.event_ids.lock().entry(dataset.id).or_default()))
    }

    /// Event ids of datasets, as they were saved.
    pub(crate) fn restore_event_ids(&self, saved: BTreeMap<u32, EventIds>) {
        let saved = saved.into_iter().map(|(dataset, events)| (dataset, Arc::new(events)));
        self.event_ids.lock().extend(saved);
    }

    /// Removes files that no manifest names any more. Readers that have them open go on reading.
    pub(crate) fn remove_files<'a>(&self, paths: impl Iterator<Item = &'a String>) {
        let paths: BTreeSet<_> = paths.collect();
        for path in paths {
            if let Err(error) = self.files.remove_path(path) {
                tracing::warn!(path, %error, "could not remove a file that is no longer needed");
            }
        }
    }
}

/// An open database.
pub struct Database {
    shared: Arc<Shared>,
    requests: SyncSender<Request>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    next_ingest_id: AtomicI64,
    views: ProfileViews,
    pasts: Pasts,
    derivations: Derivations,
    policy_programs: Arc<PolicyPrograms>,
    idempotency_keys: IdempotencyKeys,
}

impl Database {
    /// Opens a store, and takes what is derived from it as it was saved, or rebuilds it.
    ///
    /// # Errors
    /// `XX001` if the store is damaged; whatever the disk says.
    pub fn open(options: Options) -> Result<Arc<Self>> {
        let (requests, queue) = sync_channel(QUEUE_MAX);
        let idempotency_keys = IdempotencyKeys::default();
        let (shared, next_ingest_id, thread) = match options.follow {
            Some(poll) => {
                let follower = Follower::open(&options, poll)?;
                let shared = Arc::clone(follower.shared());
                (shared, 0, threads::spawn("follower", move || follower.run(&queue))?)
            }
            None => {
                let writer = recovery::open(&options)?;
                let shared = Arc::clone(&writer.shared);
                let next_ingest_id = writer.state.next_ingest_id;
                idempotency_keys.restore(&writer.state, options.clock.now_micros())?;
                (shared, next_ingest_id, threads::spawn("writer", move || writer.run(&queue))?)
            }
        };
        Ok(Arc::new(Self {
            shared,
            requests,
            writer: Mutex::new(Some(thread)),
            next_ingest_id: AtomicI64::new(next_ingest_id),
            views: ProfileViews::default(),
            pasts: Pasts::default(),
            derivations: Derivations::default(),
            policy_programs: Arc::default(),
            idempotency_keys,
        }))
    }

    /// What is visible now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.shared.snapshot.read())
    }

    /// Changes the catalog; returns when the change is durable and visible.
    ///
    /// # Errors
    /// What `Catalog::apply` refuses, what is wrong with the expression of a computed column, or what
    /// the disk says.
    pub fn define(&self, definition: Definition) -> Result<Defined> {
        if is_new_dataset(&definition, &self.snapshot()) {
            self.derivations.check(&definition)?;
        }
        let operation = may_refold(&definition).then(|| {
            let statement = self.snapshot().catalog().statement_text(&definition);
            self.operations().begin("definition", Some(&statement), None, "graphs")
        });
        let progress = operation.as_ref().map(|operation| operation.progress().clone());
        let defined = self.ask(|reply| Request::Define(definition, progress, reply));
        if let Some(operation) = operation {
            operation.conclude(&defined, |defined| defined.notice.clone());
        }
        defined
    }

    /// Commits rows; gives how many of the dataset's were accepted.
    pub(crate) fn commit(&self, pending: Pending) -> Result<u64> {
        self.ask(|reply| Request::Commit(pending, reply))
    }

    /// Makes rows of a dataset cease to exist, by their fragment ids; returns when that is durable and
    /// visible. Gives how many there were: ids that name no row of the dataset are not counted.
    ///
    /// # Errors
    /// `42P01` if there is no such dataset, or what the disk says.
    pub fn delete(&self, dataset: &str, mut fragment_ids: Vec<i64>) -> Result<u64> {
        fragment_ids.sort_unstable();
        fragment_ids.dedup();
        let statement = format!("DELETE FROM {}", quote_name(dataset));
        let total = Some(fragment_ids.len() as u64);
        let operation = self.operations().begin("delete", Some(&statement), total, "rows");
        let pending = PendingDelete { dataset: dataset.to_owned(), fragment_ids };
        let deleted = self.ask(|reply| Request::Delete(pending, reply));
        operation.conclude(&deleted, |count| Some(format!("{count} rows deleted")));
        deleted
    }

    /// Moves everything from the log's tail into segments.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn flush(&self) -> Result<()> {
        self.ask(Request::Flush)
    }

    /// Flushes and stops the writer; later writes fail.
    ///
    /// # Errors
    /// Whatever the disk says; what was acknowledged is in the log all the same.
    pub fn close(&self) -> Result<()> {
        let Some(thread) = self.writer.lock().take() else { return Ok(()) };
        let result = self.send(Request::Close);
        if thread.join().is_err() {
            return Err(Error::internal("the writer panicked"));
        }
        result
    }

    /// Makes writes durable and visible together; gives how many rows came and went.
    pub(crate) fn commit_transaction(&self, writes: PendingTransaction) -> Result<u64> {
        self.ask(|reply| Request::Transaction(writes, reply))
    }

    /// Why writes are refused, if they are: by a follower, and by a writer that has lost its store.
    pub fn write_refusal(&self) -> Option<Error> {
        let refusal = self.shared.replication.lock().refusal();
        refusal.or_else(|| self.shared.files.refusal())
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        self.write_refusal().map_or(Ok(()), Err)
    }

    /// Where this process stands in the log of the store.
    pub fn replication(&self) -> Replication {
        self.shared.replication.lock().clone()
    }

    pub(crate) fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        self.check_writable()?;
        self.send(request)
    }

    fn send<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        let (reply, answer) = sync_channel(1);
        let closed = || Error::new(SqlState::ADMIN_SHUTDOWN, "the database is shutting down");
        self.requests.send(request(reply)).map_err(|_| closed())?;
        answer.recv().map_err(|_| closed())?
    }

    pub(crate) fn event_ids(&self, dataset: &Dataset) -> Option<Arc<EventIds>> {
        self.shared.event_ids(dataset)
    }

    pub(crate) fn blocked(&self) -> &Arc<BlockedCell> {
        &self.shared.blocked
    }

    pub(crate) fn next_ingest_id(&self) -> i64 {
        self.next_ingest_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn dictionary(&self) -> &Arc<Dictionary> {
        &self.shared.dictionary
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn files(&self) -> &Arc<Files> {
        &self.shared.files
    }

    /// The time, as the engine sees it.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Work that takes a while, now and lately.
    pub fn operations(&self) -> &Operations {
        &self.shared.operations
    }

    /// What is counted and measured.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    pub(crate) fn idempotency_keys(&self) -> &IdempotencyKeys {
        &self.idempotency_keys
    }

    pub(crate) fn derivations(&self) -> &Derivations {
        &self.derivations
    }

    pub(crate) fn views(&self) -> &ProfileViews {
        &self.views
    }

    pub(crate) fn pasts(&self) -> &Pasts {
        &self.pasts
    }

    /// What was touched after one commit and up to another; `None`: anything may be.
    pub(crate) fn touched_between(
        &self,
        kind: crate::engine::touched::Kind,
        after: u64,
        up_to: u64,
    ) -> Option<Vec<u32>> {
        self.shared.touched.lock().between(kind, after, up_to)
    }

    /// The policies that are queries, ready to run.
    pub(crate) fn policy_programs(&self) -> &Arc<PolicyPrograms> {
        &self.policy_programs
    }
}

/// Whether a definition would create a dataset of a name that is not taken.
pub fn is_new_dataset(definition: &Definition, snapshot: &Snapshot) -> bool {
    match definition {
        Definition::CreateDataset { name, .. } => !snapshot.catalog().datasets.contains_key(name),
        _ => false,
    }
}

/// Whether a definition may fold graphs anew, so that it may take a while.
fn may_refold(definition: &Definition) -> bool {
    matches!(
        definition,
        Definition::AlterNamespace { .. }
            | Definition::AlterSystem { .. }
            | Definition::DropDataset { .. }
    )
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("commit", &self.snapshot().commit())
            .finish_non_exhaustive()
    }
}
