//! The disk as the store sees it: named files below one root, written, synced, renamed.
//!
//! Paths are relative to the root, with `/`. Implementations: `real_disk` (a folder), `memory_disk`
//! (in-process, which can crash and damage files), and `overlay_disk` (changes that stay in memory). What a crash may lose is what was not synced:
//! contents by [`DiskFile::sync`], names by [`Disk::sync_folder`].

/// A file of the operating system.
pub use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};

/// A folder of files.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Creates a folder, with those above it.
    fn create_folder(&self, path: &str) -> Result<()>;
    /// Creates an empty file, replacing any.
    fn create(&self, path: &str) -> Result<Box<dyn DiskFile>>;
    /// Opens an existing file for writing.
    fn open(&self, path: &str) -> Result<Box<dyn DiskFile>>;
    /// Opens a file for reading; its contents must not change afterwards.
    fn read(&self, path: &str) -> Result<Readable>;
    /// Names of the files of a folder, sorted.
    fn list(&self, path: &str) -> Result<Vec<String>>;
    /// Paths of all files below the root, sorted, without a leading `./`.
    fn walk(&self) -> Result<Vec<String>>;
    /// Renames a file, replacing any.
    fn rename(&self, from: &str, to: &str) -> Result<()>;
    /// Removes a file; one that is not there is no error.
    fn remove(&self, path: &str) -> Result<()>;
    /// Makes the names of a folder durable.
    fn sync_folder(&self, path: &str) -> Result<()>;

    /// Replaces a file in one step: readers and crashes see the old or the new contents.
    fn replace(&self, folder: &str, name: &str, contents: &[u8]) -> Result<()> {
        let (path, new) = (format!("{folder}/{name}"), format!("{folder}/{name}.new"));
        let mut file = self.create(&new)?;
        file.write_at(0, contents)?;
        file.sync()?;
        self.rename(&new, &path)?;
        self.sync_folder(folder)
    }
}

/// A file open for writing.
pub trait DiskFile: Send {
    /// Writes at an offset, extending the file as needed.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()>;
    /// Makes everything written so far durable.
    fn sync(&mut self) -> Result<()>;
}

/// A file open for reading, shared between threads.
#[derive(Clone, Debug)]
pub enum Readable {
    /// A file of the operating system and its length in bytes.
    File(Arc<File>, u64),
    /// Bytes in memory.
    Memory(Bytes),
}

impl Readable {
    /// Its length in bytes.
    pub fn byte_count(&self) -> u64 {
        match self {
            Self::File(_, length) => *length,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Reads a range.
    ///
    /// # Errors
    /// `58030` if the range is not there or the disk fails.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        match self {
            Self::File(file, _) => {
                use std::os::unix::fs::FileExt;
                let mut buffer = vec![0; length];
                let read = file.read_exact_at(&mut buffer, offset);
                read.map_err(|error| Error::io("read a file of the store", &error))?;
                Ok(buffer.into())
            }
            Self::Memory(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                let end = from.saturating_add(length);
                if end > bytes.len() {
                    return Err(Error::corrupted("a file of the store is shorter than it says"));
                }
                Ok(bytes.slice(from..end))
            }
        }
    }

    /// Reads all of it.
    pub fn read_all(&self) -> Result<Bytes> {
        let length = usize::try_from(self.byte_count())
            .map_err(|_| Error::internal("a file does not fit the address space"))?;
        self.read_at(0, length)
    }
}

/// Opens a user's file for reading, outside any store.
///
/// # Errors
/// `58P01`, `42501`, `58030`, as the system says.
pub fn open_for_reading(path: &Path) -> Result<File> {
    let what = || format!("open file \"{}\" for reading", path.display());
    let file = File::open(path).map_err(|error| Error::io(what(), &error))?;
    let kind = file.metadata().map_err(|error| Error::io(what(), &error))?;
    if kind.is_dir() {
        let error = std::io::Error::from(std::io::ErrorKind::IsADirectory);
        return Err(Error::io(what(), &error));
    }
    Ok(file)
}
