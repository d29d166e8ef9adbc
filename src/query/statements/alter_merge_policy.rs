//! `ALTER MERGE POLICY name SET DEFAULT`: which policy `profiles` shows unless a session says otherwise.

use crate::error::Result;
use crate::model::definition::Definition;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::existence::refuse_if_exists;
use crate::query::statements::{Parsed, StatementParser};

/// `ALTER MERGE POLICY`.
pub(crate) struct AlterMergePolicy;

impl StatementParser for AlterMergePolicy {
    fn name(&self) -> &'static str {
        "ALTER MERGE POLICY"
    }

    fn grammar(&self) -> &'static str {
        "ALTER MERGE POLICY name SET DEFAULT"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["ALTER", "MERGE", "POLICY"])?;
        refuse_if_exists(cursor, "ALTER MERGE POLICY")?;
        let name = cursor.identifier()?;
        cursor.expect_keywords(&["SET", "DEFAULT"])?;
        Ok(Some(Parsed::Define(Definition::SetDefaultMergePolicy { name })))
    }
}
