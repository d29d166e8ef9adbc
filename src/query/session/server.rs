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
use crate::error::{Error, Result, SqlState};
use crate::model::access::{AccessChange, AuditLevel, Authentication, BOOTSTRAP, RoleOption};
use crate::model::definition::Definition;
use crate::model::password::{ITERATIONS_DEFAULT, SALT_BYTES, Verifier, hmac};
use crate::query::session::Session;
use crate::query::session::access::{new_secret, verifier_of};
use crate::query::session::audit::Audit;
use crate::query::session::channels::Inbox;
use crate::query::session::derive::Deriver;
use crate::query::session::policy_query::PolicyCompiler;
use crate::query::tables::AuditRow;

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
    pub(super) audit: Audit,
    runtime: Handle,
    /// Held only to be shut down with the server.
    own_runtime: Option<Runtime>,
    /// From what salts of roles that do not exist are made while the catalog has nothing better.
    secret: String,
    /// Reads again what can be read again.
    reload: Mutex<Option<Reload>>,
    /// Settings of the process that sessions show, where they are not the default.
    pub(super) process_settings: Mutex<BTreeMap<&'static str, String>>,
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

/// What a client must prove.
#[derive(Debug)]
pub struct Challenge {
    /// Against which it is proven.
    pub verifier: Verifier,
    /// Whether anybody can: the verifier is a role's, and its password counts.
    pub genuine: bool,
    why: &'static str,
}

impl Challenge {
    /// Why nobody can, for the log alone.
    pub fn why(&self) -> &'static str {
        self.why
    }
}

/// The verifier of a role that has none: nobody can tell it from a true one, nor prove anything.
fn mock(secret: &[u8], user: &str) -> Verifier {
    let of = |what: &str| hmac(secret, format!("{what}{user}").as_bytes());
    Verifier {
        iterations: ITERATIONS_DEFAULT,
        salt: of("salt ")[..SALT_BYTES].to_vec(),
        stored_key: of("stored key "),
        server_key: of("server key "),
    }
}

/// What reads files of the server again.
pub type Reload = Arc<dyn Fn() -> Result<()> + Send + Sync>;

