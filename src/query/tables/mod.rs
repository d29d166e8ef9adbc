//! Virtual tables: everything that SQL can see, computed from one snapshot.
//!
//! Life of a scan. A session pins a snapshot in its [`Binding`] when a statement begins. While the
//! statement is planned, each table named in it becomes a [`provider::Provider`]; physical planning asks
//! it for a [`scan::ScanExec`] over the [`VirtualTable::groups`] of the pinned snapshot: all of them, or
//! those of the profiles that a filter names ([`lookup`]). Columns are made only when a running query
//! asks for them, filters first.
//!
//! A table is one file here plus one line in [`fixed`]; datasets and policies add tables by themselves.

pub mod attributes;
pub mod audit;
pub mod dataset;
pub mod datasets;
pub mod decisions;
pub mod erasures;
pub mod events;
pub mod fragments;
pub mod identities;
pub mod identity_changes;
pub mod identity_links;
pub mod ingests;
pub mod lookup;
pub mod mask;
pub mod merge_policies;
pub mod merge_strategies;
pub mod namespaces;
pub mod operations;
pub mod part_rows;
pub mod policy_diff;
pub mod profile_candidates;
pub mod profile_lineage;
pub mod profiles;
pub mod profiles_at;
pub mod provider;
pub mod rejects;
pub mod replication;
pub mod scan;
pub mod scratch;
pub mod sessions;
pub mod settings;

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parking_lot::RwLock;

use crate::catalog::access::sensitive::Sensitive;
use crate::engine::scratch::Temporary;
use crate::engine::{Database, Past, Snapshot};
use crate::error::{Error, Result};
use crate::query::session::zone::Zone;

pub use crate::query::tables::provider::catalog;

/// What a session's tables show.
pub struct Binding {
    database: Arc<Database>,
    pinned: RwLock<Pinned>,
    policy: RwLock<Option<String>>,
    zone: RwLock<Zone>,
    mask: RwLock<Option<Arc<Sensitive>>>,
    directory: Arc<dyn Directory>,
    temporary: RwLock<Arc<Temporary>>,
}

/// What is visible, and how much of it is shown.
struct Pinned {
    present: Arc<Snapshot>,
    past: Past,
    /// What is shown: the past of the present.
    shown: Arc<Snapshot>,
}

/// What the server knows besides the database.
pub trait Directory: Send + Sync {
    /// Sessions that are open.
    fn sessions(&self) -> Vec<SessionRow>;
    /// Settings: name, value, description.
    fn settings(&self) -> Vec<(String, String, String)>;
    /// Entries of the audit log, oldest first.
    fn audit(&self) -> Vec<AuditRow> {
        Vec::new()
    }
}

/// An entry of the audit log.
#[derive(Clone, Debug, Default)]
pub struct AuditRow {
    /// Its number.
    pub audit_id: i64,
    /// When, in microseconds.
    pub at: i64,
    /// The user who connected.
    pub user: String,
    /// The role that the session acted as.
    pub role: String,
    /// Where the client is.
    pub client: Option<String>,
    /// What the client calls itself.
    pub application_name: String,
    /// The session.
    pub process_id: i32,
    /// The statement's kind.
    pub kind: String,
    /// The relations that it names.
    pub relations: Vec<String>,
    /// Rows read or changed.
    pub row_count: Option<i64>,
    /// `ok`, or what went wrong.
    pub outcome: String,
}

/// An open session.
#[derive(Clone, Debug, Default)]
pub struct SessionRow {
    /// Its number, as `pg_backend_pid()` gives it.
    pub process_id: i32,
    /// Who.
    pub user: String,
    /// With what program.
    pub application_name: String,
    /// `active`, `idle`, `idle in transaction`, ...
    pub state: String,
    /// The running or last statement.
    pub query: String,
    /// When it connected, in microseconds.
    pub started_at: i64,
    /// Where its client is, if it came over the network.
    pub client_address: Option<String>,
    /// When its running or last statement began, in microseconds.
    pub statement_started_at: Option<i64>,
    /// When its state last changed, in microseconds.
    pub state_changed_at: i64,
    /// The time now, in microseconds.
    pub now: i64,
}

/// A directory of a process that is no server.
#[derive(Debug, Default)]
pub struct NoDirectory;

impl Directory for NoDirectory {
    fn sessions(&self) -> Vec<SessionRow> {
        Vec::new()
    }

    fn settings(&self) -> Vec<(String, String, String)> {
        Vec::new()
    }
}

impl Binding {
    /// A binding to what is visible now.
    pub fn new(database: Arc<Database>, directory: Arc<dyn Directory>) -> Self {
        let pinned = Pinned {
            present: database.snapshot(),
            past: Past::default(),
            shown: database.snapshot(),
        };
        let (pinned, zone) = (RwLock::new(pinned), RwLock::new(Zone::UTC));
        let (policy, temporary) = (RwLock::default(), RwLock::default());
        let mask = RwLock::default();
        Self { database, pinned, policy, zone, mask, directory, temporary }
    }

