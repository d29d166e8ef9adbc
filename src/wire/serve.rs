//! The listener: accepts connections, refuses too many, and ends all when the server stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::env::tls::Certificates;
use crate::error::{Error, Result, SqlState};
use crate::model::access::Authentication;
use crate::query::session::Server;
use crate::wire::authentication::ask;
use crate::wire::connection::Connection;
use crate::wire::error::response;
use crate::wire::socket::{Duplex, Outgoing};
use crate::wire::startup::{Client, Line, Opening, greet, open};
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

/// How clients come in.
#[derive(Clone, Debug)]
pub struct Door {
    /// Whom to ask for a password.
    pub authentication: Authentication,
    /// What encrypts connections; without it there is no encryption.
    pub certificates: Option<Arc<Certificates>>,
    /// Connections at a time.
    pub connections_max: usize,
    /// How many of these are kept for superusers.
    pub connections_reserved: usize,
}

/// Serves clients until `shutdown` turns true, without encryption and as [`Authentication::Automatic`].
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
    cut: watch::Receiver<bool>,
) -> Result<()> {
    let door = Door {
        authentication: Authentication::Automatic,
        certificates: None,
        connections_max,
        connections_reserved: 0,
    };
    serve_at(door, listener, server, [shutdown, cut]).await
}

/// Serves clients until the first switch turns true; statements that run then may go on until the second
/// does.
///
/// # Errors
/// None at present; a listener that fails is tried again.
pub async fn serve_at(
    door: Door,
    listener: TcpListener,
    server: Arc<Server>,
    [shutdown, mut cut]: [watch::Receiver<bool>; 2],
) -> Result<()> {
    let connections_max = door.connections_max;
    let door = Arc::new(door);
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
            door: Arc::clone(&door),
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

type Accepted = (tokio::net::TcpStream, SocketAddr, OwnedSemaphorePermit);

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
    pub(crate) door: Arc<Door>,
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
    pub(crate) async fn serve(mut self, stream: impl Duplex + 'static) {
        let line = Line::plain(Box::new(stream));
        let mut shutdown = self.shutdown.clone();
        let entered = tokio::select! {
            biased;
            () = stopped(&mut shutdown) => return,
            entered = timeout(STARTUP_MAX, self.enter(line)) => entered,
        };
        let (line, client) = match entered {
            Ok(Ok(Some(entered))) => entered,
            Ok(Err((Some(mut line), End::Error(error) | End::Fatal(error)))) => {
                return refuse(&mut line.outgoing, &error).await;
            }
            Ok(Ok(None) | Err(_)) => return,
            Err(_) => {
                tracing::info!(client = ?self.client, "a client took too long to log in");
                return;
            }
        };
        let Line { incoming, mut outgoing, .. } = line;
        let permit = match self.place(&client.user) {
            Ok(permit) => permit,
            Err(error) => return refuse(&mut outgoing, &error).await,
        };
        let session = match self.session(&client, &mut outgoing) {
            Ok(session) => session,
            Err(error) => return refuse(&mut outgoing, &error).await,
        };
        let (shutdown, cut) = (self.shutdown.clone(), self.cut.clone());
        Connection::new(incoming, outgoing, session, shutdown, cut).run().await;
        drop(permit);
    }

    /// Finds out what a client wants and who it is; `None` if it wants no session.
    async fn enter(&mut self, line: Line) -> Entered {
        let certificates = self.door.certificates.as_deref();
        let (mut line, client) = match open(line, certificates).await? {
            (line, Opening::Session(client)) => (line, client),
            (_, Opening::Cancel { process_id, secret }) => {
                self.server.cancel(process_id, secret);
                return Ok(None);
            }
        };
        let local = self.client.is_none_or(|client| client.ip().to_canonical().is_loopback());
        if !local && certificates.is_some() && line.encryption.is_none() {
            let error =
                Error::new(SqlState("28000"), "connections from other machines must be encrypted");
            let error = error.hint("connect with sslmode=require, or better verify-full");
            return Err((Some(line), End::Fatal(error)));
        }
        let authentication = self.door.authentication;
        if let Some(challenge) = self.server.challenge(&client.user, authentication, local) {
            let end_point = line.encryption.as_ref().and_then(|it| it.end_point.as_deref());
            let (incoming, outgoing) = (&mut line.incoming, &mut line.outgoing);
            let asked = ask(&client.user, &challenge, end_point, incoming, outgoing).await;
            if let Err(end) = asked {
                if let End::Error(error) | End::Fatal(error) = &end {
                    self.server.note_refusal(&client.user, self.client, error, challenge.why());
                }
                return Err((Some(line), end));
            }
        }
        Ok(Some((line, client)))
    }

    /// A place for a session; the last ones are for superusers.
    fn place(&self, user: &str) -> Result<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.sessions).try_acquire_owned().map_err(|_| {
            Error::new(SqlState::TOO_MANY_CONNECTIONS, "sorry, too many clients already")
        })?;
        if self.sessions.available_permits() < self.door.connections_reserved
            && !self.server.is_superuser(user)
        {
            let message =
                "remaining connection slots are reserved for non-replication superuser connections";
            return Err(Error::new(SqlState::TOO_MANY_CONNECTIONS, message));
        }
        Ok(permit)
    }

    fn session<S: AsyncWrite>(
        &self,
        client: &Client,
        outgoing: &mut Outgoing<S>,
    ) -> Result<crate::query::session::Session> {
        let session = self.server.session(&client.user, &client.database, &client.settings);
        let session = session.inspect_err(|error| {
            self.server.note_refusal(&client.user, self.client, error, "");
        })?;
        if let Some(address) = self.client {
            session.set_client(address);
        }
        greet(client, &session, outgoing)?;
        Ok(session)
    }
}

/// What entering comes to.
type Entered = std::result::Result<Option<(Line, Client)>, (Option<Line>, End)>;

/// Tells a client why it gets no session.
async fn refuse<S: AsyncWrite>(outgoing: &mut Outgoing<S>, error: &Error) {
    if outgoing.put(&response(error, true)).is_ok() {
        // A client that does not read has its answer in the socket, or is gone.
        let _ = timeout(Duration::from_secs(1), outgoing.close()).await;
    }
}
