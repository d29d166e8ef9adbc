//! The state: everything derived that readers need, as of one commit, cheap to copy.
//!
//! The writer owns one and applies commits to it; a snapshot is a copy. Replaying the store at start
//! goes through the same `apply`, so that there is one way for a row to count.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::compute::concat_batches;

use crate::catalog::Catalog;
use crate::engine::deletion::{DeletedRow, RowReader};
use crate::engine::index::{Index, IndexedRow, RowLocation, Slots};
use crate::engine::rows::RowFacts;
use crate::engine::touched::Touched;
use crate::error::{Error, Result};
use crate::graph::components::Components;
use crate::model::dataset::{Dataset, DatasetKind};
use crate::storage::part::Part;

/// Tail parts below this many rows are put together as they come, so that a scan of many small commits
/// reads few batches. Sizes double from part to part, as in a binary counter: a row is copied at most
/// log2 of this many times.
const COALESCE_ROWS_MAX: usize = 32_768;

/// Everything that readers see.
#[derive(Clone, Debug)]
pub struct State {
    /// Definitions.
    pub catalog: Arc<Catalog>,
    /// Number of the last commit.
    pub commit: u64,
    /// The identity graph.
    pub components: Components,
    /// Rows by identity.
    pub index: Index,
    /// Parts by slot.
    pub slots: Arc<Slots>,
    /// Slots of each dataset, in order of ingestion.
    pub datasets: Arc<BTreeMap<u32, Vec<u32>>>,
    /// The fragment id of the next row.
    pub next_fragment_id: i64,
    /// The number of the next load.
    pub next_ingest_id: i64,
    /// Places whose rows are in each slot of the tail.
    tail_places: BTreeMap<u32, Vec<u32>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            catalog: Arc::new(Catalog::default()),
            commit: 0,
            components: Components::default(),
            index: Index::default(),
            slots: Arc::default(),
            datasets: Arc::default(),
            next_fragment_id: 1,
            next_ingest_id: 1,
            tail_places: BTreeMap::new(),
        }
    }
}

/// What applying a part changed.
#[derive(Debug, Default)]
pub struct Change {
    /// Identities that became present.
    pub new_identities: Vec<u32>,
    /// Profiles that came, went or changed.
    pub touched: Touched,
}

impl State {
    /// Parts of a dataset in order of ingestion.
    pub fn parts(&self, dataset: u32) -> impl Iterator<Item = (u32, &Arc<Part>)> {
        let slots = self.datasets.get(&dataset).into_iter().flatten();
        slots.filter_map(|slot| self.slots.get(*slot).map(|part| (*slot, part)))
    }

    /// Rows of a dataset.
    pub fn row_count(&self, dataset: u32) -> usize {
        self.parts(dataset).map(|(_, part)| part.live_count()).sum()
    }

