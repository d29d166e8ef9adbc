//! Executing a prepared statement: each command of `command` is done here, or by the file of its name.

use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};

use crate::engine::database::is_new_dataset;
use crate::engine::scratch::Temporary;
use crate::error::{Error, Result, SqlState};
use crate::model::access::{AccessChange, Privilege};
use crate::model::definition::Definition;
use crate::query::error::from_datafusion;
use crate::query::session::channels::{self, Change};
use crate::query::session::command::{Command, Discard, Prepare, Set};
use crate::query::session::names::type_named;
use crate::query::session::plan::PlannedQuery;
use crate::query::session::prepare::{self, Body, Planned, Prepared};
use crate::query::session::transaction::{CommitGate, TransactionStatus};
use crate::query::session::{
    Inner, Kept, Notice, Outcome, access, backup, block, copy, cursor, ddl, decide, delete, derive,
    explain, explain_profile, explain_retention, forget, insert, policy_query, scratch, show,
};
use crate::query::statements::Parsed;

/// Executes a statement.
///
/// # Errors
/// Everything that can be wrong with it up to its first row.
pub(super) async fn execute(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    prepared: &Arc<Prepared>,
    values: Vec<ScalarValue>,
) -> Result<Outcome> {
    if !prepared.ends_transaction() {
        session.transaction.lock().check()?;
    }
    match &prepared.command {
        Command::Empty => Ok(Outcome::Empty),
        Command::Query(_) => {
            let planned = prepared.current(session).await?;
            query(session, prepared, &planned, values).await
        }
        Command::CopyTo(_, copy) => {
            let planned = prepared.current(session).await?;
            let query = query_of(&planned)?;
            let stream = rows(session, query, values, &prepared.sql).await?;
            let schema = Arc::clone(&query.schema);
            Ok(Outcome::CopyOut { schema, stream, layout: copy.layout.clone() })
        }
        Command::Explain(options) => {
            let planned = prepared.current(session).await?;
            let plan = physical(session, query_of(&planned)?, values, &prepared.sql).await?;
            explain::run(session, plan, options, &prepared.sql).await
        }
        Command::Insert(_) | Command::Delete(_) | Command::Update(_) => {
            let planned = prepared.current(session).await?;
            let sql = &prepared.sql;
            match &planned.body {
                Body::Insert(planned) => insert::run(session, gate, planned, values, sql).await,
                Body::Delete(planned) => delete::run(session, gate, planned, values, sql).await,
                Body::Scratch(planned) => scratch::run(session, gate, planned, values, sql).await,
                _ => Err(no_plan()),
            }
        }
        Command::Ddl(statement) => ddl::run(session, gate, statement, values, &prepared.sql).await,
        Command::Ours(Parsed::Decide(stated)) => decide::run(session, gate, stated, &values).await,
        Command::Ours(Parsed::Forget(stated)) => {
            session.check_superuser("forget people")?;
            forget::run(session, gate, stated, &values).await
        }
        Command::Ours(parsed) => ours(session, gate, parsed, &prepared.sql).await,
        Command::Prepare(statement) => prepare_statement(session, statement).await,
        Command::Execute { name, arguments } => {
            execute_statement(session, gate, name, arguments.as_deref()).await
        }
        Command::Declare(declare) => {
            let planned = prepared.current(session).await?;
            let Body::Inner(inner) = &planned.body else { return Err(no_plan()) };
            cursor::declare(session, gate, declare, inner, values).await
        }
        Command::Fetch(fetch) => cursor::fetch(session, fetch).await,
        Command::Commit { chain } => block::end(session, gate, true, *chain).await,
        Command::Rollback { chain } => block::end(session, gate, false, *chain).await,
        Command::RollbackTo(name) => block::roll_back_to(session, name).await,
        other => at_once(session, other),
    }
}

/// Commands that take no time.
fn at_once(session: &Arc<Inner>, command: &Command) -> Result<Outcome> {
    match command {
        Command::Set(set) => {
            change_setting(session, set)?;
            done("SET")
        }
        Command::Reset(name) => {
            reset(session, name.as_deref())?;
            done("RESET")
        }
        Command::Show(name) => show::setting(session, name.as_deref()),
        Command::Begin(modes) => {
            block::begin(session, modes)?;
            done("BEGIN")
        }
        Command::Modes { all, modes } => {
            block::set_modes(session, modes, *all)?;
            done("SET")
        }
        Command::Savepoint(name) => block::savepoint(session, name),
        Command::Release(name) => block::release(session, name),
        Command::Deallocate(Some(name)) => {
            session.statement(name)?;
            session.statements.lock().remove(name);
            done("DEALLOCATE")
        }
        Command::Deallocate(None) => {
            session.statements.lock().clear();
            done("DEALLOCATE ALL")
        }
        Command::Close(name) => {
            session.cursors.close(name.as_deref())?;
            done(if name.is_some() { "CLOSE CURSOR" } else { "CLOSE CURSOR ALL" })
        }
        Command::Discard(what) => discard(session, *what),
        Command::Unlisten(channel) => {
            channels::change(session, Change::Unlisten(channel.clone()))?;
            done("UNLISTEN")
        }
        Command::Listen(channel) => {
            channels::change(session, Change::Listen(channel.clone()))?;
            done("LISTEN")
        }
        Command::Notify { channel, payload } => {
            channels::notify(session, channel, payload)?;
            done("NOTIFY")
        }
        Command::Idle(tag) => done(*tag),
        _ => Err(no_plan()),
    }
}

