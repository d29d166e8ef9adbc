//! Strategy `latest_or_null`: the newest fragment wins, even with a null.

use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::no_arguments;
use crate::merge::order::OrderRule;
use crate::merge::{Laws, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// The newest value, null included.
pub(super) struct LatestOrNull;

impl Strategy for LatestOrNull {
    fn name(&self) -> &'static str {
        "latest_or_null"
    }

    fn doc(&self) -> &'static str {
        "The value of the newest fragment whose dataset has the attribute; \
         null included, so a null clears."
    }

    fn example(&self) -> &'static str {
        "MERGE phone BY latest_or_null"
    }

    fn laws(&self) -> Laws {
        Laws::OF_SETS
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        Ok(input.clone())
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Order(OrderRule { oldest: false, nulls_count: true })
    }
}
