//! The store: the log being written, the manifest in force, and the files of both.
//!
//! [`Files`] is shared by loading threads, which write segments that nothing refers to yet; [`Store`]
//! belongs to the engine's writer, which alone commits them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, UInt32Array};
use arrow::datatypes::SchemaRef;

use crate::env::disk::{Disk, LogKeeping};
use crate::error::{Error, Result, SqlState};
use crate::storage::deletions::{Deletions, ROW, deletions_batch};
use crate::storage::derived::{self, DerivedFile, DerivedWriter};
use crate::storage::log::{self, Log};
use crate::storage::manifest::Manifest;
use crate::storage::part::Part;
use crate::storage::pins::{Pin, Pins};
use crate::storage::record::{FileReference, PartRows, Record, each_identity, identities_batch};
use crate::storage::segment::{ColumnCache, Segment, SegmentWriter};
use crate::storage::tail::LogTail;

const IDENTITIES: &str = "identities";
const DELETIONS: &str = "deletions";

/// The folders of a store.
const FOLDERS: [&str; 4] = ["log", "segments", DELETIONS, IDENTITIES];

/// The files of a store: numbered, never overwritten.
#[derive(Debug)]
pub struct Files {
    disk: Arc<dyn Disk>,
    cache: Arc<ColumnCache>,
    next_number: AtomicU64,
    pins: Arc<Pins>,
}

impl Files {
    /// Where they are.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    fn number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// A name that no file has. Where no lock keeps other writers out, it is theirs neither.
    fn name(&self) -> String {
        match self.disk.epoch() {
            0 => format!("{:010}.parquet", self.number()),
            epoch => format!("{:010}-{epoch}.parquet", self.number()),
        }
    }

