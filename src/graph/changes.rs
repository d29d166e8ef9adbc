//! What a commit did to profiles: which joined another, which split, and which identities moved.
//!
//! Told by comparing the graph before with the graph after, for the identities that may have changed.
//! Where the log of it is kept is the engine's matter.

use std::collections::BTreeMap;

use hashbrown::HashSet;

use crate::graph::identity_graph::IdentityGraph;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// A profile id ceased to be: its smallest identity belongs to another profile now.
    Joined,
    /// A profile id came to be from identities of another.
    Split,
    /// An identity went from one profile to another, and both existed before.
    Moved,
}

impl ChangeKind {
    /// Its name in `identity_changes`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Split => "split",
            Self::Moved => "moved",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileChange {
    /// What.
    pub kind: ChangeKind,
    /// The identity that moved; none if the profile joined or split.
    pub identity: Option<u32>,
    /// The profile id before.
    pub from_profile: u32,
    /// The profile id after.
    pub to_profile: u32,
    /// The row that did it; 0 if it was none.
    pub fragment_id: i64,
}

/// What happened to the profiles of the suspects, in the order of profile ids and identities. Who came
/// to be is told by nothing: only what was there before can change.
pub fn changes(
    before: &IdentityGraph,
    after: &IdentityGraph,
    suspects: &[(u32, i64)],
) -> Vec<ProfileChange> {
    let mut seen = HashSet::new();
    // A first load has nothing before it: its suspects are skipped without being looked at twice.
    let suspects = if before.identity_count() == 0 { &[][..] } else { suspects };
    let mut found: BTreeMap<(ChangeKind, u32, u32, Option<u32>), i64> = BTreeMap::new();
    // The last row that a suspect is named with is the one that settled it.
    for (identity, fragment_id) in suspects.iter().rev() {
        let Some(from) = before.profile_of(*identity) else { continue };
        let Some(to) = after.profile_of(*identity).filter(|to| *to != from) else { continue };
        if !seen.insert(*identity) {
            continue;
        }
        let (kind, identity) = if *identity == from {
            (ChangeKind::Joined, None)
        } else if after.profile_of(from) == Some(to) {
            // It went with the whole.
            continue;
        } else if before.contains_profile(to) {
            (ChangeKind::Moved, Some(*identity))
        } else {
            (ChangeKind::Split, None)
        };
        found.entry((kind, from, to, identity)).or_insert(*fragment_id);
    }
    let change = |((kind, from_profile, to_profile, identity), fragment_id)| ProfileChange {
        kind,
        identity,
        from_profile,
        to_profile,
        fragment_id,
    };
    found.into_iter().map(change).collect()
}
