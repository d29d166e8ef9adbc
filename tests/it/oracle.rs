//! Without rules, graphs are connected components: held against an independent library on large random
//! graphs of the shapes that people have: pairs, stars around a hub, and long chains.

use petgraph::unionfind::UnionFind;
use selfsame::error::Result;
use selfsame::graph::dictionary::Dictionary;
use selfsame::graph::fold::{Effects, Moment};
use selfsame::graph::identity_graph::{IdentityGraph, RowSource, Unsettled};
use selfsame::graph::rules::Rules;

use crate::driver::Choices;

/// Nothing is contested, so that nobody asks for rows again.
struct NoRows;

impl RowSource for NoRows {
    fn rows_of(&self, _: &[u32], _: &mut dyn FnMut(&[u32], Moment)) -> Result<()> {
        panic!("rows of a graph without rules");
    }
}

/// Links between identities below a bound: half at random, a quarter around a few hubs, a quarter in
/// chains.
fn links(bound: usize, count: usize, choices: &mut Choices) -> Vec<(u32, u32)> {
    let mut links: Vec<(u32, u32)> = (0..count)
        .map(|at| match at % 4 {
            0 | 1 => (choices.below(bound) as u32, choices.below(bound) as u32),
            2 => (choices.below(8) as u32, choices.below(bound / 50) as u32),
            _ => {
                let from = choices.below(bound - 1) as u32;
                // Chains of a thousand, with gaps between.
                if from % 1_000 == 999 { (from, from) } else { (from, from + 1) }
            }
        })
        .collect();
    choices.shuffle(&mut links);
    links
}

fn check(bound: usize, count: usize, batch: usize) {
    let mut choices = Choices(count as u64);
    let links = links(bound, count, &mut choices);
    let (names, mut effects) = (Dictionary::default(), Effects::default());
    let mut graph = IdentityGraph::new(Rules::new([], 0));
    let mut oracle = UnionFind::<u32>::new(bound);
    let mut present = vec![false; bound];
    for (at, batch) in links.chunks(batch).enumerate() {
        let mut unsettled = Unsettled::default();
        for (left, right) in batch {
            let row = if left == right { vec![*left] } else { vec![*left, *right] };
            let moment = Moment { time: at as i64, fragment_id: at as i64 };
            graph.take(&row, &[0, 0][..row.len()], moment, &mut unsettled, &mut effects);
            oracle.union(*left, *right);
            (present[*left as usize], present[*right as usize]) = (true, true);
        }
        graph.settle(&unsettled, &names, &NoRows, &mut effects).expect("nothing to read");
    }
    let mut smallest = vec![u32::MAX; bound];
    for identity in (0..bound as u32).filter(|one| present[*one as usize]) {
        let root = oracle.find(identity) as usize;
        smallest[root] = smallest[root].min(identity);
    }
    for identity in 0..bound as u32 {
        let expected = present[identity as usize].then(|| smallest[oracle.find(identity) as usize]);
        assert_eq!(graph.profile_of(identity), expected);
    }
    let components = smallest.iter().filter(|smallest| **smallest != u32::MAX).count();
    assert_eq!(graph.profile_count(), components);
    assert_eq!(graph.contested_count(), 0);
}

#[test]
fn components_are_those_of_an_independent_library() {
    for (bound, count, batch) in
        [(100, 60, 7), (1_000, 700, 1), (50_000, 40_000, 997), (1_500_000, 1_000_000, 65_536)]
    {
        check(bound, count, batch);
    }
}
