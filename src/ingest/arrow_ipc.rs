//! Arrow IPC, as a stream or a file, a batch at a time, coerced to the target's types as Parquet is.
//!
//! A file is a stream between two marks, with an index behind it that is not needed to read all of it.
//! Messages tell their lengths themselves, and so do the buffers that are packed in them: both are looked
//! at before anything is made room for, as whoever sends them may have written anything.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::{CompressionType, Message, root_as_message};

use crate::error::{Error, Result, SqlState};
use crate::ingest::parquet::Columns;
use crate::ingest::source::{Origin, read_error};
use crate::ingest::{
    ARROW_MESSAGE_BYTES_MAX, ARROW_UNPACKED_BYTES_MAX, Format, Input, Options, Sink, Target,
};

/// What a file begins with, in words; words of nothing follow, up to a border of 64 bytes at most.
const FILE_MARK: [&[u8; 4]; 2] = [b"ARRO", b"W1\0\0"];

/// The most words of nothing behind the mark.
const PADDING_WORDS_MAX: usize = 16;

/// What stands before the length of a message since version 0.15 of the format.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The most bytes of LZ4 in a message: its decoder does not stop where a buffer says that it ends, and may
/// make each byte 255.
const LZ4_BYTES_MAX: usize = 4 << 20;

/// `FORMAT arrow`.
pub(crate) struct ArrowIpc;

impl Format for ArrowIpc {
    fn name(&self) -> &'static str {
        "arrow"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["arrow", "arrows", "feather"]
    }

    fn doc(&self) -> &'static str {
        "Apache Arrow IPC, as a stream or a file; columns are cast to the dataset's types"
    }

    fn read(
        &self,
        input: Input,
        target: &Target,
        options: &Options,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let reader: Box<dyn Read + Send> = match input {
            Input::Stream(stream) => Box::new(Origin(stream)),
            Input::File(file) => Box::new(Origin(file)),
            Input::Later(open) => return self.read(open()?, target, options, sink),
        };
        let mut messages = Messages { reader, ended: false };
        let mut decoder = StreamDecoder::new();
        let (mut columns, mut first_line) = (None, 1);
        while let Some(message) = messages.next()? {
            let mut buffer = Buffer::from(message);
            while let Some(batch) = decode(&mut decoder, &mut buffer)? {
                let columns = known(&mut columns, &batch.schema(), target, sink)?;
                for from in (0..batch.num_rows()).step_by(options.batch_rows.max(1)) {
                    let rows = options.batch_rows.max(1).min(batch.num_rows() - from);
                    let batch = project(&batch.slice(from, rows), &columns.roots)?;
                    columns.give(&batch, first_line, sink)?;
                    first_line += rows as u64;
                }
            }
        }
        match decoder.schema() {
            None => Err(damaged("it has no schema")),
            // A stream without rows still says whether its columns fit.
            Some(schema) => known(&mut columns, &schema, target, sink).map(|_| ()),
        }
    }
}

fn known<'a, 'c>(
    columns: &'c mut Option<Columns<'a>>,
    schema: &SchemaRef,
    target: &'a Target,
    sink: &mut dyn Sink,
) -> Result<&'c Columns<'a>> {
    if columns.is_none() {
        *columns = Some(Columns::of_schema(schema, target, &|_| false, sink)?);
    }
    Ok(columns.as_ref().expect("it was just put there"))
}

fn project(batch: &RecordBatch, roots: &[usize]) -> Result<RecordBatch> {
    batch.project(roots).map_err(|error| Error::internal(error.to_string()))
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::new(SqlState::BAD_COPY_FILE_FORMAT, "Arrow stream is damaged or none")
        .detail(what.to_string())
}

/// Runs the decoder: on some damage it panics instead of telling, and that must end the load only.
fn decode(decoder: &mut StreamDecoder, buffer: &mut Buffer) -> Result<Option<RecordBatch>> {
    let decoded: std::result::Result<std::result::Result<_, ArrowError>, _> =
        catch_unwind(AssertUnwindSafe(|| decoder.decode(buffer)));
    match decoded {
        Ok(outcome) => outcome.map_err(damaged),
        Err(_) => Err(damaged("the decoder gave up")),
    }
}

/// Cuts the bytes into messages, each with all that belongs to it.
struct Messages {
    reader: Box<dyn Read + Send>,
    ended: bool,
}

impl Messages {
    /// The bytes of the next message; `None` at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.ended {
            return Ok(None);
        }
        let mut message = self.take(4)?;
        if message.is_empty() {
            return Ok(None);
        }
        if message == FILE_MARK[0] {
            message = self.behind_mark()?;
        }
        let mut length = word(&message)?;
        if message == CONTINUATION {
            let next = self.exactly(4)?;
            length = word(&next)?;
            message.extend_from_slice(&next);
        }
        if length == 0 {
            self.ended = true;
            // What stands behind the end is the index of a file; reading it tells whether all came.
            std::io::copy(&mut self.reader, &mut std::io::sink())
                .map_err(|error| read_error(error, None))?;
            return Ok(None);
        }
        let header = self.exactly(bounded(u64::from(length))?)?;
        let described = root_as_message(&header).map_err(damaged)?;
        let body_bytes = u64::try_from(described.bodyLength()).map_err(damaged)?;
        let body = self.exactly(bounded(body_bytes)?)?;
        check_unpacked(&described, &body, ARROW_UNPACKED_BYTES_MAX, LZ4_BYTES_MAX)?;
        message.extend_from_slice(&header);
        message.extend_from_slice(&body);
        Ok(Some(message))
    }

    /// The first word behind the mark of a file.
    fn behind_mark(&mut self) -> Result<Vec<u8>> {
        if self.exactly(4)? != FILE_MARK[1] {
            return Err(damaged("it begins as a file, and is none"));
        }
        for _ in 0..PADDING_WORDS_MAX {
            let word = self.exactly(4)?;
            if word != [0; 4] {
                return Ok(word);
            }
        }
        Err(damaged("it has no schema"))
    }

    /// So many bytes, or none at the end.
    fn take(&mut self, count: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(count as u64).read_to_end(&mut bytes);
        read.map_err(|error| read_error(error, None))?;
        if bytes.is_empty() || bytes.len() == count {
            return Ok(bytes);
        }
        Err(damaged("it is cut short"))
    }

    fn exactly(&mut self, count: usize) -> Result<Vec<u8>> {
        let bytes = self.take(count)?;
        if bytes.len() == count { Ok(bytes) } else { Err(damaged("it is cut short")) }
    }
}

