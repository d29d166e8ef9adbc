//! Names to numbers and back: the `reg*` types' input and output, and `to_reg*`.
//!
//! The rewriter turns casts to these types into calls of `regclassin` and its like where the number is
//! meant, and of `regclassout` where the name is shown.

use crate::error::{Error, Result, SqlState};
use crate::model::names::quote_name;
use crate::query::postgres::catalog::{Value, pg_proc};
use crate::query::postgres::description::Description;
use crate::query::postgres::functions::{Call, Function, Int, Object, Text};
use crate::query::postgres::types::{self, PgType};

const ONE: &[&[super::Kind]] = &[&[Object]];

pub(super) const ALL: &[Function] = &[
    Function::new("regclassin", ONE, "oid", |it| number(it, class_oid)),
    Function::new("regclassout", ONE, "text", |it| shown(it, class_oid, class_text)),
    Function::new("regtypein", ONE, "oid", |it| number(it, type_oid)),
    Function::new("regtypeout", ONE, "text", |it| shown(it, type_oid, type_text)),
    Function::new("regnamespacein", ONE, "oid", |it| number(it, schema_oid)),
    Function::new("regnamespaceout", ONE, "text", |it| shown(it, schema_oid, schema_text)),
    Function::new("regprocin", ONE, "oid", |it| number(it, function_oid)),
    Function::new("regprocout", ONE, "text", |it| shown(it, function_oid, function_text)),
    Function::new("regrolein", ONE, "oid", |it| number(it, role_oid)),
    Function::new("regroleout", ONE, "text", |it| shown(it, role_oid, role_text)),
    Function::new("oidin", ONE, "oid", |it| number(it, plain_oid)),
    Function::new("to_regclass", &[&[Text]], "oid", |it| maybe(it, class_oid)),
    Function::new("to_regtype", &[&[Text]], "oid", |it| maybe(it, type_oid)),
    Function::new("to_regnamespace", &[&[Text]], "oid", |it| maybe(it, schema_oid)),
    Function::new("to_regproc", &[&[Text]], "oid", |it| maybe(it, function_oid)),
    Function::new("to_regrole", &[&[Text]], "oid", |it| maybe(it, role_oid)),
    Function::new("pg_get_userbyid", &[&[Int]], "name", role_by_id),
];

type Lookup = fn(&Description, &str) -> Result<u32>;
type Show = fn(&Description, u32) -> Option<String>;

fn number(call: &Call<'_>, lookup: Lookup) -> Result<Value> {
    match call.argument(0) {
        Value::Text(name) => lookup(call.description, name).map(Value::from),
        other => Ok(other.clone()),
    }
}

fn maybe(call: &Call<'_>, lookup: Lookup) -> Result<Value> {
    Ok(lookup(call.description, call.text(0)).ok().into())
}

/// The name; a number without an object shows as itself, and 0 as a dash.
fn shown(call: &Call<'_>, lookup: Lookup, show: Show) -> Result<Value> {
    let number = match call.argument(0) {
        Value::Text(name) => lookup(call.description, name)?,
        _ => call.oid(0),
    };
    if number == 0 {
        return Ok("-".into());
    }
    Ok(show(call.description, number).unwrap_or_else(|| number.to_string()).into())
}

/// Splits `"A b".c` into its names, folding what is not quoted.
pub fn split_name(text: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.trim().chars().peekable();
    while let Some(character) = characters.next() {
        let name = names.last_mut().expect("there is always a last name");
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => names.push(String::new()),
            _ if quoted => name.push(character),
            _ => name.extend(character.to_lowercase()),
        }
    }
    names
}

fn plain_oid(_: &Description, text: &str) -> Result<u32> {
    text.trim().parse().map_err(|_| {
        let message = format!("invalid input syntax for type oid: \"{text}\"");
        Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
    })
}

/// The number of a relation by its name, which may be qualified and quoted.
pub fn class_oid(description: &Description, text: &str) -> Result<u32> {
    if let Ok(oid) = text.parse() {
        return Ok(oid);
    }
    if text == "-" {
        return Ok(0);
    }
    let names = split_name(text);
    let found = match names.as_slice() {
        [name] => description.class_oid(None, name),
        [schema, name] => description.class_oid(Some(schema), name),
        [database, schema, name] if *database == description.database => {
            description.class_oid(Some(schema), name)
        }
        _ => None,
    };
    found.ok_or_else(|| {
        let message = format!("relation \"{}\" does not exist", names.join("."));
        Error::new(SqlState::UNDEFINED_TABLE, message)
    })
}

