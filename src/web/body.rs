//! Bodies of requests: how their bytes reach a reader that blocks, unpacked, bounded, and with a digest.
//!
//! A small body is collected first, so that nothing waits for a slow client; a large one flows through a
//! channel of a few pieces while it is read. What ends too early, is too large or is damaged becomes an
//! error of the load, which then leaves nothing.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures::StreamExt;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::error::{Error, Result, SqlState};

/// The most bytes of a body, packed and unpacked: more belongs into files and COPY.
pub const BODY_BYTES_MAX: u64 = 4 << 30;

/// A body of up to so many bytes, unpacked, is collected and taken in memory: some thousand rows.
pub const WHOLE_BYTES_MAX: usize = 256 << 10;

/// Pieces of a body on their way to the reader.
const PIECES_WAITING_MAX: usize = 4;

/// How long a client may pause within a body, so that what it holds is not held for ever.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The window of zstd, as a power of two: what a level of up to 19 asks for.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Gzip,
    Zstd,
}

impl Encoding {
    /// The encoding of a `Content-Encoding` header; `None` if it is not known.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Plain),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "body",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// The error of a body that is too large.
pub(crate) fn too_large() -> Error {
    let message = format!("a body can have at most {BODY_BYTES_MAX} bytes, packed and unpacked");
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
        .hint("send the rows in several requests, or as files with COPY")
}

fn gone() -> Error {
    Error::new(SqlState::PROTOCOL_VIOLATION, "the request ended before its body did")
}

/// What has come of a body so far.
pub(crate) struct Collected {
    /// Its first bytes.
    pub(crate) head: Vec<u8>,
    /// What is still to come; `None`: that was all.
    pub(crate) rest: Option<BodyDataStream>,
}

/// Collects a body if it is small, else its beginning.
///
/// # Errors
/// `08P01` if it ends early, or pauses for too long.
pub(crate) async fn collect(body: Body) -> Result<Collected> {
    let mut rest = body.into_data_stream();
    let mut head = Vec::new();
    while head.len() <= WHOLE_BYTES_MAX {
        match next(&mut rest).await? {
            Some(piece) => head.extend_from_slice(&piece),
            None => return Ok(Collected { head, rest: None }),
        }
    }
    Ok(Collected { head, rest: Some(rest) })
}

async fn next(stream: &mut BodyDataStream) -> Result<Option<Bytes>> {
    match timeout(PAUSE_MAX, stream.next()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(piece))) => Ok(Some(piece)),
        Ok(Some(Err(_))) => Err(gone()),
        Err(_) => Err(gone().detail(format!("nothing came for {} s", PAUSE_MAX.as_secs()))),
    }
}

/// A piece of a body on its way; the end is one too, as a client that is gone sends none.
type Piece = Result<Option<Bytes>>;

/// Passes the rest of a body on until its end, or until nobody reads any more.
pub(crate) async fn pass(mut rest: BodyDataStream, pieces: mpsc::Sender<Piece>) {
    loop {
        let piece = next(&mut rest).await;
        let last = !matches!(piece, Ok(Some(_)));
        if pieces.send(piece).await.is_err() || last {
            return;
        }
    }
}

/// The two ends of a channel for a body.
pub(crate) fn channel() -> (mpsc::Sender<Piece>, Pieces) {
    let (sender, waiting) = mpsc::channel(PIECES_WAITING_MAX);
    (sender, Pieces { waiting, current: Cursor::default(), ended: false })
}

/// Reads what comes through the channel, and blocks until it comes.
pub(crate) struct Pieces {
    waiting: mpsc::Receiver<Piece>,
    current: Cursor<Bytes>,
    ended: bool,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.current.read(buffer)?;
            if count > 0 || self.ended || buffer.is_empty() {
                return Ok(count);
            }
            match self.waiting.blocking_recv().unwrap_or_else(|| Err(gone())) {
                Ok(Some(piece)) => self.current = Cursor::new(piece),
                Ok(None) => self.ended = true,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

/// The digest of what was read.
#[derive(Clone, Default)]
pub(crate) struct Fingerprint(Arc<Mutex<Sha256>>);

impl Fingerprint {
    /// As it is stored and compared.
    pub(crate) fn text(&self) -> String {
        let digest = self.0.lock().clone().finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A body unpacked, within its bounds; what was read goes into a fingerprint, if one is wanted.
pub(crate) struct Unpacked {
    reader: Box<dyn Read + Send>,
    encoding: Encoding,
    left: u64,
    fingerprint: Option<Fingerprint>,
}

impl Unpacked {
    /// Unpacks a body.
    ///
    /// # Errors
    /// `58030` if the decompressor cannot start.
    pub(crate) fn new(
        packed: impl Read + Send + 'static,
        encoding: Encoding,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Self> {
        let packed = Counted { reader: packed, left: BODY_BYTES_MAX };
        let reader: Box<dyn Read + Send> = match encoding {
            Encoding::Plain => Box::new(packed),
            Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
            Encoding::Zstd => {
                let failed = |error: io::Error| Error::io("start zstd decompression", &error);
                let mut decoder = zstd::stream::read::Decoder::new(packed).map_err(failed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(failed)?;
                Box::new(decoder)
            }
        };
        Ok(Self { reader, encoding, left: BODY_BYTES_MAX, fingerprint })
    }

    /// What a failed read means: an error that came from below stays what it is, others are damage.
    fn failed(&self, error: io::Error) -> io::Error {
        let ours = error.get_ref().is_some_and(|inner| inner.is::<Error>());
        if ours || error.kind() == io::ErrorKind::Interrupted {
            return error;
        }
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "is cut short",
            _ => "is damaged",
        };
        let message = format!("{} stream {what}", self.encoding.name());
        let damage = Error::new(SqlState::BAD_COPY_FILE_FORMAT, message);
        io::Error::other(damage.detail(error.to_string()))
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer).map_err(|error| self.failed(error))?;
        self.left =
            self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other(too_large()))?;
        if let Some(fingerprint) = &self.fingerprint {
            fingerprint.0.lock().update(&buffer[..count]);
        }
        Ok(count)
    }
}

/// A reader that may give so many bytes.
struct Counted<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left =
            self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other(too_large()))?;
        Ok(count)
    }
}

