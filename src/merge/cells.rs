//! The cells of one attribute, wherever its columns lie: batches fetched once, asked by place.
//!
//! The operator makes one per attribute. Walking the fragments of a profile jumps between batches,
//! so the question asked most, whether a cell is null, must cost no more than two look-ups.

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::compute::interleave;
use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::merge::fit::unexpected;
use crate::merge::operator::Columns;
use crate::merge::plan::MergePlan;

/// Where a fragment's row is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) batch: u32,
    pub(super) row: u32,
}

/// Stands for the batches of datasets that lack the attribute.
const LACKING: u32 = u32::MAX;

/// The cells of one attribute.
pub(super) struct Cells {
    ty: DataType,
    /// Per batch, the position of its column.
    columns: Vec<u32>,
    arrays: Vec<ArrayRef>,
    nulls: Vec<Option<NullBuffer>>,
}

impl Cells {
    /// Fetches the columns of the batches that fragments use: those with rows in `row_counts`.
    pub(super) fn fetch(
        plan: &MergePlan,
        attribute: usize,
        row_counts: &[u32],
        source: &dyn Columns,
    ) -> Result<Self> {
        let ty = plan.attribute(attribute)?.attribute.ty.to_arrow();
        let columns = vec![LACKING; row_counts.len()];
        let mut cells = Self { ty, columns, arrays: Vec::new(), nulls: Vec::new() };
        for (batch, row_count) in row_counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            if let Some(array) = source.column(batch as u32, attribute)? {
                cells.check(batch, *row_count, &array)?;
                cells.columns[batch] = cells.arrays.len() as u32;
                cells.nulls.push(array.logical_nulls().filter(|nulls| nulls.null_count() > 0));
                cells.arrays.push(array);
            }
        }
        Ok(cells)
    }

    fn check(&self, batch: usize, row_count: u32, array: &ArrayRef) -> Result<()> {
        if array.data_type() == &self.ty && array.len() >= row_count as usize {
            return Ok(());
        }
        Err(Error::internal(format!(
            "batch {batch} has {} rows of type {}, the merge needs {row_count} of type {}",
            array.len(),
            array.data_type(),
            self.ty
        )))
    }

    /// Whether the dataset of that place has the attribute at all.
    pub(super) fn exists(&self, place: Place) -> bool {
        self.columns[place.batch as usize] != LACKING
    }

    /// Whether there is a value at that place.
    pub(super) fn is_valid(&self, place: Place) -> bool {
        match self.columns[place.batch as usize] {
            LACKING => false,
            column => self.nulls[column as usize]
                .as_ref()
                .is_none_or(|nulls| nulls.is_valid(place.row as usize)),
        }
    }

    /// The cells at these places as one column; null for no place and where the attribute lacks.
    pub(super) fn gather(&self, places: impl Iterator<Item = Option<Place>>) -> Result<ArrayRef> {
        // The column after the last stands for null; it is there only if asked for, because a
        // column that has nulls takes the slower way through `interleave`.
        let nothing = (self.arrays.len(), 0);
        let cell = |place: Option<Place>| match place {
            Some(place) if self.exists(place) => {
                (self.columns[place.batch as usize] as usize, place.row as usize)
            }
            _ => nothing,
        };
        let cells: Vec<_> = places.map(cell).collect();
        let null = new_null_array(&self.ty, 1);
        let mut arrays: Vec<&dyn Array> = self.arrays.iter().map(AsRef::as_ref).collect();
        if arrays.is_empty() || cells.contains(&nothing) {
            arrays.push(&null);
        }
        interleave(&arrays, &cells).map_err(unexpected)
    }
}
