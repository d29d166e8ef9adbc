//! From one catalog to the next: every rule that a definition must obey.
//!
//! Pure and total: a definition is applied whole or refused with the reason, and the old catalog
//! stays as it was.

use crate::catalog::Catalog;
use crate::catalog::attributes;
use crate::error::{Error, Result, SqlState};
use crate::graph::rules::UNIQUE_NAMESPACES_MAX;
use crate::merge::plan::MergePlan;
use crate::model::column::ColumnType;
use crate::model::dataset::{Column, Dataset, DatasetKind, DatasetOptions, Role};
use crate::model::definition::{DatasetChange, Definition, Existence, NamespaceChange};
use crate::model::names::{RESERVED_TABLES, check_name, quote_name};
use crate::model::namespace::{Namespace, Normalization};
use crate::model::policy::{LATEST, MergePolicy, PolicyQuery};
use crate::model::relation::{RelationChange, RelationDefinition, RelationName};

/// What applying a definition did.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The catalog afterwards; `None` if nothing changed.
    pub catalog: Option<Catalog>,
    /// What the user should know.
    pub notice: Option<String>,
}

impl Applied {
    fn skipped(notice: String) -> Self {
        Self { catalog: None, notice: Some(notice) }
    }
}

/// The most definitions of one kind: a catalog is copied with every change.
pub const OBJECTS_MAX: usize = 10_000;

fn exists(kind: &str, name: &str) -> Error {
    let code = match kind {
        "dataset" => SqlState::DUPLICATE_TABLE,
        _ => SqlState::DUPLICATE_OBJECT,
    };
    Error::new(code, format!("{kind} \"{name}\" already exists"))
}

impl Catalog {
    /// Applies a definition.
    ///
    /// # Errors
    /// Each refusal has its own SQLSTATE and says what to do.
    pub fn apply(&self, definition: &Definition) -> Result<Applied> {
        let mut next = self.clone();
        let notice = match definition {
            Definition::CreateNamespace { name, existence, .. } => {
                if self.namespaces.contains_key(name) {
                    return skip_or(*existence, exists("namespace", name));
                }
                next.create_namespace(definition)?
            }
            Definition::AlterNamespace { name, changes } => next.alter_namespace(name, changes)?,
            Definition::DropNamespace { name, existence } => {
                if let Err(error) = self.namespace(name) {
                    return skip_or(*existence, error);
                }
                next.drop_namespace(name)?
            }
            Definition::CreateDataset { name, kind, columns, options, existence } => {
                if self.datasets.contains_key(name) {
                    return skip_or(*existence, exists("dataset", name));
                }
                self.check_no_relation(name)?;
                next.create_dataset(name, *kind, columns, options)?
            }
            Definition::AlterDataset { name, changes } => {
                match next.alter_dataset(name, changes)? {
                    (true, notice) => notice,
                    (false, notice) => return Ok(Applied { catalog: None, notice }),
                }
            }
            Definition::DropDataset { name, existence } => {
                if let Err(error) = self.dataset(name) {
                    return skip_or(*existence, error);
                }
                self.check_unused("dataset", "public", name)?;
                next.access.forget_table("public", name);
                next.drop_dataset(name)?
            }
            Definition::CreateMergePolicy { policy, default, existence } => {
                let there = self.policies.contains_key(&policy.name);
                if there && *existence != Existence::Replace {
                    return skip_or(*existence, exists("merge policy", &policy.name));
                }
                next.create_policy(policy, *default)?
            }
            Definition::SetDefaultMergePolicy { name } => {
                next.default_policy.clone_from(&self.policy(name)?.name);
                None
            }
            Definition::DropMergePolicy { name, existence } => {
                if let Err(error) = self.policy(name) {
                    return skip_or(*existence, error);
                }
                self.check_unused("merge policy", "profiles_by", name)?;
                next.access.forget_table("profiles_by", name);
                next.drop_policy(name)?
            }
            Definition::Decide { .. }
            | Definition::Undecide { .. }
            | Definition::AlterSystem { .. }
            | Definition::Relation(_) => match next.apply_other(self, definition)? {
                (true, notice) => notice,
                (false, notice) => return Ok(Applied { catalog: None, notice }),
            },
            Definition::Access(change) => next.change_access(change)?,
        };
        next.version += 1;
        Ok(Applied { catalog: Some(next), notice })
    }

