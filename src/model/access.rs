//! Who may do what: roles, privileges and the changes of them, as plain data.
//!
//! What these mean (who inherits from whom, which privilege a statement needs) is `catalog::access`'s.
//! Letters and words are PostgreSQL's, so that `\dp` reads as people know it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The role that exists from the start and may do everything.
pub const BOOTSTRAP: &str = "selfsame";

/// What stands for every role in a list of privileges.
pub const PUBLIC: &str = "";

/// Roles that are always there, cannot log in, and stand for a right: name, number in `pg_authid`, what
/// their members may do.
pub const PREDEFINED: &[(&str, u32, &str)] = &[
    ("pg_monitor", 3373, "read settings, sessions, operations, ingests and the audit log"),
    ("pg_read_all_data", 6181, "read every table, sensitive values aside"),
    ("pg_read_server_files", 4569, "COPY from files that the server may read"),
    ("pg_signal_backend", 4200, "cancel statements and end sessions of others"),
    ("pg_write_all_data", 6182, "insert into and delete from every dataset"),
    (
        "selfsame_admin",
        6301,
        "define namespaces, datasets and merge policies, erase people, ALTER SYSTEM",
    ),
    ("selfsame_read_sensitive", 6302, "see the values of sensitive columns"),
    ("selfsame_steward", 6303, "decide with LINK and UNLINK, and read the decisions"),
];

/// The predefined role whose members read settings and operations.
pub const MONITOR: &str = "pg_monitor";
/// The predefined role whose members read everything.
pub const READ_ALL_DATA: &str = "pg_read_all_data";
/// The predefined role whose members may COPY from files of the server.
pub const READ_SERVER_FILES: &str = "pg_read_server_files";
/// The predefined role whose members may end sessions.
pub const SIGNAL_BACKEND: &str = "pg_signal_backend";
/// The predefined role whose members write everything.
pub const WRITE_ALL_DATA: &str = "pg_write_all_data";
/// The predefined role whose members define.
pub const ADMIN: &str = "selfsame_admin";
/// The predefined role whose members see sensitive values.
pub const READ_SENSITIVE: &str = "selfsame_read_sensitive";
/// The predefined role whose members decide.
pub const STEWARD: &str = "selfsame_steward";

/// Whom to ask for a password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    /// From this machine only roles that have one, from elsewhere everybody.
    #[default]
    Automatic,
    /// Nobody.
    Trust,
    /// Everybody.
    Scram,
}

/// What the audit log has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditLevel {
    /// Nothing.
    None,
    /// What changes something, and what was refused.
    #[default]
    Write,
    /// What reads something, too.
    All,
}

/// Something that may be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privilege {
    /// Adding rows.
    Insert,
    /// Reading rows.
    Select,
    /// Changing rows.
    Update,
    /// Deleting rows.
    Delete,
    /// Deleting all rows.
    Truncate,
    /// Foreign keys, of which there are none; kept because ALL includes it.
    References,
    /// Triggers, of which there are none; kept because ALL includes it.
    Trigger,
    /// Naming what is in a schema.
    Usage,
    /// Creating something in a schema.
    Create,
}

impl Privilege {
    /// All of them: privilege, word, letter in a list of privileges.
    pub const ALL: &[(Self, &str, char)] = &[
        (Self::Insert, "INSERT", 'a'),
        (Self::Select, "SELECT", 'r'),
        (Self::Update, "UPDATE", 'w'),
        (Self::Delete, "DELETE", 'd'),
        (Self::Truncate, "TRUNCATE", 'D'),
        (Self::References, "REFERENCES", 'x'),
        (Self::Trigger, "TRIGGER", 't'),
        (Self::Usage, "USAGE", 'U'),
        (Self::Create, "CREATE", 'C'),
    ];

    /// Those of a table.
    pub const TABLE: &[Self] = &[
        Self::Insert,
        Self::Select,
        Self::Update,
        Self::Delete,
        Self::Truncate,
        Self::References,
        Self::Trigger,
    ];

    /// Those of a column.
    pub const COLUMN: &[Self] = &[Self::Insert, Self::Select, Self::Update, Self::References];

    /// Those of a schema.
    pub const SCHEMA: &[Self] = &[Self::Usage, Self::Create];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(it, ..)| *it == self).map_or("", |(_, word, _)| word)
    }

    /// Its letter.
    pub fn letter(self) -> char {
        Self::ALL.iter().find(|(it, ..)| *it == self).map_or('?', |(.., letter)| *letter)
    }

    /// The privilege of a word, in any case.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, it, _)| it.eq_ignore_ascii_case(word)).map(|(it, ..)| *it)
    }
}

/// What one role was granted on one object: each privilege, and whether it may be granted on.
pub type Rights = BTreeMap<Privilege, bool>;

/// What was granted on one object, by role; [`PUBLIC`] is everybody.
pub type Grants = BTreeMap<String, Rights>;

/// How a role is a member of another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Whether the member may make others members.
    pub admin: bool,
    /// Who made it one.
    pub grantor: String,
}

