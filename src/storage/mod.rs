//! Ground state made durable: what was accepted, and nothing that can be computed from it.
//!
//! - [`log`] takes each commit as one checksummed record; one sync serves a whole group of commits.
//! - [`record`] is what a log record says: a definition, or rows with the identities they brought.
//! - [`segment`] holds many rows as one immutable Parquet file that any engine can read.
//! - [`part`] is a run of rows wherever it is, in the log's tail or in a segment: what readers scan.
//! - [`manifest`] lists the live files; replacing it is the one atomic step of a flush.
//! - [`store`] puts them together: open, append, flush.
//!
//! The folder of a store: `log/`, `segments/<dataset number>/`, `identities/`, `manifest`. A segment
//! written by a load is referred to by the load's log record until the next flush lists it in the
//! manifest; files that neither names are left-overs of loads that did not happen, removed at open.

pub mod log;
pub mod manifest;
pub mod part;
pub mod record;
pub mod segment;
pub mod store;
