//! Definitions: the changes of the catalog that statements ask for and the log records.
//!
//! A definition is what the user *said*, complete in itself; whether it may be is checked by
//! `catalog`, which also assigns the numbers that storage uses.

use serde::{Deserialize, Serialize};

use crate::model::access::AccessChange;
use crate::model::dataset::{Column, DatasetKind, Upsert};
use crate::model::decision::{DecidedIdentity, DecisionKind};
use crate::model::namespace::{Kind, Normalization};
use crate::model::policy::MergePolicy;
use crate::model::relation::RelationDefinition;
use crate::model::retention::Retention;
use crate::model::server_setting::ServerSetting;

/// What to do if the object is there already, or is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existence {
    /// An error.
    #[default]
    Strict,
    /// `IF NOT EXISTS` or `IF EXISTS`: nothing happens, with a notice.
    Lenient,
    /// `OR REPLACE`: the new one takes the old one's place.
    Replace,
}

/// A change of one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamespaceChange {
    /// `SET UNIQUE`, `SET NOT UNIQUE`.
    Unique(bool),
    /// `SET RANK n`.
    Rank(u32),
    /// `SET NORMALIZE x`.
    Normalize(Normalization),
    /// `BLOCK ('x', ...)`.
    Block(Vec<String>),
    /// `UNBLOCK ('x', ...)`.
    Unblock(Vec<String>),
}

/// A change of one dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetChange {
    /// `ADD COLUMN [IF NOT EXISTS] ...`.
    AddColumn {
        /// The column.
        column: Column,
        /// What if it is there.
        existence: Existence,
    },
    /// `SET (accept_anonymous = true)`.
    AcceptAnonymous(bool),
    /// `SET (upsert = 'replace')`.
    Upsert(Upsert),
    /// `SET (retention = '2 years')`; `None`: for ever.
    Retention(Option<Retention>),
}

/// One statement that changes the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// `CREATE NAMESPACE`.
    CreateNamespace {
        /// Its name.
        name: String,
        /// What it identifies.
        kind: Kind,
        /// Its rank, or after the last.
        rank: Option<u32>,
        /// Whether a graph may hold one identity of it only.
        unique: bool,
        /// How values are normalised.
        normalization: Normalization,
        /// Values that identify nobody, as typed.
        blocked: Vec<String>,
        /// What if it is there.
        existence: Existence,
    },
    /// `ALTER NAMESPACE`.
    AlterNamespace {
        /// Its name.
        name: String,
        /// The changes, all or none.
        changes: Vec<NamespaceChange>,
    },
    /// `DROP NAMESPACE`.
    DropNamespace {
        /// Its name.
        name: String,
        /// What if it is not there.
        existence: Existence,
    },
    /// `CREATE [EVENT] DATASET`.
    CreateDataset {
        /// Its name.
        name: String,
        /// Records or events.
        kind: DatasetKind,
        /// Its columns.
        columns: Vec<Column>,
        /// Its settings, as changes of the defaults.
        options: Vec<DatasetChange>,
        /// What if it is there.
        existence: Existence,
    },
    /// `ALTER DATASET`.
    AlterDataset {
        /// Its name.
        name: String,
        /// The changes, all or none.
        changes: Vec<DatasetChange>,
    },
    /// `DROP DATASET`.
    DropDataset {
        /// Its name.
        name: String,
        /// What if it is not there.
        existence: Existence,
    },
    /// `CREATE [OR REPLACE] [DEFAULT] MERGE POLICY`.
    CreateMergePolicy {
        /// The policy.
        policy: MergePolicy,
        /// Whether `profiles` shows it unless a session says otherwise.
        default: bool,
        /// What if it is there.
        existence: Existence,
    },
    /// `ALTER MERGE POLICY name SET DEFAULT`.
    SetDefaultMergePolicy {
        /// Its name.
        name: String,
    },
    /// `DROP MERGE POLICY`.
    DropMergePolicy {
        /// Its name.
        name: String,
        /// What if it is not there.
        existence: Existence,
    },
    /// `LINK`, `UNLINK`. The statement does not say by whom and when: its session does.
    Decide {
        /// What was decided.
        kind: DecisionKind,
        /// The identity named first.
        left: DecidedIdentity,
        /// The other one.
        right: DecidedIdentity,
        /// The user.
        decided_by: String,
        /// When, in microseconds.
        decided_at: i64,
        /// Why, if it was said.
        comment: Option<String>,
    },
    /// `DROP LINK`, `DROP UNLINK`.
    Undecide {
        /// What was decided.
        kind: DecisionKind,
        /// The identity named first; either may be.
        left: DecidedIdentity,
        /// The other one.
        right: DecidedIdentity,
        /// What if there is no such decision.
        existence: Existence,
    },
    /// `ALTER SYSTEM SET`, `ALTER SYSTEM RESET`.
    AlterSystem {
        /// The setting and its value.
        setting: ServerSetting,
    },
    /// `CREATE VIEW`, `CREATE TABLE`, `CREATE SCHEMA`, and what changes and drops them.
    Relation(RelationDefinition),
    /// Roles, privileges, and what is sensitive.
    Access(AccessChange),
}

impl Definition {
    /// The name of what it defines, if it is one object.
    pub fn object(&self) -> Option<&str> {
        match self {
            Self::CreateNamespace { name, .. }
            | Self::AlterNamespace { name, .. }
            | Self::DropNamespace { name, .. }
            | Self::CreateDataset { name, .. }
            | Self::AlterDataset { name, .. }
            | Self::DropDataset { name, .. }
            | Self::SetDefaultMergePolicy { name }
            | Self::DropMergePolicy { name, .. } => Some(name),
            Self::CreateMergePolicy { policy, .. } => Some(&policy.name),
            _ => None,
        }
    }
}
