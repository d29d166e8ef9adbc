//! `has_*_privilege` and `pg_has_role`: what a role may do, as statements would find it.

use crate::catalog::access::authority::Authority;
use crate::error::{Error, Result, SqlState};
use crate::model::access::{Grants, Privilege};
use crate::query::postgres::catalog::Value;
use crate::query::postgres::functions::{Call, Function, Int, Object, Text};

/// What is asked about, and the right; optionally whose right it is.
const PAIR: &[&[super::Kind]] = &[&[Object, Text], &[Object, Object, Text]];
const TRIPLE: &[&[super::Kind]] = &[&[Object, Object, Text], &[Object, Object, Object, Text]];

pub(super) const ALL: &[Function] = &[
    Function::new("acldefault", &[&[Text, Int]], "_aclitem", |_| Ok(Value::Null)),
    Function::new("has_any_column_privilege", PAIR, "bool", on_any_column),
    Function::new("has_column_privilege", TRIPLE, "bool", on_column),
    Function::new("has_database_privilege", PAIR, "bool", on_database),
    Function::new("has_foreign_data_wrapper_privilege", PAIR, "bool", nothing),
    Function::new("has_function_privilege", PAIR, "bool", granted),
    Function::new("has_language_privilege", PAIR, "bool", granted),
    Function::new("has_schema_privilege", PAIR, "bool", on_schema),
    Function::new("has_sequence_privilege", PAIR, "bool", nothing),
    Function::new("has_server_privilege", PAIR, "bool", nothing),
    Function::new("has_table_privilege", PAIR, "bool", on_relation),
    Function::new("has_tablespace_privilege", PAIR, "bool", granted),
    Function::new("has_type_privilege", PAIR, "bool", granted),
    Function::new("pg_has_role", PAIR, "bool", has_role),
    Function::new("row_security_active", &[&[Object]], "bool", |_| Ok(false.into())),
];

/// What every role may.
fn granted(_: &Call<'_>) -> Result<Value> {
    Ok(true.into())
}

/// What there is none of.
fn nothing(_: &Call<'_>) -> Result<Value> {
    Ok(true.into())
}

/// Whose rights are asked about: the first of the arguments if there is one more than needed.
fn who(call: &Call<'_>, needed: usize) -> Result<Authority> {
    if call.arguments.len() == needed {
        return Ok(call.description.authority(None));
    }
    let role = role_name(call, 0)?;
    Ok(call.description.authority(Some(&role)))
}

fn role_name(call: &Call<'_>, at: usize) -> Result<String> {
    let roles = call.description.numbered_roles();
    match call.argument(at) {
        Value::Text(name) if name == "public" || roles.values().any(|role| role == name) => {
            Ok(name.clone())
        }
        Value::Text(name) => {
            let message = format!("role \"{name}\" does not exist");
            Err(Error::new(SqlState::UNDEFINED_OBJECT, message))
        }
        _ => Ok(roles.get(&call.oid(at)).cloned().unwrap_or_default()),
    }
}

/// The rights that are asked about, any of which will do: each with whether it must be grantable.
fn rights(text: &str) -> Result<Vec<(Privilege, bool)>> {
    let right = |word: &str| {
        let word = word.trim().to_ascii_uppercase();
        let name = word.strip_suffix("WITH GRANT OPTION").map(str::trim_end);
        let privilege = Privilege::named(name.unwrap_or(&word)).ok_or_else(|| {
            let message = format!("unrecognized privilege type: \"{word}\"");
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
        })?;
        Ok((privilege, name.is_some()))
    };
    text.split(',').map(right).collect()
}

fn last(call: &Call<'_>) -> Result<Vec<(Privilege, bool)>> {
    rights(call.text(call.arguments.len() - 1))
}

/// The catalog's own relations are everybody's to read.
fn is_system(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema")
}

fn may(call: &Call<'_>, who: &Authority, table: (&str, &str), right: (Privilege, bool)) -> bool {
    let (privilege, grantable) = right;
    if is_system(table.0) {
        return who.superuser || (privilege == Privilege::Select && !grantable);
    }
    let access = &call.description.access;
    let grants: Grants = access.grants(table.0, table.1);
    match grantable {
        true => access.owns(who, table.0, table.1) || who.may_grant(&grants, privilege),
        false => access.may(who, table, privilege),
    }
}