/// How a user was let in.
struct Admission {
    /// Whether no roles had been made, so that any name would have done.
    implicit: bool,
    /// Settings that sessions of the role start with.
    settings: BTreeMap<String, String>,
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
            audit: Audit::default(),
            runtime,
            own_runtime,
            secret: format!("{:x}{:x}", random_u64(), random_u64()),
            reload: Mutex::default(),
            process_settings: Mutex::default(),
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
        let admission = self.admit(user, &entry)?;
        let mut settings: Vec<_> = admission.settings.into_iter().collect();
        settings.extend(options.iter().cloned());
        let (server, implicit) = (Arc::clone(self), admission.implicit);
        let session = Session::new(server, entry, implicit, &settings);
        if session.is_err() {
            self.forget(process_id);
        }
        session
    }

    /// Lets a user in, if the role may log in and has not too many sessions already.
    fn admit(&self, user: &str, entry: &Arc<Entry>) -> Result<Admission> {
        let snapshot = self.database.snapshot();
        let access = &snapshot.catalog().access;
        let refused = |message| Err(Error::new(SqlState("28000"), message));
        let mut sessions = self.sessions.lock();
        let process_id = entry.info.lock().process_id;
        let Some(role) = access.roles.get(user) else {
            if access.is_in_use() {
                return refused(format!("role \"{user}\" does not exist"));
            }
            sessions.insert(process_id, Arc::clone(entry));
            return Ok(Admission { implicit: true, settings: BTreeMap::new() });
        };
        if !role.login {
            return refused(format!("role \"{user}\" is not permitted to log in"));
        }
        let count = sessions.values().filter(|other| other.info.lock().user == user).count();
        if let Ok(limit) = usize::try_from(role.connection_limit)
            && count >= limit
            && !role.superuser
        {
            let message = format!("too many connections for role \"{user}\"");
            return Err(Error::new(SqlState::TOO_MANY_CONNECTIONS, message));
        }
        sessions.insert(process_id, Arc::clone(entry));
        Ok(Admission { implicit: false, settings: role.settings.clone() })
    }

    /// What a user must prove to come in; `None` if nothing.
    pub fn challenge(
        &self,
        user: &str,
        authentication: Authentication,
        local: bool,
    ) -> Option<Challenge> {
        let snapshot = self.database.snapshot();
        let access = &snapshot.catalog().access;
        let role = access.roles.get(user);
        let password = role.and_then(|role| role.password.as_deref());
        let asks = match authentication {
            Authentication::Trust => false,
            Authentication::Scram => true,
            // A name that is no role's is asked too, so as not to tell.
            Authentication::Automatic => {
                !local || password.is_some() || (role.is_none() && access.is_in_use())
            }
        };
        if !asks {
            return None;
        }
        let now = self.clock.now_micros();
        let expired = role.and_then(|role| role.valid_until).is_some_and(|until| until < now);
        let why = match (role, password) {
            (None, _) => "there is no such role",
            (_, None) => "the role has no password",
            _ if expired => "the password has expired",
            _ => "",
        };
        let verifier = password.and_then(Verifier::parse);
        let genuine = why.is_empty() && verifier.is_some();
        let verifier = verifier.unwrap_or_else(|| {
            let secret = access.secret.as_deref().unwrap_or(&self.secret);
            mock(secret.as_bytes(), user)
        });
        Some(Challenge { verifier, genuine, why })
    }

    /// Notes that a client was not let in.
    pub fn note_refusal(
        &self,
        user: &str,
        client: Option<std::net::SocketAddr>,
        error: &Error,
        why: &str,
    ) {
        let client = client.map_or_else(|| "local".to_owned(), |client| client.to_string());
        tracing::warn!(user, client, code = error.code().0, %error, why, "a log-in was refused");
        self.audit.note(AuditRow {
            at: self.clock.now_micros(),
            user: user.to_owned(),
            client: Some(client),
            kind: "LOGIN".to_owned(),
            outcome: error.code().to_string(),
            ..AuditRow::default()
        });
    }

    /// Has sessions show a setting of the process.
    pub fn show_setting(&self, name: &'static str, value: impl Into<String>) {
        self.process_settings.lock().insert(name, value.into());
    }

    /// Says what the audit log has.
    pub fn set_audit_level(&self, level: AuditLevel) {
        self.audit.set_level(level);
    }

    /// Has `pg_reload_conf()` do this.
    pub fn reload_with(&self, reload: Reload) {
        *self.reload.lock() = Some(reload);
    }

    /// Reads again what can be read again.
    ///
    /// # Errors
    /// What is wrong with a file.
    pub fn reload(&self) -> Result<()> {
        let reload = self.reload.lock().clone();
        reload.map_or(Ok(()), |reload| reload())
    }

    /// Whether a role has a password.
    pub fn has_password(&self, role: &str) -> bool {
        let snapshot = self.database.snapshot();
        let role = snapshot.catalog().access.roles.get(role);
        role.is_some_and(|role| role.password.is_some())
    }

    /// Whether a user may do everything.
    pub fn is_superuser(&self, user: &str) -> bool {
        let snapshot = self.database.snapshot();
        let access = &snapshot.catalog().access;
        match access.roles.get(user) {
            Some(role) => role.superuser,
            None => !access.is_in_use(),
        }
    }

    /// Gives the bootstrap role a password, unless it is the one that it has.
    ///
    /// # Errors
    /// `22023` for a password that cannot be one, and what the disk says.
    pub fn set_first_password(&self, password: &str) -> Result<()> {
        let snapshot = self.database.snapshot();
        let known = snapshot.catalog().access.roles.get(BOOTSTRAP);
        let known = known.and_then(|role| role.password.as_deref());
        let same = known.is_some_and(|known| {
            known == password || Verifier::parse(known).is_some_and(|it| it.accepts(password))
        });
        if same {
            return Ok(());
        }
        let change = AccessChange::AlterRole {
            name: BOOTSTRAP.to_owned(),
            options: vec![RoleOption::Password(Some(verifier_of(password)?))],
            secret: new_secret()?,
        };
        self.database.define(Definition::Access(change)).map(|_| ())
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
