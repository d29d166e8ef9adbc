//! Names in a statement into tables, functions and types: DataFusion's planner asks here.
//!
//! Tables are looked up before planning, in the session's search path; one that is not there is an
//! error with its SQLSTATE and place in the statement. Everything else is the session state's.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef, TimeUnit};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::catalog::view::ViewTable;
use datafusion::common::DFSchema;
use datafusion::common::TableReference;
use datafusion::common::config::ConfigOptions;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as PlanResult;
use datafusion::execution::SessionState;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, RelationPlanner, TypePlanner,
};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::parser::Statement as ParsedStatement;
use parking_lot::Mutex;
use sqlparser::ast::{DataType as SqlType, ObjectName, Statement, TimezoneInfo, visit_relations};

use crate::error::{Error, Result, SqlState};
use crate::model::column::UTC;
use crate::query::error::{external, from_datafusion, position};
use crate::query::postgres::types::{METADATA_KEY, PgType, by_name};
use crate::query::session::guard::Uses;
use crate::query::session::views::plan as of_view;
use crate::query::views;

/// Where the tables of one statement are.
pub(super) struct Names<'a> {
    state: &'a SessionState,
    tables: HashMap<TableReference, Result<Found>>,
    uses: Mutex<Uses>,
}

/// A table and the schema that it was found in.
type Found = (String, Arc<dyn TableSource>);

/// A table that only the statement at hand can name.
#[derive(Clone)]
pub(super) struct Target {
    /// By what name.
    pub(super) reference: TableReference,
    /// The table.
    pub(super) source: Arc<dyn TableSource>,
}

impl<'a> Names<'a> {
    /// Adds a table that is nowhere else.
    pub(super) fn add(&mut self, target: Target) {
        let schema = target.reference.schema().unwrap_or("public").to_owned();
        self.tables.insert(target.reference, Ok((schema, target.source)));
    }

    /// What the planner has asked for.
    pub(super) fn into_uses(self) -> Uses {
        self.uses.into_inner()
    }

    /// Looks up all tables that a statement names.
    ///
    /// # Errors
    /// What a table has to say of itself; a missing one is told when the planner asks for it.
    pub(super) async fn of(
        state: &'a SessionState,
        statement: &Statement,
        sql: &str,
        search_path: &[String],
    ) -> Result<Self> {
        let parsed = ParsedStatement::Statement(Box::new(statement.clone()));
        let references = state
            .resolve_table_references(&parsed)
            .map_err(|error| from_datafusion(&error, sql))?;
        let positions = positions(statement, sql);
        let mut tables = HashMap::with_capacity(references.len());
        for reference in references {
            let mut found = lookup(state, &reference, search_path).await;
            if let Some(position) = positions.get(reference.table()) {
                found = found.map_err(|error| error.at(*position));
            }
            tables.insert(reference, found);
        }
        Ok(Self { state, tables, uses: Mutex::default() })
    }
}

/// Where each table is named first.
fn positions(statement: &Statement, sql: &str) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    let note = |name: &ObjectName| {
        let last = name.0.last().and_then(|part| part.as_ident());
        if let (Some(first), Some(last)) = (name.0.first().and_then(|part| part.as_ident()), last) {
            let start = first.span.start;
            if start.line > 0 {
                let folded = match last.quote_style {
                    Some(_) => last.value.clone(),
                    None => last.value.to_lowercase(),
                };
                found.entry(folded).or_insert_with(|| position(sql, start.line, start.column));
            }
        }
        ControlFlow::<()>::Continue(())
    };
    let _ = visit_relations(statement, note);
    found
}

/// Finds a table; unqualified names are looked up as PostgreSQL does.
async fn lookup(
    state: &SessionState,
    reference: &TableReference,
    search_path: &[String],
) -> Result<Found> {
    let table = reference.table();
    let catalog = &state.config_options().catalog.default_catalog;
    let system = "pg_catalog".to_owned();
    let schemas: Vec<&String> = match reference.schema() {
        Some(schema) => return in_schema(state, catalog, reference, schema, table).await,
        None if table.starts_with("pg_") => std::iter::once(&system).chain(search_path).collect(),
        None => search_path.iter().chain([&system]).collect(),
    };
    for schema in schemas {
        if let Some(found) = table_of(state, catalog, schema, table).await? {
            return Ok((schema.clone(), found));
        }
    }
    Err(no_relation(table))
}

