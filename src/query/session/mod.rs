//! A session: one client's conversation, from the text of a statement to its rows.
//!
//! The life of a statement: [`Session::split`] cuts the client's text; [`Session::prepare`] reads one
//! statement (`command` is the allow-list, `depth` bounds its nesting), plans it (`plan`, with the names
//! of `names` and the types of `parameters`) and keeps the plan with the catalog version it was made
//! under; [`Session::execute`] pins a snapshot, gives the plan its values and hands out an [`Outcome`]:
//! rows as a stream, a tag, or a COPY that waits for data. Everything that one client can change is in
//! its own session (`settings`, `transaction`, `cursor`); what clients share is in [`Server`].
//!
//! Planning and running happen on the server's runtime, whose threads have the stacks for it; the
//! public methods go there by themselves. Nothing here knows the protocol.

pub mod access;
pub mod audit;
mod backup;
mod block;
mod channels;
mod command;
mod copy;
mod copy_scratch;
mod cursor;
mod ddl;
mod decide;
mod delete;
mod depth;
pub mod derive;
mod describe;
mod execute;
mod explain;
mod explain_profile;
mod explain_retention;
mod forget;
mod guard;
mod insert;
mod meaning;
pub mod moment;
mod names;
mod notify_function;
pub mod origin;
mod parameters;
mod plan;
mod point;
pub mod policy_query;
mod policy_shape;
mod precedence;
mod prepare;
mod relations;
mod scratch;
mod script;
mod server;
mod settings;
mod show;
mod signals;
mod state;
mod temporary;
mod transaction;
mod values;
mod views;
pub mod zone;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use parking_lot::Mutex;
use sqlparser::ast::OnCommit;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::{Error, Result, SqlState};
use crate::model::server_setting::GRAPH_IDENTITIES_MAX;
use crate::query::session::cursor::Cursors;
use crate::query::session::guard::Acting;
use crate::query::session::point::LastView;
use crate::query::session::prepare::Cache;
use crate::query::session::server::Entry;
use crate::query::session::settings::Variables;
use crate::query::session::state::Planning;
use crate::query::session::transaction::{CommitGate, Transaction};
use crate::query::session::zone::Zone;
use crate::query::statements::{self, CopyLayout, Piece};
use crate::query::tables::Binding;

pub use crate::query::session::channels::Notification;
pub use crate::query::session::copy::CopyIn;
pub use crate::query::session::point::PointRows;
pub use crate::query::session::prepare::Prepared;
pub use crate::query::session::script::{Output, moved};
pub use crate::query::session::server::{
    Challenge, Server, SessionInfo, Settings, computation_runtime,
};
pub use crate::query::session::transaction::{TransactionStatus, cancelled, timed_out};

/// The most prepared statements of a session: each holds a plan.
pub const STATEMENTS_MAX: usize = 10_000;

/// The most notices kept for a client that has not asked for them.
const NOTICES_MAX: usize = 1_000;

/// What executing a statement comes to.
pub enum Outcome {
    /// Rows, as they are made.
    Rows {
        /// Names and types of the columns, as clients see them.
        schema: SchemaRef,
        /// The batches; their own schema may have other names.
        stream: SendableRecordBatchStream,
        /// The command tag, which the number of rows follows.
        tag: &'static str,
    },
    /// It is done.
    Done {
        /// The command tag.
        tag: String,
    },
    /// Rows, as they are made, for the client to store.
    CopyOut {
        /// Names and types of the columns.
        schema: SchemaRef,
        /// The batches.
        stream: SendableRecordBatchStream,
        /// How the rows are written.
        layout: CopyLayout,
    },
    /// It waits for data.
    CopyIn(CopyIn),
    /// There was nothing in it.
    Empty,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rows { schema, tag, .. } => {
                f.debug_tuple("Rows").field(schema).field(tag).finish()
            }
            Self::Done { tag } => f.debug_tuple("Done").field(tag).finish(),
            Self::CopyOut { schema, layout, .. } => {
                f.debug_tuple("CopyOut").field(schema).field(layout).finish()
            }
            Self::CopyIn(_) => f.write_str("CopyIn"),
            Self::Empty => f.write_str("Empty"),
        }
    }
}

