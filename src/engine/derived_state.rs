//! Derived state on disk: what the segments of the manifest were turned into, so that opening the store
//! need not read their rows again.
//!
//! Saved by the writer right after a flush, when the state is wholly in segments, and taken back by
//! recovery. It counts if every segment that it is made of is still in the manifest with the same
//! deletions: segments that came later are applied after it, as rows always are, and then the log.
//! Rules may have changed meanwhile: it has the definitions under which it was made, and the graph is
//! brought from theirs to those in force. Otherwise it is left aside with a warning, and everything is
//! computed from all rows. Sections, besides those of the graph and the index (`saved.rs` beside them):
//!
//! ```text
//! head   JSON: what it is made of
//! evnt   128-bit hashes of event ids, four words each, dataset after dataset as `head` lists them
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::engine::index::{Index, Slots};
use crate::engine::intake::EventIds;
use crate::engine::state::{State, decided_rules_of};
use crate::engine::writer::{Writer, segment_entry};
use crate::env::clock::Stopwatch;
use crate::error::{Error, Result};
use crate::graph::identity_graph::IdentityGraph;
use crate::graph::packed::{Sections, Sink, Tag, pack, unpack};
use crate::model::dataset::Dataset;
use crate::storage::derived::{DerivedFile, DerivedWriter};
use crate::storage::manifest::{Manifest, SegmentEntry};
use crate::storage::part::Part;

const HEAD: Tag = *b"head";
const EVENT_IDS: Tag = *b"evnt";

/// Derived state is saved again when there are so many rows for each hundred that were saved: saving
/// costs what the store holds, and so some three rows' worth a row at most, and a crash leaves at most a
/// third of the rows to be read again.
const GROWTH_PERCENT: u64 = 150;

/// What saved state is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Description {
    /// The definitions.
    catalog: serde_json::Value,
    /// The segments, and the slots that the index knows them by.
    segments: Vec<PlacedSegment>,
    row_count: u64,
    next_ingest_id: i64,
    next_change_id: i64,
    event_ids: Vec<SavedEventIds>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PlacedSegment {
    slot: u32,
    segment: SegmentEntry,
}

/// The event ids of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedEventIds {
    dataset: u32,
    /// The column that they are from.
    column: String,
    keys: [u64; 4],
    /// What these keys make of a known text: another program may hash otherwise.
    probe: [u64; 2],
    count: u64,
}

/// What recovery need not read.
#[derive(Debug, Default)]
pub(super) struct Restored {
    /// Paths of segments that are in the state.
    pub(super) segments: BTreeSet<String>,
    /// Datasets whose event ids of these segments are known.
    event_datasets: BTreeSet<u32>,
}

impl Restored {
    /// Whether the event ids of a part are known.
    pub(super) fn knows_events(&self, part: &Part) -> bool {
        self.event_datasets.contains(&part.dataset) && self.contains(part)
    }

    /// Whether a part was restored.
    pub(super) fn contains(&self, part: &Part) -> bool {
        part.segment_file().is_some_and(|segment| self.segments.contains(&segment.file().path))
    }
}

impl Sink for DerivedWriter {
    fn begin(&mut self, tag: Tag) -> Result<()> {
        Self::begin(self, tag)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        Self::put(self, bytes)
    }
}

impl Sections for DerivedFile {
    fn section(&self, tag: Tag) -> Result<Bytes> {
        Self::section(self, tag)
    }
}

impl Writer {
    /// Saves derived state if much came since it was saved. To be called when all is in segments.
    pub(super) fn save_if_grown(&mut self) {
        let saved = self.saved.as_ref().map_or(0, |saved| saved.row_count);
        if row_count(&self.state) * 100 > saved * GROWTH_PERCENT {
            self.save_if_changed();
        }
    }

    /// Saves derived state if it is not what was saved. To be called when all is in segments. That it
    /// cannot be saved is no error of any request: nothing depends on it.
    pub(super) fn save_if_changed(&mut self) {
        if let Err(error) = self.try_save() {
            tracing::warn!(%error, "could not save derived state; opening the store will take longer");
        }
    }

    fn try_save(&mut self) -> Result<()> {
        let description = self.describe()?;
        let nothing = self.saved.is_none() && description.segments.is_empty();
        if nothing || self.saved.as_ref() == Some(&description) {
            return Ok(());
        }
        let watch = Stopwatch::start();
        let mut file = self.shared.files.create_derived()?;
        file.begin(HEAD)?;
        let head = serde_json::to_vec(&description);
        file.put(&head.map_err(|error| Error::internal(error.to_string()))?)?;
        self.state.graph.save(&mut file)?;
        self.state.index.save(&mut file)?;
        let mut hashes = Vec::new();
        for dataset in self.state.catalog.datasets.values() {
            hashes.extend(self.shared.event_ids(dataset).map(|events| events.all()));
        }
        pack(&mut file, EVENT_IDS, hashes.into_iter().flatten())?;
        let bytes = file.finish()?;
        tracing::info!(bytes, seconds = watch.seconds(), "saved derived state");
        self.saved = Some(description);
        Ok(())
    }

