//! Who may ask: bearer tokens, and what a browser is not let do on behalf of a stranger's page.
//!
//! A token is compared by its HMAC under a key of this process, which takes the same time whatever it is,
//! and is never logged. Without any token everybody is let in who can reach the address, which `server`
//! allows on this machine's own addresses only. A page in a browser of this machine can reach those too,
//! so that requests which a page of another origin caused are refused, and names of hosts that a stranger
//! may have pointed at this machine.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use ring::hmac;

use crate::env::random::random_u64;
use crate::error::{Error, Result, SqlState};

/// The fewest characters of a token: shorter ones can be guessed.
pub const TOKEN_CHARACTERS_MIN: usize = 16;

/// What a token lets its bearer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Send rows.
    Ingest,
    /// Read profiles.
    Read,
    /// Watch the server.
    Metrics,
}

impl Scope {
    const ALL: [(&'static str, Self); 3] =
        [("ingest", Self::Ingest), ("read", Self::Read), ("metrics", Self::Metrics)];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, scope)| *scope == self).map_or("", |(name, _)| name)
    }
}

struct Token {
    scope: Option<Scope>,
    tag: hmac::Tag,
}

/// The tokens that are good.
pub struct Tokens {
    key: hmac::Key,
    all: Vec<Token>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("count", &self.all.len()).finish_non_exhaustive()
    }
}

impl Tokens {
    /// No tokens: everybody is let in.
    pub fn none() -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, b""), all: Vec::new() }
    }

    /// Tokens from text: one a line or between commas, perhaps after `ingest`, `read` or `metrics`, which
    /// is then all that it is good for. Empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// `22023` for what cannot be a token; the complaint never shows it.
    pub fn parse(text: &str) -> Result<Self> {
        let bytes: Vec<u8> = (0..4).flat_map(|_| random_u64().to_le_bytes()).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let entries = lines.flat_map(|line| line.split(',')).map(str::trim);
        let mut all = Vec::new();
        for (at, entry) in entries.filter(|entry| !entry.is_empty()).enumerate() {
            let (scope, token) = scoped(entry);
            let graphic = token.bytes().all(|byte| byte.is_ascii_graphic());
            if !graphic || token.len() < TOKEN_CHARACTERS_MIN {
                let message = format!("HTTP token {} is no good", at + 1);
                return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint(format!(
                    "write [ingest|read|metrics] and a token of {TOKEN_CHARACTERS_MIN} or more \
                     visible ASCII characters, such as openssl rand -hex 32 makes"
                )));
            }
            all.push(Token { scope, tag: hmac::sign(&key, token.as_bytes()) });
        }
        Ok(Self { key, all })
    }

    /// Whether everybody is let in.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Lets a request in, or not.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        scope: Scope,
    ) -> std::result::Result<(), Refusal> {
        if self.is_empty() {
            return Ok(());
        }
        let Some(token) = bearer(headers) else { return Err(Refusal::NoToken) };
        let known =
            |one: &&Token| hmac::verify(&self.key, token.as_bytes(), one.tag.as_ref()).is_ok();
        match self.all.iter().find(known) {
            None => Err(Refusal::BadToken),
            Some(one) if one.scope.is_none_or(|only| only == scope) => Ok(()),
            Some(_) => Err(Refusal::OtherScope(scope.name())),
        }
    }
}

fn scoped(entry: &str) -> (Option<Scope>, &str) {
    match entry.split_once(char::is_whitespace) {
        None => (None, entry),
        Some((word, token)) => {
            let scope = Scope::ALL.iter().find(|(name, _)| *name == word);
            // A word that is no scope stays in front, so that the whole is no token.
            scope.map_or((None, entry), |(_, scope)| (Some(*scope), token.trim()))
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It bears no token.
    NoToken,
    /// Nobody knows its token.
    BadToken,
    /// Its token is good for other things.
    OtherScope(&'static str),
    /// A page of another origin caused it.
    OtherOrigin,
    /// It is for another host.
    OtherHost,
}

/// Refuses what a page of another origin may have caused. `local`: only this machine can be asked.
pub(crate) fn check_origin(headers: &HeaderMap, local: bool) -> std::result::Result<(), Refusal> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let host = text(HOST);
    if local && host.is_some_and(|host| !is_local(host)) {
        return Err(Refusal::OtherHost);
    }
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let of_origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let same = of_origin.zip(host).is_some_and(|((_, one), two)| one.eq_ignore_ascii_case(two));
    if same { Ok(()) } else { Err(Refusal::OtherOrigin) }
}

/// Whether a host's name cannot but mean this machine.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.to_ascii_lowercase();
    let address = name.parse::<std::net::IpAddr>();
    name == "localhost"
        || name.ends_with(".localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{Refusal, Scope, Tokens, check_origin};
    use axum::http::HeaderMap;

    fn headers(lines: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines.split('\n').filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            let name: axum::http::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn tokens_are_good_for_what_they_say() {
        let text = "# of the shop\ningest 0123456789abcdef\n\n  read  fedcba9876543210 , \
                    anything-goes-with-this\n";
        let tokens = Tokens::parse(text).unwrap();
        let check = |header: &str, scope, expected| {
            let found = tokens.check(&headers(header), scope);
            assert_eq!(found, expected, "{header}");
        };
        check("authorization: Bearer 0123456789abcdef", Scope::Ingest, Ok(()));
        let other = Err(Refusal::OtherScope("read"));
        check("authorization: Bearer 0123456789abcdef", Scope::Read, other);
        check("authorization: bearer fedcba9876543210", Scope::Read, Ok(()));
        check("authorization: Bearer anything-goes-with-this", Scope::Metrics, Ok(()));
        check("authorization: Bearer 0123456789abcde", Scope::Ingest, Err(Refusal::BadToken));
        check("authorization: Basic 0123456789abcdef", Scope::Ingest, Err(Refusal::NoToken));
        check("", Scope::Ingest, Err(Refusal::NoToken));
        assert!(!format!("{tokens:?}").contains("0123"));
        assert_eq!(Tokens::none().check(&headers(""), Scope::Read), Ok(()));
    }

    #[test]
    fn what_is_no_token_is_refused_and_not_shown() {
        for text in ["short", "admin 0123456789abcdef", "0123456789abcdef\u{e9}xx", "read  "] {
            let error = Tokens::parse(text).unwrap_err();
            assert_eq!(error.code().0, "22023");
            assert_eq!(error.message(), "HTTP token 1 is no good");
        }
    }

    #[test]
    fn pages_of_others_are_refused() {
        let check = |lines: &str, expected: Result<(), Refusal>| {
            assert_eq!(check_origin(&headers(lines), true), expected, "{lines}");
        };
        for host in ["localhost:8442", "127.0.0.1:8442", "[::1]:8442", "LOCALHOST", "a.localhost:1"]
        {
            check(&format!("host: {host}"), Ok(()));
            check(&format!("host: {host}\norigin: http://{host}"), Ok(()));
        }
        for host in ["evil.example:8442", "localhost.evil.example", "10.0.0.1:8442", ""] {
            check(&format!("host: {host}"), Err(Refusal::OtherHost));
        }
        check("", Ok(()));
        for origin in ["http://evil.example", "null", "http://localhost:3000"] {
            check(&format!("host: localhost:8442\norigin: {origin}"), Err(Refusal::OtherOrigin));
        }
        let elsewhere = headers("host: cdp.example");
        assert_eq!(check_origin(&elsewhere, false), Ok(()));
    }
}
