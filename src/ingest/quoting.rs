//! Undoes quotes and escapes of one field of CSV or PostgreSQL text.
//!
//! Called only for the few fields that `record` found to be `Mixed`; where fields begin and end is
//! known by then.

use std::borrow::Cow;

use crate::ingest::fault::Fault;
use crate::ingest::record::Dialect;

impl Dialect {
    /// The text that a field stands for.
    pub(crate) fn decode<'a>(&self, field: &'a str) -> Result<Cow<'a, str>, Fault> {
        match self.quotes {
            Some((quote, escape)) => Ok(Cow::Owned(unquote(field, quote, escape))),
            None if field.contains('\\') => unescape(field).map(Cow::Owned),
            None => Ok(Cow::Borrowed(field)),
        }
    }
}

/// Removes quotes wherever they stand, and escapes before quotes and escapes within them.
fn unquote(field: &str, quote: u8, escape: u8) -> String {
    let (quote, escape) = (char::from(quote), char::from(escape));
    let mut out = String::with_capacity(field.len());
    let mut in_quotes = false;
    let mut characters = field.chars().peekable();
    while let Some(character) = characters.next() {
        let escapes = in_quotes && character == escape;
        match characters.next_if(|next| escapes && (*next == quote || *next == escape)) {
            Some(escaped) => out.push(escaped),
            None if character == quote => in_quotes = !in_quotes,
            None => out.push(character),
        }
    }
    out
}

/// Decodes backslash escapes; those for bytes may spell what is no UTF-8.
fn unescape(field: &str) -> Result<String, Fault> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte == b'\\' {
            let (decoded, length) = escaped(rest);
            out.push(decoded);
            rest = &rest[length..];
        } else {
            out.push(*byte);
        }
    }
    String::from_utf8(out)
        .map_err(|error| Fault::invalid_utf8(error.as_bytes(), &error.utf8_error()))
}

/// The byte that is spelled after a backslash, and how many bytes spell it.
fn escaped(text: &[u8]) -> (u8, usize) {
    match text {
        // A backslash at the very end stands for itself.
        [] => (b'\\', 0),
        [b'b', ..] => (0x08, 1),
        [b'f', ..] => (0x0c, 1),
        [b'n', ..] => (b'\n', 1),
        [b'r', ..] => (b'\r', 1),
        [b't', ..] => (b'\t', 1),
        [b'v', ..] => (0x0b, 1),
        [b'0'..=b'7', ..] => digits(text, 3, 8),
        [b'x', hex @ ..] if hex.first().is_some_and(u8::is_ascii_hexdigit) => {
            let (byte, length) = digits(hex, 2, 16);
            (byte, length + 1)
        }
        [other, ..] => (*other, 1),
    }
}

/// A byte in up to `count_max` digits; as in PostgreSQL only its low eight bits count.
fn digits(text: &[u8], count_max: usize, radix: u32) -> (u8, usize) {
    let values = text.iter().map_while(|byte| char::from(*byte).to_digit(radix)).take(count_max);
    let (value, count) =
        values.fold((0, 0), |(value, count), digit| (value * radix + digit, count + 1));
    (value as u8, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv() {
        let dialect = |escape| Dialect { delimiter: b',', quotes: Some((b'"', escape)) };
        let check = |field, escape| dialect(escape).decode(field).unwrap().into_owned();
        assert_eq!(check(r#""a""b""#, b'"'), r#"a"b"#);
        assert_eq!(check(r#"a"b,c"d"#, b'"'), "ab,cd");
        assert_eq!(check(r#""a" "#, b'"'), "a ");
        assert_eq!(check(r#""""#, b'"'), "");
        assert_eq!(check(r#""""""#, b'"'), "\"");
        assert_eq!(check(r#""a\"b\\c\d""#, b'\\'), r#"a"b\c\d"#);
        assert_eq!(check(r#"a\"b"\"#, b'\\'), r"a\b\");
    }

    #[test]
    fn text() {
        let dialect = Dialect { delimiter: b'\t', quotes: None };
        let check = |field| match dialect.decode(field) {
            Ok(text) => text.into_owned(),
            Err(fault) => fault.message,
        };
        assert_eq!(check(r"a\tb\\\n\r\b\f\v\q\"), "a\tb\\\n\r\u{8}\u{c}\u{b}q\\");
        assert_eq!(check(r"\101\x41\x4g\xg\1012"), "AA\u{4}gxgA2");
        assert_eq!(check(r"\xc3\xa4"), "ä");
        assert_eq!(check(r"a\xff"), "invalid byte sequence for encoding \"UTF8\": 0xff");
    }
}
