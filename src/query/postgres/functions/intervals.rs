//! Functions that give intervals: `age` and `make_interval`; and `make_timestamp`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, IntervalMonthDayNanoArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Float64Type, IntervalMonthDayNano, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::env::clock::{Clock, RealClock};
use crate::query::postgres::text::civil;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// All of them.
pub(super) fn scalar_functions() -> Vec<ScalarUDF> {
    [Kind::Age, Kind::MakeInterval, Kind::MakeTimestamp]
        .map(|kind| {
            let volatility = match kind {
                Kind::Age => Volatility::Stable,
                _ => Volatility::Immutable,
            };
            let signature = Signature::user_defined(volatility);
            ScalarUDF::from(OfTime { kind, signature })
        })
        .into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// `age(later, earlier)`, `age(earlier)` up to today, `age(transaction)`.
    Age,
    /// `make_interval(years, months, weeks, days, hours, mins, secs)`.
    MakeInterval,
    /// `make_timestamp(year, month, day, hour, min, sec)`.
    MakeTimestamp,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfTime {
    kind: Kind,
    signature: Signature,
}

fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

impl ScalarUDFImpl for OfTime {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Age => "age",
            Kind::MakeInterval => "make_interval",
            Kind::MakeTimestamp => "make_timestamp",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match (self.kind, given) {
            (Kind::Age, [transaction]) if transaction.is_integer() => Ok(vec![DataType::Int64]),
            (Kind::Age, [_] | [_, _]) => Ok(vec![moment(); given.len()]),
            (Kind::MakeInterval, arguments) if arguments.len() <= 7 => {
                Ok(vec![DataType::Float64; arguments.len()])
            }
            (Kind::MakeTimestamp, [_, _, _, _, _, _]) => Ok(vec![DataType::Float64; 6]),
            _ => plan_err!("function {} does not take {} arguments", self.name(), given.len()),
        }
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(match (self.kind, given) {
            (Kind::Age, [DataType::Int64]) => DataType::Int32,
            (Kind::MakeTimestamp, _) => moment(),
            _ => DataType::Interval(IntervalUnit::MonthDayNano),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let arrays: Vec<ArrayRef> =
            args.args.iter().map(|it| it.to_array(rows)).collect::<Result<_>>()?;
        let array: ArrayRef = match (self.kind, arrays.as_slice()) {
            (Kind::Age, [only]) if *only.data_type() == DataType::Int64 => {
                Arc::new(Int32Array::from(vec![0; rows]))
            }
            (Kind::Age, arrays) => Arc::new(ages(arrays, rows)),
            (Kind::MakeInterval, arrays) => Arc::new(intervals(arrays, rows)),
            (Kind::MakeTimestamp, arrays) => Arc::new(timestamps(arrays, rows)?),
        };
        Ok(ColumnarValue::Array(array))
    }
}

fn ages(arrays: &[ArrayRef], rows: usize) -> IntervalMonthDayNanoArray {
    let at = |array: &ArrayRef, row| {
        let array = array.as_primitive::<TimestampMicrosecondType>();
        array.is_valid(row).then(|| array.value(row))
    };
    let now = RealClock.now_micros();
    let today = now - now.rem_euclid(MICROS_PER_DAY);
    let age_at = |row| match arrays {
        [earlier] => Some(age(today, at(earlier, row)?)),
        [later, earlier] => Some(age(at(later, row)?, at(earlier, row)?)),
        _ => None,
    };
    (0..rows).map(age_at).collect()
}

/// Years, months, days and time from one moment to another, counted in the calendar.
fn age(later: i64, earlier: i64) -> IntervalMonthDayNano {
    let is_negative = later < earlier;
    let sign = if is_negative { -1 } else { 1 };
    let (one, other) = (fields(later), fields(earlier));
    let mut time = sign * (one.time - other.time);
    let mut days = sign * (one.day - other.day);
    let mut months = sign * (one.month - other.month) + sign * 12 * (one.year - other.year);
    if time < 0 {
        time += MICROS_PER_DAY;
        days -= 1;
    }
    while days < 0 {
        // The month that the earlier moment is in lends its days, as in PostgreSQL.
        let lender = if is_negative { &one } else { &other };
        days += month_days(lender.year, lender.month);
        months -= 1;
    }
    let signed = |value: i64| i32::try_from(sign * value).unwrap_or(i32::MAX);
    IntervalMonthDayNano::new(signed(months), signed(days), sign * time * 1000)
}

struct Fields {
    year: i64,
    month: i64,
    day: i64,
    /// Microseconds of the day.
    time: i64,
}

fn fields(micros: i64) -> Fields {
    let (year, month, day) = civil(micros.div_euclid(MICROS_PER_DAY));
    Fields { year, month, day, time: micros.rem_euclid(MICROS_PER_DAY) }
}

fn month_days(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn number(array: &ArrayRef, row: usize) -> Option<f64> {
    let array = array.as_primitive::<Float64Type>();
    array.is_valid(row).then(|| array.value(row))
}

fn intervals(arrays: &[ArrayRef], rows: usize) -> IntervalMonthDayNanoArray {
    let interval_at = |row| {
        let mut values = [0.0; 7];
        for (value, array) in values.iter_mut().zip(arrays) {
            *value = number(array, row)?;
        }
        let [years, months, weeks, days, hours, minutes, seconds] = values;
        let nanos = (hours * 3600.0 + minutes * 60.0 + seconds) * 1e9;
        Some(IntervalMonthDayNano::new(
            (years * 12.0 + months) as i32,
            (weeks * 7.0 + days) as i32,
            nanos.round() as i64,
        ))
    };
    (0..rows).map(interval_at).collect()
}

fn timestamps(arrays: &[ArrayRef], rows: usize) -> Result<TimestampMicrosecondArray> {
    let timestamp_at = |row| -> Result<Option<i64>> {
        let mut values = [0.0; 6];
        for (value, array) in values.iter_mut().zip(arrays) {
            let Some(given) = number(array, row) else { return Ok(None) };
            *value = given;
        }
        let [year, month, day, hour, minute, second] = values;
        let (year, month, day) = (year as i64, month as i64, day as i64);
        let is_date = (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day);
        let is_time = (0.0..=24.0).contains(&hour)
            && (0.0..60.0).contains(&minute)
            && (0.0..=60.0).contains(&second);
        if !is_date || !is_time {
            return Err(exec_datafusion_err!("date/time field value out of range"));
        }
        let time = (hour * 3600.0 + minute * 60.0 + second) * MICROS_PER_SECOND as f64;
        Ok(Some(days(year, month, day) * MICROS_PER_DAY + time.round() as i64))
    };
    (0..rows).map(timestamp_at).collect()
}

/// Days since 1970 of a date; years are made to begin in March, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use crate::query::postgres::testing;

    #[tokio::test]
    async fn intervals_count_as_in_postgresql() {
        let context = testing::context();
        let check = async |expression: &str, expected: &str| {
            let sql = format!("SELECT ({expression})::text AS v");
            let answer = testing::run(&context, &sql).await;
            assert_eq!(answer.lines().nth(1), Some(expected), "{expression}");
        };
        check(
            "make_timestamp(2026, 2, 28, 10, 30, 0.5) = TIMESTAMP '2026-02-28 10:30:00.5'",
            "true",
        )
        .await;
        check("make_timestamp(1969, 12, 31, 23, 0, 0) = TIMESTAMP '1969-12-31 23:00:00'", "true")
            .await;
        check(
            "age(TIMESTAMP '2026-03-01', TIMESTAMP '2025-01-15') > interval '13 months 16 days'",
            "true",
        )
        .await;
        check(
            "age(TIMESTAMP '2026-03-01', TIMESTAMP '2025-01-15') < interval '13 months 18 days'",
            "true",
        )
        .await;
        check("make_interval(0, 0, 1, 2) = interval '9 days'", "true").await;
    }
}
