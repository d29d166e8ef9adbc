//! Depth: how deeply a statement may nest, and long chains of AND or OR made shallow.

use sqlparser::ast::{BinaryOperator, Expr};

use crate::error::{Error, Result, SqlState};
use crate::query::postgres::rewrite::build;

/// The most expressions inside one another. Planning recurses a few times as deep and takes some
/// kilobytes of stack for each, so that this much fits the stacks that plans are made on.
pub const NESTING_MAX: usize = 1_000;

/// Chains longer than this become balanced trees; shorter ones stay as they were written.
const CHAIN_MAX: usize = 16;

/// Counts how deep the visitor is.
#[derive(Debug, Default)]
pub struct Depth(usize);

impl Depth {
    /// Goes one deeper.
    ///
    /// # Errors
    /// `54001` if that is too deep.
    pub fn enter(&mut self) -> Result<()> {
        self.0 += 1;
        if self.0 > NESTING_MAX {
            let message = "statement is nested too deeply";
            return Err(Error::new(SqlState::STATEMENT_TOO_COMPLEX, message)
                .detail(format!("Expressions can be nested {NESTING_MAX} deep.")));
        }
        Ok(())
    }

    /// Comes back.
    pub fn leave(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }
}

/// Makes `((a OR b) OR c) OR ...`, as parsers build it, as deep as its logarithm.
pub fn balance(expr: &mut Expr) {
    let Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } = expr else {
        return;
    };
    let op = op.clone();
    if chain_length(expr, &op) <= CHAIN_MAX {
        return;
    }
    let mut terms = Vec::new();
    let mut rest = std::mem::replace(expr, build::null());
    loop {
        match rest {
            Expr::BinaryOp { left, op: own, right } if own == op => {
                terms.push(*right);
                rest = *left;
            }
            first => {
                terms.push(first);
                break;
            }
        }
    }
    terms.reverse();
    *expr = joined(terms, &op);
}

fn chain_length(expr: &Expr, op: &BinaryOperator) -> usize {
    let mut length = 1;
    let mut expr = expr;
    while let Expr::BinaryOp { left, op: own, .. } = expr {
        if own != op {
            break;
        }
        length += 1;
        expr = left;
    }
    length
}

/// Joins neighbours pair by pair until one is left.
fn joined(mut terms: Vec<Expr>, op: &BinaryOperator) -> Expr {
    while terms.len() > 1 {
        let mut pairs = Vec::with_capacity(terms.len().div_ceil(2));
        let mut iterator = terms.into_iter();
        while let Some(left) = iterator.next() {
            pairs.push(match iterator.next() {
                Some(right) => {
                    Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) }
                }
                None => left,
            });
        }
        terms = pairs;
    }
    terms.pop().expect("a chain has terms")
}
