//! The rules of the graph, in numbers: what spec 5.2 needs to know of namespaces, of the capacity, and
//! of what stewards decided.
//!
//! Made from definitions by the engine; the graph looks here and nowhere else.

use std::cmp::Ordering;
use std::sync::Arc;

use imbl::OrdMap;

use crate::graph::dictionary::Dictionary;
use crate::model::namespace::{Kind, Namespace};

/// The most namespaces that may be UNIQUE at once: each has a bit in the traits of a component.
pub const UNIQUE_NAMESPACES_MAX: usize = 31;

/// The bit of a component that the rule may have parted: its graphs are in the fold.
pub const CONTESTED: u32 = 1 << 31;

/// What a steward decided of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// They are one person; the greater number is the newer decision.
    Linked(u64),
    /// Never by evidence.
    Unlinked,
}

/// What the rule needs to know of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct NamespaceRule {
    rank: u32,
    /// What the capacity rule takes out first: 0 cookies, 1 devices, 2 others.
    eviction_class: u8,
    /// Position among all namespaces in the order of their names.
    name_order: u32,
    /// The bit of a unique namespace; 0 of another.
    unique_bit: u32,
}

/// All rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// By namespace number.
    namespaces: Arc<Vec<NamespaceRule>>,
    /// The most identities of one graph; `usize::MAX` if there is no limit.
    identities_max: usize,
    /// Decisions by pair, under both of its orders.
    decisions: OrdMap<(u32, u32), Decided>,
    link_count: usize,
}

impl Rules {
    /// Rules of these namespaces. `identities_max` is 0 for no limit. Namespaces beyond
    /// [`UNIQUE_NAMESPACES_MAX`] unique ones would not be kept apart: the catalog refuses them.
    pub fn new<'a>(
        namespaces: impl IntoIterator<Item = &'a Namespace>,
        identities_max: usize,
    ) -> Self {
        let mut all: Vec<&Namespace> = namespaces.into_iter().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let bound = all.iter().map(|namespace| namespace.id + 1).max().unwrap_or(0);
        let mut rules = vec![NamespaceRule::default(); bound as usize];
        for (at, namespace) in all.iter().enumerate() {
            rules[namespace.id as usize] = NamespaceRule {
                rank: namespace.rank,
                eviction_class: match namespace.kind {
                    Kind::Cookie => 0,
                    Kind::Device => 1,
                    Kind::Person | Kind::Email | Kind::Phone => 2,
                },
                name_order: at as u32,
                unique_bit: 0,
            };
        }
        all.sort_by_key(|namespace| namespace.id);
        let unique = all.iter().filter(|namespace| namespace.unique);
        for (bit, namespace) in unique.take(UNIQUE_NAMESPACES_MAX).enumerate() {
            rules[namespace.id as usize].unique_bit = 1 << bit;
        }
        Self {
            namespaces: Arc::new(rules),
            identities_max: if identities_max == 0 { usize::MAX } else { identities_max },
            ..Self::default()
        }
    }

    /// The same rules with these decisions.
    pub fn with_decisions(
        mut self,
        decisions: impl IntoIterator<Item = (u32, u32, Decided)>,
    ) -> Self {
        for (left, right, decided) in decisions {
            self.decide(left, right, Some(decided));
        }
        self
    }

    /// The same rules with the decisions of others.
    pub fn with_decisions_of(mut self, other: &Self) -> Self {
        self.decisions = other.decisions.clone();
        self.link_count = other.link_count;
        self
    }

    /// Notes what a steward decided of a pair, or that it is undecided again.
    pub fn decide(&mut self, left: u32, right: u32, decided: Option<Decided>) {
        for pair in [(left, right), (right, left)] {
            let old = match decided {
                Some(decided) => self.decisions.insert(pair, decided),
                None => self.decisions.remove(&pair),
            };
            self.link_count -= usize::from(matches!(old, Some(Decided::Linked(_))));
            self.link_count += usize::from(matches!(decided, Some(Decided::Linked(_))));
        }
    }

    /// What was decided of a pair.
    pub fn decided(&self, left: u32, right: u32) -> Option<Decided> {
        if self.decisions.is_empty() {
            return None;
        }
        self.decisions.get(&(left, right)).copied()
    }

    /// Pairs of which the other rules say something else was decided, or nothing, and what.
    pub fn decided_otherwise(&self, other: &Self) -> Vec<((u32, u32), Option<Decided>)> {
        let once = |pair: &(u32, u32)| pair.0 < pair.1;
        let new = other
            .decisions
            .iter()
            .filter(|(pair, decided)| once(pair) && self.decisions.get(*pair) != Some(*decided));
        let gone =
            self.decisions.keys().filter(|pair| once(pair) && !other.decisions.contains_key(*pair));
        let gone = gone.map(|pair| (*pair, None));
        gone.chain(new.map(|(pair, decided)| (*pair, Some(*decided)))).collect()
    }

    /// Whether stewards decided anything.
    pub fn has_decisions(&self) -> bool {
        !self.decisions.is_empty()
    }

    /// The identities of which something was decided together with this one.
    pub fn decisions_of(&self, identity: u32) -> impl Iterator<Item = (u32, Decided)> + '_ {
        let range = self.decisions.range((identity, 0)..=(identity, u32::MAX));
        range.map(|((_, other), decided)| (*other, *decided))
    }

    /// Whether a steward linked the identity to any other.
    pub fn is_linked(&self, identity: u32) -> bool {
        let linked = |(_, decided)| matches!(decided, Decided::Linked(_));
        self.link_count > 0 && self.decisions_of(identity).any(linked)
    }

    /// The most identities of one graph.
    pub fn identities_max(&self) -> usize {
        self.identities_max
    }

    fn of(&self, namespace: u32) -> NamespaceRule {
        self.namespaces.get(namespace as usize).copied().unwrap_or_default()
    }

    /// The traits of an identity of a namespace: the bit of the namespace if it is unique.
    pub fn traits(&self, namespace: u32) -> u32 {
        self.of(namespace).unique_bit
    }

    /// Of unique namespaces that two graphs both hold an identity of: the most trusted one.
    pub fn namespace_of_bits(&self, bits: u32) -> Option<u32> {
        let held =
            self.namespaces.iter().enumerate().filter(|(_, rule)| rule.unique_bit & bits != 0);
        let trusted = held.min_by_key(|(_, rule)| (rule.rank, rule.name_order));
        trusted.and_then(|(namespace, _)| u32::try_from(namespace).ok())
    }

    /// Whether the namespaces of both have the same bits; new ones have no identities yet.
    pub fn same_unique(&self, other: &Self) -> bool {
        let bits = |rules: &Self| -> Vec<u32> {
            rules.namespaces.iter().map(|rule| rule.unique_bit).collect()
        };
        let length = self.namespaces.len().min(other.namespaces.len());
        bits(self)[..length] == bits(other)[..length]
    }

    /// Whether the order in which links are tried and identities are taken out is the same.
    pub fn same_order(&self, other: &Self) -> bool {
        let order = |rules: &Self| -> Vec<(u32, u8)> {
            rules.namespaces.iter().map(|rule| (rule.rank, rule.eviction_class)).collect()
        };
        let length = self.namespaces.len().min(other.namespaces.len());
        order(self)[..length] == order(other)[..length]
    }
}

