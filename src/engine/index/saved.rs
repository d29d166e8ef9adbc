//! How the index is saved and comes back: its arrays as they are, slots included.
//!
//! ```text
//! totl   of every identity: last record row plus one, last event row plus one, rows, event rows, set
//!        of datasets, first seen (2 words), last seen (2 words)
//! rows   of every row: place, row, previous row of the chain plus one
//! plac   of every place: slot, offset, first reference
//! sets   of every set of datasets but the empty one: how many there are, then each
//! ```

use std::sync::Arc;

use crate::engine::index::{DatasetSets, Index, Place, RowReference, Slots, Totals};
use crate::error::{Error, Result};
use crate::graph::packed::{Packed, Sections, Sink, Tag, halves, pack, unpack, whole};
use crate::storage::part::Part;

const TOTALS: Tag = *b"totl";
const REFERENCES: Tag = *b"rows";
const PLACES: Tag = *b"plac";
const SETS: Tag = *b"sets";

impl Packed<9> for Totals {
    fn words(self) -> [u32; 9] {
        let ([first, first_high], [last, last_high]) =
            (halves(self.first_seen_at), halves(self.last_seen_at));
        let (heads, counts) =
            ([self.record_head, self.event_head], [self.fragment_count, self.event_count]);
        let set = self.datasets;
        [heads[0], heads[1], counts[0], counts[1], set, first, first_high, last, last_high]
    }

    fn of_words(words: [u32; 9]) -> Self {
        let [record_head, event_head, fragment_count, event_count, datasets, ..] = words;
        Self {
            record_head,
            event_head,
            fragment_count,
            event_count,
            datasets,
            first_seen_at: whole(words[5], words[6]),
            last_seen_at: whole(words[7], words[8]),
        }
    }
}

impl Packed<3> for RowReference {
    fn words(self) -> [u32; 3] {
        [self.place, self.row, self.previous]
    }

    fn of_words([place, row, previous]: [u32; 3]) -> Self {
        Self { place, row, previous }
    }
}

impl Packed<3> for Place {
    fn words(self) -> [u32; 3] {
        [self.slot, self.offset, self.first_reference]
    }

    fn of_words([slot, offset, first_reference]: [u32; 3]) -> Self {
        Self { slot, offset, first_reference }
    }
}

impl Index {
    /// Writes everything.
    ///
    /// # Errors
    /// What the disk says.
    pub fn save(&self, sink: &mut dyn Sink) -> Result<()> {
        pack(sink, TOTALS, self.totals.iter())?;
        pack(sink, REFERENCES, self.references.iter())?;
        pack(sink, PLACES, self.places.iter())?;
        let sets = self.sets.sets.iter().skip(1);
        let words = sets.flat_map(|set| std::iter::once(set.len() as u32).chain(set.to_vec()));
        pack(sink, SETS, words)
    }

    /// What [`Index::save`] wrote.
    ///
    /// # Errors
    /// `XX001` if it did not write that, `58030` if the disk fails.
    pub fn restore(sections: &dyn Sections) -> Result<Self> {
        Ok(Self {
            totals: unpack::<9, Totals>(&sections.section(TOTALS)?)?.collect(),
            references: unpack::<3, RowReference>(&sections.section(REFERENCES)?)?.collect(),
            places: unpack::<3, Place>(&sections.section(PLACES)?)?.collect(),
            sets: Arc::new(DatasetSets::restore(&sections.section(SETS)?)?),
        })
    }
}

impl DatasetSets {
    fn restore(section: &[u8]) -> Result<Self> {
        let words: Vec<u32> = unpack(section)?.collect();
        let (mut sets, mut rest) = (Self::default(), &words[..]);
        while let Some((count, members)) = rest.split_first() {
            let split = members.split_at_checked(*count as usize);
            let (set, after) =
                split.ok_or_else(|| Error::corrupted("a set of datasets is cut off"))?;
            sets.sets.push(set.into());
            rest = after;
        }
        Ok(sets)
    }
}

impl Slots {
    /// Parts in the slots where they were.
    pub fn of(parts: impl IntoIterator<Item = (u32, Arc<Part>)>) -> Self {
        let mut slots = Vec::new();
        for (slot, part) in parts {
            let slot = slot as usize;
            if slots.len() <= slot {
                slots.resize(slot + 1, None);
            }
            slots[slot] = Some(part);
        }
        Self(slots)
    }
}
