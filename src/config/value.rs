//! The values of settings: from text to what is meant, each with its reason to refuse.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::config::{HttpListen, LogFormat};
use crate::env::objects::location::Location;
use crate::error::{Error, Result, SqlState};
use crate::model::access::{AuditLevel, Authentication};

fn wrong(message: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// A local folder, or a location in object storage.
///
/// # Errors
/// `22023` if it is empty, or no location that is known.
pub(crate) fn data_directory(text: &str) -> Result<PathBuf> {
    if Location::is_meant(text) {
        Location::parse(text).map_err(|error| {
            let hint = error.get_hint().unwrap_or_default().to_owned();
            wrong("it is no location in object storage").hint(hint)
        })?;
        return Ok(PathBuf::from(text));
    }
    local_directory(text)
}

/// A local folder.
///
/// # Errors
/// `22023` if it is empty.
pub(crate) fn local_directory(text: &str) -> Result<PathBuf> {
    if text.is_empty() {
        return Err(wrong("a path is not empty"));
    }
    Ok(PathBuf::from(text))
}

/// Yes or no.
///
/// # Errors
/// `22023` if it is neither.
pub(crate) fn switch(text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => Err(wrong("it is neither true nor false")),
    }
}

/// A duration with its unit, as in PostgreSQL's settings.
///
/// # Errors
/// `22023` if it is none, or out of range.
pub(crate) fn duration(text: &str, range: RangeInclusive<Duration>) -> Result<Duration> {
    const UNITS: &[(&str, u64)] = &[("min", 60_000), ("ms", 1), ("s", 1_000), ("h", 3_600_000)];
    let lower = text.trim().to_ascii_lowercase();
    let parsed = UNITS.iter().find_map(|(unit, millis)| {
        let number = lower.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?;
        number.checked_mul(*millis).map(Duration::from_millis)
    });
    match parsed {
        Some(duration) if range.contains(&duration) => Ok(duration),
        Some(_) => {
            Err(wrong(format!("it is not between {:?} and {:?}", range.start(), range.end())))
        }
        None => Err(wrong("it is no duration").hint("write a whole number and a unit: 500ms, 2s")),
    }
}

/// A file.
///
/// # Errors
/// `22023` if it has no name.
pub(crate) fn file(text: &str) -> Result<PathBuf> {
    if text.is_empty() { Err(wrong("a path is not empty")) } else { Ok(PathBuf::from(text)) }
}

/// An address with its port; whether others may reach it is decided when it is listened on.
///
/// # Errors
/// `22023` if it is no address.
pub(crate) fn address(text: &str) -> Result<SocketAddr> {
    let local =
        text.strip_prefix("localhost:").map(|port| format!("{}:{port}", Ipv4Addr::LOCALHOST));
    local.as_deref().unwrap_or(text).parse().map_err(|_| {
        wrong("it is no address with a port").hint("write it as 127.0.0.1:5442 or [::1]:5442")
    })
}

/// Whom to ask for a password.
///
/// # Errors
/// `22023` if it is none of the ways.
pub(crate) fn authentication(text: &str) -> Result<Authentication> {
    match text {
        "auto" => Ok(Authentication::Automatic),
        "trust" => Ok(Authentication::Trust),
        "scram" => Ok(Authentication::Scram),
        _ => Err(wrong("it is none of auto, trust, scram")),
    }
}

/// What the audit log has.
///
/// # Errors
/// `22023` if it is none of the levels.
pub(crate) fn audit_level(text: &str) -> Result<AuditLevel> {
    match text {
        "none" => Ok(AuditLevel::None),
        "write" => Ok(AuditLevel::Write),
        "all" => Ok(AuditLevel::All),
        _ => Err(wrong("it is none of none, write, all")),
    }
}

/// Where to listen for HTTP: an address of this machine alone, as tokens would be seen by others.
///
/// # Errors
/// `22023` if it is no address, `0A000` if others could reach it.
pub(crate) fn http_listen(text: &str) -> Result<HttpListen> {
    if text == "off" {
        return Ok(HttpListen::Off);
    }
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address: SocketAddr = local.as_deref().unwrap_or(text).parse().map_err(|_| {
        wrong("it is no address with a port")
            .hint("write it as 127.0.0.1:8442 or [::1]:8442, or off")
    })?;
    if address.ip().to_canonical().is_loopback() {
        return Ok(HttpListen::At(address));
    }
    Err(Error::unsupported("other machines could reach it, and HTTP has no TLS yet").hint(
        "listen on 127.0.0.1 and let others in through a proxy that speaks TLS and passes tokens on",
    ))
}

/// How log lines are written.
///
/// # Errors
/// `22023` for what is neither.
pub(crate) fn log_format(text: &str) -> Result<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(wrong("it is no format of log lines").hint("write text or json")),
    }
}

/// A filter of log lines.
///
/// # Errors
/// `22023` if it is none.
pub(crate) fn log_filter(text: &str) -> Result<String> {
    EnvFilter::try_new(text).map_err(|_| {
        wrong("it is no filter of log lines")
            .hint("write a level, or levels of modules: warn,selfsame=debug")
    })?;
    Ok(text.to_owned())
}

/// A whole number in a range.
///
/// # Errors
/// `22023` if it is none, or out of range.
pub(crate) fn number(text: &str, range: RangeInclusive<u64>) -> Result<u64> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        wrong(format!("it is no whole number from {} to {}", range.start(), range.end()))
    })
}

/// A number of bytes; units are powers of 1024, as in PostgreSQL's settings.
///
/// # Errors
/// `22023` if it is none, or less than `least`.
pub(crate) fn bytes(text: &str, least: u64) -> Result<u64> {
    const UNITS: &[(&str, u32)] = &[("tib", 40), ("gib", 30), ("mib", 20), ("kib", 10)];
    const POSTGRES_UNITS: &[(&str, u32)] =
        &[("tb", 40), ("gb", 30), ("mb", 20), ("kb", 10), ("b", 0)];
    let lower = text.trim().to_ascii_lowercase();
    let unit = UNITS.iter().chain(POSTGRES_UNITS);
    let with_unit = unit.into_iter().find_map(|(unit, shift)| {
        lower.strip_suffix(unit).map(|number| (number.trim_end(), *shift))
    });
    let (number, shift) = with_unit.unwrap_or((&lower, 0));
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(1 << shift));
    match bytes {
        Some(bytes) if bytes >= least => Ok(bytes),
        Some(_) => Err(wrong(format!("it is less than {}MB", least >> 20))),
        None => Err(wrong("it is no size").hint("write a whole number and a unit: 512MB, 8GB")),
    }
}
