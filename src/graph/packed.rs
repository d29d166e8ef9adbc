//! Packed arrays: plain values as rows of little-endian words of 32 bits, as snapshots of derived
//! state keep them.
//!
//! The graph and the index say here what their arrays hold; where the bytes go, and what guards them,
//! is for `storage::derived` to say. Arrays go in blocks and come back a section at a time.

use bytes::Bytes;

use crate::error::{Error, Result};

/// Values go to the sink in blocks of about so many bytes.
const BLOCK_BYTES: usize = 1 << 20;

/// What names a section of a snapshot.
pub type Tag = [u8; 4];

/// A value of a number of words.
pub trait Packed<const WORDS: usize>: Copy {
    /// The value as words.
    fn words(self) -> [u32; WORDS];
    /// The value of such words.
    fn of_words(words: [u32; WORDS]) -> Self;
}

/// Takes sections, one after the other, each in blocks.
pub trait Sink {
    /// Begins a section, which ends the one before.
    ///
    /// # Errors
    /// What the disk says.
    fn begin(&mut self, tag: Tag) -> Result<()>;
    /// Adds to the section.
    ///
    /// # Errors
    /// What the disk says.
    fn put(&mut self, bytes: &[u8]) -> Result<()>;
}

/// Gives sections back.
pub trait Sections {
    /// All bytes of a section.
    ///
    /// # Errors
    /// `XX001` if there is no such section or it is damaged, `58030` if the disk fails.
    fn section(&self, tag: Tag) -> Result<Bytes>;
}

/// Writes values as a section.
///
/// # Errors
/// What the disk says.
pub fn pack<const WORDS: usize, T: Packed<WORDS>>(
    sink: &mut dyn Sink,
    tag: Tag,
    values: impl Iterator<Item = T>,
) -> Result<()> {
    sink.begin(tag)?;
    let mut block = Vec::with_capacity(BLOCK_BYTES + 4 * WORDS);
    for value in values {
        for word in value.words() {
            block.extend_from_slice(&word.to_le_bytes());
        }
        if block.len() >= BLOCK_BYTES {
            sink.put(&block)?;
            block.clear();
        }
    }
    sink.put(&block)
}

/// The values of a section.
///
/// # Errors
/// `XX001` if its length is not that of values of this size.
pub fn unpack<const WORDS: usize, T: Packed<WORDS>>(
    section: &[u8],
) -> Result<impl ExactSizeIterator<Item = T> + '_> {
    if !section.len().is_multiple_of(4 * WORDS) {
        return Err(Error::corrupted("a section of derived state ends within a value"));
    }
    Ok(section.chunks_exact(4 * WORDS).map(|row| {
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(row.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        T::of_words(words)
    }))
}

/// A number of 64 bits as words, the lower one first.
pub fn halves(number: i64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

/// The number of such words.
pub fn whole(low: u32, high: u32) -> i64 {
    (i64::from(high as i32) << 32) | i64::from(low)
}

impl Packed<1> for u32 {
    fn words(self) -> [u32; 1] {
        [self]
    }

    fn of_words([word]: [u32; 1]) -> Self {
        word
    }
}

impl Packed<4> for u128 {
    fn words(self) -> [u32; 4] {
        [0, 32, 64, 96].map(|bits| (self >> bits) as u32)
    }

    fn of_words(words: [u32; 4]) -> Self {
        words.iter().rev().fold(0, |number, word| (number << 32) | Self::from(*word))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Sections in memory.
    #[derive(Debug, Default)]
    pub struct Memory {
        sections: BTreeMap<Tag, Vec<u8>>,
        last: Tag,
    }

    impl Sink for Memory {
        fn begin(&mut self, tag: Tag) -> Result<()> {
            assert!(self.sections.insert(tag, Vec::new()).is_none(), "{tag:?} comes twice");
            self.last = tag;
            Ok(())
        }

        fn put(&mut self, bytes: &[u8]) -> Result<()> {
            self.sections.get_mut(&self.last).expect("one was begun").extend_from_slice(bytes);
            Ok(())
        }
    }

    impl Sections for Memory {
        fn section(&self, tag: Tag) -> Result<Bytes> {
            let section = self.sections.get(&tag);
            Ok(Bytes::from(section.expect("a section that was written").clone()))
        }
    }

    fn check<const WORDS: usize, T: Packed<WORDS> + PartialEq + std::fmt::Debug>(values: &[T]) {
        let mut memory = Memory::default();
        pack(&mut memory, *b"some", values.iter().copied()).unwrap();
        let section = memory.section(*b"some").unwrap();
        assert_eq!(section.len(), values.len() * 4 * WORDS);
        assert_eq!(unpack::<WORDS, T>(&section).unwrap().collect::<Vec<_>>(), values);
    }

    #[test]
    fn values_come_back() {
        check::<1, u32>(&[]);
        check(&[0, 1, u32::MAX, 0x0102_0304]);
        check(&(0..300_000).collect::<Vec<u32>>());
        check(&[0, 1, u128::MAX, 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10]);
        assert_eq!(unpack::<4, u128>(&[0; 18]).err().unwrap().code().0, "XX001");
    }

    proptest! {
        #[test]
        fn numbers_are_put_together_again(number in any::<i64>()) {
            let [low, high] = halves(number);
            prop_assert_eq!(whole(low, high), number);
        }
    }
}
