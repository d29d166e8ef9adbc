//! `has_*_privilege`: every role that can log in may read everything that it can see.

use crate::error::Result;
use crate::query::postgres::catalog::Value;
use crate::query::postgres::functions::{Call, Function, Int, Object, Text};

/// What is asked about, and the right; optionally whose right it is.
const PAIR: &[&[super::Kind]] = &[&[Object, Text], &[Object, Object, Text]];
const TRIPLE: &[&[super::Kind]] = &[&[Object, Object, Text], &[Object, Object, Object, Text]];

pub(super) const ALL: &[Function] = &[
    Function::new("acldefault", &[&[Text, Int]], "_aclitem", |_| Ok(Value::Null)),
    Function::new("has_any_column_privilege", PAIR, "bool", on_relation),
    Function::new("has_column_privilege", TRIPLE, "bool", granted),
    Function::new("has_database_privilege", PAIR, "bool", granted),
    Function::new("has_foreign_data_wrapper_privilege", PAIR, "bool", granted),
    Function::new("has_function_privilege", PAIR, "bool", granted),
    Function::new("has_language_privilege", PAIR, "bool", granted),
    Function::new("has_schema_privilege", PAIR, "bool", granted),
    Function::new("has_sequence_privilege", PAIR, "bool", granted),
    Function::new("has_server_privilege", PAIR, "bool", granted),
    Function::new("has_table_privilege", PAIR, "bool", on_relation),
    Function::new("has_tablespace_privilege", PAIR, "bool", granted),
    Function::new("has_type_privilege", PAIR, "bool", granted),
    Function::new("pg_has_role", PAIR, "bool", granted),
    Function::new("row_security_active", &[&[Object]], "bool", |_| Ok(false.into())),
];

fn granted(_: &Call<'_>) -> Result<Value> {
    Ok(true.into())
}

/// The relation must exist, as for PostgreSQL: a wrong name is an error, a wrong number is null.
fn on_relation(call: &Call<'_>) -> Result<Value> {
    let oid = call.relation_oid(call.arguments.len() - 2)?;
    Ok(call.description.class_name(oid).map(|_| true).into())
}
