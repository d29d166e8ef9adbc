//! The identity dictionary: (namespace, normalised value) to a dense number and back.
//!
//! Numbers are given in order of first sight and never change. Every text is stored once, in blocks of
//! an arena; the hash tables hold numbers only. A number may be seen here before the row that brought
//! it is accepted (or although it never was): who counts is decided by the graph of a snapshot, not
//! here.
//!
//! Loading threads insert while readers look up, all under one lock, which is why batches are numbered
//! at once: a lock for each value costs more than its look-up. Almost all of a look-up is waiting for
//! memory (the table, the arena's index, the text), so a batch goes through each of them in turn, where
//! the waits of many values overlap; and tables place values by 32 bits of their hash, which they keep,
//! so that growing reads no text.
//!
//! Bytes per identity: the text, 16 in the arena's index, and 10 to 21 in a table.

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;

use crate::error::{Error, Result, SqlState};

/// Tables double one after the other, so that none does for long.
const TABLES: usize = 64;

/// The most identities of one store: numbers are 32 bits, and the last is kept for "none".
pub const IDENTITIES_MAX: u32 = u32::MAX - 1;

/// Texts of this many bytes go together into one block.
const BLOCK_BYTES: usize = 1 << 20;

/// Entries per page of the arena's index.
const PAGE: usize = 1 << 14;

/// So many new values are put in at a time: readers wait for no more.
const INSERTS: usize = 1024;

/// Stands for a value that has no number yet.
const NONE: u32 = u32::MAX;

/// Number, namespace and text of identities, shared by all threads.
#[derive(Debug, Default)]
pub struct Dictionary {
    hasher: DefaultHashBuilder,
    known: RwLock<Known>,
}

/// What was numbered.
#[derive(Debug)]
struct Known {
    tables: Vec<HashTable<Slot>>,
    entries: Entries,
    /// The next number.
    next: u32,
}

