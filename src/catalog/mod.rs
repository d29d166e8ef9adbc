//! The catalog: all definitions, as a pure state machine.
//!
//! `apply` takes the catalog and one `Definition` and gives the next catalog or says why not. The
//! engine applies a definition, logs it, and shows the next catalog once the log is durable; replaying
//! the log gives the same catalog, numbers included. Nothing here touches rows or disk.

pub mod access;
mod apply;
pub mod attributes;
mod decide;
pub mod decisions;
pub mod relations;
mod statement;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::access::Access;
pub use crate::catalog::apply::Applied;
use crate::catalog::attributes::Attribute;
use crate::catalog::decisions::Decisions;
use crate::catalog::relations::Relations;
use crate::error::{Error, Result, SqlState};
use crate::model::dataset::{Dataset, DatasetKind};
use crate::model::namespace::Namespace;
use crate::model::policy::{LATEST, MergePolicy};
use crate::model::server_setting::GRAPH_IDENTITIES_MAX_DEFAULT;

/// All definitions at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// Grows with every change; plans made under another version are stale.
    pub version: u64,
    /// Namespaces by name.
    pub namespaces: BTreeMap<String, Namespace>,
    /// Datasets by name.
    pub datasets: BTreeMap<String, Dataset>,
    /// Merge policies by name; `latest` is always there.
    pub policies: BTreeMap<String, MergePolicy>,
    /// The policy that `profiles` shows unless a session says otherwise.
    pub default_policy: String,
    /// Number of the next namespace.
    pub next_namespace_id: u32,
    /// Number of the next dataset.
    pub next_dataset_id: u32,
    /// Stewards' decisions in force.
    #[serde(default)]
    pub decisions: Decisions,
    /// How many identities a graph holds at most; 0 for no limit.
    #[serde(default = "graph_identities_max_default")]
    pub graph_identities_max: u32,
    /// Views and scratch tables.
    #[serde(default)]
    pub relations: Relations,
    /// Who may do what.
    #[serde(default)]
    pub access: Access,
}

fn graph_identities_max_default() -> u32 {
    GRAPH_IDENTITIES_MAX_DEFAULT
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            version: 1,
            namespaces: BTreeMap::new(),
            datasets: BTreeMap::new(),
            policies: BTreeMap::from([(LATEST.to_owned(), MergePolicy::latest())]),
            default_policy: LATEST.to_owned(),
            next_namespace_id: 0,
            next_dataset_id: 0,
            decisions: Decisions::default(),
            graph_identities_max: GRAPH_IDENTITIES_MAX_DEFAULT,
            relations: Relations::default(),
            access: Access::default(),
        }
    }
}

impl Catalog {
    /// A namespace by name.
    ///
    /// # Errors
    /// `42704`.
    pub fn namespace(&self, name: &str) -> Result<&Namespace> {
        self.namespaces.get(name).ok_or_else(|| {
            let message = format!("namespace \"{name}\" does not exist");
            Error::new(SqlState::UNDEFINED_OBJECT, message)
                .hint(format!("define it first: CREATE NAMESPACE {name}"))
        })
    }

    /// A dataset by name.
    ///
    /// # Errors
    /// `42P01`.
    pub fn dataset(&self, name: &str) -> Result<&Dataset> {
        self.datasets.get(name).ok_or_else(|| {
            let message = format!("dataset \"{name}\" does not exist");
            Error::new(SqlState::UNDEFINED_TABLE, message)
        })
    }

    /// A dataset by its number.
    pub fn dataset_by_id(&self, id: u32) -> Option<&Dataset> {
        self.datasets.values().find(|dataset| dataset.id == id)
    }

    /// A namespace by its number.
    pub fn namespace_by_id(&self, id: u32) -> Option<&Namespace> {
        self.namespaces.values().find(|namespace| namespace.id == id)
    }

    /// A merge policy by name.
    ///
    /// # Errors
    /// `42704`.
    pub fn policy(&self, name: &str) -> Result<&MergePolicy> {
        self.policies.get(name).ok_or_else(|| {
            let message = format!("merge policy \"{name}\" does not exist");
            let names: Vec<_> = self.policies.keys().map(String::as_str).collect();
            Error::new(SqlState::UNDEFINED_OBJECT, message)
                .hint(format!("there are: {}", names.join(", ")))
        })
    }

    /// Datasets in order of creation.
    pub fn datasets_in_order(&self) -> Vec<&Dataset> {
        let mut datasets: Vec<_> = self.datasets.values().collect();
        datasets.sort_by_key(|dataset| dataset.id);
        datasets
    }

    /// Record datasets in order of creation: those that contribute attributes.
    pub fn record_datasets(&self) -> Vec<&Dataset> {
        let mut datasets = self.datasets_in_order();
        datasets.retain(|dataset| dataset.kind == DatasetKind::Record);
        datasets
    }

    /// The union of the record datasets' columns, in order of first appearance.
    pub fn attributes(&self) -> Vec<Attribute> {
        attributes::union(&self.record_datasets())
    }

    /// The union of the event datasets' columns.
    pub fn event_attributes(&self) -> Vec<Attribute> {
        let mut datasets = self.datasets_in_order();
        datasets.retain(|dataset| dataset.kind == DatasetKind::Event);
        attributes::union(&datasets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_written_before_there_were_decisions_is_read() {
        let catalog = Catalog::default();
        let mut json = serde_json::to_value(&catalog).unwrap();
        let fields = json.as_object_mut().unwrap();
        assert!(fields.remove("decisions").is_some());
        assert!(fields.remove("graph_identities_max").is_some());
        assert!(fields.remove("relations").is_some());
        assert!(fields.remove("access").is_some());
        assert_eq!(serde_json::from_value::<Catalog>(json).unwrap(), catalog);
    }
}
