//! The listener: accepts connections, refuses too many, and ends all when the server stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::error::{Error, Result, SqlState};
use crate::query::session::Server;
use crate::wire::connection::Connection;
use crate::wire::error::response;
use crate::wire::socket::{Outgoing, split};
use crate::wire::startup::{Client, Opening, greet, open};
use crate::wire::vigil::{End, stopped};

/// Connections beyond the limit that may be about to say who they are: cancel requests among them
/// must get through, and the others must hear that there are too many.
const STARTING_MAX: usize = 64;

/// How long a client may take to say who it is, as in PostgreSQL.
const STARTUP_MAX: Duration = Duration::from_secs(60);

/// How long connections may take to end when the server stops.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// How long to wait when the system has no socket left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves clients until `shutdown` turns true.
///
/// # Errors
/// None at present; a listener that fails is tried again.
pub async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    connections_max: usize,
    shutdown: watch::Receiver<bool>,
) -> Result<()> {
    let cut = shutdown.clone();
    serve_gracefully(listener, server, connections_max, shutdown, cut).await
}

/// As [`serve`], but statements that run when `shutdown` turns true may go on until `cut` does.
///
/// # Errors
/// As there.
pub async fn serve_gracefully(
    listener: TcpListener,
    server: Arc<Server>,
    connections_max: usize,
    shutdown: watch::Receiver<bool>,
    mut cut: watch::Receiver<bool>,
) -> Result<()> {
    let sessions = Arc::new(Semaphore::new(connections_max));
    let sockets = Arc::new(Semaphore::new(connections_max.saturating_add(STARTING_MAX)));
    let mut stop = shutdown.clone();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            // Finished ones are forgotten as they finish.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &sockets) => accepted,
        };
        let Some((stream, client, permit)) = accepted else { continue };
        // Answers are sent when they are complete; waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        let guest = Guest {
            server: Arc::clone(&server),
            sessions: Arc::clone(&sessions),
            shutdown: shutdown.clone(),
            cut: cut.clone(),
            client: Some(client),
        };
        let open = server.database().metrics().connections_of("postgres");
        connections.spawn(async move {
            open.inc();
            guest.serve(stream).await;
            open.dec();
            drop(permit);
        });
    }
    drop(listener);
    let ended = {
        let all = async { while connections.join_next().await.is_some() {} };
        let mut all = std::pin::pin!(all);
        tokio::select! {
            () = &mut all => true,
            () = stopped(&mut cut) => timeout(SHUTDOWN_MAX, all).await.is_ok(),
        }
    };
    if !ended {
        tracing::warn!("connections did not end in time and are cut off");
    }
    connections.shutdown().await;
    Ok(())
}

type Accepted = (tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, sockets: &Arc<Semaphore>) -> Option<Accepted> {
    let permit = Arc::clone(sockets).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, client)) => Some((stream, client, permit)),
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Someone at the door.
pub(crate) struct Guest {
    pub(crate) server: Arc<Server>,
    /// One permit a session.
    pub(crate) sessions: Arc<Semaphore>,
    pub(crate) shutdown: watch::Receiver<bool>,
    /// Ends statements that still run.
    pub(crate) cut: watch::Receiver<bool>,
    /// Where it comes from.
    pub(crate) client: Option<SocketAddr>,
}

impl Guest {
    /// Serves one connection from its first byte to its last.
    pub(crate) async fn serve<S: AsyncRead + AsyncWrite>(mut self, stream: S) {
        let (mut incoming, mut outgoing) = split(stream);
        let opened = tokio::select! {
            biased;
            () = stopped(&mut self.shutdown) => return,
            opened = timeout(STARTUP_MAX, open(&mut incoming, &mut outgoing)) => opened,
        };
        let client = match opened {
            Ok(Ok(Opening::Session(client))) => client,
            Ok(Ok(Opening::Cancel { process_id, secret })) => {
                return self.server.cancel(process_id, secret);
            }
            Ok(Err(End::Error(error) | End::Fatal(error))) => {
                return refuse(&mut outgoing, &error).await;
            }
            Ok(Err(End::Gone)) | Err(_) => return,
        };
        let Ok(_permit) = self.sessions.try_acquire() else {
            let error =
                Error::new(SqlState::TOO_MANY_CONNECTIONS, "sorry, too many clients already");
            return refuse(&mut outgoing, &error).await;
        };
        let session = match self.session(&client, &mut outgoing) {
            Ok(session) => session,
            Err(error) => return refuse(&mut outgoing, &error).await,
        };
        let Self { shutdown, cut, .. } = self;
        Connection::new(incoming, outgoing, session, shutdown, cut).run().await;
    }

    fn session<S: AsyncWrite>(
        &self,
        client: &Client,
        outgoing: &mut Outgoing<S>,
    ) -> Result<crate::query::session::Session> {
        let session = self.server.session(&client.user, &client.database, &client.settings)?;
        if let Some(address) = self.client {
            session.set_client(address);
        }
        greet(client, &session, outgoing)?;
        Ok(session)
    }
}

/// Tells a client why it gets no session.
async fn refuse<S: AsyncWrite>(outgoing: &mut Outgoing<S>, error: &Error) {
    if outgoing.put(&response(error, true)).is_ok() {
        // A client that does not read has its answer in the socket, or is gone.
        let _ = timeout(Duration::from_secs(1), outgoing.close()).await;
    }
}
