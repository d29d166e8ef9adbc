//! The bytes of an input, unpacked: a buffer that grows to one record and no further.
//!
//! Finds gzip and zstd by their first bytes, drops a byte order mark, and refuses what is no text
//! at all. A damaged or truncated stream is an error of the whole load (`22P04`); a failure of the
//! reader itself stays what it was. Knows nothing of records.

use std::fmt;
use std::io::{self, Read};

use crate::error::{Error, Result, SqlState};
use crate::ingest::Input;

/// Bytes asked for at once: large enough that reading costs nothing beside parsing.
const CHUNK_BYTES: usize = 256 << 10;

/// Bytes looked at to tell what an input is; the longest mark has six.
const MARK_BYTES: usize = 6;

/// What other files start with, so that they are called by their name instead of line by line.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a ZIP archive (or a spreadsheet)"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\x00", "compressed with xz"),
    (b"\xff\xfe", "encoded in UTF-16"),
    (b"\xfe\xff", "encoded in UTF-16"),
];

/// Unread bytes of an input and the reader that brings more.
pub(crate) struct Source {
    reader: Box<dyn Read + Send>,
    packing: Option<&'static str>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Source {
    /// Opens a text input: unpacked, without byte order mark.
    ///
    /// # Errors
    /// `22P04` if it is no text, else as [`Source::fill`].
    pub(crate) fn open(input: Input) -> Result<Self> {
        let reader: Box<dyn Read + Send> = match input {
            Input::Stream(reader) => Box::new(Origin(reader)),
            Input::File(file) => Box::new(Origin(file)),
            Input::Later(open) => return Self::open(open()?),
        };
        let mut source = Self::plain(reader, None);
        if source.starts_with(b"\x1f\x8b")? {
            let packed = flate2::read::MultiGzDecoder::new(source.into_rest());
            source = Self::plain(Box::new(packed), Some("gzip"));
        } else if source.starts_with(b"\x28\xb5\x2f\xfd")? {
            let packed = zstd::stream::read::Decoder::new(source.into_rest())
                .map_err(|error| Error::io("start zstd decompression", &error))?;
            source = Self::plain(Box::new(packed), Some("zstd"));
        }
        if source.starts_with(b"\xef\xbb\xbf")? {
            source.consume(3);
        }
        for (mark, what) in FOREIGN {
            if source.starts_with(mark)? {
                return Err(not_text(what));
            }
        }
        Ok(source)
    }

    fn plain(reader: Box<dyn Read + Send>, packing: Option<&'static str>) -> Self {
        Self { reader, packing, buffer: Vec::new(), start: 0, end: 0 }
    }

    /// What is buffered already, then what the reader still has.
    fn into_rest(self) -> impl Read + Send {
        let mut buffer = self.buffer;
        buffer.truncate(self.end);
        buffer.drain(..self.start);
        io::Cursor::new(buffer).chain(self.reader)
    }

    fn starts_with(&mut self, mark: &[u8]) -> Result<bool> {
        while self.unread().len() < MARK_BYTES && self.fill()? {}
        Ok(self.unread().starts_with(mark))
    }

    /// Bytes read but not consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Marks that many unread bytes as done with.
    pub(crate) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.end - self.start, "only unread bytes can be consumed");
        self.start += count;
    }

    /// Reads more after the unread bytes; false at the end.
    ///
    /// # Errors
    /// `22P04` if the compressed stream is damaged; the reader's own error if that fails.
    pub(crate) fn fill(&mut self) -> Result<bool> {
        self.make_room();
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_error(error, self.packing)),
            }
        }
    }

    /// Consumes up to and with the next such byte, or all there is; whether it was found.
    ///
    /// # Errors
    /// As [`Source::fill`].
    pub(crate) fn skip_past(&mut self, wanted: u8) -> Result<bool> {
        loop {
            let unread = self.unread();
            if let Some(at) = unread.iter().position(|byte| *byte == wanted) {
                self.consume(at + 1);
                return Ok(true);
            }
            self.consume(self.unread().len());
            if !self.fill()? {
                return Ok(false);
            }
        }
    }

    fn make_room(&mut self) {
        if self.buffer.len() - self.end >= CHUNK_BYTES / 2 {
            return;
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK_BYTES {
            // Doubling, so that a record of n bytes is copied O(1) times while it grows.
            let size = (self.end + CHUNK_BYTES).max(self.buffer.len().min(self.end) * 2);
            self.buffer.resize(size, 0);
        }
    }
}

fn not_text(what: &str) -> Error {
    let error = Error::new(SqlState::BAD_COPY_FILE_FORMAT, format!("the input is {what}"));
    if what.starts_with("a Parquet") {
        return error.hint("use FORMAT parquet");
    }
    error.hint("give a UTF-8 text file, plain or compressed with gzip or zstd")
}

/// The reader that came from outside: its errors are marked, so that they are not mistaken for
/// damage that a decompressor found.
pub(crate) struct Origin<R>(pub(crate) R);

#[derive(Debug)]
struct OriginError(io::Error);

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for OriginError {}

impl<R: Read> Read for Origin<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => io::Error::new(kind, OriginError(error)),
        })
    }
}

/// What a failed read means: an [`Error`] that the caller's reader carried is passed on as it is.
pub(crate) fn read_error(error: io::Error, packing: Option<&str>) -> Error {
    let inner = error.get_ref();
    if let Some(OriginError(origin)) = inner.and_then(|inner| inner.downcast_ref()) {
        let carried = origin.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        return carried.cloned().unwrap_or_else(|| Error::io("read the input", origin));
    }
    let Some(packing) = packing else { return Error::io("read the input", &error) };
    let damage = match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("{packing} stream is cut short"),
        _ => format!("{packing} stream is damaged"),
    };
    Error::new(SqlState::BAD_COPY_FILE_FORMAT, damage).detail(error.to_string())
}
