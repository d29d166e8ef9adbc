//! `CREATE MERGE POLICY`: which datasets take part, and how conflicts between their values end.

use std::collections::HashSet;

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::model::definition::{Definition, Existence};
use crate::model::policy::{Argument, LATEST, MergePolicy, MergeRule, Stitch, StrategyCall};
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::existence::if_not_exists;
use crate::query::statements::phrases::name::dataset_name;
use crate::query::statements::{Parsed, StatementParser};

/// `CREATE MERGE POLICY`.
pub(crate) struct CreateMergePolicy;

impl StatementParser for CreateMergePolicy {
    fn name(&self) -> &'static str {
        "CREATE MERGE POLICY"
    }

    fn grammar(&self) -> &'static str {
        "CREATE [OR REPLACE] [DEFAULT] MERGE POLICY [IF NOT EXISTS] name
    [FROM dataset [, ...]]
    [STITCH GRAPH | STITCH NONE]
    [MERGE BY strategy]
    [MERGE attribute [, ...] BY strategy]
    [MERGE (attribute [, ...]) BY strategy] ...
CREATE [OR REPLACE] [DEFAULT] MERGE POLICY [IF NOT EXISTS] name AS query
where strategy is:
    name [(argument [, ...])] [OVER HISTORY]
where query is:
    SELECT profile_id, aggregate AS attribute [, ...] FROM fragments [WHERE ...] GROUP BY profile_id"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        read(cursor).map(|(definition, _)| Some(Parsed::Define(definition)))
    }
}

/// The statement's definition, and where its query begins if it is one.
fn read(cursor: &mut Cursor<'_>) -> Result<(Definition, Option<usize>)> {
    cursor.expect_keyword("CREATE")?;
    let replace = cursor.optional_keywords(&["OR", "REPLACE"]);
    let default = cursor.optional_keywords(&["DEFAULT"]);
    cursor.expect_keywords(&["MERGE", "POLICY"])?;
    let existence = if replace { Existence::Replace } else { if_not_exists(cursor) };
    let name = cursor.identifier()?;
    let (policy, position) = match cursor.optional_keywords(&["AS"]) {
        true => {
            let (text, position) = cursor.remaining_text()?;
            (MergePolicy::of_query(&name, text), Some(position))
        }
        false => (clauses(cursor, name)?, None),
    };
    Ok((Definition::CreateMergePolicy { policy, default, existence }, position))
}

/// Where the query of a `CREATE MERGE POLICY ... AS` begins: a 1-based character.
///
/// # Errors
/// Those of the statement.
pub(crate) fn query_position(text: &str) -> Result<Option<usize>> {
    read(&mut Cursor::try_new(text)?).map(|(_, position)| position)
}

/// The clauses of a policy, without the words before its name.
///
/// # Errors
/// As those of the statement.
pub(crate) fn policy_of_clauses(text: &str) -> Result<MergePolicy> {
    let mut cursor = Cursor::try_new(text)?;
    let policy = clauses(&mut cursor, String::new())?;
    cursor.end()?;
    Ok(policy)
}

fn clauses(cursor: &mut Cursor<'_>, name: String) -> Result<MergePolicy> {
    let datasets = datasets(cursor)?;
    let stitch = stitch(cursor)?;
    let (default, rules) = merge_clauses(cursor)?;
    Ok(MergePolicy { name, datasets, stitch, query: None, default, rules })
}

fn datasets(cursor: &mut Cursor<'_>) -> Result<Option<Vec<String>>> {
    if !cursor.optional_keywords(&["FROM"]) {
        return Ok(None);
    }
    let mut seen = HashSet::new();
    let once = |cursor: &mut Cursor<'_>| {
        let position = cursor.position();
        let name = dataset_name(cursor)?;
        if seen.insert(name.clone()) {
            return Ok(name);
        }
        let message = format!("dataset \"{name}\" specified more than once");
        Err(Error::new(SqlState::DUPLICATE_OBJECT, message).at(position))
    };
    cursor.list(once).map(Some)
}

/// `[STITCH GRAPH | STITCH NONE]`.
fn stitch(cursor: &mut Cursor<'_>) -> Result<Stitch> {
    if !cursor.optional_keywords(&["STITCH"]) {
        return Ok(Stitch::Graph);
    }
    if cursor.optional_keywords(&["NONE"]) {
        return Ok(Stitch::None);
    }
    cursor.expect_keyword("GRAPH").map(|()| Stitch::Graph)
}

/// All `MERGE` clauses: the strategy of the one without attributes, and the others.
fn merge_clauses(cursor: &mut Cursor<'_>) -> Result<(StrategyCall, Vec<MergeRule>)> {
    let (mut default, mut rules, mut seen) = (None, Vec::new(), HashSet::new());
    loop {
        let position = cursor.position();
        if !cursor.optional_keywords(&["MERGE"]) {
            let default = default.unwrap_or_else(|| StrategyCall::plain(LATEST));
            return Ok((default, rules));
        }
        if cursor.optional_keywords(&["BY"]) {
            if default.replace(strategy(cursor)?).is_some() {
                let message = "MERGE BY specified more than once";
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
            }
        } else {
            rules.push(rule(cursor, &mut seen)?);
        }
    }
}

fn rule(cursor: &mut Cursor<'_>, seen: &mut HashSet<String>) -> Result<MergeRule> {
    let once = |cursor: &mut Cursor<'_>| {
        let position = cursor.position();
        let name = cursor.identifier()?;
        if seen.insert(name.clone()) {
            return Ok(name);
        }
        let message = format!("attribute \"{name}\" specified more than once");
        Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(position))
    };
    let together = cursor.optional(&Token::LParen);
    let attributes = cursor.list(once)?;
    if together {
        cursor.expect(&Token::RParen)?;
    }
    cursor.expect_keyword("BY")?;
    Ok(MergeRule { attributes, together, strategy: strategy(cursor)? })
}

fn strategy(cursor: &mut Cursor<'_>) -> Result<StrategyCall> {
    let name = cursor.identifier()?;
    let arguments = if cursor.optional(&Token::LParen) { arguments(cursor)? } else { Vec::new() };
    let over_history = cursor.optional_keywords(&["OVER"]);
    if over_history {
        cursor.expect_keyword("HISTORY")?;
    }
    Ok(StrategyCall { name, arguments, over_history })
}

fn arguments(cursor: &mut Cursor<'_>) -> Result<Vec<Argument>> {
    if cursor.optional(&Token::RParen) {
        return Ok(Vec::new());
    }
    let arguments = cursor.list(|cursor| match cursor.optional_literal() {
        Some(text) => Ok(Argument::Text(text)),
        None => dataset_name(cursor).map(Argument::Name),
    })?;
    cursor.expect(&Token::RParen)?;
    Ok(arguments)
}
