//! The form that the query of a merge policy must have, so that it can run over some people at a time.
//!
//! One SELECT over `fragments`, grouped by `profile_id`, without whatever could see other people's rows:
//! joins, subqueries, windows. Only the parse tree is looked at; `policy_query` plans it.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, Spanned, TableFactor, Value,
    visit_expressions,
};

use crate::error::{Error, Result, SqlState};
use crate::query::error::position;
use crate::query::postgres::rewrite::{arguments, folded, function_name};

/// The table that it reads.
pub(super) const TABLE: &str = "fragments";

/// The column by which it groups.
pub(super) const PERSON: &str = "profile_id";

/// Aggregates whose result is a value of some row, or null.
const PICKING: &[&str] = &[
    "latest",
    "latest_or_null",
    "earliest",
    "precedence",
    "most_frequent",
    "longest",
    "unanimous",
    "min",
    "max",
];

/// A query that has the form.
#[derive(Debug)]
pub(super) struct Shape {
    /// For each item whether it is the person.
    pub(super) people: Vec<bool>,
    /// For each item the column of which it picks a value.
    pub(super) picks: Vec<Option<String>>,
    /// For each item where it is.
    pub(super) positions: Vec<usize>,
    /// The texts in it.
    pub(super) texts: Vec<String>,
}

/// Verifies the form of a query.
///
/// # Errors
/// `0A000` or `42P17`, with the place in the text.
pub(super) fn shape(query: &Query, text: &str) -> Result<Shape> {
    let at = |node: &dyn Spanned| {
        let start = node.span().start;
        position(text, start.line, start.column)
    };
    let select = sole_select(query, &at)?;
    check_from(select, &at)?;
    refuse_outsiders(query, &at)?;
    let items = select.projection.iter().map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Ok(expr),
        other => Err(not_kept("a list of all columns").at(at(other))),
    });
    let items: Vec<&Expr> = items.collect::<Result<_>>()?;
    check_grouping(select, &items, &at)?;
    Ok(Shape {
        people: items.iter().map(|item| is_person(item)).collect(),
        picks: items.iter().map(|item| picked(item)).collect(),
        positions: select.projection.iter().map(|item| at(item)).collect(),
        texts: texts(query),
    })
}

type At<'a> = dyn Fn(&dyn Spanned) -> usize + 'a;

fn not_kept(what: &str) -> Error {
    Error::unsupported(format!("{what} cannot be part of the query of a merge policy")).hint(
        "it has the form: SELECT profile_id, aggregate AS attribute, ... FROM fragments \
         GROUP BY profile_id",
    )
}

fn sole_select<'a>(query: &'a Query, at: &At<'_>) -> Result<&'a Select> {
    if let Some(with) = &query.with {
        return Err(not_kept("WITH").at(at(with)));
    }
    if let Some(order) = &query.order_by {
        return Err(not_kept("ORDER BY").at(at(order)));
    }
    if query.limit_clause.is_some() || query.fetch.is_some() || !query.locks.is_empty() {
        return Err(not_kept("LIMIT, OFFSET, FETCH or FOR").at(1));
    }
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Err(not_kept("UNION, VALUES or the like").at(1));
    };
    if let Some(having) = &select.having {
        return Err(not_kept("HAVING").at(at(having)));
    }
    if select.distinct.is_some() {
        return Err(not_kept("DISTINCT").at(at(select.as_ref())));
    }
    if !select.named_window.is_empty() || select.qualify.is_some() {
        return Err(not_kept("WINDOW").at(at(select.as_ref())));
    }
    Ok(select)
}

