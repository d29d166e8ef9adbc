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
            Self::SetOwner { .. } => "ALTER TABLE",
            Self::ReassignOwned { .. } => "REASSIGN OWNED",
            Self::DropOwned { .. } => "DROP OWNED",
            Self::Sensitive { .. } => "ALTER DATASET",
        }
    }
}