/// Something that a client should know, though nothing failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `NOTICE` or `WARNING`.
    pub severity: &'static str,
    /// SQLSTATE.
    pub code: SqlState,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Notice {
    fn new(message: impl Into<String>) -> Self {
        Self { severity: "NOTICE", code: SqlState("00000"), message: message.into(), hint: None }
    }

    fn warning(code: SqlState, message: impl Into<String>) -> Self {
        Self { severity: "WARNING", code, message: message.into(), hint: None }
    }
}

/// A prepared statement under its name.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The statement.
    pub prepared: Arc<Prepared>,
    /// Numbers of the types that the client declared for the parameters; 0 where it did not.
    pub oids: Vec<u32>,
}

/// One client's conversation; clones are the same session.
///
/// A clone made by [`Session::begin_statement`] stands for one statement besides: what is executed
/// through it is what [`Session::cancel`] of it stops.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
    gate: Arc<CommitGate>,
}

pub(in crate::query::session) struct Inner {
    server: Arc<Server>,
    entry: Arc<Entry>,
    process_id: i32,
    user: String,
    /// Whether anybody could connect under that name, because no roles had been made.
    implicit: bool,
    acting: Mutex<Option<Arc<Acting>>>,
    database_name: String,
    binding: Arc<Binding>,
    planning: Planning,
    variables: Mutex<Variables>,
    /// Grows with every change of a setting that plans depend on.
    settings_version: AtomicU64,
    transaction: Mutex<Transaction>,
    statements: Mutex<BTreeMap<String, Kept>>,
    cache: Mutex<Cache>,
    cursors: Cursors,
    /// What the transaction block has said to others and not yet sent.
    pending: Mutex<channels::Pending>,
    notices: Mutex<Vec<Notice>>,
    /// What happens to temporary tables at the end of a transaction, by name.
    at_commit: Mutex<BTreeMap<String, OnCommit>>,
    /// Values of reported settings as the client last heard them.
    reported: Mutex<BTreeMap<&'static str, String>>,
    /// The version of the settings that the client last heard of.
    reported_version: AtomicU64,
    /// What statements need of the settings, ready to be used.
    derived: Mutex<Derived>,
    last_view: Mutex<LastView>,
}

/// What is read off the settings for every statement.
#[derive(Clone, Copy, Default)]
struct Derived {
    shows_past: bool,
    statement_timeout: Option<Duration>,
    idle_session_timeout: Option<Duration>,
    idle_in_transaction_session_timeout: Option<Duration>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("process_id", &self.inner.process_id)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.server.forget(self.process_id);
    }
}

impl Session {
    fn new(
        server: Arc<Server>,
        entry: Arc<Entry>,
        implicit: bool,
        options: &[(String, String)],
    ) -> Result<Self> {
        let info = entry.info.lock().clone();
        let mut variables = Variables::new(&info.user);
        // A zone first, wherever it stands: moments among the others are read in it.
        let is_zone = |name: &str| name.eq_ignore_ascii_case("TimeZone");
        for zones in [true, false] {
            for (name, value) in options.iter().filter(|(name, _)| is_zone(name) == zones) {
                variables.set(name, Some(value), false)?;
            }
        }
        variables.start();
        let session = Arc::new_cyclic(|inner| {
            let directory = Arc::new(describe::Neighbours(inner.clone()));
            let binding = Arc::new(Binding::new(Arc::clone(&server.database), directory));
            let shown = Arc::clone(&binding);
            Inner {
                planning: Planning::new(&server, &info.database_name, shown, inner.clone()),
                server,
                entry,
                process_id: info.process_id,
                user: info.user,
                implicit,
                acting: Mutex::default(),
                database_name: info.database_name,
                binding,
                variables: Mutex::new(variables),
                settings_version: AtomicU64::new(0),
                transaction: Mutex::default(),
                statements: Mutex::default(),
                cache: Mutex::default(),
                cursors: Cursors::default(),
                pending: Mutex::default(),
                notices: Mutex::default(),
                at_commit: Mutex::default(),
                reported: Mutex::default(),
                reported_version: AtomicU64::new(0),
                derived: Mutex::default(),
                last_view: Mutex::default(),
            }
        });
        session.settings_changed()?;
        Ok(Self { inner: session, gate: Arc::default() })
    }

