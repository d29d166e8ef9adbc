//! The identity graph: who belongs together, kept up to date row by row, and why others do not.
//!
//! Two levels. *Clusters* are the connected components of all evidence (and of stewards' links), no
//! rule applied: the cheapest thing to keep, and what bounds every effect of the rule of spec 5.2.
//! A cluster is a graph, and so a profile, unless it is *contested*: unless it holds two identities of
//! a unique namespace, or more than the capacity, or something that a steward decided. That does not
//! depend on the order of rows. Contested clusters are in the [`Fold`], which says what graphs they
//! fall into.
//!
//! Taking rows in has two parts, so that a batch costs what it touches: [`IdentityGraph::take`] for
//! each row joins clusters, and remembers rows of contested ones; [`IdentityGraph::settle`] then folds
//! these, a step each if they are later than all that their cluster has seen, else the cluster from its
//! beginning, once for all of them. Rows come from a [`RowSource`]; nothing is kept that they can tell.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};
use imbl::OrdMap;

use crate::error::Result;
use crate::graph::components::{Components, Members};
use crate::graph::dictionary::Dictionary;
use crate::graph::fold::{Dropped, Effects, Fold, Moment};
use crate::graph::rules::{CONTESTED, Context, Decided, Rules};

mod saved;

/// Gives rows again, by identity.
pub trait RowSource {
    /// Calls for every accepted row whose primary identity is one of these, in any order, with the
    /// row's identities, each once, and its place in the order of the fold.
    ///
    /// # Errors
    /// What reading rows may give.
    fn rows_of(&self, primaries: &[u32], each: &mut dyn FnMut(&[u32], Moment)) -> Result<()>;
}

/// Whether two identities that rows name together are one person by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// They are.
    Live,
    /// They are not.
    Dropped(Dropped),
}

/// Work that rows of contested clusters left to be settled.
#[derive(Debug, Default)]
pub struct Unsettled {
    /// Identities of rows, one after the other.
    identities: Vec<u32>,
    /// Place of each row, and where its identities end.
    rows: Vec<(Moment, usize)>,
    /// Identities of clusters that became contested, and the row with which they did: what rows
    /// before it said is not in the fold yet.
    newcomers: Vec<(Vec<u32>, i64)>,
    /// Identities whose clusters must be folded from the beginning, and the row that says so.
    afresh: Vec<(u32, i64)>,
    /// Whether all contested clusters must.
    all_afresh: bool,
}

impl Unsettled {
    /// For rows that do not come in the order of their fragment ids, as at start.
    pub fn in_no_order() -> Self {
        Self { all_afresh: true, ..Self::default() }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.newcomers.is_empty() && self.afresh.is_empty()
    }

    fn row(&self, at: usize) -> &[u32] {
        let from = at.checked_sub(1).map_or(0, |before| self.rows[before].1);
        &self.identities[from..self.rows[at].1]
    }
}

/// What is to be settled in one cluster.
#[derive(Debug, Default)]
struct Cluster {
    rows: Vec<usize>,
    newcomers: Vec<usize>,
    afresh: bool,
    /// The last of the rows that concern it, by fragment id: what becomes of it is due to that one.
    cause: i64,
}

/// The graph.
#[derive(Clone, Debug, Default)]
pub struct IdentityGraph {
    clusters: Components,
    fold: Fold,
    rules: Rules,
    /// The last row folded, by the label of each contested cluster.
    folded_up_to: OrdMap<u32, Moment>,
}

impl IdentityGraph {
    /// A graph with nothing in it.
    pub fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// The rules in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// How many identities are present.
    pub fn identity_count(&self) -> usize {
        self.clusters.identity_count()
    }

    /// How many profiles there are.
    pub fn profile_count(&self) -> usize {
        let graphs = self.fold.graphs().component_count();
        self.clusters.component_count() + graphs - self.folded_up_to.len()
    }

    /// How many clusters are contested.
    pub fn contested_count(&self) -> usize {
        self.folded_up_to.len()
    }

    /// How many links of contested clusters live and how many were dropped.
    pub fn contested_link_counts(&self) -> (usize, usize) {
        self.fold.link_counts()
    }

    /// Whether an accepted row named the identity.
    pub fn contains(&self, identity: u32) -> bool {
        self.clusters.contains(identity)
    }

    /// Whether the cluster of an identity is contested.
    pub fn is_contested(&self, identity: u32) -> bool {
        self.clusters.summary(identity).is_some_and(|(_, traits)| traits & CONTESTED != 0)
    }

