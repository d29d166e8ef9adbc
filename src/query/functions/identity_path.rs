//! `identity_path(namespace, value, namespace, value)`: the chain of evidence between two identities.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::engine::paths::{Connection, cheapest};
use crate::error::{Error, Result};
use crate::graph::identity_graph::LinkState;
use crate::query::functions::{Argument, Context, Signature, TableFunction, batch};
use crate::query::tables::identities::time_column;
use crate::query::tables::identity_links::dataset_lists;
use crate::query::tables::{column, text_list};
use crate::storage::part::time_type;

/// The function.
#[derive(Debug)]
pub struct IdentityPath;

const SIGNATURE: Signature = Signature {
    name: "identity_path",
    parameters: &["left_namespace", "left_value", "right_namespace", "right_value"],
    required_count: 4,
    result: "TABLE(step bigint, left_namespace text, left_identity text, right_namespace text, \
             right_identity text, datasets text[], evidence_count bigint, \
             first_seen_at timestamp with time zone, last_seen_at timestamp with time zone)",
    comment: "the shortest chain of live evidence between two identities of one person",
    example: "SELECT * FROM identity_path('email', 'ann@example.com', 'crm_id', '17')",
};

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("step", DataType::Int64, false, "place in the chain, from 1"),
        column("left_namespace", text(), false, "namespace of the one nearer to the start"),
        column("left_identity", text(), false, "the one nearer to the start"),
        column("right_namespace", text(), false, "namespace of the one nearer to the end"),
        column("right_identity", text(), false, "the one nearer to the end"),
        column("datasets", text_list(), false, "datasets with rows that name both"),
        column("evidence_count", DataType::Int64, false, "rows that name both"),
        column("first_seen_at", time_type(), true, "earliest observed_at of such a row"),
        column("last_seen_at", time_type(), true, "latest observed_at of such a row"),
    ]
}

impl TableFunction for IdentityPath {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn schema(&self, _context: &Context, _arguments: &[Argument]) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn rows(&self, context: &Context, arguments: &[&str]) -> Result<RecordBatch> {
        let [left_namespace, left, right_namespace, right] = *arguments else {
            return Err(Error::internal("identity_path() was called with other arguments"));
        };
        let snapshot = &context.snapshot;
        let from = snapshot.identity(left_namespace, left)?;
        let to = snapshot.identity(right_namespace, right)?;
        match (from, to) {
            (Some(from), Some(to)) => path(snapshot, from, to),
            _ => Ok(RecordBatch::new_empty(Arc::new(Schema::new(fields())))),
        }
    }
}

fn path(snapshot: &Snapshot, from: u32, to: u32) -> Result<RecordBatch> {
    let profile_of = |identity| snapshot.state.graph.profile_of(identity);
    let profile = profile_of(from).filter(|profile| profile_of(to) == Some(*profile));
    let profiles: Vec<u32> = profile.into_iter().collect();
    let mut evidence = snapshot.link_evidence(Some(&profiles))?;
    evidence.links.retain(|((left, right), _)| {
        snapshot.state.graph.link_state(*left, *right) == LinkState::Live
    });
    let connection = |((left, right), _): &((u32, u32), _)| Connection {
        left: *left,
        right: *right,
        is_dropped: false,
    };
    let connections: Vec<_> = evidence.links.iter().map(connection).collect();
    let key = |identity| snapshot.identity_key(identity);
    let steps = match profile {
        Some(_) => cheapest(&connections, from, to, key).unwrap_or_default(),
        None => Vec::new(),
    };
    let left: UInt32Array = steps.iter().map(|step| Some(step.left)).collect();
    let right: UInt32Array = steps.iter().map(|step| Some(step.right)).collect();
    let links: Vec<_> = steps.iter().map(|step| evidence.links[step.connection].1).collect();
    let sets = links.iter().map(|link| evidence.sets.get(link.datasets));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(1..=steps.len() as i64)),
        Arc::new(snapshot.identity_namespaces(&left)?),
        Arc::new(snapshot.identity_texts(&left)?),
        Arc::new(snapshot.identity_namespaces(&right)?),
        Arc::new(snapshot.identity_texts(&right)?),
        dataset_lists(snapshot, sets),
        Arc::new(Int64Array::from_iter_values(links.iter().map(|link| link.row_count as i64))),
        time_column(links.iter().map(|link| link.first_seen_at), i64::MAX),
        time_column(links.iter().map(|link| link.last_seen_at), i64::MIN),
    ];
    batch(fields(), columns)
}
