//! A steward's decisions: that two identities are one person, or are not, whatever rows say.
//!
//! Who decided what, and when. That a pair has one decision at most, and which decisions go together,
//! is the catalog's matter; what they do to graphs is the graph's.

use serde::{Deserialize, Serialize};

/// The most decisions in force: all of them are written with every manifest.
pub const DECISIONS_MAX: usize = 100_000;

/// The most bytes of a decision's comment, for the same reason: it is to say why, not to keep a file.
pub const COMMENT_BYTES_MAX: usize = 4_096;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// They are one person.
    Link,
    /// They are not, whatever rows say.
    Unlink,
}

impl DecisionKind {
    /// The statement that decides so, and the word before its second identity.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Link => ("LINK", "TO"),
            Self::Unlink => ("UNLINK", "FROM"),
        }
    }
}

/// One of the two identities that a decision is about. Rows need not have named it yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DecidedIdentity {
    /// The namespace's number.
    pub namespace: u32,
    /// The normalised value.
    pub value: String,
    /// The number that the dictionary gave it, which the decision makes durable.
    pub number: u32,
}

/// A decision in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was decided.
    pub kind: DecisionKind,
    /// The identity named first.
    pub left: DecidedIdentity,
    /// The other one.
    pub right: DecidedIdentity,
    /// The user who decided.
    pub decided_by: String,
    /// When, in microseconds.
    pub decided_at: i64,
    /// Why, if it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its place in the order of decisions.
    pub sequence: u64,
}
