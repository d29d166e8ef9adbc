//! Sizes. A virtual table has none of its own: it is said to have what its rows would take in PostgreSQL, by
//! their number and the widths of its columns.

use crate::error::Result;
use crate::query::postgres::catalog::Value;
use crate::query::postgres::description::Relation;
use crate::query::postgres::functions::{Any, Call, Function, Object, Text};
use crate::query::postgres::types::PgType;

const ONE: &[&[super::Kind]] = &[&[Object]];

pub(super) const ALL: &[Function] = &[
    Function::new("pg_size_pretty", &[&[Any]], "text", pretty).pure(),
    Function::new("pg_database_size", ONE, "int8", |it| Ok(all_sizes(it).into())),
    Function::new("pg_indexes_size", ONE, "int8", |_| Ok(0_i64.into())),
    Function::new("pg_relation_size", &[&[Object], &[Object, Text]], "int8", relation_size),
    Function::new("pg_table_size", ONE, "int8", relation_size),
    Function::new("pg_tablespace_size", ONE, "int8", |it| Ok(all_sizes(it).into())),
    Function::new("pg_total_relation_size", ONE, "int8", relation_size),
];

/// Units of `pg_size_pretty` after bytes.
const UNITS: &[&str] = &["kB", "MB", "GB", "TB", "PB"];

/// A unit is used up to this many of it (`10 * 1024`).
const UNIT_MAX: i64 = 10_240;

/// Bytes of a row besides its columns.
const ROW_BYTES: i64 = 24;

/// Bytes that a column of varying length is taken to have.
const VARYING_BYTES: i64 = 32;

/// Null for what is no relation; 0 for views, indexes and the catalog.
fn relation_size(call: &Call<'_>) -> Result<Value> {
    let oid = call.relation_oid(0)?;
    if let Some(relation) = call.description.relation(oid) {
        return Ok(size(relation).into());
    }
    Ok(call.description.class_name(oid).map(|_| 0_i64).into())
}

fn all_sizes(call: &Call<'_>) -> i64 {
    call.description.relations.iter().map(size).sum()
}

fn size(relation: &Relation) -> i64 {
    let rows = relation.row_estimate.and_then(|rows| i64::try_from(rows).ok()).unwrap_or(0);
    let width = |ty: PgType| match ty.entry().map_or(-1, |entry| entry.length) {
        length if length > 0 => i64::from(length),
        _ => VARYING_BYTES,
    };
    let columns: i64 = relation.columns.iter().map(|column| width(column.ty)).sum();
    rows * (ROW_BYTES + columns)
}

fn pretty(call: &Call<'_>) -> Result<Value> {
    let bytes = match call.argument(0) {
        Value::Float(value) => *value as i64,
        Value::Text(text) => text.parse::<f64>().map_or(0, |value| value as i64),
        _ => call.int(0),
    };
    Ok(size_text(bytes).into())
}

/// Halves away from zero at each step, as PostgreSQL does.
fn size_text(bytes: i64) -> String {
    if bytes.abs() < UNIT_MAX {
        return format!("{bytes} bytes");
    }
    // One bit more than the unit is kept, so that the last step can round by half.
    let mut half_units = bytes >> 9;
    for (at, unit) in UNITS.iter().enumerate() {
        let rounded = (half_units + half_units.signum()) / 2;
        if rounded.abs() < UNIT_MAX || at + 1 == UNITS.len() {
            return format!("{rounded} {unit}");
        }
        half_units >>= 10;
    }
    unreachable!("the last unit takes everything")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_in_postgresql() {
        let check = |bytes, text| assert_eq!(size_text(bytes), text);
        check(0, "0 bytes");
        check(10_239, "10239 bytes");
        check(10_240, "10 kB");
        check(1_048_576, "1024 kB");
        check(12_345_678, "12 MB");
        check(123_456_789_012, "115 GB");
        check(-20_000, "-20 kB");
        check(i64::MAX, "8192 PB");
    }
}
