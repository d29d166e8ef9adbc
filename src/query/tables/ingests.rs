//! `selfsame.ingests`: the loads that were done.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::engine::Snapshot;
use crate::engine::internal::{INGESTS, ingests_schema};
use crate::error::Result;
use crate::query::tables::rejects::internal_groups;
use crate::query::tables::{Binding, RowGroup, VirtualTable};

/// The table.
#[derive(Debug)]
pub struct Ingests;

impl VirtualTable for Ingests {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(ingests_schema())
    }

    fn comment(&self) -> String {
        "loads that were done, with what each accepted and refused".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["ingest_id"]
    }

    fn row_count(&self, snapshot: &Snapshot) -> Option<usize> {
        Some(snapshot.state.row_count(INGESTS))
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        Ok(internal_groups(&binding.snapshot(), INGESTS, &ingests_schema()))
    }
}
