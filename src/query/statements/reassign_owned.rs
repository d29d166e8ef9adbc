//! `REASSIGN OWNED BY`: what a role owns becomes another's.

use crate::error::Result;
use crate::query::statements::access_statement::AccessStatement;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::role::role_name;
use crate::query::statements::{Parsed, StatementParser};

/// `REASSIGN OWNED`.
pub(crate) struct ReassignOwned;

impl StatementParser for ReassignOwned {
    fn name(&self) -> &'static str {
        "REASSIGN OWNED"
    }

    fn grammar(&self) -> &'static str {
        "REASSIGN OWNED BY role [, ...] TO role"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["REASSIGN", "OWNED", "BY"])?;
        let from = cursor.list(role_name)?;
        cursor.expect_keyword("TO")?;
        let to = role_name(cursor)?;
        Ok(Some(Parsed::Access(AccessStatement::ReassignOwned { from, to })))
    }
}
