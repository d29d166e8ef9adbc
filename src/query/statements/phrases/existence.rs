//! `IF NOT EXISTS`, `IF EXISTS`, and how a DROP ends.

use crate::error::{Error, Result};
use crate::model::definition::Existence;
use crate::query::statements::cursor::Cursor;

/// `[IF NOT EXISTS]`.
pub(crate) fn if_not_exists(cursor: &mut Cursor<'_>) -> Existence {
    lenient(cursor.optional_keywords(&["IF", "NOT", "EXISTS"]))
}

/// `[IF EXISTS]`.
pub(crate) fn if_exists(cursor: &mut Cursor<'_>) -> Existence {
    lenient(cursor.optional_keywords(&["IF", "EXISTS"]))
}

fn lenient(said: bool) -> Existence {
    if said { Existence::Lenient } else { Existence::Strict }
}

/// `[RESTRICT]`, which is what a DROP does anyway.
///
/// # Errors
/// `0A000` for `CASCADE`.
pub(crate) fn drop_behavior(cursor: &mut Cursor<'_>) -> Result<()> {
    let position = cursor.position();
    if cursor.optional_keywords(&["CASCADE"]) {
        return Err(Error::unsupported("DROP ... CASCADE is not supported")
            .hint("drop what depends on it first")
            .at(position));
    }
    cursor.optional_keywords(&["RESTRICT"]);
    Ok(())
}

/// Refuses `IF EXISTS` in an ALTER, whose definition cannot carry it.
///
/// # Errors
/// `0A000`.
pub(crate) fn refuse_if_exists(cursor: &Cursor<'_>, statement: &str) -> Result<()> {
    if cursor.at_keywords(&["IF", "EXISTS"]) {
        let message = format!("{statement} IF EXISTS is not supported");
        return Err(Error::unsupported(message).at(cursor.position()));
    }
    Ok(())
}
