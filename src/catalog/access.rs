//! Access: which roles there are, who is a member of what, who may do what with what, what is sensitive.
//!
//! A part of the catalog and as pure: `change` makes the next state or says why not, `authority` answers
//! questions. That the objects exist is for the caller to know, who sees tables and views; whether the
//! user may make the change is `query::session`'s to ask here first.

pub mod authority;
pub mod change;
pub mod sensitive;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, SqlState};
use crate::model::access::{
    BOOTSTRAP, Grants, MONITOR, PREDEFINED, PUBLIC, Privilege, Rights, Role, STEWARD,
};

/// The number of the bootstrap role, as in PostgreSQL.
pub const BOOTSTRAP_ID: u32 = 10;

/// The least number of a role that somebody made.
const ROLE_ID_MIN: u32 = 16_384;

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Access {
    /// Grows with every change; what was decided under another version may no longer hold.
    pub version: u64,
    /// Roles by name, the bootstrap role among them, those that are predefined not.
    pub roles: BTreeMap<String, Role>,
    /// Number of the next role.
    pub next_role_id: u32,
    /// From what salts of roles that do not exist are made; there is one once there is a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// What was said of tables and views, by schema and name.
    #[serde(default)]
    pub tables: BTreeMap<String, BTreeMap<String, TableAccess>>,
    /// What was said of schemas.
    #[serde(default)]
    pub schemas: BTreeMap<String, Grants>,
    /// What is granted on tables that a role will create, by role and schema.
    #[serde(default)]
    pub future: BTreeMap<String, BTreeMap<String, Grants>>,
    /// Sensitive columns by dataset.
    #[serde(default)]
    pub sensitive: BTreeMap<String, BTreeSet<String>>,
}

/// What was said of one table or view.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableAccess {
    /// Its owner; the bootstrap role unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What was granted; without it what [`builtin`] says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Grants>,
    /// What was granted on columns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, Grants>,
}

impl Default for Access {
    fn default() -> Self {
        let mut bootstrap = Role::new(BOOTSTRAP_ID, BOOTSTRAP);
        bootstrap.superuser = true;
        bootstrap.create_role = true;
        bootstrap.create_database = true;
        bootstrap.login = true;
        Self {
            version: 1,
            roles: BTreeMap::from([(BOOTSTRAP.to_owned(), bootstrap)]),
            next_role_id: ROLE_ID_MIN,
            secret: None,
            tables: BTreeMap::new(),
            schemas: BTreeMap::new(),
            future: BTreeMap::new(),
            sensitive: BTreeMap::new(),
        }
    }
}

/// Tables of schema `selfsame` that tell definitions, as PostgreSQL's catalog does to everybody.
const DEFINITIONS: &[&str] =
    &["attributes", "datasets", "merge_policies", "merge_strategies", "namespaces", "settings"];

/// What is granted on a table before anybody has said anything.
pub fn builtin(schema: &str, table: &str) -> Grants {
    let select = |role: &str| {
        let rights: Rights = [(Privilege::Select, false)].into();
        Grants::from([(role.to_owned(), rights)])
    };
    match (schema, table) {
        ("selfsame", "decisions") => select(STEWARD),
        ("selfsame", name) if DEFINITIONS.contains(&name) => select(PUBLIC),
        ("selfsame", _) => select(MONITOR),
        _ => Grants::new(),
    }
}

/// What is granted on a schema before anybody has said anything: to name what is in it.
pub fn builtin_of_schema(_schema: &str) -> Grants {
    let rights: Rights = [(Privilege::Usage, false)].into();
    Grants::from([(PUBLIC.to_owned(), rights)])
}

/// Whether a role is one of those that are always there.
pub fn is_predefined(name: &str) -> bool {
    PREDEFINED.iter().any(|(known, ..)| *known == name)
}

impl Access {
    /// A role by name, predefined ones too.
    ///
    /// # Errors
    /// `42704`.
    pub fn role(&self, name: &str) -> Result<Role> {
        if let Some(role) = self.roles.get(name) {
            return Ok(role.clone());
        }
        let predefined = PREDEFINED.iter().find(|(known, ..)| *known == name);
        predefined.map(|(name, id, _)| Role::new(*id, name)).ok_or_else(|| no_role(name))
    }

    /// All roles, predefined ones too, by name.
    pub fn all_roles(&self) -> Vec<Role> {
        let predefined = PREDEFINED.iter().map(|(name, id, _)| Role::new(*id, name));
        let mut all: Vec<_> = self.roles.values().cloned().chain(predefined).collect();
        all.sort_by(|left, right| left.name.cmp(&right.name));
        all
    }

    /// Whether anybody has made a role or given the bootstrap role a password; until then nobody need
    /// say who they are.
    pub fn is_in_use(&self) -> bool {
        self.roles.len() > 1 || self.roles.values().any(|role| role.password.is_some())
    }

    /// The owner of a table or view.
    pub fn owner(&self, schema: &str, table: &str) -> &str {
        self.table(schema, table).and_then(|it| it.owner.as_deref()).unwrap_or(BOOTSTRAP)
    }

    /// What was said of a table.
    pub fn table(&self, schema: &str, table: &str) -> Option<&TableAccess> {
        self.tables.get(schema)?.get(table)
    }

    /// What is granted on a table, beside what its owner may.
    pub fn grants(&self, schema: &str, table: &str) -> Grants {
        let said = self.table(schema, table).and_then(|it| it.grants.clone());
        said.unwrap_or_else(|| builtin(schema, table))
    }

    /// What is granted on a schema.
    pub fn schema_grants(&self, schema: &str) -> Grants {
        self.schemas.get(schema).cloned().unwrap_or_else(|| builtin_of_schema(schema))
    }

    /// What is granted on a column of a table.
    pub fn column_grants(&self, schema: &str, table: &str, column: &str) -> Option<&Grants> {
        self.table(schema, table)?.columns.get(column)
    }

    /// Forgets what was said of a table or view that is no more.
    pub fn forget_table(&mut self, schema: &str, table: &str) {
        if let Some(tables) = self.tables.get_mut(schema) {
            tables.remove(table);
        }
        if schema == "public" {
            self.sensitive.remove(table);
        }
    }

    /// Follows a table or view to its new name.
    pub fn rename_table(&mut self, schema: &str, from: &str, to: &str) {
        if let Some(tables) = self.tables.get_mut(schema)
            && let Some(said) = tables.remove(from)
        {
            tables.insert(to.to_owned(), said);
        }
        if schema == "public"
            && let Some(columns) = self.sensitive.remove(from)
        {
            self.sensitive.insert(to.to_owned(), columns);
        }
    }

    /// Follows a column of a table to its new name.
    pub fn rename_column(&mut self, schema: &str, table: &str, from: &str, to: &str) {
        if let Some(said) = self.tables.get_mut(schema).and_then(|tables| tables.get_mut(table))
            && let Some(grants) = said.columns.remove(from)
        {
            said.columns.insert(to.to_owned(), grants);
        }
        if schema == "public"
            && let Some(columns) = self.sensitive.get_mut(table)
            && columns.remove(from)
        {
            columns.insert(to.to_owned());
        }
    }

    fn table_mut(&mut self, schema: &str, table: &str) -> &mut TableAccess {
        let tables = self.tables.entry(schema.to_owned()).or_default();
        tables.entry(table.to_owned()).or_default()
    }
}

/// The error about a role that is not there.
pub fn no_role(name: &str) -> Error {
    Error::new(SqlState::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist"))
}
