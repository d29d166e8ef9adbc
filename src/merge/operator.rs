//! The merge operator: fragments and columns in, one merged column per attribute out.
//!
//! The profiles table calls it for all profiles or for those touched, the look-up for one; `lineage`
//! asks it besides who won. Groups are dense numbers already, so there is no hashing; each attribute walks
//! the arranged fragments once (validity bits only), and values are gathered once at the end, which
//! for text is most of the cost.

use std::collections::BTreeMap;
use std::rc::Rc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;

use crate::error::{Error, Result};
use crate::merge::Rule;
use crate::merge::arrangement::Arrangement;
use crate::merge::cells::{Cells, Place};
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
    let mut merge = Merge::try_new(plan, wanted, group_count, fragments, columns, false)?;
    wanted.iter().map(|attribute| Ok(merge.decide(*attribute)?.values)).collect()
}

/// One merge under way.
pub(super) struct Merge<'a> {
    pub(super) plan: &'a MergePlan,
    pub(super) fragments: &'a Fragments,
    pub(super) columns: &'a dyn Columns,
    pub(super) arrangement: Arrangement,
    /// Winners of attributes merged together, by the first of them, as each asks for the same.
    together: BTreeMap<usize, Winners>,
}

/// The winning position per group.
pub(super) type Winners = Rc<[Option<u32>]>;

/// How one attribute came out.
pub(super) struct Decision {
    /// The merged value per group.
    pub(super) values: ArrayRef,
    /// Who won; nobody where a new value was made.
    pub(super) winners: Winners,
    /// The candidates and their values, where the rule looked at them.
    pub(super) candidates: Option<(Candidates, ArrayRef)>,
}

/// The candidates of all groups for one attribute, as positions.
pub(super) struct Candidates {
    pub(super) positions: Vec<u32>,
    offsets: Vec<u32>,
}

impl Candidates {
    pub(super) fn groups(&self) -> Groups<'_> {
        Groups { offsets: &self.offsets }
    }
}

/// Whether a fragment has something to say of attributes that are merged together.
pub(super) fn speaks(cells: &[Cells], nulls_count: bool, place: Place) -> bool {
    cells.iter().any(|cells| match nulls_count {
        true => cells.exists(place),
        false => cells.is_valid(place),
    })
}

impl<'a> Merge<'a> {
    /// Arranges fragments. Strategies by order alone need no candidates, unless lineage asks for them.
    pub(super) fn try_new(
        plan: &'a MergePlan,
        wanted: &[usize],
        group_count: usize,
        fragments: &'a Fragments,
        columns: &'a dyn Columns,
        with_candidates: bool,
    ) -> Result<Self> {
        let mut with_sources = false;
        for attribute in wanted {
            let planned = plan.attribute(*attribute)?;
            let by_order = matches!(planned.strategy.rule(), Rule::Order(_));
            with_sources |= (with_candidates || !by_order) && !planned.history;
        }
        let arrangement =
            Arrangement::try_new(plan, group_count, fragments, columns, with_sources)?;
        Ok(Self { plan, fragments, columns, arrangement, together: BTreeMap::new() })
    }

    /// Decides one attribute for all groups.
    pub(super) fn decide(&mut self, attribute: usize) -> Result<Decision> {
        let planned = self.plan.attribute(attribute)?;
        if let Rule::Order(rule) = planned.strategy.rule() {
            let winners = self.winners(planned, rule)?;
            let place = |winner: &Option<u32>| {
                winner.map(|position| self.arrangement.places[position as usize])
            };
            let values = self.cells(attribute)?.gather(winners.iter().map(place))?;
            return Ok(Decision { values, winners, candidates: None });
        }
        let cells = [self.cells(attribute)?];
        let candidates = self.candidates(planned, &cells, false)?;
        let items = self.values(&candidates, &cells[0])?;
        let (values, winners) = match planned.strategy.rule() {
            Rule::Pick(rule) => {
                let picked = rule.pick(&items, &candidates.groups())?;
                let position = |item: u32| candidates.positions[item as usize];
                let winners = picked.iter().map(|item| item.map(position)).collect();
                (take(&items, &UInt32Array::from(picked), None).map_err(unexpected)?, winners)
            }
            Rule::Combine(rule) => {
                let values = rule.combine(&items, &candidates.groups(), &planned.call)?;
                (values, Winners::from([]))
            }
            Rule::Order(_) => return Err(Error::internal("an order rule has been decided above")),
        };
        Ok(Decision { values, winners, candidates: Some((candidates, items)) })
    }

    pub(super) fn cells(&self, attribute: usize) -> Result<Cells> {
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
            self.arrangement.counts(*position, planned.history)
                && speaks(cells, rule.nulls_count, self.arrangement.places[*position])
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

    /// The candidates of spec 5.3: what each source says now, or every value of the past. Cells are of
    /// the attributes that one fragment gives together.
    pub(super) fn candidates(
        &self,
        planned: &Planned,
        cells: &[Cells],
        nulls_count: bool,
    ) -> Result<Candidates> {
        let (mut positions, mut offsets) = (Vec::new(), vec![0]);
        let sources = self.arrangement.sources.as_ref().filter(|_| !planned.history);
        let mut spoken = vec![false; sources.map_or(0, |sources| sources.count)];
        for range in self.arrangement.ranges() {
            let start = positions.len();
            for at in range.rev() {
                if !self.arrangement.counts(at, planned.history)
                    || !speaks(cells, nulls_count, self.arrangement.places[at])
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
