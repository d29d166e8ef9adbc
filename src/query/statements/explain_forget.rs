//! `EXPLAIN FORGET`: what erasing a person would take away.

use crate::error::Result;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::forget::forget;
use crate::query::statements::{Parsed, StatementParser};

/// `EXPLAIN FORGET`.
pub(crate) struct ExplainForgetParser;

impl StatementParser for ExplainForgetParser {
    fn name(&self) -> &'static str {
        "EXPLAIN FORGET"
    }

    fn grammar(&self) -> &'static str {
        "EXPLAIN FORGET namespace 'value' [NOW] [WITH (block = { true | false })]"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["EXPLAIN", "FORGET"])?;
        forget(cursor, true)
    }
}
