//! Texts of JSON: checked, brought into the form of `jsonb`, looked into, made of other values.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field};
use bytes::BytesMut;

use crate::error::{Error, Result, SqlState};
use crate::ingest::fault::Fault;
use crate::ingest::json::{self, Json, Kind};
use crate::query::postgres::text_form::{is_null, text_writer};
use crate::query::postgres::types::PgType;
use crate::query::session::zone::Zone;

fn invalid(text: &str, fault: impl Into<Fault>) -> Error {
    let Fault { message, .. } = fault.into();
    let shown: String = text.chars().take(100).collect();
    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
        .detail(format!("the text is: {shown}"))
}

/// The value that a text is.
///
/// # Errors
/// `22P02`.
pub(super) fn read(text: &str) -> Result<Json<'_>> {
    json::value(text).map_err(|wrong| invalid(text, wrong))
}

/// The members of an object; none of anything else.
pub(super) fn members<'a>(value: &Json<'a>) -> Vec<(String, Json<'a>)> {
    let mut all = Vec::new();
    if value.kind == Kind::Object {
        // What was read once can be read again.
        let _ = json::members(value.text, |name, member| {
            all.push((name.decode().unwrap_or_default().into_owned(), member));
        });
    }
    all
}

/// The elements of an array; none of anything else.
pub(super) fn elements<'a>(value: &Json<'a>) -> Vec<Json<'a>> {
    let mut all = Vec::new();
    if value.kind == Kind::Array {
        let _ = json::elements(value.text, |element| all.push(element));
    }
    all
}

/// The value as it stands in the text.
pub(super) fn raw(value: &Json<'_>) -> String {
    match value.kind {
        Kind::String { .. } => format!("\"{}\"", value.text),
        _ => value.text.to_owned(),
    }
}

/// What `->>` gives: a string without its quotes, nothing for null.
pub(super) fn text(value: &Json<'_>) -> Option<String> {
    match value.kind {
        Kind::Null => None,
        Kind::String { .. } => value.decode().ok().map(std::borrow::Cow::into_owned),
        _ => Some(value.text.to_owned()),
    }
}

/// The member of that name, or the element of that number, where negative ones count from the end.
pub(super) fn get<'a>(value: &Json<'a>, key: &str, number: Option<i64>) -> Option<Json<'a>> {
    if value.kind == Kind::Array {
        let all = elements(value);
        let number = number?;
        let at = if number < 0 { number + i64::try_from(all.len()).ok()? } else { number };
        return all.get(usize::try_from(at).ok()?).copied();
    }
    members(value).into_iter().rev().find(|(name, _)| name == key).map(|(_, member)| member)
}

/// The value in the form of `jsonb`: names in order and once, one space after commas and colons.
///
/// # Errors
/// `22P02`.
pub(super) fn canonical(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    write(&mut out, &read(text)?).map_err(|fault| invalid(text, fault))?;
    Ok(out)
}

