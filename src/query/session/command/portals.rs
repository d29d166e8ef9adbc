//! The forms of DECLARE, FETCH and MOVE; `session::cursor` does what they say.

use sqlparser::tokenizer::Token;

use crate::error::Result;
use crate::query::session::command::{Command, Declare, Fetch, Scroll, Step, rest_of};
use crate::query::statements::Cursor;

/// DECLARE, after the word.
pub(super) fn declare(cursor: &mut Cursor<'_>, sql: &str) -> Result<Command> {
    let name = cursor.identifier()?;
    let (mut hold, mut binary, mut scroll) = (false, false, Scroll::Open);
    while !cursor.optional_keywords(&["FOR"]) {
        if cursor.optional_keywords(&["SCROLL"]) {
            scroll = Scroll::Yes;
        } else if cursor.optional_keywords(&["NO", "SCROLL"]) {
            scroll = Scroll::No;
        } else if cursor.optional_keywords(&["BINARY"]) {
            binary = true;
        } else if cursor.optional_keywords(&["WITH", "HOLD"]) {
            hold = true;
        } else if cursor.optional_keywords(&["CURSOR"])
            || cursor.optional_keywords(&["INSENSITIVE"])
            || cursor.optional_keywords(&["ASENSITIVE"])
            || cursor.optional_keywords(&["WITHOUT", "HOLD"])
        {
        } else {
            return Err(cursor.unexpected());
        }
    }
    Ok(Command::Declare(Declare { name, hold, scroll, binary, sql: rest_of(cursor, sql) }))
}

/// FETCH, or MOVE where rows are to be skipped, after the word.
pub(super) fn fetch(cursor: &mut Cursor<'_>, skip: bool) -> Result<Command> {
    let step = step(cursor)?;
    if !cursor.optional_keywords(&["FROM"]) {
        cursor.optional_keywords(&["IN"]);
    }
    Ok(Command::Fetch(Fetch { name: cursor.identifier()?, step, skip }))
}

fn step(cursor: &mut Cursor<'_>) -> Result<Step> {
    for (word, step) in [
        ("NEXT", Step::Forward(Some(1))),
        ("PRIOR", Step::Backward(Some(1))),
        ("FIRST", Step::Absolute(1)),
        ("LAST", Step::Absolute(-1)),
        ("ALL", Step::Forward(None)),
    ] {
        if cursor.optional_keywords(&[word]) {
            return Ok(step);
        }
    }
    if cursor.optional_keywords(&["ABSOLUTE"]) {
        return required(cursor).map(Step::Absolute);
    }
    if cursor.optional_keywords(&["RELATIVE"]) {
        return required(cursor).map(Step::Relative);
    }
    let backward = cursor.optional_keywords(&["BACKWARD"]);
    if !backward {
        cursor.optional_keywords(&["FORWARD"]);
    }
    if cursor.optional_keywords(&["ALL"]) {
        return Ok(if backward { Step::Backward(None) } else { Step::Forward(None) });
    }
    let count = signed(cursor)?.unwrap_or(1);
    Ok(match (count, backward) {
        // The row that the cursor is on, again.
        (0, _) => Step::Relative(0),
        (count, backward) if (count < 0) != backward => Step::Backward(Some(count.unsigned_abs())),
        (count, _) => Step::Forward(Some(count.unsigned_abs())),
    })
}

fn required(cursor: &mut Cursor<'_>) -> Result<i64> {
    signed(cursor)?.ok_or_else(|| cursor.unexpected())
}

/// A whole number that may have a sign.
fn signed(cursor: &mut Cursor<'_>) -> Result<Option<i64>> {
    let minus = cursor.optional(&Token::Minus);
    if !minus {
        cursor.optional(&Token::Plus);
    }
    let number = cursor.optional_number()?.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    Ok(number.map(|number| if minus { -number } else { number }))
}
