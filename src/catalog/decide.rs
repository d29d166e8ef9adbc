//! What a steward may decide: the rules of `LINK`, `UNLINK` and their removal, and of settings.
//!
//! A decision beats all evidence, so that nothing but another decision, or the settings of a
//! namespace, can contradict one: links in force never put two identities of a UNIQUE namespace
//! together. Whether rows have named an identity does not matter here.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::error::{Error, Result, SqlState};
use crate::model::decision::{
    COMMENT_BYTES_MAX, DECISIONS_MAX, DecidedIdentity, Decision, DecisionKind,
};
use crate::model::definition::{Definition, Existence};
use crate::model::names::{quote_literal, quote_name};
use crate::model::server_setting::{
    GRAPH_IDENTITIES_MAX_DEFAULT, ServerSetting, check_graph_identities_max,
};

/// An identity, and the link in force that led to it.
type Found<'a> = (&'a DecidedIdentity, Option<&'a Decision>);

/// Identities that links in force put together, by number.
type Reached<'a> = BTreeMap<u32, Found<'a>>;

impl Catalog {
    /// Writes an identity as statements do.
    pub fn identity_text(&self, identity: &DecidedIdentity) -> String {
        let namespace = self.namespace_by_id(identity.namespace);
        let name = namespace.map_or("?", |namespace| namespace.name.as_str());
        format!("{} {}", quote_name(name), quote_literal(&identity.value))
    }

    /// Writes a decision on two identities as the statement that makes it.
    pub fn decision_text(
        &self,
        kind: DecisionKind,
        left: &DecidedIdentity,
        right: &DecidedIdentity,
    ) -> String {
        let (word, preposition) = kind.words();
        format!("{word} {} {preposition} {}", self.identity_text(left), self.identity_text(right))
    }

    /// Applies a decision, its removal, or a setting of the server; tells if that changed anything, and
    /// what the user should know.
    pub(crate) fn steward(&mut self, definition: &Definition) -> Result<(bool, Option<String>)> {
        match definition {
            Definition::Decide { kind, left, right, decided_by, decided_at, comment } => {
                self.decide(Decision {
                    kind: *kind,
                    left: left.clone(),
                    right: right.clone(),
                    decided_by: decided_by.clone(),
                    decided_at: *decided_at,
                    comment: comment.clone(),
                    sequence: 0,
                })?;
            }
            Definition::Undecide { kind, left, right, existence } => {
                match self.undecide(*kind, left, right) {
                    Err(error) if *existence == Existence::Lenient => {
                        return Ok((false, Some(format!("{}, skipping", error.message()))));
                    }
                    undecided => undecided?,
                }
            }
            Definition::AlterSystem { setting } => return Ok((self.alter_system(*setting)?, None)),
            _ => return Err(Error::internal("not a steward's definition")),
        }
        Ok((true, None))
    }

    /// Changes a setting; tells if that changed anything.
    fn alter_system(&mut self, setting: ServerSetting) -> Result<bool> {
        let ServerSetting::GraphIdentitiesMax(value) = setting;
        let value = value.unwrap_or(GRAPH_IDENTITIES_MAX_DEFAULT);
        check_graph_identities_max(i128::from(value))?;
        let old = std::mem::replace(&mut self.graph_identities_max, value);
        Ok(old != value)
    }

