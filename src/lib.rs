//! Selfsame turns rows about people, from any number of sources, into one row per person, live, in SQL.
//!
//! The crate is layered, and each module names only modules below it (`tests/tidy.rs` holds this):
//! `model`, `env`, `error`; then `graph`, `merge`, `ingest`; then `catalog`, `storage`; then `engine`,
//! `query`, `wire`, `server`. ARCHITECTURE.md tells the story of a row and of a query through them.

pub mod error;
pub mod model;
pub mod query;
