//! A step: one write, applied to a state, with the record that would repeat it.
//!
//! The writer applies steps to the state that all see, and logs them; a transaction applies them to a
//! state of its own. A step that fails may leave the state half changed: whoever applies one keeps a
//! copy. Nothing outside of the state changes here: what a step does to the ids of events that were
//! accepted is told, and done by whoever makes the step count.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::catalog::Catalog;
use crate::engine::database::{Defined, Shared};
use crate::engine::deletion::FoundRows;
use crate::engine::erasure::names_forgotten;
use crate::engine::internal::{CHANGES, INGESTS, Ingest, changes_batch, ingest_batch};
use crate::engine::operations::Progress;
use crate::engine::state::{Change, State};
use crate::engine::touched::Touched;
use crate::engine::writer::{
    Pending, PendingDelete, PendingPart, named, open_part, profiles_notice, rows_for,
};
use crate::error::{Error, Result, SqlState};
use crate::graph::changes::{ProfileChange, changes};
use crate::model::dataset::Dataset;
use crate::model::definition::Definition;
use crate::model::names::quote_name;
use crate::storage::record::{Commit, CommitPart, Define, Delete, PartRows, Record};

/// What a write does to the ids of a dataset's events.
#[derive(Clone, Debug, Default)]
pub struct EventChange {
    /// Ids of accepted events.
    pub added: HashSet<u128>,
    /// Ids of events that were deleted.
    pub removed: HashSet<u128>,
}

impl EventChange {
    fn then(&mut self, later: &Self) {
        for id in &later.removed {
            self.added.remove(id);
            self.removed.insert(*id);
        }
        self.added.extend(&later.added);
    }
}

/// Event ids that differ from those that the database has accepted, by dataset.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventChanges(HashMap<u32, EventChange>);

impl EventChanges {
    /// What has changed of a dataset.
    pub(crate) fn of(&self, dataset: u32) -> Option<&EventChange> {
        self.0.get(&dataset)
    }

    /// Adds what a later step changed.
    pub(crate) fn note(&mut self, later: Option<&(u32, EventChange)>) {
        if let Some((dataset, change)) = later {
            self.0.entry(*dataset).or_default().then(change);
        }
    }
}

/// A write that was applied to a state.
#[derive(Debug)]
pub(crate) struct Step {
    /// What repeats it.
    pub(crate) record: Record,
    /// The number of the state's commit after it.
    pub(crate) commit: u64,
    /// Profiles that came, went or changed.
    pub(crate) touched: Touched,
    /// Identities that no row had named before.
    pub(crate) new_identities: Vec<u32>,
    /// What it did to a dataset's event ids.
    pub(crate) events: Option<(u32, EventChange)>,
    /// Rows of the dataset that came or went.
    pub(crate) row_count: u64,
}

/// Where a write is applied.
pub(crate) struct Stage<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) state: &'a mut State,
    /// What steps before, which do not count yet, did to event ids.
    pub(crate) events: &'a EventChanges,
    /// When it is accepted, in microseconds.
    pub(crate) committed_at: i64,
}

