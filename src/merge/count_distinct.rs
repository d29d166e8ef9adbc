//! Strategy `count_distinct`: how many distinct values there are.
//!
//! An array is one value. Zero where there is none, as in SQL.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::fit::no_arguments;
use crate::merge::groups::{Groups, comparator, distinct};
use crate::merge::{CombineRule, Laws, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// The number of distinct values.
pub(super) struct CountDistinct;

impl Strategy for CountDistinct {
    fn name(&self) -> &'static str {
        "count_distinct"
    }

    fn doc(&self) -> &'static str {
        "How many distinct values the candidates have."
    }

    fn example(&self) -> &'static str {
        "MERGE city BY count_distinct OVER HISTORY"
    }

    fn laws(&self) -> Laws {
        Laws::OF_SETS
    }

    fn output(&self, _input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        Ok(DataType::Int64)
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Combine(self)
    }
}

impl CombineRule for CountDistinct {
    fn combine(
        &self,
        values: &ArrayRef,
        groups: &Groups<'_>,
        _call: &StrategyCall,
    ) -> Result<ArrayRef> {
        let compare = comparator(values, values)?;
        let (_, offsets) = distinct(&compare, groups.ranges())?;
        let counts = offsets.windows(2).map(|pair| i64::from(pair[1] - pair[0]));
        Ok(Arc::new(Int64Array::from_iter_values(counts)))
    }
}
