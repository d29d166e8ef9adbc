//! One column of a dataset: its name, its type, and what it is for.

use crate::error::{Error, Result};
use crate::model::column::ColumnType;
use crate::model::dataset::{Column, Role};
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::column_type::column_type;

/// Constraints of SQL that a dataset cannot have, by the keywords they begin with.
const CONSTRAINTS: &[&[&str]] = &[
    &["NOT", "NULL"],
    &["PRIMARY", "KEY"],
    &["FOREIGN", "KEY"],
    &["UNIQUE"],
    &["CHECK"],
    &["DEFAULT"],
    &["REFERENCES"],
    &["COLLATE"],
    &["CONSTRAINT"],
];

/// A column, and where its expression begins if it is computed.
pub(crate) type Written = (Column, Option<usize>);

/// `name TYPE [IDENTITY namespace | EVENT ID | OBSERVED AT | ATTRIBUTE name | AS (expression)]...`, or
/// short for a computed identity that is called like its namespace, `IDENTITY namespace AS (expression)`.
///
/// # Errors
/// `42601` for a clause that is there twice, `0A000` for a constraint.
pub(crate) fn column(cursor: &mut Cursor<'_>) -> Result<Written> {
    refuse_constraint(cursor)?;
    let mut expression_at = None;
    let mut column = match short_identity(cursor)? {
        Some(column) => column,
        None => {
            let name = cursor.identifier()?;
            let ty = column_type(cursor)?;
            Column { name, ty, role: Role::Value, attribute: None, derived: None }
        }
    };
    loop {
        let position = cursor.position();
        if cursor.optional_keywords(&["ATTRIBUTE"]) {
            if column.attribute.is_some() {
                return Err(Cursor::redundant(position));
            }
            column.attribute = Some(cursor.identifier()?);
        } else if let Some(role) = role(cursor)? {
            if column.role != Role::Value {
                return Err(Cursor::redundant(position));
            }
            column.role = role;
        } else if let Some((expression, at)) = expression(cursor)? {
            if column.derived.is_some() {
                return Err(Cursor::redundant(position));
            }
            column.derived = Some(expression);
            expression_at = Some(at);
        } else if !cursor.optional_keywords(&["NULL"]) {
            // NULL says what is so anyway: every column can be null.
            refuse_constraint(cursor)?;
            return Ok((column, expression_at));
        }
    }
}

/// The short form up to its AS: a column of the namespace's name.
fn short_identity(cursor: &mut Cursor<'_>) -> Result<Option<Column>> {
    if !cursor.keyword_follows(0, "IDENTITY") || !cursor.keyword_follows(2, "AS") {
        return Ok(None);
    }
    cursor.expect_keyword("IDENTITY")?;
    let name = cursor.identifier()?;
    let role = Role::Identity(name.clone());
    Ok(Some(Column { name, ty: ColumnType::Text, role, attribute: None, derived: None }))
}

/// `[GENERATED ALWAYS] AS (expression) [STORED]`: the expression, and where it begins.
fn expression(cursor: &mut Cursor<'_>) -> Result<Option<(String, usize)>> {
    let start = cursor.position();
    let generated = cursor.optional_keywords(&["GENERATED"]);
    if generated && !cursor.at_keywords(&["ALWAYS", "AS"])
        || cursor.at_keywords(&["ALWAYS", "AS", "IDENTITY"])
    {
        let message = "GENERATED ... AS IDENTITY is not supported in a dataset";
        return Err(Error::unsupported(message)
            .hint("a computed column is name TEXT IDENTITY namespace AS (expression)")
            .at(start));
    }
    if generated {
        cursor.expect_keyword("ALWAYS")?;
    }
    if !cursor.optional_keywords(&["AS"]) {
        return Ok(None);
    }
    let (text, position) = cursor.parenthesized_text()?;
    if cursor.at_keywords(&["VIRTUAL"]) {
        let message = "VIRTUAL columns are not supported in a dataset";
        return Err(Error::unsupported(message)
            .hint("computed columns are stored: leave VIRTUAL out, or say STORED")
            .at(cursor.position()));
    }
    cursor.optional_keywords(&["STORED"]);
    Ok(Some((text.to_owned(), position)))
}

fn role(cursor: &mut Cursor<'_>) -> Result<Option<Role>> {
    if cursor.optional_keywords(&["IDENTITY"]) {
        return cursor.identifier().map(|namespace| Some(Role::Identity(namespace)));
    }
    if cursor.optional_keywords(&["EVENT"]) {
        return cursor.expect_keyword("ID").map(|()| Some(Role::EventId));
    }
    if cursor.optional_keywords(&["OBSERVED"]) {
        return cursor.expect_keyword("AT").map(|()| Some(Role::ObservedAt));
    }
    Ok(None)
}

fn refuse_constraint(cursor: &Cursor<'_>) -> Result<()> {
    match CONSTRAINTS.iter().find(|words| cursor.at_keywords(words)) {
        None => Ok(()),
        Some(words) => {
            let message = format!("{} is not supported in a dataset", words.join(" "));
            Err(Error::unsupported(message)
                .hint("a column has a type, then IDENTITY, EVENT ID, OBSERVED AT or ATTRIBUTE")
                .at(cursor.position()))
        }
    }
}
