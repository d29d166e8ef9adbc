//! `simulate_graph(rows, namespaces)`: the graphs that these rows would give under these settings.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::Result;
use crate::query::functions::simulation_input::{PARAMETERS, example, simulated};
use crate::query::functions::{Argument, Context, Signature, TableFunction, batch};
use crate::query::tables::column;

/// The function.
#[derive(Debug)]
pub struct SimulateGraph;

const SIGNATURE: Signature = Signature {
    name: "simulate_graph",
    parameters: PARAMETERS,
    required_count: 2,
    result: "TABLE(profile_id bigint, namespace text, identity text)",
    comment: "the graphs that rows given as JSON would make under namespaces given as JSON",
    example: example!("simulate_graph"),
};

fn fields() -> Vec<Field> {
    vec![
        column("profile_id", DataType::Int64, false, "number of the first identity of its graph"),
        column("namespace", DataType::Utf8View, false, "namespace of the identity"),
        column("identity", DataType::Utf8View, false, "its normalised value"),
    ]
}

impl TableFunction for SimulateGraph {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn schema(&self, _context: &Context, _arguments: &[Argument]) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn rows(&self, _context: &Context, arguments: &[&str]) -> Result<RecordBatch> {
        let snapshot = simulated(arguments)?.snapshot;
        let graph = &snapshot.state.graph;
        let of = |identity| graph.profile_of(identity).map(|profile| (profile, identity));
        let mut members: Vec<(u32, u32)> = graph.identities().filter_map(of).collect();
        members.sort_unstable();
        let profiles = members.iter().map(|(profile, _)| i64::from(*profile));
        let identities: UInt32Array = members.iter().map(|(_, identity)| Some(*identity)).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(profiles)),
            Arc::new(snapshot.identity_namespaces(&identities)?),
            Arc::new(snapshot.identity_texts(&identities)?),
        ];
        batch(fields(), columns)
    }
}
