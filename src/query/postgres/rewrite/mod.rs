//! PostgreSQL's SQL as DataFusion's planner understands it.
//!
//! [`rewrite`] walks a parsed statement once, from the outside in. At each SELECT it names the output
//! (`outputs`), at each relation it finds the catalog (`relations`), and at each expression it tries the
//! rewrites of `casts`, `operators`, `functions` and `subqueries` until none applies. The result is
//! planned like any statement, and rewriting it again changes nothing.

use std::cell::OnceCell;
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{
    Expr, Fetch, LimitClause, Query, Select, SelectItem, SetExpr, Statement, TableFactor, VisitMut,
    VisitorMut,
};

use crate::error::{Error, Result};
use crate::query::postgres::description::{Description, Source};
use crate::query::postgres::types::PgType;

mod build;
mod casts;
mod data_types;
mod facts;
mod functions;
mod items;
mod joins;
mod json;
mod lateral;
mod literals;
mod nesting;
mod operators;
mod outputs;
mod relations;
mod scope;
mod subqueries;

pub use build::{arguments, folded, function_name};
pub use nesting::NESTING_MAX;
pub use outputs::shown_name;

use scope::Scope;

/// What a rewritten statement needs to be shown with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// The names of the output columns. `None` if a `*` brings some: then each is the plan's own name
    /// without its suffix ([`shown_name`]).
    pub output_names: Option<Vec<Option<String>>>,
}

/// Rewrites a parsed statement so that DataFusion understands it and answers as PostgreSQL would.
///
/// # Errors
/// `54001` if it is nested too deeply; `42P01`, `42704` and the like if a literal names no object; `0A000`
/// for a form that there is no way to plan.
pub fn rewrite(statement: &mut Statement, source: &dyn Source) -> Result<Rewritten> {
    let mut rewriter = Rewriter::new(source);
    let mut output_names = None;
    if let Statement::Query(query) = statement {
        output_names = outputs::names(query);
        outputs::leaves(query).into_iter().for_each(|select| outputs::name_items(select, true));
    }
    if let Statement::Prepare { data_types, .. } = statement {
        data_types.iter_mut().for_each(|it| *it = data_types::plain(it));
    }
    if let ControlFlow::Break(error) = statement.visit(&mut rewriter) {
        return Err(error);
    }
    if let Statement::Query(query) = statement {
        narrow_top(query);
    }
    Ok(Rewritten { output_names })
}

/// Gives the literals in the rows of the statement itself their types.
fn narrow_top(query: &mut Query) {
    for select in outputs::leaves(query) {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                literals::narrow(expr);
            }
        }
    }
    if let SetExpr::Values(values) = &mut *query.body {
        values.rows.iter_mut().for_each(|row| row.iter_mut().for_each(literals::narrow));
    }
}

/// The state of one walk over a statement.
struct Rewriter<'a> {
    source: &'a dyn Source,
    described: OnceCell<Arc<Description>>,
    scopes: Vec<Scope>,
    /// Names of the common table expressions of each query around this place.
    ctes: Vec<Vec<String>>,
    depth: nesting::Depth,
    /// Whether the query to be visited next is a relation whose columns the one around it knows.
    is_relation_next: bool,
    /// The same of each query around this place.
    relations: Vec<bool>,
    /// Whether the expression to be visited next has its cast around it already.
    is_narrowed: bool,
}

impl<'a> Rewriter<'a> {
    fn new(source: &'a dyn Source) -> Self {
        Self {
            source,
            described: OnceCell::new(),
            scopes: Vec::new(),
            ctes: Vec::new(),
            depth: nesting::Depth::default(),
            is_relation_next: false,
            relations: Vec::new(),
            is_narrowed: false,
        }
    }

    /// What exists; asked once per statement.
    fn description(&self) -> Arc<Description> {
        Arc::clone(self.described.get_or_init(|| self.source.describe()))
    }

    fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    fn is_cte(&self, name: &str) -> bool {
        self.ctes.iter().flatten().any(|cte| cte == name)
    }

