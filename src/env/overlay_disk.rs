//! A disk whose changes stay in memory: what is below it is read and never written.
//!
//! For looking at a store as if it were opened, recovery and all, without touching it.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::env::disk::{Disk, DiskFile, Readable};
use crate::env::memory_disk::MemoryDisk;
use crate::error::{Error, Result, SqlState};

/// Changes in memory over another disk.
#[derive(Debug)]
pub struct OverlayDisk {
    base: Arc<dyn Disk>,
    changes: MemoryDisk,
    /// Files of the base that were removed or renamed.
    hidden: Mutex<BTreeSet<String>>,
}

fn plain(path: &str) -> &str {
    path.trim_start_matches("./")
}

impl OverlayDisk {
    /// Nothing changed yet.
    pub fn new(base: Arc<dyn Disk>) -> Self {
        Self { base, changes: MemoryDisk::new(), hidden: Mutex::default() }
    }

    fn is_changed(&self, path: &str) -> bool {
        self.changes.paths().iter().any(|changed| changed == plain(path))
    }

    /// Makes a file of the base one of the changes.
    fn take(&self, path: &str) -> Result<()> {
        if !self.is_changed(path) {
            let contents = self.read(path)?.read_all()?;
            self.changes.create(plain(path))?.write_at(0, &contents)?;
        }
        Ok(())
    }
}

impl Disk for OverlayDisk {
    fn create_folder(&self, _path: &str) -> Result<()> {
        Ok(())
    }

    fn create(&self, path: &str) -> Result<Box<dyn DiskFile>> {
        self.changes.create(plain(path))
    }

    fn open(&self, path: &str) -> Result<Box<dyn DiskFile>> {
        self.take(path)?;
        self.changes.open(plain(path))
    }

    fn read(&self, path: &str) -> Result<Readable> {
        if self.is_changed(path) {
            return self.changes.read(plain(path));
        }
        if self.hidden.lock().contains(plain(path)) {
            let message = format!("could not open file \"{path}\": no such file");
            return Err(Error::new(SqlState::UNDEFINED_FILE, message));
        }
        self.base.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let below = match plain(path) {
            "." | "" => String::new(),
            folder => format!("{folder}/"),
        };
        let all = self.walk()?;
        let names = all.iter().filter_map(|file| file.strip_prefix(&below));
        Ok(names.map(str::to_owned).collect())
    }

    fn walk(&self) -> Result<Vec<String>> {
        let hidden = self.hidden.lock();
        let mut all: BTreeSet<String> = self.base.walk()?.into_iter().collect();
        all.retain(|path| !hidden.contains(path));
        all.extend(self.changes.paths());
        Ok(all.into_iter().collect())
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.take(from)?;
        self.changes.rename(plain(from), plain(to))?;
        self.hidden.lock().insert(plain(from).to_owned());
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.hidden.lock().insert(plain(path).to_owned());
        self.changes.remove(plain(path))
    }

    fn sync_folder(&self, _path: &str) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(disk: &dyn Disk, path: &str) -> String {
        match disk.read(path) {
            Ok(file) => String::from_utf8_lossy(&file.read_all().unwrap()).into_owned(),
            Err(error) => error.code().0.to_owned(),
        }
    }

    #[test]
    fn changes_do_not_reach_what_is_below() {
        let below = MemoryDisk::new();
        for path in ["a/1", "a/2", "./b"] {
            below.create(path).unwrap().write_at(0, path.as_bytes()).unwrap();
        }
        let overlay = OverlayDisk::new(Arc::new(below.clone()));
        overlay.open("a/1").unwrap().write_at(0, b"X").unwrap();
        overlay.remove("a/2").unwrap();
        overlay.create("a/3").unwrap().write_at(0, b"new").unwrap();
        overlay.replace(".", "c", b"replaced").unwrap();
        overlay.rename("a/3", "a/4").unwrap();
        assert_eq!(overlay.walk().unwrap(), ["a/1", "a/4", "b", "c"]);
        assert_eq!(overlay.list("a").unwrap(), ["1", "4"]);
        let found = ["a/1", "a/2", "a/3", "a/4", "./b", "./c"].map(|path| text(&overlay, path));
        assert_eq!(found, ["X/1", "58P01", "58P01", "new", "./b", "replaced"]);
        assert_eq!(below.walk().unwrap(), ["a/1", "a/2", "b"]);
        assert_eq!(text(&below, "a/1"), "a/1");
    }
}
