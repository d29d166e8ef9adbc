//! Merged profiles, kept per policy as columnar chunks and repaired when read.
//!
//! A [`ProfileView`] is exact as of one commit. A base of sorted chunks holds most profiles; profiles
//! re-merged since are in later chunks, and their old rows in the base are marked dead. A reader whose
//! snapshot is newer than the view repairs it first: it re-merges the profiles that the commits in
//! between touched, from their rows, and marks the old rows dead. Once a quarter of the rows are dead
//! or out of order, everything is merged anew. So a query is exact, and pays for a write in proportion
//! to the write.

mod build;
pub mod history;
pub mod lineage;
mod people;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::filter;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::catalog::attributes::Attribute;
use crate::engine::database::Database;
use crate::engine::snapshot::Snapshot;
use crate::engine::touched::{Touched, TouchedLog};
use crate::env::threads::parallel_map;
use crate::error::{Error, Result};
use crate::merge::plan::MergePlan;
use crate::metrics::KindLabel;
use crate::model::policy::{MergePolicy, QueryColumn, Stitch};
use crate::storage::part::time_type;

/// Profiles of one chunk: some hundred kilobytes a column, and enough chunks for all cores.
pub const CHUNK_PROFILES: usize = 8_192;

/// Policies whose merged profiles are kept; the one not used longest gives way.
pub const VIEWS_MAX: usize = 8;

/// Policies whose merged profiles are kept for a transaction that has written; they share what it has not
/// changed with those of the database.
const TRANSACTION_VIEWS_MAX: usize = 2;

/// What decides how profiles look: if it is the same, a view can be repaired; if not, it is built anew.
#[derive(Clone, Debug, PartialEq)]
struct Shape {
    policy: MergePolicy,
    datasets: Vec<(u32, String, crate::model::dataset::DatasetOptions)>,
    attributes: Vec<Attribute>,
    names: Vec<String>,
}

impl Shape {
    fn of(catalog: &Catalog, policy: &MergePolicy) -> Self {
        let records = catalog.record_datasets();
        let datasets = records
            .iter()
            .map(|dataset| (dataset.id, dataset.name.clone(), dataset.options.clone()))
            .collect();
        let names =
            catalog.datasets_in_order().iter().map(|dataset| dataset.name.clone()).collect();
        Self { policy: policy.clone(), datasets, attributes: catalog.attributes(), names }
    }
}

/// Some profiles, merged.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Profile ids, ascending.
    pub ids: Arc<Vec<u32>>,
    /// The rows, in the order of the ids.
    pub rows: RecordBatch,
    /// Which rows still count; `None`: all.
    live: Option<Arc<Vec<bool>>>,
}

impl Chunk {
    /// Whether a row still counts.
    fn is_live(&self, row: usize) -> bool {
        self.live.as_ref().is_none_or(|live| live[row])
    }

    /// A column of the rows that count.
    ///
    /// # Errors
    /// `XX000` if Arrow cannot filter, which would be a mistake of ours.
    pub fn column(&self, at: usize) -> Result<ArrayRef> {
        let column = self.rows.column(at);
        match &self.live {
            None => Ok(Arc::clone(column)),
            Some(live) => {
                let mask = BooleanArray::from(live.as_ref().clone());
                filter(column.as_ref(), &mask).map_err(|error| Error::internal(error.to_string()))
            }
        }
    }

    fn kill(&mut self, row: usize) {
        let rows = self.rows.num_rows();
        let live = self.live.get_or_insert_with(|| Arc::new(vec![true; rows]));
        Arc::make_mut(live)[row] = false;
    }

    /// How many rows count.
    pub fn live_count(&self) -> usize {
        let all = self.rows.num_rows();
        self.live.as_ref().map_or(all, |live| live.iter().filter(|live| **live).count())
    }
}

/// All merged profiles of one policy, as of one commit.
#[derive(Clone, Debug)]
pub struct ProfileView {
    /// The commit.
    pub commit: u64,
    /// Columns: `profile_id`, the attributes, then the counts and times of spec 3.
    pub schema: SchemaRef,
    /// The chunks.
    pub chunks: Vec<Chunk>,
    /// How many chunks are the base.
    base: usize,
    /// Where profiles are that were re-merged: chunk and row.
    moved: Arc<HashMap<u32, (u32, u32)>>,
    shape: Arc<Shape>,
}

