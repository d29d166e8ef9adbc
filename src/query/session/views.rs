//! Built-in views in statements: from a view's name to the plan of its query.
//!
//! `names` asks here for tables, `describe` for columns. A plan reads what its session's tables read.

use std::future::Future;
use std::pin::Pin;

use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::planner::SqlToRel;
use sqlparser::parser::Parser;

use crate::error::{Error, Result};
use crate::query::dialect::Postgres;
use crate::query::error::{from_datafusion, from_parser};
use crate::query::session::names::Names;
use crate::query::session::plan::options;
use crate::query::views::View;

/// What planning a view comes to. It has a name because a view may name others.
pub(super) type Planned<'a> = Pin<Box<dyn Future<Output = Result<LogicalPlan>> + Send + 'a>>;

/// Plans the query of a view.
///
/// # Errors
/// What the tables that it names have to say of themselves.
pub(super) fn plan<'a>(state: &'a SessionState, view: &'static View) -> Planned<'a> {
    Box::pin(async move {
        let sql = view.query();
        let mut statements =
            Parser::parse_sql(&Postgres, sql).map_err(|error| from_parser(&error, sql))?;
        let statement = match (statements.pop(), statements.is_empty()) {
            (Some(statement), true) => statement,
            _ => return Err(Error::internal("a view is one query")),
        };
        let schemas = [view.schema.to_owned()];
        let names = Names::of(state, &statement, sql, &schemas).await?;
        SqlToRel::new_with_options(&names, options(state))
            .sql_statement_to_plan(statement)
            .map_err(|error| from_datafusion(&error, sql))
    })
}
