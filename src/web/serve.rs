//! The listener: connections up to a limit, and an end that lets requests finish.

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::error::{Error, Result};
use crate::web::door::Web;
use crate::web::routes::router;

/// Connections at a time; others wait in the system's queue.
pub const CONNECTIONS_MAX: usize = 1_024;

/// How long a connection may bring nothing, so that those who were forgotten make room: longer than any
/// request that is worked on.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// How long a client may take to agree on a key.
const GREETING_MAX: Duration = Duration::from_secs(10);

/// How long to wait when the system has no socket left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves requests until `shutdown` turns true, and then those that were begun, until `cut` does.
///
/// # Errors
/// `58030` if the listener fails.
pub async fn serve(
    listener: TcpListener,
    web: Web,
    mut shutdown: watch::Receiver<bool>,
    mut cut: watch::Receiver<bool>,
) -> Result<()> {
    let permits = web.permits();
    let (tls, greetings) = (web.acceptors(), JoinSet::new());
    let door = Door { listener, permits, tls, greetings };
    let stop = async move { turned(&mut shutdown).await };
    let serving = axum::serve(door, router(&web)).with_graceful_shutdown(stop);
    tokio::select! {
        ended = serving.into_future() => ended.map_err(|error| Error::io("serve HTTP", &error)),
        () = turned(&mut cut) => {
            tracing::warn!("HTTP requests did not end in time and are cut off");
            Ok(())
        }
    }
}

/// Waits until a switch is on; for ever if nobody is left to turn it.
async fn turned(switch: &mut watch::Receiver<bool>) {
    if switch.wait_for(|on| *on).await.is_err() {
        std::future::pending().await
    }
}

/// Makes what encrypts a connection, with the certificate in force.
pub type Acceptors = Arc<dyn Fn() -> Result<TlsAcceptor> + Send + Sync>;

/// A listener that lets so many in, and speaks TLS with them if it has a certificate.
struct Door {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    tls: Option<Acceptors>,
    /// Those that are about to agree on a key, so that others need not wait for them.
    greetings: JoinSet<Option<(Guest, SocketAddr)>>,
}

impl Listener for Door {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        let Self { listener, permits, tls, greetings } = self;
        loop {
            let (stream, client, permit) = tokio::select! {
                Some(greeted) = greetings.join_next() => match greeted {
                    Ok(Some(guest)) => return guest,
                    _ => continue,
                },
                connection = connection(listener, permits) => connection,
            };
            match tls.as_ref().map(|acceptor| acceptor()) {
                None => return (Guest::new(Box::new(stream), permit), client),
                Some(Ok(acceptor)) => {
                    greetings.spawn(async move {
                        let greeted = timeout(GREETING_MAX, acceptor.accept(stream)).await;
                        // Whoever speaks no TLS is not owed an explanation in it.
                        let stream = greeted.ok()?.ok()?;
                        Some((Guest::new(Box::new(stream), permit), client))
                    });
                }
                Some(Err(error)) => tracing::error!(%error, "no certificate to answer with"),
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// The next connection, when there is room for one.
async fn connection(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let permit = Arc::clone(permits).acquire_owned().await;
        let permit = permit.expect("nobody closes the semaphore");
        match listener.accept().await {
            Ok((stream, client)) => {
                // Answers are sent when they are complete; waiting for more would only delay them.
                let _ = stream.set_nodelay(true);
                return (stream, client, permit);
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept an HTTP connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Bytes to and from a client, encrypted or not.
trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A connection, counted as long as it is open.
struct Guest {
    stream: Box<dyn Socket>,
    idle: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Guest {
    fn new(stream: Box<dyn Socket>, permit: OwnedSemaphorePermit) -> Self {
        Self { stream, idle: Box::pin(sleep(IDLE_MAX)), _permit: permit }
    }

    /// Something came or went.
    fn awake(&mut self) {
        self.idle.as_mut().reset(sleep(IDLE_MAX).deadline());
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.awake();
            return read;
        }
        match self.idle.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            self.awake();
        }
        written
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
