//! Rows of scratch tables: how they come and go.
//!
//! They are kept like those of datasets (log, tail, segments), but are about nobody: no graph, no index.
//! Tables of everybody are changed through a transaction; a session's temporary tables are in a state
//! of its own, [`Temporary`], which is never written anywhere.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::catalog::Catalog;
use crate::catalog::relations::Relations;
use crate::engine::database::{Database, Defined};
use crate::engine::load::{Run, SEGMENT_ROWS_MIN};
use crate::engine::state::{Change, State};
use crate::engine::step::{EventChanges, Stage, Step};
use crate::engine::transaction::{Accept, Transaction};
use crate::engine::writer::{PendingPart, open_part};
use crate::error::{Error, Result, SqlState};
use crate::model::definition::Definition;
use crate::model::relation::{
    Relation, RelationDefinition, RelationKind, RelationName, is_scratch,
};
use crate::storage::record::{Commit, CommitPart, Delete, PartRows, Record};

/// The most bytes of the temporary tables of one session: they are in memory only.
pub const TEMPORARY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A change of the rows of a scratch table.
#[derive(Clone)]
pub struct PendingScratch {
    /// The table.
    pub(super) table: RelationName,
    /// As the rows were made for it.
    pub(super) relation: Relation,
    /// Rows that go, by number, ascending.
    pub(super) deleted: Vec<i64>,
    /// Rows that come.
    pub(super) added: Vec<PendingPart>,
}

