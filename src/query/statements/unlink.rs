//! `UNLINK`: a steward's decision that two identities are not one person by what rows say.

use crate::error::Result;
use crate::model::decision::DecisionKind;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::decided::decision;
use crate::query::statements::{Parsed, StatementParser};

/// `UNLINK`.
pub(crate) struct Unlink;

impl StatementParser for Unlink {
    fn name(&self) -> &'static str {
        "UNLINK"
    }

    fn grammar(&self) -> &'static str {
        "UNLINK namespace 'value' FROM namespace 'value' [COMMENT 'text']"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["UNLINK"])?;
        Ok(Some(Parsed::Decide(decision(cursor, DecisionKind::Unlink)?)))
    }
}
