//! Aggregates that look at values: candidates are gathered, then handed to the rule of `merge`.
//!
//! Where the laws of the strategy allow it, what cannot matter any more is dropped on the way:
//! repeated values of a set, and all but the winner where a pick narrows. The rest is bounded by
//! the query's memory pool, to which [`States::size`] reports.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt32Array, new_empty_array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field};

use crate::error::Result;
use crate::merge::groups::{Groups, comparator, distinct, element, position};
use crate::merge::{Rule, Strategy};
use crate::model::policy::StrategyCall;
use crate::query::aggregates::arguments::{Orders, Place, Shape};
use crate::query::aggregates::compaction::{DEAD_ROWS_MAX, compact, failed, keep};
use crate::query::aggregates::states::{Rows, States};

/// The candidates of all groups, in order of arrival.
#[derive(Debug)]
pub(super) struct Candidates {
    strategy: &'static dyn Strategy,
    call: StrategyCall,
    shape: Shape,
    order_count: usize,
    ty: DataType,
    group_count: usize,
    /// The values, batch after batch; never null.
    batches: Vec<ArrayRef>,
    /// The group of each.
    groups: Vec<u32>,
    /// The place of each in the order, if there is one.
    places: Vec<Place>,
    /// Bytes of all batches.
    byte_count: usize,
    /// How many candidates the last compaction left.
    compacted_count: usize,
}

/// Candidates by group, ascending in order within each.
struct Arranged {
    /// All values, in order of arrival.
    values: ArrayRef,
    /// Which of them is at each position.
    items: Vec<u32>,
    /// Where each group's positions begin.
    offsets: Vec<u32>,
}

impl Candidates {
    /// No group yet. `order_count` is how many columns of order there are.
    pub(super) fn new(
        strategy: &'static dyn Strategy,
        call: StrategyCall,
        shape: Shape,
        order_count: usize,
        ty: DataType,
    ) -> Self {
        Self {
            strategy,
            call,
            shape,
            order_count,
            ty,
            group_count: 0,
            batches: Vec::new(),
            groups: Vec::new(),
            places: Vec::new(),
            byte_count: 0,
            compacted_count: 0,
        }
    }

    /// Adds candidates: rows of a column, with the group and the place of each.
    fn absorb(
        &mut self,
        values: &ArrayRef,
        rows: Vec<u32>,
        groups: impl Iterator<Item = u32>,
        orders: &Orders,
    ) -> Result<()> {
        if self.order_count > 0 {
            self.places.extend(rows.iter().map(|row| orders.place(*row as usize)));
        }
        self.groups.extend(groups);
        position(self.groups.len())?;
        if !rows.is_empty() {
            self.push(keep(values, rows)?);
        }
        if self.groups.len() > 2 * self.compacted_count + DEAD_ROWS_MAX {
            self.compact()?;
            self.compacted_count = self.groups.len();
        }
        Ok(())
    }

    fn push(&mut self, batch: ArrayRef) {
        self.byte_count += batch.get_array_memory_size();
        self.batches.push(batch);
    }

    /// The candidates of the first `count` groups by group and order.
    fn arrange(&self, count: usize) -> Result<Arranged> {
        let batches: Vec<_> = self.batches.iter().map(AsRef::as_ref).collect();
        let values = match batches.as_slice() {
            [] => new_empty_array(&self.ty),
            batches => concat(batches).map_err(failed)?,
        };
        let (offsets, mut items) = by_group(&self.groups, count);
        if self.order_count > 0 {
            let compare = comparator(&values, &values)?;
            for range in (Groups { offsets: &offsets }).ranges().filter(|range| range.len() > 1) {
                items[range].sort_unstable_by(|left, right| {
                    let (left, right) = (*left as usize, *right as usize);
                    // Ties end by the values: see the aggregates decided by order.
                    self.places[left].1.cmp(&self.places[right].1).then(compare(left, right))
                });
            }
        }
        Ok(Arranged { values, items, offsets })
    }

    /// Drops candidates that cannot matter any more.
    fn compact(&mut self) -> Result<()> {
        let Arranged { values, items, offsets } = self.arrange(self.group_count)?;
        let groups = Groups { offsets: &offsets };
        let sorted = take_rows(&values, &items)?;
        let kept: Vec<u32> = match self.strategy.rule() {
            Rule::Pick(rule) if rule.narrows() => {
                rule.pick(&sorted, &groups)?.into_iter().flatten().collect()
            }
            _ if self.strategy.laws().idempotent && self.order_count == 0 => {
                distinct(&comparator(&sorted, &sorted)?, groups.ranges())?.0
            }
            _ => return Ok(()),
        };
        self.retain(&values, kept.into_iter().map(|at| items[at as usize]).collect())
    }

    /// Keeps only these candidates, given by their order of arrival.
    fn retain(&mut self, values: &ArrayRef, kept: Vec<u32>) -> Result<()> {
        self.groups = kept.iter().map(|at| self.groups[*at as usize]).collect();
        if self.order_count > 0 {
            self.places = kept.iter().map(|at| self.places[*at as usize]).collect();
        }
        self.batches.clear();
        self.byte_count = 0;
        if !kept.is_empty() {
            self.push(keep(values, kept)?);
        }
        Ok(())
    }
}

