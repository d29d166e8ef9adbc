//! INSERT INTO a dataset: the rows of VALUES or a query, all or nothing.
//!
//! The source is planned as any query; its columns are put in the dataset's places, brought to the
//! dataset's types (one value that does not fit refuses the statement), and handed to the engine as one
//! batch. Bulk loads belong into COPY, which takes the good rows and keeps the bad ones apart.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use futures::StreamExt;
use sqlparser::ast::{
    Expr, Ident, Insert, ObjectName, Query, SelectItem, SetExpr, TableObject, Value,
};

use crate::error::{Error, Result, SqlState};
use crate::ingest::coerce;
use crate::model::access::Privilege;
use crate::model::dataset::{Column, Dataset};
use crate::model::names::RESERVED_TABLES;
use crate::query::error::{from_arrow, from_datafusion, position};
use crate::query::session::parameters::placeholder;
use crate::query::session::plan::PlannedQuery;
use crate::query::session::transaction::CommitGate;
use crate::query::session::{Inner, Outcome, execute, prepare, values as rows_of_values};

/// The most rows of one INSERT: they are held whole, to be taken all or not at all.
pub const INSERT_ROWS_MAX: usize = 1_000_000;

/// An INSERT that is ready for values.
pub(super) struct PlannedInsert {
    dataset: String,
    /// All columns of the dataset.
    columns: Vec<Column>,
    /// For each column of the source its place in the dataset.
    places: Vec<usize>,
    /// The source.
    pub(super) query: PlannedQuery,
}

impl PlannedInsert {
    /// The dataset that it is about.
    pub(super) fn dataset(&self) -> &str {
        &self.dataset
    }
}

/// Plans an INSERT.
///
/// # Errors
/// `42P01`, `42703`, `42701`, `42601`, `0A000`, and what planning the source says.
pub(super) async fn plan(
    session: &Arc<Inner>,
    insert: &Insert,
    sql: &str,
    declared: &[Option<DataType>],
) -> Result<PlannedInsert> {
    check_supported(insert)?;
    let snapshot = session.snapshot();
    let dataset = dataset_of(insert, sql, |name| snapshot.catalog().dataset(name))?;
    let Some(source) = &insert.source else {
        return Err(Error::unsupported("INSERT ... DEFAULT VALUES is not supported"));
    };
    let named = places(&insert.columns, dataset, source, sql)?;
    let written: Vec<&str> = match insert.columns.is_empty() {
        true => Vec::new(),
        false => named.iter().map(|at| dataset.columns[*at].name.as_str()).collect(),
    };
    session.check_table(&dataset.name, &written, Privilege::Insert)?;
    check_given(source, &named, dataset)?;
    let (source, declared) = typed_source(source, &named, dataset, declared);
    let query = prepare::plan_query(session, &source, sql, &declared).await?;
    let count = query.schema.fields().len();
    if count > named.len() {
        let message = "INSERT has more expressions than target columns";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
    }
    if count < named.len() && !insert.columns.is_empty() {
        let message = "INSERT has more target columns than expressions";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
    }
    Ok(PlannedInsert {
        dataset: dataset.name.clone(),
        columns: dataset.columns.clone(),
        places: named[..count].to_vec(),
        query,
    })
}

fn check_supported(insert: &Insert) -> Result<()> {
    let clause = if insert.on.is_some() {
        "ON CONFLICT"
    } else if insert.returning.is_some() {
        "RETURNING"
    } else if insert.overwrite || insert.replace_into || insert.partitioned.is_some() {
        "OVERWRITE"
    } else if !insert.assignments.is_empty() {
        "SET"
    } else {
        return Ok(());
    };
    Err(Error::unsupported(format!("INSERT ... {clause} is not supported")))
}

