//! Values of Arrow columns as psql shows them.
//!
//! Written apart from the encoder of the wire, so that each is a check of the other: whatever the two
//! show differently fails a script in one of its modes. Knows no session and no script.

// Each test binary that includes this file uses a part of it.
#![allow(dead_code)]

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// What an answer shows for a value.
pub fn cell(text: Option<&str>) -> String {
    match text {
        None => "NULL".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => text.to_owned(),
    }
}

/// The text of the value in a row; `None` if it is null.
pub fn text(array: &dyn Array, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Boolean => if array.as_boolean().value(row) { "t" } else { "f" }.to_owned(),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            number(value.into(), &format!("{value:e}"), 6)
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            number(value, &format!("{value:e}"), 15)
        }
        DataType::Timestamp(_, zone) => moment(&plain(array, row), zone.is_some()),
        DataType::List(_) => list(array.as_list::<i32>().value(row).as_ref()),
        _ => plain(array, row),
    })
}

fn plain(array: &dyn Array, row: usize) -> String {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options).expect("Arrow shows every type");
    formatter.value(row).to_string()
}

/// The shortest digits that mean the number, with an exponent where PostgreSQL writes one.
fn number(value: f64, scientific: &str, exponent_limit: i32) -> String {
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return match value {
            f64::INFINITY => "Infinity",
            f64::NEG_INFINITY => "-Infinity",
            _ => "NaN",
        }
        .to_owned();
    };
    let exponent: i32 = exponent.parse().expect("Rust writes exponents as numbers");
    if (-4..exponent_limit).contains(&exponent) {
        let decimals = digits.split_once('.').map_or(0, |(_, after)| after.len() as i32) - exponent;
        return format!("{value:.*}", decimals.max(0) as usize);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// `2026-01-31T08:00:00.500Z` as `2026-01-31 08:00:00.5+00`.
fn moment(iso: &str, zoned: bool) -> String {
    let text = iso.trim_end_matches('Z').replace('T', " ");
    let text = match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
        None => &text,
    };
    format!("{text}{}", if zoned { "+00" } else { "" })
}

fn list(items: &dyn Array) -> String {
    let item = |at| match text(items, at) {
        None => "NULL".to_owned(),
        Some(text) if matches!(items.data_type(), DataType::List(_)) => text,
        Some(text) => quoted(&text),
    };
    format!("{{{}}}", (0..items.len()).map(item).collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    let special = |letter: char| "{},\"\\".contains(letter) || letter.is_ascii_whitespace();
    if !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(special) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