    /// Tells others that this process writes nothing more.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn release(&self) -> Result<()> {
        self.disk.release()
    }

    /// Why nothing may be written any more, or ever, if that is so.
    pub fn refusal(&self) -> Option<Error> {
        self.disk.refusal()
    }

    /// Bytes of decoded columns held.
    pub fn cached_bytes(&self) -> u64 {
        self.cache.byte_count()
    }

    /// How often a column was in the cache, and how often not.
    pub fn cache_uses(&self) -> (u64, u64) {
        self.cache.uses()
    }

    /// Starts a file of derived state.
    pub fn create_derived(&self) -> Result<DerivedWriter> {
        DerivedWriter::create(&self.disk)
    }

    /// Opens the file of derived state, if there is one.
    ///
    /// # Errors
    /// `XX001` if it is damaged or of another version.
    pub fn open_derived(&self) -> Result<Option<DerivedFile>> {
        DerivedFile::open(&self.disk)
    }

    /// Starts a segment of a dataset.
    pub fn create_segment(&self, dataset: u32, schema: SchemaRef) -> Result<SegmentWriter> {
        let folder = format!("segments/{dataset}");
        self.disk.create_folder(&folder)?;
        let path = format!("{folder}/{}", self.name());
        SegmentWriter::create(&self.disk, path, schema)
    }

    /// Opens a segment for reading.
    ///
    /// # Errors
    /// `XX001` if the file is not what the reference says.
    pub fn open_segment(&self, file: FileReference) -> Result<Arc<Segment>> {
        Segment::open(&self.disk, file, self.number(), &self.cache).map(Arc::new)
    }

    /// Removes a file that nothing refers to.
    pub fn remove(&self, file: &FileReference) -> Result<()> {
        self.remove_path(&file.path)
    }

    /// Removes a file by its path.
    pub fn remove_path(&self, path: &str) -> Result<()> {
        self.pins.remove(path)
    }

    /// Keeps files from being removed as long as what is given back lives.
    pub fn pin(&self, paths: BTreeSet<String>) -> Pin {
        self.pins.hold(paths)
    }

    /// Makes the names of a dataset's new segments durable.
    pub fn sync_segments(&self, dataset: u32) -> Result<()> {
        self.disk.sync_folder(&format!("segments/{dataset}"))?;
        self.disk.sync_folder("segments")
    }

    /// Writes a file of identities.
    pub fn write_identities(&self, identities: &[(u32, u32, String)]) -> Result<FileReference> {
        let path = format!("{IDENTITIES}/{}", self.name());
        let batch = identities_batch(identities)?;
        let mut writer = SegmentWriter::create(&self.disk, path, batch.schema())?;
        writer.write(&batch)?;
        let file = writer.finish(batch.num_rows() as u64)?;
        self.disk.sync_folder(IDENTITIES)?;
        Ok(file)
    }

    /// Files of identities without those of some numbers; files that have none of them stay.
    ///
    /// # Errors
    /// `XX001` if one is damaged, and what the disk says.
    pub fn identities_without(
        &self,
        files: &[FileReference],
        gone: &BTreeSet<u32>,
    ) -> Result<Vec<FileReference>> {
        let mut kept = Vec::new();
        for file in files {
            let (mut rest, mut found) = (Vec::new(), false);
            self.read_identities(file, |number, namespace, value| {
                match gone.contains(&number) {
                    true => found = true,
                    false => rest.push((number, namespace, value.to_owned())),
                }
                Ok(())
            })?;
            match (found, rest.is_empty()) {
                (false, _) => kept.push(file.clone()),
                (true, true) => {}
                (true, false) => kept.push(self.write_identities(&rest)?),
            }
        }
        Ok(kept)
    }

    /// Writes the file that says which rows of a part are deleted.
    pub fn write_deletions(&self, part: &Part) -> Result<FileReference> {
        let path = format!("{DELETIONS}/{}", self.name());
        let batch = deletions_batch(part.deleted_rows())?;
        let mut writer = SegmentWriter::create(&self.disk, path, batch.schema())?;
        writer.write(&batch)?;
        let file = writer.finish(batch.num_rows() as u64)?;
        self.disk.sync_folder(DELETIONS)?;
        Ok(file)
    }

    /// The part with the rows deleted that a file names.
    ///
    /// # Errors
    /// `XX001` if the file is not one of deletions of that part.
    pub fn read_deletions(&self, part: &Part, file: &FileReference) -> Result<Part> {
        let bad = || Error::corrupted(format!("\"{}\" does not fit its segment", file.path));
        let stored = self.open_segment(file.clone())?;
        stored.verify()?;
        let mut deletions = Deletions::default();
        for stored_group in 0..stored.group_rows().len() {
            let column = stored.column(stored_group, ROW)?.ok_or_else(bad)?;
            let rows = column.as_any().downcast_ref::<UInt32Array>().ok_or_else(bad)?;
            let (rows, mut at) = (rows.values(), 0);
            while at < rows.len() {
                if rows[at] as usize >= part.row_count() {
                    return Err(bad());
                }
                let (group, _) = part.locate(rows[at] as usize);
                let (start, row_count) = (part.group_start(group), part.group_rows(group));
                let end =
                    at + rows[at..].partition_point(|row| (*row as usize) < start + row_count);
                let within: Vec<u32> = rows[at..end].iter().map(|row| row - start as u32).collect();
                deletions.delete(group, row_count, &within);
                at = end.max(at + 1);
            }
        }
        if deletions.deleted_count() as u64 != file.row_count {
            return Err(bad());
        }
        Ok(part.with_deletions(deletions.stored_as(file.clone())))
    }

    /// Reads a file of identities, a row group at a time.
    pub fn read_identities(
        &self,
        file: &FileReference,
        mut each: impl FnMut(u32, u32, &str) -> Result<()>,
    ) -> Result<()> {
        let segment = self.open_segment(file.clone())?;
        segment.verify()?;
        for group in 0..segment.group_rows().len() {
            let column = |name| -> Result<_> {
                segment
                    .column(group, name)?
                    .ok_or_else(|| Error::corrupted(format!("\"{}\" lacks a column", file.path)))
            };
            let columns =
                vec![column("identity_id")?, column("namespace_id")?, column("identity")?];
            let batch = arrow::array::RecordBatch::try_from_iter(
                ["identity_id", "namespace_id", "identity"].into_iter().zip(columns),
            );
            let batch =
                batch.map_err(|error| Error::corrupted(format!("\"{}\": {error}", file.path)))?;
            each_identity(&batch, &mut each)?;
        }
        Ok(())
    }
}