    /// Applies what may change nothing; gives whether it did.
    fn apply_other(
        &mut self,
        before: &Self,
        definition: &Definition,
    ) -> Result<(bool, Option<String>)> {
        let Definition::Relation(definition) = definition else {
            return self.steward(definition);
        };
        let applied = self.relations.apply(definition, &|name| before.is_taken(name))?;
        if applied.0 {
            self.follow_relations(before, definition);
        }
        Ok(applied)
    }

    /// Whether a relation's name is that of a table that is none of the user's.
    fn is_taken(&self, name: &RelationName) -> bool {
        let known = |name: &String| {
            self.datasets.contains_key(name) || RESERVED_TABLES.contains(&name.as_str())
        };
        name.schema == "public" && known(&name.name)
    }

    fn check_no_relation(&self, dataset: &str) -> Result<()> {
        if self.relations.get(&RelationName::new("public", dataset)).is_none() {
            return Ok(());
        }
        let message = format!("relation \"{dataset}\" already exists");
        Err(Error::new(SqlState::DUPLICATE_TABLE, message)
            .hint("it is a view or a scratch table; give the dataset another name"))
    }

    /// Refuses to drop what views are about.
    fn check_unused(&self, kind: &str, schema: &str, name: &str) -> Result<()> {
        let of_views = RelationName::new(schema, name);
        self.relations.check_unused(&format!("{kind} {}", quote_name(name)), &of_views)
    }

    /// Rights follow relations that got other names, and go with those that are gone.
    fn follow_relations(&mut self, before: &Self, definition: &RelationDefinition) {
        if let RelationDefinition::Alter { name, change, .. } = definition {
            let (schema, table) = (name.schema.as_str(), name.name.as_str());
            match change {
                RelationChange::Rename(to) => self.access.rename_table(schema, table, to),
                RelationChange::RenameColumn { from, to } => {
                    self.access.rename_column(schema, table, from, to);
                }
                _ => {}
            }
        }
        for (name, _) in before.relations.all() {
            if self.relations.get(&name).is_none() {
                self.access.forget_table(&name.schema, &name.name);
            }
        }
    }

    fn create_namespace(&mut self, definition: &Definition) -> Result<Option<String>> {
        let Definition::CreateNamespace {
            name, kind, rank, unique, normalization, blocked, ..
        } = definition
        else {
            return Err(Error::internal("not a namespace definition"));
        };
        check_name("namespace", name)?;
        limit("namespaces", self.namespaces.len())?;
        let last = self.namespaces.values().map(|namespace| namespace.rank).max().unwrap_or(0);
        let namespace = Namespace {
            id: self.next_namespace_id,
            name: name.clone(),
            kind: *kind,
            rank: rank.unwrap_or(last + 1),
            unique: *unique,
            normalization: *normalization,
            blocked: blocked.iter().map(|value| block_key(value)).collect(),
        };
        self.next_namespace_id += 1;
        self.namespaces.insert(name.clone(), namespace);
        self.check_unique_count()?;
        Ok(None)
    }

    fn alter_namespace(
        &mut self,
        name: &str,
        changes: &[NamespaceChange],
    ) -> Result<Option<String>> {
        if changes.iter().any(rewrites) {
            self.check_rewrite(name)?;
        }
        self.namespace(name)?;
        let namespace = self.namespaces.get_mut(name).expect("it was found above");
        for change in changes {
            match change {
                NamespaceChange::Unique(unique) => namespace.unique = *unique,
                NamespaceChange::Rank(rank) => namespace.rank = *rank,
                NamespaceChange::Normalize(to) => namespace.normalization = *to,
                NamespaceChange::Block(values) => {
                    namespace.blocked.extend(values.iter().map(|value| block_key(value)));
                }
                NamespaceChange::Unblock(values) => {
                    values.iter().for_each(|value| {
                        namespace.blocked.remove(&block_key(value));
                    });
                }
            }
        }
        if changes.contains(&NamespaceChange::Unique(true)) {
            self.check_unique_count()?;
            self.check_links()?;
        }
        Ok(None)
    }

