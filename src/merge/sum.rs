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

    fn example(&self) -> &'static str {
        "MERGE points BY sum"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SqlState;

    fn check(values: ArrayRef, expected: &str) {
        let offsets = [0, values.len() as u32];
        let sum = Sum.combine(&values, &Groups { offsets: &offsets }, &StrategyCall::plain("sum"));
        let shown = match sum {
            Ok(sum) => arrow::util::display::array_value_to_string(&sum, 0).expect("a value"),
            Err(error) => {
                assert_eq!(error.code(), SqlState::NUMERIC_OUT_OF_RANGE);
                error.to_string()
            }
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        check(Arc::new(Int64Array::from(vec![i64::MAX, 1, -1])), "9223372036854775807");
        let error = "sum is out of range for type BIGINT";
        check(Arc::new(Int64Array::from(vec![i64::MAX, 1])), error);
        check(Arc::new(arrow::array::Int16Array::from(vec![i16::MAX, 1])), "32768");
        let money = |values: Vec<i128>| {
            Arc::new(Decimal128Array::from(values).with_data_type(DataType::Decimal128(38, 2)))
        };
        check(money(vec![150, -25]), "1.25");
        let most = 10_i128.pow(38) - 1;
        check(money(vec![most, 1]), "sum is out of range for type NUMERIC(38,2)");
    }
}
