//! Decisions as stewards state them: raw values become identities with numbers, then a definition.
//!
//! Statements call this. What a decision may say is the catalog's matter; what it does to graphs
//! happens in the writer.

use crate::catalog::Catalog;
use crate::engine::database::{Database, Defined};
use crate::engine::transaction::Accept;
use crate::error::{Error, Result, SqlState};
use crate::model::decision::{DecidedIdentity, DecisionKind};
use crate::model::definition::{Definition, Existence};
use crate::model::names::quote_literal;

/// A pair of identities as a steward wrote them: namespace and raw value, twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedPair {
    /// What is said of them.
    pub kind: DecisionKind,
    /// The identity named first.
    pub left: (String, String),
    /// The other one.
    pub right: (String, String),
}

impl Database {
    /// Puts a decision in force; returns when it is durable and visible. The notice tells which
    /// identities no row has named yet.
    ///
    /// # Errors
    /// `42704` for an unknown namespace, `22023` for a value that is no identity, what the catalog
    /// refuses (`23505` for links that contradict each other), or what the disk says.
    pub fn decide(
        &self,
        pair: &StatedPair,
        decided_by: &str,
        comment: Option<String>,
    ) -> Result<Defined> {
        (self as &dyn Accept).decide(pair, decided_by, comment)
    }

    /// Takes a decision out of force.
    ///
    /// # Errors
    /// As [`Database::decide`]; `42704` if there is no such decision, unless that is allowed.
    pub fn undecide(&self, pair: &StatedPair, existence: Existence) -> Result<Defined> {
        (self as &dyn Accept).undecide(pair, existence)
    }
}

impl dyn Accept + '_ {
    /// Puts a decision in force; returns when it is durable and visible. The notice tells which
    /// identities no row has named yet.
    ///
    /// # Errors
    /// `42704` for an unknown namespace, `22023` for a value that is no identity, what the catalog
    /// refuses (`23505` for links that contradict each other), or what the disk says.
    pub(crate) fn decide(
        &self,
        pair: &StatedPair,
        decided_by: &str,
        comment: Option<String>,
    ) -> Result<Defined> {
        let (left, right) = self.decided_pair(pair)?;
        let definition = Definition::Decide {
            kind: pair.kind,
            left: left.clone(),
            right: right.clone(),
            decided_by: decided_by.to_owned(),
            decided_at: self.database().clock().now_micros(),
            comment,
        };
        let defined = self.accept_definition(definition)?;
        let unseen = match pair.kind {
            DecisionKind::Link => self.unseen_notice([&left, &right]),
            DecisionKind::Unlink => self.together_notice(&left, &right),
        };
        let notices: Vec<String> = defined.notice.into_iter().chain(unseen).collect();
        let notice = (!notices.is_empty()).then(|| notices.join("\n"));
        Ok(Defined { notice, ..defined })
    }

    /// Takes a decision out of force.
    ///
    /// # Errors
    /// As [`Database::decide`]; `42704` if there is no such decision, unless that is allowed.
    pub(crate) fn undecide(&self, pair: &StatedPair, existence: Existence) -> Result<Defined> {
        let (left, right) = self.decided_pair(pair)?;
        self.accept_definition(Definition::Undecide { kind: pair.kind, left, right, existence })
    }

    fn decided_pair(&self, pair: &StatedPair) -> Result<(DecidedIdentity, DecidedIdentity)> {
        let snapshot = self.seen();
        let number = |(namespace, raw): &(String, String)| {
            let (namespace, value) = normalised(snapshot.catalog(), namespace, raw)?;
            // A number that no row and no decision gets to use is nobody's, and harmless.
            let number = self.database().dictionary().intern(namespace, &value)?;
            Ok(DecidedIdentity { namespace, value, number })
        };
        Ok((number(&pair.left)?, number(&pair.right)?))
    }

    /// An UNLINK parts the two where rows name both; other links may hold them together all the same.
    fn together_notice(&self, left: &DecidedIdentity, right: &DecidedIdentity) -> Option<String> {
        let snapshot = self.seen();
        let profile = |identity: &DecidedIdentity| snapshot.state.graph.profile_of(identity.number);
        profile(left).filter(|left| profile(right) == Some(*left))?;
        let catalog = snapshot.catalog();
        Some(format!(
            "{} and {} are still one person by other links; identity_path shows them",
            catalog.identity_text(left),
            catalog.identity_text(right)
        ))
    }

    fn unseen_notice(&self, identities: [&DecidedIdentity; 2]) -> Option<String> {
        let snapshot = self.seen();
        let seen = |identity: &DecidedIdentity| snapshot.state.graph.contains(identity.number);
        let unseen: Vec<String> = identities
            .into_iter()
            .filter(|identity| !seen(identity))
            .map(|identity| snapshot.catalog().identity_text(identity))
            .collect();
        match &unseen[..] {
            [] => None,
            [one] => Some(format!("no row names {one} yet; the link takes effect when one does")),
            all => {
                let all = all.join(" or ");
                Some(format!("no row names {all} yet; the link takes effect when rows name both"))
            }
        }
    }
}

