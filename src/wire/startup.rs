//! The start of a connection: encryption, cancel requests, and who the client is.
//!
//! Encryption is TLS, asked for or begun with at once; who the client says it is, `authentication` makes
//! sure of. Every database name shows the same data under that name. Settings may come with the start-up
//! packet or in its `options`.

use bytes::{Buf, BytesMut};
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::env::tls::{ALPN_POSTGRESQL, Certificates};
use crate::error::{Error, SqlState};
use crate::query::session::Session;
use crate::wire::decode::utf8;
use crate::wire::error::clean;
use crate::wire::socket::{Incoming, Outgoing, Stream, split, unsplit};
use crate::wire::vigil::{Attended, End};

/// The most bytes of a start-up packet, as in PostgreSQL.
const PACKET_BYTES_MAX: usize = 10_000;

/// Requests for encryption that are answered before a client must come to the point.
const NEGOTIATIONS_MAX: usize = 4;

const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// The version of the protocol that is spoken: 3.0.
const VERSION: i32 = 3 << 16;

type Result<T, E = Error> = std::result::Result<T, E>;

/// What a new connection wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// To cancel another one's statement.
    Cancel { process_id: i32, secret: i32 },
    /// A session.
    Session(Client),
}

/// Who a client is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its user name.
    pub(crate) user: String,
    /// The database that it asks for.
    pub(crate) database: String,
    /// Settings that it comes with.
    pub(crate) settings: Vec<(String, String)>,
    /// Whether it speaks a newer version of the protocol.
    newer: bool,
    /// Options of the protocol that nobody knows here.
    unknown: Vec<String>,
}

/// A connection before it has a session: both directions, and what protects them.
pub(crate) struct Line {
    /// Requests.
    pub(crate) incoming: Incoming<Stream>,
    /// Answers.
    pub(crate) outgoing: Outgoing<Stream>,
    /// What the connection is encrypted with, if it is.
    pub(crate) encryption: Option<Encryption>,
}

/// What a connection is encrypted with.
pub(crate) struct Encryption {
    /// What both ends know of the certificate.
    pub(crate) end_point: Option<Vec<u8>>,
}

impl Line {
    /// A line over a stream as it comes from the network.
    pub(crate) fn plain(stream: Stream) -> Self {
        let (incoming, outgoing) = split(stream);
        Self { incoming, outgoing, encryption: None }
    }

    /// The same line from now on encrypted; what was read of it already belongs to the handshake.
    async fn encrypted(
        self,
        certificates: &Certificates,
        direct: bool,
    ) -> Result<Self, Option<Error>> {
        let acceptor = certificates.acceptor(ALPN_POSTGRESQL).map_err(Some)?;
        let (read, stream) = unsplit(self.incoming, self.outgoing);
        let (reader, writer) = tokio::io::split(stream);
        let reader = AsyncReadExt::chain(std::io::Cursor::new(read), reader);
        let stream = tokio::io::join(reader, writer);
        let stream = acceptor.tls.accept(stream).await.map_err(|error| {
            tracing::info!(%error, "a client could not agree on TLS");
            None
        })?;
        // Without the protocol's name, a browser could be made to speak to us (as in PostgreSQL).
        if direct && stream.get_ref().1.alpn_protocol() != Some(ALPN_POSTGRESQL) {
            let message = "received direct SSL connection request without ALPN protocol negotiation extension";
            return Err(Some(violation(message)));
        }
        let (incoming, outgoing) = split(Box::new(stream) as Stream);
        let encryption = Some(Encryption { end_point: acceptor.end_point });
        Ok(Self { incoming, outgoing, encryption })
    }
}

/// The first byte of a handshake of TLS.
const HANDSHAKE: u8 = 0x16;

