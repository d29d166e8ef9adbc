//! `to_char`: moments, dates, intervals and numbers as text, by PostgreSQL's patterns.
//!
//! DataFusion has a function of that name with the patterns of another world; this one takes its place.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{
    DataType, Float64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::query::postgres::description::Source;
use crate::query::postgres::text::civil;
use crate::query::session::zone::Zone;

mod number;

/// The function over one session's source, whose time zone it shows moments in.
pub(super) fn scalar_function(source: &Arc<dyn Source>) -> ScalarUDF {
    let signature = Signature::user_defined(Volatility::Stable);
    ScalarUDF::from(ToChar { source: Arc::clone(source), signature })
}

#[derive(Debug)]
struct ToChar {
    source: Arc<dyn Source>,
    signature: Signature,
}

impl PartialEq for ToChar {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source)
    }
}

impl Eq for ToChar {}

impl std::hash::Hash for ToChar {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for ToChar {
    fn name(&self) -> &str {
        "to_char"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [value, _] = given else { return plan_err!("function to_char takes two arguments") };
        let value = match value {
            DataType::Timestamp(_, zone) => {
                DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
            }
            DataType::Date32 | DataType::Date64 => DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
            number if number.is_numeric() || number.is_null() => DataType::Float64,
            other => return plan_err!("function to_char({other}, text) does not exist"),
        };
        Ok(vec![value, DataType::Utf8])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = args.args[0].to_array(args.number_rows)?;
        let patterns = args.args[1].to_array(args.number_rows)?;
        let patterns = patterns.as_string::<i32>();
        let zone = self.source.describe().setting("TimeZone").map(|setting| setting.value);
        let zone = zone.and_then(|name| Zone::parse(&name).ok()).unwrap_or(Zone::UTC);
        let shown = (0..args.number_rows).map(|row| {
            let is_null = values.is_null(row) || patterns.is_null(row);
            (!is_null).then(|| shown(&values, row, patterns.value(row), zone))
        });
        Ok(ColumnarValue::Array(Arc::new(shown.collect::<StringArray>())))
    }
}

fn shown(values: &ArrayRef, row: usize, pattern: &str, zone: Zone) -> String {
    match values.data_type() {
        DataType::Timestamp(_, None) => {
            let micros = values.as_primitive::<TimestampMicrosecondType>().value(row);
            written(&Moment::of(micros, None), pattern)
        }
        DataType::Timestamp(_, Some(_)) => {
            let micros = values.as_primitive::<TimestampMicrosecondType>().value(row);
            let offset = zone.offset_seconds(micros);
            let local = micros + i64::from(offset) * 1_000_000;
            written(&Moment::of(local, Some(offset)), pattern)
        }
        DataType::Interval(_) => {
            let value = values.as_primitive::<IntervalMonthDayNanoType>().value(row);
            written(&Moment::of_interval(value.months, value.days, value.nanoseconds), pattern)
        }
        _ => number::written(values.as_primitive::<Float64Type>().value(row), pattern),
    }
}

/// What the patterns of time can ask for.
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    /// Days since 1970; of an interval 0.
    date: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    /// Seconds east of UTC, of moments that have a zone.
    offset: Option<i32>,
}

impl Moment {
    fn of(micros: i64, offset: Option<i32>) -> Self {
        let date = micros.div_euclid(86_400_000_000);
        let (year, month, day) = civil(date);
        Self { year, month, day, date, ..Self::of_time(micros.rem_euclid(86_400_000_000), offset) }
    }

    fn of_time(micros: i64, offset: Option<i32>) -> Self {
        let seconds = micros / 1_000_000;
        Self {
            year: 0,
            month: 0,
            day: 0,
            date: 0,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micros: micros % 1_000_000,
            offset,
        }
    }

    fn of_interval(months: i32, days: i32, nanos: i64) -> Self {
        let (years, months) = (i64::from(months / 12), i64::from(months % 12));
        Self {
            year: years,
            month: months,
            day: i64::from(days),
            ..Self::of_time(nanos / 1000, None)
        }
    }

    /// 0 for Sunday.
    fn weekday(&self) -> i64 {
        (self.date + 4).rem_euclid(7)
    }

    fn day_of_year(&self) -> i64 {
        const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let is_leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let month = usize::try_from(self.month - 1).unwrap_or(0).min(11);
        BEFORE[month] + self.day + i64::from(is_leap && self.month > 2)
    }

    /// Year and week of ISO 8601: the week belongs to the year of its Thursday.
    fn iso_week(&self) -> (i64, i64) {
        let weekday = (self.weekday() + 6) % 7;
        let (year, month, day) = civil(self.date - weekday + 3);
        let thursday = Self { year, month, day, ..Self::of_time(0, None) };
        (year, (thursday.day_of_year() - 1) / 7 + 1)
    }

