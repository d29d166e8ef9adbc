//! DELETE FROM a dataset: the rows that a condition holds for cease to exist.
//!
//! The condition is planned as the WHERE of a query over the dataset's table, which for this purpose has
//! one more column, the rows' fragment ids. What the query gives is handed to the engine as a list: the
//! rows deleted are those of the snapshot that the statement read.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use futures::StreamExt;
use sqlparser::ast::{
    Delete, Expr, FromTable, Ident, ObjectName, ObjectNamePart, Query, SelectItem, SetExpr,
    TableFactor, TableWithJoins, Value,
};
use sqlparser::parser::Parser;

use crate::error::{Error, Result, SqlState};
use crate::model::access::Privilege;
use crate::model::names::RESERVED_TABLES;
use crate::query::dialect::Postgres;
use crate::query::error::{from_datafusion, from_parser, position};
use crate::query::session::names::Target;
use crate::query::session::plan::PlannedQuery;
use crate::query::session::transaction::CommitGate;
use crate::query::session::{Inner, Outcome, execute, prepare};
use crate::query::tables::provider::deletable;
use crate::storage::part::FRAGMENT_ID;

/// The database under whose name the condition's query finds the dataset with its fragment ids. Nobody
/// else can name it: other names of databases are refused.
const TARGET: &str = "selfsame:target";

/// A DELETE that is ready for values.
pub(super) struct PlannedDelete {
    dataset: String,
    /// Gives the fragment ids.
    pub(super) query: PlannedQuery,
}

impl PlannedDelete {
    /// The dataset that it is about.
    pub(super) fn dataset(&self) -> &str {
        &self.dataset
    }
}

/// Plans a DELETE.
///
/// # Errors
/// `42P01`, `42809`, `0A000`, and what planning the condition says.
pub(super) async fn plan(
    session: &Arc<Inner>,
    delete: &Delete,
    sql: &str,
    declared: &[Option<DataType>],
) -> Result<PlannedDelete> {
    let mut relation = relation(delete)?.clone();
    let dataset = target(&mut relation, sql, &session.database_name)?;
    let snapshot = session.snapshot();
    let at = relation_position(delete, sql);
    snapshot.catalog().dataset(&dataset).map_err(|error| error.at(at))?;
    session.check_table(&dataset, &[], Privilege::Delete)?;
    session.binding.pin(snapshot);
    session.binding.set_mask(session.acting().mask.clone());
    let provider =
        deletable(&session.binding, &dataset).map_err(|error| from_datafusion(&error, sql))?;
    let target = Target {
        reference: TableReference::full(TARGET, "public", dataset.clone()),
        source: provider_as_source(provider),
    };
    let query = query(relation, delete.selection.clone())?;
    let query = prepare::plan_target(session, &query, sql, declared, target).await?;
    Ok(PlannedDelete { dataset, query })
}

/// The one relation of a statement that has nothing but a condition besides.
fn relation(delete: &Delete) -> Result<&TableFactor> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let refuse = |what: &str, hint: &str| {
        Err(Error::unsupported(format!("DELETE ... {what} is not supported")).hint(hint))
    };
    if delete.returning.is_some() || delete.output.is_some() {
        return refuse("RETURNING", "read the rows with a query before they are deleted");
    }
    if delete.using.is_some() {
        return refuse("USING", "name the other tables in a subquery of WHERE");
    }
    if delete.limit.is_some() || !delete.order_by.is_empty() {
        return refuse("LIMIT", "choose the rows with a condition");
    }
    match from.as_slice() {
        [TableWithJoins { relation, joins }] if joins.is_empty() && delete.tables.is_empty() => {
            Ok(relation)
        }
        _ => refuse("of several tables", "delete from one dataset after the other"),
    }
}

/// Names the dataset so that the query finds it with its fragment ids; gives its own name.
fn target(relation: &mut TableFactor, sql: &str, database_name: &str) -> Result<String> {
    let not_one = || Error::unsupported("DELETE is for datasets only");
    let TableFactor::Table { name: ObjectName(parts), args: None, .. } = relation else {
        return Err(not_one());
    };
    let idents: Vec<&Ident> = parts.iter().filter_map(ObjectNamePart::as_ident).collect();
    let (Some(first), Some(last)) = (idents.first(), idents.last()) else { return Err(not_one()) };
    let (span, name) = (first.span, folded(last));
    if let Some(named) = idents.iter().rev().nth(2).map(|ident| folded(ident))
        && named != database_name
    {
        let message = format!("cross-database references are not implemented: \"{named}\"");
        return Err(Error::unsupported(message));
    }
    let schema = idents.iter().rev().nth(1).map(|ident| folded(ident));
    let public = schema.as_deref().is_none_or(|schema| schema == "public");
    if !public || RESERVED_TABLES.contains(&name.as_str()) {
        let message = format!("cannot delete from \"{name}\": it is not a dataset");
        return Err(Error::new(SqlState("42809"), message)
            .hint("what it shows follows the datasets: delete their rows")
            .at(position(sql, span.start.line, span.start.column)));
    }
    let quoted = |value: &str| {
        ObjectNamePart::Identifier(Ident { quote_style: Some('"'), span, ..Ident::new(value) })
    };
    *parts = vec![quoted(TARGET), quoted("public"), quoted(&name)];
    Ok(name)
}

fn relation_position(delete: &Delete, sql: &str) -> usize {
    let named = relation(delete).ok().and_then(|relation| match relation {
        TableFactor::Table { name, .. } => name.0.first().and_then(ObjectNamePart::as_ident),
        _ => None,
    });
    named.map_or(1, |ident| position(sql, ident.span.start.line, ident.span.start.column))
}

/// A name as PostgreSQL folds it.
fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The query for the fragment ids of the rows for which the condition holds.
fn query(relation: TableFactor, selection: Option<Expr>) -> Result<Query> {
    let frame = "SELECT 1";
    let mut query = Parser::new(&Postgres)
        .try_with_sql(frame)
        .and_then(|mut parser| parser.parse_query())
        .map_err(|error| from_parser(&error, frame))?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        let id = Expr::Identifier(Ident::with_quote('"', FRAGMENT_ID));
        select.projection = vec![SelectItem::UnnamedExpr(id)];
        select.from = vec![TableWithJoins { relation, joins: Vec::new() }];
        // Without a condition every row is meant.
        let all = || Expr::Value(Value::Boolean(true).with_empty_span());
        select.selection = Some(selection.unwrap_or_else(all));
    }
    Ok(*query)
}

/// Runs a DELETE.
///
/// # Errors
/// What the condition says, and what the engine says.
pub(super) async fn run(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    delete: &PlannedDelete,
    values: Vec<ScalarValue>,
    sql: &str,
) -> Result<Outcome> {
    session.check_may_write("DELETE")?;
    let mut stream = execute::rows(session, &delete.query, values, sql).await?;
    let mut fragment_ids = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| from_datafusion(&error, sql))?;
        let ids = batch.column(0).as_primitive_opt::<Int64Type>();
        let ids = ids.ok_or_else(|| Error::internal("fragment ids are not numbers"))?;
        fragment_ids.extend_from_slice(ids.values());
    }
    if fragment_ids.is_empty() {
        return Ok(Outcome::Done { tag: "DELETE 0".to_owned() });
    }
    gate.commit()?;
    let (accept, dataset) = (session.accept(), delete.dataset.clone());
    let deleted = execute::blocking(move || accept.accept_delete(&dataset, fragment_ids)).await?;
    Ok(Outcome::Done { tag: format!("DELETE {deleted}") })
}
