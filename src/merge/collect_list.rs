//! Strategy `collect_list`: every value of every fragment, oldest first.
//!
//! Arrays are taken apart; nulls in them are left out.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::elements::{Elements, element_type, list_type};
use crate::merge::fit::no_arguments;
use crate::merge::groups::Groups;
use crate::merge::{CombineRule, Laws, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// All elements in order.
pub(super) struct CollectList;

impl Strategy for CollectList {
    fn name(&self) -> &'static str {
        "collect_list"
    }

    fn doc(&self) -> &'static str {
        "The elements of all values of the past, scalars or arrays, oldest first."
    }

    fn example(&self) -> &'static str {
        "MERGE city BY collect_list"
    }

    fn laws(&self) -> Laws {
        Laws::OF_BAGS
    }

    fn history(&self) -> bool {
        true
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        Ok(list_type(element_type(input)))
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Combine(self)
    }
}

impl CombineRule for CollectList {
    fn ordered(&self) -> bool {
        true
    }

    fn combine(
        &self,
        values: &ArrayRef,
        groups: &Groups<'_>,
        _call: &StrategyCall,
    ) -> Result<ArrayRef> {
        let elements = Elements::of(values, groups);
        elements.lists(elements.all()?, groups)
    }
}
