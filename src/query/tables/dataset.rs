//! `<dataset>`: its accepted rows, with the columns as declared and the values as they were given.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::error::Result;
use crate::model::dataset::{DatasetKind, Role};
use crate::query::tables::part_rows::{PartRows, Shown};
use crate::query::tables::provider::GENERATED;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column};
use crate::storage::part::FRAGMENT_ID;

/// The table of one dataset.
#[derive(Debug)]
pub struct DatasetTable {
    /// The dataset's name.
    pub name: String,
    /// Whether a last column shows the rows' fragment ids.
    pub with_fragment_ids: bool,
}

impl VirtualTable for DatasetTable {
    fn schema(&self, snapshot: &Snapshot) -> Result<SchemaRef> {
        let dataset = snapshot.catalog().dataset(&self.name)?;
        let fields = dataset.columns.iter().map(|declared| {
            let comment = match &declared.role {
                Role::Value => declared.attribute_name().to_owned(),
                Role::Identity(namespace) if declared.is_derived() => {
                    format!("identity of namespace {namespace}, computed from the row")
                }
                Role::Identity(namespace) => format!("identity of namespace {namespace}"),
                Role::EventId => "event id".to_owned(),
                Role::ObservedAt => "the source's time of the row".to_owned(),
            };
            let mut field = column(&declared.name, declared.ty.to_arrow(), true, &comment);
            if let Some(expression) = &declared.derived {
                field.metadata_mut().insert(GENERATED.to_owned(), expression.clone());
            }
            field
        });
        let mut fields: Vec<_> = fields.collect();
        if self.with_fragment_ids {
            let comment = "the row's number in order of ingestion";
            fields.push(column(FRAGMENT_ID, DataType::Int64, false, comment));
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    fn dataset(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn comment(&self) -> String {
        format!("accepted rows of dataset {}, as they were given", self.name)
    }

    fn row_count(&self, snapshot: &Snapshot) -> Option<usize> {
        let dataset = snapshot.catalog().dataset(&self.name).ok()?;
        Some(snapshot.state.row_count(dataset.id))
    }

    fn groups(
        &self,
        binding: &Binding,
        profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let snapshot = binding.snapshot();
        let dataset = Arc::new(snapshot.catalog().dataset(&self.name)?.clone());
        let shown = dataset
            .columns
            .iter()
            .map(|column| Shown::Column(column.name.clone(), column.ty.to_arrow()));
        let ids = self.with_fragment_ids.then_some(Shown::FragmentId);
        let shown = Arc::new(shown.chain(ids).collect());
        let runs = snapshot.runs(&[dataset.id], profiles).into_iter();
        Ok(runs
            .map(|run| {
                Arc::new(PartRows::new(&snapshot, &dataset, run, &shown)) as Arc<dyn RowGroup>
            })
            .collect())
    }
}

/// How a kind of dataset is called in tables.
pub fn kind_name(kind: DatasetKind) -> &'static str {
    match kind {
        DatasetKind::Record => "record",
        DatasetKind::Event => "event",
    }
}
