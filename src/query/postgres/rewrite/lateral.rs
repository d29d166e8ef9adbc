//! `FROM t, unnest(t.list) AS s(x)`: elements of a column of the same FROM list.
//!
//! DataFusion has no lateral `unnest`, but has it in a SELECT list. So `t` becomes
//! `(SELECT *, unnest(t.list) AS x FROM t) AS t`, and `s.x` becomes `t.x`.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, Join, JoinConstraint, JoinOperator, Query, Select,
    SelectItem, TableAlias, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};

mod top;

use crate::query::postgres::rewrite::scope::{Entry, Scope};
use crate::query::postgres::rewrite::{Rewriter, build};

/// Rewrites every such relation of a query.
pub fn rewrite(rewriter: &Rewriter<'_>, query: &mut Query) {
    if let Some(select) = build::only_select_mut(query) {
        top::rewrite(rewriter, select);
    }
    while let Some(moved) = build::only_select_mut(query).and_then(|it| move_one(rewriter, it)) {
        let _ = VisitMut::visit(query, &mut moved.clone());
    }
}

/// Elements that are now a column of another relation.
#[derive(Clone)]
struct Moved {
    from: String,
    to: Ident,
}

impl VisitorMut for Moved {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(names) = expr
            && let [qualifier, _] = names.as_mut_slice()
            && build::folded(qualifier) == self.from
        {
            *qualifier = self.to.clone();
        }
        ControlFlow::Continue(())
    }
}

/// A lateral `unnest`: what it takes apart, what it is called, and whether rows without elements stay.
struct Lateral {
    array: Expr,
    alias: String,
    column: String,
    keeps_empty: bool,
}

fn move_one(rewriter: &Rewriter<'_>, select: &mut Select) -> Option<Moved> {
    let is_cte = |name: &str| rewriter.is_cte(name);
    let scope = Scope::of(select, &is_cte);
    let (table, join, lateral) = find(select)?;
    let alias = home(rewriter, &scope, &lateral)?;
    let is_left = match join {
        Some(join) => {
            select.from[table].joins.remove(join);
            lateral.keeps_empty
        }
        None => {
            if !select.from[table].joins.is_empty() {
                return None;
            }
            select.from.remove(table);
            false
        }
    };
    let (from, to) = (lateral.alias.clone(), build::ident(&alias));
    let factor = select.from.iter_mut().find_map(|table| {
        let joined = table.joins.iter_mut().map(|join| &mut join.relation);
        std::iter::once(&mut table.relation).chain(joined).find(|it| alias_of(it) == alias)
    })?;
    wrap(factor, &alias, lateral, is_left);
    Some(Moved { from, to })
}

/// The first `unnest` of a column, by its place in the FROM list.
fn find(select: &Select) -> Option<(usize, Option<usize>, Lateral)> {
    for (at, table) in select.from.iter().enumerate() {
        if at > 0
            && let Some(lateral) = lateral(&table.relation, false)
        {
            return Some((at, None, lateral));
        }
        for (number, join) in table.joins.iter().enumerate() {
            let is_left = is_unconditional(join)?;
            if let Some(lateral) = lateral(&join.relation, is_left) {
                return Some((at, Some(number), lateral));
            }
        }
    }
    None
}

/// For a join without a condition, whether it is a left join; such joins alone can be moved.
fn is_unconditional(join: &Join) -> Option<bool> {
    let is_true = |constraint: &JoinConstraint| match constraint {
        JoinConstraint::None => true,
        JoinConstraint::On(Expr::Value(value)) => value.value == Value::Boolean(true),
        _ => false,
    };
    match &join.join_operator {
        JoinOperator::CrossJoin(_) => Some(false),
        JoinOperator::Join(on) | JoinOperator::Inner(on) if is_true(on) => Some(false),
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) if is_true(on) => Some(true),
        _ => Some(false).filter(|_| !is_unnest(&join.relation)),
    }
}

fn is_unnest(factor: &TableFactor) -> bool {
    parts(factor).is_some()
}

fn parts(factor: &TableFactor) -> Option<(&Expr, &TableAlias)> {
    let is_named =
        |name| build::parts(name).is_some_and(|it| it.last().is_some_and(|it| it == "unnest"));
    let (expr, alias) = match factor {
        TableFactor::UNNEST { array_exprs, alias, with_ordinality: false, .. } => {
            (array_exprs.first().filter(|_| array_exprs.len() == 1)?, alias)
        }
        TableFactor::Table { name, args: Some(args), alias, .. } if is_named(name) => {
            (only(&args.args)?, alias)
        }
        TableFactor::Function { name, args, alias, .. } if is_named(name) => (only(args)?, alias),
        _ => return None,
    };
    Some((expr, alias.as_ref()?))
}

fn only(args: &[FunctionArg]) -> Option<&Expr> {
    match args {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
        _ => None,
    }
}

fn lateral(factor: &TableFactor, keeps_empty: bool) -> Option<Lateral> {
    let (array, alias) = parts(factor)?;
    columns(array).first()?;
    let name = build::folded(&alias.name);
    let column = alias.columns.first().map_or_else(|| name.clone(), |it| build::folded(&it.name));
    Some(Lateral { array: array.clone(), alias: name, column, keeps_empty })
}

