//! `GRANT`: privileges on objects, or membership in roles.

use crate::error::Result;
use crate::query::statements::access_statement::AccessStatement;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::privileges::{is_of_roles, objects, privileges};
use crate::query::statements::phrases::role::role_name;
use crate::query::statements::{Parsed, StatementParser};

/// `GRANT`.
pub(crate) struct Grant;

impl StatementParser for Grant {
    fn name(&self) -> &'static str {
        "GRANT"
    }

    fn grammar(&self) -> &'static str {
        "GRANT { ALL [PRIVILEGES] | privilege [(column [, ...])] [, ...] }
    ON { [TABLE | DATASET] name [, ...] | ALL TABLES IN SCHEMA schema [, ...] | SCHEMA schema [, ...] }
    TO role [, ...] [WITH GRANT OPTION]
GRANT role [, ...] TO role [, ...] [WITH ADMIN OPTION]"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keyword("GRANT")?;
        if is_of_roles(cursor, "TO") {
            let roles = cursor.list(role_name)?;
            cursor.expect_keyword("TO")?;
            let members = cursor.list(role_name)?;
            let admin = cursor.optional_keywords(&["WITH", "ADMIN", "OPTION"]);
            granted_by(cursor)?;
            let statement = AccessStatement::Membership { given: true, roles, members, admin };
            return Ok(Some(Parsed::Access(statement)));
        }
        let privileges = privileges(cursor)?;
        cursor.expect_keyword("ON")?;
        let objects = objects(cursor)?;
        cursor.expect_keyword("TO")?;
        cursor.optional_keywords(&["GROUP"]);
        let roles = cursor.list(role_name)?;
        let grantable = cursor.optional_keywords(&["WITH", "GRANT", "OPTION"]);
        granted_by(cursor)?;
        let given = true;
        let statement =
            AccessStatement::Privileges { given, privileges, objects, roles, grantable };
        Ok(Some(Parsed::Access(statement)))
    }
}

/// `[GRANTED BY role]`, which must be who says so anyway.
pub(crate) fn granted_by(cursor: &mut Cursor<'_>) -> Result<()> {
    if cursor.optional_keywords(&["GRANTED", "BY"]) {
        role_name(cursor)?;
    }
    Ok(())
}
