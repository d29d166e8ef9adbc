//! The words of the product as types: what a namespace, a dataset, a policy *is*.
//!
//! Everything here is plain data, valid by construction, that prints itself as the SQL that would
//! create it. Nothing here reads a clock, a file or a network, and nothing knows how rows are stored.

pub mod access;
pub mod column;
pub mod dataset;
pub mod decision;
pub mod definition;
pub mod names;
pub mod namespace;
pub mod password;
pub mod policy;
pub mod relation;
pub mod retention;
pub mod server_setting;
