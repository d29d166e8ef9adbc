//! `DROP DATASET`: its rows and all that follows from them go with it.

use crate::error::Result;
use crate::model::definition::Definition;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::existence::{drop_behavior, if_exists};
use crate::query::statements::phrases::name::dataset_name;
use crate::query::statements::{Parsed, StatementParser};

/// `DROP DATASET`.
pub(crate) struct DropDataset;

impl StatementParser for DropDataset {
    fn name(&self) -> &'static str {
        "DROP DATASET"
    }

    fn grammar(&self) -> &'static str {
        "DROP DATASET [IF EXISTS] name [RESTRICT]"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["DROP", "DATASET"])?;
        let existence = if_exists(cursor);
        let name = dataset_name(cursor)?;
        drop_behavior(cursor)?;
        Ok(Some(Parsed::Define(Definition::DropDataset { name, existence })))
    }
}
