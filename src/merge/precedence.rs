//! Strategy `precedence`: datasets win in the order listed, within one as `latest`.
//!
//! The ranks themselves are the plan's, which knows the datasets; SQL gives them as an argument.

use arrow::datatypes::DataType;

use crate::error::{Error, Result, SqlState};
use crate::merge::order::OrderRule;
use crate::merge::{Laws, Rule, Strategy};
use crate::model::policy::{Argument, StrategyCall};

/// The value of the most trusted dataset.
pub(super) struct Precedence;

impl Strategy for Precedence {
    fn name(&self) -> &'static str {
        "precedence"
    }

    fn doc(&self) -> &'static str {
        "The value of the first of the listed datasets that has one, unlisted datasets after them; \
         within one as latest."
    }

    fn arguments(&self) -> &'static str {
        "dataset, ..."
    }

    fn example(&self) -> &'static str {
        "MERGE name BY precedence(crm, web)"
    }

    fn laws(&self) -> Laws {
        Laws::OF_SETS
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        let datasets = call.arguments.iter().all(|item| matches!(item, Argument::Name(_)));
        if !datasets || call.arguments.is_empty() {
            let message = "strategy \"precedence\" takes names of datasets";
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("list them in order, the most trusted first: precedence(crm, web)"));
        }
        Ok(input.clone())
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Order(OrderRule { oldest: false, nulls_count: false })
    }
}