/// The number of a type by its name in SQL.
pub fn type_oid(_: &Description, text: &str) -> Result<u32> {
    if let Ok(oid) = text.parse() {
        return Ok(oid);
    }
    let entry = if text.contains('"') {
        split_name(text).last().and_then(|name| types::by_internal_name(name))
    } else {
        let bare = text.split('(').next().unwrap_or(text).to_lowercase();
        types::by_name(text).or_else(|| types::by_name(&bare))
    };
    entry.map(|entry| entry.oid).ok_or_else(|| {
        let message = format!("type \"{text}\" does not exist");
        Error::new(SqlState::UNDEFINED_OBJECT, message)
    })
}

fn schema_oid(description: &Description, text: &str) -> Result<u32> {
    if let Ok(oid) = text.parse() {
        return Ok(oid);
    }
    let name = split_name(text).join(".");
    description.schema_oid(&name).ok_or_else(|| {
        let message = format!("schema \"{name}\" does not exist");
        Error::new(SqlState::INVALID_SCHEMA_NAME, message)
    })
}

fn function_oid(description: &Description, text: &str) -> Result<u32> {
    if let Ok(oid) = text.parse() {
        return Ok(oid);
    }
    if text == "-" {
        return Ok(0);
    }
    let bare = text.split('(').next().unwrap_or(text);
    let name = split_name(bare).pop().unwrap_or_default();
    let own = description.numbered_functions().into_iter().find(|(_, it)| it.name == name);
    let system = || {
        let mut functions = pg_proc::SYSTEM_FUNCTIONS.iter();
        functions.find(|it| it.name == name).map(|it| it.oid)
    };
    own.map(|(oid, _)| oid).or_else(system).ok_or_else(|| {
        let message = format!("function \"{text}\" does not exist");
        Error::new(SqlState::UNDEFINED_FUNCTION, message)
    })
}

fn role_oid(description: &Description, text: &str) -> Result<u32> {
    if let Ok(oid) = text.parse() {
        return Ok(oid);
    }
    let name = split_name(text).join(".");
    let mut roles = description.numbered_roles().into_iter();
    roles.find(|(_, role)| *role == name).map(|(oid, _)| oid).ok_or_else(|| {
        let message = format!("role \"{name}\" does not exist");
        Error::new(SqlState::UNDEFINED_OBJECT, message)
    })
}

fn class_text(description: &Description, oid: u32) -> Option<String> {
    let (schema, name) = description.class_name(oid)?;
    let is_plain = description.class_oid(None, &name) == Some(oid);
    let schema = if is_plain { String::new() } else { format!("{}.", quote_name(&schema)) };
    Some(format!("{schema}{}", quote_name(&name)))
}

fn type_text(_: &Description, oid: u32) -> Option<String> {
    types::by_oid(oid).map(|entry| PgType::new(entry.oid).format())
}

fn schema_text(description: &Description, oid: u32) -> Option<String> {
    description.numbered_schemas().get(&oid).map(|name| quote_name(name))
}

fn function_text(description: &Description, oid: u32) -> Option<String> {
    let own = description.numbered_functions().get(&oid).map(|entry| entry.name.clone());
    let system = || {
        let mut functions = pg_proc::SYSTEM_FUNCTIONS.iter();
        functions.find(|it| it.oid == oid).map(|it| it.name.to_owned())
    };
    own.or_else(system)
}

fn role_text(description: &Description, oid: u32) -> Option<String> {
    description.numbered_roles().get(&oid).map(|name| quote_name(name))
}

fn role_by_id(call: &Call<'_>) -> Result<Value> {
    let oid = call.oid(0);
    let roles = call.description.numbered_roles();
    Ok(roles.get(&oid).cloned().unwrap_or_else(|| format!("unknown (OID={oid})")).into())
}

/// Checks that a literal names an object of a `reg*` type.
///
/// # Errors
/// `42P01`, `42704`, `3F000` or `42883` if there is no such object.
pub fn check(description: &Description, kind: &str, text: &str) -> Result<()> {
    let lookup = match kind {
        "regclass" => class_oid,
        "regtype" => type_oid,
        "regnamespace" => schema_oid,
        "regproc" => function_oid,
        "regrole" => role_oid,
        _ => plain_oid,
    };
    lookup(description, text).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_at_dots_outside_quotes() {
        let check = |text: &str, expected: &[&str]| assert_eq!(split_name(text), expected);
        check("Crm", &["crm"]);
        check("public.\"A.b\"", &["public", "A.b"]);
        check("\"a\"\"b\"", &["a\"b"]);
    }
}
