//! Compaction: small segments become larger ones, and segments much of which is deleted are written anew.
//!
//! Segments that stand beside each other and are of about one size are put together, four or more at a time,
//! so that a row is written again a few times at most in its life. The file is written beside everything else,
//! from parts that never change; the writer only puts it in the place of the old ones and flushes, which takes
//! them out of the manifest. Rows that were deleted meanwhile are deleted in the new file too. Until the
//! manifest is replaced a crash leaves a file that nothing refers to, which the next start removes.

use std::sync::Arc;

use crate::engine::database::Database;
use crate::engine::derived_state::row_count;
use crate::engine::operations::Progress;
use crate::engine::snapshot::Snapshot;
use crate::engine::state::State;
use crate::engine::writer::{Request, Writer, schema_of};
use crate::error::{Error, Result};
use crate::storage::deletions::Deletions;
use crate::storage::part::Part;
use crate::storage::record::FileReference;
use crate::storage::segment::SegmentWriter;

/// So many segments of a size become one: a row is written again once for each such step in size.
pub const SEGMENTS_MIN: usize = 4;

/// Segments up to so many bytes count as of one size: opening a file costs as much as reading these.
const SMALL_BYTES: u64 = 256 * 1024;

/// The most bytes read by one run, so that it ends soon and its files stay small enough to be written anew.
pub const RUN_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A segment of which so many rows of a hundred are deleted is written anew by itself.
const DELETED_PERCENT: usize = 30;

/// Parts of a dataset that are to become one.
struct Task {
    dataset: u32,
    parts: Vec<Arc<Part>>,
}

/// What was written in the place of segments.
pub(crate) struct Compacted {
    dataset: u32,
    /// The parts as they were read.
    parts: Vec<Arc<Part>>,
    file: FileReference,
}

fn bytes_of(part: &Part) -> u64 {
    part.segment_file().map_or(0, |segment| segment.file().byte_count)
}

/// Grows by one for each factor of [`SEGMENTS_MIN`] in bytes.
fn size_class(part: &Part) -> u32 {
    (bytes_of(part) / SMALL_BYTES).max(1).ilog(SEGMENTS_MIN as u64)
}

fn is_worn(part: &Part) -> bool {
    let deleted = part.row_count() - part.live_count();
    part.segment_file().is_some() && deleted * 100 > part.row_count() * DELETED_PERCENT
}

/// The most urgent task: the smallest segments first.
fn choose(state: &State) -> Option<Task> {
    let mut best: Option<(u32, Task)> = None;
    for dataset in state.datasets.keys() {
        let parts: Vec<&Arc<Part>> = state.parts(*dataset).map(|(_, part)| part).collect();
        let runs = parts.chunk_by(|left, right| {
            let both = left.segment_file().is_some() && right.segment_file().is_some();
            both && size_class(left) == size_class(right)
        });
        for run in runs.filter(|run| run.len() >= SEGMENTS_MIN) {
            let class = size_class(run[0]);
            let mut bytes = 0;
            let fits = |part: &&&Arc<Part>| {
                bytes += bytes_of(part);
                bytes <= RUN_BYTES_MAX
            };
            let parts: Vec<Arc<Part>> =
                run.iter().take_while(fits).map(|part| Arc::clone(part)).collect();
            if parts.len() >= 2 && best.as_ref().is_none_or(|(least, _)| class < *least) {
                best = Some((class, Task { dataset: *dataset, parts }));
            }
        }
    }
    let worn = || {
        let mut all = state
            .datasets
            .keys()
            .flat_map(|dataset| state.parts(*dataset).map(move |(_, part)| (*dataset, part)));
        let (dataset, part) = all.find(|(_, part)| is_worn(part))?;
        Some(Task { dataset, parts: vec![Arc::clone(part)] })
    };
    best.map(|(_, task)| task).or_else(worn)
}

impl Database {
    /// Does the most urgent compaction; false if there is none to do.
    ///
    /// # Errors
    /// What the disk says; then nothing has changed.
    pub fn compact(&self) -> Result<bool> {
        let snapshot = self.snapshot();
        let Some(task) = choose(&snapshot.state) else { return Ok(false) };
        let rows = task.parts.iter().map(|part| part.live_count() as u64).sum();
        let operation = self.operations().begin("compaction", None, Some(rows), "rows");
        let compacted = self.run_compaction(&snapshot, task, operation.progress());
        operation.conclude(&compacted, |told| Some(told.clone()));
        compacted.map(|_| true)
    }

