//! The settings of a dataset: `(option [= value], ...)`.

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::model::dataset::Upsert;
use crate::model::definition::DatasetChange;
use crate::query::statements::cursor::Cursor;

const KNOWN: &str = "options are accept_anonymous = true | false, upsert = 'replace' | 'patch', retention = '2 years' | 'none'";

/// One or more options in parentheses, each once.
///
/// # Errors
/// `22023` for an option or a value that there is not.
pub(crate) fn dataset_options(cursor: &mut Cursor<'_>) -> Result<Vec<DatasetChange>> {
    let mut seen: Vec<String> = Vec::new();
    cursor.parenthesized(|cursor| {
        let position = cursor.position();
        let name = cursor.identifier()?;
        if seen.contains(&name) {
            let message = format!("parameter \"{name}\" specified more than once");
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(position));
        }
        let change = option(cursor, &name, position)?;
        seen.push(name);
        Ok(change)
    })
}

fn option(cursor: &mut Cursor<'_>, name: &str, position: usize) -> Result<DatasetChange> {
    if !["accept_anonymous", "upsert", "retention"].contains(&name) {
        let message = format!("unrecognized parameter \"{name}\"");
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
            .hint(KNOWN)
            .at(position));
    }
    let bare = !cursor.optional(&Token::Eq);
    let position = if bare { position } else { cursor.position() };
    let value = if bare { "true".to_owned() } else { value(cursor)? };
    if name == "retention" {
        let kept = match value.to_ascii_lowercase().as_str() {
            "none" => None,
            _ => Some(value.parse().map_err(|error: Error| error.at(position))?),
        };
        return Ok(DatasetChange::Retention(kept));
    }
    let change = match (name, value.to_ascii_lowercase().as_str()) {
        ("upsert", "replace") => Some(DatasetChange::Upsert(Upsert::Replace)),
        ("upsert", "patch") => Some(DatasetChange::Upsert(Upsert::Patch)),
        ("accept_anonymous", "true" | "on" | "yes" | "1") => {
            Some(DatasetChange::AcceptAnonymous(true))
        }
        ("accept_anonymous", "false" | "off" | "no" | "0") => {
            Some(DatasetChange::AcceptAnonymous(false))
        }
        _ => None,
    };
    change.ok_or_else(|| {
        let message = format!("invalid value for option \"{name}\": \"{value}\"");
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint(KNOWN).at(position)
    })
}

/// A literal, a word or a number, as text.
fn value(cursor: &mut Cursor<'_>) -> Result<String> {
    if let Some(text) = cursor.optional_literal() {
        return Ok(text);
    }
    match cursor.optional_number()? {
        Some(number) => Ok(number.to_string()),
        None => cursor.word(),
    }
}
