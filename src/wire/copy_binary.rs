//! COPY ... FROM STDIN (FORMAT binary): the client's binary rows, rewritten as lines of text.
//!
//! The engine reads lines; this file reads PostgreSQL's binary format as it arrives, in pieces cut anywhere,
//! and writes each value as `postgres::text_form` shows it. A broken file ends the COPY, since the place of
//! the next value is lost with it; whether a value fits its column is for the engine to say.

use arrow::array::ArrayRef;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::{Error, Result, SqlState};
use crate::query::error::from_datafusion;
use crate::query::postgres::text_form::text_writer;
use crate::query::session::zone::Zone;
use crate::wire::copy_out::escape;
use crate::wire::decode::{binary, utf8};

/// What a binary file begins with; flags and an extension follow.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// The bit of the flags that says that rows have object numbers, which no version writes any more.
const HAS_OIDS: u32 = 1 << 16;

/// The high bits of the flags: a reader must know what they mean.
const CRITICAL_FLAGS: u32 = 0xffff_0000;

/// The most bytes of one row that may be waited for; the engine's lines are bounded alike.
const ROW_BYTES_MAX: usize = crate::ingest::RECORD_BYTES_MAX;

/// Turns a binary file into lines of text.
pub(crate) struct BinaryRows {
    /// Numbers of the columns' types.
    oids: Vec<u32>,
    /// What has arrived and is not a whole row.
    waiting: BytesMut,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Head,
    Rows,
    End,
}

impl BinaryRows {
    /// A file of rows whose columns have these types.
    pub(crate) fn new(oids: Vec<u32>) -> Self {
        Self { oids, waiting: BytesMut::new(), place: Place::Head }
    }

    /// Takes a piece; gives the lines that it completes.
    ///
    /// # Errors
    /// `22P04` for what is no such file, `22P03` and `22021` for broken values.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<Bytes> {
        self.waiting.extend_from_slice(piece);
        let mut lines = BytesMut::new();
        if self.place == Place::Head && !self.head()? {
            return Ok(lines.freeze());
        }
        while self.place == Place::Rows {
            let start = lines.len();
            match self.row(&mut lines)? {
                Some(length) => self.waiting.advance(length),
                None => {
                    lines.truncate(start);
                    break;
                }
            }
        }
        if self.place == Place::End && !self.waiting.is_empty() {
            return Err(bad("received copy data after EOF marker"));
        }
        if self.waiting.len() > ROW_BYTES_MAX {
            let message = format!("a row of binary COPY data is larger than {ROW_BYTES_MAX} bytes");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        Ok(lines.freeze())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// `22P04` if it ends within a row.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.place {
            Place::Head => Err(bad("COPY file signature not recognized")),
            _ if !self.waiting.is_empty() => Err(bad("unexpected EOF in COPY data")),
            _ => Ok(()),
        }
    }

    /// Reads the head; false if it is not there in full.
    fn head(&mut self) -> Result<bool> {
        let known = self.waiting.len().min(SIGNATURE.len());
        if self.waiting[..known] != SIGNATURE[..known] {
            return Err(bad("COPY file signature not recognized"));
        }
        let mut rest = &self.waiting[known..];
        if rest.len() < 8 {
            return Ok(false);
        }
        let (flags, extension) = (rest.get_u32(), rest.get_i32());
        if flags & HAS_OIDS != 0 {
            return Err(bad("invalid COPY file header (WITH OIDS)"));
        }
        if flags & CRITICAL_FLAGS != 0 {
            return Err(bad("unrecognized critical flags in COPY file header"));
        }
        let extension = usize::try_from(extension)
            .map_err(|_| bad("invalid COPY file header (missing length)"))?;
        if rest.len() < extension {
            return Ok(false);
        }
        self.waiting.advance(SIGNATURE.len() + 8 + extension);
        self.place = Place::Rows;
        Ok(true)
    }

    /// Writes the next row; gives its length, or `None` if it is not there in full.
    fn row(&mut self, lines: &mut BytesMut) -> Result<Option<usize>> {
        let mut rest = &self.waiting[..];
        let Some(count) = rest.try_get_i16().ok() else { return Ok(None) };
        if count == -1 {
            self.place = Place::End;
            return Ok(Some(2));
        }
        if usize::try_from(count).ok() != Some(self.oids.len()) {
            let message = format!("row field count is {count}, expected {}", self.oids.len());
            return Err(bad(message));
        }
        for (at, oid) in self.oids.iter().enumerate() {
            if at > 0 {
                lines.put_u8(b'\t');
            }
            let Some(length) = rest.try_get_i32().ok() else { return Ok(None) };
            if length == -1 {
                lines.put_slice(b"\\N");
                continue;
            }
            let length = usize::try_from(length).map_err(|_| bad("invalid field size"))?;
            let Some((value, after)) = rest.split_at_checked(length) else { return Ok(None) };
            let start = lines.len();
            put(lines, value, *oid)?;
            escape(lines, start, b'\t');
            rest = after;
        }
        lines.put_u8(b'\n');
        Ok(Some(self.waiting.len() - rest.len()))
    }
}

