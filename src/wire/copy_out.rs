//! COPY ... TO STDOUT: batches of rows into `CopyData` messages, one for each row, in text, CSV or binary.
//!
//! The values are those that queries send (`encode`, `postgres::text_form`); this file puts around them
//! what a file needs: separators, escapes, quotes, a first and a last line. `produce` calls it.

use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::Schema;
use bytes::{BufMut, BytesMut};

use crate::error::{Error, Result, SqlState};
use crate::query::postgres::text_form::is_null;
use crate::query::postgres::types::PgType;
use crate::query::session::zone::Zone;
use crate::query::statements::{CopyLayout, ForceQuote};
use crate::wire::encode::{Column, Format, Prepared, ROW_BYTES_MAX, canonical_batch, column};

/// How a binary file begins: its name, no flags, no extension.
const BINARY_HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The count of columns that ends a binary file.
const BINARY_END: i16 = -1;

/// Writes the rows of one COPY.
pub(crate) struct CopyEncoder {
    types: Vec<PgType>,
    names: Vec<String>,
    zone: Zone,
    layout: CopyLayout,
    /// Columns of CSV that are always quoted.
    forced: Vec<bool>,
    /// Whether the head of a binary file is still to be written.
    head_due: AtomicBool,
}

impl CopyEncoder {
    /// An encoder for a result's schema.
    ///
    /// # Errors
    /// `42703` if a column that is to be quoted is not in it.
    pub(crate) fn new(schema: &Schema, layout: CopyLayout, zone: Zone) -> Result<Self> {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut forced = vec![false; names.len()];
        if let CopyLayout::Csv { force_quote, .. } = &layout {
            match force_quote {
                ForceQuote::None => {}
                ForceQuote::All => forced.fill(true),
                ForceQuote::Columns(columns) => {
                    for name in columns {
                        let at = names.iter().position(|known| known == name);
                        forced[at.ok_or_else(|| unknown(name))?] = true;
                    }
                }
            }
        }
        let types = schema.fields().iter().map(|field| PgType::of_field(field)).collect();
        let head_due = AtomicBool::new(layout == CopyLayout::Binary);
        Ok(Self { types, names, zone, layout, forced, head_due })
    }

    /// Whether the rows are binary.
    pub(crate) fn is_binary(&self) -> bool {
        self.layout == CopyLayout::Binary
    }

    /// Writes what stands before the rows.
    pub(crate) fn begin(&self, out: &mut BytesMut) {
        match &self.layout {
            CopyLayout::Text { header: true, .. } | CopyLayout::Csv { header: true, .. } => {
                framed(out, |out| {
                    for (at, name) in self.names.iter().enumerate() {
                        self.separate(at, out);
                        let start = out.len();
                        out.put_slice(name.as_bytes());
                        self.protect(out, start, false);
                    }
                    out.put_u8(b'\n');
                });
            }
            _ => {}
        }
    }

    /// Writes the head of a binary file, once: clients expect it in the message of the first row.
    fn head(&self, out: &mut BytesMut) {
        if self.head_due.swap(false, Ordering::Relaxed) {
            out.put_slice(BINARY_HEAD);
        }
    }

    /// Writes what stands after the rows.
    pub(crate) fn end(&self, out: &mut BytesMut) {
        if self.is_binary() {
            framed(out, |out| {
                self.head(out);
                out.put_i16(BINARY_END);
            });
        }
    }

    /// Appends rows as [`crate::wire::encode::RowEncoder::encode`] does.
    ///
    /// # Errors
    /// `54000` for a row that no client could take, and what a cast says.
    pub(crate) fn encode(
        &self,
        batch: &Prepared,
        mut row: usize,
        out: &mut BytesMut,
        ends: &mut Vec<u32>,
        bytes_max: usize,
    ) -> Result<usize> {
        let format = if self.is_binary() { Format::Binary } else { Format::Text };
        let columns = batch
            .arrays
            .iter()
            .zip(&self.types)
            .map(|(array, ty)| column(array, ty.oid, format, self.zone))
            .collect::<Result<Vec<_>>>()?;
        let count = i16::try_from(columns.len())
            .map_err(|_| Error::new(SqlState("54011"), "a COPY can have at most 32767 columns"))?;
        while row < batch.row_count && out.len() < bytes_max {
            let start = out.len();
            framed(out, |out| match format {
                Format::Binary => {
                    self.head(out);
                    out.put_i16(count);
                    columns.iter().for_each(|column| column.put(row, out));
                }
                Format::Text => self.line(&columns, row, out),
            });
            if out.len() - start > ROW_BYTES_MAX {
                let message = format!("a row of the result is larger than {ROW_BYTES_MAX} bytes");
                return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
            }
            ends.push(u32::try_from(out.len()).unwrap_or(u32::MAX));
            row += 1;
        }
        Ok(row)
    }

    /// Brings a batch's columns into the layouts that writers know.
    ///
    /// # Errors
    /// What a cast says.
    pub(crate) fn prepare(&self, batch: &arrow::array::RecordBatch) -> Result<Prepared> {
        canonical_batch(batch, &self.types)
    }

