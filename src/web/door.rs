//! What every request passes, and what the handlers share: is the store open, who may ask, how long did
//! it take.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::env::clock::{Clock, RealClock, Stopwatch};
use crate::error::{Error, SqlState};
use crate::query::session::Server;
use crate::web::access::{Scope, Tokens, check_origin};
use crate::web::admission::{Admission, BYTES_IN_FLIGHT_MAX, REQUESTS_IN_FLIGHT_MAX};
use crate::web::answer::Failure;
use crate::web::routes::route_named;
use crate::web::serve::{Acceptors, CONNECTIONS_MAX};

/// How the interface is served.
pub struct Options {
    /// Who may ask.
    pub tokens: Tokens,
    /// Whether only this machine can ask.
    pub local: bool,
    /// What encrypts connections, if they are to be.
    pub tls: Option<Acceptors>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("tokens", &self.tokens)
            .field("local", &self.local)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

/// The interface: clones are the same. It can be asked before the store is open, and says so then.
#[derive(Clone)]
pub struct Web(Arc<Inner>);

struct Inner {
    options: Options,
    server: OnceLock<Arc<Server>>,
    /// What goes on while the store is not open.
    starting: Mutex<Box<dyn Fn() -> String + Send>>,
    stopping: AtomicBool,
    admission: Admission,
    /// A permit for each connection.
    permits: Arc<Semaphore>,
    started_at_micros: i64,
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Web").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl Web {
    /// An interface to a store that is not open yet.
    pub fn new(options: Options) -> Self {
        Self(Arc::new(Inner {
            options,
            server: OnceLock::new(),
            starting: Mutex::new(Box::new(|| "the store is being opened".to_owned())),
            stopping: AtomicBool::new(false),
            admission: Admission::new(REQUESTS_IN_FLIGHT_MAX, BYTES_IN_FLIGHT_MAX),
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            started_at_micros: RealClock.now_micros(),
        }))
    }

    /// Says from now on what goes on while the store is not open.
    pub fn tell_start(&self, starting: impl Fn() -> String + Send + 'static) {
        *self.0.starting.lock() = Box::new(starting);
    }

    /// The store is open.
    pub fn open(&self, server: Arc<Server>) {
        // A second one would be a mistake that the first answers for.
        let _ = self.0.server.set(server);
    }

    /// The server is about to stop: it is not ready any more, but goes on answering.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    /// The store's server.
    ///
    /// # Errors
    /// 503 while it is being opened.
    pub(crate) fn server(&self) -> Result<&Arc<Server>, Failure> {
        self.0.server.get().ok_or_else(|| Failure::unavailable(&(self.0.starting.lock())()))
    }

    /// Why it is not ready for work, if it is not.
    pub(crate) fn unready(&self) -> Option<String> {
        let Some(server) = self.0.server.get() else { return Some((self.0.starting.lock())()) };
        if self.0.stopping.load(Ordering::Acquire) {
            return Some("the server is shutting down".to_owned());
        }
        let read_only = server.database().metrics().is_read_only();
        read_only.then(|| {
            "the store is read-only: its log could not be written; see the server's log".to_owned()
        })
    }

    /// What encrypts connections, if they are to be.
    pub(crate) fn acceptors(&self) -> Option<Acceptors> {
        self.0.options.tls.clone()
    }

    /// A permit for each connection.
    pub(crate) fn permits(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.permits)
    }

    /// Connections that are open; the next one has its permit before it comes.
    pub(crate) fn connection_count(&self) -> usize {
        (CONNECTIONS_MAX - self.0.permits.available_permits()).saturating_sub(1)
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    /// When the process began, in microseconds.
    pub(crate) fn started_at_micros(&self) -> i64 {
        self.0.started_at_micros
    }
}

/// Lets a request in or not, and counts its answer.
pub(crate) async fn pass(State(web): State<Web>, request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.and_then(|path| route_named(path.as_str()));
    let response = match let_in(&web, &request, route.and_then(|route| route.scope)) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    if let Some(server) = web.0.server.get() {
        let (name, status) = (route.map_or("unknown", |route| route.path), response.status());
        server.database().metrics().note_answer(name, status.as_u16(), watch.seconds());
    }
    response
}

fn let_in(web: &Web, request: &Request, scope: Option<Scope>) -> Result<(), Failure> {
    check_origin(request.headers(), web.0.options.local)?;
    if let Some(scope) = scope {
        web.0.options.tokens.check(request.headers(), scope)?;
        // Where roles are made, nobody comes in here without saying who it is.
        let server = web.0.server.get().filter(|_| web.0.options.tokens.is_empty());
        let in_use = |server: &Arc<Server>| {
            server.database().snapshot().catalog().access.is_in_use() && scope != Scope::Metrics
        };
        if server.is_some_and(in_use) {
            let message = "the store has roles, and HTTP has no tokens";
            return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
                .hint("set http_token_file or SELFSAME_HTTP_TOKENS")
                .into());
        }
    }
    Ok(())
}
