//! Array literals: how the text of one cell becomes elements.
//!
//! Three spellings: PostgreSQL's `{a,"b c",NULL}`, JSON's `["a","b"]`, and with the option
//! `array_delimiter` simply `a|b|c`. Elements are handed out as text or JSON; their types are the
//! builder's business.

use crate::ingest::fault::Fault;
use crate::ingest::json::{self, Json};

/// An element of an array in a cell.
pub(crate) enum Element<'a> {
    Null,
    Text(&'a str),
    Json(Json<'a>),
}

/// What takes the elements, one by one.
pub(crate) type Each<'a> = &'a mut dyn FnMut(Element<'_>) -> Result<(), Fault>;

/// Hands out the elements of the array that a cell's text is; `malformed` if it is none.
pub(crate) fn elements(
    text: &str,
    delimiter: Option<char>,
    malformed: &dyn Fn() -> Fault,
    each: Each<'_>,
) -> Result<(), Fault> {
    if let Some(delimiter) = delimiter {
        return split(text, delimiter, each);
    }
    let trimmed = text.trim_ascii();
    match trimmed.as_bytes() {
        [b'{', .., b'}'] => braced(&trimmed[1..trimmed.len() - 1], malformed, each),
        [b'[', ..] => bracketed(trimmed, each),
        _ => Err(malformed()),
    }
}

/// Elements between separators; an empty one is null, as an empty cell is.
fn split(text: &str, delimiter: char, each: Each<'_>) -> Result<(), Fault> {
    if text.is_empty() {
        return Ok(());
    }
    text.split(delimiter).try_for_each(|part| match part {
        "" => each(Element::Null),
        part => each(Element::Text(part)),
    })
}

fn bracketed(text: &str, each: Each<'_>) -> Result<(), Fault> {
    let mut outcome = Ok(());
    json::elements(text, |element| {
        if outcome.is_ok() {
            outcome = each(Element::Json(element));
        }
    })?;
    outcome
}

/// The inside of `{...}`: elements are bare, quoted, or braced themselves.
fn braced(inside: &str, malformed: &dyn Fn() -> Fault, each: Each<'_>) -> Result<(), Fault> {
    let mut rest = inside.trim_ascii_start();
    if rest.is_empty() {
        return Ok(());
    }
    let mut scratch = String::new();
    loop {
        scratch.clear();
        let (length, element) = match rest.as_bytes().first() {
            Some(b'"') => {
                let length = quoted(rest, &mut scratch).ok_or_else(malformed)?;
                (length, Element::Text(&scratch))
            }
            Some(b'{') => {
                let length = nested(rest).ok_or_else(malformed)?;
                (length, Element::Text(&rest[..length]))
            }
            _ => bare(rest, &mut scratch).ok_or_else(malformed)?,
        };
        each(element)?;
        rest = rest[length..].trim_ascii_start();
        match rest.as_bytes().first() {
            None => return Ok(()),
            Some(b',') => rest = rest[1..].trim_ascii_start(),
            Some(_) => return Err(malformed()),
        }
    }
}

/// Decodes a quoted element and gives its length.
fn quoted(text: &str, out: &mut String) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some(at + 1),
            '\\' => out.push(characters.next()?.1),
            other => out.push(other),
        }
    }
    None
}

/// The length of an element in braces: up to the brace that closes the first.
fn nested(text: &str) -> Option<usize> {
    let (mut depth, mut in_quotes) = (0usize, false);
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next()?;
            }
            b'"' => in_quotes = !in_quotes,
            b'{' if !in_quotes => depth += 1,
            b'}' if !in_quotes => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// A bare element, without the spaces around it: not empty, and null if it says so.
fn bare<'a>(text: &str, out: &'a mut String) -> Option<(usize, Element<'a>)> {
    let mut characters = text.char_indices();
    let mut length = text.len();
    let (mut escaped, mut solid) = (false, 0);
    while let Some((at, character)) = characters.next() {
        match character {
            ',' => {
                length = at;
                break;
            }
            '"' | '{' | '}' => return None,
            '\\' => {
                out.push(characters.next()?.1);
                (escaped, solid) = (true, out.len());
            }
            other => {
                out.push(other);
                solid = if other.is_ascii_whitespace() { solid } else { out.len() };
            }
        }
    }
    out.truncate(solid);
    match out.as_str() {
        "" => None,
        word if !escaped && word.eq_ignore_ascii_case("null") => Some((length, Element::Null)),
        word => Some((length, Element::Text(word))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, delimiter: Option<char>) -> String {
        let mut shown = Vec::new();
        let malformed = || Fault::new("22P02", "malformed");
        let outcome = elements(text, delimiter, &malformed, &mut |element| {
            shown.push(match element {
                Element::Null => "-".to_owned(),
                Element::Text(text) => format!("<{text}>"),
                Element::Json(json) => json.text.to_owned(),
            });
            Ok(())
        });
        outcome.map_or_else(|fault| fault.message, |()| shown.join(" "))
    }

    #[test]
    fn literals() {
        for (text, expected) in [
            ("{}", ""),
            ("{ }", ""),
            ("{a,b c , d}", "<a> <b c> <d>"),
            (r#"{"a,\"b\\",NULL,"NULL",null}"#, r#"<a,"b\> - <NULL> -"#),
            (r#"{"",a\,b\ ,\NULL}"#, "<> <a,b > <NULL>"),
            (r#"{{1,2},{"}"}}"#, r#"<{1,2}> <{"}"}>"#),
            (r#"[1, "a", null, [2]]"#, "1 a null [2]"),
            ("[]", ""),
            ("{a,}", "malformed"),
            ("{,a}", "malformed"),
            ("{a", "malformed"),
            ("a,b", "malformed"),
            ("", "malformed"),
            (r#"{"a}"#, "malformed"),
            (r#"{"a"b}"#, "malformed"),
            (r#"{a"b"}"#, "malformed"),
            ("{{a}", "malformed"),
            ("{a}}", "malformed"),
            (r"{a\}", "malformed"),
            ("[1,", "invalid input syntax for type json: a value expected at byte 4"),
        ] {
            assert_eq!(check(text, None), expected, "{text}");
        }
    }

    #[test]
    fn delimited() {
        for (text, expected) in [("", ""), ("a", "<a>"), ("a||{b}", "<a> - <{b}>"), ("|", "- -")] {
            assert_eq!(check(text, Some('|')), expected, "{text}");
        }
    }
}