fn word(bytes: &[u8]) -> Result<u32> {
    let bytes = bytes.try_into().map_err(|_| damaged("it is cut short"))?;
    Ok(u32::from_le_bytes(bytes))
}

fn bounded(length: u64) -> Result<usize> {
    let fitting = usize::try_from(length).ok().filter(|length| *length <= ARROW_MESSAGE_BYTES_MAX);
    fitting.ok_or_else(|| {
        let message = format!(
            "a message of an Arrow stream can have at most {ARROW_MESSAGE_BYTES_MAX} bytes"
        );
        Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message).hint("write smaller batches")
    })
}

/// Refuses a message whose buffers say that they unpack to more than there is room for.
fn check_unpacked(
    message: &Message<'_>,
    body: &[u8],
    unpacked_max: u64,
    lz4_max: usize,
) -> Result<()> {
    let dictionary = || message.header_as_dictionary_batch().and_then(|batch| batch.data());
    let Some(batch) = message.header_as_record_batch().or_else(dictionary) else { return Ok(()) };
    let Some(compression) = batch.compression() else { return Ok(()) };
    let (mut unpacked, mut lz4_bytes) = (0_u64, 0);
    for buffer in batch.buffers().into_iter().flatten() {
        let (from, length) = (buffer.offset(), buffer.length());
        let (Ok(from), Ok(length)) = (usize::try_from(from), usize::try_from(length)) else {
            return Err(damaged("a buffer lies outside of its message"));
        };
        if length == 0 {
            continue;
        }
        let bytes = from.checked_add(length).and_then(|end| body.get(from..end));
        let bytes = bytes.ok_or_else(|| damaged("a buffer lies outside of its message"))?;
        let (said, packed) =
            bytes.split_at_checked(8).ok_or_else(|| damaged("a buffer is short"))?;
        let said = i64::from_le_bytes(said.try_into().map_err(damaged)?);
        // Minus one: this buffer is not packed.
        let holds = u64::try_from(said).unwrap_or(packed.len() as u64);
        unpacked = unpacked.saturating_add(holds);
        if compression.codec() == CompressionType::LZ4_FRAME {
            lz4_bytes += packed.len();
        }
    }
    if unpacked > unpacked_max || lz4_bytes > lz4_max {
        let message = format!(
            "a message of an Arrow stream can unpack to at most {unpacked_max} bytes, \
             and hold at most {lz4_max} bytes of LZ4"
        );
        return Err(
            Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message).hint("write smaller batches")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};
    use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
    use arrow::ipc::{CompressionType, root_as_message};

    use super::{ARROW_MESSAGE_BYTES_MAX, Messages, bounded, check_unpacked};

    /// The second message of a stream of zeros, which packs well: its header and its body.
    fn packed(compression: CompressionType) -> (Vec<u8>, Vec<u8>) {
        let zeros = Int64Array::from(vec![0; 100_000]);
        let batch = RecordBatch::try_from_iter([("a", Arc::new(zeros) as _)]).unwrap();
        let options = IpcWriteOptions::default().try_with_compression(Some(compression)).unwrap();
        let writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options);
        let mut writer = writer.unwrap();
        writer.write(&batch).unwrap();
        let reader = Box::new(Cursor::new(writer.into_inner().unwrap()));
        let mut messages = Messages { reader, ended: false };
        messages.next().unwrap().unwrap();
        let message = messages.next().unwrap().unwrap();
        assert!(messages.next().unwrap().is_none());
        let length = u32::from_le_bytes(message[4..8].try_into().unwrap()) as usize;
        (message[8..8 + length].to_vec(), message[8 + length..].to_vec())
    }

    #[test]
    fn buffers_that_unpack_to_too_much_are_refused() {
        for compression in [CompressionType::ZSTD, CompressionType::LZ4_FRAME] {
            let (header, body) = packed(compression);
            assert!(body.len() < 100_000, "{compression:?} packs");
            let message = root_as_message(&header).unwrap();
            check_unpacked(&message, &body, 800_064, body.len()).unwrap();
            let error = check_unpacked(&message, &body, 799_999, body.len()).unwrap_err();
            assert_eq!(error.code().0, "54000");
            let few = check_unpacked(&message, &body, 800_064, 100);
            assert_eq!(few.is_err(), compression == CompressionType::LZ4_FRAME);
        }
    }

    #[test]
    fn messages_are_bounded() {
        assert!(bounded(ARROW_MESSAGE_BYTES_MAX as u64).is_ok());
        let error = bounded(ARROW_MESSAGE_BYTES_MAX as u64 + 1).unwrap_err();
        assert_eq!(error.code().0, "54000");
    }
}
