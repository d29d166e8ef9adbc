//! Roles as statements name them, and the attributes that CREATE ROLE and ALTER ROLE give them.

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::query::statements::cursor::Cursor;

/// A role as it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleName {
    /// By its name.
    Named(String),
    /// `CURRENT_USER`, `CURRENT_ROLE`.
    Current,
    /// `SESSION_USER`.
    Session,
    /// `PUBLIC`: every role.
    Public,
}

/// An attribute of a role as it is said.
#[derive(Clone, PartialEq, Eq)]
pub enum RoleAttribute {
    /// `SUPERUSER`, `NOSUPERUSER`.
    Superuser(bool),
    /// `INHERIT`, `NOINHERIT`.
    Inherit(bool),
    /// `CREATEROLE`, `NOCREATEROLE`.
    CreateRole(bool),
    /// `CREATEDB`, `NOCREATEDB`.
    CreateDatabase(bool),
    /// `LOGIN`, `NOLOGIN`.
    Login(bool),
    /// `CONNECTION LIMIT n`.
    ConnectionLimit(i32),
    /// `VALID UNTIL 'moment'`.
    ValidUntil(String),
    /// `PASSWORD 'text'`; `None` is `NULL`.
    Password(Option<String>),
    /// `IN ROLE`: what the new role is a member of.
    InRole(Vec<RoleName>),
    /// `ROLE`, `ADMIN`: who is a member of the new role; and whether they may make others members.
    Members(Vec<RoleName>, bool),
}

impl std::fmt::Debug for RoleAttribute {
    /// Passwords are shown nowhere.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(hidden)",
            _ => "RoleAttribute",
        })
    }
}

/// A role.
pub(crate) fn role_name(cursor: &mut Cursor<'_>) -> Result<RoleName> {
    if cursor.optional_keywords(&["CURRENT_USER"]) || cursor.optional_keywords(&["CURRENT_ROLE"]) {
        return Ok(RoleName::Current);
    }
    if cursor.optional_keywords(&["SESSION_USER"]) {
        return Ok(RoleName::Session);
    }
    Ok(match cursor.identifier()? {
        name if name == "public" => RoleName::Public,
        name => RoleName::Named(name),
    })
}

/// `ROLE`, `USER` or `GROUP`; and whether it was `USER`.
pub(crate) fn role_noun(cursor: &mut Cursor<'_>) -> Result<bool> {
    if cursor.optional_keywords(&["USER"]) {
        return Ok(true);
    }
    if !cursor.optional_keywords(&["GROUP"]) {
        cursor.expect_keyword("ROLE")?;
    }
    Ok(false)
}

/// Whether words are a verb and one of the nouns of a role.
pub(crate) fn begins_role(verb: &str, words: &[&str]) -> bool {
    let nouns = ["ROLE", "USER", "GROUP"];
    words.first().is_some_and(|word| word.eq_ignore_ascii_case(verb))
        && words.get(1).is_some_and(|word| nouns.iter().any(|it| word.eq_ignore_ascii_case(it)))
        && !words.get(2).is_some_and(|word| word.eq_ignore_ascii_case("MAPPING"))
}

/// `[WITH] attribute ...`, each at most once.
pub(crate) fn role_attributes(cursor: &mut Cursor<'_>, create: bool) -> Result<Vec<RoleAttribute>> {
    cursor.optional_keywords(&["WITH"]);
    let mut attributes: Vec<RoleAttribute> = Vec::new();
    loop {
        let position = cursor.position();
        let Some(found) = attribute(cursor, create)? else { break };
        let Some(attribute) = found else { continue };
        let same = |other: &RoleAttribute| {
            std::mem::discriminant(other) == std::mem::discriminant(&attribute)
                && !matches!(other, RoleAttribute::InRole(_) | RoleAttribute::Members(..))
        };
        if attributes.iter().any(same) {
            return Err(Cursor::redundant(position));
        }
        attributes.push(attribute);
    }
    Ok(attributes)
}

/// The next attribute, if one comes; none in it if it has no meaning here.
fn attribute(cursor: &mut Cursor<'_>, create: bool) -> Result<Option<Option<RoleAttribute>>> {
    type Make = fn(bool) -> RoleAttribute;
    const FLAGS: &[(&str, &str, Make)] = &[
        ("SUPERUSER", "NOSUPERUSER", RoleAttribute::Superuser),
        ("INHERIT", "NOINHERIT", RoleAttribute::Inherit),
        ("CREATEROLE", "NOCREATEROLE", RoleAttribute::CreateRole),
        ("CREATEDB", "NOCREATEDB", RoleAttribute::CreateDatabase),
        ("LOGIN", "NOLOGIN", RoleAttribute::Login),
    ];
    for (yes, no, make) in FLAGS {
        if cursor.optional_keywords(&[yes]) {
            return Ok(Some(Some(make(true))));
        }
        if cursor.optional_keywords(&[no]) {
            return Ok(Some(Some(make(false))));
        }
    }
    // What these forbid cannot be done anyway; what they allow does not exist.
    for word in ["NOREPLICATION", "NOBYPASSRLS", "BYPASSRLS"] {
        if cursor.optional_keywords(&[word]) {
            return Ok(Some(None));
        }
    }
    if cursor.at_keywords(&["REPLICATION"]) {
        let message = "roles with REPLICATION are not supported";
        return Err(Error::unsupported(message).at(cursor.position()));
    }
    valued(cursor, create).map(|found| found.map(Some))
}

fn valued(cursor: &mut Cursor<'_>, create: bool) -> Result<Option<RoleAttribute>> {
    if cursor.optional_keywords(&["CONNECTION", "LIMIT"]) {
        return Ok(Some(RoleAttribute::ConnectionLimit(connection_limit(cursor)?)));
    }
    if cursor.optional_keywords(&["VALID", "UNTIL"]) {
        return Ok(Some(RoleAttribute::ValidUntil(cursor.literal()?)));
    }
    if cursor.optional_keywords(&["ENCRYPTED", "PASSWORD"])
        || cursor.optional_keywords(&["PASSWORD"])
    {
        let none = cursor.optional_keywords(&["NULL"]);
        let password = if none { None } else { Some(cursor.literal()?) };
        return Ok(Some(RoleAttribute::Password(password)));
    }
    if !create {
        return Ok(None);
    }
    if cursor.optional_keywords(&["IN", "ROLE"]) || cursor.optional_keywords(&["IN", "GROUP"]) {
        return Ok(Some(RoleAttribute::InRole(cursor.list(role_name)?)));
    }
    if cursor.optional_keywords(&["ROLE"]) || cursor.optional_keywords(&["USER"]) {
        return Ok(Some(RoleAttribute::Members(cursor.list(role_name)?, false)));
    }
    if cursor.optional_keywords(&["ADMIN"]) {
        return Ok(Some(RoleAttribute::Members(cursor.list(role_name)?, true)));
    }
    Ok(None)
}

/// -1 is no limit.
fn connection_limit(cursor: &mut Cursor<'_>) -> Result<i32> {
    let position = cursor.position();
    let negative = cursor.optional(&Token::Minus);
    let number = i128::from(cursor.number()?);
    let number = if negative { -number } else { number };
    i32::try_from(number).ok().filter(|number| *number >= -1).ok_or_else(|| {
        let message = format!("invalid connection limit: {number}");
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(position)
    })
}
