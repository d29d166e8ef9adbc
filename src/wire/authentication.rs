//! Who a client is: SCRAM-SHA-256 as PostgreSQL has it, bound to the certificate where there is one.
//!
//! The exchange (RFC 5802, 7677) is the same for roles that do not exist, have no password or whose
//! password has expired, with a salt that is made of their name, so that nobody learns which roles there
//! are. Clear text and MD5 are not offered. What is kept of a password is `model::password`'s.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Buf, Bytes};
use pgwire::messages::startup::Authentication;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::env::random::random_bytes;
use crate::error::{Error, Result, SqlState};
use crate::model::password::{KEY_BYTES, MECHANISM};
use crate::query::session::Challenge;
use crate::wire::socket::{Incoming, Outgoing};
use crate::wire::vigil::{Attended, End};

/// The mechanism that is bound to the certificate.
const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// How a client says that it binds to the certificate.
const BINDING: &str = "p=tls-server-end-point";

/// The most bytes of a message of the exchange, as in PostgreSQL.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// Random bytes of our half of the nonce, as in PostgreSQL.
const NONCE_BYTES: usize = 18;

/// Asks a client for its password.
///
/// # Errors
/// `28P01` if it does not know it, `08P01` if it does not keep to the protocol.
pub(crate) async fn ask<S: AsyncRead + AsyncWrite>(
    user: &str,
    challenge: &Challenge,
    end_point: Option<&[u8]>,
    incoming: &mut Incoming<S>,
    outgoing: &mut Outgoing<S>,
) -> Attended<()> {
    let mut mechanisms = vec![MECHANISM.to_owned()];
    if end_point.is_some() {
        mechanisms.insert(0, MECHANISM_PLUS.to_owned());
    }
    outgoing.put(&Authentication::SASL(mechanisms)).map_err(End::Fatal)?;
    outgoing.flush().await?;
    let nonce: [u8; NONCE_BYTES] = random_bytes().map_err(End::Fatal)?;
    let first = message(incoming).await?;
    let first = First::read(&first, end_point).map_err(End::Fatal)?;
    let nonce = format!("{}{}", first.nonce, BASE64.encode(nonce));
    let salt = BASE64.encode(&challenge.verifier.salt);
    let server_first = format!("r={nonce},s={salt},i={}", challenge.verifier.iterations);
    let reply = Authentication::SASLContinue(Bytes::from(server_first.clone()));
    outgoing.put(&reply).map_err(End::Fatal)?;
    outgoing.flush().await?;
    let last = message(incoming).await?;
    let last = Last::read(&last, &first, &nonce, end_point).map_err(End::Fatal)?;
    let messages = format!("{},{server_first},{}", first.bare, last.without_proof);
    let proven = challenge.verifier.proves(messages.as_bytes(), &last.proof);
    // Both, in any case, so that the time does not tell which it was.
    if !(proven & challenge.genuine) {
        return Err(End::Fatal(failed(user)));
    }
    let signature = BASE64.encode(challenge.verifier.server_signature(messages.as_bytes()));
    let reply = Authentication::SASLFinal(Bytes::from(format!("v={signature}")));
    outgoing.put(&reply).map_err(End::Fatal)
}

/// The error of a log-in, which says no more than PostgreSQL's.
fn failed(user: &str) -> Error {
    let message = format!("password authentication failed for user \"{user}\"");
    Error::new(SqlState("28P01"), message)
}

fn malformed(why: &str) -> Error {
    Error::new(SqlState::PROTOCOL_VIOLATION, "malformed SCRAM message").detail(why)
}

/// Waits for the next message of the exchange.
async fn message<S: AsyncRead>(incoming: &mut Incoming<S>) -> Attended<Bytes> {
    loop {
        if let Some(header) = incoming.buffer.first_chunk::<5>() {
            let [kind, length @ ..] = *header;
            if kind != b'p' {
                let message = format!("expected SASL response, got message type {kind}");
                return Err(End::Fatal(Error::new(SqlState::PROTOCOL_VIOLATION, message)));
            }
            let length = u32::from_be_bytes(length) as usize;
            if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
                let message = "invalid length of SASL response";
                return Err(End::Fatal(Error::new(SqlState::PROTOCOL_VIOLATION, message)));
            }
            if incoming.buffer.len() > length {
                let mut body = incoming.buffer.split_to(length + 1);
                body.advance(5);
                return Ok(body.freeze());
            }
        }
        if incoming.fill().await? == 0 {
            return Err(End::Gone);
        }
    }
}

/// The first message of a client.
#[derive(Debug, PartialEq, Eq)]
struct First {
    /// Whether and how it is bound, with the commas behind it.
    header: String,
    /// Whether it is bound.
    bound: bool,
    /// The message without that.
    bare: String,
    /// The client's half of the nonce.
    nonce: String,
}

