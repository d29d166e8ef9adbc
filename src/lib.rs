//! Selfsame turns rows about people, from any number of sources, into one row per person, live, in SQL.
//!
//! The crate is layered, and each module names only modules below it (`tests/tidy.rs` holds this):
//! `model`, `env`, `error`, `metrics`; then `graph`, `merge`, `ingest`, `demo`; then `catalog`, `storage`; then
//! `engine`, `query`, `wire`, `web` and `config`, `server`. ARCHITECTURE.md tells the story of a row and of a
//! query through them.

pub mod catalog;
pub mod config;
pub mod demo;
pub mod engine;
pub mod env;
pub mod error;
pub mod graph;
pub mod ingest;
pub mod merge;
pub mod metrics;
pub mod model;
pub mod query;
pub mod server;
pub mod storage;
pub mod web;
pub mod wire;
