//! Evidence: what rows say of identities and of pairs of identities.
//!
//! Derived on demand from rows, for the tables `identities` and `identity_links`. Rows that name an
//! identity of a profile belong to it or, if the profile's cluster is contested, to one that a dropped
//! link leads to: the evidence of one profile is read from these rows alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, UInt32Array};
use arrow::compute::take;
use hashbrown::HashMap;

use crate::engine::index::{DatasetSets, RowLocation};
use crate::engine::rows::RowFacts;
use crate::engine::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::graph::links::{Evidence, Links};
use crate::model::dataset::Dataset;
use crate::model::decision::DecisionKind;
use crate::storage::part::Part;

/// Some rows of one group of one part.
#[derive(Clone, Debug)]
pub struct RowRun {
    /// The dataset.
    pub dataset: u32,
    /// The part.
    pub part: Arc<Part>,
    /// The group.
    pub group: usize,
    /// Rows of the group, which live; `None`: all that do.
    pub rows: Option<Vec<u32>>,
}

impl RowRun {
    /// Calls for each row.
    pub fn each(&self, mut visit: impl FnMut(usize)) {
        match &self.rows {
            Some(rows) => rows.iter().for_each(|row| visit(*row as usize)),
            None => match self.part.live(self.group) {
                Some(live) => live.values().set_indices().for_each(visit),
                None => (0..self.part.group_rows(self.group)).for_each(visit),
            },
        }
    }

    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        match &self.rows {
            Some(rows) => rows.len(),
            None => self.part.group_live_count(self.group),
        }
    }

    /// These rows of a column of the whole group.
    ///
    /// # Errors
    /// `XX000` if Arrow refuses, which would be a mistake of ours.
    pub fn choose(&self, column: ArrayRef) -> Result<ArrayRef> {
        let Some(rows) = &self.rows else { return self.part.live_column(self.group, column) };
        let rows = UInt32Array::from_iter_values(rows.iter().copied());
        take(column.as_ref(), &rows, None).map_err(|error| Error::internal(error.to_string()))
    }
}

impl Snapshot {
    /// All rows of some datasets, or those of some profiles.
    pub fn runs(&self, datasets: &[u32], profiles: Option<&[u32]>) -> Vec<RowRun> {
        match profiles {
            None => self.all_runs(datasets),
            Some(profiles) => self.runs_of(datasets, profiles),
        }
    }

    fn all_runs(&self, datasets: &[u32]) -> Vec<RowRun> {
        let mut runs = Vec::new();
        for dataset in datasets {
            for (_, part) in self.state.parts(*dataset) {
                let run =
                    |group| RowRun { dataset: *dataset, part: Arc::clone(part), group, rows: None };
                runs.extend((0..part.group_count()).map(run));
            }
        }
        runs
    }

    fn runs_of(&self, datasets: &[u32], profiles: &[u32]) -> Vec<RowRun> {
        let state = &self.state;
        let mut locations: Vec<RowLocation> = Vec::new();
        for profile in profiles {
            if state.graph.profile_of(*profile) != Some(*profile) {
                continue;
            }
            for member in state.graph.members(*profile) {
                locations.extend(state.index.records(member));
                locations.extend(state.index.events(member));
            }
        }
        locations.sort_unstable();
        locations.dedup();
        let mut runs: Vec<(u32, RowRun)> = Vec::new();
        for location in locations {
            let Some(part) = state.slots.get(location.slot) else { continue };
            if !datasets.contains(&part.dataset) {
                continue;
            }
            let (group, row) = part.locate(location.row as usize);
            match runs.last_mut() {
                Some((slot, run)) if *slot == location.slot && run.group == group => {
                    run.rows.get_or_insert_default().push(row as u32);
                }
                _ => {
                    let (dataset, rows) = (part.dataset, Some(vec![row as u32]));
                    let run = RowRun { dataset, part: Arc::clone(part), group, rows };
                    runs.push((location.slot, run));
                }
            }
        }
        runs.into_iter().map(|(_, run)| run).collect()
    }

    /// The profiles that have rows which name an identity: its own, and those that dropped links lead to.
    pub fn profiles_naming(&self, identity: u32) -> Vec<u32> {
        let graph = &self.state.graph;
        let others = graph.dropped_of(identity).filter_map(|(other, _)| graph.profile_of(other));
        graph.profile_of(identity).into_iter().chain(others).collect()
    }

