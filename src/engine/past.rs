//! The past: everything as it was at a moment, built from the rows of now.
//!
//! A past state has the parts of the present one, with masks over the rows that came later, and a graph
//! and an index made from the others: it costs memory in proportion to these two, and copies no column.
//! Definitions and decisions are those in force now, and deleted rows are gone from the past as well.
//!
//! [`Pasts`] keeps the snapshots asked for last, each with the views of its own profiles. A commit that
//! changed nothing in a past does not cost it its snapshot: finding that out reads times, and nothing is
//! folded or merged. [`Database::snapshot_at`] is what sessions call.

use std::sync::Arc;

use arrow::array::{Array, TimestampMicrosecondArray};
use parking_lot::Mutex;

use crate::engine::database::Database;
use crate::engine::profiles::ProfileViews;
use crate::engine::rows::observed_at;
use crate::engine::snapshot::Snapshot;
use crate::engine::state::{Change, State};
use crate::env::clock::Stopwatch;
use crate::error::{Error, Result};
use crate::graph::dictionary::Dictionary;
use crate::model::dataset::Dataset;
use crate::storage::part::Part;

/// Snapshots of the past that are kept; the one not used longest gives way. Each has a graph and an
/// index of its own, about 100 bytes an identity and 12 a row, so that a dashboard has room for a few
/// dates and a store does not grow many times over.
pub const PAST_SNAPSHOTS_MAX: usize = 4;

/// Policies whose merged profiles are kept for each of them: one in use, and one to compare it with.
pub const PAST_VIEWS_MAX: usize = 2;

/// Moments up to which rows are seen, in microseconds since 1970; `None`: all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Past {
    /// The last `observed_at`; a row without one is older than any.
    pub as_of: Option<i64>,
    /// The last `ingested_at`.
    pub known_at: Option<i64>,
}

impl Past {
    /// Whether all rows are seen.
    pub fn is_present(self) -> bool {
        self == Self::default()
    }
}

/// What decides whether a past is still the same. Rows do not change, and their numbers grow and are
/// never given twice: one more would raise the last number, and one less lowers the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    catalog: u64,
    row_count: usize,
    last_fragment_id: i64,
}

/// The parts of a past.
struct PastParts {
    /// Those of datasets.
    of_datasets: Vec<Arc<Part>>,
    /// The store's own: refused rows, and loads.
    internal: Vec<Arc<Part>>,
    version: Version,
}

impl PastParts {
    fn of(state: &State, past: Past) -> Result<Self> {
        let catalog = state.catalog.version;
        let version = Version { catalog, row_count: 0, last_fragment_id: 0 };
        let mut all = Self { of_datasets: Vec::new(), internal: Vec::new(), version };
        for id in state.datasets.keys() {
            let dataset = state.catalog.dataset_by_id(*id);
            for (_, part) in state.parts(*id) {
                let Some(part) = masked(part, dataset, past)? else { continue };
                if dataset.is_none() {
                    all.internal.push(part);
                    continue;
                }
                all.version.row_count += part.live_count();
                let last = last_live_fragment_id(&part)?;
                all.version.last_fragment_id = all.version.last_fragment_id.max(last);
                all.of_datasets.push(part);
            }
        }
        Ok(all)
    }

    /// A state with the parts of datasets.
    fn state(&self, present: &State, names: &Dictionary) -> Result<State> {
        let mut state = present.without_rows();
        let mut change = Change::at_start();
        for part in &self.of_datasets {
            state.enter(Arc::clone(part), &mut change)?;
        }
        state.settle(names, &mut change)?;
        Ok(state)
    }
}

/// The part with a mask over the rows that came later than a past; `None` if no row is left.
fn masked(part: &Arc<Part>, dataset: Option<&Dataset>, past: Past) -> Result<Option<Arc<Part>>> {
    let mut deletions =
        part.deletions().map_or_else(Default::default, |known| known.as_ref().clone());
    let before = deletions.deleted_count();
    let mut hidden = Vec::new();
    for group in 0..part.group_count() {
        hidden.clear();
        if let (Some(last), Some(dataset)) = (past.as_of, dataset) {
            hide_later(&observed_at(part, group, dataset)?, last, &mut hidden);
        }
        if let Some(last) = past.known_at {
            hide_later(&part.ingested_at(group)?, last, &mut hidden);
        }
        if !hidden.is_empty() {
            deletions.delete(group, part.group_rows(group), &hidden);
        }
    }
    match deletions.deleted_count() {
        hidden if hidden == part.row_count() => Ok(None),
        hidden if hidden == before => Ok(Some(Arc::clone(part))),
        _ => Ok(Some(Arc::new(part.with_deletions(deletions)))),
    }
}

