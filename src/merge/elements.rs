//! Candidates taken apart: scalars as they are, arrays into their elements.
//!
//! For the strategies that collect; the pieces stay in their Arrow column, only positions move.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field};

use crate::error::Result;
use crate::merge::fit::unexpected;
use crate::merge::groups::{Groups, comparator, distinct, element, position};

/// The type of the elements: of an array its item's, of a scalar its own.
pub fn element_type(ty: &DataType) -> &DataType {
    match ty {
        DataType::List(item) => item.data_type(),
        scalar => scalar,
    }
}

/// The array type that holds such elements.
pub fn list_type(element: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", element.clone(), true)))
}

/// The elements of all candidates, and which of them belong to each group.
pub struct Elements {
    values: ArrayRef,
    ranges: Vec<Range<usize>>,
}

impl Elements {
    /// Takes candidates apart. A list's elements lie side by side, so a group's do too.
    pub fn of(values: &ArrayRef, groups: &Groups<'_>) -> Self {
        match values.as_list_opt::<i32>() {
            None => Self { values: Arc::clone(values), ranges: groups.ranges().collect() },
            Some(list) => {
                let offsets = list.value_offsets();
                let inner = |range: Range<usize>| {
                    offsets[range.start] as usize..offsets[range.end] as usize
                };
                let ranges = groups.ranges().map(inner).collect();
                Self { values: Arc::clone(list.values()), ranges }
            }
        }
    }

    /// The column that the positions below point into.
    pub fn values(&self) -> &ArrayRef {
        &self.values
    }

    /// Positions of the distinct elements, ascending, without null; and where each group's begin.
    ///
    /// # Errors
    /// `54000` beyond the limits of positions.
    pub fn distinct(&self) -> Result<(Vec<u32>, Vec<u32>)> {
        let compare = comparator(&self.values, &self.values)?;
        let (items, offsets) = distinct(&compare, self.ranges.iter().cloned())?;
        match self.values.logical_nulls() {
            Some(nulls) if nulls.null_count() > 0 => without_nulls(&items, &offsets, &nulls),
            _ => Ok((items, offsets)),
        }
    }

    /// Positions of all elements in order, without null; and where each group's begin.
    ///
    /// # Errors
    /// `54000` beyond the limits of positions.
    pub fn all(&self) -> Result<(Vec<u32>, Vec<u32>)> {
        let nulls = self.values.logical_nulls();
        let (mut items, mut offsets) = (Vec::new(), vec![0]);
        for range in &self.ranges {
            let valid = |at: &usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*at));
            items.extend(range.clone().filter(valid).map(|at| at as u32));
            offsets.push(position(items.len())?);
        }
        Ok((items, offsets))
    }

    /// One array per group of the elements at these positions; null where there is no candidate.
    ///
    /// # Errors
    /// `54000` if there are more elements than a column of arrays can hold.
    pub fn lists(
        &self,
        (items, offsets): (Vec<u32>, Vec<u32>),
        groups: &Groups<'_>,
    ) -> Result<ArrayRef> {
        element(items.len())?;
        let values = take(&self.values, &UInt32Array::from(items), None).map_err(unexpected)?;
        let offsets = offsets.into_iter().map(|offset| offset as i32).collect::<Vec<_>>();
        let valid = NullBuffer::from_iter(groups.ranges().map(|range| !range.is_empty()));
        let field = Arc::new(Field::new("item", values.data_type().clone(), true));
        let lists =
            ListArray::try_new(field, OffsetBuffer::new(offsets.into()), values, Some(valid));
        Ok(Arc::new(lists.map_err(unexpected)?))
    }
}

fn without_nulls(
    items: &[u32],
    offsets: &[u32],
    nulls: &NullBuffer,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let (mut kept, mut ends) = (Vec::with_capacity(items.len()), vec![0]);
    for range in (Groups { offsets }).ranges() {
        let valid = |item: &&u32| nulls.is_valid(**item as usize);
        kept.extend(items[range].iter().filter(valid));
        ends.push(position(kept.len())?);
    }
    Ok((kept, ends))
}
