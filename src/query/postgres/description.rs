//! What exists, as plain data: databases, schemas, relations, functions, settings, sessions.
//!
//! The session fills it from the engine's snapshot; the catalog relations and functions only read it.
//! Numbers of objects that the caller does not number (schemas, functions, keys) are derived here from
//! names, so that they are the same in every session and after a restart.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use crate::catalog::access::Access;
use crate::error::Result;
use crate::query::postgres::catalog;
use crate::query::postgres::types::PgType;
use crate::query::tables::provider::SCHEMAS;

/// Everything that catalog relations and functions can tell.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Name of the database that the client connected to.
    pub database: String,
    /// Role that the session acts as.
    pub user: String,
    /// User who connected, or whom the session has become since.
    pub session_user: String,
    /// Name that the bootstrap role is shown by.
    pub owner: String,
    /// Whether the session may do everything.
    pub is_superuser: bool,
    /// Roles and privileges.
    pub access: Arc<Access>,
    /// Version of the program, such as `0.1.0`.
    pub version: String,
    /// Process number of the session itself.
    pub backend_pid: i32,
    /// When the server started, in microseconds since 1970.
    pub started_at_us: i64,
    /// Schemas with their comments, without `pg_catalog` and `information_schema`.
    pub schemas: Vec<(String, Option<String>)>,
    /// Tables and views.
    pub relations: Vec<Relation>,
    /// Settings of the session.
    pub settings: Vec<Setting>,
    /// Functions of schema `public`.
    pub functions: Vec<FunctionEntry>,
    /// Sessions of the server.
    pub sessions: Vec<SessionEntry>,
}

/// What sort of relation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// A table.
    Table,
    /// A view.
    View,
}

/// A table or a view.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its number, from [`RELATION_OID_MIN`] to [`RELATION_OID_MAX`], the same as long as it exists.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Table or view.
    pub kind: RelationKind,
    /// What it is for.
    pub comment: Option<String>,
    /// Its columns, in order.
    pub columns: Vec<RelationColumn>,
    /// About how many rows it has.
    pub row_estimate: Option<u64>,
    /// Names of the columns of its primary key; empty if it has none.
    pub primary_key: Vec<String>,
    /// The query of a view.
    pub definition: Option<String>,
    /// Schemas and names of the relations that a view reads.
    pub uses: Vec<(String, String)>,
    /// Whether it is one session's.
    pub is_temporary: bool,
}

/// A column of a relation.
#[derive(Clone, Debug)]
pub struct RelationColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: PgType,
    /// Whether it is never null.
    pub not_null: bool,
    /// What it is for.
    pub comment: Option<String>,
    /// The expression that it is computed from, if it is.
    pub generated: Option<String>,
}

/// A setting, as SHOW knows it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value now.
    pub value: String,
    /// Its value without any SET.
    pub default: String,
    /// What it does.
    pub description: String,
    /// Whether it is the whole server's, which no session can set for itself.
    pub is_server: bool,
}

/// A function, as clients list it.
#[derive(Clone, Debug)]
pub struct FunctionEntry {
    /// Its name.
    pub name: String,
    /// Its arguments in SQL, such as `value text, observed_at timestamp with time zone`.
    pub arguments: String,
    /// Its result type in SQL.
    pub result: String,
    /// `f` function, `a` aggregate, `w` window.
    pub kind: char,
    /// What it does.
    pub description: String,
}

/// A session of the server.
#[derive(Clone, Debug, Default)]
pub struct SessionEntry {
    /// Its process number, which cancel requests name.
    pub pid: i32,
    /// Its database.
    pub database: String,
    /// Its role.
    pub user: String,
    /// What the client calls itself.
    pub application_name: String,
    /// Address of the client, if it came over the network.
    pub client_address: Option<String>,
    /// Port of the client; -1 for a local socket.
    pub client_port: i32,
    /// When it connected, in microseconds since 1970.
    pub started_at_us: Option<i64>,
    /// When its last query started.
    pub query_started_at_us: Option<i64>,
    /// When its state changed.
    pub state_changed_at_us: Option<i64>,
    /// `active`, `idle`, `idle in transaction`, ...
    pub state: String,
    /// Its last query.
    pub query: String,
}