    /// The profile that an identity belongs to: the smallest identity of its graph (spec 3).
    pub fn profile_of(&self, identity: u32) -> Option<u32> {
        let (smallest, traits) = self.clusters.summary(identity)?;
        if traits & CONTESTED == 0 {
            Some(smallest)
        } else {
            self.fold.graphs().profile_of(identity)
        }
    }

    /// Whether there is a profile of this id.
    pub fn contains_profile(&self, profile: u32) -> bool {
        self.profile_of(profile) == Some(profile)
    }

    fn graphs_of(&self, identity: u32) -> &Components {
        if self.is_contested(identity) { self.fold.graphs() } else { &self.clusters }
    }

    /// All members of an identity's graph, in no order.
    pub fn members(&self, identity: u32) -> Members<'_> {
        self.graphs_of(identity).members(identity)
    }

    /// How many members an identity's graph has.
    pub fn member_count(&self, identity: u32) -> usize {
        self.graphs_of(identity).member_count(identity)
    }

    /// All identities that any evidence or decision connects with this one, rules aside.
    pub fn cluster(&self, identity: u32) -> Members<'_> {
        self.clusters.members(identity)
    }

    /// All profile ids in ascending order.
    pub fn profiles(&self) -> impl Iterator<Item = u32> + '_ {
        self.clusters.identities().filter(|identity| self.profile_of(*identity) == Some(*identity))
    }

    /// All present identities in ascending order.
    pub fn identities(&self) -> impl Iterator<Item = u32> + '_ {
        self.clusters.identities()
    }

    /// What became of a pair that rows name together or a steward linked.
    pub fn link_state(&self, left: u32, right: u32) -> LinkState {
        self.fold.dropped(left, right).map_or(LinkState::Live, LinkState::Dropped)
    }

    /// The links of an identity that do not live.
    pub fn dropped_of(&self, identity: u32) -> impl Iterator<Item = (u32, Dropped)> + '_ {
        self.fold.dropped_of(identity)
    }

    /// The identities that an identity was ever observed together with, if its cluster is contested.
    pub fn contested_neighbours(&self, identity: u32) -> impl Iterator<Item = u32> + '_ {
        let dropped = self.fold.dropped_of(identity).map(|(other, _)| other);
        self.fold.neighbours(identity).chain(dropped)
    }

    /// Takes in a row. `identities` are its identities, each once, the primary one first, and
    /// `traits` those of each ([`Rules::traits`]).
    pub fn take(
        &mut self,
        identities: &[u32],
        traits: &[u32],
        moment: Moment,
        unsettled: &mut Unsettled,
        effects: &mut Effects,
    ) {
        for (identity, traits) in identities.iter().zip(traits) {
            if self.clusters.insert(*identity, *traits) {
                effects.new_identities.push(*identity);
                self.take_decisions(*identity, moment, unsettled, effects);
            }
        }
        let Some((first, others)) = identities.split_first() else { return };
        for other in others {
            self.join(*first, *other, moment, unsettled, effects);
        }
        if self.rules.has_decisions() && !others.is_empty() && self.is_parted(identities) {
            self.contest(*first, moment, unsettled, effects);
        }
        if !others.is_empty() && self.clusters.traits(*first) & CONTESTED != 0 {
            unsettled.identities.extend(identities);
            unsettled.rows.push((moment, unsettled.identities.len()));
        }
    }

    /// Whether a steward parted two of a row's identities.
    fn is_parted(&self, identities: &[u32]) -> bool {
        crate::graph::fold::pairs(identities)
            .any(|(left, right)| self.rules.decided(left, right) == Some(Decided::Unlinked))
    }

    /// What stewards decided of an identity before any row named it.
    fn take_decisions(
        &mut self,
        identity: u32,
        moment: Moment,
        unsettled: &mut Unsettled,
        effects: &mut Effects,
    ) {
        if !self.rules.has_decisions() {
            return;
        }
        let linked: Vec<u32> = self
            .rules
            .decisions_of(identity)
            .filter(|(other, decided)| {
                matches!(decided, Decided::Linked(_)) && self.clusters.contains(*other)
            })
            .map(|(other, _)| other)
            .collect();
        for other in linked {
            self.contest(other, moment, unsettled, effects);
            self.join(identity, other, moment, unsettled, effects);
            unsettled.afresh.push((identity, moment.fragment_id));
        }
    }

    /// Joins the clusters of two present identities.
    fn join(
        &mut self,
        left: u32,
        right: u32,
        moment: Moment,
        unsettled: &mut Unsettled,
        effects: &mut Effects,
    ) {
        let (a, b) = (self.clusters.label(left), self.clusters.label(right));
        if a == b {
            return;
        }
        let (traits, others) = (self.clusters.traits(a), self.clusters.traits(b));
        let size = self.clusters.member_count(a) + self.clusters.member_count(b);
        let contested = traits & others & !CONTESTED != 0
            || (traits | others) & CONTESTED != 0
            || size > self.rules.identities_max();
        if !contested {
            if let Some(gone) = self.clusters.join(a, b) {
                effects.touched.push(gone);
                effects.suspects.push((gone, moment.fragment_id));
            }
            return;
        }
        self.contest(a, moment, unsettled, effects);
        self.contest(b, moment, unsettled, effects);
        let last = [a, b].iter().filter_map(|label| self.folded_up_to.remove(label)).max();
        self.clusters.join(a, b);
        let label = self.clusters.label(a);
        self.folded_up_to.insert(label, last.unwrap_or(Moment::FIRST));
    }

    /// Makes the cluster of an identity contested if it was not.
    fn contest(
        &mut self,
        identity: u32,
        moment: Moment,
        unsettled: &mut Unsettled,
        effects: &mut Effects,
    ) {
        let traits = self.clusters.traits(identity);
        if traits & CONTESTED != 0 {
            return;
        }
        effects.touched.extend(self.clusters.profile_of(identity));
        let members: Vec<u32> = self.clusters.members(identity).collect();
        unsettled.newcomers.push((members, moment.fragment_id));
        self.clusters.set_traits(identity, traits | CONTESTED);
        self.folded_up_to.insert(self.clusters.label(identity), Moment::FIRST);
    }

    /// Folds what is unsettled.
    ///
    /// # Errors
    /// What reading rows may give; the graph is then to be thrown away.
    pub fn settle(
        &mut self,
        unsettled: &Unsettled,
        names: &Dictionary,
        rows: &dyn RowSource,
        effects: &mut Effects,
    ) -> Result<()> {
        let mut clusters: BTreeMap<u32, Cluster> = BTreeMap::new();
        for at in 0..unsettled.rows.len() {
            let label = self.clusters.label(unsettled.row(at)[0]);
            let cluster = clusters.entry(label).or_default();
            cluster.rows.push(at);
            cluster.cause = cluster.cause.max(unsettled.rows[at].0.fragment_id);
        }
        for (at, (members, joined_with)) in unsettled.newcomers.iter().enumerate() {
            let cluster = clusters.entry(self.clusters.label(members[0])).or_default();
            cluster.newcomers.push(at);
            cluster.cause = cluster.cause.max(*joined_with);
        }
        for (identity, fragment_id) in &unsettled.afresh {
            let cluster = clusters.entry(self.clusters.label(*identity)).or_default();
            cluster.afresh = true;
            cluster.cause = cluster.cause.max(*fragment_id);
        }
        for (label, mut cluster) in clusters {
            let afresh = unsettled.all_afresh || cluster.afresh;
            if afresh || !self.step_through(label, &mut cluster, unsettled, names, rows, effects)? {
                self.fold_afresh(label, cluster.cause, names, rows, effects)?;
            }
        }
        Ok(())
    }

    /// Folds a cluster's new rows step by step; tells if that may be: if they are later than all that
    /// was known of it.
    fn step_through(
        &mut self,
        label: u32,
        cluster: &mut Cluster,
        unsettled: &Unsettled,
        names: &Dictionary,
        rows: &dyn RowSource,
        effects: &mut Effects,
    ) -> Result<bool> {
        cluster.rows.sort_unstable_by_key(|at| unsettled.rows[*at].0);
        let first = cluster.rows.first().map_or(Moment::LAST, |at| unsettled.rows[*at].0);
        let known = self.folded_up_to.get(&label).copied().unwrap_or(Moment::FIRST);
        if known >= first {
            return Ok(false);
        }
        let mut last = known;
        for at in &cluster.newcomers {
            let (members, joined_with) = &unsettled.newcomers[*at];
            last = last.max(self.adopt(members, *joined_with, names, rows)?);
        }
        if last >= first {
            return Ok(false);
        }
        let context = Context { rules: &self.rules, names };
        for at in &cluster.rows {
            let (moment, row) = (unsettled.rows[*at].0, unsettled.row(*at));
            self.fold.step(row, moment, &context, effects);
            last = moment;
            effects
                .touched
                .extend(row.iter().filter_map(|one| self.fold.graphs().profile_of(*one)));
        }
        for at in &cluster.newcomers {
            let members = unsettled.newcomers[*at].0.iter();
            effects.touched.extend(members.filter_map(|one| self.fold.graphs().profile_of(*one)));
        }
        self.folded_up_to.insert(label, last);
        Ok(true)
    }

    /// Puts a cluster into the fold that was not contested up to a row; gives its last moment.
    fn adopt(
        &mut self,
        members: &[u32],
        joined_with: i64,
        names: &Dictionary,
        rows: &dyn RowSource,
    ) -> Result<Moment> {
        let context = Context { rules: &self.rules, names };
        members.iter().for_each(|member| self.fold.insert(*member, &context));
        let mut last = Moment::FIRST;
        let fold = &mut self.fold;
        rows.rows_of(members, &mut |identities, moment| {
            if moment.fragment_id < joined_with && identities.len() > 1 {
                fold.adopt(identities, moment, &context);
                last = last.max(moment);
            }
        })?;
        Ok(last)
    }

    /// Folds a contested cluster from its beginning, because of a row, or of none: 0.
    fn fold_afresh(
        &mut self,
        label: u32,
        cause: i64,
        names: &Dictionary,
        rows: &dyn RowSource,
        effects: &mut Effects,
    ) -> Result<()> {
        let members: Vec<u32> = self.clusters.members(label).collect();
        let before: HashMap<u32, u32> = self.profiles_of(&members);
        effects.touched.extend(before.values());
        self.fold.forget(&members);
        let context = Context { rules: &self.rules, names };
        members.iter().for_each(|member| self.fold.insert(*member, &context));
        let mut all: Vec<(Moment, Vec<u32>)> = Vec::new();
        rows.rows_of(&members, &mut |identities, moment| {
            if identities.len() > 1 {
                all.push((moment, identities.to_vec()));
            }
        })?;
        all.sort_unstable();
        for pair in linked_pairs(&members, &self.rules) {
            self.fold.adopt_decision(pair, &context);
        }
        // What rows do on the way does not count, only what came of it.
        let mut on_the_way = Effects::default();
        for (moment, row) in &all {
            self.fold.step(row, *moment, &context, &mut on_the_way);
            on_the_way = Effects::default();
        }
        let last = all.last().map_or(Moment::FIRST, |(moment, _)| *moment);
        self.folded_up_to.insert(label, last);
        for member in &members {
            let now = self.fold.graphs().profile_of(*member);
            if now != before.get(member).copied() {
                effects.suspects.push((*member, cause));
            }
            effects.touched.extend(now);
        }
        Ok(())
    }

    /// Brings the graph under other rules: finds the clusters that they contest or release, and folds
    /// those afresh that they concern. Decisions stay. `progress` is told how many clusters of how
    /// many are done.
    ///
    /// # Errors
    /// As [`IdentityGraph::settle`].
    pub fn restate(
        &mut self,
        rules: Rules,
        names: &Dictionary,
        rows: &dyn RowSource,
        effects: &mut Effects,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<()> {
        let rules = rules.with_decisions_of(&self.rules);
        let same_unique = self.rules.same_unique(&rules);
        let same = same_unique
            && self.rules.same_order(&rules)
            && self.rules.identities_max() == rules.identities_max();
        self.rules = rules;
        if same {
            return Ok(());
        }
        let concerned: Vec<u32> = self
            .clusters
            .labels()
            .filter(|label| {
                !same_unique
                    || self.clusters.traits(*label) & CONTESTED != 0
                    || self.clusters.member_count(*label) > self.rules.identities_max()
            })
            .collect();
        let contested: Vec<u32> = concerned
            .into_iter()
            .filter(|label| self.contest_by_members(*label, names, effects))
            .collect();
        for (done, label) in contested.iter().enumerate() {
            progress(done, contested.len());
            self.fold_afresh(*label, 0, names, rows, effects)?;
        }
        Ok(())
    }

    /// Tells from the members of a cluster whether it is contested, and notes it.
    fn contest_by_members(
        &mut self,
        label: u32,
        names: &Dictionary,
        effects: &mut Effects,
    ) -> bool {
        let was = self.clusters.traits(label) & CONTESTED != 0;
        let context = Context { rules: &self.rules, names };
        let (mut traits, mut twice, mut decided) = (0, 0, false);
        for member in self.clusters.members(label) {
            let bits = context.traits(member);
            twice |= traits & bits;
            traits |= bits;
            decided |=
                self.rules.has_decisions() && self.rules.decisions_of(member).next().is_some();
        }
        let size = self.clusters.member_count(label);
        let contested = twice != 0 || decided || size > self.rules.identities_max();
        if was == contested {
            self.clusters.set_traits(label, traits | if was { CONTESTED } else { 0 });
            return contested;
        }
        let members: Vec<u32> = self.clusters.members(label).collect();
        effects.touched.extend(members.iter().filter_map(|member| self.profile_of(*member)));
        if contested {
            self.clusters.set_traits(label, traits | CONTESTED);
            self.folded_up_to.insert(label, Moment::FIRST);
        } else {
            effects.suspects.extend(members.iter().map(|member| (*member, 0)));
            self.clusters.set_traits(label, traits);
            self.folded_up_to.remove(&label);
            self.fold.forget(&members);
            effects.touched.extend(self.clusters.profile_of(label));
        }
        contested
    }

    /// Notes what a steward decided of a pair, or that it is undecided again, and follows it.
    ///
    /// # Errors
    /// As [`IdentityGraph::settle`].
    pub fn decide(
        &mut self,
        (left, right): (u32, u32),
        decided: Option<Decided>,
        names: &Dictionary,
        rows: &dyn RowSource,
        effects: &mut Effects,
    ) -> Result<()> {
        self.rules.decide(left, right, decided);
        self.rebuild(&[left, right], names, rows, effects)
    }

    /// Makes the clusters of some identities anew from their rows: after rows are gone, or a decision
    /// that held a cluster together. Identities that no row names any more are gone then.
    ///
    /// # Errors
    /// As [`IdentityGraph::settle`].
    pub fn rebuild(
        &mut self,
        identities: &[u32],
        names: &Dictionary,
        rows: &dyn RowSource,
        effects: &mut Effects,
    ) -> Result<()> {
        let mut labels: Vec<u32> = identities
            .iter()
            .filter(|identity| self.contains(**identity))
            .map(|identity| self.clusters.label(*identity))
            .collect();
        labels.sort_unstable();
        labels.dedup();
        let members: Vec<u32> =
            labels.iter().flat_map(|label| self.clusters.members(*label)).collect();
        let mut all: Vec<(Moment, Vec<u32>)> = Vec::new();
        rows.rows_of(&members, &mut |row, moment| all.push((moment, row.to_vec())))?;
        all.sort_unstable();
        for member in &members {
            effects.touched.extend(self.profile_of(*member));
            effects.suspects.push((*member, 0));
        }
        self.clusters.dissolve(&members, |_| 0);
        members.iter().for_each(|member| self.clusters.remove(*member));
        for label in &labels {
            self.folded_up_to.remove(label);
        }
        self.fold.forget(&members);
        let (mut unsettled, mut again) = (Unsettled::in_no_order(), Effects::default());
        for (moment, row) in &all {
            let context = Context { rules: &self.rules, names };
            let traits: Vec<u32> = row.iter().map(|identity| context.traits(*identity)).collect();
            self.take(row, &traits, *moment, &mut unsettled, &mut again);
        }
        self.settle(&unsettled, names, rows, &mut again)?;
        effects.touched.extend(members.iter().filter_map(|member| self.profile_of(*member)));
        Ok(())
    }

    fn profiles_of(&self, members: &[u32]) -> HashMap<u32, u32> {
        let profile = |member: &u32| self.fold.graphs().profile_of(*member).map(|it| (*member, it));
        members.iter().filter_map(profile).collect()
    }
}

/// The pairs of stewards' links among some identities, the newest first.
fn linked_pairs(members: &[u32], rules: &Rules) -> Vec<(u32, u32)> {
    if !rules.has_decisions() {
        return Vec::new();
    }
    let present: HashSet<u32> = members.iter().copied().collect();
    let mut found = Vec::new();
    for left in members {
        for (right, decided) in rules.decisions_of(*left) {
            if let Decided::Linked(sequence) = decided
                && *left < right
                && present.contains(&right)
            {
                found.push((std::cmp::Reverse(sequence), (*left, right)));
            }
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, pair)| pair).collect()
}
