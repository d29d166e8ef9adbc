//! `CREATE [EVENT] DATASET`: a named stream of rows, with its columns and settings.

use crate::error::Result;
use crate::model::dataset::DatasetKind;
use crate::model::definition::Definition;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::column::{Written, column};
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
    column TEXT IDENTITY namespace [GENERATED ALWAYS] AS (expression) [STORED]
    IDENTITY namespace AS (expression) [STORED]
) [WITH (option = value [, ...])]
where option is one of:
    accept_anonymous = true | false
    upsert = 'patch' | 'replace'"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        read(cursor).map(|(definition, _)| Some(Parsed::Define(definition)))
    }
}

/// The statement's definition, and where the expressions of its computed columns begin.
fn read(cursor: &mut Cursor<'_>) -> Result<(Definition, Vec<usize>)> {
    cursor.expect_keyword("CREATE")?;
    let event = cursor.optional_keywords(&["EVENT"]);
    cursor.expect_keyword("DATASET")?;
    let existence = if_not_exists(cursor);
    let name = dataset_name(cursor)?;
    let written: Vec<Written> = cursor.parenthesized(column)?;
    let with = cursor.optional_keywords(&["WITH"]);
    let options = if with { dataset_options(cursor)? } else { Vec::new() };
    let kind = if event { DatasetKind::Event } else { DatasetKind::Record };
    let positions = written.iter().filter_map(|(_, position)| *position).collect();
    let columns = written.into_iter().map(|(column, _)| column).collect();
    Ok((Definition::CreateDataset { name, kind, columns, options, existence }, positions))
}

/// Where the expressions of computed columns begin in a `CREATE DATASET`, in order: 1-based characters.
///
/// # Errors
/// Those of the statement.
pub(crate) fn expression_positions(text: &str) -> Result<Vec<usize>> {
    read(&mut Cursor::try_new(text)?).map(|(_, positions)| positions)
}
