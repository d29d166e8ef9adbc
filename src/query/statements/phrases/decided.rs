//! A pair of identities as decisions name it: `email 'a@x.com' TO crm_id '17' [COMMENT 'text']`.
//!
//! Values may be parameters of the extended protocol: data, unlike names, are often sent apart.

use crate::error::{Error, Result, SqlState};
use crate::model::decision::DecisionKind;
use crate::model::definition::Existence;
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::existence::if_exists;

/// The most parameters: two values and a comment need no more, and gaps between numbers serve nobody.
const PARAMETERS_MAX: usize = 3;

/// A text that a statement says or leaves to a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatedText {
    /// A literal.
    Literal(String),
    /// A parameter, from 0.
    Parameter(usize),
}

/// `LINK`, `UNLINK` and their removal, as the user said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedDecision {
    /// What is said of the two.
    pub kind: DecisionKind,
    /// Namespace and value of the identity named first.
    pub left: (String, StatedText),
    /// Those of the other one.
    pub right: (String, StatedText),
    /// Why.
    pub comment: Option<StatedText>,
    /// Of a removal: what if there is no such decision.
    pub removal: Option<Existence>,
}

impl StatedDecision {
    /// How many parameters it needs.
    pub fn parameter_count(&self) -> usize {
        let texts = [Some(&self.left.1), Some(&self.right.1), self.comment.as_ref()];
        let count = |text: &StatedText| match text {
            StatedText::Literal(_) => 0,
            StatedText::Parameter(at) => at + 1,
        };
        texts.into_iter().flatten().map(count).max().unwrap_or(0)
    }

    /// The command tag.
    pub fn tag(&self) -> &'static str {
        match (self.kind, self.removal) {
            (DecisionKind::Link, None) => "LINK",
            (DecisionKind::Unlink, None) => "UNLINK",
            (DecisionKind::Link, Some(_)) => "DROP LINK",
            (DecisionKind::Unlink, Some(_)) => "DROP UNLINK",
        }
    }
}

/// What comes after `LINK` or `UNLINK`.
///
/// # Errors
/// `42601` with a position, `42P02` for a parameter that cannot be.
pub(crate) fn decision(cursor: &mut Cursor<'_>, kind: DecisionKind) -> Result<StatedDecision> {
    let (left, right) = pair(cursor, kind)?;
    let comment = if cursor.optional_keywords(&["COMMENT"]) { Some(text(cursor)?) } else { None };
    Ok(StatedDecision { kind, left, right, comment, removal: None })
}

/// What comes after `DROP LINK` or `DROP UNLINK`.
///
/// # Errors
/// As [`decision`].
pub(crate) fn removal(cursor: &mut Cursor<'_>, kind: DecisionKind) -> Result<StatedDecision> {
    let existence = if_exists(cursor);
    let (left, right) = pair(cursor, kind)?;
    Ok(StatedDecision { kind, left, right, comment: None, removal: Some(existence) })
}

type Pair = ((String, StatedText), (String, StatedText));

fn pair(cursor: &mut Cursor<'_>, kind: DecisionKind) -> Result<Pair> {
    let left = (cursor.identifier()?, text(cursor)?);
    cursor.expect_keyword(kind.words().1)?;
    Ok((left, (cursor.identifier()?, text(cursor)?)))
}

/// A literal or a parameter.
///
/// # Errors
/// `42601` with a position, `42P02` for a parameter that cannot be.
pub(crate) fn text(cursor: &mut Cursor<'_>) -> Result<StatedText> {
    let position = cursor.position();
    let Some(name) = cursor.optional_placeholder() else {
        return cursor.literal().map(StatedText::Literal);
    };
    let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
    match number {
        Some(number) if (1..=PARAMETERS_MAX).contains(&number) => {
            Ok(StatedText::Parameter(number - 1))
        }
        _ => {
            let message = format!("there is no parameter {name}");
            Err(Error::new(SqlState::UNDEFINED_PARAMETER, message)
                .hint("a decision takes $1, $2 and $3 at most")
                .at(position))
        }
    }
}
