//! `pg_*_is_visible`: whether an unqualified name finds the object.

use crate::error::Result;
use crate::query::postgres::catalog::Value;
use crate::query::postgres::functions::{Call, Function, Int};
use crate::query::postgres::types;

const ONE: &[&[super::Kind]] = &[&[Int]];

pub(super) const ALL: &[Function] = &[
    Function::new("pg_table_is_visible", ONE, "bool", is_relation_visible),
    Function::new("pg_type_is_visible", ONE, "bool", is_type_visible),
    Function::new("pg_function_is_visible", ONE, "bool", is_function_visible),
    Function::new("pg_collation_is_visible", ONE, "bool", always),
    Function::new("pg_conversion_is_visible", ONE, "bool", always),
    Function::new("pg_opclass_is_visible", ONE, "bool", always),
    Function::new("pg_operator_is_visible", ONE, "bool", always),
    Function::new("pg_opfamily_is_visible", ONE, "bool", always),
    Function::new("pg_statistics_obj_is_visible", ONE, "bool", always),
    Function::new("pg_ts_config_is_visible", ONE, "bool", always),
    Function::new("pg_ts_dict_is_visible", ONE, "bool", always),
    Function::new("pg_ts_parser_is_visible", ONE, "bool", always),
    Function::new("pg_ts_template_is_visible", ONE, "bool", always),
];

/// Objects of this sort exist in `pg_catalog` only.
fn always(_: &Call<'_>) -> Result<Value> {
    Ok(true.into())
}

fn is_relation_visible(call: &Call<'_>) -> Result<Value> {
    let oid = call.oid(0);
    let Some((_, name)) = call.description.class_name(oid) else { return Ok(Value::Null) };
    Ok((call.description.class_oid(None, &name) == Some(oid)).into())
}

fn is_type_visible(call: &Call<'_>) -> Result<Value> {
    Ok(types::by_oid(call.oid(0)).map(|_| true).into())
}

fn is_function_visible(call: &Call<'_>) -> Result<Value> {
    let is_own = call.description.numbered_functions().contains_key(&call.oid(0));
    Ok((!is_own || call.description.sees_schema("public")).into())
}
