//! `ALTER SYSTEM`: settings of the whole server that survive its restart.

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::model::definition::Definition;
use crate::model::server_setting::{
    GRAPH_IDENTITIES_MAX, ServerSetting, check_graph_identities_max,
};
use crate::query::statements::cursor::Cursor;
use crate::query::statements::{Parsed, StatementParser};

/// `ALTER SYSTEM`.
pub(crate) struct AlterSystem;

impl StatementParser for AlterSystem {
    fn name(&self) -> &'static str {
        "ALTER SYSTEM"
    }

    fn grammar(&self) -> &'static str {
        "ALTER SYSTEM { SET graph_identities_max { = | TO } { number | DEFAULT } | RESET graph_identities_max }"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keywords(&["ALTER", "SYSTEM"])?;
        let reset = cursor.optional_keywords(&["RESET"]);
        if !reset {
            cursor.expect_keyword("SET")?;
        }
        known(cursor)?;
        let value = if reset { None } else { value(cursor)? };
        let setting = ServerSetting::GraphIdentitiesMax(value);
        Ok(Some(Parsed::Define(Definition::AlterSystem { setting })))
    }
}

/// The name of the setting; there is one.
fn known(cursor: &mut Cursor<'_>) -> Result<()> {
    let position = cursor.position();
    let name = cursor.identifier()?;
    if name == GRAPH_IDENTITIES_MAX {
        return Ok(());
    }
    let message = format!("\"{name}\" is no setting of the server that a statement can change");
    Err(Error::new(SqlState::UNDEFINED_OBJECT, message)
        .hint(format!("there is: {GRAPH_IDENTITIES_MAX}; a session's own settings change with SET"))
        .at(position))
}

fn value(cursor: &mut Cursor<'_>) -> Result<Option<u32>> {
    if !cursor.optional(&Token::Eq) {
        cursor.expect_keyword("TO")?;
    }
    if cursor.optional_keywords(&["DEFAULT"]) {
        return Ok(None);
    }
    let position = cursor.position();
    let number = match cursor.optional_literal() {
        None => {
            let negative = cursor.optional(&Token::Minus);
            let number = i128::from(cursor.number()?);
            if negative { -number } else { number }
        }
        Some(text) => text.trim().parse().map_err(|_| {
            let message =
                format!("invalid value for parameter \"{GRAPH_IDENTITIES_MAX}\": \"{text}\"");
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(position)
        })?,
    };
    check_graph_identities_max(number).map(Some).map_err(|error| error.at(position))
}
