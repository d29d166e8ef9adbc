//! COPY into a scratch table: every row, or none.
//!
//! Formats read as for datasets; but a row that is refused ends the COPY, as in PostgreSQL: `rejects` is
//! for the data of people.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::engine::Source;
use crate::error::{Error, Result, SqlState};
use crate::ingest::{Format, Options, Reject, Rows, Sink, Target};
use crate::model::column::ColumnType;
use crate::model::relation::{Relation, RelationName};
use crate::query::error::from_arrow;
use crate::query::session::execute::blocking;
use crate::query::session::scratch::{Gathered, table};
use crate::query::session::transaction::CommitGate;
use crate::query::session::{Inner, Notice};
use crate::query::statements::CopyFrom;

/// Where the rows of a COPY go.
pub(super) struct ScratchTarget {
    name: RelationName,
    relation: Relation,
    /// For each column of the rows its place in the table.
    places: Vec<usize>,
    target: Target,
}

impl ScratchTarget {
    /// The table.
    pub(super) fn name(&self) -> &RelationName {
        &self.name
    }

    /// Types of the columns that the rows have.
    pub(super) fn column_types(&self) -> Vec<DataType> {
        self.target.columns.iter().map(|(_, ty)| ty.to_arrow()).collect()
    }
}

/// What is read, and how.
pub(super) struct Read {
    pub(super) format: &'static dyn Format,
    pub(super) options: Options,
    pub(super) sources: Vec<Source>,
}

/// The scratch table that a COPY is into, if it is into one.
///
/// # Errors
/// `55000` for a view, `42703`, `42701`, `0A000` for a column whose values no format has.
pub(super) fn target(session: &Inner, statement: &CopyFrom) -> Result<Option<ScratchTarget>> {
    let part = |text: &String| ObjectNamePart::Identifier(Ident::with_quote('"', text));
    let name = statement.schema.iter().chain([&statement.dataset]).map(part).collect();
    let name = ObjectName(name);
    if session.find_relation(&name)?.is_none() {
        return Ok(None);
    }
    let (name, relation) = table(session, &name, "copy to")?;
    let mut places: Vec<usize> = (0..relation.columns.len()).collect();
    if let Some(listed) = &statement.columns {
        places.clear();
        for column in listed {
            let place = relation.column(column).ok_or_else(|| {
                let table = &name.name;
                let message = format!("column \"{column}\" of relation \"{table}\" does not exist");
                Error::new(SqlState::UNDEFINED_COLUMN, message)
            })?;
            if places.contains(&place) {
                let message = format!("column \"{column}\" specified more than once");
                return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
            }
            places.push(place);
        }
    }
    let columns = places.iter().map(|place| {
        let column = &relation.columns[*place];
        let ty = column_type(&column.ty).ok_or_else(|| {
            let message = format!("COPY into column \"{}\" is not supported", column.name);
            Error::unsupported(message).hint("use INSERT")
        })?;
        Ok((column.name.clone(), ty))
    });
    let columns = columns.collect::<Result<_>>()?;
    let target = Target { columns, listed: statement.columns.is_some() };
    Ok(Some(ScratchTarget { name, relation, places, target }))
}

/// The type as which formats read values.
fn column_type(ty: &DataType) -> Option<ColumnType> {
    Some(match ty {
        DataType::Utf8View => ColumnType::Text,
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int16 => ColumnType::SmallInt,
        DataType::Int32 => ColumnType::Integer,
        DataType::Int64 => ColumnType::BigInt,
        DataType::Float32 => ColumnType::Real,
        DataType::Float64 => ColumnType::Double,
        DataType::Decimal128(precision, scale) => {
            ColumnType::Numeric { precision: *precision, scale: *scale }
        }
        DataType::Date32 => ColumnType::Date,
        DataType::Timestamp(TimeUnit::Microsecond, None) => ColumnType::Timestamp,
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => ColumnType::TimestampTz,
        DataType::List(item) => ColumnType::Array(Box::new(column_type(item.data_type())?)),
        _ => return None,
    })
}

/// Reads the rows and puts them into the table; gives the command tag.
///
/// # Errors
/// What is wrong with the first bad row, and what the engine says.
pub(super) async fn load(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    scratch: ScratchTarget,
    read: Read,
    max_rejects: Option<u64>,
) -> Result<String> {
    if max_rejects.is_some_and(|count| count > 0) {
        return Err(Error::unsupported("MAX_REJECTS is for datasets only"));
    }
    let rows = Gathered::new(session, &scratch.name, &scratch.relation, true);
    let mut loader = Loader { scratch, rows, source: String::new(), notices: Vec::new() };
    let loaded = blocking(move || {
        for source in read.sources {
            loader.source.clone_from(&source.name);
            let target = Target {
                columns: loader.scratch.target.columns.clone(),
                listed: loader.scratch.target.listed,
            };
            read.format.read(source.input, &target, &read.options, &mut loader)?;
        }
        Ok(loader)
    });
    let loaded = loaded.await;
    // A reader that was told to stop makes the format fail; the reason is the cancel.
    gate.check()?;
    let Loader { rows, notices, .. } = loaded?;
    notices.into_iter().for_each(|notice| session.notice(Notice::new(notice)));
    let row_count = rows.row_count();
    rows.apply(session, gate).await?;
    Ok(format!("COPY {row_count}"))
}

struct Loader {
    scratch: ScratchTarget,
    rows: Gathered,
    source: String,
    notices: Vec<String>,
}

impl Sink for Loader {
    fn rows(&mut self, rows: Rows<'_>) -> Result<()> {
        let row_count = rows.batch.num_rows();
        let columns = self.scratch.relation.columns.iter().enumerate().map(|(at, column)| {
            let given = self.scratch.places.iter().position(|place| *place == at);
            match given {
                Some(given) => Arc::clone(rows.batch.column(given)),
                None => new_null_array(&column.ty, row_count),
            }
        });
        let columns: Vec<ArrayRef> = columns.collect();
        let field = |array: &ArrayRef| Field::new("", array.data_type().clone(), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)
            .map_err(|error| from_arrow(&error))?;
        self.rows.push(&batch)
    }

    fn reject(&mut self, reject: Reject) -> Result<()> {
        let detail = format!("{}, line {}: {}", self.source, reject.line, reject.raw);
        Err(Error::new(SqlState("22P04"), reject.message).detail(detail).hint("nothing was copied"))
    }

    fn notice(&mut self, message: String) {
        if !self.notices.contains(&message) {
            self.notices.push(message);
        }
    }
}
