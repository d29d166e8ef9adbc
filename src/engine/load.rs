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
use crate::engine::idempotency::{Claim, Held, Remembered, check_key};
use crate::engine::intake::{EventIds, Intake, declared_schema};
use crate::engine::internal::{
    Ingest, REJECTS, RejectedRow, refused_by, rejects_batch, rejects_schema,
};
use crate::engine::operations::Progress;
use crate::engine::snapshot::Snapshot;
use crate::engine::step::EventChange;
use crate::engine::transaction::Accept;
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

/// Refused rows that a receipt shows; `rejects` has all of them.
pub const RECEIPT_REJECTS_MAX: usize = 100;

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
            Input::File(_) | Input::Later(_) => quote_literal(&source.name),
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

/// How rows came.
#[derive(Default)]
pub struct Delivery {
    /// Whether they are few and all there, so that nothing waits for a slow sender: the load then stays
    /// in memory, shares the sync of others, and leaves recognising events to the writer.
    pub whole: bool,
    /// What makes sending them again harmless, if the sender wants that.
    pub idempotency: Option<Idempotency>,
}

/// A key that stands for the rows of one load.
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// Tells other rows apart, once all of them were read.
    pub fingerprint: Box<dyn FnOnce() -> String + Send>,
}

/// What became of rows that were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// What the load did.
    pub report: LoadReport,
    /// The first rows that were refused, at most [`RECEIPT_REJECTS_MAX`].
    pub refused: Vec<RejectedRow>,
    /// Whether they had come before, with the same key, and were not taken again.
    pub replayed: bool,
}

impl Receipt {
    fn numbered(ingest_id: i64) -> Self {
        let report = LoadReport { ingest_id, ..LoadReport::default() };
        Self { report, ..Self::default() }
    }
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
        (self as &dyn Accept).load(load)
    }

    /// As [`Database::load`], for rows that came by another way; gives more of what became of them.
    ///
    /// # Errors
    /// As there; also `22023` for a key that is none, `23505` for one of other rows, `55006` while a load with
    /// the same key goes on.
    pub fn receive(&self, load: Load, path: &'static str, delivery: Delivery) -> Result<Receipt> {
        (self as &dyn Accept).receive(load, path, delivery)
    }
}

impl dyn Accept + '_ {
    /// Takes files or streams in as one write.
    ///
    /// # Errors
    /// As [`Database::load`].
    pub(crate) fn load(&self, load: Load) -> Result<LoadReport> {
        self.receive(load, "copy", Delivery::default()).map(|receipt| receipt.report)
    }

    fn receive(&self, load: Load, path: &'static str, delivery: Delivery) -> Result<Receipt> {
        let (snapshot, database) = (self.seen(), self.database());
        let dataset = Arc::new(snapshot.catalog().dataset(&load.dataset)?.clone());
        let mut claimed = None;
        if let Some(Idempotency { key, fingerprint }) = delivery.idempotency {
            check_key(&key)?;
            let now = database.clock().now_micros();
            match database.idempotency_keys().claim(dataset.id, &key, now)? {
                Claim::Known(done) => return database.replay(load, &key, done, fingerprint),
                Claim::Granted(held) => claimed = Some(Claimed { key, fingerprint, held }),
            }
        }
        let taking = Taking { snapshot, dataset, path, whole: delivery.whole, claimed };
        if taking.whole {
            // Over before anybody could look; a thousand a second would push out what takes a while.
            return self.load_rows(load, taking, None);
        }
        let operations = database.operations();
        let operation = operations.begin("load", Some(&load.statement()), None, "rows");
        let loaded = self.load_rows(load, taking, Some(operation.progress().clone()));
        operation.conclude(&loaded, |receipt| Some(receipt.report.summary()));
        loaded
    }

    fn load_rows(&self, load: Load, taking: Taking, progress: Option<Progress>) -> Result<Receipt> {
        let Taking { snapshot, dataset, path, whole, claimed } = taking;
        let database = self.database();
        database.check_writable()?;
        let target = target(&dataset, load.columns.as_deref())?;
        let events = database.event_ids(&dataset).filter(|_| !whole);
        // Two loads of one event dataset take turns: each must know what the other accepted.
        let _turn = events.as_ref().map(|events| events.turn.lock());
        let programs = database.derivations().programs(&dataset)?;
        let names = (database.dictionary(), database.blocked());
        let intake = Intake::new(&dataset, programs, snapshot.catalog(), names)?;
        let spill_rows = if whole { usize::MAX } else { SEGMENT_ROWS_MIN };
        let (files, schema) = (database.files(), Arc::clone(intake.schema()));
        let mut loader = Loader {
            dataset: &dataset,
            positions: positions(&dataset, &target),
            declared: declared_schema(&dataset),
            intake,
            events: events.as_deref(),
            changed: self.events_changed(&dataset),
            new_ids: HashSet::new(),
            source: String::new(),
            rows: Run::new(files, dataset.id, schema, spill_rows),
            rejects: Run::new(files, REJECTS, rejects_schema(), spill_rows),
            refused: Vec::new(),
            max_rejects: load.max_rejects,
            receipt: Receipt::numbered(database.next_ingest_id()),
            started_at: database.clock().now_micros(),
            progress,
        };
        let mut names = Vec::new();
        for source in load.sources {
            loader.source.clone_from(&source.name);
            load.format.read(source.input, &target, &load.options, &mut loader)?;
            names.push(source.name);
        }
        loader.flush_refused()?;
        let catalog_version = snapshot.catalog().version;
        let ingest = (names.join(", "), load.format.name());
        let receipt =
            self.commit_rows(loader, Arc::clone(&dataset), catalog_version, ingest, claimed)?;
        let LoadReport { accepted, rejected, duplicates, .. } = receipt.report;
        database.metrics().count_rows(&dataset.name, path, [accepted, rejected, duplicates]);
        Ok(receipt)
    }

    /// Makes what was read exist, together with the record of it.
    fn commit_rows(
        &self,
        loader: Loader<'_>,
        dataset: Arc<Dataset>,
        catalog_version: u64,
        (source, format): (String, &str),
        claimed: Option<Claimed>,
    ) -> Result<Receipt> {
        let Loader { rows, rejects, new_ids, mut receipt, started_at, .. } = loader;
        let report = &mut receipt.report;
        let (dataset_id, name) = (dataset.id, dataset.name.clone());
        let claimed = claimed.map(|claimed| (claimed.held, claimed.key, (claimed.fingerprint)()));
        let key = claimed.as_ref().map(|(_, key, print)| (key.clone(), dataset_id, print.clone()));
        let ingest = Some(Ingest {
            ingest_id: report.ingest_id,
            dataset: name,
            source,
            format: format.to_owned(),
            counts: [report.accepted, report.rejected, report.duplicates],
            started_at,
            finished_at: started_at,
            key,
        });
        let (rows, rejects) = (rows.finish()?, rejects.finish()?);
        let parts = rows.parts().chain(rejects.parts()).collect();
        let pending = Pending { dataset, catalog_version, parts, ingest, new_ids };
        let accepted = self.accept_rows(pending);
        // Where the disk failed, the log may name the files all the same: the next start removes what it
        // does not name.
        if !matches!(&accepted, Err(error) if error.code() == SqlState::SERIALIZATION_FAILURE) {
            rows.keep();
            rejects.keep();
        }
        let accepted = accepted?;
        // Events that the writer recognised.
        report.duplicates += report.accepted - accepted;
        report.accepted = accepted;
        if let Some((held, _, fingerprint)) = claimed {
            let counts = [report.accepted, report.rejected, report.duplicates];
            let now = self.database().clock().now_micros();
            held.keep(report.ingest_id, counts, fingerprint, now);
        }
        Ok(receipt)
    }
}

