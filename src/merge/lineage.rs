//! Lineage: who decided an attribute, who else was a candidate, and why the others did not win.
//!
//! The decisions are the operator's; here they are only told. A fragment that has something to do with
//! an attribute is a winner, a contributor, a candidate that lost by the rule, or no candidate at all,
//! and [`Reason`] is the vocabulary for it. Called by the engine for lineage, candidates and EXPLAIN.

use arrow::array::ArrayRef;

use crate::error::Result;
use crate::merge::Rule;
use crate::merge::arrangement::row_counts;
use crate::merge::cells::{Cells, Place};
use crate::merge::groups::comparator;
use crate::merge::operator::{Candidates, Columns, Decision, Fragments, Merge, speaks};
use crate::merge::plan::{MergePlan, Planned};

/// Why a fragment did not win an attribute, or what else it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is one of the fragments of which the value is made.
    Contributes,
    /// Its statement is older than the winner's.
    Older,
    /// Its statement is newer, where the oldest wins.
    Newer,
    /// Its dataset is trusted less than the winner's.
    LowerPrecedence,
    /// Fewer candidates have its value.
    LessFrequent,
    /// Its text is shorter.
    Shorter,
    /// Its value is smaller.
    Smaller,
    /// Its value is greater.
    Greater,
    /// It says what the winner says.
    SameValue,
    /// Candidates disagree, so that none wins.
    Disagreement,
    /// It says otherwise than a candidate that the rule obeys.
    Overruled,
    /// Its source has said something newer, and only what sources say now counts.
    Superseded,
    /// A newer row of its source has taken its place whole.
    Replaced,
    /// It has no value.
    Null,
    /// Its dataset takes no part in the policy.
    NotInPolicy,
}

impl Reason {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Contributes,
        Self::Older,
        Self::Newer,
        Self::LowerPrecedence,
        Self::LessFrequent,
        Self::Shorter,
        Self::Smaller,
        Self::Greater,
        Self::SameValue,
        Self::Disagreement,
        Self::Overruled,
        Self::Superseded,
        Self::Replaced,
        Self::Null,
        Self::NotInPolicy,
    ];

    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Contributes => "contributes",
            Self::Older => "older",
            Self::Newer => "newer",
            Self::LowerPrecedence => "lower precedence",
            Self::LessFrequent => "less frequent",
            Self::Shorter => "shorter",
            Self::Smaller => "smaller",
            Self::Greater => "greater",
            Self::SameValue => "same value",
            Self::Disagreement => "disagreement",
            Self::Overruled => "overruled",
            Self::Superseded => "superseded",
            Self::Replaced => "replaced",
            Self::Null => "null",
            Self::NotInPolicy => "dataset not in policy",
        }
    }

    /// Whether a fragment of which this is said was a candidate.
    pub fn is_candidate(self) -> bool {
        !matches!(self, Self::Superseded | Self::Replaced | Self::Null | Self::NotInPolicy)
    }
}

/// How an attribute was decided, per group.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The merged value.
    pub values: ArrayRef,
    /// The fragment that gave it, as its position in the fragments; `None` where there is no candidate,
    /// where none won, and where several fragments made the value.
    pub fragments: Vec<Option<u32>>,
    /// How many candidates there were.
    pub candidate_counts: Vec<u32>,
}

/// What became of the fragments that have to do with an attribute, group by group, the newest first.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Their positions in the fragments.
    pub fragments: Vec<u32>,
    /// What each says of the attribute.
    pub values: ArrayRef,
    /// Why each did not win; `None` of a winner.
    pub reasons: Vec<Option<Reason>>,
}

/// Merges as [`crate::merge::operator::merge`] does, and tells who decided.
///
/// # Errors
/// As merging.
pub fn decided(
    plan: &MergePlan,
    wanted: &[usize],
    group_count: usize,
    fragments: &Fragments,
    columns: &dyn Columns,
) -> Result<Vec<Decided>> {
    let mut merge = Merge::try_new(plan, wanted, group_count, fragments, columns, true)?;
    wanted.iter().map(|attribute| merge.decided(*attribute)).collect()
}

/// Tells of every fragment that has to do with an attribute what became of it: those whose dataset has
/// the attribute or, if it is merged together with others, any of them.
///
/// # Errors
/// As merging.
pub fn judged(
    plan: &MergePlan,
    attribute: usize,
    group_count: usize,
    fragments: &Fragments,
    columns: &dyn Columns,
) -> Result<Judged> {
    Merge::try_new(plan, &[attribute], group_count, fragments, columns, true)?.judged(attribute)
}

/// A decision with the candidates that it was made among.
struct Told {
    decision: Decision,
    candidates: Candidates,
    /// The candidates' values, where the rule looked at them.
    items: Option<ArrayRef>,
}

