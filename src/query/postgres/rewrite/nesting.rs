//! Depth: how deeply a statement may nest, and long chains of AND or OR made shallow.

use sqlparser::ast::{BinaryOperator, Expr, SetExpr, SetOperator, Values};

use crate::error::{Error, Result, SqlState};
use crate::query::postgres::rewrite::build;

/// The most expressions inside one another. Planning takes some 8 KiB of stack for each in a build
/// without optimisation, so that statements of this depth want to be planned on a stack of 128 MiB. The time that planning takes grows with the square.
pub const NESTING_MAX: usize = 1_200;

/// The most subqueries in expressions inside one another: DataFusion checks plans in a time that doubles
/// with each. Subqueries in FROM lists do not count.
pub const SUBQUERIES_MAX: usize = 14;

/// The most queries that a chain of UNION joins: planning each takes about a millisecond.
pub const UNIONS_MAX: usize = 1_000;

/// A query inside of another takes as much stack as this many expressions.
const QUERY_WEIGHT: usize = 10;

/// Chains longer than this become balanced trees; shorter ones stay as they were written.
const CHAIN_MAX: usize = 16;

/// Counts how deep the visitor is.
#[derive(Debug, Default)]
pub struct Depth {
    expressions: usize,
    subqueries: usize,
}

impl Depth {
    /// Goes one deeper.
    ///
    /// # Errors
    /// `54001` if that is too deep.
    pub fn enter(&mut self) -> Result<()> {
        self.add(1)
    }

    /// Goes into a query.
    ///
    /// # Errors
    /// `54001` if that is too deep.
    pub fn enter_query(&mut self) -> Result<()> {
        self.add(QUERY_WEIGHT)
    }

    fn add(&mut self, weight: usize) -> Result<()> {
        self.expressions += weight;
        if self.expressions > NESTING_MAX {
            let message = "statement is nested too deeply";
            return Err(Error::new(SqlState::STATEMENT_TOO_COMPLEX, message)
                .detail(format!("Expressions can be nested {NESTING_MAX} deep.")));
        }
        Ok(())
    }

    /// Goes into an expression that is a subquery.
    ///
    /// # Errors
    /// `54001` if that is too deep.
    pub fn enter_subquery(&mut self) -> Result<()> {
        self.subqueries += 1;
        if self.subqueries > SUBQUERIES_MAX {
            let message = "statement is nested too deeply";
            return Err(Error::new(SqlState::STATEMENT_TOO_COMPLEX, message)
                .detail(format!("Subqueries can be nested {SUBQUERIES_MAX} deep.")));
        }
        Ok(())
    }

    /// Comes back from an expression that is a subquery.
    pub fn leave_subquery(&mut self) {
        self.subqueries = self.subqueries.saturating_sub(1);
    }

    /// Comes back.
    pub fn leave(&mut self) {
        self.expressions = self.expressions.saturating_sub(1);
    }

