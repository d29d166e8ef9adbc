//! The merge operator: fragments and columns in, one merged column per attribute out.
//!
//! The profiles table calls it for all profiles or for those touched, the look-up for one, lineage
//! asks it who won. Groups are dense numbers already, so there is no hashing; each attribute walks
//! the arranged fragments once (validity bits only), and values are gathered once at the end, which
//! for text is most of the cost.

use std::collections::BTreeMap;
use std::rc::Rc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;

use crate::error::Result;
use crate::merge::Rule;
use crate::merge::arrangement::Arrangement;
use crate::merge::cells::Cells;
use crate::merge::fit::unexpected;
use crate::merge::groups::{Groups, position};
use crate::merge::order::OrderRule;
use crate::merge::plan::{MergePlan, Planned};

/// Fragments that take part, as parallel arrays, in any order.
#[derive(Clone, Debug, Default)]
pub struct Fragments {
    /// The profile, as a number below `group_count`.
    pub group: Vec<u32>,
    /// The dataset, as its position in the plan's list.
    pub dataset: Vec<u32>,
    /// The primary identity, as any number that stands for it.
    pub primary: Vec<u32>,
    /// The source's time in microseconds since 1970; `i64::MIN` for null.
    pub observed_at: Vec<i64>,
    /// The number of the fragment.
    pub fragment_id: Vec<i64>,
    /// The batch that holds its row.
    pub batch: Vec<u32>,
    /// The row in the batch.
    pub row: Vec<u32>,
}

/// Gives the values. The caller numbers its batches, each of one dataset, densely enough for an
/// array over all numbers.
pub trait Columns: Sync {
    /// The column of a batch that holds an attribute, in the attribute's type; `None` if the
    /// dataset lacks it.
    ///
    /// # Errors
    /// Whatever reading gives.
    fn column(&self, batch: u32, attribute: usize) -> Result<Option<ArrayRef>>;

    /// Whether only the greatest fragment per primary identity counts (`upsert = 'replace'`).
    fn replaces(&self, dataset: u32) -> bool;
}

/// Merges: one column per attribute of `wanted`, each with `group_count` rows.
///
/// Columns of text share the buffers of their sources; compact them before keeping them for long.
///
/// # Errors
/// What reading columns gives, `22003` if a result does not fit its type, `54000` beyond a limit.
pub fn merge(
    plan: &MergePlan,
    wanted: &[usize],
    group_count: usize,
    fragments: &Fragments,
    columns: &dyn Columns,
) -> Result<Vec<ArrayRef>> {
    let mut merge = Merge::try_new(plan, wanted, group_count, fragments, columns)?;
    wanted.iter().map(|attribute| merge.attribute(*attribute)).collect()
}

/// The fragment that decided an attribute, per group, as its position in `fragments`.
///
/// `None` where there was no candidate, where `unanimous` found none to agree on, and for
/// strategies that make a new value. A fragment may have decided with a null: under
/// `latest_or_null`, and for attributes merged together.
///
/// # Errors
/// As [`merge`].
pub fn winners(
    plan: &MergePlan,
    attribute: usize,
    group_count: usize,
    fragments: &Fragments,
    columns: &dyn Columns,
) -> Result<Vec<Option<u32>>> {
    let mut merge = Merge::try_new(plan, &[attribute], group_count, fragments, columns)?;
    let planned = plan.attribute(attribute)?;
    let fragment = |arrangement: &Arrangement, position: Option<u32>| {
        position.map(|position| arrangement.fragments[position as usize])
    };
    match planned.strategy.rule() {
        Rule::Order(rule) => {
            let winners = merge.winners(planned, rule)?;
            Ok(winners.iter().map(|winner| fragment(&merge.arrangement, *winner)).collect())
        }
        Rule::Pick(rule) => {
            let cells = merge.cells(attribute)?;
            let candidates = merge.candidates(planned, &cells)?;
            let picked = rule.pick(&merge.values(&candidates, &cells)?, &candidates.groups())?;
            let position = |item: u32| candidates.positions[item as usize];
            let winner = |item: Option<u32>| fragment(&merge.arrangement, item.map(position));
            Ok(picked.into_iter().map(winner).collect())
        }
        Rule::Combine(_) => Ok(vec![None; group_count]),
    }
}

/// One merge under way.
struct Merge<'a> {
    plan: &'a MergePlan,
    fragments: &'a Fragments,
    columns: &'a dyn Columns,
    arrangement: Arrangement,
    /// Winners of attributes merged together, by the first of them, as each asks for the same.
    together: BTreeMap<usize, Winners>,
}

/// The winning position per group.
type Winners = Rc<[Option<u32>]>;

/// The candidates of all groups for one attribute, as positions.
struct Candidates {
    positions: Vec<u32>,
    offsets: Vec<u32>,
}

impl Candidates {
    fn groups(&self) -> Groups<'_> {
        Groups { offsets: &self.offsets }
    }
}

