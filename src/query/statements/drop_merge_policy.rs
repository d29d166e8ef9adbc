//! `DROP MERGE POLICY`: refused by the catalog for the default one.

use crate::error::Result;
use crate::model::definition::Definition;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::existence::{drop_behavior, if_exists};
use crate::query::statements::{Parsed, StatementParser};

/// `DROP MERGE POLICY`.
pub(crate) struct DropMergePolicy;

impl StatementParser for DropMergePolicy {
    fn name(&self) -> &'static str {
        "DROP MERGE POLICY"
    }

    fn grammar(&self) -> &'static str {
        "DROP MERGE POLICY [IF EXISTS] name [RESTRICT]"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["DROP", "MERGE", "POLICY"])?;
        let existence = if_exists(cursor);
        let name = cursor.identifier()?;
        drop_behavior(cursor)?;
        Ok(Some(Parsed::Define(Definition::DropMergePolicy { name, existence })))
    }
}
