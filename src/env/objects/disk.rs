//! A prefix of a bucket as a [`Disk`]: the store in object storage.
//!
//! | a file | in the bucket |
//! |---|---|
//! | of the log | an object for each sync, in the order of their numbers (`pieces`) |
//! | `manifest` | one object, replaced only if it is still what this process has read or written |
//! | any other | one object, written whole when the file is synced, or when it gets its last name |
//!
//! There is no lock. A process claims the store by replacing the manifest and putting a fence behind the log;
//! whoever wrote before finds its next write refused, and writes nothing more. Who does not know whether a write
//! happened writes nothing more either, and removes nothing. Files that are no longer needed are removed after a
//! while, so that those who follow the store can finish reading them.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use crate::env::disk::{Disk, DiskFile, Growing, LogKeeping, Readable, RemoteFile};
use crate::env::objects::bucket::{Bucket, Condition, Object, Patience, Version, Written};
use crate::env::objects::cache::Cache;
use crate::env::objects::lease::{self, HEARTBEAT, Held, LEASE, Lease};
use crate::env::objects::location::Location;
use crate::env::objects::pieces::{Appended, Author, GrowingLog, PieceWriter, read_log};
use crate::env::objects::spool::Spool;
use crate::env::random::random_u64;
use crate::error::{Error, Result, SqlState};

/// How long files stay that are no longer needed: longer than any query of a follower should run.
pub const REMOVE_AFTER: Duration = Duration::from_secs(15 * 60);

/// A piece of the log costs a reader a request, which takes as long as so many bytes do.
pub const PIECE_BYTES: u64 = 16 << 10;

/// Local copies take up to so many bytes unless configured otherwise.
pub const CACHE_BYTES_DEFAULT: u64 = 10 << 30;

/// So much of the end of a file is read when it is opened: where Parquet files say what is in them.
const END_BYTES: u64 = 64 << 10;

/// Ends that are remembered: those of files just opened.
const ENDS_MAX: usize = 64;

/// A longer piece of a file's end is not worth a request of its own.
const FOOTER_BYTES_MAX: usize = 4 << 20;

const MANIFEST: &str = "manifest";
const LOGS: &str = "log/";
const MUTABLE: &str = "derived/";
const UNFINISHED: &str = ".new";

/// How to use a prefix of a bucket.
#[derive(Clone)]
pub struct ObjectOptions {
    /// What this process calls itself: others read it.
    pub name: String,
    /// Where local copies go; they have no names there, and go with the process.
    pub cache_directory: PathBuf,
    /// Bytes of local copies.
    pub cache_bytes: u64,
    /// How long files stay that are no longer needed.
    pub remove_after: Duration,
    /// How long requests are tried.
    pub patience: Patience,
    /// Whether to read only, while another process writes.
    pub follow: bool,
    /// Whether to take the store from a writer that lives.
    pub take_over: bool,
    /// How often this process says that it lives, as a writer.
    pub heartbeat: Duration,
    /// How long another writer must have said nothing to count as dead.
    pub lease: Duration,
    /// Settings of the provider's client that beat the environment, such as `aws_endpoint`.
    pub overrides: Vec<(String, String)>,
}

impl std::fmt::Debug for ObjectOptions {
    /// Without what may be credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectOptions").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Default for ObjectOptions {
    fn default() -> Self {
        Self {
            name: format!("process {}", std::process::id()),
            cache_directory: std::env::temp_dir(),
            cache_bytes: CACHE_BYTES_DEFAULT,
            remove_after: REMOVE_AFTER,
            patience: Patience::default(),
            follow: false,
            take_over: false,
            heartbeat: HEARTBEAT,
            lease: LEASE,
            overrides: Vec::new(),
        }
    }
}

/// The disk; clones are the same.
#[derive(Clone, Debug)]
pub struct ObjectDisk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bucket: Bucket,
    cache: Cache,
    options: ObjectOptions,
    number: u64,
    epoch: AtomicU64,
    lease: Lease,
    /// The manifest as it was read or written last.
    manifest: Mutex<Option<(Version, Bytes)>>,
    /// What the manifest must still be for this process to replace it.
    held: Mutex<Option<Version>>,
    /// Lengths and versions of objects that never change.
    known: Mutex<HashMap<String, (u64, Version)>>,
    ends: Mutex<VecDeque<(String, Bytes)>>,
    /// Files that have not got their last name yet.
    unfinished: Mutex<HashMap<String, Spool>>,
    /// Why nothing is written any more.
    lost: OnceLock<Error>,
}

