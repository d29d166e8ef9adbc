//! FROM lists: catalog relations without their schema, and functions as relations.

use sqlparser::ast::{
    DataType, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query,
    SelectItem, TableAlias, TableAliasColumnDef, TableFactor,
};

use crate::query::postgres::catalog;
use crate::query::postgres::functions;
use crate::query::postgres::rewrite::functions::strip_schema;
use crate::query::postgres::rewrite::{Rewriter, build, outputs};

/// Functions of the session itself that clients use as relations; the others are listed in `functions`.
const SCALARS: &[&str] = &[
    "array_to_string",
    "current_date",
    "current_timestamp",
    "date_trunc",
    "lower",
    "now",
    "regexp_match",
    "string_to_array",
    "to_timestamp",
    "upper",
];

/// Rewrites one relation of a FROM list.
pub fn rewrite(rewriter: &Rewriter<'_>, factor: &mut TableFactor) {
    match factor {
        TableFactor::Table { name, args: None, .. } => qualify(rewriter, name),
        TableFactor::Table { .. } | TableFactor::Function { .. } => rewrite_call(factor),
        TableFactor::UNNEST { with_ordinality: true, .. } => number_elements(factor),
        TableFactor::Derived { subquery, alias: Some(alias), .. } => name_rest(subquery, alias),
        TableFactor::UNNEST { alias, array_exprs, .. } => {
            name_column(alias.get_or_insert_with(|| alias_of("unnest")), array_exprs.len());
        }
        _ => {}
    }
}

/// `pg_class` is `pg_catalog.pg_class`, unless a CTE is called so.
fn qualify(rewriter: &Rewriter<'_>, name: &mut ObjectName) {
    if let [ObjectNamePart::Identifier(only)] = name.0.as_slice() {
        let folded = build::folded(only);
        if catalog::by_name("pg_catalog", &folded).is_some() && !rewriter.is_cte(&folded) {
            name.0.insert(0, ObjectNamePart::Identifier(Ident::new("pg_catalog")));
        }
    }
}

/// `f(...) AS x` has one column, and it is called `x`.
fn name_column(alias: &mut TableAlias, count: usize) {
    if alias.columns.is_empty() && count == 1 {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
}

/// `(VALUES (1, 2)) AS a(x)` names the first column only: the others keep their names.
fn name_rest(subquery: &mut Query, alias: &mut TableAlias) {
    if alias.columns.is_empty() {
        return;
    }
    let names: Vec<String> = match &*subquery.body {
        sqlparser::ast::SetExpr::Values(values) => {
            let count = values.rows.first().map_or(0, |row| row.len());
            (1..=count).map(|at| format!("column{at}")).collect()
        }
        _ => outputs::names(subquery).unwrap_or_default().into_iter().flatten().collect(),
    };
    for name in names.iter().skip(alias.columns.len()) {
        alias.columns.push(TableAliasColumnDef { name: build::ident(name), data_type: None });
    }
}

fn alias_of(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None }
}

fn rewrite_call(factor: &mut TableFactor) {
    let (name, args, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, &mut args.args, alias),
        TableFactor::Function { name, args, alias, .. } => (name, args, alias),
        _ => return,
    };
    strip_schema(name);
    let function = match build::parts(name).as_deref() {
        Some([function]) => function.clone(),
        _ => return,
    };
    match function.as_str() {
        "unnest" => *factor = unnest(std::mem::take(args), alias.take()),
        "generate_series" => {
            let alias = alias.get_or_insert_with(|| alias_of("generate_series"));
            name_column(alias, 1);
            if args.len() > 2 || !args.iter().all(is_literal) {
                *factor = series(expressions(std::mem::take(args)), alias.clone());
            }
        }
        "generate_subscripts" => {
            let mut alias = alias.take().unwrap_or_else(|| alias_of("generate_subscripts"));
            name_column(&mut alias, 1);
            *factor = series(subscript_bounds(expressions(std::mem::take(args))), alias);
        }
        scalar if is_scalar(scalar) => {
            let alias = alias.take().unwrap_or_else(|| alias_of(scalar));
            *factor = scalar_relation(scalar, std::mem::take(args), alias);
        }
        _ => {}
    }
}

