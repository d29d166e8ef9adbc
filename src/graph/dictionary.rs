//! The identity dictionary: (namespace, normalised value) to a dense number and back.
//!
//! Numbers are given in order of first sight and never change. Every text is stored once, in blocks of
//! an arena; the hash tables hold numbers only. Loading threads insert while readers look up: tables
//! are split into shards, each under a lock that is held for one probe. A number may be seen here
//! before the row that brought it is accepted (or although it never was): who counts is decided by the
//! graph of a snapshot, not here.
//!
//! Bytes per identity: the text, 16 in the arena's index, and 10 to 21 in the shard's table.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;

use crate::error::{Error, Result, SqlState};

const SHARDS: usize = 64;

/// The most identities of one store: numbers are 32 bits, and the last is kept for "none".
pub const IDENTITIES_MAX: u32 = u32::MAX - 1;

/// Texts of this many bytes go together into one block.
const BLOCK_BYTES: usize = 1 << 20;

/// Entries per page of the arena's index.
const PAGE: usize = 1 << 14;

/// Number, namespace and text of identities, shared by all threads.
#[derive(Debug)]
pub struct Dictionary {
    hasher: DefaultHashBuilder,
    shards: Vec<RwLock<HashTable<(u32, u32)>>>,
    entries: RwLock<Entries>,
    next: AtomicU32,
}

/// Where each text is. Blocks and pages are never moved, only added.
#[derive(Debug, Default)]
struct Entries {
    blocks: Vec<Vec<u8>>,
    pages: Vec<Vec<Entry>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// Namespace number plus one; 0 where no identity was stored.
    namespace: u32,
    block: u32,
    offset: u32,
    length: u32,
}

impl Entries {
    fn get(&self, number: u32) -> Option<(u32, &str)> {
        let entry = self.pages.get(number as usize / PAGE)?.get(number as usize % PAGE)?;
        let namespace = entry.namespace.checked_sub(1)?;
        let from = entry.offset as usize;
        let bytes = &self.blocks[entry.block as usize][from..from + entry.length as usize];
        Some((namespace, std::str::from_utf8(bytes).unwrap_or_default()))
    }

    /// Overwrites a text, and leaves an empty one.
    fn blank(&mut self, number: u32) {
        let page = self.pages.get_mut(number as usize / PAGE);
        let Some(entry) = page.and_then(|page| page.get_mut(number as usize % PAGE)) else {
            return;
        };
        let from = entry.offset as usize;
        if let Some(block) = self.blocks.get_mut(entry.block as usize) {
            block[from..from + entry.length as usize].fill(0);
        }
        entry.length = 0;
    }

    fn put(&mut self, number: u32, namespace: u32, text: &str) {
        let fits = |block: &Vec<u8>| block.len() + text.len() <= block.capacity();
        if !self.blocks.last().is_some_and(fits) {
            self.blocks.push(Vec::with_capacity(BLOCK_BYTES.max(text.len())));
        }
        let at = self.blocks.len() - 1;
        let block = &mut self.blocks[at];
        let entry = Entry {
            namespace: namespace + 1,
            block: at as u32,
            offset: block.len() as u32,
            length: text.len() as u32,
        };
        block.extend_from_slice(text.as_bytes());
        while self.pages.len() <= number as usize / PAGE {
            self.pages.push(vec![Entry::default(); PAGE]);
        }
        self.pages[number as usize / PAGE][number as usize % PAGE] = entry;
    }
}

impl Default for Dictionary {
    fn default() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            shards: (0..SHARDS).map(|_| RwLock::new(HashTable::new())).collect(),
            entries: RwLock::new(Entries::default()),
            next: AtomicU32::new(0),
        }
    }
}

impl Dictionary {
    fn hash(&self, namespace: u32, text: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u32(namespace);
        hasher.write(text.as_bytes());
        hasher.finish()
    }

    fn shard(&self, hash: u64) -> &RwLock<HashTable<(u32, u32)>> {
        &self.shards[(hash >> 57) as usize % SHARDS]
    }

    /// The number of an identity, if it was ever seen.
    pub fn get(&self, namespace: u32, text: &str) -> Option<u32> {
        let hash = self.hash(namespace, text);
        let shard = self.shard(hash).read();
        let entries = self.entries.read();
        let same = |(tag, number): &(u32, u32)| {
            *tag == hash as u32 && entries.get(*number) == Some((namespace, text))
        };
        shard.find(hash, same).map(|(_, number)| *number)
    }

    /// The number of an identity, given now if it had none.
    ///
    /// # Errors
    /// `54000` beyond [`IDENTITIES_MAX`].
    pub fn intern(&self, namespace: u32, text: &str) -> Result<u32> {
        if let Some(number) = self.get(namespace, text) {
            return Ok(number);
        }
        self.insert(namespace, text, None)
    }

    /// Puts back an identity under the number that it has in the store.
    ///
    /// # Errors
    /// `XX001` if it is there under another number.
    pub fn restore(&self, number: u32, namespace: u32, text: &str) -> Result<()> {
        self.next.fetch_max(number + 1, Ordering::Relaxed);
        if self.insert(namespace, text, Some(number))? == number {
            return Ok(());
        }
        Err(Error::corrupted(format!("identity {number} is stored under two numbers")))
    }

