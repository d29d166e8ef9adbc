//! Paths: which chain of pairs leads from one identity to another.
//!
//! Pure: it knows pairs of numbers and which of them were dropped, and nothing of rows. The functions
//! that explain the graph (`identity_path`, `why_not`) call it with what rows and stewards say.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;

/// Two identities that something says are one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// One of them.
    pub left: u32,
    /// The other.
    pub right: u32,
    /// Whether a rule or a decision overrules what says so.
    pub is_dropped: bool,
}

/// A connection as part of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The identity nearer to the start.
    pub left: u32,
    /// The identity nearer to the end.
    pub right: u32,
    /// The connection, by its position.
    pub connection: usize,
}

/// What a chain costs: dropped connections first, then length.
type Cost = (u32, u32);

fn plus(cost: Cost, is_dropped: bool) -> Cost {
    (cost.0 + u32::from(is_dropped), cost.1 + 1)
}

/// The chain with the fewest dropped connections, of those the shortest, of those the first in the order
/// of its identities by `key`; `None` if no chain connects the two.
pub fn cheapest<K: Ord>(
    connections: &[Connection],
    from: u32,
    to: u32,
    key: impl Fn(u32) -> K,
) -> Option<Vec<Step>> {
    let mut neighbours: HashMap<u32, Vec<(u32, usize)>> = HashMap::new();
    for (at, connection) in connections.iter().enumerate() {
        neighbours.entry(connection.left).or_default().push((connection.right, at));
        neighbours.entry(connection.right).or_default().push((connection.left, at));
    }
    let costs = costs(connections, &neighbours, from, to);
    let mut chain = Vec::new();
    let mut left = from;
    let mut cost = *costs.get(&from)?;
    while left != to {
        let onward = neighbours.get(&left)?.iter().filter(|(right, at)| {
            let rest = costs.get(right);
            rest.is_some_and(|rest| plus(*rest, connections[*at].is_dropped) == cost)
        });
        let (right, connection) = *onward.min_by_key(|(right, _)| key(*right))?;
        chain.push(Step { left, right, connection });
        cost = *costs.get(&right)?;
        left = right;
    }
    Some(chain)
}

/// What it costs to get from each identity to `to`, as far as needed to know it of `from`.
fn costs(
    connections: &[Connection],
    neighbours: &HashMap<u32, Vec<(u32, usize)>>,
    from: u32,
    to: u32,
) -> HashMap<u32, Cost> {
    let mut settled: HashMap<u32, Cost> = HashMap::new();
    let mut open = BinaryHeap::from([Reverse(((0, 0), to))]);
    while let Some(Reverse((cost, identity))) = open.pop() {
        if settled.contains_key(&identity) {
            continue;
        }
        settled.insert(identity, cost);
        // Every identity on a cheapest chain costs less than the start, and is settled before it.
        if identity == from {
            break;
        }
        for (next, at) in neighbours.get(&identity).into_iter().flatten() {
            if !settled.contains_key(next) {
                open.push(Reverse((plus(cost, connections[*at].is_dropped), *next)));
            }
        }
    }
    settled
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Connections such as `1-2 2~3`, where `~` is a dropped one.
    fn read(text: &str) -> Vec<Connection> {
        let one = |word: &str| {
            let (left, right) = word.split_once(['-', '~']).unwrap();
            let (left, right) = (left.parse().unwrap(), right.parse().unwrap());
            Connection { left, right, is_dropped: word.contains('~') }
        };
        text.split(' ').map(one).collect()
    }

    fn identities(chain: &[Step], from: u32) -> Vec<u32> {
        std::iter::once(from).chain(chain.iter().map(|step| step.right)).collect()
    }

    fn check(connections: &str, from: u32, to: u32, expected: &str) {
        let chain = cheapest(&read(connections), from, to, |identity| identity);
        let shown = chain.map_or_else(
            || "none".to_owned(),
            |chain| {
                let all = identities(&chain, from);
                all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            },
        );
        assert_eq!(shown, expected, "{connections}");
    }

    #[test]
    fn the_shortest_chain_without_dropped_links_wins() {
        check("1-2 2-3 3-4", 1, 4, "1 2 3 4");
        check("1-2 2-3 3-4", 4, 1, "4 3 2 1");
        check("1-2 2-3 1-3", 1, 3, "1 3");
        check("1-2 2-3 1~3", 1, 3, "1 2 3");
        check("1-2 2~3 1~3", 1, 3, "1 3");
        check("1-2 3-4", 1, 4, "none");
        check("1-2", 1, 9, "none");
        check("1-2", 2, 2, "2");
        check("1-9 9-4 1-3 3-4", 1, 4, "1 3 4");
    }

    /// Every chain that visits no identity twice.
    fn all(
        connections: &[Connection],
        seen: &mut Vec<u32>,
        to: u32,
        found: &mut Vec<(Cost, Vec<u32>)>,
    ) {
        let last = *seen.last().unwrap();
        if last == to {
            let is_dropped = |pair: &[u32]| {
                let is =
                    |it: &&Connection| [it.left, it.right] == *pair || [it.right, it.left] == *pair;
                connections.iter().filter(is).all(|it| it.is_dropped)
            };
            let dropped = seen.windows(2).filter(|pair| is_dropped(pair)).count() as u32;
            found.push(((dropped, seen.len() as u32 - 1), seen.clone()));
            return;
        }
        for it in connections {
            for (left, right) in [(it.left, it.right), (it.right, it.left)] {
                if left == last && !seen.contains(&right) {
                    seen.push(right);
                    all(connections, seen, to, found);
                    seen.pop();
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_chain_is_cheaper_or_comes_earlier(
            pairs in prop::collection::vec((0u32..6, 0u32..6, any::<bool>()), 0..10)
        ) {
            let connections: Vec<_> = pairs
                .into_iter()
                .map(|(left, right, is_dropped)| Connection { left, right, is_dropped })
                .collect();
            let mut found = Vec::new();
            all(&connections, &mut vec![0], 5, &mut found);
            let chain = cheapest(&connections, 0, 5, |identity| identity);
            let expected = found.into_iter().min().map(|(_, identities)| identities);
            prop_assert_eq!(chain.map(|chain| identities(&chain, 0)), expected);
        }
    }
}
