//! `interval '1 day' * 1.5`: a multiple of an interval, which DataFusion has no operator for.
//!
//! The function has no name in SQL: `rewrite::operators` puts it in the place of the operator.

use std::sync::Arc;

use arrow::array::{Array, AsArray, IntervalMonthDayNanoArray};
use arrow::datatypes::{
    DataType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Error, SqlState};
use crate::query::error::external;

const DAYS_OF_MONTH: f64 = 30.0;
const NANOS_OF_DAY: f64 = 86_400e9;

/// The function: an interval and a number.
pub fn interval_product() -> ScalarUDF {
    let types = vec![DataType::Interval(IntervalUnit::MonthDayNano), DataType::Float64];
    ScalarUDF::from(Product { signature: Signature::exact(types, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Product {
    signature: Signature,
}

impl ScalarUDFImpl for Product {
    fn name(&self) -> &'static str {
        "interval_product"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let intervals = columns[0].as_primitive::<IntervalMonthDayNanoType>();
        let factors = columns[1].as_primitive::<Float64Type>();
        let one = |at: usize| {
            let null = intervals.is_null(at) || factors.is_null(at);
            (!null).then(|| product(intervals.value(at), factors.value(at))).transpose()
        };
        let made = (0..intervals.len()).map(one).collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(Arc::new(IntervalMonthDayNanoArray::from(made))))
    }
}

/// What is less than a month becomes days, what is less than a day hours, as in PostgreSQL.
fn product(interval: IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano> {
    let months = f64::from(interval.months) * factor;
    let days = f64::from(interval.days) * factor + months.fract() * DAYS_OF_MONTH;
    let nanoseconds = interval.nanoseconds as f64 * factor + days.fract() * NANOS_OF_DAY;
    // Microseconds are what an interval is kept in.
    let nanoseconds = (nanoseconds / 1e3).round() * 1e3;
    let fits = |value: f64, max: f64| value.is_finite() && value.abs() < max;
    if !fits(months, f64::from(i32::MAX))
        || !fits(days, f64::from(i32::MAX))
        || !fits(nanoseconds, i64::MAX as f64)
    {
        return Err(external(Error::new(SqlState("22008"), "interval out of range")));
    }
    let (months, days) = (months.trunc() as i32, days.trunc() as i32);
    Ok(IntervalMonthDayNano { months, days, nanoseconds: nanoseconds as i64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: (i32, i32, i64), factor: f64, expected: (i32, i32, i64)) {
        let interval = |(months, days, micros): (i32, i32, i64)| {
            IntervalMonthDayNano::new(months, days, micros * 1000)
        };
        assert_eq!(product(interval(given), factor).expect("it fits"), interval(expected));
    }

    #[test]
    fn fractions_go_to_the_next_smaller_unit() {
        check((0, 1, 0), 1.5, (0, 1, 43_200_000_000));
        check((1, 0, 0), 0.5, (0, 15, 0));
        check((1, 2, 3_000_000), -2.0, (-2, -4, -6_000_000));
        check((0, 0, 1), 0.4, (0, 0, 0));
        let error = product(IntervalMonthDayNano::new(12, 0, 0), 1e12).expect_err("too long");
        assert!(error.to_string().contains("interval out of range"));
    }
}
