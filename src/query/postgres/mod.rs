//! PostgreSQL's face: its catalog, its functions, and the forms of SQL that DataFusion lacks.
//!
//! The session gives a [`Source`] that describes what exists, registers [`pg_catalog`],
//! [`information_schema`], [`scalar_functions`] and [`table_functions`] in its `SessionContext`, and
//! passes every parsed statement through [`rewrite()`] before it is planned. Answers are true: what exists
//! here is listed, with PostgreSQL's own numbers where it has them, and what does not exist is an empty
//! relation of the right columns.
//!
//! Not here: values on the wire, SET and SHOW, error codes of DataFusion's own errors.

use std::sync::Arc;

use datafusion::catalog::{SchemaProvider, TableFunctionImpl};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub mod access;
mod catalog;
mod checked;
mod description;
mod functions;
mod interval_product;
mod json;
pub mod rewrite;
pub mod rounding;
mod shift;
pub(crate) mod text;
pub(crate) mod text_form;
mod text_function;
pub mod types;

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod psql_tests;
#[cfg(test)]
mod testing;

pub use checked::checked;
pub use description::{
    DATABASE_OID, Description, FunctionEntry, POSTGRESQL_VERSION, RELATION_OID_MAX,
    RELATION_OID_MIN, Relation, RelationColumn, RelationKind, SessionEntry, Setting, Source,
    own_schema,
};
pub use rewrite::{Rewritten, rewrite};
pub use shift::{Shift, shifted};
pub use text_function::{has_text_form, text_form};
pub use types::PgType;

/// Schema `pg_catalog`, to be registered under that name.
pub fn pg_catalog(source: Arc<dyn Source>) -> Arc<dyn SchemaProvider> {
    catalog::pg_catalog(source)
}

/// Schema `information_schema`, to be registered under that name (DataFusion's own stays off).
pub fn information_schema(source: Arc<dyn Source>) -> Arc<dyn SchemaProvider> {
    catalog::information_schema(source)
}

/// PostgreSQL's scalar functions; plans that hold them belong to the session whose source this is.
pub fn scalar_functions(source: Arc<dyn Source>) -> Vec<ScalarUDF> {
    let mut all = functions::scalar_functions(&source);
    all.extend(json::scalar_functions());
    all.push(interval_product::interval_product());
    all
}

/// PostgreSQL's aggregates that DataFusion lacks.
pub fn aggregate_functions() -> Vec<AggregateUDF> {
    functions::aggregate_functions()
}

/// PostgreSQL's aggregates that give JSON.
pub fn json_aggregates() -> Vec<AggregateUDF> {
    json::aggregates()
}

/// PostgreSQL's table functions by name.
pub fn table_functions(source: Arc<dyn Source>) -> Vec<(String, Arc<dyn TableFunctionImpl>)> {
    functions::table_functions(&source)
}
