//! Links: every pair of identities that a row names together, with its evidence (spec 5.2).
//!
//! Evidence is gathered from rows on demand: it is derived state, and no query but those that ask for
//! links pays for it.

use hashbrown::HashMap;

/// The evidence of one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// How many rows name both.
    pub row_count: u64,
    /// The earliest of their times, in microseconds; `i64::MAX` if none has a time.
    pub first_seen_at: i64,
    /// The latest of their times; `i64::MIN` if none has a time.
    pub last_seen_at: i64,
    /// Number of the set of datasets they are from.
    pub datasets: u32,
}

impl Evidence {
    /// No row names both.
    const NONE: Self =
        Self { row_count: 0, first_seen_at: i64::MAX, last_seen_at: i64::MIN, datasets: 0 };
}

/// Pairs of identities, the smaller number first, and their evidence.
#[derive(Debug, Default)]
pub struct Links {
    pairs: HashMap<(u32, u32), Evidence>,
}

impl Links {
    /// Adds a row that names these identities (without repetitions), seen at a time if known.
    /// `extend` adds the row's dataset to a set of datasets (0 is the empty set).
    pub fn add(
        &mut self,
        identities: &[u32],
        observed_at: Option<i64>,
        mut extend: impl FnMut(u32) -> u32,
    ) {
        for (at, left) in identities.iter().enumerate() {
            for right in &identities[at + 1..] {
                let pair = (*left.min(right), *left.max(right));
                let evidence = self.pairs.entry(pair).or_insert(Evidence::NONE);
                evidence.row_count += 1;
                evidence.datasets = extend(evidence.datasets);
                if let Some(time) = observed_at {
                    evidence.first_seen_at = evidence.first_seen_at.min(time);
                    evidence.last_seen_at = evidence.last_seen_at.max(time);
                }
            }
        }
    }

    /// Adds a pair that is linked whatever rows say.
    pub fn add_decided(&mut self, left: u32, right: u32) {
        self.pairs.entry((left.min(right), left.max(right))).or_insert(Evidence::NONE);
    }

    /// All pairs in ascending order.
    pub fn into_sorted(self) -> Vec<((u32, u32), Evidence)> {
        let mut all: Vec<_> = self.pairs.into_iter().collect();
        all.sort_unstable_by_key(|(pair, _)| *pair);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_a_row_is_a_link() {
        let mut links = Links::default();
        links.add(&[3, 1, 2], Some(10), |set| set | 1);
        links.add(&[1, 3], Some(5), |set| set | 2);
        links.add(&[1, 3], None, |set| set | 2);
        links.add(&[4], Some(1), |set| set);
        let all = links.into_sorted();
        let pairs: Vec<_> = all.iter().map(|(pair, _)| *pair).collect();
        assert_eq!(pairs, [(1, 2), (1, 3), (2, 3)]);
        let strong = Evidence { row_count: 3, first_seen_at: 5, last_seen_at: 10, datasets: 3 };
        assert_eq!(all[1].1, strong);
    }
}
