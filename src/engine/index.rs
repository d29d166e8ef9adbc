//! The index of rows: for each identity, the rows of which it is the primary identity, and totals.
//!
//! Rows of one identity form a chain through references, newest first; records and events have
//! chains of their own, since merging needs the first and listing the second. A reference names a
//! *place*, which says in which slot of the parts table the row is now and at what offset: when parts
//! are put together, places move and references stay. 40 bytes an identity, 12 a row, 8 a part.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::graph::chunked::Chunked;
use crate::storage::part::Part;

/// Totals and chains of one primary identity.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    /// Last record row, plus one; 0 if none.
    record_head: u32,
    /// Last event row, plus one; 0 if none.
    event_head: u32,
    /// Rows in all.
    pub fragment_count: u32,
    /// Event rows.
    pub event_count: u32,
    /// Number of the set of datasets the rows are from.
    pub datasets: u32,
    /// Earliest `observed_at`; `i64::MAX` if no row has a time.
    pub first_seen_at: i64,
    /// Latest `observed_at`; `i64::MIN` if no row has a time.
    pub last_seen_at: i64,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            record_head: 0,
            event_head: 0,
            fragment_count: 0,
            event_count: 0,
            datasets: 0,
            first_seen_at: i64::MAX,
            last_seen_at: i64::MIN,
        }
    }
}

impl Totals {
    /// Adds the totals of another identity of the same person.
    pub fn add(&mut self, other: &Self, sets: &DatasetSets) -> Vec<u32> {
        self.fragment_count += other.fragment_count;
        self.event_count += other.event_count;
        self.first_seen_at = self.first_seen_at.min(other.first_seen_at);
        self.last_seen_at = self.last_seen_at.max(other.last_seen_at);
        sets.get(other.datasets).to_vec()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct RowReference {
    place: u32,
    row: u32,
    /// The previous row of the chain, plus one.
    previous: u32,
}

/// A row as it stands in a snapshot: slot of the parts table and row number of the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowLocation {
    /// The slot of the part.
    pub slot: u32,
    /// The row's number in the part.
    pub row: u32,
}

/// Sets of datasets, each stored once; 0 is the empty set.
#[derive(Clone, Debug)]
pub struct DatasetSets {
    sets: Vec<Arc<[u32]>>,
    extended: HashMap<(u32, u32), u32>,
}

impl Default for DatasetSets {
    fn default() -> Self {
        Self { sets: vec![Arc::from([])], extended: HashMap::new() }
    }
}

impl DatasetSets {
    /// The members of a set, ascending.
    pub fn get(&self, set: u32) -> &[u32] {
        &self.sets[set as usize]
    }

    /// The set with one more member, if it is known already.
    pub fn known(&self, set: u32, dataset: u32) -> Option<u32> {
        self.extended.get(&(set, dataset)).copied()
    }

    /// The set with one more member.
    pub fn extend(&mut self, set: u32, dataset: u32) -> u32 {
        if let Some(known) = self.known(set, dataset) {
            return known;
        }
        let mut members = self.get(set).to_vec();
        if let Err(at) = members.binary_search(&dataset) {
            members.insert(at, dataset);
        }
        let found = self.sets.iter().position(|known| known[..] == members[..]);
        let extended = found.unwrap_or_else(|| {
            self.sets.push(members.into());
            self.sets.len() - 1
        }) as u32;
        self.extended.insert((set, dataset), extended);
        extended
    }
}

/// The index.
#[derive(Clone, Debug, Default)]
pub struct Index {
    totals: Chunked<Totals>,
    references: Chunked<RowReference>,
    /// Slot and offset of each place.
    places: Chunked<(u32, u32)>,
    /// The sets of datasets that totals name.
    pub sets: Arc<DatasetSets>,
}

/// One row to be indexed.
#[derive(Clone, Copy, Debug)]
pub struct IndexedRow {
    /// Its primary identity.
    pub identity: u32,
    /// Its number in its part.
    pub row: u32,
    /// Its `observed_at` in microseconds, if known.
    pub observed_at: Option<i64>,
}

impl Index {
    /// A new place: rows of a part that starts at an offset of a slot.
    pub fn add_place(&mut self, slot: u32, offset: u32) -> u32 {
        self.places.push((slot, offset));
        (self.places.len() - 1) as u32
    }

    /// Moves a place to where its rows are now.
    pub fn move_place(&mut self, place: u32, slot: u32, offset: u32) {
        self.places.set(place as usize, (slot, offset));
    }

