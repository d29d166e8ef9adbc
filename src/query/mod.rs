//! Queries: all of DataFusion, and everything that SQL means here.
//!
//! The life of a statement: `session` splits the text and reads each statement (ours through
//! `statements`, everything else through sqlparser and an allow-list), rewrites PostgreSQL's dialect
//! and catalog through `postgres`, plans over the virtual tables of `tables` bound to one snapshot,
//! and hands out a stream of batches. `error` gives foreign failures their SQLSTATE. Nothing here
//! knows how a result reaches its reader; `wire` and the command line call `session`.

pub mod error;
pub mod session;
