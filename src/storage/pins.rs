//! Pins: files that may not be removed yet, although the store needs them no more, because somebody copies
//! them.
//!
//! Readers need none: a file that is open can be read after it was removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::env::disk::Disk;
use crate::error::Result;

/// Who holds which files, and which wait to be removed.
#[derive(Debug, Default)]
struct Held {
    next: u64,
    holders: BTreeMap<u64, BTreeSet<String>>,
    waiting: BTreeSet<String>,
}

/// The pins of a store.
#[derive(Debug)]
pub struct Pins {
    disk: Arc<dyn Disk>,
    held: Mutex<Held>,
}

impl Pins {
    /// No pins on the files of a disk.
    pub fn new(disk: Arc<dyn Disk>) -> Arc<Self> {
        Arc::new(Self { disk, held: Mutex::default() })
    }

    /// Holds files as long as what is given back lives.
    pub fn hold(self: &Arc<Self>, paths: BTreeSet<String>) -> Pin {
        let mut held = self.held.lock();
        held.next += 1;
        let number = held.next;
        held.holders.insert(number, paths);
        Pin { pins: Arc::clone(self), number }
    }

    /// Removes a file, now or when nobody holds it any more.
    ///
    /// # Errors
    /// What the disk says.
    pub fn remove(&self, path: &str) -> Result<()> {
        let mut held = self.held.lock();
        if held.holders.values().any(|paths| paths.contains(path)) {
            held.waiting.insert(path.to_owned());
            return Ok(());
        }
        self.disk.remove(path)
    }

    fn release(&self, number: u64) {
        let mut held = self.held.lock();
        held.holders.remove(&number);
        let Held { holders, waiting, .. } = &mut *held;
        waiting.retain(|path| {
            let stays = holders.values().any(|paths| paths.contains(path));
            if !stays && let Err(error) = self.disk.remove(path) {
                tracing::warn!(path, %error, "could not remove a file that is no longer needed");
            }
            stays
        });
    }
}

/// Files that are held.
#[derive(Debug)]
pub struct Pin {
    pins: Arc<Pins>,
    number: u64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.pins.release(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::memory_disk::MemoryDisk;

    #[test]
    fn files_go_when_their_last_holder_does() {
        let memory = MemoryDisk::new();
        for path in ["a", "b", "c"] {
            memory.create(path).unwrap();
        }
        let pins = Pins::new(Arc::new(memory.clone()));
        let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let (first, second) = (pins.hold(set(&["a", "b"])), pins.hold(set(&["b"])));
        for path in ["a", "b", "c"] {
            pins.remove(path).unwrap();
        }
        assert_eq!(memory.paths(), ["a", "b"]);
        drop(first);
        assert_eq!(memory.paths(), ["b"]);
        drop(second);
        assert!(memory.paths().is_empty());
    }
}
