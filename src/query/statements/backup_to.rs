//! `BACKUP TO`: a copy of the store as of one commit, in a folder of the server, while it is served.
//!
//! Only the reading of the statement; `session` runs it.

use crate::error::{Error, Result, SqlState};
use crate::query::statements::cursor::Cursor;
use crate::query::statements::{Parsed, StatementParser};

/// Where to, and how many stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupTo {
    /// The folder.
    pub path: String,
    /// How many backups of the folder stay, this one included; `None`: all.
    pub kept: Option<usize>,
}

/// `BACKUP TO`.
pub(crate) struct BackupToParser;

impl StatementParser for BackupToParser {
    fn name(&self) -> &'static str {
        "BACKUP"
    }

    fn grammar(&self) -> &'static str {
        "BACKUP TO 'folder' [WITH (keep = number)]"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["BACKUP", "TO"])?;
        let path = cursor.literal()?;
        let mut kept = None;
        if cursor.optional_keywords(&["WITH"]) {
            let options = cursor.parenthesized(|cursor| {
                let position = cursor.position();
                cursor.expect_keyword("KEEP")?;
                cursor.optional(&sqlparser::tokenizer::Token::Eq);
                Ok((position, cursor.position(), cursor.number()?))
            })?;
            for (position, at, number) in options {
                if number == 0 {
                    let message = "at least one backup is kept";
                    return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(at));
                }
                if kept.replace(number as usize).is_some() {
                    return Err(Cursor::redundant(position));
                }
            }
        }
        Ok(Some(Parsed::BackupTo(BackupTo { path, kept })))
    }
}
