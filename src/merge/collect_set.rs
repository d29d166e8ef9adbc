//! Strategy `collect_set`: the union of values or of arrays' elements, ascending and without nulls.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::elements::{Elements, element_type, list_type};
use crate::merge::fit::no_arguments;
use crate::merge::groups::Groups;
use crate::merge::{CombineRule, Laws, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// All distinct elements.
pub(super) struct CollectSet;

impl Strategy for CollectSet {
    fn name(&self) -> &'static str {
        "collect_set"
    }

    fn doc(&self) -> &'static str {
        "The distinct elements of all candidates, scalars or arrays, sorted."
    }

    fn example(&self) -> &'static str {
        "MERGE tags BY collect_set"
    }

    fn laws(&self) -> Laws {
        Laws::OF_SETS
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        Ok(list_type(element_type(input)))
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Combine(self)
    }
}

impl CombineRule for CollectSet {
    fn combine(
        &self,
        values: &ArrayRef,
        groups: &Groups<'_>,
        _call: &StrategyCall,
    ) -> Result<ArrayRef> {
        let elements = Elements::of(values, groups);
        elements.lists(elements.distinct()?, groups)
    }
}
