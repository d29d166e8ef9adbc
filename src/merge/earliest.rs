//! Strategy `earliest`: the oldest fragment that has a value wins.

use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::no_arguments;
use crate::merge::order::OrderRule;
use crate::merge::{Laws, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// The oldest value.
pub(super) struct Earliest;

impl Strategy for Earliest {
    fn name(&self) -> &'static str {
        "earliest"
    }

    fn doc(&self) -> &'static str {
        "The value of the oldest fragment that has one; always over history."
    }

    fn example(&self) -> &'static str {
        "MERGE source BY earliest"
    }

    fn laws(&self) -> Laws {
        Laws::OF_SETS
    }

    fn history(&self) -> bool {
        true
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        Ok(input.clone())
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Order(OrderRule { oldest: true, nulls_count: false })
    }
}
