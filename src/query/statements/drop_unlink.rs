//! `DROP UNLINK`: withdraws an UNLINK, so that rows decide again.

use crate::error::Result;
use crate::model::decision::DecisionKind;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::decided::removal;
use crate::query::statements::{Parsed, StatementParser};

/// `DROP UNLINK`.
pub(crate) struct DropUnlink;

impl StatementParser for DropUnlink {
    fn name(&self) -> &'static str {
        "DROP UNLINK"
    }

    fn grammar(&self) -> &'static str {
        "DROP UNLINK [IF EXISTS] namespace 'value' FROM namespace 'value'"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["DROP", "UNLINK"])?;
        Ok(Some(Parsed::Decide(removal(cursor, DecisionKind::Unlink)?)))
    }
}
