//! The HTTP interface: rows in, one person out, and what those who run the server want to know.
//!
//! `routes` is the table of what there is, and `door` what every request passes: who may ask, from where,
//! and whether the store is open. `rows` takes rows, with `body` (how bytes come, are unpacked and
//! bounded) and `admission` (how many at a time); `profile` answers look-ups, `health` and `scrape` those
//! who watch, `openapi` those who generate clients. An answer is JSON, an error too (`answer`).
//!
//! Knows no SQL and no PostgreSQL protocol: rows go straight to the engine, look-ups too. Only `server`
//! calls this.

mod access;
mod admission;
mod answer;
mod body;
mod door;
mod health;
mod json;
mod openapi;
mod profile;
mod routes;
mod rows;
mod scrape;
mod serve;

pub use crate::web::access::Tokens;
pub use crate::web::admission::{BYTES_IN_FLIGHT_MAX, REQUESTS_IN_FLIGHT_MAX};
pub use crate::web::body::{BODY_BYTES_MAX, WHOLE_BYTES_MAX};
pub use crate::web::door::{Options, Web};
pub use crate::web::serve::{Acceptors, CONNECTIONS_MAX, serve};