    /// Shows another snapshot from now on.
    pub fn pin(&self, snapshot: Arc<Snapshot>) {
        let shown = Arc::clone(&snapshot);
        *self.pinned.write() = Pinned { present: snapshot, past: Past::default(), shown };
    }

    /// Shows another snapshot from now on, as it was in the past.
    ///
    /// # Errors
    /// As [`Database::snapshot_at`].
    pub fn pin_past(&self, present: Arc<Snapshot>, past: Past) -> Result<()> {
        let shown = self.database.snapshot_at(&present, past)?;
        *self.pinned.write() = Pinned { present, past, shown };
        Ok(())
    }

    /// The snapshot shown.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.pinned.read().shown)
    }

    /// The snapshot of whose past the one shown is.
    pub fn present(&self) -> Arc<Snapshot> {
        Arc::clone(&self.pinned.read().present)
    }

    /// Up to when rows are shown.
    pub fn past(&self) -> Past {
        self.pinned.read().past
    }

    /// The session's temporary tables.
    pub fn temporary(&self) -> Arc<Temporary> {
        Arc::clone(&self.temporary.read())
    }

    /// Puts other temporary tables in their place.
    pub fn set_temporary(&self, temporary: Arc<Temporary>) {
        *self.temporary.write() = temporary;
    }

    /// Reads and shows moments in a zone.
    pub fn set_zone(&self, zone: Zone) {
        *self.zone.write() = zone;
    }

    /// The zone of the session.
    pub fn zone(&self) -> Zone {
        *self.zone.read()
    }

    /// Hides what is sensitive from now on, or nothing.
    pub fn set_mask(&self, mask: Option<Arc<Sensitive>>) {
        *self.mask.write() = mask;
    }

    /// What is hidden, if anything is.
    pub fn mask(&self) -> Option<Arc<Sensitive>> {
        self.mask.read().clone()
    }

    /// Shows `profiles` under a policy, or under the default.
    pub fn set_policy(&self, policy: Option<String>) {
        *self.policy.write() = policy;
    }

    /// The policy that `profiles` shows.
    pub fn policy(&self) -> String {
        self.policy_of(&self.snapshot())
    }

    /// The policy that `profiles` shows of a snapshot.
    pub fn policy_of(&self, snapshot: &Snapshot) -> String {
        let chosen = self.policy.read().clone();
        let known = chosen.filter(|name| snapshot.catalog().policies.contains_key(name));
        known.unwrap_or_else(|| snapshot.catalog().default_policy.clone())
    }

    /// The database.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// What the server knows besides.
    pub fn directory(&self) -> &Arc<dyn Directory> {
        &self.directory
    }
}

impl Debug for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Binding").field("policy", &self.policy.read()).finish_non_exhaustive()
    }
}

/// A table that is computed.
pub trait VirtualTable: Send + Sync + Debug {
    /// Its columns, with comments in their metadata, under the catalog of a snapshot.
    ///
    /// # Errors
    /// If the definitions do not allow it to be shown, which creating them ruled out.
    fn schema(&self, snapshot: &Snapshot) -> Result<SchemaRef>;

    /// Its columns as a session sees them; only `profiles` differs by session.
    ///
    /// # Errors
    /// As [`VirtualTable::schema`].
    fn bound_schema(&self, _binding: &Binding, snapshot: &Snapshot) -> Result<SchemaRef> {
        self.schema(snapshot)
    }

    /// The dataset whose columns it has, if it is one's.
    fn dataset(&self) -> Option<&str> {
        None
    }

    /// What it shows.
    fn comment(&self) -> String;

    /// The columns that identify a row.
    fn key(&self) -> &'static [&'static str] {
        &[]
    }

    /// Columns whose equality leads to profiles: by profile id, or by an identity of a namespace.
    fn lookups(&self, _binding: &Binding, _snapshot: &Snapshot) -> Vec<lookup::LookupColumn> {
        Vec::new()
    }

    /// The policy whose merged profiles are its rows, one each and nothing else: `Some(None)` is the
    /// session's.
    fn merged_under(&self) -> Option<Option<String>> {
        None
    }

    /// Columns of texts whose equality with constants chooses what is computed at all.
    fn choosing(&self) -> &'static [&'static str] {
        &[]
    }

    /// The snapshot that it shows: the one pinned, if it does not choose another.
    ///
    /// # Errors
    /// What making another may give.
    fn snapshot(&self, binding: &Binding) -> Result<Arc<Snapshot>> {
        Ok(binding.snapshot())
    }

    /// How many rows it has, where that is known without looking.
    fn row_count(&self, _snapshot: &Snapshot) -> Option<usize> {
        None
    }

    /// Its rows, in groups that are made when asked for: all, or those of some profiles.
    ///
    /// # Errors
    /// What reading rows and merging may give.
    fn groups(&self, binding: &Binding, profiles: Option<&[u32]>)
    -> Result<Vec<Arc<dyn RowGroup>>>;

    /// Its rows where filters have chosen by [`VirtualTable::choosing`]; they may be more than chosen.
    ///
    /// # Errors
    /// As [`VirtualTable::groups`].
    fn chosen_groups(
        &self,
        binding: &Binding,
        profiles: Option<&[u32]>,
        _choices: &[lookup::Choice],
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        self.groups(binding, profiles)
    }
}

