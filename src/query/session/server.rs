//! The server side of sessions: what they share, and the table of who is there.
//!
//! It owns the runtime on which plans are made and run, so that a heavy report never delays the
//! protocol, and the template of DataFusion's state that every session starts from. It listens to no
//! socket: `wire` does, and asks for a [`Session`] per connection.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;

use crate::engine::Database;
use crate::env::clock::{Clock, RealClock};
use crate::env::random::random_u64;
use crate::env::threads::{STACK_BYTES, parallelism};
use crate::error::{Error, Result};
use crate::query::session::Session;
use crate::query::session::channels::Inbox;
use crate::query::session::derive::Deriver;
use crate::query::session::policy_query::PolicyCompiler;

/// What a server may do.
#[derive(Debug, Default)]
pub struct Settings {
    /// Folders whose files COPY may read; with none it may read no file.
    pub copy_directories: Vec<PathBuf>,
    /// Folders that BACKUP may write; with none it may write nowhere.
    pub backup_directories: Vec<PathBuf>,
    /// Bytes that running queries may hold together; sorting and grouping go to disk beyond it.
    pub memory_limit: Option<usize>,
    /// Where plans are made and run. Its threads need [`STACK_BYTES`] of stack; without one the server
    /// starts its own.
    pub runtime: Option<Handle>,
}

/// What all sessions share.
pub struct Server {
    pub(super) database: Arc<Database>,
    pub(super) copy_directories: Vec<PathBuf>,
    pub(super) backup_directories: Vec<PathBuf>,
    pub(super) environment: Arc<RuntimeEnv>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) started_at_micros: i64,
    runtime: Handle,
    /// Held only to be shut down with the server.
    own_runtime: Option<Runtime>,
    sessions: Mutex<BTreeMap<i32, Arc<Entry>>>,
    next_process_id: AtomicI32,
    /// Whether profiles are being merged for look-ups.
    pub(super) making_view: AtomicBool,
}

/// A session in the table of the server.
pub(super) struct Entry {
    pub(super) secret: i32,
    pub(super) cancel: watch::Sender<u64>,
    pub(super) terminate: watch::Sender<bool>,
    pub(super) info: Mutex<SessionInfo>,
    /// Messages of other sessions.
    pub(super) inbox: Inbox,
}

/// What others may see of a session.
#[derive(Clone, Debug, Default)]
pub struct SessionInfo {
    /// Its number, which cancel requests name.
    pub process_id: i32,
    /// Who connected.
    pub user: String,
    /// The database that the client asked for.
    pub database_name: String,
    /// What the client calls itself.
    pub application_name: String,
    /// Where the client is, if it came over the network.
    pub client: Option<std::net::SocketAddr>,
    /// When it began, in microseconds since 1970.
    pub started_at_micros: i64,
    /// When its last statement began.
    pub statement_started_at_micros: Option<i64>,
    /// When its state last changed.
    pub state_changed_at_micros: i64,
    /// `active`, `idle`, `idle in transaction`, `idle in transaction (aborted)`.
    pub state: &'static str,
    /// Its last statement.
    pub statement: String,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    /// A server of a database.
    ///
    /// # Panics
    /// If the system has no threads left for its runtime.
    pub fn new(database: Arc<Database>, settings: Settings) -> Arc<Self> {
        let (runtime, own_runtime) = match settings.runtime {
            Some(handle) => (handle, None),
            None => {
                let own = computation_runtime().expect("the system has threads for a runtime");
                (own.handle().clone(), Some(own))
            }
        };
        let mut environment = RuntimeEnvBuilder::new();
        if let Some(bytes) = settings.memory_limit {
            environment = environment.with_memory_pool(Arc::new(FairSpillPool::new(bytes)));
        }
        let environment = environment.build_arc().expect("nothing in it can fail to start");
        let clock: Arc<dyn Clock> = Arc::new(RealClock);
        database.derive_with(Arc::new(Deriver));
        database.compile_policies_with(Arc::new(PolicyCompiler));
        Arc::new(Self {
            database,
            copy_directories: settings.copy_directories,
            backup_directories: settings.backup_directories,
            environment,
            started_at_micros: clock.now_micros(),
            clock,
            runtime,
            own_runtime,
            sessions: Mutex::default(),
            next_process_id: AtomicI32::new(1),
            making_view: AtomicBool::new(false),
        })
    }

    /// A session of its own, with the settings that the client gave at start-up.
    ///
    /// # Errors
    /// What SET would say of a setting.
    pub fn session(
        self: &Arc<Self>,
        user: &str,
        database_name: &str,
        options: &[(String, String)],
    ) -> Result<Session> {
        let process_id = self.next_process_id.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now_micros();
        let info = SessionInfo {
            process_id,
            user: user.to_owned(),
            database_name: database_name.to_owned(),
            started_at_micros: now,
            state_changed_at_micros: now,
            state: "idle",
            ..SessionInfo::default()
        };
        let entry = Arc::new(Entry {
            // The low half: the protocol has 32 bits for it.
            secret: (random_u64() & 0xffff_ffff) as u32 as i32,
            cancel: watch::Sender::new(0),
            terminate: watch::Sender::new(false),
            info: Mutex::new(info),
            inbox: Inbox::default(),
        });
        let session = Session::new(Arc::clone(self), Arc::clone(&entry), options)?;
        self.sessions.lock().insert(process_id, entry);
        Ok(session)
    }

    /// Cancels the running statement of a session, if the secret is its own.
    pub fn cancel(&self, process_id: i32, secret: i32) {
        let entry = self.sessions.lock().get(&process_id).cloned();
        if let Some(entry) = entry.filter(|entry| entry.secret == secret) {
            entry.cancel.send_modify(|count| *count += 1);
        }
    }

    /// Cancels the running statement of a session on behalf of another; false if there is none.
    pub fn cancel_session(&self, process_id: i32) -> bool {
        let entry = self.sessions.lock().get(&process_id).cloned();
        entry.is_some_and(|entry| {
            entry.cancel.send_modify(|count| *count += 1);
            true
        })
    }

    /// Ends a session on behalf of another; false if there is none.
    pub fn terminate_session(&self, process_id: i32) -> bool {
        let entry = self.sessions.lock().get(&process_id).cloned();
        entry.is_some_and(|entry| {
            entry.terminate.send_replace(true);
            true
        })
    }

    /// The entries of all sessions, for messages.
    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        self.sessions.lock().values().cloned().collect()
    }

    /// The sessions, in order of their numbers.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.sessions.lock().values().map(|entry| entry.info.lock().clone()).collect()
    }

    /// The database behind it.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// Where plans are made and run.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn forget(&self, process_id: i32) {
        self.sessions.lock().remove(&process_id);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(own) = self.own_runtime.take() {
            // Dropping it would wait for running queries, which an async context must not do.
            own.shutdown_background();
        }
    }
}

/// A runtime for planning and running queries: a thread per core, with stacks for deep statements.
///
/// # Errors
/// `58030` if the system has no threads left.
pub fn computation_runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(parallelism())
        .thread_stack_size(STACK_BYTES)
        .thread_name("query")
        .enable_all()
        .build()
        .map_err(|error| Error::io("start the threads for queries", &error))
}
