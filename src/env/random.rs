//! Randomness: secrets of connections, salts of passwords, nothing that results depend on.

use std::hash::{BuildHasher, Hasher, RandomState};

use ring::rand::{SecureRandom, SystemRandom};

use crate::error::{Error, Result, SqlState};

/// A random number that nobody can guess from outside the process.
///
/// The standard library seeds `RandomState` from the operating system once per thread and steps it
/// for each instance, so that each call hashes under another key (SipHash-1-3).
pub fn random_u64() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(0);
    hasher.finish()
}

/// Random bytes from the system, fit for keys and salts.
///
/// # Errors
/// `58030` if the system gives none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::new(SqlState::IO_ERROR, "the system gives no random bytes"))?;
    Ok(bytes)
}
