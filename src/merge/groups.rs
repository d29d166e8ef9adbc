//! Candidates of many profiles side by side, and the walks over them that strategies share.
//!
//! The operator and the SQL aggregates build these; strategies read them. No strategy lives here.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DynComparator, make_comparator};
use arrow::compute::SortOptions;

use crate::error::{Error, Result, SqlState};

/// The most candidates, fragments or groups of one merge: positions are 32 bits, half the memory of
/// machine words, and a merge that is larger is better split by ranges of profiles anyway.
pub const POSITIONS_MAX: usize = u32::MAX as usize - 1;

/// The most elements of all arrays in one column: Arrow's lists have 31-bit offsets.
pub const ELEMENTS_MAX: usize = i32::MAX as usize;

/// Candidates of many profiles: candidate `i` of group `g` for `i` in `offsets[g]..offsets[g + 1]`,
/// ascending in the order of spec 5.3, and never null.
#[derive(Clone, Copy, Debug)]
pub struct Groups<'a> {
    /// Where each group begins, and at last where the last one ends.
    pub offsets: &'a [u32],
}

impl<'a> Groups<'a> {
    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The candidates of each group in turn.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        self.offsets.windows(2).map(|pair| pair[0] as usize..pair[1] as usize)
    }

    /// The candidate that no later one beats, per group.
    pub fn select(&self, mut beats: impl FnMut(usize, usize) -> bool) -> Vec<Option<u32>> {
        let winner = |range: Range<usize>| {
            range.reduce(|holder, item| if beats(item, holder) { item } else { holder })
        };
        self.ranges().map(winner).map(|item| item.map(|item| item as u32)).collect()
    }

    /// Folds the candidates of each group into one value; null where there is none.
    ///
    /// # Errors
    /// What `fold` gives.
    pub fn fold<T, F>(&self, mut fold: F) -> Result<Vec<Option<T>>>
    where
        F: FnMut(Range<usize>) -> Result<T>,
    {
        self.ranges()
            .map(|range| if range.is_empty() { Ok(None) } else { fold(range).map(Some) })
            .collect()
    }

    /// Folds booleans with an associative operation.
    pub fn fold_booleans(&self, values: &ArrayRef, with: fn(bool, bool) -> bool) -> ArrayRef {
        let values = values.as_boolean();
        let folded: BooleanArray =
            self.ranges().map(|range| range.map(|at| values.value(at)).reduce(with)).collect();
        std::sync::Arc::new(folded)
    }
}

/// The natural order of a column's values: nulls first, texts by bytes, arrays element by element,
/// not-a-number last.
///
/// # Errors
/// `42804` if the type has none.
pub fn comparator(left: &dyn Array, right: &dyn Array) -> Result<DynComparator> {
    make_comparator(left, right, SortOptions { descending: false, nulls_first: true }).map_err(
        |error| {
            let message = format!("values of type {} have no order", left.data_type());
            Error::new(SqlState::DATATYPE_MISMATCH, message).detail(error.to_string())
        },
    )
}

/// The distinct items of ranges, ascending, and where each range's begin; of equal items the last
/// is kept, which is the newest where the range is in the order of spec 5.3.
pub fn distinct(
    compare: &DynComparator,
    ranges: impl Iterator<Item = Range<usize>>,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let (mut items, mut offsets) = (Vec::new(), vec![0]);
    for range in ranges {
        let start = items.len();
        items.extend(range.map(|item| item as u32));
        let found = &mut items[start..];
        found.sort_unstable_by(|a, b| compare(*a as usize, *b as usize).then_with(|| b.cmp(a)));
        let mut kept = start;
        for at in start..items.len() {
            let item = items[at];
            if at == start || compare(items[kept - 1] as usize, item as usize) != Ordering::Equal {
                items[kept] = item;
                kept += 1;
            }
        }
        items.truncate(kept);
        offsets.push(position(items.len())?);
    }
    Ok((items, offsets))
}

/// A number of candidates, fragments or groups as a position.
///
/// # Errors
/// `54000` beyond [`POSITIONS_MAX`].
pub fn position(count: usize) -> Result<u32> {
    if count > POSITIONS_MAX {
        let message = format!("a merge cannot have more than {POSITIONS_MAX} candidates");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
            .hint("merge fewer profiles at a time"));
    }
    Ok(count as u32)
}

/// A number of array elements as an offset of an Arrow list.
///
/// # Errors
/// `54000` beyond [`ELEMENTS_MAX`].
pub fn element(count: usize) -> Result<i32> {
    if count > ELEMENTS_MAX {
        let message = format!("a column of arrays cannot have more than {ELEMENTS_MAX} elements");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
            .hint("merge fewer profiles at a time"));
    }
    Ok(count as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use std::sync::Arc;

    #[test]
    fn distinct_sorts_each_range_and_keeps_the_last_of_equals() {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![3, 1, 3, 3, 2, 2, 9]));
        let compare = comparator(&values, &values).expect("integers have an order");
        let (items, offsets) = distinct(&compare, [0..3, 3..3, 3..6].into_iter()).expect("small");
        assert_eq!((items, offsets), (vec![1, 2, 5, 3], vec![0, 2, 2, 4]));
    }

    #[test]
    fn limits_are_errors_and_not_overflows() {
        assert_eq!(position(POSITIONS_MAX).ok(), Some(u32::MAX - 1));
        let error = position(POSITIONS_MAX + 1).expect_err("one too many");
        assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED);
        assert_eq!(element(ELEMENTS_MAX).ok(), Some(i32::MAX));
        let error = element(ELEMENTS_MAX + 1).expect_err("one too many");
        assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED);
    }
}
