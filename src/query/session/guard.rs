//! The guard: whether the session's role may do what a statement asks for, in one place for all paths.
//!
//! Planning notes what a query names ([`Uses`]); [`check_query`] is asked once the query is planned, so
//! that queries, EXPLAIN, cursors, prepared statements, the sources of INSERT and the conditions of DELETE
//! all pass here. A plan is kept only as long as neither the catalog, nor access, nor the session's
//! settings (its role among them) have changed, so that what was revoked is refused afterwards. What is
//! below a view is its owner's business, and masking is `tables::mask`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{LogicalPlan, TableSource};

use crate::catalog::access::authority::Authority;
use crate::catalog::access::sensitive::Sensitive;
use crate::engine::Snapshot;
use crate::error::{Error, Result, SqlState};
use crate::model::access::{
    ADMIN, BOOTSTRAP, Privilege, READ_SENSITIVE, READ_SERVER_FILES, SIGNAL_BACKEND, STEWARD,
};
use crate::model::definition::Definition;
use crate::model::relation::{
    Commented, RelationChange, RelationDefinition, RelationName, TEMPORARY_SCHEMA,
};
use crate::query::error::from_datafusion;
use crate::query::session::Inner;
use crate::storage::part::FRAGMENT_ID;

/// Catalog relations that show what nobody but a superuser may see.
const SECRET: &[&str] = &["pg_authid", "pg_shadow"];

/// What functions of ours read, for which a role needs the right to read it itself.
const READ_BY_FUNCTIONS: &[(&str, &str)] = &[
    ("graph_settings_diff", "identities"),
    ("identity_path", "identity_links"),
    ("policy_diff", "profiles"),
    ("policy_diff_counts", "profiles"),
    ("policy_preview", "profiles"),
    ("profile", "profiles"),
    ("profile_history", "profiles"),
    ("profile_of", "identities"),
    ("profiles_at", "profiles"),
    ("why_not", "identity_links"),
];

/// What a query names.
#[derive(Default)]
pub(super) struct Uses {
    /// Tables and views by schema and name, with what the plan reads them through.
    relations: BTreeMap<(String, String), Vec<Arc<dyn TableSource>>>,
    /// Functions.
    functions: BTreeSet<String>,
}

impl std::fmt::Debug for Uses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.relations.keys()).finish()
    }
}

impl Uses {
    /// Notes a table or view.
    pub(super) fn relation(&mut self, schema: &str, name: &str, source: &Arc<dyn TableSource>) {
        let sources = self.relations.entry((schema.to_owned(), name.to_owned())).or_default();
        if !sources.iter().any(|known| Arc::ptr_eq(known, source)) {
            sources.push(Arc::clone(source));
        }
    }

    /// Notes a function.
    pub(super) fn function(&mut self, name: &str) {
        if READ_BY_FUNCTIONS.iter().any(|(known, _)| *known == name) {
            self.functions.insert(name.to_owned());
        }
    }

    /// The tables and views, for those who note who read what.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = self.relations.keys().map(|(schema, name)| (schema.as_str(), name.as_str()));
        let by_function = |(function, table): &(&str, &'static str)| {
            self.functions.contains(*function).then_some(("public", *table))
        };
        named.chain(READ_BY_FUNCTIONS.iter().filter_map(by_function))
    }
}

/// The error about a table or view that a role may not use so.
fn denied(kind: &str, name: &str) -> Error {
    let message = format!("permission denied for {kind} {name}");
    Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
}

/// The error about something that only some roles may do.
pub(super) fn only(what: &str, role: &str) -> Error {
    Error::new(SqlState::INSUFFICIENT_PRIVILEGE, format!("permission denied to {what}"))
        .detail(format!("Only roles with privileges of the \"{role}\" role may do this."))
}

/// The error about something that its owner alone may do.
pub(super) fn not_owner(kind: &str, name: &str) -> Error {
    let message = format!("must be owner of {kind} {name}");
    Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
}

/// Who a session acts as, kept while neither access nor its settings change.
pub(super) struct Acting {
    versions: (u64, u64),
    /// What it may do.
    pub(super) authority: Arc<Authority>,
    /// What it may not see; `None` if it may see everything.
    pub(super) mask: Option<Arc<Sensitive>>,
}

impl Inner {
    /// What was visible last, whatever the transaction reads: rights hold from when they are given, and
    /// end when they are taken.
    pub(super) fn latest(&self) -> Arc<Snapshot> {
        self.server.database.snapshot()
    }

