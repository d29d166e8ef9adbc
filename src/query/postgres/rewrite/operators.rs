//! Operators: named with their schema, on arrays, and between objects and their names.

use sqlparser::ast::{BinaryOperator, DataType, Expr, UnaryOperator, ValueWithSpan};

use crate::error::Result;
use crate::query::postgres::functions::names;
use crate::query::postgres::rewrite::{Rewriter, build, casts, data_types};
use crate::query::postgres::types::PgType;

/// Rewrites one operator. True if the result is to be looked at again.
pub fn rewrite(rewriter: &Rewriter<'_>, expr: &mut Expr) -> Result<bool> {
    match expr {
        Expr::Collate { expr: inner, .. } => {
            *expr = build::take(inner);
            Ok(true)
        }
        Expr::Case { operand: None, conditions, else_result, .. } => {
            let results = conditions.iter_mut().map(|branch| &mut branch.result);
            type_literals(rewriter, results.chain(else_result.as_deref_mut()).collect());
            Ok(false)
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => {
            truth(inner);
            Ok(false)
        }
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            truth(left);
            truth(right);
            Ok(false)
        }
        Expr::BinaryOp {
            left,
            op: op @ (BinaryOperator::Multiply | BinaryOperator::Divide),
            right,
        } if is_interval(left) || is_interval(right) => {
            let product = interval_product(left, op, right);
            Ok(product.map(|product| *expr = product).is_some())
        }
        Expr::BinaryOp { left, op: BinaryOperator::PGOverlap, right } => {
            *expr = build::call("array_has_any", vec![build::take(left), build::take(right)]);
            Ok(true)
        }
        Expr::BinaryOp { left, op, right } => {
            name_operator(op);
            if is_comparison(op) {
                compare(rewriter, left, right)?;
                compare(rewriter, right, left)?;
            }
            Ok(false)
        }
        Expr::AnyOp { left, compare_op, right, .. } => {
            name_operator(compare_op);
            type_array(rewriter, left, right);
            Ok(expand(expr))
        }
        Expr::AllOp { left, compare_op, right } => {
            name_operator(compare_op);
            type_array(rewriter, left, right);
            Ok(expand(expr))
        }
        Expr::Case { operand: Some(operand), conditions, .. } => {
            for branch in conditions {
                compare(rewriter, operand, &mut branch.condition)?;
            }
            Ok(false)
        }
        Expr::Like { any: true, .. } | Expr::ILike { any: true, .. } => Ok(like_any(expr)),
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            escape(pattern, escape_char);
            Ok(false)
        }
        _ => Ok(false),
    }
}

/// Whether an expression is an interval by what can be read off it.
fn is_interval(expr: &Expr) -> bool {
    let is =
        |data_type: &DataType| matches!(data_types::plain(data_type), DataType::Interval { .. });
    match build::bare(expr) {
        Expr::Interval(_) => true,
        Expr::TypedString(typed) => is(&typed.data_type),
        Expr::Cast { data_type, .. } => is(data_type),
        Expr::Function(function) => build::function_name(function) == "make_interval",
        _ => false,
    }
}

/// `2 * interval '1 day'` and `interval '1 day' / 2` as a multiple of the interval.
fn interval_product(left: &mut Expr, op: &BinaryOperator, right: &mut Expr) -> Option<Expr> {
    let (interval, number) = match (is_interval(left), op) {
        (true, _) => (build::take(left), build::take(right)),
        (false, BinaryOperator::Multiply) => (build::take(right), build::take(left)),
        (false, _) => return None,
    };
    let number = build::cast(Expr::Nested(Box::new(number)), DataType::DoublePrecision);
    let factor = match op {
        BinaryOperator::Multiply => number,
        _ => Expr::BinaryOp {
            left: Box::new(build::cast(build::number(1), DataType::DoublePrecision)),
            op: BinaryOperator::Divide,
            right: Box::new(number),
        },
    };
    Some(build::call("interval_product", vec![interval, factor]))
}

/// Functions of the catalog that give arrays.
const ARRAYS: &[&str] =
    &["acldefault", "array_agg", "array_or_empty", "current_schemas", "make_array"];

/// Of alternatives of which one is an array, literals such as `'{}'` are arrays too.
fn type_literals(rewriter: &Rewriter<'_>, mut alternatives: Vec<&mut Expr>) {
    let is_array = |expr: &Expr| match build::bare(expr) {
        Expr::Function(function) => ARRAYS.contains(&build::function_name(function).as_str()),
        column => rewriter.column_type(column).is_some_and(|ty| ty.element().is_some()),
    };
    if !alternatives.iter().any(|expr| is_array(expr)) {
        return;
    }
    for expr in &mut alternatives {
        if let Some(array) = build::literal_text(expr).and_then(casts::array_expr) {
            **expr = build::cast(array, data_types::of(PgType::TEXT.array()));
        }
    }
}

/// A text or a parameter where a truth value must be is one: `NOT 'f'`.
fn truth(expr: &mut Expr) {
    let inner = build::bare(expr);
    if build::literal_text(inner).is_some() || build::is_placeholder(inner) {
        *expr = build::cast(build::take(expr), DataType::Boolean);
    }
}

