//! Strategy `max`: the greatest value wins, in the natural order of its type.

use arrow::array::{ArrayRef, DynComparator};
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::{no_arguments, scalar};
use crate::merge::groups::{Groups, comparator};
use crate::merge::lineage::Reason;
use crate::merge::{Laws, PickRule, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// The greatest value.
pub(super) struct Max;

impl Strategy for Max {
    fn name(&self) -> &'static str {
        "max"
    }

    fn doc(&self) -> &'static str {
        "The greatest value."
    }

    fn example(&self) -> &'static str {
        "MERGE spend BY max"
    }

    fn laws(&self) -> Laws {
        Laws::OF_SETS
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        scalar(self.name(), input)?;
        Ok(input.clone())
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Pick(self)
    }
}

impl PickRule for Max {
    fn narrows(&self) -> bool {
        true
    }

    fn measure(&self, values: &ArrayRef, _groups: &Groups<'_>) -> Result<DynComparator> {
        comparator(values, values)
    }

    fn lesser(&self) -> Reason {
        Reason::Smaller
    }
}