/// The rules and the names that decide ties.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The rules.
    pub rules: &'a Rules,
    /// Namespaces and values of identities.
    pub names: &'a Dictionary,
}

impl Context<'_> {
    fn rule(&self, identity: u32) -> NamespaceRule {
        self.names.namespace(identity).map(|namespace| self.rules.of(namespace)).unwrap_or_default()
    }

    /// The traits of an identity.
    pub fn traits(&self, identity: u32) -> u32 {
        self.rule(identity).unique_bit
    }

    /// The ranks of both identities' namespaces, added.
    pub fn rank_sum(&self, (left, right): (u32, u32)) -> u32 {
        self.rule(left).rank + self.rule(right).rank
    }

    /// What decides who leaves a graph that is too large, before times and names: the lesser leaves.
    pub fn eviction_class(&self, identity: u32) -> (bool, u8) {
        (self.rules.is_linked(identity), self.rule(identity).eviction_class)
    }

    /// Orders identities by (namespace, value).
    pub fn compare(&self, left: u32, right: u32) -> Ordering {
        if left == right {
            return Ordering::Equal;
        }
        let order = |identity| self.rule(identity).name_order;
        order(left).cmp(&order(right)).then_with(|| self.names.compare_values(left, right))
    }

    /// Orders pairs by the lesser of their identities, then by the greater.
    pub fn compare_pairs(&self, left: (u32, u32), right: (u32, u32)) -> Ordering {
        let sorted = |(a, b): (u32, u32)| match self.compare(a, b) {
            Ordering::Greater => (b, a),
            _ => (a, b),
        };
        let ((a, b), (c, d)) = (sorted(left), sorted(right));
        self.compare(a, c).then_with(|| self.compare(b, d))
    }

    /// The most trusted unique namespace of which there are two among these identities.
    pub fn repeated_unique(&self, identities: &[u32]) -> Option<u32> {
        let (mut seen, mut twice) = (0, 0);
        for identity in identities {
            let bit = self.traits(*identity);
            twice |= seen & bit;
            seen |= bit;
        }
        if twice == 0 { None } else { self.rules.namespace_of_bits(twice) }
    }
}
