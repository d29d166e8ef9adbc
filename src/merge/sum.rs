//! Strategy `sum`: candidates added up, exactly; what does not fit the result's type is an error.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

use crate::error::Result;
use crate::merge::addition::{sum_of_decimals, sum_of_floats};
use crate::merge::fit::{no_arguments, number, out_of_range, unexpected};
use crate::merge::groups::Groups;
use crate::merge::{CombineRule, Laws, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// Candidates added up.
pub(super) struct Sum;

impl Strategy for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn doc(&self) -> &'static str {
        "The sum of the candidates: BIGINT of integers, NUMERIC of NUMERIC, else DOUBLE PRECISION."
    }

    fn laws(&self) -> Laws {
        Laws::OF_BAGS
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        number(self.name(), input)?;
        Ok(match input {
            DataType::Float32 | DataType::Float64 => DataType::Float64,
            DataType::Decimal128(_, scale) => DataType::Decimal128(38, *scale),
            _ => DataType::Int64,
        })
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Combine(self)
    }
}

impl CombineRule for Sum {
    fn combine(
        &self,
        values: &ArrayRef,
        groups: &Groups<'_>,
        call: &StrategyCall,
    ) -> Result<ArrayRef> {
        let ty = self.output(values.data_type(), call)?;
        let overflow = || out_of_range("sum", &ty);
        let values = cast(values, &ty).map_err(unexpected)?;
        Ok(match &ty {
            DataType::Float64 => {
                let values = values.as_primitive::<Float64Type>().values();
                let sums = groups.fold(|range| Ok(sum_of_floats(&values[range])))?;
                Arc::new(Float64Array::from(sums))
            }
            DataType::Int64 => {
                let values = values.as_primitive::<Int64Type>().values();
                let sum = |range: Range<usize>| {
                    let sum: i128 = values[range].iter().copied().map(i128::from).sum();
                    i64::try_from(sum).map_err(|_| overflow())
                };
                Arc::new(Int64Array::from(groups.fold(sum)?))
            }
            _ => {
                let values = values.as_primitive::<Decimal128Type>().values();
                let sum = |range| sum_of_decimals(&values[range]).ok_or_else(overflow);
                let sums = Decimal128Array::from(groups.fold(sum)?);
                Arc::new(sums.with_data_type(ty))
            }
        })
    }
}
