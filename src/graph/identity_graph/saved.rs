//! How the graph is saved and comes back: clusters, the fold, and how far each cluster was folded.
//!
//! ```text
//! clus   the clusters, a row for every identity number (`components::saved`)
//! ...    the fold (`fold::saved`)
//! upto   label of a contested cluster, then the last row folded: time (2 words), fragment id (2 words)
//! ```
//! Rules are not saved: they are those of definitions.

use crate::error::Result;
use crate::graph::components::Components;
use crate::graph::fold::{Fold, Moment};
use crate::graph::identity_graph::IdentityGraph;
use crate::graph::packed::{Sections, Sink, Tag, pack, unpack};
use crate::graph::rules::Rules;

const CLUSTERS: Tag = *b"clus";
const FOLDED_UP_TO: Tag = *b"upto";

impl IdentityGraph {
    /// Writes everything but the rules.
    ///
    /// # Errors
    /// What the disk says.
    pub fn save(&self, sink: &mut dyn Sink) -> Result<()> {
        self.clusters.save(sink, CLUSTERS)?;
        self.fold.save(sink)?;
        let folded = self.folded_up_to.iter().map(|(label, moment)| (*label, *moment));
        pack(sink, FOLDED_UP_TO, folded)
    }

    /// What [`IdentityGraph::save`] wrote under these rules.
    ///
    /// # Errors
    /// `XX001` if it did not write that, `58030` if the disk fails.
    pub fn restore(rules: Rules, sections: &dyn Sections) -> Result<Self> {
        let clusters = Components::restore(&sections.section(CLUSTERS)?)?;
        let fold = Fold::restore(sections)?;
        let folded = sections.section(FOLDED_UP_TO)?;
        let folded_up_to = unpack::<5, (u32, Moment)>(&folded)?.collect();
        Ok(Self { clusters, fold, rules, folded_up_to })
    }
}
