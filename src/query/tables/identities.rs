//! `identities`: every identity that an accepted row named, with the person it belongs to.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, TimestampMicrosecondArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::engine::evidence::profile_column;
use crate::error::Result;
use crate::model::column::UTC;
use crate::query::tables::lookup::LookupColumn;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group};
use crate::storage::part::time_type;

/// The table.
#[derive(Debug)]
pub struct Identities;

fn fields() -> Vec<Field> {
    vec![
        column("identity_id", DataType::Int64, false, "its number, in order of first acceptance"),
        column("namespace", DataType::Utf8View, false, "its namespace"),
        column("identity", DataType::Utf8View, false, "its normalised value"),
        column("profile_id", DataType::Int64, false, "the person it belongs to"),
        column("first_seen_at", time_type(), true, "earliest observed_at of a row that names it"),
        column("last_seen_at", time_type(), true, "latest observed_at of a row that names it"),
        column("fragment_count", DataType::Int64, false, "rows that name it"),
        column(
            "link_count",
            DataType::Int64,
            false,
            "identities it was ever observed together with",
        ),
    ]
}

/// Times as a column; `none` stands for a time that is not known.
pub fn time_column(times: impl Iterator<Item = i64>, none: i64) -> ArrayRef {
    let times: TimestampMicrosecondArray =
        times.map(|time| (time != none).then_some(time)).collect();
    Arc::new(times.with_timezone(UTC))
}

impl VirtualTable for Identities {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "identities, and the person each belongs to".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["identity_id"]
    }

    fn lookups(&self, _binding: &Binding, _snapshot: &Snapshot) -> Vec<LookupColumn> {
        vec![LookupColumn::profile_id()]
    }

    fn row_count(&self, snapshot: &Snapshot) -> Option<usize> {
        Some(snapshot.state.graph.identity_count())
    }

    fn groups(
        &self,
        binding: &Binding,
        profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let snapshot = binding.snapshot();
        let evidence = snapshot.identity_evidence(profiles)?;
        let links = snapshot.link_evidence(profiles)?.counts();
        let identities = evidence.identities();
        let numbers = UInt32Array::from(identities.clone());
        let seen = || identities.iter().map(|identity| evidence.seen(*identity));
        let link_count = |identity: &u32| links.get(identity).copied().unwrap_or(0);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(identities.iter().map(|one| i64::from(*one)))),
            Arc::new(snapshot.identity_namespaces(&numbers)?),
            Arc::new(snapshot.identity_texts(&numbers)?),
            Arc::new(profile_column(&snapshot, numbers.iter())),
            time_column(seen().map(|seen| seen.first_seen_at), i64::MAX),
            time_column(seen().map(|seen| seen.last_seen_at), i64::MIN),
            Arc::new(Int64Array::from_iter_values(seen().map(|seen| seen.fragment_count))),
            Arc::new(Int64Array::from_iter_values(identities.iter().map(link_count))),
        ];
        one_group(fields(), columns)
    }
}