    /// The column that an expression is, if it is one of a relation in reach.
    fn column(&self, expr: &Expr) -> Option<scope::Column<'_>> {
        if !matches!(build::bare(expr), Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            return None;
        }
        scope::column(&self.scopes, expr, &self.description())
    }

    fn column_type(&self, expr: &Expr) -> Option<PgType> {
        self.column(expr).map(|column| column.ty)
    }

    /// The `reg*` type of a column that holds numbers of objects and shows their names.
    fn object_column(&self, expr: &Expr) -> Option<&'static str> {
        match self.column_type(expr)?.name() {
            "regproc" => Some("regproc"),
            "regtype" => Some("regtype"),
            "regclass" => Some("regclass"),
            _ => None,
        }
    }

    /// The number of a relation in reach: the one of that alias, or the first.
    fn relation_oid(&self, qualifier: Option<&str>) -> Option<u32> {
        let mut entries = self.scopes.iter().rev().flat_map(|scope| scope.entries.iter());
        let entry = entries.find(|entry| qualifier.is_none_or(|name| entry.alias == name))?;
        entry.oid(&self.description())
    }

    /// The place inside of a SELECT below this one.
    fn inside(&self, select: &Select) -> Self {
        let mut inner = Self::new(self.source);
        inner.described = self.described.clone();
        inner.ctes = self.ctes.clone();
        inner.scopes = self.scopes.clone();
        inner.push_scope(select);
        inner
    }

    fn push_scope(&mut self, select: &Select) {
        let scope = Scope::of(select, &|name| self.is_cte(name));
        self.scopes.push(scope);
    }

    fn rewrite_select(&mut self, select: &mut Select) -> Result<()> {
        outputs::name_items(select, false);
        if subqueries::is_empty_select(self, select) {
            subqueries::drop_subqueries(self, &mut select.projection);
        }
        joins::rewrite(self, select);
        subqueries::count_in_items(self, &mut select.projection);
        items::rewrite(self, select)
    }

    /// Tries each kind of rewrite once. True if the result is to be looked at again.
    fn rewrite_expr(&mut self, expr: &mut Expr) -> Result<bool> {
        if literals::expand(expr) || json::rewrite(expr) {
            return Ok(true);
        }
        if functions::rewrite_form(expr)
            || functions::rewrite(expr)
            || functions::rewrite_keyword(self, expr)
        {
            return Ok(true);
        }
        if let Some(data_type) = functions::narrowed(expr)
            && !self.is_narrowed
        {
            let taken = std::mem::replace(expr, build::null());
            *expr = build::cast(taken, data_type.clone());
            return Ok(true);
        }
        self.is_narrowed = matches!(&*expr, Expr::Cast { expr: inner, data_type, .. }
            if functions::narrowed(inner) == Some(data_type));
        Ok(casts::rewrite(self, expr)?
            || operators::rewrite(self, expr)?
            || functions::rewrite_access(self, expr)
            || items::system_column(self, expr)
            || facts::rewrite(self, expr)
            || subqueries::list_in_case(self, expr)
            || facts::no_such_role(self, expr)
            || subqueries::rewrite(self, expr))
    }
}

/// `FETCH FIRST n ROWS ONLY` is `LIMIT n`.
fn fetch_to_limit(query: &mut Query) -> Result<()> {
    let Some(Fetch { with_ties, percent, quantity }) = query.fetch.take() else { return Ok(()) };
    if with_ties || percent {
        return Err(Error::unsupported("FETCH with PERCENT or WITH TIES is not supported"));
    }
    let count = quantity.unwrap_or_else(|| build::number(1));
    let offset = match query.limit_clause.take() {
        Some(LimitClause::LimitOffset { offset, .. }) => offset,
        _ => None,
    };
    query.limit_clause =
        Some(LimitClause::LimitOffset { limit: Some(count), offset, limit_by: Vec::new() });
    Ok(())
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. })
}

fn flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        flow(self.depth.enter_query())?;
        self.relations.push(std::mem::take(&mut self.is_relation_next));
        flow(nesting::balance_unions(&mut query.body))?;
        if let Some(select) = build::only_select_mut(query) {
            let tables = select.from.iter_mut().flat_map(|table| {
                let joined = table.joins.iter_mut().map(|join| &mut join.relation);
                std::iter::once(&mut table.relation).chain(joined)
            });
            tables.for_each(json::rewrite_relation);
        }
        lateral::rewrite(self, query);
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        self.ctes.push(ctes.map(|cte| folded(&cte.alias.name)).collect());
        match &*query.body {
            SetExpr::Select(select) => self.push_scope(select),
            _ => self.scopes.push(Scope::default()),
        }
        flow(fetch_to_limit(query))
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.depth.leave_query();
        self.relations.pop();
        self.ctes.pop();
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        self.push_scope(select);
        flow(self.rewrite_select(select))
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<Error> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        relations::rewrite(self, factor);
        self.is_relation_next = matches!(&*factor, TableFactor::Derived { subquery, .. }
            if build::only_select(subquery).is_some_and(outputs::names_all));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Err(error) = self.depth.enter() {
            nesting::dismantle(expr);
            return ControlFlow::Break(error);
        }
        nesting::balance(expr);
        loop {
            match self.rewrite_expr(expr) {
                Ok(true) => {}
                Ok(false) if is_subquery(expr) => return flow(self.depth.enter_subquery()),
                Ok(false) => return ControlFlow::Continue(()),
                Err(error) => return ControlFlow::Break(error),
            }
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if is_subquery(expr) {
            self.depth.leave_subquery();
        }
        self.depth.leave();
        ControlFlow::Continue(())
    }
}
