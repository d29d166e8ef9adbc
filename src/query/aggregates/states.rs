//! The states of all groups of one aggregate, and how DataFusion sees them.
//!
//! An aggregate is written once, as [`States`]; [`Grouped`] shows it to `GROUP BY`, [`Single`] to
//! aggregation without groups and to windows.

use std::fmt::Debug;

use arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

use crate::query::aggregates::external;

/// The groups of the rows of a batch, and which rows count.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// The group of each row.
    pub(super) groups: &'a [usize],
    /// The rows that the aggregate's FILTER lets through; `None` for all.
    pub(super) filter: Option<&'a BooleanArray>,
    /// How many groups there are by now.
    pub(super) group_count: usize,
}

impl Rows<'_> {
    /// Whether a row counts.
    pub(super) fn count(&self, row: usize) -> bool {
        self.filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
    }
}

/// The states of all groups of one aggregate. Results never depend on the order of calls.
pub(super) trait States: Debug + Send + Sync {
    /// Takes rows of arguments in.
    fn update(&mut self, arguments: &[ArrayRef], rows: Rows<'_>) -> crate::error::Result<()>;

    /// Takes partial states in.
    fn merge(&mut self, state: &[ArrayRef], rows: Rows<'_>) -> crate::error::Result<()>;

    /// The results of the first `count` groups. Changes nothing, as windows ask again and again.
    fn results(&self, count: usize) -> crate::error::Result<ArrayRef>;

    /// The partial states of the first `count` groups.
    fn state(&self, count: usize) -> crate::error::Result<Vec<ArrayRef>>;

    /// Drops the first `count` groups; the next becomes the first.
    fn forget(&mut self, count: usize) -> crate::error::Result<()>;

    /// How many groups there are.
    fn group_count(&self) -> usize;

    /// Bytes held.
    fn size(&self) -> usize;

    /// The same aggregate, without any group.
    fn fresh(&self) -> Box<dyn States>;
}

/// Many groups.
pub(super) struct Grouped(pub(super) Box<dyn States>);

impl Grouped {
    fn emit<T>(
        &mut self,
        emit_to: EmitTo,
        what: impl FnOnce(&dyn States, usize) -> crate::error::Result<T>,
    ) -> Result<T> {
        let count = match emit_to {
            EmitTo::All => self.0.group_count(),
            EmitTo::First(count) => count,
        };
        let emitted = what(self.0.as_ref(), count).map_err(external)?;
        self.0.forget(count).map_err(external)?;
        Ok(emitted)
    }
}

impl GroupsAccumulator for Grouped {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let rows =
            Rows { groups: group_indices, filter: opt_filter, group_count: total_num_groups };
        self.0.update(values, rows).map_err(external)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.emit(emit_to, |states, count| states.results(count))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.emit(emit_to, |states, count| states.state(count))
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        let rows = Rows { groups: group_indices, filter: None, group_count: total_num_groups };
        self.0.merge(values, rows).map_err(external)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let row_count = values[0].len();
        let groups: Vec<_> = (0..row_count).collect();
        let rows = Rows { groups: &groups, filter: opt_filter, group_count: row_count };
        let mut states = self.0.fresh();
        states.update(values, rows).map_err(external)?;
        states.state(row_count).map_err(external)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.size()
    }
}

/// One group.
#[derive(Debug)]
pub(super) struct Single(Box<dyn States>);

impl Single {
    /// A single group, there even if no row comes.
    pub(super) fn try_new(mut states: Box<dyn States>, arguments: &[ArrayRef]) -> Result<Self> {
        let rows = Rows { groups: &[], filter: None, group_count: 1 };
        states.update(arguments, rows).map_err(external)?;
        Ok(Self(states))
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; values[0].len()];
        let rows = Rows { groups: &groups, filter: None, group_count: 1 };
        self.0.update(values, rows).map_err(external)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.0.results(1).map_err(external)?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let columns = self.0.state(1).map_err(external)?;
        columns.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; states[0].len()];
        let rows = Rows { groups: &groups, filter: None, group_count: 1 };
        self.0.merge(states, rows).map_err(external)
    }
}
