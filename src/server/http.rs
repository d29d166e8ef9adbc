//! The HTTP side of the process: takes the port before the store is open, so that whoever watches hears
//! why it is not ready, and gives it to `web`.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, HttpListen};
use crate::error::{Error, Result, SqlState};
use crate::web::{Options, Tokens, Web};

/// The interface, being served.
pub(crate) struct Http {
    pub(crate) web: Web,
    pub(crate) address: Option<SocketAddr>,
    serving: Option<JoinHandle<Result<()>>>,
}

impl Http {
    /// Takes the port and begins to answer.
    ///
    /// # Errors
    /// If a port that was asked for cannot be had, or the tokens are no good.
    pub(crate) fn start(
        runtime: &Runtime,
        config: &Config,
        [stop, cut]: [watch::Receiver<bool>; 2],
    ) -> Result<Self> {
        let web = Web::new(Options { tokens: tokens(config)?, local: true, tls: None });
        let Some(listener) = listener(runtime, config.http)? else {
            return Ok(Self { web, address: None, serving: None });
        };
        let address = listener.local_addr().ok();
        let serving = runtime.spawn(crate::web::serve(listener, web.clone(), stop, cut));
        Ok(Self { web, address, serving: Some(serving) })
    }

    /// Waits until all requests have ended.
    ///
    /// # Errors
    /// Why it could not be served.
    pub(crate) async fn end(self) -> Result<()> {
        match self.serving {
            None => Ok(()),
            Some(serving) => {
                serving.await.unwrap_or_else(|error| Err(Error::internal(error.to_string())))
            }
        }
    }
}

fn listener(runtime: &Runtime, http: HttpListen) -> Result<Option<TcpListener>> {
    let (address, needed) = match http {
        HttpListen::Off => return Ok(None),
        HttpListen::IfFree(address) => (address, false),
        HttpListen::At(address) => (address, true),
    };
    match runtime.block_on(TcpListener::bind(address)) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if !needed => {
            tracing::warn!(%address, %error, "HTTP is off, as its port cannot be had");
            Ok(None)
        }
        Err(error) => Err(Error::io(format!("listen for HTTP on {address}"), &error)
            .hint("choose another port with --http-listen 127.0.0.1:8443, or --http-listen off")),
    }
}

/// The tokens of the file and of the setting.
fn tokens(config: &Config) -> Result<Tokens> {
    let mut text = String::new();
    if let Some(path) = &config.http_token_file {
        let what = || format!("read the file of HTTP tokens \"{}\"", path.display());
        text = std::fs::read_to_string(path).map_err(|error| Error::io(what(), &error))?;
        if Tokens::parse(&text)?.is_empty() {
            let message = format!("the file of HTTP tokens \"{}\" has none", path.display());
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
    }
    if let Some(tokens) = &config.http_tokens {
        text.push('\n');
        text.push_str(tokens.expose());
    }
    Tokens::parse(&text)
}