impl<'a> Merge<'a> {
    fn try_new(
        plan: &'a MergePlan,
        wanted: &[usize],
        group_count: usize,
        fragments: &'a Fragments,
        columns: &'a dyn Columns,
    ) -> Result<Self> {
        let mut with_sources = false;
        for attribute in wanted {
            let planned = plan.attribute(*attribute)?;
            let by_order = matches!(planned.strategy.rule(), Rule::Order(_));
            with_sources |= !by_order && !planned.history;
        }
        let arrangement =
            Arrangement::try_new(plan, group_count, fragments, columns, with_sources)?;
        Ok(Self { plan, fragments, columns, arrangement, together: BTreeMap::new() })
    }

    fn attribute(&mut self, attribute: usize) -> Result<ArrayRef> {
        let planned = self.plan.attribute(attribute)?;
        match planned.strategy.rule() {
            Rule::Order(rule) => {
                let winners = self.winners(planned, rule)?;
                let place = |winner: &Option<u32>| {
                    winner.map(|position| self.arrangement.places[position as usize])
                };
                self.cells(attribute)?.gather(winners.iter().map(place))
            }
            Rule::Pick(rule) => {
                let cells = self.cells(attribute)?;
                let candidates = self.candidates(planned, &cells)?;
                let values = self.values(&candidates, &cells)?;
                let picked = UInt32Array::from(rule.pick(&values, &candidates.groups())?);
                take(&values, &picked, None).map_err(unexpected)
            }
            Rule::Combine(rule) => {
                let cells = self.cells(attribute)?;
                let candidates = self.candidates(planned, &cells)?;
                let values = self.values(&candidates, &cells)?;
                rule.combine(&values, &candidates.groups(), &planned.call)
            }
        }
    }

    fn cells(&self, attribute: usize) -> Result<Cells> {
        Cells::fetch(self.plan, attribute, &self.arrangement.row_counts, self.columns)
    }

    fn values(&self, candidates: &Candidates, cells: &Cells) -> Result<ArrayRef> {
        let place = |position: &u32| Some(self.arrangement.places[*position as usize]);
        cells.gather(candidates.positions.iter().map(place))
    }

    fn winners(&mut self, planned: &Planned, rule: OrderRule) -> Result<Winners> {
        let first = planned.together[0];
        if let Some(winners) = self.together.get(&first) {
            return Ok(Rc::clone(winners));
        }
        let cells: Vec<_> =
            planned.together.iter().map(|at| self.cells(*at)).collect::<Result<_>>()?;
        let winners: Winners = self.walk(planned, rule, &cells).into();
        if planned.together.len() > 1 {
            self.together.insert(first, Rc::clone(&winners));
        }
        Ok(winners)
    }

    /// The winner per group by order alone. What each source says now needs no thought here: the
    /// greatest value of all is the newest of its source, and a rank is a dataset's.
    fn walk(&self, planned: &Planned, rule: OrderRule, cells: &[Cells]) -> Vec<Option<u32>> {
        let counts = |position: &usize| {
            let place = self.arrangement.places[*position];
            let there = |cells: &Cells| match rule.nulls_count {
                true => cells.exists(place),
                false => cells.is_valid(place),
            };
            self.arrangement.counts(*position, planned.history) && cells.iter().any(there)
        };
        let ranked = planned.ranks.iter().any(|rank| *rank != u32::MAX);
        let rank =
            |position: &usize| planned.ranks[self.arrangement.dataset(self.fragments, *position)];
        self.arrangement
            .ranges()
            .map(|range| {
                // Walked from the winning end, the first hit wins, unless ranks come before order;
                // then `min_by_key` gives the first of those with the lowest rank.
                let winner = match (rule.oldest, ranked) {
                    (false, false) => range.rev().find(counts),
                    (false, true) => range.rev().filter(counts).min_by_key(rank),
                    (true, false) => range.into_iter().find(counts),
                    (true, true) => range.filter(counts).min_by_key(rank),
                };
                winner.map(|position| position as u32)
            })
            .collect()
    }

    /// The candidates of spec 5.3: what each source says now, or every value of the past.
    fn candidates(&self, planned: &Planned, cells: &Cells) -> Result<Candidates> {
        let (mut positions, mut offsets) = (Vec::new(), vec![0]);
        let sources = self.arrangement.sources.as_ref().filter(|_| !planned.history);
        let mut spoken = vec![false; sources.map_or(0, |sources| sources.count)];
        for range in self.arrangement.ranges() {
            let start = positions.len();
            for at in range.rev() {
                if !self.arrangement.counts(at, planned.history)
                    || !cells.is_valid(self.arrangement.places[at])
                {
                    continue;
                }
                if let Some(sources) = sources {
                    let source = sources.of_position[at] as usize;
                    if std::mem::replace(&mut spoken[source], true) {
                        continue;
                    }
                }
                positions.push(at as u32);
            }
            positions[start..].reverse();
            offsets.push(position(positions.len())?);
        }
        Ok(Candidates { positions, offsets })
    }
}
