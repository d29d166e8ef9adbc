//! What is sensitive: from the columns that were said to be, to everything that shows the same values.
//!
//! A sensitive column makes its attribute sensitive wherever it occurs and, if it is an identity, its
//! namespace; a namespace makes all identity columns of it sensitive; a column computed from a sensitive
//! one is sensitive itself; of a merge policy that is a query, every column that may be made of something
//! sensitive. Too much rather than too little: what is masked needlessly is missed, what leaks is lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::model::dataset::{Column, Dataset, Role};
use crate::model::policy::PolicyQuery;

/// Everything that shows sensitive values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sensitive {
    /// Columns by dataset.
    pub columns: BTreeMap<String, BTreeSet<String>>,
    /// Attributes of records and events, and columns of policies that are queries.
    pub attributes: BTreeSet<String>,
    /// Namespaces, of which every value is sensitive.
    pub namespaces: BTreeSet<String>,
}

impl Sensitive {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Whether a dataset has something sensitive.
    pub fn is_in(&self, dataset: &str) -> bool {
        self.columns.contains_key(dataset)
    }

    fn has(&self, dataset: &str, column: &Column) -> bool {
        let own = self.columns.get(dataset).is_some_and(|them| them.contains(&column.name));
        let of_namespace = match &column.role {
            Role::Identity(namespace) => self.namespaces.contains(namespace),
            _ => false,
        };
        let is_attribute = !matches!(column.role, Role::ObservedAt | Role::EventId)
            && self.attributes.contains(column.attribute_name());
        let computed = column.derived.as_deref().is_some_and(|expression| {
            let own = self.columns.get(dataset).into_iter().flatten();
            own.into_iter().any(|name| mentions(expression, name))
        });
        own || of_namespace || is_attribute || computed
    }

    /// Takes in what a dataset has to be sensitive by what is so far; whether that was more.
    fn spread(&mut self, dataset: &Dataset) -> bool {
        let mut more = false;
        for column in &dataset.columns {
            if !self.has(&dataset.name, column) {
                continue;
            }
            let columns = self.columns.entry(dataset.name.clone()).or_default();
            more |= columns.insert(column.name.clone());
            more |= self.attributes.insert(column.attribute_name().to_owned());
            if let Role::Identity(namespace) = &column.role {
                more |= self.namespaces.insert(namespace.clone());
            }
        }
        more
    }

    fn spread_to_query(&mut self, query: &PolicyQuery) {
        let reads = query.reads.iter().any(|(attribute, _)| self.attributes.contains(attribute))
            || (!self.namespaces.is_empty() && mentions(&query.text, "identity"));
        if !reads {
            return;
        }
        for column in &query.columns {
            let plain = column.picks.as_ref().is_some_and(|it| !self.attributes.contains(it));
            if !plain {
                self.attributes.insert(column.name.clone());
            }
        }
    }
}

impl Catalog {
    /// Everything that shows sensitive values.
    pub fn sensitive(&self) -> Sensitive {
        let mut found =
            Sensitive { columns: self.access.sensitive.clone(), ..Sensitive::default() };
        if found.is_empty() {
            return found;
        }
        while self.datasets.values().fold(false, |more, dataset| found.spread(dataset) | more) {}
        let queries = self.policies.values().filter_map(|policy| policy.query.as_ref());
        queries.for_each(|query| found.spread_to_query(query));
        found
    }
}

/// Whether a name occurs in an expression as a word.
fn mentions(expression: &str, name: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let plain = name.chars().all(is_word);
    let mut words = expression.split(|letter| !is_word(letter));
    if plain {
        words.any(|word| word.eq_ignore_ascii_case(name))
    } else {
        expression.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::AccessChange;
    use crate::model::column::ColumnType;
    use crate::model::dataset::DatasetKind;
    use crate::model::definition::{Definition, Existence};
    use crate::model::namespace::{Kind, Normalization};

    fn text(name: &str, role: Role) -> Column {
        Column { name: name.to_owned(), ty: ColumnType::Text, role, attribute: None, derived: None }
    }

    fn catalog() -> Catalog {
        let namespace = |name: &str| Definition::CreateNamespace {
            name: name.to_owned(),
            kind: Kind::Email,
            rank: None,
            unique: false,
            normalization: Normalization::Lower,
            blocked: Vec::new(),
            existence: Existence::Strict,
        };
        let dataset = |name: &str, kind, columns| Definition::CreateDataset {
            name: name.to_owned(),
            kind,
            columns,
            options: Vec::new(),
            existence: Existence::Strict,
        };
        let of = |namespace: &str| Role::Identity(namespace.to_owned());
        let mut computed = text("site", of("site"));
        computed.derived = Some("lower(split_part(Email, '@', 2))".to_owned());
        let crm = vec![text("email", of("email")), text("city", Role::Value), computed];
        let shop = vec![text("mail", of("email")), text("city", Role::Value)];
        let all = [
            namespace("email"),
            namespace("site"),
            dataset("crm", DatasetKind::Record, crm),
            dataset("shop", DatasetKind::Event, shop),
        ];
        all.iter().fold(Catalog::default(), |catalog, definition| {
            catalog.apply(definition).unwrap().catalog.unwrap()
        })
    }

    fn check(dataset: &str, column: &str, columns: &str, attributes: &str, namespaces: &str) {
        let change = AccessChange::Sensitive {
            dataset: dataset.to_owned(),
            column: column.to_owned(),
            sensitive: true,
        };
        let catalog = catalog().apply(&Definition::Access(change)).unwrap().catalog.unwrap();
        let found = catalog.sensitive();
        let joined = |them: &BTreeSet<String>| them.iter().cloned().collect::<Vec<_>>().join(" ");
        let shown: Vec<_> = found
            .columns
            .iter()
            .map(|(dataset, columns)| format!("{dataset}({})", joined(columns)))
            .collect();
        assert_eq!(shown.join(" "), columns);
        assert_eq!(joined(&found.attributes), attributes);
        assert_eq!(joined(&found.namespaces), namespaces);
    }

    #[test]
    fn a_value_is_sensitive_wherever_it_is_shown() {
        check("crm", "email", "crm(email site) shop(mail)", "email mail site", "email site");
        check("shop", "mail", "crm(email site) shop(mail)", "email mail site", "email site");
        check("crm", "city", "crm(city) shop(city)", "city", "");
        assert!(catalog().sensitive().is_empty());
    }

    #[test]
    fn names_are_found_as_words() {
        assert!(mentions("lower(Email)", "email") && !mentions("lower(emails)", "email"));
        assert!(mentions("lower(\"e mail\")", "e mail"));
    }
}
