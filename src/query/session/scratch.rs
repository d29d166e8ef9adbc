//! Rows of scratch tables: INSERT, UPDATE, DELETE, TRUNCATE and CREATE TABLE AS.
//!
//! Each is a query whose rows are the new ones, or the numbers of those that go, or both; its plan is
//! kept like any. What it gives goes into the block's transaction, or one of its own, or into the
//! session's temporary tables.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit};
use datafusion::common::{ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use hashbrown::HashSet;
use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Ident, Insert, ObjectName,
    ObjectNamePart, Query, SelectItem, SetExpr, Statement, TableFactor, TableObject,
    TableWithJoins, Update, UpdateTableFromKind, Value, VisitMut, VisitorMut,
};

use crate::engine::Transaction;
use crate::engine::scratch::ScratchRows;
use crate::error::{Error, Result, SqlState};
use crate::model::access::Privilege;
use crate::model::column::UTC;
use crate::model::names::quote_name;
use crate::model::relation::{
    Relation, RelationBody, RelationColumn, RelationDefinition, RelationKind, RelationName,
    SCRATCH_MIN, TEMPORARY_SCHEMA, is_temporary,
};
use crate::query::error::{from_arrow, from_datafusion};
use crate::query::postgres::types::{METADATA_KEY, PgType};
use crate::query::session::command;
use crate::query::session::ddl;
use crate::query::session::execute::{self, blocking};
use crate::query::session::insert::{is_default, typed_values};
use crate::query::session::names::Target;
use crate::query::session::plan::PlannedQuery;
use crate::query::session::relations::folded;
use crate::query::session::transaction::{CommitGate, TransactionStatus};
use crate::query::session::{Inner, Outcome, prepare};
use crate::query::tables::provider::of_scratch;
use crate::query::tables::scratch::field_of;
use crate::storage::part::FRAGMENT_ID;

/// The database under whose name a statement finds the table that it changes. Nobody else can name it.
const TARGET: &str = "selfsame:target";

/// A statement that changes a table's rows, ready for values.
pub(super) struct PlannedScratch {
    table: RelationName,
    relation: Relation,
    change: Change,
    /// Gives the new rows, then the numbers of the old ones, as far as there are any.
    pub(super) query: PlannedQuery,
}

impl PlannedScratch {
    /// The table whose rows it changes.
    pub(super) fn table(&self) -> &RelationName {
        &self.table
    }
}

/// What a statement does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Insert,
    Update,
    Delete,
}

