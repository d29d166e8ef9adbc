//! Strategy `latest`: the newest fragment that has a value wins.

use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::no_arguments;
use crate::merge::order::OrderRule;
use crate::merge::{Laws, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// The newest value.
pub(super) struct Latest;

impl Strategy for Latest {
    fn name(&self) -> &'static str {
        "latest"
    }

    fn doc(&self) -> &'static str {
        "The value of the newest fragment that has one."
    }

    fn example(&self) -> &'static str {
        "MERGE city BY latest"
    }

    fn laws(&self) -> Laws {
        Laws::OF_SETS
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        Ok(input.clone())
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Order(OrderRule { oldest: false, nulls_count: false })
    }
}
