//! `identity_links`: every pair of identities ever observed together, with its evidence.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, ListBuilder, StringViewArray, StringViewBuilder,
    UInt32Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::engine::evidence::{LinkEvidence, profile_column};
use crate::error::Result;
use crate::graph::fold::Reason;
use crate::graph::identity_graph::LinkState;
use crate::query::tables::identities::time_column;
use crate::query::tables::lookup::LookupColumn;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group, text_list};
use crate::storage::part::time_type;

/// The table.
#[derive(Debug)]
pub struct IdentityLinks;

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("profile_id", DataType::Int64, false, "the person of the left identity"),
        column("left_namespace", text(), false, "namespace of the one that was seen first"),
        column("left_identity", text(), false, "the one that was seen first"),
        column("right_namespace", text(), false, "namespace of the other"),
        column("right_identity", text(), false, "the other"),
        column("datasets", text_list(), false, "datasets with rows that name both"),
        column("evidence_count", DataType::Int64, false, "rows that name both"),
        column("first_seen_at", time_type(), true, "earliest observed_at of such a row"),
        column("last_seen_at", time_type(), true, "latest observed_at of such a row"),
        column("live", DataType::Boolean, false, "whether it makes them one person"),
        column("reason", text(), true, "why not, if not"),
    ]
}

/// The names of sets of datasets, sorted, as the column that shows them.
pub fn dataset_lists<'a>(snapshot: &Snapshot, sets: impl Iterator<Item = &'a [u32]>) -> ArrayRef {
    let names: BTreeMap<u32, &str> = snapshot
        .catalog()
        .datasets
        .values()
        .map(|dataset| (dataset.id, dataset.name.as_str()))
        .collect();
    let mut lists = ListBuilder::new(StringViewBuilder::new().with_deduplicate_strings());
    for set in sets {
        let mut row: Vec<&str> = set.iter().filter_map(|id| names.get(id).copied()).collect();
        row.sort_unstable();
        row.into_iter().for_each(|name| lists.values().append_value(name));
        lists.append(true);
    }
    Arc::new(lists.finish())
}

fn dataset_names(snapshot: &Snapshot, evidence: &LinkEvidence) -> ArrayRef {
    dataset_lists(snapshot, evidence.links.iter().map(|(_, link)| evidence.sets.get(link.datasets)))
}

/// Why links do not live, in the words of spec 3; null for those that do.
fn reasons(snapshot: &Snapshot, states: &[LinkState]) -> StringViewArray {
    let mut texts = StringViewBuilder::with_capacity(states.len()).with_deduplicate_strings();
    for state in states {
        match state {
            LinkState::Live => texts.append_null(),
            LinkState::Dropped(dropped) => {
                texts.append_value(reason_text(snapshot, dropped.reason))
            }
        }
    }
    texts.finish()
}

/// A reason in the words of spec 3.
pub(crate) fn reason_text(snapshot: &Snapshot, reason: Reason) -> String {
    match reason {
        Reason::Unique(namespace) => {
            let namespace = snapshot.catalog().namespace_by_id(namespace);
            format!("unique {}", namespace.map_or("?", |namespace| namespace.name.as_str()))
        }
        Reason::Capacity => "capacity".to_owned(),
        Reason::Unlinked => "unlinked".to_owned(),
    }
}

impl VirtualTable for IdentityLinks {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "pairs of identities ever observed together, with their evidence".to_owned()
    }

    fn lookups(&self, _binding: &Binding, _snapshot: &Snapshot) -> Vec<LookupColumn> {
        vec![LookupColumn::profile_id()]
    }

    fn groups(
        &self,
        binding: &Binding,
        profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let snapshot = binding.snapshot();
        let evidence = snapshot.link_evidence(profiles)?;
        let links = &evidence.links;
        let left: UInt32Array = links.iter().map(|((left, _), _)| Some(*left)).collect();
        let right: UInt32Array = links.iter().map(|((_, right), _)| Some(*right)).collect();
        let counts = links.iter().map(|(_, link)| link.row_count as i64);
        let states: Vec<LinkState> = links
            .iter()
            .map(|((left, right), _)| snapshot.state.graph.link_state(*left, *right))
            .collect();
        let live: BooleanArray =
            states.iter().map(|state| Some(*state == LinkState::Live)).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(profile_column(&snapshot, left.iter())),
            Arc::new(snapshot.identity_namespaces(&left)?),
            Arc::new(snapshot.identity_texts(&left)?),
            Arc::new(snapshot.identity_namespaces(&right)?),
            Arc::new(snapshot.identity_texts(&right)?),
            dataset_names(&snapshot, &evidence),
            Arc::new(Int64Array::from_iter_values(counts)),
            time_column(links.iter().map(|(_, link)| link.first_seen_at), i64::MAX),
            time_column(links.iter().map(|(_, link)| link.last_seen_at), i64::MIN),
            Arc::new(live),
            Arc::new(reasons(&snapshot, &states)),
        ];
        one_group(fields(), columns)
    }
}
