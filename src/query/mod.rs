//! All of DataFusion: what clients may ask, and how it is answered.
//!
//! `postgres` makes DataFusion look like PostgreSQL to the catalog queries of clients. It knows nothing
//! of fragments or profiles: it is told what exists. Called by `wire` and `web`.

pub mod postgres;
