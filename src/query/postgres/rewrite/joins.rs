//! `JOIN t ON t.c = (SELECT ...)`: a correlated subquery in the condition of a join.
//!
//! DataFusion plans those in filters and lists only. If the subquery is of one value, joining its relations
//! to `t` inside of parentheses says the same: `JOIN (t JOIN s ON t.c = s.d) ON ...`.

use sqlparser::ast::{
    BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, Query, Select, SelectItem,
    TableFactor, TableWithJoins,
};

use crate::query::postgres::rewrite::scope::Scope;
use crate::query::postgres::rewrite::{Rewriter, build, subqueries};

/// Rewrites the joins of a SELECT.
pub fn rewrite(rewriter: &Rewriter<'_>, select: &mut Select) {
    if select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_))) {
        return;
    }
    let is_cte = |name: &str| rewriter.is_cte(name);
    let scope = Scope::of(select, &is_cte);
    for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
        let alias = Scope::of_factor(&join.relation, &is_cte).entries.pop();
        if let Some(alias) = alias {
            rewrite_join(rewriter, &scope, &alias.alias, join);
        }
    }
}

fn condition(join: &mut Join) -> Option<&mut Expr> {
    match &mut join.join_operator {
        JoinOperator::Join(JoinConstraint::On(condition))
        | JoinOperator::Inner(JoinConstraint::On(condition))
        | JoinOperator::Left(JoinConstraint::On(condition))
        | JoinOperator::LeftOuter(JoinConstraint::On(condition)) => Some(condition),
        _ => None,
    }
}

fn rewrite_join(rewriter: &Rewriter<'_>, scope: &Scope, alias: &str, join: &mut Join) {
    let is_cte = |name: &str| rewriter.is_cte(name);
    let Some(condition) = condition(join) else { return };
    let mut inner = None;
    for term in subqueries::conjuncts(condition) {
        let Some((column, query)) = equal_to_subquery(term) else { continue };
        let is_of_join = matches!(column, Expr::CompoundIdentifier(names)
            if names.first().map(build::folded).as_deref() == Some(alias));
        let Some(select) = build::only_select(query) else { continue };
        let own = Scope::of(select, &is_cte);
        let collides = own.entries.iter().any(|entry| scope.has(&entry.alias));
        // One that needs nothing from around it is planned as it stands.
        let is_needed = subqueries::is_correlated(rewriter, query);
        if is_of_join && is_needed && !collides && select.from.len() == 1 {
            inner = take(term);
            break;
        }
    }
    let Some((table, on)) = inner else { return };
    let relation = std::mem::replace(&mut join.relation, table.relation);
    let first = Join {
        relation: std::mem::replace(&mut join.relation, empty()),
        global: false,
        join_operator: JoinOperator::Inner(JoinConstraint::On(on)),
    };
    let joins = std::iter::once(first).chain(table.joins).collect();
    join.relation = TableFactor::NestedJoin {
        table_with_joins: Box::new(TableWithJoins { relation, joins }),
        alias: None,
    };
}

/// Stands in a place for the moment between taking and putting.
fn empty() -> TableFactor {
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(build::query("SELECT 1")),
        alias: None,
        sample: None,
    }
}

fn equal_to_subquery(term: &Expr) -> Option<(&Expr, &Query)> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = term else { return None };
    match (build::bare(left), build::bare(right)) {
        (column, Expr::Subquery(query)) | (Expr::Subquery(query), column) => {
            subqueries::is_plain(query).then_some((column, query))
        }
        _ => None,
    }
}

/// Takes the subquery out of its term: its relations, and the equality that joins them. What is left of
/// the term is the condition of the subquery.
fn take(term: &mut Expr) -> Option<(TableWithJoins, Expr)> {
    let Expr::BinaryOp { left, right, .. } = term else { return None };
    let (column, subquery) = match build::bare(left) {
        Expr::Subquery(_) => (build::take(right), build::take(left)),
        _ => (build::take(left), build::take(right)),
    };
    let Expr::Subquery(mut query) = subquery else { return None };
    let select = build::only_select_mut(&mut query)?;
    let value = match select.projection.pop()? {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
        _ => return None,
    };
    let rest = select.selection.take().unwrap_or_else(|| build::boolean(true));
    *term = Expr::Nested(Box::new(rest));
    let equal =
        Expr::BinaryOp { left: Box::new(column), op: BinaryOperator::Eq, right: Box::new(value) };
    Some((select.from.pop()?, equal))
}

#[cfg(test)]
mod tests {
    use crate::query::postgres::testing;

    #[tokio::test]
    async fn a_subquery_in_a_join_becomes_a_join() {
        let context = testing::context();
        let sql = "SELECT c.column_name, a.attnum FROM information_schema.columns c \
            LEFT JOIN pg_attribute a ON a.attname = c.column_name AND a.attrelid = \
            (SELECT k.oid FROM pg_class k LEFT JOIN pg_namespace n ON n.oid = k.relnamespace \
            WHERE k.relname = c.table_name AND n.nspname = c.table_schema) \
            WHERE c.table_name = 'profiles' ORDER BY 2";
        let expected = "column_name:name|attnum:int2\nprofile_id|1\nfirst_name|2";
        assert_eq!(testing::run(&context, sql).await, expected);
    }
}
