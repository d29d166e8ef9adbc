//! `profiles_at(as_of [, known_at])`: profiles as they were, whatever the session's own moments are.
//!
//! The columns are those of `profiles`; `query::time_functions` makes the table.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::engine::{Past, Snapshot};
use crate::error::Result;
use crate::query::session::moment;
use crate::query::session::zone::Zone;
use crate::query::tables::lookup::LookupColumn;
use crate::query::tables::profiles::{Profiles, rows_of};
use crate::query::tables::{Binding, RowGroup, VirtualTable};

/// The profiles of a past, under the session's policy.
#[derive(Debug)]
pub struct ProfilesAt {
    /// The last `observed_at`.
    pub as_of: Option<i64>,
    /// The last `ingested_at`, if it is given; else it is the session's.
    pub known_at: Option<Option<i64>>,
}

const PROFILES: Profiles = Profiles { policy: None };

impl VirtualTable for ProfilesAt {
    fn schema(&self, snapshot: &Snapshot) -> Result<SchemaRef> {
        PROFILES.schema(snapshot)
    }

    fn bound_schema(&self, binding: &Binding, snapshot: &Snapshot) -> Result<SchemaRef> {
        PROFILES.bound_schema(binding, snapshot)
    }

    fn comment(&self) -> String {
        // The planner takes tables of one name and one schema, comments included, for the same table.
        let shown = |moment: Option<i64>| match moment {
            Some(micros) => moment::shown(micros, Zone::UTC),
            None => "now".to_owned(),
        };
        let known_at = self.known_at.map_or_else(|| "the session's moment".to_owned(), shown);
        format!("one row per person as of {}, as known at {known_at}", shown(self.as_of))
    }

    fn key(&self) -> &'static [&'static str] {
        PROFILES.key()
    }

    fn lookups(&self, binding: &Binding, snapshot: &Snapshot) -> Vec<LookupColumn> {
        PROFILES.lookups(binding, snapshot)
    }

    fn snapshot(&self, binding: &Binding) -> Result<Arc<Snapshot>> {
        let known_at = self.known_at.unwrap_or_else(|| binding.past().known_at);
        binding.database().snapshot_at(&binding.present(), Past { as_of: self.as_of, known_at })
    }

    fn groups(
        &self,
        binding: &Binding,
        profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        rows_of(binding.database(), &self.snapshot(binding)?, &binding.policy(), profiles)
    }
}