/// A user or group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its number, which is never given again.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Whether it may do everything.
    pub superuser: bool,
    /// Whether it has the rights of the roles it is a member of without SET ROLE.
    pub inherit: bool,
    /// Whether it may make roles.
    pub create_role: bool,
    /// Whether it may make databases, of which there is one; kept because clients ask.
    pub create_database: bool,
    /// Whether it may log in.
    pub login: bool,
    /// How many sessions it may have; -1 is any number.
    pub connection_limit: i32,
    /// Until when its password counts, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<i64>,
    /// The verifier of its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The roles that it is a member of.
    #[serde(default)]
    pub member_of: BTreeMap<String, Membership>,
    /// Settings that its sessions start with.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

impl Role {
    /// A role that may nothing.
    pub fn new(id: u32, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            superuser: false,
            inherit: true,
            create_role: false,
            create_database: false,
            login: false,
            connection_limit: -1,
            valid_until: None,
            password: None,
            member_of: BTreeMap::new(),
            settings: BTreeMap::new(),
        }
    }
}

/// One attribute of a role, as CREATE ROLE and ALTER ROLE say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleOption {
    /// `SUPERUSER`, `NOSUPERUSER`.
    Superuser(bool),
    /// `INHERIT`, `NOINHERIT`.
    Inherit(bool),
    /// `CREATEROLE`, `NOCREATEROLE`.
    CreateRole(bool),
    /// `CREATEDB`, `NOCREATEDB`.
    CreateDatabase(bool),
    /// `LOGIN`, `NOLOGIN`.
    Login(bool),
    /// `CONNECTION LIMIT n`.
    ConnectionLimit(i32),
    /// `VALID UNTIL '...'`; `None` is for ever.
    ValidUntil(Option<i64>),
    /// `PASSWORD '...'`, as its verifier; `None` is none.
    Password(Option<String>),
}

/// A table or a column of it, a schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Securable {
    /// A table or view.
    Table {
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
    },
    /// A column of a table.
    Column {
        /// The table's schema.
        schema: String,
        /// The table's name.
        table: String,
        /// Its name.
        column: String,
    },
    /// A schema.
    Schema {
        /// Its name.
        name: String,
    },
    /// Tables that a role creates in a schema from now on.
    Future {
        /// The role.
        owner: String,
        /// The schema.
        schema: String,
    },
}

/// Privileges that are given or taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// On what.
    pub object: Securable,
    /// To or from whom; [`PUBLIC`] is everybody.
    pub role: String,
    /// Which.
    pub privileges: BTreeSet<Privilege>,
    /// Whether they may be granted on; of REVOKE: whether only that is taken.
    pub grantable: bool,
}

/// A change of who may do what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessChange {
    /// `CREATE ROLE`.
    CreateRole {
        /// Its name.
        name: String,
        /// Its attributes.
        options: Vec<RoleOption>,
        /// A random text from which salts of roles that do not exist are made, if there is none yet.
        secret: String,
    },
    /// `ALTER ROLE`.
    AlterRole {
        /// Its name.
        name: String,
        /// The attributes that change.
        options: Vec<RoleOption>,
        /// As above.
        secret: String,
    },
    /// `ALTER ROLE ... SET`; without a value, RESET; without a name, RESET ALL.
    SetForRole {
        /// The role.
        role: String,
        /// The setting.
        setting: Option<String>,
        /// Its value.
        value: Option<String>,
    },
    /// `ALTER ROLE ... RENAME TO`.
    RenameRole {
        /// Its name.
        name: String,
        /// Its new name.
        to: String,
    },
    /// `DROP ROLE`.
    DropRole {
        /// Its name.
        name: String,
    },
    /// `GRANT role TO role`.
    AddMember {
        /// The role whose rights are given.
        role: String,
        /// To whom.
        member: String,
        /// Whether the member may make others members.
        admin: bool,
        /// By whom.
        grantor: String,
    },
    /// `REVOKE role FROM role`.
    RemoveMember {
        /// The role whose rights are taken.
        role: String,
        /// From whom.
        member: String,
        /// Whether only the right to make others members is taken.
        admin_only: bool,
    },
    /// `GRANT privilege ON object TO role`.
    Grant(Grant),
    /// `REVOKE privilege ON object FROM role`.
    Revoke(Grant),
    /// `ALTER ... OWNER TO`, and what CREATE does.
    SetOwner {
        /// The table's schema.
        schema: String,
        /// The table's name.
        name: String,
        /// The new owner.
        owner: String,
    },
    /// `REASSIGN OWNED BY role TO role`.
    Reassign {
        /// From whom.
        from: String,
        /// To whom.
        to: String,
    },
    /// `DROP OWNED BY role`: takes what was granted to it.
    RevokeAll {
        /// From whom.
        role: String,
    },
    /// `ALTER DATASET ... ALTER COLUMN ... SET [NOT] SENSITIVE`.
    Sensitive {
        /// The dataset.
        dataset: String,
        /// The column.
        column: String,
        /// Whether it is.
        sensitive: bool,
    },
    /// Several, all or none.
    All(Vec<AccessChange>),
}
