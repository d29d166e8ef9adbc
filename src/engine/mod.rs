//! The engine: the only writer, and the snapshots that everybody else reads.
//!
//! Life of a row. A session or loader thread turns bytes into typed columns (`ingest`), gives every
//! identity its dense number and refuses rows that name nobody ([`intake`]). The `writer` thread takes
//! what is ready, a group at a time: it gives rows their fragment ids, appends a record to the log,
//! applies it to the [`state`] (components, index of rows, parts), syncs the log once for the group,
//! publishes a new [`snapshot`], and only then answers. When the tail has grown, it flushes it into
//! segments, and now and then saves what it derived from them, so that `recovery` need not read them.
//! What a commit, a definition or a deletion did to profiles is noted in the same record, for
//! `identity_changes`; work that takes a while is seen in [`operations`].
//!
//! Life of a read. A [`snapshot::Snapshot`] is immutable; scans read its parts, look-ups its index.
//! Merged profiles are kept per policy by [`profiles`]: a commit only notes which profiles it touched,
//! and the next reader re-merges exactly those. The [`past`] is another snapshot, built from the rows
//! that were there.
//!
//! [`check`] holds a store against its own ground state; [`backup`] copies one while it is served.

pub mod backup;
pub mod check;
mod compaction;
pub mod database;
pub mod decide;
mod deletion;
pub mod derive;
mod derived_state;
pub mod erasure;
pub mod evidence;
mod follower;
pub mod fragments;
pub mod idempotency;
pub mod index;
pub mod intake;
pub mod internal;
pub mod load;
mod measure;
pub mod operations;
pub mod past;
pub mod paths;
pub mod policy_query;
pub mod profiles;
pub mod receipt;
mod recovery;
pub mod replication;
pub mod retention;
mod rewrite;
pub mod rows;
pub mod scratch;
pub mod simulation;
pub mod snapshot;
pub mod state;
pub mod step;
mod touched;
pub mod transaction;
mod upkeep;
mod writer;

pub use crate::engine::database::{Database, Defined, Options};
pub use crate::engine::derive::{Derive, Program};
pub use crate::engine::load::{Delivery, Idempotency, Load, LoadReport, Receipt, Source};
pub use crate::engine::past::Past;
pub use crate::engine::snapshot::Snapshot;
pub(crate) use crate::engine::transaction::Accept;
pub use crate::engine::transaction::{Mark, Transaction};
pub use crate::engine::upkeep::Upkeep;
