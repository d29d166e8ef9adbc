//! Loads: files or streams of rows taken in as one commit, in memory that does not grow with them.
//!
//! Rows go through the format's reader, the intake and a `Run`, which keeps few rows in memory and
//! writes many into segment files that nothing refers to. Only the commit makes them exist, all at
//! once; a load that fails leaves files behind that are removed with it, or at the next start.

use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::SchemaRef;
use hashbrown::HashSet;

use crate::engine::database::Database;
use crate::engine::erasure::FORGOTTEN;
use crate::engine::intake::{EventIds, Intake, declared_schema};
use crate::engine::internal::{Ingest, REJECTS, RejectedRow, rejects_batch, rejects_schema};
use crate::engine::operations::Progress;
use crate::engine::writer::{Pending, PendingPart};
use crate::error::{Error, Result, SqlState};
use crate::ingest::{Format, Input, Options, Reject, Rows, Sink, Target};
use crate::model::dataset::Dataset;
use crate::model::names::{quote_literal, quote_name};
use crate::storage::record::{FileReference, PartRows};
use crate::storage::segment::SegmentWriter;
use crate::storage::store::Files;

/// Up to so many rows a load goes through the log like any insert; beyond, into segments.
pub const SEGMENT_ROWS_MIN: usize = 16_384;

/// Rows of one segment at most: files stay small enough to be rewritten.
pub const SEGMENT_ROWS_MAX: usize = 4 * 1024 * 1024;

/// Refused rows are written in batches of so many.
const REJECTS_BATCH: usize = 4_096;

/// What to load, and how.
pub struct Load {
    /// The dataset.
    pub dataset: String,
    /// The columns that the source gives, if listed.
    pub columns: Option<Vec<String>>,
    /// What to read, in order.
    pub sources: Vec<Source>,
    /// How to read it.
    pub format: &'static dyn Format,
    /// The format's options.
    pub options: Options,
    /// Beyond so many refused rows the whole load is refused.
    pub max_rejects: Option<u64>,
}

/// One file or stream.
pub struct Source {
    /// Its name, for `rejects`.
    pub name: String,
    /// Its bytes.
    pub input: Input,
}

impl Load {
    /// The statement that would ask for it.
    fn statement(&self) -> String {
        let name = |source: &Source| match &source.input {
            Input::File(_) => quote_literal(&source.name),
            Input::Stream(_) => source.name.clone(),
        };
        let names: Vec<String> = self.sources.iter().map(name).collect();
        format!("COPY {} FROM {}", quote_name(&self.dataset), names.join(", "))
    }
}

/// What a load did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Its number in `selfsame.ingests` and `rejects`.
    pub ingest_id: i64,
    /// Rows accepted.
    pub accepted: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Events that were accepted before, and so skipped.
    pub duplicates: u64,
    /// What the user should know.
    pub notices: Vec<String>,
}

impl LoadReport {
    fn summary(&self) -> String {
        let Self { ingest_id, accepted, rejected, duplicates, .. } = self;
        format!(
            "ingest {ingest_id}: {accepted} accepted, {rejected} rejected, {duplicates} duplicates"
        )
    }
}

impl Database {
    /// Takes files or streams in as one commit; returns when the rows are durable and visible.
    ///
    /// # Errors
    /// Nothing of the load remains: `42P01`, `42703`, what the format finds broken, `54000` beyond
    /// `max_rejects`, `40001` if the dataset changed meanwhile, or what the disk says.
    pub fn load(&self, load: Load) -> Result<LoadReport> {
        let operation = self.operations().begin("load", Some(&load.statement()), None, "rows");
        let loaded = self.load_rows(load, operation.progress().clone());
        operation.conclude(&loaded, |report| Some(report.summary()));
        loaded
    }

    fn load_rows(&self, load: Load, progress: Progress) -> Result<LoadReport> {
        let snapshot = self.snapshot();
        let dataset = Arc::new(snapshot.catalog().dataset(&load.dataset)?.clone());
        let target = target(&dataset, load.columns.as_deref())?;
        let events = self.event_ids(&dataset);
        // Two loads of one event dataset take turns: each must know what the other accepted.
        let _turn = events.as_ref().map(|events| events.turn.lock());
        let ingest_id = self.next_ingest_id();
        let programs = self.derivations().programs(&dataset)?;
        let intake = Intake::new(
            &dataset,
            programs,
            snapshot.catalog(),
            (self.dictionary(), self.blocked()),
        )?;
        let rows = Run::new(self.files(), dataset.id, Arc::clone(intake.schema()));
        let rejects = Run::new(self.files(), REJECTS, rejects_schema());
        let started_at = self.clock().now_micros();
        let mut loader = Loader {
            dataset: &dataset,
            positions: positions(&dataset, &target),
            declared: declared_schema(&dataset),
            intake,
            events: events.as_deref(),
            new_ids: HashSet::new(),
            source: String::new(),
            rows,
            rejects,
            refused: Vec::new(),
            max_rejects: load.max_rejects,
            report: LoadReport { ingest_id, ..LoadReport::default() },
            started_at,
            progress,
        };
        let mut names = Vec::new();
        for source in load.sources {
            loader.source.clone_from(&source.name);
            load.format.read(source.input, &target, &load.options, &mut loader)?;
            names.push(source.name);
        }
        loader.flush_refused()?;
        let Loader { rows, rejects, new_ids, report, .. } = loader;
        let ingest = Ingest {
            ingest_id,
            dataset: dataset.name.clone(),
            source: names.join(", "),
            format: load.format.name().to_owned(),
            counts: [report.accepted, report.rejected, report.duplicates],
            started_at,
            finished_at: started_at,
        };
        let (rows, rejects) = (rows.finish()?, rejects.finish()?);
        let parts = rows.parts().chain(rejects.parts()).collect();
        let catalog_version = snapshot.catalog().version;
        let committed =
            self.commit(Pending { dataset, catalog_version, parts, ingest: Some(ingest), new_ids });
        // Where the disk failed, the log may name the files all the same: the next start removes what it
        // does not name.
        if !matches!(&committed, Err(error) if error.code() == SqlState::SERIALIZATION_FAILURE) {
            rows.keep();
            rejects.keep();
        }
        committed.map(|_| report)
    }
}

