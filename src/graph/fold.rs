//! The fold of spec 5.2: which links of contested clusters live, row by row in the order of
//! (observed_at, fragment_id).
//!
//! A *cluster* is what evidence connects if no rule is applied. Of most clusters the rule can drop
//! nothing, whatever the order of their rows: they hold no two identities of a unique namespace, are
//! within the capacity, and no steward decided anything of them. Those are not in here. The others are
//! *contested*: for them the fold holds the live links with the times they were last seen, the dropped
//! ones with the reason, the graphs that the live ones make, and when each identity was first linked.
//!
//! One row costs what its graphs hold, not what its cluster holds: a device that a hundred thousand
//! people used is one large cluster of small graphs. All of it is persistent, so that a snapshot is a
//! copy of a few pointers.

use imbl::OrdMap;

use crate::graph::chunked::Chunked;
use crate::graph::components::Components;
use crate::graph::rules::{Context, Decided};

mod saved;

/// Place of a row in the order of the fold: `observed_at` in microseconds (`i64::MIN` if it has none),
/// then the fragment id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// When the row was observed.
    pub time: i64,
    /// The row.
    pub fragment_id: i64,
}

impl Moment {
    /// Before all rows.
    pub const FIRST: Self = Self { time: i64::MIN, fragment_id: i64::MIN };
    /// After all rows.
    pub const LAST: Self = Self { time: i64::MAX, fragment_id: i64::MAX };
}

/// Why a link does not live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It would give a graph two identities of the namespace of this number.
    Unique(u32),
    /// The graph held too many identities.
    Capacity,
    /// A steward said so.
    Unlinked,
}

/// What is known of a link that does not live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Why.
    pub reason: Reason,
    /// The row that was taken in when it was dropped.
    pub fragment_id: i64,
}

/// What taking rows in changed.
#[derive(Debug, Default)]
pub struct Effects {
    /// Identities that became present.
    pub new_identities: Vec<u32>,
    /// Profiles that may have changed, come or gone; with repetitions.
    pub touched: Vec<u32>,
    /// Identities that may belong to another profile than before, and the row that did it. Of a graph
    /// that joined another as a whole, only the smallest.
    pub suspects: Vec<(u32, i64)>,
}

/// A link on its way through a replay.
struct Contender {
    pair: (u32, u32),
    /// What goes first: a steward's link (the newest of them), then the row's own, then the others.
    turn: (u8, u64),
    rank_sum: u32,
    last_seen_at: i64,
}

/// The fold of all contested clusters.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    /// The graphs that live links make.
    live: Components,
    /// Live links under both orders of their pair, and when they were last seen.
    links: OrdMap<(u32, u32), i64>,
    /// Dropped links under both orders of their pair.
    dropped: OrdMap<(u32, u32), Dropped>,
    /// The first row that linked an identity to any other.
    first_linked: Chunked<Moment>,
}

impl Fold {
    /// The graphs of contested clusters.
    pub fn graphs(&self) -> &Components {
        &self.live
    }

    /// What is known of a pair that does not live.
    pub fn dropped(&self, left: u32, right: u32) -> Option<Dropped> {
        self.dropped.get(&(left, right)).copied()
    }

