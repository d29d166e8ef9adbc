//! What the catalog never says: conditions that no row of ours meets.
//!
//! Clients ask for foreign keys, domains, composite types and column defaults, mostly by subqueries that
//! are hard to plan. There are none, and saying so here is cheaper and safer than planning them.

use sqlparser::ast::{BinaryOperator, Expr, FunctionArguments, SelectItem, SetExpr, UnaryOperator};

use crate::query::postgres::rewrite::{Rewriter, build};

/// Columns of `pg_catalog` with all the values that they have here; a truth value is written `true` or
/// `false`. `every_value_is_listed` holds this against the relations.
pub const VALUES: &[(&str, &str, &[&str])] = &[
    ("pg_attribute", "attgenerated", &[""]),
    ("pg_attribute", "atthasdef", &["false"]),
    ("pg_attribute", "attidentity", &[""]),
    ("pg_attribute", "attisdropped", &["false"]),
    ("pg_class", "relkind", &["r", "v", "i"]),
    ("pg_constraint", "contype", &["p"]),
    ("pg_type", "typtype", &["b", "p"]),
];

/// Drops the branches of a CASE whose conditions are never met. True if it changed.
pub fn rewrite(rewriter: &Rewriter<'_>, expr: &mut Expr) -> bool {
    let Expr::Case { operand: None, conditions, else_result, .. } = expr else { return false };
    let count = conditions.len();
    conditions.retain(|branch| !is_never(rewriter, &branch.condition));
    if conditions.is_empty() {
        *expr = else_result.take().map_or_else(build::null, |result| *result);
        return true;
    }
    conditions.len() < count
}

/// `'name' = ANY (ARRAY(... SELECT rolname FROM ...))` of a name that no role has. Clients ask so whether they
/// may signal others, by a recursion over memberships. True if it was one.
pub fn no_such_role(rewriter: &Rewriter<'_>, expr: &mut Expr) -> bool {
    let Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } = expr else {
        return false;
    };
    let Expr::Function(array) = build::bare(right) else { return false };
    let FunctionArguments::Subquery(query) = &array.args else { return false };
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let names_roles = matches!(select.projection.as_slice(),
        [SelectItem::UnnamedExpr(Expr::Identifier(name))] if build::folded(name) == "rolname");
    let Some(name) = build::literal_text(build::bare(left)) else { return false };
    let roles = rewriter.description().numbered_roles();
    if !names_roles || roles.values().any(|role| role == name) {
        return false;
    }
    *expr = build::boolean(false);
    true
}

/// Whether a condition is met by no row.
pub fn is_never(rewriter: &Rewriter<'_>, condition: &Expr) -> bool {
    let mut pending = vec![condition];
    while let Some(expr) = pending.pop() {
        match build::bare(expr) {
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                pending.push(left);
                pending.push(right);
            }
            term if is_term_never(rewriter, term) => return true,
            _ => {}
        }
    }
    false
}

fn is_term_never(rewriter: &Rewriter<'_>, term: &Expr) -> bool {
    match term {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            lacks(rewriter, left, right) || lacks(rewriter, right, left)
        }
        Expr::BinaryOp { left, op: BinaryOperator::NotEq, right } => {
            is_only(rewriter, left, right) || is_only(rewriter, right, left)
        }
        Expr::InList { expr, list, negated: false } => {
            list.iter().all(|item| lacks(rewriter, expr, item))
        }
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
            values(rewriter, term).is_some_and(|values| values == ["false"])
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            values(rewriter, expr).is_some_and(|values| values == ["true"])
        }
        _ => false,
    }
}

fn values(rewriter: &Rewriter<'_>, column: &Expr) -> Option<&'static [&'static str]> {
    let column = rewriter.column(column)?;
    let (schema, relation) = column.entry.relation.as_ref()?;
    let known = VALUES.iter().find(|(own, name, _)| own == relation && *name == column.name);
    known.filter(|_| schema == "pg_catalog").map(|(_, _, values)| *values)
}

fn lacks(rewriter: &Rewriter<'_>, column: &Expr, literal: &Expr) -> bool {
    let Some(text) = build::literal_text(build::bare(literal)) else { return false };
    values(rewriter, column).is_some_and(|values| !values.contains(&text))
}

fn is_only(rewriter: &Rewriter<'_>, column: &Expr, literal: &Expr) -> bool {
    let Some(text) = build::literal_text(build::bare(literal)) else { return false };
    values(rewriter, column).is_some_and(|values| values == [text])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::postgres::testing;

    #[tokio::test]
    async fn every_value_is_listed() {
        let context = testing::context();
        for (relation, column, values) in VALUES {
            let sql = format!("SELECT DISTINCT {column}::text AS v FROM {relation} ORDER BY 1");
            let got = testing::run(&context, &sql).await;
            let mut expected = values.to_vec();
            expected.sort_unstable();
            let got: Vec<_> = got.lines().skip(1).collect();
            let shown: Vec<_> = expected.iter().filter(|value| !value.is_empty()).collect();
            let got: Vec<_> = got.iter().filter(|value| !value.is_empty()).collect();
            assert_eq!(got, shown, "{relation}.{column}");
        }
    }

    #[tokio::test]
    async fn conditions_that_nothing_meets_are_folded() {
        let context = testing::context();
        let check = async |sql: &str, expected: &str| {
            assert_eq!(testing::run(&context, sql).await, expected, "{sql}");
        };
        check(
            "SELECT CASE WHEN typtype = 'd' THEN 1 ELSE 2 END FROM pg_type WHERE oid = 16",
            "case:int4\n2",
        )
        .await;
        check(
            "SELECT CASE WHEN typtype = 'b' THEN 1 ELSE 2 END FROM pg_type WHERE oid = 16",
            "case:int4\n1",
        )
        .await;
        check("SELECT conname FROM pg_constraint WHERE contype = 'f'", "conname:name").await;
        check(
            "SELECT conname FROM pg_constraint WHERE contype IN ('f', 'p')",
            "conname:name\ncrm_pkey",
        )
        .await;
    }
}
