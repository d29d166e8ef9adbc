//! Aggregates decided by order: one slot per group, which says who won and where its value is.
//!
//! Only winning values are copied, once per batch; what they have beaten is dropped when more than
//! half is dead. So bytes held are those of the slots (40 each) and of at most twice the winners.

use arrow::array::{Array, ArrayRef, DynComparator, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::merge::groups::{comparator, position};
use crate::merge::order::{Key, OrderRule};
use crate::query::aggregates::arguments::{Orders, Place, Shape};
use crate::query::aggregates::compaction::{DEAD_ROWS_MAX, compact, failed, keep};
use crate::query::aggregates::states::{Rows, States};

/// Stands for the batch being read, whose winners are not yet copied.
const READING: u32 = u32::MAX;

/// Stands for no batch: the group has no winner.
const NOBODY: u32 = u32::MAX - 1;

/// The winner of a group: its place in the order, and where its value is.
#[derive(Clone, Copy, Debug)]
struct Slot {
    rank: i64,
    key: Key,
    batch: u32,
    row: u32,
}

impl Slot {
    const EMPTY: Self = Self {
        rank: 0,
        key: Key { observed_at: 0, place: 0, fragment_id: 0 },
        batch: NOBODY,
        row: 0,
    };

    fn place(&self) -> Option<Place> {
        (self.batch != NOBODY).then_some((self.rank, self.key))
    }
}

/// The winners of all groups.
#[derive(Debug)]
pub(super) struct Winners {
    rule: OrderRule,
    shape: Shape,
    order_count: usize,
    ty: DataType,
    slots: Vec<Slot>,
    batches: Vec<ArrayRef>,
    /// Rows in all batches, dead ones too.
    row_count: usize,
    /// Bytes of all batches.
    byte_count: usize,
}

impl Winners {
    /// No group yet. `order_count` is how many columns of order there are.
    pub(super) fn new(rule: OrderRule, shape: Shape, order_count: usize, ty: DataType) -> Self {
        Self {
            rule,
            shape,
            order_count,
            ty,
            slots: Vec::new(),
            batches: Vec::new(),
            row_count: 0,
            byte_count: 0,
        }
    }

    /// Lets rows challenge the holders of their groups.
    fn absorb(
        &mut self,
        values: &ArrayRef,
        orders: &Orders,
        rows: Rows<'_>,
        counts: impl Fn(usize) -> bool,
    ) -> Result<()> {
        position(rows.group_count)?;
        self.slots.resize(rows.group_count.max(self.slots.len()), Slot::EMPTY);
        let mut ties = Ties { values, batches: &self.batches, comparators: Vec::new() };
        let mut won = Vec::new();
        for (row, group) in rows.groups.iter().enumerate().filter(|(row, _)| counts(*row)) {
            let (rank, key) = orders.place(row);
            let holder = self.slots[*group];
            let wins = match holder.place() {
                None => true,
                Some(place) if place == (rank, key) => {
                    // The order of fragments is continued by the values, so that a tie ends the
                    // same way on any partitioning.
                    let order = ties.compare(row, holder)?;
                    if self.rule.oldest { order.is_lt() } else { order.is_gt() }
                }
                Some(place) => self.rule.beats((rank, key), place),
            };
            if wins {
                self.slots[*group] = Slot { rank, key, batch: READING, row: row as u32 };
                won.push(*group);
            }
        }
        self.copy_winners(values, &won)
    }

    /// Copies the values that still hold a slot after all rows of the batch are read.
    fn copy_winners(&mut self, values: &ArrayRef, won: &[usize]) -> Result<()> {
        let batch = self.batches.len() as u32;
        let mut kept = Vec::new();
        for group in won {
            let slot = &mut self.slots[*group];
            if slot.batch == READING {
                let row = std::mem::replace(&mut slot.row, kept.len() as u32);
                slot.batch = batch;
                kept.push(row);
            }
        }
        if !kept.is_empty() {
            self.push(keep(values, kept)?);
        }
        if self.row_count > 2 * self.slots.len() + DEAD_ROWS_MAX { self.compact() } else { Ok(()) }
    }

    fn push(&mut self, batch: ArrayRef) {
        self.row_count += batch.len();
        self.byte_count += batch.get_array_memory_size();
        self.batches.push(batch);
    }

    /// Drops beaten values: all winners move into one batch, at the row of their group.
    fn compact(&mut self) -> Result<()> {
        let winners = compact(self.results(self.slots.len())?);
        self.batches.clear();
        (self.row_count, self.byte_count) = (0, 0);
        self.push(winners);
        for (row, slot) in
            self.slots.iter_mut().enumerate().filter(|(_, slot)| slot.batch != NOBODY)
        {
            (slot.batch, slot.row) = (0, row as u32);
        }
        Ok(())
    }
}

impl States for Winners {
    fn update(&mut self, arguments: &[ArrayRef], rows: Rows<'_>) -> Result<()> {
        let (values, order) = (&arguments[0], &arguments[1..]);
        let orders = Orders::of_arguments(self.shape, order)?;
        let nulls = values.logical_nulls().filter(|_| !self.rule.nulls_count);
        let is_value = |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        self.absorb(values, &orders, rows, |row| rows.count(row) && is_value(row))
    }

    fn merge(&mut self, state: &[ArrayRef], rows: Rows<'_>) -> Result<()> {
        let (values, order) = (&state[0], &state[1..]);
        let orders = Orders::of_state(self.shape, order);
        // A group without a winner has no place in the order, while a winner may well be a null.
        self.absorb(values, &orders, rows, |row| order[0].is_valid(row))
    }

    fn results(&self, count: usize) -> Result<ArrayRef> {
        let null = new_null_array(&self.ty, 1);
        let nothing = (self.batches.len(), 0);
        let cell = |slot: &Slot| match slot.batch {
            NOBODY => nothing,
            batch => (batch as usize, slot.row as usize),
        };
        let cells: Vec<_> = self.slots[..count].iter().map(cell).collect();
        let batches = self.batches.iter().chain([&null]).map(AsRef::as_ref).collect::<Vec<_>>();
        interleave(&batches, &cells).map_err(failed)
    }

    fn state(&self, count: usize) -> Result<Vec<ArrayRef>> {
        let places = self.slots[..count].iter().map(Slot::place);
        let mut state = vec![self.results(count)?];
        state.extend(Orders::columns(self.shape, self.order_count, places));
        Ok(state)
    }

    fn forget(&mut self, count: usize) -> Result<()> {
        self.slots.drain(..count);
        if self.slots.is_empty() {
            self.batches.clear();
            self.slots.shrink_to_fit();
            (self.row_count, self.byte_count) = (0, 0);
        }
        Ok(())
    }

    fn group_count(&self) -> usize {
        self.slots.len()
    }

    fn size(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.byte_count
    }

    fn fresh(&self) -> Box<dyn States> {
        Box::new(Self::new(self.rule, self.shape, self.order_count, self.ty.clone()))
    }
}

/// Compares values of the batch being read with those of holders; comparators are made when a tie
/// first needs them, as most batches have none.
struct Ties<'a> {
    values: &'a ArrayRef,
    batches: &'a [ArrayRef],
    comparators: Vec<Option<DynComparator>>,
}

impl Ties<'_> {
    fn compare(&mut self, row: usize, holder: Slot) -> Result<std::cmp::Ordering> {
        let at = if holder.batch == READING { self.batches.len() } else { holder.batch as usize };
        self.comparators.resize_with(self.batches.len() + 1, || None);
        let compare = match &mut self.comparators[at] {
            Some(compare) => compare,
            empty => {
                let other = self.batches.get(at).unwrap_or(self.values);
                empty.insert(comparator(self.values, other)?)
            }
        };
        Ok(compare(row, holder.row as usize))
    }
}