    /// The dropped links of an identity.
    pub fn dropped_of(&self, identity: u32) -> impl Iterator<Item = (u32, Dropped)> + '_ {
        let range = self.dropped.range((identity, 0)..=(identity, u32::MAX));
        range.map(|((_, other), dropped)| (*other, *dropped))
    }

    /// The identities that live links connect an identity with directly.
    pub fn neighbours(&self, identity: u32) -> impl Iterator<Item = u32> + '_ {
        self.links.range((identity, 0)..=(identity, u32::MAX)).map(|((_, other), _)| *other)
    }

    /// How many links live and how many were dropped.
    pub fn link_counts(&self) -> (usize, usize) {
        (self.links.len() / 2, self.dropped.len() / 2)
    }

    /// Makes an identity known to the fold, alone.
    pub fn insert(&mut self, identity: u32, context: &Context<'_>) {
        self.live.insert(identity, context.traits(identity));
    }

    /// Forgets identities and all their links. They must be whole clusters.
    pub fn forget(&mut self, members: &[u32]) {
        let known: Vec<u32> =
            members.iter().copied().filter(|member| self.live.contains(*member)).collect();
        self.live.dissolve(&known, |_| 0);
        for member in known {
            self.live.remove(member);
            for other in self.neighbours(member).collect::<Vec<_>>() {
                self.links.remove(&(member, other));
            }
            for (other, _) in self.dropped_of(member).collect::<Vec<_>>() {
                self.dropped.remove(&(member, other));
            }
            if (member as usize) < self.first_linked.len() {
                self.first_linked.set(member as usize, Moment::LAST);
            }
        }
    }

    fn note_linked(&mut self, identity: u32, moment: Moment) {
        let at = identity as usize;
        if self.first_linked.get(at).is_none_or(|first| moment < first) {
            self.first_linked.grow(at + 1, Moment::LAST);
            self.first_linked.set(at, moment);
        }
    }

    fn set_live(&mut self, (left, right): (u32, u32), last_seen_at: i64) {
        self.links.insert((left, right), last_seen_at);
        self.links.insert((right, left), last_seen_at);
        if !self.dropped.is_empty() {
            self.dropped.remove(&(left, right));
            self.dropped.remove(&(right, left));
        }
    }

    fn set_dropped(&mut self, (left, right): (u32, u32), dropped: Dropped) {
        self.links.remove(&(left, right));
        self.links.remove(&(right, left));
        self.dropped.insert((left, right), dropped);
        self.dropped.insert((right, left), dropped);
    }

    /// Takes in a row of a cluster that was not contested when it came: no order of such rows drops a
    /// link, so that they may come in any.
    pub fn adopt(&mut self, identities: &[u32], moment: Moment, context: &Context<'_>) {
        if identities.len() < 2 {
            return;
        }
        identities.iter().for_each(|identity| self.note_linked(*identity, moment));
        for pair in pairs(identities) {
            let seen = self.links.get(&pair).copied().unwrap_or(i64::MIN);
            self.insert(pair.0, context);
            self.insert(pair.1, context);
            self.set_live(pair, seen.max(moment.time));
            self.live.join(pair.0, pair.1);
        }
    }

    /// Takes a steward's link in, which stands before all rows. It may be too much for a unique
    /// namespace, since rules can be made stricter after the decision; then the newer link stays.
    pub fn adopt_decision(&mut self, pair: (u32, u32), context: &Context<'_>) {
        let (left, right) = (self.live.traits(pair.0), self.live.traits(pair.1));
        let apart = self.live.label(pair.0) != self.live.label(pair.1);
        match context.rules.namespace_of_bits(left & right) {
            Some(namespace) if apart => {
                let reason = Reason::Unique(namespace);
                self.set_dropped(pair, Dropped { reason, fragment_id: 0 });
            }
            _ => {
                self.live.join(pair.0, pair.1);
                self.set_live(pair, i64::MIN);
            }
        }
    }

    /// Takes in a row that is later than all rows of its cluster so far: one step of the rule.
    /// All its identities must be known.
    pub fn step(
        &mut self,
        identities: &[u32],
        moment: Moment,
        context: &Context<'_>,
        effects: &mut Effects,
    ) {
        if identities.len() < 2 {
            return;
        }
        if let Some(namespace) = context.repeated_unique(identities) {
            // It was accepted before the namespace was unique; now it links nothing.
            for pair in pairs(identities) {
                if !self.links.contains_key(&pair) {
                    let reason = Reason::Unique(namespace);
                    let dropped = Dropped { reason, fragment_id: moment.fragment_id };
                    self.set_dropped(pair, dropped);
                }
            }
            return;
        }
        identities.iter().for_each(|identity| self.note_linked(*identity, moment));
        let own = self.allowed(identities, moment, context);
        if self.fits(identities, &own) {
            for pair in own {
                self.unite(pair, moment, effects);
                self.set_live(pair, moment.time);
            }
        } else {
            self.replay(identities, &own, moment, context, effects);
        }
        self.shrink(identities, moment, context, effects);
    }

    /// The row's pairs but those that a steward parted.
    fn allowed(
        &mut self,
        identities: &[u32],
        moment: Moment,
        context: &Context<'_>,
    ) -> Vec<(u32, u32)> {
        let mut own = Vec::new();
        for pair in pairs(identities) {
            if context.rules.decided(pair.0, pair.1) == Some(Decided::Unlinked) {
                let dropped = Dropped { reason: Reason::Unlinked, fragment_id: moment.fragment_id };
                self.set_dropped(pair, dropped);
            } else {
                own.push(pair);
            }
        }
        own
    }

    /// Whether the graphs that these pairs would join hold no unique namespace twice.
    fn fits(&self, identities: &[u32], own: &[(u32, u32)]) -> bool {
        let labels: Vec<u32> =
            identities.iter().map(|identity| self.live.label(*identity)).collect();
        let at = |identity: u32| identities.iter().position(|one| *one == identity).unwrap_or(0);
        // A few identities: groups are merged by renaming.
        let first_with = |label: &u32| labels.iter().position(|other| other == label).unwrap_or(0);
        let mut groups: Vec<usize> = labels.iter().map(first_with).collect();
        for (left, right) in own {
            let (kept, gone) = (groups[at(*left)], groups[at(*right)]);
            groups.iter_mut().filter(|group| **group == gone).for_each(|group| *group = kept);
        }
        let mut held: Vec<u32> = vec![0; identities.len()];
        for (place, label) in labels.iter().enumerate() {
            if labels[..place].contains(label) {
                continue;
            }
            let traits = self.live.traits(*label);
            if held[groups[place]] & traits != 0 {
                return false;
            }
            held[groups[place]] |= traits;
        }
        true
    }

    fn unite(&mut self, (left, right): (u32, u32), moment: Moment, effects: &mut Effects) {
        if let Some(gone) = self.live.join(left, right) {
            effects.suspects.push((gone, moment.fragment_id));
            effects.touched.push(gone);
            effects.touched.extend(self.live.profile_of(left));
        }
    }

    /// The members of the graphs of some identities.
    fn members_of(&self, identities: &[u32]) -> Vec<u32> {
        let mut labels: Vec<u32> = Vec::new();
        let mut members = Vec::new();
        for identity in identities {
            let label = self.live.label(*identity);
            if !labels.contains(&label) {
                labels.push(label);
                members.extend(self.live.members(*identity));
            }
        }
        members
    }

    /// Tries the row's own links and all live ones of its graphs anew, one by one.
    fn replay(
        &mut self,
        identities: &[u32],
        own: &[(u32, u32)],
        moment: Moment,
        context: &Context<'_>,
        effects: &mut Effects,
    ) {
        let members = self.members_of(identities);
        let mut contenders = self.contenders(&members, own, moment, context);
        contenders.sort_unstable_by(|a, b| {
            a.turn
                .cmp(&b.turn)
                .then(a.rank_sum.cmp(&b.rank_sum))
                .then(b.last_seen_at.cmp(&a.last_seen_at))
                .then_with(|| context.compare_pairs(a.pair, b.pair))
        });
        self.note_reformed(&members, moment, effects);
        self.live.dissolve(&members, |member| context.traits(member));
        for contender in contenders {
            let (left, right) = contender.pair;
            let twice = self.live.traits(left) & self.live.traits(right);
            if twice != 0 && self.live.label(left) != self.live.label(right) {
                let namespace = context.rules.namespace_of_bits(twice).unwrap_or(0);
                let reason = Reason::Unique(namespace);
                let dropped = Dropped { reason, fragment_id: moment.fragment_id };
                self.set_dropped(contender.pair, dropped);
            } else {
                self.live.join(left, right);
                if own.contains(&contender.pair) {
                    self.set_live(contender.pair, moment.time);
                }
            }
        }
        effects.touched.extend(members.iter().filter_map(|member| self.live.profile_of(*member)));
    }

    fn contenders(
        &self,
        members: &[u32],
        own: &[(u32, u32)],
        moment: Moment,
        context: &Context<'_>,
    ) -> Vec<Contender> {
        let contender = |pair: (u32, u32), turn: u8, last_seen_at: i64| {
            let turn = match context.rules.decided(pair.0, pair.1) {
                Some(Decided::Linked(sequence)) => (0, u64::MAX - sequence),
                _ => (turn, 0),
            };
            Contender { pair, turn, rank_sum: context.rank_sum(pair), last_seen_at }
        };
        let mut all: Vec<Contender> =
            own.iter().map(|pair| contender(*pair, 1, moment.time)).collect();
        for member in members {
            let range = self.links.range((*member, *member)..=(*member, u32::MAX));
            let others = range.filter(|(pair, _)| !own.contains(pair));
            all.extend(others.map(|(pair, seen)| contender(*pair, 2, *seen)));
        }
        all
    }

    fn note_reformed(&self, members: &[u32], moment: Moment, effects: &mut Effects) {
        for member in members {
            effects.suspects.push((*member, moment.fragment_id));
            if self.live.label(*member) == *member {
                effects.touched.extend(self.live.profile_of(*member));
            }
        }
    }

    /// The capacity rule: takes identities out of graphs that are too large.
    fn shrink(
        &mut self,
        identities: &[u32],
        moment: Moment,
        context: &Context<'_>,
        effects: &mut Effects,
    ) {
        let max = context.rules.identities_max();
        let mut waiting: Vec<u32> = identities.to_vec();
        while let Some(identity) = waiting.pop() {
            while self.live.member_count(identity) > max {
                let members: Vec<u32> = self.live.members(identity).collect();
                self.evict(&members, moment, context, effects);
                waiting.extend(members);
            }
        }
    }

    fn evict(
        &mut self,
        members: &[u32],
        moment: Moment,
        context: &Context<'_>,
        effects: &mut Effects,
    ) {
        let linked =
            |identity: u32| self.first_linked.get(identity as usize).unwrap_or(Moment::LAST);
        let victim = members.iter().copied().min_by(|a, b| {
            let class = |identity| context.eviction_class(identity);
            class(*a)
                .cmp(&class(*b))
                .then(linked(*a).cmp(&linked(*b)))
                .then_with(|| context.compare(*a, *b))
        });
        let Some(victim) = victim else { return };
        self.note_reformed(members, moment, effects);
        for other in self.neighbours(victim).collect::<Vec<_>>() {
            let dropped = Dropped { reason: Reason::Capacity, fragment_id: moment.fragment_id };
            self.set_dropped((victim, other), dropped);
        }
        self.live.dissolve(members, |member| context.traits(member));
        for member in members {
            for other in self.links.range((*member, *member)..=(*member, u32::MAX)) {
                self.live.join(*member, other.0.1);
            }
        }
        effects.touched.extend(members.iter().filter_map(|member| self.live.profile_of(*member)));
    }
}

/// All pairs of a row's identities, the smaller number first.
pub fn pairs(identities: &[u32]) -> impl Iterator<Item = (u32, u32)> + '_ {
    identities.iter().enumerate().flat_map(move |(at, left)| {
        identities[at + 1..].iter().map(move |right| (*left.min(right), *left.max(right)))
    })
}
