//! `DROP ROLE`, `DROP USER`, `DROP GROUP`.

use crate::error::Result;
use crate::model::definition::Existence;
use crate::query::statements::access_statement::AccessStatement;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::existence::if_exists;
use crate::query::statements::phrases::role::{begins_role, role_name, role_noun};
use crate::query::statements::{Parsed, StatementParser};

/// `DROP ROLE`.
pub(crate) struct DropRole;

impl StatementParser for DropRole {
    fn name(&self) -> &'static str {
        "DROP ROLE"
    }

    fn grammar(&self) -> &'static str {
        "DROP { ROLE | USER | GROUP } [IF EXISTS] role [, ...]"
    }

    fn begins(&self, words: &[&str]) -> bool {
        begins_role("DROP", words)
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keyword("DROP")?;
        role_noun(cursor)?;
        let lenient = if_exists(cursor) == Existence::Lenient;
        let roles = cursor.list(role_name)?;
        Ok(Some(Parsed::Access(AccessStatement::DropRole { roles, lenient })))
    }
}
