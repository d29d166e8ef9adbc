//! Pieces of syntax tree, built and taken apart.

use sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, OrderByExpr, Query,
    Select, SetExpr, Value, ValueWithSpan,
};
use sqlparser::tokenizer::Span;

/// An identifier that is taken as it is.
pub fn ident(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// What an identifier means: folded to lower case unless it is quoted.
pub fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The parts of a name, folded; `None` if one is not a plain identifier.
pub fn parts(name: &ObjectName) -> Option<Vec<String>> {
    name.0.iter().map(|part| part.as_ident().map(folded)).collect()
}

/// A name of one part.
pub fn object(name: &str) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))])
}

fn value(value: Value) -> Expr {
    Expr::Value(ValueWithSpan { value, span: Span::empty() })
}

/// `NULL`.
pub fn null() -> Expr {
    value(Value::Null)
}

/// A truth value.
pub fn boolean(truth: bool) -> Expr {
    value(Value::Boolean(truth))
}

/// A whole number.
pub fn number(number: i64) -> Expr {
    value(Value::Number(number.to_string(), false))
}

/// A text.
pub fn string(text: &str) -> Expr {
    value(Value::SingleQuotedString(text.to_owned()))
}

/// The text of a literal, if it is one.
pub fn literal_text(expr: &Expr) -> Option<&str> {
    let Expr::Value(value) = expr else { return None };
    match &value.value {
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
        Value::DollarQuotedString(text) => Some(&text.value),
        _ => None,
    }
}

/// The digits of a whole number, if it is one.
pub fn literal_int(expr: &Expr) -> Option<&str> {
    let Expr::Value(value) = expr else { return None };
    match &value.value {
        Value::Number(text, _) if text.bytes().all(|byte| byte.is_ascii_digit()) => Some(text),
        _ => None,
    }
}

/// Whether it is a parameter.
pub fn is_placeholder(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::Placeholder(_)))
}

/// `CAST(expr AS type)`.
pub fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: sqlparser::ast::CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

/// `name(arguments)`.
pub fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(call_with(name, arguments, Vec::new()))
}

/// `name(arguments ORDER BY order)`.
pub fn call_with(name: &str, arguments: Vec<Expr>, order: Vec<OrderByExpr>) -> Function {
    let args = arguments.into_iter().map(|it| FunctionArg::Unnamed(FunctionArgExpr::Expr(it)));
    let clauses = match order.is_empty() {
        true => Vec::new(),
        false => vec![FunctionArgumentClause::OrderBy(order)],
    };
    Function {
        name: object(name),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.collect(),
            clauses,
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

/// A function's own name, folded, without its schema.
pub fn function_name(function: &Function) -> String {
    function.name.0.last().and_then(ObjectNamePart::as_ident).map(folded).unwrap_or_default()
}

/// A function's arguments, if all are plain expressions.
pub fn arguments(function: &Function) -> Option<Vec<&Expr>> {
    let FunctionArguments::List(list) = &function.args else { return Some(Vec::new()) };
    list.args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect()
}

/// Takes a function's arguments, if all are plain expressions; else leaves them.
pub fn take_arguments(function: &mut Function) -> Option<Vec<Expr>> {
    arguments(function)?;
    let FunctionArguments::List(list) = &mut function.args else { return Some(Vec::new()) };
    let taken = std::mem::take(&mut list.args).into_iter();
    Some(
        taken
            .filter_map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            })
            .collect(),
    )
}

/// The expression without the parentheses around it.
pub fn bare(expr: &Expr) -> &Expr {
    let mut expr = expr;
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// Takes an expression out of its place, without the parentheses around it.
pub fn take(expr: &mut Expr) -> Expr {
    let mut taken = std::mem::replace(expr, null());
    while let Expr::Nested(inner) = taken {
        taken = *inner;
    }
    taken
}

/// The one SELECT of a query that is nothing but that.
pub fn only_select(query: &Query) -> Option<&Select> {
    match &*query.body {
        SetExpr::Select(select) if query.with.is_none() => Some(select),
        _ => None,
    }
}

/// The same, to be changed.
pub fn only_select_mut(query: &mut Query) -> Option<&mut Select> {
    match &mut *query.body {
        SetExpr::Select(select) if query.with.is_none() => Some(select),
        _ => None,
    }
}

/// Parses an SQL template of ours, in which nothing comes from a user.
pub fn query(sql: &str) -> Query {
    let mut parser = sqlparser::parser::Parser::new(&sqlparser::dialect::PostgreSqlDialect {})
        .try_with_sql(sql)
        .expect("templates are valid SQL");
    *parser.parse_query().expect("templates are queries")
}
