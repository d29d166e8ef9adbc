//! Strategy `most_restrictive`: one refusal refuses; silence is neither yes nor no, so null.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::{boolean, no_arguments};
use crate::merge::groups::Groups;
use crate::merge::{CombineRule, Laws, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// Consent, as narrow as anybody gave it.
pub(super) struct MostRestrictive;

impl Strategy for MostRestrictive {
    fn name(&self) -> &'static str {
        "most_restrictive"
    }

    fn doc(&self) -> &'static str {
        "For consent: true only if some candidate is true and none is false."
    }

    fn example(&self) -> &'static str {
        "MERGE opted_in BY most_restrictive"
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

impl CombineRule for MostRestrictive {
    fn overrules(&self) -> bool {
        true
    }

    fn combine(
        &self,
        values: &ArrayRef,
        groups: &Groups<'_>,
        _call: &StrategyCall,
    ) -> Result<ArrayRef> {
        Ok(groups.fold_booleans(values, |left, right| left & right))
    }
}
