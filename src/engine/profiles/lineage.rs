//! Merging as it is asked about: some attributes of some people, with who decided and who did not.
//!
//! [`PolicyReader`] merges what it is asked for and keeps nothing, unlike the views, by the same builder
//! and the same `merge`. The tables of lineage and of differences and EXPLAIN PROFILE call it, a group
//! of people at a time.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, StringViewArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{filter, is_not_null, take};

use crate::catalog::attributes::Attribute;
use crate::engine::database::Database;
use crate::engine::policy_query::PolicyPrograms;
use crate::engine::profiles::Shape;
use crate::engine::profiles::build::Builder;
use crate::engine::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::merge::lineage::{Decided, Judged, Reason, decided, judged};
use crate::merge::operator::Fragments;
use crate::merge::plan::MergePlan;
use crate::model::column::UTC;
use crate::model::policy::MergePolicy;

/// Reads merged values under one policy, as of one snapshot.
#[derive(Debug)]
pub struct PolicyReader {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) shape: Shape,
    shown: MergePlan,
    pub(super) programs: Arc<PolicyPrograms>,
}

/// One attribute of people who have a value of it; columns of one length.
#[derive(Clone, Debug)]
pub struct AttributeLineage {
    /// The attribute, by its position in the union.
    pub attribute: usize,
    /// The people.
    pub profiles: UInt32Array,
    /// Their merged values.
    pub values: ArrayRef,
    /// The fragments that gave them; null where several did.
    pub fragments: FragmentColumns,
    /// How many candidates there were.
    pub candidate_counts: Int64Array,
}

/// All that fragments say of one attribute; columns of one length.
#[derive(Clone, Debug)]
pub struct AttributeCandidates {
    /// The attribute, by its position in the union.
    pub attribute: usize,
    /// The people.
    pub profiles: UInt32Array,
    /// What the fragments say.
    pub values: ArrayRef,
    /// The fragments.
    pub fragments: FragmentColumns,
    /// Why they did not win; `None` of winners.
    pub reasons: Vec<Option<Reason>>,
}

/// What lineage tells of fragments.
#[derive(Clone, Debug)]
pub struct FragmentColumns {
    /// Names of their datasets.
    pub datasets: StringViewArray,
    /// Their numbers.
    pub fragment_ids: Int64Array,
    /// Their primary identities.
    pub primaries: UInt32Array,
    /// Their times.
    pub observed_at: TimestampMicrosecondArray,
}

impl PolicyReader {
    /// A reader under a policy.
    ///
    /// # Errors
    /// `42704` for an unknown policy.
    pub fn new(database: &Database, snapshot: &Arc<Snapshot>, policy: &str) -> Result<Self> {
        Self::of(database, snapshot, snapshot.catalog().policy(policy)?)
    }

    /// A reader under a policy that need not be in the catalog.
    ///
    /// # Errors
    /// What the policy's plan refuses.
    pub fn of(database: &Database, snapshot: &Arc<Snapshot>, policy: &MergePolicy) -> Result<Self> {
        let shape = Shape::of(snapshot.catalog(), policy);
        let shown = snapshot.catalog().merge_plan(policy)?;
        let programs = Arc::clone(database.policy_programs());
        Ok(Self { snapshot: Arc::clone(snapshot), shape, shown, programs })
    }

    /// The policy.
    pub fn definition(&self) -> &MergePolicy {
        &self.shape.policy
    }

    /// The names of its attributes.
    pub fn attribute_names(&self) -> Vec<&str> {
        match &self.shape.policy.query {
            None => self.shape.attributes.iter().map(|it| it.name.as_str()).collect(),
            Some(query) => query.columns.iter().map(|it| it.name.as_str()).collect(),
        }
    }

    /// Refuses to tell of fragments that a query made values of.
    ///
    /// # Errors
    /// `0A000` if the policy is a query.
    pub fn check_told(&self) -> Result<()> {
        if self.shape.policy.query.is_none() {
            return Ok(());
        }
        let name = &self.shape.policy.name;
        let message = format!("merge policy \"{name}\" is a query, whose values have no lineage");
        Err(Error::unsupported(message)
            .detail("which fragments an aggregate made a value of is known to the query only")
            .hint("read the person's rows in fragments, or name another policy"))
    }

    /// The snapshot read.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The policy's name.
    pub fn policy(&self) -> &str {
        &self.shape.policy.name
    }

    /// The attributes of the union.
    pub fn attributes(&self) -> &[Attribute] {
        &self.shape.attributes
    }

    /// The strategy of an attribute, as a policy writes it.
    pub fn strategy_name(&self, attribute: usize) -> String {
        self.shown.strategy_name(attribute)
    }

