//! `CREATE MERGE POLICY`: which datasets take part, and how conflicts between their values end.

use std::collections::HashSet;

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::model::definition::{Definition, Existence};
use crate::model::policy::{Argument, LATEST, MergePolicy, MergeRule, StrategyCall};
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
    [STITCH GRAPH]
    [MERGE BY strategy]
    [MERGE attribute [, ...] BY strategy]
    [MERGE (attribute [, ...]) BY strategy] ...
where strategy is:
    name [(argument [, ...])] [OVER HISTORY]"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keyword("CREATE")?;
        let replace = cursor.optional_keywords(&["OR", "REPLACE"]);
        let default = cursor.optional_keywords(&["DEFAULT"]);
        cursor.expect_keywords(&["MERGE", "POLICY"])?;
        let existence = if replace { Existence::Replace } else { if_not_exists(cursor) };
        let name = cursor.identifier()?;
        let datasets = datasets(cursor)?;
        stitch(cursor)?;
        let (strategy, rules) = merge_clauses(cursor)?;
        let policy = MergePolicy { name, datasets, default: strategy, rules };
        Ok(Some(Parsed::Define(Definition::CreateMergePolicy { policy, default, existence })))
    }
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

/// `[STITCH GRAPH]`, which is how fragments become one profile anyway.
fn stitch(cursor: &mut Cursor<'_>) -> Result<()> {
    let position = cursor.position();
    if !cursor.optional_keywords(&["STITCH"]) {
        return Ok(());
    }
    if cursor.optional_keywords(&["NONE"]) {
        return Err(Error::unsupported("STITCH NONE is not supported yet").at(position));
    }
    cursor.expect_keyword("GRAPH")
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