impl Change {
    fn tag(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// A column of a query's result as one of a relation, with types that can be stored.
///
/// # Errors
/// `0A000` for a type that cannot.
pub(super) fn column_of(at: usize, field: &Field) -> Result<RelationColumn> {
    Ok(RelationColumn {
        name: field.name().clone(),
        source: format!("c{}", at + 1),
        ty: storable(field.data_type()).ok_or_else(|| {
            let (name, ty) = (field.name(), PgType::of_field(field).format());
            let message = format!("column \"{name}\" has type {ty}, which cannot be stored");
            Error::unsupported(message).hint(format!("make a text of it: {name}::text"))
        })?,
        type_name: field.metadata().get(METADATA_KEY).cloned(),
        not_null: false,
        comment: None,
    })
}

/// The type in which values of a type are stored, if they can be.
fn storable(ty: &DataType) -> Option<DataType> {
    Some(match ty {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            DataType::Utf8View
        }
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => DataType::Int16,
        DataType::UInt16 | DataType::Int32 => DataType::Int32,
        DataType::UInt32 | DataType::Int64 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 | DataType::Float32 => DataType::Float32,
        DataType::Boolean | DataType::Float64 | DataType::Date32 => ty.clone(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => DataType::Decimal128(*precision, *scale),
        DataType::Decimal256(precision, scale) => DataType::Decimal256(*precision, *scale),
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, zone) => {
            let zone = zone.as_ref().map(|_| UTC.into());
            DataType::Timestamp(TimeUnit::Microsecond, zone)
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, value) => storable(value)?,
        DataType::List(item) | DataType::LargeList(item) if !item.data_type().is_nested() => {
            let item = Field::new("item", storable(item.data_type())?, true);
            DataType::List(Arc::new(item))
        }
        _ => return None,
    })
}

/// The table that a statement changes.
///
/// # Errors
/// `42P01` if there is none, `42809` if it is a view.
pub(super) fn table(
    session: &Inner,
    name: &ObjectName,
    verb: &str,
) -> Result<(RelationName, Relation)> {
    let Some((found, relation)) = session.find_relation(name)? else {
        let message = format!("relation \"{name}\" does not exist");
        return Err(Error::new(SqlState::UNDEFINED_TABLE, message));
    };
    if relation.kind() == RelationKind::View {
        let message = format!("cannot {verb} view \"{}\"", found.name);
        return Err(Error::new(SqlState("55000"), message).hint("change the tables that it reads"));
    }
    Ok((found, relation))
}

/// The relation of users that a statement is about; `None` if it is something else's.
fn relation_named(
    session: &Inner,
    name: &ObjectName,
    verb: &str,
) -> Result<Option<(RelationName, Relation)>> {
    match session.find_relation(name)? {
        None => Ok(None),
        Some(_) => table(session, name, verb).map(Some),
    }
}

/// Plans an INSERT, if it is into a scratch table.
///
/// # Errors
/// `55000`, `42703`, `42701`, `42601`, `0A000`, and what planning the source says.
pub(super) async fn plan_insert(
    session: &Arc<Inner>,
    insert: &Insert,
    sql: &str,
    declared: &[Option<DataType>],
) -> Result<Option<PlannedScratch>> {
    let TableObject::TableName(name) = &insert.table else { return Ok(None) };
    let Some((table, relation)) = relation_named(session, name, "insert into")? else {
        return Ok(None);
    };
    if insert.on.is_some() || insert.returning.is_some() {
        return Err(Error::unsupported("INSERT ... ON CONFLICT and RETURNING are not supported"));
    }
    let Some(source) = &insert.source else {
        return Err(Error::unsupported("INSERT ... DEFAULT VALUES is not supported"));
    };
    let mut places: Vec<usize> = (0..relation.columns.len()).collect();
    if !insert.columns.is_empty() {
        places.clear();
        for listed in &insert.columns {
            let name = listed.0.last().and_then(ObjectNamePart::as_ident).map(folded);
            let name = name.unwrap_or_default();
            let place = relation.column(&name).ok_or_else(|| no_column(&name, &table))?;
            if places.contains(&place) {
                let message = format!("column \"{name}\" specified more than once");
                return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
            }
            places.push(place);
        }
    }
    let types: Vec<DataType> =
        places.iter().map(|place| relation.columns[*place].ty.clone()).collect();
    let (source, declared) = typed_values(source, &types, declared);
    let width = width(session, &source, sql, &declared).await?;
    if width > places.len() {
        let message = "INSERT has more expressions than target columns";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
    }
    if width < places.len() && !insert.columns.is_empty() {
        let message = "INSERT has more target columns than expressions";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
    }
    let given = places[..width].iter().map(|place| relation.columns[*place].name.as_str());
    session.check_relation(&table, &given.collect::<Vec<_>>(), Privilege::Insert)?;
    let query = cast_query(&source, &relation, &places[..width])?;
    let query = prepare::plan_query(session, &query, sql, &declared).await?;
    Ok(Some(PlannedScratch { table, relation, change: Change::Insert, query }))
}

fn no_column(column: &str, table: &RelationName) -> Error {
    let message = format!("column \"{column}\" of relation \"{}\" does not exist", table.name);
    Error::new(SqlState::UNDEFINED_COLUMN, message)
}

/// How many columns a query gives.
async fn width(
    session: &Arc<Inner>,
    source: &Query,
    sql: &str,
    declared: &[Option<DataType>],
) -> Result<usize> {
    if let SetExpr::Values(values) = source.body.as_ref() {
        return Ok(values.rows.iter().map(|row| row.content.len()).max().unwrap_or(0));
    }
    let planned = prepare::plan_query(session, source, sql, declared).await?;
    Ok(planned.schema.fields().len())
}

/// A type as CAST names it.
fn type_text(column: &RelationColumn) -> String {
    PgType::of_field(&field_of(column)).format()
}

/// A query of ours, into which parts of the user's are put.
fn frame(sql: &str) -> Result<Query> {
    match command::parse_one(sql)? {
        Statement::Query(query) => Ok(*query),
        _ => Err(Error::internal("a frame is a query")),
    }
}

/// The source with its columns in the places and types of the table's.
fn cast_query(source: &Query, relation: &Relation, places: &[usize]) -> Result<Query> {
    let columns = relation.columns.iter().enumerate().map(|(at, column)| {
        let value = match places.iter().position(|place| *place == at) {
            Some(given) => format!("s.v{given}"),
            None => "NULL".to_owned(),
        };
        format!("CAST({value} AS {}) AS {}", type_text(column), quote_name(&column.source))
    });
    let names: Vec<String> = (0..places.len()).map(|at| format!("v{at}")).collect();
    let columns: Vec<String> = columns.collect();
    let sql = format!("SELECT {} FROM (VALUES (1)) AS s({})", columns.join(", "), names.join(", "));
    let mut query = frame(&sql)?;
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(TableFactor::Derived { subquery, .. }) =
            select.from.first_mut().map(|from| &mut from.relation)
    {
        **subquery = source.clone();
    }
    Ok(query)
}

/// Plans a DELETE, if it is from a scratch table.
///
/// # Errors
/// `55000`, `0A000`, and what planning the condition says.
pub(super) async fn plan_delete(
    session: &Arc<Inner>,
    delete: &Delete,
    sql: &str,
    declared: &[Option<DataType>],
) -> Result<Option<PlannedScratch>> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [TableWithJoins { relation: factor, joins }] = &from[..] else { return Ok(None) };
    let TableFactor::Table { name, .. } = factor else { return Ok(None) };
    let Some((table, relation)) = relation_named(session, name, "delete from")? else {
        return Ok(None);
    };
    if delete.returning.is_some() || !joins.is_empty() || delete.limit.is_some() {
        return Err(Error::unsupported("DELETE ... RETURNING and LIMIT are not supported"));
    }
    session.check_relation(&table, &[], Privilege::Delete)?;
    let others = delete.using.clone().unwrap_or_default();
    let row_numbers =
        vec![Expr::CompoundIdentifier(vec![called(factor), Ident::with_quote('"', FRAGMENT_ID)])];
    let parts = Parts { factor, others, selection: delete.selection.clone(), items: row_numbers };
    let query = plan_change(session, parts, &table, &relation, sql, declared).await?;
    Ok(Some(PlannedScratch { table, relation, change: Change::Delete, query }))
}

