//! `simulate_rejects(rows, namespaces)`: the rows that would not be accepted under these settings.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::Result;
use crate::query::functions::simulation_input::{PARAMETERS, example, simulated};
use crate::query::functions::{Argument, Context, Signature, TableFunction, batch};
use crate::query::tables::{column, texts};

/// The function.
#[derive(Debug)]
pub struct SimulateRejects;

const SIGNATURE: Signature = Signature {
    name: "simulate_rejects",
    parameters: PARAMETERS,
    required_count: 2,
    result: "TABLE(row_number bigint, code text, message text)",
    comment: "the rows given as JSON that would be refused under namespaces given as JSON",
    example: example!("simulate_rejects"),
};

fn fields() -> Vec<Field> {
    vec![
        column("row_number", DataType::Int64, false, "which row, from 1"),
        column("code", DataType::Utf8View, false, "what is wrong with it, as in rejects"),
        column("message", DataType::Utf8View, false, "the same for people"),
    ]
}

impl TableFunction for SimulateRejects {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn schema(&self, _context: &Context, _arguments: &[Argument]) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn rows(&self, _context: &Context, arguments: &[&str]) -> Result<RecordBatch> {
        let refused = simulated(arguments)?.refused;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(refused.iter().map(|refusal| refusal.row))),
            texts(refused.iter().map(|refusal| Some(refusal.code.to_owned()))),
            texts(refused.iter().map(|refusal| Some(refusal.message.clone()))),
        ];
        batch(fields(), columns)
    }
}
