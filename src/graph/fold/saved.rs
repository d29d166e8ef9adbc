//! How the fold is saved and comes back: four sections, each with what contested clusters hold.
//!
//! ```text
//! live   the graphs that live links make, without absent identities (`components::saved`)
//! link   live links: smaller identity, greater identity, last seen (2 words)
//! drop   dropped links: smaller identity, greater identity, reason (0 unique, 1 capacity, 2 unlinked),
//!        namespace of a unique one, fragment id (2 words)
//! once   identity, then the moment that first linked it: time (2 words), fragment id (2 words)
//! ```
//! Rows of a section ascend by identity.

use crate::error::Result;
use crate::graph::chunked::Chunked;
use crate::graph::components::Components;
use crate::graph::fold::{Dropped, Fold, Moment, Reason};
use crate::graph::packed::{Packed, Sections, Sink, Tag, halves, pack, unpack, whole};

const LIVE: Tag = *b"live";
const LINKS: Tag = *b"link";
const DROPPED: Tag = *b"drop";
const FIRST_LINKED: Tag = *b"once";

#[derive(Clone, Copy)]
struct LiveLink((u32, u32), i64);

impl Packed<4> for LiveLink {
    fn words(self) -> [u32; 4] {
        let [low, high] = halves(self.1);
        [self.0.0, self.0.1, low, high]
    }

    fn of_words([left, right, low, high]: [u32; 4]) -> Self {
        Self((left, right), whole(low, high))
    }
}

#[derive(Clone, Copy)]
struct DroppedLink((u32, u32), Dropped);

impl Packed<6> for DroppedLink {
    fn words(self) -> [u32; 6] {
        let (reason, namespace) = match self.1.reason {
            Reason::Unique(namespace) => (0, namespace),
            Reason::Capacity => (1, 0),
            Reason::Unlinked => (2, 0),
        };
        let [low, high] = halves(self.1.fragment_id);
        [self.0.0, self.0.1, reason, namespace, low, high]
    }

    fn of_words([left, right, reason, namespace, low, high]: [u32; 6]) -> Self {
        let reason = match reason {
            0 => Reason::Unique(namespace),
            1 => Reason::Capacity,
            _ => Reason::Unlinked,
        };
        Self((left, right), Dropped { reason, fragment_id: whole(low, high) })
    }
}

impl Packed<5> for (u32, Moment) {
    fn words(self) -> [u32; 5] {
        let ([low, high], [first, second]) = (halves(self.1.time), halves(self.1.fragment_id));
        [self.0, low, high, first, second]
    }

    fn of_words([number, low, high, first, second]: [u32; 5]) -> Self {
        (number, Moment { time: whole(low, high), fragment_id: whole(first, second) })
    }
}

impl Fold {
    /// Writes everything.
    ///
    /// # Errors
    /// What the disk says.
    pub fn save(&self, sink: &mut dyn Sink) -> Result<()> {
        self.live.save_sparse(sink, LIVE)?;
        let links = self.links.iter().filter(|((left, right), _)| left < right);
        pack(sink, LINKS, links.map(|(pair, seen)| LiveLink(*pair, *seen)))?;
        let dropped = self.dropped.iter().filter(|((left, right), _)| left < right);
        pack(sink, DROPPED, dropped.map(|(pair, dropped)| DroppedLink(*pair, *dropped)))?;
        let linked = (0_u32..).zip(self.first_linked.iter());
        pack(sink, FIRST_LINKED, linked.filter(|(_, moment)| *moment != Moment::LAST))
    }

    /// What [`Fold::save`] wrote.
    ///
    /// # Errors
    /// `XX001` if it did not write that, `58030` if the disk fails.
    pub fn restore(sections: &dyn Sections) -> Result<Self> {
        let live = Components::restore_sparse(&sections.section(LIVE)?)?;
        let mut fold = Self { live, ..Self::default() };
        for LiveLink((left, right), seen) in unpack::<4, LiveLink>(&sections.section(LINKS)?)? {
            fold.links.insert((left, right), seen);
            fold.links.insert((right, left), seen);
        }
        let dropped = sections.section(DROPPED)?;
        for DroppedLink((left, right), dropped) in unpack::<6, DroppedLink>(&dropped)? {
            fold.dropped.insert((left, right), dropped);
            fold.dropped.insert((right, left), dropped);
        }
        let linked = sections.section(FIRST_LINKED)?;
        fold.first_linked = Chunked::with_gaps(Moment::LAST, unpack::<5, (u32, Moment)>(&linked)?)?;
        Ok(fold)
    }
}
