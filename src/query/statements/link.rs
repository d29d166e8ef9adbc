//! `LINK`: a steward's decision that two identities are one person, whatever rows say.

use crate::error::Result;
use crate::model::decision::DecisionKind;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::decided::decision;
use crate::query::statements::{Parsed, StatementParser};

/// `LINK`.
pub(crate) struct Link;

impl StatementParser for Link {
    fn name(&self) -> &'static str {
        "LINK"
    }

    fn grammar(&self) -> &'static str {
        "LINK namespace 'value' TO namespace 'value' [COMMENT 'text']"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["LINK"])?;
        Ok(Some(Parsed::Decide(decision(cursor, DecisionKind::Link)?)))
    }
}
