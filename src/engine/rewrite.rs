//! Rewriting: when a namespace changes what identities its values stand for, the rows that name them
//! get new numbers, and what was derived from them is derived anew.
//!
//! Numbers of identities are stored beside the values that they come from (`storage::part`), so that
//! changing them is writing the segments of the datasets concerned again. The new segments, the names
//! of new identities and the changed definition go into one manifest: a crash leaves all or nothing
//! of it, and the log need not tell.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};

use crate::catalog::Catalog;
use crate::engine::database::Defined;
use crate::engine::intake::{identity_numbers, stored_schema};
use crate::engine::operations::Progress;
use crate::engine::state::State;
use crate::engine::step::{EventChanges, Stage};
use crate::engine::touched::Touched;
use crate::engine::writer::{Writer, profiles_notice};
use crate::error::{Error, Result};
use crate::graph::changes::changes;
use crate::model::dataset::Dataset;
use crate::model::definition::Definition;
use crate::model::namespace::Namespace;
use crate::storage::part::{Part, identity_column};

impl Writer {
    /// Applies a definition that changes what identities rows name. Rows that name none afterwards
    /// stay, and belong to nobody until they name one again.
    ///
    /// # Errors
    /// What the catalog refuses, or what the disk says; then nothing has changed.
    pub(super) fn rewrite(
        &mut self,
        definition: &Definition,
        progress: Option<&Progress>,
    ) -> Result<Defined> {
        let applied = self.state.catalog.apply(definition)?;
        let Some(catalog) = applied.catalog else {
            return Ok(Defined { changed: false, notice: applied.notice });
        };
        let concerned: BTreeSet<u32> =
            catalog.rewritten_by(definition).into_iter().map(|dataset| dataset.id).collect();
        self.flush()?;
        let parts = self.rewritten_parts(&catalog, &concerned, progress)?;
        let catalog = Arc::new(catalog);
        let names = Arc::clone(&self.shared.dictionary);
        let mut next = self.state.rebuilt(Arc::clone(&catalog), parts, &names)?;
        next.commit += 1;
        next.rewritten_at = catalog.version;
        let before = std::mem::replace(&mut self.state, next);
        match self.keep_rewritten(&before, definition) {
            Ok(told) => {
                self.publish(vec![(self.state.commit, Touched::all())]);
                // What was saved is of segments that are gone.
                self.save_if_changed();
                Ok(Defined { changed: true, notice: applied.notice.or(told) })
            }
            Err(error) => {
                self.state = before;
                Err(error)
            }
        }
    }

    fn rewritten_parts(
        &self,
        catalog: &Catalog,
        concerned: &BTreeSet<u32>,
        progress: Option<&Progress>,
    ) -> Result<Vec<Arc<Part>>> {
        let mut parts = Vec::new();
        if let Some(progress) = progress {
            let counts = concerned.iter().map(|id| self.state.parts(*id).count() as u64);
            progress.set_total(counts.sum());
        }
        for id in self.state.datasets.keys() {
            let dataset = catalog.dataset_by_id(*id).filter(|_| concerned.contains(id));
            for (_, part) in self.state.parts(*id) {
                let Some(dataset) = dataset else {
                    parts.push(Arc::clone(part));
                    continue;
                };
                parts.push(self.rewritten(part, dataset, catalog)?);
                progress.into_iter().for_each(|progress| progress.advance(1));
            }
        }
        Ok(parts)
    }

    /// Makes the new state durable; tells what it did to profiles.
    fn keep_rewritten(
        &mut self,
        before: &State,
        definition: &Definition,
    ) -> Result<Option<String>> {
        let suspects: Vec<(u32, i64)> = before.graph.identities().map(|one| (one, 0)).collect();
        let changes = changes(&before.graph, &self.state.graph, &suspects);
        let (shared, events) = (Arc::clone(&self.shared), EventChanges::default());
        let committed_at = shared.clock.now_micros();
        let mut stage =
            Stage { shared: &shared, state: &mut self.state, events: &events, committed_at };
        stage.note_statement(&changes, &before.catalog.statement_text(definition))?;
        let next = self.flushed_state_unwatched()?;
        let is_new = |identity: &u32| !before.graph.contains(*identity);
        let new = next.graph.identities().filter(is_new).collect();
        self.replace_manifest(next, &new)?;
        Ok(profiles_notice(&changes))
    }

    /// A segment with the numbers that its identities have under a catalog.
    fn rewritten(&self, part: &Part, dataset: &Dataset, catalog: &Catalog) -> Result<Arc<Part>> {
        let identities: Vec<(usize, Namespace)> = dataset
            .identity_columns()
            .map(|(at, name)| Ok((at, catalog.namespace(name)?.clone())))
            .collect::<Result<_>>()?;
        let (files, mut writer) = (&self.shared.files, None);
        let mut row_count = 0;
        for group in 0..part.group_count() {
            let batch = part.group_with_columns(group, &stored_schema(dataset))?;
            let batch = self.renumbered(batch, dataset, &identities)?;
            row_count += batch.num_rows() as u64;
            if writer.is_none() {
                writer = Some(files.create_segment(dataset.id, batch.schema())?);
            }
            if let Some(writer) = &mut writer {
                writer.write(&batch)?;
            }
        }
        let writer = writer.ok_or_else(|| Error::internal("a segment without rows"))?;
        let file = writer.finish(row_count)?;
        files.sync_segments(dataset.id)?;
        let (first, at) = (part.first_fragment_id, part.committed_at);
        Ok(Arc::new(Part::segment(dataset.id, first, at, files.open_segment(file)?)))
    }

    fn renumbered(
        &self,
        batch: RecordBatch,
        dataset: &Dataset,
        identities: &[(usize, Namespace)],
    ) -> Result<RecordBatch> {
        let numbers = identity_numbers(&batch, identities, &self.shared.dictionary)?;
        let mut columns = batch.columns().to_vec();
        for ((at, _), numbers) in identities.iter().zip(numbers) {
            let name = identity_column(&dataset.columns[*at].name);
            let place = batch.schema().index_of(&name);
            let place = place.map_err(|error| Error::internal(error.to_string()))?;
            columns[place] = Arc::new(numbers) as ArrayRef;
        }
        RecordBatch::try_new(batch.schema(), columns)
            .map_err(|error| Error::internal(error.to_string()))
    }
}