/// The columns of a scratch table as its rows are stored.
pub fn scratch_schema(relation: &Relation) -> SchemaRef {
    let stored = |ty: &DataType| match ty {
        // What is read from a segment is told by its Arrow type alone.
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        ty => ty.clone(),
    };
    let columns = relation.columns.iter();
    let fields = columns.map(|column| Field::new(&column.source, stored(&column.ty), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

impl Stage<'_> {
    /// Changes the rows of a scratch table.
    ///
    /// # Errors
    /// `42P01`, `40001` if the table or its rows are not as they were; `XX001` or `58030` if a segment
    /// cannot be read.
    pub(super) fn change_scratch(&mut self, pending: &PendingScratch) -> Result<Step> {
        let relation = self.state.catalog.relations.existing(&pending.table)?;
        let expected = &pending.relation;
        if relation.columns != expected.columns || relation.kind() != RelationKind::Table {
            let message = format!("table \"{}\" was changed meanwhile", pending.table.name);
            return Err(Error::new(SqlState::SERIALIZATION_FAILURE, message)
                .hint("nothing was accepted; try again"));
        }
        let (table, mut records, mut row_count) = (relation.id, Vec::new(), 0);
        if !pending.deleted.is_empty() {
            let found = self.state.find_rows(table, &pending.deleted)?;
            let fragment_ids = self.state.delete_scratch(table, &found)?;
            if fragment_ids.len() != pending.deleted.len() {
                let message = format!("rows of \"{}\" were changed meanwhile", pending.table.name);
                return Err(Error::new(SqlState::SERIALIZATION_FAILURE, message)
                    .hint("nothing was accepted; try again"));
            }
            row_count = fragment_ids.len() as u64;
            records.push(Record::Delete(Delete { dataset: table, fragment_ids, noted: None }));
        }
        let mut commit = Commit { committed_at: self.committed_at, ..Commit::default() };
        for part in &pending.added {
            let first_fragment_id = self.state.next_fragment_id;
            let rows = part.rows.clone();
            let stored = CommitPart { dataset: table, first_fragment_id, rows };
            let part = open_part(self.shared, &stored, self.committed_at)?;
            if commit.parts.is_empty() {
                row_count = 0;
            }
            row_count += part.row_count() as u64;
            self.state.apply(Arc::new(part), &mut Change::default())?;
            commit.parts.push(stored);
        }
        if !commit.parts.is_empty() || records.is_empty() {
            records.push(Record::Commit(commit));
        }
        let record = match records.len() {
            1 => records.swap_remove(0),
            _ => Record::Transaction(records),
        };
        Ok(self.step(record, Change::default(), row_count, None))
    }
}

/// Rows on their way into a scratch table, in the types of its columns.
pub struct ScratchRows {
    run: Run,
    schema: SchemaRef,
    row_count: usize,
}

impl ScratchRows {
    /// Rows for a table of everybody: many go into files at once.
    pub fn new(database: &Database, relation: &Relation) -> Self {
        let schema = scratch_schema(relation);
        let run = Run::new(database.files(), relation.id, Arc::clone(&schema), SEGMENT_ROWS_MIN);
        Self { run, schema, row_count: 0 }
    }

    /// Adds rows: arrays of the table's columns, in order.
    ///
    /// # Errors
    /// `58030` if the disk fails, `0A000` if a type cannot be stored.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.row_count += batch.num_rows();
        self.run.push(&stored(batch, &self.schema)?)
    }

    /// How many there are.
    pub fn row_count(&self) -> usize {
        self.row_count
    }
}

/// A batch under the names and in the types of stored columns.
fn stored(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let internal = |error: arrow::error::ArrowError| Error::internal(error.to_string());
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns
        .map(|(array, field)| arrow::compute::cast(array, field.data_type()).map_err(internal))
        .collect::<Result<Vec<_>>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(internal)
}

impl Transaction {
    /// Changes the catalog.
    ///
    /// # Errors
    /// As `Database::define`.
    pub fn define(&self, definition: Definition) -> Result<Defined> {
        self.accept_definition(definition)
    }

    /// Changes the rows of a scratch table: some go, by number, and some come. Gives how many came, or
    /// else went.
    ///
    /// # Errors
    /// `42P01` if there is no such table, `40001` if it has changed; `54000` beyond what a transaction
    /// can hold; what the disk says.
    pub fn change_rows(
        &self,
        table: &RelationName,
        relation: &Relation,
        deleted: Vec<i64>,
        added: Option<ScratchRows>,
    ) -> Result<u64> {
        let finished = added.map(|added| added.run.finish()).transpose()?;
        let added = finished.iter().flat_map(|run| run.parts()).collect();
        let (table, relation) = (table.clone(), relation.clone());
        let changed = self.change_scratch(PendingScratch { table, relation, deleted, added })?;
        // From here on the transaction has the files.
        finished.into_iter().for_each(|run| run.keep());
        Ok(changed)
    }
}

/// A session's temporary tables and views.
#[derive(Clone, Debug)]
pub struct Temporary {
    state: State,
}

impl Default for Temporary {
    fn default() -> Self {
        let catalog = Catalog { relations: Relations::temporary(), ..Catalog::default() };
        let mut state = State::default();
        state.catalog = Arc::new(catalog);
        Self { state }
    }
}

impl Temporary {
    /// Which there are.
    pub fn relations(&self) -> &Relations {
        &self.state.catalog.relations
    }

    /// Their rows.
    pub fn state(&self) -> &State {
        &self.state
    }

    fn stage<T>(
        &mut self,
        database: &Database,
        work: impl FnOnce(&mut Stage<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.state.clone();
        let committed_at = database.clock().now_micros();
        let events = EventChanges::default();
        let shared = database.shared();
        let done = work(&mut Stage { shared, state: &mut state, events: &events, committed_at })?;
        if held(&state) > TEMPORARY_BYTES_MAX && held(&state) > held(&self.state) {
            let message = format!(
                "the temporary tables of a session can hold at most {TEMPORARY_BYTES_MAX} bytes"
            );
            return Err(Error::new(SqlState("53200"), message)
                .hint("drop some, or use a table that is not temporary"));
        }
        self.state = state;
        Ok(done)
    }

    /// Changes which there are.
    ///
    /// # Errors
    /// As `Relations::apply`.
    pub fn define(
        &mut self,
        database: &Database,
        definition: RelationDefinition,
    ) -> Result<Defined> {
        let definition = Definition::Relation(definition);
        self.stage(database, |stage| Ok(stage.define(definition, None)?.1))
    }

    /// Changes the rows of a table, as [`Transaction::change_rows`] does.
    ///
    /// # Errors
    /// `53200` beyond [`TEMPORARY_BYTES_MAX`].
    pub fn change_rows(
        &mut self,
        database: &Database,
        table: &RelationName,
        relation: &Relation,
        deleted: Vec<i64>,
        added: &[RecordBatch],
    ) -> Result<u64> {
        let schema = scratch_schema(relation);
        let part = |batch: &RecordBatch| {
            let rows = PartRows::Batch(stored(batch, &schema)?);
            Ok(PendingPart { dataset: relation.id, rows })
        };
        let full = added.iter().filter(|batch| batch.num_rows() > 0);
        let added = full.map(part).collect::<Result<Vec<_>>>()?;
        let (table, relation) = (table.clone(), relation.clone());
        let pending = PendingScratch { table, relation, deleted, added };
        self.stage(database, |stage| Ok(stage.change_scratch(&pending)?.row_count))
    }
}

/// Bytes of the rows of scratch tables that are in memory.
fn held(state: &State) -> usize {
    let tables = state.datasets.keys().filter(|id| is_scratch(**id));
    let parts = tables.flat_map(|id| state.parts(*id));
    parts.filter_map(|(_, part)| part.batch().map(RecordBatch::get_array_memory_size)).sum()
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, BinaryArray};
    use arrow::buffer::{Buffer, OffsetBuffer};

    use super::*;
    use crate::engine::Options;
    use crate::model::definition::Existence;
    use crate::model::relation::{RelationBody, RelationColumn, TEMPORARY_SCHEMA};

    /// One value of so many bytes.
    fn rows(byte_count: usize) -> RecordBatch {
        let offsets = OffsetBuffer::from_lengths([byte_count]);
        let values: ArrayRef =
            Arc::new(BinaryArray::new(offsets, Buffer::from(vec![0_u8; byte_count]), None));
        RecordBatch::try_from_iter([("a", values)]).unwrap()
    }

    #[test]
    fn temporary_tables_hold_only_so_much() {
        let database = Database::open(Options::memory()).unwrap();
        let name = RelationName::new(TEMPORARY_SCHEMA, "t");
        let column = RelationColumn {
            name: "a".to_owned(),
            source: "c1".to_owned(),
            ty: DataType::Binary,
            type_name: None,
            not_null: false,
            comment: None,
        };
        let create = RelationDefinition::Create {
            name: name.clone(),
            columns: vec![column],
            body: RelationBody::Table,
            existence: Existence::Strict,
        };
        let mut temporary = Temporary::default();
        temporary.define(&database, create).unwrap();
        let relation = temporary.relations().existing(&name).unwrap().clone();
        let mut add = |batch: RecordBatch| {
            temporary.change_rows(&database, &name, &relation, Vec::new(), &[batch])
        };
        assert_eq!(add(rows(1_000)).unwrap(), 1);
        let error = add(rows(TEMPORARY_BYTES_MAX)).unwrap_err();
        assert_eq!(error.code().0, "53200");
        assert_eq!(temporary.state().row_count(relation.id), 1);
        let gone = temporary.state().scratch_rows(relation.id).unwrap();
        assert_eq!(temporary.change_rows(&database, &name, &relation, gone, &[]).unwrap(), 1);
        assert_eq!(temporary.state().row_count(relation.id), 0);
    }
}