    /// The role that the session acts as: the one of SET ROLE, or the user.
    pub(super) fn current_user(&self) -> String {
        let variables = self.variables.lock();
        match variables.value("role").as_str() {
            "none" | "" => variables.value("session_authorization"),
            role => role.to_owned(),
        }
    }

    /// Who the session acts as.
    pub(super) fn acting(&self) -> Arc<Acting> {
        let snapshot = self.latest();
        let catalog = snapshot.catalog();
        let settings = self.settings_version.load(std::sync::atomic::Ordering::Relaxed);
        let versions = (catalog.version, settings);
        if let Some(kept) = self.acting.lock().as_ref().filter(|it| it.versions == versions) {
            return Arc::clone(kept);
        }
        let role = self.current_user();
        let authority = match self.implicit && role == self.user {
            true => Authority::superuser(&role),
            false => catalog.access.authority(&role),
        };
        let sees = authority.superuser || authority.has(READ_SENSITIVE);
        let sensitive = if sees { Sensitive::default() } else { catalog.sensitive() };
        let mask = (!sensitive.is_empty()).then(|| Arc::new(sensitive));
        let acting = Arc::new(Acting { versions, authority: Arc::new(authority), mask });
        *self.acting.lock() = Some(Arc::clone(&acting));
        acting
    }

    /// What the session's role may do.
    pub(super) fn authority(&self) -> Arc<Authority> {
        Arc::clone(&self.acting().authority)
    }

