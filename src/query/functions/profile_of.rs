//! `profile_of(namespace, value)`: the person whom an identity belongs to.

use crate::engine::Snapshot;
use crate::error::Result;
use crate::query::functions::{ScalarFunction, Signature};

/// The function.
#[derive(Debug)]
pub struct ProfileOf;

const SIGNATURE: Signature = Signature {
    name: "profile_of",
    parameters: &["namespace", "value"],
    required_count: 2,
    result: "bigint",
    comment: "the profile_id of an identity; null if no accepted row named it",
    example: "SELECT profile_of('email', 'ann@example.com')",
};

impl ScalarFunction for ProfileOf {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn value(&self, snapshot: &Snapshot, arguments: &[&str]) -> Result<Option<i64>> {
        let [namespace, value] = *arguments else { return Ok(None) };
        Ok(snapshot.profile_of(namespace, value)?.map(i64::from))
    }
}
