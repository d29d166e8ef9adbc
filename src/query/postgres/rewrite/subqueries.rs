//! Subqueries in places and of forms that DataFusion does not plan.
//!
//! What the catalog knows to be empty is answered here. A correlated subquery that gives one value gets an
//! aggregate around it; `EXISTS` and `IN` in a SELECT list become counts; `ARRAY(SELECT ...)` an aggregate.

use sqlparser::ast::{
    BinaryOperator, Distinct, DuplicateTreatment, Expr, Function, FunctionArguments, GroupByExpr,
    JoinOperator, LambdaFunction, LambdaFunctionParameter, LambdaSyntax, OneOrManyWithParens,
    OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins,
    UnaryOperator, Visit, VisitMut, Visitor, VisitorMut,
};
use std::ops::ControlFlow;

use crate::query::postgres::catalog;
use crate::query::postgres::rewrite::scope::{self, Scope};
use crate::query::postgres::rewrite::{Rewriter, build, data_types, facts};

/// Aggregates that clients use in scalar subqueries.
const AGGREGATES: &[&str] = &[
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "first_value",
    "json_agg",
    "json_object_agg",
    "jsonb_agg",
    "last_value",
    "max",
    "min",
    "stddev",
    "string_agg",
    "sum",
    "variance",
];

/// Rewrites one subquery in an expression. True if the result is to be looked at again.
pub fn rewrite(rewriter: &Rewriter<'_>, expr: &mut Expr) -> bool {
    match expr {
        Expr::Exists { subquery, negated } if is_empty(rewriter, subquery) => {
            *expr = build::boolean(*negated);
            true
        }
        Expr::InSubquery { subquery, negated, .. } if is_empty(rewriter, subquery) => {
            *expr = build::boolean(*negated);
            true
        }
        Expr::Subquery(query) if is_empty(rewriter, query) => {
            *expr = null_like(rewriter, query);
            true
        }
        Expr::Subquery(query) => {
            qualify(rewriter, query);
            aggregate(rewriter, query);
            false
        }
        Expr::Function(function) if is_array_subquery(function) => {
            *expr = array(rewriter, function);
            true
        }
        _ => false,
    }
}

/// Qualifies the columns of a subquery's only relation, which in a join's condition DataFusion would take for
/// those of the relations around it too.
fn qualify(rewriter: &Rewriter<'_>, query: &mut Query) {
    let is_cte = |name: &str| rewriter.is_cte(name);
    let description = rewriter.description();
    let Some(select) = build::only_select_mut(query) else { return };
    let scope = Scope::of(select, &is_cte);
    let [entry] = scope.entries.as_slice() else { return };
    let Some(columns) = entry.columns(&description) else { return };
    let columns = columns.into_iter().map(|(name, _)| name).collect();
    let mut qualify = Qualify { alias: build::ident(&entry.alias), columns, query_depth: 0 };
    if let Some(condition) = &mut select.selection {
        let _ = VisitMut::visit(condition, &mut qualify);
    }
}

struct Qualify {
    alias: sqlparser::ast::Ident,
    columns: Vec<String>,
    query_depth: usize,
}

impl VisitorMut for Qualify {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.query_depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.query_depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr
            && self.query_depth == 0
            && self.columns.contains(&build::folded(name))
        {
            *expr = Expr::CompoundIdentifier(vec![self.alias.clone(), name.clone()]);
        }
        ControlFlow::Continue(())
    }
}

/// A null of the type of a query's one column, as far as that can be seen.
fn null_like(rewriter: &Rewriter<'_>, query: &Query) -> Expr {
    let typed = build::only_select(query).and_then(|select| {
        let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] =
            select.projection.as_slice()
        else {
            return None;
        };
        let inner = rewriter.inside(select);
        match build::bare(expr) {
            Expr::Cast { data_type, .. } => Some(data_types::plain(data_type)),
            column => inner.column_type(column).map(data_types::of),
        }
    });
    typed.map_or_else(build::null, |data_type| build::cast(build::null(), data_type))
}

/// Whether a query can have no rows, since a relation that it joins never has any.
pub fn is_empty(rewriter: &Rewriter<'_>, query: &Query) -> bool {
    build::only_select(query).is_some_and(|select| is_empty_select(rewriter, select))
}

/// Whether a SELECT can have no rows.
pub fn is_empty_select(rewriter: &Rewriter<'_>, select: &Select) -> bool {
    !has_aggregate(select)
        && (select.from.iter().any(|table| is_empty_join(rewriter, table))
            || is_never_met(rewriter, select))
}

