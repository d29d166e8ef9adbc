//! A person's past, step by step: what was merged of them after each `observed_at` of their rows.
//!
//! Only the rows of the person's cluster are read: they are folded in the order of their times, and
//! merged after each time at which the person's record rows or identities changed. What it gives for a
//! moment is what the profiles of [`crate::engine::past`] show as of it. `profile_history` calls it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use hashbrown::HashMap;

use crate::engine::index::RowLocation;
use crate::engine::profiles::build::Builder;
use crate::engine::profiles::lineage::{FragmentColumns, PolicyReader, columns};
use crate::engine::rows::RowFacts;
use crate::engine::snapshot::Snapshot;
use crate::error::{Error, Result, SqlState};
use crate::graph::fold::{Effects, Moment};
use crate::graph::identity_graph::{IdentityGraph, RowSource, Unsettled};
use crate::graph::rules::Context;
use crate::merge::lineage::decided;
use crate::merge::operator::Fragments;

/// Fragments that one history merges at most, all its steps together: some seconds of work. A person
/// with one new row at each of about 4,500 moments has that many.
pub const HISTORY_FRAGMENTS_MAX: usize = 10_000_000;

/// Fragments that are merged at a time, to bound the memory.
const FRAGMENTS_AT_A_TIME: usize = 1_000_000;

/// Some steps of a history, in order.
#[derive(Clone, Debug)]
pub struct HistorySteps {
    /// The time of each step in microseconds; `None`: that of rows without a time.
    pub observed_at: Vec<Option<i64>>,
    /// For each attribute of the union, its values after the steps, and the fragments that gave them.
    pub attributes: Vec<(ArrayRef, FragmentColumns)>,
}

/// A row of a cluster.
struct KnownRow {
    fragment_id: i64,
    observed_at: Option<i64>,
    /// The primary one first.
    identities: Vec<u32>,
    is_record: bool,
    location: RowLocation,
}

/// The rows of an identity's cluster, in the order of the fold.
fn cluster_rows(snapshot: &Snapshot, identity: u32) -> Result<Vec<KnownRow>> {
    let state = &snapshot.state;
    let mut locations: Vec<(RowLocation, bool)> = Vec::new();
    for member in state.graph.cluster(identity) {
        locations.extend(state.index.records(member).map(|location| (location, true)));
        locations.extend(state.index.events(member).map(|location| (location, false)));
    }
    locations.sort_unstable();
    let mut rows = Vec::with_capacity(locations.len());
    let mut open: Option<(u32, usize, RowFacts, Int64Array)> = None;
    for (location, is_record) in locations {
        let part = state.slots.get(location.slot);
        let part = part.ok_or_else(|| Error::internal("a row is in an empty slot"))?;
        let (group, row) = part.locate(location.row as usize);
        if !matches!(&open, Some((slot, at, ..)) if *slot == location.slot && *at == group) {
            let dataset = state.catalog.dataset_by_id(part.dataset);
            let dataset = dataset.ok_or_else(|| Error::internal("rows of an unknown dataset"))?;
            let facts = RowFacts::read(part, group, dataset)?;
            open = Some((location.slot, group, facts, part.fragment_ids(group)?));
        }
        let Some((.., facts, fragment_ids)) = &open else { continue };
        let mut identities = Vec::new();
        facts.all(row, &mut identities);
        let (fragment_id, observed_at) = (fragment_ids.value(row), facts.time(row));
        rows.push(KnownRow { fragment_id, observed_at, identities, is_record, location });
    }
    // No time is before all times, as `None` is before `Some`.
    rows.sort_unstable_by_key(|row| (row.observed_at, row.fragment_id));
    Ok(rows)
}

/// The rows folded so far, as the graph asks for them again.
struct Folded<'a> {
    rows: &'a [KnownRow],
    by_primary: HashMap<u32, Vec<usize>>,
}

impl Folded<'_> {
    /// The graph takes rows for late whose number is small: here they come in the order of their times,
    /// and are numbered so.
    fn moment(&self, at: usize) -> Moment {
        let time = self.rows[at].observed_at.unwrap_or(i64::MIN);
        Moment { time, fragment_id: at as i64 }
    }
}

impl RowSource for Folded<'_> {
    fn rows_of(&self, primaries: &[u32], each: &mut dyn FnMut(&[u32], Moment)) -> Result<()> {
        for at in primaries.iter().filter_map(|primary| self.by_primary.get(primary)).flatten() {
            each(&self.rows[*at].identities, self.moment(*at));
        }
        Ok(())
    }
}

/// A time after which a person was another one than before.
struct Step {
    observed_at: Option<i64>,
    /// How many rows of the cluster had come.
    row_count: usize,
    /// The person's identities, ascending.
    members: Arc<Vec<u32>>,
}

impl Step {
    /// Whether a row is a record of the person.
    fn is_own_record(&self, row: &KnownRow) -> bool {
        let primary = row.identities.first().filter(|_| row.is_record);
        primary.is_some_and(|primary| self.members.binary_search(primary).is_ok())
    }
}

/// Record rows by their primary identities, in the order of the fold.
struct Records<'a> {
    rows: &'a [KnownRow],
    by_primary: HashMap<u32, Vec<usize>>,
}

