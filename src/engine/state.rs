//! The state: everything derived that readers need, as of one commit, cheap to copy.
//!
//! The writer owns one and applies commits to it; a snapshot is a copy. Replaying the store at start
//! goes through the same `apply`, so that there is one way for a row to count.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::compute::concat_batches;

use crate::catalog::Catalog;
use crate::engine::deletion::DeletedRow;
use crate::engine::index::{Index, IndexedRow, RowLocation, Slots};
use crate::engine::internal::CHANGES;
use crate::engine::rows::RowFacts;
use crate::engine::touched::Touched;
use crate::error::{Error, Result};
use crate::graph::dictionary::Dictionary;
use crate::graph::fold::{Effects, Moment};
use crate::graph::identity_graph::{IdentityGraph, RowSource, Unsettled};
use crate::graph::rules::{Decided, Rules};
use crate::model::dataset::{Dataset, DatasetKind};
use crate::model::decision::{Decision, DecisionKind};
use crate::model::definition::Definition;
use crate::model::relation::is_scratch;
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
    /// Version of the catalog that last changed what identities rows name: rows made ready under an
    /// older one name others.
    pub rewritten_at: u64,
    /// The identity graph.
    pub graph: IdentityGraph,
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
    /// The number of the next thing that happens to profiles.
    pub next_change_id: i64,
    /// Places whose rows are in each slot of the tail.
    tail_places: BTreeMap<u32, Vec<u32>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            catalog: Arc::new(Catalog::default()),
            commit: 0,
            rewritten_at: 0,
            graph: IdentityGraph::default(),
            index: Index::default(),
            slots: Arc::default(),
            datasets: Arc::default(),
            next_fragment_id: 1,
            next_ingest_id: 1,
            next_change_id: 1,
            tail_places: BTreeMap::new(),
        }
    }
}

/// What applying parts changed.
#[derive(Debug, Default)]
pub struct Change {
    /// Profiles that came, went or changed.
    pub touched: Touched,
    /// What happened in the graph.
    pub effects: Effects,
    /// Rows that the graph has yet to fold.
    unsettled: Unsettled,
}

impl Change {
    /// For parts that are applied in no order, and of which nobody asks what they touched.
    pub fn at_start() -> Self {
        Self { touched: Touched::all(), unsettled: Unsettled::in_no_order(), ..Self::default() }
    }
}

/// The rules of a catalog but for its decisions.
pub fn rules_of(catalog: &Catalog) -> Rules {
    Rules::new(catalog.namespaces.values(), catalog.graph_identities_max as usize)
}

/// The rules of a catalog.
pub fn decided_rules_of(catalog: &Catalog) -> Rules {
    let decisions = catalog.decisions.unordered();
    rules_of(catalog).with_decisions(
        decisions.map(|decision| (decision.left.number, decision.right.number, decided(decision))),
    )
}

fn decided(decision: &Decision) -> Decided {
    match decision.kind {
        DecisionKind::Link => Decided::Linked(decision.sequence),
        DecisionKind::Unlink => Decided::Unlinked,
    }
}

/// The rows of a state, as the graph asks for them again.
struct Rows<'a> {
    catalog: &'a Catalog,
    index: &'a Index,
    slots: &'a Slots,
}

impl RowSource for Rows<'_> {
    fn rows_of(&self, primaries: &[u32], each: &mut dyn FnMut(&[u32], Moment)) -> Result<()> {
        let mut locations: Vec<RowLocation> = Vec::new();
        for primary in primaries {
            locations.extend(self.index.records(*primary));
            locations.extend(self.index.events(*primary));
        }
        locations.sort_unstable();
        let mut identities = Vec::new();
        let mut open: Option<(u32, usize, RowFacts, Int64Array)> = None;
        for location in locations {
            let part = self.slots.get(location.slot);
            let part = part.ok_or_else(|| Error::internal("a row is in an empty slot"))?;
            let (group, row) = part.locate(location.row as usize);
            if !part.is_live(group, row) {
                continue;
            }
            if !matches!(&open, Some((slot, at, ..)) if *slot == location.slot && *at == group) {
                let dataset = self.catalog.dataset_by_id(part.dataset);
                let dataset =
                    dataset.ok_or_else(|| Error::internal("rows of an unknown dataset"))?;
                let facts = RowFacts::read(part, group, dataset)?;
                open = Some((location.slot, group, facts, part.fragment_ids(group)?));
            }
            let Some((.., facts, fragment_ids)) = &open else { continue };
            facts.all(row, &mut identities);
            let time = facts.time(row).unwrap_or(i64::MIN);
            each(&identities, Moment { time, fragment_id: fragment_ids.value(row) });
        }
        Ok(())
    }
}