/// Whether no row meets the condition of a SELECT, seen from its own relations.
fn is_never_met(rewriter: &Rewriter<'_>, select: &Select) -> bool {
    let Some(condition) = &select.selection else { return false };
    let inner = rewriter.inside(select);
    facts::is_never(&inner, condition)
}

fn is_empty_join(rewriter: &Rewriter<'_>, table: &TableWithJoins) -> bool {
    let keeps_left = |operator: &JoinOperator| {
        matches!(
            operator,
            JoinOperator::Join(_)
                | JoinOperator::Inner(_)
                | JoinOperator::CrossJoin(_)
                | JoinOperator::Left(_)
                | JoinOperator::LeftOuter(_)
        )
    };
    let needs_right = |operator: &JoinOperator| {
        !matches!(operator, JoinOperator::Left(_) | JoinOperator::LeftOuter(_))
    };
    table.joins.iter().all(|join| keeps_left(&join.join_operator))
        && (is_empty_relation(rewriter, &table.relation)
            || table.joins.iter().any(|join| {
                needs_right(&join.join_operator) && is_empty_relation(rewriter, &join.relation)
            }))
}

fn is_empty_relation(rewriter: &Rewriter<'_>, factor: &TableFactor) -> bool {
    let TableFactor::Table { name, args, .. } = factor else { return false };
    if args.is_some() {
        // Options of relations, servers and columns are null everywhere in the catalog.
        let parts = build::parts(name);
        return parts.is_some_and(|it| it.last().is_some_and(|it| it == "pg_options_to_table"));
    }
    let is_cte = |name: &str| rewriter.is_cte(name);
    let Some((schema, name)) = scope::resolve(name, &is_cte) else { return false };
    catalog::by_name(&schema, &name).is_some() && catalog::filler(&schema, &name).is_none()
}

/// Whether the rows are those of groups, of which there is one even without rows.
pub fn has_aggregate(select: &Select) -> bool {
    let mut finder = FindCall { found: false, query_depth: 0, names: AGGREGATES };
    let _ = select.projection.visit(&mut finder);
    finder.found
}

struct FindCall {
    found: bool,
    query_depth: usize,
    names: &'static [&'static str],
}

impl Visitor for FindCall {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.query_depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.query_depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && self.query_depth == 0
            && function.over.is_none()
            && self.names.contains(&build::function_name(function).as_str())
        {
            self.found = true;
        }
        ControlFlow::Continue(())
    }
}

/// In a SELECT that has no rows, whatever its subqueries say does not matter.
pub fn drop_subqueries(rewriter: &Rewriter<'_>, items: &mut [SelectItem]) {
    for item in items {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = VisitMut::visit(expr, &mut Drop { rewriter });
        }
    }
}

/// Functions that give many rows, which would make an otherwise plain plan hard.
const SETS: &[&str] = &["unnest", "generate_series", "generate_subscripts", "_pg_expandarray"];

struct Drop<'a, 'b> {
    rewriter: &'a Rewriter<'b>,
}

impl VisitorMut for Drop<'_, '_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Subquery(query) => *expr = null_like(self.rewriter, query),
            Expr::Exists { .. } | Expr::InSubquery { .. } => *expr = build::boolean(false),
            Expr::Function(function) if is_array_subquery(function) => {
                *expr = build::call("array_or_empty", vec![build::null()]);
            }
            Expr::Function(function) if SETS.contains(&build::function_name(function).as_str()) => {
                *expr = build::null();
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The expression of the one column of a plain SELECT: no groups, no aggregates, nothing set-like.
fn only_column(query: &mut Query) -> Option<&mut Expr> {
    let select = build::only_select_mut(query)?;
    let has_groups = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(expressions, _) => !expressions.is_empty(),
    };
    if has_groups || select.having.is_some() || has_aggregate(select) {
        return None;
    }
    match select.projection.as_mut_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => Some(expr),
        _ => None,
    }
}

/// The order of a query; numbers stand for its one column.
fn take_order(query: &mut Query, column: &Expr) -> Vec<OrderByExpr> {
    let Some(order) = query.order_by.take() else { return Vec::new() };
    let OrderByKind::Expressions(mut expressions) = order.kind else { return Vec::new() };
    for expression in &mut expressions {
        if build::literal_int(&expression.expr).is_some() {
            expression.expr = column.clone();
        }
    }
    expressions
}

