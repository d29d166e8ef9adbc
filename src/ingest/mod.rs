//! Bytes in, typed Arrow batches and rejects out: pure, streaming, in bounded memory.
//!
//! The life of a file: `source` opens it (unpacking gzip and zstd as it goes) and hands out bytes;
//! a [`Format`] cuts them into records (`record` for CSV and text, a line at a time for NDJSON,
//! row groups for Parquet) and matches the file's columns with the [`Target`]'s by name
//! (`columns`); `rows` parses each value straight from the bytes into the `builder` of its column
//! and gives a full batch to the caller's [`Sink`]. A row with one bad value goes to
//! [`Sink::reject`] as a whole, with its line, its text and the reason; nothing is dropped without
//! a word. A file that is broken as such (cut short, damaged, no column in common) is an error.
//!
//! This layer opens no file, reads no clock and knows no dataset: the engine gives it an open
//! [`Input`] and the columns to fill, and decides what becomes of rows and rejects. Memory is a
//! batch and a record, whatever the size of the file.

mod arrow_ipc;
mod builder;
mod coerce;
mod columns;
mod csv;
mod delimited;
pub(crate) mod fault;
pub(crate) mod json;
mod json_array;
mod list;
mod ndjson;
mod number;
mod options;
mod parquet;
mod quoting;
mod record;
mod render;
mod rows;
mod source;
mod text;
pub(crate) mod time;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::error::{Error, Result, SqlState};
use crate::model::column::ColumnType;

pub use crate::ingest::coerce::{Failures, coerce};
pub use crate::ingest::time::{YEAR_MAX, YEAR_MIN, moment};

/// The most bytes kept of a refused row's text: enough to find it, too few to fill the store.
pub const RAW_BYTES_MAX: usize = 8192;

/// The most bytes of one record of a text format: bounds the buffer that a stray quote or a file
/// without newlines would otherwise fill without end.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// Rows of a batch unless told otherwise: the batch size of DataFusion, so no one cuts again.
pub const BATCH_ROWS_DEFAULT: usize = 8192;

/// A batch ends early when its records have this many bytes, so that long rows stay bounded too.
pub const BATCH_BYTES_MAX: usize = 16 << 20;

/// The most columns of a file: far above a dataset's 1,600, as exports carry unused ones along,
/// yet a limit on what one line of separators can make us allocate.
pub const FILE_COLUMNS_MAX: usize = 16_384;

/// The most bytes of a Parquet file that comes as a stream: its index is at the end, so a stream
/// has to be held whole, unlike a file.
pub const PARQUET_STREAM_BYTES_MAX: usize = 64 << 20;

/// Columns to fill, by name, in order: a dataset's columns, or the column list of `COPY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Names and types.
    pub columns: Vec<(String, ColumnType)>,
    /// Whether the statement listed the columns; a complaint then speaks of the list, not of the
    /// dataset.
    pub listed: bool,
}

impl Target {
    /// The schema of the batches: every column nullable, in Arrow's type for it.
    pub fn schema(&self) -> SchemaRef {
        let field = |(name, ty): &(String, ColumnType)| Field::new(name, ty.to_arrow(), true);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }
}

/// The most bytes of one message of an Arrow stream: it is held whole, and tells its length itself.
pub const ARROW_MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The most bytes that one message of an Arrow stream may unpack to.
pub const ARROW_UNPACKED_BYTES_MAX: u64 = 256 << 20;

/// How to read a file; what is `None` is as the format has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether the first line names the columns; without it true for CSV, false for text.
    pub header: Option<bool>,
    /// Separator of fields: an ASCII character.
    pub delimiter: Option<u8>,
    /// Quote of CSV: an ASCII character.
    pub quote: Option<u8>,
    /// Escape within quotes: an ASCII character; without it the quote itself.
    pub escape: Option<u8>,
    /// The text that stands for null, unquoted.
    pub null: Option<String>,
    /// Separator of array elements; without it arrays are `{a,b}` or `["a","b"]`.
    pub array_delimiter: Option<char>,
    /// Rows of a batch.
    pub batch_rows: usize,
}