impl ObjectDisk {
    /// Opens a location; nothing is asked of it yet.
    ///
    /// # Errors
    /// `22023` if the environment does not say how to reach it, or what the local disk says.
    pub fn open(location: &Location, options: ObjectOptions) -> Result<Self> {
        let bucket = Bucket::open(location, options.patience, &options.overrides)?;
        let cache = Cache::create(&options.cache_directory, options.cache_bytes)?;
        Ok(Self(Arc::new(Inner {
            bucket,
            cache,
            options,
            number: random_u64(),
            epoch: AtomicU64::new(0),
            lease: Lease::default(),
            manifest: Mutex::default(),
            held: Mutex::default(),
            known: Mutex::default(),
            ends: Mutex::default(),
            unfinished: Mutex::default(),
            lost: OnceLock::new(),
        })))
    }

    /// Bytes of local copies.
    pub fn cached_bytes(&self) -> u64 {
        self.0.cache.byte_count()
    }
}

/// A path as keys have it.
fn plain(path: &str) -> &str {
    match path.strip_prefix("./").unwrap_or(path) {
        "." => "",
        path => path,
    }
}

impl Inner {
    fn author(&self) -> Author {
        let epoch = self.epoch.load(Ordering::Relaxed);
        Author { epoch, number: self.number, name: self.options.name.clone() }
    }

    fn refusal(&self) -> Option<Error> {
        if self.options.follow {
            let message = format!("\"{}\" is only read here", self.bucket.location());
            return Some(Error::new(SqlState::READ_ONLY, message));
        }
        self.lost.get().cloned()
    }

    fn check_writable(&self) -> Result<()> {
        self.refusal().map_or(Ok(()), Err)
    }

    /// Another writer was there: this one is none any more.
    fn taken_over(&self, by: Option<&Author>) -> Error {
        let message = format!(
            "the store \"{}\" was taken over by another server, and this one is read-only",
            self.bucket.location()
        );
        let error = Error::new(SqlState::READ_ONLY, message).hint(
            "write to the other one; restart this one with --follow if it is to go on reading",
        );
        let error = match by {
            Some(author) => error.detail(format!("it is \"{}\"", author.name)),
            None => error,
        };
        tracing::error!(%error, detail = error.get_detail(), "lost the store to another writer");
        self.lost.get_or_init(|| error).clone()
    }

    /// Says that this writer lives; gives whether it should go on saying so.
    fn say_alive(&self) -> bool {
        if self.lost.get().is_some() {
            return false;
        }
        match self.lease.say(&self.bucket, false) {
            Ok(Held::Yes) => true,
            Ok(Held::No) => false,
            Ok(Held::Lost(author)) => {
                self.taken_over(Some(&author));
                false
            }
            Err(error) => {
                tracing::warn!(%error, "could not tell object storage that this writer lives");
                true
            }
        }
    }

    /// It is not known whether a write happened that all later ones would build on.
    fn in_doubt(&self, what: &str, error: Error) -> Error {
        let message = format!("the store is read-only: writing its {what} failed");
        let lost = Error::new(SqlState::IO_ERROR, message)
            .detail(error.message().to_owned())
            .hint("restart the server when object storage can be reached again");
        // The first reason is the true one.
        drop(self.lost.set(lost));
        error
    }

    fn remote(self: &Arc<Self>, path: &str) -> Result<Readable> {
        let known = self.known.lock().get(path).cloned();
        let (byte_count, version) = match known {
            Some(known) => known,
            None => {
                let Object { bytes, byte_count, version } = self.bucket.get_end(path, END_BYTES)?;
                let mut ends = self.ends.lock();
                if ends.len() >= ENDS_MAX {
                    ends.pop_front();
                }
                ends.push_back((copy_name(path, &version), bytes));
                drop(ends);
                if !path.starts_with(MUTABLE) {
                    let known = (byte_count, version.clone());
                    self.known.lock().insert(path.to_owned(), known);
                }
                (byte_count, version)
            }
        };
        let (disk, path) = (Arc::clone(self), path.to_owned());
        Ok(Readable::Remote(Arc::new(ObjectFile { disk, path, byte_count, version })))
    }

    fn read_manifest(&self) -> Result<Bytes> {
        let mut last = self.manifest.lock();
        let newer = match &*last {
            None => Some(self.bucket.get(MANIFEST)?),
            Some((version, _)) => self.bucket.get_newer(MANIFEST, version)?,
        };
        if let Some(Object { bytes, version, .. }) = newer {
            // A writer holds what it has read first: reading a later one makes it no newer.
            self.held.lock().get_or_insert_with(|| version.clone());
            *last = Some((version, bytes));
        }
        Ok(last.as_ref().map(|(_, bytes)| bytes.clone()).unwrap_or_default())
    }

    fn replace_manifest(&self, contents: &[u8]) -> Result<()> {
        let mut last = self.manifest.lock();
        let mut held = self.held.lock();
        let condition = held.clone().map_or(Condition::New, Condition::Still);
        let bytes = Bytes::copy_from_slice(contents);
        match self.bucket.put_exactly(MANIFEST, &bytes, &condition) {
            Ok(Written::Done(version)) => {
                *held = Some(version.clone());
                *last = Some((version, bytes));
                Ok(())
            }
            Ok(Written::Taken(_)) => Err(self.taken_over(None)),
            Err(error) => Err(self.in_doubt(MANIFEST, error)),
        }
    }