impl ProfileView {
    /// Where a profile is: chunk and row.
    pub fn find(&self, profile: u32) -> Option<(usize, usize)> {
        if let Some((chunk, row)) = self.moved.get(&profile) {
            return Some((*chunk as usize, *row as usize));
        }
        let base = &self.chunks[..self.base];
        let at = base.partition_point(|chunk| chunk.ids.last().is_some_and(|last| *last < profile));
        let row = base.get(at)?.ids.binary_search(&profile).ok()?;
        base[at].is_live(row).then_some((at, row))
    }

    /// One profile's row, if there is such a profile.
    pub fn row(&self, profile: u32) -> Option<RecordBatch> {
        let (chunk, row) = self.find(profile)?;
        Some(self.chunks[chunk].rows.slice(row, 1))
    }

    /// How many profiles there are.
    pub fn profile_count(&self) -> usize {
        self.chunks.iter().map(Chunk::live_count).sum()
    }

    /// Bytes of all columns.
    pub fn byte_count(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.rows.get_array_memory_size()).sum()
    }

    /// Whether so much has moved that merging all anew is better.
    fn is_worn(&self, touched: usize) -> bool {
        let base: usize = self.chunks[..self.base].iter().map(|chunk| chunk.rows.num_rows()).sum();
        let later: usize = self.chunks[self.base..].iter().map(|chunk| chunk.rows.num_rows()).sum();
        (later + touched) * 4 > base.max(CHUNK_PROFILES) || self.chunks.len() > 2 * self.base + 64
    }
}

/// The views of all policies in use.
#[derive(Debug)]
pub struct ProfileViews {
    slots: Mutex<Vec<(String, Slot)>>,
    /// How many are kept.
    kept_max: usize,
    /// Of a transaction: what it began with, and what its writes touched.
    of_transaction: Option<(Arc<Snapshot>, Mutex<TouchedLog>)>,
}

impl Default for ProfileViews {
    fn default() -> Self {
        Self::keeping(VIEWS_MAX)
    }
}

/// The view of one policy; the lock is held by whoever builds it.
type Slot = Arc<Mutex<Option<Arc<ProfileView>>>>;

impl ProfileViews {
    /// No views yet, and never more than so many.
    pub fn keeping(kept_max: usize) -> Self {
        Self { slots: Mutex::default(), kept_max, of_transaction: None }
    }

    /// No views yet, of what a transaction sees that began with a snapshot of the database.
    pub(crate) fn of_transaction(base: Arc<Snapshot>) -> Self {
        let touched = Mutex::new(TouchedLog::starting_at(base.commit()));
        let of_transaction = Some((base, touched));
        Self { of_transaction, ..Self::keeping(TRANSACTION_VIEWS_MAX) }
    }

    /// Notes what a write of the transaction touched.
    pub(crate) fn touch(&self, commit: u64, touched: Arc<Touched>) {
        if let Some((_, log)) = &self.of_transaction {
            log.lock().note(commit, touched);
        }
    }

    /// How many policies have views.
    pub fn view_count(&self) -> usize {
        self.slots.lock().len()
    }

    /// The slot of a policy, if it has one.
    fn existing(&self, policy: &str) -> Option<Slot> {
        let slots = self.slots.lock();
        slots.iter().find(|(name, _)| name == policy).map(|(_, slot)| Arc::clone(slot))
    }

    /// The slot of a policy, most recently used last.
    fn slot(&self, policy: &str) -> Slot {
        let mut slots = self.slots.lock();
        let found = slots.iter().position(|(name, _)| name == policy);
        let slot = match found {
            Some(at) => slots.remove(at),
            None => (policy.to_owned(), Arc::default()),
        };
        if slots.len() >= self.kept_max {
            slots.remove(0);
        }
        slots.push(slot.clone());
        slot.1
    }
}

impl Database {
    fn views_of<'a>(&'a self, snapshot: &'a Snapshot) -> &'a ProfileViews {
        snapshot.views.as_deref().unwrap_or_else(|| self.views())
    }

