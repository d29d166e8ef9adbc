//! Queries: SQL in, plans and rows out; the only module that knows DataFusion.
//!
//! A query string is split into statements by [`statements`], which also parses those that are ours;
//! everything else is plain SQL and goes to DataFusion, over the virtual tables of [`tables`]. Called
//! by `wire` and the command line.

pub mod aggregates;
pub mod error;
pub mod statements;
pub mod tables;