fn no_plan() -> Error {
    Error::internal("a statement was executed without its plan")
}

fn done(tag: impl Into<String>) -> Result<Outcome> {
    Ok(Outcome::Done { tag: tag.into() })
}

fn query_of(planned: &Planned) -> Result<&PlannedQuery> {
    match &planned.body {
        Body::Query(query) => Ok(query),
        _ => Err(no_plan()),
    }
}

async fn query(
    session: &Arc<Inner>,
    prepared: &Prepared,
    planned: &Planned,
    values: Vec<ScalarValue>,
) -> Result<Outcome> {
    let query = query_of(planned)?;
    let stream = rows(session, query, values, &prepared.sql).await?;
    Ok(Outcome::Rows { schema: Arc::clone(&query.schema), stream, tag: "SELECT" })
}

/// Runs a planned query.
///
/// # Errors
/// What planning its execution says.
pub(super) async fn rows(
    session: &Arc<Inner>,
    query: &PlannedQuery,
    values: Vec<ScalarValue>,
    sql: &str,
) -> Result<SendableRecordBatchStream> {
    let plan = physical(session, query, values, sql).await?;
    execute_stream(plan, Arc::clone(&session.planning.context))
        .map_err(|error| from_datafusion(&error, sql))
}

/// The plan of one execution; the tables in it are bound to the snapshot of this moment, or to its past.
async fn physical(
    session: &Arc<Inner>,
    query: &PlannedQuery,
    values: Vec<ScalarValue>,
    sql: &str,
) -> Result<Arc<dyn ExecutionPlan>> {
    let state = &session.planning.state;
    session.pin_shown()?;
    session.binding.set_mask(session.acting().mask.clone());
    let plan = query.bind(state, values, sql)?;
    state
        .query_planner()
        .create_physical_plan(&plan, state)
        .await
        .map_err(|error| from_datafusion(&error, sql))
}

/// Work of the engine, which blocks, on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => {
            Err(Error::internal("the engine failed by a mistake of the server"))
        }
        Err(_) => Err(Error::new(SqlState::ADMIN_SHUTDOWN, "the server is shutting down")),
    }
}

async fn ours(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    parsed: &Parsed,
    sql: &str,
) -> Result<Outcome> {
    match parsed {
        Parsed::Define(definition) => {
            session.check_may_write(parsed.tag())?;
            session.check_definition(definition)?;
            if is_new_dataset(definition, &session.snapshot()) {
                derive::check(definition, sql)?;
            }
            let definition = policy_query::resolve(definition, &session.snapshot(), sql)?;
            let created = created_by(session, &definition);
            define(session, gate, definition).await?;
            if let Some(owner) = created {
                define(session, gate, Definition::Access(owner)).await?;
            }
            done(parsed.tag())
        }
        Parsed::Access(statement) => {
            session.check_may_write(parsed.tag())?;
            let (resolving, statement) = (Arc::clone(session), statement.clone());
            let change = blocking(move || access::resolve(&resolving, &statement)).await?;
            define(session, gate, Definition::Access(change)).await?;
            done(parsed.tag())
        }
        Parsed::Decide(_) | Parsed::Forget(_) => Err(no_plan()),
        Parsed::ShowCreate { kind, name } => show::definition(session, *kind, name),
        Parsed::CopyFrom(statement) => {
            session.check_may_write("COPY")?;
            copy::run(session, gate, statement).await
        }
        Parsed::ExplainProfile(statement) => {
            session.check_table("profiles", &[], Privilege::Select)?;
            session.check_sees_everything("EXPLAIN PROFILE")?;
            explain_profile::run(session, statement).await
        }
        Parsed::BackupTo(statement) => {
            session.check_superuser("back up the store")?;
            backup::run(session, statement).await
        }
        Parsed::ExplainRetention => explain_retention::run(session).await,
    }
}

/// Has the engine make a definition; returns when it is durable and visible.
async fn define(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    definition: Definition,
) -> Result<()> {
    gate.commit()?;
    let accept = session.accept();
    let defined = blocking(move || accept.accept_definition(definition)).await?;
    if let Some(notice) = defined.notice {
        session.notice(Notice::new(notice));
    }
    Ok(())
}

/// What makes the session's role the owner of what a definition would create.
fn created_by(session: &Inner, definition: &Definition) -> Option<AccessChange> {
    let owner = session.authority().role.clone();
    if !is_new_dataset(definition, &session.snapshot())
        || !session.latest().catalog().access.roles.contains_key(&owner)
    {
        return None;
    }
    let Definition::CreateDataset { name, .. } = definition else { return None };
    Some(AccessChange::SetOwner { schema: "public".to_owned(), name: name.clone(), owner })
}

