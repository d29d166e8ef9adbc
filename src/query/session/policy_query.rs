//! Merge policies that are queries: read, verified, and made programs for the engine.
//!
//! A query is planned over `fragments` with the same rewrites, functions and coercions as any other, so that
//! it means what it would mean there. Its plan is kept; each run gives it the fragments of some people. What
//! a policy must not hang on is refused: the time, chance, the session. The engine decides when to run it.

use std::future::Future;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{TableType, provider_as_source};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::{ExecutionPlan, collect};
use futures::FutureExt;
use sqlparser::ast::Query;

use crate::engine::Snapshot;
use crate::engine::policy_query::{CompilePolicy, PolicyProgram};
use crate::error::{Error, Result, SqlState};
use crate::model::column::ColumnType;
use crate::model::definition::{Definition, Existence};
use crate::model::names::{RESERVED_COLUMNS, check_name};
use crate::model::policy::{PolicyQuery, QueryColumn};
use crate::query::error::{external, from_arrow, from_datafusion};
use crate::query::postgres::Source;
use crate::query::session::command::{self, Command};
use crate::query::session::derive::GivenColumns;
use crate::query::session::plan::{PlannedQuery, Planner, check_height};
use crate::query::session::policy_shape::{PERSON, Shape, TABLE, call_of, shape};
use crate::query::session::state;
use crate::query::statements::query_position;
use crate::query::tables::VirtualTable;
use crate::query::tables::fragments::{self, Fragments};
use crate::query::tables::scan::{ScanExec, ScanParts};
use crate::query::ties::BreakTies;

/// The most bytes of a policy's query: it is shown wherever its policy is.
pub const QUERY_BYTES_MAX: usize = 16 << 10;

/// The height of its expressions and of its plan: bounds the recursion of those who walk them on threads
/// that are not ours, with stacks of 2 MiB, of which a level takes some KiB in an unoptimised build.
pub const QUERY_HEIGHT_MAX: usize = 100;

/// Makes programs of the queries of policies; every server gives one to its database.
#[derive(Clone, Copy, Debug, Default)]
pub struct PolicyCompiler;

/// Completes the definition of a policy that is a query, with positions in its statement.
///
/// # Errors
/// What is wrong with the query.
pub(super) fn resolve(
    definition: &Definition,
    snapshot: &Arc<Snapshot>,
    sql: &str,
) -> Result<Definition> {
    let mut definition = definition.clone();
    let Definition::CreateMergePolicy { policy, existence, .. } = &mut definition else {
        return Ok(definition);
    };
    // One that is there already is told so, whatever the query says.
    let there = snapshot.catalog().policies.contains_key(&policy.name);
    if there && *existence != Existence::Replace {
        return Ok(definition);
    }
    if let Some(query) = &mut policy.query {
        let start = query_position(sql)?.unwrap_or(1);
        *query = resolved(snapshot, &query.text).map_err(|error| {
            let within = error.get_position().unwrap_or(1);
            error.at(start + within - 1)
        })?;
    }
    Ok(definition)
}

/// What a policy's query comes to under a catalog.
///
/// # Errors
/// What is wrong with it, with its position in the text.
pub(in crate::query) fn resolved(snapshot: &Arc<Snapshot>, text: &str) -> Result<PolicyQuery> {
    compile(snapshot, text).map(|(query, _)| query)
}

impl CompilePolicy for PolicyCompiler {
    fn compile(
        &self,
        snapshot: &Arc<Snapshot>,
        query: &PolicyQuery,
    ) -> Result<Arc<dyn PolicyProgram>> {
        let (found, program) = compile(snapshot, &query.text)?;
        if found.columns != query.columns {
            let message = "the query of a merge policy has other columns than when it was created";
            return Err(Error::new(SqlState::OBJECT_NOT_IN_STATE, message)
                .hint("CREATE OR REPLACE the policy"));
        }
        Ok(Arc::new(program))
    }
}

