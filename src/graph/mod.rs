//! The identity graph: who belongs together, from links between dense identity numbers.
//!
//! - [`dictionary`] turns (namespace, normalised value) into a dense number and back.
//! - [`chunked`] is the array in which derived state lives: cheap to copy, copied where written.
//! - [`components`] keeps the connected components of all links, incrementally.
//! - [`links`] lists pairs of identities and their evidence, from rows.
//!
//! This folder knows no rows, no disk and no time. The rule that drops links (spec 5.2: UNIQUE,
//! capacity, stewards) belongs between `links` and `components`: what it lets live is what is united.

pub mod chunked;
pub mod components;
pub mod dictionary;
pub mod links;