/// Some rows of a table, column by column.
pub trait RowGroup: Send + Sync {
    /// How many rows.
    fn row_count(&self) -> usize;

    /// A column, by its position in the table's schema.
    ///
    /// # Errors
    /// What reading rows may give.
    fn column(&self, at: usize) -> Result<ArrayRef>;

    /// Whether the number of rows is more than a guess.
    fn is_counted(&self) -> bool {
        true
    }

    /// The rows themselves, of a group that has a guess of how many they are; they are let go once
    /// they are read.
    ///
    /// # Errors
    /// What reading rows and merging may give.
    fn open(&self) -> Result<Option<Arc<dyn RowGroup>>> {
        Ok(None)
    }
}

impl RowGroup for RecordBatch {
    fn row_count(&self) -> usize {
        self.num_rows()
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        Ok(Arc::clone(self.column(at)))
    }
}

/// Tables that are always there: schema, name, table.
pub fn fixed() -> Vec<(&'static str, &'static str, Arc<dyn VirtualTable>)> {
    vec![
        ("public", "events", Arc::new(events::Events)),
        ("public", "fragments", Arc::new(fragments::Fragments)),
        ("public", "identities", Arc::new(identities::Identities)),
        ("public", "identity_changes", Arc::new(identity_changes::IdentityChanges)),
        ("public", "identity_links", Arc::new(identity_links::IdentityLinks)),
        ("public", "profile_candidates", Arc::new(profile_candidates::ProfileCandidates)),
        ("public", "profile_lineage", Arc::new(profile_lineage::ProfileLineage)),
        ("public", "profiles", Arc::new(profiles::Profiles { policy: None })),
        ("public", "rejects", Arc::new(rejects::Rejects)),
        ("selfsame", "attributes", Arc::new(attributes::Attributes)),
        ("selfsame", "audit", Arc::new(audit::Audit)),
        ("selfsame", "datasets", Arc::new(datasets::Datasets)),
        ("selfsame", "decisions", Arc::new(decisions::Decisions)),
        ("selfsame", "erasures", Arc::new(erasures::Erasures)),
        ("selfsame", "ingests", Arc::new(ingests::Ingests)),
        ("selfsame", "merge_policies", Arc::new(merge_policies::MergePolicies)),
        ("selfsame", "merge_strategies", Arc::new(merge_strategies::MergeStrategies)),
        ("selfsame", "namespaces", Arc::new(namespaces::Namespaces)),
        ("selfsame", "operations", Arc::new(operations::Operations)),
        ("selfsame", "replication", Arc::new(replication::Replication)),
        ("selfsame", "sessions", Arc::new(sessions::Sessions)),
        ("selfsame", "settings", Arc::new(settings::Settings)),
    ]
}

/// A column of a virtual table, with its comment.
pub fn column(name: &str, ty: DataType, nullable: bool, comment: &str) -> Field {
    let metadata = [("comment".to_owned(), comment.to_owned())];
    Field::new(name, ty, nullable).with_metadata(metadata.into())
}

/// The type of a list of texts.
pub fn text_list() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::Utf8View, true)))
}

/// A column of texts.
pub fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<arrow::array::StringViewArray>())
}

/// A batch as the only group of a table.
///
/// # Errors
/// `XX000` if the columns are not those of the schema.
pub fn one_group(fields: Vec<Field>, columns: Vec<ArrayRef>) -> Result<Vec<Arc<dyn RowGroup>>> {
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| Error::internal(format!("a virtual table does not fit: {error}")))?;
    Ok(vec![Arc::new(batch)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Options;

    #[test]
    fn every_fixed_table_is_documented_and_unique() {
        let database = Database::open(Options::memory()).unwrap();
        let mut names = std::collections::BTreeSet::new();
        for (schema, name, table) in fixed() {
            assert!(names.insert((schema, name)), "{schema}.{name} is there twice");
            assert!(!table.comment().is_empty(), "{name} has no comment");
            for field in table.schema(&database.snapshot()).unwrap().fields() {
                assert!(field.metadata().contains_key("comment"), "{name}.{}", field.name());
            }
        }
    }
}
