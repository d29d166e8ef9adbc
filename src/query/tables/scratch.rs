//! Scratch tables: rows of users that are about nobody.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::engine::state::State;
use crate::error::Result;
use crate::model::relation::{Relation, RelationColumn, is_temporary};
use crate::query::postgres::types::METADATA_KEY;
use crate::query::tables::{Binding, RowGroup, VirtualTable};
use crate::storage::part::{FRAGMENT_ID, Part};

/// The table.
#[derive(Debug)]
pub struct ScratchTable {
    /// Its definition.
    pub relation: Relation,
    /// Whether it has one more column at its end, the numbers of its rows.
    pub with_row_numbers: bool,
}

/// A column of a relation as a field.
pub fn field_of(column: &RelationColumn) -> Field {
    let mut metadata = std::collections::HashMap::new();
    if let Some(name) = &column.type_name {
        metadata.insert(METADATA_KEY.to_owned(), name.clone());
    }
    if let Some(comment) = &column.comment {
        metadata.insert("comment".to_owned(), comment.clone());
    }
    Field::new(&column.name, column.ty.clone(), !column.not_null).with_metadata(metadata)
}

impl VirtualTable for ScratchTable {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        let mut fields: Vec<Field> = self.relation.columns.iter().map(field_of).collect();
        if self.with_row_numbers {
            fields.push(Field::new(FRAGMENT_ID, DataType::Int64, false));
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    fn comment(&self) -> String {
        self.relation.comment.clone().unwrap_or_default()
    }

    fn row_count(&self, snapshot: &Snapshot) -> Option<usize> {
        let id = self.relation.id;
        (!is_temporary(id)).then(|| snapshot.state.row_count(id))
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        if is_temporary(self.relation.id) {
            return Ok(self.groups_of(binding.temporary().state()));
        }
        Ok(self.groups_of(&binding.snapshot().state))
    }
}

impl ScratchTable {
    fn groups_of(&self, state: &State) -> Vec<Arc<dyn RowGroup>> {
        let columns: Arc<Vec<(String, DataType)>> = Arc::new(
            self.relation.columns.iter().map(|it| (it.source.clone(), it.ty.clone())).collect(),
        );
        let mut groups: Vec<Arc<dyn RowGroup>> = Vec::new();
        for (_, part) in state.parts(self.relation.id) {
            for group in (0..part.group_count()).filter(|at| part.group_live_count(*at) > 0) {
                let (part, columns) = (Arc::clone(part), Arc::clone(&columns));
                groups.push(Arc::new(ScratchRows { part, group, columns }));
            }
        }
        groups
    }
}

struct ScratchRows {
    part: Arc<Part>,
    group: usize,
    /// Stored names and types.
    columns: Arc<Vec<(String, DataType)>>,
}

impl RowGroup for ScratchRows {
    fn row_count(&self) -> usize {
        self.part.group_live_count(self.group)
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        let column = match self.columns.get(at) {
            Some((name, ty)) => self.part.column(self.group, name, ty)?,
            None => {
                let numbers: Int64Array = self.part.fragment_ids(self.group)?;
                Arc::new(numbers)
            }
        };
        self.part.live_column(self.group, column)
    }
}
