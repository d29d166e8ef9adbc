//! The index of rows: for each identity, the rows of which it is the primary identity, and totals.
//!
//! Rows of one identity form a chain through references, newest first; records and events have
//! chains of their own, since merging needs the first and listing the second. A reference names a
//! *place*, which says in which slot of the parts table the row is now and at what offset: when parts
//! are put together, places move and references stay. 40 bytes an identity, 12 a row, 12 a part.
//!
//! The rows of a place are referred to by a run of references, so that they can be numbered anew where a
//! part is rewritten without its deleted rows. References to deleted rows are in no chain and remain until
//! the store is opened again.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::error::Result;
use crate::graph::chunked::Chunked;
use crate::storage::part::Part;

mod saved;

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

/// Where the rows of a part are that came together.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    slot: u32,
    offset: u32,
    /// The first of the references to its rows; they end where those of the next place begin.
    first_reference: u32,
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
    places: Chunked<Place>,
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
        let first_reference = self.references.len() as u32;
        self.places.push(Place { slot, offset, first_reference });
        (self.places.len() - 1) as u32
    }

    fn place(&self, place: u32) -> Place {
        self.places.get(place as usize).unwrap_or_default()
    }

    /// The places whose rows are in a slot now.
    pub fn places_in(&self, slot: u32) -> Vec<u32> {
        let all = 0..self.places.len();
        all.filter(|place| self.place(*place as u32).slot == slot).map(|it| it as u32).collect()
    }

    /// Moves a place to the slot where its rows are now, from an offset of the slot on.
    pub fn move_place(&mut self, place: u32, slot: u32, offset: u32) {
        let moved = self.place(place);
        let offset = moved.offset + offset;
        self.places.set(place as usize, Place { slot, offset, ..moved });
    }

    /// The same where the rows were numbered anew: `numbers` has the new number of each row of the slot
    /// where they were.
    pub fn renumber_place(&mut self, place: u32, slot: u32, offset: u32, numbers: &[u32]) {
        let moved = self.place(place);
        let next = self.places.get(place as usize + 1).map(|next| next.first_reference as usize);
        for at in moved.first_reference as usize..next.unwrap_or(self.references.len()) {
            let reference = self.references.get_mut(at);
            reference.row = numbers[(moved.offset + reference.row) as usize];
        }
        self.places.set(place as usize, Place { slot, offset, ..moved });
    }

    /// Adds a row of a place.
    pub fn add_row(&mut self, place: u32, dataset: u32, event: bool, row: IndexedRow) {
        let at = row.identity as usize;
        self.totals.grow(at + 1, Totals::default());
        let reference = self.references.len() as u32 + 1;
        let mut totals = self.totals(row.identity);
        self.count(&mut totals, dataset, event, row.observed_at);
        let head = if event { &mut totals.event_head } else { &mut totals.record_head };
        let previous = std::mem::replace(head, reference);
        self.totals.set(at, totals);
        self.references.push(RowReference { place, row: row.row, previous });
    }

    /// Takes rows that exist no more out of an identity's chains, and sums the others up anew. `row` tells
    /// of a row its dataset and time, or `None` if it exists no more.
    ///
    /// # Errors
    /// Those of `row`; then the index is of no use.
    pub fn forget_rows(
        &mut self,
        identity: u32,
        mut row: impl FnMut(RowLocation) -> Result<Option<(u32, Option<i64>)>>,
    ) -> Result<()> {
        let before = self.totals(identity);
        let mut totals = Totals::default();
        totals.record_head = self.relink(before.record_head, false, &mut totals, &mut row)?;
        totals.event_head = self.relink(before.event_head, true, &mut totals, &mut row)?;
        if (identity as usize) < self.totals.len() {
            self.totals.set(identity as usize, totals);
        }
        Ok(())
    }

    /// The head of a chain without the rows that exist no more.
    fn relink(
        &mut self,
        head: u32,
        event: bool,
        totals: &mut Totals,
        row: &mut impl FnMut(RowLocation) -> Result<Option<(u32, Option<i64>)>>,
    ) -> Result<u32> {
        let (mut kept_head, mut last_kept, mut next) = (0, 0, head);
        while let Some(at) = next.checked_sub(1) {
            let reference = self.references.get(at as usize).unwrap_or_default();
            if let Some((dataset, observed_at)) = row(self.location(reference))? {
                self.count(totals, dataset, event, observed_at);
                if last_kept == 0 {
                    kept_head = next;
                } else {
                    self.link(last_kept, next);
                }
                last_kept = next;
            }
            next = reference.previous;
        }
        if last_kept > 0 {
            self.link(last_kept, 0);
        }
        Ok(kept_head)
    }

    /// Makes one reference the previous of another; both plus one.
    fn link(&mut self, of: u32, previous: u32) {
        let at = of as usize - 1;
        if self.references.get(at).is_some_and(|reference| reference.previous != previous) {
            self.references.get_mut(at).previous = previous;
        }
    }

    fn location(&self, reference: RowReference) -> RowLocation {
        let place = self.place(reference.place);
        RowLocation { slot: place.slot, row: place.offset + reference.row }
    }

    fn count(&mut self, totals: &mut Totals, dataset: u32, event: bool, observed_at: Option<i64>) {
        totals.fragment_count += 1;
        totals.event_count += u32::from(event);
        totals.datasets = match self.sets.known(totals.datasets, dataset) {
            Some(known) => known,
            None => Arc::make_mut(&mut self.sets).extend(totals.datasets, dataset),
        };
        if let Some(time) = observed_at {
            totals.first_seen_at = totals.first_seen_at.min(time);
            totals.last_seen_at = totals.last_seen_at.max(time);
        }
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
        Some(self.index.location(reference))
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

    /// Puts another part into a slot in use.
    pub fn replace(&mut self, slot: u32, part: Arc<Part>) {
        self.0[slot as usize] = Some(part);
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

    /// Rows 0 to 5 of slot 4, an event and a record in turn, at times 10 to 15.
    fn of_six() -> (Index, u32) {
        let mut index = Index::default();
        let place = index.add_place(4, 0);
        for row in 0..6 {
            let observed_at = Some(10 + i64::from(row));
            let row = IndexedRow { identity: 7, row, observed_at };
            index.add_row(place, 9 + row.row, row.row.is_multiple_of(2), row);
        }
        (index, place)
    }

    fn chains(index: &Index) -> (Vec<u32>, Vec<u32>) {
        let rows = |rows: Rows<'_>| rows.map(|at| at.row).collect::<Vec<_>>();
        (rows(index.records(7)), rows(index.events(7)))
    }

    fn forgotten(gone: &[u32]) -> Index {
        let (mut index, _) = of_six();
        let forget = index.forget_rows(7, |at| {
            let lives = !gone.contains(&at.row);
            Ok(lives.then(|| (9 + at.row, Some(10 + i64::from(at.row)))))
        });
        forget.unwrap();
        index
    }

    #[test]
    fn rows_leave_their_chains() {
        let (whole, _) = of_six();
        for gone in [&[][..], &[0], &[5], &[1, 3], &[0, 2, 4], &[4, 5, 1], &[0, 1, 2, 3, 4, 5]] {
            let index = forgotten(gone);
            let left = |even| (0..6).rev().filter(move |row| (row % 2 == 0) == even);
            let left = |even| left(even).filter(|row| !gone.contains(row)).collect::<Vec<_>>();
            assert_eq!(chains(&index), (left(false), left(true)), "without {gone:?}");
            let (totals, all) = (index.totals(7), [left(false), left(true)].concat());
            assert_eq!(totals.fragment_count as usize, all.len());
            assert_eq!(totals.event_count as usize, left(true).len());
            let times = all.iter().map(|row| 10 + i64::from(*row));
            assert_eq!(totals.first_seen_at, times.clone().min().unwrap_or(i64::MAX));
            assert_eq!(totals.last_seen_at, times.max().unwrap_or(i64::MIN));
            assert_eq!(index.sets.get(totals.datasets).len(), all.len());
            assert_eq!(chains(&whole), (vec![5, 3, 1], vec![4, 2, 0]), "a copy saw it");
        }
    }

    #[test]
    fn rows_are_numbered_anew_where_a_part_is_rewritten() {
        let mut index = forgotten(&[0, 3]);
        let later = index.add_place(5, 0);
        index.add_row(later, 9, false, IndexedRow { identity: 7, row: 1, observed_at: None });
        index.renumber_place(0, 6, 100, &[0, 0, 1, 2, 2, 3]);
        let found: Vec<_> = index.records(7).map(|at| (at.slot, at.row)).collect();
        assert_eq!(found, [(5, 1), (6, 103), (6, 100)]);
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
