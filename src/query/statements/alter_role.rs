//! `ALTER ROLE`, `ALTER USER`, `ALTER GROUP`: attributes, settings, names and members.

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result};
use crate::query::statements::access_statement::AccessStatement;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::role::{
    RoleName, begins_role, role_attributes, role_name, role_noun,
};
use crate::query::statements::{Parsed, StatementParser};

/// `ALTER ROLE`.
pub(crate) struct AlterRole;

impl StatementParser for AlterRole {
    fn name(&self) -> &'static str {
        "ALTER ROLE"
    }

    fn grammar(&self) -> &'static str {
        "ALTER { ROLE | USER } role { [WITH] attribute ... | RENAME TO name | SET setting { TO | = } value | RESET { setting | ALL } }
ALTER GROUP role { ADD | DROP } USER role [, ...]"
    }

    fn begins(&self, words: &[&str]) -> bool {
        begins_role("ALTER", words)
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keyword("ALTER")?;
        role_noun(cursor)?;
        let role = role_name(cursor)?;
        if cursor.at_keywords(&["IN", "DATABASE"]) {
            let message = "settings of a role in one database are not supported";
            return Err(Error::unsupported(message).at(cursor.position()));
        }
        rest(cursor, role).map(|statement| Some(Parsed::Access(statement)))
    }
}

fn rest(cursor: &mut Cursor<'_>, role: RoleName) -> Result<AccessStatement> {
    if cursor.optional_keywords(&["RENAME", "TO"]) {
        return Ok(AccessStatement::RenameRole { role, to: cursor.identifier()? });
    }
    if cursor.optional_keywords(&["SET"]) {
        let setting = Some(setting_name(cursor)?);
        if !cursor.optional(&Token::Eq) {
            cursor.expect_keyword("TO")?;
        }
        let value = value(cursor)?;
        return Ok(AccessStatement::SetForRole { role, setting, value });
    }
    if cursor.optional_keywords(&["RESET"]) {
        let all = cursor.optional_keywords(&["ALL"]);
        let setting = if all { None } else { Some(setting_name(cursor)?) };
        return Ok(AccessStatement::SetForRole { role, setting, value: None });
    }
    for (word, given) in [("ADD", true), ("DROP", false)] {
        if cursor.optional_keywords(&[word, "USER"]) {
            let members = cursor.list(role_name)?;
            let roles = vec![role];
            return Ok(AccessStatement::Membership { given, roles, members, admin: false });
        }
    }
    let attributes = role_attributes(cursor, false)?;
    Ok(AccessStatement::AlterRole { role, attributes })
}

fn setting_name(cursor: &mut Cursor<'_>) -> Result<String> {
    let mut name = cursor.word()?;
    while cursor.optional(&Token::Period) {
        name = format!("{name}.{}", cursor.identifier()?);
    }
    Ok(name)
}

/// `None` is DEFAULT.
fn value(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if cursor.optional_keywords(&["DEFAULT"]) {
        return Ok(None);
    }
    let values = cursor.list(|cursor| match cursor.optional_literal() {
        Some(text) => Ok(text),
        None => match cursor.optional_number()? {
            Some(number) => Ok(number.to_string()),
            None => cursor.optional_word().map_or_else(|| cursor.identifier(), Ok),
        },
    })?;
    Ok(Some(values.join(", ")))
}