    /// Forgets the text of an identity: its number stays, with an empty text, and is not given again.
    pub fn forget(&self, number: u32) {
        let Some((namespace, text)) =
            self.reader().get(number).map(|(namespace, text)| (namespace, text.to_owned()))
        else {
            return;
        };
        let hash = self.hash(namespace, &text);
        let mut shard = self.shard(hash).write();
        if let Ok(entry) = shard.find_entry(hash, |(_, known)| *known == number) {
            entry.remove();
        }
        self.entries.write().blank(number);
    }

    /// Gives numbers from this one on only.
    pub fn reserve(&self, bound: u32) {
        self.next.fetch_max(bound, Ordering::Relaxed);
    }

    fn insert(&self, namespace: u32, text: &str, number: Option<u32>) -> Result<u32> {
        let hash = self.hash(namespace, text);
        let mut shard = self.shard(hash).write();
        let mut entries = self.entries.write();
        let same = |(tag, number): &(u32, u32)| {
            *tag == hash as u32 && entries.get(*number) == Some((namespace, text))
        };
        if let Some((_, number)) = shard.find(hash, same) {
            return Ok(*number);
        }
        let number = match number {
            Some(number) => number,
            None => self.next.fetch_add(1, Ordering::Relaxed),
        };
        if number > IDENTITIES_MAX {
            self.next.store(IDENTITIES_MAX + 1, Ordering::Relaxed);
            let message = format!("a store holds at most {IDENTITIES_MAX} identities");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        entries.put(number, namespace, text);
        let rehash = |(_, number): &(u32, u32)| {
            let (namespace, text) =
                entries.get(*number).expect("every number in a shard was stored");
            self.hash(namespace, text)
        };
        shard.insert_unique(hash, (hash as u32, number), rehash);
        Ok(number)
    }

    /// How many numbers were given.
    pub fn bound(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }

    /// The number of the namespace of an identity.
    pub fn namespace(&self, number: u32) -> Option<u32> {
        self.entries.read().get(number).map(|(namespace, _)| namespace)
    }

    /// Orders identities by their values, whatever their namespaces.
    pub fn compare_values(&self, left: u32, right: u32) -> std::cmp::Ordering {
        let entries = self.entries.read();
        let value = |number| entries.get(number).map(|(_, value)| value);
        value(left).cmp(&value(right))
    }

    /// Reads many identities under one lock.
    pub fn reader(&self) -> Reader<'_> {
        Reader { entries: self.entries.read() }
    }
}

/// Reads identities by number; writers wait as long as it lives, so keep it short.
#[derive(Debug)]
pub struct Reader<'a> {
    entries: parking_lot::RwLockReadGuard<'a, Entries>,
}

impl Reader<'_> {
    /// Namespace number and text of an identity.
    pub fn get(&self, number: u32) -> Option<(u32, &str)> {
        self.entries.get(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_stay() {
        let dictionary = Dictionary::default();
        let mut numbers = Vec::new();
        for at in 0..50_000u32 {
            numbers.push(dictionary.intern(at % 3, &format!("value {}", at / 3)).unwrap());
        }
        assert!(numbers.iter().copied().eq(0..50_000));
        assert_eq!(dictionary.intern(1, "value 7"), Ok(22));
        assert_eq!(dictionary.get(2, "value 99999"), None);
        assert_eq!(dictionary.reader().get(22), Some((1, "value 7")));
        assert_eq!(dictionary.reader().get(50_000), None);
    }

    #[test]
    fn restoring_keeps_gaps_and_finds_damage() {
        let dictionary = Dictionary::default();
        dictionary.restore(7, 0, "a").unwrap();
        dictionary.restore(7, 0, "a").unwrap();
        assert_eq!(dictionary.restore(8, 0, "a").unwrap_err().code().0, "XX001");
        assert_eq!(dictionary.intern(0, "b"), Ok(9));
        assert_eq!(dictionary.reader().get(3), None);
    }

    #[test]
    fn a_forgotten_text_comes_back_under_another_number() {
        let dictionary = Dictionary::default();
        for text in ["a", "b", "c"] {
            dictionary.intern(0, text).unwrap();
        }
        dictionary.forget(1);
        dictionary.forget(9);
        assert_eq!(dictionary.get(0, "b"), None);
        assert_eq!(dictionary.reader().get(1), Some((0, "")));
        assert_eq!(dictionary.reader().get(2), Some((0, "c")));
        assert_eq!(dictionary.intern(0, "b"), Ok(3));
        dictionary.reserve(7);
        assert_eq!((dictionary.intern(0, "d"), dictionary.intern(0, "b")), (Ok(7), Ok(3)));
    }

    #[test]
    fn threads_agree_on_numbers() {
        let dictionary = Dictionary::default();
        let intern = || {
            let value = |at: u32| dictionary.intern(0, &format!("{}", at % 1000)).unwrap();
            (0..20_000).map(value).collect::<Vec<_>>()
        };
        let (left, right) = std::thread::scope(|scope| {
            let (left, right) = (scope.spawn(intern), scope.spawn(intern));
            (left.join().unwrap(), right.join().unwrap())
        });
        assert_eq!(left, right);
        assert_eq!(dictionary.bound(), 1000);
    }
}