/// Reads what a new connection wants; the line is there as long as somebody can be told something.
///
/// # Errors
/// `08P01` for anything that is no start-up packet.
pub(crate) async fn open(
    mut line: Line,
    certificates: Option<&Certificates>,
) -> Result<(Line, Opening), (Option<Line>, End)> {
    let gone = |error: Option<Error>| (None, error.map_or(End::Gone, End::Fatal));
    if let Some(certificates) = certificates
        && begins_handshake(&mut line.incoming).await
    {
        line = line.encrypted(certificates, true).await.map_err(gone)?;
    }
    for _ in 0..NEGOTIATIONS_MAX {
        match next(&mut line, certificates.is_some()).await {
            Ok(Some(opening)) => return Ok((line, opening)),
            Ok(None) => {
                let Some(certificates) = certificates.filter(|_| line.encryption.is_none()) else {
                    continue;
                };
                line = line.encrypted(certificates, false).await.map_err(gone)?;
            }
            Err(Next::Again) => {}
            Err(Next::End(end)) => return Err((Some(line), end)),
        }
    }
    Err((Some(line), End::Fatal(violation("too many requests for encryption"))))
}

/// Whether a client begins with a handshake, without asking before.
async fn begins_handshake(incoming: &mut Incoming<Stream>) -> bool {
    while incoming.buffer.is_empty() {
        if !matches!(incoming.fill().await, Ok(1..)) {
            return false;
        }
    }
    incoming.buffer.first() == Some(&HANDSHAKE)
}

/// What comes of a packet that opens no session.
enum Next {
    /// Another packet is waited for.
    Again,
    /// Nothing more.
    End(End),
}

