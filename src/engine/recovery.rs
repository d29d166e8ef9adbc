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
use crate::engine::writer::{Writer, logged_segments, open_part};
use crate::env::clock::Stopwatch;
use crate::error::{Error, Result};
use crate::graph::dictionary::Dictionary;
use crate::graph::identity_graph::IdentityGraph;
use crate::model::decision::DecidedIdentity;
use crate::model::definition::Definition;
use crate::storage::manifest::{Manifest, SegmentEntry};
use crate::storage::part::Part;
use crate::storage::record::{Commit, CommitPart, Delete, PartRows, Record};
use crate::storage::store::Store;

/// Opens the store and gives the writer that goes on with it.
pub(crate) fn open(options: &Options) -> Result<Writer> {
    let watch = Stopwatch::start();
    let (store, opened) = Store::open(Arc::clone(&options.disk), options.cache_bytes)?;
    let dictionary = Arc::new(Dictionary::default());
    let state = State::default();
    let first = Snapshot { state: state.clone(), dictionary: Arc::clone(&dictionary), views: None };
    let files = Arc::clone(store.files());
    let shared = Arc::new(Shared::new(dictionary, files, Arc::clone(&options.clock), first));
    let identity_files = opened.manifest.identities.clone();
    let mut writer = Writer {
        shared,
        state,
        store,
        unflushed: Vec::new(),
        identity_files,
        logged_segments: BTreeSet::new(),
        erased: opened.manifest.erased.clone(),
        forgotten: HashSet::new(),
        saved: None,
    };
    let restored = writer.load_manifest(&opened.manifest)?;
    let records = opened.records.len();
    for record in opened.records {
        writer.replay(record)?;
    }
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

impl Writer {
    /// Gives what saved state it came from.
    fn load_manifest(&mut self, manifest: &Manifest) -> Result<Restored> {
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
        for file in &manifest.identities {
            shared.files.read_identities(file, |number, namespace, value| {
                match forgotten.contains(&number) {
                    true => Ok(()),
                    false => shared.dictionary.restore(number, namespace, value),
                }
            })?;
        }
        shared.dictionary.reserve(manifest.erased.next_identity);
        self.state.next_fragment_id = manifest.next_fragment_id.max(1);
        let restored = self.restore(manifest);
        let mut segments = manifest.segments.clone();
        segments.sort_by_key(|entry| entry.first_fragment_id);
        let mut change = Change::at_start();
        for entry in segments.iter().filter(|entry| !restored.segments.contains(&entry.file.path)) {
            let part = self.stored_part(entry)?;
            self.state.apply(Arc::new(part), &mut change)?;
        }
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

    fn replay(&mut self, record: Record) -> Result<()> {
        match record {
            Record::Define(define) => {
                self.replay_define(&define.definition)?;
                self.replay_noted(define.noted)?;
            }
            Record::Commit(commit) => self.replay_commit(commit)?,
            Record::Delete(delete) => {
                self.replay_delete(&delete)?;
                self.replay_noted(delete.noted)?;
            }
        }
        self.state.commit += 1;
        Ok(())
    }

    fn replay_define(&mut self, definition: &Definition) -> Result<()> {
        if let Definition::Decide { left, right, .. } = definition {
            self.restore_decided(left)?;
            self.restore_decided(right)?;
        }
        let applied = self.state.catalog.apply(definition).map_err(|error| {
            Error::corrupted(format!("a logged definition cannot be applied: {error}"))
        })?;
        let Some(catalog) = applied.catalog else { return Ok(()) };
        let (names, mut change) = (Arc::clone(&self.shared.dictionary), Change::default());
        self.state.define(catalog, definition, &names, &mut change, &mut |_, _| ())
    }

    /// What a definition or a delete did to profiles is taken as it was noted.
    fn replay_noted(&mut self, noted: Option<Commit>) -> Result<()> {
        noted.map_or(Ok(()), |noted| self.replay_commit(noted))
    }

    /// A decision keeps the numbers of its identities: no row need have named them.
    fn restore_decided(&self, identity: &DecidedIdentity) -> Result<()> {
        self.shared.dictionary.restore(identity.number, identity.namespace, &identity.value)
    }

    fn replay_commit(&mut self, commit: Commit) -> Result<()> {
        self.logged_segments.extend(logged_segments(&commit));
        for (number, namespace, value) in &commit.identities {
            self.shared.dictionary.restore(*number, *namespace, value)?;
            self.unflushed.push(*number);
        }
        let mut change = Change::default();
        for part in &commit.parts {
            let part = open_part(&self.shared, part, commit.committed_at)?;
            self.state.apply(Arc::new(part), &mut change)?;
        }
        self.state.settle(&self.shared.dictionary, &mut change)
    }

    fn replay_delete(&mut self, delete: &Delete) -> Result<()> {
        let bad = || Error::corrupted("the log deletes rows that are not there");
        let dataset = self.state.catalog.dataset_by_id(delete.dataset).cloned().ok_or_else(bad)?;
        let found = self.state.find_rows(dataset.id, &delete.fragment_ids)?;
        let (names, mut change) = (Arc::clone(&self.shared.dictionary), Change::default());
        let deleted = self.state.delete(&dataset, &found, &names, &mut change)?;
        if let Some(events) = self.shared.event_ids(&dataset).filter(|events| events.count() > 0) {
            events.remove(self.event_ids_of(&dataset, &found)?);
        }
        if deleted == delete.fragment_ids { Ok(()) } else { Err(bad()) }
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
        let dictionary = Arc::clone(&self.shared.dictionary);
        let snapshot = Snapshot { state: self.state.clone(), dictionary, views: None };
        let commit = snapshot.commit();
        *self.shared.snapshot.write() = Arc::new(snapshot);
        *self.shared.touched.lock() = crate::engine::touched::TouchedLog::starting_at(commit);
        Ok(())
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