    /// Adds rows: to the parts, and if they are a dataset's, to graph and index.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub fn apply(&mut self, part: Arc<Part>, change: &mut Change) -> Result<()> {
        let row_count = part.row_count();
        if row_count == 0 {
            return Ok(());
        }
        let dataset = self.catalog.dataset_by_id(part.dataset).cloned();
        let slot = Arc::make_mut(&mut self.slots).insert(Arc::clone(&part));
        Arc::make_mut(&mut self.datasets).entry(part.dataset).or_default().push(slot);
        let place = self.index.add_place(slot, 0);
        if let Some(dataset) = dataset {
            self.next_fragment_id = self.next_fragment_id.max(last_fragment_id(&part)? + 1);
            for group in 0..part.group_count() {
                self.apply_group(&part, group, place, &dataset, change)?;
            }
        }
        if part.batch().is_some() {
            self.tail_places.entry(slot).or_default().push(place);
            self.coalesce(part.dataset)?;
        }
        Ok(())
    }

    fn apply_group(
        &mut self,
        part: &Part,
        group: usize,
        place: u32,
        dataset: &Dataset,
        change: &mut Change,
    ) -> Result<()> {
        let facts = RowFacts::read(part, group, dataset)?;
        let event = dataset.kind == DatasetKind::Event;
        let first = part.group_start(group);
        for row in (0..part.group_rows(group)).filter(|row| part.is_live(group, *row)) {
            let Some(primary) = facts.primary(row) else { continue };
            for column in &facts.identities {
                if column.is_null(row) {
                    continue;
                }
                let identity = column.value(row);
                if self.components.insert(identity) {
                    change.new_identities.push(identity);
                }
                if let Some(gone) = self.components.join(primary, identity) {
                    change.touched.add(gone);
                }
            }
            let row_number = (first + row) as u32;
            let indexed =
                IndexedRow { identity: primary, row: row_number, observed_at: facts.time(row) };
            self.index.add_row(place, dataset.id, event, indexed);
            if let Some(profile) = self.components.profile_of(primary) {
                change.touched.add(profile);
            }
        }
        Ok(())
    }

    /// Takes deleted rows out of the graph: dissolves the components that they were in, and joins anew
    /// what the rows that live still hold together. The index has forgotten the deleted rows before.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub(super) fn forget_rows(
        &mut self,
        deleted: &[DeletedRow],
        change: &mut Change,
    ) -> Result<()> {
        let mut members = Vec::new();
        for row in deleted {
            let primary = row.identities.first();
            let profile = primary.and_then(|primary| self.components.profile_of(*primary));
            // Of a component that was dissolved for a row before, no identity is present any more.
            let Some(profile) = profile else { continue };
            change.touched.add(profile);
            let of_profile: Vec<u32> = self.components.members(profile).collect();
            self.components.dissolve(&of_profile);
            members.extend(of_profile);
        }
        let (mut reader, mut names) = (RowReader::of(self), Vec::new());
        for primary in &members {
            let rows = self.index.records(*primary).chain(self.index.events(*primary));
            for location in rows.collect::<Vec<RowLocation>>() {
                let Some((row, group)) = reader.find(location)? else { continue };
                group.facts.all(row, &mut names);
                for identity in &names {
                    self.components.insert(*identity);
                    self.components.join(*primary, *identity);
                }
            }
        }
        let profiles = members.iter().filter_map(|member| self.components.profile_of(*member));
        profiles.for_each(|profile| change.touched.add(profile));
        Ok(())
    }

    /// Puts small parts at the end of a dataset's tail together, without the rows deleted from them.
    fn coalesce(&mut self, dataset: u32) -> Result<()> {
        loop {
            let slots = self.datasets.get(&dataset).map_or(&[][..], Vec::as_slice);
            let [.., before, last] = slots else { return Ok(()) };
            let (before, last) = (*before, *last);
            let (Some(left), Some(right)) = (self.slots.get(before), self.slots.get(last)) else {
                return Err(Error::internal("a dataset names an empty slot"));
            };
            let (Some(head), Some(tail)) = (left.batch(), right.batch()) else { return Ok(()) };
            let (rows, more) = (left.live_count(), right.live_count());
            if rows > 2 * more || rows + more > COALESCE_ROWS_MAX || head.schema() != tail.schema()
            {
                return Ok(());
            }
            let head = left.live_rows(0, head.clone())?;
            let joined = concat(&[head, right.live_rows(0, tail.clone())?])?;
            let part = Part::memory(dataset, left.first_fragment_id, left.committed_at, joined);
            self.replace_slots(dataset, &[(before, 0), (last, rows as u32)], Arc::new(part));
        }
    }

    /// Puts a part in the place of others whose rows, the deleted ones aside, it holds from the given
    /// offsets on.
    pub fn replace_slots(&mut self, dataset: u32, old: &[(u32, u32)], part: Arc<Part>) {
        let in_memory = part.batch().is_some();
        let slots = Arc::make_mut(&mut self.slots);
        let mut moved = Vec::new();
        for (slot, offset) in old {
            let numbers = slots.get(*slot).and_then(|part| part.live_numbers());
            slots.remove(*slot);
            let places = self.tail_places.remove(slot).unwrap_or_default();
            moved.push((*offset, numbers, places));
        }
        let slot = slots.insert(part);
        for (offset, numbers, places) in &moved {
            for place in places {
                match numbers {
                    None => self.index.move_place(*place, slot, *offset),
                    Some(numbers) => self.index.renumber_place(*place, slot, *offset, numbers),
                }
            }
        }
        if in_memory {
            let places = moved.into_iter().flat_map(|(_, _, places)| places);
            self.tail_places.insert(slot, places.collect());
        }
        let list = Arc::make_mut(&mut self.datasets).entry(dataset).or_default();
        let at = list.iter().position(|found| Some(found) == old.first().map(|(slot, _)| slot));
        list.retain(|found| !old.iter().any(|(slot, _)| slot == found));
        list.insert(at.unwrap_or(list.len()), slot);
    }

    /// Removes a part to which nothing refers.
    pub(super) fn drop_part(&mut self, dataset: u32, slot: u32) {
        Arc::make_mut(&mut self.slots).remove(slot);
        self.tail_places.remove(&slot);
        if let Some(list) = Arc::make_mut(&mut self.datasets).get_mut(&dataset) {
            list.retain(|found| *found != slot);
        }
    }

    /// Forgets the parts of a dataset that was dropped, and rebuilds what was derived from them.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub fn drop_dataset(&mut self, dataset: u32) -> Result<()> {
        let mut next = Self {
            catalog: Arc::clone(&self.catalog),
            commit: self.commit,
            next_fragment_id: self.next_fragment_id,
            next_ingest_id: self.next_ingest_id,
            ..Self::default()
        };
        let mut change = Change { touched: Touched::all(), ..Change::default() };
        for id in self.datasets.keys().filter(|id| **id != dataset) {
            for (_, part) in self.parts(*id) {
                next.apply(Arc::clone(part), &mut change)?;
            }
        }
        *self = next;
        Ok(())
    }
}

/// The largest fragment id of a part: ids ascend within it.
fn last_fragment_id(part: &Part) -> Result<i64> {
    let ids = part.fragment_ids(part.group_count() - 1)?;
    Ok(ids.value(ids.len() - 1))
}

/// Batches of one schema, put together.
pub fn concat(batches: &[RecordBatch]) -> Result<RecordBatch> {
    let schema =
        batches.first().map(RecordBatch::schema).ok_or_else(|| Error::internal("no batch"))?;
    concat_batches(&schema, batches).map_err(|error| Error::internal(error.to_string()))
}
