//! Whole numbers of the result: `SELECT 1` is `int4` in PostgreSQL, `int8` in DataFusion.
//!
//! Only literals that become output, and arithmetic of nothing but literals and casts to `int4`, are
//! narrowed; the arithmetic itself is done in 64 bits, so that an overflow is an error and not a wrong number.

use sqlparser::ast::{BinaryOperator, DataType, Expr, UnaryOperator, Value};

use crate::query::postgres::json::plain_number;
use crate::query::postgres::rewrite::{build, data_types};

/// Functions whose result has the type of their arguments.
const SAME_TYPE: &[&str] = &["coalesce", "greatest", "least", "nullif", "make_array"];

/// Digits that a numeric can have; a literal with more is a double.
const DIGITS_MAX: usize = 38;

/// `1e21` is a numeric too, which DataFusion reads without an exponent only. True if it was one.
pub fn expand(expr: &mut Expr) -> bool {
    let Expr::Value(value) = expr else { return false };
    let Value::Number(text, _) = &mut value.value else { return false };
    if !text.contains(['e', 'E']) {
        return false;
    }
    let plain = plain_number(text);
    if plain.len() <= DIGITS_MAX && !plain.contains(['e', 'E']) {
        // A whole number would be read as an integer, with fewer digits.
        *text = if plain.contains('.') { plain } else { format!("{plain}.") };
        return true;
    }
    *expr = build::cast(build::string(text), DataType::DoublePrecision);
    true
}

/// Gives an output expression the type that PostgreSQL would give it.
pub fn narrow(expr: &mut Expr) {
    match expr {
        Expr::Nested(inner) => narrow(inner),
        Expr::Array(array) => array.elem.iter_mut().for_each(narrow),
        Expr::Case { conditions, else_result, .. } => {
            conditions.iter_mut().for_each(|branch| narrow(&mut branch.result));
            else_result.iter_mut().for_each(|result| narrow(result));
        }
        Expr::Function(function)
            if SAME_TYPE.contains(&build::function_name(function).as_str()) =>
        {
            narrow_arguments(function);
        }
        _ if is_int(expr) && !is_cast(expr) => {
            widen(expr);
            let taken = std::mem::replace(expr, build::null());
            *expr = build::cast(taken, DataType::Integer(None));
        }
        _ => {}
    }
}

/// Gives the literals among the arguments of a call the types that they have in a result.
pub fn narrow_arguments(function: &mut sqlparser::ast::Function) {
    use sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments};
    let FunctionArguments::List(list) = &mut function.args else { return };
    for argument in &mut list.args {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument {
            narrow(expr);
        }
    }
}

fn is_cast(expr: &Expr) -> bool {
    matches!(build::bare(expr), Expr::Cast { .. })
}

/// Whether an expression is `int4` by what can be read off it.
fn is_int(expr: &Expr) -> bool {
    let mut pending = vec![expr];
    while let Some(expr) = pending.pop() {
        match build::bare(expr) {
            Expr::Cast { data_type, .. } => {
                let plain = data_types::plain(data_type);
                let is_int = matches!(
                    plain,
                    DataType::Int(_)
                        | DataType::Integer(_)
                        | DataType::Int4(_)
                        | DataType::SmallInt(_)
                        | DataType::Int2(_)
                );
                if !is_int {
                    return false;
                }
            }
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } if is_least(expr) => {}
            Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => {
                pending.push(expr);
            }
            Expr::BinaryOp { left, op, right } if is_arithmetic(op) => {
                pending.push(left);
                pending.push(right);
            }
            other => {
                let int = build::literal_int(other).and_then(|digits| digits.parse::<i32>().ok());
                if int.is_none() {
                    return false;
                }
            }
        }
    }
    true
}

/// Whether this is the least `int4` but for its sign.
fn is_least(expr: &Expr) -> bool {
    build::literal_int(build::bare(expr)) == Some("2147483648")
}

fn is_arithmetic(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Divide, Minus, Modulo, Multiply, Plus};
    matches!(op, Plus | Minus | Multiply | Divide | Modulo)
}

/// Casts inside of the arithmetic go to 64 bits, in which it cannot overflow unnoticed.
fn widen(expr: &mut Expr) {
    let mut pending = vec![expr];
    while let Some(expr) = pending.pop() {
        match expr {
            Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => pending.push(inner),
            Expr::BinaryOp { left, right, .. } => {
                pending.push(left);
                pending.push(right);
            }
            Expr::Cast { .. } => {
                let taken = std::mem::replace(expr, build::null());
                *expr = build::cast(taken, DataType::BigInt(None));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::postgres::rewrite::outputs;
    use sqlparser::ast::SelectItem;

    fn check(select: &str, expected: &str) {
        let mut query = build::query(select);
        let mut items = outputs::leaves(&mut query).remove(0).projection.iter_mut();
        let Some(SelectItem::UnnamedExpr(expr)) = items.next() else { panic!("one expression") };
        narrow(expr);
        assert_eq!(expr.to_string(), expected, "{select}");
    }

    #[test]
    fn exponents_are_written_out() {
        for (text, expected) in [
            ("1e21", "1000000000000000000000."),
            ("15e-1", "1.5"),
            ("1e300", "CAST('1e300' AS DOUBLE PRECISION)"),
        ] {
            let mut expr = Expr::value(Value::Number(text.to_owned(), false));
            assert!(expand(&mut expr));
            assert_eq!(expr.to_string(), expected);
            assert!(!expand(&mut expr));
        }
    }

    #[test]
    fn literals_become_int4() {
        check("SELECT 1", "CAST(1 AS INTEGER)");
        check("SELECT -1", "CAST(-1 AS INTEGER)");
        check("SELECT 3000000000", "3000000000");
        check("SELECT 1.5", "1.5");
        check("SELECT ARRAY[1, 2]", "ARRAY[CAST(1 AS INTEGER), CAST(2 AS INTEGER)]");
        check("SELECT coalesce(a, 0)", "coalesce(a, CAST(0 AS INTEGER))");
        check("SELECT sum(1)", "sum(1)");
        check("SELECT a + 1", "a + 1");
    }

    #[test]
    fn arithmetic_is_done_in_64_bits() {
        check("SELECT 1 + 2 * 3", "CAST(1 + 2 * 3 AS INTEGER)");
        check("SELECT $1::int + 1", "CAST(CAST($1::INT AS BIGINT) + 1 AS INTEGER)");
        check("SELECT $1::int8 + 1", "$1::INT8 + 1");
        check("SELECT $1::int", "$1::INT");
    }
}
