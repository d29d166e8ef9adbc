//! `LINK`, `UNLINK` and their removal: parameters become values, and the engine decides with them.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use crate::engine::decide::StatedPair;
use crate::error::{Error, Result, SqlState};
use crate::query::session::execute::blocking;
use crate::query::session::transaction::CommitGate;
use crate::query::session::{Inner, Notice, Outcome};
use crate::query::statements::{StatedDecision, StatedText};

/// The types of its parameters: as the client declared them, else text.
pub(super) fn parameters(stated: &StatedDecision, declared: &[Option<DataType>]) -> Vec<DataType> {
    let count = stated.parameter_count().max(declared.len());
    let ty = |at| declared.get(at).cloned().flatten().unwrap_or(DataType::Utf8View);
    (0..count).map(ty).collect()
}

/// Runs one; returns when it is durable and visible.
///
/// # Errors
/// `22004` for a value that is null, and what the engine refuses.
pub(super) async fn run(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    stated: &StatedDecision,
    values: &[ScalarValue],
) -> Result<Outcome> {
    session.check_may_write(stated.tag())?;
    session.check_steward()?;
    let identity = |(namespace, text): &(String, StatedText)| {
        let null = || {
            let message = format!("the value of namespace \"{namespace}\" is null");
            Error::new(SqlState("22004"), message)
        };
        Ok::<_, Error>((namespace.clone(), said(text, values)?.ok_or_else(null)?))
    };
    let (left, right) = (identity(&stated.left)?, identity(&stated.right)?);
    let pair = StatedPair { kind: stated.kind, left, right };
    let comment = stated.comment.as_ref().map(|text| said(text, values)).transpose()?.flatten();
    gate.commit()?;
    let (accept, user) = (session.accept(), session.current_user());
    let removal = stated.removal;
    let defined = blocking(move || match removal {
        Some(existence) => accept.undecide(&pair, existence),
        None => accept.decide(&pair, &user, comment),
    })
    .await?;
    if let Some(notice) = defined.notice {
        session.notice(Notice::new(notice));
    }
    Ok(Outcome::Done { tag: stated.tag().to_owned() })
}

/// What a literal or a parameter says; null is nothing.
///
/// # Errors
/// `42P02` for a parameter that was not given.
pub(super) fn said(text: &StatedText, values: &[ScalarValue]) -> Result<Option<String>> {
    let at = match text {
        StatedText::Literal(text) => return Ok(Some(text.clone())),
        StatedText::Parameter(at) => *at,
    };
    match values.get(at) {
        None => {
            let message = format!("there is no parameter ${}", at + 1);
            Err(Error::new(SqlState::UNDEFINED_PARAMETER, message))
        }
        Some(value) if value.is_null() => Ok(None),
        Some(value) => Ok(Some(value.to_string())),
    }
}