/// Whether a query limits itself to one row.
fn is_limited_to_one(query: &Query) -> bool {
    use sqlparser::ast::LimitClause;
    matches!(&query.limit_clause, Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, .. })
        if build::literal_int(limit) == Some("1"))
}

/// Gives a correlated subquery of one value the aggregate that DataFusion wants to see.
fn aggregate(rewriter: &Rewriter<'_>, query: &mut Query) {
    if !is_correlated(rewriter, query) {
        return;
    }
    if is_limited_to_one(query) {
        query.limit_clause = None;
    }
    if let Some(condition) =
        build::only_select_mut(query).and_then(|select| select.selection.as_mut())
    {
        substitute_equals(condition);
    }
    let Some(column) = only_column(query) else { return };
    let taken = std::mem::replace(column, build::null());
    let order = take_order(query, &taken);
    if let Some(column) = only_column(query) {
        *column = Expr::Function(build::call_with("first_value", vec![taken], order));
    }
    if let Some(select) = build::only_select_mut(query) {
        select.distinct = None;
    }
}

/// In `a = b AND f(b)`, `f(a)` says the same. DataFusion pulls equalities out of a correlated subquery,
/// but nothing else that names the outer side; so that outer columns go where an inner one is equal.
fn substitute_equals(condition: &mut Expr) {
    let mut equals = Vec::new();
    for term in conjuncts(condition) {
        if let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = term
            && let (Expr::CompoundIdentifier(left), Expr::CompoundIdentifier(right)) =
                (build::bare(left), build::bare(right))
        {
            equals.push((left.clone(), right.clone()));
        }
    }
    for term in conjuncts(condition) {
        if !matches!(term, Expr::BinaryOp { op: BinaryOperator::Eq, .. }) {
            let _ = VisitMut::visit(term, &mut Substitute { equals: &equals });
        }
    }
}

/// The terms that a condition joins by AND.
pub fn conjuncts(condition: &mut Expr) -> Vec<&mut Expr> {
    let mut terms = Vec::new();
    let mut pending = vec![condition];
    while let Some(expr) = pending.pop() {
        match expr {
            Expr::Nested(inner) => pending.push(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                pending.push(right);
                pending.push(left);
            }
            term => terms.push(term),
        }
    }
    terms
}

struct Substitute<'a> {
    /// Pairs of equal columns, the inner one first as clients write them.
    equals: &'a [(Vec<sqlparser::ast::Ident>, Vec<sqlparser::ast::Ident>)],
}

impl VisitorMut for Substitute<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(names) = expr
            && let Some((inner, _)) = self.equals.iter().find(|(_, outer)| outer == names)
        {
            *expr = Expr::CompoundIdentifier(inner.clone());
        }
        ControlFlow::Continue(())
    }
}

/// Whether a query refers to relations around it, as far as names and known columns tell.
pub fn is_correlated(rewriter: &Rewriter<'_>, query: &Query) -> bool {
    let mut finder = FindOuter { rewriter, inner: Vec::new(), found: false };
    let _ = query.visit(&mut finder);
    finder.found
}

struct FindOuter<'a, 'b> {
    rewriter: &'a Rewriter<'b>,
    inner: Vec<Scope>,
    found: bool,
}

impl Visitor for FindOuter<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let is_cte = |name: &str| self.rewriter.is_cte(name);
        let scope = match &*query.body {
            SetExpr::Select(select) => Scope::of(select, &is_cte),
            _ => Scope::default(),
        };
        self.inner.push(scope);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.inner.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let names = match expr {
            Expr::Identifier(name) => std::slice::from_ref(name),
            Expr::CompoundIdentifier(names) => names.as_slice(),
            Expr::CompoundFieldAccess { .. } => return ControlFlow::Continue(()),
            _ => return ControlFlow::Continue(()),
        };
        let description = self.rewriter.description();
        if scope::is_outer(names, &self.inner, self.rewriter.scopes(), &description) {
            self.found = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// `EXISTS` and `IN` in a SELECT list become counts, since there they are planned as expressions.
pub fn count_in_items(rewriter: &Rewriter<'_>, items: &mut [SelectItem]) {
    for item in items {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = VisitMut::visit(expr, &mut Count { rewriter, query_depth: 0 });
        }
    }
}

struct Count<'a, 'b> {
    rewriter: &'a Rewriter<'b>,
    query_depth: usize,
}