impl From<End> for Next {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

/// What the next packet wants; `None` is encryption, which was granted.
async fn next(line: &mut Line, offered: bool) -> Result<Option<Opening>, Next> {
    let fatal = |error| Next::End(End::Fatal(error));
    let mut packet = packet(&mut line.incoming).await?;
    match packet.get_u32() {
        request @ (SSL | GSS) => {
            // One byte, without a message around it: yes or no.
            let granted = request == SSL && offered && line.encryption.is_none();
            line.outgoing.buffer.extend_from_slice(if granted { b"S" } else { b"N" });
            line.outgoing.flush().await.map_err(End::from)?;
            if !line.incoming.buffer.is_empty() {
                let message = "received unencrypted data after a request for encryption";
                return Err(fatal(violation(message)));
            }
            if granted { Ok(None) } else { Err(Next::Again) }
        }
        CANCEL if packet.len() == 8 => {
            let (process_id, secret) = (packet.get_i32(), packet.get_i32());
            Ok(Some(Opening::Cancel { process_id, secret }))
        }
        version if version >> 16 == 3 => {
            client(&packet, version & 0xffff != 0).map(Opening::Session).map(Some).map_err(fatal)
        }
        version => {
            let (major, minor) = (version >> 16, version & 0xffff);
            let message = format!("unsupported frontend protocol {major}.{minor}");
            Err(fatal(Error::unsupported(message)))
        }
    }
}

async fn packet<S: AsyncRead>(incoming: &mut Incoming<S>) -> Attended<BytesMut> {
    loop {
        if let Some(head) = incoming.buffer.first_chunk::<4>() {
            let length = u32::from_be_bytes(*head) as usize;
            if !(8..=PACKET_BYTES_MAX).contains(&length) {
                return Err(End::Fatal(violation("invalid length of startup packet")));
            }
            if incoming.buffer.len() >= length {
                let mut packet = incoming.buffer.split_to(length);
                packet.advance(4);
                return Ok(packet);
            }
        }
        if incoming.fill().await? == 0 {
            return Err(End::Gone);
        }
    }
}

fn violation(message: &str) -> Error {
    Error::new(SqlState::PROTOCOL_VIOLATION, message)
}

/// Reads names and values, each up to its NUL, up to an empty name.
fn client(bytes: &[u8], newer: bool) -> Result<Client> {
    let mut client = Client { newer, ..Client::default() };
    let mut texts = bytes.split(|byte| *byte == 0);
    loop {
        let name = utf8(texts.next().ok_or_else(|| violation("invalid startup packet layout"))?)?;
        if name.is_empty() {
            break;
        }
        let value = utf8(texts.next().ok_or_else(|| violation("invalid startup packet layout"))?)?;
        match name {
            "user" => value.clone_into(&mut client.user),
            "database" => value.clone_into(&mut client.database),
            "options" => client.settings.extend(options(value)?),
            "replication" if !matches!(value, "false" | "off" | "no" | "0") => {
                return Err(Error::unsupported("replication is not supported"));
            }
            "replication" => {}
            name if name.starts_with("_pq_.") => client.unknown.push(name.to_owned()),
            name => client.settings.push((name.to_owned(), value.to_owned())),
        }
    }
    if client.user.is_empty() {
        let message = "no PostgreSQL user name specified in startup packet";
        return Err(Error::new(SqlState("28000"), message));
    }
    if client.database.is_empty() {
        client.user.clone_into(&mut client.database);
    }
    Ok(client)
}

/// Reads `-c name=value --name=value`, where a backslash makes the next character plain.
fn options(text: &str) -> Result<Vec<(String, String)>> {
    let mut words = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => words.last_mut().expect("there is one").extend(letters.next()),
            letter if letter.is_ascii_whitespace() => words.push(String::new()),
            letter => words.last_mut().expect("there is one").push(letter),
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--") {
            Some(setting) => Some(setting.to_owned()),
            None => match word.strip_prefix("-c") {
                Some("") => words.next(),
                Some(setting) => Some(setting.to_owned()),
                None => None,
            },
        };
        let pair = setting.as_deref().and_then(|setting| setting.split_once('='));
        let Some((name, value)) = pair else {
            let message = format!("invalid command-line argument for server process: {word}");
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        };
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

/// Greets a client that has a session.
///
/// # Errors
/// If a message cannot be encoded.
pub(crate) fn greet<S: AsyncWrite>(
    client: &Client,
    session: &Session,
    outgoing: &mut Outgoing<S>,
) -> Result<()> {
    if client.newer || !client.unknown.is_empty() {
        outgoing.put(&NegotiateProtocolVersion::new(VERSION, client.unknown.clone()))?;
    }
    outgoing.put(&Authentication::Ok)?;
    report(session, outgoing)?;
    let secret = SecretKey::I32(session.secret());
    outgoing.put(&BackendKeyData::new(session.process_id(), secret))
}

/// Tells the client which of the settings that it cares for have changed.
///
/// # Errors
/// If a message cannot be encoded.
pub(crate) fn report<S: AsyncWrite>(session: &Session, outgoing: &mut Outgoing<S>) -> Result<()> {
    for (name, value) in session.take_reports() {
        outgoing.put(&ParameterStatus::new(name.to_owned(), clean(&value)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        let shown = match client(bytes, false) {
            Ok(client) => {
                format!(
                    "{} {} {:?} {:?}",
                    client.user, client.database, client.settings, client.unknown
                )
            }
            Err(error) => format!("{} {error}", error.code()),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn packets_are_read() {
        check(b"user\0ada\0\0", "ada ada [] []");
        check(
            b"user\0ada\0database\0cdp\0TimeZone\0UTC\0_pq_.x\x001\0\0",
            "ada cdp [(\"TimeZone\", \"UTC\")] [\"_pq_.x\"]",
        );
        check(
            b"user\0ada\0options\0-c statement_timeout=5s --search-path=a\\ b\0\0",
            "ada ada [(\"statement_timeout\", \"5s\"), (\"search_path\", \"a b\")] []",
        );
    }

    #[test]
    fn broken_packets_are_refused() {
        check(b"\0", "28000 no PostgreSQL user name specified in startup packet");
        check(b"user", "08P01 invalid startup packet layout");
        check(b"user\0a\xff\0\0", "22021 invalid byte sequence for encoding \"UTF8\": 0xff");
        check(b"user\0ada\0replication\0true\0\0", "0A000 replication is not supported");
        check(
            b"user\0ada\0options\0-x\0\0",
            "42601 invalid command-line argument for server process: -x",
        );
    }
}
