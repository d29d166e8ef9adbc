//! Cuts CSV and PostgreSQL text into records and fields, without copying.
//!
//! Why not the `csv` crate: a field must be told apart as quoted or not (null against empty text),
//! a record must know its line and its own bytes, and a broken record must not end the reading.
//! The splitter finds borders only; what a field says (quotes and escapes undone) is
//! [`Dialect::decode`]'s, what it means is the builder's.
//!
//! CSV is PostgreSQL's: a quote anywhere in a field starts text that runs to the next quote, line
//! ends within belong to it, and the escape (the quote itself, unless told otherwise) takes the
//! special meaning from a quote or escape after it. Text is PostgreSQL's too: no quotes, a
//! backslash makes the next byte plain, be it a separator or a line end.

use std::ops::Range;

use crate::error::Result;
use crate::ingest::fault::{FORMAT, Fault, LIMIT};
use crate::ingest::source::Source;
use crate::ingest::{RAW_BYTES_MAX, RECORD_BYTES_MAX};

/// What separates, quotes and escapes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    /// Quote and escape of CSV; without them the text format's backslash.
    pub(crate) quotes: Option<(u8, u8)>,
}

/// Where a field is in its record, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The bytes of its value if `style` is not `Mixed`; all of its bytes otherwise.
    pub(crate) range: Range<usize>,
    pub(crate) style: Style,
}

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// As it is.
    Plain,
    /// Between one pair of quotes, and as it is.
    Quoted,
    /// With quotes or escapes that have to be undone.
    Mixed,
}

/// One record.
pub(crate) struct Record<'a> {
    /// The line where it starts.
    pub(crate) line: u64,
    /// Its bytes, without the line end.
    pub(crate) bytes: &'a [u8],
    /// Its fields, up to one more than the splitter was told to expect.
    pub(crate) fields: &'a [Field],
    /// What is wrong with it as a whole; its fields then mean nothing.
    pub(crate) fault: Option<Fault>,
}

/// Cuts a source into records.
pub(crate) struct Splitter {
    source: Source,
    scan: Scan,
    line: u64,
    /// Bytes and lines of the record given last, still unread until the next is asked for.
    done: (usize, u64),
    /// What is kept of a record that was too long to hold.
    overlong: Vec<u8>,
}

impl Splitter {
    pub(crate) fn new(source: Source, dialect: Dialect, fields_max: usize) -> Self {
        let scan = Scan::new(dialect, fields_max);
        Self { source, scan, line: 1, done: (0, 0), overlong: Vec::new() }
    }

    /// Fields of a record beyond this many plus one are skipped from now on.
    pub(crate) fn expect_fields(&mut self, fields_max: usize) {
        self.scan.fields_max = fields_max;
    }

    /// The next record, or nothing at the end.
    ///
    /// # Errors
    /// As [`Source::fill`].
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>> {
        self.source.consume(self.done.0);
        self.line += self.done.1;
        self.done = (0, 0);
        self.scan.start();
        let mut ended = false;
        loop {
            let unread = self.source.unread();
            // Looking no further than the limit keeps the outcome independent of how reads are cut.
            let within = &unread[..unread.len().min(RECORD_BYTES_MAX + 1)];
            let whole = within.len() == unread.len();
            if let Some((length, end)) = self.scan.run(within, ended && whole) {
                self.done = (length + end, self.scan.lines + 1);
                let fault = self.scan.stray_line_end.then(stray_line_end);
                return Ok(Some(self.give(length, fault)));
            }
            if within.len() > RECORD_BYTES_MAX {
                return self.skip_overlong().map(Some);
            }
            if ended {
                return Ok(self.last());
            }
            ended = !self.source.fill()?;
        }
    }

    /// Reads the rest of the source and forgets it.
    ///
    /// # Errors
    /// As [`Source::fill`].
    pub(crate) fn skip_rest(&mut self) -> Result<()> {
        self.done = (0, 0);
        loop {
            self.source.consume(self.source.unread().len());
            if !self.source.fill()? {
                return Ok(());
            }
        }
    }

    fn give(&self, length: usize, fault: Option<Fault>) -> Record<'_> {
        let bytes = &self.source.unread()[..length];
        Record { line: self.line, bytes, fields: &self.scan.fields, fault }
    }

    /// The record that the end of the input ends.
    fn last(&mut self) -> Option<Record<'_>> {
        let length = self.source.unread().len();
        if length == 0 {
            return None;
        }
        self.done = (length, self.scan.lines);
        let fault = if self.scan.in_quotes {
            let until = self.line + self.scan.lines;
            let message = format!("unterminated CSV quoted field (lines {} to {until})", self.line);
            Some(Fault::new(FORMAT, message))
        } else {
            self.scan.end_field(length);
            self.scan.stray_line_end.then(stray_line_end)
        };
        Some(self.give(length, fault))
    }

    /// A record that is too long ends at the first line end after the limit: where in it the
    /// mistake is cannot be known.
    fn skip_overlong(&mut self) -> Result<Record<'_>> {
        let skipped = &self.source.unread()[..RECORD_BYTES_MAX];
        self.overlong.clear();
        // One byte more than will be shown, so that it shows as cut.
        self.overlong.extend_from_slice(&skipped[..RAW_BYTES_MAX + 1]);
        let line_end = self.scan.line_end();
        let mut lines = skipped.iter().filter(|byte| **byte == line_end).count() as u64;
        self.source.consume(RECORD_BYTES_MAX);
        lines += u64::from(self.source.skip_past(line_end)?);
        self.done = (0, lines);
        let message = format!(
            "record is longer than {RECORD_BYTES_MAX} bytes (lines {} to {})",
            self.line,
            self.line + lines.saturating_sub(1)
        );
        let fault = Some(Fault::new(LIMIT, message));
        Ok(Record { line: self.line, bytes: &self.overlong, fields: &[], fault })
    }
}