impl Stage<'_> {
    /// Applies a definition; there is no step if nothing changes.
    ///
    /// # Errors
    /// What the catalog refuses; `XX001` or `58030` if a segment cannot be read.
    pub(crate) fn define(
        &mut self,
        definition: Definition,
        progress: Option<&Progress>,
    ) -> Result<(Option<Step>, Defined)> {
        let applied = self.state.catalog.apply(&definition)?;
        let Some(catalog) = applied.catalog else {
            return Ok((None, Defined { changed: false, notice: applied.notice }));
        };
        let before = self.state.clone();
        let (step, notice) = self.apply_definition(definition, catalog, &before, progress)?;
        let notices: Vec<String> = applied.notice.into_iter().chain(notice).collect();
        let notice = (!notices.is_empty()).then(|| notices.join("\n"));
        Ok((Some(step), Defined { changed: true, notice }))
    }

    /// Applies a definition that the catalog allows; tells what profiles did, if any did.
    fn apply_definition(
        &mut self,
        definition: Definition,
        catalog: Catalog,
        before: &State,
        progress: Option<&Progress>,
    ) -> Result<(Step, Option<String>)> {
        let mut change = Change::default();
        let names = Arc::clone(&self.shared.dictionary);
        let mut tell = |done: usize, total: usize| {
            if let Some(progress) = progress {
                progress.set_total(total as u64);
                progress.reach(done as u64);
            }
        };
        self.state.define(catalog, &definition, &names, &mut change, &mut tell)?;
        let changes = changes(&before.graph, &self.state.graph, &change.effects.suspects);
        let statement = before.catalog.statement_text(&definition);
        let noted = self.note_statement(&changes, &statement)?;
        let record = Record::Define(Box::new(Define { definition, noted }));
        Ok((self.step(record, change, 0, None), profiles_notice(&changes)))
    }

    pub(super) fn step(
        &mut self,
        record: Record,
        change: Change,
        row_count: u64,
        events: Option<(u32, EventChange)>,
    ) -> Step {
        self.state.commit += 1;
        let (commit, touched) = (self.state.commit, change.touched);
        let new_identities = change.effects.new_identities;
        Step { record, commit, touched, new_identities, events, row_count }
    }

    /// Adds to the log of what profiles did, because of a statement or else of rows; gives what is to
    /// be stored of it, if anything is.
    fn note(
        &mut self,
        changes: &[ProfileChange],
        statement: Option<&str>,
    ) -> Result<Option<CommitPart>> {
        if changes.is_empty() {
            return Ok(None);
        }
        let rows = PartRows::Batch(changes_batch(changes, statement, self.committed_at)?);
        let first_fragment_id = self.state.next_change_id;
        let stored = CommitPart { dataset: CHANGES, first_fragment_id, rows };
        let part = open_part(self.shared, &stored, self.committed_at)?;
        self.state.apply(Arc::new(part), &mut Change::default())?;
        Ok(Some(stored))
    }

    /// As [`Stage::note`], for a record that brings no rows of its own.
    ///
    /// # Errors
    /// `XX000` if the notes cannot be made, which would be a mistake of ours.
    pub(crate) fn note_statement(
        &mut self,
        changes: &[ProfileChange],
        statement: &str,
    ) -> Result<Option<Commit>> {
        let committed_at = self.committed_at;
        let part = self.note(changes, Some(statement))?;
        let commit = |part| Commit { committed_at, parts: vec![part], ..Commit::default() };
        Ok(part.map(commit))
    }

    /// Applies rows.
    ///
    /// # Errors
    /// `40001` if the dataset is not what they were made for, or if events of a load came otherwise
    /// meanwhile; `XX001` or `58030` if a segment cannot be read.
    pub(crate) fn commit(&mut self, pending: Pending) -> Result<Step> {
        let dataset = &pending.dataset;
        let same = self.state.catalog.dataset(&dataset.name).ok() == Some(dataset.as_ref());
        if !same || pending.catalog_version < self.state.rewritten_at {
            let message = format!("dataset \"{}\" was changed meanwhile", dataset.name);
            return Err(Error::new(SqlState::SERIALIZATION_FAILURE, message)
                .hint("nothing was accepted; try again"));
        }
        let offered = rows_for(&pending.parts, dataset.id);
        let (mut parts, added) = self.fresh_parts(pending.parts, dataset, pending.new_ids)?;
        if let Some(mut ingest) = pending.ingest {
            ingest.skip(offered - rows_for(&parts, dataset.id));
            self.state.next_ingest_id = self.state.next_ingest_id.max(ingest.ingest_id + 1);
            let batch = ingest_batch(&Ingest { finished_at: self.committed_at, ..ingest })?;
            parts.push(PendingPart { dataset: INGESTS, rows: PartRows::Batch(batch) });
        }
        let before = self.state.graph.clone();
        let mut change = Change::default();
        let mut commit = Commit { committed_at: self.committed_at, ..Commit::default() };
        let mut rows = 0;
        for part in parts {
            let first_fragment_id = self.state.next_fragment_id;
            let stored = CommitPart { dataset: part.dataset, first_fragment_id, rows: part.rows };
            let part = open_part(self.shared, &stored, self.committed_at)?;
            if names_forgotten(self.shared, &part, dataset)? {
                let message = "somebody whom these rows name was forgotten meanwhile";
                return Err(Error::new(SqlState::SERIALIZATION_FAILURE, message)
                    .hint("nothing was accepted; try again"));
            }
            if part.dataset == dataset.id {
                rows += part.row_count() as u64;
            }
            self.state.apply(Arc::new(part), &mut change)?;
            commit.parts.push(stored);
        }
        self.state.settle(&self.shared.dictionary, &mut change)?;
        let changes = changes(&before, &self.state.graph, &change.effects.suspects);
        commit.parts.extend(self.note(&changes, None)?);
        commit.identities = named(self.shared, &change.effects.new_identities)?;
        let events = EventChange { added, removed: HashSet::new() };
        Ok(self.step(Record::Commit(commit), change, rows, Some((dataset.id, events))))
    }

    /// Leaves out events that were accepted before; empty parts are dropped.
    ///
    /// # Errors
    /// `40001` if `new_ids`, which were found to be new, are so no more.
    pub(crate) fn fresh_parts(
        &self,
        parts: Vec<PendingPart>,
        dataset: &Dataset,
        mut new_ids: HashSet<u128>,
    ) -> Result<(Vec<PendingPart>, HashSet<u128>)> {
        let (Some(events), Some(at)) = (self.shared.event_ids(dataset), dataset.event_id()) else {
            return Ok((parts, new_ids));
        };
        let changed = self.events.of(dataset.id);
        if !new_ids.is_empty() {
            if events.overlaps(&new_ids, changed) {
                let message = format!("events of this load reached \"{}\" meanwhile", dataset.name);
                return Err(Error::new(SqlState::SERIALIZATION_FAILURE, message)
                    .hint("nothing was accepted; load again, and they are skipped"));
            }
            return Ok((parts, new_ids));
        }
        let mut fresh = Vec::new();
        for part in parts {
            match part.rows {
                PartRows::Batch(batch) if part.dataset == dataset.id => {
                    let batch = events.fresh(batch, at, changed, &mut new_ids)?;
                    fresh.push(PendingPart { rows: PartRows::Batch(batch), ..part });
                }
                _ => fresh.push(part),
            }
        }
        Ok((fresh, new_ids))
    }

    /// Makes rows cease to exist; there is no step if none of them is there.
    ///
    /// # Errors
    /// `42P01`; `XX001` or `58030` if a segment cannot be read.
    pub(crate) fn delete(&mut self, pending: &PendingDelete) -> Result<Option<Step>> {
        let dataset = self.state.catalog.dataset(&pending.dataset)?.clone();
        let found = self.state.find_rows(dataset.id, &pending.fragment_ids)?;
        if found.is_empty() {
            return Ok(None);
        }
        let removed = event_ids_of(self.shared, &dataset, &found)?.into_iter().collect();
        let before = self.state.graph.clone();
        let mut change = Change::default();
        let names = Arc::clone(&self.shared.dictionary);
        let fragment_ids = self.state.delete(&dataset, &found, &names, &mut change)?;
        let rows = fragment_ids.len() as u64;
        let changes = changes(&before, &self.state.graph, &change.effects.suspects);
        let statement = format!("DELETE FROM {}", quote_name(&dataset.name));
        let noted = self.note_statement(&changes, &statement)?;
        let record = Record::Delete(Delete { dataset: dataset.id, fragment_ids, noted });
        let events = EventChange { added: HashSet::new(), removed };
        Ok(Some(self.step(record, change, rows, Some((dataset.id, events)))))
    }
}

/// The event ids of rows of a dataset, if it recognises events by id.
///
/// # Errors
/// `XX001` or `58030` if a segment cannot be read.
pub(crate) fn event_ids_of(
    shared: &Shared,
    dataset: &Dataset,
    found: &[FoundRows],
) -> Result<Vec<u128>> {
    let mut event_ids = Vec::new();
    if let (Some(events), Some(at)) = (shared.event_ids(dataset), dataset.event_id()) {
        let column = &dataset.columns[at];
        for rows in found {
            let ids = rows.column(&column.name, &column.ty.to_arrow())?;
            event_ids.extend(events.hashes(&ids)?.into_iter().flatten());
        }
    }
    Ok(event_ids)
}
