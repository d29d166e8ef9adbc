//! `CREATE NAMESPACE`: a kind of identifier, its clauses in any order, each once.

use crate::error::Result;
use crate::model::definition::Definition;
use crate::model::namespace::{Kind, Normalization};
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::existence::if_not_exists;
use crate::query::statements::phrases::namespace::{kind, normalization, rank, values};
use crate::query::statements::{Parsed, StatementParser};

/// `CREATE NAMESPACE`.
pub(crate) struct CreateNamespace;

impl StatementParser for CreateNamespace {
    fn name(&self) -> &'static str {
        "CREATE NAMESPACE"
    }

    fn grammar(&self) -> &'static str {
        "CREATE NAMESPACE [IF NOT EXISTS] name
    [KIND PERSON | EMAIL | PHONE | DEVICE | COOKIE]
    [RANK n]
    [UNIQUE]
    [NORMALIZE none | trim | lower | email | phone | digits | sha256_of(lower)]
    [BLOCK ('value', ...)]"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["CREATE", "NAMESPACE"])?;
        let existence = if_not_exists(cursor);
        let name = cursor.identifier()?;
        let clauses = clauses(cursor)?;
        Ok(Some(Parsed::Define(Definition::CreateNamespace {
            name,
            kind: clauses.kind.unwrap_or_default(),
            rank: clauses.rank,
            unique: clauses.unique.is_some(),
            normalization: clauses.normalization.unwrap_or_default(),
            blocked: clauses.blocked.unwrap_or_default(),
            existence,
        })))
    }
}

#[derive(Default)]
struct Clauses {
    kind: Option<Kind>,
    rank: Option<u32>,
    unique: Option<()>,
    normalization: Option<Normalization>,
    blocked: Option<Vec<String>>,
}

fn clauses(cursor: &mut Cursor<'_>) -> Result<Clauses> {
    let mut clauses = Clauses::default();
    loop {
        let position = cursor.position();
        let repeated = if cursor.optional_keywords(&["KIND"]) {
            clauses.kind.replace(kind(cursor)?).is_some()
        } else if cursor.optional_keywords(&["RANK"]) {
            clauses.rank.replace(rank(cursor)?).is_some()
        } else if cursor.optional_keywords(&["UNIQUE"]) {
            clauses.unique.replace(()).is_some()
        } else if cursor.optional_keywords(&["NORMALIZE"]) {
            clauses.normalization.replace(normalization(cursor)?).is_some()
        } else if cursor.optional_keywords(&["BLOCK"]) {
            clauses.blocked.replace(values(cursor)?).is_some()
        } else {
            return Ok(clauses);
        };
        if repeated {
            return Err(Cursor::redundant(position));
        }
    }
}
