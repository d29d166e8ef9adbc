//! `EXPLAIN PROFILE`: why a person's merged values are what they are, for people to read.
//!
//! Only the reading of the statement; `session` answers it.

use sqlparser::tokenizer::Token;

use crate::error::Result;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::{Parsed, StatementParser};

/// Whose profile is to be explained, and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainProfile {
    /// The namespace of an identity of the person.
    pub namespace: String,
    /// The identity, as a user writes it.
    pub value: String,
    /// The only attribute to explain; `None`: all.
    pub attribute: Option<String>,
    /// The merge policy; `None`: the session's.
    pub policy: Option<String>,
}

/// `EXPLAIN PROFILE`.
pub(crate) struct ExplainProfileParser;

impl StatementParser for ExplainProfileParser {
    fn name(&self) -> &'static str {
        "EXPLAIN PROFILE"
    }

    fn grammar(&self) -> &'static str {
        "EXPLAIN PROFILE 'namespace', 'value' [ATTRIBUTE name] [POLICY name]"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["EXPLAIN", "PROFILE"])?;
        let namespace = cursor.literal()?;
        cursor.expect(&Token::Comma)?;
        let value = cursor.literal()?;
        let mut explain = ExplainProfile { namespace, value, attribute: None, policy: None };
        loop {
            let position = cursor.position();
            let (clause, name) = if cursor.optional_keywords(&["ATTRIBUTE"]) {
                (&mut explain.attribute, cursor.identifier()?)
            } else if cursor.optional_keywords(&["POLICY"]) {
                (&mut explain.policy, cursor.identifier()?)
            } else {
                return Ok(Some(Parsed::ExplainProfile(explain)));
            };
            if clause.replace(name).is_some() {
                return Err(Cursor::redundant(position));
            }
        }
    }
}
