//! Namespaces: a kind of identifier, how its values are normalised, and which are not usable.
//!
//! The rules are spec 5.1. Ranks, uniqueness and kinds are only carried here; the graph applies them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::names::{quote_literal, quote_name};

/// The most bytes of a usable identity value (spec 5.1).
pub const IDENTITY_BYTES_MAX: usize = 1024;

/// The greatest rank that a statement may give: ranks only order namespaces, and the sum of two must fit
/// its type however many namespaces are added after the last.
pub const RANK_MAX: u32 = 1_000_000;

/// The most usable identities that one row may name (spec 5.1).
pub const IDENTITIES_PER_ROW_MAX: usize = 20;

/// Values that identify nobody, in any namespace, compared in lower case (spec 5.1).
pub const BLOCKED_EVERYWHERE: &[&str] =
    &["0", "0000", "null", "none", "unknown", "undefined", "n/a", "anonymous", "invalid"];

/// Block lists of so many values are searched, shorter ones gone through.
const SEARCHED_MIN: usize = 16;

/// What sort of thing a namespace identifies; it decides what the capacity rule removes first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person, such as a customer number.
    #[default]
    Person,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A device.
    Device,
    /// A browser.
    Cookie,
}

impl Kind {
    /// All kinds with their SQL names.
    pub const ALL: &'static [(&'static str, Kind)] = &[
        ("PERSON", Kind::Person),
        ("EMAIL", Kind::Email),
        ("PHONE", Kind::Phone),
        ("DEVICE", Kind::Device),
        ("COOKIE", Kind::Cookie),
    ];

    /// The kind's name in SQL.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("PERSON", |(name, _)| name)
    }
}

/// How the raw values of a namespace become identities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// As it is.
    None,
    /// Without white space at either end.
    #[default]
    Trim,
    /// `trim`, then Unicode lower case.
    Lower,
    /// `lower`, then without a `mailto:` prefix.
    Email,
    /// Digits and a leading `+`; a leading `00` becomes `+`.
    Phone,
    /// Digits only.
    Digits,
    /// The hexadecimal SHA-256 of what `lower` gives.
    Sha256OfLower,
}

impl Normalization {
    /// All normalisations with their SQL names.
    pub const ALL: &'static [(&'static str, Normalization)] = &[
        ("none", Normalization::None),
        ("trim", Normalization::Trim),
        ("lower", Normalization::Lower),
        ("email", Normalization::Email),
        ("phone", Normalization::Phone),
        ("digits", Normalization::Digits),
        ("sha256_of(lower)", Normalization::Sha256OfLower),
    ];

    /// The normalisation's name in SQL.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, item)| *item == self).map_or("trim", |(name, _)| name)
    }

    /// Normalises one value. Borrows where nothing changes, which is the common case.
    pub fn apply(self, value: &str) -> Cow<'_, str> {
        match self {
            Self::None => Cow::Borrowed(value),
            Self::Trim => Cow::Borrowed(value.trim()),
            Self::Lower => lower(value.trim()),
            Self::Email => match lower(value.trim()) {
                Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix("mailto:").unwrap_or(text)),
                Cow::Owned(text) => match text.strip_prefix("mailto:") {
                    Some(rest) => Cow::Owned(rest.to_owned()),
                    None => Cow::Owned(text),
                },
            },
            Self::Phone => phone(value.trim()),
            Self::Digits => filtered(value, |byte| byte.is_ascii_digit()),
            Self::Sha256OfLower => {
                let text = lower(value.trim());
                if text.is_empty() {
                    return Cow::Borrowed("");
                }
                let digest = Sha256::digest(text.as_bytes());
                Cow::Owned(digest.iter().map(|byte| format!("{byte:02x}")).collect())
            }
        }
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

fn filtered(text: &str, keep: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if text.bytes().all(&keep) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.bytes().filter(|byte| keep(*byte)).map(char::from).collect())
    }
}

