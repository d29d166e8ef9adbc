//! `profiles` and `profiles_by.<policy>`: one row per person, merged, exact as of the snapshot.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;

use crate::engine::profiles::{Chunk, schema};
use crate::engine::{Database, Snapshot};
use crate::error::Result;
use crate::model::policy::PolicyQuery;
use crate::query::tables::fragments::identity_lookups;
use crate::query::tables::lookup::LookupColumn;
use crate::query::tables::{Binding, RowGroup, VirtualTable};

/// The table under one policy, or under the session's.
#[derive(Debug)]
pub struct Profiles {
    /// The policy; `None`: the session's.
    pub policy: Option<String>,
}

impl Profiles {
    fn policy(&self, binding: &Binding) -> String {
        self.policy.clone().unwrap_or_else(|| binding.policy())
    }
}

impl VirtualTable for Profiles {
    fn schema(&self, snapshot: &Snapshot) -> Result<SchemaRef> {
        let catalog = snapshot.catalog();
        let name = self.policy.as_ref().unwrap_or(&catalog.default_policy);
        schema(catalog, catalog.policy(name)?)
    }

    fn bound_schema(&self, binding: &Binding, snapshot: &Snapshot) -> Result<SchemaRef> {
        let policy = snapshot.catalog().policy(&self.policy(binding))?;
        schema(snapshot.catalog(), policy)
    }

    fn comment(&self) -> String {
        match &self.policy {
            Some(policy) => format!("one row per person, merged under policy {policy}"),
            None => "one row per person, merged under the session's merge policy".to_owned(),
        }
    }

    fn key(&self) -> &'static [&'static str] {
        &["profile_id"]
    }

    fn lookups(&self, binding: &Binding, snapshot: &Snapshot) -> Vec<LookupColumn> {
        // An attribute that a policy makes into something else (a list, a count) shows no identity.
        let Ok(shown) = self.bound_schema(binding, snapshot) else { return Vec::new() };
        let text = arrow::datatypes::DataType::Utf8View;
        let Ok(policy) = snapshot.catalog().policy(&self.policy(binding)) else {
            return Vec::new();
        };
        let mut lookups = identity_lookups(snapshot);
        if let Some(query) = &policy.query {
            return picked_lookups(query, &lookups);
        }
        lookups.retain(|lookup| {
            let field = shown.field_with_name(&lookup.column);
            lookup.namespace.is_none() || field.is_ok_and(|field| *field.data_type() == text)
        });
        lookups.iter_mut().for_each(|lookup| lookup.stitch = policy.stitch);
        lookups
    }

    fn merged_under(&self) -> Option<Option<String>> {
        Some(self.policy.clone())
    }

    fn row_count(&self, snapshot: &Snapshot) -> Option<usize> {
        Some(snapshot.state.graph.profile_count())
    }

    fn groups(
        &self,
        binding: &Binding,
        profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        rows_of(binding.database(), &binding.snapshot(), &self.policy(binding), profiles)
    }
}

/// Merged profiles of a snapshot under a policy: all, or some.
///
/// # Errors
/// As [`Database::profiles`].
pub(super) fn rows_of(
    database: &Database,
    snapshot: &Arc<Snapshot>,
    policy: &str,
    profiles: Option<&[u32]>,
) -> Result<Vec<Arc<dyn RowGroup>>> {
    if let Some(profiles) = profiles {
        let mut rows: Vec<Arc<dyn RowGroup>> = Vec::new();
        for profile in profiles {
            let row = database.profile(snapshot, policy, *profile)?;
            rows.extend(row.map(|row| Arc::new(row) as Arc<dyn RowGroup>));
        }
        return Ok(rows);
    }
    let view = database.profiles(snapshot, policy)?;
    let chunks = view.chunks.iter().map(|chunk| {
        Ok(Arc::new(LiveRows { chunk: chunk.clone(), count: chunk.live_count() })
            as Arc<dyn RowGroup>)
    });
    chunks.collect()
}

/// Look-ups by the columns of a policy's query that show identities of the person's own rows.
fn picked_lookups(query: &PolicyQuery, attributes: &[LookupColumn]) -> Vec<LookupColumn> {
    let picked = query.columns.iter().filter_map(|column| {
        let picks = column.picks.as_ref()?;
        let attribute =
            attributes.iter().find(|it| it.namespace.is_some() && it.column == *picks)?;
        Some(LookupColumn { column: column.name.clone(), ..attribute.clone() })
    });
    std::iter::once(LookupColumn::profile_id()).chain(picked).collect()
}

/// The rows of a chunk that count.
struct LiveRows {
    chunk: Chunk,
    count: usize,
}

impl RowGroup for LiveRows {
    fn row_count(&self) -> usize {
        self.count
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        self.chunk.column(at)
    }
}
