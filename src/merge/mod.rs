//! Merging: the fragments of a person, from many datasets, become one value per attribute
//! (spec 5.3).
//!
//! One implementation serves three callers: the profiles table, the look-up of one profile, and the
//! SQL aggregates. A [`plan::MergePlan`] is a policy made ready. [`operator::merge`] arranges
//! fragments by profile and order once for all attributes; then each attribute is either *won* by a
//! fragment (`Order`: values are not looked at), *picked* among the candidates (`Pick`), or *made*
//! of them (`Combine`). Values stay in their Arrow columns and are gathered once, at the end.
//! Nothing here knows how fragments are stored, or which profiles there are.

mod addition;
mod arrangement;
mod cells;
mod elements;
pub mod fit;
pub mod groups;
pub mod lineage;
pub mod operator;
pub mod order;
pub mod plan;

mod all_true;
mod any_true;
mod average;
mod collect_list;
mod collect_set;
mod count_distinct;
mod earliest;
mod latest;
mod latest_or_null;
mod listagg;
mod longest;
mod max;
mod min;
mod most_frequent;
mod most_restrictive;
mod precedence;
mod sum;
mod unanimous;

use std::fmt;

use arrow::array::{ArrayRef, DynComparator};
use arrow::datatypes::DataType;

use crate::error::{Error, Result, SqlState};
use crate::merge::groups::Groups;
use crate::merge::lineage::Reason;
use crate::merge::order::OrderRule;
use crate::model::policy::StrategyCall;

/// All strategies; policies, the catalog, the help and the aggregates are made of this.
pub static ALL: &[&dyn Strategy] = &[
    &latest::Latest,
    &latest_or_null::LatestOrNull,
    &earliest::Earliest,
    &precedence::Precedence,
    &most_frequent::MostFrequent,
    &longest::Longest,
    &unanimous::Unanimous,
    &min::Min,
    &max::Max,
    &sum::Sum,
    &average::Average,
    &count_distinct::CountDistinct,
    &collect_set::CollectSet,
    &collect_list::CollectList,
    &listagg::Listagg,
    &all_true::AllTrue,
    &any_true::AnyTrue,
    &most_restrictive::MostRestrictive,
];

/// The strategy of that name.
///
/// # Errors
/// `42704` if there is none, with a hint that lists them.
pub fn strategy(name: &str) -> Result<&'static dyn Strategy> {
    ALL.iter().find(|strategy| strategy.name() == name).copied().ok_or_else(|| {
        let names: Vec<_> = ALL.iter().map(|strategy| strategy.name()).collect();
        Error::new(SqlState::UNDEFINED_OBJECT, format!("strategy \"{name}\" does not exist"))
            .hint(format!("there are: {}", names.join(", ")))
    })
}

/// What holds of a strategy, for all candidates `A` and `B` (sets of values with their keys).
///
/// The property tests hold each strategy to what it claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laws {
    /// `f(A ∪ A) = f(A)`: candidates that are there twice change nothing.
    pub idempotent: bool,
    /// `f(state(A) ∪ state(B)) = f(A ∪ B)`: partial states may be merged in any grouping.
    pub associative: bool,
    /// `f` is the same for any order in which candidates arrive.
    pub order_insensitive: bool,
}

impl Laws {
    /// The laws of a strategy to which it matters only which candidates there are.
    pub const OF_SETS: Self = Self { idempotent: true, associative: true, order_insensitive: true };
    /// The laws of a strategy to which it matters also how often.
    pub const OF_BAGS: Self = Self { idempotent: false, ..Self::OF_SETS };
}

/// One conflict rule. Pure: the result is a function of the candidates and the call.
pub trait Strategy: Send + Sync {
    /// Its name in SQL.
    fn name(&self) -> &'static str;

    /// What it does, in one sentence.
    fn doc(&self) -> &'static str;

    /// Its arguments as a policy writes them; empty if it takes none.
    fn arguments(&self) -> &'static str {
        ""
    }

    /// A clause of a policy that uses it.
    fn example(&self) -> &'static str;

    /// What holds of it.
    fn laws(&self) -> Laws;

    /// Whether it sees all values of the past without `OVER HISTORY`.
    fn history(&self) -> bool {
        false
    }

    /// The type of its result, after a check of type and arguments.
    ///
    /// # Errors
    /// `42804` if it does not fit the type, `22023` for wrong arguments.
    fn output(&self, input: &DataType, call: &StrategyCall) -> Result<DataType>;

    /// How it decides.
    fn rule(&self) -> Rule<'_>;
}

impl fmt::Debug for dyn Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a strategy decides.
pub enum Rule<'a> {
    /// By the order of fragments alone: values need not be looked at.
    Order(OrderRule),
    /// By looking at the values of the candidates, one of which it picks.
    Pick(&'a dyn PickRule),
    /// By making a new value of all candidates.
    Combine(&'a dyn CombineRule),
}

/// A strategy that picks one of the candidates.
pub trait PickRule: Send + Sync {
    /// Whether what was not picked never matters again: `pick({pick(A)} ∪ B) = pick(A ∪ B)`.
    fn narrows(&self) -> bool {
        false
    }

    /// How good candidates are: compares two positions in `values` by the rule alone, whatever their
    /// age. Candidates of different groups need not compare.
    ///
    /// # Errors
    /// `42804` if values have no order.
    fn measure(&self, values: &ArrayRef, groups: &Groups<'_>) -> Result<DynComparator>;

    /// Why a candidate lost that measures less than the one picked, or where none was picked.
    fn lesser(&self) -> Reason;

    /// The position in `values` of the candidate picked, per group; `None` where none is. Of those
    /// that measure the most it is the newest.
    ///
    /// # Errors
    /// `42804` if values have no order, `54000` beyond the limits of positions.
    fn pick(&self, values: &ArrayRef, groups: &Groups<'_>) -> Result<Vec<Option<u32>>> {
        let measure = self.measure(values, groups)?;
        Ok(groups.select(|item, holder| measure(item, holder).is_ge()))
    }
}

/// A strategy that makes a new value of the candidates.
pub trait CombineRule: Send + Sync {
    /// Whether the order of candidates matters to the result.
    fn ordered(&self) -> bool {
        false
    }

    /// Whether the result is always what some candidate says, so that those who say otherwise are
    /// overruled instead of contributing.
    fn overrules(&self) -> bool {
        false
    }

    /// One value per group.
    ///
    /// # Errors
    /// `22003` if a result does not fit its type, `54000` beyond a limit.
    fn combine(
        &self,
        values: &ArrayRef,
        groups: &Groups<'_>,
        call: &StrategyCall,
    ) -> Result<ArrayRef>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_are_named_once_and_documented() {
        for (at, strategy) in ALL.iter().enumerate() {
            let name = strategy.name();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(ALL[..at].iter().all(|other| other.name() != name), "{name} twice");
            assert!(strategy.doc().ends_with('.'), "{name} has no sentence");
            assert!(strategy.example().contains(&format!("BY {name}")), "{name} has no example");
            assert!(strategy.laws().order_insensitive && strategy.laws().associative, "{name}");
        }
    }

    #[test]
    fn unknown_strategies_are_told_with_the_known_ones() {
        let error = strategy("newest").expect_err("no such strategy");
        assert_eq!(error.code(), SqlState::UNDEFINED_OBJECT);
        assert_eq!(error.message(), "strategy \"newest\" does not exist");
        assert!(error.get_hint().is_some_and(|hint| hint.contains("latest, latest_or_null")));
        assert_eq!(strategy("latest").map(Strategy::name).ok(), Some("latest"));
    }
}