    fn line(&self, columns: &[Column<'_>], row: usize, out: &mut BytesMut) {
        for (at, column) in columns.iter().enumerate() {
            self.separate(at, out);
            if is_null(column.array, row) {
                out.put_slice(self.null().as_bytes());
                continue;
            }
            let start = out.len();
            (column.write)(row, out);
            self.protect(out, start, self.forced[at]);
        }
        out.put_u8(b'\n');
    }

    fn separate(&self, at: usize, out: &mut BytesMut) {
        if at > 0 {
            out.put_u8(match self.layout {
                CopyLayout::Text { delimiter, .. } | CopyLayout::Csv { delimiter, .. } => delimiter,
                CopyLayout::Binary => b'\t',
            });
        }
    }

    fn null(&self) -> &str {
        match &self.layout {
            CopyLayout::Text { null, .. } | CopyLayout::Csv { null, .. } => null,
            CopyLayout::Binary => "",
        }
    }

    /// Makes the value that begins at `start` one that cannot be misread.
    fn protect(&self, out: &mut BytesMut, start: usize, forced: bool) {
        match &self.layout {
            CopyLayout::Binary => {}
            CopyLayout::Text { delimiter, .. } => escape(out, start, *delimiter),
            CopyLayout::Csv { delimiter, null, quote, escape, .. } => {
                let value = &out[start..];
                let special =
                    |byte: &u8| *byte == *delimiter || *byte == *quote || b"\r\n".contains(byte);
                let lone_end = self.names.len() == 1 && value == b"\\.";
                if forced || lone_end || value == null.as_bytes() || value.iter().any(special) {
                    quoted(out, start, *quote, *escape);
                }
            }
        }
    }
}

fn unknown(name: &str) -> Error {
    let message = format!("column \"{name}\" does not exist");
    Error::new(SqlState::UNDEFINED_COLUMN, message).hint("FORCE_QUOTE names columns of the query")
}

/// Puts a `CopyData` message around what is written.
fn framed(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u8(b'd');
    out.put_i32(0);
    write(out);
    // What is longer is refused right after.
    let length = u32::try_from(out.len() - start - 1).unwrap_or(u32::MAX);
    out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
}

/// The letter that follows a backslash in place of a byte.
fn letter(byte: u8, delimiter: u8) -> Option<u8> {
    match byte {
        b'\\' => Some(b'\\'),
        0x08 => Some(b'b'),
        0x0c => Some(b'f'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        0x0b => Some(b'v'),
        byte if byte == delimiter => Some(byte),
        _ => None,
    }
}

/// Puts backslashes into the text that begins at `start`, so that it is one value of a line.
pub(crate) fn escape(out: &mut BytesMut, start: usize, delimiter: u8) {
    if !out[start..].iter().any(|byte| letter(*byte, delimiter).is_some()) {
        return;
    }
    let value = out.split_off(start);
    for byte in &value {
        match letter(*byte, delimiter) {
            Some(letter) => out.put_slice(&[b'\\', letter]),
            None => out.put_u8(*byte),
        }
    }
}

fn quoted(out: &mut BytesMut, start: usize, quote: u8, escape: u8) {
    let value = out.split_off(start);
    out.put_u8(quote);
    for byte in &value {
        if *byte == quote || *byte == escape {
            out.put_u8(escape);
        }
        out.put_u8(*byte);
    }
    out.put_u8(quote);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};

    use super::*;
    use crate::query::statements::copy_to;

    /// All messages of a COPY of three rows of a number and a text.
    fn written(options: &str) -> Vec<u8> {
        let copy = copy_to(&format!("COPY x TO STDOUT {options}")).expect("valid").expect("TO");
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
        let texts = [Some("a,b\t\"c\"\\"), Some(""), None];
        let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let batch = RecordBatch::try_from_iter([("n", numbers), ("t x", texts)]).expect("columns");
        let encoder = CopyEncoder::new(&batch.schema(), copy.layout, Zone::UTC).expect("columns");
        let (mut out, mut ends) = (BytesMut::new(), Vec::new());
        encoder.begin(&mut out);
        let batch = encoder.prepare(&batch).expect("known layouts");
        encoder.encode(&batch, 0, &mut out, &mut ends, usize::MAX).expect("rows");
        encoder.end(&mut out);
        assert_eq!(ends.len(), 3);
        let (mut rest, mut payload) = (&out[..], Vec::new());
        while let Some((b'd', after)) = rest.split_first() {
            let length = u32::from_be_bytes(after[..4].try_into().expect("four")) as usize;
            payload.extend_from_slice(&after[4..length]);
            rest = &after[length..];
        }
        assert!(rest.is_empty());
        payload
    }

    fn check(options: &str, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&written(options)), expected, "{options}");
    }

    #[test]
    fn texts_are_escaped() {
        check("", "1\ta,b\\t\"c\"\\\\\n\\N\t\n3\t\\N\n");
        check("(DELIMITER ',', NULL 'NA', HEADER)", "n,t x\n1,a\\,b\\t\"c\"\\\\\nNA,\n3,NA\n");
    }

    #[test]
    fn csv_is_quoted_where_it_must() {
        check("CSV", "1,\"a,b\t\"\"c\"\"\\\"\n,\"\"\n3,\n");
        check(
            "(FORMAT csv, HEADER, FORCE_QUOTE (n), NULL 'x', QUOTE '''', ESCAPE '\\')",
            "n,t x\n'1','a,b\t\"c\"\\\\'\nx,\n'3',x\n",
        );
    }

    #[test]
    fn binary_has_a_head_and_an_end() {
        let bytes = written("(FORMAT binary)");
        assert!(bytes.starts_with(BINARY_HEAD));
        assert_eq!(bytes[19..29], [0, 2, 0, 0, 0, 4, 0, 0, 0, 1]);
        assert!(bytes.ends_with(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
    }

    #[test]
    fn columns_to_quote_must_be_there() {
        let copy = copy_to("COPY x TO STDOUT (FORMAT csv, FORCE_QUOTE (z))").expect("valid");
        let error = CopyEncoder::new(&Schema::empty(), copy.expect("TO").layout, Zone::UTC);
        assert_eq!(error.err().expect("no column z").code(), SqlState::UNDEFINED_COLUMN);
    }
}