    /// Refuses to change what identities of a namespace are where that cannot be followed.
    fn check_rewrite(&self, name: &str) -> Result<()> {
        let id = self.namespace(name)?.id;
        let message =
            |why: &str| format!("cannot change what identities of namespace \"{name}\" are: {why}");
        if self.decisions.user_of(id).is_some() {
            return Err(Error::unsupported(message("a decision names one of them"))
                .hint("withdraw such decisions first; selfsame.decisions lists them"));
        }
        let computed = |dataset: &&Dataset| {
            let given =
                |(at, used): (usize, &str)| used == name && dataset.columns[at].derived.is_none();
            dataset.columns.iter().any(|column| column.derived.is_some())
                && dataset.identity_columns().any(given)
        };
        match self.datasets.values().find(computed) {
            None => Ok(()),
            Some(dataset) => {
                let why = format!("dataset \"{}\" may compute others from them", dataset.name);
                Err(Error::unsupported(message(&why))
                    .hint("computed identities are not computed anew; load into a new dataset"))
            }
        }
    }

    /// The datasets whose rows name other identities under a definition than before.
    pub fn rewritten_by(&self, definition: &Definition) -> Vec<&Dataset> {
        let Definition::AlterNamespace { name, changes } = definition else { return Vec::new() };
        if !changes.iter().any(rewrites) {
            return Vec::new();
        }
        let uses = |dataset: &&Dataset| dataset.identity_columns().any(|(_, used)| used == name);
        self.datasets.values().filter(uses).collect()
    }

