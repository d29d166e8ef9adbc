//! Strategy `most_frequent`: the value that most candidates have; of several the one seen last.

use arrow::array::{Array, ArrayRef, DynComparator};
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::no_arguments;
use crate::merge::groups::{Groups, comparator};
use crate::merge::lineage::Reason;
use crate::merge::{Laws, PickRule, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// The value that most sources give.
pub(super) struct MostFrequent;

impl Strategy for MostFrequent {
    fn name(&self) -> &'static str {
        "most_frequent"
    }

    fn doc(&self) -> &'static str {
        "The value that most candidates have; ties as latest."
    }

    fn example(&self) -> &'static str {
        "MERGE city BY most_frequent"
    }

    fn laws(&self) -> Laws {
        Laws::OF_BAGS
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        Ok(input.clone())
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Pick(self)
    }
}

impl PickRule for MostFrequent {
    fn measure(&self, values: &ArrayRef, groups: &Groups<'_>) -> Result<DynComparator> {
        let compare = comparator(values, values)?;
        let mut counts = vec![0_u32; values.len()];
        let mut sorted = Vec::new();
        for range in groups.ranges() {
            sorted.clear();
            sorted.extend(range);
            sorted.sort_unstable_by(|left, right| compare(*left, *right));
            for run in sorted.chunk_by(|left, right| compare(*left, *right).is_eq()) {
                run.iter().for_each(|at| counts[*at] = run.len() as u32);
            }
        }
        Ok(Box::new(move |left, right| counts[left].cmp(&counts[right])))
    }

    fn lesser(&self) -> Reason {
        Reason::LessFrequent
    }
}