/// The writer's side of a store.
pub struct Store {
    files: Arc<Files>,
    log: Log,
    manifest: Manifest,
}

/// What a store holds when it is opened.
#[derive(Debug)]
pub struct Opened {
    /// The manifest in force.
    pub manifest: Manifest,
    /// The records that came after it.
    pub records: Vec<Record>,
}

impl Store {
    /// Opens a store, or starts one in an empty folder.
    ///
    /// # Errors
    /// `XX001` if what is there is damaged; whatever the disk says.
    pub fn open(disk: Arc<dyn Disk>, cache_bytes: u64) -> Result<(Self, Opened)> {
        disk.occupy()?;
        for folder in FOLDERS {
            disk.create_folder(folder)?;
        }
        // Not among the folders that say whether there is a store: what it holds can be computed.
        disk.create_folder(derived::FOLDER)?;
        disk.sync_folder(".")?;
        let (manifest, log, payloads) = match Manifest::read(&disk)? {
            Some(manifest) => {
                let manifest = manifest.claim(&disk)?;
                let (log, replay) = Log::open(&disk, manifest.log_number)?;
                (manifest, log, replay.payloads)
            }
            None => {
                check_new(&disk)?;
                let log = create_log(&disk, 1)?;
                let manifest = Manifest { log_number: log.number(), ..Manifest::default() };
                let manifest = match disk.log_keeping() {
                    LogKeeping::File => manifest.write(&disk).map(|()| manifest)?,
                    LogKeeping::Pieces { .. } => manifest.claim(&disk)?,
                };
                (manifest, log, Vec::new())
            }
        };
        let records = payloads.iter().map(Record::decode).collect::<Result<Vec<_>>>()?;
        let cache = Arc::new(ColumnCache::new(cache_bytes));
        let next_number = AtomicU64::new(manifest.next_file_number.max(1));
        let pins = Pins::new(Arc::clone(&disk));
        let files = Arc::new(Files { disk, cache, next_number, pins });
        remove_leftovers(&files, &manifest, &records)?;
        derived::remove_unfinished(&files.disk)?;
        let opened = Opened { manifest: manifest.clone(), records };
        Ok((Self { files, log, manifest }, opened))
    }

    /// Opens a store that another process writes, as of its manifest and for reading only.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn follow(disk: Arc<dyn Disk>, cache_bytes: u64, manifest: Manifest) -> Self {
        let cache = Arc::new(ColumnCache::new(cache_bytes));
        // Numbers of files are keys of the cache here and name nothing.
        let (next_number, pins) = (AtomicU64::new(1), Pins::new(Arc::clone(&disk)));
        let files = Arc::new(Files { disk, cache, next_number, pins });
        Self { files, log: Log::of_another(manifest.log_number), manifest }
    }

    /// The log file that is written, and how many records are in it.
    pub fn position(&self) -> (u64, u64) {
        (self.log.number(), self.log.record_count())
    }

    /// The store's files.
    pub fn files(&self) -> &Arc<Files> {
        &self.files
    }

    /// Adds a record to the current group.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        self.log.append(&record.encode()?)
    }

    /// Makes the current group durable.
    pub fn sync(&mut self) -> Result<()> {
        self.log.sync()
    }

    /// Bytes of records since the last flush.
    pub fn log_bytes(&self) -> u64 {
        self.log.byte_count()
    }

    /// The manifest in force.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether the store takes anything more.
    ///
    /// # Errors
    /// `58030` once writing its log or its manifest has failed.
    pub fn check_writable(&self) -> Result<()> {
        self.log.check_sound()
    }

    /// Puts a new manifest in force, which covers everything logged so far, and starts a new log.
    ///
    /// # Errors
    /// Whatever the disk says; then the old manifest and log still hold everything. If it is not known
    /// which manifest a crash would leave, nothing more is taken.
    pub fn flush(&mut self, mut manifest: Manifest) -> Result<()> {
        self.log.check_sound()?;
        let old = self.log.number();
        let log = create_log(&self.files.disk, old + 1)?;
        manifest.log_number = log.number();
        manifest.next_file_number = self.files.next_number.load(Ordering::Relaxed);
        manifest.epoch = self.manifest.epoch;
        manifest.writer.clone_from(&self.manifest.writer);
        if let Err(error) = manifest.write(&self.files.disk) {
            let untouched = Manifest::read(&self.files.disk)
                .is_ok_and(|found| found.as_ref() == Some(&self.manifest));
            if !untouched {
                self.log.poison();
            }
            return Err(error);
        }
        self.log = log;
        self.manifest = manifest;
        if let Err(error) = self.files.disk.remove(&log::path(old)) {
            tracing::warn!(path = log::path(old), %error, "could not remove a log that was flushed");
        }
        Ok(())
    }
}

