//! `DROP LINK`: withdraws a LINK, so that rows decide again.

use crate::error::Result;
use crate::model::decision::DecisionKind;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::decided::removal;
use crate::query::statements::{Parsed, StatementParser};

/// `DROP LINK`.
pub(crate) struct DropLink;

impl StatementParser for DropLink {
    fn name(&self) -> &'static str {
        "DROP LINK"
    }

    fn grammar(&self) -> &'static str {
        "DROP LINK [IF EXISTS] namespace 'value' TO namespace 'value'"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["DROP", "LINK"])?;
        Ok(Some(Parsed::Decide(removal(cursor, DecisionKind::Link)?)))
    }
}
