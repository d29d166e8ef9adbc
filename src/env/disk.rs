//! The disk as the store sees it: named files below one root, written, synced, renamed.
//!
//! Paths are relative to the root, with `/`. Implementations: `real_disk` (a folder), `memory_disk`
//! (in-process, which can crash and damage files), `overlay_disk` (changes that stay in memory) and
//! `objects::disk` (a prefix of a bucket). What a crash may lose is what was not synced: contents by [`DiskFile::sync`], names by [`Disk::sync_folder`].

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

    /// Opens a file that another process may be appending to.
    ///
    /// # Errors
    /// `0A000` if such files cannot be read here, `58P01` if there is none, or what the disk says.
    fn growing(&self, path: &str) -> Result<Box<dyn Growing>> {
        Err(Error::unsupported(format!("\"{path}\" cannot be followed on this disk")))
    }

    /// How a log is kept here.
    fn log_keeping(&self) -> LogKeeping {
        LogKeeping::File
    }

    /// Makes sure, where no lock does, that nobody else is writing here, and tells others that this process
    /// is about to.
    ///
    /// # Errors
    /// `55006` if somebody else is, or what the disk says.
    fn occupy(&self) -> Result<()> {
        Ok(())
    }

    /// Tells others that this process writes nothing more.
    ///
    /// # Errors
    /// What the disk says.
    fn release(&self) -> Result<()> {
        Ok(())
    }

    /// Tells a disk that has no lock as which writer, counted from 1, this process has claimed the
    /// store: names of its new files bear the number.
    fn claimed(&self, _epoch: u64) {}

    /// The number of the claim; 0 where a lock keeps others out.
    fn epoch(&self) -> u64 {
        0
    }

    /// Who this process is, for those who read what it has claimed.
    fn writer_name(&self) -> Option<String> {
        None
    }

    /// Why nothing may be written any more, or ever, if that is so.
    fn refusal(&self) -> Option<Error> {
        None
    }
}

/// How a log is kept on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKeeping {
    /// As one file that is written in place, with space zeroed ahead. A lock keeps other writers out.
    File,
    /// As a piece for each sync, which nobody can write twice, so that a second writer shows.
    Pieces {
        /// A piece costs a reader as much as so many bytes: a log is full by its pieces too.
        piece_bytes: u64,
    },
}

/// A file that another process may be appending to, open for reading.
pub trait Growing: Send {
    /// Up to so many bytes from an offset, as many as are there now. Offsets never go back.
    ///
    /// # Errors
    /// What the disk says.
    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes>;
}

/// A file elsewhere, open for reading.
pub trait RemoteFile: Send + Sync + std::fmt::Debug {
    /// Its length in bytes.
    fn byte_count(&self) -> u64;
    /// Reads a range.
    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes>;
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
    /// A file elsewhere, of which what is read is fetched.
    Remote(Arc<dyn RemoteFile>),
}

impl Readable {
    /// Its length in bytes.
    pub fn byte_count(&self) -> u64 {
        match self {
            Self::File(_, length) => *length,
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Remote(file) => file.byte_count(),
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
            Self::Remote(file) => file.read_at(offset, length),
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
