//! `rejects`: rows that loads refused, where they came from and why.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;

use crate::engine::Snapshot;
use crate::engine::internal::{REJECTS, rejects_schema};
use crate::error::Result;
use crate::query::tables::{Binding, RowGroup, VirtualTable};
use crate::storage::part::Part;

/// The table.
#[derive(Debug)]
pub struct Rejects;

impl VirtualTable for Rejects {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(rejects_schema())
    }

    fn comment(&self) -> String {
        "rows that loads refused, where they came from and why".to_owned()
    }

    fn row_count(&self, snapshot: &Snapshot) -> Option<usize> {
        Some(snapshot.state.row_count(REJECTS))
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        Ok(internal_groups(&binding.snapshot(), REJECTS, &rejects_schema()))
    }
}

/// The rows of one of the store's own datasets.
pub(super) fn internal_groups(
    snapshot: &Snapshot,
    dataset: u32,
    schema: &SchemaRef,
) -> Vec<Arc<dyn RowGroup>> {
    let mut groups: Vec<Arc<dyn RowGroup>> = Vec::new();
    for (_, part) in snapshot.state.parts(dataset) {
        for group in 0..part.group_count() {
            let (part, schema) = (Arc::clone(part), Arc::clone(schema));
            groups.push(Arc::new(InternalRows { part, group, schema }));
        }
    }
    groups
}

struct InternalRows {
    part: Arc<Part>,
    group: usize,
    schema: SchemaRef,
}

impl RowGroup for InternalRows {
    fn row_count(&self) -> usize {
        self.part.group_live_count(self.group)
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        let field = self.schema.field(at);
        let column = self.part.column(self.group, field.name(), field.data_type())?;
        self.part.live_column(self.group, column)
    }
}
