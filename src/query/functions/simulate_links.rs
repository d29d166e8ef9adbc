//! `simulate_links(rows, namespaces)`: the links that these rows would give under these settings.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::Result;
use crate::graph::identity_graph::LinkState;
use crate::query::functions::simulation_input::{PARAMETERS, example, simulated};
use crate::query::functions::{Argument, Context, Signature, TableFunction, batch};
use crate::query::tables::identity_links::reason_text;
use crate::query::tables::{column, texts};

/// The function.
#[derive(Debug)]
pub struct SimulateLinks;

const SIGNATURE: Signature = Signature {
    name: "simulate_links",
    parameters: PARAMETERS,
    required_count: 2,
    result: "TABLE(left_namespace text, left_identity text, right_namespace text, \
             right_identity text, evidence_count bigint, live boolean, reason text, \
             dropped_at_row bigint)",
    comment: "the links that rows given as JSON would make under namespaces given as JSON",
    example: example!("simulate_links"),
};

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("left_namespace", text(), false, "namespace of the one that is named first"),
        column("left_identity", text(), false, "the one that is named first"),
        column("right_namespace", text(), false, "namespace of the other"),
        column("right_identity", text(), false, "the other"),
        column("evidence_count", DataType::Int64, false, "rows that name both"),
        column("live", DataType::Boolean, false, "whether it makes them one person"),
        column("reason", text(), true, "why not, if not"),
        column("dropped_at_row", DataType::Int64, true, "with which row it was dropped, from 1"),
    ]
}

impl TableFunction for SimulateLinks {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn schema(&self, _context: &Context, _arguments: &[Argument]) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn rows(&self, _context: &Context, arguments: &[&str]) -> Result<RecordBatch> {
        let simulation = simulated(arguments)?;
        let (snapshot, links) = (&simulation.snapshot, &simulation.links);
        let left: UInt32Array = links.iter().map(|((left, _), _)| Some(*left)).collect();
        let right: UInt32Array = links.iter().map(|((_, right), _)| Some(*right)).collect();
        let state =
            |(pair, _): &((u32, u32), _)| match snapshot.state.graph.link_state(pair.0, pair.1) {
                LinkState::Live => None,
                LinkState::Dropped(dropped) => Some(dropped),
            };
        let dropped: Vec<_> = links.iter().map(state).collect();
        let reason = |reason| reason_text(snapshot, reason);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(snapshot.identity_namespaces(&left)?),
            Arc::new(snapshot.identity_texts(&left)?),
            Arc::new(snapshot.identity_namespaces(&right)?),
            Arc::new(snapshot.identity_texts(&right)?),
            Arc::new(Int64Array::from_iter_values(
                links.iter().map(|(_, evidence)| evidence.row_count as i64),
            )),
            Arc::new(
                dropped.iter().map(|dropped| Some(dropped.is_none())).collect::<BooleanArray>(),
            ),
            texts(dropped.iter().map(|dropped| dropped.map(|dropped| reason(dropped.reason)))),
            Arc::new(
                dropped
                    .iter()
                    .map(|dropped| dropped.map(|dropped| dropped.fragment_id))
                    .collect::<Int64Array>(),
            ),
        ];
        batch(fields(), columns)
    }
}
