//! A snapshot: what one query sees, from its first row to its last.

use std::sync::Arc;

use arrow::array::{StringViewArray, StringViewBuilder, UInt32Array};

use crate::catalog::Catalog;
use crate::engine::profiles::ProfileViews;
use crate::engine::state::State;
use crate::error::{Error, Result};
use crate::graph::dictionary::Dictionary;

/// An immutable view of everything, as of one commit; of the past, if [`Snapshot::views`] are its own.
#[derive(Debug)]
pub struct Snapshot {
    /// The derived state.
    pub state: State,
    /// Names of identities; those that the state does not contain do not exist here.
    pub dictionary: Arc<Dictionary>,
    /// Merged profiles of a snapshot of the past, which are nobody else's; `None`: those of the database.
    pub views: Option<Arc<ProfileViews>>,
}

impl Snapshot {
    /// The definitions.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.state.catalog
    }

    /// Number of the commit.
    pub fn commit(&self) -> u64 {
        self.state.commit
    }

    /// The number of an identity that a user names; `None` if no accepted row named it. The value is
    /// normalised as the namespace says; one that tables show is found too where that would change it
    /// again, as with digests.
    ///
    /// # Errors
    /// `42704` if there is no such namespace.
    pub fn identity(&self, namespace: &str, value: &str) -> Result<Option<u32>> {
        let namespace = self.catalog().namespace(namespace)?;
        let present = |value: &str| {
            let number = self.dictionary.get(namespace.id, value);
            number.filter(|number| self.state.graph.contains(*number))
        };
        let normalised = namespace.identity(value);
        let found = normalised.as_deref().and_then(present);
        Ok(match normalised.as_deref() {
            Some(same) if same == value => found,
            _ => found.or_else(|| present(value)),
        })
    }

    /// The profile of an identity that a user names, as [`Snapshot::identity`] finds it.
    ///
    /// # Errors
    /// `42704` if there is no such namespace.
    pub fn profile_of(&self, namespace: &str, value: &str) -> Result<Option<u32>> {
        let identity = self.identity(namespace, value)?;
        Ok(identity.and_then(|identity| self.state.graph.profile_of(identity)))
    }

    /// The profile of a normalised identity.
    pub fn profile_of_identity(&self, namespace: u32, value: &str) -> Option<u32> {
        let identity = self.dictionary.get(namespace, value)?;
        self.state.graph.profile_of(identity)
    }

    /// What orders identities where numbers must not: the namespace's name, and the value.
    pub fn identity_key(&self, identity: u32) -> (String, String) {
        let reader = self.dictionary.reader();
        let Some((namespace, value)) = reader.get(identity) else { return Default::default() };
        let name = self.catalog().namespace_by_id(namespace).map(|found| found.name.clone());
        (name.unwrap_or_default(), value.to_owned())
    }

    /// The texts of identities; null stays null.
    ///
    /// # Errors
    /// `XX001` if a number has no text.
    pub fn identity_texts(&self, numbers: &UInt32Array) -> Result<StringViewArray> {
        let reader = self.dictionary.reader();
        let mut texts = StringViewBuilder::with_capacity(numbers.len());
        for number in numbers {
            match number {
                None => texts.append_null(),
                Some(number) => match reader.get(number) {
                    Some((_, text)) => texts.append_value(text),
                    None => return Err(unknown(number)),
                },
            }
        }
        Ok(texts.finish())
    }

    /// The names of identities' namespaces; null stays null.
    ///
    /// # Errors
    /// `XX001` if a number has no namespace.
    pub fn identity_namespaces(&self, numbers: &UInt32Array) -> Result<StringViewArray> {
        let names: std::collections::BTreeMap<u32, &str> = self
            .catalog()
            .namespaces
            .values()
            .map(|namespace| (namespace.id, namespace.name.as_str()))
            .collect();
        let reader = self.dictionary.reader();
        let mut texts = StringViewBuilder::with_capacity(numbers.len()).with_deduplicate_strings();
        for number in numbers {
            match number {
                None => texts.append_null(),
                Some(number) => {
                    let name = reader.get(number).and_then(|(id, _)| names.get(&id));
                    texts.append_value(name.ok_or_else(|| unknown(number))?);
                }
            }
        }
        Ok(texts.finish())
    }
}

fn unknown(number: u32) -> Error {
    Error::corrupted(format!("identity {number} is not in the dictionary"))
}