/// Starts a log of the first number from one on that nobody has taken: where there is no lock, a writer
/// that has lost the store may have started one.
fn create_log(disk: &Arc<dyn Disk>, from: u64) -> Result<Log> {
    let mut number = from;
    loop {
        match Log::create(disk, number) {
            Err(error) if error.code() == SqlState::DUPLICATE_FILE => number += 1,
            created => return created,
        }
    }
}

/// Refuses to start a store anew where files say that there was one: they would be taken for leftovers.
/// The first log without records is what a crash leaves while a store is being made.
fn check_new(disk: &Arc<dyn Disk>) -> Result<()> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let names = disk.list(folder)?;
        found.extend(names.into_iter().map(|name| format!("{folder}/{name}")));
    }
    let first = log::path(1);
    let empty = |path: &String| {
        let mut tail = LogTail::open(disk, 1);
        *path == first
            && tail.as_mut().is_ok_and(|tail| tail.next_record().is_ok_and(|it| it.is_none()))
    };
    match found.iter().find(|path| !empty(path)) {
        None => Ok(()),
        Some(path) => Err(Error::corrupted(format!("the store has no manifest, but \"{path}\""))
            .hint("restore the manifest from a backup; nothing was changed")),
    }
}

/// Removes files that neither manifest nor log name, and sets the next file number past all others.
fn remove_leftovers(files: &Files, manifest: &Manifest, records: &[Record]) -> Result<()> {
    let mut live: BTreeSet<String> = BTreeSet::from([log::path(manifest.log_number)]);
    live.extend(manifest.paths().cloned());
    for commit in records.iter().flat_map(Record::commits) {
        for part in &commit.parts {
            if let PartRows::Segment(file) = &part.rows {
                live.insert(file.path.clone());
            }
        }
    }
    let mut folders = ["log", DELETIONS, IDENTITIES].map(str::to_owned).to_vec();
    folders.extend(dataset_folders(files)?);
    for folder in folders {
        for name in files.disk.list(&folder)? {
            let path = format!("{folder}/{name}");
            let number = name.split('.').next().and_then(|digits| digits.parse::<u64>().ok());
            if let (Some(number), true) = (number, folder != "log") {
                files.next_number.fetch_max(number + 1, Ordering::Relaxed);
            }
            if !live.contains(&path) {
                tracing::info!(path, "removed a file that was never committed");
                files.disk.remove(&path)?;
            }
        }
    }
    Ok(())
}

fn dataset_folders(files: &Files) -> Result<Vec<String>> {
    let mut folders = BTreeSet::new();
    for name in files.disk.list("segments")? {
        let folder = name.split('/').next().unwrap_or_default();
        folders.insert(format!("segments/{folder}"));
    }
    Ok(folders.into_iter().collect())
}
