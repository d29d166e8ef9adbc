//! Strategy `longest`: the text with the most characters wins; of several the newest.

use arrow::array::{Array, ArrayRef, AsArray, DynComparator};
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::{misfit, no_arguments};
use crate::merge::groups::Groups;
use crate::merge::lineage::Reason;
use crate::merge::{Laws, PickRule, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// The longest text.
pub(super) struct Longest;

impl Strategy for Longest {
    fn name(&self) -> &'static str {
        "longest"
    }

    fn doc(&self) -> &'static str {
        "The text with the most characters; ties as latest."
    }

    fn example(&self) -> &'static str {
        "MERGE name BY longest"
    }

    fn laws(&self) -> Laws {
        Laws::OF_SETS
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        match input {
            DataType::Utf8View => Ok(input.clone()),
            _ => Err(misfit(self.name(), input, "it is for TEXT")),
        }
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Pick(self)
    }
}

impl PickRule for Longest {
    fn narrows(&self) -> bool {
        true
    }

    fn measure(&self, values: &ArrayRef, _groups: &Groups<'_>) -> Result<DynComparator> {
        let texts = values.as_string_view();
        let lengths: Vec<_> = (0..texts.len()).map(|at| texts.value(at).chars().count()).collect();
        Ok(Box::new(move |left, right| lengths[left].cmp(&lengths[right])))
    }

    fn lesser(&self) -> Reason {
        Reason::Shorter
    }
}
