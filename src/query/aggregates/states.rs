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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringViewArray};
    use arrow::datatypes::DataType;

    use super::*;
    use crate::merge::{Rule, strategy};
    use crate::model::policy::StrategyCall;
    use crate::query::aggregates::arguments::Shape;
    use crate::query::aggregates::candidates::Candidates;
    use crate::query::aggregates::compaction::DEAD_ROWS_MAX;
    use crate::query::aggregates::winners::Winners;

    /// The states of a strategy over texts, ordered by time alone if at all.
    fn states(name: &str) -> Box<dyn States> {
        let strategy = strategy(name).expect("a strategy");
        let shape = Shape::of(name).expect("a strategy with an aggregate");
        let order_count = shape.order_count(2);
        match strategy.rule() {
            Rule::Order(rule) => {
                Box::new(Winners::new(rule, shape, order_count, DataType::Utf8View))
            }
            _ => {
                let call = StrategyCall::plain(name);
                Box::new(Candidates::new(strategy, call, shape, order_count, DataType::Utf8View))
            }
        }
    }

    /// Feeds rows in the order of time over two groups, far more of them than states may hold dead,
    /// and shows both results and whether the states stayed small.
    fn check(name: &str, expected: [&str; 2]) {
        const ROWS: usize = 4096;
        let groups: Vec<_> = (0..ROWS).map(|row| row % 2).collect();
        let mut states = Grouped(states(name));
        let mut size_max = 0;
        for batch in 0..4 * DEAD_ROWS_MAX / ROWS {
            let text = |row: usize| format!("a text of more than twelve bytes {}", row % 8);
            let values: StringViewArray = (0..ROWS).map(|row| Some(text(row))).collect();
            let times = (0..ROWS).map(|row| (batch * ROWS + row) as i64).collect::<Vec<_>>();
            let arguments: [ArrayRef; 2] = [Arc::new(values), Arc::new(Int64Array::from(times))];
            states.update_batch(&arguments, &groups, None, 2).expect("rows");
            size_max = size_max.max(states.size());
        }
        let results = states.evaluate(EmitTo::All).expect("results");
        let shown = |row| {
            let shown = arrow::util::display::array_value_to_string(&results, row);
            shown.expect("a value").replace("a text of more than twelve bytes ", "")
        };
        assert_eq!([shown(0), shown(1)], expected, "{name}");
        // At most the dead rows allowed, with their keys, and one batch more.
        assert!(size_max < 3 * DEAD_ROWS_MAX * 64, "{name} held {size_max} bytes");
        assert!(states.size() < 1024, "{name} holds {} bytes after all", states.size());
    }

    #[test]
    fn what_cannot_matter_is_dropped_on_the_way() {
        check("latest", ["6", "7"]);
        check("earliest", ["0", "1"]);
        check("longest", ["6", "7"]);
        check("collect_set", ["[0, 2, 4, 6]", "[1, 3, 5, 7]"]);
        check("unanimous", ["", ""]);
    }
}