    /// The slot and offset of a place.
    pub fn place(&self, place: u32) -> (u32, u32) {
        self.places.get(place as usize).unwrap_or_default()
    }

    /// Adds a row of a place.
    pub fn add_row(&mut self, place: u32, dataset: u32, event: bool, row: IndexedRow) {
        let at = row.identity as usize;
        self.totals.grow(at + 1, Totals::default());
        let reference = self.references.len() as u32 + 1;
        let set = self.totals.get(at).unwrap_or_default().datasets;
        let datasets = match self.sets.known(set, dataset) {
            Some(known) => known,
            None => Arc::make_mut(&mut self.sets).extend(set, dataset),
        };
        let totals = self.totals.get_mut(at);
        let head = if event { &mut totals.event_head } else { &mut totals.record_head };
        let previous = std::mem::replace(head, reference);
        totals.fragment_count += 1;
        totals.event_count += u32::from(event);
        totals.datasets = datasets;
        if let Some(time) = row.observed_at {
            totals.first_seen_at = totals.first_seen_at.min(time);
            totals.last_seen_at = totals.last_seen_at.max(time);
        }
        self.references.push(RowReference { place, row: row.row, previous });
    }

    /// Totals of an identity.
    pub fn totals(&self, identity: u32) -> Totals {
        self.totals.get(identity as usize).unwrap_or_default()
    }

    /// Record rows of an identity, newest first.
    pub fn records(&self, identity: u32) -> Rows<'_> {
        Rows { index: self, next: self.totals(identity).record_head }
    }

    /// Event rows of an identity, newest first.
    pub fn events(&self, identity: u32) -> Rows<'_> {
        Rows { index: self, next: self.totals(identity).event_head }
    }
}

/// Iterator over the rows of an identity.
#[derive(Debug)]
pub struct Rows<'a> {
    index: &'a Index,
    next: u32,
}

impl Iterator for Rows<'_> {
    type Item = RowLocation;

    fn next(&mut self) -> Option<RowLocation> {
        let at = self.next.checked_sub(1)?;
        let reference = self.index.references.get(at as usize)?;
        self.next = reference.previous;
        let (slot, offset) = self.index.place(reference.place);
        Some(RowLocation { slot, row: offset + reference.row })
    }
}

/// The parts in use, by slot; free slots are used again, so that the table stays small.
#[derive(Clone, Debug, Default)]
pub struct Slots(Vec<Option<Arc<Part>>>);

impl Slots {
    /// Puts a part into a free slot.
    pub fn insert(&mut self, part: Arc<Part>) -> u32 {
        match self.0.iter().position(Option::is_none) {
            Some(at) => {
                self.0[at] = Some(part);
                at as u32
            }
            None => {
                self.0.push(Some(part));
                (self.0.len() - 1) as u32
            }
        }
    }

    /// Frees a slot.
    pub fn remove(&mut self, slot: u32) {
        self.0[slot as usize] = None;
    }

    /// The part in a slot.
    pub fn get(&self, slot: u32) -> Option<&Arc<Part>> {
        self.0.get(slot as usize).and_then(Option::as_ref)
    }

    /// One more than the largest slot.
    pub fn bound(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_follow_places_when_they_move() {
        let mut index = Index::default();
        let place = index.add_place(4, 0);
        for (row, time) in [(0, Some(5)), (1, None), (2, Some(3))] {
            index.add_row(place, 9, row == 1, IndexedRow { identity: 7, row, observed_at: time });
        }
        let rows = |index: &Index| index.records(7).map(|at| (at.slot, at.row)).collect::<Vec<_>>();
        assert_eq!(rows(&index), [(4, 2), (4, 0)]);
        let before = index.clone();
        index.move_place(place, 1, 100);
        assert_eq!(rows(&index), [(1, 102), (1, 100)]);
        assert_eq!(rows(&before), [(4, 2), (4, 0)]);
        let totals = index.totals(7);
        assert_eq!((totals.fragment_count, totals.event_count), (3, 1));
        assert_eq!((totals.first_seen_at, totals.last_seen_at), (3, 5));
        assert_eq!(index.sets.get(totals.datasets), [9]);
        assert_eq!(index.records(8).count(), 0);
    }

    #[test]
    fn sets_are_stored_once() {
        let mut sets = DatasetSets::default();
        let (one, two) = (sets.extend(0, 3), sets.extend(0, 1));
        assert_eq!(sets.extend(one, 1), sets.extend(two, 3));
        assert_eq!(sets.extend(one, 3), one);
        assert_eq!(sets.get(sets.known(one, 1).unwrap()), [1, 3]);
    }
}