impl State {
    /// The rows, as the graph asks for them again.
    pub(super) fn rows(&self) -> impl RowSource + '_ {
        Rows { catalog: &self.catalog, index: &self.index, slots: &self.slots }
    }

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
        if part.row_count() == 0 {
            return Ok(());
        }
        let (dataset, in_memory) = (part.dataset, part.batch().is_some());
        let (slot, place) = self.enter(part, change)?;
        if in_memory {
            self.tail_places.entry(slot).or_default().push(place);
            self.coalesce(dataset)?;
        }
        Ok(())
    }

    /// The same, but the part stays as it is, whatever comes after it; gives its slot and the place of
    /// its rows.
    ///
    /// # Errors
    /// As [`State::apply`].
    pub(super) fn enter(&mut self, part: Arc<Part>, change: &mut Change) -> Result<(u32, u32)> {
        let dataset = self.catalog.dataset_by_id(part.dataset).cloned();
        let slot = Arc::make_mut(&mut self.slots).insert(Arc::clone(&part));
        Arc::make_mut(&mut self.datasets).entry(part.dataset).or_default().push(slot);
        let place = self.index.add_place(slot, 0);
        if part.dataset == CHANGES {
            self.next_change_id = self.next_change_id.max(last_fragment_id(&part)? + 1);
        }
        if is_scratch(part.dataset) {
            self.next_fragment_id = self.next_fragment_id.max(last_fragment_id(&part)? + 1);
        }
        if let Some(dataset) = dataset {
            self.next_fragment_id = self.next_fragment_id.max(last_fragment_id(&part)? + 1);
            for group in (0..part.group_count()).filter(|group| part.group_live_count(*group) > 0) {
                self.apply_group(&part, group, place, &dataset, change)?;
            }
        }
        Ok((slot, place))
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
        let fragment_ids = part.fragment_ids(group)?;
        let rules = self.graph.rules();
        let column_traits: Vec<u32> = dataset
            .identity_columns()
            .map(|(_, name)| Ok(rules.traits(self.catalog.namespace(name)?.id)))
            .collect::<Result<_>>()?;
        let event = dataset.kind == DatasetKind::Event;
        let first = part.group_start(group);
        let (mut identities, mut traits) = (Vec::new(), Vec::new());
        for row in (0..part.group_rows(group)).filter(|row| part.is_live(group, *row)) {
            facts.all_with(row, &column_traits, &mut identities, &mut traits);
            let Some(primary) = identities.first().copied() else { continue };
            let observed_at = facts.time(row);
            let time = observed_at.unwrap_or(i64::MIN);
            let moment = Moment { time, fragment_id: fragment_ids.value(row) };
            let (unsettled, effects) = (&mut change.unsettled, &mut change.effects);
            self.graph.take(&identities, &traits, moment, unsettled, effects);
            let row = (first + row) as u32;
            self.index.add_row(
                place,
                dataset.id,
                event,
                IndexedRow { identity: primary, row, observed_at },
            );
            change.touched.add_primary(primary);
            if let Some(profile) = self.graph.profile_of(primary) {
                change.touched.add(profile);
            }
        }
        Ok(())
    }

    /// Folds the rows of contested clusters among those applied. To be called before anybody reads.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub fn settle(&mut self, names: &Dictionary, change: &mut Change) -> Result<()> {
        let unsettled = std::mem::take(&mut change.unsettled);
        if !unsettled.is_empty() {
            let rows = Rows { catalog: &self.catalog, index: &self.index, slots: &self.slots };
            self.graph.settle(&unsettled, names, &rows, &mut change.effects)?;
        }
        change.effects.touched.drain(..).for_each(|profile| change.touched.add(profile));
        Ok(())
    }

    /// Takes deleted rows out of the graph: what the rows that live still hold together stays. The
    /// index has forgotten the deleted rows before.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub(super) fn forget_rows(
        &mut self,
        deleted: &[DeletedRow],
        names: &Dictionary,
        change: &mut Change,
    ) -> Result<()> {
        let identities: Vec<u32> =
            deleted.iter().flat_map(|row| row.identities.iter().copied()).collect();
        let primaries = deleted.iter().filter_map(|row| row.identities.first());
        primaries.for_each(|primary| change.touched.add_primary(*primary));
        let rows = Rows { catalog: &self.catalog, index: &self.index, slots: &self.slots };
        self.graph.rebuild(&identities, names, &rows, &mut change.effects)?;
        change.effects.touched.drain(..).for_each(|profile| change.touched.add(profile));
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
            let of_segment = || self.index.places_in(*slot);
            let places = self.tail_places.remove(slot).unwrap_or_else(of_segment);
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

    /// Puts a new catalog in the place of the old one, and lets everything follow that depends on it:
    /// rows of datasets that are gone, graphs under changed rules, decisions. `definition` is what the
    /// new catalog came of. `progress` is told how many graphs of how many are folded.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read; the state is then to be thrown away.
    pub fn define(
        &mut self,
        catalog: Catalog,
        definition: &Definition,
        names: &Dictionary,
        change: &mut Change,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<()> {
        let old = std::mem::replace(&mut self.catalog, Arc::new(catalog));
        let gone = |id: &u32| self.catalog.dataset_by_id(*id).is_none();
        let dropped: Vec<u32> =
            old.datasets.values().map(|dataset| dataset.id).filter(gone).collect();
        if !dropped.is_empty() {
            // The graph is made anew, so that any identity may be in another profile after it.
            let all = self.graph.identities().map(|identity| (identity, 0));
            change.effects.suspects.extend(all);
        }
        for dataset in dropped {
            self.drop_dataset(dataset, names)?;
            change.touched = Touched::all();
        }
        let rows = Rows { catalog: &self.catalog, index: &self.index, slots: &self.slots };
        let effects = &mut change.effects;
        match definition {
            Definition::Decide { left, right, .. } | Definition::Undecide { left, right, .. } => {
                let pair = (left.number, right.number);
                let now = self.catalog.decisions.between(pair.0, pair.1).map(decided);
                self.graph.decide(pair, now, names, &rows, effects)?;
            }
            Definition::Relation(_) => self.forget_dropped_tables(),
            _ => {
                let rules = rules_of(&self.catalog);
                self.graph.restate(rules, names, &rows, effects, progress)?;
            }
        }
        change.effects.touched.drain(..).for_each(|profile| change.touched.add(profile));
        Ok(())
    }

    /// Lets the rows of scratch tables go that the catalog has no more.
    fn forget_dropped_tables(&mut self) {
        let gone = |id: &u32| is_scratch(*id) && self.catalog.relations.by_id(*id).is_none();
        let gone: Vec<u32> = self.datasets.keys().copied().filter(gone).collect();
        for table in gone {
            let slots = Arc::make_mut(&mut self.datasets).remove(&table).unwrap_or_default();
            slots.into_iter().for_each(|slot| self.drop_part(table, slot));
        }
    }

    /// Brings a graph that was made under other rules under those of the catalog.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read; the state is then to be thrown away.
    pub fn follow_catalog(&mut self, names: &Dictionary) -> Result<()> {
        let rows = Rows { catalog: &self.catalog, index: &self.index, slots: &self.slots };
        let mut effects = Effects::default();
        let now = decided_rules_of(&self.catalog);
        for (pair, decided) in self.graph.rules().decided_otherwise(&now) {
            self.graph.decide(pair, decided, names, &rows, &mut effects)?;
        }
        self.graph.restate(now, names, &rows, &mut effects, &mut |_, _| ())
    }

    /// Brings the parts of each dataset into the order of ingestion.
    pub(super) fn order_parts(&mut self) {
        let first = |slot: &u32| self.slots.get(*slot).map(|part| part.first_fragment_id);
        let datasets = Arc::make_mut(&mut self.datasets);
        datasets.values_mut().for_each(|slots| slots.sort_by_key(first));
    }

    /// Removes a part to which nothing refers.
    pub(super) fn drop_part(&mut self, dataset: u32, slot: u32) {
        Arc::make_mut(&mut self.slots).remove(slot);
        self.tail_places.remove(&slot);
        if let Some(list) = Arc::make_mut(&mut self.datasets).get_mut(&dataset) {
            list.retain(|found| *found != slot);
        }
    }

    /// A state of the same commit and definitions in which there are no rows yet.
    pub(super) fn without_rows(&self) -> Self {
        Self {
            catalog: Arc::clone(&self.catalog),
            commit: self.commit,
            rewritten_at: self.rewritten_at,
            next_fragment_id: self.next_fragment_id,
            next_ingest_id: self.next_ingest_id,
            next_change_id: self.next_change_id,
            graph: IdentityGraph::new(self.graph.rules().clone()),
            ..Self::default()
        }
    }

    /// Forgets the parts of a dataset that was dropped, and rebuilds what was derived from them.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub fn drop_dataset(&mut self, dataset: u32, names: &Dictionary) -> Result<()> {
        let kept = self.datasets.keys().filter(|id| **id != dataset);
        let parts: Vec<Arc<Part>> =
            kept.flat_map(|id| self.parts(*id)).map(|(_, part)| Arc::clone(part)).collect();
        *self = self.without_rows().filled(parts, names)?;
        Ok(())
    }

    /// A state of the same commit with other parts, and what is derived from them, under a catalog.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub fn rebuilt(
        &self,
        catalog: Arc<Catalog>,
        parts: Vec<Arc<Part>>,
        names: &Dictionary,
    ) -> Result<Self> {
        let graph = IdentityGraph::new(decided_rules_of(&catalog));
        Self { catalog, graph, ..self.without_rows() }.filled(parts, names)
    }

    /// With rows, where there were none.
    fn filled(mut self, parts: Vec<Arc<Part>>, names: &Dictionary) -> Result<Self> {
        let mut change = Change::at_start();
        for part in parts {
            self.apply(part, &mut change)?;
        }
        self.settle(names, &mut change)?;
        Ok(self)
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