/// The relation must exist, as for PostgreSQL: a wrong name is an error, a wrong number is null.
fn on_relation(call: &Call<'_>) -> Result<Value> {
    let oid = call.relation_oid(call.arguments.len() - 2)?;
    let Some((schema, name)) = call.description.class_name(oid) else { return Ok(Value::Null) };
    let who = who(call, 2)?;
    let any = last(call)?.into_iter().any(|right| may(call, &who, (&schema, &name), right));
    Ok(any.into())
}

fn on_any_column(call: &Call<'_>) -> Result<Value> {
    let oid = call.relation_oid(call.arguments.len() - 2)?;
    let Some((schema, name)) = call.description.class_name(oid) else { return Ok(Value::Null) };
    let who = who(call, 2)?;
    let table = (schema.as_str(), name.as_str());
    let any = last(call)?.into_iter().any(|right| {
        may(call, &who, table, right) || call.description.access.may_any(&who, table, right.0)
    });
    Ok(any.into())
}

fn on_column(call: &Call<'_>) -> Result<Value> {
    let count = call.arguments.len();
    let oid = call.relation_oid(count - 3)?;
    let Some((schema, name)) = call.description.class_name(oid) else { return Ok(Value::Null) };
    let who = who(call, 3)?;
    let table = (schema.as_str(), name.as_str());
    let relation = call.description.relation(oid);
    let column = match call.argument(count - 2) {
        Value::Text(column) => Some(column.clone()),
        _ => {
            let at = usize::try_from(call.int(count - 2) - 1).unwrap_or(usize::MAX);
            relation.and_then(|relation| relation.columns.get(at)).map(|it| it.name.clone())
        }
    };
    let access = &call.description.access;
    let of_column = |column: &str, privilege| {
        !is_system(&schema) && access.may_column(&who, table, column, privilege)
    };
    let any = last(call)?.into_iter().any(|right| {
        may(call, &who, table, right)
            || column.as_deref().is_some_and(|column| of_column(column, right.0))
    });
    Ok(any.into())
}

fn on_schema(call: &Call<'_>) -> Result<Value> {
    let at = call.arguments.len() - 2;
    let schemas = call.description.numbered_schemas();
    let name = match call.argument(at) {
        Value::Text(name) => {
            if !schemas.values().any(|schema| schema == name) {
                let message = format!("schema \"{name}\" does not exist");
                return Err(Error::new(SqlState::INVALID_SCHEMA_NAME, message));
            }
            name.clone()
        }
        _ => match schemas.get(&call.oid(at)) {
            Some(name) => name.clone(),
            None => return Ok(Value::Null),
        },
    };
    let who = who(call, 2)?;
    let access = &call.description.access;
    let any = last(call)?.into_iter().any(|(privilege, grantable)| match grantable {
        true => who.superuser || who.may_grant(&access.schema_grants(&name), privilege),
        false if is_system(&name) => who.superuser || privilege == Privilege::Usage,
        false => access.may_schema(&who, &name, privilege),
    });
    Ok(any.into())
}

/// Everybody may connect; nothing can be created in a database but by superusers.
fn on_database(call: &Call<'_>) -> Result<Value> {
    let who = who(call, 2)?;
    let words = call.text(call.arguments.len() - 1).to_ascii_uppercase();
    let mut words = words.split(',').map(str::trim);
    let any = words.any(|word| match word {
        "CONNECT" | "TEMP" | "TEMPORARY" => true,
        _ => who.superuser,
    });
    Ok(any.into())
}

/// `MEMBER` is any membership, `USAGE` one whose rights are had at once.
fn has_role(call: &Call<'_>) -> Result<Value> {
    let at = call.arguments.len() - 2;
    let role = role_name(call, at)?;
    let who = who(call, 2)?;
    let role = call.description.meant(&role);
    let words = call.text(call.arguments.len() - 1).to_ascii_uppercase();
    let member = match words.trim() {
        "USAGE" => who.has(role),
        _ => who.has(role) || call.description.access.is_member(&who.role, role),
    };
    Ok(member.into())
}