fn hide_later(times: &TimestampMicrosecondArray, last: i64, hidden: &mut Vec<u32>) {
    let later = |row: &usize| times.is_valid(*row) && times.value(*row) > last;
    hidden.extend((0..times.len()).filter(later).map(|row| row as u32));
}

/// The greatest fragment id of a part with rows that live; ids ascend within it.
fn last_live_fragment_id(part: &Part) -> Result<i64> {
    for group in (0..part.group_count()).rev() {
        if part.group_live_count(group) > 0 {
            let row = (0..part.group_rows(group)).rev().find(|row| part.is_live(group, *row));
            return Ok(part.fragment_ids(group)?.value(row.unwrap_or(0)));
        }
    }
    Err(Error::internal("a part without rows is shown"))
}

/// A state with the parts of the store's own datasets besides.
fn with_internal(state: &State, parts: Vec<Arc<Part>>) -> Result<State> {
    let (mut state, mut change) = (state.clone(), Change::at_start());
    for part in parts {
        state.enter(part, &mut change)?;
    }
    Ok(state)
}

/// A snapshot of the past, and what it was made of.
#[derive(Clone, Debug)]
struct Kept {
    /// The last commit of which it is known to be the past.
    commit: u64,
    version: Version,
    /// The state without refused rows and loads, which come with commits that change nothing else here.
    state: State,
    snapshot: Arc<Snapshot>,
}

/// The place of one past; the lock is held by whoever builds it.
type Slot = Arc<Mutex<Option<Kept>>>;

/// Snapshots of the past.
#[derive(Debug, Default)]
pub struct Pasts {
    slots: Mutex<Vec<(Past, Slot)>>,
}

impl Pasts {
    /// The slot of a past, most recently used last.
    fn slot(&self, past: Past) -> Slot {
        let mut slots = self.slots.lock();
        let slot = match slots.iter().position(|(known, _)| *known == past) {
            Some(at) => slots.remove(at).1,
            None => Slot::default(),
        };
        if slots.len() >= PAST_SNAPSHOTS_MAX {
            slots.remove(0);
        }
        slots.push((past, Arc::clone(&slot)));
        slot
    }
}

impl Kept {
    /// What is kept of a past as the past of a present snapshot, made anew where that has changed it.
    fn brought_to(held: Option<&Self>, present: &Snapshot, past: Past) -> Result<Self> {
        let parts = PastParts::of(&present.state, past)?;
        let (commit, version) = (present.commit(), parts.version);
        let dictionary = Arc::clone(&present.dictionary);
        let same = held.filter(|held| held.version == version);
        let (state, views) = match same {
            Some(kept) => (kept.state.clone(), kept.snapshot.views.clone()),
            None => {
                let watch = Stopwatch::start();
                let state = parts.state(&present.state, &dictionary)?;
                let (rows, seconds) = (version.row_count, watch.seconds());
                tracing::debug!(?past, rows, seconds, "built a snapshot of the past");
                (state, Some(Arc::new(ProfileViews::keeping(PAST_VIEWS_MAX))))
            }
        };
        let shown = with_internal(&state, parts.internal)?;
        let snapshot = Arc::new(Snapshot { state: shown, dictionary, views });
        Ok(Self { commit, version, state, snapshot })
    }
}

impl Database {
    /// The past of a snapshot of the present: what it has of rows up to these moments.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub fn snapshot_at(&self, present: &Arc<Snapshot>, past: Past) -> Result<Arc<Snapshot>> {
        if past.is_present() {
            return Ok(Arc::clone(present));
        }
        if present.views.is_some() {
            // What a transaction wrote is in nobody else's past.
            return Ok(Kept::brought_to(None, present, past)?.snapshot);
        }
        let slot = self.pasts().slot(past);
        let mut held = slot.lock();
        if let Some(kept) = held.as_ref().filter(|kept| kept.commit == present.commit()) {
            return Ok(Arc::clone(&kept.snapshot));
        }
        let fresh = Kept::brought_to(held.as_ref(), present, past)?;
        let snapshot = Arc::clone(&fresh.snapshot);
        // A block may still read an older present: others need the newer one's past.
        if held.as_ref().is_none_or(|kept| kept.commit < fresh.commit) {
            *held = Some(fresh);
        }
        Ok(snapshot)
    }
}
