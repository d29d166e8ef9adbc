//! A folder of the operating system as a [`Disk`].

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::env::disk::{Disk, DiskFile, Growing, Readable};
use crate::error::{Error, Result, SqlState};

/// The folder of a store, locked against a second process as long as this lives, or only read.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
    /// `None`: another process may be writing.
    lock: Option<File>,
}

impl RealDisk {
    /// Opens a folder, creating it if needed, and locks it.
    ///
    /// # Errors
    /// `55006` if another process has it open; otherwise what the system says.
    pub fn open(root: &Path) -> Result<Self> {
        let what = |doing: &str| format!("{doing} \"{}\"", root.display());
        fs::create_dir_all(root).map_err(|error| Error::io(what("create folder"), &error))?;
        let path = root.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|error| Error::io(what("open the lock of"), &error))?;
        if lock.try_lock().is_err() {
            let message = format!("data folder \"{}\" is in use", root.display());
            return Err(Error::new(SqlState::OBJECT_IN_USE, message)
                .hint("another selfsame process has it open; stop that one first"));
        }
        Ok(Self { root: root.to_owned(), lock: Some(lock) })
    }

    /// Opens a folder for reading what another process writes there.
    ///
    /// # Errors
    /// `58P01` if there is no such folder; otherwise what the system says.
    pub fn follow(root: &Path) -> Result<Self> {
        let what = || format!("follow folder \"{}\"", root.display());
        fs::read_dir(root).map_err(|error| Error::io(what(), &error))?;
        Ok(Self { root: root.to_owned(), lock: None })
    }

    fn check_writable(&self) -> Result<()> {
        self.refusal().map_or(Ok(()), Err)
    }

    /// Opens a folder that is there, and locks it; nothing in it is changed.
    ///
    /// # Errors
    /// `58P01` if there is none, `55006` if another process has it open; otherwise what the system says.
    pub fn open_existing(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            let message = format!("there is no folder \"{}\"", root.display());
            return Err(Error::new(SqlState::UNDEFINED_FILE, message));
        }
        Self::open(root)
    }

    /// Opens a folder that is empty or not there yet, and locks it.
    ///
    /// # Errors
    /// `55000` if it has anything in it; otherwise as [`RealDisk::open`].
    pub fn open_empty(root: &Path) -> Result<Self> {
        let occupied = match fs::read_dir(root) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(context("list folder", root)(error)),
        };
        if occupied {
            let message = format!("folder \"{}\" is not empty", root.display());
            return Err(Error::new(SqlState::OBJECT_NOT_IN_STATE, message)
                .hint("name a folder that is empty or does not exist yet"));
        }
        Self::open(root)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

fn context<'a>(doing: &'a str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + use<'a> {
    move |error| Error::io(format!("{doing} \"{}\"", path.display()), &error)
}

impl Disk for RealDisk {
    fn create_folder(&self, path: &str) -> Result<()> {
        self.check_writable()?;
        let path = self.path(path);
        fs::create_dir_all(&path).map_err(context("create folder", &path))
    }

    fn create(&self, path: &str) -> Result<Box<dyn DiskFile>> {
        self.check_writable()?;
        let path = self.path(path);
        let file = File::create(&path).map_err(context("create file", &path))?;
        Ok(Box::new(RealFile { file, path }))
    }

    fn open(&self, path: &str) -> Result<Box<dyn DiskFile>> {
        self.check_writable()?;
        let path = self.path(path);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        Ok(Box::new(RealFile { file: file.map_err(context("open file", &path))?, path }))
    }

    fn read(&self, path: &str) -> Result<Readable> {
        let path = self.path(path);
        let file = File::open(&path).map_err(context("open file", &path))?;
        let length = file.metadata().map_err(context("look at file", &path))?.len();
        Ok(Readable::File(Arc::new(file), length))
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let path = self.path(path);
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(context("list folder", &path))? {
            let entry = entry.map_err(context("list folder", &path))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn walk(&self) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        walk_below(&self.root, "", &mut paths)?;
        paths.sort_unstable();
        Ok(paths)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.check_writable()?;
        let from = self.path(from);
        fs::rename(&from, self.path(to)).map_err(context("rename file", &from))
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.check_writable()?;
        let path = self.path(path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(context("remove file", &path)),
        }
    }

    fn sync_folder(&self, path: &str) -> Result<()> {
        let path = self.path(path);
        let folder = File::open(&path).map_err(context("open folder", &path))?;
        folder.sync_all().map_err(context("sync folder", &path))
    }

    fn growing(&self, path: &str) -> Result<Box<dyn Growing>> {
        let path = self.path(path);
        let file = File::open(&path).map_err(context("open file", &path))?;
        Ok(Box::new(RealFile { file, path }))
    }

    fn refusal(&self) -> Option<Error> {
        self.lock.is_none().then(|| {
            let message = format!("folder \"{}\" is only read here", self.root.display());
            Error::new(SqlState::READ_ONLY, message)
        })
    }
}

fn walk_below(folder: &Path, prefix: &str, paths: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(context("list folder", folder))? {
        let entry = entry.map_err(context("list folder", folder))?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().map_err(context("look at file", &entry.path()))?;
        match kind.is_dir() {
            true => walk_below(&entry.path(), &format!("{name}/"), paths)?,
            false => paths.push(name),
        }
    }
    Ok(())
}

struct RealFile {
    file: File,
    path: PathBuf,
}

impl DiskFile for RealFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(context("write to", &self.path))
    }

    fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(context("sync", &self.path))
    }
}

impl Growing for RealFile {
    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes> {
        let (mut buffer, mut count) = (vec![0; length], 0);
        while count < length {
            let read = self.file.read_at(&mut buffer[count..], offset + count as u64);
            match read {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(context("read", &self.path)(error)),
            }
        }
        buffer.truncate(count);
        Ok(buffer.into())
    }
}
