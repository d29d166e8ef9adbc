//! Newline-delimited JSON: one object a line, keys in any order, values as written.
//!
//! A line is scanned once; the values of the target's columns are remembered as they stand and
//! parsed when the whole line is known to be JSON. Keys are looked up by the order in which the
//! last line had them, so that the usual file costs one comparison a key.

use std::collections::{BTreeSet, HashMap};

use crate::error::Result;
use crate::ingest::columns::{same_but_for_case, tell};
use crate::ingest::fault::{Fault, LIMIT, SYNTAX};
use crate::ingest::json::{self, Json, Kind};
use crate::ingest::rows::{RowBuilder, reject};
use crate::ingest::source::Source;
use crate::ingest::{Format, Input, Options, RAW_BYTES_MAX, RECORD_BYTES_MAX, Sink, Target};

/// The most different keys that are remembered: a file whose keys are data must not fill memory.
const KEYS_MAX: usize = 4096;

/// Keys longer than this are not remembered; names are shorter.
const KEY_BYTES_MAX: usize = 256;

/// `FORMAT ndjson`.
pub(crate) struct NewlineDelimitedJson;

impl Format for NewlineDelimitedJson {
    fn name(&self) -> &'static str {
        "ndjson"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["ndjson", "jsonl"]
    }

    fn doc(&self) -> &'static str {
        "newline-delimited JSON: one object a line, its keys the columns"
    }

    fn read(
        &self,
        input: Input,
        target: &Target,
        options: &Options,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        lines(Source::open(input)?, target, options, sink)
    }
}

/// Reads the rest of a source, a row a line.
///
/// # Errors
/// As [`Format::read`].
pub(crate) fn lines(
    source: Source,
    target: &Target,
    options: &Options,
    sink: &mut dyn Sink,
) -> Result<()> {
    let mut lines = Lines { source, number: 0, done: 0, head: Vec::new() };
    let mut objects = Objects::new(target, options);
    while let Some(line) = lines.next()? {
        if line.bytes.trim_ascii().is_empty() {
            continue;
        }
        objects.take(line.number, line.bytes, line.text(), sink)?;
    }
    objects.finish(target, sink)
}

/// Objects on their way into rows.
pub(crate) struct Objects<'t> {
    keys: Keys<'t>,
    rows: RowBuilder<'t>,
}

impl<'t> Objects<'t> {
    pub(crate) fn new(target: &'t Target, options: &Options) -> Self {
        Self { keys: Keys::new(target), rows: RowBuilder::new(target, options) }
    }

    /// Takes one record: its bytes, and the text that they are, if they are one.
    ///
    /// # Errors
    /// What the sink fails with.
    pub(crate) fn take(
        &mut self,
        number: u64,
        bytes: &[u8],
        text: std::result::Result<&str, Fault>,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        match text.and_then(|text| self.keys.values(text)) {
            Ok(values) => {
                self.rows.row(number, bytes, sink, |column, builder| match values[column] {
                    Some(value) => builder.append_json(value.json),
                    None => {
                        builder.append_null();
                        Ok(())
                    }
                })
            }
            Err(fault) => reject(number, fault, bytes, sink),
        }
    }

    /// Gives the last rows, and says which keys and columns found no counterpart.
    ///
    /// # Errors
    /// What the sink fails with; `42703` if no key is a column.
    pub(crate) fn finish(mut self, target: &Target, sink: &mut dyn Sink) -> Result<()> {
        self.rows.finish(sink)?;
        self.keys.tell(target, sink)
    }
}

/// Cuts a source into lines.
struct Lines {
    source: Source,
    number: u64,
    /// Bytes of the line given last, still unread until the next is asked for.
    done: usize,
    /// What is kept of a line that was too long to hold.
    head: Vec<u8>,
}

struct Line<'a> {
    number: u64,
    bytes: &'a [u8],
    overlong: bool,
}

impl Lines {
    fn next(&mut self) -> Result<Option<Line<'_>>> {
        self.source.consume(std::mem::take(&mut self.done));
        self.number += 1;
        let mut searched = 0;
        let length = loop {
            let unread = self.source.unread();
            let within = &unread[..unread.len().min(RECORD_BYTES_MAX + 1)];
            if let Some(at) = within[searched..].iter().position(|byte| *byte == b'\n') {
                self.done = searched + at + 1;
                break searched + at;
            }
            if within.len() > RECORD_BYTES_MAX {
                return self.skip_overlong().map(Some);
            }
            searched = within.len();
            if !self.source.fill()? {
                self.done = searched;
                break searched;
            }
        };
        if self.done == 0 {
            return Ok(None);
        }
        let bytes = &self.source.unread()[..length];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        Ok(Some(Line { number: self.number, bytes, overlong: false }))
    }

    fn skip_overlong(&mut self) -> Result<Line<'_>> {
        self.head.clear();
        // One byte more than will be shown, so that it shows as cut.
        self.head.extend_from_slice(&self.source.unread()[..RAW_BYTES_MAX + 1]);
        self.source.skip_past(b'\n')?;
        Ok(Line { number: self.number, bytes: &self.head, overlong: true })
    }
}

impl<'a> Line<'a> {
    fn text(&self) -> std::result::Result<&'a str, Fault> {
        if self.overlong {
            let message = format!("record is longer than {RECORD_BYTES_MAX} bytes");
            return Err(Fault::new(LIMIT, message));
        }
        let invalid = |error| Fault::invalid_utf8(self.bytes, &error);
        std::str::from_utf8(self.bytes).map_err(invalid)
    }
}

