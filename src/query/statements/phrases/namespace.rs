//! The settings of a namespace: its rank, its normalisation, and the values that it blocks.

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::model::namespace::{Kind, Normalization, RANK_MAX};
use crate::query::statements::cursor::Cursor;

/// The number after `RANK`.
///
/// # Errors
/// `22023` if it is not 1 to [`RANK_MAX`].
pub(crate) fn rank(cursor: &mut Cursor<'_>) -> Result<u32> {
    let position = cursor.position();
    let number = cursor.number()?;
    let rank = u32::try_from(number).ok().filter(|rank| (1..=RANK_MAX).contains(rank));
    rank.ok_or_else(|| {
        let message = format!("rank {number} is out of range");
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
            .hint(format!("ranks are 1, the most trusted, to {RANK_MAX}"))
            .at(position)
    })
}

/// The word after `KIND`.
///
/// # Errors
/// `22023` if there is no such kind.
pub(crate) fn kind(cursor: &mut Cursor<'_>) -> Result<Kind> {
    let position = cursor.position();
    let word = cursor.word()?;
    choose(Kind::ALL, &word)
        .ok_or_else(|| unknown("namespace kind", &word, &names(Kind::ALL)).at(position))
}

/// What follows `NORMALIZE`: one word, or `sha256_of(lower)`.
///
/// # Errors
/// `22023` if there is no such normalisation.
pub(crate) fn normalization(cursor: &mut Cursor<'_>) -> Result<Normalization> {
    let position = cursor.position();
    let mut text = cursor.word()?;
    if cursor.optional(&Token::LParen) {
        let of = cursor.word()?;
        cursor.expect(&Token::RParen)?;
        text = format!("{text}({of})");
    }
    choose(Normalization::ALL, &text)
        .ok_or_else(|| unknown("normalization", &text, &names(Normalization::ALL)).at(position))
}

/// What follows `BLOCK`: `('x', ...)`.
///
/// # Errors
/// `42601` if it is no such list.
pub(crate) fn values(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    cursor.parenthesized(Cursor::literal)
}

fn choose<T: Copy>(all: &[(&str, T)], word: &str) -> Option<T> {
    all.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, value)| *value)
}

fn names<T>(all: &[(&'static str, T)]) -> String {
    all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn unknown(what: &str, word: &str, known: &str) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("unknown {what} \"{word}\""))
        .hint(format!("known are: {known}"))
}