fn is_scalar(name: &str) -> bool {
    let own = crate::query::functions::named(name);
    matches!(own, Some(crate::query::functions::Function::Scalar(_)))
        || functions::is_scalar_function(name)
        || SCALARS.contains(&name)
}

fn expressions(args: Vec<FunctionArg>) -> Vec<Expr> {
    let expressions = args.into_iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    expressions.collect()
}

fn unnest(args: Vec<FunctionArg>, alias: Option<TableAlias>) -> TableFactor {
    let array_exprs = expressions(args);
    let mut alias = alias.unwrap_or_else(|| alias_of("unnest"));
    name_column(&mut alias, array_exprs.len());
    TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

/// `unnest(a) WITH ORDINALITY AS t(x, n)`: two lists side by side, the elements and their numbers.
fn number_elements(factor: &mut TableFactor) {
    let TableFactor::UNNEST { alias, array_exprs, .. } = factor else { return };
    let mut alias = alias.take().unwrap_or_else(|| alias_of("unnest"));
    let count = array_exprs.len();
    for name in (alias.columns.len()..count).map(|_| alias.name.clone()).collect::<Vec<_>>() {
        alias.columns.push(TableAliasColumnDef { name, data_type: None });
    }
    if alias.columns.len() == count {
        let name = build::ident("ordinality");
        alias.columns.push(TableAliasColumnDef { name, data_type: None });
    }
    let Some(longest) = array_exprs.first().cloned() else { return };
    let last = build::call("cardinality", vec![longest]);
    let last = build::cast(last, DataType::BigInt(None));
    let numbers = build::call("generate_series", vec![build::number(1), last]);
    let lists = std::mem::take(array_exprs).into_iter().chain([numbers]);
    let mut query = build::query("SELECT 1");
    if let Some(select) = build::only_select_mut(&mut query) {
        let item = |(at, list): (usize, Expr)| SelectItem::ExprWithAlias {
            expr: build::call("unnest", vec![list]),
            alias: build::ident(&format!("column{at}")),
        };
        select.projection = lists.enumerate().map(item).collect();
    }
    let subquery = Box::new(query);
    *factor = TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None };
}

/// Whether a table function of DataFusion takes this argument: a literal, maybe with a sign or a cast.
fn is_literal(argument: &FunctionArg) -> bool {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else { return false };
    let mut expr = expr;
    while let Expr::Nested(inner)
    | Expr::UnaryOp { expr: inner, .. }
    | Expr::Cast { expr: inner, .. } = expr
    {
        expr = inner;
    }
    // What a parameter is, is known too late for a table function.
    !build::is_placeholder(expr)
        && matches!(expr, Expr::Value(_) | Expr::TypedString(_) | Expr::Interval(_))
}

/// `generate_series` of what is only known at run time: the elements of the list of its numbers.
fn series(bounds: Vec<Expr>, alias: TableAlias) -> TableFactor {
    let list = build::call("generate_series", bounds);
    subquery(build::call("unnest", vec![list]), "generate_series", alias)
}

/// The least and the greatest subscript of an array.
pub fn subscript_bounds(arguments: Vec<Expr>) -> Vec<Expr> {
    let bound = |name| build::call(name, arguments.clone());
    vec![bound("array_lower"), bound("array_upper")]
}

/// `FROM version()` is `FROM (SELECT version())`.
fn scalar_relation(function: &str, args: Vec<FunctionArg>, mut alias: TableAlias) -> TableFactor {
    name_column(&mut alias, 1);
    subquery(build::call(function, expressions(args)), function, alias)
}

/// `(SELECT expr AS name) AS alias`.
fn subquery(expr: Expr, name: &str, alias: TableAlias) -> TableFactor {
    let mut subquery: Query = build::query("SELECT 1");
    if let Some(select) = build::only_select_mut(&mut subquery) {
        select.projection = vec![SelectItem::ExprWithAlias { expr, alias: build::ident(name) }];
    }
    let subquery = Box::new(subquery);
    TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None }
}
