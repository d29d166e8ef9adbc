//! `selfsame.erasures`: receipts of the people who were forgotten.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::engine::Snapshot;
use crate::engine::internal::ERASURES;
use crate::engine::receipt::erasures_schema;
use crate::error::Result;
use crate::query::tables::rejects::internal_groups;
use crate::query::tables::{Binding, RowGroup, VirtualTable};

/// The table.
#[derive(Debug)]
pub struct Erasures;

impl VirtualTable for Erasures {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(erasures_schema())
    }

    fn comment(&self) -> String {
        "people who were forgotten: what was erased and when, not who they were".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["erasure_id"]
    }

    fn row_count(&self, snapshot: &Snapshot) -> Option<usize> {
        Some(snapshot.state.row_count(ERASURES))
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        Ok(internal_groups(&binding.snapshot(), ERASURES, &erasures_schema()))
    }
}
