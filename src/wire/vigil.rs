//! What may end a statement early, watched while it works.
//!
//! A cancel request, a time limit, somebody ending the session, the server stopping, or the client going
//! away: whichever comes first, unless the statement is past its point of no return; then its end is
//! waited for.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use crate::error::{Error, SqlState};
use crate::query::session::{Session, cancelled, timed_out};
use crate::wire::socket::Incoming;

/// How something ended that did not succeed.
#[derive(Debug)]
pub(crate) enum End {
    /// With an error that the client is told; the connection goes on.
    Error(Error),
    /// With an error that the client is told; the connection ends.
    Fatal(Error),
    /// The client is gone.
    Gone,
}

/// A result whose error says how it ended.
pub(crate) type Attended<T> = Result<T, End>;

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

/// Watches over one statement.
pub(crate) struct Vigil {
    statement: Session,
    cancel: watch::Receiver<u64>,
    termination: watch::Receiver<bool>,
    shutdown: watch::Receiver<bool>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Vigil {
    /// A watch that begins now; `statement` stands for the statement.
    pub(crate) fn new(
        statement: Session,
        shutdown: watch::Receiver<bool>,
        limit: Option<Duration>,
    ) -> Self {
        let mut cancel = statement.cancel_requests();
        // Requests from before the statement were meant for another one.
        cancel.mark_unchanged();
        let termination = statement.termination();
        let deadline = limit.map(|limit| Box::pin(sleep(limit)));
        Self { statement, cancel, termination, shutdown, deadline }
    }

    /// The statement that is watched.
    pub(crate) fn statement(&self) -> &Session {
        &self.statement
    }

    /// Begins anew with the time limit.
    pub(crate) fn renew(&mut self, limit: Option<Duration>) {
        self.cancel.mark_unchanged();
        self.deadline = limit.map(|limit| Box::pin(sleep(limit)));
    }

    /// Waits for work, and drops it if something ends it early.
    pub(crate) async fn attend<S: AsyncRead, T>(
        &mut self,
        incoming: &mut Incoming<S>,
        work: impl Future<Output = Attended<T>>,
    ) -> Attended<T> {
        tokio::pin!(work);
        let end = tokio::select! {
            biased;
            result = &mut work => return result,
            end = self.interrupted() => end,
            () = incoming.gone() => End::Gone,
        };
        if self.statement.cancel() {
            return Err(end);
        }
        // Too late to stop it: its own end is the truth, and what came meanwhile acts after it.
        work.await
    }

    /// Waits until something ends the statement early.
    pub(crate) async fn interrupted(&mut self) -> End {
        let deadline = async {
            match &mut self.deadline {
                Some(deadline) => deadline.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stopped(&mut self.shutdown) => End::Fatal(shutting_down()),
            () = stopped(&mut self.termination) => End::Fatal(shutting_down()),
            () = changed(&mut self.cancel) => End::Error(cancelled()),
            () = deadline => End::Error(timed_out()),
        }
    }
}

/// Waits until a switch is on; for ever if nobody is left to turn it.
pub(crate) async fn stopped(switch: &mut watch::Receiver<bool>) {
    if switch.wait_for(|on| *on).await.is_err() {
        std::future::pending().await
    }
}

async fn changed(count: &mut watch::Receiver<u64>) {
    if count.changed().await.is_err() {
        std::future::pending().await
    }
}

/// The error of a connection that the server ends.
pub(crate) fn shutting_down() -> Error {
    let message = "terminating connection due to administrator command";
    Error::new(SqlState::ADMIN_SHUTDOWN, message)
}