    /// Cuts a string of statements into its statements.
    ///
    /// # Errors
    /// `42601`, `54000`.
    pub fn split<'a>(&self, sql: &'a str) -> Result<Vec<Piece<'a>>> {
        statements::split(sql)
    }

    /// Prepares one statement; `declared` are the types that the client gave for the parameters.
    ///
    /// # Errors
    /// Everything that can be wrong with a statement before it runs.
    pub async fn prepare(&self, sql: &str, declared: &[Option<DataType>]) -> Result<Arc<Prepared>> {
        let (session, sql, declared) = (self.clone(), sql.to_owned(), declared.to_vec());
        self.spawn(async move { session.prepare_here(&sql, &declared).await }).await
    }

    /// Executes a prepared statement with values for its parameters, in the plan's types.
    ///
    /// # Errors
    /// Everything that can be wrong with a statement up to its first row.
    pub async fn execute(
        &self,
        prepared: &Arc<Prepared>,
        parameters: Vec<ScalarValue>,
    ) -> Result<Outcome> {
        let (session, prepared) = (self.clone(), Arc::clone(prepared));
        self.spawn(async move { session.execute_here(&prepared, parameters).await }).await
    }

    /// Runs statements one after the other and collects what they answer; for shells and tests.
    ///
    /// # Errors
    /// The first error; what ran before it stays done.
    pub async fn run_script(&self, sql: &str) -> Result<Vec<Output>> {
        let (session, sql) = (self.clone(), sql.to_owned());
        self.spawn(async move { script::run(&session, &sql).await }).await
    }

    /// [`Self::prepare`] for callers that are on the server's runtime already.
    ///
    /// # Errors
    /// As there.
    pub async fn prepare_here(
        &self,
        sql: &str,
        declared: &[Option<DataType>],
    ) -> Result<Arc<Prepared>> {
        let prepared = prepare::prepare(&self.inner, sql, declared).await;
        prepared.inspect_err(|error| self.inner.audit_refusal(sql, error))
    }

    /// [`Self::execute`] for callers that are on the server's runtime already.
    ///
    /// # Errors
    /// As there.
    pub async fn execute_here(
        &self,
        prepared: &Arc<Prepared>,
        parameters: Vec<ScalarValue>,
    ) -> Result<Outcome> {
        let outcome = execute::execute(&self.inner, &self.gate, prepared, parameters).await;
        audit::executed(&self.inner, prepared, outcome)
    }

    /// Runs work on the server's runtime; dropping the future ends the work.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Task<T> {
        Task::of(self.inner.server.runtime().spawn(work))
    }

    /// Begins a statement; the session that it gives stands for it.
    #[must_use]
    pub fn begin_statement(&self, sql: &str) -> Self {
        let now = self.inner.server.clock.now_micros();
        let mut info = self.inner.entry.info.lock();
        if !is_excerpt(&info.statement, sql) {
            info.statement = excerpt(sql);
        }
        info.statement_started_at_micros = Some(now);
        info.state_changed_at_micros = now;
        info.state = "active";
        Self { inner: Arc::clone(&self.inner), gate: Arc::default() }
    }

    /// Notes that the session waits for its client.
    pub fn end_statement(&self) {
        let state = match self.transaction() {
            TransactionStatus::Idle => "idle",
            TransactionStatus::Open => "idle in transaction",
            TransactionStatus::Failed => "idle in transaction (aborted)",
        };
        let now = self.inner.server.clock.now_micros();
        let mut info = self.inner.entry.info.lock();
        if info.state == "active" {
            let began = info.statement_started_at_micros.unwrap_or(now);
            let metrics = self.inner.server.database.metrics();
            metrics.statements.inc();
            metrics.statement_seconds.observe((now - began).max(0) as f64 / 1e6);
        }
        info.state_changed_at_micros = now;
        info.state = state;
    }

    /// Notes that a statement failed, which a transaction block does not survive.
    pub fn fail(&self) {
        self.inner.transaction.lock().fail();
    }

    /// Stops the running statement; false if it is past the point where that would be true.
    pub fn cancel(&self) -> bool {
        self.gate.cancel()
    }

    /// Changes with each cancel request for this session.
    pub fn cancel_requests(&self) -> watch::Receiver<u64> {
        self.inner.entry.cancel.subscribe()
    }

    /// Turns true when somebody ends this session.
    pub fn termination(&self) -> watch::Receiver<bool> {
        self.inner.entry.terminate.subscribe()
    }

    /// Notices since the last call.
    pub fn take_notices(&self) -> Vec<Notice> {
        let mut notices = std::mem::take(&mut *self.inner.notices.lock());
        if notices.is_empty() {
            return notices;
        }
        let least = self.inner.variables.lock().value("client_min_messages");
        match least.as_str() {
            "error" => notices.clear(),
            "warning" => notices.retain(|notice| notice.severity == "WARNING"),
            _ => {}
        }
        notices
    }

    /// Messages of other sessions since the last call; none within a transaction block.
    pub fn take_notifications(&self) -> Vec<Notification> {
        channels::heard(&self.inner)
    }

    /// Waits until there is a message, which is never within a transaction block.
    pub async fn notified(&self) {
        channels::arrived(&self.inner).await;
    }

    /// The number of the session.
    pub fn process_id(&self) -> i32 {
        self.inner.process_id
    }

    /// The secret that a cancel request must know.
    pub fn secret(&self) -> i32 {
        self.inner.entry.secret
    }

    /// Notes where the client is.
    pub fn set_client(&self, client: std::net::SocketAddr) {
        self.inner.entry.info.lock().client = Some(client);
    }

    /// The value of a setting.
    ///
    /// # Errors
    /// `42704`.
    pub fn setting(&self, name: &str) -> Result<String> {
        self.inner.setting(name)
    }

    /// A limit of time that a setting gives; `None` is no limit.
    pub fn limit(&self, name: &str) -> Option<Duration> {
        let derived = *self.inner.derived.lock();
        match name {
            "statement_timeout" => derived.statement_timeout,
            "idle_session_timeout" => derived.idle_session_timeout,
            "idle_in_transaction_session_timeout" => derived.idle_in_transaction_session_timeout,
            name => self.inner.variables.lock().duration(name),
        }
    }

    /// Grows with every change of a setting that answers depend on.
    pub fn settings_version(&self) -> u64 {
        self.inner.settings_version.load(Ordering::Relaxed)
    }

    /// The zone in which moments are shown and read.
    pub fn zone(&self) -> Zone {
        self.inner.binding.zone()
    }

    /// Reported settings that have changed since the last call; all of them, the first time.
    pub fn take_reports(&self) -> Vec<(&'static str, String)> {
        let version = self.inner.settings_version.load(Ordering::Relaxed);
        if self.inner.reported_version.swap(version, Ordering::Relaxed) == version {
            return Vec::new();
        }
        let values = self.inner.variables.lock().all();
        let superuser = self.inner.is_superuser_shown();
        let mut reported = self.inner.reported.lock();
        let mut changed = Vec::new();
        for (known, value) in values.into_iter().filter(|(known, _)| known.reported) {
            let value = if known.name == "is_superuser" { superuser.clone() } else { value };
            if reported.get(known.name) != Some(&value) {
                reported.insert(known.name, value.clone());
                changed.push((known.name, value));
            }
        }
        changed
    }

    /// Where the session's transaction is.
    pub fn transaction(&self) -> TransactionStatus {
        self.inner.transaction.lock().status
    }

    /// Refuses whatever does not end a failed transaction block.
    ///
    /// # Errors
    /// `25P02`.
    pub fn check_transaction(&self) -> Result<()> {
        self.inner.transaction.lock().check()
    }

    /// A prepared statement by name.
    ///
    /// # Errors
    /// `26000`.
    pub fn statement(&self, name: &str) -> Result<Kept> {
        self.inner.statement(name)
    }

    /// Keeps a prepared statement under a name; the empty name may be used again and again.
    ///
    /// # Errors
    /// `42P05` if the name is taken, `54000` beyond [`STATEMENTS_MAX`].
    pub fn keep_statement(&self, name: &str, kept: Kept) -> Result<()> {
        self.inner.keep_statement(name, kept)
    }

    /// A statement that was prepared before from the same text, if its plan is not stale.
    pub fn remembered(&self, sql: &str, declared: &[Option<DataType>]) -> Option<Arc<Prepared>> {
        prepare::remembered(&self.inner, sql, declared)
    }

    /// The rows of a prepared statement that is one look-up, if they are there without running anything;
    /// `None` says nothing about what the statement gives.
    pub fn point(&self, prepared: &Prepared, values: &[ScalarValue]) -> Option<PointRows> {
        point::answer(&self.inner, prepared, values)
    }

    /// The same for a text that ends with `= constant`, if its shape was learned.
    pub fn point_of_text(&self, sql: &str) -> Option<PointRows> {
        let (shape, value) = point::shape(sql)?;
        let prepared = self.remembered(&shape, &[])?;
        if prepared.parameters() != [value.data_type()] {
            return None;
        }
        self.point(&prepared, &[value])
    }

    /// Learns the shape of a text that has run, if it is a look-up, for the next ones like it.
    pub async fn learn_point(&self, sql: &str) {
        let Some((shape, _)) = point::shape(sql) else { return };
        let is_point = self.remembered(sql, &[]).is_some_and(|prepared| prepared.is_point());
        if !is_point || self.remembered(&shape, &[]).is_some() {
            return;
        }
        // What cannot be prepared stays unlearned, and texts of the shape go on as they did.
        if let Ok(prepared) = self.prepare(&shape, &[]).await {
            prepared.optimise(&self.inner);
        }
    }

    /// The columns of a cursor, if there is one of that name.
    pub fn cursor_schema(&self, name: &str) -> Option<SchemaRef> {
        self.inner.cursors.schema(name).ok()
    }

    /// Whether a statement gives rows of a cursor that was declared BINARY.
    pub fn gives_binary(&self, prepared: &Prepared) -> bool {
        prepared.fetched().is_some_and(|name| self.inner.cursors.is_binary(name))
    }

    /// Forgets a prepared statement; one that is not there is no error.
    pub fn close_statement(&self, name: &str) {
        self.inner.statements.lock().remove(name);
    }
}

