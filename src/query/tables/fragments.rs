//! `fragments`: the accepted rows of all datasets, with the profile that each belongs to now.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::catalog::attributes::Attribute;
use crate::engine::Snapshot;
use crate::error::Result;
use crate::model::dataset::{Dataset, DatasetKind};
use crate::model::policy::Stitch;
use crate::query::tables::lookup::LookupColumn;
use crate::query::tables::part_rows::{PartRows, Shown};
use crate::query::tables::{Binding, RowGroup, VirtualTable, column};
use crate::storage::part::time_type;

/// The table.
#[derive(Debug)]
pub struct Fragments;

/// The columns that describe a row, before its attributes, and what each shows.
fn described() -> Vec<(Field, Shown)> {
    let text = DataType::Utf8View;
    vec![
        (
            column("fragment_id", DataType::Int64, false, "the row's number in order of ingestion"),
            Shown::FragmentId,
        ),
        (column("dataset", text.clone(), false, "the dataset it is from"), Shown::Dataset),
        (
            column("namespace", text.clone(), true, "namespace of its primary identity"),
            Shown::Namespace,
        ),
        (column("identity", text, true, "its primary identity"), Shown::Identity),
        (
            column("profile_id", DataType::Int64, true, "the person it belongs to now"),
            Shown::ProfileId,
        ),
        (column("observed_at", time_type(), true, "the source's time of it"), Shown::ObservedAt),
        (column("ingested_at", time_type(), false, "when it was accepted"), Shown::IngestedAt),
    ]
}

/// Attributes as columns.
pub(super) fn attribute_fields(attributes: &[Attribute]) -> Vec<Field> {
    let field = |attribute: &Attribute| {
        let comment = match &attribute.namespace {
            Some(namespace) => format!("attribute; identity of namespace {namespace}"),
            None => "attribute".to_owned(),
        };
        column(&attribute.name, attribute.ty.to_arrow(), true, &comment)
    };
    attributes.iter().map(field).collect()
}

/// What attributes show of a dataset's rows.
pub(super) fn attribute_columns(attributes: &[Attribute], dataset: &Dataset) -> Vec<Shown> {
    let shown = |attribute: &Attribute| {
        let ty = attribute.ty.to_arrow();
        match attribute.column(dataset.id) {
            Some(name) => Shown::Attribute(name.to_owned(), ty),
            None => Shown::Null(ty),
        }
    };
    attributes.iter().map(shown).collect()
}

/// Look-ups by profile id and by attributes that are identities.
pub(super) fn identity_lookups(snapshot: &Snapshot) -> Vec<LookupColumn> {
    let mut lookups = vec![LookupColumn::profile_id()];
    for attribute in snapshot.catalog().attributes() {
        let namespace = attribute.namespace.as_deref();
        let known = namespace.and_then(|name| snapshot.catalog().namespace(name).ok());
        lookups.extend(known.map(|namespace| LookupColumn {
            column: attribute.name.clone(),
            namespace: Some(namespace.id),
            stitch: Stitch::Graph,
        }));
    }
    lookups
}

impl VirtualTable for Fragments {
    fn schema(&self, snapshot: &Snapshot) -> Result<SchemaRef> {
        let mut fields: Vec<Field> = described().into_iter().map(|(field, _)| field).collect();
        fields.extend(attribute_fields(&snapshot.catalog().attributes()));
        Ok(Arc::new(Schema::new(fields)))
    }

    fn comment(&self) -> String {
        "accepted rows of all datasets, with the attributes of the record datasets".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["fragment_id"]
    }

    fn lookups(&self, _binding: &Binding, snapshot: &Snapshot) -> Vec<LookupColumn> {
        identity_lookups(snapshot)
    }

    fn row_count(&self, snapshot: &Snapshot) -> Option<usize> {
        let datasets = snapshot.catalog().datasets.values();
        Some(datasets.map(|dataset| snapshot.state.row_count(dataset.id)).sum())
    }

    fn groups(
        &self,
        binding: &Binding,
        profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        groups_of(&binding.snapshot(), profiles)
    }
}

/// The rows of a snapshot: all, or those of some profiles.
///
/// # Errors
/// What reading rows may give.
pub(in crate::query) fn groups_of(
    snapshot: &Arc<Snapshot>,
    profiles: Option<&[u32]>,
) -> Result<Vec<Arc<dyn RowGroup>>> {
    let attributes = snapshot.catalog().attributes();
    let mut groups: Vec<Arc<dyn RowGroup>> = Vec::new();
    for dataset in snapshot.catalog().datasets_in_order() {
        let mut shown: Vec<Shown> = described().into_iter().map(|(_, shown)| shown).collect();
        // The columns of events are no attributes, whatever they are called (spec 5.4).
        shown.extend(match dataset.kind {
            DatasetKind::Record => attribute_columns(&attributes, dataset),
            DatasetKind::Event => {
                attributes.iter().map(|one| Shown::Null(one.ty.to_arrow())).collect()
            }
        });
        let (dataset, shown) = (Arc::new(dataset.clone()), Arc::new(shown));
        for run in snapshot.runs(&[dataset.id], profiles) {
            groups.push(Arc::new(PartRows::new(snapshot, &dataset, run, &shown)));
        }
    }
    Ok(groups)
}
