//! `CREATE ROLE`, `CREATE USER`, `CREATE GROUP`: who can connect and be given rights.

use crate::error::Result;
use crate::query::statements::access_statement::AccessStatement;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::role::{
    RoleAttribute, begins_role, role_attributes, role_noun,
};
use crate::query::statements::{Parsed, StatementParser};

/// `CREATE ROLE`.
pub(crate) struct CreateRole;

impl StatementParser for CreateRole {
    fn name(&self) -> &'static str {
        "CREATE ROLE"
    }

    fn grammar(&self) -> &'static str {
        "CREATE { ROLE | USER | GROUP } name [ [WITH] attribute ... ]
where attribute is one of:
    SUPERUSER | CREATEROLE | CREATEDB | INHERIT | LOGIN, each also with NO before it
    CONNECTION LIMIT number | PASSWORD { 'text' | NULL } | VALID UNTIL 'moment'
    IN ROLE role [, ...] | ROLE role [, ...] | ADMIN role [, ...]"
    }

    fn begins(&self, words: &[&str]) -> bool {
        begins_role("CREATE", words)
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keyword("CREATE")?;
        let is_user = role_noun(cursor)?;
        let name = cursor.identifier()?;
        let mut attributes = role_attributes(cursor, true)?;
        let says_login = |it: &RoleAttribute| matches!(it, RoleAttribute::Login(_));
        if is_user && !attributes.iter().any(says_login) {
            attributes.push(RoleAttribute::Login(true));
        }
        Ok(Some(Parsed::Access(AccessStatement::CreateRole { name, attributes })))
    }
}
