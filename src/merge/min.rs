//! Strategy `min`: the least value wins, in the natural order of its type.

use arrow::array::{ArrayRef, DynComparator};
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::{no_arguments, scalar};
use crate::merge::groups::{Groups, comparator};
use crate::merge::lineage::Reason;
use crate::merge::{Laws, PickRule, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// The least value.
pub(super) struct Min;

impl Strategy for Min {
    fn name(&self) -> &'static str {
        "min"
    }

    fn doc(&self) -> &'static str {
        "The least value."
    }

    fn example(&self) -> &'static str {
        "MERGE birth_date BY min"
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

impl PickRule for Min {
    fn narrows(&self) -> bool {
        true
    }

    fn measure(&self, values: &ArrayRef, _groups: &Groups<'_>) -> Result<DynComparator> {
        let compare = comparator(values, values)?;
        Ok(Box::new(move |left, right| compare(right, left)))
    }

    fn lesser(&self) -> Reason {
        Reason::Greater
    }
}
