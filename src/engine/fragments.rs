//! Fragments by their numbers: which row it was that the graph remembers.
//!
//! The graph keeps the number of a row that changed something and nothing else of it; the functions
//! that explain the graph ask here. Found by the bounds of parts, without reading other rows.

use arrow::array::Array;

use crate::engine::rows::observed_at;
use crate::engine::snapshot::Snapshot;
use crate::error::Result;

/// Where a fragment is from, and when it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The dataset's name.
    pub dataset: String,
    /// Its time in microseconds, if known.
    pub observed_at: Option<i64>,
}

impl Snapshot {
    /// A fragment that exists, by its number.
    ///
    /// # Errors
    /// `XX001` or `58030` if a segment cannot be read.
    pub fn fragment(&self, fragment_id: i64) -> Result<Option<Fragment>> {
        for dataset in self.catalog().datasets.values() {
            for (_, part) in self.state.parts(dataset.id) {
                for group in 0..part.group_count() {
                    let (first, last) = part.fragment_id_bounds(group);
                    if !(first..=last).contains(&fragment_id) {
                        continue;
                    }
                    let known = part.fragment_ids(group)?;
                    let Ok(row) = known.values().binary_search(&fragment_id) else { continue };
                    if !part.is_live(group, row) {
                        return Ok(None);
                    }
                    let times = observed_at(part, group, dataset)?;
                    let observed_at = times.is_valid(row).then(|| times.value(row));
                    return Ok(Some(Fragment { dataset: dataset.name.clone(), observed_at }));
                }
            }
        }
        Ok(None)
    }
}
