//! Strategy `most_frequent`: the value that most candidates have; of several the one seen last.

use std::ops::Range;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::no_arguments;
use crate::merge::groups::{Groups, comparator};
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
    fn pick(&self, values: &ArrayRef, groups: &Groups<'_>) -> Result<Vec<Option<u32>>> {
        let compare = comparator(values, values)?;
        let mut scratch = Vec::new();
        let mut most_frequent = |range: Range<usize>| {
            scratch.clear();
            scratch.extend(range);
            scratch.sort_unstable_by(|a, b| compare(*a, *b).then(a.cmp(b)));
            let runs = scratch.chunk_by(|a, b| compare(*a, *b).is_eq());
            let run_and_newest = runs.map(|run| (run.len(), run[run.len() - 1]));
            run_and_newest.max().map(|(_, newest)| newest as u32)
        };
        Ok(groups.ranges().map(&mut most_frequent).collect())
    }
}
