//! Prepared statements: a statement read once, its plan kept until the catalog or a setting changes.
//!
//! [`prepare`] reads and plans; [`Prepared::current`] gives the plan back, or makes it again if it is
//! stale. A session remembers the statements that it prepared last by their text, so that a client
//! which sends the same text again pays for neither.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parking_lot::Mutex;

use crate::error::{Error, Result, SqlState};
use crate::query::postgres::PgType;
use crate::query::session::Inner;
use crate::query::session::command::{self, Command};
use crate::query::session::delete::{self, PlannedDelete};
use crate::query::session::insert::{self, PlannedInsert};
use crate::query::session::names::Target;
use crate::query::session::plan::{PlannedQuery, Planner};
use crate::query::session::scratch::{self, PlannedScratch};
use crate::query::session::{
    backup, decide, explain, explain_profile, explain_retention, forget, guard,
};
use crate::query::statements::{CopyTo, Parsed};

/// Statements that a session remembers by their text; each holds a plan of some 10 KiB.
const CACHE_STATEMENTS_MAX: usize = 256;

/// Texts longer than this are not remembered: they are written by programs, and seldom twice.
const CACHE_TEXT_BYTES_MAX: usize = 16 << 10;

/// A statement that is ready to be executed.
pub struct Prepared {
    /// Its text, in which positions of errors count.
    pub(super) sql: String,
    pub(super) command: Command,
    declared: Vec<Option<DataType>>,
    plan: Mutex<Arc<Planned>>,
}

/// What is known of a statement before it runs.
pub(super) struct Planned {
    /// Types of the parameters.
    pub(super) parameters: Vec<DataType>,
    /// The columns; `None` if it gives no rows.
    pub(super) schema: Option<SchemaRef>,
    /// The plan, of statements that have one.
    pub(super) body: Body,
    catalog_version: u64,
    settings_version: u64,
}

/// The plan of a statement.
pub(super) enum Body {
    /// It needs none.
    None,
    /// A query.
    Query(PlannedQuery),
    /// An INSERT.
    Insert(PlannedInsert),
    /// A DELETE.
    Delete(PlannedDelete),
    /// An INSERT, UPDATE or DELETE of a scratch table.
    Scratch(Box<PlannedScratch>),
    /// Another statement: of EXECUTE the prepared one, of DECLARE the query.
    Inner(Arc<Prepared>),
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("sql", &self.sql).finish_non_exhaustive()
    }
}

impl Prepared {
    /// Types of the parameters.
    pub fn parameters(&self) -> Vec<DataType> {
        self.plan.lock().parameters.clone()
    }

    /// Numbers of the parameters' types, as clients know them.
    pub fn parameter_oids(&self) -> Vec<u32> {
        let planned = self.planned();
        if planned.parameters.is_empty() {
            return Vec::new();
        }
        let named = match &planned.body {
            Body::Query(query) => query.named.clone(),
            Body::Inner(inner) => return inner.parameter_oids(),
            _ => BTreeMap::new(),
        };
        let own = |(at, ty): (usize, &DataType)| match named.get(&at) {
            Some(oid) => *oid,
            None => PgType::of(ty, &HashMap::new()).oid,
        };
        planned.parameters.iter().enumerate().map(own).collect()
    }

    /// The columns that it gives, as clients see them; `None` if it gives no rows.
    pub fn schema(&self) -> Option<SchemaRef> {
        self.plan.lock().schema.clone()
    }

    /// Its text.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The cursor whose rows it gives.
    pub(super) fn fetched(&self) -> Option<&str> {
        match &self.command {
            Command::Fetch(fetch) => Some(&fetch.name),
            _ => None,
        }
    }

    /// Its plan as it is, stale or not.
    pub(super) fn planned(&self) -> Arc<Planned> {
        Arc::clone(&*self.plan.lock())
    }

    /// Whether it is one look-up, as far as that is known: of a query that has run.
    pub(super) fn is_point(&self) -> bool {
        matches!(&self.planned().body, Body::Query(query) if query.point().is_some())
    }

