//! Tests of the formats as the engine uses them: bytes and options in, rows and rejects out, as text.

mod arrays;
mod damaged;
mod limits;
mod parquet;
mod round_trip;
mod values;

use std::io::{Cursor, Read};

use arrow::array::RecordBatch;
use arrow::util::display::ArrayFormatter;

use crate::error::{Error, Result};
use crate::ingest::render::FORMATS;
use crate::ingest::{Input, Options, Reject, Rows, Sink, Target, format_named};
use crate::model::column::ColumnType;

/// Keeps everything, as text.
#[derive(Default)]
struct Collector {
    rows: Vec<(u64, String)>,
    raws: Vec<String>,
    rejects: Vec<Reject>,
    notices: Vec<String>,
    batches: Vec<RecordBatch>,
}

impl Sink for Collector {
    fn rows(&mut self, rows: Rows<'_>) -> Result<()> {
        assert!(rows.batch.num_rows() > 0, "an empty batch");
        assert_eq!(rows.lines.len(), rows.batch.num_rows());
        let columns: Vec<_> = rows.batch.columns().iter().collect();
        let formats = FORMATS.with_null("-");
        let shown: Vec<_> = columns
            .iter()
            .map(|column| ArrayFormatter::try_new(*column, &formats).unwrap())
            .collect();
        for row in 0..rows.batch.num_rows() {
            let values: Vec<_> = shown.iter().map(|column| column.value(row).to_string()).collect();
            self.rows.push((rows.lines[row], values.join("|")));
            self.raws.push((rows.raw)(row));
        }
        self.batches.push(rows.batch.clone());
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<()> {
        self.rejects.push(reject);
        Ok(())
    }

    fn notice(&mut self, message: String) {
        self.notices.push(message);
    }
}

impl Collector {
    fn text(&self) -> String {
        let mut lines: Vec<String> =
            self.notices.iter().map(|notice| format!("notice: {notice}")).collect();
        lines.extend(self.rows.iter().map(|(line, values)| format!("{line}: {values}")));
        lines.extend(self.rejects.iter().map(|reject| {
            let Reject { line, code, message, raw } = reject;
            format!("{line}! {code} {message} <{}>", raw.escape_debug())
        }));
        lines.join("\n")
    }
}

/// `a int, b text[]` and so on, in short names of types.
fn target(columns: &str) -> Target {
    let parse = |column: &str| {
        let (name, ty) = column.trim().split_once(' ').unwrap();
        (name.to_owned(), type_of(ty))
    };
    let columns = columns.split(';').filter(|text| !text.is_empty()).map(parse).collect();
    Target { columns, listed: false }
}

fn type_of(name: &str) -> ColumnType {
    if let Some(element) = name.strip_suffix("[]") {
        return ColumnType::Array(Box::new(type_of(element)));
    }
    match name {
        "text" => ColumnType::Text,
        "bool" => ColumnType::Boolean,
        "int2" => ColumnType::SmallInt,
        "int4" => ColumnType::Integer,
        "int8" => ColumnType::BigInt,
        "float4" => ColumnType::Real,
        "float8" => ColumnType::Double,
        "numeric" => ColumnType::Numeric { precision: 12, scale: 2 },
        "date" => ColumnType::Date,
        "timestamp" => ColumnType::Timestamp,
        "timestamptz" => ColumnType::TimestampTz,
        other => panic!("no type {other}"),
    }
}

fn options(text: &str) -> Options {
    let mut options = Options::default();
    for option in text.split_whitespace() {
        let (name, value) = option.split_once('=').unwrap();
        match name {
            "batch_rows" => options.batch_rows = value.parse().unwrap(),
            name => assert!(options.set(name, value).unwrap(), "{name}"),
        }
    }
    options
}

fn describe(error: &Error) -> String {
    let detail = error.get_detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    format!("error {}: {}{detail}", error.code(), error.message())
}

/// Reads an input, with the format's options after its name; all that came of it as text.
fn read(format: &str, columns: &str, input: Input) -> std::result::Result<Collector, Error> {
    let (format, settings) = format.split_once(' ').unwrap_or((format, ""));
    let mut sink = Collector::default();
    let format = format_named(format)?;
    format.read(input, &target(columns), &options(settings), &mut sink)?;
    Ok(sink)
}

fn outcome(format: &str, columns: &str, input: Input) -> String {
    read(format, columns, input).map_or_else(|error| describe(&error), |sink| sink.text())
}

fn stream(bytes: impl AsRef<[u8]>) -> Input {
    Input::Stream(Box::new(Cursor::new(bytes.as_ref().to_vec())))
}

fn check(format: &str, columns: &str, bytes: impl AsRef<[u8]>) -> String {
    // Each byte on its own, so that every border between two reads is tried as well as none.
    let bytes = bytes.as_ref().to_vec();
    let text = outcome(format, columns, stream(&bytes));
    if bytes.len() < 10_000 {
        let single = outcome(format, columns, Input::Stream(Box::new(Single(Cursor::new(bytes)))));
        assert_eq!(text, single, "the outcome depends on how reads are cut");
    }
    text
}

/// Gives one byte a read.
struct Single(Cursor<Vec<u8>>);

impl Read for Single {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let end = buffer.len().min(1);
        self.0.read(&mut buffer[..end])
    }
}

#[test]
fn formats_are_found_by_name_and_path() {
    use crate::ingest::{ALL, format_of_path};
    let of_path = |path| format_of_path(path).map(|format| format.name());
    assert_eq!(of_path("crm/a.csv"), Some("csv"));
    assert_eq!(of_path("s3://b/x.y/*.PARQUET"), Some("parquet"));
    assert_eq!(of_path("a.jsonl.gz"), Some("ndjson"));
    assert_eq!(of_path("a.json.zst"), Some("json"));
    assert_eq!(of_path("a.arrow"), Some("arrow"));
    assert_eq!(of_path("a.csv.zstd"), Some("csv"));
    assert_eq!(of_path("csv"), None);
    assert_eq!(of_path("a/.csv"), None);
    assert_eq!(of_path("a.xlsx"), None);
    assert_eq!(format_named("JSON").map(|format| format.name()), Ok("json"));
    let error = format_named("xml").err().unwrap();
    assert_eq!(describe(&error), "error 22023: COPY format \"xml\" not recognized");
    assert_eq!(error.get_hint(), Some("formats are parquet, csv, json, ndjson, text, arrow"));
    let mut names: Vec<_> = ALL.iter().flat_map(|format| format.extensions()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two formats share an extension");
    assert!(ALL.iter().all(|format| !format.doc().is_empty()));
}
