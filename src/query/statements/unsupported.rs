//! Statements of the language that this version does not run.
//!
//! They are told apart from mistyped SQL, so that the answer is "not yet" and not a syntax error.

use crate::error::{Error, Result};
use crate::query::statements::begins_with;
use crate::query::statements::cursor::Cursor;

const NOT_YET: &[&str] = &[
    "CREATE AUDIENCE",
    "ALTER AUDIENCE",
    "DROP AUDIENCE",
    "CREATE EXPORT",
    "ALTER EXPORT",
    "DROP EXPORT",
    "CREATE SOURCE",
    "ALTER SOURCE",
    "DROP SOURCE",
];

/// What brings messages in meanwhile, each counted once.
const INSTEAD_OF_SOURCES: &str = "let a consumer post messages to /v1/datasets/{name}/rows, with \
     topic, partition and offsets as the Idempotency-Key, and commit its offsets when it has the answer";

/// Refuses a statement that begins with the words of one of them.
///
/// # Errors
/// `0A000` with the statement's name.
pub(crate) fn refuse(text: &str, words: &[&str]) -> Result<()> {
    let Some(name) = NOT_YET.iter().find(|name| begins_with(name, words)) else { return Ok(()) };
    let position = Cursor::try_new(text)?.position();
    let error = Error::unsupported(format!("{name} is not supported yet")).at(position);
    Err(if name.ends_with("SOURCE") { error.hint(INSTEAD_OF_SOURCES) } else { error })
}