impl Database {
    /// Answers as the load did that had the same key, if it was of the same rows.
    fn replay(
        &self,
        load: Load,
        key: &str,
        done: Remembered,
        fingerprint: Box<dyn FnOnce() -> String + Send>,
    ) -> Result<Receipt> {
        for source in load.sources {
            if let Input::Stream(mut stream) = source.input {
                drain(&mut stream)?;
            }
        }
        if fingerprint() != done.fingerprint {
            let message = format!("idempotency key \"{key}\" was used for other rows");
            return Err(Error::new(SqlState::UNIQUE_VIOLATION, message)
                .detail(format!("those were ingest {}", done.ingest_id))
                .hint("use another key for other rows"));
        }
        let mut receipt = Receipt::numbered(done.ingest_id);
        let [accepted, rejected, duplicates] = done.counts;
        let ingest_id = done.ingest_id;
        receipt.report = LoadReport { ingest_id, accepted, rejected, duplicates, notices: vec![] };
        receipt.replayed = true;
        if rejected > 0 {
            receipt.refused = refused_by(
                &self.snapshot(),
                ingest_id,
                RECEIPT_REJECTS_MAX.min(rejected as usize),
            )?;
        }
        Ok(receipt)
    }
}

/// Reads a stream to its end.
fn drain(stream: &mut dyn std::io::Read) -> Result<()> {
    match std::io::copy(stream, &mut std::io::sink()) {
        Ok(_) => Ok(()),
        Err(error) => {
            let carried = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
            Err(carried.cloned().unwrap_or_else(|| Error::io("read the input", &error)))
        }
    }
}

/// A key that a load has to itself.
struct Claimed {
    key: String,
    fingerprint: Box<dyn FnOnce() -> String + Send>,
    held: Held,
}

/// What a load goes by, besides what was asked for.
struct Taking {
    snapshot: Arc<Snapshot>,
    dataset: Arc<Dataset>,
    path: &'static str,
    whole: bool,
    claimed: Option<Claimed>,
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
    /// What a transaction has changed of them.
    changed: Option<EventChange>,
    new_ids: HashSet<u128>,
    source: String,
    rows: Run,
    rejects: Run,
    refused: Vec<RejectedRow>,
    max_rejects: Option<u64>,
    receipt: Receipt,
    started_at: i64,
    /// Told of each row that was read, taken or not, if somebody may watch.
    progress: Option<Progress>,
}