impl First {
    fn read(body: &[u8], end_point: Option<&[u8]>) -> Result<Self> {
        let end = body.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| malformed("the mechanism has no end"))?;
        let mechanism = &body[..end];
        let bound = mechanism == MECHANISM_PLUS.as_bytes() && end_point.is_some();
        if !bound && mechanism != MECHANISM.as_bytes() {
            let message = "client selected an invalid SASL authentication mechanism";
            return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message));
        }
        let rest = &body[end + 1..];
        let (length, text) =
            rest.split_first_chunk().ok_or_else(|| malformed("it is too short"))?;
        if i32::from_be_bytes(*length) != i32::try_from(text.len()).unwrap_or(-1) {
            return Err(malformed("it has another length than it says"));
        }
        let text = std::str::from_utf8(text).map_err(|_| malformed("it is no UTF-8"))?;
        Self::parse(text, bound, end_point.is_some())
    }

    fn parse(text: &str, bound: bool, offered: bool) -> Result<Self> {
        let mut parts = text.splitn(3, ',');
        let flag = parts.next().unwrap_or_default();
        let identity = parts.next().ok_or_else(|| malformed("it ends in its header"))?;
        let bare = parts.next().ok_or_else(|| malformed("it ends in its header"))?;
        match flag {
            "n" if !bound => {}
            "y" if !bound && !offered => {}
            // Somebody between us has taken the offer away.
            "y" if !bound => {
                let message = "SCRAM channel binding negotiation error";
                return Err(Error::new(SqlState("28000"), message).detail(
                    "The client supports SCRAM channel binding but thinks the server does not.",
                ));
            }
            BINDING if bound => {}
            flag if flag.starts_with("p=") && bound => {
                return Err(malformed("its kind of channel binding is not supported"));
            }
            _ => return Err(malformed("its channel binding is not that of its mechanism")),
        }
        if !identity.is_empty() {
            return Err(Error::unsupported("client uses authorization identity"));
        }
        if bare.starts_with("m=") {
            return Err(Error::unsupported("client requires an unsupported SCRAM extension"));
        }
        let rest = bare.strip_prefix("n=").and_then(|rest| rest.split_once(','));
        let (_, rest) = rest.ok_or_else(|| malformed("it has no user name"))?;
        let nonce = rest.strip_prefix("r=").map(|rest| rest.split(',').next().unwrap_or_default());
        let nonce = nonce.filter(|nonce| !nonce.is_empty() && nonce.bytes().all(is_printable));
        let nonce = nonce.ok_or_else(|| malformed("it has no nonce"))?;
        Ok(Self {
            header: format!("{flag},{identity},"),
            bound,
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
        })
    }
}

fn is_printable(byte: u8) -> bool {
    (0x21..=0x7e).contains(&byte)
}

/// The last message of a client.
struct Last {
    without_proof: String,
    proof: [u8; KEY_BYTES],
}

impl Last {
    fn read(body: &[u8], first: &First, nonce: &str, end_point: Option<&[u8]>) -> Result<Self> {
        let text = std::str::from_utf8(body).map_err(|_| malformed("it is no UTF-8"))?;
        let (without_proof, proof) =
            text.rsplit_once(",p=").ok_or_else(|| malformed("it has no proof"))?;
        let mut parts = without_proof.split(',');
        let binding = parts.next().and_then(|part| part.strip_prefix("c="));
        let binding = binding.ok_or_else(|| malformed("it has no channel binding"))?;
        let mut expected = first.header.clone().into_bytes();
        if first.bound {
            expected.extend_from_slice(end_point.unwrap_or_default());
        }
        if binding != BASE64.encode(expected) {
            let message = "SCRAM channel binding check failed";
            return Err(Error::new(SqlState("28000"), message));
        }
        if parts.next().and_then(|part| part.strip_prefix("r=")) != Some(nonce) {
            return Err(malformed("it has another nonce"));
        }
        let proof = BASE64.decode(proof).ok().and_then(|proof| proof.try_into().ok());
        let proof = proof.ok_or_else(|| malformed("its proof is none"))?;
        Ok(Self { without_proof: without_proof.to_owned(), proof })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mechanism: &str, text: &str, end_point: Option<&[u8]>, expected: &str) {
        let length = (text.len() as i32).to_be_bytes();
        let body = [mechanism.as_bytes(), &[0], &length[..], text.as_bytes()].concat();
        let shown = match First::read(&body, end_point) {
            Ok(first) => format!("{}|{}|{}", first.header, first.bare, first.nonce),
            Err(error) => {
                format!("{} {error}: {}", error.code(), error.get_detail().unwrap_or_default())
            }
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn first_messages_are_read_strictly() {
        let (plain, plus) = (MECHANISM, MECHANISM_PLUS);
        let tls = Some(&b"hash"[..]);
        check(plain, "n,,n=,r=abc", None, "n,,|n=,r=abc|abc");
        check(plain, "y,,n=u,r=abc,x=1", None, "y,,|n=u,r=abc,x=1|abc");
        check(plus, "p=tls-server-end-point,,n=,r=a", tls, "p=tls-server-end-point,,|n=,r=a|a");
        check(
            plain,
            "y,,n=,r=abc",
            tls,
            "28000 SCRAM channel binding negotiation error: \
             The client supports SCRAM channel binding but thinks the server does not.",
        );
        let wrong = "08P01 malformed SCRAM message: ";
        let other = "its channel binding is not that of its mechanism";
        check(plain, "p=tls-server-end-point,,n=,r=a", tls, &format!("{wrong}{other}"));
        check(plus, "n,,n=,r=a", tls, &format!("{wrong}{other}"));
        let unknown = "its kind of channel binding is not supported";
        check(plus, "p=tls-unique,,n=,r=a", tls, &format!("{wrong}{unknown}"));
        let invalid = "08P01 client selected an invalid SASL authentication mechanism: ";
        check(plus, "p=tls-server-end-point,,n=,r=a", None, invalid);
        check("PLAIN", "n,,n=,r=a", None, invalid);
        check(plain, "n,a=x,n=,r=a", None, "0A000 client uses authorization identity: ");
        check(plain, "n", None, &format!("{wrong}it ends in its header"));
        check(plain, "n,,r=a", None, &format!("{wrong}it has no user name"));
        check(plain, "n,,n=,r=", None, &format!("{wrong}it has no nonce"));
        check(plain, "n,,n=,r=\u{1}", None, &format!("{wrong}it has no nonce"));
    }
}