    /// Comes back from a query.
    pub fn leave_query(&mut self) {
        self.expressions = self.expressions.saturating_sub(QUERY_WEIGHT);
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
    *expr = joined(terms, |left, right| Expr::BinaryOp { left, op: op.clone(), right });
}

/// Takes a chain of operators apart from the outside in: dropping it at once would recurse.
pub fn dismantle(expr: &mut Expr) {
    let mut rest = std::mem::replace(expr, build::null());
    while let Expr::BinaryOp { left, .. } = rest {
        rest = *left;
    }
}

/// Makes a long chain of UNIONs shallow in the same way. Each term is planned by itself, so that their
/// number is limited like depth is.
///
/// # Errors
/// `54001` if there are too many.
pub fn balance_unions(body: &mut SetExpr) -> Result<()> {
    let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, .. } = body else {
        return Ok(());
    };
    let quantifier = *set_quantifier;
    let mut terms = Vec::new();
    let mut rest = std::mem::replace(
        body,
        SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows: Vec::new() }),
    );
    loop {
        match rest {
            SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left, right }
                if set_quantifier == quantifier =>
            {
                terms.push(*right);
                rest = *left;
            }
            first => {
                terms.push(first);
                break;
            }
        }
    }
    if terms.len() > UNIONS_MAX {
        let message = "statement has too many set operations";
        return Err(Error::new(SqlState::STATEMENT_TOO_COMPLEX, message)
            .detail(format!("A statement can join {UNIONS_MAX} queries by UNION.")));
    }
    terms.reverse();
    let union = |left, right| SetExpr::SetOperation {
        op: SetOperator::Union,
        set_quantifier: quantifier,
        left,
        right,
    };
    *body = match terms.len() <= CHAIN_MAX {
        true => terms.into_iter().reduce(|left, right| union(Box::new(left), Box::new(right))),
        false => Some(joined(terms, union)),
    }
    .expect("a chain has terms");
    Ok(())
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
fn joined<T>(mut terms: Vec<T>, join: impl Fn(Box<T>, Box<T>) -> T) -> T {
    while terms.len() > 1 {
        let mut pairs = Vec::with_capacity(terms.len().div_ceil(2));
        let mut iterator = terms.into_iter();
        while let Some(left) = iterator.next() {
            pairs.push(match iterator.next() {
                Some(right) => join(Box::new(left), Box::new(right)),
                None => left,
            });
        }
        terms = pairs;
    }
    terms.pop().expect("a chain has terms")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::dialect::Postgres;
    use crate::query::postgres::rewrite::rewrite;
    use crate::query::postgres::testing;
    use sqlparser::ast::Statement;
    use sqlparser::parser::Parser;

    fn check(sql: &str) -> std::result::Result<String, SqlState> {
        let mut statement = Statement::Query(Box::new(build::query(sql)));
        match rewrite(&mut statement, &*testing::source()) {
            Ok(_) => Ok(statement.to_string()),
            Err(error) => Err(error.code()),
        }
    }

    #[test]
    fn the_deepest_statement_passes_and_a_deeper_one_does_not() {
        let sum = |count| format!("SELECT {}", vec!["a"; count].join(" + "));
        assert!(check(&sum(NESTING_MAX - QUERY_WEIGHT)).is_ok());
        assert_eq!(check(&sum(NESTING_MAX + 1)), Err(SqlState::STATEMENT_TOO_COMPLEX));
        assert_eq!(check(&sum(100 * NESTING_MAX)), Err(SqlState::STATEMENT_TOO_COMPLEX));
    }

    #[test]
    fn subqueries_are_bounded() {
        let code = |sql: String| {
            // On a stack like that of the threads that plan.
            let deep = std::thread::Builder::new().stack_size(crate::env::threads::STACK_BYTES);
            let run = move || {
                let parser = Parser::new(&Postgres).with_recursion_limit(1_000);
                let parsed = parser.try_with_sql(&sql).and_then(|mut it| it.parse_statement());
                let mut statement = parsed.expect("it is SQL");
                rewrite(&mut statement, &*testing::source()).err().map(|error| error.code())
            };
            deep.spawn(run).expect("a thread").join().expect("it does not panic")
        };
        let nested = |depth| {
            let opened = "EXISTS (SELECT a FROM t WHERE ".repeat(depth);
            format!("SELECT {opened}true{}", ")".repeat(depth))
        };
        assert_eq!(code(nested(SUBQUERIES_MAX)), None);
        assert_eq!(code(nested(SUBQUERIES_MAX + 1)), Some(SqlState::STATEMENT_TOO_COMPLEX));
        let opened = "(SELECT a FROM ".repeat(30);
        assert_eq!(code(format!("SELECT a FROM {opened}t{}", ") x".repeat(30))), None);
    }

    #[test]
    fn long_chains_become_shallow() {
        let terms: Vec<_> = (0..20_000).map(|number| format!("a = {number}")).collect();
        let sql = format!("SELECT a FROM t WHERE {}", terms.join(" OR "));
        assert_eq!(check(&sql), Ok(sql));
        let unions = |count| vec!["SELECT a FROM t"; count].join(" UNION ALL ");
        assert_eq!(check(&unions(UNIONS_MAX)), Ok(unions(UNIONS_MAX)));
        assert_eq!(check(&unions(UNIONS_MAX + 1)), Err(SqlState::STATEMENT_TOO_COMPLEX));
    }
}