fn stray_line_end() -> Fault {
    Fault::new(FORMAT, "unquoted carriage return or newline found in data")
}

/// The search for the end of one record, and for its fields on the way; it can be taken up again
/// where the bytes at hand ended.
struct Scan {
    dialect: Dialect,
    fields_max: usize,
    plain_stops: [bool; 256],
    quoted_stops: [bool; 256],
    /// Whether lone carriage returns end the file's lines; its first line end tells.
    returns: Option<bool>,
    fields: Vec<Field>,
    at: usize,
    lines: u64,
    in_quotes: bool,
    stray_line_end: bool,
    current: Current,
}

/// The field that is being scanned.
#[derive(Default)]
struct Current {
    start: usize,
    opened_count: usize,
    opened_at: usize,
    closed_at: usize,
    escaped: bool,
}

impl Scan {
    fn new(dialect: Dialect, fields_max: usize) -> Self {
        let mut plain_stops = [false; 256];
        let mut quoted_stops = [false; 256];
        let (special, escape) = dialect.quotes.unwrap_or((b'\\', b'\\'));
        for byte in [dialect.delimiter, b'\n', b'\r', special] {
            plain_stops[usize::from(byte)] = true;
        }
        for byte in [special, escape, b'\n'] {
            quoted_stops[usize::from(byte)] = true;
        }
        Self {
            dialect,
            fields_max,
            plain_stops,
            quoted_stops,
            returns: None,
            fields: Vec::new(),
            at: 0,
            lines: 0,
            in_quotes: false,
            stray_line_end: false,
            current: Current::default(),
        }
    }

    fn start(&mut self) {
        self.fields.clear();
        (self.at, self.lines) = (0, 0);
        (self.in_quotes, self.stray_line_end) = (false, false);
        self.current = Current::default();
    }

    fn line_end(&self) -> u8 {
        if self.returns == Some(true) { b'\r' } else { b'\n' }
    }

    /// Scans on; at the end of the record gives its length and that of its line end.
    fn run(&mut self, bytes: &[u8], ended: bool) -> Option<(usize, usize)> {
        loop {
            let stops = if self.in_quotes { &self.quoted_stops } else { &self.plain_stops };
            let rest = bytes.get(self.at..)?;
            self.at += rest.iter().position(|byte| stops[usize::from(*byte)]).unwrap_or(rest.len());
            let byte = *bytes.get(self.at)?;
            let next = bytes.get(self.at + 1).copied();
            if self.in_quotes {
                self.quoted(byte, next, ended)?;
            } else if byte == self.dialect.delimiter {
                self.end_field(self.at);
                self.at += 1;
                self.current = Current { start: self.at, ..Current::default() };
            } else if matches!(byte, b'\n' | b'\r') {
                if let Some(length) = self.end_line(byte, next, ended)? {
                    self.end_field(self.at);
                    return Some((self.at, length));
                }
                self.stray_line_end = true;
                self.at += 1;
            } else if self.dialect.quotes.is_some() {
                if self.current.opened_count == 0 {
                    self.current.opened_at = self.at;
                }
                self.current.opened_count += 1;
                self.in_quotes = true;
                self.at += 1;
            } else {
                self.backslash(next, ended)?;
            }
        }
    }

    /// A quote, escape or newline within quotes; nothing if the next byte is needed first.
    fn quoted(&mut self, byte: u8, next: Option<u8>, ended: bool) -> Option<()> {
        let (quote, escape) = self.dialect.quotes?;
        if byte == escape {
            if next.is_none() && !ended {
                return None;
            }
            if next.is_some_and(|next| next == quote || next == escape) {
                self.current.escaped = true;
                self.at += 2;
                return Some(());
            }
        }
        if byte == quote {
            self.in_quotes = false;
            self.current.closed_at = self.at;
        }
        self.lines += u64::from(byte == b'\n');
        self.at += 1;
        Some(())
    }

    fn backslash(&mut self, next: Option<u8>, ended: bool) -> Option<()> {
        if next.is_none() && !ended {
            return None;
        }
        self.current.escaped = true;
        self.lines += u64::from(next == Some(b'\n'));
        self.at += 1 + usize::from(next.is_some());
        Some(())
    }

    /// The length of the line end that starts here, if it is one in this file.
    fn end_line(&mut self, byte: u8, next: Option<u8>, ended: bool) -> Option<Option<usize>> {
        if byte == b'\n' {
            let returns = *self.returns.get_or_insert(false);
            return Some((!returns).then_some(1));
        }
        match next {
            Some(b'\n') => {
                self.returns.get_or_insert(false);
                Some(Some(2))
            }
            None if !ended => None,
            None => Some(Some(1)),
            Some(_) => {
                let returns = *self.returns.get_or_insert(true);
                Some(returns.then_some(1))
            }
        }
    }

    fn end_field(&mut self, end: usize) {
        if self.fields.len() > self.fields_max {
            return;
        }
        let Current { start, opened_count, opened_at, closed_at, escaped } = self.current;
        let neat = opened_count == 1 && opened_at == start && closed_at + 1 == end;
        let (range, style) = match (opened_count, escaped) {
            (0, false) => (start..end, Style::Plain),
            (1, false) if neat => (start + 1..end - 1, Style::Quoted),
            _ => (start..end, Style::Mixed),
        };
        self.fields.push(Field { range, style });
    }
}