    fn sent(&self, path: &str, spool: Spool) -> Result<()> {
        let (byte_count, version) = spool.send(&self.bucket, path)?;
        self.cache.insert(&copy_name(path, &version), spool.into_file(), byte_count);
        if !path.starts_with(MUTABLE) {
            self.known.lock().insert(path.to_owned(), (byte_count, version));
        }
        Ok(())
    }

    fn remove_now(&self, path: &str) -> Result<()> {
        if self.lost.get().is_some() {
            return Ok(());
        }
        self.known.lock().remove(path);
        if !path.starts_with(LOGS) {
            return self.bucket.delete(path);
        }
        // From the end: what a crash leaves of a log has no gap.
        let pieces = self.bucket.list(path)?;
        pieces.iter().rev().try_for_each(|(name, _)| self.bucket.delete(&format!("{path}/{name}")))
    }
}

fn copy_name(path: &str, version: &Version) -> String {
    format!("{path} {}", version.tag())
}

impl Disk for ObjectDisk {
    fn create_folder(&self, _path: &str) -> Result<()> {
        Ok(())
    }

    fn create(&self, path: &str) -> Result<Box<dyn DiskFile>> {
        self.0.check_writable()?;
        let (disk, path) = (Arc::clone(&self.0), plain(path).to_owned());
        if path.starts_with(LOGS) {
            return Ok(Box::new(LogFile { disk, path, writer: None, waiting: BytesMut::new() }));
        }
        let spool = Some(Spool::create(&disk.cache)?);
        Ok(Box::new(NewFile { disk, path, spool }))
    }

    fn open(&self, path: &str) -> Result<Box<dyn DiskFile>> {
        self.0.check_writable()?;
        let (disk, path) = (Arc::clone(&self.0), plain(path).to_owned());
        if !path.starts_with(LOGS) {
            return Err(Error::internal(format!("\"{path}\" cannot be changed in object storage")));
        }
        let writer = Some(PieceWriter::take_over(&disk.bucket, &path, disk.author())?);
        Ok(Box::new(LogFile { disk, path, writer, waiting: BytesMut::new() }))
    }

    fn read(&self, path: &str) -> Result<Readable> {
        match plain(path) {
            MANIFEST => Ok(Readable::Memory(self.0.read_manifest()?)),
            log if log.starts_with(LOGS) => {
                Ok(Readable::Memory(read_log(&self.0.bucket, log)?.0.freeze()))
            }
            path => self.0.remote(path),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.0.bucket.list_names(plain(path))
    }

    fn walk(&self) -> Result<Vec<String>> {
        Ok(self.0.bucket.list("")?.into_iter().map(|(path, _)| path).collect())
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.0.check_writable()?;
        let spool = self.0.unfinished.lock().remove(plain(from));
        let spool = spool.ok_or_else(|| {
            Error::internal(format!("\"{from}\" cannot be renamed in object storage"))
        })?;
        self.0.sent(plain(to), spool)
    }

    fn remove(&self, path: &str) -> Result<()> {
        let path = plain(path).to_owned();
        let delay = self.0.options.remove_after;
        if self.0.options.follow {
            return self.0.check_writable();
        }
        if delay.is_zero() {
            return self.0.remove_now(&path);
        }
        let disk: Weak<Inner> = Arc::downgrade(&self.0);
        self.0.bucket.later(delay, move |_| {
            // Once the store is closed, whoever opens it next removes what is left.
            let Some(disk) = disk.upgrade() else { return };
            if let Err(error) = disk.remove_now(&path) {
                tracing::warn!(path, %error, "could not remove a file that is no longer needed");
            }
        })
    }

    fn sync_folder(&self, _path: &str) -> Result<()> {
        Ok(())
    }

    fn replace(&self, folder: &str, name: &str, contents: &[u8]) -> Result<()> {
        self.0.check_writable()?;
        match plain(&format!("{folder}/{name}")) {
            MANIFEST => self.0.replace_manifest(contents),
            path => self.0.bucket.put(path, Bytes::copy_from_slice(contents)).map(drop),
        }
    }

    fn growing(&self, path: &str) -> Result<Box<dyn Growing>> {
        Ok(Box::new(GrowingLog::open(&self.0.bucket, plain(path))?))
    }

    fn log_keeping(&self) -> LogKeeping {
        LogKeeping::Pieces { piece_bytes: PIECE_BYTES }
    }

    fn occupy(&self) -> Result<()> {
        self.0.check_writable()?;
        let patience = (!self.0.options.take_over).then_some(self.0.options.lease);
        self.0.lease.take(&self.0.bucket, &self.0.author(), patience)?;
        let of = Arc::downgrade(&self.0);
        lease::beat(&self.0.bucket, self.0.options.heartbeat, of, Inner::say_alive)
    }

    fn release(&self) -> Result<()> {
        match self.0.lost.get() {
            Some(_) => Ok(()),
            None => self.0.lease.say(&self.0.bucket, true).map(drop),
        }
    }

    fn claimed(&self, epoch: u64) {
        self.0.epoch.store(epoch, Ordering::Relaxed);
    }

    fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::Relaxed)
    }

    fn writer_name(&self) -> Option<String> {
        Some(self.0.options.name.clone())
    }

    fn refusal(&self) -> Option<Error> {
        self.0.refusal()
    }
}

