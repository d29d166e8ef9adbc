//! `EXPLAIN RETENTION`: what retention would delete now, before it does.

use crate::error::Result;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::{Parsed, StatementParser};

/// `EXPLAIN RETENTION`.
pub(crate) struct ExplainRetention;

impl StatementParser for ExplainRetention {
    fn name(&self) -> &'static str {
        "EXPLAIN RETENTION"
    }

    fn grammar(&self) -> &'static str {
        "EXPLAIN RETENTION"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["EXPLAIN", "RETENTION"])?;
        Ok(Some(Parsed::ExplainRetention))
    }
}
