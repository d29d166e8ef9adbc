//! The order of fragments (spec 5.3), and the rules that this order alone decides.
//!
//! Pure comparisons: nothing here looks at a value. The operator and the SQL aggregates call it.

use std::cmp::Ordering;

use crate::merge::lineage::Reason;

/// Place of a fragment in the order of spec 5.3. The greater wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The source's time in microseconds since 1970; `i64::MIN` is null, older than any date.
    pub observed_at: i64,
    /// Position of the dataset in the policy. The *earlier* one is the greater.
    pub place: u32,
    /// Number of the fragment, in the order of ingestion.
    pub fragment_id: i64,
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.observed_at
            .cmp(&other.observed_at)
            .then(other.place.cmp(&self.place))
            .then(self.fragment_id.cmp(&other.fragment_id))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A strategy decided by the order of fragments alone.
///
/// It is data and not a callback, so that the operator may walk fragments it has sorted once for
/// all attributes and stop at the first hit, where a callback would have to see every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRule {
    /// Whether the least fragment wins instead of the greatest.
    pub oldest: bool,
    /// Whether a null is a value like any other, so that it can win.
    pub nulls_count: bool,
}

impl OrderRule {
    /// Whether the challenger takes the place of the holder: the lower rank does, then the order.
    ///
    /// Irreflexive, transitive, and total on distinct pairs: the winner of a set does not depend on
    /// the order in which its members are compared.
    pub fn beats<R: Ord, K: Ord>(self, challenger: (R, K), holder: (R, K)) -> bool {
        let by_order =
            if self.oldest { challenger.1.cmp(&holder.1) } else { holder.1.cmp(&challenger.1) };
        challenger.0.cmp(&holder.0).then(by_order) == Ordering::Less
    }

    /// Why one that the winner beats has lost, by their ranks.
    pub fn lost<R: Ord>(self, rank: R, winner: R) -> Reason {
        match (rank == winner, self.oldest) {
            (false, _) => Reason::LowerPrecedence,
            (true, true) => Reason::Newer,
            (true, false) => Reason::Older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` is `observed_at/place/fragment_id`; `-` is a null time.
    fn key(text: &str) -> Key {
        let mut parts = text.split('/');
        let mut part = || parts.next().expect("three parts");
        Key {
            observed_at: match part() {
                "-" => i64::MIN,
                text => text.parse().expect("a number"),
            },
            place: part().parse().expect("a number"),
            fragment_id: part().parse().expect("a number"),
        }
    }

    #[test]
    fn order_is_time_then_earlier_dataset_then_number() {
        let ascending = ["-/1/9", "-/0/1", "1/2/9", "1/1/3", "1/1/4", "1/0/1", "2/5/0"];
        for (at, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(key(left).cmp(&key(right)), at.cmp(&other), "{left} {right}");
            }
        }
    }

    #[test]
    fn beats_ranks_before_order() {
        let newest = OrderRule { oldest: false, nulls_count: false };
        let oldest = OrderRule { oldest: true, nulls_count: false };
        assert!(newest.beats((0, 1), (1, 2)) && oldest.beats((0, 2), (1, 1)));
        assert!(newest.beats((0, 2), (0, 1)) && oldest.beats((0, 1), (0, 2)));
        assert!(!newest.beats((0, 1), (0, 1)) && !oldest.beats((0, 1), (0, 1)));
    }
}
