//! Names of datasets, which are tables: they may come with their schema and database.

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::query::statements::cursor::Cursor;

/// The schema that all datasets are in.
const SCHEMA: &str = "public";

/// `[[database.]schema.]name`; any database name shows the same data.
///
/// # Errors
/// `42601` for what is no name.
pub(crate) fn relation_name(cursor: &mut Cursor<'_>) -> Result<(Option<String>, String)> {
    let position = cursor.position();
    let mut parts = vec![cursor.identifier()?];
    while cursor.optional(&Token::Period) {
        parts.push(cursor.identifier()?);
    }
    if parts.len() > 3 {
        let message =
            format!("improper qualified name (too many dotted names): {}", parts.join("."));
        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
    }
    let name = parts.pop().expect("there is at least the first part");
    Ok((parts.pop(), name))
}

/// `[[database.]public.]name`; any database name shows the same data.
///
/// # Errors
/// `3F000` for another schema, `42601` for what is no name.
pub(crate) fn dataset_name(cursor: &mut Cursor<'_>) -> Result<String> {
    let position = cursor.position();
    let (schema, name) = relation_name(cursor)?;
    match schema {
        Some(schema) if schema != SCHEMA => {
            let message = format!("schema \"{schema}\" has no datasets");
            Err(Error::new(SqlState::INVALID_SCHEMA_NAME, message)
                .hint(format!("all datasets are in schema \"{SCHEMA}\""))
                .at(position))
        }
        _ => Ok(name),
    }
}
