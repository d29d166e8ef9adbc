//! Calls of functions: without their schema, under DataFusion's names, with PostgreSQL's result types.

use sqlparser::ast::{
    AccessExpr, BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, ObjectNamePart, Subscript, TimezoneInfo, Value,
};

use crate::query::postgres::rewrite::{Rewriter, build, literals};
use crate::query::postgres::types::PgType;

/// PostgreSQL's names of functions that DataFusion has under another.
const RENAMED: &[(&str, &str)] = &[
    ("ceiling", "ceil"),
    ("char_length", "length"),
    ("clock_timestamp", "now"),
    ("every", "bool_and"),
    ("pow", "power"),
    ("sign", "signum"),
    ("statement_timestamp", "now"),
    ("transaction_timestamp", "now"),
    ("variance", "var_samp"),
];

/// Functions whose result has fewer bits, or a sign more, in PostgreSQL.
const NARROWED: &[(&str, DataType)] = &[
    ("array_length", DataType::Integer(None)),
    ("array_ndims", DataType::Integer(None)),
    ("array_position", DataType::Integer(None)),
    ("cardinality", DataType::Integer(None)),
    ("dense_rank", DataType::BigInt(None)),
    ("ntile", DataType::Integer(None)),
    ("rank", DataType::BigInt(None)),
    ("row_number", DataType::BigInt(None)),
];

/// Schemas whose functions need no qualification.
fn is_system_schema(name: &str) -> bool {
    name == "pg_catalog" || name == "information_schema"
}

/// Takes a system schema off a name.
pub fn strip_schema(name: &mut sqlparser::ast::ObjectName) {
    let schema = name.0.len().checked_sub(2).and_then(|at| name.0[at].as_ident());
    if schema.map(build::folded).is_some_and(|schema| is_system_schema(&schema)) {
        let last = name.0.pop().expect("the name has two parts");
        name.0 = vec![last];
    }
}

/// The type to which a call's result is to be cast.
pub fn narrowed(expr: &Expr) -> Option<&'static DataType> {
    let Expr::Function(function) = expr else { return None };
    let name = build::function_name(function);
    NARROWED.iter().find(|(narrow, _)| *narrow == name).map(|(_, data_type)| data_type)
}

/// Rewrites one call. True if the result is to be looked at again.
pub fn rewrite(expr: &mut Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    strip_schema(&mut function.name);
    let name = build::function_name(function);
    if let Some((_, renamed)) = RENAMED.iter().find(|(own, _)| *own == name) {
        function.name = build::object(renamed);
    }
    let replaced = match name.as_str() {
        "gen_random_uuid" => Some(build::call("uuid_in", vec![build::call("uuid", Vec::new())])),
        "mod" => binary(function, BinaryOperator::Modulo),
        "make_interval" => in_order(function, MAKE_INTERVAL),
        "pg_typeof" => {
            literals::narrow_arguments(function);
            None
        }
        "substring" | "substr" => matched(function),
        "_pg_truetypid" => of_attribute(function, "atttypid"),
        "_pg_truetypmod" => of_attribute(function, "atttypmod"),
        _ => None,
    };
    replaced.map(|new| *expr = new).is_some()
}

/// `current_role` and others that are functions without parentheses. True if it was one.
pub fn rewrite_keyword(rewriter: &Rewriter<'_>, expr: &mut Expr) -> bool {
    let Expr::Identifier(name) = expr else { return false };
    if name.quote_style.is_some() || rewriter.column_type(&Expr::Identifier(name.clone())).is_some()
    {
        return false;
    }
    let now = || build::call("now", Vec::new());
    *expr = match name.value.to_lowercase().as_str() {
        keyword @ ("current_role" | "current_schema") => build::call(keyword, Vec::new()),
        "localtime" => build::cast(now(), DataType::Time(None, TimezoneInfo::None)),
        "localtimestamp" => build::cast(now(), DataType::Timestamp(None, TimezoneInfo::None)),
        _ => return false,
    };
    true
}

fn binary(function: &mut Function, op: BinaryOperator) -> Option<Expr> {
    if build::arguments(function)?.len() != 2 {
        return None;
    }
    let mut arguments = build::take_arguments(function)?.into_iter();
    let (left, right) = (arguments.next()?, arguments.next()?);
    let nested = |expr| Box::new(Expr::Nested(Box::new(expr)));
    Some(Expr::Nested(Box::new(Expr::BinaryOp { left: nested(left), op, right: nested(right) })))
}

/// The arguments of `make_interval`, all of which are 0 unless they are given.
const MAKE_INTERVAL: &[&str] = &["years", "months", "weeks", "days", "hours", "mins", "secs"];