/// What a table is called within its statement.
fn called(factor: &TableFactor) -> Ident {
    let TableFactor::Table { name, alias, .. } = factor else { return Ident::new("") };
    if let Some(alias) = alias {
        return alias.name.clone();
    }
    let last = name.0.last().and_then(ObjectNamePart::as_ident);
    Ident::with_quote('"', last.map(folded).unwrap_or_default())
}

/// Plans an UPDATE.
///
/// # Errors
/// `0A000` for a dataset, `55000`, `42703`, `42701`, and what planning the values says.
pub(super) async fn plan_update(
    session: &Arc<Inner>,
    update: &Update,
    sql: &str,
    declared: &[Option<DataType>],
) -> Result<PlannedScratch> {
    let factor = &update.table.relation;
    let TableFactor::Table { name, .. } = factor else {
        return Err(Error::unsupported("UPDATE is for scratch tables only"));
    };
    if session.find_relation(name)?.is_none() {
        let (_, last) = session.parts_of(name)?;
        if session.snapshot().catalog().datasets.contains_key(&last) {
            return Err(Error::unsupported("UPDATE of a dataset is not supported")
                .hint("a new row with the same identity wins"));
        }
    }
    let (table, relation) = table(session, name, "update")?;
    session.check_relation(&table, &[], Privilege::Update)?;
    if update.returning.is_some() || update.limit.is_some() || !update.table.joins.is_empty() {
        return Err(Error::unsupported("UPDATE ... RETURNING and LIMIT are not supported"));
    }
    let others = match &update.from {
        Some(UpdateTableFromKind::AfterSet(tables) | UpdateTableFromKind::BeforeSet(tables)) => {
            tables.clone()
        }
        None => Vec::new(),
    };
    let called = called(factor);
    let mut items = Vec::with_capacity(relation.columns.len() + 1);
    let assigned = assigned(&update.assignments, &relation, &table)?;
    for (column, assigned) in relation.columns.iter().zip(assigned) {
        items.push(match assigned {
            Some(value) => cast(value, column)?,
            None => {
                Expr::CompoundIdentifier(vec![called.clone(), Ident::with_quote('"', &column.name)])
            }
        });
    }
    let number = Ident::with_quote('"', FRAGMENT_ID);
    items.push(Expr::CompoundIdentifier(vec![called, number]));
    let parts = Parts { factor, others, selection: update.selection.clone(), items };
    let query = plan_change(session, parts, &table, &relation, sql, declared).await?;
    Ok(PlannedScratch { table, relation, change: Change::Update, query })
}

