//! Strategy `any_true`: disjunction; null only where there is no candidate.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::{boolean, no_arguments};
use crate::merge::groups::Groups;
use crate::merge::{CombineRule, Laws, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// Whether anybody says yes.
pub(super) struct AnyTrue;

impl Strategy for AnyTrue {
    fn name(&self) -> &'static str {
        "any_true"
    }

    fn doc(&self) -> &'static str {
        "True if any candidate is true, false if all are false."
    }

    fn example(&self) -> &'static str {
        "MERGE opted_in BY any_true"
    }

    fn laws(&self) -> Laws {
        Laws::OF_SETS
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        boolean(self.name(), input)?;
        Ok(DataType::Boolean)
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Combine(self)
    }
}

impl CombineRule for AnyTrue {
    fn overrules(&self) -> bool {
        true
    }

    fn combine(
        &self,
        values: &ArrayRef,
        groups: &Groups<'_>,
        _call: &StrategyCall,
    ) -> Result<ArrayRef> {
        Ok(groups.fold_booleans(values, |left, right| left | right))
    }
}
