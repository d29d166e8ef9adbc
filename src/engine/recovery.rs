//! Recovery: from the ground state on disk to the state in memory.
//!
//! Identities first, under their stored numbers, those of decisions included; then derived state as it
//! was saved, if it is of use (`derived_state`); then the other segments of the manifest; then the log's
//! records, one by one, as they were applied the first time. Only numbers are read from segments, and
//! event ids where a dataset recognises events by them.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::datatypes::DataType;
use hashbrown::HashSet;

use crate::catalog::Catalog;
use crate::engine::database::{Options, Shared};
use crate::engine::derived_state::Restored;
use crate::engine::erasure::Blocked;
use crate::engine::internal::INGESTS;
use crate::engine::snapshot::Snapshot;
use crate::engine::state::{Change, State, decided_rules_of};
use crate::engine::step::event_ids_of;
use crate::engine::touched::Touched;
use crate::engine::writer::{Writer, logged_segments, open_part};
use crate::env::clock::Stopwatch;
use crate::env::progress::Progress;
use crate::error::{Error, Result};
use crate::graph::dictionary::Dictionary;
use crate::graph::identity_graph::IdentityGraph;
use crate::model::decision::DecidedIdentity;
use crate::model::definition::Definition;
use crate::model::relation::is_scratch;
use crate::storage::manifest::{Erased, Manifest, SegmentEntry};
use crate::storage::part::Part;
use crate::storage::record::{Commit, CommitPart, Delete, PartRows, Record};
use crate::storage::store::Store;

/// Opens the store and gives the writer that goes on with it.
pub(crate) fn open(options: &Options) -> Result<Writer> {
    let watch = Stopwatch::start();
    let (store, opened) = Store::open(Arc::clone(&options.disk), options.cache_bytes)?;
    let mut writer = empty(store, options);
    writer.identity_files.clone_from(&opened.manifest.identities);
    writer.erased.clone_from(&opened.manifest.erased);
    {
        let mut replication = writer.shared.replication.lock();
        replication.writer.clone_from(&opened.manifest.writer);
        replication.epoch = opened.manifest.epoch;
    }
    let progress = &options.progress;
    let restored = writer.load_manifest(&opened.manifest, progress)?;
    let records = opened.records.len();
    progress.begin("replaying the log", records as u64);
    for record in opened.records {
        writer.replay(record)?;
        progress.advance(1);
    }
    progress.begin("looking for what came last", 0);
    writer.finish_recovery(&restored)?;
    tracing::info!(
        segments = opened.manifest.segments.len(),
        restored = restored.segments.len(),
        records,
        identities = writer.state.graph.identity_count(),
        profiles = writer.state.graph.profile_count(),
        seconds = watch.seconds(),
        "opened the store"
    );
    Ok(writer)
}

/// A writer over a store of which nothing was read yet.
pub(super) fn empty(store: Store, options: &Options) -> Writer {
    let dictionary = Arc::new(Dictionary::default());
    let state = State::default();
    let first = Snapshot { state: state.clone(), dictionary: Arc::clone(&dictionary), views: None };
    let files = Arc::clone(store.files());
    let shared = Arc::new(Shared::new(dictionary, files, Arc::clone(&options.clock), first));
    Writer {
        shared,
        state,
        store,
        unflushed: Vec::new(),
        identity_files: Vec::new(),
        logged_segments: BTreeSet::new(),
        erased: Erased::default(),
        saved: None,
        window: options.commit_window,
    }
}