impl<'a> Records<'a> {
    fn of(rows: &'a [KnownRow]) -> Self {
        let mut by_primary: HashMap<u32, Vec<usize>> = HashMap::new();
        for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.is_record) {
            row.identities
                .iter()
                .take(1)
                .for_each(|it| by_primary.entry(*it).or_default().push(at));
        }
        Self { rows, by_primary }
    }

    /// The record rows that a person had after a step, by primary identity.
    fn at<'b>(&'b self, step: &'b Step) -> impl Iterator<Item = (u32, &'b [usize])> {
        step.members.iter().filter_map(|member| {
            let rows = self.by_primary.get(member)?;
            Some((*member, &rows[..rows.partition_point(|at| *at < step.row_count)]))
        })
    }
}

/// Folds the rows of a cluster time by time.
fn steps(snapshot: &Snapshot, identity: u32, rows: &[KnownRow]) -> Result<Vec<Step>> {
    let rules = snapshot.state.graph.rules();
    let context = Context { rules, names: &snapshot.dictionary };
    let mut graph = IdentityGraph::new(rules.clone());
    let mut folded = Folded { rows, by_primary: HashMap::new() };
    let mut steps: Vec<Step> = Vec::new();
    let mut row_count = 0;
    for of_time in rows.chunk_by(|left, right| left.observed_at == right.observed_at) {
        let (mut unsettled, mut effects) = (Unsettled::default(), Effects::default());
        for row in of_time {
            let traits: Vec<u32> = row.identities.iter().map(|it| context.traits(*it)).collect();
            let moment = folded.moment(row_count);
            graph.take(&row.identities, &traits, moment, &mut unsettled, &mut effects);
            let primary = row.identities.first().copied().unwrap_or(u32::MAX);
            folded.by_primary.entry(primary).or_default().push(row_count);
            row_count += 1;
        }
        graph.settle(&unsettled, &snapshot.dictionary, &folded, &mut effects)?;
        if !graph.contains(identity) {
            continue;
        }
        let mut members: Vec<u32> = graph.members(identity).collect();
        members.sort_unstable();
        let before = steps.last().map(|step| &step.members).filter(|before| ***before == members);
        let is_same = before.is_some();
        let members = before.map_or_else(|| Arc::new(members), Arc::clone);
        let step = Step { observed_at: of_time[0].observed_at, row_count, members };
        if !is_same || of_time.iter().any(|row| step.is_own_record(row)) {
            steps.push(step);
        }
    }
    Ok(steps)
}

impl PolicyReader {
    /// What was merged of the person whom an identity belongs to, after each time of their rows.
    ///
    /// # Errors
    /// `54000` beyond [`HISTORY_FRAGMENTS_MAX`]; as [`PolicyReader::values`].
    pub fn history(&self, identity: u32) -> Result<Vec<HistorySteps>> {
        let rows = cluster_rows(&self.snapshot, identity)?;
        let steps = steps(&self.snapshot, identity, &rows)?;
        let records = Records::of(&rows);
        let count = |step: &Step| records.at(step).map(|(_, rows)| rows.len()).sum::<usize>();
        let counts: Vec<usize> = steps.iter().map(count).collect();
        if counts.iter().sum::<usize>() > HISTORY_FRAGMENTS_MAX {
            let message = "this person has too many changes for a history";
            let detail = format!(
                "Merging after each of {} times takes more than {HISTORY_FRAGMENTS_MAX} fragments.",
                steps.len()
            );
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
                .detail(detail)
                .hint("look at some moments with profiles_at, or at fewer rows with SET as_of"));
        }
        let builder = Builder::new(&self.snapshot, &self.shape, &self.programs)?;
        let mut history = Vec::new();
        let mut from = 0;
        while from < steps.len() {
            let (mut to, mut fragment_count) = (from, 0);
            while to < steps.len() && (to == from || fragment_count < FRAGMENTS_AT_A_TIME) {
                fragment_count += counts[to];
                to += 1;
            }
            history.push(self.merged(&builder, &steps[from..to], &records)?);
            from = to;
        }
        Ok(history)
    }

    fn merged(
        &self,
        builder: &Builder<'_>,
        steps: &[Step],
        records: &Records<'_>,
    ) -> Result<HistorySteps> {
        let mut fragments = Fragments::default();
        for (group, step) in steps.iter().enumerate() {
            for (primary, rows) in records.at(step) {
                for row in rows.iter().map(|at| &records.rows[*at]) {
                    builder.add(&mut fragments, group as u32, primary, row.location)?;
                }
            }
        }
        let all: Vec<usize> = (0..self.attributes().len()).collect();
        let decided = decided(builder.plan(), &all, steps.len(), &fragments, builder)?;
        let attributes = decided.into_iter().enumerate().map(|(attribute, decided)| {
            let givers = decided.fragments.iter().copied();
            let givers = columns(builder, &fragments, givers);
            Ok((builder.shown(attribute, decided.values)?, givers))
        });
        Ok(HistorySteps {
            observed_at: steps.iter().map(|step| step.observed_at).collect(),
            attributes: attributes.collect::<Result<_>>()?,
        })
    }
}