    fn hour_of_half(&self) -> i64 {
        (self.hour + 11) % 12 + 1
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN: [&str; 12] =
    ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// Longer patterns come before those that they begin with.
const PATTERNS: &[&str] = &[
    "YYYY", "YYY", "YY", "Y,YYY", "IYYY", "IYY", "IY", "Y", "MONTH", "Month", "month", "MON",
    "Mon", "mon", "MM", "MI", "MS", "US", "DAY", "Day", "day", "DDD", "DD", "DY", "Dy", "dy", "D",
    "HH24", "HH12", "HH", "SSSSS", "SSSS", "SS", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "A.M.",
    "P.M.", "a.m.", "p.m.", "AM", "PM", "am", "pm", "WW", "W", "IW", "IDDD", "ID", "Q", "CC", "J",
    "RM", "rm", "TZH", "TZM", "TZ", "tz", "OF", "BC", "AD",
];

fn written(moment: &Moment, pattern: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    let (mut is_filled, mut last) = (true, 0);
    while let Some(character) = rest.chars().next() {
        let upper = rest.get(..2).map(str::to_uppercase);
        if upper.as_deref() == Some("FM") {
            (is_filled, rest) = (false, &rest[2..]);
        } else if upper.as_deref() == Some("TM") || upper.as_deref() == Some("FX") {
            rest = &rest[2..];
        } else if let (Some("TH"), true) = (upper.as_deref(), ends_in_digit(&text)) {
            let suffix = ordinal(last);
            text += &if rest.starts_with('t') { suffix.to_owned() } else { suffix.to_uppercase() };
            rest = &rest[2..];
        } else if character == '"' {
            let end = rest[1..].find('"').map_or(rest.len(), |at| at + 1);
            text += &rest[1..end];
            rest = rest.get(end + 1..).unwrap_or("");
        } else if let Some(found) = starting(rest) {
            let (part, number) = part(moment, found, is_filled);
            text += &part;
            (is_filled, last) = (true, number.unwrap_or(last));
            rest = &rest[found.len()..];
        } else {
            let skipped = if character == '\\' { 1 } else { 0 };
            let shown = rest[skipped..].chars().next().unwrap_or(character);
            text.push(shown);
            rest = rest.get(skipped + shown.len_utf8()..).unwrap_or("");
        }
    }
    text
}

fn ends_in_digit(text: &str) -> bool {
    text.ends_with(|character: char| character.is_ascii_digit())
}

/// The pattern at the start of a text. Those of digits may be written in either case.
fn starting(text: &str) -> Option<&'static str> {
    let exact = PATTERNS.iter().find(|pattern| text.starts_with(**pattern));
    let any_case = || {
        PATTERNS.iter().find(|pattern| {
            text.get(..pattern.len()).is_some_and(|start| start.eq_ignore_ascii_case(pattern))
        })
    };
    exact.or_else(any_case).copied()
}

fn ordinal(number: i64) -> &'static str {
    match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}

/// The text of one pattern, and its number if it is one.
fn part(moment: &Moment, pattern: &str, is_filled: bool) -> (String, Option<i64>) {
    let number = |value: i64, width: usize| {
        let text = if is_filled { format!("{value:0width$}") } else { value.to_string() };
        (text, Some(value))
    };
    let word = |text: &str, width: usize| {
        let cased = match pattern {
            _ if pattern.chars().all(|it| !it.is_lowercase()) => text.to_uppercase(),
            _ if pattern.chars().all(|it| !it.is_uppercase()) => text.to_lowercase(),
            _ => text.to_owned(),
        };
        (if is_filled { format!("{cased:width$}") } else { cased }, None)
    };
    let month = MONTHS[usize::try_from(moment.month - 1).unwrap_or(0).min(11)];
    let day = DAYS[usize::try_from(moment.weekday()).unwrap_or(0).min(6)];
    match pattern.to_uppercase().as_str() {
        "YYYY" => number(moment.year, 4),
        "Y,YYY" => (format!("{},{:03}", moment.year / 1000, moment.year % 1000), None),
        "YYY" => number(moment.year % 1000, 3),
        "YY" => number(moment.year % 100, 2),
        "Y" => number(moment.year % 10, 1),
        "IYYY" => number(moment.iso_week().0, 4),
        "IYY" => number(moment.iso_week().0 % 1000, 3),
        "IY" => number(moment.iso_week().0 % 100, 2),
        "MONTH" => word(month, 9),
        "MON" => word(&month[..3], 3),
        "MM" => number(moment.month, 2),
        "RM" => word(ROMAN[usize::try_from(moment.month - 1).unwrap_or(0).min(11)], 4),
        "DAY" => word(day, 9),
        "DY" => word(&day[..3], 3),
        "DDD" => number(moment.day_of_year(), 3),
        "DD" => number(moment.day, 2),
        "D" => number(moment.weekday() + 1, 1),
        "ID" => number((moment.weekday() + 6) % 7 + 1, 1),
        "IDDD" => number((moment.iso_week().1 - 1) * 7 + (moment.weekday() + 6) % 7 + 1, 3),
        "WW" => number((moment.day_of_year() - 1) / 7 + 1, 2),
        "W" => number((moment.day - 1) / 7 + 1, 1),
        "IW" => number(moment.iso_week().1, 2),
        "Q" => number((moment.month - 1) / 3 + 1, 1),
        "CC" => number((moment.year + 99) / 100, 2),
        "J" => number(moment.date + 2_440_588, 1),
        _ => time_part(moment, pattern, number),
    }
}

