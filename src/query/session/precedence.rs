//! How strongly operators bind where the parser differs from PostgreSQL: `IS DISTINCT FROM` more than NOT,
//! AND and OR, and the sign of a number more than `^`.
//!
//! The parser takes everything after FROM for the right operand, so that `a IS DISTINCT FROM b OR c` comes
//! out as `a IS DISTINCT FROM (b OR c)`. [`repair`] turns such trees back; what the user put into
//! parentheses is `Expr::Nested` and stays. `command` calls it on what it has parsed; it reads no text.

use std::convert::Infallible;
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Statement, UnaryOperator, Value, visit_expressions_mut,
};

/// Binds every operator of a statement as PostgreSQL does.
pub(super) fn repair(statement: &mut Statement) {
    // Operands come before what they are operands of, so that each swap meets repaired trees only.
    let _: ControlFlow<Infallible> = visit_expressions_mut(statement, |expr| {
        lift(expr);
        bind_sign(expr);
        ControlFlow::Continue(())
    });
}

/// `-2 ^ 2` is `(-2) ^ 2`.
fn bind_sign(expr: &mut Expr) {
    let Expr::UnaryOp { op: UnaryOperator::Minus, expr: power } = expr else { return };
    let Expr::BinaryOp { left, op: BinaryOperator::PGExp, .. } = power.as_mut() else { return };
    let first = Box::new(take(left));
    **left = Expr::UnaryOp { op: UnaryOperator::Minus, expr: first };
    *expr = take(power);
}

/// Moves a looser AND or OR out of the right operand: `x op (l OR r)` becomes `(x op l) OR r`.
fn lift(expr: &mut Expr) {
    let Some(strength) = strength(expr) else { return };
    let Some(right) = right_of(expr) else { return };
    if connective(right).is_none_or(|weaker| weaker >= strength) {
        return;
    }
    let mut lifted = take(right);
    let first = leftmost(&mut lifted, strength);
    *right = take(first);
    *first = take(expr);
    *expr = lifted;
}

/// The first operand of a chain of looser ANDs and ORs.
fn leftmost(chain: &mut Expr, strength: u8) -> &mut Expr {
    if connective(chain).is_none_or(|weaker| weaker >= strength) {
        return chain;
    }
    match chain {
        Expr::BinaryOp { left, .. } => leftmost(left, strength),
        other => other,
    }
}

fn connective(expr: &Expr) -> Option<u8> {
    match expr {
        Expr::BinaryOp { op: BinaryOperator::Or, .. } => Some(1),
        Expr::BinaryOp { op: BinaryOperator::And, .. } => Some(2),
        _ => None,
    }
}

fn strength(expr: &Expr) -> Option<u8> {
    match expr {
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => Some(3),
        Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => Some(4),
        other => connective(other),
    }
}

fn right_of(expr: &mut Expr) -> Option<&mut Expr> {
    match expr {
        Expr::UnaryOp { expr: right, .. }
        | Expr::BinaryOp { right, .. }
        | Expr::IsDistinctFrom(_, right)
        | Expr::IsNotDistinctFrom(_, right) => Some(right),
        _ => None,
    }
}

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::value(Value::Null))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::parser::Parser;

    /// Both expressions are one; the second has all parentheses.
    fn check(plain: &str, nested: &str) {
        let shown = |text: &str| {
            let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &format!("SELECT {text}"));
            let mut statement = parsed.expect("it can be parsed").remove(0);
            repair(&mut statement);
            let open = |expr: &mut Expr| {
                if let Expr::Nested(inner) = expr {
                    *expr = take(inner);
                }
                ControlFlow::<Infallible>::Continue(())
            };
            let _ = visit_expressions_mut(&mut statement, open);
            skeleton(&statement)
        };
        assert_eq!(shown(plain), shown(nested), "{plain}");
    }

    /// The tree, with a parenthesis around every operator.
    fn skeleton(statement: &Statement) -> String {
        let mut statement = statement.clone();
        let wrap = |expr: &mut Expr| {
            if strength(expr).is_some() {
                *expr = Expr::Nested(Box::new(take(expr)));
            }
            ControlFlow::<Infallible>::Continue(())
        };
        let _ = visit_expressions_mut(&mut statement, wrap);
        statement.to_string()
    }

    #[test]
    fn it_binds_more_than_connectives() {
        let (is, is_not) = ("IS DISTINCT FROM", "IS NOT DISTINCT FROM");
        check(&format!("a {is} b OR c"), &format!("(a {is} b) OR c"));
        check(&format!("a {is_not} b AND c OR d"), &format!("((a {is_not} b) AND c) OR d"));
        check(&format!("x AND a {is} b OR c"), &format!("(x AND (a {is} b)) OR c"));
        check(&format!("x OR a {is} b AND c"), &format!("x OR ((a {is} b) AND c)"));
        check(&format!("NOT a {is} b AND c"), &format!("(NOT (a {is} b)) AND c"));
        check(&format!("a {is} b OR c {is} d OR e"), &format!("(a {is} b) OR ((c {is} d) OR e)"));
        check(&format!("a {is} (b OR c)"), &format!("a {is} (b OR c)"));
        check(&format!("a {is} b + 1"), &format!("a {is} (b + 1)"));
    }

    #[test]
    fn a_sign_binds_more_than_a_power() {
        for (text, is_power) in [("-2 ^ 2", true), ("-(2 ^ 2)", false), ("1 - 2 ^ 2", false)] {
            let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).expect("tokens");
            let mut expr = parser.parse_expr().expect("an expression");
            bind_sign(&mut expr);
            let found = matches!(expr, Expr::BinaryOp { op: BinaryOperator::PGExp, .. });
            assert_eq!(found, is_power, "{text}");
        }
    }

    #[test]
    fn other_statements_stay() {
        check("a AND b OR c AND NOT d", "(a AND b) OR (c AND (NOT d))");
        check("a AND (b OR c)", "a AND (b OR c)");
    }
}
