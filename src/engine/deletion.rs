//! Deletion: how rows cease to exist in the state, and with them what was derived from them.
//!
//! [`State::find_rows`] finds rows by their fragment ids, [`State::delete`] marks them in their parts,
//! takes them out of the index, and leaves the graph to [`State::forget_rows`]. The cost follows the
//! rows of the identities concerned. What the log says of it is the writer's business.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use hashbrown::HashMap;

use crate::catalog::Catalog;
use crate::engine::index::{RowLocation, Slots};
use crate::engine::rows::RowFacts;
use crate::engine::state::{Change, State};
use crate::error::{Error, Result};
use crate::graph::dictionary::Dictionary;
use crate::model::dataset::Dataset;
use crate::storage::part::Part;

/// A row that ceases to exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedRow {
    /// Its number in the order of ingestion.
    pub fragment_id: i64,
    /// Its time in microseconds, if known.
    pub observed_at: Option<i64>,
    /// Its identities, each once, the primary one first.
    pub identities: Vec<u32>,
}

/// Rows of one group of a part that were found by their fragment ids.
#[derive(Clone, Debug)]
pub struct FoundRows {
    slot: u32,
    part: Arc<Part>,
    group: usize,
    /// Row numbers within the group, ascending.
    rows: Vec<u32>,
}

impl FoundRows {
    /// Rows of a group of the part in a slot, by their numbers within the group, which ascend.
    pub fn new(slot: u32, part: &Arc<Part>, group: usize, rows: Vec<u32>) -> Self {
        Self { slot, part: Arc::clone(part), group, rows }
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// A column of these rows.
    ///
    /// # Errors
    /// `XX001` if stored data is damaged, `58030` if the disk fails.
    pub fn column(&self, name: &str, ty: &DataType) -> Result<ArrayRef> {
        let column = self.part.column(self.group, name, ty)?;
        let rows = UInt32Array::from(self.rows.clone());
        take(column.as_ref(), &rows, None).map_err(|error| Error::internal(error.to_string()))
    }

    fn read(&self, dataset: &Dataset, into: &mut Vec<DeletedRow>) -> Result<()> {
        let facts = RowFacts::read(&self.part, self.group, dataset)?;
        let fragment_ids = self.part.fragment_ids(self.group)?;
        into.extend(self.rows.iter().map(|row| {
            let (row, mut identities) = (*row as usize, Vec::new());
            facts.all(row, &mut identities);
            let (fragment_id, observed_at) = (fragment_ids.value(row), facts.time(row));
            DeletedRow { fragment_id, observed_at, identities }
        }));
        Ok(())
    }
}

impl State {
    /// The rows of a dataset that exist, of those with the given fragment ids, which ascend.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub fn find_rows(&self, dataset: u32, fragment_ids: &[i64]) -> Result<Vec<FoundRows>> {
        let mut found = Vec::new();
        for (slot, part) in self.parts(dataset) {
            for group in 0..part.group_count() {
                let (first, last) = part.fragment_id_bounds(group);
                let from = fragment_ids.partition_point(|id| *id < first);
                let to = fragment_ids.partition_point(|id| *id <= last);
                if from >= to {
                    continue;
                }
                let known = part.fragment_ids(group)?;
                let at = |id: &i64| known.values().binary_search(id).ok();
                let rows = fragment_ids[from..to].iter().filter_map(at);
                let rows = rows.filter(|row| part.is_live(group, *row)).map(|row| row as u32);
                let (part, rows) = (Arc::clone(part), rows.collect::<Vec<_>>());
                if !rows.is_empty() {
                    found.push(FoundRows { slot, part, group, rows });
                }
            }
        }
        Ok(found)
    }

    /// Makes rows cease to exist; gives their fragment ids, ascending.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read; then the state is of no use.
    pub fn delete(
        &mut self,
        dataset: &Dataset,
        found: &[FoundRows],
        names: &Dictionary,
        change: &mut Change,
    ) -> Result<Vec<i64>> {
        let mut deleted = Vec::new();
        for rows in found {
            rows.read(dataset, &mut deleted)?;
        }
        self.mark(found);
        self.forget_in_index(&deleted)?;
        self.drop_empty(dataset.id, found);
        self.forget_rows(&deleted, names, change)?;
        let mut fragment_ids: Vec<i64> = deleted.iter().map(|row| row.fragment_id).collect();
        fragment_ids.sort_unstable();
        Ok(fragment_ids)
    }

