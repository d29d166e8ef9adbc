//! Table functions over merge policies: `policy_diff(a, b)` and `policy_diff_counts(a, b)`.
//!
//! They read their arguments and give the virtual tables of `tables::policy_diff`. The session
//! registers [`all`].

use std::sync::Arc;

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::Expr;

use crate::error::{Error, SqlState};
use crate::query::error::external;
use crate::query::tables::policy_diff::{PolicyDiff, PolicyDiffCounts};
use crate::query::tables::provider::of_function;
use crate::query::tables::{Binding, VirtualTable};

/// The functions by name, over one session's tables.
pub fn all(binding: &Arc<Binding>) -> Vec<(String, Arc<dyn TableFunctionImpl>)> {
    let function = |name: &'static str, table: MakeTable| {
        let function = OfTwoPolicies { name, table, binding: Arc::clone(binding) };
        (name.to_owned(), Arc::new(function) as Arc<dyn TableFunctionImpl>)
    };
    vec![
        function("policy_diff", |left, right| Arc::new(PolicyDiff { left, right })),
        function("policy_diff_counts", |left, right| Arc::new(PolicyDiffCounts { left, right })),
    ]
}

type MakeTable = fn(String, String) -> Arc<dyn VirtualTable>;

/// A function of the names of two policies.
#[derive(Debug)]
struct OfTwoPolicies {
    name: &'static str,
    table: MakeTable,
    binding: Arc<Binding>,
}

impl OfTwoPolicies {
    fn policies(&self, arguments: &[Expr]) -> crate::error::Result<(String, String)> {
        let texts: Vec<_> = arguments
            .iter()
            .filter_map(|argument| match argument {
                Expr::Literal(value, _) => value.try_as_str().flatten(),
                _ => None,
            })
            .collect();
        let &[left, right] = texts.as_slice() else { return Err(self.misused()) };
        if arguments.len() != 2 {
            return Err(self.misused());
        }
        let snapshot = self.binding.snapshot();
        let known = |name: &str| snapshot.catalog().policy(name).map(|policy| policy.name.clone());
        Ok((known(left)?, known(right)?))
    }

    fn misused(&self) -> Error {
        let message = format!("function {} takes the names of two merge policies", self.name);
        Error::new(SqlState::UNDEFINED_FUNCTION, message)
            .hint(format!("for example {}('latest', 'trusted')", self.name))
    }
}

impl TableFunctionImpl for OfTwoPolicies {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let (left, right) = self.policies(args.exprs()).map_err(external)?;
        of_function(&self.binding, self.name, (self.table)(left, right))
    }
}