/// Puts named arguments (`days => 2`) into their places. `None` if there are none.
fn in_order(function: &mut Function, names: &[&str]) -> Option<Expr> {
    let FunctionArguments::List(list) = &mut function.args else { return None };
    let is_named = |argument: &FunctionArg| matches!(argument, FunctionArg::Named { .. });
    if !list.args.iter().any(is_named) {
        return None;
    }
    let mut values: Vec<Expr> = names.iter().map(|_| build::number(0)).collect();
    for (at, argument) in std::mem::take(&mut list.args).into_iter().enumerate() {
        match argument {
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => {
                let name = build::folded(&name);
                *values.get_mut(names.iter().position(|own| *own == name)?)? = expr;
            }
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => *values.get_mut(at)? = expr,
            _ => return None,
        }
    }
    Some(build::call(&build::function_name(function), values))
}

/// `substring(text, pattern)` is the first match of the pattern, or of its first group.
fn matched(function: &mut Function) -> Option<Expr> {
    let pattern = *build::arguments(function)?.get(1)?;
    build::literal_text(build::bare(pattern))?;
    if build::arguments(function)?.len() != 2 {
        return None;
    }
    let matches = build::call("regexp_match", build::take_arguments(function)?);
    Some(build::call("array_element", vec![matches, build::number(1)]))
}

/// The forms of expressions that DataFusion's planner does not know. True if it was one.
pub fn rewrite_form(expr: &mut Expr) -> bool {
    match expr {
        Expr::Substring {
            expr: text, substring_from: Some(pattern), substring_for: None, ..
        } if build::literal_text(build::bare(pattern)).is_some() => {
            let arguments = vec![build::take(text), build::take(pattern)];
            let matches = build::call("regexp_match", arguments);
            *expr = build::call("array_element", vec![matches, build::number(1)]);
            true
        }
        Expr::SimilarTo { negated, expr: text, pattern, escape_char: None } => {
            let Some(pattern) = build::literal_text(build::bare(pattern)).map(similar) else {
                return false;
            };
            let op = match *negated {
                true => BinaryOperator::PGRegexNotMatch,
                false => BinaryOperator::PGRegexMatch,
            };
            let (left, right) = (build::take(text), build::string(&pattern));
            *expr = Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) };
            true
        }
        Expr::Value(value) => {
            let Value::UnicodeStringLiteral(text) = &value.value else { return false };
            *expr = build::string(text);
            true
        }
        _ => false,
    }
}

/// The regular expression that a pattern of SIMILAR TO stands for.
fn similar(pattern: &str) -> String {
    let mut regex = "^(?:".to_owned();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '\\' => {
                regex.push('\\');
                regex.extend(characters.next());
            }
            '.' | '^' | '$' => {
                regex.push('\\');
                regex.push(character);
            }
            other => regex.push(other),
        }
    }
    regex + ")$"
}

/// `_pg_truetypid(a, t)` looks through domains, of which there are none.
fn of_attribute(function: &Function, column: &str) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let alias = match list.args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(alias))) => alias.clone(),
        FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => {
            name.0.last().and_then(ObjectNamePart::as_ident)?.clone()
        }
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::QualifiedWildcard(name, _))) => {
            name.0.last().and_then(ObjectNamePart::as_ident)?.clone()
        }
        _ => return None,
    };
    Some(Expr::CompoundIdentifier(vec![alias, Ident::new(column)]))
}

/// Rewrites `vector[i]` and `name[i]`, which count from 0, and `(row).field`. True if it was one.
pub fn rewrite_access(rewriter: &Rewriter<'_>, expr: &mut Expr) -> bool {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return false };
    if let (Expr::Nested(_), [AccessExpr::Dot(Expr::Identifier(field))]) =
        (&**root, access_chain.as_slice())
    {
        let field = build::string(&build::folded(field));
        *expr = build::call("get_field", vec![build::take(root), field]);
        return true;
    }
    let Some(AccessExpr::Subscript(Subscript::Index { index })) = access_chain.last() else {
        return false;
    };
    let Some(column) = column_of(root, &access_chain[..access_chain.len() - 1]) else {
        return false;
    };
    let of_column = match rewriter.column_type(&column).map(PgType::name) {
        Some("int2vector" | "oidvector") => "array_element",
        Some("name") => "substr",
        _ => return false,
    };
    let position = Expr::BinaryOp {
        left: Box::new(Expr::Nested(Box::new(index.clone()))),
        op: BinaryOperator::Plus,
        right: Box::new(build::number(1)),
    };
    let mut arguments = vec![column, position];
    arguments.extend((of_column == "substr").then(|| build::number(1)));
    *expr = build::call(of_column, arguments);
    true
}

/// The column that a root and the names after it are.
fn column_of(root: &Expr, names: &[AccessExpr]) -> Option<Expr> {
    let mut path = match build::bare(root) {
        Expr::Identifier(name) => vec![name.clone()],
        Expr::CompoundIdentifier(path) => path.clone(),
        _ => return None,
    };
    for access in names {
        let AccessExpr::Dot(Expr::Identifier(name)) = access else { return None };
        path.push(name.clone());
    }
    match path.len() {
        1 => path.pop().map(Expr::Identifier),
        _ => Some(Expr::CompoundIdentifier(path)),
    }
}
