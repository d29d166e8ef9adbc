//! `events`: the accepted rows of all event datasets, with the profile that each belongs to now.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::error::Result;
use crate::model::dataset::DatasetKind;
use crate::query::tables::fragments::{attribute_columns, attribute_fields};
use crate::query::tables::lookup::LookupColumn;
use crate::query::tables::part_rows::{PartRows, Shown};
use crate::query::tables::{Binding, RowGroup, VirtualTable, column};
use crate::storage::part::time_type;

/// The table.
#[derive(Debug)]
pub struct Events;

/// The columns that describe an event, before its own, and what each shows.
fn described() -> Vec<(Field, Shown)> {
    let text = DataType::Utf8View;
    vec![
        (
            column("event_id", text.clone(), true, "the source's id of it, if it has one"),
            Shown::EventId,
        ),
        (column("dataset", text.clone(), false, "the dataset it is from"), Shown::Dataset),
        (
            column("profile_id", DataType::Int64, true, "the person it belongs to now"),
            Shown::ProfileId,
        ),
        (
            column("namespace", text.clone(), true, "namespace of its primary identity"),
            Shown::Namespace,
        ),
        (column("identity", text, true, "its primary identity"), Shown::Identity),
        (column("observed_at", time_type(), true, "when it happened"), Shown::ObservedAt),
        (column("ingested_at", time_type(), false, "when it was accepted"), Shown::IngestedAt),
    ]
}

impl VirtualTable for Events {
    fn schema(&self, snapshot: &Snapshot) -> Result<SchemaRef> {
        let mut fields: Vec<Field> = described().into_iter().map(|(field, _)| field).collect();
        let own: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let mut attributes = snapshot.catalog().event_attributes();
        attributes.retain(|attribute| !own.contains(&attribute.name));
        fields.extend(attribute_fields(&attributes));
        Ok(Arc::new(Schema::new(fields)))
    }

    fn comment(&self) -> String {
        "accepted events of all event datasets, with the union of their columns".to_owned()
    }

    fn lookups(&self, _binding: &Binding, _snapshot: &Snapshot) -> Vec<LookupColumn> {
        vec![LookupColumn::profile_id()]
    }

    fn row_count(&self, snapshot: &Snapshot) -> Option<usize> {
        let events = snapshot.catalog().datasets.values();
        let events = events.filter(|dataset| dataset.kind == DatasetKind::Event);
        Some(events.map(|dataset| snapshot.state.row_count(dataset.id)).sum())
    }

    fn groups(
        &self,
        binding: &Binding,
        profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let snapshot = binding.snapshot();
        let described = described();
        let mut attributes = snapshot.catalog().event_attributes();
        attributes.retain(|one| !described.iter().any(|(field, _)| *field.name() == one.name));
        let mut groups: Vec<Arc<dyn RowGroup>> = Vec::new();
        for dataset in snapshot.catalog().datasets_in_order() {
            if dataset.kind != DatasetKind::Event {
                continue;
            }
            let mut shown: Vec<Shown> = described.iter().map(|(_, shown)| shown.clone()).collect();
            shown.extend(attribute_columns(&attributes, dataset));
            let (dataset, shown) = (Arc::new(dataset.clone()), Arc::new(shown));
            for run in snapshot.runs(&[dataset.id], profiles) {
                groups.push(Arc::new(PartRows::new(&snapshot, &dataset, run, &shown)));
            }
        }
        Ok(groups)
    }
}