/// `LIKE ANY (...)` is the operator `~~` with ANY.
fn like_any(expr: &mut Expr) -> bool {
    use BinaryOperator::{PGILikeMatch, PGLikeMatch, PGNotILikeMatch, PGNotLikeMatch};
    let (left, right, compare_op) = match expr {
        Expr::Like { negated, expr, pattern, .. } => {
            (expr, pattern, if *negated { PGNotLikeMatch } else { PGLikeMatch })
        }
        Expr::ILike { negated, expr, pattern, .. } => {
            (expr, pattern, if *negated { PGNotILikeMatch } else { PGILikeMatch })
        }
        _ => return false,
    };
    let (left, right) = (Box::new(build::take(left)), Box::new(build::take(right)));
    *expr = Expr::AnyOp { left, compare_op, right, is_some: false };
    true
}

/// `LIKE pattern ESCAPE '/'` is `LIKE like_escape(pattern, '/')`: DataFusion knows the backslash alone.
fn escape(pattern: &mut Box<Expr>, escape_char: &mut Option<ValueWithSpan>) {
    let Some(escape) = escape_char.take() else { return };
    let plain = std::mem::replace(&mut **pattern, build::null());
    **pattern = build::call("like_escape", vec![plain, Expr::Value(escape)]);
}

/// `OPERATOR(pg_catalog.~)` is `~`.
fn name_operator(op: &mut BinaryOperator) {
    let BinaryOperator::PGCustomBinaryOperator(names) = op else { return };
    let plain = match names.last().map(String::as_str) {
        Some("=") => BinaryOperator::Eq,
        Some("<>" | "!=") => BinaryOperator::NotEq,
        Some("<") => BinaryOperator::Lt,
        Some("<=") => BinaryOperator::LtEq,
        Some(">") => BinaryOperator::Gt,
        Some(">=") => BinaryOperator::GtEq,
        Some("~") => BinaryOperator::PGRegexMatch,
        Some("~*") => BinaryOperator::PGRegexIMatch,
        Some("!~") => BinaryOperator::PGRegexNotMatch,
        Some("!~*") => BinaryOperator::PGRegexNotIMatch,
        Some("~~") => BinaryOperator::PGLikeMatch,
        Some("~~*") => BinaryOperator::PGILikeMatch,
        Some("!~~") => BinaryOperator::PGNotLikeMatch,
        Some("!~~*") => BinaryOperator::PGNotILikeMatch,
        Some("||") => BinaryOperator::StringConcat,
        Some("+") => BinaryOperator::Plus,
        Some("-") => BinaryOperator::Minus,
        Some("*") => BinaryOperator::Multiply,
        Some("/") => BinaryOperator::Divide,
        Some("%") => BinaryOperator::Modulo,
        Some("@>") => BinaryOperator::AtArrow,
        Some("<@") => BinaryOperator::ArrowAt,
        _ => return,
    };
    *op = plain;
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// A literal takes the type of the column that it is compared with, where DataFusion would not.
pub fn compare(rewriter: &Rewriter<'_>, column: &Expr, other: &mut Expr) -> Result<()> {
    let Some(text) = build::literal_text(other) else { return Ok(()) };
    if let Some(name) = rewriter.object_column(column) {
        names::check(&rewriter.description(), name, text)?;
        *other = build::call(&format!("{name}in"), vec![build::take(other)]);
        return Ok(());
    }
    if rewriter.column_type(column) == Some(PgType::BOOL) {
        *other = build::cast(build::take(other), DataType::Boolean);
        return Ok(());
    }
    if text.starts_with('{')
        && let Some(ty) = rewriter.column_type(column)
        && ty.element().is_some()
        && let Some(array) = casts::array_expr(text)
    {
        *other = build::cast(array, data_types::of(ty));
    }
    Ok(())
}

/// The array of `= ANY` gets its type from the left side, where it has none of its own.
fn type_array(rewriter: &Rewriter<'_>, left: &Expr, right: &mut Expr) {
    let element = match rewriter.column_type(left) {
        Some(ty) => Some(data_types::of(ty.array())),
        None if build::literal_text(left).is_some() => Some(data_types::of(PgType::TEXT.array())),
        None => None,
    };
    let is_placeholder = build::is_placeholder(build::bare(right));
    let literal = build::literal_text(build::bare(right)).and_then(casts::array_expr);
    match (element, literal) {
        (Some(array), Some(literal)) => *right = build::cast(literal, array),
        (None, Some(literal)) => *right = literal,
        (Some(array), None) if is_placeholder => *right = build::cast(build::take(right), array),
        _ => {}
    }
}

/// `x ~ ANY (ARRAY[a, b])` is `x ~ a OR x ~ b`, for operators that DataFusion has no ANY for.
fn expand(expr: &mut Expr) -> bool {
    let (left, op, right, joint) = match expr {
        Expr::AnyOp { left, compare_op, right, .. } => {
            (left, compare_op, right, BinaryOperator::Or)
        }
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, BinaryOperator::And),
        _ => return false,
    };
    if is_comparison(op) {
        return false;
    }
    let items = match build::bare(right) {
        Expr::Array(array) => array.elem.clone(),
        Expr::Function(function) if build::function_name(function) == "make_array" => {
            build::arguments(function).unwrap_or_default().into_iter().cloned().collect()
        }
        _ => return false,
    };
    let terms = items.into_iter().map(|item| Expr::BinaryOp {
        left: left.clone(),
        op: op.clone(),
        right: Box::new(item),
    });
    let none = build::boolean(joint == BinaryOperator::And);
    let all = terms.reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: joint.clone(),
        right: Box::new(right),
    });
    *expr = Expr::Nested(Box::new(all.unwrap_or(none)));
    true
}
