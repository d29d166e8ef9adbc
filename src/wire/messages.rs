//! Messages of the client, cut out of the bytes it sent and read strictly.
//!
//! `pgwire` encodes our answers and reads the start-up packet; requests are read here, because its
//! reader replaces invalid UTF-8 in statements, trusts lengths inside a message, and cannot tell a
//! message that is too large from one that is broken. Nothing here knows what a request means.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Error, Result, SqlState};
use crate::wire::decode::utf8;

/// The most bytes of one message, as in PostgreSQL: a bit less than 1 GiB.
pub(crate) const MESSAGE_BYTES_MAX: usize = 0x3fff_ffff;

/// The most bytes of a message that carries no data, such as Sync or Close.
const SMALL_MESSAGE_BYTES_MAX: usize = 10_000;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A string of statements.
    Query(String),
    /// A statement to prepare.
    Parse { name: String, sql: String, oids: Vec<u32> },
    /// Values for a statement: a portal.
    Bind(Bind),
    /// Asks for the columns of a portal, or the parameters and columns of a statement.
    Describe(Target),
    /// Asks for rows of a portal; 0 is all of them.
    Execute { portal: String, row_count_max: usize },
    /// Forgets a portal or statement.
    Close(Target),
    /// Sends what is ready.
    Flush,
    /// Ends a series of requests.
    Sync,
    /// A piece of a COPY.
    CopyData(Bytes),
    /// The end of a COPY.
    CopyDone,
    /// The client gives a COPY up, and says why.
    CopyFail(String),
    /// A call of a function by its number.
    FunctionCall,
    /// A password, when none was asked for.
    Password,
    /// The end.
    Terminate,
}

/// What Describe and Close are about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A prepared statement.
    Statement(String),
    /// A portal.
    Portal(String),
}

/// Values for the parameters of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    /// The portal to make.
    pub(crate) portal: String,
    /// The statement.
    pub(crate) statement: String,
    /// Format codes of the parameters: none, one, or one each.
    pub(crate) parameter_formats: Vec<i16>,
    /// The values; `None` is null.
    pub(crate) parameters: Vec<Option<Bytes>>,
    /// Format codes of the result's columns: none, one, or one each.
    pub(crate) result_formats: Vec<i16>,
}

/// Whether an error ends the connection, because the place of the next message is lost.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The message was read to its end; the connection can go on.
    Message {
        /// What is wrong with it.
        error: Error,
        /// Whether it was of the extended protocol, where a Sync follows.
        extended: bool,
    },
    /// The stream is out of step.
    Stream(Error),
}

/// Takes the next request from the buffer; `None` if it is not there in full.
///
/// # Errors
/// [`Fault::Stream`] for an unknown message or an impossible length, [`Fault::Message`] for bad contents
pub(crate) fn take(buffer: &mut BytesMut) -> std::result::Result<Option<Request>, Fault> {
    let Some(header) = buffer.get(..5) else { return Ok(None) };
    let kind = header[0];
    let length = i32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    let length_max = length_max(kind)
        .ok_or_else(|| Fault::Stream(violation(format!("invalid frontend message type {kind}"))))?;
    let length = usize::try_from(length)
        .ok()
        .filter(|length| (4..=length_max).contains(length))
        .ok_or_else(|| Fault::Stream(violation("invalid message length")))?;
    if buffer.len() <= length {
        buffer.reserve(length + 1 - buffer.len());
        return Ok(None);
    }
    let mut body = buffer.split_to(length + 1);
    body.advance(5);
    let extended = !matches!(kind, b'Q' | b'F');
    let request = read(kind, &mut Reader(body.freeze()));
    request.map(Some).map_err(|error| Fault::Message { error, extended })
}

fn length_max(kind: u8) -> Option<usize> {
    match kind {
        b'Q' | b'P' | b'B' | b'd' | b'F' => Some(MESSAGE_BYTES_MAX),
        b'D' | b'E' | b'C' | b'H' | b'S' | b'c' | b'f' | b'p' | b'X' => {
            Some(SMALL_MESSAGE_BYTES_MAX)
        }
        _ => None,
    }
}

fn violation(message: impl Into<String>) -> Error {
    Error::new(SqlState::PROTOCOL_VIOLATION, message)
}

fn read(kind: u8, body: &mut Reader) -> Result<Request> {
    let request = match kind {
        b'Q' => Request::Query(body.string()?),
        b'P' => Request::Parse { name: body.string()?, sql: body.string()?, oids: oids(body)? },
        b'B' => Request::Bind(Bind {
            portal: body.string()?,
            statement: body.string()?,
            parameter_formats: codes(body)?,
            parameters: values(body)?,
            result_formats: codes(body)?,
        }),
        b'D' => Request::Describe(target(body)?),
        b'C' => Request::Close(target(body)?),
        b'E' => {
            let portal = body.string()?;
            // A negative count means all rows, as in PostgreSQL.
            let row_count_max = usize::try_from(body.i32()?).unwrap_or(0);
            Request::Execute { portal, row_count_max }
        }
        b'd' => Request::CopyData(body.rest()),
        b'f' => Request::CopyFail(body.string()?),
        b'H' => Request::Flush,
        b'S' => Request::Sync,
        b'c' => Request::CopyDone,
        b'X' => Request::Terminate,
        b'F' => {
            body.rest();
            Request::FunctionCall
        }
        _ => {
            body.rest();
            Request::Password
        }
    };
    if body.0.has_remaining() {
        return Err(violation("invalid message format"));
    }
    Ok(request)
}

