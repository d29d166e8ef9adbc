//! Randomness: secrets of connections, nothing that results depend on.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A random number that nobody can guess from outside the process.
///
/// The standard library seeds `RandomState` from the operating system once per thread and steps it
/// for each instance, so that each call hashes under another key (SipHash-1-3).
pub fn random_u64() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(0);
    hasher.finish()
}
