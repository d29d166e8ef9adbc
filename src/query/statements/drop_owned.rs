//! `DROP OWNED BY`: takes everything that was granted to a role; it must own nothing.

use crate::error::Result;
use crate::query::statements::access_statement::AccessStatement;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::role::role_name;
use crate::query::statements::{Parsed, StatementParser};

/// `DROP OWNED`.
pub(crate) struct DropOwned;

impl StatementParser for DropOwned {
    fn name(&self) -> &'static str {
        "DROP OWNED"
    }

    fn grammar(&self) -> &'static str {
        "DROP OWNED BY role [, ...] [RESTRICT]"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["DROP", "OWNED", "BY"])?;
        let roles = cursor.list(role_name)?;
        cursor.optional_keywords(&["RESTRICT"]);
        Ok(Some(Parsed::Access(AccessStatement::DropOwned { roles })))
    }
}