fn check_from(select: &Select, at: &At<'_>) -> Result<()> {
    let message = "the query of a merge policy must read one table, fragments";
    let other = Error::unsupported(message);
    let [from] = select.from.as_slice() else {
        let second = select.from.get(1);
        return Err(other.at(second.map_or_else(|| at(select), |second| at(&second.relation))));
    };
    if let Some(join) = from.joins.first() {
        return Err(not_kept("a join").at(at(join)));
    }
    if let TableFactor::Table { name, alias, args: None, with_ordinality: false, sample, .. } =
        &from.relation
    {
        if sample.is_some() {
            return Err(not_kept("TABLESAMPLE").at(at(&from.relation)));
        }
        if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
            return Err(not_kept("a list of other names of columns").at(at(&from.relation)));
        }
        let parts: Vec<String> =
            name.0.iter().filter_map(|part| part.as_ident().map(folded)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        if matches!(parts[..], [TABLE] | ["public", TABLE]) {
            return Ok(());
        }
    }
    Err(other.at(at(&from.relation)))
}

/// Refuses what sees rows of other people, or of other tables.
fn refuse_outsiders(query: &Query, at: &At<'_>) -> Result<()> {
    let look = |expr: &Expr| match expr {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
            ControlFlow::Break(not_kept("a subquery").at(at(expr)))
        }
        Expr::Function(call) if call.over.is_some() => {
            ControlFlow::Break(not_kept("a window function").at(at(expr)))
        }
        _ => ControlFlow::Continue(()),
    };
    match visit_expressions(query, look) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn check_grouping(select: &Select, items: &[&Expr], at: &At<'_>) -> Result<()> {
    let grouped = match &select.group_by {
        GroupByExpr::Expressions(grouped, modifiers) if modifiers.is_empty() => grouped.as_slice(),
        _ => &[],
    };
    let by_person = match grouped {
        [one] => is_person(one) || numbered(one, items).is_some_and(is_person),
        _ => false,
    };
    if by_person {
        return Ok(());
    }
    let message = "the query of a merge policy must be grouped by profile_id, and nothing else";
    let place = grouped.first().map_or_else(|| at(select), |first| at(first));
    Err(Error::new(SqlState::INVALID_OBJECT_DEFINITION, message).at(place))
}

/// The item that a number in GROUP BY stands for.
fn numbered<'a>(grouped: &Expr, items: &[&'a Expr]) -> Option<&'a Expr> {
    let Expr::Value(value) = grouped else { return None };
    let Value::Number(number, _) = &value.value else { return None };
    let at = number.to_string().parse::<usize>().ok()?.checked_sub(1)?;
    items.get(at).copied()
}

fn column(expr: &Expr) -> Option<String> {
    let last: Option<&Ident> = match expr {
        Expr::Identifier(ident) => Some(ident),
        Expr::CompoundIdentifier(parts) => parts.last(),
        Expr::Nested(inner) => return column(inner),
        _ => None,
    };
    last.map(folded)
}

fn is_person(expr: &Expr) -> bool {
    column(expr).is_some_and(|name| name == PERSON)
}

/// The first call of a function of which `chosen` holds: its name and place.
pub(super) fn call_of(
    query: &Query,
    text: &str,
    chosen: impl Fn(&str) -> bool,
) -> Option<(String, usize)> {
    let look = |expr: &Expr| match expr {
        Expr::Function(call) if chosen(&function_name(call)) => {
            let start = expr.span().start;
            let found = (function_name(call), position(text, start.line, start.column));
            ControlFlow::Break(found)
        }
        _ => ControlFlow::Continue(()),
    };
    visit_expressions(query, look).break_value()
}

/// The column of which an item picks a value.
fn picked(item: &Expr) -> Option<String> {
    let Expr::Function(call) = item else { return None };
    if !PICKING.contains(&function_name(call).as_str()) {
        return None;
    }
    let arguments = arguments(call)?;
    arguments.first().and_then(|first| column(first))
}

fn texts(query: &Query) -> Vec<String> {
    let mut texts = Vec::new();
    let note = |expr: &Expr| {
        if let Expr::Value(value) = expr
            && let Some(text) = value.value.clone().into_string()
        {
            texts.push(text);
        }
        ControlFlow::<()>::Continue(())
    };
    let _ = visit_expressions(query, note);
    texts
}
