//! `json`, `jsonb` and `uuid`: casts and operators as calls, and functions that give a row for each element.

use sqlparser::ast::{
    BinaryOperator, DataType, Expr, FunctionArg, FunctionArgExpr, TableAlias, TableFactor,
};

use crate::query::postgres::json::LISTS;
use crate::query::postgres::rewrite::{build, data_types};

/// Rewrites one expression. True if the result is to be looked at again.
pub fn rewrite(expr: &mut Expr) -> bool {
    match expr {
        Expr::Cast { expr: inner, data_type, .. } => {
            let Some(reader) = reader(data_type) else { return false };
            *expr = build::call(reader, vec![build::take(inner)]);
            true
        }
        Expr::BinaryOp { left, op, right } => {
            let Some(function) = operator(left, op, right) else { return false };
            let (function, swapped) = function;
            let (left, right) = (build::take(left), build::take(right));
            let arguments = if swapped { vec![right, left] } else { vec![left, right] };
            *expr = build::call(function, arguments);
            true
        }
        Expr::Function(function) => {
            let name = build::function_name(function);
            let Some((_, list, _)) = LISTS.iter().find(|(own, _, _)| *own == name) else {
                return false;
            };
            let Some(arguments) = build::take_arguments(function) else { return false };
            *expr = build::call("unnest", vec![build::call(list, arguments)]);
            true
        }
        _ => false,
    }
}

/// The function that reads a text as a type.
fn reader(data_type: &DataType) -> Option<&'static str> {
    match data_types::kept_as_text(data_type)? {
        "json" => Some("json_in"),
        "jsonb" => Some("jsonb_in"),
        "uuid" => Some("uuid_in"),
        _ => None,
    }
}

/// The function that stands for an operator, and whether it takes its operands in the other order.
fn operator(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<(&'static str, bool)> {
    let json = || is_json(left) || is_json(right);
    Some(match op {
        BinaryOperator::Arrow => ("json_get", false),
        BinaryOperator::LongArrow => ("json_get_text", false),
        BinaryOperator::HashArrow => ("json_path", false),
        BinaryOperator::HashLongArrow => ("json_path_text", false),
        BinaryOperator::Question => ("jsonb_exists", false),
        BinaryOperator::QuestionPipe => ("jsonb_exists_any", false),
        BinaryOperator::QuestionAnd => ("jsonb_exists_all", false),
        BinaryOperator::AtArrow if json() => ("jsonb_contains", false),
        BinaryOperator::ArrowAt if json() => ("jsonb_contains", true),
        _ => return None,
    })
}

/// Whether an expression is JSON by what can be read off it: a cast, or a call that gives it.
fn is_json(expr: &Expr) -> bool {
    match build::bare(expr) {
        Expr::Cast { data_type, .. } => reader(data_type).is_some(),
        Expr::BinaryOp { op: BinaryOperator::Arrow | BinaryOperator::HashArrow, .. } => true,
        Expr::Function(function) => {
            let name = build::function_name(function);
            name.starts_with("json") || name.starts_with("to_json")
        }
        _ => false,
    }
}

/// `FROM jsonb_array_elements(x) AS e` is `FROM unnest(jsonb_elements(x)) AS e(value)`.
pub fn rewrite_relation(factor: &mut TableFactor) {
    let (name, args, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, &mut args.args, alias),
        TableFactor::Function { name, args, alias, .. } => (name, args, alias),
        _ => return,
    };
    let Some(own) = build::parts(name).and_then(|mut parts| parts.pop()) else { return };
    let Some((own, list, column)) = LISTS.iter().find(|(name, _, _)| *name == own) else { return };
    let arguments = args.drain(..).filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    let call = build::call(list, arguments.collect());
    let mut alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: build::ident(own),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        let name = build::ident(column);
        alias.columns.push(sqlparser::ast::TableAliasColumnDef { name, data_type: None });
    }
    *factor = TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs: vec![call],
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    };
}