fn time_part(
    moment: &Moment,
    pattern: &str,
    number: impl Fn(i64, usize) -> (String, Option<i64>),
) -> (String, Option<i64>) {
    let upper = pattern.to_uppercase();
    let is_lower = pattern.starts_with(|it: char| it.is_lowercase());
    match upper.as_str() {
        "HH24" => number(moment.hour, 2),
        "HH12" | "HH" => number(moment.hour_of_half(), 2),
        "MI" => number(moment.minute, 2),
        "SS" => number(moment.second, 2),
        "SSSS" | "SSSSS" => number(moment.hour * 3600 + moment.minute * 60 + moment.second, 1),
        "MS" | "FF3" => number(moment.micros / 1000, 3),
        "US" | "FF6" => number(moment.micros, 6),
        "FF1" => number(moment.micros / 100_000, 1),
        "FF2" => number(moment.micros / 10_000, 2),
        "FF4" => number(moment.micros / 100, 4),
        "FF5" => number(moment.micros / 10, 5),
        "AM" | "PM" | "A.M." | "P.M." => {
            let half = if moment.hour < 12 { "AM" } else { "PM" };
            let dotted = if half == "AM" { "A.M." } else { "P.M." };
            let text = if upper.contains('.') { dotted } else { half };
            (if is_lower { text.to_lowercase() } else { text.to_owned() }, None)
        }
        "BC" | "AD" => ((if moment.year > 0 { "AD" } else { "BC" }).to_owned(), None),
        _ => (zone_part(moment, &upper, is_lower), None),
    }
}

fn zone_part(moment: &Moment, pattern: &str, is_lower: bool) -> String {
    let Some(offset) = moment.offset else { return String::new() };
    let (sign, hours, minutes) =
        (if offset < 0 { '-' } else { '+' }, offset.abs() / 3600, offset.abs() / 60 % 60);
    match pattern {
        "TZH" => format!("{sign}{hours:02}"),
        "TZM" => format!("{minutes:02}"),
        "TZ" if offset == 0 => (if is_lower { "utc" } else { "UTC" }).to_owned(),
        _ if minutes == 0 => format!("{sign}{hours:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_in_postgresql() {
        // Saturday, 2026-03-07 14:05:09.012345.
        let moment = Moment::of(1_772_892_309_012_345, Some(3600));
        let check = |pattern: &str, expected: &str| {
            assert_eq!(written(&moment, pattern), expected, "{pattern}");
        };
        check("YYYY-MM-DD HH24:MI:SS", "2026-03-07 14:05:09");
        check("yyyy-mm-dd hh24:mi:ss.ms", "2026-03-07 14:05:09.012");
        check("Mon DD, FMDD FMDDth", "Mar 07, 7 7th");
        check("FMMonth|Month|MONTH|mon", "March|March    |MARCH    |mar");
        check("Day|FMDay|DY|D|ID|Q|DDD", "Saturday |Saturday|SAT|7|6|1|066");
        check("HH:MI AM p.m. US", "02:05 PM p.m. 012345");
        check("IYYY-\"W\"IW TZ OF", "2026-W10 +01 +01");
        check("WW W J CC", "10 1 2461107 21");
        check("\"YYYY\" YYYY", "YYYY 2026");
    }

    #[test]
    fn weeks_of_iso_belong_to_the_year_of_their_thursday() {
        let check = |days: i64, expected: (i64, i64)| {
            assert_eq!(Moment::of(days * 86_400_000_000, None).iso_week(), expected);
        };
        check(0, (1970, 1));
        check(-1, (1970, 1));
        check(-3, (1970, 1));
        check(-4, (1969, 52));
        check(18_628, (2020, 53));
    }
}
