//! `ALTER DEFAULT PRIVILEGES`: what is granted on tables that a role creates from now on.

use crate::error::{Error, Result};
use crate::query::statements::access_statement::AccessStatement;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::privileges::privileges;
use crate::query::statements::phrases::role::role_name;
use crate::query::statements::{Parsed, StatementParser};

/// `ALTER DEFAULT PRIVILEGES`.
pub(crate) struct AlterDefaultPrivileges;

impl StatementParser for AlterDefaultPrivileges {
    fn name(&self) -> &'static str {
        "ALTER DEFAULT PRIVILEGES"
    }

    fn grammar(&self) -> &'static str {
        "ALTER DEFAULT PRIVILEGES [FOR { ROLE | USER } role [, ...]] [IN SCHEMA schema [, ...]]
    { GRANT privileges ON TABLES TO role [, ...] [WITH GRANT OPTION]
    | REVOKE [GRANT OPTION FOR] privileges ON TABLES FROM role [, ...] }"
    }

    fn begins(&self, words: &[&str]) -> bool {
        let name = ["ALTER", "DEFAULT", "PRIVILEGES"];
        words.len() >= 3 && words.iter().zip(name).all(|(word, it)| word.eq_ignore_ascii_case(it))
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["ALTER", "DEFAULT", "PRIVILEGES"])?;
        let (mut owners, mut schemas) = (Vec::new(), Vec::new());
        if cursor.optional_keywords(&["FOR", "ROLE"]) || cursor.optional_keywords(&["FOR", "USER"])
        {
            owners = cursor.list(role_name)?;
        }
        if cursor.optional_keywords(&["IN", "SCHEMA"]) {
            schemas = cursor.list(Cursor::identifier)?;
        }
        let given = cursor.optional_keywords(&["GRANT"]);
        if !given {
            cursor.expect_keyword("REVOKE")?;
        }
        let mut grantable = !given && cursor.optional_keywords(&["GRANT", "OPTION", "FOR"]);
        let privileges = privileges(cursor)?;
        cursor.expect_keyword("ON")?;
        let position = cursor.position();
        if !cursor.optional_keywords(&["TABLES"]) {
            let message = "default privileges are for TABLES only";
            return Err(Error::unsupported(message).at(position));
        }
        cursor.expect_keyword(if given { "TO" } else { "FROM" })?;
        let roles = cursor.list(role_name)?;
        grantable |= given && cursor.optional_keywords(&["WITH", "GRANT", "OPTION"]);
        Ok(Some(Parsed::Access(AccessStatement::DefaultPrivileges {
            owners,
            schemas,
            given,
            privileges,
            roles,
            grantable,
        })))
    }
}
