//! An array that is cheap to copy: two levels of shared chunks, copied only where written.
//!
//! A snapshot is a copy of the outer list (one pointer for every 32,768 elements); writing an element
//! copies at most one leaf of 128 elements and one node of 256 pointers that a snapshot still holds.
//! So the cost of a commit follows what it touches, not what is stored. Leaves that were only grown
//! share one allocation, so that an array of which little is written is small however long it is.

use std::sync::Arc;

use crate::error::{Error, Result};

const LEAF: usize = 128;
const NODE: usize = 256;

type Leaf<T> = Arc<Vec<T>>;
type Node<T> = Arc<Vec<Leaf<T>>>;

/// A growable array of plain values with cheap copies.
#[derive(Clone, Debug)]
pub struct Chunked<T> {
    nodes: Vec<Node<T>>,
    length: usize,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { nodes: Vec::new(), length: 0 }
    }
}

impl<T: Copy> Chunked<T> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// An element, if there is one at that place.
    pub fn get(&self, at: usize) -> Option<T> {
        if at >= self.length {
            return None;
        }
        Some(self.nodes[at / (LEAF * NODE)][at / LEAF % NODE][at % LEAF])
    }

    /// Writes an element; the array must reach to it.
    ///
    /// # Panics
    /// If there is no element at that place: our own mistake.
    pub fn set(&mut self, at: usize, value: T) {
        *self.get_mut(at) = value;
    }

    /// An element to be changed in place.
    ///
    /// # Panics
    /// If there is no element at that place: our own mistake.
    pub fn get_mut(&mut self, at: usize) -> &mut T {
        assert!(at < self.length, "place {at} of an array of {}", self.length);
        let node = Arc::make_mut(&mut self.nodes[at / (LEAF * NODE)]);
        &mut Arc::make_mut(&mut node[at / LEAF % NODE])[at % LEAF]
    }

    /// Appends an element.
    pub fn push(&mut self, value: T) {
        if self.length.is_multiple_of(LEAF * NODE) {
            self.nodes.push(Arc::new(Vec::with_capacity(NODE)));
        }
        let node = Arc::make_mut(self.nodes.last_mut().expect("one was pushed above"));
        if self.length.is_multiple_of(LEAF) {
            node.push(Arc::new(Vec::with_capacity(LEAF)));
        }
        Arc::make_mut(node.last_mut().expect("one was pushed above")).push(value);
        self.length += 1;
    }

    /// Appends copies of a value until the array has at least that many elements.
    pub fn grow(&mut self, length: usize, value: T) {
        let mut shared: Option<Leaf<T>> = None;
        while self.length < length {
            if !self.length.is_multiple_of(LEAF) || length - self.length < LEAF {
                self.push(value);
                continue;
            }
            if self.length.is_multiple_of(LEAF * NODE) {
                self.nodes.push(Arc::new(Vec::with_capacity(NODE)));
            }
            let leaf = shared.get_or_insert_with(|| Arc::new(vec![value; LEAF]));
            let node = Arc::make_mut(self.nodes.last_mut().expect("one was pushed above"));
            node.push(Arc::clone(leaf));
            self.length += LEAF;
        }
    }

    /// An array of elements at ascending places, and of a value between them.
    ///
    /// # Errors
    /// `XX001` if the places do not ascend.
    pub fn with_gaps(value: T, elements: impl Iterator<Item = (u32, T)>) -> Result<Self> {
        let mut array = Self::default();
        for (at, element) in elements {
            if (at as usize) < array.length {
                return Err(Error::corrupted("places of derived state do not ascend"));
            }
            array.grow(at as usize, value);
            array.push(element);
        }
        Ok(array)
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.nodes.iter().flat_map(|node| node.iter()).flat_map(|leaf| leaf.iter().copied())
    }
}

impl<T: Copy> FromIterator<T> for Chunked<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut elements = elements.into_iter().fuse();
        let mut array = Self::default();
        loop {
            let mut leaf = Vec::with_capacity(LEAF);
            leaf.extend(elements.by_ref().take(LEAF));
            if leaf.is_empty() {
                return array;
            }
            if array.length.is_multiple_of(LEAF * NODE) {
                array.nodes.push(Arc::new(Vec::with_capacity(NODE)));
            }
            array.length += leaf.len();
            let node = array.nodes.last_mut().expect("one was pushed above");
            Arc::make_mut(node).push(Arc::new(leaf));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_do_not_see_later_writes() {
        let mut array = Chunked::default();
        for value in 0..100_000u32 {
            array.push(value);
        }
        let copy = array.clone();
        array.set(77_777, 1);
        array.push(2);
        assert_eq!((copy.get(77_777), copy.len()), (Some(77_777), 100_000));
        assert_eq!((array.get(77_777), array.get(100_000)), (Some(1), Some(2)));
        assert!(copy.iter().eq(0..100_000));
    }

    #[test]
    fn grows_to_a_length_and_not_beyond() {
        let mut array = Chunked::default();
        array.grow(300, 7u8);
        array.grow(10, 9);
        assert_eq!((array.len(), array.get(299), array.get(300)), (300, Some(7), None));
    }

    #[test]
    fn a_collected_array_goes_on_as_a_pushed_one() {
        for length in [0, 1, 127, 128, 129, 32_767, 32_768, 32_769, 100_000u32] {
            let mut array: Chunked<u32> = (0..length).collect();
            array.push(7);
            assert!(array.iter().eq((0..length).chain([7])), "{length}");
            assert_eq!(array.len(), length as usize + 1);
        }
    }

    #[test]
    fn gaps_are_filled() {
        let array = Chunked::with_gaps(0, [(3, 1), (4, 2), (700, 3)].into_iter()).unwrap();
        assert_eq!(array.len(), 701);
        let found: Vec<_> = array.iter().enumerate().filter(|(_, value)| *value > 0).collect();
        assert_eq!(found, [(3, 1), (4, 2), (700, 3)]);
        let twice = Chunked::with_gaps(0, [(3, 1), (3, 2)].into_iter());
        assert_eq!(twice.unwrap_err().code().0, "XX001");
    }

    #[test]
    fn grown_leaves_are_shared_until_they_are_written() {
        let mut array = Chunked::default();
        array.push(1u32);
        array.grow(100_000, 7);
        array.set(70_000, 9);
        assert!(array.iter().skip(1).enumerate().all(|(at, value)| value == 7 || at == 69_999));
        assert_eq!((array.len(), array.get(0), array.get(70_000)), (100_000, Some(1), Some(9)));
        let leaves: std::collections::BTreeSet<_> =
            array.nodes.iter().flat_map(|node| node.iter()).map(Arc::as_ptr).collect();
        assert!(leaves.len() < 6, "{} leaves", leaves.len());
    }
}