async fn prepare_statement(session: &Arc<Inner>, statement: &Prepare) -> Result<Outcome> {
    let types: Vec<_> =
        statement.types.iter().map(|name| type_named(name)).collect::<Result<_>>()?;
    let oids = types.iter().map(|(oid, _)| *oid).collect();
    let declared: Vec<_> = types.into_iter().map(|(_, ty)| Some(ty)).collect();
    let inner = Box::pin(prepare::prepare(session, &statement.sql, &declared)).await?;
    let prepared = matches!(
        inner.command,
        Command::Query(_) | Command::Insert(_) | Command::Delete(_) | Command::Update(_)
    );
    if !prepared {
        return Err(Error::unsupported("PREPARE is for queries, INSERT, UPDATE and DELETE only"));
    }
    session.keep_statement(&statement.name, Kept { prepared: inner, oids })?;
    done("PREPARE")
}

async fn execute_statement(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    name: &str,
    arguments: Option<&str>,
) -> Result<Outcome> {
    let inner = session.statement(name)?.prepared;
    let parameters = inner.parameters();
    let given = match arguments {
        Some(text) => evaluate(session, gate, text).await?,
        None => Vec::new(),
    };
    if given.len() != parameters.len() {
        let message = format!("wrong number of parameters for prepared statement \"{name}\"");
        let detail = format!("expected {} parameters but got {}", parameters.len(), given.len());
        return Err(Error::new(SqlState::SYNTAX_ERROR, message).detail(detail));
    }
    let cast = |(value, ty): (ScalarValue, _)| {
        value.cast_to(ty).map_err(|error| from_datafusion(&error, ""))
    };
    let values = given.into_iter().zip(&parameters).map(cast).collect::<Result<_>>()?;
    Box::pin(execute(session, gate, &inner, values)).await
}

/// The values of a list of constant expressions.
async fn evaluate(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    list: &str,
) -> Result<Vec<ScalarValue>> {
    let sql = format!("SELECT {list}");
    let query = Box::pin(prepare::prepare(session, &sql, &[])).await?;
    let outcome = Box::pin(execute(session, gate, &query, Vec::new())).await?;
    let Outcome::Rows { stream, .. } = outcome else { return Err(no_plan()) };
    let convert = |error| from_datafusion(&error, "");
    let batches = datafusion::physical_plan::common::collect(stream).await.map_err(convert)?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else {
        return Ok(Vec::new());
    };
    let value = |column: &ArrayRef| ScalarValue::try_from_array(column, 0).map_err(convert);
    batch.columns().iter().map(value).collect()
}

fn change_setting(session: &Arc<Inner>, set: &Set) -> Result<()> {
    if set.local && session.transaction.lock().status == TransactionStatus::Idle {
        let message = "SET LOCAL can only be used in transaction blocks";
        session.notice(Notice::warning(SqlState("25P01"), message));
        return Ok(());
    }
    session.check_becomes(&set.name, set.value.as_deref())?;
    let before = session.variables.lock().clone();
    session.variables.lock().set(&set.name, set.value.as_deref(), set.local)?;
    if let Err(error) = session.settings_changed() {
        *session.variables.lock() = before;
        return Err(error);
    }
    Ok(())
}

/// What `set_config` does. Outside a block, a local change would end with the statement that makes it.
///
/// # Errors
/// What SET says.
pub(super) fn set_config(session: &Arc<Inner>, set: &Set) -> Result<String> {
    if set.local && session.transaction.lock().status == TransactionStatus::Idle {
        let mut tried = session.variables.lock().clone();
        tried.set(&set.name, set.value.as_deref(), false)?;
        return tried.get(&set.name);
    }
    change_setting(session, set)?;
    session.setting(&set.name)
}

fn reset(session: &Arc<Inner>, name: Option<&str>) -> Result<()> {
    {
        let mut variables = session.variables.lock();
        match name {
            Some(name) => variables.set(name, None, false)?,
            None => variables.reset_all(),
        }
    }
    session.settings_changed()
}

fn discard(session: &Arc<Inner>, what: Discard) -> Result<Outcome> {
    match what {
        Discard::All => {
            if session.transaction.lock().status != TransactionStatus::Idle {
                let message = "DISCARD ALL cannot run inside a transaction block";
                return Err(Error::new(SqlState::ACTIVE_TRANSACTION, message));
            }
            session.statements.lock().clear();
            session.cursors.close(None)?;
            session.cache.lock().clear();
            channels::change(session, Change::Unlisten(None))?;
            session.at_commit.lock().clear();
            session.set_temporary(Temporary::default());
            reset(session, Some("role"))?;
            reset(session, Some("session_authorization"))?;
            reset(session, None)?;
            done("DISCARD ALL")
        }
        Discard::Plans => {
            session.cache.lock().clear();
            done("DISCARD PLANS")
        }
        Discard::Nothing => done("DISCARD"),
    }
}