/// The number of a namespace, and the identity that a raw value stands for in it.
fn normalised(catalog: &Catalog, namespace: &str, raw: &str) -> Result<(u32, String)> {
    let namespace = catalog.namespace(namespace)?;
    let unusable = namespace.unusable(raw);
    match namespace.identity(raw) {
        Some(value) => Ok((namespace.id, value.into_owned())),
        None => {
            let shown: String = raw.chars().take(64).collect();
            let message = format!(
                "{} is no usable identity of namespace \"{}\"",
                quote_literal(&shown),
                namespace.name
            );
            let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, message);
            Err(match unusable {
                Some(why) => error.detail(why),
                None => error,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use super::*;
    use crate::engine::{Load, Options, Source};
    use crate::env::memory_disk::MemoryDisk;
    use crate::ingest::{Input, format_named};
    use crate::model::column::ColumnType;
    use crate::model::dataset::{Column, DatasetKind, Role};
    use crate::model::namespace::{Kind, Normalization};

    fn open(disk: &MemoryDisk) -> Arc<Database> {
        let disk = Arc::new(disk.clone());
        Database::open(Options { disk, ..Options::memory() }).unwrap()
    }

    fn define(database: &Database) {
        let namespace = |name: &str| Definition::CreateNamespace {
            name: name.to_owned(),
            kind: Kind::Person,
            rank: None,
            unique: false,
            normalization: Normalization::Lower,
            blocked: Vec::new(),
            existence: Existence::Strict,
        };
        let column = |name: &str| Column {
            name: name.to_owned(),
            ty: ColumnType::Text,
            attribute: None,
            derived: None,
            role: Role::Identity(name.to_owned()),
        };
        database.define(namespace("crm")).unwrap();
        database.define(namespace("mail")).unwrap();
        let dataset = Definition::CreateDataset {
            name: "people".to_owned(),
            kind: DatasetKind::Record,
            columns: vec![column("crm"), column("mail")],
            options: Vec::new(),
            existence: Existence::Strict,
        };
        database.define(dataset).unwrap();
    }

    fn load(database: &Database, rows: &str) {
        let text = format!("crm,mail\n{rows}\n");
        let options = crate::ingest::Options::default();
        let input = Input::Stream(Box::new(Cursor::new(text.into_bytes())));
        let report = database.load(Load {
            dataset: "people".to_owned(),
            columns: None,
            sources: vec![Source { name: "test".to_owned(), input }],
            format: format_named("csv").unwrap(),
            options,
            max_rejects: Some(0),
        });
        assert_eq!(report.unwrap().accepted, 1);
    }

    fn pair(kind: DecisionKind, left: (&str, &str), right: (&str, &str)) -> StatedPair {
        let owned = |(namespace, raw): (&str, &str)| (namespace.to_owned(), raw.to_owned());
        StatedPair { kind, left: owned(left), right: owned(right) }
    }

    fn link(left: (&str, &str), right: (&str, &str)) -> StatedPair {
        pair(DecisionKind::Link, left, right)
    }

    /// That decisions name identities by the numbers that the dictionary gives them.
    fn check_numbers(database: &Database) {
        let snapshot = database.snapshot();
        let decisions = snapshot.catalog().decisions.in_order();
        assert!(!decisions.is_empty());
        for decision in decisions {
            for identity in [&decision.left, &decision.right] {
                let number = snapshot.dictionary.get(identity.namespace, &identity.value);
                assert_eq!(number, Some(identity.number), "{identity:?}");
            }
        }
        let mut seen = std::collections::BTreeMap::new();
        for number in 0..snapshot.dictionary.bound() {
            let reader = snapshot.dictionary.reader();
            let Some((namespace, text)) = reader.get(number) else { continue };
            assert_eq!(seen.insert((namespace, text.to_owned()), number), None);
        }
    }

    /// Decides about identities that no row names, restarts, takes rows in that name them and others,
    /// and restarts again; `close` writes a manifest, a crash leaves all to the log.
    fn restarts(close: [bool; 2]) {
        let mut disk = MemoryDisk::new();
        let mut database = open(&disk);
        define(&database);
        load(&database, "1,one@x");
        let defined = database.decide(&link(("crm", " A "), ("mail", "B@x")), "me", None).unwrap();
        let notice =
            "no row names crm 'a' or mail 'b@x' yet; the link takes effect when rows name both";
        assert_eq!(defined.notice.as_deref(), Some(notice));
        let unlink = pair(DecisionKind::Unlink, ("crm", "1"), ("mail", "z@x"));
        assert_eq!(database.decide(&unlink, "me", None).unwrap().notice, None);
        let rows = ["new,b@x", "a,new@x", "newer,z@x"];
        for (at, close) in close.into_iter().enumerate() {
            if close {
                database.close().unwrap();
            }
            drop(database);
            disk = disk.crash(0);
            database = open(&disk);
            check_numbers(&database);
            load(&database, rows[at]);
            check_numbers(&database);
        }
        let snapshot = database.snapshot();
        let profile = |namespace, value| snapshot.profile_of(namespace, value).unwrap();
        assert_eq!(profile("crm", "one"), None);
        assert!(profile("crm", "1").is_some() && profile("crm", "1") == profile("mail", "one@x"));
        assert!(profile("mail", "b@x").is_some());
        let defined = database.decide(&link(("crm", "1"), ("mail", "later")), "me", None).unwrap();
        let notice = "no row names mail 'later' yet; the link takes effect when one does";
        assert_eq!(defined.notice.as_deref(), Some(notice));
    }

    #[test]
    fn numbers_of_decided_identities_survive_restarts() {
        for close in [[false, false], [false, true], [true, false], [true, true]] {
            restarts(close);
        }
    }

    #[test]
    fn values_that_are_no_identities_are_refused() {
        let database = open(&MemoryDisk::new());
        define(&database);
        let long = "x".repeat(1025);
        for (pair, expected) in [
            (link(("crm", "unknown"), ("mail", "a")), "22023 it is blocked: it identifies nobody"),
            (
                link(("crm", "1"), ("mail", "  ")),
                "22023 nothing of it is left when it is normalised",
            ),
            (link(("crm", "1"), ("mail", &long)), "22023 it is longer than 1024 bytes"),
            (
                link(("crm", "A"), ("crm", "a ")),
                "22023 both values are the same identity when normalised",
            ),
            (link(("fax", "A"), ("crm", "a ")), "42704 "),
        ] {
            let error = database.decide(&pair, "me", None).unwrap_err();
            let detail = error.get_detail().unwrap_or_default();
            assert_eq!(format!("{} {detail}", error.code()), expected);
        }
    }

    #[test]
    fn a_decision_is_withdrawn_however_its_values_are_written() {
        let database = open(&MemoryDisk::new());
        define(&database);
        database.decide(&link(("crm", "A"), ("mail", "M")), "me", Some("why".to_owned())).unwrap();
        let same = link(("mail", " m"), ("crm", "a"));
        assert!(database.undecide(&same, Existence::Strict).unwrap().changed);
        assert!(database.snapshot().catalog().decisions.is_empty());
        assert_eq!(database.undecide(&same, Existence::Strict).unwrap_err().code().0, "42704");
        assert!(!database.undecide(&same, Existence::Lenient).unwrap().changed);
    }
}
