//! The identity graph: who belongs together, from links between dense identity numbers.
//!
//! - [`dictionary`] turns (namespace, normalised value) into a dense number and back.
//! - [`chunked`] is the array in which derived state lives: cheap to copy, copied where written.
//! - [`components`] keeps connected components, incrementally.
//! - [`rules`] is what namespaces, the capacity and stewards demand, in numbers.
//! - [`fold`] is the rule of spec 5.2: which links of contested clusters live.
//! - [`identity_graph`] puts them together: rows in, profiles out.
//! - [`packed`] is how its arrays are saved and come back.
//! - [`changes`] tells what became of profiles.
//! - [`links`] lists pairs of identities and their evidence, from rows.
//!
//! This folder knows no datasets, no disk and no clock; a row is its identities and its place in the
//! order of the fold.

pub mod changes;
pub mod chunked;
pub mod components;
pub mod dictionary;
pub mod fold;
pub mod identity_graph;
pub mod links;
pub mod packed;
pub mod rules;

#[cfg(test)]
mod conformance_tests;