    fn describe(&self) -> Result<Description> {
        let mut segments = Vec::new();
        for dataset in self.state.datasets.keys() {
            for (slot, part) in self.state.parts(*dataset) {
                segments.push(PlacedSegment { slot, segment: segment_entry(part)? });
            }
        }
        let catalog = serde_json::to_value(self.state.catalog.as_ref());
        let datasets = self.state.catalog.datasets.values();
        Ok(Description {
            catalog: catalog.map_err(|error| Error::internal(error.to_string()))?,
            segments,
            row_count: row_count(&self.state),
            next_ingest_id: self.state.next_ingest_id,
            next_change_id: self.state.next_change_id,
            event_ids: datasets.filter_map(|dataset| self.describe_events(dataset)).collect(),
        })
    }

    fn describe_events(&self, dataset: &Dataset) -> Option<SavedEventIds> {
        let events = self.shared.event_ids(dataset)?;
        Some(SavedEventIds {
            dataset: dataset.id,
            column: event_column(dataset)?,
            keys: events.keys(),
            probe: events.probe(),
            count: events.count() as u64,
        })
    }

    /// Takes saved state back if it is of segments of the manifest; the catalog and the names of
    /// identities must be there.
    pub(super) fn restore(&mut self, manifest: &Manifest) -> Restored {
        if manifest.segments.is_empty() {
            return Restored::default();
        }
        self.try_restore(manifest).unwrap_or_else(|error| {
            tracing::warn!(%error, "derived state is computed from all rows");
            Restored::default()
        })
    }

    fn try_restore(&mut self, manifest: &Manifest) -> Result<Restored> {
        let file = self.shared.files.open_derived()?;
        let file = file.ok_or_else(|| Error::corrupted("no derived state was saved"))?;
        let description: Description =
            serde_json::from_slice(&file.section(HEAD)?).map_err(|error| unreadable(&error))?;
        check_segments(&description, manifest)?;
        let before: Catalog = serde_json::from_value(description.catalog.clone())
            .map_err(|error| unreadable(&error))?;
        let mut state = self.state.clone();
        state.graph = IdentityGraph::restore(decided_rules_of(&before), &file)?;
        state.index = Index::restore(&file)?;
        state.next_ingest_id = description.next_ingest_id;
        state.next_change_id = description.next_change_id;
        self.restore_parts(&mut state, &description)?;
        state.follow_catalog(&self.shared.dictionary)?;
        let events = restored_events(&state.catalog, &description, &file.section(EVENT_IDS)?)?;
        let restored = Restored {
            segments: description.segments.iter().map(|it| it.segment.file.path.clone()).collect(),
            event_datasets: events.keys().copied().collect(),
        };
        self.state = state;
        self.shared.restore_event_ids(events);
        self.saved = Some(description);
        Ok(restored)
    }

    fn restore_parts(&self, state: &mut State, description: &Description) -> Result<()> {
        let mut datasets: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut parts = Vec::new();
        for PlacedSegment { slot, segment } in &description.segments {
            datasets.entry(segment.dataset).or_default().push(*slot);
            parts.push((*slot, Arc::new(self.stored_part(segment)?)));
        }
        state.slots = Arc::new(Slots::of(parts));
        state.datasets = Arc::new(datasets);
        Ok(())
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::corrupted(format!("saved derived state cannot be read: {error}"))
}

/// All rows, those of internal tables included.
pub(super) fn row_count(state: &State) -> u64 {
    state.datasets.keys().map(|dataset| state.row_count(*dataset) as u64).sum()
}

fn event_column(dataset: &Dataset) -> Option<String> {
    dataset.event_id().map(|at| dataset.columns[at].name.clone())
}

fn check_segments(description: &Description, manifest: &Manifest) -> Result<()> {
    let known: BTreeMap<&str, &SegmentEntry> =
        manifest.segments.iter().map(|entry| (entry.file.path.as_str(), entry)).collect();
    for PlacedSegment { segment, .. } in &description.segments {
        if known.get(segment.file.path.as_str()) != Some(&segment) {
            let path = &segment.file.path;
            return Err(Error::corrupted(format!("\"{path}\" changed since it was saved")));
        }
    }
    Ok(())
}

/// The event ids of datasets that still recognise events by the same column.
fn restored_events(
    catalog: &Catalog,
    description: &Description,
    section: &[u8],
) -> Result<BTreeMap<u32, EventIds>> {
    let mut hashes = unpack::<4, u128>(section)?;
    let total: u64 = description.event_ids.iter().map(|saved| saved.count).sum();
    if hashes.len() as u64 != total {
        return Err(Error::corrupted("saved derived state has another number of event ids"));
    }
    let mut restored = BTreeMap::new();
    for saved in &description.event_ids {
        let of_dataset = hashes.by_ref().take(saved.count as usize);
        let events = EventIds::with_keys(saved.keys);
        events.extend(of_dataset);
        let column = catalog.dataset_by_id(saved.dataset).and_then(event_column);
        if column.as_ref() == Some(&saved.column) && events.probe() == saved.probe {
            restored.insert(saved.dataset, events);
        }
    }
    Ok(restored)
}
