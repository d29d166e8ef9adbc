//! What GRANT and REVOKE give and take: privileges, perhaps of columns, and the objects they are on.

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::model::access::Privilege;
use crate::query::statements::cursor::Cursor;

/// Privileges as they are said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedPrivilege {
    /// The privilege; `None` is all of them.
    pub privilege: Option<Privilege>,
    /// The columns that it is for; none is the whole table.
    pub columns: Vec<String>,
}

/// Objects as they are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatedObjects {
    /// Tables and views: schema, if it was said, and name.
    Tables(Vec<(Option<String>, String)>),
    /// All tables and views of schemas.
    AllTables(Vec<String>),
    /// Schemas.
    Schemas(Vec<String>),
    /// What every role may use, or what there is none of.
    Nothing,
}

/// Whether a statement gives or takes roles and not privileges.
pub(crate) fn is_of_roles(cursor: &mut Cursor<'_>, end: &str) -> bool {
    // Privileges are followed by ON before the roles come.
    let mut ahead = 0;
    loop {
        if cursor.keyword_follows(ahead, "ON") {
            return false;
        }
        if cursor.keyword_follows(ahead, end) || ahead > 4_096 {
            return true;
        }
        ahead += 1;
    }
}

/// `ALL [PRIVILEGES] [(columns)] | privilege [(columns)], ...`
pub(crate) fn privileges(cursor: &mut Cursor<'_>) -> Result<Vec<StatedPrivilege>> {
    cursor.list(|cursor| {
        let position = cursor.position();
        let word = cursor.word()?;
        let privilege = match word.as_str() {
            "all" => {
                cursor.optional_keywords(&["PRIVILEGES"]);
                None
            }
            // Of databases and functions, of which there is nothing to grant.
            "connect" | "temporary" | "temp" | "execute" => Some(Privilege::Usage),
            word => Some(Privilege::named(word).ok_or_else(|| {
                let message = format!("unrecognized privilege type \"{word}\"");
                Error::new(SqlState::SYNTAX_ERROR, message).at(position)
            })?),
        };
        let columns = if cursor.optional(&Token::LParen) {
            let columns = cursor.list(Cursor::identifier)?;
            cursor.expect(&Token::RParen)?;
            columns
        } else {
            Vec::new()
        };
        Ok(StatedPrivilege { privilege, columns })
    })
}

/// What comes after `ON`.
pub(crate) fn objects(cursor: &mut Cursor<'_>) -> Result<StatedObjects> {
    if cursor.optional_keywords(&["ALL", "TABLES", "IN", "SCHEMA"]) {
        return Ok(StatedObjects::AllTables(cursor.list(Cursor::identifier)?));
    }
    for kind in ["SEQUENCES", "FUNCTIONS", "PROCEDURES", "ROUTINES"] {
        if cursor.optional_keywords(&["ALL", kind, "IN", "SCHEMA"]) {
            cursor.list(Cursor::identifier)?;
            return Ok(StatedObjects::Nothing);
        }
    }
    if cursor.optional_keywords(&["SCHEMA"]) {
        return Ok(StatedObjects::Schemas(cursor.list(Cursor::identifier)?));
    }
    for kind in ["DATABASE", "LANGUAGE"] {
        if cursor.optional_keywords(&[kind]) {
            cursor.list(Cursor::identifier)?;
            return Ok(StatedObjects::Nothing);
        }
    }
    for kind in ["SEQUENCE", "FUNCTION", "PROCEDURE", "ROUTINE", "TABLESPACE", "TYPE", "DOMAIN"] {
        if cursor.at_keywords(&[kind]) && !cursor.keyword_follows(1, "TO") {
            let message = format!("privileges on a {} cannot be granted", kind.to_lowercase());
            return Err(Error::unsupported(message).at(cursor.position()));
        }
    }
    if !cursor.optional_keywords(&["TABLE"]) {
        cursor.optional_keywords(&["DATASET"]);
    }
    Ok(StatedObjects::Tables(cursor.list(table_name)?))
}

/// `[[database.]schema.]name`.
pub(crate) fn table_name(cursor: &mut Cursor<'_>) -> Result<(Option<String>, String)> {
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