    /// Optimises its plan, if that is for all executions alike; what fails now fails again when it runs.
    pub(super) fn optimise(&self, session: &Inner) {
        if let Body::Query(query) = &self.planned().body {
            query.optimise_once(&session.planning.state, &self.sql);
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        matches!(self.command, Command::Empty)
    }

    /// Whether it ends a transaction block, which is all that a failed one accepts.
    pub fn ends_transaction(&self) -> bool {
        self.command.ends_transaction()
    }

    /// The plan, made again if the catalog or a setting that it depends on has changed.
    ///
    /// # Errors
    /// What planning says, and `0A000` if the columns are no longer what the client was told.
    pub(super) async fn current(&self, session: &Arc<Inner>) -> Result<Arc<Planned>> {
        let plan = Arc::clone(&*self.plan.lock());
        let versions = versions(session);
        if plan.is_current(versions) || matches!(plan.body, Body::None | Body::Inner(_)) {
            return Ok(plan);
        }
        let fresh = planned(session, &self.sql, &self.command, &self.declared).await?;
        if !same_types(plan.schema.as_deref(), fresh.schema.as_deref())
            || plan.parameters != fresh.parameters
        {
            return Err(Error::unsupported("cached plan must not change result type"));
        }
        let fresh = Arc::new(fresh);
        *self.plan.lock() = Arc::clone(&fresh);
        Ok(fresh)
    }
}

impl Planned {
    /// Whether nothing that it depends on has changed.
    pub(super) fn is_current(&self, versions: (u64, u64)) -> bool {
        (self.catalog_version, self.settings_version) == versions
    }
}

fn same_types(before: Option<&Schema>, after: Option<&Schema>) -> bool {
    match (before, after) {
        (None, None) => true,
        (Some(before), Some(after)) => {
            let types = |schema: &Schema| {
                let of = |field: &Arc<Field>| (field.name().clone(), field.data_type().clone());
                schema.fields().iter().map(of).collect::<Vec<_>>()
            };
            types(before) == types(after)
        }
        _ => false,
    }
}

/// What a plan depends on: the version of the catalog that the next statement reads, and of the settings.
pub(super) fn versions(session: &Inner) -> (u64, u64) {
    let catalog = session.snapshot().catalog().version;
    // Rights end when they are taken, also within a block that reads an older catalog.
    let access = session.latest().catalog().access.version;
    (catalog, session.settings_version.load(Ordering::Relaxed) ^ (access << 32))
}

/// Reads and plans one statement.
///
/// # Errors
/// Everything that can be wrong with a statement before it runs.
pub(super) async fn prepare(
    session: &Arc<Inner>,
    sql: &str,
    declared: &[Option<DataType>],
) -> Result<Arc<Prepared>> {
    if let Some(found) = remembered(session, sql, declared) {
        session.transaction.lock().check()?;
        return Ok(found);
    }
    let command = command::read(sql)?;
    if !command.ends_transaction() {
        session.transaction.lock().check()?;
    }
    let plan = planned(session, sql, &command, declared).await?;
    let remember =
        matches!(plan.body, Body::Query(_) | Body::Insert(_) | Body::Delete(_) | Body::Scratch(_));
    let prepared = Arc::new(Prepared {
        sql: sql.to_owned(),
        command,
        declared: declared.to_vec(),
        plan: Mutex::new(Arc::new(plan)),
    });
    if remember && sql.len() <= CACHE_TEXT_BYTES_MAX {
        session.cache.lock().put((sql, declared), Arc::clone(&prepared));
    }
    Ok(prepared)
}

/// A statement that was prepared before from the same text, if its plan is not stale.
pub(super) fn remembered(
    session: &Inner,
    sql: &str,
    declared: &[Option<DataType>],
) -> Option<Arc<Prepared>> {
    let versions = versions(session);
    session.cache.lock().get((sql, declared), versions)
}

async fn planned(
    session: &Arc<Inner>,
    sql: &str,
    command: &Command,
    declared: &[Option<DataType>],
) -> Result<Planned> {
    let (catalog_version, settings_version) = versions(session);
    let mut planned = Planned {
        parameters: Vec::new(),
        schema: None,
        body: Body::None,
        catalog_version,
        settings_version,
    };
    let scratch = plan_scratch(session, command, sql, declared).await?;
    match command {
        _ if scratch.is_some() => {
            let scratch = scratch.map(Box::new).expect("it was looked at");
            planned.parameters.clone_from(&scratch.query.parameters);
            planned.body = Body::Scratch(scratch);
        }
        Command::Query(query) => {
            let query = plan_query(session, query, sql, declared).await?;
            planned.parameters = query.parameters.clone();
            planned.schema = Some(Arc::clone(&query.schema));
            planned.body = Body::Query(query);
        }
        Command::CopyTo(query, copy) => {
            planned.body = Body::Query(plan_copied(session, query, copy, declared).await?);
        }
        Command::Explain(explain) => {
            let query = plan_query(session, &explain.query, sql, declared).await?;
            planned.parameters = query.parameters.clone();
            planned.schema = Some(explain::schema());
            planned.body = Body::Query(query);
        }
        Command::Insert(statement) => {
            let insert = insert::plan(session, statement, sql, declared).await?;
            planned.parameters = insert.query.parameters.clone();
            planned.body = Body::Insert(insert);
        }
        Command::Ours(Parsed::Decide(decision)) => {
            planned.parameters = decide::parameters(decision, declared);
        }
        Command::Ours(Parsed::Forget(stated)) => {
            planned.parameters = forget::parameters(stated, declared);
            planned.schema = Some(forget::schema(stated)?);
        }
        Command::Delete(statement) => {
            let delete = delete::plan(session, statement, sql, declared).await?;
            planned.parameters.clone_from(&delete.query.parameters);
            planned.body = Body::Delete(delete);
        }
        Command::Execute { name, .. } => {
            let inner = session.statement(name)?.prepared;
            (planned.schema, planned.body) = (inner.schema(), Body::Inner(inner));
        }
        Command::Declare(declare) => {
            let inner = plan_declared(session, &declare.sql, declared).await?;
            planned.parameters = inner.parameters();
            planned.body = Body::Inner(inner);
        }
        other => planned.schema = schema_of(session, other)?,
    }
    if planned.parameters.is_empty() {
        // A client may declare parameters of statements that have none; it must then send them too.
        planned.parameters = declared.iter().flatten().cloned().collect();
    }
    Ok(planned)
}

/// Plans the query of a cursor.
async fn plan_declared(
    session: &Arc<Inner>,
    sql: &str,
    declared: &[Option<DataType>],
) -> Result<Arc<Prepared>> {
    let inner = Box::pin(prepare(session, sql, declared)).await?;
    match inner.command {
        Command::Query(_) => Ok(inner),
        _ => Err(Error::unsupported("DECLARE is for queries only")),
    }
}

/// Plans what COPY TO sends.
async fn plan_copied(
    session: &Arc<Inner>,
    query: &sqlparser::ast::Query,
    copy: &CopyTo,
    declared: &[Option<DataType>],
) -> Result<PlannedQuery> {
    let query = plan_query(session, query, &copy.sql, declared).await;
    let query = query.map_err(|error| match copy.table_position {
        Some(position) => error.at(position),
        None => error,
    })?;
    if query.parameters.is_empty() {
        return Ok(query);
    }
    let message = "there is no parameter $1";
    Err(Error::new(SqlState::UNDEFINED_PARAMETER, message).hint("COPY takes no parameters"))
}

/// Plans a statement that changes rows, if they are a scratch table's.
async fn plan_scratch(
    session: &Arc<Inner>,
    command: &Command,
    sql: &str,
    declared: &[Option<DataType>],
) -> Result<Option<PlannedScratch>> {
    match command {
        Command::Insert(insert) => scratch::plan_insert(session, insert, sql, declared).await,
        Command::Delete(delete) => scratch::plan_delete(session, delete, sql, declared).await,
        Command::Update(update) => {
            scratch::plan_update(session, update, sql, declared).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// The columns of a statement that has no plan.
fn schema_of(session: &Inner, command: &Command) -> Result<Option<SchemaRef>> {
    Ok(Some(match command {
        Command::Ours(Parsed::ShowCreate { .. }) => text_columns(&["definition"]),
        Command::Ours(Parsed::ExplainProfile(_)) => explain_profile::schema(),
        Command::Ours(Parsed::BackupTo(_)) => backup::schema(),
        Command::Ours(Parsed::ExplainRetention) => explain_retention::schema(),
        Command::Show(Some(name)) => {
            session.variables.lock().get(name)?;
            text_columns(&[&shown_name(name)])
        }
        Command::Show(None) => text_columns(&["name", "setting", "description"]),
        Command::Fetch(fetch) if !fetch.skip => session.cursors.schema(&fetch.name)?,
        _ => return Ok(None),
    }))
}

/// Plans a query against the snapshot that the next statement reads.
pub(super) async fn plan_query(
    session: &Arc<Inner>,
    query: &sqlparser::ast::Query,
    sql: &str,
    declared: &[Option<DataType>],
) -> Result<PlannedQuery> {
    session.binding.pin(session.snapshot());
    plan_over(session, query, sql, declared, None).await
}

/// Plans a query over a table that only it can name, against the snapshot that is pinned.
pub(super) async fn plan_target(
    session: &Arc<Inner>,
    query: &sqlparser::ast::Query,
    sql: &str,
    declared: &[Option<DataType>],
    target: Target,
) -> Result<PlannedQuery> {
    plan_over(session, query, sql, declared, Some(target)).await
}

async fn plan_over(
    session: &Arc<Inner>,
    query: &sqlparser::ast::Query,
    sql: &str,
    declared: &[Option<DataType>],
    target: Option<Target>,
) -> Result<PlannedQuery> {
    let search_path = session.search_path();
    let zone = session.variables.lock().value("TimeZone");
    session.binding.set_mask(session.acting().mask.clone());
    let deleted = target.as_ref().map(|target| target.reference.table().to_owned());
    let planner = Planner {
        zone: Some(&zone),
        state: &session.planning.state,
        search_path: &search_path,
        source: session.planning.source.as_ref(),
        target,
    };
    let planned = planner.plan(query.clone(), sql, declared).await?;
    guard::check_query(session, &planned.uses, planned.analysed(), deleted.as_deref())?;
    Ok(planned)
}

/// The name of a setting as SHOW gives it back.
fn shown_name(name: &str) -> String {
    crate::query::session::settings::known(name).map_or(name, |known| known.name).to_owned()
}

/// A schema of texts.
pub(super) fn text_columns(names: &[&str]) -> SchemaRef {
    let fields: Vec<_> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    Arc::new(Schema::new(fields))
}

/// Statements by text and declared types, the oldest forgotten first.
#[derive(Default)]
pub(super) struct Cache {
    statements: HashMap<String, Vec<Arc<Prepared>>>,
    order: VecDeque<String>,
}

type Key<'a> = (&'a str, &'a [Option<DataType>]);

impl Cache {
    /// A statement whose plan is not stale.
    fn get(&self, (sql, declared): Key<'_>, versions: (u64, u64)) -> Option<Arc<Prepared>> {
        let prepared = self.statements.get(sql)?.iter().find(|it| it.declared == declared)?;
        let plan = prepared.plan.lock();
        let current = (plan.catalog_version, plan.settings_version) == versions;
        current.then(|| Arc::clone(prepared))
    }

    fn put(&mut self, (sql, declared): Key<'_>, prepared: Arc<Prepared>) {
        let same = self.statements.entry(sql.to_owned()).or_default();
        same.retain(|it| it.declared != declared);
        same.push(prepared);
        self.order.push_back(sql.to_owned());
        while self.order.len() > CACHE_STATEMENTS_MAX {
            if let Some(oldest) = self.order.pop_front()
                && !self.order.contains(&oldest)
            {
                self.statements.remove(&oldest);
            }
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