fn compile(snapshot: &Arc<Snapshot>, text: &str) -> Result<(PolicyQuery, Program)> {
    if text.len() > QUERY_BYTES_MAX {
        let message =
            format!("the query of a merge policy can have at most {QUERY_BYTES_MAX} bytes");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    }
    let Command::Query(query) = command::read(text)? else {
        return Err(Error::unsupported("a merge policy can be one SELECT only").at(1));
    };
    let shape = shape(&query, text)?;
    // The plan outlives the snapshot, which it must not keep: only its columns are planned with.
    let table = OfPeople { rows: None, schema: Fragments.schema(snapshot)? };
    let source: Arc<dyn Source> = Arc::new(GivenColumns::of(&table.schema, TABLE));
    let mut state = state::of_table(TABLE, Arc::new(table), &source)?;
    state.config_mut().options_mut().execution.target_partitions = 1;
    let datasets = snapshot.catalog().record_datasets();
    let places = datasets.iter().map(|dataset| dataset.name.clone()).collect();
    state.add_analyzer_rule(Arc::new(BreakTies::in_order(places)));
    let planned = plan(&state, source.as_ref(), *query, text)?;
    let items = columns(&planned.schema, &shape)?;
    let plan = planned.bind(&state, Vec::new(), text)?;
    check_height(&plan, QUERY_HEIGHT_MAX)?;
    let attributes = snapshot.catalog().attributes();
    let read = read_columns(&plan).map_err(|error| from_datafusion(&error, text))?;
    let reads = attributes.into_iter().filter(|it| read.contains(&it.name));
    let known = |name: &String| snapshot.catalog().datasets.contains_key(name);
    let mut datasets: Vec<String> = shape.texts.into_iter().filter(known).collect();
    datasets.sort_unstable();
    datasets.dedup();
    let query = PolicyQuery {
        text: text.to_owned(),
        columns: items.iter().map(|(_, column)| column.clone()).collect(),
        reads: reads.map(|attribute| (attribute.name, attribute.ty)).collect(),
        datasets,
    };
    let person = shape.people.iter().position(|is_person| *is_person);
    let mut order = vec![(person.unwrap_or_default(), ColumnType::BigInt)];
    order.extend(items.into_iter().map(|(at, column)| (at, column.ty)));
    let fields = std::iter::once(PERSON.to_owned())
        .chain(query.columns.iter().map(|column| column.name.clone()))
        .zip(&order)
        .map(|(name, (_, ty))| Field::new(name, ty.to_arrow(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok((query, Program { state, plan, order, schema }))
}

fn plan(
    state: &SessionState,
    source: &dyn Source,
    query: Query,
    text: &str,
) -> Result<PlannedQuery> {
    let search_path = ["public".to_owned()];
    let planner =
        Planner { state, search_path: &search_path, source, target: None, zone: Some("UTC") };
    // The one table is made already, so that nothing is waited for.
    let planned = planner.plan(query.clone(), text, &[]).now_or_never();
    let planned = planned.ok_or_else(|| Error::internal("planning a policy's query waits"))??;
    if !planned.parameters.is_empty() {
        return Err(Error::new(SqlState::UNDEFINED_PARAMETER, "there is no parameter $1"));
    }
    if planned.is_momentary() {
        return Err(momentary(state, &query, text));
    }
    Ok(planned)
}

/// A policy must give the same until fragments change.
fn momentary(state: &SessionState, query: &Query, text: &str) -> Error {
    let changes = |name: &str| {
        let function = state.scalar_functions().get(name);
        function.is_some_and(|it| it.signature().volatility != Volatility::Immutable)
    };
    let message = "functions in the query of a merge policy must be immutable";
    let error = Error::new(SqlState::INVALID_OBJECT_DEFINITION, message);
    match call_of(query, text, changes) {
        Some((name, place)) => {
            error.detail(format!("function {name} can answer otherwise later")).at(place)
        }
        None => error.detail("one of them can answer otherwise later"),
    }
}

/// The columns of the result but for the person, with their positions in it.
fn columns(schema: &Schema, shape: &Shape) -> Result<Vec<(usize, QueryColumn)>> {
    let invalid = |message: String| Error::new(SqlState::INVALID_OBJECT_DEFINITION, message);
    let mut people = 0;
    let mut columns: Vec<(usize, QueryColumn)> = Vec::new();
    for (at, field) in schema.fields().iter().enumerate() {
        let (name, place) = (field.name(), shape.positions[at]);
        if shape.people[at] && name == PERSON {
            people += 1;
            continue;
        }
        if name == "?column?" {
            let message = format!("column {} of the query has no name", at + 1);
            return Err(invalid(message).hint("give it one: expression AS name").at(place));
        }
        check_name("attribute", name).map_err(|error| error.at(place))?;
        if RESERVED_COLUMNS.contains(&name.as_str()) {
            let message = format!("column name \"{name}\" is reserved");
            let error = Error::new(SqlState::RESERVED_NAME, message);
            return Err(error.hint("give it another: expression AS name").at(place));
        }
        if columns.iter().any(|(_, other)| other.name == *name) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(place));
        }
        let ty = ColumnType::of_arrow(field.data_type()).ok_or_else(|| {
            let message = format!("column \"{name}\" has a type that no attribute can have");
            Error::unsupported(message).hint("cast it: expression::TEXT").at(place)
        })?;
        let picks = shape.picks[at].clone().filter(|_| ty == ColumnType::Text);
        columns.push((at, QueryColumn { name: name.clone(), ty, picks }));
    }
    match (people, columns.is_empty()) {
        (1, false) => Ok(columns),
        (1, true) => Err(invalid("a merge policy must have an attribute".to_owned()).at(1)),
        _ => Err(invalid("a merge policy must have one column profile_id".to_owned()).at(1)),
    }
}

/// The columns that a plan reads of its table.
fn read_columns(plan: &LogicalPlan) -> datafusion::error::Result<Vec<String>> {
    let mut read = Vec::new();
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            read.extend(scan.projected_schema.fields().iter().map(|field| field.name().clone()));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(read)
}

/// A query that is ready for people.
struct Program {
    state: SessionState,
    plan: LogicalPlan,
    /// Positions and types of the columns, the person first.
    order: Vec<(usize, ColumnType)>,
    schema: SchemaRef,
}

impl PolicyProgram for Program {
    fn run(&self, snapshot: &Arc<Snapshot>, profiles: &[u32]) -> Result<Vec<RecordBatch>> {
        let convert = |error| from_datafusion(&error, "");
        let rows = Some((Arc::clone(snapshot), profiles.to_vec()));
        let table = OfPeople { rows, schema: Fragments.schema(snapshot)? };
        let source = provider_as_source(Arc::new(table));
        let plan = self.plan.clone().transform_up(|node| match node {
            LogicalPlan::TableScan(mut scan) => {
                scan.source = Arc::clone(&source);
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            node => Ok(Transformed::no(node)),
        });
        let plan = plan.map_err(convert)?.data;
        let rows = async {
            let plan = self.state.query_planner().create_physical_plan(&plan, &self.state).await?;
            collect(plan, self.state.task_ctx()).await
        };
        let batches = wait(rows).map_err(convert)?;
        batches.iter().map(|batch| self.ordered(batch)).collect()
    }
}

impl Program {
    fn ordered(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let column = |(at, ty): &(usize, ColumnType)| {
            cast(batch.column(*at), &ty.to_arrow()).map_err(|error| from_arrow(&error))
        };
        let columns = self.order.iter().map(column).collect::<Result<_>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|error| from_arrow(&error))
    }
}

/// Runs a future to its end on this thread, which may be one of a runtime's.
fn wait<T>(work: impl Future<Output = T>) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    // Nobody else runs on this thread meanwhile, so that giving way would only spin.
    let work = tokio::task::unconstrained(work);
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(|| handle.block_on(work))
        }
        _ => futures::executor::block_on(work),
    }
}

/// `fragments`, with the rows of some people only.
#[derive(Debug)]
struct OfPeople {
    /// Whose rows, and as of when; `None`: nobody's.
    rows: Option<(Arc<Snapshot>, Vec<u32>)>,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for OfPeople {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let all = || (0..self.schema.fields().len()).collect();
        let groups = match &self.rows {
            Some((snapshot, profiles)) => fragments::groups_of(snapshot, Some(profiles)),
            None => Ok(Vec::new()),
        };
        Ok(Arc::new(ScanExec::try_new(ScanParts {
            table: TABLE.to_owned(),
            schema: Arc::clone(&self.schema),
            projection: projection.cloned().unwrap_or_else(all),
            filters: Vec::new(),
            lookup: None,
            choices: Vec::new(),
            limit,
            groups: groups.map_err(external)?,
            partitions: 1,
        })?))
    }
}