/// Where descriptions come from; asked at each scan, so that answers are current.
pub trait Source: Send + Sync + Debug {
    /// What exists now.
    fn describe(&self) -> Arc<Description>;

    /// Changes a setting of the session, or resets it, until the transaction ends or for good; the value as
    /// SHOW gives it.
    ///
    /// # Errors
    /// What SET says.
    fn set(&self, name: &str, value: Option<&str>, is_local: bool) -> Result<String>;

    /// Cancels the statement of a session, or ends the session; false if there is none of that number.
    fn signal(&self, process_id: i32, ends: bool) -> bool;
}

/// The least number of a relation of the caller; PostgreSQL keeps the ones below for itself.
pub const RELATION_OID_MIN: u32 = 16_384;

/// The greatest number of a relation of the caller; derived numbers begin above it.
pub const RELATION_OID_MAX: u32 = CONSTRAINT_OID - 1;

const CONSTRAINT_OID: u32 = 0x1000_0000;
const INDEX_OID: u32 = 0x2000_0000;
const SCHEMA_OID: u32 = 0x3000_0000;
const FUNCTION_OID: u32 = 0x4000_0000;
const RULE_OID: u32 = 0x5000_0000;
const ROLE_OID: u32 = 0x6000_0000;

/// Number of the one database.
pub const DATABASE_OID: u32 = 16_384;
/// Number of the role that owns everything.
pub const OWNER_OID: u32 = 10;
/// Number of schema `pg_catalog`.
pub const PG_CATALOG_OID: u32 = 11;
/// Number of schema `information_schema`.
pub const INFORMATION_SCHEMA_OID: u32 = 13_204;
/// Number of schema `public`.
pub const PUBLIC_OID: u32 = 2200;
/// Number of access method `heap`.
pub const HEAP_OID: u32 = 2;
/// Number of access method `btree`.
pub const BTREE_OID: u32 = 403;

/// Numbers of catalog relations that other rows refer to.
pub mod class {
    /// `pg_class`.
    pub const CLASS: u32 = 1259;
    /// `pg_proc`.
    pub const PROC: u32 = 1255;
    /// `pg_namespace`.
    pub const NAMESPACE: u32 = 2615;
    /// `pg_rewrite`.
    pub const REWRITE: u32 = 2618;
}

/// Settings that clients look up and nobody can set, with what they mean: limits of this catalog.
const PRESETS: &[(&str, &str, &str)] = &[
    ("block_size", "8192", "Shows the size of a disk block."),
    ("default_table_access_method", "heap", "Shows the access method of tables."),
    ("integer_datetimes", "on", "Shows whether datetimes are whole numbers."),
    ("max_function_args", "100", "Shows the maximum number of function arguments."),
    ("max_identifier_length", "63", "Shows the maximum identifier length."),
    ("max_index_keys", "32", "Shows the maximum number of index keys."),
    ("server_encoding", "UTF8", "Shows the server encoding."),
    ("server_version", POSTGRESQL_VERSION, "Shows the server version."),
    ("server_version_num", "150008", "Shows the server version as an integer."),
];

/// The version of PostgreSQL whose catalog this is.
pub const POSTGRESQL_VERSION: &str = "15.8";

/// A number for a name: 28 bits of FNV-1a, moved on where another name already has it.
fn number(base: u32, name: &str, taken: &BTreeMap<u32, String>) -> u32 {
    let hash = name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (0..)
        .map(|step| base | (hash.wrapping_add(step) & 0x0fff_ffff))
        .find(|oid| !taken.contains_key(oid))
        .expect("there are fewer names than numbers")
}

fn numbered(base: u32, names: impl Iterator<Item = String>) -> BTreeMap<u32, String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names.into_iter().fold(BTreeMap::new(), |mut taken, name| {
        taken.insert(number(base, &name, &taken), name);
        taken
    })
}

