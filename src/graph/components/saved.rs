//! How components are saved and come back: every node, or only those of present identities.
//!
//! `save` writes a row of five words for every number: label, next, size, smallest, traits.
//! `save_sparse` puts the number in front and leaves absent identities out: of the fold, which most
//! identities are not in.

use crate::error::Result;
use crate::graph::chunked::Chunked;
use crate::graph::components::{Components, Node};
use crate::graph::packed::{Packed, Sink, Tag, pack, unpack};

impl Packed<5> for Node {
    fn words(self) -> [u32; 5] {
        [self.label, self.next, self.size, self.smallest, self.traits]
    }

    fn of_words([label, next, size, smallest, traits]: [u32; 5]) -> Self {
        Self { label, next, size, smallest, traits }
    }
}

impl Packed<6> for (u32, Node) {
    fn words(self) -> [u32; 6] {
        let [label, next, size, smallest, traits] = self.1.words();
        [self.0, label, next, size, smallest, traits]
    }

    fn of_words([number, label, next, size, smallest, traits]: [u32; 6]) -> Self {
        (number, Node { label, next, size, smallest, traits })
    }
}

impl Components {
    /// Writes all nodes.
    ///
    /// # Errors
    /// What the disk says.
    pub fn save(&self, sink: &mut dyn Sink, tag: Tag) -> Result<()> {
        pack(sink, tag, self.nodes.iter())
    }

    /// Writes the nodes of present identities.
    ///
    /// # Errors
    /// What the disk says.
    pub fn save_sparse(&self, sink: &mut dyn Sink, tag: Tag) -> Result<()> {
        let present = (0..).zip(self.nodes.iter()).filter(|(_, node)| node.size > 0);
        pack(sink, tag, present)
    }

    /// What [`Components::save`] wrote.
    ///
    /// # Errors
    /// `XX001` if it did not write that.
    pub fn restore(section: &[u8]) -> Result<Self> {
        Ok(Self::of_nodes(unpack::<5, Node>(section)?.collect()))
    }

    /// What [`Components::save_sparse`] wrote.
    ///
    /// # Errors
    /// `XX001` if it did not write that.
    pub fn restore_sparse(section: &[u8]) -> Result<Self> {
        let present = unpack::<6, (u32, Node)>(section)?;
        Ok(Self::of_nodes(Chunked::with_gaps(Node::default(), present)?))
    }

    fn of_nodes(nodes: Chunked<Node>) -> Self {
        let (mut present_count, mut component_count) = (0, 0);
        for (number, node) in (0..).zip(nodes.iter()) {
            present_count += usize::from(node.size > 0);
            component_count += usize::from(node.size > 0 && node.label == number);
        }
        Self { nodes, present_count, component_count }
    }
}
