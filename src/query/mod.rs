//! Queries: SQL in, plans and rows out; the only module that knows DataFusion.
//!
//! A query string is split into statements by [`statements`], which also parses those that are ours.
//! Everything else is plain SQL: [`postgres`] rewrites it to what DataFusion understands and answers the
//! catalog queries of clients; DataFusion plans it over the virtual tables of [`tables`], with the
//! strategies of `merge` as functions ([`aggregates`]); [`views`] are queries that have names. [`session`] is one client's conversation. Called
//! by `wire` and the command line.

pub mod aggregates;
pub mod dialect;
pub mod error;
pub mod functions;
pub mod postgres;
pub mod session;
pub mod statements;
pub mod tables;
pub mod ties;
mod time_functions;
pub mod views;

pub use crate::query::session::derive::open;