impl Relation {
    /// Number of the index of its primary key.
    pub fn index_oid(&self) -> u32 {
        INDEX_OID | self.oid
    }

    /// Number of the constraint of its primary key.
    pub fn constraint_oid(&self) -> u32 {
        CONSTRAINT_OID | self.oid
    }

    /// Number of the rule of a view.
    pub fn rule_oid(&self) -> u32 {
        RULE_OID | self.oid
    }

    /// Name of the index and constraint of its primary key.
    pub fn key_name(&self) -> String {
        format!("{}_pkey", self.name)
    }

    /// Its primary key as 1-based column numbers.
    pub fn key_numbers(&self) -> Vec<i16> {
        let position = |name: &String| self.columns.iter().position(|column| column.name == *name);
        self.primary_key.iter().filter_map(position).map(|at| at as i16 + 1).collect()
    }

    /// Whether it has a primary key.
    pub fn has_key(&self) -> bool {
        !self.primary_key.is_empty()
    }

    /// Whether it is a view.
    pub fn is_view(&self) -> bool {
        self.kind == RelationKind::View
    }
}

impl Description {
    /// All schemas by number, the system's two included.
    pub fn numbered_schemas(&self) -> BTreeMap<u32, String> {
        let own = self.schemas.iter().map(|(name, _)| name.clone());
        let mut schemas = numbered(SCHEMA_OID, own.filter(|name| name != "public"));
        schemas.insert(PG_CATALOG_OID, "pg_catalog".to_owned());
        schemas.insert(INFORMATION_SCHEMA_OID, "information_schema".to_owned());
        if self.schemas.iter().any(|(name, _)| name == "public") {
            schemas.insert(PUBLIC_OID, "public".to_owned());
        }
        schemas
    }

    /// The number of a schema.
    pub fn schema_oid(&self, name: &str) -> Option<u32> {
        let schemas = self.numbered_schemas();
        schemas.into_iter().find(|(_, schema)| schema == name).map(|(oid, _)| oid)
    }

    /// All functions of schema `public` by number.
    pub fn numbered_functions(&self) -> BTreeMap<u32, &FunctionEntry> {
        let key = |entry: &FunctionEntry| format!("{}({})", entry.name, entry.arguments);
        let numbers = numbered(FUNCTION_OID, self.functions.iter().map(key));
        let entry = |name: &String| self.functions.iter().find(|entry| key(entry) == *name);
        numbers.iter().filter_map(|(oid, name)| Some((*oid, entry(name)?))).collect()
    }

    /// Names with numbers of their own.
    pub(in crate::query::postgres) fn numbered_names(
        names: impl Iterator<Item = String>,
    ) -> BTreeMap<u32, String> {
        numbered(ROLE_OID, names)
    }

    /// The relation of that number.
    pub fn relation(&self, oid: u32) -> Option<&Relation> {
        self.relations.iter().find(|relation| relation.oid == oid)
    }

    /// The relation of that schema and name.
    pub fn relation_named(&self, schema: &str, name: &str) -> Option<&Relation> {
        self.relations.iter().find(|relation| relation.schema == schema && relation.name == name)
    }

    /// Schema and name of anything in `pg_class`: relations, catalog relations and indexes.
    pub fn class_name(&self, oid: u32) -> Option<(String, String)> {
        if let Some(relation) = self.relation(oid) {
            return Some((relation.schema.clone(), relation.name.clone()));
        }
        if let Some(relation) = catalog::by_oid(oid) {
            return Some((relation.schema.to_owned(), relation.name.to_owned()));
        }
        let indexed = self.relation(oid & !INDEX_OID).filter(|relation| relation.has_key());
        let relation = indexed.filter(|relation| relation.index_oid() == oid)?;
        Some((relation.schema.clone(), relation.key_name()))
    }

    /// The number of anything in `pg_class`, by its name and maybe schema.
    pub fn class_oid(&self, schema: Option<&str>, name: &str) -> Option<u32> {
        let schemas = match schema {
            Some(schema) => vec![schema.to_owned()],
            None => [vec!["pg_catalog".to_owned()], self.search_path()].concat(),
        };
        schemas.iter().find_map(|schema| self.class_oid_in(schema, name))
    }

