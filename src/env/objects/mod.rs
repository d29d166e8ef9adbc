//! Object storage: buckets of S3, Google Cloud and Azure, and whatever speaks as they do.
//!
//! `location` is how a user names a place in a bucket, `bucket` the requests with their retries, `disk` a
//! [`Disk`](crate::env::disk::Disk) below a prefix, with `pieces` for its log, `spool` for files on their way up
//! and `cache` for those that came down; `lease` tells that
//! a writer lives, `input` reads users' files. Credentials and endpoints come from the
//! environment variables that the providers' own tools read, and are never shown.
//!
//! The client is asynchronous and its callers are not: requests run on threads of their own, and callers wait.

pub mod bucket;
pub mod cache;
pub mod disk;
pub mod input;
mod lease;
pub mod location;
pub mod pieces;
pub mod spool;
