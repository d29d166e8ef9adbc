//! TLS: a certificate and its key from files, read again when asked to, for whichever port uses them.
//!
//! [`Certificates`] reads the files (PEM; keys of PKCS#8, PKCS#1 and SEC1) and makes acceptors for a
//! protocol. What a reload cannot read leaves the old certificate in force. TLS 1.2 and 1.3, by rustls with
//! ring. The ports are `wire`'s and `web`'s.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use ring::digest;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Error, Result, SqlState};

/// The name of PostgreSQL's protocol in the negotiation of TLS (RFC 7301).
pub const ALPN_POSTGRESQL: &[u8] = b"postgresql";

/// The name of HTTP/1.1 in the negotiation of TLS.
pub const ALPN_HTTP: &[u8] = b"http/1.1";

/// A certificate and its key in files, as they were read last.
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<Loaded>>,
}

/// A certificate that is in force.
struct Loaded {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    end_point: Option<Vec<u8>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Certificates {
    /// Reads a certificate, with those that lead to its root behind it, and its key.
    ///
    /// # Errors
    /// `58P01`, `42501`, `58030` if a file cannot be read, `22023` if it is not what it should be, or the
    /// key is another certificate's.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>> {
        let loaded = Loaded::read(certificate, key)?;
        Ok(Arc::new(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current: RwLock::new(Arc::new(loaded)),
        }))
    }

    /// Reads the files again; connections that come from then on see what they say.
    ///
    /// # Errors
    /// As [`Certificates::load`]; the old certificate then stays in force.
    pub fn reload(&self) -> Result<()> {
        let loaded = Loaded::read(&self.certificate, &self.key)?;
        *self.current.write() = Arc::new(loaded);
        Ok(())
    }

    /// What accepts connections of a protocol under the certificate in force.
    ///
    /// # Errors
    /// `22023` if rustls refuses the certificate, which reading it has ruled out.
    pub fn acceptor(&self, protocol: &[u8]) -> Result<Acceptor> {
        let loaded = Arc::clone(&self.current.read());
        let mut config = loaded.config()?;
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Acceptor {
            tls: TlsAcceptor::from(Arc::new(config)),
            end_point: loaded.end_point.clone(),
        })
    }
}

/// What accepts connections.
#[derive(Clone)]
pub struct Acceptor {
    /// It does the handshake.
    pub tls: TlsAcceptor,
    /// What both ends know of the certificate (RFC 5929: tls-server-end-point), so that log-ins can be
    /// bound to it; `None` for signatures for which that is not defined.
    pub end_point: Option<Vec<u8>>,
}

impl Loaded {
    fn read(certificate: &Path, key: &Path) -> Result<Self> {
        let chain = CertificateDer::pem_slice_iter(&bytes(certificate)?)
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| unusable(certificate, "certificate", &error))?;
        let Some(first) = chain.first() else {
            let message = format!("there is no certificate in \"{}\"", certificate.display());
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("it should have a line -----BEGIN CERTIFICATE-----"));
        };
        let end_point = end_point(first);
        let private = PrivateKeyDer::from_pem_slice(&bytes(key)?)
            .map_err(|error| unusable(key, "private key", &error))?;
        let loaded = Self { chain, key: private, end_point };
        loaded.config()?;
        Ok(loaded)
    }

    fn config(&self) -> Result<ServerConfig> {
        let wrong = |error: tokio_rustls::rustls::Error| {
            let message = format!("the certificate and its key cannot be used: {error}");
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
        };
        ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(wrong)
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::io(format!("read \"{}\"", path.display()), &error))
}

fn unusable(path: &Path, what: &str, error: &dyn fmt::Display) -> Error {
    let message = format!("there is no usable {what} in \"{}\": {error}", path.display());
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// The hash of a certificate that both ends make alike: by the hash of its own signature, but SHA-256
/// where that is MD5 or SHA-1.
fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    /// Object identifiers of signatures, and the hash.
    const SIGNATURES: &[(&[u8], &digest::Algorithm)] = &[
        // RSA with MD5, SHA-1, SHA-256, SHA-384, SHA-512.
        (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4], &digest::SHA256),
        (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5], &digest::SHA256),
        (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], &digest::SHA256),
        (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12], &digest::SHA384),
        (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13], &digest::SHA512),
        // ECDSA with SHA-1, SHA-256, SHA-384, SHA-512.
        (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1], &digest::SHA256),
        (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], &digest::SHA256),
        (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], &digest::SHA384),
        (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4], &digest::SHA512),
    ];
    // Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OID, ... }, ... }
    let (inside, _) = element(certificate, 0x30)?;
    let (_, rest) = element(inside, 0x30)?;
    let (algorithm, _) = element(rest, 0x30)?;
    let (identifier, _) = element(algorithm, 0x06)?;
    let (_, hash) = SIGNATURES.iter().find(|(known, _)| *known == identifier)?;
    Some(digest::digest(hash, certificate).as_ref().to_vec())
}

/// The contents of a DER element of that kind, and what follows it.
fn element(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, short], rest) = bytes.split_first_chunk::<2>()?;
    if found != kind {
        return None;
    }
    let (length, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
            let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_hashed_by_their_own_signature() {
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = signed.cert.der();
        let expected = digest::digest(&digest::SHA256, certificate);
        assert_eq!(end_point(certificate).as_deref(), Some(expected.as_ref()));
        assert_eq!(end_point(&certificate[..20]), None);
        assert_eq!(end_point(b""), None);
    }

    #[test]
    fn files_are_read_again_and_bad_ones_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        let write = |name: &str| {
            let signed = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
            std::fs::write(&certificate, signed.cert.pem()).unwrap();
            std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
        };
        write("one");
        let loaded = Certificates::load(&certificate, &key).unwrap();
        let end_point = |loaded: &Certificates| {
            loaded.acceptor(ALPN_POSTGRESQL).unwrap_or_else(|error| panic!("{error}")).end_point
        };
        let first = end_point(&loaded);
        write("two");
        assert_eq!(end_point(&loaded), first);
        loaded.reload().unwrap();
        let second = end_point(&loaded);
        assert_ne!(second, first);
        std::fs::write(&certificate, "nonsense").unwrap();
        let error = loaded.reload().unwrap_err();
        assert_eq!(error.code(), SqlState::INVALID_PARAMETER_VALUE);
        assert_eq!(end_point(&loaded), second);
        std::fs::remove_file(&key).unwrap();
        write("three");
        let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
        std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
        assert!(loaded.reload().is_err(), "the key is another certificate's");
    }
}
