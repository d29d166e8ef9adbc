//! Computed identity columns: their expressions read, verified, and made programs for the engine.
//!
//! An expression is planned as the one item of a SELECT over a table of the dataset's given columns, with
//! the same rewrites, functions and coercions as a query, so that it means what it would mean there. What
//! an identity must not hang on is refused: other rows, the time, chance, the session. Casts to text
//! write values as PostgreSQL does, moments in UTC.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, Volatility};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use futures::FutureExt;
use sqlparser::ast::{Expr as SqlExpr, Ident, SelectItem, SetExpr, Statement, visit_expressions};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use crate::engine::{Database, Derive, Options, Program};
use crate::error::{Error, Result, SqlState};
use crate::model::dataset::{Dataset, Role};
use crate::model::definition::Definition;
use crate::model::names::quote_name;
use crate::query::dialect::Postgres;
use crate::query::error::{external, from_arrow, from_datafusion, from_parser, position};
use crate::query::postgres::rewrite::{folded, function_name};
use crate::query::postgres::{
    Description, PgType, Relation, RelationColumn, RelationKind, Source, has_text_form, text_form,
};
use crate::query::session::plan::Planner;
use crate::query::session::policy_query::PolicyCompiler;
use crate::query::session::{depth, precedence, state};
use crate::query::statements::expression_positions;

/// The most bytes of an expression: it is shown wherever its dataset is, and bounds the recursion of
/// those who walk it on threads that are not ours.
pub const EXPRESSION_BYTES_MAX: usize = 2_000;

/// The table that an expression is planned over; the dataset's name is its alias.
const TABLE: &str = "given";

/// Makes programs of expressions; every server gives one to its database.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deriver;

/// Opens a database that can compute identities and run policies, for those who have no server.
///
/// # Errors
/// As `Database::open`.
pub fn open(options: Options) -> Result<Arc<Database>> {
    let database = Database::open(options)?;
    database.derive_with(Arc::new(Deriver));
    database.compile_policies_with(Arc::new(PolicyCompiler));
    Ok(database)
}

/// Verifies the expressions of a `CREATE DATASET`, with positions in its text.
///
/// # Errors
/// What is wrong with the first wrong one. What is wrong with the dataset besides is left to others.
pub(super) fn check(definition: &Definition, sql: &str) -> Result<()> {
    let Some(dataset) = Dataset::of_definition(definition) else { return Ok(()) };
    if dataset.derived_columns().next().is_none() || dataset.check().is_err() {
        return Ok(());
    }
    let positions = expression_positions(sql)?;
    for ((column, _), start) in dataset.derived_columns().zip(positions) {
        Deriver.compile(&dataset, column).map_err(|error| {
            let within = error.get_position().unwrap_or(1);
            error.at(start + within - 1)
        })?;
    }
    Ok(())
}

impl Derive for Deriver {
    fn compile(&self, dataset: &Dataset, column: usize) -> Result<Program> {
        let declared = &dataset.columns[column];
        let text = declared.derived.as_deref().unwrap_or_default();
        let given: Vec<usize> = dataset.given_columns().map(|(at, _)| at).collect();
        let schema = visible(dataset);
        let source: Arc<dyn Source> = Arc::new(GivenColumns::of(&schema, TABLE));
        let table = MemTable::try_new(Arc::clone(&schema), vec![vec![]]);
        let table = table.map_err(|error| from_datafusion(&error, text))?;
        let state = state::of_table(TABLE, Arc::new(table), &source)?;
        let expression = read(text)?;
        verify(&expression, text, dataset, &state)?;
        let statement = select(expression, &dataset.name)?;
        let plan = plan(&state, source.as_ref(), statement, text)?;
        let (inputs, evaluate) = program(&plan, &state, &schema, text)?;
        let inputs = inputs.into_iter().map(|at| given[at]).collect::<Vec<_>>();
        if inputs.is_empty() {
            let message = "the expression of a computed identity must depend on a column";
            return Err(Error::new(SqlState::INVALID_OBJECT_DEFINITION, message)
                .detail("all rows would have the same identity, and be one person"));
        }
        Ok(Program { column, inputs, evaluate })
    }
}

/// The columns that an expression sees: the given ones, identities as text.
fn visible(dataset: &Dataset) -> SchemaRef {
    let field = |(_, column): (_, &crate::model::dataset::Column)| {
        let ty = match column.role {
            Role::Identity(_) => DataType::Utf8View,
            _ => column.ty.to_arrow(),
        };
        Field::new(&column.name, ty, true)
    };
    Arc::new(Schema::new(dataset.given_columns().map(field).collect::<Vec<_>>()))
}

