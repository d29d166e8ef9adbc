//! `LATERAL (SELECT ... LIMIT n)`: subqueries of a FROM list that see the relations before them.
//!
//! One that sees nothing of them is a plain subquery. The first rows for each row of another relation, which
//! DataFusion cannot plan, are all rows with their number among those that belong together, joined by what
//! made them belong and cut by that number. Others stay as they are.

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, JoinConstraint, JoinOperator, LimitClause, OrderByExpr,
    OrderByKind, Query, Select, SelectItem, TableFactor, WindowType,
};

use crate::query::postgres::rewrite::subqueries::{conjuncts, has_aggregate, is_correlated};
use crate::query::postgres::rewrite::{Rewriter, build};

/// Rewrites the lateral subqueries of a SELECT.
pub fn rewrite(rewriter: &Rewriter<'_>, select: &mut Select) {
    let around = rewriter.inside(select);
    let has_wildcard = select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_)));
    let mut conditions = Vec::new();
    for table in &mut select.from {
        conditions.extend(number_rows(&around, &mut table.relation, has_wildcard));
        for join in &mut table.joins {
            let constraint = match &mut join.join_operator {
                JoinOperator::Left(it) | JoinOperator::LeftOuter(it) => Some(it),
                JoinOperator::Join(it) | JoinOperator::Inner(it) | JoinOperator::CrossJoin(it) => {
                    Some(it)
                }
                _ => None,
            };
            let Some(constraint) = constraint else { continue };
            let Some(condition) = number_rows(&around, &mut join.relation, has_wildcard) else {
                continue;
            };
            let own = match std::mem::replace(constraint, JoinConstraint::None) {
                JoinConstraint::On(own) => and(own, condition),
                _ => condition,
            };
            *constraint = JoinConstraint::On(own);
            if let JoinOperator::CrossJoin(constraint) = &join.join_operator {
                join.join_operator = JoinOperator::Inner(constraint.clone());
            }
        }
    }
    for condition in conditions {
        select.selection = Some(match select.selection.take() {
            Some(own) => and(own, condition),
            None => condition,
        });
    }
}

fn and(left: Expr, right: Expr) -> Expr {
    let nested = |expr| Box::new(Expr::Nested(Box::new(expr)));
    Expr::BinaryOp { left: nested(left), op: BinaryOperator::And, right: nested(right) }
}

/// Makes a lateral subquery a plain one; the condition under which its rows belong to those before.
fn number_rows(
    around: &Rewriter<'_>,
    factor: &mut TableFactor,
    has_wildcard: bool,
) -> Option<Expr> {
    let TableFactor::Derived { lateral: lateral @ true, subquery, alias, .. } = factor else {
        return None;
    };
    if !is_correlated(around, subquery) {
        *lateral = false;
        return None;
    }
    let alias = alias.as_ref().filter(|alias| alias.columns.is_empty())?.name.clone();
    let (offset, limit) = bounds(subquery)?;
    let plain = build::only_select(subquery)?;
    let has_groups = !matches!(&plain.group_by, sqlparser::ast::GroupByExpr::Expressions(it, _) if it.is_empty());
    if has_wildcard || has_groups || plain.distinct.is_some() || has_aggregate(plain) {
        return None;
    }
    let order = order(subquery)?;
    let keys = take_keys(around, subquery)?;
    subquery.order_by = None;
    subquery.limit_clause = None;
    *lateral = false;
    let select = build::only_select_mut(subquery)?;
    let name = |at: usize| build::ident(&format!("lateral_key_{at}"));
    for (at, (inner, _)) in keys.iter().enumerate() {
        let expr = inner.clone();
        select.projection.push(SelectItem::ExprWithAlias { expr, alias: name(at) });
    }
    let partition = keys.iter().map(|(inner, _)| inner.clone()).collect();
    let row = build::ident("lateral_row");
    select
        .projection
        .push(SelectItem::ExprWithAlias { expr: row_number(partition, order), alias: row.clone() });
    let column = |name: Ident| Expr::CompoundIdentifier(vec![alias.clone(), name]);
    let compare =
        |left, op, right| Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) };
    let end = build::number(offset.saturating_add(limit));
    let mut condition = compare(column(row.clone()), BinaryOperator::LtEq, end);
    if offset > 0 {
        let begin = compare(column(row), BinaryOperator::Gt, build::number(offset));
        condition = and(condition, begin);
    }
    for (at, (_, outer)) in keys.into_iter().enumerate() {
        let belongs = compare(column(name(at)), BinaryOperator::Eq, outer);
        condition = and(belongs, condition);
    }
    Some(condition)
}

/// How many rows are skipped and how many taken, where both are literals.
fn bounds(query: &Query) -> Option<(i64, i64)> {
    let number = |expr: &Expr| build::literal_int(expr)?.parse().ok();
    match &query.limit_clause {
        Some(LimitClause::LimitOffset { limit: Some(limit), offset, .. }) => {
            let offset = offset.as_ref().map_or(Some(0), |offset| number(&offset.value))?;
            Some((offset, number(limit)?))
        }
        _ => None,
    }
}

/// The order of the rows, if it is by columns of their relations and not by items of the SELECT list.
fn order(query: &Query) -> Option<Vec<OrderByExpr>> {
    let Some(order) = &query.order_by else { return Some(Vec::new()) };
    let OrderByKind::Expressions(expressions) = &order.kind else { return None };
    let items = &build::only_select(query)?.projection;
    let is_item = |expr: &Expr| match expr {
        Expr::Identifier(name) => items.iter().any(|item| {
            matches!(item, SelectItem::ExprWithAlias { alias, .. }
                if build::folded(alias) == build::folded(name))
        }),
        expr => build::literal_int(expr).is_some(),
    };
    (!expressions.iter().any(|it| is_item(&it.expr))).then(|| expressions.clone())
}

/// Takes the equalities between a column inside and one outside out of the condition: inside, outside.
fn take_keys(around: &Rewriter<'_>, query: &mut Query) -> Option<Vec<(Expr, Expr)>> {
    let mut tried = query.clone();
    let select = build::only_select_mut(&mut tried)?;
    let inside_of = select.clone();
    let is_outer = |expr: &Expr| {
        let mut probe = build::query("SELECT 1");
        if let Some(select) = build::only_select_mut(&mut probe) {
            select.from.clone_from(&inside_of.from);
            select.projection = vec![SelectItem::UnnamedExpr(expr.clone())];
        }
        is_correlated(around, &probe)
    };
    let mut keys = Vec::new();
    for term in conjuncts(select.selection.as_mut()?) {
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = term else { continue };
        let pair = match (is_outer(left), is_outer(right)) {
            (false, true) => (build::take(left), build::take(right)),
            (true, false) => (build::take(right), build::take(left)),
            _ => continue,
        };
        keys.push(pair);
        *term = build::boolean(true);
    }
    if keys.is_empty() || is_correlated(around, &tried) {
        return None;
    }
    *query = tried;
    Some(keys)
}

fn row_number(partition: Vec<Expr>, order: Vec<OrderByExpr>) -> Expr {
    let mut template = build::query("SELECT row_number() OVER (PARTITION BY a ORDER BY b)");
    let items = build::only_select_mut(&mut template).map(|it| std::mem::take(&mut it.projection));
    let Some(SelectItem::UnnamedExpr(mut call)) = items.unwrap_or_default().pop() else {
        return build::null();
    };
    if let Expr::Function(function) = &mut call
        && let Some(WindowType::WindowSpec(window)) = &mut function.over
    {
        window.partition_by = partition;
        window.order_by = order;
    }
    call
}