/// Where the bytes come from.
pub enum Input {
    /// Read once, from its start to its end.
    Stream(Box<dyn std::io::Read + Send>),
    /// An open file, at its start; formats that need it read out of order.
    File(crate::env::disk::File),
    /// Opened when its turn comes: a file that must be fetched first, say.
    Later(Box<dyn FnOnce() -> Result<Input> + Send>),
}

/// A file format.
pub trait Format: Send + Sync {
    /// Its name in `WITH (FORMAT ...)`.
    fn name(&self) -> &'static str;

    /// Extensions of files in it, without the dot, in lower case.
    fn extensions(&self) -> &'static [&'static str];

    /// One sentence for the user.
    fn doc(&self) -> &'static str;

    /// Reads all of `input` into `sink`.
    ///
    /// What reaches the sink does not depend on how the input's reads are cut.
    ///
    /// # Errors
    /// `22P04` if the input is damaged, `42703` if it has no column in common with the target,
    /// `42701` and `42702` for its column names, `42804` if a column can never fit, `58030` if
    /// reading failed, and whatever the sink fails with. The rows given before count for nothing.
    fn read(
        &self,
        input: Input,
        target: &Target,
        options: &Options,
        sink: &mut dyn Sink,
    ) -> Result<()>;
}

/// All formats.
pub static ALL: &[&dyn Format] = &[
    &parquet::Parquet,
    &csv::Csv,
    &json_array::JsonArray,
    &ndjson::NewlineDelimitedJson,
    &text::Text,
    &arrow_ipc::ArrowIpc,
];

/// The format of that name (or extension), in any case.
///
/// # Errors
/// `22023` if there is none.
pub fn format_named(name: &str) -> Result<&'static dyn Format> {
    let lower = name.to_lowercase();
    let named = |format: &&&dyn Format| {
        format.name() == lower || format.extensions().contains(&lower.as_str())
    };
    ALL.iter().find(named).copied().ok_or_else(|| {
        let message = format!("COPY format \"{name}\" not recognized");
        let names: Vec<_> = ALL.iter().map(|format| format.name()).collect();
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
            .hint(format!("formats are {}", names.join(", ")))
    })
}

/// The format that a path's extension tells, looking through `.gz`, `.zst` and `.zstd`.
pub fn format_of_path(path: &str) -> Option<&'static dyn Format> {
    let lower = path.to_lowercase();
    let packed = [".gz", ".zst", ".zstd"].iter().find_map(|ending| lower.strip_suffix(ending));
    let (stem, extension) = packed.unwrap_or(&lower).rsplit_once('.')?;
    let named = !stem.is_empty() && !stem.ends_with(['/', '\\']);
    ALL.iter().find(|format| named && format.extensions().contains(&extension)).copied()
}

/// What takes the rows.
pub trait Sink {
    /// Takes a batch of good rows, never empty.
    ///
    /// # Errors
    /// Whatever is to end the load.
    fn rows(&mut self, rows: Rows<'_>) -> Result<()>;

    /// Takes a refused row.
    ///
    /// # Errors
    /// Whatever is to end the load.
    fn reject(&mut self, reject: Reject) -> Result<()>;

    /// Takes something that the user should know about the file as a whole.
    fn notice(&mut self, message: String);
}

/// A batch of good rows.
pub struct Rows<'a> {
    /// The rows, in the target's schema.
    pub batch: RecordBatch,
    /// For each row the 1-based line of the file where it starts; its number, for formats without lines.
    pub lines: &'a [u64],
    /// The original text of a row of this batch, cut to [`RAW_BYTES_MAX`]; as JSON, for Parquet.
    pub raw: &'a dyn Fn(usize) -> String,
}

/// A refused row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The 1-based line of the file where it starts; its number, for formats without lines.
    pub line: u64,
    /// SQLSTATE.
    pub code: &'static str,
    /// Why, naming the column.
    pub message: String,
    /// Its text, in valid UTF-8 without NUL, cut to [`RAW_BYTES_MAX`].
    pub raw: String,
}
