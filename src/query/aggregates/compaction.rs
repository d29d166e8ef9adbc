//! Keeping some rows of a column and nothing else of it.
//!
//! Accumulators outlive the batches they read; a column of text or arrays that is merely sliced or
//! taken from would hold the buffers of all its sources.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::error::{Error, Result};

/// Dead rows that an accumulator puts up with before it compacts what it holds, beyond as many as
/// are alive: some thousands, so that small states never compact and large ones at most double.
pub(super) const DEAD_ROWS_MAX: usize = 64 * 1024;

/// These rows of a column, in buffers of their own.
pub(super) fn keep(column: &ArrayRef, rows: Vec<u32>) -> Result<ArrayRef> {
    Ok(compact(take(column, &UInt32Array::from(rows), None).map_err(failed)?))
}

/// A column without the bytes of texts that none of its rows shows.
pub(super) fn compact(column: ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        DataType::List(field) => {
            let list = column.as_list::<i32>();
            let values = compact(Arc::clone(list.values()));
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Arc::new(ListArray::new(Arc::clone(field), offsets, values, nulls))
        }
        _ => column,
    }
}

/// An error of Arrow where DataFusion has checked the types before.
pub(super) fn failed(error: ArrowError) -> Error {
    Error::internal(format!("aggregation failed: {error}"))
}
