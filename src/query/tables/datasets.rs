//! `selfsame.datasets`: the datasets that are defined.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListBuilder, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::error::Result;
use crate::model::dataset::Dataset;
use crate::query::tables::dataset::kind_name;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group, text_list, texts};

/// The table.
#[derive(Debug)]
pub struct Datasets;

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("name", text(), false, "its name"),
        column("kind", text(), false, "record or event"),
        column("row_count", DataType::Int64, false, "accepted rows"),
        column(
            "identity_columns",
            text_list(),
            false,
            "columns that hold identities; the first usable one is primary",
        ),
        column("observed_at_column", text(), true, "the column with the source's time"),
        column(
            "event_id_column",
            text(),
            true,
            "the column by which repeated events are recognised",
        ),
        column("definition", text(), false, "the statement that creates it"),
    ]
}

impl VirtualTable for Datasets {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "datasets, with what they hold".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["name"]
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let snapshot = binding.snapshot();
        let all = snapshot.catalog().datasets_in_order();
        let mut identities = ListBuilder::new(StringViewBuilder::new());
        for dataset in &all {
            for (at, _) in dataset.identity_columns() {
                identities.values().append_value(&dataset.columns[at].name);
            }
            identities.append(true);
        }
        let rows = all.iter().map(|dataset| snapshot.state.row_count(dataset.id) as i64);
        let name =
            |dataset: &Dataset, at: Option<usize>| at.map(|at| dataset.columns[at].name.clone());
        let columns: Vec<ArrayRef> = vec![
            texts(all.iter().map(|dataset| Some(dataset.name.clone()))),
            texts(all.iter().map(|dataset| Some(kind_name(dataset.kind).to_owned()))),
            Arc::new(Int64Array::from_iter_values(rows)),
            Arc::new(identities.finish()),
            texts(all.iter().map(|dataset| name(dataset, dataset.observed_at()))),
            texts(all.iter().map(|dataset| name(dataset, dataset.event_id()))),
            texts(all.iter().map(|dataset| Some(dataset.to_string()))),
        ];
        one_group(fields(), columns)
    }
}
