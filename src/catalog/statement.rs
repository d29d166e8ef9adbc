//! Definitions as statements: what a log says did something, in one line.
//!
//! Short on purpose: names and what changed, not the whole of what was created; `SHOW CREATE` gives
//! that. Names are those of the catalog before the definition.

use crate::catalog::Catalog;
use crate::model::definition::{Definition, NamespaceChange};
use crate::model::names::{quote_literal, quote_name};
use crate::model::relation::{RelationBody, RelationDefinition};
use crate::model::server_setting::{GRAPH_IDENTITIES_MAX, ServerSetting};

impl Catalog {
    /// A definition as the statement that says it.
    pub fn statement_text(&self, definition: &Definition) -> String {
        let named = |words: &str, name: &str| format!("{words} {}", quote_name(name));
        match definition {
            Definition::CreateNamespace { name, .. } => named("CREATE NAMESPACE", name),
            Definition::AlterNamespace { name, changes } => {
                let changes: Vec<String> = changes.iter().map(change_text).collect();
                format!("ALTER NAMESPACE {} {}", quote_name(name), changes.join(", "))
            }
            Definition::DropNamespace { name, .. } => named("DROP NAMESPACE", name),
            Definition::CreateDataset { name, .. } => named("CREATE DATASET", name),
            Definition::AlterDataset { name, .. } => named("ALTER DATASET", name),
            Definition::DropDataset { name, .. } => named("DROP DATASET", name),
            Definition::CreateMergePolicy { policy, .. } => {
                named("CREATE MERGE POLICY", &policy.name)
            }
            Definition::SetDefaultMergePolicy { name } => {
                format!("{} SET DEFAULT", named("ALTER MERGE POLICY", name))
            }
            Definition::DropMergePolicy { name, .. } => named("DROP MERGE POLICY", name),
            Definition::Decide { kind, left, right, .. } => self.decision_text(*kind, left, right),
            Definition::Undecide { kind, left, right, .. } => {
                format!("DROP {}", self.decision_text(*kind, left, right))
            }
            Definition::AlterSystem { setting } => setting_text(*setting),
            Definition::Relation(definition) => relation_text(definition),
            Definition::Access(_) => "GRANT".to_owned(),
        }
    }
}

fn relation_text(definition: &RelationDefinition) -> String {
    match definition {
        RelationDefinition::CreateSchema { name, .. } => {
            format!("CREATE SCHEMA {}", quote_name(name))
        }
        RelationDefinition::DropSchema { name, .. } => format!("DROP SCHEMA {}", quote_name(name)),
        RelationDefinition::Create { name, body: RelationBody::Table, .. } => {
            format!("CREATE TABLE {}", name.quoted())
        }
        RelationDefinition::Create { name, .. } => format!("CREATE VIEW {}", name.quoted()),
        RelationDefinition::Drop { name, kind, .. } => {
            format!("DROP {} {}", kind.word().to_uppercase(), name.quoted())
        }
        RelationDefinition::Alter { name, .. } => format!("ALTER TABLE {}", name.quoted()),
        RelationDefinition::Comment { .. } => "COMMENT".to_owned(),
    }
}

fn change_text(change: &NamespaceChange) -> String {
    let listed = |word: &str, values: &[String]| {
        let values: Vec<String> = values.iter().map(|value| quote_literal(value)).collect();
        format!("{word} ({})", values.join(", "))
    };
    match change {
        NamespaceChange::Unique(true) => "SET UNIQUE".to_owned(),
        NamespaceChange::Unique(false) => "SET NOT UNIQUE".to_owned(),
        NamespaceChange::Rank(rank) => format!("SET RANK {rank}"),
        NamespaceChange::Normalize(normalization) => {
            format!("SET NORMALIZE {}", normalization.name())
        }
        NamespaceChange::Block(values) => listed("BLOCK", values),
        NamespaceChange::Unblock(values) => listed("UNBLOCK", values),
    }
}

fn setting_text(setting: ServerSetting) -> String {
    match setting {
        ServerSetting::GraphIdentitiesMax(Some(value)) => {
            format!("ALTER SYSTEM SET {GRAPH_IDENTITIES_MAX} = {value}")
        }
        ServerSetting::GraphIdentitiesMax(None) => {
            format!("ALTER SYSTEM RESET {GRAPH_IDENTITIES_MAX}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::decision::{DecidedIdentity, DecisionKind};
    use crate::model::definition::Existence;
    use crate::model::namespace::{Kind, Normalization};

    fn check(definition: &Definition, expected: &str) {
        let create = Definition::CreateNamespace {
            name: "email".to_owned(),
            kind: Kind::Person,
            rank: None,
            unique: false,
            normalization: Normalization::Lower,
            blocked: Vec::new(),
            existence: Existence::Strict,
        };
        let catalog = Catalog::default().apply(&create).unwrap().catalog.unwrap();
        assert_eq!(catalog.statement_text(definition), expected);
    }

    fn identity(value: &str) -> DecidedIdentity {
        DecidedIdentity { namespace: 0, value: value.to_owned(), number: 0 }
    }

    #[test]
    fn definitions_read_as_they_are_said() {
        let changes = vec![
            NamespaceChange::Unique(true),
            NamespaceChange::Rank(3),
            NamespaceChange::Normalize(Normalization::Lower),
            NamespaceChange::Block(vec!["it's".to_owned(), "b".to_owned()]),
        ];
        check(
            &Definition::AlterNamespace { name: "email".to_owned(), changes },
            "ALTER NAMESPACE email SET UNIQUE, SET RANK 3, SET NORMALIZE lower, BLOCK ('it''s', 'b')",
        );
        let (kind, left, right) = (DecisionKind::Unlink, identity("a"), identity("b"));
        let existence = Existence::Strict;
        check(
            &Definition::Undecide { kind, left, right, existence },
            "DROP UNLINK email 'a' FROM email 'b'",
        );
        let name = "My data".to_owned();
        check(&Definition::DropDataset { name, existence }, "DROP DATASET \"My data\"");
        for (value, expected) in [
            (Some(7), "ALTER SYSTEM SET graph_identities_max = 7"),
            (None, "ALTER SYSTEM RESET graph_identities_max"),
        ] {
            let setting = ServerSetting::GraphIdentitiesMax(value);
            check(&Definition::AlterSystem { setting }, expected);
        }
    }
}
