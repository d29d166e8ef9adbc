//! A call of a table function as a node of a logical plan.
//!
//! Its arguments are expressions of the plan: parameters in them get their types and values as all
//! others do, and constants are folded, so that a prepared statement is planned once and reads the
//! snapshot of each execution. [`relation`](crate::query::functions::relation) makes the node,
//! [`execution`](crate::query::functions::execution) runs it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::common::{DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::query::functions::TableFunction;
use crate::query::tables::Binding;

/// The node.
#[derive(Clone)]
pub struct Call {
    /// What is called.
    pub function: &'static dyn TableFunction,
    /// With what.
    pub arguments: Vec<Expr>,
    /// The columns that it gives.
    pub schema: DFSchemaRef,
    /// What it reads.
    pub binding: Arc<Binding>,
}

impl Call {
    fn key(&self) -> (&'static str, &[Expr]) {
        (self.function.signature().name, &self.arguments)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_for_explain(f)
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
            && self.schema == other.schema
            && Arc::ptr_eq(&self.binding, &other.binding)
    }
}

impl Eq for Call {}

impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Call {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.key().partial_cmp(&other.key()).filter(|found| found.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for Call {
    fn name(&self) -> &str {
        "Call"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.arguments.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments: Vec<_> = self.arguments.iter().map(ToString::to_string).collect();
        write!(f, "Call: {}({})", self.function.signature().name, arguments.join(", "))
    }

    fn with_exprs_and_inputs(&self, arguments: Vec<Expr>, _: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { arguments, ..self.clone() })
    }
}