/// For each column what is assigned to it.
fn assigned(
    assignments: &[Assignment],
    relation: &Relation,
    table: &RelationName,
) -> Result<Vec<Option<Expr>>> {
    let mut assigned = vec![None; relation.columns.len()];
    let mut assign = |name: &ObjectName, value: Expr| {
        let column = name.0.last().and_then(ObjectNamePart::as_ident).map(folded);
        let column = column.unwrap_or_default();
        let at = relation.column(&column).ok_or_else(|| no_column(&column, table))?;
        if assigned[at].replace(value).is_some() {
            let message = format!("multiple assignments to same column \"{column}\"");
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        Ok(())
    };
    for assignment in assignments {
        match (&assignment.target, &assignment.value) {
            (AssignmentTarget::ColumnName(name), value) => assign(name, value.clone())?,
            (AssignmentTarget::Tuple(names), Expr::Tuple(values))
                if names.len() == values.len() =>
            {
                names
                    .iter()
                    .zip(values)
                    .try_for_each(|(name, value)| assign(name, value.clone()))?;
            }
            (AssignmentTarget::Tuple(_), _) => {
                return Err(Error::unsupported("UPDATE ... SET (...) takes a list of values"));
            }
        }
    }
    Ok(assigned)
}

/// A value in a column's type.
fn cast(value: Expr, column: &RelationColumn) -> Result<Expr> {
    let value = match is_default(&value) {
        true => Expr::Value(Value::Null.with_empty_span()),
        false => value,
    };
    let query = frame(&format!("SELECT CAST(1 AS {})", type_text(column)))?;
    let SetExpr::Select(select) = *query.body else { return Err(Error::internal("no SELECT")) };
    match select.projection.into_iter().next() {
        Some(SelectItem::UnnamedExpr(Expr::Cast { kind, data_type, format, array, .. })) => {
            Ok(Expr::Cast { kind, expr: Box::new(value), data_type, format, array })
        }
        _ => Err(Error::internal("no CAST")),
    }
}

/// The parts of a statement that changes rows.
struct Parts<'a> {
    factor: &'a TableFactor,
    others: Vec<TableWithJoins>,
    selection: Option<Expr>,
    items: Vec<Expr>,
}

