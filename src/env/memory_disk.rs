//! A disk in memory: for databases that need not last, and for tests that crash them.
//!
//! It keeps for each file what is synced apart from what is only written, and for each folder which
//! names are synced, so that [`MemoryDisk::crash`] can lose exactly what a power cut may lose.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::env::disk::{Disk, DiskFile, Growing, Readable};
use crate::error::{Error, Result, SqlState};

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Files by path, as programs see them.
    files: BTreeMap<String, Arc<Mutex<Contents>>>,
    /// Names that a crash keeps, with the file each stands for.
    durable: BTreeMap<String, Arc<Mutex<Contents>>>,
    /// Bytes that may still be written before the disk is full.
    room: Option<u64>,
    /// How many syncs of files succeed before one fails.
    syncs: Option<u64>,
}

#[derive(Debug, Default)]
struct Contents {
    written: Vec<u8>,
    synced: Vec<u8>,
    dirty: bool,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk after a power cut: unsynced names are gone; of unsynced contents, the first `kept`
    /// bytes that differ from the synced ones survive (a torn write).
    #[must_use]
    pub fn crash(&self, kept: usize) -> Self {
        let state = self.0.lock();
        let mut after = State::default();
        for (path, contents) in &state.durable {
            let contents = contents.lock();
            let mut bytes = contents.synced.clone();
            if contents.dirty {
                bytes.resize(bytes.len().max(contents.written.len()), 0);
                let differs = |at: &usize| contents.written.get(*at) != bytes.get(*at);
                let torn: Vec<usize> =
                    (0..contents.written.len()).filter(differs).take(kept).collect();
                torn.into_iter().for_each(|at| bytes[at] = contents.written[at]);
            }
            let contents = Contents { written: bytes.clone(), synced: bytes, dirty: false };
            let contents = Arc::new(Mutex::new(contents));
            after.files.insert(path.clone(), Arc::clone(&contents));
            after.durable.insert(path.clone(), contents);
        }
        Self(Arc::new(Mutex::new(after)))
    }

    /// Lets only so many more bytes be written; then writes fail with `53100`.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.0.lock().room = bytes;
    }

    /// Lets only so many more syncs of files succeed; the one after them fails with `58030`, once, and what
    /// was written before it is never synced, as kernels do.
    pub fn set_syncs(&self, count: Option<u64>) {
        self.0.lock().syncs = count;
    }

    fn take_sync(&self) -> Result<()> {
        let mut state = self.0.lock();
        match &mut state.syncs {
            None => Ok(()),
            Some(0) => {
                state.syncs = None;
                Err(Error::new(SqlState::IO_ERROR, "could not sync: input/output error"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// Flips one bit of a file, as failing hardware would.
    pub fn damage(&self, path: &str, offset: usize) {
        if let Some(contents) = self.0.lock().files.get(path) {
            let mut contents = contents.lock();
            if let Some(byte) = contents.written.get_mut(offset) {
                *byte ^= 1;
                contents.synced = contents.written.clone();
            }
        }
    }

    /// Cuts a file to so many bytes, as a repair of a file system would.
    pub fn cut(&self, path: &str, length: usize) {
        if let Some(contents) = self.0.lock().files.get(path) {
            let mut contents = contents.lock();
            contents.written.truncate(length);
            contents.synced = contents.written.clone();
        }
    }

    /// Paths of all files.
    pub fn paths(&self) -> Vec<String> {
        self.0.lock().files.keys().cloned().collect()
    }

    fn file(&self, path: &str) -> Result<Arc<Mutex<Contents>>> {
        self.0.lock().files.get(path).cloned().ok_or_else(|| missing(path))
    }
}

fn missing(path: &str) -> Error {
    Error::new(SqlState::UNDEFINED_FILE, format!("could not open file \"{path}\": no such file"))
}

impl Disk for MemoryDisk {
    fn create_folder(&self, _path: &str) -> Result<()> {
        Ok(())
    }

    fn create(&self, path: &str) -> Result<Box<dyn DiskFile>> {
        let contents = Arc::new(Mutex::new(Contents::default()));
        self.0.lock().files.insert(path.to_owned(), Arc::clone(&contents));
        Ok(Box::new(MemoryFile { disk: self.clone(), contents }))
    }

    fn open(&self, path: &str) -> Result<Box<dyn DiskFile>> {
        Ok(Box::new(MemoryFile { disk: self.clone(), contents: self.file(path)? }))
    }

    fn read(&self, path: &str) -> Result<Readable> {
        Ok(Readable::Memory(Bytes::from(self.file(path)?.lock().written.clone())))
    }

    fn growing(&self, path: &str) -> Result<Box<dyn Growing>> {
        Ok(Box::new(GrowingMemory(self.file(path)?)))
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let prefix = format!("{path}/");
        let state = self.0.lock();
        let names = state.files.keys().filter_map(|file| file.strip_prefix(&prefix));
        Ok(names.map(str::to_owned).collect())
    }

    fn walk(&self) -> Result<Vec<String>> {
        let plain = |path: &String| path.trim_start_matches("./").to_owned();
        let mut paths: Vec<String> = self.0.lock().files.keys().map(plain).collect();
        paths.sort_unstable();
        Ok(paths)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut state = self.0.lock();
        let contents = state.files.remove(from).ok_or_else(|| missing(from))?;
        state.files.insert(to.to_owned(), contents);
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.0.lock().files.remove(path);
        Ok(())
    }

    fn sync_folder(&self, path: &str) -> Result<()> {
        let prefix = format!("{path}/");
        let inside = |file: &String| file.starts_with(&prefix);
        let mut state = self.0.lock();
        let State { files, durable, .. } = &mut *state;
        durable.retain(|file, _| !inside(file));
        let now = files.iter().filter(|(file, _)| inside(file));
        durable.extend(now.map(|(file, contents)| (file.clone(), Arc::clone(contents))));
        Ok(())
    }
}

/// A file that goes on being there for who has it open, as in an operating system.
struct GrowingMemory(Arc<Mutex<Contents>>);

impl Growing for GrowingMemory {
    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes> {
        let contents = self.0.lock();
        let count = contents.synced.len();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(count);
        let end = from.saturating_add(length).min(count);
        Ok(Bytes::copy_from_slice(&contents.synced[from..end]))
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    contents: Arc<Mutex<Contents>>,
}

impl DiskFile for MemoryFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut state = self.disk.0.lock();
        if let Some(room) = &mut state.room {
            if (*room as usize) < bytes.len() {
                return Err(Error::new(SqlState::DISK_FULL, "could not write: the disk is full"));
            }
            *room -= bytes.len() as u64;
        }
        drop(state);
        let mut contents = self.contents.lock();
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = from + bytes.len();
        if contents.written.len() < end {
            contents.written.resize(end, 0);
        }
        contents.written[from..end].copy_from_slice(bytes);
        contents.dirty = true;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        if let Err(error) = self.disk.take_sync() {
            // The pages count as clean from now on, although they are not on the disk.
            self.contents.lock().dirty = false;
            return Err(error);
        }
        let mut contents = self.contents.lock();
        if contents.dirty {
            contents.synced = contents.written.clone();
            contents.dirty = false;
        }
        Ok(())
    }
}