    /// The profiles whose rows may name identities of these profiles.
    fn profiles_around(&self, profiles: &[u32]) -> Vec<u32> {
        let graph = &self.state.graph;
        let mut all = profiles.to_vec();
        for profile in profiles.iter().filter(|profile| graph.contains_profile(**profile)) {
            if graph.is_contested(*profile) {
                let others = graph.members(*profile).flat_map(|member| graph.dropped_of(member));
                all.extend(others.filter_map(|(other, _)| graph.profile_of(other)));
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    fn visit(
        &self,
        profiles: Option<&[u32]>,
        mut visit: impl FnMut(&Dataset, &RowFacts, usize),
    ) -> Result<()> {
        let around = profiles.map(|profiles| self.profiles_around(profiles));
        let profiles = around.as_deref();
        let datasets: BTreeMap<u32, &Dataset> =
            self.catalog().datasets.values().map(|dataset| (dataset.id, dataset)).collect();
        let ids: Vec<u32> = datasets.keys().copied().collect();
        for run in self.runs(&ids, profiles) {
            let dataset = datasets
                .get(&run.dataset)
                .ok_or_else(|| Error::internal("rows of a dataset that is not defined"))?;
            let facts = RowFacts::read(&run.part, run.group, dataset)?;
            run.each(|row| visit(dataset, &facts, row));
        }
        Ok(())
    }

    /// What rows say of each identity, of all or of some profiles.
    ///
    /// # Errors
    /// What reading rows may give.
    pub fn identity_evidence(&self, profiles: Option<&[u32]>) -> Result<IdentityEvidence> {
        let mut evidence = IdentityEvidence::default();
        let mut names = Vec::new();
        self.visit(profiles, |_, facts, row| {
            facts.all(row, &mut names);
            for identity in &names {
                evidence.of.entry(*identity).or_default().see(facts.time(row));
            }
        })?;
        if let Some(profiles) = profiles {
            evidence.of.retain(|identity, _| self.is_of(*identity, profiles));
        }
        Ok(evidence)
    }

    fn is_of(&self, identity: u32, profiles: &[u32]) -> bool {
        self.state.graph.profile_of(identity).is_some_and(|profile| profiles.contains(&profile))
    }

    /// What rows say of each pair of identities, and the sets of datasets that it names. A pair belongs
    /// to the profiles of both of its identities, which differ if it does not live. Pairs that only a
    /// steward linked are among them, without evidence.
    ///
    /// # Errors
    /// What reading rows may give.
    pub fn link_evidence(&self, profiles: Option<&[u32]>) -> Result<LinkEvidence> {
        let (mut links, mut sets, mut names) =
            (Links::default(), DatasetSets::default(), Vec::new());
        self.visit(profiles, |dataset, facts, row| {
            facts.all(row, &mut names);
            links.add(&names, facts.time(row), |set| sets.extend(set, dataset.id));
        })?;
        for decision in self.catalog().decisions.unordered() {
            let (left, right) = (decision.left.number, decision.right.number);
            let graph = &self.state.graph;
            let linked = decision.kind == DecisionKind::Link;
            if linked && graph.contains(left) && graph.contains(right) {
                links.add_decided(left, right);
            }
        }
        let mut links = links.into_sorted();
        if let Some(profiles) = profiles {
            links.retain(|((left, right), _)| {
                self.is_of(*left, profiles) || self.is_of(*right, profiles)
            });
        }
        Ok(LinkEvidence { links, sets })
    }
}

/// What rows say of one identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Rows that name it, as any of their identities.
    pub fragment_count: i64,
    /// Earliest `observed_at`; `i64::MAX` if no row has a time.
    pub first_seen_at: i64,
    /// Latest `observed_at`; `i64::MIN` if no row has a time.
    pub last_seen_at: i64,
}

impl Default for Seen {
    fn default() -> Self {
        Self { fragment_count: 0, first_seen_at: i64::MAX, last_seen_at: i64::MIN }
    }
}

impl Seen {
    fn see(&mut self, time: Option<i64>) {
        self.fragment_count += 1;
        if let Some(time) = time {
            self.first_seen_at = self.first_seen_at.min(time);
            self.last_seen_at = self.last_seen_at.max(time);
        }
    }
}

/// What rows say of identities.
#[derive(Debug, Default)]
pub struct IdentityEvidence {
    of: HashMap<u32, Seen>,
}

impl IdentityEvidence {
    /// Identities in ascending order.
    pub fn identities(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.of.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// What rows say of an identity.
    pub fn seen(&self, identity: u32) -> Seen {
        self.of.get(&identity).copied().unwrap_or_default()
    }
}

/// What rows say of pairs.
#[derive(Debug)]
pub struct LinkEvidence {
    /// Pairs in ascending order, the smaller identity first.
    pub links: Vec<((u32, u32), Evidence)>,
    /// The sets of datasets that the evidence names.
    pub sets: DatasetSets,
}

impl LinkEvidence {
    /// How many links each identity has.
    pub fn counts(&self) -> HashMap<u32, i64> {
        let mut counts = HashMap::new();
        for ((left, right), _) in &self.links {
            *counts.entry(*left).or_default() += 1;
            *counts.entry(*right).or_default() += 1;
        }
        counts
    }
}

/// Profile ids of identities, as the column that shows them.
pub fn profile_column(
    snapshot: &Snapshot,
    identities: impl Iterator<Item = Option<u32>>,
) -> Int64Array {
    let profile = |identity: u32| snapshot.state.graph.profile_of(identity).map(i64::from);
    identities.map(|identity| identity.and_then(profile)).collect()
}