/// Plans the query of a statement that changes rows, over the table with the numbers of its rows.
async fn plan_change(
    session: &Arc<Inner>,
    parts: Parts<'_>,
    table: &RelationName,
    relation: &Relation,
    sql: &str,
    declared: &[Option<DataType>],
) -> Result<PlannedQuery> {
    session.binding.pin(session.snapshot());
    let provider = of_scratch(&session.binding, table, relation.clone(), true)
        .map_err(|error| from_datafusion(&error, sql))?;
    let target = Target {
        reference: TableReference::full(TARGET, table.schema.clone(), table.name.clone()),
        source: provider_as_source(provider),
    };
    let mut factor = parts.factor.clone();
    if let TableFactor::Table { name, .. } = &mut factor {
        let quoted = |value: &str| ObjectNamePart::Identifier(Ident::with_quote('"', value));
        *name = ObjectName(vec![quoted(TARGET), quoted(&table.schema), quoted(&table.name)]);
    }
    let mut query = frame("SELECT 1")?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        let item = |(at, expr)| SelectItem::ExprWithAlias {
            expr,
            alias: Ident::with_quote('"', format!("c{at}")),
        };
        select.projection = parts.items.into_iter().enumerate().map(item).collect();
        let first = TableWithJoins { relation: factor, joins: Vec::new() };
        select.from = std::iter::once(first).chain(parts.others).collect();
        let all = || Expr::Value(Value::Boolean(true).with_empty_span());
        select.selection = Some(parts.selection.unwrap_or_else(all));
    }
    if let TableFactor::Table { name, alias: None, .. } = parts.factor {
        let idents = name.0.iter().filter_map(ObjectNamePart::as_ident);
        let mut shorten = Shorten { written: idents.map(folded).collect() };
        let _ = VisitMut::visit(&mut query, &mut shorten);
    }
    prepare::plan_target(session, &query, sql, declared, target).await
}

/// Columns of the table that are qualified by its whole name, which it does not have here.
struct Shorten {
    /// The name as it is written: perhaps database and schema, and the name.
    written: Vec<String>,
}

impl VisitorMut for Shorten {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(idents) = expr
            && let Some((_, qualifier)) = idents.split_last()
            && qualifier.len() > 1
        {
            let mut backwards = qualifier.iter().rev().zip(self.written.iter().rev());
            let same = backwards.all(|(ident, written)| folded(ident) == *written);
            let (needless, fits) = (qualifier.len() - 1, qualifier.len() <= self.written.len());
            if same && fits {
                idents.drain(..needless);
            }
        }
        ControlFlow::Continue(())
    }
}

/// Runs a statement that changes rows.
///
/// # Errors
/// What the query says, `23502` for a null where none may be, and what the engine says.
pub(super) async fn run(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    planned: &PlannedScratch,
    values: Vec<ScalarValue>,
    sql: &str,
) -> Result<Outcome> {
    let (table, relation, change) = (&planned.table, &planned.relation, planned.change);
    if !is_temporary(relation.id) {
        session.check_may_write(change.tag())?;
    }
    let stream = execute::rows(session, &planned.query, values, sql).await?;
    let has_rows = change != Change::Delete;
    let numbers_at = (change != Change::Insert).then(|| planned.query.schema.fields().len() - 1);
    let mut change_of = Gathered::new(session, table, relation, has_rows);
    change_of.take_all(stream, numbers_at, sql).await?;
    let counts = (change_of.row_count, change_of.deleted.len() as u64);
    change_of.apply(session, gate).await?;
    let tag = match change {
        Change::Insert => format!("INSERT 0 {}", counts.0),
        Change::Update => format!("UPDATE {}", counts.1),
        Change::Delete => format!("DELETE {}", counts.1),
    };
    Ok(Outcome::Done { tag })
}

/// Rows on their way into a table, and numbers of those that go.
pub(super) struct Gathered {
    table: RelationName,
    relation: Relation,
    /// Of a table of everybody.
    added: Option<ScratchRows>,
    /// Of a temporary one.
    batches: Vec<RecordBatch>,
    deleted: HashSet<i64>,
    row_count: u64,
    has_rows: bool,
}

impl Gathered {
    /// Nothing yet.
    pub(super) fn new(
        session: &Inner,
        table: &RelationName,
        relation: &Relation,
        has_rows: bool,
    ) -> Self {
        let shared = has_rows && !is_temporary(relation.id);
        let added = shared.then(|| ScratchRows::new(&session.server.database, relation));
        let (table, relation) = (table.clone(), relation.clone());
        let (batches, deleted) = (Vec::new(), HashSet::new());
        Self { table, relation, added, batches, deleted, row_count: 0, has_rows }
    }

