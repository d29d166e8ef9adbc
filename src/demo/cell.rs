//! One value of one row, before it becomes a column of a batch or a field of a file.

use std::fmt::Write;

use arrow::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};

use crate::demo::calendar::Micros;

/// One value. `Default` is null.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Cell {
    #[default]
    Null,
    Text(String),
    Boolean(bool),
    Integer(i32),
    BigInt(i64),
    Double(f64),
    /// A number with two digits after the point, as so many hundredths.
    Hundredths(i64),
    /// Days since 1970.
    Date(i32),
    Time(Micros),
    Texts(Vec<String>),
}

/// The cells of one row, in the order of its table's columns.
pub(crate) type Row = Vec<Cell>;

/// A row of anything that becomes a cell.
macro_rules! row {
    ($($value:expr),+ $(,)?) => { vec![$($crate::demo::cell::Cell::from($value)),+] };
}
pub(crate) use row;

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Cell {
    /// The value as text, in the spelling that PostgreSQL reads; `None` if it is null.
    pub(crate) fn text(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Text(text) => text.clone(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::BigInt(value) => value.to_string(),
            Self::Double(value) => value.to_string(),
            Self::Hundredths(value) => hundredths(*value),
            Self::Date(days) => date(*days),
            Self::Time(micros) => time(*micros),
            Self::Texts(items) => braced(items),
        })
    }

    /// The value as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Boolean(value) => (*value).into(),
            Self::Integer(value) => (*value).into(),
            Self::BigInt(value) => (*value).into(),
            Self::Double(value) => (*value).into(),
            Self::Hundredths(value) => (*value as f64 / 100.0).into(),
            Self::Texts(items) => items.clone().into(),
            Self::Text(_) | Self::Date(_) | Self::Time(_) => self.text().into(),
        }
    }
}

fn hundredths(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let value = value.unsigned_abs();
    format!("{sign}{}.{:02}", value / 100, value % 100)
}

fn date(days: i32) -> String {
    let date = date32_to_datetime(days).expect("dates of the sample are of our age");
    date.format("%Y-%m-%d").to_string()
}

fn time(micros: Micros) -> String {
    let time = timestamp_us_to_datetime(micros).expect("times of the sample are of our age");
    time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()
}

/// An array literal.
fn braced(items: &[String]) -> String {
    let mut text = String::from("{");
    for (at, item) in items.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let escaped = item.replace('\\', "\\\\").replace('"', "\\\"");
        write!(text, "{comma}\"{escaped}\"").expect("writing to a string cannot fail");
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::Cell;

    #[test]
    fn cells_are_written_as_postgres_and_json_read_them() {
        let text = |text: &str| Cell::from(text);
        for (cell, as_text, as_json) in [
            (Cell::Null, None, "null"),
            (text(""), Some(""), r#""""#),
            (text("a \"b\""), Some("a \"b\""), r#""a \"b\"""#),
            (Cell::Boolean(true), Some("true"), "true"),
            (Cell::Integer(-7), Some("-7"), "-7"),
            (Cell::BigInt(1 << 40), Some("1099511627776"), "1099511627776"),
            (Cell::Double(0.25), Some("0.25"), "0.25"),
            (Cell::Hundredths(-105), Some("-1.05"), "-1.05"),
            (Cell::Hundredths(99), Some("0.99"), "0.99"),
            (Cell::Date(-1), Some("1969-12-31"), r#""1969-12-31""#),
            (Cell::Time(0), Some("1970-01-01T00:00:00Z"), r#""1970-01-01T00:00:00Z""#),
            (
                Cell::Time(1_500_000),
                Some("1970-01-01T00:00:01.500Z"),
                r#""1970-01-01T00:00:01.500Z""#,
            ),
            (
                Cell::Texts(vec!["a".into(), "b\"\\".into()]),
                Some(r#"{"a","b\"\\"}"#),
                r#"["a","b\"\\"]"#,
            ),
        ] {
            assert_eq!(cell.text().as_deref(), as_text, "{cell:?}");
            assert_eq!(cell.json().to_string(), as_json, "{cell:?}");
        }
    }
}
