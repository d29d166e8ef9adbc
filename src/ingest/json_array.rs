//! A JSON array of objects, cut into its elements as it streams by; each is then a row as in NDJSON.
//!
//! Many files that end in `.json` are NDJSON, so that what does not begin with a bracket is read as that.
//! Only the brackets, the commas and the quotes of the array are looked at here; whether an element is an
//! object, and well formed, is found out where lines are.

use crate::error::{Error, Result, SqlState};
use crate::ingest::fault::{Fault, LIMIT, SYNTAX};
use crate::ingest::ndjson::{Objects, lines};
use crate::ingest::source::Source;
use crate::ingest::{Format, Input, Options, RECORD_BYTES_MAX, Sink, Target};

/// `FORMAT json`.
pub(crate) struct JsonArray;

impl Format for JsonArray {
    fn name(&self) -> &'static str {
        "json"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["json"]
    }

    fn doc(&self) -> &'static str {
        "a JSON array of objects, their keys the columns, or else newline-delimited JSON"
    }

    fn read(
        &self,
        input: Input,
        target: &Target,
        options: &Options,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let mut elements = Elements { source: Source::open(input)?, number: 0 };
        if !elements.begin()? {
            return lines(elements.source, target, options, sink);
        }
        let mut objects = Objects::new(target, options);
        while let Some(length) = elements.next()? {
            let bytes = &elements.source.unread()[..length];
            objects.take(elements.number, bytes, text(bytes), sink)?;
            elements.source.consume(length);
        }
        objects.finish(target, sink)
    }
}

fn text(bytes: &[u8]) -> std::result::Result<&str, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| Fault::invalid_utf8(bytes, &error))?;
    if text.starts_with('{') {
        return Ok(text);
    }
    Err(Fault::new(SYNTAX, "each element of the array must be an object"))
}

/// Cuts what stands between the brackets at its commas.
struct Elements {
    source: Source,
    /// How many elements were cut off, which is what a reject tells as its line.
    number: u64,
}

impl Elements {
    /// Consumes the first bracket; if there is none, nothing.
    fn begin(&mut self) -> Result<bool> {
        loop {
            let unread = self.source.unread();
            if let Some(at) = unread.iter().position(|byte| !byte.is_ascii_whitespace()) {
                let bracket = unread[at] == b'[';
                self.source.consume(if bracket { at + 1 } else { 0 });
                return Ok(bracket);
            }
            // So many spaces are lines without rows at best.
            if unread.len() > RECORD_BYTES_MAX || !self.source.fill()? {
                return Ok(false);
            }
        }
    }

    /// The next byte that is no space, unread.
    fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            let unread = self.source.unread();
            match unread.iter().position(|byte| !byte.is_ascii_whitespace()) {
                Some(at) => {
                    let byte = unread[at];
                    self.source.consume(at);
                    return Ok(Some(byte));
                }
                None => {
                    self.source.consume(unread.len());
                    if !self.source.fill()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// How many of the unread bytes are the next element; `None` behind the last one.
    fn next(&mut self) -> Result<Option<usize>> {
        if self.number > 0 {
            match self.peek()? {
                Some(b',') => self.source.consume(1),
                Some(b']') => return self.end(),
                Some(_) => return Err(self.damaged("a comma is missing")),
                None => return Err(self.damaged("it is cut short")),
            }
        }
        match self.peek()? {
            Some(b']') if self.number == 0 => self.end(),
            Some(b',' | b']') => Err(self.damaged("an element is missing")),
            Some(_) => {
                self.number += 1;
                self.length().map(Some)
            }
            None => Err(self.damaged("it is cut short")),
        }
    }

    /// Consumes the last bracket; nothing but spaces may follow.
    fn end(&mut self) -> Result<Option<usize>> {
        self.source.consume(1);
        match self.peek()? {
            None => Ok(None),
            Some(_) => Err(self.damaged("something follows it")),
        }
    }

    /// The length of the element that begins here, up to the comma or bracket behind it.
    fn length(&mut self) -> Result<usize> {
        let (mut at, mut depth, mut quoted, mut escaped) = (0, 0_usize, false, false);
        loop {
            for byte in &self.source.unread()[at..] {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    _ if quoted => {}
                    b'{' | b'[' => depth += 1,
                    b',' | b']' | b'}' if depth == 0 => return self.bounded(at),
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
            }
            self.bounded(at)?;
            if !self.source.fill()? {
                return Err(self.damaged("it is cut short"));
            }
        }
    }

    /// The length of an element, if it may have it.
    fn bounded(&self, length: usize) -> Result<usize> {
        if length <= RECORD_BYTES_MAX {
            return Ok(length);
        }
        let message = format!("element {} of the array is too long", self.number);
        Err(Error::new(SqlState(LIMIT), message)
            .detail(format!("an element can have at most {RECORD_BYTES_MAX} bytes")))
    }

    fn damaged(&self, what: &str) -> Error {
        let message = format!("the JSON array is damaged: {what}");
        Error::new(SqlState::BAD_COPY_FILE_FORMAT, message)
            .detail(format!("after element {}", self.number))
    }
}
