//! Who has a profile under a policy, and whose rows are in it.
//!
//! Under `STITCH GRAPH` a person is a graph, with the number of its smallest identity; under `STITCH NONE`
//! an identity that is the primary one of some row, with its own number. Only this file knows the difference.

use crate::engine::profiles::lineage::PolicyReader;
use crate::engine::snapshot::Snapshot;
use crate::engine::state::State;
use crate::engine::touched::Kind;
use crate::error::Result;
use crate::model::policy::{MergePolicy, Stitch};

impl State {
    /// Whether a number is that of a person.
    pub(crate) fn is_person(&self, stitch: Stitch, number: u32) -> bool {
        match stitch {
            Stitch::Graph => self.graph.profile_of(number) == Some(number),
            Stitch::None => self.index.totals(number).fragment_count > 0,
        }
    }

    /// All people, ascending.
    pub(crate) fn people(&self, stitch: Stitch) -> Vec<u32> {
        match stitch {
            Stitch::Graph => self.graph.profiles().collect(),
            Stitch::None => {
                self.graph.identities().filter(|it| self.is_person(stitch, *it)).collect()
            }
        }
    }

    /// Calls `each` with the identities whose rows are a person's; with none if there is no such person.
    ///
    /// # Errors
    /// Those of `each`.
    pub(crate) fn each_member(
        &self,
        stitch: Stitch,
        person: u32,
        mut each: impl FnMut(u32) -> Result<()>,
    ) -> Result<()> {
        match (self.is_person(stitch, person), stitch) {
            (false, _) => Ok(()),
            (true, Stitch::Graph) => self.graph.members(person).try_for_each(each),
            (true, Stitch::None) => each(person),
        }
    }
}

impl Snapshot {
    /// The person whom an identity that a user names is under a policy, or belongs to.
    ///
    /// # Errors
    /// `42704` if there is no such namespace.
    pub fn person_of(
        &self,
        policy: &MergePolicy,
        namespace: &str,
        value: &str,
    ) -> Result<Option<u32>> {
        if policy.stitch == Stitch::Graph {
            return self.profile_of(namespace, value);
        }
        let namespace = self.catalog().namespace(namespace)?;
        let value = namespace.identity(value);
        let identity = value.and_then(|value| self.dictionary.get(namespace.id, &value));
        Ok(identity.filter(|identity| self.state.is_person(policy.stitch, *identity)))
    }

    /// The people some of whose rows may name an identity, given normalised; more than those, perhaps.
    pub fn people_naming(&self, stitch: Stitch, namespace: u32, value: &str) -> Vec<u32> {
        let graph = &self.state.graph;
        let known = self.dictionary.get(namespace, value).filter(|it| graph.contains(*it));
        let Some(identity) = known else { return Vec::new() };
        let mut people: Vec<u32> = match stitch {
            // A row belongs where its primary identity does, which a link that was dropped parts from
            // the others.
            Stitch::Graph => {
                let others = graph.dropped_of(identity).map(|(other, _)| other);
                std::iter::once(identity)
                    .chain(others)
                    .filter_map(|it| graph.profile_of(it))
                    .collect()
            }
            Stitch::None => {
                let cluster = graph.cluster(identity);
                cluster.filter(|it| self.state.is_person(stitch, *it)).collect()
            }
        };
        people.sort_unstable();
        people.dedup();
        people
    }
}

impl PolicyReader {
    /// Those of the people who exist, or all, in ascending order.
    pub fn people(&self, profiles: Option<&[u32]>) -> Vec<u32> {
        let (state, stitch) = (&self.snapshot().state, self.definition().stitch);
        match profiles {
            None => state.people(stitch),
            Some(profiles) => {
                profiles.iter().copied().filter(|it| state.is_person(stitch, *it)).collect()
            }
        }
    }
}

/// What a commit must have touched for people under a policy to look different.
pub(super) fn touched_kind(stitch: Stitch) -> Kind {
    match stitch {
        Stitch::Graph => Kind::Profiles,
        Stitch::None => Kind::Primaries,
    }
}