    /// The attributes that one fragment gives together with this one, itself included.
    pub fn together(&self, attribute: usize) -> &[usize] {
        self.shown.together(attribute)
    }

    /// The merged values of some attributes, a column each with a row per person; null where there is no
    /// such person.
    ///
    /// # Errors
    /// `22003` where a sum overflows; what reading rows may give.
    pub fn values(&self, attributes: &[usize], profiles: &[u32]) -> Result<Vec<ArrayRef>> {
        let builder = Builder::new(&self.snapshot, &self.shape, &self.programs)?;
        let people = self.people(Some(profiles));
        let (_, fragments) = builder.gather(&people)?;
        let values = builder.values(attributes, &people, &fragments)?;
        if people.len() == profiles.len() {
            return Ok(values);
        }
        let place = |profile: &u32| people.binary_search(profile).ok().map(|at| at as u32);
        let places: UInt32Array = profiles.iter().map(place).collect();
        values.iter().map(|column| take(column, &places, None).map_err(unfiltered)).collect()
    }

    /// Where the values of some attributes are from, of those people who have one.
    ///
    /// # Errors
    /// As [`PolicyReader::values`], and `0A000` if the policy is a query.
    pub fn lineage(&self, attributes: &[usize], profiles: &[u32]) -> Result<Vec<AttributeLineage>> {
        self.check_told()?;
        let builder = Builder::new(&self.snapshot, &self.shape, &self.programs)?;
        let (_, fragments) = builder.gather(profiles)?;
        let all = decided(builder.plan(), attributes, profiles.len(), &fragments, &builder)?;
        let one = |(attribute, decided): (&usize, Decided)| {
            let Decided { values, fragments: givers, candidate_counts } = decided;
            let present = is_not_null(&values).map_err(unfiltered)?;
            let keep = |column: &dyn Array| filter(column, &present).map_err(unfiltered);
            let rows: Vec<usize> = present.values().set_indices().collect();
            let givers = rows.iter().map(|row| givers[*row]);
            Ok(AttributeLineage {
                attribute: *attribute,
                profiles: rows.iter().map(|row| Some(profiles[*row])).collect(),
                values: builder.shown(*attribute, keep(&values)?)?,
                fragments: columns(&builder, &fragments, givers),
                candidate_counts: rows
                    .iter()
                    .map(|row| Some(i64::from(candidate_counts[*row])))
                    .collect(),
            })
        };
        attributes.iter().zip(all).map(one).collect()
    }

    /// What all fragments say of some attributes, and what became of it.
    ///
    /// # Errors
    /// As [`PolicyReader::values`], and `0A000` if the policy is a query.
    pub fn candidates(
        &self,
        attributes: &[usize],
        profiles: &[u32],
    ) -> Result<Vec<AttributeCandidates>> {
        self.check_told()?;
        let builder = Builder::of_all(&self.snapshot, &self.shape)?;
        let (_, fragments) = builder.gather(profiles)?;
        let one = |attribute: &usize| {
            let plan = builder.plan();
            let judged = judged(plan, *attribute, profiles.len(), &fragments, &builder)?;
            let Judged { fragments: found, values, reasons } = judged;
            let profile = |at: &u32| Some(profiles[fragments.group[*at as usize] as usize]);
            Ok(AttributeCandidates {
                attribute: *attribute,
                profiles: found.iter().map(profile).collect(),
                values: builder.shown(*attribute, values)?,
                fragments: columns(&builder, &fragments, found.iter().copied().map(Some)),
                reasons,
            })
        };
        attributes.iter().map(one).collect()
    }
}

/// What is told of some fragments, in order; null where there is none.
pub(super) fn columns(
    builder: &Builder<'_>,
    fragments: &Fragments,
    found: impl Iterator<Item = Option<u32>> + Clone,
) -> FragmentColumns {
    let found = || found.clone().map(|at| at.map(|at| at as usize));
    let time = |at: usize| Some(fragments.observed_at[at]).filter(|time| *time != i64::MIN);
    let observed_at: TimestampMicrosecondArray = found().map(|at| at.and_then(time)).collect();
    FragmentColumns {
        datasets: found()
            .map(|at| at.map(|at| builder.dataset_name(fragments.dataset[at])))
            .collect(),
        fragment_ids: found().map(|at| at.map(|at| fragments.fragment_id[at])).collect(),
        primaries: found().map(|at| at.map(|at| fragments.primary[at])).collect(),
        observed_at: observed_at.with_timezone(UTC),
    }
}

fn unfiltered(error: arrow::error::ArrowError) -> Error {
    Error::internal(format!("lineage could not be filtered: {error}"))
}
