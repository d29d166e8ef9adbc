//! The two directions of a connection: requests that come in, answers that wait to go out.
//!
//! They are apart, so that a connection can look for requests (and for the end of the client) while it
//! is busy with answers. Both may be interrupted at any await without losing a byte.

use std::io;

use bytes::{Buf, BytesMut};
use pgwire::messages::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::error::{Error, Result};
use crate::wire::messages::{Fault, Request, take};

/// Bytes of requests that are read while a statement runs: enough to see that the client is gone, and
/// for a pipeline of statements; more than that waits in the socket.
const READ_AHEAD_BYTES_MAX: usize = 1 << 20;

/// Bytes of answers at which they are sent without being asked for.
pub(crate) const FLUSH_BYTES: usize = 64 << 10;

/// Requests of the client.
pub(crate) struct Incoming<S> {
    half: ReadHalf<S>,
    pub(crate) buffer: BytesMut,
}

/// Answers to the client.
pub(crate) struct Outgoing<S> {
    half: WriteHalf<S>,
    pub(crate) buffer: BytesMut,
}

/// What waiting for a request came to.
pub(crate) enum Next {
    /// A request.
    Request(Request),
    /// Bytes that are none.
    Fault(Fault),
    /// None yet, but a message of another session.
    Notified,
    /// The client is gone.
    Gone,
}

/// A stream from the network, encrypted or not.
pub(crate) type Stream = Box<dyn Duplex>;

/// A stream of both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// What was read of a stream and not taken yet, and the stream. Nothing waits to be written.
pub(crate) fn unsplit<S: AsyncRead + AsyncWrite + Unpin>(
    incoming: Incoming<S>,
    outgoing: Outgoing<S>,
) -> (BytesMut, S) {
    (incoming.buffer, incoming.half.unsplit(outgoing.half))
}

/// Both directions of a stream.
pub(crate) fn split<S: AsyncRead + AsyncWrite>(stream: S) -> (Incoming<S>, Outgoing<S>) {
    let (read, write) = tokio::io::split(stream);
    let incoming = Incoming { half: read, buffer: BytesMut::new() };
    (incoming, Outgoing { half: write, buffer: BytesMut::new() })
}

impl<S: AsyncRead> Incoming<S> {
    /// Reads some bytes; none at the client's end.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(8 << 10);
        self.half.read_buf(&mut self.buffer).await
    }

    /// A request that is there in full already.
    pub(crate) fn ready(&mut self) -> Option<Next> {
        match take(&mut self.buffer) {
            Ok(Some(request)) => Some(Next::Request(request)),
            Ok(None) => None,
            Err(fault) => Some(Next::Fault(fault)),
        }
    }

    /// Waits for the next request.
    pub(crate) async fn next(&mut self) -> Next {
        loop {
            if let Some(next) = self.ready() {
                return next;
            }
            match self.fill().await {
                Ok(0) | Err(_) => return Next::Gone,
                Ok(_) => {}
            }
        }
    }

    /// Waits until the client is gone, reading ahead what it sends.
    pub(crate) async fn gone(&mut self) {
        while self.buffer.len() < READ_AHEAD_BYTES_MAX {
            if matches!(self.fill().await, Ok(0) | Err(_)) {
                return;
            }
        }
        std::future::pending().await
    }
}

impl<S: AsyncWrite> Outgoing<S> {
    /// Puts a message behind the others.
    ///
    /// # Errors
    /// If the message is larger than the protocol can say.
    pub(crate) fn put(&mut self, message: &impl Message) -> Result<()> {
        let start = self.buffer.len();
        message.encode(&mut self.buffer).map_err(|error| {
            self.buffer.truncate(start);
            Error::internal(format!("a message cannot be encoded: {error}"))
        })
    }

    /// Sends everything.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        while self.buffer.has_remaining() {
            // What is written leaves the buffer, so that an interruption loses nothing.
            if self.half.write_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.half.flush().await
    }

    /// Sends everything and ends the stream.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.half.shutdown().await
    }
}