/// The columns that a source may fill.
fn target(dataset: &Dataset, listed: Option<&[String]>) -> Result<Target> {
    let given = dataset.given_columns();
    let all = given.map(|(_, column)| (column.name.clone(), column.ty.clone()));
    let Some(names) = listed else {
        return Ok(Target { columns: all.collect(), listed: false });
    };
    let mut columns: Vec<(String, _)> = Vec::new();
    for name in names {
        let Some(at) = dataset.column(name) else {
            let message =
                format!("column \"{name}\" of dataset \"{}\" does not exist", dataset.name);
            return Err(Error::new(SqlState::UNDEFINED_COLUMN, message));
        };
        dataset.check_given(at)?;
        if columns.iter().any(|(known, _)| known == name) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
        columns.push((name.clone(), dataset.columns[at].ty.clone()));
    }
    Ok(Target { columns, listed: true })
}

/// For each declared column, its place in the target.
fn positions(dataset: &Dataset, target: &Target) -> Vec<Option<usize>> {
    let place = |name: &str| target.columns.iter().position(|(column, _)| column == name);
    dataset.columns.iter().map(|column| place(&column.name)).collect()
}

struct Loader<'a> {
    dataset: &'a Dataset,
    positions: Vec<Option<usize>>,
    declared: SchemaRef,
    intake: Intake,
    events: Option<&'a EventIds>,
    new_ids: HashSet<u128>,
    source: String,
    rows: Run,
    rejects: Run,
    refused: Vec<RejectedRow>,
    max_rejects: Option<u64>,
    report: LoadReport,
    started_at: i64,
    /// Told of each row that was read, taken or not.
    progress: Progress,
}

impl Loader<'_> {
    /// The batch with all declared columns, nulls where the source has none.
    fn widen(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.positions.iter().zip(self.declared.fields());
        let columns = columns.map(|(place, field)| match place {
            Some(at) => Arc::clone(batch.column(*at)),
            None => new_null_array(field.data_type(), batch.num_rows()),
        });
        RecordBatch::try_new(Arc::clone(&self.declared), columns.collect())
            .map_err(|error| Error::internal(error.to_string()))
    }

    /// Leaves out events that were accepted before, here or earlier.
    fn skip_duplicates(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let (Some(events), Some(at)) = (self.events, self.dataset.event_id()) else {
            return Ok(batch);
        };
        let rows = batch.num_rows();
        let batch = events.fresh(batch, at, &mut self.new_ids)?;
        self.report.duplicates += (rows - batch.num_rows()) as u64;
        Ok(batch)
    }

    fn flush_refused(&mut self) -> Result<()> {
        if self.refused.is_empty() {
            return Ok(());
        }
        let (id, name) = (self.report.ingest_id, &self.dataset.name);
        let batch = rejects_batch(id, name, self.started_at, &self.refused)?;
        self.refused.clear();
        self.rejects.push(&batch)
    }

    fn refuse(&mut self, row: RejectedRow) -> Result<()> {
        self.report.rejected += 1;
        if self.max_rejects.is_some_and(|max| self.report.rejected > max) {
            let message = format!("more than {} rows were rejected", self.max_rejects.unwrap_or(0));
            return Err(Error::new(SqlState::CHECK_VIOLATION, message)
                .detail(format!("{}, line {}: {}", row.source, row.line, row.message))
                .hint("nothing was loaded; repair the source or raise max_rejects"));
        }
        self.refused.push(row);
        if self.refused.len() >= REJECTS_BATCH { self.flush_refused() } else { Ok(()) }
    }
}