    fn run_compaction(
        &self,
        snapshot: &Snapshot,
        task: Task,
        progress: &Progress,
    ) -> Result<String> {
        let before: u64 = task.parts.iter().map(|part| bytes_of(part)).sum();
        let count = task.parts.len();
        let file = self.write_compacted(snapshot, &task, progress)?;
        let Task { dataset, parts } = task;
        let after = file.byte_count;
        let compacted = Compacted { dataset, parts, file: file.clone() };
        let taken = self.ask(|reply| Request::Compacted(Box::new(compacted), reply));
        // After an error the manifest may name it; then again, the next start removes what none names.
        if matches!(taken, Ok(false)) {
            self.files().remove(&file)?;
        }
        Ok(match taken? {
            true => format!("{count} segments of {before} bytes became one of {after}"),
            false => "the segments were rewritten meanwhile".to_owned(),
        })
    }

    fn write_compacted(
        &self,
        snapshot: &Snapshot,
        task: &Task,
        progress: &Progress,
    ) -> Result<FileReference> {
        let schema = schema_of(snapshot.catalog(), task.dataset);
        let schema = schema.ok_or_else(|| Error::internal("segments of no dataset"))?;
        let (mut writer, mut rows): (Option<SegmentWriter>, u64) = (None, 0);
        for part in &task.parts {
            for group in 0..part.group_count() {
                let batch = part.group_with_columns(group, &schema)?;
                if writer.is_none() {
                    writer = Some(self.files().create_segment(task.dataset, batch.schema())?);
                }
                writer.iter_mut().try_for_each(|writer| writer.write(&batch))?;
                rows += batch.num_rows() as u64;
                progress.advance(batch.num_rows() as u64);
            }
        }
        let writer = writer.ok_or_else(|| Error::internal("a compaction of nothing"))?;
        let file = writer.finish(rows)?;
        self.files().sync_segments(task.dataset)?;
        Ok(file)
    }
}

impl Writer {
    /// Puts a new segment in the place of those that it was written from; false if they are not there any
    /// more.
    ///
    /// # Errors
    /// What the disk says; then the old ones stay in force.
    pub(super) fn take_compacted(&mut self, compacted: &Compacted) -> Result<bool> {
        self.store.check_writable()?;
        let before = self.state.clone();
        let taken = self.try_take_compacted(compacted);
        if !matches!(taken, Ok(true)) {
            self.state = before;
            return taken;
        }
        if let Err(error) = self.flush() {
            self.state = before;
            return Err(error);
        }
        if self.saved.is_some() && row_count(&self.state) > 0 {
            self.save_if_changed();
        }
        Ok(true)
    }

    fn try_take_compacted(&mut self, compacted: &Compacted) -> Result<bool> {
        let Compacted { dataset, parts, file } = compacted;
        let (mut old, mut gone, mut offset) = (Vec::new(), Vec::new(), 0);
        for read in parts {
            let path = |part: &Part| part.segment_file().map(|it| it.file().path.clone());
            let found = self.state.parts(*dataset).find(|(_, part)| path(part) == path(read));
            let Some((slot, now)) = found.map(|(slot, part)| (slot, Arc::clone(part))) else {
                return Ok(false);
            };
            gone.extend(deleted_since(read, &now).map(|row| row + offset));
            old.push((slot, offset));
            offset += read.live_count() as u32;
            // Rows are numbered as they were when they were read.
            Arc::make_mut(&mut self.state.slots).replace(slot, Arc::clone(read));
        }
        let segment = self.shared.files.open_segment(file.clone())?;
        let (first, at) = (parts[0].first_fragment_id, parts[0].committed_at);
        let part = Part::segment(*dataset, first, at, segment);
        let mut deletions = Deletions::default();
        for row in gone {
            let (group, within) = part.locate(row as usize);
            deletions.delete(group, part.group_rows(group), &[within as u32]);
        }
        self.state.replace_slots(*dataset, &old, Arc::new(part.with_deletions(deletions)));
        Ok(true)
    }
}

/// Rows of a part that were deleted after it was read, by the numbers that they have among those that lived
/// then.
fn deleted_since(read: &Part, now: &Part) -> impl Iterator<Item = u32> {
    let numbers = read.live_numbers();
    let before = read.deleted_rows();
    let new = now.deleted_rows().into_iter().filter(move |row| before.binary_search(row).is_err());
    new.map(move |row| numbers.as_ref().map_or(row, |numbers| numbers[row as usize]))
}