impl States for Candidates {
    fn update(&mut self, arguments: &[ArrayRef], rows: Rows<'_>) -> Result<()> {
        self.group_count = self.group_count.max(rows.group_count);
        let (values, order) = (&arguments[0], &arguments[1..]);
        let orders = Orders::of_arguments(self.shape, order)?;
        let nulls = values.logical_nulls();
        let counts = |row: &u32| {
            let row = *row as usize;
            rows.count(row) && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
        };
        let kept: Vec<_> = (0..rows.groups.len() as u32).filter(counts).collect();
        let groups: Vec<_> = kept.iter().map(|row| rows.groups[*row as usize] as u32).collect();
        self.absorb(values, kept, groups.into_iter(), &orders)
    }

    fn merge(&mut self, state: &[ArrayRef], rows: Rows<'_>) -> Result<()> {
        self.group_count = self.group_count.max(rows.group_count);
        let lists = state[0].as_list::<i32>();
        let order: Vec<_> =
            state[1..].iter().map(|column| elements(column.as_list::<i32>())).collect();
        let orders = Orders::of_state(self.shape, &order);
        let repeated = |(row, group): (usize, &usize)| {
            std::iter::repeat_n(*group as u32, lists.value_length(row) as usize)
        };
        let groups = rows.groups.iter().enumerate().flat_map(repeated);
        let values = elements(lists);
        let kept = (0..values.len() as u32).collect();
        self.absorb(&values, kept, groups, &orders)
    }

    fn results(&self, count: usize) -> Result<ArrayRef> {
        let Arranged { values, items, offsets } = self.arrange(count)?;
        let groups = Groups { offsets: &offsets };
        let sorted = take_rows(&values, &items)?;
        match self.strategy.rule() {
            Rule::Combine(rule) => rule.combine(&sorted, &groups, &self.call),
            Rule::Pick(rule) => {
                let picked = UInt32Array::from(rule.pick(&sorted, &groups)?);
                take(&sorted, &picked, None).map_err(failed)
            }
            Rule::Order(_) => {
                Err(crate::error::Error::internal("an order strategy has no candidates"))
            }
        }
    }

    fn state(&self, count: usize) -> Result<Vec<ArrayRef>> {
        let Arranged { values, items, offsets } = self.arrange(count)?;
        element(items.len())?;
        let places = items.iter().filter(|_| self.order_count > 0);
        let places = places.map(|at| Some(self.places[*at as usize]));
        let mut columns = vec![compact(take_rows(&values, &items)?)];
        columns.extend(Orders::columns(self.shape, self.order_count, places));
        columns.into_iter().map(|column| list(column, &offsets)).collect()
    }

    fn forget(&mut self, count: usize) -> Result<()> {
        if count >= self.group_count {
            let fresh = Self::new(
                self.strategy,
                self.call.clone(),
                self.shape,
                self.order_count,
                self.ty.clone(),
            );
            *self = fresh;
            return Ok(());
        }
        let Arranged { values, .. } = self.arrange(0)?;
        let stays = |at: &u32| self.groups[*at as usize] as usize >= count;
        let kept = (0..self.groups.len() as u32).filter(stays).collect();
        self.retain(&values, kept)?;
        self.groups.iter_mut().for_each(|group| *group -= count as u32);
        self.group_count -= count;
        self.compacted_count = self.compacted_count.min(self.groups.len());
        Ok(())
    }

    fn group_count(&self) -> usize {
        self.group_count
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<u32>()
            + self.places.capacity() * size_of::<Place>()
            + self.byte_count
    }

    fn fresh(&self) -> Box<dyn States> {
        let (call, ty) = (self.call.clone(), self.ty.clone());
        Box::new(Self::new(self.strategy, call, self.shape, self.order_count, ty))
    }
}

/// Counting sort of candidates by group, of the first `count` groups.
fn by_group(groups: &[u32], count: usize) -> (Vec<u32>, Vec<u32>) {
    let within = || groups.iter().enumerate().filter(|(_, group)| (**group as usize) < count);
    let mut offsets = vec![0_u32; count + 1];
    within().for_each(|(_, group)| offsets[*group as usize + 1] += 1);
    for group in 0..count {
        offsets[group + 1] += offsets[group];
    }
    let mut next = offsets.clone();
    let mut items = vec![0_u32; offsets[count] as usize];
    for (at, group) in within() {
        items[next[*group as usize] as usize] = at as u32;
        next[*group as usize] += 1;
    }
    (offsets, items)
}

fn take_rows(values: &ArrayRef, rows: &[u32]) -> Result<ArrayRef> {
    take(values, &UInt32Array::from(rows.to_vec()), None).map_err(failed)
}

/// One array per group.
fn list(column: ArrayRef, offsets: &[u32]) -> Result<ArrayRef> {
    let offsets: Vec<_> = offsets.iter().map(|offset| *offset as i32).collect();
    let field = Arc::new(Field::new("item", column.data_type().clone(), true));
    let lists = ListArray::try_new(field, OffsetBuffer::new(offsets.into()), column, None);
    Ok(Arc::new(lists.map_err(failed)?))
}

/// The elements of arrays side by side, without what lies before and after.
fn elements(lists: &ListArray) -> ArrayRef {
    let offsets = lists.value_offsets();
    let Range { start, end } = offsets[0] as usize..offsets[lists.len()] as usize;
    lists.values().slice(start, end - start)
}
