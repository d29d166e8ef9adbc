//! Connected components over dense identity numbers, with the members of each.
//!
//! Each identity carries the label of its component, so that a look-up is one step and needs no path
//! compression; joining two components relabels the smaller one (each identity is relabelled at most
//! log2(n) times). Members form a ring, so that joining is splicing two rings. The profile id is the
//! smallest identity of the component (spec 3): it is kept at the label, not used as the label, so
//! that an old identity joining a large component does not relabel it.
//!
//! An identity is *present* once an accepted row named it; numbers of the dictionary that no accepted
//! row named belong to nobody. A component also carries *traits*, bits of which joining gives the
//! union: which unique namespaces it holds an identity of, and whether it is contested. What they mean
//! is for `rules` and `identity_graph` to say.

use crate::graph::chunked::Chunked;

mod saved;

/// What the graph keeps for one identity: 20 bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// An identity that stands for the component.
    label: u32,
    /// The next member of the component's ring.
    next: u32,
    /// At the label: how many members; 0 if the identity is not present. Elsewhere: 1.
    size: u32,
    /// At the label: the smallest member.
    smallest: u32,
    /// At the label: the traits of all members together. Elsewhere they mean nothing.
    traits: u32,
}

/// The components.
#[derive(Clone, Debug, Default)]
pub struct Components {
    nodes: Chunked<Node>,
    present_count: usize,
    component_count: usize,
}

impl Components {
    /// One more than the largest identity number ever present.
    pub fn bound(&self) -> usize {
        self.nodes.len()
    }

    /// How many identities are present.
    pub fn identity_count(&self) -> usize {
        self.present_count
    }

    /// How many components there are.
    pub fn component_count(&self) -> usize {
        self.component_count
    }

    /// Whether the identity is in any component.
    pub fn contains(&self, identity: u32) -> bool {
        self.nodes.get(identity as usize).is_some_and(|node| node.size > 0)
    }

    /// Makes an identity present, alone; tells whether it was not.
    pub fn insert(&mut self, identity: u32, traits: u32) -> bool {
        if self.contains(identity) {
            return false;
        }
        self.nodes.grow(identity as usize + 1, Node::default());
        self.set_alone(identity, traits);
        self.present_count += 1;
        self.component_count += 1;
        true
    }

    fn set_alone(&mut self, identity: u32, traits: u32) {
        let node = Node { label: identity, next: identity, size: 1, smallest: identity, traits };
        self.nodes.set(identity as usize, node);
    }

    fn node(&self, identity: u32) -> Node {
        self.nodes.get(identity as usize).unwrap_or_default()
    }

    /// The identity that stands for a present identity's component, until it is joined or dissolved.
    pub fn label(&self, identity: u32) -> u32 {
        self.node(identity).label
    }

    /// The traits of a present identity's component.
    pub fn traits(&self, identity: u32) -> u32 {
        self.node(self.node(identity).label).traits
    }

    /// Gives a present identity's component its traits.
    pub fn set_traits(&mut self, identity: u32, traits: u32) {
        let label = self.label(identity);
        self.nodes.get_mut(label as usize).traits = traits;
    }

    /// The smallest identity of a present identity's component.
    pub fn profile_of(&self, identity: u32) -> Option<u32> {
        self.summary(identity).map(|(smallest, _)| smallest)
    }

    /// The smallest identity of a present identity's component, and its traits.
    pub fn summary(&self, identity: u32) -> Option<(u32, u32)> {
        let node = self.nodes.get(identity as usize).filter(|node| node.size > 0)?;
        let label = self.node(node.label);
        Some((label.smallest, label.traits))
    }

    /// Joins the components of two present identities. Gives the smallest identity that ceased to be
    /// the smallest of its component.
    pub fn join(&mut self, left: u32, right: u32) -> Option<u32> {
        let (a, b) = (self.node(left).label, self.node(right).label);
        if a == b {
            return None;
        }
        let (large, small) = if self.node(a).size >= self.node(b).size { (a, b) } else { (b, a) };
        let (mut large_node, mut small_node) = (self.node(large), self.node(small));
        let (kept, lost) = (
            large_node.smallest.min(small_node.smallest),
            large_node.smallest.max(small_node.smallest),
        );
        let mut member = small;
        loop {
            let node = self.nodes.get_mut(member as usize);
            node.label = large;
            member = node.next;
            if member == small {
                break;
            }
        }
        small_node = self.node(small);
        std::mem::swap(&mut large_node.next, &mut small_node.next);
        large_node.size += small_node.size;
        large_node.smallest = kept;
        large_node.traits |= small_node.traits;
        small_node.size = 1;
        self.nodes.set(large as usize, large_node);
        self.nodes.set(small as usize, small_node);
        self.component_count -= 1;
        Some(lost)
    }