    /// Puts a decision in force; an older one on the same pair gives way.
    fn decide(&mut self, decision: Decision) -> Result<()> {
        let (left, right) = (&decision.left, &decision.right);
        for identity in [left, right] {
            if self.namespace_by_id(identity.namespace).is_none() {
                let message = "a namespace of the decision does not exist any more";
                return Err(Error::new(SqlState::UNDEFINED_OBJECT, message));
            }
        }
        if left.number == right.number {
            let (word, preposition) = decision.kind.words();
            let message =
                format!("cannot {word} {} {preposition} itself", self.identity_text(left));
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .detail("both values are the same identity when normalised"));
        }
        if decision.comment.as_ref().is_some_and(|text| text.len() > COMMENT_BYTES_MAX) {
            let message = format!("the comment is longer than {COMMENT_BYTES_MAX} bytes");
            return Err(Error::new(SqlState::STRING_TOO_LONG, message));
        }
        let known = self.decisions.between(left.number, right.number).is_some();
        if !known && self.decisions.len() >= DECISIONS_MAX {
            let message = format!("cannot keep more than {DECISIONS_MAX} decisions in force");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
                .hint("a decision that rows confirm is not needed: DROP LINK, DROP UNLINK"));
        }
        if decision.kind == DecisionKind::Link {
            self.check_link(&decision)?;
        }
        self.decisions.decide(decision);
        Ok(())
    }

    /// Takes a decision out of force.
    fn undecide(
        &mut self,
        kind: DecisionKind,
        left: &DecidedIdentity,
        right: &DecidedIdentity,
    ) -> Result<()> {
        let found = self.decisions.between(left.number, right.number).map(|found| found.kind);
        if found == Some(kind) {
            self.decisions.undecide(left.number, right.number);
            return Ok(());
        }
        let message = format!("decision {} does not exist", self.decision_text(kind, left, right));
        let error = Error::new(SqlState::UNDEFINED_OBJECT, message);
        Err(match found {
            Some(other) => {
                let other = self.decision_text(other, left, right);
                error.hint(format!("the decision in force is the opposite: DROP {other}"))
            }
            None => error.hint("selfsame.decisions lists the decisions in force"),
        })
    }

    /// Refuses a link that, with the others, would put two identities of a UNIQUE namespace together.
    fn check_link(&self, link: &Decision) -> Result<()> {
        if !self.namespaces.values().any(|namespace| namespace.unique) {
            return Ok(());
        }
        let mut together = self.reached_from(&link.left);
        for (number, reached) in self.reached_from(&link.right) {
            together.entry(number).or_insert(reached);
        }
        let Some((first, second)) = self.unique_clash(&together) else { return Ok(()) };
        let statement = self.decision_text(link.kind, &link.left, &link.right);
        let error = self.clash(&format!("cannot {statement}"), first.0, second.0);
        Err(match first.1.or(second.1) {
            Some(way) => {
                let way = self.decision_text(way.kind, &way.left, &way.right);
                error.hint(format!(
                    "withdraw a decision that stands in the way, such as: DROP {way}"
                ))
            }
            None => error.hint("correct the source, or make the namespace NOT UNIQUE"),
        })
    }

    /// Refuses settings under which the links in force put two identities of a UNIQUE namespace
    /// together.
    pub(crate) fn check_links(&self) -> Result<()> {
        let mut checked = BTreeSet::new();
        for link in self.decisions.in_order() {
            if link.kind != DecisionKind::Link || checked.contains(&link.left.number) {
                continue;
            }
            let together = self.reached_from(&link.left);
            if let Some((first, second)) = self.unique_clash(&together) {
                let way = first.1.or(second.1).unwrap_or(link);
                let way = self.decision_text(way.kind, &way.left, &way.right);
                return Err(self
                    .clash("cannot make the namespace UNIQUE", first.0, second.0)
                    .hint(format!("withdraw a decision first, such as: DROP {way}")));
            }
            checked.extend(together.into_keys());
        }
        Ok(())
    }

    fn clash(&self, what: &str, first: &DecidedIdentity, second: &DecidedIdentity) -> Error {
        let namespace = self.namespace_by_id(first.namespace);
        let name = namespace.map_or("?", |namespace| namespace.name.as_str());
        let (first, second) = (self.identity_text(first), self.identity_text(second));
        let message = format!(
            "{what}: decisions would put two identities of UNIQUE namespace \"{name}\" together"
        );
        Error::new(SqlState::UNIQUE_VIOLATION, message)
            .detail(format!("they are {first} and {second}"))
    }

    /// All identities that the links in force put together with one, and itself.
    fn reached_from<'a>(&'a self, start: &'a DecidedIdentity) -> Reached<'a> {
        let mut reached = Reached::from([(start.number, (start, None))]);
        let mut waiting = vec![start.number];
        while let Some(identity) = waiting.pop() {
            for (other, decision) in self.decisions.of(identity) {
                if decision.kind != DecisionKind::Link || reached.contains_key(&other) {
                    continue;
                }
                let left = decision.left.number == other;
                let found = if left { &decision.left } else { &decision.right };
                reached.insert(other, (found, Some(decision)));
                waiting.push(other);
            }
        }
        reached
    }

    /// Two identities of one UNIQUE namespace, if there are two, with the links that reached them.
    fn unique_clash<'a>(&self, together: &Reached<'a>) -> Option<(Found<'a>, Found<'a>)> {
        let mut seen = BTreeMap::new();
        for found in together.values() {
            let namespace = found.0.namespace;
            if !self.namespace_by_id(namespace).is_some_and(|namespace| namespace.unique) {
                continue;
            }
            if let Some(other) = seen.insert(namespace, *found) {
                return Some((other, *found));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::definition::NamespaceChange;
    use crate::model::namespace::Kind;
    use crate::model::server_setting::GRAPH_IDENTITIES_MAX_BOUND;

    /// A catalog with namespaces `crm` (UNIQUE) and `mail`.
    fn catalog() -> Catalog {
        let namespace = |name: &str, unique| Definition::CreateNamespace {
            name: name.to_owned(),
            kind: Kind::Person,
            rank: None,
            unique,
            normalization: Default::default(),
            blocked: Vec::new(),
            existence: Existence::Strict,
        };
        let catalog = applied(&Catalog::default(), &namespace("crm", true));
        applied(&catalog, &namespace("mail", false))
    }

    fn applied(catalog: &Catalog, definition: &Definition) -> Catalog {
        catalog.apply(definition).unwrap().catalog.unwrap()
    }

    /// `c7` is number 7 and of namespace `crm`, `m7` is number 1007 and of `mail`.
    fn identity(text: &str) -> DecidedIdentity {
        let number: u32 = text[1..].parse().unwrap();
        let namespace = u32::from(text.starts_with('m'));
        DecidedIdentity { namespace, value: text.to_owned(), number: number + namespace * 1000 }
    }

    /// `c1 + m1` links, `c1 - m1` unlinks, `drop c1 + m1` withdraws.
    fn definition(text: &str) -> Definition {
        let (drop, rest) = text.strip_prefix("drop ").map_or((false, text), |rest| (true, rest));
        let words: Vec<&str> = rest.split(' ').collect();
        let kind = if words[1] == "+" { DecisionKind::Link } else { DecisionKind::Unlink };
        let (left, right) = (identity(words[0]), identity(words[2]));
        if drop {
            return Definition::Undecide { kind, left, right, existence: Existence::Strict };
        }
        let decided_by = "steward".to_owned();
        Definition::Decide { kind, left, right, decided_by, decided_at: 42, comment: None }
    }

    fn told(error: &Error) -> String {
        let all = [Some(error.message()), error.get_detail(), error.get_hint()];
        let all: Vec<_> = all.into_iter().flatten().collect();
        format!("{} {}", error.code(), all.join("; "))
    }

    /// Applies definitions, all but the last of which are accepted; gives what is in force, or why the
    /// last is not.
    fn check(texts: &[&str], expected: &str) {
        let (mut catalog, mut refused) = (catalog(), None);
        for text in texts {
            assert_eq!(refused, None, "before {text}");
            match catalog.apply(&definition(text)) {
                Ok(applied) => catalog = applied.catalog.unwrap(),
                Err(error) => refused = Some(told(&error)),
            }
        }
        let decisions = catalog.decisions.in_order().into_iter();
        let decisions =
            decisions.map(|found| catalog.decision_text(found.kind, &found.left, &found.right));
        let in_force = decisions.collect::<Vec<_>>().join("; ");
        assert_eq!(refused.unwrap_or(in_force), expected, "{texts:?}");
    }

    #[test]
    fn the_newest_decision_on_a_pair_is_in_force() {
        check(&["c1 + m1"], "LINK crm 'c1' TO mail 'm1'");
        check(&["c1 + m1", "m1 - c1"], "UNLINK mail 'm1' FROM crm 'c1'");
        check(
            &["c1 - m1", "c2 + m1", "c1 - m1"],
            "LINK crm 'c2' TO mail 'm1'; UNLINK crm 'c1' FROM mail 'm1'",
        );
        check(&["c1 + m1", "drop m1 + c1"], "");
    }

    #[test]
    fn what_is_not_in_force_cannot_be_withdrawn() {
        check(
            &["drop c1 + m1"],
            "42704 decision LINK crm 'c1' TO mail 'm1' does not exist; selfsame.decisions lists the decisions in force",
        );
        check(
            &["c1 - m1", "drop c1 + m1"],
            "42704 decision LINK crm 'c1' TO mail 'm1' does not exist; the decision in force is the opposite: DROP UNLINK crm 'c1' FROM mail 'm1'",
        );
        let Definition::Undecide { kind, left, right, .. } = definition("drop c1 + m1") else {
            panic!("it withdraws")
        };
        let lenient = Definition::Undecide { kind, left, right, existence: Existence::Lenient };
        let applied = catalog().apply(&lenient).unwrap();
        assert_eq!(applied.catalog, None);
        let notice = "decision LINK crm 'c1' TO mail 'm1' does not exist, skipping";
        assert_eq!(applied.notice.as_deref(), Some(notice));
    }

    #[test]
    fn links_keep_identities_of_a_unique_namespace_apart() {
        check(
            &["c1 + c1"],
            "22023 cannot LINK crm 'c1' TO itself; both values are the same identity when normalised",
        );
        let clash = "23505 cannot LINK crm 'c1' TO crm 'c2': decisions would put two identities of UNIQUE namespace \"crm\" together; they are crm 'c1' and crm 'c2'; correct the source, or make the namespace NOT UNIQUE";
        check(&["c1 + c2"], clash);
        check(
            &["c1 + m1", "m2 + m1", "m3 + c2", "m3 + m2"],
            "23505 cannot LINK mail 'm3' TO mail 'm2': decisions would put two identities of UNIQUE namespace \"crm\" together; they are crm 'c1' and crm 'c2'; withdraw a decision that stands in the way, such as: DROP LINK crm 'c1' TO mail 'm1'",
        );
        check(
            &["c1 + m1", "c1 - m1", "c2 + m1"],
            "UNLINK crm 'c1' FROM mail 'm1'; LINK crm 'c2' TO mail 'm1'",
        );
    }

    fn alter(name: &str, change: NamespaceChange) -> Definition {
        Definition::AlterNamespace { name: name.to_owned(), changes: vec![change] }
    }

    #[test]
    fn a_namespace_with_decisions_cannot_be_dropped_nor_change_against_them() {
        let linked = applied(&catalog(), &definition("m1 + m2"));
        let refused = |definition: Definition| told(&linked.apply(&definition).unwrap_err());
        let unique = refused(alter("mail", NamespaceChange::Unique(true)));
        assert_eq!(
            unique,
            "23505 cannot make the namespace UNIQUE: decisions would put two identities of UNIQUE namespace \"mail\" together; they are mail 'm1' and mail 'm2'; withdraw a decision first, such as: DROP LINK mail 'm1' TO mail 'm2'"
        );
        let rewritten = refused(alter("mail", NamespaceChange::Block(vec!["m1".to_owned()])));
        assert!(rewritten.starts_with("0A000"), "{rewritten}");
        let existence = Existence::Strict;
        let dropped = refused(Definition::DropNamespace { name: "mail".to_owned(), existence });
        assert_eq!(
            dropped,
            "2BP01 cannot drop namespace \"mail\": a decision names it; the decision is LINK mail 'm1' TO mail 'm2'; withdraw it first, and others like it: DROP LINK mail 'm1' TO mail 'm2'"
        );
        let unlinked = applied(&linked, &definition("m2 - m1"));
        applied(&unlinked, &alter("mail", NamespaceChange::Unique(true)));
    }

    #[test]
    fn decisions_and_comments_have_limits() {
        let mut full = catalog();
        for number in 0..DECISIONS_MAX as u32 {
            let mail = |number| DecidedIdentity { namespace: 1, value: String::new(), number };
            let (kind, left, right) = (DecisionKind::Unlink, mail(number), mail(number + 1));
            let (decided_by, comment) = (String::new(), None);
            let decision =
                Decision { kind, left, right, decided_by, decided_at: 0, comment, sequence: 0 };
            full.decide(decision).unwrap();
        }
        let error = told(&full.apply(&definition("c5 - m900")).unwrap_err());
        assert!(error.starts_with("54000 cannot keep more than 100000 decisions"), "{error}");
        applied(&full, &definition("m5 + m6"));

        let mut long = definition("c1 + m1");
        if let Definition::Decide { comment, .. } = &mut long {
            *comment = Some("é".repeat(COMMENT_BYTES_MAX / 2) + "x");
        }
        let error = told(&catalog().apply(&long).unwrap_err());
        assert_eq!(error, "22001 the comment is longer than 4096 bytes");
    }

    #[test]
    fn the_limit_of_graphs_is_a_definition() {
        let set = |value| {
            let setting = ServerSetting::GraphIdentitiesMax(value);
            Definition::AlterSystem { setting }
        };
        let three = applied(&catalog(), &set(Some(3)));
        assert_eq!(three.graph_identities_max, 3);
        assert_eq!(three.apply(&set(Some(3))).unwrap().catalog, None);
        assert_eq!(applied(&three, &set(None)).graph_identities_max, GRAPH_IDENTITIES_MAX_DEFAULT);
        assert_eq!(applied(&three, &set(Some(0))).graph_identities_max, 0);
        let error = told(&three.apply(&set(Some(GRAPH_IDENTITIES_MAX_BOUND + 1))).unwrap_err());
        assert!(error.starts_with("22023 1000001 is outside the valid range"), "{error}");
    }
}
