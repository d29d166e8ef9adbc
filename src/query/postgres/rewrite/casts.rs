//! Casts: to the `reg*` types, from array literals, and to types that DataFusion calls differently.

use sqlparser::ast::{DataType, Expr, TypedString};

use crate::error::Result;
use crate::query::postgres::functions::names;
use crate::query::postgres::rewrite::{Rewriter, build, data_types};

/// The type of an expression that is a cast to a `reg*` type (not to `oid`), and what it casts.
fn object_cast(expr: &Expr) -> Option<&'static str> {
    match build::bare(expr) {
        Expr::Cast { data_type, .. } => {
            data_types::is_name_of_object(data_type).filter(|name| *name != "oid")
        }
        _ => None,
    }
}

/// Turns `x::regclass` into the name that it shows as, where it is shown. True if it was one.
///
/// # Errors
/// If a literal names no object.
pub fn show(rewriter: &Rewriter<'_>, expr: &mut Expr) -> Result<bool> {
    let Some(name) = object_cast(expr) else { return Ok(false) };
    let mut taken = build::take(expr);
    if let Expr::Cast { expr: inner, .. } = &mut taken {
        if let Some(text) = build::literal_text(inner) {
            names::check(&rewriter.description(), name, text)?;
        }
        *expr = build::call(&format!("{name}out"), vec![build::take(inner)]);
    }
    Ok(true)
}

/// Rewrites one cast. True if the result is to be looked at again.
pub fn rewrite(rewriter: &Rewriter<'_>, expr: &mut Expr) -> Result<bool> {
    if let Expr::Interval(interval) = expr
        && let Expr::Value(value) = interval.value.as_mut()
        && let sqlparser::ast::Value::SingleQuotedString(text) = &mut value.value
    {
        *text = with_units(text);
    }
    if let Expr::TypedString(typed) = expr {
        return Ok(rewrite_typed(typed).map(|cast| *expr = cast).is_some());
    }
    let Expr::Cast { expr: inner, data_type, .. } = expr else { return Ok(false) };
    if data_types::is_text(data_type) && shows_object(rewriter, inner)? {
        *expr = build::take(inner);
        return Ok(true);
    }
    if let Some(name) = data_types::is_name_of_object(data_type) {
        *expr = to_object(rewriter, name, inner)?;
        return Ok(true);
    }
    if let Some(value) = build::literal_text(inner).and_then(|text| literal(text, data_type)) {
        *expr = value;
        return Ok(true);
    }
    let plain = data_types::plain(data_type);
    if let Some(length) = data_types::length(data_type) {
        let text = build::cast(build::take(inner), DataType::Text);
        *expr = build::call("left", vec![text, build::number(length as i64)]);
        return Ok(true);
    }
    *data_type = plain;
    Ok(false)
}

/// Whether casting this to text means showing an object's name; if so, it is made to do that.
fn shows_object(rewriter: &Rewriter<'_>, inner: &mut Expr) -> Result<bool> {
    if let Some(name) = rewriter.object_column(inner) {
        *inner = build::call(&format!("{name}out"), vec![build::take(inner)]);
        return Ok(true);
    }
    show(rewriter, inner)
}

fn to_object(rewriter: &Rewriter<'_>, name: &str, inner: &mut Expr) -> Result<Expr> {
    if let Some(text) = build::literal_text(inner) {
        names::check(&rewriter.description(), name, text)?;
    }
    if name == "oid" && object_cast(inner).is_some() {
        return Ok(build::take(inner));
    }
    Ok(build::call(&format!("{name}in"), vec![build::take(inner)]))
}

/// `name 'x'` and other types that are no literals to DataFusion become casts.
fn rewrite_typed(typed: &mut TypedString) -> Option<Expr> {
    let plain = data_types::plain(&typed.data_type);
    let is_literal = matches!(
        plain,
        DataType::Date | DataType::Timestamp(..) | DataType::Time(..) | DataType::Interval { .. }
    );
    if is_literal {
        typed.data_type = plain;
        return None;
    }
    Some(build::cast(Expr::Value(typed.value.clone()), typed.data_type.clone()))
}

/// `1 day 02:00` as `1 day 02 hours 00 minutes`: times of a clock have no units that DataFusion would read.
fn with_units(text: &str) -> String {
    let spelt = |word: &str| {
        let (sign, clock) = word.strip_prefix('-').map_or(("", word), |clock| ("-", clock));
        let parts: Vec<&str> = clock.split(':').collect();
        let is_clock = (2..=3).contains(&parts.len())
            && parts.iter().all(|part| part.starts_with(|first: char| first.is_ascii_digit()));
        if !is_clock {
            return word.to_owned();
        }
        let units = parts.iter().zip(["hours", "minutes", "seconds"]);
        units.map(|(part, unit)| format!("{sign}{part} {unit}")).collect::<Vec<_>>().join(" ")
    };
    text.split(' ').map(spelt).collect::<Vec<_>>().join(" ")
}

/// A literal of a type whose text DataFusion would not read: arrays and bytes.
fn literal(text: &str, data_type: &DataType) -> Option<Expr> {
    match data_types::plain(data_type) {
        interval @ DataType::Interval { .. } => {
            let whole = with_units(text);
            (whole != text).then(|| build::cast(build::string(&whole), interval))
        }
        DataType::Bytea => {
            let digits = text.strip_prefix("\\x")?;
            Some(build::call("decode", vec![build::string(digits), build::string("hex")]))
        }
        array @ DataType::Array(_) => Some(build::cast(array_expr(text)?, array)),
        _ => None,
    }
}

/// The array that a literal such as `{a,"b c",NULL}` is.
pub fn array_expr(text: &str) -> Option<Expr> {
    let items = array_items(text)?;
    let items =
        items.into_iter().map(|item| item.map_or_else(build::null, |it| build::string(&it)));
    Some(build::call("make_array", items.collect()))
}

/// The elements of an array literal; `None` if it is not one of one dimension.
fn array_items(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut characters = inner.chars().peekable();
    while characters.peek().is_some() {
        let mut item = String::new();
        let mut quoted = false;
        let mut was_quoted = false;
        for character in characters.by_ref() {
            match character {
                '"' => {
                    quoted = !quoted;
                    was_quoted = true;
                }
                ',' if !quoted => break,
                '{' | '}' if !quoted => return None,
                _ => item.push(character),
            }
        }
        let plain = item.trim();
        items.push(match was_quoted {
            true => Some(item),
            false if plain.eq_ignore_ascii_case("null") => None,
            false => Some(plain.to_owned()),
        });
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_literals_are_read() {
        let check = |text: &str, expected: Option<&[Option<&str>]>| {
            let items = array_items(text);
            let items: Option<Vec<_>> =
                items.as_ref().map(|it| it.iter().map(|item| item.as_deref()).collect());
            assert_eq!(items.as_deref(), expected, "{text}");
        };
        check("{}", Some(&[]));
        check("{a, b}", Some(&[Some("a"), Some("b")]));
        check("{\"a,b\",NULL,\"NULL\"}", Some(&[Some("a,b"), None, Some("NULL")]));
        check("{{1},{2}}", None);
        check("a", None);
    }
}