/// Writes one value as text.
fn put(lines: &mut BytesMut, value: &[u8], oid: u32) -> Result<()> {
    const TEXT: u32 = 25;
    if oid == TEXT {
        lines.put_slice(utf8(value)?.as_bytes());
        return Ok(());
    }
    let array: ArrayRef =
        binary(value, oid)?.to_array().map_err(|error| from_datafusion(&error, ""))?;
    text_writer(array.as_ref(), oid, Zone::UTC)?(0, lines);
    Ok(())
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(SqlState("22P04"), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT4: u32 = 23;
    const TEXT: u32 = 25;
    const TIMESTAMPTZ: u32 = 1184;

    fn file(rows: &[&[u8]]) -> Vec<u8> {
        let mut bytes = [SIGNATURE, &[0; 8]].concat();
        rows.iter().for_each(|row| bytes.extend_from_slice(row));
        bytes
    }

    /// The lines of a file that arrives byte by byte.
    fn check(oids: &[u32], bytes: &[u8], expected: &str) {
        let mut rows = BinaryRows::new(oids.to_vec());
        let mut lines = Vec::new();
        let mut read = || {
            for byte in bytes {
                lines.extend_from_slice(&rows.take(&[*byte])?);
            }
            rows.finish()
        };
        let shown = match read() {
            Ok(()) => String::from_utf8_lossy(&lines).into_owned(),
            Err(error) => format!("{} {error}", error.code()),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn rows_become_lines() {
        let one = [&[0, 2, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 3][..], b"a\tb"].concat();
        let none = [0, 2, 255, 255, 255, 255, 0, 0, 0, 0];
        check(&[INT4, TEXT], &file(&[&one, &none, &[255, 255]]), "7\ta\\tb\n\\N\t\n");
        let moment = [0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        check(&[TIMESTAMPTZ], &file(&[&moment]), "2000-01-01 00:00:00+00\n");
    }

    #[test]
    fn broken_files_are_refused() {
        check(&[INT4], b"1\n", "22P04 COPY file signature not recognized");
        check(&[INT4], b"", "22P04 COPY file signature not recognized");
        check(&[INT4], &file(&[&[0, 2]]), "22P04 row field count is 2, expected 1");
        check(&[INT4], &file(&[&[0, 1, 0, 0]]), "22P04 unexpected EOF in COPY data");
        check(&[INT4], &file(&[&[0, 1, 255, 255, 255, 0]]), "22P04 invalid field size");
        check(&[INT4], &file(&[&[255, 255, 0]]), "22P04 received copy data after EOF marker");
        check(
            &[INT4],
            &file(&[&[0, 1, 0, 0, 0, 1, 5]]),
            "22P03 incorrect binary data format for type integer",
        );
        let mut flags = file(&[]);
        flags[12] = 1;
        check(&[INT4], &flags, "22P04 invalid COPY file header (WITH OIDS)");
    }

    #[test]
    fn a_row_that_is_too_long_is_refused() {
        let mut rows = BinaryRows::new(vec![TEXT]);
        rows.take(&file(&[&[0, 1, 0x3f, 0, 0, 0]])).expect("a row begins");
        let error = rows.take(&vec![b'x'; ROW_BYTES_MAX + 1]).expect_err("it never ends");
        assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED);
    }
}