impl Writer {
    /// Gives what saved state it came from.
    pub(super) fn load_manifest(
        &mut self,
        manifest: &Manifest,
        progress: &Progress,
    ) -> Result<Restored> {
        if !manifest.catalog.is_null() {
            let catalog: Catalog =
                serde_json::from_value(manifest.catalog.clone()).map_err(|error| {
                    Error::corrupted(format!("definitions cannot be read: {error}"))
                })?;
            self.state.graph = IdentityGraph::new(decided_rules_of(&catalog));
            for decision in catalog.decisions.unordered() {
                self.restore_decided(&decision.left)?;
                self.restore_decided(&decision.right)?;
            }
            self.state.catalog = Arc::new(catalog);
        }
        let shared = Arc::clone(&self.shared);
        *shared.blocked.write() = Arc::new(Blocked::of(&manifest.erased)?);
        let forgotten: HashSet<u32> = manifest.erased.pending.iter().copied().collect();
        // A follower may hold them.
        forgotten.iter().for_each(|number| shared.dictionary.forget(*number));
        let identities = manifest.identities.iter().map(|file| file.row_count).sum();
        progress.begin("reading identities", identities);
        for file in &manifest.identities {
            shared.files.read_identities(file, |number, namespace, value| {
                match forgotten.contains(&number) {
                    true => Ok(()),
                    false => shared.dictionary.restore(number, namespace, value),
                }
            })?;
            progress.advance(file.row_count);
        }
        shared.dictionary.reserve(manifest.erased.next_identity);
        progress.begin("reading what was derived", 0);
        self.state.next_fragment_id = manifest.next_fragment_id.max(1);
        let restored = self.restore(manifest);
        let mut segments = manifest.segments.clone();
        segments.sort_by_key(|entry| entry.first_fragment_id);
        let mut change = Change::at_start();
        segments.retain(|entry| !restored.segments.contains(&entry.file.path));
        let rows = segments.iter().map(|entry| entry.file.row_count).sum();
        progress.begin("deriving from rows", rows);
        for entry in &segments {
            let part = self.stored_part(entry)?;
            self.state.apply(Arc::new(part), &mut change)?;
            progress.advance(entry.file.row_count);
        }
        progress.begin("deciding what is contested", 0);
        self.state.settle(&shared.dictionary, &mut change)?;
        self.state.order_parts();
        Ok(restored)
    }

    /// A segment of the manifest with its deletions.
    pub(super) fn stored_part(&self, entry: &SegmentEntry) -> Result<Part> {
        let part = CommitPart {
            dataset: entry.dataset,
            first_fragment_id: entry.first_fragment_id,
            rows: PartRows::Segment(entry.file.clone()),
        };
        let part = open_part(&self.shared, &part, entry.committed_at)?;
        match &entry.deletions {
            Some(file) => self.shared.files.read_deletions(&part, file),
            None => Ok(part),
        }
    }

    /// Does again what a record says; gives what that touched, by commits.
    pub(super) fn replay(&mut self, record: Record) -> Result<Vec<(u64, Touched)>> {
        self.logged_segments.extend(logged_segments(&record));
        let change = match record {
            Record::Define(define) => {
                let change = self.replay_define(&define.definition)?;
                self.replay_noted(define.noted)?;
                change
            }
            Record::Commit(commit) => self.replay_commit(commit)?,
            Record::Delete(delete) => {
                let change = self.replay_delete(&delete)?;
                self.replay_noted(delete.noted)?;
                change
            }
            Record::Transaction(records) => {
                let mut touched = Vec::new();
                for record in records {
                    touched.extend(self.replay(record)?);
                }
                return Ok(touched);
            }
        };
        self.state.commit += 1;
        Ok(vec![(self.state.commit, change.touched)])
    }

    fn replay_define(&mut self, definition: &Definition) -> Result<Change> {
        if let Definition::Decide { left, right, .. } = definition {
            self.restore_decided(left)?;
            self.restore_decided(right)?;
        }
        let applied = self.state.catalog.apply(definition).map_err(|error| {
            Error::corrupted(format!("a logged definition cannot be applied: {error}"))
        })?;
        let (names, mut change) = (Arc::clone(&self.shared.dictionary), Change::default());
        if let Some(catalog) = applied.catalog {
            self.state.define(catalog, definition, &names, &mut change, &mut |_, _| ())?;
        }
        Ok(change)
    }

