//! The decisions in force, by the pair of identities that they are about.
//!
//! A catalog is copied with every change and kept by every snapshot, so that a copy must be cheap with
//! as many decisions as there may be: they are spread over shared buckets, and a change copies one or
//! two of these. Each decision is kept under both of its identities. What a decision may say is
//! checked in `decide`; this only keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::decision::{DecidedIdentity, Decision, DecisionKind};

/// Buckets: with as many decisions as there may be, one holds about two hundred entries, so that
/// copying a bucket and copying the list of buckets cost about the same.
const BUCKETS: usize = 512;

/// Decisions by an identity and the other one.
type Bucket = BTreeMap<(u32, u32), Arc<Decision>>;

/// All decisions in force: one for each pair of identities at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Decisions {
    /// By the first of the two numbers.
    buckets: Arc<Vec<Arc<Bucket>>>,
    count: usize,
    next_sequence: u64,
}

/// The form in which they are written: a list in the order in which they were made.
#[derive(Serialize, Deserialize)]
struct Stored {
    next_sequence: u64,
    decisions: Vec<Decision>,
}

impl Default for Decisions {
    fn default() -> Self {
        Self { buckets: Arc::new(vec![Arc::default(); BUCKETS]), count: 0, next_sequence: 0 }
    }
}

impl From<Decisions> for Stored {
    fn from(all: Decisions) -> Self {
        let decisions = all.in_order().into_iter().cloned().collect();
        Self { next_sequence: all.next_sequence, decisions }
    }
}

impl From<Stored> for Decisions {
    fn from(stored: Stored) -> Self {
        let mut all = Self::default();
        stored.decisions.into_iter().for_each(|decision| all.put(decision));
        all.next_sequence = stored.next_sequence;
        all
    }
}

impl Decisions {
    fn bucket(&self, identity: u32) -> &Bucket {
        &self.buckets[identity as usize % BUCKETS]
    }

    fn bucket_mut(&mut self, identity: u32) -> &mut Bucket {
        let buckets = Arc::make_mut(&mut self.buckets);
        Arc::make_mut(&mut buckets[identity as usize % BUCKETS])
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The decision on a pair of identities, in either order.
    pub fn between(&self, left: u32, right: u32) -> Option<&Decision> {
        self.bucket(left).get(&(left, right)).map(Arc::as_ref)
    }

    /// The decisions on an identity, with the other identity of each, in ascending order of those.
    pub fn of(&self, identity: u32) -> impl Iterator<Item = (u32, &Decision)> {
        let all = self.bucket(identity).range((identity, 0)..=(identity, u32::MAX));
        all.map(|((_, other), decision)| (*other, decision.as_ref()))
    }

    /// The identities that an identity is linked with by decision.
    pub fn linked_with(&self, identity: u32) -> impl Iterator<Item = u32> {
        let links = self.of(identity).filter(|(_, decision)| decision.kind == DecisionKind::Link);
        links.map(|(other, _)| other)
    }

    /// All of them, in the order in which they were made.
    pub fn in_order(&self) -> Vec<&Decision> {
        let mut all: Vec<&Decision> = self.unordered().collect();
        all.sort_unstable_by_key(|decision| decision.sequence);
        all
    }

    /// All of them, each once.
    pub fn unordered(&self) -> impl Iterator<Item = &Decision> {
        let entries = self.buckets.iter().flat_map(|bucket| bucket.iter());
        let once = entries.filter(|((identity, other), _)| identity < other);
        once.map(|(_, decision)| decision.as_ref())
    }

    /// A decision that names an identity of a namespace.
    pub fn user_of(&self, namespace: u32) -> Option<&Decision> {
        let names = |identity: &DecidedIdentity| identity.namespace == namespace;
        self.unordered().find(|decision| names(&decision.left) || names(&decision.right))
    }

    /// Adds a decision as the newest one, in the place of an older one on the same pair.
    pub(crate) fn decide(&mut self, decision: Decision) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.put(Decision { sequence, ..decision });
    }

    fn put(&mut self, decision: Decision) {
        let (left, right) = (decision.left.number, decision.right.number);
        let decision = Arc::new(decision);
        self.bucket_mut(left).insert((left, right), Arc::clone(&decision));
        if self.bucket_mut(right).insert((right, left), decision).is_none() {
            self.count += 1;
        }
    }

    /// Takes the decision on a pair away.
    pub(crate) fn undecide(&mut self, left: u32, right: u32) {
        self.bucket_mut(left).remove(&(left, right));
        if self.bucket_mut(right).remove(&(right, left)).is_some() {
            self.count -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: u32) -> DecidedIdentity {
        DecidedIdentity { namespace: 0, value: number.to_string(), number }
    }

    fn decision(left: u32, right: u32, kind: DecisionKind) -> Decision {
        Decision {
            kind,
            left: identity(left),
            right: identity(right),
            decided_by: "me".to_owned(),
            decided_at: 0,
            comment: None,
            sequence: 0,
        }
    }

    #[test]
    fn a_pair_has_one_decision_whichever_comes_first() {
        let mut all = Decisions::default();
        all.decide(decision(700, 3, DecisionKind::Link));
        all.decide(decision(3, 5, DecisionKind::Link));
        all.decide(decision(3, 700, DecisionKind::Unlink));
        assert_eq!(all.len(), 2);
        assert_eq!(all.between(700, 3), all.between(3, 700));
        assert_eq!(all.between(3, 700).map(|decision| decision.sequence), Some(2));
        assert_eq!(all.of(3).map(|(other, _)| other).collect::<Vec<_>>(), [5, 700]);
        assert_eq!(all.linked_with(3).collect::<Vec<_>>(), [5]);
        let order: Vec<u64> = all.in_order().iter().map(|decision| decision.sequence).collect();
        assert_eq!(order, [1, 2]);
        all.undecide(700, 3);
        all.undecide(700, 3);
        assert_eq!((all.len(), all.between(3, 700)), (1, None));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut all = Decisions::default();
        (1..40).for_each(|at| all.decide(decision(at * 131, at, DecisionKind::Link)));
        all.undecide(39, 39 * 131);
        let read: Decisions = serde_json::from_str(&serde_json::to_string(&all).unwrap()).unwrap();
        assert_eq!(read, all);
    }

    #[test]
    fn a_change_copies_two_buckets_and_shares_the_others() {
        let mut all = Decisions::default();
        (1..5_000).for_each(|at| all.decide(decision(at, at + 9, DecisionKind::Link)));
        let before = all.clone();
        all.decide(decision(1, 2, DecisionKind::Unlink));
        let shared = all.buckets.iter().zip(before.buckets.iter());
        assert_eq!(shared.filter(|(new, old)| !Arc::ptr_eq(new, old)).count(), 2);
        assert_eq!((before.between(1, 2), before.len()), (None, 4_999));
    }
}
