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
];

/// Refuses a statement that begins with the words of one of them.
///
/// # Errors
/// `0A000` with the statement's name.
pub(crate) fn refuse(text: &str, words: &[&str]) -> Result<()> {
    let Some(name) = NOT_YET.iter().find(|name| begins_with(name, words)) else { return Ok(()) };
    let position = Cursor::try_new(text)?.position();
    Err(Error::unsupported(format!("{name} is not supported yet")).at(position))
}
