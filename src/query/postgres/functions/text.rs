//! Texts: quoting, and `format`.

use crate::error::{Error, Result, SqlState};
use crate::model::names::{quote_literal, quote_name};
use crate::query::postgres::catalog::Value;
use crate::query::postgres::functions::{Any, Bool, Call, Function, Int, Text, VARIADIC, names};

pub(super) const ALL: &[Function] = &[
    Function::new("quote_ident", &[&[Text]], "text", |it| Ok(quote_name(it.text(0)).into())).pure(),
    Function::new("quote_literal", &[&[Any]], "text", literal).pure(),
    Function::new("quote_nullable", &[&[Any]], "text", nullable).takes_nulls().pure(),
    Function::new("parse_ident", &[&[Text], &[Text, Bool]], "_text", parse_ident).pure(),
    Function::new("width_bucket", &[&[Any, Any, Any, Int]], "int4", width_bucket).pure(),
    Function::new("format", VARIADIC, "text", format_text).takes_nulls().pure(),
    Function::new("like_escape", &[&[Text, Text]], "text", like_escape).pure(),
    Function::new("json_build_object", VARIADIC, "json", json_object).takes_nulls().pure(),
    Function::new("jsonb_build_object", VARIADIC, "json", json_object).takes_nulls().pure(),
];

/// A value's text, as `format` and concatenation write it.
pub fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => if *value { "t" } else { "f" }.to_owned(),
        Value::Int(value) | Value::Micros(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(items) => {
            let items = items.iter().map(|it| text_of(it).unwrap_or_else(|| "NULL".to_owned()));
            format!("{{{}}}", items.collect::<Vec<_>>().join(","))
        }
    })
}

fn literal(call: &Call<'_>) -> Result<Value> {
    Ok(text_of(call.argument(0)).map(|text| quote_literal(&text)).into())
}

fn nullable(call: &Call<'_>) -> Result<Value> {
    let text = text_of(call.argument(0));
    Ok(text.map_or_else(|| "NULL".to_owned(), |text| quote_literal(&text)).into())
}

/// `%s`, `%I`, `%L` and `%%`, with positions (`%2$s`); widths are not supported.
fn format_text(call: &Call<'_>) -> Result<Value> {
    let Value::Text(pattern) = call.argument(0) else { return Ok(Value::Null) };
    let mut result = String::new();
    let mut rest = pattern.as_str();
    let mut next = 1;
    while let Some(at) = rest.find('%') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            result.push('%');
            rest = after;
            continue;
        }
        let digits = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
        if digits > 0 && rest[digits..].starts_with('$') {
            next =
                rest[..digits].parse().map_err(|_| bad_format("argument number is too large"))?;
            rest = &rest[digits + 1..];
        }
        let Some(kind) = rest.chars().next() else {
            return Err(bad_format("unterminated format() type specifier"));
        };
        let value =
            call.arguments.get(next).ok_or_else(|| bad_format("too few arguments for format()"))?;
        result.push_str(&placed(kind, value)?);
        rest = &rest[kind.len_utf8()..];
        next += 1;
    }
    result.push_str(rest);
    Ok(result.into())
}

fn placed(kind: char, value: &Value) -> Result<String> {
    let text = text_of(value);
    match kind {
        's' => Ok(text.unwrap_or_default()),
        'L' => Ok(text.map_or_else(|| "NULL".to_owned(), |text| quote_literal(&text))),
        'I' => text.map(|text| quote_name(&text)).ok_or_else(|| {
            let message = "null values cannot be formatted as an SQL identifier";
            Error::new(SqlState("22004"), message)
        }),
        other => Err(bad_format(&format!("unrecognized format() type specifier \"{other}\""))),
    }
}

fn bad_format(message: &str) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// The parts of a qualified name, folded as in statements.
fn parse_ident(call: &Call<'_>) -> Result<Value> {
    let text = call.text(0);
    let parts = names::split_name(text);
    if parts.iter().any(String::is_empty) || text.matches('"').count() % 2 == 1 {
        let message = format!("string is not a valid identifier: \"{text}\"");
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    }
    Ok(parts.into())
}

