//! `policy_diff(left_policy, right_policy)`: whose merged values differ under two policies.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::Result;
use crate::query::functions::{
    Argument, Context, Signature, TableFunction, all_rows, check_policies,
};
use crate::query::tables::VirtualTable;
use crate::query::tables::policy_diff::PolicyDiff as Table;

/// The function.
#[derive(Debug)]
pub struct PolicyDiff;

const SIGNATURE: Signature = Signature {
    name: "policy_diff",
    parameters: &["left_policy", "right_policy"],
    required_count: 2,
    result: "TABLE(profile_id bigint, attribute text, left_value text, right_value text)",
    comment: "merged values that differ under two merge policies",
    example: "SELECT * FROM policy_diff('latest', 'trusted')",
};

fn table(left: &str, right: &str) -> Table {
    Table { left: left.to_owned(), right: right.to_owned() }
}

impl TableFunction for PolicyDiff {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn schema(&self, context: &Context, arguments: &[Argument]) -> Result<SchemaRef> {
        check_policies(context, arguments)?;
        table("", "").schema(&context.snapshot)
    }

    fn table(&self, arguments: &[&str]) -> Option<Arc<dyn VirtualTable>> {
        match *arguments {
            [left, right] => Some(Arc::new(table(left, right))),
            _ => None,
        }
    }

    fn rows(&self, context: &Context, arguments: &[&str]) -> Result<RecordBatch> {
        all_rows(context, self.table(arguments))
    }
}
