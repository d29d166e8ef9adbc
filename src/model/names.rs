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
    "profile_candidates",
    "profile_lineage",
    "rejects",
    "audiences",
    "audience_members",
    "audience_changes",
];

/// Words that cannot be the name of a table or a column without quotes, as in PostgreSQL (its reserved
/// words, and those that can only be a function or a type), in order.
const RESERVED_WORDS: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

/// Words that are names in some places of our statements and clauses in others: a printed statement
/// quotes them, so that it reads the same everywhere.
const CLAUSE_WORDS: &[&str] =
    &["attribute", "by", "event", "identity", "merge", "observed", "over", "stitch"];

/// Whether a lower-case word needs quotes to be a name.
pub fn is_reserved_word(word: &str) -> bool {
    RESERVED_WORDS.binary_search(&word).is_ok()
}

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
    let word = is_reserved_word(name) || CLAUSE_WORDS.contains(&name);
    if plain && !name.is_empty() && !word {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Writes a text as an SQL literal.
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_in_the_order_that_the_search_needs() {
        assert!(RESERVED_WORDS.is_sorted());
        assert!(RESERVED_WORDS.iter().all(|word| is_reserved_word(word)));
    }

    #[test]
    fn a_name_is_quoted_only_where_it_must_be() {
        for (name, written) in [
            ("crm_2", "crm_2"),
            ("2crm", "\"2crm\""),
            ("CRM", "\"CRM\""),
            ("select", "\"select\""),
            ("merge", "\"merge\""),
            ("a\"b", "\"a\"\"b\""),
            ("naïve", "\"naïve\""),
            ("", "\"\""),
        ] {
            assert_eq!(quote_name(name), written);
        }
    }
}
