//! What statements about roles and privileges say, before anybody has looked whether it can be.

use crate::query::statements::phrases::privileges::{StatedObjects, StatedPrivilege};
use crate::query::statements::phrases::role::{RoleAttribute, RoleName};

/// A statement about roles or privileges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessStatement {
    /// `CREATE ROLE`, and whether it was `CREATE USER`.
    CreateRole {
        /// Its name.
        name: String,
        /// Its attributes.
        attributes: Vec<RoleAttribute>,
    },
    /// `ALTER ROLE`.
    AlterRole {
        /// The role.
        role: RoleName,
        /// The attributes that change.
        attributes: Vec<RoleAttribute>,
    },
    /// `ALTER ROLE ... RENAME TO`.
    RenameRole {
        /// Its name.
        role: RoleName,
        /// Its new name.
        to: String,
    },
    /// `ALTER ROLE ... SET`, `RESET`; without a name all of them.
    SetForRole {
        /// The role.
        role: RoleName,
        /// The setting.
        setting: Option<String>,
        /// Its value; `None` forgets it.
        value: Option<String>,
    },
    /// `DROP ROLE`.
    DropRole {
        /// Their names.
        roles: Vec<RoleName>,
        /// Whether it may be that they are not there.
        lenient: bool,
    },
    /// `GRANT role TO role`, `REVOKE role FROM role`, `ALTER GROUP`.
    Membership {
        /// Whether it is given, or taken.
        given: bool,
        /// The roles whose rights are given.
        roles: Vec<RoleName>,
        /// To whom.
        members: Vec<RoleName>,
        /// `WITH ADMIN OPTION`, `ADMIN OPTION FOR`.
        admin: bool,
    },
    /// `GRANT ... ON`, `REVOKE ... ON`.
    Privileges {
        /// Whether they are given, or taken.
        given: bool,
        /// Which.
        privileges: Vec<StatedPrivilege>,
        /// On what.
        objects: StatedObjects,
        /// To or from whom.
        roles: Vec<RoleName>,
        /// `WITH GRANT OPTION`, `GRANT OPTION FOR`.
        grantable: bool,
    },
    /// `ALTER DEFAULT PRIVILEGES`.
    DefaultPrivileges {
        /// For tables of whom; none is the current role.
        owners: Vec<RoleName>,
        /// In which schemas; none is all.
        schemas: Vec<String>,
        /// Whether they are given, or taken.
        given: bool,
        /// Which.
        privileges: Vec<StatedPrivilege>,
        /// To or from whom.
        roles: Vec<RoleName>,
        /// `WITH GRANT OPTION`, `GRANT OPTION FOR`.
        grantable: bool,
    },
    /// `ALTER TABLE ... OWNER TO`.
    SetOwner {
        /// The table's schema, if it was said.
        schema: Option<String>,
        /// Its name.
        table: String,
        /// The new owner.
        owner: RoleName,
    },
    /// `REASSIGN OWNED BY ... TO`.
    ReassignOwned {
        /// From whom.
        from: Vec<RoleName>,
        /// To whom.
        to: RoleName,
    },
    /// `DROP OWNED BY`.
    DropOwned {
        /// Of whom.
        roles: Vec<RoleName>,
    },
    /// `ALTER DATASET ... ALTER COLUMN ... SET [NOT] SENSITIVE`.
    Sensitive {
        /// The dataset.
        dataset: String,
        /// Columns, and whether they are.
        columns: Vec<(String, bool)>,
    },
}

impl AccessStatement {
    /// The command tag.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::CreateRole { .. } => "CREATE ROLE",
            Self::AlterRole { .. } | Self::RenameRole { .. } | Self::SetForRole { .. } => {
                "ALTER ROLE"
            }
            Self::DropRole { .. } => "DROP ROLE",
            Self::Membership { given: true, .. } => "GRANT ROLE",
            Self::Membership { given: false, .. } => "REVOKE ROLE",
            Self::Privileges { given: true, .. } => "GRANT",
            Self::Privileges { given: false, .. } => "REVOKE",
            Self::DefaultPrivileges { .. } => "ALTER DEFAULT PRIVILEGES",
            Self::SetOwner { .. } => "ALTER DATASET",
            Self::ReassignOwned { .. } => "REASSIGN OWNED",
            Self::DropOwned { .. } => "DROP OWNED",
            Self::Sensitive { .. } => "ALTER DATASET",
        }
    }

    /// The tables and roles that it names, for those who note who changed what.
    pub fn names(&self) -> Vec<String> {
        let role = |role: &RoleName| match role {
            RoleName::Named(name) => format!("role {name}"),
            RoleName::Current => "role CURRENT_USER".to_owned(),
            RoleName::Session => "role SESSION_USER".to_owned(),
            RoleName::Public => "role PUBLIC".to_owned(),
        };
        let roles = |all: &[RoleName]| all.iter().map(role).collect::<Vec<_>>();
        let table = |schema: &Option<String>, name: &String| match schema.as_deref() {
            Some(schema) if schema != "public" => format!("{schema}.{name}"),
            _ => name.clone(),
        };
        match self {
            Self::CreateRole { name, .. } => vec![format!("role {name}")],
            Self::AlterRole { role: of, .. }
            | Self::RenameRole { role: of, .. }
            | Self::SetForRole { role: of, .. } => vec![role(of)],
            Self::DropRole { roles: all, .. } | Self::DropOwned { roles: all } => roles(all),
            Self::Membership { roles: all, members, .. } => [roles(all), roles(members)].concat(),
            Self::Privileges { objects, roles: all, .. } => {
                let objects = match objects {
                    StatedObjects::Tables(tables) => {
                        tables.iter().map(|(schema, name)| table(schema, name)).collect()
                    }
                    StatedObjects::AllTables(schemas) | StatedObjects::Schemas(schemas) => {
                        schemas.iter().map(|name| format!("schema {name}")).collect()
                    }
                    StatedObjects::Nothing => Vec::new(),
                };
                [objects, roles(all)].concat()
            }
            Self::DefaultPrivileges { owners, roles: all, .. } => {
                [roles(owners), roles(all)].concat()
            }
            Self::SetOwner { schema, table: name, owner } => {
                vec![table(schema, name), role(owner)]
            }
            Self::ReassignOwned { from, to } => [roles(from), vec![role(to)]].concat(),
            Self::Sensitive { dataset, .. } => vec![dataset.clone()],
        }
    }
}
