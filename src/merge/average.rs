//! Strategy `average`: the mean of the candidates, as `avg` has it in this engine's SQL.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

use crate::error::Result;
use crate::merge::addition::{sum_of_decimals, sum_of_floats};
use crate::merge::fit::{no_arguments, number, out_of_range, unexpected};
use crate::merge::groups::Groups;
use crate::merge::{CombineRule, Laws, Rule, Strategy};
use crate::model::policy::StrategyCall;

/// Digits that the mean of decimals has after the point beyond theirs, as `avg` does.
const SCALE_MORE: u8 = 4;

/// The mean.
pub(super) struct Average;

impl Strategy for Average {
    fn name(&self) -> &'static str {
        "average"
    }

    fn doc(&self) -> &'static str {
        "The mean of the candidates: of NUMERIC with four digits more, else DOUBLE PRECISION."
    }

    fn example(&self) -> &'static str {
        "MERGE spend BY average OVER HISTORY"
    }

    fn laws(&self) -> Laws {
        Laws::OF_BAGS
    }

    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType> {
        no_arguments(call)?;
        number(self.name(), input)?;
        Ok(match input {
            DataType::Decimal128(precision, scale) => DataType::Decimal128(
                precision.saturating_add(SCALE_MORE).min(38),
                scale.saturating_add(SCALE_MORE as i8).min(38),
            ),
            _ => DataType::Float64,
        })
    }

    fn rule(&self) -> Rule<'_> {
        Rule::Combine(self)
    }
}

impl CombineRule for Average {
    fn combine(
        &self,
        values: &ArrayRef,
        groups: &Groups<'_>,
        call: &StrategyCall,
    ) -> Result<ArrayRef> {
        let ty = self.output(values.data_type(), call)?;
        match values.data_type() {
            DataType::Decimal128(_, _) => mean_of_decimals(values, groups, &ty),
            DataType::Float32 | DataType::Float64 => {
                let values = cast(values, &ty).map_err(unexpected)?;
                let values = values.as_primitive::<Float64Type>().values();
                let mean = |range: Range<usize>| {
                    Ok(sum_of_floats(&values[range.clone()]) / range.len() as f64)
                };
                Ok(Arc::new(Float64Array::from(groups.fold(mean)?)))
            }
            _ => {
                let values = cast(values, &DataType::Int64).map_err(unexpected)?;
                let values = values.as_primitive::<Int64Type>().values();
                let mean = |range: Range<usize>| {
                    let count = range.len() as f64;
                    let sum: i128 = values[range].iter().copied().map(i128::from).sum();
                    Ok(sum as f64 / count)
                };
                Ok(Arc::new(Float64Array::from(groups.fold(mean)?)))
            }
        }
    }
}

fn mean_of_decimals(values: &ArrayRef, groups: &Groups<'_>, ty: &DataType) -> Result<ArrayRef> {
    let scale = |ty: &DataType| match ty {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    };
    let factor = 10_i128.pow((scale(ty) - scale(values.data_type())).unsigned_abs().into());
    let values = values.as_primitive::<Decimal128Type>().values();
    let mean = |range: Range<usize>| {
        let count = range.len() as i128;
        sum_of_decimals(&values[range])
            .and_then(|sum| sum.checked_mul(factor))
            .map(|sum| rounded_quotient(sum, count))
            .filter(|mean| mean.unsigned_abs() < 10_u128.pow(38))
            .ok_or_else(|| out_of_range("average", ty))
    };
    let means = Decimal128Array::from(groups.fold(mean)?);
    Ok(Arc::new(means.with_data_type(ty.clone())))
}

/// A quotient rounded half away from zero, as PostgreSQL rounds.
fn rounded_quotient(sum: i128, count: i128) -> i128 {
    let (quotient, rest) = (sum / count, sum % count);
    quotient + if rest.abs() * 2 >= count { rest.signum() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_round_half_away_from_zero() {
        let check = |sum, count, expected| assert_eq!(rounded_quotient(sum, count), expected);
        check(5, 2, 3);
        check(-5, 2, -3);
        check(4, 3, 1);
        check(-5, 3, -2);
        check(6, 3, 2);
    }
}
