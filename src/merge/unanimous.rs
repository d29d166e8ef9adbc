//! Strategy `unanimous`: the one value there is, or null.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{ArrayRef, DynComparator};
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::no_arguments;
use crate::merge::groups::{Groups, comparator};
use crate::merge::lineage::Reason;
use crate::merge::{Laws, PickRule, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// The value that nobody contradicts.
pub(super) struct Unanimous;

impl Strategy for Unanimous {
    fn name(&self) -> &'static str {
        "unanimous"
    }

    fn doc(&self) -> &'static str {
        "The value on which all candidates agree, else null."
    }

    fn example(&self) -> &'static str {
        "MERGE birth_date BY unanimous"
    }

    fn laws(&self) -> Laws {
        Laws::OF_SETS
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        Ok(input.clone())
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Pick(self)
    }
}

impl PickRule for Unanimous {
    fn measure(&self, _values: &ArrayRef, _groups: &Groups<'_>) -> Result<DynComparator> {
        Ok(Box::new(|_, _| Ordering::Equal))
    }

    fn lesser(&self) -> Reason {
        Reason::Disagreement
    }

    fn pick(&self, values: &ArrayRef, groups: &Groups<'_>) -> Result<Vec<Option<u32>>> {
        let compare = comparator(values, values)?;
        let agreed = |range: Range<usize>| {
            let first = range.start;
            let last = range.clone().next_back()?;
            range.into_iter().all(|at| compare(first, at).is_eq()).then_some(last as u32)
        };
        Ok(groups.ranges().map(agreed).collect())
    }
}