/// In which of so many equal parts of a range a number is; 0 is below it, one more than all above it.
fn width_bucket(call: &Call<'_>) -> Result<Value> {
    let number = |at| match call.argument(at) {
        Value::Float(value) => *value,
        Value::Int(value) => *value as f64,
        other => text_of(other).and_then(|text| text.parse().ok()).unwrap_or(f64::NAN),
    };
    let (operand, low, high, count) = (number(0), number(1), number(2), call.int(3));
    if count <= 0 || low == high {
        let what = if count <= 0 {
            "count must be greater than zero"
        } else {
            "lower bound cannot equal upper bound"
        };
        return Err(Error::new(SqlState("2201G"), what));
    }
    let share = (operand - low) / (high - low);
    let bucket = (share * count as f64).floor() as i64 + 1;
    Ok(i32::try_from(bucket.clamp(0, count + 1)).unwrap_or(i32::MAX).into())
}

/// A pattern whose escape character is a backslash.
fn like_escape(call: &Call<'_>) -> Result<Value> {
    let mut escapes = call.text(1).chars();
    let escape = escapes.next();
    if escapes.next().is_some() {
        let message = "invalid escape string";
        return Err(Error::new(SqlState("22019"), message)
            .hint("Escape string must be empty or one character."));
    }
    let mut pattern = String::new();
    let mut characters = call.text(0).chars();
    while let Some(character) = characters.next() {
        if Some(character) == escape {
            pattern.push('\\');
            pattern.extend(characters.next());
        } else {
            if character == '\\' {
                pattern.push('\\');
            }
            pattern.push(character);
        }
    }
    Ok(pattern.into())
}

/// The JSON object of keys and values in turn.
fn json_object(call: &Call<'_>) -> Result<Value> {
    if call.arguments.len() % 2 == 1 {
        let message = "argument list must have even number of elements";
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    }
    let pairs = call.arguments.chunks_exact(2).map(|pair| {
        let key = text_of(&pair[0]).ok_or_else(|| {
            Error::new(SqlState::INVALID_PARAMETER_VALUE, "argument 1 must not be null")
        })?;
        Ok(format!("{} : {}", json_text(&Value::Text(key)), json_text(&pair[1])))
    });
    Ok(format!("{{{}}}", pairs.collect::<Result<Vec<_>>>()?.join(", ")).into())
}

fn json_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::List(items) => {
            format!("[{}]", items.iter().map(json_text).collect::<Vec<_>>().join(","))
        }
        other => text_of(other).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::postgres::description::Description;
    use crate::query::postgres::testing;

    fn check(pattern: &str, arguments: &[Value], expected: &str) {
        let arguments = [&[Value::from(pattern)], arguments].concat();
        let description = Description::default();
        let source = testing::source();
        let call = Call {
            description: &description,
            source: source.as_ref(),
            arguments: &arguments,
            fields: &[],
        };
        let result = format_text(&call).map_or_else(
            |error| error.to_string(),
            |value| text_of(&value).unwrap_or_else(|| "null".to_owned()),
        );
        assert_eq!(result, expected, "{pattern}");
    }

    #[test]
    fn format_places_its_arguments() {
        check("%s FROM %s", &["a".into(), 1.into()], "a FROM 1");
        check("%I.%I", &["a b".into(), "c".into()], "\"a b\".c");
        check("%L %L", &["it's".into(), Value::Null], "'it''s' NULL");
        check("%2$s %1$s 100%%", &["a".into(), "b".into()], "b a 100%");
        check("%s", &[], "too few arguments for format()");
        check("%I", &[Value::Null], "null values cannot be formatted as an SQL identifier");
        check("%x", &[1.into()], "unrecognized format() type specifier \"x\"");
        check("%", &[], "unterminated format() type specifier");
    }
}