    fn class_oid_in(&self, schema: &str, name: &str) -> Option<u32> {
        let own = self.relation_named(schema, name).map(|relation| relation.oid);
        let system = || catalog::by_name(schema, name).map(|relation| relation.oid);
        let index = || {
            let mut keyed = self.relations.iter().filter(|relation| relation.has_key());
            keyed
                .find(|relation| relation.schema == schema && relation.key_name() == name)
                .map(Relation::index_oid)
        };
        own.or_else(system).or_else(index)
    }

    /// The schemas that unqualified names are looked up in, those that exist.
    pub fn search_path(&self) -> Vec<String> {
        let setting = self.settings.iter().find(|setting| setting.name == "search_path");
        let setting = setting.map_or("public", |setting| &setting.value);
        let names = setting.split(',').map(|name| name.trim().trim_matches('"').to_owned());
        names
            .filter_map(|name| if name == "$user" { own_schema(&self.user) } else { Some(name) })
            .filter(|name| self.schemas.iter().any(|(schema, _)| schema == name))
            .collect()
    }

    /// Whether an unqualified name can mean something in that schema.
    pub fn sees_schema(&self, schema: &str) -> bool {
        schema == "pg_catalog" || self.search_path().iter().any(|name| name == schema)
    }

    /// The settings of the session, and those that nobody can set.
    pub fn all_settings(&self) -> Vec<Setting> {
        let is_own = |name: &str| self.settings.iter().any(|setting| setting.name == name);
        let presets = PRESETS.iter().filter(|(name, _, _)| !is_own(name));
        let presets = presets.map(|(name, value, description)| Setting {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            default: (*value).to_owned(),
            description: (*description).to_owned(),
            is_server: false,
        });
        self.settings.iter().cloned().chain(presets).collect()
    }

    /// The setting of that name, in any case.
    pub fn setting(&self, name: &str) -> Option<Setting> {
        self.all_settings().into_iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
    }
}

/// The schema that `"$user"` is on a search path. The schemas that everybody has are nobody's own, so that
/// the user `selfsame` too finds its tables in `public`.
pub fn own_schema(user: &str) -> Option<String> {
    SCHEMAS.iter().all(|(name, _)| *name != user).then(|| user.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_numbers_are_stable_and_distinct() {
        let schemas = ["public", "zeta", "alpha"].map(|name| (name.to_owned(), None));
        let one = Description { schemas: schemas.to_vec(), ..Description::default() };
        let mut other = one.clone();
        other.schemas.reverse();
        assert_eq!(one.numbered_schemas(), other.numbered_schemas());
        assert_eq!(one.schema_oid("public"), Some(PUBLIC_OID));
        assert_eq!(one.numbered_schemas().len(), 5);
    }

    #[test]
    fn equal_hashes_get_different_numbers() {
        let first = number(SCHEMA_OID, "a", &BTreeMap::new());
        let taken = BTreeMap::from([(first, "other".to_owned())]);
        assert_ne!(number(SCHEMA_OID, "a", &taken), first);
    }

    #[test]
    fn search_path_knows_the_user_and_skips_what_is_missing() {
        let setting = |value: &str| Setting {
            name: "search_path".to_owned(),
            value: value.to_owned(),
            default: String::new(),
            description: String::new(),
            is_server: false,
        };
        let check = |value: &str, expected: &[&str]| {
            let description = Description {
                user: "ada".to_owned(),
                schemas: ["public", "ada"].map(|name| (name.to_owned(), None)).to_vec(),
                settings: vec![setting(value)],
                ..Description::default()
            };
            assert_eq!(description.search_path(), expected);
        };
        check("\"$user\", public", &["ada", "public"]);
        check("nowhere, public", &["public"]);
        assert_eq!(own_schema("ada"), Some("ada".to_owned()));
        assert_eq!(own_schema("selfsame"), None);
        check("", &[]);
    }
}
