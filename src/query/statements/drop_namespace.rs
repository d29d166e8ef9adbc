//! `DROP NAMESPACE`: refused by the catalog while a dataset uses it.

use crate::error::Result;
use crate::model::definition::Definition;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::existence::{drop_behavior, if_exists};
use crate::query::statements::{Parsed, StatementParser};

/// `DROP NAMESPACE`.
pub(crate) struct DropNamespace;

impl StatementParser for DropNamespace {
    fn name(&self) -> &'static str {
        "DROP NAMESPACE"
    }

    fn grammar(&self) -> &'static str {
        "DROP NAMESPACE [IF EXISTS] name [RESTRICT]"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["DROP", "NAMESPACE"])?;
        let existence = if_exists(cursor);
        let name = cursor.identifier()?;
        drop_behavior(cursor)?;
        Ok(Some(Parsed::Define(Definition::DropNamespace { name, existence })))
    }
}
