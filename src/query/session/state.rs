//! DataFusion's state of a session: which functions and tables its statements see.
//!
//! Built once per session from a template that all share; a statement then only borrows it. Schemas are
//! the engine's tables and PostgreSQL's catalog, under the database name that the client asked for.

use std::sync::{Arc, LazyLock, Weak};

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider, TableFunction, TableProvider,
};
use datafusion::execution::{SessionState, SessionStateBuilder, TaskContext};
use datafusion::prelude::SessionConfig;

use crate::env::threads::parallelism;
use crate::error::Result;
use crate::query::aggregates;
use crate::query::error::from_datafusion;
use crate::query::functions;
use crate::query::postgres::rounding::RoundCasts;
use crate::query::postgres::{
    Source, aggregate_functions, information_schema, json_aggregates, pg_catalog, scalar_functions,
    table_functions,
};
use crate::query::session::describe::Describer;
use crate::query::session::relations::UserSchema;
use crate::query::session::server::Server;
use crate::query::session::{Inner, notify_function};
use crate::query::tables::{self, Binding};
use crate::query::ties::BreakTies;
use crate::query::time_functions;

/// What planning and running a statement need of the session.
pub(super) struct Planning {
    /// Functions, tables, options.
    pub(super) state: SessionState,
    /// The same for running plans.
    pub(super) context: Arc<TaskContext>,
    /// What exists.
    pub(super) source: Arc<dyn Source>,
}

/// Functions and rules, which are the same for all sessions.
static TEMPLATE: LazyLock<SessionState> = LazyLock::new(|| {
    SessionStateBuilder::new().with_default_features().with_config(config("")).build()
});

impl Planning {
    pub(super) fn new(
        server: &Server,
        database_name: &str,
        binding: Arc<Binding>,
        session: Weak<Inner>,
    ) -> Self {
        let notify = Arc::new(notify_function::pg_notify(&session));
        let ties = Arc::new(BreakTies::new(Arc::clone(&binding)));
        let own = functions::scalar::scalar_functions(&binding).into_iter().map(Arc::new);
        let own: Vec<_> = own.collect();
        let relations = functions::relation::Relations::new(Arc::clone(&binding));
        let of_time = time_functions::all(&binding);
        let tables = tables::catalog(binding);
        let described = Describer::new(Weak::clone(&session), Arc::clone(&tables));
        let source: Arc<dyn Source> = Arc::new(described);
        let catalog = Catalog {
            session,
            tables,
            pg_catalog: pg_catalog(Arc::clone(&source)),
            information_schema: information_schema(Arc::clone(&source)),
        };
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(database_name.to_owned(), Arc::new(catalog));
        let builder = SessionStateBuilder::new_from_existing(TEMPLATE.clone())
            .with_config(config(database_name))
            .with_runtime_env(Arc::clone(&server.environment))
            .with_catalog_list(Arc::new(catalogs))
            .with_analyzer_rule(ties)
            .with_analyzer_rule(Arc::new(RoundCasts))
            .with_query_planner(Arc::new(functions::execution::Planner))
            .with_relation_planners(vec![Arc::new(relations)]);
        let mut builder = with_functions(builder, &source);
        builder.scalar_functions().get_or_insert_default().extend(own);
        builder.scalar_functions().get_or_insert_default().push(notify);
        let of_postgres = table_functions(Arc::clone(&source));
        for (name, function) in of_postgres.into_iter().chain(of_time) {
            let function = Arc::new(TableFunction::new(name.clone(), function));
            builder.table_functions().get_or_insert_default().insert(name, function);
        }
        let state = builder.build();
        Self { context: state.task_ctx(), state, source }
    }
}

/// A state in which one table exists, with the functions that a session has.
///
/// # Errors
/// What registering the table says.
pub(super) fn of_table(
    name: &str,
    table: Arc<dyn TableProvider>,
    source: &Arc<dyn Source>,
) -> Result<SessionState> {
    let schema = MemorySchemaProvider::new();
    let catalog = MemoryCatalogProvider::new();
    schema
        .register_table(name.to_owned(), table)
        .and_then(|_| catalog.register_schema("public", Arc::new(schema)))
        .map_err(|error| from_datafusion(&error, ""))?;
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(String::new(), Arc::new(catalog));
    let builder = SessionStateBuilder::new_from_existing(TEMPLATE.clone());
    let builder = builder.with_config(config("")).with_catalog_list(Arc::new(catalogs));
    Ok(with_functions(builder, source).build())
}

/// Adds PostgreSQL's functions and the strategies.
fn with_functions(
    mut builder: SessionStateBuilder,
    source: &Arc<dyn Source>,
) -> SessionStateBuilder {
    let scalar = scalar_functions(Arc::clone(source)).into_iter().map(Arc::new);
    builder.scalar_functions().get_or_insert_default().extend(scalar);
    let ours = aggregates::all().into_iter().chain(aggregate_functions()).map(Arc::new);
    builder.aggregate_functions().get_or_insert_default().extend(ours);
    let json = json_aggregates().into_iter().map(Arc::new);
    builder.aggregate_functions().get_or_insert_default().extend(json);
    builder
}

fn config(database_name: &str) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(parallelism())
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false)
        .with_default_catalog_and_schema(database_name, "public");
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.default_null_ordering = "nulls_max".to_owned();
    options.execution.time_zone = Some(crate::model::column::UTC.to_owned());
    config
}

/// The engine's schemas and PostgreSQL's.
struct Catalog {
    session: Weak<Inner>,
    tables: Arc<dyn CatalogProvider>,
    pg_catalog: Arc<dyn SchemaProvider>,
    information_schema: Arc<dyn SchemaProvider>,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").finish_non_exhaustive()
    }
}

#[async_trait]
impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.tables.schema_names();
        names.extend(["pg_catalog", "information_schema"].map(str::to_owned));
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            "pg_catalog" => Some(Arc::clone(&self.pg_catalog)),
            "information_schema" => Some(Arc::clone(&self.information_schema)),
            name => UserSchema::find(&self.session, name, self.tables.schema(name)),
        }
    }
}
