//! Names of output columns: what PostgreSQL would call them, and how DataFusion can bear two alike.
//!
//! Every expression gets PostgreSQL's name as its alias. The second of a name, and any that could meet a
//! column of a `*`, gets a suffix that [`shown_name`] takes off again.

use std::collections::HashSet;

use sqlparser::ast::{DataType, Expr, Query, Select, SelectItem, SetExpr, TrimWhereField};

use crate::query::postgres::rewrite::build;
use crate::query::postgres::rewrite::data_types;

/// Parts a name from the number that tells it from others alike; no name of a user has it.
const SUFFIX: char = '\u{1f}';

/// The name to show for a column of a result.
pub fn shown_name(name: &str) -> &str {
    name.split(SUFFIX).next().unwrap_or(name)
}

/// The name that is shown where an expression has none.
const NAMELESS: &str = "?column?";

/// The SELECTs of a query that give its rows, leftmost first.
pub fn leaves(query: &mut Query) -> Vec<&mut Select> {
    let mut found = Vec::new();
    let mut pending = vec![&mut *query.body];
    while let Some(body) = pending.pop() {
        match body {
            SetExpr::Select(select) => found.push(&mut **select),
            SetExpr::Query(query) => pending.push(&mut query.body),
            SetExpr::SetOperation { left, right, .. } => {
                pending.push(right);
                pending.push(left);
            }
            _ => {}
        }
    }
    found
}

/// The names of the rows of a named query; `None` for what a `*` brings.
pub fn names(query: &mut Query) -> Option<Vec<Option<String>>> {
    let select = leaves(query).into_iter().next()?;
    let names = select.projection.iter().map(|item| match item {
        SelectItem::UnnamedExpr(expr) => Some(Some(name(expr))),
        SelectItem::ExprWithAlias { alias, .. } => {
            Some(Some(shown_name(&build::folded(alias)).to_owned()))
        }
        _ => None,
    });
    names.collect()
}

/// Gives each item of a SELECT a name of its own. At the top, what a `*` brings is kept apart too.
pub fn name_items(select: &mut Select, is_top: bool) {
    let has_wildcard = select.projection.iter().any(is_wildcard);
    let having = select.having.is_some();
    let mut taken = HashSet::new();
    for (position, item) in select.projection.iter_mut().enumerate() {
        let (shown, is_column, collides) = match item {
            SelectItem::UnnamedExpr(expr) => {
                let is_column = is_column(expr);
                // HAVING would find the alias of `id::text` before column `id`.
                let hides = having && matches!(build::bare(expr), Expr::Cast { .. });
                (name(expr), is_column, hides || (has_wildcard && (is_top || is_column)))
            }
            SelectItem::ExprWithAlias { alias, .. } => (build::folded(alias), true, false),
            _ => continue,
        };
        let is_new = taken.insert(shown.clone());
        if is_new && is_column && !collides {
            continue;
        }
        let own = if is_new && !collides { shown } else { format!("{shown}{SUFFIX}{position}") };
        *item = SelectItem::ExprWithAlias { expr: take_expr(item), alias: build::ident(&own) };
    }
}

/// Whether a SELECT list says what its columns are.
pub fn names_all(select: &Select) -> bool {
    !select.projection.iter().any(is_wildcard)
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

fn take_expr(item: &mut SelectItem) -> Expr {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => build::take(expr),
        _ => build::null(),
    }
}

/// The name of an expression.
pub fn name(expr: &Expr) -> String {
    named(expr).map_or_else(|| NAMELESS.to_owned(), |(name, _)| name)
}

/// How sure a name is: that of a type gives way to that of a column or function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    Weak,
    Strong,
}

use Strength::{Strong, Weak};

fn strong(name: &str) -> Option<(String, Strength)> {
    Some((name.to_owned(), Strong))
}

fn named(expr: &Expr) -> Option<(String, Strength)> {
    match build::bare(expr) {
        Expr::Identifier(column) => strong(&build::folded(column)),
        Expr::CompoundIdentifier(names) => strong(&build::folded(names.last()?)),
        Expr::CompoundFieldAccess { root, access_chain } => named_access(root, access_chain),
        Expr::Function(function) => strong(&build::function_name(function)),
        Expr::Cast { expr, data_type, .. } => named_cast(named(expr), data_type),
        Expr::TypedString(typed) => Some((data_types::internal_name(&typed.data_type), Weak)),
        Expr::Interval(_) => Some(("interval".to_owned(), Weak)),
        Expr::Collate { expr, .. } => named(expr),
        Expr::Case { else_result, .. } => named_case(else_result.as_deref()),
        Expr::Exists { .. } => strong("exists"),
        Expr::Subquery(query) => named_subquery(query),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        _ => None,
    }
}