fn dataset_of<'a>(
    insert: &Insert,
    sql: &str,
    find: impl FnOnce(&str) -> Result<&'a Dataset>,
) -> Result<&'a Dataset> {
    let TableObject::TableName(ObjectName(parts)) = &insert.table else {
        return Err(Error::unsupported("INSERT INTO a function is not supported"));
    };
    let idents: Vec<&Ident> = parts.iter().filter_map(|part| part.as_ident()).collect();
    let (Some(first), Some(last)) = (idents.first(), idents.last()) else {
        return Err(Error::new(SqlState::SYNTAX_ERROR, "INSERT INTO what?"));
    };
    let at = position(sql, first.span.start.line, first.span.start.column);
    let name = folded(last);
    let schema = idents.iter().rev().nth(1).map(|ident| folded(ident));
    let public = schema.as_deref().is_none_or(|schema| schema == "public");
    if !public || RESERVED_TABLES.contains(&name.as_str()) {
        let message = format!("cannot insert into \"{name}\": it is not a dataset");
        return Err(Error::new(SqlState("42809"), message).at(at));
    }
    find(&name).map_err(|error| error.at(at))
}

/// A name as PostgreSQL folds it.
fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The dataset's columns that a list names. Without one, all whose values are given; or all, if there
/// are values for all, which must be DEFAULT then where they are computed.
fn places(
    listed: &[ObjectName],
    dataset: &Dataset,
    source: &Query,
    sql: &str,
) -> Result<Vec<usize>> {
    if listed.is_empty() {
        let given: Vec<usize> = dataset.given_columns().map(|(at, _)| at).collect();
        let width = rows_of(source).iter().map(|row| row.len()).max();
        let all = width == Some(dataset.columns.len());
        return Ok(if all { (0..dataset.columns.len()).collect() } else { given });
    }
    let mut places = Vec::with_capacity(listed.len());
    for name in listed {
        let Some(ident) = name.0.last().and_then(|part| part.as_ident()) else {
            return Err(Error::new(SqlState::SYNTAX_ERROR, "a column's name is expected"));
        };
        let at = position(sql, ident.span.start.line, ident.span.start.column);
        let column = folded(ident);
        let place = dataset.column(&column).ok_or_else(|| {
            let message =
                format!("column \"{column}\" of dataset \"{}\" does not exist", dataset.name);
            Error::new(SqlState::UNDEFINED_COLUMN, message).at(at)
        })?;
        if places.contains(&place) {
            let message = format!("column \"{column}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(at));
        }
        places.push(place);
    }
    Ok(places)
}

/// The rows of VALUES; none of another source.
fn rows_of(source: &Query) -> Vec<&[Expr]> {
    match source.body.as_ref() {
        SetExpr::Values(values) => values.rows.iter().map(|row| row.content.as_slice()).collect(),
        _ => Vec::new(),
    }
}

/// Refuses values for computed columns.
fn check_given(source: &Query, places: &[usize], dataset: &Dataset) -> Result<()> {
    let rows = rows_of(source);
    for (at, place) in places.iter().enumerate() {
        let column = &dataset.columns[*place];
        let given = rows.iter().filter_map(|row| row.get(at)).any(|value| !is_default(value));
        if column.is_derived() && (given || rows.is_empty()) {
            let name = &column.name;
            let message = format!("cannot insert a non-DEFAULT value into column \"{name}\"");
            return Err(Error::new(SqlState::GENERATED_ALWAYS, message)
                .detail(format!("Column \"{name}\" is a generated column.")));
        }
    }
    Ok(())
}

/// The source with DEFAULT as null, and the types that its parameters take from their columns.
fn typed_source(
    source: &Query,
    places: &[usize],
    dataset: &Dataset,
    declared: &[Option<DataType>],
) -> (Query, Vec<Option<DataType>>) {
    let types: Vec<DataType> =
        places.iter().map(|place| dataset.columns[*place].ty.to_arrow()).collect();
    typed_values(source, &types, declared)
}

/// The same for columns of these types.
pub(super) fn typed_values(
    source: &Query,
    columns: &[DataType],
    declared: &[Option<DataType>],
) -> (Query, Vec<Option<DataType>>) {
    let (mut source, mut types) = (source.clone(), declared.to_vec());
    let mut see = |expression: &Expr, at: usize| {
        if let (Some(parameter), Some(ty)) = (placeholder(expression), columns.get(at)) {
            if types.len() <= parameter {
                types.resize(parameter + 1, None);
            }
            types[parameter].get_or_insert_with(|| ty.clone());
        }
    };
    match source.body.as_mut() {
        SetExpr::Values(values) => {
            for row in &mut values.rows {
                for (at, expression) in row.content.iter_mut().enumerate() {
                    see(expression, at);
                    if is_default(expression) {
                        *expression = Expr::Value(Value::Null.with_empty_span());
                    }
                }
            }
        }
        SetExpr::Select(select) => {
            for (at, item) in select.projection.iter().enumerate() {
                if let SelectItem::UnnamedExpr(expression) = item {
                    see(expression, at);
                }
            }
        }
        _ => {}
    }
    (source, types)
}

/// Whether a value is the word DEFAULT.
pub(super) fn is_default(expression: &Expr) -> bool {
    match expression {
        Expr::Identifier(ident) => {
            ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default")
        }
        _ => false,
    }
}

/// Runs an INSERT.
///
/// # Errors
/// `22P02` and its relatives for a value that does not fit, `54000` beyond [`INSERT_ROWS_MAX`], what
/// the source says, and what the engine says of the rows.
pub(super) async fn run(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    insert: &PlannedInsert,
    values: Vec<ScalarValue>,
    sql: &str,
) -> Result<Outcome> {
    session.check_may_write("INSERT")?;
    let schema = insert.schema();
    let (batches, row_count) = fitted(session, insert, &schema, values, sql).await?;
    let batch = concat_batches(&schema, &batches).map_err(|error| from_arrow(&error))?;
    if row_count == 0 {
        return Ok(Outcome::Done { tag: "INSERT 0 0".to_owned() });
    }
    gate.commit()?;
    let (accept, dataset) = (session.accept(), insert.dataset.clone());
    let inserted = execute::blocking(move || accept.insert(&dataset, &batch)).await?;
    Ok(Outcome::Done { tag: format!("INSERT 0 {inserted}") })
}

/// The rows of the source in the dataset's columns, and how many they are.
async fn fitted(
    session: &Arc<Inner>,
    insert: &PlannedInsert,
    schema: &SchemaRef,
    values: Vec<ScalarValue>,
    sql: &str,
) -> Result<(Vec<RecordBatch>, usize)> {
    let convert = |error| from_datafusion(&error, sql);
    let state = &session.planning.state;
    let few = rows_of_values::rows(insert.query.analysed(), state, &values).map_err(convert)?;
    if let Some(batch) = few {
        return Ok((vec![insert.fit(&batch, schema, 0)?], batch.num_rows()));
    }
    let mut stream = execute::rows(session, &insert.query, values, sql).await?;
    let (mut batches, mut row_count) = (Vec::new(), 0);
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(convert)?;
        batches.push(insert.fit(&batch, schema, row_count)?);
        row_count += batch.num_rows();
        if row_count > INSERT_ROWS_MAX {
            let message = format!("an INSERT can have at most {INSERT_ROWS_MAX} rows");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
                .hint("load them with COPY, or in several statements"));
        }
    }
    Ok((batches, row_count))
}

impl PlannedInsert {
    fn schema(&self) -> SchemaRef {
        let field = |column: &Column| Field::new(&column.name, column.ty.to_arrow(), true);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// A batch of the source in the dataset's columns and types.
    fn fit(&self, batch: &RecordBatch, schema: &SchemaRef, before: usize) -> Result<RecordBatch> {
        let mut columns: Vec<Option<ArrayRef>> = vec![None; self.columns.len()];
        for (array, place) in batch.columns().iter().zip(&self.places) {
            let column = &self.columns[*place];
            let (fitted, failures) = coerce(array, &column.ty)
                .map_err(|error| error.detail(format!("this is column \"{}\"", column.name)))?;
            if let Some((row, code, message)) = failures.into_iter().next() {
                let detail =
                    format!("this is row {}, column \"{}\"", before + row + 1, column.name);
                return Err(Error::new(SqlState(code), message).detail(detail));
            }
            columns[*place] = Some(fitted);
        }
        let rows = batch.num_rows();
        let columns = columns
            .into_iter()
            .zip(&self.columns)
            .map(|(array, column)| {
                array.unwrap_or_else(|| new_null_array(&column.ty.to_arrow(), rows))
            })
            .collect();
        RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| from_arrow(&error))
    }
}
