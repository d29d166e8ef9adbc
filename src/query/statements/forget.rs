//! `FORGET`: a person is erased.
//!
//! Only the reading of the statement, and of `EXPLAIN FORGET`; `session` runs them. The value may be a parameter.

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::decided::{StatedText, text};
use crate::query::statements::{Parsed, StatementParser};

/// Who is to be forgotten, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forget {
    /// A namespace of the person.
    pub namespace: String,
    /// A value in it.
    pub value: StatedText,
    /// Whether files are written anew at once.
    pub now: bool,
    /// Whether rows that name the person are refused from now on.
    pub block: bool,
    /// Whether it is only told what would be erased.
    pub explain: bool,
}

/// `FORGET`.
pub(crate) struct ForgetParser;

impl StatementParser for ForgetParser {
    fn name(&self) -> &'static str {
        "FORGET"
    }

    fn grammar(&self) -> &'static str {
        "FORGET namespace 'value' [NOW] [WITH (block = { true | false })]"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keyword("FORGET")?;
        forget(cursor, false)
    }
}

/// What comes after the first keywords.
///
/// # Errors
/// `42601` with a position, `22023` for an option that is no Boolean.
pub(crate) fn forget(cursor: &mut Cursor<'_>, explain: bool) -> Result<Option<Parsed>> {
    let (namespace, value) = (cursor.identifier()?, text(cursor)?);
    let now = cursor.optional_keywords(&["NOW"]);
    let mut block = None;
    if cursor.optional_keywords(&["WITH"]) {
        for (position, said) in cursor.parenthesized(option)? {
            if block.replace(said).is_some() {
                return Err(Cursor::redundant(position));
            }
        }
    }
    let block = block.unwrap_or(false);
    Ok(Some(Parsed::Forget(Forget { namespace, value, now, block, explain })))
}

/// `block = true`; the word alone says so too.
fn option(cursor: &mut Cursor<'_>) -> Result<(usize, bool)> {
    let position = cursor.position();
    let name = cursor.identifier()?;
    if name != "block" {
        let message = format!("option \"{name}\" not recognized");
        return Err(Error::new(SqlState::SYNTAX_ERROR, message)
            .hint("there is: block")
            .at(position));
    }
    if !cursor.optional(&Token::Eq) {
        return Ok((position, true));
    }
    let at = cursor.position();
    let said = cursor.optional_literal().map_or_else(|| cursor.word(), Ok)?;
    match said.to_lowercase().as_str() {
        "true" | "on" | "yes" => Ok((position, true)),
        "false" | "off" | "no" => Ok((position, false)),
        _ => {
            let message = "block requires a Boolean value";
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(at))
        }
    }
}