/// A field has its own name, an element that of its array.
fn named_access(root: &Expr, chain: &[sqlparser::ast::AccessExpr]) -> Option<(String, Strength)> {
    let field = chain.iter().rev().find_map(|access| match access {
        sqlparser::ast::AccessExpr::Dot(Expr::Identifier(field)) => Some(build::folded(field)),
        _ => None,
    });
    field.map_or_else(|| named(root), |name| strong(&name))
}

fn named_cast(
    inner: Option<(String, Strength)>,
    data_type: &DataType,
) -> Option<(String, Strength)> {
    match inner {
        Some((name, Strong)) => Some((name, Strong)),
        _ => Some((data_types::internal_name(data_type), Weak)),
    }
}

/// The ELSE branch gives a CASE its name, if it has one of its own.
fn named_case(else_result: Option<&Expr>) -> Option<(String, Strength)> {
    match else_result.and_then(named) {
        Some((name, Strong)) => Some((name, Strong)),
        _ => Some(("case".to_owned(), Weak)),
    }
}

/// A scalar subquery is called like its one column.
fn named_subquery(query: &Query) -> Option<(String, Strength)> {
    match build::only_select(query)?.projection.first()? {
        SelectItem::UnnamedExpr(expr) => named(expr),
        SelectItem::ExprWithAlias { alias, .. } => strong(shown_name(&build::folded(alias))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(select: &str, expected: &[&str]) {
        let mut query = build::query(select);
        assert_eq!(
            names(&mut query).map(|names| names.into_iter().flatten().collect::<Vec<_>>()),
            Some(expected.iter().map(|name| (*name).to_owned()).collect()),
            "{select}"
        );
    }

    #[test]
    fn expressions_are_named_as_postgresql_names_them() {
        check("SELECT 1, 'x', NULL, 1 + 1", &["?column?"; 4]);
        check("SELECT true, 1::int8, '1'::text", &["?column?", "int8", "text"]);
        check("SELECT a, t.b, \"C\", t.d::text", &["a", "b", "C", "d"]);
        check(
            "SELECT count(*), lower(x)::varchar(3), coalesce(a, b)",
            &["count", "lower", "coalesce"],
        );
        check("SELECT CASE WHEN a THEN 1 END, CASE WHEN a THEN 1 ELSE b END", &["case", "b"]);
        check("SELECT CASE WHEN a THEN 1 ELSE 2::int END", &["case"]);
        check("SELECT EXISTS (SELECT 1), (SELECT max(x) FROM t)", &["exists", "max"]);
        check("SELECT ARRAY[1], ARRAY(SELECT 1), ROW(1, 2)", &["array", "array", "row"]);
        check("SELECT a[1], (r).f", &["a", "f"]);
        check("SELECT date '2020-01-01', interval '1 day'", &["date", "interval"]);
        check("SELECT x AT TIME ZONE 'UTC', extract(year FROM x)", &["timezone", "extract"]);
        check(
            "SELECT trim(x), trim(leading ' ' FROM x), substring(x FROM 1)",
            &["btrim", "ltrim", "substring"],
        );
        check("SELECT current_date, current_user", &["current_date", "current_user"]);
        check("SELECT x IS NULL, NOT x, x LIKE 'a'", &["?column?"; 3]);
        check("SELECT 1.5::numeric(10,2), now()::timestamptz(3)", &["numeric", "now"]);
        check("SELECT 1 AS \"A\" UNION SELECT 2", &["A"]);
    }

    #[test]
    fn names_alike_are_told_apart() {
        let mut query = build::query("SELECT NULL, NULL, a, a, 1 AS a, b AS \"A\"");
        name_items(leaves(&mut query).remove(0), true);
        let shown = query.to_string().replace(SUFFIX, "#");
        assert_eq!(
            shown,
            "SELECT NULL AS \"?column?\", NULL AS \"?column?#1\", a, a AS \"a#3\", 1 AS \"a#4\", \
             b AS \"A\""
        );
    }

    #[test]
    fn a_star_keeps_others_apart() {
        let mut query = build::query("SELECT *, a, count(*) FROM t");
        name_items(leaves(&mut query).remove(0), true);
        let shown = query.to_string().replace(SUFFIX, "#");
        assert_eq!(shown, "SELECT *, a AS \"a#1\", count(*) AS \"count#2\" FROM t");
        assert_eq!(names(&mut query), None);
    }
}