fn phone(text: &str) -> Cow<'_, str> {
    let plus = text.starts_with('+');
    let digits = filtered(text.strip_prefix('+').unwrap_or(text), |byte| byte.is_ascii_digit());
    match (plus, digits.strip_prefix("00")) {
        (true, _) if digits.is_empty() => Cow::Borrowed(""),
        (true, _) if digits.len() + 1 == text.len() => Cow::Borrowed(text),
        (true, _) => Cow::Owned(format!("+{digits}")),
        (false, Some("")) => Cow::Borrowed(""),
        (false, Some(rest)) => Cow::Owned(format!("+{rest}")),
        (false, None) => digits,
    }
}

/// A kind of identifier, with its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Small number that stands for the namespace in storage; never used again after a DROP.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// What it identifies.
    pub kind: Kind,
    /// Trust: 1 is the most trusted; equal ranks are ordered by name.
    pub rank: u32,
    /// Whether a graph may hold one identity of it only.
    pub unique: bool,
    /// How values are normalised.
    pub normalization: Normalization,
    /// Values of this namespace that identify nobody, in lower case.
    pub blocked: BTreeSet<String>,
}

impl Namespace {
    /// The identity that a raw value stands for, or `None` if it is unusable (spec 5.1).
    pub fn identity<'a>(&self, raw: &'a str) -> Option<Cow<'a, str>> {
        let value = self.normalization.apply(raw);
        if value.is_empty() || value.len() > IDENTITY_BYTES_MAX || self.blocks(&value, raw) {
            None
        } else {
            Some(value)
        }
    }

    /// Why a raw value is unusable; `None` if it is usable.
    pub fn unusable(&self, raw: &str) -> Option<&'static str> {
        let value = self.normalization.apply(raw);
        if value.is_empty() {
            Some("nothing of it is left when it is normalised")
        } else if value.len() > IDENTITY_BYTES_MAX {
            Some("it is longer than 1024 bytes")
        } else {
            self.blocks(&value, raw).then_some("it is blocked: it identifies nobody")
        }
    }

    /// Whether the normalised value is on a block list, or what was written: a telephone `0000` is
    /// `+00` when normalised, and a digest tells nothing of its source.
    fn blocks(&self, value: &str, raw: &str) -> bool {
        self.lists(&lower(value)) || (value != raw && self.lists(&lower(raw.trim())))
    }

    fn lists(&self, text: &str) -> bool {
        // Most values differ in length from all few that are blocked, and comparing lengths is cheaper
        // than searching the tree. Every identity of every row comes through here.
        let own = match self.blocked.len() {
            ..SEARCHED_MIN => self.blocked.iter().any(|blocked| blocked == text),
            _ => self.blocked.contains(text),
        };
        own || BLOCKED_EVERYWHERE.contains(&text)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE NAMESPACE {}", quote_name(&self.name))?;
        if self.kind != Kind::default() {
            write!(f, " KIND {}", self.kind.name())?;
        }
        write!(f, " RANK {}", self.rank)?;
        if self.unique {
            f.write_str(" UNIQUE")?;
        }
        if self.normalization != Normalization::default() {
            write!(f, " NORMALIZE {}", self.normalization.name())?;
        }
        if !self.blocked.is_empty() {
            let values: Vec<_> = self.blocked.iter().map(|value| quote_literal(value)).collect();
            write!(f, " BLOCK ({})", values.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Namespace, Normalization};

    fn check(normalization: Normalization, raw: &str, expected: Option<&str>) {
        let namespace = Namespace {
            id: 1,
            name: "n".to_owned(),
            kind: Kind::Person,
            rank: 1,
            unique: false,
            normalization,
            blocked: ["00 49".to_owned()].into(),
        };
        assert_eq!(namespace.identity(raw).as_deref(), expected, "{raw:?}");
        assert_eq!(namespace.unusable(raw).is_some(), expected.is_none(), "{raw:?}");
    }

    #[test]
    fn blocked_values_are_unusable_however_they_are_written() {
        check(Normalization::Trim, " Unknown ", None);
        check(Normalization::Phone, " 0000", None);
        check(Normalization::Phone, "00 49", None);
        check(Normalization::Phone, "00 49 1", Some("+491"));
        check(Normalization::Sha256OfLower, "N/A", None);
    }
}
