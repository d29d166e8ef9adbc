//! The way in: certificates, the first password, and the refusal to be reachable without either.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::env::tls::Certificates;
use crate::error::{Error, Result, SqlState};
use crate::model::access::{Authentication, BOOTSTRAP};
use crate::query::session::Server;
use crate::wire::Door;

/// Connections that are kept for superusers, as in PostgreSQL; fewer where there are few at all.
const CONNECTIONS_RESERVED: usize = 3;

/// The certificates that are configured, if any are.
///
/// # Errors
/// What is wrong with the files.
pub(super) fn certificates(config: &Config) -> Result<Option<Arc<Certificates>>> {
    let files = config.certificate.as_ref();
    files.map(|(certificate, key)| Certificates::load(certificate, key)).transpose()
}

/// How clients come in, which sessions show among their settings.
pub(super) fn door(
    config: &Config,
    server: &Server,
    certificates: Option<Arc<Certificates>>,
) -> Door {
    let reserved = CONNECTIONS_RESERVED.min(config.connections_max / 4);
    server.show_setting("max_connections", config.connections_max.to_string());
    server.show_setting("superuser_reserved_connections", reserved.to_string());
    server.show_setting("ssl", if certificates.is_some() { "on" } else { "off" });
    Door {
        authentication: config.authentication,
        certificates,
        connections_max: config.connections_max,
        connections_reserved: reserved,
    }
}

/// Gives the bootstrap role the password that is configured, and refuses to be reachable from other
/// machines where they could come in unasked or be listened to.
///
/// # Errors
/// `22023` if it would be.
pub(super) fn secure(config: &Config, server: &Server) -> Result<()> {
    server.set_audit_level(config.audit);
    if let Some(password) = &config.password {
        server.set_first_password(password.expose())?;
    }
    let has_password = server.has_password(BOOTSTRAP);
    if config.listen.ip().to_canonical().is_loopback() {
        if has_password && config.authentication == Authentication::Trust {
            tracing::warn!("there is a password, but authentication = trust asks nobody for one");
        }
        return Ok(());
    }
    let mut missing = Vec::new();
    if config.certificate.is_none() {
        missing.push("connections would not be encrypted: set ssl_cert_file and ssl_key_file");
    }
    if !has_password {
        missing.push("the superuser has no password: set SELFSAME_PASSWORD or password_file");
    }
    if config.authentication == Authentication::Trust {
        missing.push("authentication = trust would let everybody in");
    }
    if missing.is_empty() {
        return Ok(());
    }
    if config.insecure_listen {
        tracing::warn!(listen = %config.listen, missing = missing.join("; "), "other machines can reach this server, as insecure_listen has it");
        return Ok(());
    }
    let message = format!("refusing to listen on {}: other machines could reach it", config.listen);
    Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
        .detail(missing.join("; "))
        .hint("listen on 127.0.0.1, or set what is missing; --insecure-listen forces it"))
}

/// Reads certificates again whenever the process is told to by SIGHUP, or somebody by `pg_reload_conf()`.
///
/// # Errors
/// `58030` if the system gives no signals.
pub(super) fn reload_when_told(
    runtime: &Runtime,
    server: &Server,
    certificates: Option<Arc<Certificates>>,
) -> Result<()> {
    let reload = move || match &certificates {
        Some(certificates) => certificates.reload(),
        None => Ok(()),
    };
    let reload = Arc::new(reload);
    let told = Arc::clone(&reload);
    server.reload_with(Arc::new(move || told()));
    let _entered = runtime.enter();
    let mut hangup =
        signal(SignalKind::hangup()).map_err(|error| Error::io("wait for signals", &error))?;
    runtime.spawn(async move {
        while hangup.recv().await.is_some() {
            match reload() {
                Ok(()) => tracing::info!("read certificates again"),
                Err(error) => tracing::error!(%error, "the certificates in force stay in force"),
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Invocation, Outside, parse};
    use crate::engine::{Database, Options};
    use crate::query::session::Settings;

    fn check(line: &str, expected: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let arguments = ["selfsame", "serve"].iter().chain(&words).map(std::ffi::OsString::from);
        let file = |path: &std::path::Path| match path.to_str() {
            Some("pw") => Ok("first".to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        };
        let outside = Outside { variable: &|_| None, file: &file };
        let Ok(Invocation::Run(_, config)) = parse(arguments, &outside) else { panic!("{line}") };
        let database = Database::open(Options::memory()).unwrap();
        let server = Server::new(database, Settings::default());
        let shown = match secure(&config, &server) {
            Ok(()) => "listens".to_owned(),
            Err(error) => format!("{error}: {}", error.get_detail().unwrap_or_default()),
        };
        assert_eq!(shown, expected, "{line}");
    }

    #[test]
    fn other_machines_must_be_kept_out_or_let_in_safely() {
        check("--listen 127.0.0.1:1", "listens");
        check("--listen [::1]:1 --authentication trust", "listens");
        let refused = "refusing to listen on 0.0.0.0:1: other machines could reach it: ";
        let plain = "connections would not be encrypted: set ssl_cert_file and ssl_key_file";
        let open = "the superuser has no password: set SELFSAME_PASSWORD or password_file";
        check("--listen 0.0.0.0:1", &format!("{refused}{plain}; {open}"));
        check("--listen 0.0.0.0:1 --password-file pw", &format!("{refused}{plain}"));
        let tls = "--listen 0.0.0.0:1 --ssl-cert-file c --ssl-key-file k";
        check(tls, &format!("{refused}{open}"));
        check(&format!("{tls} --password-file pw"), "listens");
        let trust = "authentication = trust would let everybody in";
        let line = format!("{tls} --password-file pw --authentication trust");
        check(&line, &format!("{refused}{trust}"));
        check("--listen 0.0.0.0:1 --insecure-listen", "listens");
    }
}
