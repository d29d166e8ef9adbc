//! Bounds of arrays.

use crate::error::Result;
use crate::query::postgres::catalog::Value;
use crate::query::postgres::functions::{Any, Call, Function, Int};
use crate::query::postgres::types::PgType;

const ARRAY: &[&[super::Kind]] = &[&[Any, Int]];

pub(super) const ALL: &[Function] = &[
    Function::new("array_lower", ARRAY, "int4", lower).pure(),
    Function::new("array_upper", ARRAY, "int4", upper).pure(),
];

fn length(call: &Call<'_>) -> Option<i64> {
    let Value::List(items) = call.argument(0) else { return None };
    (call.int(1) == 1 && !items.is_empty()).then_some(items.len() as i64)
}

/// Vectors of numbers (`indkey`) begin at 0, arrays at 1.
fn first_subscript(call: &Call<'_>) -> i64 {
    let field = call.fields.first().map(|field| PgType::of_field(field));
    let is_vector = field.is_some_and(|ty| matches!(ty.name(), "int2vector" | "oidvector"));
    i64::from(!is_vector)
}

fn lower(call: &Call<'_>) -> Result<Value> {
    Ok(length(call).map(|_| first_subscript(call)).into())
}

fn upper(call: &Call<'_>) -> Result<Value> {
    Ok(length(call).map(|length| length - 1 + first_subscript(call)).into())
}