    /// Refuses to take a role that is not the session's to take.
    ///
    /// # Errors
    /// `42704` if there is no such role, `42501` if the session may not act as it.
    pub(super) fn check_becomes(&self, setting: &str, value: Option<&str>) -> Result<()> {
        let Some(role) = value.map(str::trim) else { return Ok(()) };
        let snapshot = self.latest();
        let access = &snapshot.catalog().access;
        let user = self.variables.lock().value("session_authorization");
        let is_super =
            |role: &str| (self.implicit && role == self.user) || access.authority(role).superuser;
        let refused = |what: &str| {
            let message = format!("permission denied to set {what} \"{role}\"");
            Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message))
        };
        match setting.to_ascii_lowercase().as_str() {
            "role" if role == "none" || role == user => Ok(()),
            "role" => {
                access.role(role)?;
                if is_super(&user) || access.is_member(&user, role) {
                    return Ok(());
                }
                refused("role")
            }
            "session_authorization" if role == self.user || role == "default" => Ok(()),
            "session_authorization" => {
                access.role(role)?;
                if is_super(&self.user) { Ok(()) } else { refused("session authorization") }
            }
            _ => Ok(()),
        }
    }

    /// Refuses what the session's role may not do with a table, or with some columns of it.
    ///
    /// # Errors
    /// `42501`.
    pub(super) fn check_table(
        &self,
        name: &str,
        columns: &[&str],
        privilege: Privilege,
    ) -> Result<()> {
        self.check_relation(&RelationName::new("public", name), columns, privilege)
    }

    /// The same for a relation in any schema; a session's temporary ones are its own.
    ///
    /// # Errors
    /// `42501`.
    pub(super) fn check_relation(
        &self,
        relation: &RelationName,
        columns: &[&str],
        privilege: Privilege,
    ) -> Result<()> {
        let who = self.authority();
        if who.superuser || relation.schema == TEMPORARY_SCHEMA {
            return Ok(());
        }
        let snapshot = self.latest();
        let access = &snapshot.catalog().access;
        if !access.may_schema(&who, &relation.schema, Privilege::Usage) {
            return Err(denied("schema", &relation.schema));
        }
        let table = (relation.schema.as_str(), relation.name.as_str());
        let may = access.may(&who, table, privilege)
            || (!columns.is_empty()
                && columns.iter().all(|it| access.may_column(&who, table, it, privilege)));
        if may { Ok(()) } else { Err(denied("table", &relation.name)) }
    }

    /// Refuses to read files of the server to all but those who may.
    ///
    /// # Errors
    /// `42501`.
    pub(super) fn check_reads_files(&self) -> Result<()> {
        if self.authority().has(READ_SERVER_FILES) {
            return Ok(());
        }
        Err(only("COPY from a file", READ_SERVER_FILES)
            .hint("anyone may COPY ... FROM STDIN; psql's \\copy command does that with files of its own machine"))
    }

    /// Refuses decisions to all but stewards.
    ///
    /// # Errors
    /// `42501`.
    pub(super) fn check_steward(&self) -> Result<()> {
        let who = self.authority();
        if who.has(STEWARD) || who.has(ADMIN) {
            Ok(())
        } else {
            Err(only("decide who is whom", STEWARD))
        }
    }

    /// Refuses what only superusers may do.
    ///
    /// # Errors
    /// `42501`.
    pub(super) fn check_superuser(&self, what: &str) -> Result<()> {
        if self.authority().superuser {
            return Ok(());
        }
        let message = format!("must be superuser to {what}");
        Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message))
    }

    /// Refuses to cancel or end the sessions of others to all but those who may.
    ///
    /// # Errors
    /// `42501`.
    pub(super) fn check_may_signal(&self, process_id: i32) -> Result<()> {
        let who = self.authority();
        let sessions = self.server.sessions();
        let Some(other) = sessions.iter().find(|it| it.process_id == process_id) else {
            return Ok(());
        };
        let snapshot = self.latest();
        let superuser = snapshot.catalog().access.authority(&other.user).superuser;
        if who.superuser || who.has(&other.user) || (!superuser && who.has(SIGNAL_BACKEND)) {
            return Ok(());
        }
        let message = "must be a member of the role whose query is being canceled or member of pg_signal_backend";
        Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message))
    }

    /// Refuses functions and statements that would show what is masked, where it cannot be masked.
    ///
    /// # Errors
    /// `42501`.
    pub(super) fn check_sees_everything(&self, what: &str) -> Result<()> {
        match self.acting().mask {
            None => Ok(()),
            Some(_) => Err(sensitive(what)),
        }
    }

    /// Refuses definitions to roles that may not make them.
    ///
    /// # Errors
    /// `42501`.
    pub(super) fn check_definition(&self, definition: &Definition) -> Result<()> {
        let who = self.authority();
        if who.superuser {
            return Ok(());
        }
        let snapshot = self.latest();
        let access = &snapshot.catalog().access;
        let may = match definition {
            Definition::CreateNamespace { .. }
            | Definition::AlterNamespace { .. }
            | Definition::DropNamespace { .. }
            | Definition::CreateMergePolicy { .. }
            | Definition::SetDefaultMergePolicy { .. }
            | Definition::DropMergePolicy { .. }
            | Definition::AlterSystem { .. } => who.has(ADMIN),
            Definition::CreateDataset { .. } => {
                if !who.has(ADMIN) && !access.may_schema(&who, "public", Privilege::Create) {
                    return Err(denied("schema", "public"));
                }
                true
            }
            Definition::AlterDataset { name, .. } | Definition::DropDataset { name, .. } => {
                let exists = snapshot.catalog().datasets.contains_key(name);
                if exists && !who.has(ADMIN) && !access.owns(&who, "public", name) {
                    return Err(not_owner("dataset", name));
                }
                true
            }
            Definition::Decide { .. } | Definition::Undecide { .. } => who.has(STEWARD),
            Definition::Relation(definition) => {
                return self.check_relation_change(&who, definition);
            }
            // Its own statement has checked it.
            Definition::Access(_) => true,
        };
        if may { Ok(()) } else { Err(only("change definitions", ADMIN)) }
    }

    /// Refuses what a role may not do with views, scratch tables and schemas: these are their owners'.
    fn check_relation_change(&self, who: &Authority, change: &RelationDefinition) -> Result<()> {
        let snapshot = self.latest();
        let catalog = snapshot.catalog();
        let owned = |relation: &RelationName| {
            let known = catalog.relations.get(relation);
            let (schema, name) = (relation.schema.as_str(), relation.name.as_str());
            match known {
                Some(known) if !who.has(ADMIN) && !catalog.access.owns(who, schema, name) => {
                    Err(not_owner(known.kind().word(), name))
                }
                _ => Ok(()),
            }
        };
        match change {
            RelationDefinition::Create { name, .. } => {
                let may = catalog.access.may_schema(who, &name.schema, Privilege::Create);
                if !may && !who.has(ADMIN) {
                    return Err(denied("schema", &name.schema));
                }
                owned(name)
            }
            RelationDefinition::Drop { name, .. }
            | RelationDefinition::Comment {
                on: Commented::Relation(name) | Commented::Column(name, _),
                ..
            } => owned(name),
            RelationDefinition::Alter { name, change, .. } => {
                if let RelationChange::SetSchema(schema) = change
                    && !who.has(ADMIN)
                    && !catalog.access.may_schema(who, schema, Privilege::Create)
                {
                    return Err(denied("schema", schema));
                }
                owned(name)
            }
            _ if who.has(ADMIN) => Ok(()),
            _ => Err(only("change schemas", ADMIN)),
        }
    }
}

/// The error about what would show sensitive values.
fn sensitive(what: &str) -> Error {
    let message = format!("permission denied for {what}");
    Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
        .detail("It would show values of sensitive columns.")
        .hint(format!("they are for members of \"{READ_SENSITIVE}\""))
}