/// A file on its way to become an object.
struct NewFile {
    disk: Arc<Inner>,
    path: String,
    /// `None`: it is one, and nothing can be added.
    spool: Option<Spool>,
}

impl DiskFile for NewFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let finished = || Error::internal(format!("\"{}\" is finished", self.path));
        self.spool.as_mut().ok_or_else(finished)?.write_at(offset, bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.disk.check_writable()?;
        let Some(spool) = self.spool.take() else { return Ok(()) };
        if self.path.ends_with(UNFINISHED) {
            self.disk.unfinished.lock().insert(self.path.clone(), spool);
            return Ok(());
        }
        self.disk.sent(&self.path, spool)
    }
}

/// The log.
struct LogFile {
    disk: Arc<Inner>,
    path: String,
    /// `None`: it has no piece yet.
    writer: Option<PieceWriter>,
    waiting: BytesMut,
}

impl DiskFile for LogFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let end = self.writer.as_ref().map_or(0, PieceWriter::end) + self.waiting.len() as u64;
        if offset != end {
            return Err(Error::internal("a log in object storage is written in order"));
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.disk.check_writable()?;
        if self.waiting.is_empty() {
            return Ok(());
        }
        let (bucket, bytes) = (&self.disk.bucket, self.waiting.split().freeze());
        let Some(writer) = &mut self.writer else {
            self.writer = PieceWriter::create(bucket, &self.path, self.disk.author(), bytes)?;
            let exists = || {
                let message = format!("\"{}\" exists already", self.path);
                Error::new(SqlState::DUPLICATE_FILE, message)
            };
            return self.writer.as_ref().map(|_| ()).ok_or_else(exists);
        };
        match writer.append(bucket, bytes) {
            Ok(Appended::Done) => Ok(()),
            Ok(Appended::Lost(author)) => Err(self.disk.taken_over(Some(&author))),
            Err(error) => Err(self.disk.in_doubt("log", error)),
        }
    }
}

/// An object, open for reading.
struct ObjectFile {
    disk: Arc<Inner>,
    path: String,
    byte_count: u64,
    version: Version,
}

impl std::fmt::Debug for ObjectFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ObjectFile {
    /// A range, if it is within the end that was read when the file was opened.
    fn read_from_end(&self, name: &str, offset: u64, length: usize) -> Option<Bytes> {
        let ends = self.disk.ends.lock();
        let (_, end) = ends.iter().rev().find(|(of, _)| of == name)?;
        let start = self.byte_count - end.len() as u64;
        let from = offset.checked_sub(start)? as usize;
        (from + length <= end.len()).then(|| end.slice(from..from + length))
    }
}

impl RemoteFile for ObjectFile {
    fn byte_count(&self) -> u64 {
        self.byte_count
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        use std::os::unix::fs::FileExt;
        let past = offset.saturating_add(length as u64);
        if past > self.byte_count {
            return Err(Error::corrupted("a file of the store is shorter than it says"));
        }
        let name = copy_name(&self.path, &self.version);
        if let Some(bytes) = self.read_from_end(&name, offset, length) {
            return Ok(bytes);
        }
        let (disk, bucket) = (&self.disk, &self.disk.bucket);
        let is_footer = past + 8 >= self.byte_count && length <= FOOTER_BYTES_MAX && offset > 0;
        if is_footer && !disk.cache.contains(&name) {
            return bucket.get_range(&self.path, offset..past, &self.version);
        }
        let file = disk.cache.get_or(&name, self.byte_count, |file| {
            bucket.download(&self.path, self.byte_count, &self.version, file)
        })?;
        let mut buffer = vec![0; length];
        let read = file.read_exact_at(&mut buffer, offset);
        read.map_err(|error| Error::io("read a local copy", &error))?;
        Ok(buffer.into())
    }
}

/// The local folder in which copies are kept, as it is configured or else as the system has it.
pub fn cache_directory(configured: Option<&Path>) -> PathBuf {
    configured.map_or_else(std::env::temp_dir, Path::to_owned)
}