impl VisitorMut for Count<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.query_depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.query_depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.query_depth > 0 {
            return ControlFlow::Continue(());
        }
        match expr {
            Expr::Exists { subquery, negated } if !is_empty(self.rewriter, subquery) => {
                let negated = *negated;
                let query = std::mem::replace(&mut **subquery, build::query("SELECT 1"));
                *expr = counted(query, negated);
            }
            Expr::InSubquery { expr: left, subquery, negated } => {
                if is_empty(self.rewriter, subquery) || only_column(subquery).is_none() {
                    return ControlFlow::Continue(());
                }
                if !is_correlated(self.rewriter, subquery) {
                    *expr = listed(left, subquery, *negated);
                    return ControlFlow::Continue(());
                }
                let negated = *negated;
                let left = build::take(left);
                let mut query = std::mem::replace(&mut **subquery, build::query("SELECT 1"));
                add_condition(&mut query, left);
                *expr = counted(query, negated);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// `x IN (SELECT ...)` within a CASE becomes a search in a list: there it is planned as an expression.
pub fn list_in_case(rewriter: &Rewriter<'_>, expr: &mut Expr) -> bool {
    let Expr::Case { operand, conditions, else_result, .. } = expr else { return false };
    let branches = conditions.iter_mut().flat_map(|it| [&mut it.condition, &mut it.result]);
    let parts = branches.chain(operand.as_deref_mut()).chain(else_result.as_deref_mut());
    let mut is_changed = false;
    for part in parts {
        for term in conjuncts(part) {
            if let Expr::InSubquery { expr: left, subquery, negated } = term
                && only_column(subquery).is_some()
                && !is_empty(rewriter, subquery)
                && !is_correlated(rewriter, subquery)
            {
                *term = listed(left, subquery, *negated);
                is_changed = true;
            }
        }
    }
    is_changed
}

/// Whether a value is in the list of all rows of a query that needs nothing from around it.
fn listed(left: &mut Expr, query: &mut Query, negated: bool) -> Expr {
    let mut query = std::mem::replace(query, build::query("SELECT 1"));
    collect(&mut query);
    let list = build::call("array_or_empty", vec![Expr::Subquery(Box::new(query))]);
    let found = build::call("array_has", vec![list, build::take(left)]);
    match negated {
        true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) },
        false => found,
    }
}

/// `(SELECT count(*) > 0 FROM ...)`, or `= 0`.
fn counted(mut query: Query, negated: bool) -> Expr {
    let op = if negated { BinaryOperator::Eq } else { BinaryOperator::Gt };
    let mut count = build::query("SELECT count(*)");
    let mut item = |query: &mut Query| {
        let Some(select) = build::only_select_mut(&mut count) else { return };
        let counted = select.projection.pop();
        let Some(SelectItem::UnnamedExpr(counted)) = counted else { return };
        let expr = Expr::BinaryOp {
            left: Box::new(counted),
            op: op.clone(),
            right: Box::new(build::number(0)),
        };
        if let Some(select) = build::only_select_mut(query) {
            select.projection = vec![SelectItem::UnnamedExpr(expr)];
            select.distinct = None;
        }
    };
    if is_plain(&query) {
        query.order_by = None;
        query.limit_clause = None;
        item(&mut query);
        return Expr::Subquery(Box::new(query));
    }
    let mut outer = around(query);
    item(&mut outer);
    Expr::Subquery(Box::new(outer))
}

/// Whether a SELECT has neither groups nor aggregates nor an offset, so that its list may be replaced.
pub fn is_plain(query: &Query) -> bool {
    let Some(select) = build::only_select(query) else { return false };
    let has_groups = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(expressions, _) => !expressions.is_empty(),
    };
    let limit = query.limit_clause.is_none() || is_limited_to_one(query);
    !has_groups && select.having.is_none() && !has_aggregate(select) && limit
}

/// `SELECT 1 FROM (query) AS inner_query`.
fn around(query: Query) -> Query {
    let mut outer = build::query("SELECT 1 FROM (SELECT 1) AS inner_query(value)");
    if let Some(select) = build::only_select_mut(&mut outer)
        && let Some(table) = select.from.first_mut()
        && let TableFactor::Derived { subquery, .. } = &mut table.relation
    {
        **subquery = query;
    }
    outer
}

fn add_condition(query: &mut Query, left: Expr) {
    let Some(column) = only_column(query).cloned() else { return };
    let equal = Expr::BinaryOp {
        left: Box::new(Expr::Nested(Box::new(column))),
        op: BinaryOperator::Eq,
        right: Box::new(Expr::Nested(Box::new(left))),
    };
    let Some(select) = build::only_select_mut(query) else { return };
    select.selection = Some(match select.selection.take() {
        Some(condition) => Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(condition))),
            op: BinaryOperator::And,
            right: Box::new(equal),
        },
        None => equal,
    });
}

