//! Names: what may be called what, and how a name is written in SQL.

use crate::error::{Error, Result, SqlState};

/// The most bytes of a name, as in PostgreSQL (`NAMEDATALEN - 1`).
pub const NAME_BYTES_MAX: usize = 63;

/// Columns of the virtual tables; a dataset column must not be called so (spec 3).
pub const RESERVED_COLUMNS: &[&str] = &[
    "profile_id",
    "identity_id",
    "identity_count",
    "fragment_id",
    "fragment_count",
    "event_count",
    "dataset",
    "datasets",
    "namespace",
    "identity",
    "observed_at",
    "ingested_at",
    "first_seen_at",
    "last_seen_at",
];

/// Tables of schema `public` that are always there; a dataset must not be called so.
pub const RESERVED_TABLES: &[&str] = &[
    "fragments",
    "events",
    "identities",
    "identity_links",
    "identity_conflicts",
    "identity_changes",
    "profiles",
    "profile_lineage",
    "rejects",
    "audiences",
    "audience_members",
    "audience_changes",
];

/// Checks a name that a user gave to a new object.
///
/// # Errors
/// `42602` if it is empty, too long, or has a control character in it.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::new(SqlState::INVALID_NAME, format!("{what} name is empty")));
    }
    if name.len() > NAME_BYTES_MAX {
        let message = format!("{what} name \"{name}\" is longer than {NAME_BYTES_MAX} bytes");
        return Err(Error::new(SqlState::INVALID_NAME, message));
    }
    if name.chars().any(char::is_control) {
        let message = format!("{what} name {name:?} has a control character");
        return Err(Error::new(SqlState::INVALID_NAME, message));
    }
    Ok(())
}

/// Writes a name as an SQL identifier, quoted only where it must be.
pub fn quote_name(name: &str) -> String {
    let plain = name.bytes().enumerate().all(|(at, byte)| {
        byte.is_ascii_lowercase() || byte == b'_' || (at > 0 && byte.is_ascii_digit())
    });
    if plain && !name.is_empty() && !is_keyword(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Writes a text as an SQL literal.
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn is_keyword(name: &str) -> bool {
    const KEYWORDS: &[&str] = &[
        "all",
        "and",
        "any",
        "array",
        "as",
        "by",
        "case",
        "cast",
        "check",
        "column",
        "create",
        "default",
        "desc",
        "distinct",
        "else",
        "end",
        "except",
        "false",
        "for",
        "from",
        "group",
        "having",
        "in",
        "into",
        "is",
        "join",
        "limit",
        "not",
        "null",
        "offset",
        "on",
        "or",
        "order",
        "select",
        "table",
        "then",
        "to",
        "true",
        "union",
        "unique",
        "user",
        "using",
        "when",
        "where",
        "with",
        "identity",
        "attribute",
        "event",
        "observed",
        "merge",
        "stitch",
    ];
    KEYWORDS.contains(&name)
}