    /// Takes whole components apart: each of these members, which must be all of theirs, is alone.
    pub fn dissolve(&mut self, members: &[u32], traits_of: impl Fn(u32) -> u32) {
        let labels = members.iter().filter(|member| self.label(**member) == **member).count();
        for member in members {
            self.set_alone(*member, traits_of(*member));
        }
        self.component_count += members.len() - labels;
    }

    /// Makes an identity absent that is alone in its component.
    pub fn remove(&mut self, identity: u32) {
        if self.member_count(identity) == 1 {
            self.nodes.set(identity as usize, Node::default());
            self.present_count -= 1;
            self.component_count -= 1;
        }
    }

    /// All members of an identity's component, in no order.
    pub fn members(&self, identity: u32) -> Members<'_> {
        let next = self.contains(identity).then_some(identity);
        Members { components: self, first: identity, next }
    }

    /// How many members an identity's component has.
    pub fn member_count(&self, identity: u32) -> usize {
        if self.contains(identity) { self.node(self.node(identity).label).size as usize } else { 0 }
    }

    /// All present identities in ascending order.
    pub fn identities(&self) -> impl Iterator<Item = u32> + '_ {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(at, node)| u32::try_from(at).ok().filter(|_| node.size > 0))
    }

    /// The labels of all components, in ascending order.
    pub fn labels(&self) -> impl Iterator<Item = u32> + '_ {
        self.identities().filter(|identity| self.label(*identity) == *identity)
    }
}

/// Iterator over the members of a component.
#[derive(Debug)]
pub struct Members<'a> {
    components: &'a Components,
    first: u32,
    next: Option<u32>,
}

impl Iterator for Members<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let member = self.next?;
        let after = self.components.node(member).next;
        self.next = (after != self.first).then_some(after);
        Some(member)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// The components by flooding, straight from the definition.
    fn naive(links: &[(u32, u32)]) -> BTreeSet<BTreeSet<u32>> {
        let mut of: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (a, b) in links {
            let mut joined: BTreeSet<u32> = [*a, *b].into();
            for end in [a, b] {
                joined.extend(of.get(end).cloned().unwrap_or_default());
            }
            for member in joined.clone() {
                of.insert(member, joined.clone());
            }
        }
        of.into_values().collect()
    }

    fn built(links: &[(u32, u32)]) -> Components {
        let mut components = Components::default();
        for (a, b) in links {
            components.insert(*a, 1 << (a % 7));
            components.insert(*b, 1 << (b % 7));
            components.join(*a, *b);
        }
        components
    }

    proptest! {
        #[test]
        fn what_is_taken_apart_can_be_joined_again(
            links in prop::collection::vec((0u32..40, 0u32..40), 1..60), victim in 0u32..40
        ) {
            let mut components = built(&links);
            let before = components.clone();
            let members: Vec<u32> = components.members(victim).collect();
            components.dissolve(&members, |member| 1 << (member % 7));
            prop_assert!(members.iter().all(|member| components.member_count(*member) == 1));
            for member in &members {
                components.remove(*member);
                prop_assert!(!components.contains(*member));
            }
            prop_assert_eq!(components.identity_count() + members.len(), before.identity_count());
            for (a, b) in links.iter().filter(|(a, _)| members.contains(a)) {
                components.insert(*a, 1 << (a % 7));
                components.insert(*b, 1 << (b % 7));
                components.join(*a, *b);
            }
            prop_assert_eq!(components.component_count(), before.component_count());
            for identity in before.identities() {
                prop_assert_eq!(components.summary(identity), before.summary(identity));
            }
        }

        #[test]
        fn equal_the_naive_ones_in_any_order(
            mut links in prop::collection::vec((0u32..60, 0u32..60), 0..80), seed in any::<u64>()
        ) {
            let expected = naive(&links);
            for round in 0..3usize {
                let components = built(&links);
                let mut found = BTreeSet::new();
                for label in components.labels() {
                    let members: BTreeSet<u32> = components.members(label).collect();
                    let profile = components.profile_of(label).unwrap();
                    let traits = members.iter().fold(0, |traits, one| traits | 1 << (one % 7));
                    prop_assert_eq!(components.traits(label), traits);
                    prop_assert_eq!(members.first(), Some(&profile));
                    prop_assert_eq!(members.len(), components.member_count(profile));
                    for member in &members {
                        prop_assert_eq!(components.profile_of(*member), Some(profile));
                    }
                    found.insert(members);
                }
                prop_assert_eq!(&found, &expected);
                prop_assert_eq!(components.component_count(), expected.len());
                let turn = (seed as usize + round) % links.len().max(1);
                links.rotate_left(turn);
                links.reverse();
            }
        }
    }

    #[test]
    fn the_older_profile_survives_a_join() {
        let mut components = built(&[(5, 6), (2, 9)]);
        assert_eq!(components.join(6, 9), Some(5));
        assert_eq!(components.profile_of(5), Some(2));
        assert_eq!(components.join(5, 2), None);
        assert_eq!(components.profile_of(7), None);
    }
}
