//! One connection with its session: takes requests in order, answers them, and comes back from errors.
//!
//! After an error in the extended protocol everything up to the next Sync is skipped. Answers go out
//! at a Sync or Flush, or when there are many. What requests mean is in `simple`, `extended` and `copy`.

use pgwire::messages::response::{
    CommandComplete, EmptyQueryResponse, NotificationResponse, ReadyForQuery,
    TransactionStatus as WireStatus,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::error::{Error, Result, SqlState};
use crate::query::session::{Session, TransactionStatus};
use crate::wire::error::{clean, notice, response};
use crate::wire::extended::Portals;
use crate::wire::messages::{Fault, Request};
use crate::wire::point::LastColumns;
use crate::wire::produce::Chunk;
use crate::wire::socket::{FLUSH_BYTES, Incoming, Next, Outgoing};
use crate::wire::startup::report;
use crate::wire::vigil::{Attended, End, Vigil, shutting_down, stopped};

/// A connection whose client has a session.
pub(crate) struct Connection<S> {
    pub(crate) incoming: Incoming<S>,
    pub(crate) outgoing: Outgoing<S>,
    pub(crate) session: Session,
    pub(crate) portals: Portals,
    pub(crate) last_columns: LastColumns,
    /// Ends it when it waits for its client.
    shutdown: watch::Receiver<bool>,
    /// Ends a statement that runs.
    cut: watch::Receiver<bool>,
    /// Whether requests are skipped up to the next Sync.
    skipping: bool,
}

impl<S: AsyncRead + AsyncWrite> Connection<S> {
    pub(crate) fn new(
        incoming: Incoming<S>,
        outgoing: Outgoing<S>,
        session: Session,
        shutdown: watch::Receiver<bool>,
        cut: watch::Receiver<bool>,
    ) -> Self {
        let (portals, last_columns) = (Portals::default(), LastColumns::default());
        let skipping = false;
        Self { incoming, outgoing, session, portals, last_columns, shutdown, cut, skipping }
    }

    /// Serves the client until it leaves or must.
    pub(crate) async fn run(mut self) {
        if self.ready().await.is_err() {
            return;
        }
        loop {
            let end = match self.wait().await {
                Ok(Next::Request(Request::Terminate)) | Ok(Next::Gone) => return,
                Ok(Next::Request(request)) => self.answer(request).await,
                Ok(Next::Notified) => self.notify_idle().await,
                Ok(Next::Fault(Fault::Message { error, extended })) => {
                    self.fail(error, extended).await
                }
                Ok(Next::Fault(Fault::Stream(error))) => Err(End::Fatal(error)),
                Err(end) => Err(end),
            };
            match end {
                Ok(()) => {}
                // Errors that the connection survives were told where they arose.
                Err(End::Gone | End::Error(_)) => return,
                Err(End::Fatal(error)) => return self.farewell(&error).await,
            }
        }
    }

    /// Tells the client why the connection ends.
    async fn farewell(&mut self, error: &Error) {
        if self.outgoing.put(&response(error, true)).is_ok() {
            // The client may be gone, or not reading; then there is nobody to tell.
            let _ = tokio::time::timeout(FAREWELL_MAX, self.outgoing.close()).await;
        }
    }

    /// Waits for a request, or for the end of the server, the session or the client's time.
    async fn wait(&mut self) -> Attended<Next> {
        if let Some(next) = self.incoming.ready() {
            return Ok(next);
        }
        let (setting, code, message) = match self.session.transaction() {
            TransactionStatus::Idle => ("idle_session_timeout", "57P05", IDLE_SESSION),
            _ => ("idle_in_transaction_session_timeout", "25P03", IDLE_TRANSACTION),
        };
        let limit = self.session.limit(setting);
        let idle = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let mut termination = self.session.termination();
        let session = self.session.clone();
        tokio::select! {
            biased;
            () = stopped(&mut self.shutdown) => Err(End::Fatal(shutting_down())),
            () = stopped(&mut termination) => Err(End::Fatal(shutting_down())),
            next = self.incoming.next() => Ok(next),
            () = session.notified() => Ok(Next::Notified),
            () = idle => Err(End::Fatal(Error::new(SqlState(code), message))),
        }
    }

    /// Answers a request; an error of it is told to the client here.
    async fn answer(&mut self, request: Request) -> Attended<()> {
        if self.skipping && request != Request::Sync {
            return Ok(());
        }
        let extended = !matches!(request, Request::Query(_) | Request::FunctionCall);
        match self.dispatch(request).await {
            Err(End::Error(error)) => self.fail(error, extended).await,
            result => result,
        }
    }

    async fn dispatch(&mut self, request: Request) -> Attended<()> {
        match request {
            Request::Query(sql) => self.query(&sql).await,
            Request::Parse { name, sql, oids } => self.parse(&name, &sql, oids).await,
            Request::Bind(bind) => self.bind(bind),
            Request::Describe(target) => self.describe(&target),
            Request::Execute { portal, row_count_max } => {
                self.execute(&portal, row_count_max).await
            }
            Request::Close(target) => self.close(&target),
            Request::Flush => Ok(self.outgoing.flush().await?),
            Request::Sync => self.sync().await,
            Request::FunctionCall => {
                let message = "function calls by number are not supported";
                Err(Error::unsupported(message).hint("use SELECT function(...)").into())
            }
            // What a client still sends of a COPY that has ended already.
            Request::CopyData(_) | Request::CopyDone | Request::CopyFail(_) => Ok(()),
            Request::Password => {
                let message = "password message was not expected";
                Err(Error::new(SqlState::PROTOCOL_VIOLATION, message).into())
            }
            Request::Terminate => Err(End::Gone),
        }
    }

    /// Tells the client of an error, and goes on as the protocol has it.
    async fn fail(&mut self, error: Error, extended: bool) -> Attended<()> {
        self.session.fail();
        self.session.end_statement();
        self.notices()?;
        self.outgoing.put(&response(&error, false))?;
        if extended {
            self.skipping = true;
            // A client that waits for this answer has sent no Sync yet.
            return Ok(self.outgoing.flush().await?);
        }
        self.ready().await
    }

    async fn sync(&mut self) -> Attended<()> {
        self.skipping = false;
        if self.session.transaction() == TransactionStatus::Idle {
            // Portals live as long as their transaction.
            self.portals.clear();
        }
        self.session.end_statement();
        self.ready().await
    }

    /// Gives the client the messages of other sessions.
    fn notifications(&mut self) -> Result<()> {
        for found in self.session.take_notifications() {
            let (channel, payload) = (clean(&found.channel), clean(&found.payload));
            let message = NotificationResponse::new(found.process_id, channel, payload);
            self.outgoing.put(&message)?;
        }
        Ok(())
    }

    /// The same while the client waits for nothing; one that is in the middle of a pipeline hears them at
    /// its Sync.
    async fn notify_idle(&mut self) -> Attended<()> {
        self.notifications()?;
        Ok(self.outgoing.flush().await?)
    }

    /// Tells the client that it is its turn, and sends everything.
    pub(crate) async fn ready(&mut self) -> Attended<()> {
        self.notifications()?;
        let status = match self.session.transaction() {
            TransactionStatus::Idle => WireStatus::Idle,
            TransactionStatus::Open => WireStatus::Transaction,
            TransactionStatus::Failed => WireStatus::Error,
        };
        self.outgoing.put(&ReadyForQuery::new(status))?;
        Ok(self.outgoing.flush().await?)
    }

    /// Begins to watch over a statement.
    pub(crate) fn watch(&self, sql: &str) -> Vigil {
        let statement = self.session.begin_statement(sql);
        let limit = self.session.limit("statement_timeout");
        Vigil::new(statement, self.cut.clone(), limit)
    }

    /// Tells the client what it should know besides.
    pub(crate) fn notices(&mut self) -> Result<()> {
        for found in self.session.take_notices() {
            self.outgoing.put(&notice(&found))?;
        }
        Ok(())
    }

    /// Tells the client that a statement is done.
    pub(crate) fn complete(&mut self, tag: &str) -> Result<()> {
        self.session.end_statement();
        self.notices()?;
        report(&self.session, &mut self.outgoing)?;
        self.outgoing.put(&CommandComplete::new(clean(tag)))
    }

    /// Tells the client that there was nothing in a statement.
    pub(crate) fn complete_empty(&mut self) -> Result<()> {
        self.session.end_statement();
        self.outgoing.put(&EmptyQueryResponse::new())
    }

    /// Puts rows behind the other answers.
    pub(crate) fn rows(&mut self, chunk: &Chunk) {
        self.outgoing.buffer.extend_from_slice(&chunk.bytes);
    }

    /// Sends what is there, watching over the statement that waits for it.
    pub(crate) async fn send(&mut self, vigil: &mut Vigil) -> Attended<()> {
        let outgoing = &mut self.outgoing;
        vigil.attend(&mut self.incoming, async { Ok(outgoing.flush().await?) }).await
    }

    /// The same if there is much of it.
    pub(crate) async fn send_much(&mut self, vigil: &mut Vigil) -> Attended<()> {
        if self.outgoing.buffer.len() >= FLUSH_BYTES { self.send(vigil).await } else { Ok(()) }
    }
}

const IDLE_SESSION: &str = "terminating connection due to idle-session timeout";
const IDLE_TRANSACTION: &str = "terminating connection due to idle-in-transaction timeout";

/// How long a client is given to read the last message of its connection.
const FAREWELL_MAX: std::time::Duration = std::time::Duration::from_secs(1);