    async fn take_all(
        &mut self,
        mut stream: SendableRecordBatchStream,
        numbers_at: Option<usize>,
        sql: &str,
    ) -> Result<()> {
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| from_datafusion(&error, sql))?;
            let batch = match numbers_at {
                Some(at) => self.number(&batch, at)?,
                None => batch,
            };
            if self.has_rows && batch.num_rows() > 0 {
                self.take(&batch).await?;
            }
        }
        Ok(())
    }

    /// Notes the numbers of a batch's rows; where a row comes twice, the first one counts.
    fn number(&mut self, batch: &RecordBatch, at: usize) -> Result<RecordBatch> {
        let numbers = batch.column(at).as_primitive_opt::<Int64Type>();
        let numbers = numbers.ok_or_else(|| Error::internal("row numbers are not numbers"))?;
        let fresh: Vec<bool> =
            numbers.values().iter().map(|number| self.deleted.insert(*number)).collect();
        let fresh = arrow::array::BooleanArray::from(fresh);
        arrow::compute::filter_record_batch(batch, &fresh).map_err(|error| from_arrow(&error))
    }

    async fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.fit(batch)?;
        self.row_count += batch.num_rows() as u64;
        match self.added.take() {
            None => self.batches.push(batch),
            Some(mut added) => {
                // It may write files.
                let pushed = blocking(move || {
                    added.push(&batch)?;
                    Ok(added)
                });
                self.added = Some(pushed.await?);
            }
        }
        Ok(())
    }

    /// Takes rows, on a thread that may block.
    ///
    /// # Errors
    /// As [`Gathered::fit`], and what the disk says.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.fit(batch)?;
        self.row_count += batch.num_rows() as u64;
        match &mut self.added {
            None => self.batches.push(batch),
            Some(added) => added.push(&batch)?,
        }
        Ok(())
    }

    /// How many rows came.
    pub(super) fn row_count(&self) -> u64 {
        self.row_count
    }

    /// Rows in the types of the table's columns.
    ///
    /// # Errors
    /// `23502` for a null where none may be, and what casting says.
    fn fit(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = batch.columns().iter().zip(&self.relation.columns);
        let mut fitted = Vec::with_capacity(self.relation.columns.len());
        for (array, column) in columns {
            if column.not_null && array.logical_null_count() > 0 {
                let (name, table) = (&column.name, &self.table.name);
                let message = format!(
                    "null value in column \"{name}\" of relation \"{table}\" violates not-null constraint"
                );
                return Err(Error::new(SqlState("23502"), message));
            }
            let array = arrow::compute::cast(array, &column.ty);
            fitted.push(array.map_err(|error| from_arrow(&error))?);
        }
        let fields: Vec<Field> = self.relation.columns.iter().map(field_of).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), fitted, &options)
            .map_err(|error| from_arrow(&error))
    }

    /// The numbers of the rows that go, ascending.
    fn deleted(&self) -> Vec<i64> {
        let mut deleted: Vec<i64> = self.deleted.iter().copied().collect();
        deleted.sort_unstable();
        deleted
    }

    /// Changes the table.
    ///
    /// # Errors
    /// What the engine says.
    pub(super) async fn apply(self, session: &Arc<Inner>, gate: &Arc<CommitGate>) -> Result<()> {
        let deleted = self.deleted();
        if self.row_count == 0 && deleted.is_empty() {
            return Ok(());
        }
        let Self { table, relation, added, batches, .. } = self;
        if is_temporary(relation.id) {
            let mut temporary = session.binding.temporary().as_ref().clone();
            let database = &session.server.database;
            temporary.change_rows(database, &table, &relation, deleted, &batches)?;
            session.binding.set_temporary(Arc::new(temporary));
            return session.end_statement_alone();
        }
        transact(session, gate, move |transaction| {
            transaction.change_rows(&table, &relation, deleted, added).map(|_| ())
        })
        .await
    }
}