/// The columns that an expression names.
fn columns(expr: &Expr) -> Vec<Expr> {
    struct Columns(Vec<Expr>);
    impl Visitor for Columns {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
                self.0.push(expr.clone());
            }
            ControlFlow::Continue(())
        }
    }
    let mut found = Columns(Vec::new());
    let _ = Visit::visit(expr, &mut found);
    found.0
}

/// The alias of the one relation that all columns of the array are of.
fn home(rewriter: &Rewriter<'_>, scope: &Scope, lateral: &Lateral) -> Option<String> {
    let description = rewriter.description();
    let others: Vec<&Entry> =
        scope.entries.iter().filter(|entry| entry.alias != lateral.alias).collect();
    let mut homes = columns(&lateral.array).into_iter().map(|column| match &column {
        Expr::CompoundIdentifier(names) => match names.as_slice() {
            [qualifier, _] => Some(build::folded(qualifier)),
            _ => None,
        },
        Expr::Identifier(name) => match others.as_slice() {
            [only] => Some(only.alias.clone()),
            _ => {
                let name = build::folded(name);
                let has = |entry: &&&Entry| {
                    let columns = entry.columns(&description).unwrap_or_default();
                    columns.iter().any(|(own, _)| *own == name)
                };
                others.iter().find(has).map(|entry| entry.alias.clone())
            }
        },
        _ => None,
    });
    let first = homes.next()??;
    homes.all(|home| home.as_ref() == Some(&first)).then_some(first)
}

fn alias_of(factor: &TableFactor) -> String {
    match factor {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::NestedJoin { alias: Some(alias), .. } => build::folded(&alias.name),
        TableFactor::Table { name, .. } => {
            build::parts(name).and_then(|mut parts| parts.pop()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// Puts the elements into the relation: `(SELECT *, unnest(array) AS column FROM relation) AS alias`.
fn wrap(factor: &mut TableFactor, alias: &str, lateral: Lateral, keeps_empty: bool) {
    let mut query = build::query("SELECT * FROM t");
    let own = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(build::query("SELECT 1")),
        alias: Some(TableAlias {
            explicit: true,
            name: build::ident(alias),
            columns: Vec::new(),
            at: None,
        }),
        sample: None,
    };
    let inner = std::mem::replace(factor, own);
    if let Some(select) = build::only_select_mut(&mut query) {
        let array = if keeps_empty { or_null(lateral.array) } else { lateral.array };
        let elements = build::call("unnest", vec![array]);
        let column = build::ident(&lateral.column);
        select.projection.push(SelectItem::ExprWithAlias { expr: elements, alias: column });
        select.from[0].relation = inner;
    }
    if let TableFactor::Derived { subquery, .. } = factor {
        **subquery = query;
    }
}

/// An array that is null or empty becomes one null, so that its row stays.
fn or_null(array: Expr) -> Expr {
    let mut template =
        build::query("SELECT CASE WHEN cardinality(NULL) > 0 THEN NULL ELSE NULL END");
    let items = build::only_select_mut(&mut template).map(|it| std::mem::take(&mut it.projection));
    let Some(SelectItem::UnnamedExpr(mut expr)) = items.unwrap_or_default().pop() else {
        return array;
    };
    if let Expr::Case { conditions, else_result: Some(none), .. } = &mut expr
        && let [branch] = conditions.as_mut_slice()
        && let Expr::BinaryOp { left, .. } = &mut branch.condition
    {
        **left = build::call("cardinality", vec![array.clone()]);
        branch.result = array;
        **none = build::call("make_array", vec![build::null()]);
    }
    expr
}

#[cfg(test)]
mod tests {
    use crate::query::postgres::testing;

    #[tokio::test]
    async fn elements_join_their_rows() {
        let context = testing::context();
        let lists = "(VALUES (1, ARRAY['a', 'b']), (2, NULL), (3, ARRAY[]::text[])) AS t(n, l)";
        let check = async |sql: &str, expected: &str| {
            let sql = sql.replace("$t", lists);
            assert_eq!(testing::run(&context, &sql).await, expected, "{sql}");
        };
        check("SELECT n, x FROM $t, unnest(l) AS x ORDER BY 1, 2", "n:int8|x:text\n1|a\n1|b").await;
        check(
            "SELECT t.n, s.x FROM $t, unnest(t.l) AS s(x) ORDER BY s.x DESC",
            "n:int8|x:text\n1|b\n1|a",
        )
        .await;
        check("SELECT count(*) FROM $t CROSS JOIN LATERAL unnest(t.l) s", "count:int8\n2").await;
        check(
            "SELECT n, x FROM $t LEFT JOIN LATERAL unnest(l) AS x ON true ORDER BY 1, 2",
            "n:int8|x:text\n1|a\n1|b\n2|\n3|",
        )
        .await;
        check(
            "SELECT a.attname, k FROM pg_index i, unnest(i.indkey) AS k, pg_attribute a \
               WHERE a.attrelid = i.indrelid AND a.attnum = k",
            "attname:name|k:int2\ncustomer_no|1",
        )
        .await;
    }
}