fn target(body: &mut Reader) -> Result<Target> {
    match body.u8()? {
        b'S' => body.string().map(Target::Statement),
        b'P' => body.string().map(Target::Portal),
        kind => Err(violation(format!("invalid target of a message: {kind}"))),
    }
}

fn oids(body: &mut Reader) -> Result<Vec<u32>> {
    let count = body.u16()?;
    (0..count).map(|_| body.i32().map(|oid| oid.cast_unsigned())).collect()
}

fn codes(body: &mut Reader) -> Result<Vec<i16>> {
    let count = body.u16()?;
    (0..count).map(|_| body.u16().map(u16::cast_signed)).collect()
}

fn values(body: &mut Reader) -> Result<Vec<Option<Bytes>>> {
    let count = body.u16()?;
    (0..count)
        .map(|_| match body.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| short())?;
                body.bytes(length).map(Some)
            }
        })
        .collect()
}

fn short() -> Error {
    violation("insufficient data left in message")
}

/// The body of one message; reading beyond its end is an error.
struct Reader(Bytes);

impl Reader {
    fn bytes(&mut self, count: usize) -> Result<Bytes> {
        if self.0.len() < count { Err(short()) } else { Ok(self.0.split_to(count)) }
    }

    fn rest(&mut self) -> Bytes {
        self.0.split_to(self.0.len())
    }

    fn u8(&mut self) -> Result<u8> {
        self.bytes(1).map(|mut bytes| bytes.get_u8())
    }

    fn u16(&mut self) -> Result<u16> {
        self.bytes(2).map(|mut bytes| bytes.get_u16())
    }

    fn i32(&mut self) -> Result<i32> {
        self.bytes(4).map(|mut bytes| bytes.get_i32())
    }

    /// A text up to its NUL.
    fn string(&mut self) -> Result<String> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| violation("invalid string in message"))?;
        let text = utf8(&self.0[..end])?.to_owned();
        self.0.advance(end + 1);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("short");
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    fn check(bytes: &[u8], expected: &str) {
        let shown = match take(&mut BytesMut::from(bytes)) {
            Ok(Some(request)) => format!("{request:?}"),
            Ok(None) => "more".to_owned(),
            Err(Fault::Message { error, .. }) => format!("message {} {error}", error.code()),
            Err(Fault::Stream(error)) => format!("stream {} {error}", error.code()),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn whole_messages_are_read() {
        check(&message(b'Q', b"SELECT 1\0"), "Query(\"SELECT 1\")");
        check(
            &message(b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17"),
            "Parse { name: \"s\", sql: \"SELECT $1\", oids: [23] }",
        );
        check(
            &message(b'B', b"\0s\0\0\0\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\x01\0\x01"),
            "Bind(Bind { portal: \"\", statement: \"s\", parameter_formats: [], \
             parameters: [Some(b\"x\"), None], result_formats: [1] })",
        );
        check(&message(b'E', b"p\0\0\0\0\x05"), "Execute { portal: \"p\", row_count_max: 5 }");
        check(&message(b'D', b"Sx\0"), "Describe(Statement(\"x\"))");
        check(&message(b'S', b""), "Sync");
    }

    #[test]
    fn parts_wait_for_more() {
        let whole = message(b'Q', b"SELECT 1\0");
        for end in 0..whole.len() {
            check(&whole[..end], "more");
        }
    }

    proptest::proptest! {
        /// Whatever comes, it is read without a panic, taken off the buffer or waited for, and what was
        /// taken off is never more than came.
        #[test]
        fn any_bytes_are_read(
            kind in proptest::sample::select(b"QPBDCEdfHScXFp!".to_vec()),
            body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64),
            off_by in -2_i32..3,
            after in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..8),
        ) {
            let length = i32::try_from(body.len()).expect("short") + 4 + off_by;
            let bytes = [&[kind][..], &length.to_be_bytes(), &body, &after].concat();
            let mut buffer = BytesMut::from(&bytes[..]);
            let taken = take(&mut buffer);
            let whole = usize::try_from(length).expect("positive") + 1;
            match taken {
                Ok(Some(_)) | Err(Fault::Message { .. }) => {
                    proptest::prop_assert_eq!(buffer.len(), bytes.len() - whole);
                }
                Ok(None) => proptest::prop_assert!(bytes.len() < whole),
                Err(Fault::Stream(error)) => {
                    proptest::prop_assert_eq!(error.code(), SqlState::PROTOCOL_VIOLATION);
                }
            }
        }
    }

    #[test]
    fn broken_messages_are_told_apart() {
        check(&[b'Q', 0xff, 0xff, 0xff, 0xff], "stream 08P01 invalid message length");
        check(&[b'Q', 0, 0, 0, 3], "stream 08P01 invalid message length");
        check(&[b'S', 0, 1, 0, 0], "stream 08P01 invalid message length");
        check(&[b'!', 0, 0, 0, 4], "stream 08P01 invalid frontend message type 33");
        check(&message(b'Q', b"no end"), "message 08P01 invalid string in message");
        check(
            &message(b'Q', b"a\xffb\0"),
            "message 22021 invalid byte sequence for encoding \"UTF8\": 0xff",
        );
        check(&message(b'S', b"x"), "message 08P01 invalid message format");
        check(
            &message(b'B', b"\0\0\0\0\0\x01\0\0\0\x09x"),
            "message 08P01 insufficient data left in message",
        );
        check(&message(b'B', b"\0\0\xff\xff"), "message 08P01 insufficient data left in message");
    }
}
