//! One column of a dataset: its name, its type, and what it is for.

use crate::error::{Error, Result};
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
    &["GENERATED"],
    &["COLLATE"],
    &["CONSTRAINT"],
];

/// `name TYPE [IDENTITY namespace | EVENT ID | OBSERVED AT | ATTRIBUTE name]...`
///
/// # Errors
/// `42601` for a clause that is there twice, `0A000` for a constraint.
pub(crate) fn column(cursor: &mut Cursor<'_>) -> Result<Column> {
    refuse_constraint(cursor)?;
    let name = cursor.identifier()?;
    let ty = column_type(cursor)?;
    let mut column = Column { name, ty, role: Role::Value, attribute: None };
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
        } else if !cursor.optional_keywords(&["NULL"]) {
            // NULL says what is so anyway: every column can be null.
            refuse_constraint(cursor)?;
            return Ok(column);
        }
    }
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
