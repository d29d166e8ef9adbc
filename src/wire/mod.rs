//! The PostgreSQL wire protocol: sockets on one side, sessions of `query` on the other.
//!
//! The life of a connection: [`serve()`] accepts a socket; `startup` reads who it is and opens a session;
//! `connection` then takes one request after the other (`messages`) to `simple` or `extended`. What a
//! statement gives is made on the computation runtime by `produce`, which encodes batches into chunks
//! of messages (`encode`, with `numeric` and `postgres::text` for the values) and hands them over a channel
//! with few places, so that a client that reads slowly slows its query and nothing else. `vigil` watches
//! meanwhile for whatever ends a statement early: a cancel request, a time limit, a client that is gone,
//! a server that stops. `copy` carries rows the other way, `decode` reads parameters.
//!
//! Our answers are `pgwire`'s messages; the loop around them is ours, because a connection must watch its
//! socket while it works and flush once per Sync.

mod authentication;
mod connection;
mod copy;
mod copy_binary;
mod copy_out;
mod decode;
mod encode;
mod error;
mod extended;
mod messages;
mod numeric;
mod point;
mod produce;
mod serve;
mod simple;
mod socket;
mod startup;
mod vigil;

pub use crate::wire::serve::{Door, serve, serve_at, serve_gracefully};
