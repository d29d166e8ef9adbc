//! Local copies of objects: files without names, which are gone with the process, up to a budget of bytes.
//!
//! Whoever has a file open goes on reading it, whatever is thrown out meanwhile.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::env::disk::File;
use crate::env::random::random_u64;
use crate::error::{Error, Result};

/// The copies.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    byte_budget: u64,
    state: Mutex<State>,
    /// Held while a copy is made, so that nobody makes it twice.
    making: Mutex<HashMap<String, Arc<Mutex<()>>>>,
}

#[derive(Debug, Default)]
struct State {
    copies: HashMap<String, Copied>,
    byte_count: u64,
    /// Counts uses, so that the copy used longest ago is known.
    uses: u64,
}

#[derive(Debug)]
struct Copied {
    file: Arc<File>,
    byte_count: u64,
    used: u64,
}

impl Cache {
    /// A cache of so many bytes in a folder.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(folder: &Path, byte_budget: u64) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| {
            Error::io(format!("create folder \"{}\"", folder.display()), &error)
        })?;
        let (folder, state, making) = (folder.to_owned(), Mutex::default(), Mutex::default());
        Ok(Self { folder, byte_budget, state, making })
    }

    /// An empty file that is no copy yet. It has no name, so that it goes with whoever has it open.
    ///
    /// # Errors
    /// What the system says.
    pub fn file(&self) -> Result<Arc<File>> {
        let path = self.folder.join(format!("selfsame-copy-{:016x}", random_u64()));
        let failed = |error: std::io::Error| {
            Error::io(format!("create file \"{}\"", path.display()), &error)
        };
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(failed)?;
        fs::remove_file(&path).map_err(failed)?;
        Ok(Arc::new(file))
    }

    /// Bytes of all copies.
    pub fn byte_count(&self) -> u64 {
        self.state.lock().byte_count
    }

    /// Makes a file a copy, and throws out others that are beyond the budget; it itself stays.
    pub fn insert(&self, name: &str, file: Arc<File>, byte_count: u64) {
        let mut state = self.state.lock();
        state.uses += 1;
        let used = state.uses;
        let old = state.copies.insert(name.to_owned(), Copied { file, byte_count, used });
        state.byte_count += byte_count;
        state.byte_count -= old.map_or(0, |old| old.byte_count);
        while state.byte_count > self.byte_budget && state.copies.len() > 1 {
            let others = state.copies.iter().filter(|(other, _)| *other != name);
            let oldest = others.min_by_key(|(_, copy)| copy.used).map(|(name, _)| name.clone());
            let removed = oldest.and_then(|name| state.copies.remove(&name));
            state.byte_count -= removed.map_or(0, |copy| copy.byte_count);
        }
    }

    /// Whether there is a copy of a name.
    pub fn contains(&self, name: &str) -> bool {
        self.state.lock().copies.contains_key(name)
    }

    fn get(&self, name: &str) -> Option<Arc<File>> {
        let mut state = self.state.lock();
        state.uses += 1;
        let used = state.uses;
        let copy = state.copies.get_mut(name)?;
        copy.used = used;
        Some(Arc::clone(&copy.file))
    }

    /// The copy of a name; `fill` makes it if there is none.
    ///
    /// # Errors
    /// What `fill` says, or the system.
    pub fn get_or(
        &self,
        name: &str,
        byte_count: u64,
        fill: impl FnOnce(Arc<File>) -> Result<()>,
    ) -> Result<Arc<File>> {
        if let Some(file) = self.get(name) {
            return Ok(file);
        }
        let turn = Arc::clone(self.making.lock().entry(name.to_owned()).or_default());
        let _turn = turn.lock();
        if let Some(file) = self.get(name) {
            return Ok(file);
        }
        let made = self.file().and_then(|file| fill(Arc::clone(&file)).map(|()| file));
        if let Ok(file) = &made {
            self.insert(name, Arc::clone(file), byte_count);
        }
        self.making.lock().remove(name);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn text(file: &File) -> String {
        let mut buffer = [0; 4];
        let count = file.read_at(&mut buffer, 0).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    #[test]
    fn the_copy_used_longest_ago_goes_first() {
        let below = tempfile::tempdir().unwrap();
        let cache = Cache::create(below.path(), 10).unwrap();
        let copy = |name: &str| {
            let fill = |file: Arc<File>| {
                file.write_all_at(name.as_bytes(), 0).map_err(|error| Error::io("write", &error))
            };
            cache.get_or(name, 4, fill).unwrap()
        };
        let first = copy("a");
        copy("b");
        copy("a");
        copy("c");
        assert_eq!((cache.get("b").is_none(), cache.byte_count()), (true, 8));
        assert_eq!(text(&cache.get("a").unwrap()), "a");
        copy("d");
        copy("e");
        assert_eq!((cache.get("a").is_none(), text(&first)), (true, "a".to_owned()));
        let huge = cache.get_or("huge", 100, |_| Ok(())).unwrap();
        assert_eq!((cache.byte_count(), huge.metadata().unwrap().len()), (100, 0));
        let failed = cache.get_or("x", 1, |_| Err(Error::internal("no")));
        assert_eq!((failed.is_err(), cache.get("x").is_none()), (true, true));
        assert_eq!(fs::read_dir(below.path()).unwrap().count(), 0);
    }
}
