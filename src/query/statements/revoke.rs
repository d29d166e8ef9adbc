//! `REVOKE`: takes privileges, or membership in roles.

use crate::error::Result;
use crate::query::statements::access_statement::AccessStatement;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::grant::granted_by;
use crate::query::statements::phrases::privileges::{is_of_roles, objects, privileges};
use crate::query::statements::phrases::role::role_name;
use crate::query::statements::{Parsed, StatementParser};

/// `REVOKE`.
pub(crate) struct Revoke;

impl StatementParser for Revoke {
    fn name(&self) -> &'static str {
        "REVOKE"
    }

    fn grammar(&self) -> &'static str {
        "REVOKE [GRANT OPTION FOR] { ALL [PRIVILEGES] | privilege [(column [, ...])] [, ...] }
    ON { [TABLE | DATASET] name [, ...] | ALL TABLES IN SCHEMA schema [, ...] | SCHEMA schema [, ...] }
    FROM role [, ...]
REVOKE [ADMIN OPTION FOR] role [, ...] FROM role [, ...]"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keyword("REVOKE")?;
        let admin = cursor.optional_keywords(&["ADMIN", "OPTION", "FOR"]);
        if admin || is_of_roles(cursor, "FROM") {
            let roles = cursor.list(role_name)?;
            cursor.expect_keyword("FROM")?;
            let members = cursor.list(role_name)?;
            end(cursor)?;
            let statement = AccessStatement::Membership { given: false, roles, members, admin };
            return Ok(Some(Parsed::Access(statement)));
        }
        let grantable = cursor.optional_keywords(&["GRANT", "OPTION", "FOR"]);
        let privileges = privileges(cursor)?;
        cursor.expect_keyword("ON")?;
        let objects = objects(cursor)?;
        cursor.expect_keyword("FROM")?;
        cursor.optional_keywords(&["GROUP"]);
        let roles = cursor.list(role_name)?;
        end(cursor)?;
        let given = false;
        let statement =
            AccessStatement::Privileges { given, privileges, objects, roles, grantable };
        Ok(Some(Parsed::Access(statement)))
    }
}

/// `[GRANTED BY role] [CASCADE | RESTRICT]`: what was granted on by others does not depend on it.
fn end(cursor: &mut Cursor<'_>) -> Result<()> {
    granted_by(cursor)?;
    if !cursor.optional_keywords(&["CASCADE"]) {
        cursor.optional_keywords(&["RESTRICT"]);
    }
    Ok(())
}