    /// Makes rows of a scratch table cease to exist; gives their numbers, ascending.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read; then the state is of no use.
    pub fn delete_scratch(&mut self, table: u32, found: &[FoundRows]) -> Result<Vec<i64>> {
        let mut deleted = Vec::new();
        for rows in found {
            let ids = rows.part.fragment_ids(rows.group)?;
            deleted.extend(rows.rows.iter().map(|row| ids.value(*row as usize)));
        }
        self.mark(found);
        self.drop_empty(table, found);
        deleted.sort_unstable();
        Ok(deleted)
    }

    /// The numbers of all rows of a scratch table, ascending.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub fn scratch_rows(&self, table: u32) -> Result<Vec<i64>> {
        let mut ids = Vec::new();
        for (_, part) in self.parts(table) {
            for group in 0..part.group_count() {
                let known = part.fragment_ids(group)?;
                let live = (0..known.len()).filter(|row| part.is_live(group, *row));
                ids.extend(live.map(|row| known.value(row)));
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Makes rows of one of the store's own datasets cease to exist: nothing is derived from them.
    pub fn delete_internal(&mut self, dataset: u32, found: &[FoundRows]) {
        self.mark(found);
        self.drop_empty(dataset, found);
    }

    fn mark(&mut self, found: &[FoundRows]) {
        let slots = Arc::make_mut(&mut self.slots);
        for of_slot in found.chunk_by(|left, right| left.slot == right.slot) {
            let part = &of_slot[0].part;
            let mut deletions =
                part.deletions().map_or_else(Default::default, |known| known.as_ref().clone());
            for FoundRows { group, rows, .. } in of_slot {
                deletions.delete(*group, part.group_rows(*group), rows);
            }
            slots.replace(of_slot[0].slot, Arc::new(part.with_deletions(deletions)));
        }
    }

    fn forget_in_index(&mut self, deleted: &[DeletedRow]) -> Result<()> {
        let mut reader = RowReader::of(self);
        let primaries: BTreeSet<u32> =
            deleted.iter().filter_map(|row| row.identities.first().copied()).collect();
        for primary in primaries {
            self.index.forget_rows(primary, |location| {
                let found = reader.find(location)?;
                Ok(found.map(|(row, group)| (group.dataset, group.facts.time(row))))
            })?;
        }
        Ok(())
    }

    /// Parts of which no row lives leave the state: nothing refers to them any more.
    fn drop_empty(&mut self, dataset: u32, found: &[FoundRows]) {
        for FoundRows { slot, .. } in found {
            if self.slots.get(*slot).is_some_and(|part| part.live_count() == 0) {
                self.drop_part(dataset, *slot);
            }
        }
    }
}

/// Reads rows by their locations, each group once.
pub(super) struct RowReader {
    slots: Arc<Slots>,
    catalog: Arc<Catalog>,
    groups: HashMap<(u32, usize), ReadGroup>,
}

/// What is known of a group.
pub(super) struct ReadGroup {
    dataset: u32,
    pub(super) facts: RowFacts,
}

impl RowReader {
    pub(super) fn of(state: &State) -> Self {
        let (slots, catalog) = (Arc::clone(&state.slots), Arc::clone(&state.catalog));
        Self { slots, catalog, groups: HashMap::new() }
    }

    /// A row's number in its group, and the group; `None` if it exists no more.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub(super) fn find(&mut self, location: RowLocation) -> Result<Option<(usize, &ReadGroup)>> {
        let part = self.slots.get(location.slot);
        let part = part.ok_or_else(|| Error::internal("the index names an empty slot"))?;
        let (group, row) = part.locate(location.row as usize);
        if !part.is_live(group, row) {
            return Ok(None);
        }
        let key = (location.slot, group);
        if !self.groups.contains_key(&key) {
            let dataset = self.catalog.dataset_by_id(part.dataset);
            let dataset = dataset.ok_or_else(|| Error::internal("rows of no dataset"))?;
            let facts = RowFacts::read(part, group, dataset)?;
            self.groups.insert(key, ReadGroup { dataset: dataset.id, facts });
        }
        Ok(self.groups.get(&key).map(|group| (row, group)))
    }
}