/// Takes all rows out of a table.
///
/// # Errors
/// What the engine says.
pub(super) async fn clear(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    table: RelationName,
    relation: Relation,
) -> Result<()> {
    let rows = match is_temporary(relation.id) {
        true => session.binding.temporary().state().scratch_rows(relation.id)?,
        false => session.snapshot().state.scratch_rows(relation.id)?,
    };
    let mut gathered = Gathered::new(session, &table, &relation, false);
    gathered.deleted.extend(rows);
    gathered.apply(session, gate).await
}

/// A table to be made of a query.
pub(super) struct Made {
    /// Its name.
    pub(super) name: RelationName,
    /// Names of its first columns, where they are not the query's.
    pub(super) names: Vec<String>,
    /// The definition, but for its columns.
    pub(super) definition: RelationDefinition,
}

/// CREATE TABLE AS.
///
/// # Errors
/// What the query says, `0A000` for a type that cannot be stored, and what the engine says.
pub(super) async fn create_as(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    query: &Query,
    made: Made,
    values: Vec<ScalarValue>,
    sql: &str,
) -> Result<Outcome> {
    let planned = prepare::plan_query(session, query, sql, &[]).await?;
    let fields = planned.schema.fields().iter().enumerate();
    let mut columns = fields.map(|(at, field)| column_of(at, field)).collect::<Result<Vec<_>>>()?;
    if made.names.len() > columns.len() {
        let message = "too many column names were specified";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
    }
    made.names.into_iter().zip(&mut columns).for_each(|(name, column)| column.name = name);
    let name = made.name;
    let own = name.schema == TEMPORARY_SCHEMA;
    let mut definition = made.definition;
    if let RelationDefinition::Create { columns: empty, .. } = &mut definition {
        empty.clone_from(&columns);
    }
    let checked = ddl::checked(session, vec![definition.clone()])?;
    let id = if own { crate::model::relation::TEMPORARY_MIN } else { SCRATCH_MIN };
    let columns_made = columns.len() as u32;
    let body = RelationBody::Table;
    let relation = Relation { id, columns, body, comment: None, columns_made };
    let stream = execute::rows(session, &planned, values, sql).await?;
    let mut gathered = Gathered::new(session, &name, &relation, true);
    gathered.take_all(stream, None, sql).await?;
    let Gathered { added, batches, row_count, .. } = gathered;
    if own {
        let mut temporary = session.binding.temporary().as_ref().clone();
        let database = &session.server.database;
        temporary.define(database, definition)?;
        let relation = temporary.relations().existing(&name)?.clone();
        temporary.change_rows(database, &name, &relation, Vec::new(), &batches)?;
        session.set_temporary(temporary);
    } else {
        transact(session, gate, move |transaction| {
            for definition in checked {
                transaction.define(definition)?;
            }
            let added = added.filter(|added| added.row_count() > 0);
            if added.is_some() {
                transaction.change_rows(&name, &relation, Vec::new(), added)?;
            }
            Ok(())
        })
        .await?;
    }
    Ok(Outcome::Done { tag: format!("SELECT {row_count}") })
}

/// Writes in the block's transaction, or in one of its own that ends with it.
///
/// # Errors
/// `57014` if a cancel came first, what the work says, and `40001` if others changed the same.
pub(super) async fn transact<T: Send + 'static>(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    work: impl FnOnce(&Transaction) -> Result<T> + Send + 'static,
) -> Result<T> {
    gate.commit()?;
    if let Some(transaction) = session.block_writes() {
        return blocking(move || work(&transaction)).await;
    }
    let database = &session.server.database;
    let transaction = database.begin(database.snapshot());
    blocking(move || {
        let answer = work(&transaction)?;
        transaction.commit()?;
        Ok(answer)
    })
    .await
}

impl Inner {
    /// The transaction of the block, if there is a block.
    fn block_writes(&self) -> Option<Arc<Transaction>> {
        let idle = self.transaction.lock().status == TransactionStatus::Idle;
        if idle {
            return None;
        }
        drop(self.accept());
        self.transaction.lock().writes.clone()
    }
}
