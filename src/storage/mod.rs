//! Ground state made durable: what was accepted, and nothing that can be computed from it.
//!
//! - [`log`] takes each commit as one checksummed record; one sync serves a whole group of commits.
//! - [`record`] is what a log record says: a definition, rows with the identities they brought, or which
//!   rows were deleted.
//! - [`segment`] holds many rows as one immutable Parquet file that any engine can read.
//! - [`deletions`] says which rows of a part exist no more, without rewriting it.
//! - [`derived`] is the file of what was computed from all that, so that opening need not.
//! - [`part`] is a run of rows wherever it is, in the log's tail or in a segment: what readers scan.
//! - [`manifest`] lists the live files; replacing it is the one atomic step of a flush.
//! - [`store`] puts them together: open, append, flush.
//! - [`check`] reads all files and says what is wrong with them.
//! - [`pins`] keeps files from being removed while they are copied.
//! - [`backup`] copies the files of one commit to another folder, and back.
//!
//! `FORMAT.md` beside this file says what each byte means.
//!
//! The folder of a store: `log/`, `segments/<dataset number>/`, `deletions/`, `identities/`, `derived/`, `manifest`. A
//! segment written by a load is referred to by the load's log record until the next flush lists it in the
//! manifest; files that neither names are left-overs of loads that did not happen, removed at open. Rows
//! that a log record deletes are in a file below `deletions/` from the next flush on; those of the log's
//! tail are left out when it is flushed, and a segment of which no row lives leaves the manifest.

pub mod backup;
pub mod check;
pub mod deletions;
pub mod derived;
pub mod log;
pub mod manifest;
pub mod part;
pub mod pins;
pub mod record;
pub mod segment;
pub mod store;
pub mod tail;