fn write(out: &mut String, value: &Json<'_>) -> std::result::Result<(), Fault> {
    match value.kind {
        Kind::Null | Kind::True | Kind::False => out.push_str(value.text),
        Kind::Number => out.push_str(&plain_number(value.text)),
        Kind::String { .. } => quote(out, &value.decode()?),
        Kind::Array => {
            out.push('[');
            for (at, element) in elements(value).iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write(out, element)?;
            }
            out.push(']');
        }
        Kind::Object => {
            let mut all = members(value);
            // Later members come first, and only the first of a name stays.
            all.reverse();
            all.sort_by(|(left, _), (right, _)| {
                left.len().cmp(&right.len()).then_with(|| left.as_bytes().cmp(right.as_bytes()))
            });
            all.dedup_by(|later, first| later.0 == first.0);
            out.push('{');
            for (at, (name, member)) in all.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                quote(out, name);
                out.push_str(": ");
                write(out, member)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// Digits that an exponent may add to a number: more is left as it is written.
const EXPONENT_MAX: i64 = 1_000;

/// A number without an exponent, as `numeric` shows it.
pub fn plain_number(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else {
        return if text.trim_start_matches('-').trim_matches(['0', '.']).is_empty() {
            text.trim_start_matches('-').to_owned()
        } else {
            text.to_owned()
        };
    };
    let Some(exponent) = exponent.parse().ok().filter(|it: &i64| it.abs() <= EXPONENT_MAX) else {
        return text.to_owned();
    };
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).unwrap_or(0) + exponent;
    let length = i64::try_from(all.len()).unwrap_or(0);
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let (whole, fraction) = if point <= 0 {
        ("0".to_owned(), zeros(-point) + &all)
    } else if point >= length {
        (all + &zeros(point - length), String::new())
    } else {
        let (whole, fraction) = all.split_at(usize::try_from(point).unwrap_or(0));
        (whole.to_owned(), fraction.to_owned())
    };
    let trimmed = whole.trim_start_matches('0');
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{dot}{fraction}")
}

/// A text as a JSON string.
pub(super) fn quote(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                // Writing to a text does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

/// Whether the first value contains the second, as `@>` has it.
pub(super) fn contains(whole: &Json<'_>, part: &Json<'_>) -> bool {
    match (whole.kind, part.kind) {
        (Kind::Object, Kind::Object) => {
            let all = members(whole);
            let has = |(name, member): &(String, Json<'_>)| {
                all.iter()
                    .rev()
                    .find(|(known, _)| known == name)
                    .is_some_and(|(_, known)| contains_within(known, member))
            };
            members(part).iter().all(has)
        }
        (Kind::Array, Kind::Array) => {
            let all = elements(whole);
            elements(part).iter().all(|it| all.iter().any(|known| contains_within(known, it)))
        }
        // An array may contain a value that is not in brackets, at the top only.
        (Kind::Array, Kind::Object) => false,
        (Kind::Array, _) => elements(whole).iter().any(|known| is_same(known, part)),
        _ => is_same(whole, part),
    }
}

fn contains_within(whole: &Json<'_>, part: &Json<'_>) -> bool {
    match (whole.kind, part.kind) {
        (Kind::Array, Kind::Array) | (Kind::Object, Kind::Object) => contains(whole, part),
        _ => is_same(whole, part),
    }
}

fn is_same(left: &Json<'_>, right: &Json<'_>) -> bool {
    match (left.kind, right.kind) {
        (Kind::Number, Kind::Number) => number_key(left.text) == number_key(right.text),
        (Kind::String { .. }, Kind::String { .. }) => text(left) == text(right),
        _ => canonical(&raw(left)).ok() == canonical(&raw(right)).ok(),
    }
}

/// The digits of a number that make a difference.
fn number_key(text: &str) -> String {
    let plain = plain_number(text);
    match plain.contains('.') {
        true => plain.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => plain,
    }
}

/// Appends a value of any type as `to_json` writes it.
///
/// # Errors
/// If a value of the type cannot be shown.
pub(super) fn put(out: &mut String, array: &ArrayRef, field: &Field, row: usize) -> Result<()> {
    if is_null(array.as_ref(), row) {
        out.push_str("null");
        return Ok(());
    }
    let ty = PgType::of_field(field);
    match array.data_type() {
        DataType::Boolean => {
            out.push_str(if array.as_boolean().value(row) { "true" } else { "false" })
        }
        DataType::List(element) => {
            out.push('[');
            let items = array.as_list::<i32>().value(row);
            for at in 0..items.len() {
                out.push_str(if at > 0 { "," } else { "" });
                put(out, &items, element, at)?;
            }
            out.push(']');
        }
        DataType::Struct(fields) => {
            out.push('{');
            for (at, (field, column)) in fields.iter().zip(array.as_struct().columns()).enumerate()
            {
                out.push_str(if at > 0 { "," } else { "" });
                quote(out, field.name());
                out.push(':');
                put(out, column, field, row)?;
            }
            out.push('}');
        }
        data_type => {
            let text = shown(array, ty, row)?;
            let number = data_type.is_numeric() && !text.contains(['N', 'I']);
            if number || matches!(ty.name(), "json" | "jsonb") {
                out.push_str(&text);
            } else if matches!(data_type, DataType::Timestamp(..)) {
                quote(out, &iso(&text));
            } else {
                quote(out, &text);
            }
        }
    }
    Ok(())
}

fn shown(array: &ArrayRef, ty: PgType, row: usize) -> Result<String> {
    let one = crate::query::postgres::text_function::canonical_array(&array.slice(row, 1))?;
    let mut buffer = BytesMut::new();
    text_writer(one.as_ref(), ty.oid, Zone::UTC)?(0, &mut buffer);
    String::from_utf8(buffer.to_vec()).map_err(|error| Error::internal(error.to_string()))
}

/// `2026-01-31 12:00:00+00` is `2026-01-31T12:00:00+00:00` in JSON.
fn iso(text: &str) -> String {
    let text = text.replacen(' ', "T", 1);
    if text.ends_with("+00") { format!("{text}:00") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = canonical(text).unwrap_or_else(|error| error.to_string());
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn jsonb_has_one_form() {
        check(r#" {"bb":1,"a":[1,2 , {}],"a":null} "#, r#"{"a": null, "bb": 1}"#);
        check(r#""\u0041\n\"""#, r#""A\n\"""#);
        check("1e3", "1000");
        check("-1.50e-2", "-0.0150");
        check("12.5e1", "125");
        check("-0", "0");
        check("{", "invalid input syntax for type json: a string expected at byte 2");
    }

    #[test]
    fn values_are_found() {
        let value = read(r#"{"a": [1, "x\ty", {"b": null}]}"#).expect("valid");
        let list = get(&value, "a", None).expect("a member");
        assert_eq!(text(&get(&list, "", Some(1)).expect("an element")).as_deref(), Some("x\ty"));
        assert_eq!(raw(&get(&list, "", Some(-1)).expect("an element")), r#"{"b": null}"#);
        assert!(get(&list, "", Some(3)).is_none() && get(&value, "b", None).is_none());
    }

    #[test]
    fn containment_is_that_of_postgresql() {
        for (whole, part, expected) in [
            (r#"{"a": 1, "b": 2}"#, r#"{"a": 1.0}"#, true),
            (r#"{"a": {"b": [1, 2]}}"#, r#"{"a": {"b": [2]}}"#, true),
            ("[1, 2, [1, 3]]", "[[1]]", true),
            ("[1, 2]", "2", true),
            ("[1, 2]", "[3]", false),
            (r#"{"a": 1}"#, r#"{"a": 2}"#, false),
            (r#"{"a": [1]}"#, r#"{"a": 1}"#, false),
            (r#""x""#, r#""\u0078""#, true),
        ] {
            let (left, right) = (read(whole).expect("valid"), read(part).expect("valid"));
            assert_eq!(contains(&left, &right), expected, "{whole} @> {part}");
        }
    }
}
