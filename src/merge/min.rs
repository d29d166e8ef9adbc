//! Strategy `min`: the least value wins, in the natural order of its type.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::{no_arguments, scalar};
use crate::merge::groups::{Groups, comparator};
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

    fn pick(&self, values: &ArrayRef, groups: &Groups<'_>) -> Result<Vec<Option<u32>>> {
        let compare = comparator(values, values)?;
        Ok(groups.select(|item, holder| compare(item, holder).is_le()))
    }
}
