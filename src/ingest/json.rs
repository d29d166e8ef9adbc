//! A strict JSON scanner over borrowed text: says where values are, and keeps them as written.
//!
//! Not a parser into trees: a number keeps every digit, a nested value its own text, and nothing
//! is allocated unless a string has escapes. Used for NDJSON lines and for arrays inside cells.

use std::borrow::Cow;

use crate::ingest::fault::{Fault, SYNTAX};

/// How deep arrays and objects may be nested: the scanner recurses, and its stack must not depend
/// on the input.
pub(crate) const DEPTH_MAX: usize = 128;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    True,
    False,
    Number,
    String { escaped: bool },
    Array,
    Object,
}

/// A value as it stands in the text; of a string, what is between the quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Json<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
}

/// Where a text stops being JSON, and what should have been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    at: usize,
    expected: &'static str,
}

impl From<Wrong> for Fault {
    fn from(wrong: Wrong) -> Self {
        let Wrong { at, expected } = wrong;
        let message =
            format!("invalid input syntax for type json: {expected} expected at byte {}", at + 1);
        Self::new(SYNTAX, message)
    }
}

type Result<T> = std::result::Result<T, Wrong>;

/// The value that a text is, with nothing but spaces around it.
pub(crate) fn value(text: &str) -> Result<Json<'_>> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.spaces();
    let value = scanner.value(0)?;
    scanner.end()?;
    Ok(value)
}

/// The members of the object that a text is, in order, once each is known to be well formed.
pub(crate) fn members<'a>(text: &'a str, each: impl FnMut(Json<'a>, Json<'a>)) -> Result<()> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.spaces();
    scanner.object(1, each)?;
    scanner.end()
}

/// The elements of the array that a text is, in order.
pub(crate) fn elements<'a>(text: &'a str, each: impl FnMut(Json<'a>)) -> Result<()> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.spaces();
    scanner.array(1, each)?;
    scanner.end()
}

impl<'a> Json<'a> {
    /// The characters that a string stands for; of anything else, its text.
    pub(crate) fn decode(&self) -> std::result::Result<Cow<'a, str>, Fault> {
        if self.kind != (Kind::String { escaped: true }) {
            return Ok(Cow::Borrowed(self.text));
        }
        let mut out = String::with_capacity(self.text.len());
        let mut rest = self.text;
        while let Some((plain, escape)) = rest.split_once('\\') {
            out.push_str(plain);
            rest = unescape(escape, &mut out)?;
        }
        out.push_str(rest);
        Ok(Cow::Owned(out))
    }
}

/// Decodes what follows a backslash (checked by the scanner already) and gives the rest.
fn unescape<'a>(escape: &'a str, out: &mut String) -> std::result::Result<&'a str, Fault> {
    let (letter, rest) = escape.split_at(1);
    let character = match letter {
        "b" => '\u{8}',
        "f" => '\u{c}',
        "n" => '\n',
        "r" => '\r',
        "t" => '\t',
        "u" => return unescape_unicode(rest, out),
        other => other.chars().next().unwrap_or('\\'),
    };
    out.push(character);
    Ok(rest)
}

fn unescape_unicode<'a>(text: &'a str, out: &mut String) -> std::result::Result<&'a str, Fault> {
    let lone = || Fault::new(SYNTAX, "invalid input syntax for type json: lone Unicode surrogate");
    let (unit, rest) = hex(text).ok_or_else(lone)?;
    if let Some(character) = char::from_u32(unit) {
        out.push(character);
        return Ok(rest);
    }
    let (low, rest) = rest.strip_prefix("\\u").and_then(hex).ok_or_else(lone)?;
    let pair = [unit as u16, low as u16];
    let character = char::decode_utf16(pair).next().and_then(std::result::Result::ok);
    out.push(character.ok_or_else(lone)?);
    Ok(rest)
}

