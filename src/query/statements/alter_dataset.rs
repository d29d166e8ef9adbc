//! `ALTER DATASET`: new columns and other settings, all or none.

use crate::error::{Error, Result};
use crate::model::definition::{DatasetChange, Definition};
use crate::query::statements::access_statement::AccessStatement;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::column::column;
use crate::query::statements::phrases::dataset_options::dataset_options;
use crate::query::statements::phrases::existence::{if_not_exists, refuse_if_exists};
use crate::query::statements::phrases::name::dataset_name;
use crate::query::statements::phrases::role::role_name;
use crate::query::statements::{Parsed, StatementParser};

/// Changes of a table in PostgreSQL that a dataset cannot have.
const UNSUPPORTED: &[&str] = &["DROP", "RENAME", "ALTER", "RESET"];

/// `ALTER DATASET`.
pub(crate) struct AlterDataset;

impl StatementParser for AlterDataset {
    fn name(&self) -> &'static str {
        "ALTER DATASET"
    }

    fn grammar(&self) -> &'static str {
        "ALTER DATASET name change [, ...]
where change is one of:
    ADD [COLUMN] [IF NOT EXISTS] column TYPE [ATTRIBUTE name | IDENTITY namespace | ...] ...
    SET (option = value [, ...])
    ALTER [COLUMN] column SET [NOT] SENSITIVE, only together with others of its kind
    OWNER TO role, alone"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["ALTER", "DATASET"])?;
        refuse_if_exists(cursor, "ALTER DATASET")?;
        let name = dataset_name(cursor)?;
        if cursor.optional_keywords(&["OWNER", "TO"]) {
            let (schema, owner) = (Some("public".to_owned()), role_name(cursor)?);
            let statement = AccessStatement::SetOwner { schema, table: name, owner };
            return Ok(Some(Parsed::Access(statement)));
        }
        if at_sensitivity(cursor) {
            let columns = cursor.list(sensitivity)?;
            let statement = AccessStatement::Sensitive { dataset: name, columns };
            return Ok(Some(Parsed::Access(statement)));
        }
        let changes = cursor.list(changes)?.concat();
        Ok(Some(Parsed::Define(Definition::AlterDataset { name, changes })))
    }
}

/// Whether `ALTER [COLUMN] name SET [NOT] SENSITIVE` comes next.
fn at_sensitivity(cursor: &Cursor<'_>) -> bool {
    let name = if cursor.at_keywords(&["ALTER", "COLUMN"]) { 2 } else { 1 };
    let says = |ahead| cursor.keyword_follows(ahead, "SENSITIVE");
    cursor.at_keywords(&["ALTER"])
        && cursor.keyword_follows(name + 1, "SET")
        && (says(name + 2) || (cursor.keyword_follows(name + 2, "NOT") && says(name + 3)))
}

fn sensitivity(cursor: &mut Cursor<'_>) -> Result<(String, bool)> {
    cursor.expect_keyword("ALTER")?;
    cursor.optional_keywords(&["COLUMN"]);
    let column = cursor.identifier()?;
    cursor.expect_keyword("SET")?;
    let sensitive = !cursor.optional_keywords(&["NOT"]);
    cursor.expect_keyword("SENSITIVE")?;
    Ok((column, sensitive))
}

fn changes(cursor: &mut Cursor<'_>) -> Result<Vec<DatasetChange>> {
    if cursor.optional_keywords(&["SET"]) {
        return dataset_options(cursor);
    }
    if let Some(word) = UNSUPPORTED.iter().find(|word| cursor.at_keywords(&[word])) {
        let message = format!("ALTER DATASET ... {word} is not supported");
        return Err(Error::unsupported(message).at(cursor.position()));
    }
    cursor.expect_keyword("ADD")?;
    cursor.optional_keywords(&["COLUMN"]);
    let existence = if_not_exists(cursor);
    let (column, _) = column(cursor)?;
    Ok(vec![DatasetChange::AddColumn { column, existence }])
}