fn is_array_subquery(function: &Function) -> bool {
    matches!(function.args, FunctionArguments::Subquery(_))
        && build::function_name(function) == "array"
}

/// `ARRAY(SELECT x ...)` is `array_or_empty((SELECT array_agg(x) ...))`.
fn array(rewriter: &Rewriter<'_>, function: &mut Function) -> Expr {
    let FunctionArguments::Subquery(query) = &mut function.args else { return build::null() };
    let mut query = std::mem::replace(&mut **query, build::query("SELECT 1"));
    if is_empty(rewriter, &query) {
        return build::call("array_or_empty", vec![build::null()]);
    }
    if let Some(mapped) = map(&mut query) {
        return build::call("array_or_empty", vec![mapped]);
    }
    if query.limit_clause.is_some() || only_column(&mut query).is_none() {
        query = around(query);
        if let Some(column) = only_column(&mut query) {
            *column = Expr::Identifier(sqlparser::ast::Ident::new("value"));
        }
    }
    collect(&mut query);
    build::call("array_or_empty", vec![Expr::Subquery(Box::new(query))])
}

fn collect(query: &mut Query) {
    let Some(column) = only_column(query) else { return };
    let taken = std::mem::replace(column, build::null());
    let order = take_order(query, &taken);
    let mut aggregate = build::call_with("array_agg", vec![taken], order);
    if let Some(select) = build::only_select_mut(query)
        && matches!(select.distinct.take(), Some(Distinct::Distinct))
        && let FunctionArguments::List(list) = &mut aggregate.args
    {
        list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
    }
    if let Some(column) = only_column(query) {
        *column = Expr::Function(aggregate);
    }
}

/// `ARRAY(SELECT f(x) FROM unnest(a) AS x WHERE p(x))` maps and filters the array itself, which a
/// correlated subquery could not.
fn map(query: &mut Query) -> Option<Expr> {
    if query.order_by.is_some() || query.limit_clause.is_some() {
        return None;
    }
    only_column(query)?;
    let select = build::only_select_mut(query)?;
    let [table] = select.from.as_mut_slice() else { return None };
    if !table.joins.is_empty() || select.distinct.is_some() {
        return None;
    }
    let (array, alias, column) = unnested(&table.relation)?;
    let condition = select.selection.take();
    let result = only_column(query).map(build::take)?;
    let lambda = |mut body: Expr| {
        let _ = VisitMut::visit(
            &mut body,
            &mut Rename { alias: alias.clone(), column: column.clone() },
        );
        Expr::Lambda(LambdaFunction {
            params: OneOrManyWithParens::One(LambdaFunctionParameter {
                name: build::ident(&column),
                data_type: None,
            }),
            body: Box::new(body),
            syntax: LambdaSyntax::Arrow,
        })
    };
    let filtered = match condition {
        Some(condition) => build::call("array_filter", vec![array, lambda(condition)]),
        None => array,
    };
    Some(match &result {
        Expr::Identifier(name) if build::folded(name) == column => filtered,
        _ => build::call("array_transform", vec![filtered, lambda(result)]),
    })
}

/// The array, alias and column of `unnest(array) AS alias(column)`.
fn unnested(factor: &TableFactor) -> Option<(Expr, String, String)> {
    let (array, alias) = match factor {
        TableFactor::UNNEST { array_exprs, alias, .. } => match array_exprs.as_slice() {
            [array] => (array.clone(), alias),
            _ => return None,
        },
        TableFactor::Table { name, args: Some(args), alias, .. }
            if build::parts(name)?.last()? == "unnest" =>
        {
            use sqlparser::ast::{FunctionArg, FunctionArgExpr};
            match args.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] => (array.clone(), alias),
                _ => return None,
            }
        }
        _ => return None,
    };
    let Some(alias) = alias else { return Some((array, "unnest".to_owned(), "unnest".to_owned())) };
    let name = build::folded(&alias.name);
    let column = alias.columns.first().map_or_else(|| name.clone(), |it| build::folded(&it.name));
    Some((array, name, column))
}

/// `t.x` is `x` inside of the lambda.
struct Rename {
    alias: String,
    column: String,
}

impl VisitorMut for Rename {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(names) = expr
            && let [alias, column] = names.as_slice()
            && build::folded(alias) == self.alias
            && build::folded(column) == self.column
        {
            *expr = Expr::Identifier(build::ident(&self.column));
        }
        ControlFlow::Continue(())
    }
}