async fn in_schema(
    state: &SessionState,
    catalog: &str,
    reference: &TableReference,
    schema: &str,
    table: &str,
) -> Result<Found> {
    if reference.catalog().is_some_and(|named| named != catalog) {
        let message = format!("cross-database references are not implemented: \"{reference}\"");
        return Err(Error::unsupported(message));
    }
    if let Some(found) = table_of(state, catalog, schema, table).await? {
        return Ok((schema.to_owned(), found));
    }
    Err(no_relation(&format!("{schema}.{table}")))
}

fn no_relation(name: &str) -> Error {
    Error::new(SqlState::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"))
}

async fn table_of(
    state: &SessionState,
    catalog: &str,
    schema: &str,
    table: &str,
) -> Result<Option<Arc<dyn TableSource>>> {
    if let Some(view) = views::named(schema, table) {
        let (plan, query) = (of_view(state, view).await?, view.query().to_owned());
        return Ok(Some(provider_as_source(Arc::new(ViewTable::new(plan, Some(query))))));
    }
    let schemas = state.catalog_list().catalog(catalog);
    let Some(schema) = schemas.and_then(|schemas| schemas.schema(schema)) else {
        return Ok(None);
    };
    let found = schema.table(table).await.map_err(|error| from_datafusion(&error, ""))?;
    Ok(found.map(provider_as_source))
}

impl ContextProvider for Names<'_> {
    fn get_table_source(&self, name: TableReference) -> PlanResult<Arc<dyn TableSource>> {
        match self.tables.get(&name) {
            Some(Ok((schema, source))) => {
                self.uses.lock().relation(schema, name.table(), source);
                Ok(Arc::clone(source))
            }
            Some(Err(error)) => Err(external(error.clone())),
            None => Err(external(no_relation(&name.to_string()))),
        }
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> PlanResult<Arc<dyn TableSource>> {
        self.uses.lock().function(name);
        let function = self.state.table_functions().get(name).ok_or_else(|| {
            let message = format!("function {name} does not exist");
            external(Error::new(SqlState::UNDEFINED_FUNCTION, message))
        })?;
        let context = SimplifyContext::builder()
            .with_config_options(Arc::clone(self.state.config_options()))
            .build();
        let simplifier = ExprSimplifier::new(context);
        let schema = DFSchema::empty();
        let args = args
            .into_iter()
            .map(|arg| simplifier.simplify(simplifier.coerce(arg, &schema)?))
            .collect::<PlanResult<Vec<_>>>()?;
        let args = datafusion::catalog::TableFunctionArgs::new(&args, self.state);
        Ok(provider_as_source(function.create_table_provider_with_args(args)?))
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: SchemaRef,
    ) -> PlanResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        self.state.relation_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.uses.lock().function(name);
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}

/// SQL types that DataFusion has otherwise: times are microseconds here, and some types are texts that
/// clients know by their own names.
#[derive(Debug)]
struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &SqlType) -> PlanResult<Option<FieldRef>> {
        let micros = |zone: Option<&str>| {
            let zone = zone.map(Into::into);
            Field::new("", DataType::Timestamp(TimeUnit::Microsecond, zone), true)
        };
        let named = |name: &str| {
            let metadata = HashMap::from([(METADATA_KEY.to_owned(), name.to_owned())]);
            Field::new("", DataType::Utf8View, true).with_metadata(metadata)
        };
        Ok(match sql_type {
            SqlType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
                Some(micros(Some(UTC)))
            }
            SqlType::Timestamp(..) | SqlType::TimestampNtz(_) | SqlType::Datetime(_) => {
                Some(micros(None))
            }
            SqlType::Time(..) => {
                Some(Field::new("", DataType::Time64(TimeUnit::Microsecond), true))
            }
            SqlType::Uuid => Some(named("uuid")),
            SqlType::JSON => Some(named("json")),
            SqlType::JSONB => Some(named("jsonb")),
            _ => None,
        }
        .map(Arc::new))
    }
}

/// The type that a name in SQL stands for, as PREPARE lists them, with its number.
///
/// # Errors
/// `42704`.
pub(super) fn type_named(name: &str) -> Result<(u32, DataType)> {
    by_name(name)
        .and_then(|entry| PgType::to_arrow(entry.oid).map(|ty| (entry.oid, ty)))
        .ok_or_else(|| {
            let message = format!("type \"{name}\" does not exist");
            Error::new(SqlState::UNDEFINED_OBJECT, message)
        })
}