    fn check_unique_count(&self) -> Result<()> {
        let unique = self.namespaces.values().filter(|namespace| namespace.unique).count();
        if unique <= UNIQUE_NAMESPACES_MAX {
            return Ok(());
        }
        let message = format!("cannot keep more than {UNIQUE_NAMESPACES_MAX} namespaces UNIQUE");
        Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message))
    }

    fn drop_namespace(&mut self, name: &str) -> Result<Option<String>> {
        if let Some(dataset) = self.user_of(name) {
            let message =
                format!("cannot drop namespace \"{name}\": dataset \"{dataset}\" uses it");
            return Err(
                Error::new(SqlState::DEPENDENT_OBJECTS, message).hint("drop the dataset first")
            );
        }
        let id = self.namespace(name)?.id;
        if let Some(user) = self.decisions.user_of(id) {
            let user = self.decision_text(user.kind, &user.left, &user.right);
            let message = format!("cannot drop namespace \"{name}\": a decision names it");
            return Err(Error::new(SqlState::DEPENDENT_OBJECTS, message)
                .detail(format!("the decision is {user}"))
                .hint(format!("withdraw it first, and others like it: DROP {user}")));
        }
        self.namespaces.remove(name);
        Ok(None)
    }

    /// A dataset that has an identity column of the namespace.
    fn user_of(&self, namespace: &str) -> Option<&str> {
        let uses =
            |dataset: &&Dataset| dataset.identity_columns().any(|(_, used)| used == namespace);
        self.datasets.values().find(uses).map(|dataset| dataset.name.as_str())
    }

    fn create_dataset(
        &mut self,
        name: &str,
        kind: DatasetKind,
        columns: &[Column],
        options: &[DatasetChange],
    ) -> Result<Option<String>> {
        limit("datasets", self.datasets.len())?;
        let id = self.next_dataset_id;
        let mut dataset = Dataset {
            id,
            name: name.to_owned(),
            kind,
            columns: columns.to_vec(),
            options: DatasetOptions::default(),
        };
        for option in options {
            set_option(&mut dataset, option);
        }
        self.check_dataset(&dataset)?;
        self.next_dataset_id += 1;
        self.datasets.insert(name.to_owned(), dataset);
        Ok(None)
    }

    /// Checks a dataset against all other definitions.
    fn check_dataset(&self, dataset: &Dataset) -> Result<()> {
        dataset.check()?;
        for (_, namespace) in dataset.identity_columns() {
            self.namespace(namespace)?;
        }
        self.check_union(dataset)?;
        let mut with = self.clone();
        with.datasets.insert(dataset.name.clone(), dataset.clone());
        for policy in self.policies.values() {
            with.check_policy(policy).map_err(|error| {
                let message =
                    format!("dataset \"{}\" breaks merge policy \"{}\"", dataset.name, policy.name);
                Error::new(error.code(), message).detail(error.message())
            })?;
        }
        Ok(())
    }

    /// Refuses a column whose type does not go together with the same attribute elsewhere.
    fn check_union(&self, dataset: &Dataset) -> Result<()> {
        let others: Vec<&Dataset> = self
            .datasets_in_order()
            .into_iter()
            .filter(|other| other.kind == dataset.kind && other.name != dataset.name)
            .collect();
        let all = attributes::union(&others);
        for (_, column) in dataset.attributes() {
            let Some(attribute) = all.iter().find(|known| known.name == column.attribute_name())
            else {
                continue;
            };
            let ty = match column.role {
                Role::Identity(_) => ColumnType::Text,
                _ => column.ty.clone(),
            };
            if attribute.ty.union(&ty).is_none() {
                let message = format!(
                    "attribute \"{}\" is {} in other datasets and cannot be {ty} in dataset \"{}\"",
                    attribute.name, attribute.ty, dataset.name
                );
                return Err(Error::new(SqlState::DATATYPE_MISMATCH, message).hint(format!(
                    "use a type that converts without loss, or another name: {} {} ATTRIBUTE other_name",
                    column.name, column.ty
                )));
            }
        }
        Ok(())
    }

    fn alter_dataset(
        &mut self,
        name: &str,
        changes: &[DatasetChange],
    ) -> Result<(bool, Option<String>)> {
        let mut dataset = self.dataset(name)?.clone();
        let (mut changed, mut notice) = (false, None);
        for change in changes {
            if let DatasetChange::AddColumn { column, existence } = change {
                if dataset.column(&column.name).is_some() {
                    let message =
                        format!("column \"{}\" of dataset \"{name}\" already exists", column.name);
                    if *existence == Existence::Lenient {
                        notice = Some(format!("{message}, skipping"));
                        continue;
                    }
                    return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
                }
                if column.is_derived() {
                    let message = format!("computed column \"{}\" cannot be added", column.name);
                    return Err(Error::unsupported(message)
                        .detail("the rows taken in so far have no value of it, and are not computed again")
                        .hint("create another dataset with it, and load the rows there"));
                }
                if matches!(column.role, Role::ObservedAt | Role::EventId) {
                    return Err(Error::unsupported(format!(
                        "column \"{}\" cannot be added as OBSERVED AT or EVENT ID",
                        column.name
                    ))
                    .detail("the rows taken in so far were ordered and recognised without it"));
                }
                dataset.columns.push(column.clone());
            } else {
                set_option(&mut dataset, change);
            }
            changed = true;
        }
        self.check_dataset(&dataset)?;
        self.datasets.insert(name.to_owned(), dataset);
        Ok((changed, notice))
    }

    fn drop_dataset(&mut self, name: &str) -> Result<Option<String>> {
        let names = |policy: &&MergePolicy| {
            let queried = policy.query.iter().flat_map(|query| &query.datasets);
            policy.datasets.iter().flatten().chain(queried).any(|dataset| dataset == name)
                || policy.rules.iter().map(|rule| &rule.strategy).chain([&policy.default]).any(
                    |strategy| {
                        strategy.arguments.iter().any(|argument| {
                            matches!(argument, crate::model::policy::Argument::Name(used) if used == name)
                        })
                    },
                )
        };
        if let Some(policy) = self.policies.values().find(names) {
            let message = format!(
                "cannot drop dataset \"{name}\": merge policy \"{}\" names it",
                policy.name
            );
            return Err(Error::new(SqlState::DEPENDENT_OBJECTS, message)
                .hint("drop or replace the policy first"));
        }
        let dropped = self.datasets.remove(name);
        for policy in self.policies.values() {
            if let Err(error) = self.check_policy(policy) {
                let message = format!(
                    "cannot drop dataset \"{name}\": merge policy \"{}\" needs its attributes",
                    policy.name
                );
                self.datasets.extend(dropped.map(|dataset| (name.to_owned(), dataset)));
                return Err(
                    Error::new(SqlState::DEPENDENT_OBJECTS, message).detail(error.message())
                );
            }
        }
        Ok(None)
    }

    fn create_policy(&mut self, policy: &MergePolicy, default: bool) -> Result<Option<String>> {
        check_name("merge policy", &policy.name)?;
        limit("merge policies", self.policies.len())?;
        if policy.name == LATEST {
            let message = "merge policy \"latest\" is built in and cannot be replaced";
            return Err(Error::new(SqlState::RESERVED_NAME, message));
        }
        self.check_policy(policy)?;
        self.policies.insert(policy.name.clone(), policy.clone());
        if default {
            self.default_policy.clone_from(&policy.name);
        }
        Ok(None)
    }

    /// Checks a policy against all other definitions.
    ///
    /// # Errors
    /// Its reason to be refused.
    pub fn check_policy(&self, policy: &MergePolicy) -> Result<()> {
        if let Some(query) = &policy.query {
            return self.check_query(query);
        }
        for name in policy.datasets.iter().flatten() {
            if self.dataset(name)?.kind == DatasetKind::Event {
                let message = format!("\"{name}\" is an event dataset: events are never merged");
                return Err(Error::new(SqlState::INVALID_OBJECT_DEFINITION, message));
            }
        }
        self.merge_plan(policy).map(|_| ())
    }

    /// Checks that all is there that a policy's query reads, as it was when the query was planned.
    fn check_query(&self, query: &PolicyQuery) -> Result<()> {
        if query.columns.is_empty() {
            return Err(Error::unsupported("the query of a merge policy has not been planned"));
        }
        let attributes = self.attributes();
        for (name, ty) in &query.reads {
            let found = attributes.iter().find(|attribute| attribute.name == *name);
            let found = found.ok_or_else(|| {
                let message = format!("attribute \"{name}\" does not exist");
                Error::new(SqlState::UNDEFINED_COLUMN, message)
            })?;
            if found.ty != *ty {
                let message =
                    format!("its query reads attribute \"{name}\" as {ty}, not as {}", found.ty);
                return Err(Error::new(SqlState::DATATYPE_MISMATCH, message));
            }
        }
        query.datasets.iter().try_for_each(|name| self.dataset(name).map(|_| ()))
    }

    /// The policy made ready for this catalog's record datasets and attributes.
    ///
    /// # Errors
    /// What [`MergePlan::try_new`] refuses.
    pub fn merge_plan(&self, policy: &MergePolicy) -> Result<MergePlan> {
        let datasets: Vec<String> =
            self.record_datasets().iter().map(|dataset| dataset.name.clone()).collect();
        let attributes: Vec<_> = self
            .attributes()
            .into_iter()
            .map(|attribute| crate::merge::plan::Attribute {
                name: attribute.name,
                ty: attribute.ty,
            })
            .collect();
        MergePlan::try_new(policy, &datasets, &attributes)
    }

    fn drop_policy(&mut self, name: &str) -> Result<Option<String>> {
        if name == LATEST {
            let message = "merge policy \"latest\" is built in and cannot be dropped";
            return Err(Error::new(SqlState::RESERVED_NAME, message));
        }
        if name == self.default_policy {
            let message = format!("cannot drop merge policy \"{name}\": it is the default");
            return Err(Error::new(SqlState::DEPENDENT_OBJECTS, message).hint(
                "make another one the default first: ALTER MERGE POLICY latest SET DEFAULT",
            ));
        }
        self.policies.remove(name);
        Ok(None)
    }
}