impl Merge<'_> {
    fn told(&mut self, attribute: usize) -> Result<Told> {
        let planned = self.plan.attribute(attribute)?;
        let mut decision = self.decide(attribute)?;
        let (candidates, items) = match decision.candidates.take() {
            Some((candidates, items)) => (candidates, Some(items)),
            None => {
                let cells = self.cells_together(planned)?;
                (self.candidates(planned, &cells, nulls_count(planned))?, None)
            }
        };
        Ok(Told { decision, candidates, items })
    }

    fn cells_together(&self, planned: &Planned) -> Result<Vec<Cells>> {
        planned.together.iter().map(|at| self.cells(*at)).collect()
    }

    fn decided(&mut self, attribute: usize) -> Result<Decided> {
        let planned = self.plan.attribute(attribute)?;
        let told = self.told(attribute)?;
        let mut reasons = self.reasons(planned, &told)?.into_iter();
        let (mut fragments, mut candidate_counts) = (Vec::new(), Vec::new());
        for range in told.candidates.groups().ranges() {
            // The winner, or the only one that contributes.
            let gave = |reason: Option<Reason>| reason.is_none_or(|it| it == Reason::Contributes);
            let mut givers = range.clone().zip(&mut reasons).filter(|(_, reason)| gave(*reason));
            let giver = match (givers.next(), givers.next()) {
                (Some((at, _)), None) => Some(at),
                _ => None,
            };
            givers.for_each(drop);
            let fragment =
                |at: usize| self.arrangement.fragments[told.candidates.positions[at] as usize];
            fragments.push(giver.map(fragment));
            candidate_counts.push(range.len() as u32);
        }
        Ok(Decided { values: told.decision.values, fragments, candidate_counts })
    }

    /// What became of each candidate, by the rule that decided.
    fn reasons(&self, planned: &Planned, told: &Told) -> Result<Vec<Option<Reason>>> {
        let Told { decision, candidates, items } = told;
        let positions = &candidates.positions;
        let mut reasons = Vec::with_capacity(positions.len());
        match (planned.strategy.rule(), items) {
            (Rule::Pick(rule), Some(items)) => {
                let measure = rule.measure(items, &candidates.groups())?;
                let compare = comparator(items, items)?;
                for (group, range) in candidates.groups().ranges().enumerate() {
                    let won = |at: &usize| Some(positions[*at]) == decision.winners[group];
                    let winner = range.clone().find(won);
                    reasons.extend(range.map(|at| match winner {
                        None => Some(rule.lesser()),
                        Some(winner) if winner == at => None,
                        Some(winner) if compare(at, winner).is_eq() => Some(Reason::SameValue),
                        Some(winner) if measure(at, winner).is_eq() => Some(Reason::Older),
                        Some(_) => Some(rule.lesser()),
                    }));
                }
            }
            (Rule::Combine(rule), Some(items)) if rule.overrules() => {
                let compare = comparator(items, &decision.values)?;
                for (group, range) in candidates.groups().ranges().enumerate() {
                    reasons.extend(range.map(|at| match compare(at, group).is_eq() {
                        true => Some(Reason::Contributes),
                        false => Some(Reason::Overruled),
                    }));
                }
            }
            (Rule::Order(rule), _) => {
                let rank = |position: u32| {
                    planned.ranks[self.arrangement.dataset(self.fragments, position as usize)]
                };
                for (group, range) in candidates.groups().ranges().enumerate() {
                    let winner = decision.winners[group];
                    reasons.extend(range.map(|at| match winner {
                        Some(winner) if winner == positions[at] => None,
                        Some(winner) => Some(rule.lost(rank(positions[at]), rank(winner))),
                        None => Some(Reason::Null),
                    }));
                }
            }
            _ => reasons.resize(positions.len(), Some(Reason::Contributes)),
        }
        Ok(reasons)
    }

    fn judged(&mut self, attribute: usize) -> Result<Judged> {
        let planned = self.plan.attribute(attribute)?;
        let told = self.told(attribute)?;
        let reasons = self.reasons(planned, &told)?;
        // Fragments that take no part are judged too, and so their columns are needed.
        let row_counts = row_counts(self.fragments, 0..self.fragments.len());
        let fetch = |at: &usize| Cells::fetch(self.plan, *at, &row_counts, self.columns);
        let cells: Vec<Cells> = planned.together.iter().map(fetch).collect::<Result<_>>()?;
        let place = |fragment: u32| Place {
            batch: self.fragments.batch[fragment as usize],
            row: self.fragments.row[fragment as usize],
        };
        let mut rows = Vec::new();
        let of_candidates = told.candidates.groups().ranges();
        for (positions, candidates) in self.arrangement.ranges().zip(of_candidates) {
            // Both ascend, and so does the walk from their ends.
            let mut candidates = candidates.rev().peekable();
            for position in positions.rev() {
                let fragment = self.arrangement.fragments[position];
                let at = candidates.next_if(|at| told.candidates.positions[*at] == position as u32);
                let reason = match at {
                    Some(at) => reasons[at],
                    None if !speaks(&cells, true, place(fragment)) => continue,
                    None => Some(self.no_candidate(planned, &cells, position)),
                };
                rows.push((fragment, reason));
            }
        }
        let not_in_policy = (0..self.fragments.len() as u32).rev().filter(|fragment| {
            let dataset = self.fragments.dataset[*fragment as usize] as usize;
            self.plan.place(dataset).is_none() && speaks(&cells, true, place(*fragment))
        });
        rows.extend(not_in_policy.map(|fragment| (fragment, Some(Reason::NotInPolicy))));
        rows.sort_by_key(|(fragment, _)| self.fragments.group[*fragment as usize]);
        let own = fetch(&attribute)?;
        let values = own.gather(rows.iter().map(|(fragment, _)| Some(place(*fragment))))?;
        let (fragments, reasons) = rows.into_iter().unzip();
        Ok(Judged { fragments, values, reasons })
    }

    /// Why a fragment that takes part and has the attribute is no candidate.
    fn no_candidate(&self, planned: &Planned, cells: &[Cells], position: usize) -> Reason {
        let place = self.arrangement.places[position];
        if !self.arrangement.counts(position, planned.history) {
            Reason::Replaced
        } else if !speaks(cells, nulls_count(planned), place) {
            Reason::Null
        } else {
            Reason::Superseded
        }
    }
}

fn nulls_count(planned: &Planned) -> bool {
    matches!(planned.strategy.rule(), Rule::Order(rule) if rule.nulls_count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn reasons_have_words_of_their_own() {
        let words: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.text()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
    }
}