impl Loader<'_> {
    fn advance(&self, rows: u64) {
        if let Some(progress) = &self.progress {
            progress.advance(rows);
        }
    }

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
        let batch = events.fresh(batch, at, self.changed.as_ref(), &mut self.new_ids)?;
        self.receipt.report.duplicates += (rows - batch.num_rows()) as u64;
        Ok(batch)
    }

    fn flush_refused(&mut self) -> Result<()> {
        if self.refused.is_empty() {
            return Ok(());
        }
        let (id, name) = (self.receipt.report.ingest_id, &self.dataset.name);
        let batch = rejects_batch(id, name, self.started_at, &self.refused)?;
        self.refused.clear();
        self.rejects.push(&batch)
    }

    fn refuse(&mut self, row: RejectedRow) -> Result<()> {
        self.receipt.report.rejected += 1;
        if self.max_rejects.is_some_and(|max| self.receipt.report.rejected > max) {
            let message = format!("more than {} rows were rejected", self.max_rejects.unwrap_or(0));
            return Err(Error::new(SqlState::CHECK_VIOLATION, message)
                .detail(format!("{}, line {}: {}", row.source, row.line, row.message))
                .hint("nothing was loaded; repair the source or raise max_rejects"));
        }
        if self.receipt.refused.len() < RECEIPT_REJECTS_MAX {
            self.receipt.refused.push(row.clone());
        }
        self.refused.push(row);
        if self.refused.len() >= REJECTS_BATCH { self.flush_refused() } else { Ok(()) }
    }
}

impl Sink for Loader<'_> {
    fn rows(&mut self, rows: Rows<'_>) -> Result<()> {
        self.advance(rows.batch.num_rows() as u64);
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
        self.receipt.report.accepted += batch.num_rows() as u64;
        self.rows.push(&batch)
    }

    fn reject(&mut self, reject: Reject) -> Result<()> {
        self.advance(1);
        self.refuse(RejectedRow {
            source: self.source.clone(),
            line: reject.line,
            code: reject.code.to_owned(),
            message: reject.message,
            raw: reject.raw,
        })
    }

    fn notice(&mut self, message: String) {
        if !self.receipt.report.notices.contains(&message) {
            self.receipt.report.notices.push(message);
        }
    }
}

/// Rows on their way: in memory while they are few, in segment files when they are many.
pub(super) struct Run {
    files: Arc<Files>,
    dataset: u32,
    schema: SchemaRef,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    /// So many rows go into a segment rather than stay in memory.
    spill_rows: usize,
    writer: Option<(SegmentWriter, usize)>,
    written: Vec<FileReference>,
}

impl Run {
    pub(super) fn new(
        files: &Arc<Files>,
        dataset: u32,
        schema: SchemaRef,
        spill_rows: usize,
    ) -> Self {
        Self {
            files: Arc::clone(files),
            dataset,
            schema,
            waiting: Vec::new(),
            waiting_rows: 0,
            spill_rows,
            writer: None,
            written: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.waiting_rows += batch.num_rows();
        self.waiting.push(batch.clone());
        if self.waiting_rows >= self.spill_rows { self.spill() } else { Ok(()) }
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

    pub(super) fn finish(mut self) -> Result<FinishedRun> {
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
pub(super) struct FinishedRun {
    files: Arc<Files>,
    dataset: u32,
    batch: Option<RecordBatch>,
    written: Vec<FileReference>,
    kept: bool,
}

impl FinishedRun {
    pub(super) fn parts(&self) -> impl Iterator<Item = PendingPart> + '_ {
        let files = self.written.iter().map(|file| PartRows::Segment(file.clone()));
        let rows = files.chain(self.batch.iter().map(|batch| PartRows::Batch(batch.clone())));
        rows.map(|rows| PendingPart { dataset: self.dataset, rows })
    }

    pub(super) fn keep(mut self) {
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
        (self as &dyn Accept).insert(dataset, batch)
    }
}

impl dyn Accept + '_ {
    /// Takes rows in as one write, all or nothing.
    ///
    /// # Errors
    /// As [`Database::insert`].
    pub(crate) fn insert(&self, dataset: &str, batch: &RecordBatch) -> Result<u64> {
        let (snapshot, database) = (self.seen(), self.database());
        database.check_writable()?;
        let dataset = Arc::new(snapshot.catalog().dataset(dataset)?.clone());
        let programs = database.derivations().programs(&dataset)?;
        let names = (database.dictionary(), database.blocked());
        let intake = Intake::new(&dataset, programs, snapshot.catalog(), names)?;
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
        let (name, offered) = (dataset.name.clone(), batch.num_rows() as u64);
        let accepted =
            self.accept_rows(Pending { dataset, catalog_version, parts, ingest, new_ids })?;
        self.database().metrics().count_rows(&name, "insert", [accepted, 0, offered - accepted]);
        Ok(accepted)
    }
}
