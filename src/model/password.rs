//! What is kept of a password: the verifier of SCRAM-SHA-256 in PostgreSQL's own form, never the password.
//!
//! `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, as RFC 5803 and `pg_authid` have it.
//! Salts come from the caller, as nothing here is random; the exchange with a client is `wire`'s.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac, pbkdf2};

use crate::error::{Error, Result, SqlState};

/// The mechanism, with which a verifier begins.
pub const MECHANISM: &str = "SCRAM-SHA-256";

/// Iterations of new verifiers, as in PostgreSQL: more would make each log-in slower for us too.
pub const ITERATIONS_DEFAULT: u32 = 4_096;

/// The most iterations of a verifier that is given to us: clients repeat them at each log-in.
pub const ITERATIONS_MAX: u32 = 10_000_000;

/// Bytes of the salt of a new verifier.
pub const SALT_BYTES: usize = 16;

/// The most bytes of a password: longer ones only cost time.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

/// Bytes of a key.
pub const KEY_BYTES: usize = digest::SHA256_OUTPUT_LEN;

/// What proves that somebody knows a password, without telling it.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// How often the password is hashed.
    pub iterations: u32,
    /// What it is hashed with.
    pub salt: Vec<u8>,
    /// The hash of the client's key.
    pub stored_key: [u8; KEY_BYTES],
    /// The key with which the server proves itself.
    pub server_key: [u8; KEY_BYTES],
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(hidden)")
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{MECHANISM}${}:{}${}:{}",
            self.iterations,
            BASE64.encode(&self.salt),
            BASE64.encode(self.stored_key),
            BASE64.encode(self.server_key)
        )
    }
}

impl Verifier {
    /// The verifier of a password.
    ///
    /// # Errors
    /// `22023` if the password is empty or too long.
    pub fn of(password: &str, salt: &[u8], iterations: u32) -> Result<Self> {
        if password.is_empty() {
            let message = "empty string is not a valid password";
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
        if password.len() > PASSWORD_BYTES_MAX {
            let message = format!("a password has at most {PASSWORD_BYTES_MAX} bytes");
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
        let salted = salted(password, salt, iterations);
        let stored_key = sha256(&hmac(&salted, b"Client Key"));
        let server_key = hmac(&salted, b"Server Key");
        Ok(Self { iterations, salt: salt.to_vec(), stored_key, server_key })
    }

    /// Reads one; `None` if the text has not its form, and is therefore a password.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(MECHANISM)?.strip_prefix('$')?;
        let (parameters, keys) = rest.split_once('$')?;
        let (iterations, salt) = parameters.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let iterations = iterations.parse().ok().filter(|it| (1..=ITERATIONS_MAX).contains(it))?;
        let key = |text: &str| BASE64.decode(text).ok()?.try_into().ok();
        let salt = BASE64.decode(salt).ok().filter(|salt| !salt.is_empty())?;
        Some(Self { iterations, salt, stored_key: key(stored_key)?, server_key: key(server_key)? })
    }

    /// Whether it is the verifier of a password.
    pub fn accepts(&self, password: &str) -> bool {
        Self::of(password, &self.salt, self.iterations)
            .is_ok_and(|other| same(&other.stored_key, &self.stored_key))
    }

    /// Whether a client's proof shows that it knows the password, over the messages exchanged.
    pub fn proves(&self, messages: &[u8], proof: &[u8; KEY_BYTES]) -> bool {
        let signature = hmac(&self.stored_key, messages);
        let mut client_key = [0; KEY_BYTES];
        for (at, byte) in client_key.iter_mut().enumerate() {
            *byte = proof[at] ^ signature[at];
        }
        same(&sha256(&client_key), &self.stored_key)
    }

    /// What shows a client that the server knows the verifier, over the messages exchanged.
    pub fn server_signature(&self, messages: &[u8]) -> [u8; KEY_BYTES] {
        hmac(&self.server_key, messages)
    }
}

/// Whether a text claims to be a password hashed in a way that is not kept here.
pub fn is_md5(text: &str) -> bool {
    let digits = text.strip_prefix("md5").filter(|digits| digits.len() == 32);
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The password as it is hashed: prepared as RFC 4013 has it, or as it is where that refuses it.
fn salted(password: &str, salt: &[u8], iterations: u32) -> [u8; KEY_BYTES] {
    let prepared = stringprep::saslprep(password);
    let prepared = prepared.as_deref().unwrap_or(password);
    let mut salted = [0; KEY_BYTES];
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, prepared.as_bytes(), &mut salted);
    salted
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; KEY_BYTES] {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref().try_into().expect("SHA-256 has as many bytes")
}

/// HMAC with SHA-256.
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; KEY_BYTES] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    tag.as_ref().try_into().expect("SHA-256 has as many bytes")
}

/// Compares in a time that does not tell how much is equal.
fn same(left: &[u8; KEY_BYTES], right: &[u8; KEY_BYTES]) -> bool {
    // A tag's own comparison is constant in time; under a fixed key it compares the messages.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"compare");
    hmac::verify(&key, left, hmac::sign(&key, right).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL 15 keeps of the password `pencil` with this salt (RFC 7677 has the same keys).
    const PENCIL: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
        WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn verifiers_are_those_of_postgresql() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::of("pencil", &salt, ITERATIONS_DEFAULT).unwrap();
        assert_eq!(verifier.to_string(), PENCIL);
        let read = Verifier::parse(PENCIL).unwrap();
        assert_eq!(read, verifier);
        assert!(read.accepts("pencil") && !read.accepts("Pencil"));
        assert_eq!(format!("{read:?}"), "Verifier(hidden)");
    }

    #[test]
    fn a_password_is_no_verifier() {
        for text in ["", "pencil", "SCRAM-SHA-256$x", "SCRAM-SHA-256$0:YQ==$YQ==:YQ=="] {
            assert_eq!(Verifier::parse(text), None, "{text}");
        }
        assert!(is_md5("md5827ccb0eea8a706c4c34a16891f84e7b") && !is_md5("md5 is old"));
        for (password, bytes) in [("", 0), ("long", PASSWORD_BYTES_MAX)] {
            let password = password.repeat(1 + bytes / 4);
            let error = Verifier::of(&password, b"salt", 1).unwrap_err();
            assert_eq!(error.code(), SqlState::INVALID_PARAMETER_VALUE);
        }
    }

    #[test]
    fn passwords_are_prepared() {
        // A soft hyphen is nothing, as in RFC 4013.
        let verifier = Verifier::of("I\u{ad}X", b"salt", 1).unwrap();
        assert!(verifier.accepts("IX"));
    }
}
