//! `ALTER NAMESPACE`: one or more changes of its settings, all or none.

use crate::error::{Error, Result};
use crate::model::definition::{Definition, NamespaceChange};
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::existence::refuse_if_exists;
use crate::query::statements::phrases::namespace::{normalization, rank, values};
use crate::query::statements::{Parsed, StatementParser};

/// `ALTER NAMESPACE`.
pub(crate) struct AlterNamespace;

impl StatementParser for AlterNamespace {
    fn name(&self) -> &'static str {
        "ALTER NAMESPACE"
    }

    fn grammar(&self) -> &'static str {
        "ALTER NAMESPACE name change [, ...]
where change is one of:
    SET UNIQUE | SET NOT UNIQUE
    SET RANK n
    SET NORMALIZE none | trim | lower | email | phone | digits | sha256_of(lower)
    BLOCK ('value', ...)
    UNBLOCK ('value', ...)"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["ALTER", "NAMESPACE"])?;
        refuse_if_exists(cursor, "ALTER NAMESPACE")?;
        let name = cursor.identifier()?;
        let changes = cursor.list(change)?;
        Ok(Some(Parsed::Define(Definition::AlterNamespace { name, changes })))
    }
}

fn change(cursor: &mut Cursor<'_>) -> Result<NamespaceChange> {
    if cursor.optional_keywords(&["BLOCK"]) {
        return values(cursor).map(NamespaceChange::Block);
    }
    if cursor.optional_keywords(&["UNBLOCK"]) {
        return values(cursor).map(NamespaceChange::Unblock);
    }
    let position = cursor.position();
    if cursor.at_keywords(&["SET", "KIND"]) || cursor.at_keywords(&["RENAME"]) {
        let message = "the name and the kind of a namespace cannot be changed";
        return Err(Error::unsupported(message).at(position));
    }
    cursor.expect_keyword("SET")?;
    if cursor.optional_keywords(&["UNIQUE"]) {
        Ok(NamespaceChange::Unique(true))
    } else if cursor.optional_keywords(&["NOT"]) {
        cursor.expect_keyword("UNIQUE").map(|()| NamespaceChange::Unique(false))
    } else if cursor.optional_keywords(&["RANK"]) {
        rank(cursor).map(NamespaceChange::Rank)
    } else if cursor.optional_keywords(&["NORMALIZE"]) {
        normalization(cursor).map(NamespaceChange::Normalize)
    } else {
        Err(cursor.unexpected())
    }
}