    /// The merged profiles of a policy, exactly as of a snapshot.
    ///
    /// # Errors
    /// `42704` for an unknown policy; `22003` where a sum overflows; what reading rows may give.
    pub fn profiles(&self, snapshot: &Arc<Snapshot>, policy: &str) -> Result<Arc<ProfileView>> {
        let definition = snapshot.catalog().policy(policy)?;
        let shape = Arc::new(Shape::of(snapshot.catalog(), definition));
        let slot = self.views_of(snapshot).slot(policy);
        let mut held = slot.lock();
        if held.is_none() {
            *held = self.view_before(snapshot, &shape)?;
        }
        if let Some(view) = held.as_ref() {
            let same = view.shape == shape;
            if same && view.commit == snapshot.commit() {
                return Ok(Arc::clone(view));
            }
            if view.commit > snapshot.commit() {
                // A snapshot of the past that is still in use: others need the newer view.
                drop(held);
                return self.build_all(snapshot, &shape).map(Arc::new);
            }
            let kind = people::touched_kind(definition.stitch);
            let own = snapshot.views.as_ref().and_then(|views| views.of_transaction.as_ref());
            let touched = match own {
                Some((_, log)) => log.lock().between(kind, view.commit, snapshot.commit()),
                None => self.touched_between(kind, view.commit, snapshot.commit()),
            };
            if let Some(touched) = touched.filter(|touched| same && !view.is_worn(touched.len())) {
                let repaired = Arc::new(self.repair(view, snapshot, &touched)?);
                *held = Some(Arc::clone(&repaired));
                return Ok(repaired);
            }
        }
        let view = Arc::new(self.build_all(snapshot, &shape)?);
        *held = Some(Arc::clone(&view));
        Ok(view)
    }

    /// The view of what a transaction began with, if the snapshot is one of a transaction and the policy
    /// was the same: repairing it is less than merging all.
    fn view_before(&self, snapshot: &Snapshot, shape: &Shape) -> Result<Option<Arc<ProfileView>>> {
        let own = snapshot.views.as_ref().and_then(|views| views.of_transaction.as_ref());
        let Some((base, _)) = own else { return Ok(None) };
        let policy = &shape.policy.name;
        let known = base.catalog().policies.get(policy);
        match known.filter(|known| Shape::of(base.catalog(), known) == *shape) {
            Some(_) => self.profiles(base, policy).map(Some),
            None => Ok(None),
        }
    }

    /// The merged profiles of a policy, if they are there exactly as of that snapshot; merges nothing and
    /// waits for nobody.
    pub fn profiles_at_hand(
        &self,
        snapshot: &Arc<Snapshot>,
        policy: &str,
    ) -> Option<Arc<ProfileView>> {
        let definition = snapshot.catalog().policy(policy).ok()?;
        let slot = self.views_of(snapshot).existing(policy)?;
        let view = slot.try_lock()?.as_ref().map(Arc::clone)?;
        let current = view.commit == snapshot.commit();
        (current && *view.shape == Shape::of(snapshot.catalog(), definition)).then_some(view)
    }

    /// The merged profile of one person, without merging the others.
    ///
    /// # Errors
    /// As [`Database::profiles`].
    pub fn profile(
        &self,
        snapshot: &Arc<Snapshot>,
        policy: &str,
        profile: u32,
    ) -> Result<Option<RecordBatch>> {
        let definition = snapshot.catalog().policy(policy)?;
        if !snapshot.state.is_person(definition.stitch, profile) {
            return Ok(None);
        }
        let shape = Shape::of(snapshot.catalog(), definition);
        let slot = self.views_of(snapshot).slot(policy);
        if let Some(held) = slot.try_lock()
            && let Some(view) = held.as_ref()
            && view.commit == snapshot.commit()
            && *view.shape == shape
        {
            return Ok(view.row(profile));
        }
        let builder = build::Builder::new(snapshot, &shape, self.policy_programs())?;
        builder.chunk(&[profile]).map(|chunk| Some(chunk.rows))
    }

    fn build_all(&self, snapshot: &Arc<Snapshot>, shape: &Arc<Shape>) -> Result<ProfileView> {
        self.metrics().view_updates.get_or_create(&KindLabel { kind: "build" }).inc();
        let watch = crate::env::clock::Stopwatch::start();
        let builder = build::Builder::new(snapshot, shape, self.policy_programs())?;
        let all = snapshot.state.people(shape.policy.stitch);
        let runs: Vec<&[u32]> = all.chunks(CHUNK_PROFILES).collect();
        let chunks = parallel_map(runs.len(), |at| builder.chunk(runs[at]))?;
        tracing::debug!(
            policy = shape.policy.name,
            profiles = all.len(),
            seconds = watch.seconds(),
            "merged all profiles"
        );
        Ok(ProfileView {
            commit: snapshot.commit(),
            schema: builder.schema(),
            base: chunks.len(),
            chunks,
            moved: Arc::default(),
            shape: Arc::clone(shape),
        })
    }

