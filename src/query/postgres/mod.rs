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
use datafusion::logical_expr::ScalarUDF;

pub mod access;
mod catalog;
mod description;
mod functions;
pub mod rewrite;
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

pub use description::{
    DATABASE_OID, Description, FunctionEntry, POSTGRESQL_VERSION, RELATION_OID_MAX,
    RELATION_OID_MIN, Relation, RelationColumn, RelationKind, SessionEntry, Setting, Source,
};
pub use rewrite::{Rewritten, rewrite};
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
    functions::scalar_functions(&source)
}

/// PostgreSQL's table functions by name.
pub fn table_functions(source: Arc<dyn Source>) -> Vec<(String, Arc<dyn TableFunctionImpl>)> {
    functions::table_functions(&source)
}