fn hex(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn spaces(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn wrong<T>(&self, expected: &'static str) -> Result<T> {
        Err(Wrong { at: self.at, expected })
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<()> {
        if self.peek() != Some(byte) {
            return self.wrong(expected);
        }
        self.at += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.spaces();
        if self.at == self.text.len() { Ok(()) } else { self.wrong("end of input") }
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>> {
        let from = self.at;
        let kind = match self.peek() {
            Some(b'"') => return self.string(),
            Some(b'{') => self.object(depth + 1, |_, _| {}).map(|()| Kind::Object)?,
            Some(b'[') => self.array(depth + 1, |_| {}).map(|()| Kind::Array)?,
            Some(b't') => self.word("true", Kind::True)?,
            Some(b'f') => self.word("false", Kind::False)?,
            Some(b'n') => self.word("null", Kind::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return self.wrong("a value"),
        };
        Ok(Json { kind, text: &self.text[from..self.at] })
    }

    fn word(&mut self, word: &'static str, kind: Kind) -> Result<Kind> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.wrong(word);
        }
        self.at += word.len();
        Ok(kind)
    }

    fn object(&mut self, depth: usize, mut each: impl FnMut(Json<'a>, Json<'a>)) -> Result<()> {
        self.open(b'{', depth)?;
        if self.close(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.spaces();
            self.expect(b':', "\":\"")?;
            self.spaces();
            each(key, self.value(depth)?);
            if self.close(b'}') {
                return Ok(());
            }
            self.expect(b',', "\",\" or \"}\"")?;
            self.spaces();
        }
    }

    fn array(&mut self, depth: usize, mut each: impl FnMut(Json<'a>)) -> Result<()> {
        self.open(b'[', depth)?;
        if self.close(b']') {
            return Ok(());
        }
        loop {
            each(self.value(depth)?);
            if self.close(b']') {
                return Ok(());
            }
            self.expect(b',', "\",\" or \"]\"")?;
            self.spaces();
        }
    }

    fn open(&mut self, bracket: u8, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return self.wrong("a value nested at most 128 deep");
        }
        self.expect(bracket, if bracket == b'{' { "\"{\"" } else { "\"[\"" })?;
        self.spaces();
        Ok(())
    }

    fn close(&mut self, bracket: u8) -> bool {
        self.spaces();
        let closes = self.peek() == Some(bracket);
        self.at += usize::from(closes);
        closes
    }

    fn string(&mut self) -> Result<Json<'a>> {
        self.expect(b'"', "a string")?;
        let bytes = self.text.as_bytes();
        let from = self.at;
        let mut escaped = false;
        loop {
            // The common bytes first and nothing else in the loop: most of a file is this.
            let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..=0x1f);
            self.at += bytes[self.at..].iter().take_while(|byte| plain(byte)).count();
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.wrong("an escaped control character"),
                None => return self.wrong("\"\"\""),
            }
        }
        let text = &self.text[from..self.at];
        self.at += 1;
        Ok(Json { kind: Kind::String { escaped }, text })
    }

    fn escape(&mut self) -> Result<()> {
        let bytes = &self.text.as_bytes()[self.at + 1..];
        let length = match bytes {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', digits @ ..]
                if digits.len() >= 4 && digits[..4].iter().all(u8::is_ascii_hexdigit) =>
            {
                6
            }
            _ => return self.wrong("an escape sequence"),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Result<Kind> {
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    fn digits(&mut self) -> Result<()> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == from { self.wrong("a digit") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) -> String {
        match value(text) {
            Ok(json) => match json.decode() {
                Ok(decoded) => format!("{:?} {decoded}", json.kind),
                Err(fault) => fault.message,
            },
            Err(wrong) => format!("byte {}: {}", wrong.at + 1, wrong.expected),
        }
    }

    #[test]
    fn values_keep_their_text() {
        for (text, expected) in [
            (" null ", "Null null"),
            ("true", "True true"),
            ("12345678901234567890.10", "Number 12345678901234567890.10"),
            ("-0.5E+7", "Number -0.5E+7"),
            (r#""a\"\u00e4\n\ud83d\ude00""#, "String { escaped: true } a\"ä\n😀"),
            (r#"{"a": [1, {"b":null}]}"#, r#"Object {"a": [1, {"b":null}]}"#),
            ("[ ]", "Array [ ]"),
        ] {
            assert_eq!(check(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_told() {
        for (text, expected) in [
            ("", "byte 1: a value"),
            ("nul", "byte 1: null"),
            ("01", "byte 2: end of input"),
            ("1.", "byte 3: a digit"),
            ("-", "byte 2: a digit"),
            ("\"a", "byte 3: \"\"\""),
            ("\"a\tb\"", "byte 3: an escaped control character"),
            (r#""\x""#, "byte 2: an escape sequence"),
            (r#""\u12g4""#, "byte 2: an escape sequence"),
            ("[1,]", "byte 4: a value"),
            ("[1 2]", "byte 4: \",\" or \"]\""),
            ("{a:1}", "byte 2: a string"),
            ("{\"a\" 1}", "byte 6: \":\""),
            ("{\"a\":1} x", "byte 9: end of input"),
            (r#""\ud800""#, "invalid input syntax for type json: lone Unicode surrogate"),
            (r#""\ud800\u0041""#, "invalid input syntax for type json: lone Unicode surrogate"),
        ] {
            assert_eq!(check(text), expected, "{text}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(value(&nested(DEPTH_MAX)).is_ok());
        assert!(check(&nested(DEPTH_MAX + 1)).contains("nested at most 128 deep"));
        assert!(check(&"[".repeat(1 << 20)).contains("nested at most 128 deep"));
    }

    proptest! {
        /// Two implementations: whatever serde_json takes we take, and the other way round.
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}:,"\\a0-3eE+.\- tnu]{0,12}|\{"a":[0-9.eE+-]{1,6}\}"#) {
            let theirs: std::result::Result<serde_json::Value, _> = serde_json::from_str(&text);
            let ours = value(&text);
            // Only theirs limits the size of numbers, and only theirs decodes while it scans.
            let excused = theirs.as_ref().is_err_and(|error| {
                let message = error.to_string();
                message.contains("out of range") || message.contains("surrogate")
                    || message.contains("hex escape")
            });
            prop_assert!(theirs.is_ok() == ours.is_ok() || excused, "{text} {theirs:?} {ours:?}");
        }

        #[test]
        fn strings_survive(text in "\\PC*|[\u{0}-\u{20}\"\\\\äß😀]{0,9}") {
            let written = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(&*value(&written).unwrap().decode().unwrap(), text.as_str());
        }
    }
}