/// Refuses a query that reads what the session's role may not.
///
/// # Errors
/// `42501`, in PostgreSQL's words.
pub(super) fn check_query(
    session: &Inner,
    uses: &Uses,
    plan: &LogicalPlan,
    target: Option<&str>,
) -> Result<()> {
    let authority = session.authority();
    check_query_of(session, &authority, uses, plan, target)
}

/// Refuses the query of a view that reads what the view's owner may not; a temporary view is its session's.
///
/// # Errors
/// `42501`.
pub(super) fn check_view(
    session: &Inner,
    view: &RelationName,
    uses: &Uses,
    plan: &LogicalPlan,
) -> Result<()> {
    if view.schema == TEMPORARY_SCHEMA {
        return check_query(session, uses, plan, None);
    }
    let snapshot = session.latest();
    let access = &snapshot.catalog().access;
    let owner = access.owner(&view.schema, &view.name);
    // Without roles everybody is a superuser, and so is who made the view then.
    let authority = match access.roles.contains_key(owner) {
        true => access.authority(owner),
        false if owner == BOOTSTRAP => Authority::superuser(owner),
        false => access.authority(owner),
    };
    check_query_of(session, &authority, uses, plan, None)
}

fn check_query_of(
    session: &Inner,
    who: &Authority,
    uses: &Uses,
    plan: &LogicalPlan,
    target: Option<&str>,
) -> Result<()> {
    let acting = session.acting();
    if acting.mask.is_some() {
        for function in ["policy_preview", "graph_settings_diff"] {
            if uses.functions.contains(function) {
                return Err(sensitive(&format!("function {function}")));
            }
        }
    }
    if who.superuser {
        return Ok(());
    }
    let snapshot = session.latest();
    let access = &snapshot.catalog().access;
    for ((schema, name), sources) in &uses.relations {
        if matches!(schema.as_str(), "pg_catalog" | "information_schema") {
            if SECRET.contains(&name.as_str()) {
                return Err(denied("table", name));
            }
            continue;
        }
        if schema == TEMPORARY_SCHEMA {
            continue;
        }
        if !access.may_schema(who, schema, Privilege::Usage) {
            return Err(denied("schema", schema));
        }
        // A DELETE without a condition reads nothing of its table.
        if target == Some(name.as_str()) && schema == "public" && !has_filter(plan) {
            continue;
        }
        let table = (schema.as_str(), name.as_str());
        if access.may(who, table, Privilege::Select) {
            continue;
        }
        let read = match access.may_any(who, table, Privilege::Select) {
            true => columns_read(&session.planning.state, plan, sources)?,
            false => None,
        };
        let may = read.is_some_and(|columns| {
            let mut columns = columns.iter().filter(|column| *column != FRAGMENT_ID);
            columns.all(|column| access.may_column(who, table, column, Privilege::Select))
        });
        if !may {
            return Err(denied(kind(session, table), name));
        }
    }
    for (function, table) in READ_BY_FUNCTIONS {
        if uses.functions.contains(*function)
            && !access.may(who, ("public", table), Privilege::Select)
        {
            return Err(denied("table", table).detail(format!("Function {function} reads it.")));
        }
    }
    Ok(())
}

fn kind(session: &Inner, (schema, name): (&str, &str)) -> &'static str {
    let description = session.planning.source.describe();
    let view = description.relation_named(schema, name).is_some_and(|found| found.is_view());
    if view { "view" } else { "table" }
}

fn has_filter(plan: &LogicalPlan) -> bool {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Filter(_)))).unwrap_or(true)
}

/// The columns that a plan reads of a table; `None` if it is read in another way than by scans.
fn columns_read(
    state: &SessionState,
    plan: &LogicalPlan,
    sources: &[Arc<dyn TableSource>],
) -> Result<Option<BTreeSet<String>>> {
    let convert = |error| from_datafusion(&error, "");
    let pruned = state.optimizer().optimize(plan.clone(), state, |_, _| {}).map_err(convert)?;
    let (mut columns, mut found) = (BTreeSet::new(), false);
    pruned
        .apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && sources.iter().any(|source| Arc::ptr_eq(source, &scan.source))
            {
                found = true;
                let fields = scan.projected_schema.fields().iter();
                columns.extend(fields.map(|field| field.name().clone()));
                for filter in &scan.filters {
                    columns.extend(filter.column_refs().iter().map(|column| column.name.clone()));
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(convert)?;
    // A scan that the optimiser has taken out reads nothing, but then nothing is known of it either.
    Ok(found.then_some(columns))
}
