//! Fragments arranged for merging: side by side per profile, ascending in the order of spec 5.3.
//!
//! Made once per merge and used for every attribute, which is why the operator sorts at all: to
//! find the newest value of twenty attributes, twenty walks over sorted fragments that end at the
//! first hit are far cheaper than twenty passes comparing keys in random access.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::merge::cells::Place;
use crate::merge::groups::position;
use crate::merge::operator::{Columns, Fragments};
use crate::merge::order::Key;
use crate::merge::plan::MergePlan;

/// Fragments by group and order. A *position* counts through all groups.
pub(super) struct Arrangement {
    /// Where each group begins, and at last where the last one ends.
    offsets: Vec<u32>,
    /// Which of the fragments is at each position.
    pub(super) fragments: Vec<u32>,
    /// Where its row is. A copy in walking order, so that walks read memory in sequence.
    pub(super) places: Vec<Place>,
    /// Per batch, the greatest row used and one; zero for batches without fragments.
    pub(super) row_counts: Vec<u32>,
    /// What each position is a statement of, if asked for.
    pub(super) sources: Option<Sources>,
}

/// The sources of a profile: what one dataset says about one primary identity.
pub(super) struct Sources {
    /// Number of the source of each position, from zero through all groups.
    pub(super) of_position: Vec<u32>,
    /// How many there are.
    pub(super) count: usize,
    /// Whether a newer fragment of the source replaces the one at each position; empty if no
    /// dataset replaces.
    superseded: Vec<bool>,
}

impl Arrangement {
    /// Arranges the fragments whose datasets take part. Sources cost a second sort, so they are
    /// made only if asked for, or if a dataset replaces.
    pub(super) fn try_new(
        plan: &MergePlan,
        group_count: usize,
        fragments: &Fragments,
        columns: &dyn Columns,
        with_sources: bool,
    ) -> Result<Self> {
        fragments.check(plan, group_count)?;
        let places = |at: usize| plan.place(fragments.dataset[at] as usize);
        let (offsets, mut arranged) = by_group(fragments, group_count, places)?;
        let key = |at: u32| {
            let at = at as usize;
            Key {
                observed_at: fragments.observed_at[at],
                place: places(at).unwrap_or(u32::MAX),
                fragment_id: fragments.fragment_id[at],
            }
        };
        for range in ranges(&offsets).filter(|range| range.len() > 1) {
            arranged[range].sort_unstable_by_key(|at| (key(*at), *at));
        }
        let row_counts = row_counts(fragments, arranged.iter().map(|at| *at as usize));
        let place = |at: &u32| Place {
            batch: fragments.batch[*at as usize],
            row: fragments.row[*at as usize],
        };
        let places = arranged.iter().map(place).collect();
        let replaces: Vec<_> =
            (0..plan.dataset_count()).map(|dataset| columns.replaces(dataset as u32)).collect();
        let sources = (with_sources || replaces.contains(&true))
            .then(|| Sources::of(fragments, &offsets, &arranged, &replaces));
        Ok(Self { offsets, fragments: arranged, places, row_counts, sources })
    }

    /// The positions of each group in turn.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        ranges(&self.offsets)
    }

    /// Whether the fragment there still counts. History counts what was replaced since.
    pub(super) fn counts(&self, position: usize, history: bool) -> bool {
        let superseded = || {
            let sources = self.sources.as_ref()?;
            sources.superseded.get(position).copied()
        };
        history || superseded() != Some(true)
    }

    /// The dataset of the fragment there.
    pub(super) fn dataset(&self, fragments: &Fragments, position: usize) -> usize {
        fragments.dataset[self.fragments[position] as usize] as usize
    }
}

impl Sources {
    fn of(fragments: &Fragments, offsets: &[u32], arranged: &[u32], replaces: &[bool]) -> Self {
        let source = |position: usize| {
            let at = arranged[position] as usize;
            (fragments.dataset[at], fragments.primary[at])
        };
        let mut of_position = vec![0; arranged.len()];
        let mut superseded = vec![false; if replaces.contains(&true) { arranged.len() } else { 0 }];
        let mut count = 0_u32;
        let mut sorted = Vec::new();
        for range in ranges(offsets) {
            sorted.clear();
            sorted.extend(range);
            sorted.sort_unstable_by_key(|position| (source(*position), *position));
            for run in sorted.chunk_by(|left, right| source(*left) == source(*right)) {
                let newest = run[run.len() - 1];
                let replaces = replaces[source(newest).0 as usize];
                for position in run {
                    of_position[*position] = count;
                    if replaces {
                        superseded[*position] = *position != newest;
                    }
                }
                count += 1;
            }
        }
        Self { of_position, count: count as usize, superseded }
    }
}

fn ranges(offsets: &[u32]) -> impl Iterator<Item = Range<usize>> + '_ {
    offsets.windows(2).map(|pair| pair[0] as usize..pair[1] as usize)
}

/// Counting sort of the fragments that take part by their group.
fn by_group(
    fragments: &Fragments,
    group_count: usize,
    places: impl Fn(usize) -> Option<u32>,
) -> Result<(Vec<u32>, Vec<u32>)> {
    position(fragments.len())?;
    let taking_part = || (0..fragments.len()).filter(|at| places(*at).is_some());
    let mut offsets = vec![0_u32; group_count + 1];
    for at in taking_part() {
        offsets[fragments.group[at] as usize + 1] += 1;
    }
    for group in 0..group_count {
        offsets[group + 1] += offsets[group];
    }
    let mut next = offsets.clone();
    let mut arranged = vec![0_u32; offsets[group_count] as usize];
    for at in taking_part() {
        let slot = &mut next[fragments.group[at] as usize];
        arranged[*slot as usize] = at as u32;
        *slot += 1;
    }
    Ok((offsets, arranged))
}

/// Per batch, the greatest row of these fragments and one.
pub(super) fn row_counts(
    fragments: &Fragments,
    of: impl Iterator<Item = usize> + Clone,
) -> Vec<u32> {
    let batch_count = of.clone().map(|at| fragments.batch[at] as usize + 1).max();
    let mut counts = vec![0_u32; batch_count.unwrap_or(0)];
    for at in of {
        let count = &mut counts[fragments.batch[at] as usize];
        *count = (*count).max(fragments.row[at].saturating_add(1));
    }
    counts
}

impl Fragments {
    /// How many fragments there are.
    pub fn len(&self) -> usize {
        self.group.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.group.is_empty()
    }

    fn check(&self, plan: &MergePlan, group_count: usize) -> Result<()> {
        position(group_count)?;
        let len = self.len();
        let parallel = [
            self.dataset.len(),
            self.primary.len(),
            self.observed_at.len(),
            self.fragment_id.len(),
            self.batch.len(),
            self.row.len(),
        ];
        if parallel.iter().any(|other| *other != len) {
            return Err(Error::internal(format!("fragments of {len} groups have {parallel:?}")));
        }
        if self.group.iter().any(|group| *group as usize >= group_count) {
            return Err(Error::internal(format!("a fragment is in none of {group_count} groups")));
        }
        if self.dataset.iter().any(|dataset| *dataset as usize >= plan.dataset_count()) {
            return Err(Error::internal("a fragment is of a dataset that the plan does not know"));
        }
        Ok(())
    }
}