impl Inner {
    fn statement(&self, name: &str) -> Result<Kept> {
        let found = self.statements.lock().get(name).cloned();
        found.ok_or_else(|| {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            Error::new(SqlState::INVALID_STATEMENT_NAME, message)
        })
    }

    fn keep_statement(&self, name: &str, kept: Kept) -> Result<()> {
        let mut statements = self.statements.lock();
        if !name.is_empty() && statements.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Error::new(SqlState("42P05"), message));
        }
        if statements.len() >= STATEMENTS_MAX && !statements.contains_key(name) {
            let message =
                format!("a session can have at most {STATEMENTS_MAX} prepared statements");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
                .hint("close the ones that are no longer used: DEALLOCATE name"));
        }
        statements.insert(name.to_owned(), kept);
        Ok(())
    }

    /// The value of a setting: the session's, or the server's that is in force now.
    fn setting(&self, name: &str) -> Result<String> {
        if name.eq_ignore_ascii_case("is_superuser") {
            return Ok(self.is_superuser_shown());
        }
        let lower = name.to_ascii_lowercase();
        if let Some(value) = self.server.process_settings.lock().get(lower.as_str()) {
            return Ok(value.clone());
        }
        if name.eq_ignore_ascii_case(GRAPH_IDENTITIES_MAX) {
            return Ok(self.snapshot().catalog().graph_identities_max.to_string());
        }
        self.variables.lock().get(name)
    }

    /// All settings with their values, in order.
    fn settings(&self) -> Vec<(&'static settings::Known, String)> {
        let server = self.snapshot().catalog().graph_identities_max.to_string();
        let mut all = self.variables.lock().all();
        for (known, value) in &mut all {
            if known.name == GRAPH_IDENTITIES_MAX {
                value.clone_from(&server);
            }
            if known.name == "is_superuser" {
                *value = self.is_superuser_shown();
            }
            if let Some(shown) = self.server.process_settings.lock().get(known.name) {
                value.clone_from(shown);
            }
        }
        all
    }

    /// Takes over a change of settings: those that plans depend on make them stale.
    fn settings_changed(&self) -> Result<()> {
        let (policy, application_name, zone, derived) = {
            let variables = self.variables.lock();
            let value = |name| variables.value(name);
            let limit = |name| variables.duration(name);
            let derived = Derived {
                shows_past: variables.past() != crate::engine::Past::default(),
                statement_timeout: limit("statement_timeout"),
                idle_session_timeout: limit("idle_session_timeout"),
                idle_in_transaction_session_timeout: limit("idle_in_transaction_session_timeout"),
            };
            (value("merge_policy"), value("application_name"), variables.zone(), derived)
        };
        if !policy.is_empty() {
            self.snapshot().catalog().policy(&policy)?;
        }
        self.binding.set_policy((!policy.is_empty()).then_some(policy));
        self.binding.set_zone(zone);
        *self.derived.lock() = derived;
        self.entry.info.lock().application_name = application_name;
        self.settings_version.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The snapshot that the next statement reads: a block keeps its first.
    fn snapshot(&self) -> Arc<crate::engine::Snapshot> {
        let mut transaction = self.transaction.lock();
        if transaction.status == TransactionStatus::Idle {
            return self.server.database.snapshot();
        }
        if let Some(writes) = &transaction.writes {
            return writes.snapshot();
        }
        let snapshot = transaction.snapshot.get_or_insert_with(|| self.server.database.snapshot());
        Arc::clone(snapshot)
    }

    /// Shows what the next statement reads: the snapshot, as it was at the moments that are set.
    fn pin_shown(&self) -> Result<Arc<crate::engine::Snapshot>> {
        let past = self.variables.lock().past();
        self.binding.pin_past(self.snapshot(), past)?;
        Ok(self.binding.snapshot())
    }

    fn is_superuser_shown(&self) -> String {
        if self.authority().superuser { "on" } else { "off" }.to_owned()
    }

    fn notice(&self, notice: Notice) {
        let mut notices = self.notices.lock();
        if notices.len() < NOTICES_MAX {
            notices.push(notice);
        }
    }
}

/// The start of a statement, for the table of sessions.
fn excerpt(sql: &str) -> String {
    audit::redacted(sql).chars().take(SHOWN_CHARS_MAX).collect()
}

/// Whether a text is the excerpt of a statement that is short, as those that come again and again are.
fn is_excerpt(shown: &str, sql: &str) -> bool {
    sql.len() <= SHOWN_CHARS_MAX && shown == sql
}

/// Characters of a statement that others see.
const SHOWN_CHARS_MAX: usize = 1024;

/// Work on the server's runtime.
pub struct Task<T>(JoinHandle<Result<T>>);

impl<T> Task<T> {
    fn of(handle: JoinHandle<Result<T>>) -> Self {
        Self(handle)
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|result| match result {
            Ok(result) => result,
            Err(error) if error.is_cancelled() => Err(cancelled()),
            Err(error) => Err(panicked(error)),
        })
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn panicked(error: tokio::task::JoinError) -> Error {
    let payload = error.into_panic();
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Error::internal("the statement failed by a mistake of the server").detail(text)
}