fn read(text: &str) -> Result<SqlExpr> {
    if text.len() > EXPRESSION_BYTES_MAX {
        let message = format!("an expression can have at most {EXPRESSION_BYTES_MAX} bytes");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    }
    depth::check(text)?;
    let convert = |error| from_parser(&error, text);
    let mut parser = Parser::new(&Postgres)
        .with_recursion_limit(4 * depth::DEPTH_MAX)
        .try_with_sql(text)
        .map_err(convert)?;
    let expression = parser.parse_expr().map_err(convert)?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let message = format!("syntax error at or near \"{}\"", next.token);
        let at = position(text, next.span.start.line, next.span.start.column);
        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(at));
    }
    Ok(expression)
}

/// Refuses what no single row can answer, and other computed columns.
fn verify(expression: &SqlExpr, text: &str, dataset: &Dataset, state: &SessionState) -> Result<()> {
    let at = |ident: &Ident| position(text, ident.span.start.line, ident.span.start.column);
    let look = |expr: &SqlExpr| {
        let refused = match expr {
            SqlExpr::Subquery(_) | SqlExpr::Exists { .. } | SqlExpr::InSubquery { .. } => {
                Some(Error::unsupported("cannot use subquery in column generation expression"))
            }
            SqlExpr::Identifier(ident) => refuse_derived(ident, dataset).map(|e| e.at(at(ident))),
            SqlExpr::CompoundIdentifier(parts) => {
                let last = parts.last();
                last.and_then(|last| refuse_derived(last, dataset).map(|e| e.at(at(last))))
            }
            SqlExpr::Function(call) => {
                let name = call.name.0.last().and_then(|part| part.as_ident());
                let place = name.map_or(1, at);
                refuse_call(&function_name(call), call.over.is_some(), state)
                    .map(|error| error.at(place))
            }
            _ => None,
        };
        refused.map_or(ControlFlow::Continue(()), ControlFlow::Break)
    };
    match visit_expressions(expression, look) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn refuse_derived(ident: &Ident, dataset: &Dataset) -> Option<Error> {
    let name = folded(ident);
    let column = dataset.columns.iter().find(|column| column.name == name)?;
    column.is_derived().then(|| {
        let message =
            format!("cannot use generated column \"{name}\" in column generation expression");
        Error::new(SqlState::INVALID_OBJECT_DEFINITION, message)
            .detail("A generated column cannot reference another generated column.")
    })
}

fn refuse_call(name: &str, over: bool, state: &SessionState) -> Option<Error> {
    let (code, what) = if over || state.window_functions().contains_key(name) {
        (SqlState("42P20"), "window functions are")
    } else if state.aggregate_functions().contains_key(name) {
        (SqlState::GROUPING_ERROR, "aggregate functions are")
    } else if matches!(name, "unnest" | "generate_series") {
        (SqlState::FEATURE_NOT_SUPPORTED, "set-returning functions are")
    } else {
        return None;
    };
    let message = format!("{what} not allowed in column generation expressions");
    Some(Error::new(code, message))
}

/// `SELECT expression FROM given AS dataset`.
fn select(expression: SqlExpr, dataset: &str) -> Result<Statement> {
    let frame = format!("SELECT NULL FROM {TABLE} AS {}", quote_name(dataset));
    let parsed = Parser::parse_sql(&Postgres, &frame);
    let mut statement =
        parsed.ok().and_then(|mut all| all.pop()).ok_or_else(|| Error::internal("no frame"))?;
    if let Statement::Query(query) = &mut statement
        && let SetExpr::Select(select) = query.body.as_mut()
    {
        select.projection = vec![SelectItem::UnnamedExpr(expression)];
    }
    precedence::repair(&mut statement);
    Ok(statement)
}

fn plan(
    state: &SessionState,
    source: &dyn Source,
    statement: Statement,
    text: &str,
) -> Result<LogicalPlan> {
    let Statement::Query(query) = statement else { return Err(Error::internal("no query")) };
    let search_path = ["public".to_owned()];
    let planner = Planner { state, search_path: &search_path, source, target: None, zone: None };
    // The one table is in memory, so that nothing is waited for.
    let planned = planner.plan(*query, text, &[]).now_or_never();
    let planned = planned.ok_or_else(|| Error::internal("planning an expression waits"))??;
    if !planned.parameters.is_empty() {
        return Err(Error::new(SqlState::UNDEFINED_PARAMETER, "there is no parameter $1"));
    }
    Ok(planned.into_analysed())
}

type Computation = (Vec<usize>, Arc<crate::engine::derive::Evaluate>);

/// The positions of the columns that a plan's one item reads, and its computation.
fn program(
    plan: &LogicalPlan,
    state: &SessionState,
    schema: &SchemaRef,
    text: &str,
) -> Result<Computation> {
    let convert = |error: DataFusionError| from_datafusion(&error, text);
    let (expression, input) = item(plan)?;
    refuse_momentary(&expression).map_err(convert)?;
    let expression = with_text_forms(expression, input).map_err(convert)?;
    let physical = state.create_physical_expr(expression, input).map_err(convert)?;
    let mut inputs: Vec<usize> = collect_columns(&physical).iter().map(|it| it.index()).collect();
    inputs.sort_unstable();
    let read = schema.project(&inputs).map_err(|error| from_arrow(&error))?;
    let read = Arc::new(read);
    let physical = reassign_expr_columns(physical, &read).map_err(convert)?;
    let evaluate = move |columns: Vec<ArrayRef>| {
        let batch = RecordBatch::try_new(Arc::clone(&read), columns);
        let batch = batch.map_err(|error| from_arrow(&error))?;
        let values = physical.evaluate(&batch);
        let values = values.and_then(|values| values.into_array(batch.num_rows()));
        let values = values.map_err(|error| from_datafusion(&error, ""))?;
        cast(&values, &DataType::Utf8View).map_err(|error| from_arrow(&error))
    };
    Ok((inputs, Arc::new(evaluate)))
}

/// The item of a plan that does nothing but compute it for each row of the table.
fn item(plan: &LogicalPlan) -> Result<(Expr, &DFSchema)> {
    if let LogicalPlan::Projection(projection) = plan
        && let [expression] = projection.expr.as_slice()
        && let LogicalPlan::SubqueryAlias(_) | LogicalPlan::TableScan(_) = projection.input.as_ref()
    {
        return Ok((expression.clone().unalias_nested().data, projection.input.schema()));
    }
    let message = "a column generation expression can use the columns of its own row only";
    Err(Error::unsupported(message))
}

/// Refuses functions whose answer does not hang on their arguments alone.
fn refuse_momentary(expression: &Expr) -> datafusion::error::Result<()> {
    expression
        .apply(|expression| match expression {
            Expr::ScalarFunction(call)
                if call.func.signature().volatility != Volatility::Immutable =>
            {
                let message = "generation expression is not immutable";
                let detail = format!("function {} can answer otherwise later", call.func.name());
                let error = Error::new(SqlState::INVALID_OBJECT_DEFINITION, message);
                Err(external(error.detail(detail)))
            }
            _ => Ok(TreeNodeRecursion::Continue),
        })
        .map(|_| ())
}

/// The expression as text, with every cast to text writing as PostgreSQL does.
fn with_text_forms(expression: Expr, schema: &DFSchema) -> datafusion::error::Result<Expr> {
    let whole = match is_text(&expression.get_type(schema)?) {
        true => expression,
        false => Expr::Cast(Cast::new(Box::new(expression), DataType::Utf8View)),
    };
    let function = Arc::new(text_form("UTC"));
    let replace = |expression: Expr| {
        let Expr::Cast(taken) = &expression else { return Ok(Transformed::no(expression)) };
        let (from, to) = (taken.expr.get_type(schema)?, taken.field.data_type().clone());
        if !is_text(&to) {
            return Ok(Transformed::no(expression));
        }
        if matches!(from, DataType::List(_)) {
            let message = "an array cannot be made text in a column generation expression";
            let hint = "say how: array_to_string(column, ',')";
            return Err(external(Error::unsupported(message).hint(hint)));
        }
        if !has_text_form(&from) {
            return Ok(Transformed::no(expression));
        }
        let call = function.call(vec![taken.expr.as_ref().clone()]);
        Ok(Transformed::yes(match to {
            DataType::Utf8View => call,
            to => Expr::Cast(Cast::new(Box::new(call), to)),
        }))
    };
    whole.transform_up(replace).map(|transformed| transformed.data)
}

fn is_text(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// What the rewrites may know: the one table.
#[derive(Debug)]
pub(super) struct GivenColumns(Arc<Description>);

impl GivenColumns {
    /// The columns of a table.
    pub(super) fn of(schema: &Schema, table: &str) -> Self {
        let columns = schema.fields().iter().map(|field| RelationColumn {
            name: field.name().clone(),
            ty: PgType::of_field(field),
            not_null: false,
            comment: None,
            generated: None,
        });
        let relation = Relation {
            oid: crate::query::postgres::RELATION_OID_MIN,
            schema: "public".to_owned(),
            name: table.to_owned(),
            kind: RelationKind::Table,
            comment: None,
            columns: columns.collect(),
            row_estimate: None,
            primary_key: Vec::new(),
            definition: None,
            uses: Vec::new(),
            is_temporary: false,
        };
        Self(Arc::new(Description {
            schemas: vec![("public".to_owned(), None)],
            relations: vec![relation],
            ..Description::default()
        }))
    }
}

impl Source for GivenColumns {
    fn describe(&self) -> Arc<Description> {
        Arc::clone(&self.0)
    }

    fn set(&self, _: &str, _: Option<&str>, _: bool) -> Result<String> {
        Err(Error::unsupported("a computed column cannot change settings"))
    }

    fn signal(&self, _: i32, _: bool) -> bool {
        false
    }
}