    /// The view with the touched profiles merged anew.
    fn repair(
        &self,
        view: &ProfileView,
        snapshot: &Arc<Snapshot>,
        touched: &[u32],
    ) -> Result<ProfileView> {
        let mut next = view.clone();
        next.commit = snapshot.commit();
        if touched.is_empty() {
            return Ok(next);
        }
        self.metrics().view_updates.get_or_create(&KindLabel { kind: "repair" }).inc();
        let moved = Arc::make_mut(&mut next.moved);
        for profile in touched {
            if let Some((chunk, row)) = view.find(*profile) {
                next.chunks[chunk].kill(row);
                moved.remove(profile);
            }
        }
        let stitch = next.shape.policy.stitch;
        let exists = |profile: &u32| snapshot.state.is_person(stitch, *profile);
        let present: Vec<u32> = touched.iter().copied().filter(exists).collect();
        let builder = build::Builder::new(snapshot, &next.shape, self.policy_programs())?;
        for run in present.chunks(CHUNK_PROFILES) {
            let chunk = builder.chunk(run)?;
            for (row, profile) in run.iter().enumerate() {
                moved.insert(*profile, (next.chunks.len() as u32, row as u32));
            }
            next.chunks.push(chunk);
        }
        // Chunks of which nothing is left would be visited for nothing.
        let base = next.base;
        for chunk in next.chunks.iter_mut().skip(base).filter(|chunk| chunk.live_count() == 0) {
            chunk.rows = chunk.rows.slice(0, 0);
            chunk.live = None;
        }
        Ok(next)
    }
}

/// The columns of a policy's profiles.
///
/// # Errors
/// What the policy's plan refuses, which creating it ruled out.
pub fn schema(catalog: &Catalog, policy: &MergePolicy) -> Result<SchemaRef> {
    Ok(schema_of(&catalog.merge_plan(policy)?, policy))
}

/// The columns that show attributes.
fn attribute_fields(plan: &MergePlan, policy: &MergePolicy) -> Vec<(Field, String)> {
    match &policy.query {
        None => {
            let by = |at| format!("attribute, merged by {}", plan.strategy_name(at));
            plan.fields().into_iter().enumerate().map(|(at, field)| (field, by(at))).collect()
        }
        Some(query) => {
            let field = |column: &QueryColumn| {
                let field = Field::new(&column.name, column.ty.to_arrow(), true);
                (field, "attribute, computed by the policy's query".to_owned())
            };
            query.columns.iter().map(field).collect()
        }
    }
}

fn schema_of(plan: &MergePlan, policy: &MergePolicy) -> SchemaRef {
    let commented = |name: &str, ty: DataType, nullable: bool, comment: &str| {
        let comment = [("comment".to_owned(), comment.to_owned())];
        Field::new(name, ty, nullable).with_metadata(comment.into())
    };
    let count = |name: &str, comment: &str| commented(name, DataType::Int64, false, comment);
    let names = DataType::List(Arc::new(Field::new("item", DataType::Utf8View, true)));
    let (id, identity_count) = match policy.stitch {
        Stitch::Graph => {
            ("the person: the smallest identity_id of the graph", "identities of the graph")
        }
        Stitch::None => ("the person: identity_id of the primary identity", "always 1"),
    };
    let mut fields = vec![commented("profile_id", DataType::Int64, false, id)];
    fields.extend(attribute_fields(plan, policy).into_iter().map(|(field, comment)| {
        commented(field.name(), field.data_type().clone(), true, &comment)
    }));
    fields.extend([
        count("identity_count", identity_count),
        count("fragment_count", "accepted rows, events included"),
        count("event_count", "accepted events"),
        commented("first_seen_at", time_type(), true, "earliest observed_at of any row"),
        commented("last_seen_at", time_type(), true, "latest observed_at of any row"),
        commented("datasets", names, false, "datasets that the rows are from, by name"),
    ]);
    Arc::new(Schema::new(fields))
}

/// Profile ids as the column that shows them.
fn profile_ids(profiles: &[u32]) -> Int64Array {
    Int64Array::from_iter_values(profiles.iter().map(|profile| i64::from(*profile)))
}