/// The keys of the file, and which column each one fills.
struct Keys<'t> {
    columns: Vec<&'t str>,
    known: Vec<Key>,
    index: HashMap<String, usize>,
    /// Where in `known` the next key is expected.
    expected: usize,
    /// Columns for which any line had a key.
    seen: Vec<bool>,
    unknown: BTreeSet<String>,
    any_object: bool,
    any_key: bool,
}

struct Key {
    written: String,
    column: Option<Place>,
}

/// A column, and whether the key names it in the same case.
#[derive(Clone, Copy)]
struct Place {
    column: usize,
    exact: bool,
}

/// The value of a column on one line.
#[derive(Clone, Copy)]
struct Value<'a> {
    json: Json<'a>,
    key: &'a str,
    exact: bool,
}

impl<'t> Keys<'t> {
    fn new(target: &'t Target) -> Self {
        Self {
            columns: target.columns.iter().map(|(name, _)| name.as_str()).collect(),
            known: Vec::new(),
            index: HashMap::new(),
            expected: 0,
            seen: vec![false; target.columns.len()],
            unknown: BTreeSet::new(),
            any_object: false,
            any_key: false,
        }
    }

    /// The values that a line has for the columns.
    fn values<'a>(&mut self, text: &'a str) -> std::result::Result<Vec<Option<Value<'a>>>, Fault> {
        if !text.trim_ascii_start().starts_with('{') {
            return Err(not_an_object(text));
        }
        let mut values = vec![None; self.columns.len()];
        let mut outcome = Ok(());
        self.expected = 0;
        json::members(text, |key, json| {
            if outcome.is_ok() {
                outcome = self.place(key).and_then(|place| self.put(&mut values, place, key, json));
            }
        })?;
        outcome?;
        self.any_object = true;
        Ok(values)
    }

    fn put<'a>(
        &mut self,
        values: &mut [Option<Value<'a>>],
        place: Option<Place>,
        key: Json<'a>,
        json: Json<'a>,
    ) -> std::result::Result<(), Fault> {
        self.any_key = true;
        let Some(Place { column, exact }) = place else { return Ok(()) };
        self.seen[column] = true;
        let value = Value { json, key: key.text, exact };
        match values[column] {
            Some(other) if other.exact && !exact => self.note_unknown(&key.decode()?),
            Some(other) if !other.exact && !exact && other.key != key.text => {
                let (one, two, name) = (other.key, key.text, self.columns[column]);
                let message = format!("keys \"{one}\" and \"{two}\" both mean column \"{name}\"");
                return Err(Fault::new("42702", message));
            }
            _ => values[column] = Some(value),
        }
        Ok(())
    }

    /// Which column a key fills, if any.
    fn place(&mut self, key: Json<'_>) -> std::result::Result<Option<Place>, Fault> {
        let expected = self.expected;
        if let Some(known) = self.known.get(expected).filter(|known| known.written == key.text) {
            self.expected += 1;
            return Ok(known.column);
        }
        if let Some(at) = self.index.get(key.text) {
            self.expected = at + 1;
            return Ok(self.known[*at].column);
        }
        let name = key.decode()?;
        let column = self.find(&name);
        if column.is_none() {
            self.note_unknown(&name);
        }
        if self.known.len() < KEYS_MAX && key.text.len() <= KEY_BYTES_MAX {
            self.index.insert(key.text.to_owned(), self.known.len());
            self.known.push(Key { written: key.text.to_owned(), column });
            self.expected = self.known.len();
        }
        Ok(column)
    }

    fn find(&self, name: &str) -> Option<Place> {
        let exact = self.columns.iter().position(|column| *column == name);
        let alike = || self.columns.iter().position(|column| same_but_for_case(column, name));
        exact
            .map(|column| Place { column, exact: true })
            .or_else(|| alike().map(|column| Place { column, exact: false }))
    }

    fn note_unknown(&mut self, name: &str) {
        if self.unknown.len() < KEYS_MAX {
            self.unknown.insert(name[..name.floor_char_boundary(KEY_BYTES_MAX)].to_owned());
        }
    }

    /// Says at the end which keys and columns found no counterpart.
    fn tell(&self, target: &Target, sink: &mut dyn Sink) -> Result<()> {
        if !self.any_object {
            return Ok(());
        }
        let unknown: Vec<_> = self.unknown.iter().map(String::as_str).collect();
        let columns = self.columns.iter().zip(&self.seen);
        let missing: Vec<_> = columns.filter(|(_, seen)| !**seen).map(|(name, _)| *name).collect();
        let nothing = self.any_key && missing.len() == self.columns.len();
        tell(nothing, &unknown, &missing, target, sink)
    }
}

fn not_an_object(text: &str) -> Fault {
    let what = match json::value(text).map(|json| json.kind) {
        Ok(Kind::Array) => "an array",
        Ok(Kind::String { .. }) => "a string",
        Ok(Kind::Number) => "a number",
        Ok(Kind::True | Kind::False) => "a boolean",
        Ok(Kind::Null) => "null",
        Err(_) if text.trim_ascii_start().starts_with('[') => "the start of an array",
        Ok(Kind::Object) | Err(_) => "no JSON",
    };
    Fault::new(SYNTAX, format!("each line must be one JSON object, but this is {what}"))
}
