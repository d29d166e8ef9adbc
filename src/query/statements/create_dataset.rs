//! `CREATE [EVENT] DATASET`: a named stream of rows, with its columns and settings.

use crate::error::Result;
use crate::model::dataset::DatasetKind;
use crate::model::definition::Definition;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::column::column;
use crate::query::statements::phrases::dataset_options::dataset_options;
use crate::query::statements::phrases::existence::if_not_exists;
use crate::query::statements::phrases::name::dataset_name;
use crate::query::statements::{Parsed, StatementParser};

/// `CREATE [EVENT] DATASET`.
pub(crate) struct CreateDataset;

impl StatementParser for CreateDataset {
    fn name(&self) -> &'static str {
        "CREATE DATASET"
    }

    fn grammar(&self) -> &'static str {
        "CREATE [EVENT] DATASET [IF NOT EXISTS] name (
    column TYPE [IDENTITY namespace | EVENT ID | OBSERVED AT | ATTRIBUTE name] ... [, ...]
) [WITH (option = value [, ...])]
where option is one of:
    accept_anonymous = true | false
    upsert = 'patch' | 'replace'"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keyword("CREATE")?;
        let event = cursor.optional_keywords(&["EVENT"]);
        cursor.expect_keyword("DATASET")?;
        let existence = if_not_exists(cursor);
        let name = dataset_name(cursor)?;
        let columns = cursor.parenthesized(column)?;
        let with = cursor.optional_keywords(&["WITH"]);
        let options = if with { dataset_options(cursor)? } else { Vec::new() };
        let kind = if event { DatasetKind::Event } else { DatasetKind::Record };
        Ok(Some(Parsed::Define(Definition::CreateDataset {
            name,
            kind,
            columns,
            options,
            existence,
        })))
    }
}