fn skip_or(existence: Existence, error: Error) -> Result<Applied> {
    match existence {
        Existence::Lenient => Ok(Applied::skipped(format!("{}, skipping", error.message()))),
        _ => Err(error),
    }
}

/// Whether a change of a namespace changes what identities values stand for.
fn rewrites(change: &NamespaceChange) -> bool {
    match change {
        NamespaceChange::Normalize(_) | NamespaceChange::Block(_) | NamespaceChange::Unblock(_) => {
            true
        }
        NamespaceChange::Unique(_) | NamespaceChange::Rank(_) => false,
    }
}

fn set_option(dataset: &mut Dataset, change: &DatasetChange) {
    match change {
        DatasetChange::AcceptAnonymous(value) => dataset.options.accept_anonymous = *value,
        DatasetChange::Upsert(value) => dataset.options.upsert = *value,
        DatasetChange::Retention(value) => dataset.options.retention = *value,
        DatasetChange::AddColumn { .. } => {}
    }
}

/// Block lists are compared after lower-casing (spec 5.1).
fn block_key(value: &str) -> String {
    Normalization::Lower.apply(value).into_owned()
}

fn limit(what: &str, count: usize) -> Result<()> {
    if count >= OBJECTS_MAX {
        let message = format!("cannot define more than {OBJECTS_MAX} {what}");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    }
    Ok(())
}