/// A number, with the low half of the hash of what it stands for.
#[derive(Clone, Copy, Debug)]
struct Slot {
    tag: u32,
    number: u32,
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

/// Where a table places what has this tag: hashbrown takes the place from the low bits and a filter
/// from the high ones.
fn place(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn table(hash: u64) -> usize {
    (hash >> 58) as usize % TABLES
}

impl Entries {
    fn entry(&self, number: u32) -> Option<(u32, &[u8])> {
        let entry = self.pages.get(number as usize / PAGE)?.get(number as usize % PAGE)?;
        let namespace = entry.namespace.checked_sub(1)?;
        let from = entry.offset as usize;
        let bytes = &self.blocks[entry.block as usize][from..from + entry.length as usize];
        Some((namespace, bytes))
    }

    fn get(&self, number: u32) -> Option<(u32, &str)> {
        let (namespace, bytes) = self.entry(number)?;
        Some((namespace, std::str::from_utf8(bytes).unwrap_or_default()))
    }

    /// Whether the number stands for it. Compares bytes: what was put in were texts.
    fn is(&self, number: u32, (namespace, text): (u32, &str)) -> bool {
        self.entry(number) == Some((namespace, text.as_bytes()))
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

impl Default for Known {
    fn default() -> Self {
        let tables = (0..TABLES).map(|_| HashTable::new()).collect();
        Self { tables, entries: Entries::default(), next: 0 }
    }
}

impl Known {
    fn find(&self, hash: u64, identity: (u32, &str)) -> Option<u32> {
        let tag = hash as u32;
        let same = |slot: &Slot| slot.tag == tag && self.entries.is(slot.number, identity);
        self.tables[table(hash)].find(place(tag), same).map(|slot| slot.number)
    }

    /// The number of the first value with the tag of this hash: almost always the value itself.
    fn guess(&self, hash: u64) -> u32 {
        let tag = hash as u32;
        let found = self.tables[table(hash)].find(place(tag), |slot| slot.tag == tag);
        found.map_or(NONE, |slot| slot.number)
    }

    /// The number of an identity; `number` or the next if it has none.
    fn insert(&mut self, hash: u64, identity: (u32, &str), number: Option<u32>) -> Result<u32> {
        if let Some(number) = self.find(hash, identity) {
            return Ok(number);
        }
        let number = number.unwrap_or(self.next);
        if number > IDENTITIES_MAX {
            let message = format!("a store holds at most {IDENTITIES_MAX} identities");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        self.next = self.next.max(number + 1);
        self.entries.put(number, identity.0, identity.1);
        let slot = Slot { tag: hash as u32, number };
        self.tables[table(hash)].insert_unique(place(slot.tag), slot, |slot| place(slot.tag));
        Ok(number)
    }
}

impl Dictionary {
    fn hash(&self, (namespace, text): (u32, &str)) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u32(namespace);
        hasher.write(text.as_bytes());
        hasher.finish()
    }

    /// The number of an identity, if it was ever seen.
    pub fn get(&self, namespace: u32, text: &str) -> Option<u32> {
        let identity = (namespace, text);
        self.known.read().find(self.hash(identity), identity)
    }

    /// The number of an identity, given now if it had none.
    ///
    /// # Errors
    /// `54000` beyond [`IDENTITIES_MAX`].
    pub fn intern(&self, namespace: u32, text: &str) -> Result<u32> {
        let identity = (namespace, text);
        let hash = self.hash(identity);
        let known = self.known.read().find(hash, identity);
        known.map_or_else(|| self.known.write().insert(hash, identity, None), Ok)
    }

    /// The numbers of many identities, given now, in this order, to those that had none.
    ///
    /// # Errors
    /// `54000` beyond [`IDENTITIES_MAX`].
    pub fn intern_all(&self, identities: &[(u32, &str)]) -> Result<Vec<u32>> {
        let hashes: Vec<u64> = identities.iter().map(|identity| self.hash(*identity)).collect();
        let (mut numbers, missing) = self.find_all(identities, &hashes);
        for some in missing.chunks(INSERTS) {
            let mut known = self.known.write();
            for at in some {
                numbers[*at] = known.insert(hashes[*at], identities[*at], None)?;
            }
        }
        Ok(numbers)
    }

    /// The numbers of identities, and which of them have none.
    fn find_all(&self, identities: &[(u32, &str)], hashes: &[u64]) -> (Vec<u32>, Vec<usize>) {
        let known = self.known.read();
        let mut numbers: Vec<u32> = hashes.iter().map(|hash| known.guess(*hash)).collect();
        let mut missing = Vec::new();
        for (at, (number, identity)) in numbers.iter_mut().zip(identities).enumerate() {
            if *number != NONE && !known.entries.is(*number, *identity) {
                *number = known.find(hashes[at], *identity).unwrap_or(NONE);
            }
            if *number == NONE {
                missing.push(at);
            }
        }
        (numbers, missing)
    }

    /// Puts back an identity under the number that it has in the store.
    ///
    /// # Errors
    /// `XX001` if it is there under another number.
    pub fn restore(&self, number: u32, namespace: u32, text: &str) -> Result<()> {
        let identity = (namespace, text);
        let hash = self.hash(identity);
        let mut known = self.known.write();
        known.next = known.next.max(number.saturating_add(1));
        if known.insert(hash, identity, Some(number))? == number {
            return Ok(());
        }
        Err(Error::corrupted(format!("identity {number} is stored under two numbers")))
    }

    /// Forgets the text of an identity: its number stays, with an empty text, and is not given again.
    pub fn forget(&self, number: u32) {
        let mut known = self.known.write();
        let Some((namespace, text)) =
            known.entries.get(number).map(|(namespace, text)| (namespace, text.to_owned()))
        else {
            return;
        };
        let hash = self.hash((namespace, &text));
        let same = |slot: &Slot| slot.number == number;
        if let Ok(entry) = known.tables[table(hash)].find_entry(place(hash as u32), same) {
            entry.remove();
        }
        known.entries.blank(number);
    }

    /// Gives numbers from this one on only.
    pub fn reserve(&self, bound: u32) {
        let mut known = self.known.write();
        known.next = known.next.max(bound);
    }

    /// How many numbers were given.
    pub fn bound(&self) -> u32 {
        self.known.read().next
    }

    /// The number of the namespace of an identity.
    pub fn namespace(&self, number: u32) -> Option<u32> {
        self.known.read().entries.get(number).map(|(namespace, _)| namespace)
    }

    /// Orders identities by their values, whatever their namespaces.
    pub fn compare_values(&self, left: u32, right: u32) -> std::cmp::Ordering {
        let known = self.known.read();
        let value = |number| known.entries.get(number).map(|(_, value)| value);
        value(left).cmp(&value(right))
    }

    /// Reads many identities under one lock.
    pub fn reader(&self) -> Reader<'_> {
        Reader { known: self.known.read() }
    }
}

/// Reads identities by number; writers wait as long as it lives, so keep it short.
#[derive(Debug)]
pub struct Reader<'a> {
    known: parking_lot::RwLockReadGuard<'a, Known>,
}

impl Reader<'_> {
    /// Namespace number and text of an identity.
    pub fn get(&self, number: u32) -> Option<(u32, &str)> {
        self.known.entries.get(number)
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
    fn batches_number_as_single_values_do() {
        let (batched, single) = (Dictionary::default(), Dictionary::default());
        let texts: Vec<String> = (0..20_000u32).map(|at| format!("{}", at * 7 % 9_000)).collect();
        let identities: Vec<(u32, &str)> =
            texts.iter().zip(0..).map(|(text, at)| (at % 2, text.as_str())).collect();
        let one = |(namespace, text): &(u32, &str)| single.intern(*namespace, text).unwrap();
        let expected: Vec<u32> = identities.iter().map(one).collect();
        let (first, rest) = identities.split_at(7_001);
        let mut numbers = batched.intern_all(first).unwrap();
        numbers.extend(batched.intern_all(rest).unwrap());
        assert_eq!(numbers, expected);
        assert_eq!(batched.bound(), single.bound());
    }

    #[test]
    fn values_with_one_tag_are_told_apart() {
        let mut known = Known::default();
        let hash = 0xABCD;
        for (number, text) in ["a", "b", "c"].into_iter().enumerate() {
            assert_eq!(known.insert(hash, (0, text), None), Ok(number as u32));
        }
        assert_eq!(known.find(hash, (0, "c")), Some(2));
        assert_eq!(known.find(hash, (1, "c")), None);
        assert_eq!(known.guess(hash), 0);
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