/// Reads a body's beginning; gives it, and whether that was all.
///
/// # Errors
/// What the reader carries.
pub(crate) fn beginning(reader: &mut impl Read) -> Result<(Vec<u8>, bool)> {
    let mut head = Vec::new();
    let read = reader.take(WHOLE_BYTES_MAX as u64 + 1).read_to_end(&mut head);
    read.map_err(|error| {
        let carried = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        carried.cloned().unwrap_or_else(|| Error::io("read the body", &error))
    })?;
    let whole = head.len() <= WHOLE_BYTES_MAX;
    Ok((head, whole))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read, Write, repeat};

    use super::{BODY_BYTES_MAX, Counted, Encoding, Fingerprint, Unpacked, beginning};
    use super::{WHOLE_BYTES_MAX, channel};
    use crate::error::Error;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn unpacked(bytes: Vec<u8>, encoding: Encoding) -> Result<Vec<u8>, String> {
        let mut reader = Unpacked::new(Cursor::new(bytes), encoding, None).unwrap();
        let mut out = Vec::new();
        match reader.read_to_end(&mut out) {
            Ok(_) => Ok(out),
            Err(error) => {
                let error = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
                Err(format!("{} {}", error.code(), error.message()))
            }
        }
    }

    #[test]
    fn bodies_are_unpacked_or_damaged() {
        let text = b"some rows".repeat(1000);
        assert_eq!(unpacked(text.clone(), Encoding::Plain).unwrap(), text);
        assert_eq!(unpacked(gzip(&text), Encoding::Gzip).unwrap(), text);
        let packed = zstd::encode_all(text.as_slice(), 3).unwrap();
        assert_eq!(unpacked(packed.clone(), Encoding::Zstd).unwrap(), text);
        let cut = packed[..packed.len() - 3].to_vec();
        assert_eq!(unpacked(cut, Encoding::Zstd).unwrap_err(), "22P04 zstd stream is cut short");
        let error = unpacked(text, Encoding::Gzip).unwrap_err();
        assert_eq!(error, "22P04 gzip stream is damaged");
    }

    #[test]
    fn no_body_is_larger_than_it_may_be() {
        let mut endless = Counted { reader: repeat(0), left: 10_000 };
        let mut out = Vec::new();
        let error = endless.read_to_end(&mut out).unwrap_err();
        assert_eq!(error.get_ref().unwrap().downcast_ref::<Error>().unwrap().code().0, "54000");
        // A bomb: what is packed is small, what it holds is not.
        let mut reader = Unpacked::new(repeat(0), Encoding::Plain, None).unwrap();
        reader.left = 1 << 20;
        let bomb = gzip(&vec![0; 2 << 20]);
        assert!(bomb.len() < 64 << 10);
        let mut unpacked = Unpacked::new(Cursor::new(bomb), Encoding::Gzip, None).unwrap();
        unpacked.left = 1 << 20;
        for reader in [&mut reader, &mut unpacked] {
            let error = std::io::copy(reader, &mut std::io::sink()).unwrap_err();
            let error = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
            assert_eq!(error.code().0, "54000");
        }
        assert!(Unpacked::new(repeat(0), Encoding::Plain, None).unwrap().left == BODY_BYTES_MAX);
    }

    #[test]
    fn a_small_body_is_whole() {
        let check = |length: usize, expected: bool| {
            let (head, whole) = beginning(&mut Cursor::new(vec![b'x'; length])).unwrap();
            assert_eq!((whole, head.len() == length), (expected, expected || length == head.len()));
        };
        check(0, true);
        check(WHOLE_BYTES_MAX, true);
        check(WHOLE_BYTES_MAX + 1, false);
    }

    #[test]
    fn a_client_that_is_gone_has_not_sent_all() {
        let (sender, mut pieces) = channel();
        sender.blocking_send(Ok(Some("ab".into()))).unwrap();
        sender.blocking_send(Ok(Some("".into()))).unwrap();
        sender.blocking_send(Ok(Some("c".into()))).unwrap();
        sender.blocking_send(Ok(None)).unwrap();
        let mut text = String::new();
        pieces.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abc");
        let (sender, mut pieces) = channel();
        sender.blocking_send(Ok(Some("ab".into()))).unwrap();
        drop(sender);
        let error = pieces.read_to_string(&mut text).unwrap_err();
        assert_eq!(error.get_ref().unwrap().downcast_ref::<Error>().unwrap().code().0, "08P01");
    }

    #[test]
    fn fingerprints_tell_bodies_apart() {
        let of = |text: &'static str, encoding| {
            let print = Fingerprint::default();
            let packed = match encoding {
                Encoding::Plain => text.as_bytes().to_vec(),
                _ => gzip(text.as_bytes()),
            };
            let mut reader =
                Unpacked::new(Cursor::new(packed), encoding, Some(print.clone())).unwrap();
            std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
            print.text()
        };
        assert_eq!(of("a", Encoding::Plain), of("a", Encoding::Gzip));
        assert_ne!(of("a", Encoding::Plain), of("b", Encoding::Plain));
    }
}