impl Sink for Loader<'_> {
    fn rows(&mut self, rows: Rows<'_>) -> Result<()> {
        self.progress.advance(rows.batch.num_rows() as u64);
        let taken = self.intake.take(&self.widen(&rows.batch)?)?;
        for (row, code, message) in taken.refused {
            self.refuse(RejectedRow {
                source: self.source.clone(),
                line: rows.lines[row],
                code: code.to_owned(),
                message,
                // What names somebody who was forgotten is not kept.
                raw: if code == FORGOTTEN { String::new() } else { (rows.raw)(row) },
            })?;
        }
        let batch = self.skip_duplicates(taken.batch)?;
        self.report.accepted += batch.num_rows() as u64;
        self.rows.push(&batch)
    }

    fn reject(&mut self, reject: Reject) -> Result<()> {
        self.progress.advance(1);
        self.refuse(RejectedRow {
            source: self.source.clone(),
            line: reject.line,
            code: reject.code.to_owned(),
            message: reject.message,
            raw: reject.raw,
        })
    }

    fn notice(&mut self, message: String) {
        if !self.report.notices.contains(&message) {
            self.report.notices.push(message);
        }
    }
}

/// Rows on their way: in memory while they are few, in segment files when they are many.
struct Run {
    files: Arc<Files>,
    dataset: u32,
    schema: SchemaRef,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    writer: Option<(SegmentWriter, usize)>,
    written: Vec<FileReference>,
}

impl Run {
    fn new(files: &Arc<Files>, dataset: u32, schema: SchemaRef) -> Self {
        Self {
            files: Arc::clone(files),
            dataset,
            schema,
            waiting: Vec::new(),
            waiting_rows: 0,
            writer: None,
            written: Vec::new(),
        }
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.waiting_rows += batch.num_rows();
        self.waiting.push(batch.clone());
        if self.waiting_rows >= SEGMENT_ROWS_MIN { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_rows = 0;
        for batch in waiting {
            if self.writer.is_none() {
                let writer = self.files.create_segment(self.dataset, Arc::clone(&self.schema))?;
                self.writer = Some((writer, 0));
            }
            let Some((writer, rows)) = &mut self.writer else { continue };
            writer.write(&batch)?;
            *rows += batch.num_rows();
            if *rows >= SEGMENT_ROWS_MAX {
                self.close_writer()?;
            }
        }
        Ok(())
    }

    fn close_writer(&mut self) -> Result<()> {
        if let Some((writer, rows)) = self.writer.take() {
            self.written.push(writer.finish(rows as u64)?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<FinishedRun> {
        if self.writer.is_some() {
            self.spill()?;
        }
        self.close_writer()?;
        if !self.written.is_empty() {
            self.files.sync_segments(self.dataset)?;
        }
        let batch = match self.waiting.len() {
            0 => None,
            _ => Some(crate::engine::state::concat(&self.waiting)?),
        };
        Ok(FinishedRun {
            files: Arc::clone(&self.files),
            dataset: self.dataset,
            batch,
            written: self.written,
            kept: false,
        })
    }
}

/// Rows ready to be committed; their files are removed unless they were.
struct FinishedRun {
    files: Arc<Files>,
    dataset: u32,
    batch: Option<RecordBatch>,
    written: Vec<FileReference>,
    kept: bool,
}

impl FinishedRun {
    fn parts(&self) -> impl Iterator<Item = PendingPart> + '_ {
        let files = self.written.iter().map(|file| PartRows::Segment(file.clone()));
        let rows = files.chain(self.batch.iter().map(|batch| PartRows::Batch(batch.clone())));
        rows.map(|rows| PendingPart { dataset: self.dataset, rows })
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for FinishedRun {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for file in &self.written {
            if let Err(error) = self.files.remove(file) {
                tracing::warn!(path = file.path, %error, "could not remove a file of a failed load");
            }
        }
    }
}

impl Database {
    /// Takes rows in as one commit, all or nothing: a bad row is an error (spec 2).
    /// `batch` has the declared columns in order; what it has in computed ones does not count.
    ///
    /// # Errors
    /// `42P01`, `23514` for a row that may not be accepted, `40001` if the dataset changed meanwhile.
    pub fn insert(&self, dataset: &str, batch: &RecordBatch) -> Result<u64> {
        let snapshot = self.snapshot();
        let dataset = Arc::new(snapshot.catalog().dataset(dataset)?.clone());
        let programs = self.derivations().programs(&dataset)?;
        let intake = Intake::new(
            &dataset,
            programs,
            snapshot.catalog(),
            (self.dictionary(), self.blocked()),
        )?;
        let taken = intake.take(batch)?;
        if let Some((row, code, message)) = taken.refused.into_iter().next() {
            let summary = format!("row {} of INSERT into \"{}\" is refused", row + 1, dataset.name);
            return Err(Error::new(SqlState::CHECK_VIOLATION, summary)
                .detail(format!("{code}: {message}"))
                .hint("COPY takes the good rows and lists the others in rejects"));
        }
        let part = PendingPart { dataset: dataset.id, rows: PartRows::Batch(taken.batch) };
        let (parts, ingest, new_ids) = (vec![part], None, HashSet::new());
        let catalog_version = snapshot.catalog().version;
        self.commit(Pending { dataset, catalog_version, parts, ingest, new_ids })
    }
}