    /// What a definition or a delete did to profiles is taken as it was noted.
    fn replay_noted(&mut self, noted: Option<Commit>) -> Result<()> {
        noted.map_or(Ok(()), |noted| self.replay_commit(noted).map(drop))
    }

    /// A decision keeps the numbers of its identities: no row need have named them.
    fn restore_decided(&self, identity: &DecidedIdentity) -> Result<()> {
        self.shared.dictionary.restore(identity.number, identity.namespace, &identity.value)
    }

    fn replay_commit(&mut self, commit: Commit) -> Result<Change> {
        for (number, namespace, value) in &commit.identities {
            self.shared.dictionary.restore(*number, *namespace, value)?;
            self.unflushed.push(*number);
        }
        let mut change = Change::default();
        for part in &commit.parts {
            let part = open_part(&self.shared, part, commit.committed_at)?;
            self.state.apply(Arc::new(part), &mut change)?;
        }
        self.state.settle(&self.shared.dictionary, &mut change)?;
        Ok(change)
    }

    fn replay_delete(&mut self, delete: &Delete) -> Result<Change> {
        let bad = || Error::corrupted("the log deletes rows that are not there");
        if is_scratch(delete.dataset) {
            let found = self.state.find_rows(delete.dataset, &delete.fragment_ids)?;
            let deleted = self.state.delete_scratch(delete.dataset, &found)?;
            let whole = deleted == delete.fragment_ids;
            return if whole { Ok(Change::default()) } else { Err(bad()) };
        }
        let dataset = self.state.catalog.dataset_by_id(delete.dataset).cloned().ok_or_else(bad)?;
        let found = self.state.find_rows(dataset.id, &delete.fragment_ids)?;
        let (names, mut change) = (Arc::clone(&self.shared.dictionary), Change::default());
        let deleted = self.state.delete(&dataset, &found, &names, &mut change)?;
        if let Some(events) = self.shared.event_ids(&dataset).filter(|events| events.count() > 0) {
            events.remove(event_ids_of(&self.shared, &dataset, &found)?);
        }
        if deleted == delete.fragment_ids { Ok(change) } else { Err(bad()) }
    }

    /// What is derived from all rows at once, and the first snapshot.
    fn finish_recovery(&mut self, restored: &Restored) -> Result<()> {
        for dataset in self.state.catalog.datasets.values() {
            let (Some(events), Some(at)) = (self.shared.event_ids(dataset), dataset.event_id())
            else {
                continue;
            };
            let column = &dataset.columns[at];
            let parts = self.state.parts(dataset.id).map(|(_, part)| part);
            for part in parts.filter(|part| !restored.knows_events(part)) {
                for group in 0..part.group_count() {
                    let ids = part.column(group, &column.name, &column.ty.to_arrow())?;
                    let ids = part.live_column(group, ids)?;
                    events.extend(events.hashes(&ids)?.into_iter().flatten());
                }
            }
        }
        self.state.next_ingest_id =
            self.state.next_ingest_id.max(self.last_ingest_id(restored)? + 1);
        self.publish_anew();
        Ok(())
    }

    /// Publishes a state of which nobody knows in what it differs from the one before.
    pub(super) fn publish_anew(&mut self) {
        *self.shared.touched.lock() =
            crate::engine::touched::TouchedLog::starting_at(self.state.commit);
        self.publish(Vec::new());
    }

    /// The last number of a load that was not restored.
    fn last_ingest_id(&self, restored: &Restored) -> Result<i64> {
        let mut last = 0;
        let parts = self.state.parts(INGESTS).map(|(_, part)| part);
        for part in parts.filter(|part| !restored.contains(part)) {
            for group in 0..part.group_count() {
                let ids = part.column(group, "ingest_id", &DataType::Int64)?;
                let ids = ids.as_any().downcast_ref::<Int64Array>();
                let ids = ids.ok_or_else(|| Error::corrupted("load numbers are not numbers"))?;
                last = ids.iter().flatten().fold(last, i64::max);
            }
        }
        Ok(last)
    }
}
