//! Sizes. How many bytes a virtual table takes is not known, so those are null.

use crate::error::Result;
use crate::query::postgres::catalog::Value;
use crate::query::postgres::functions::{Any, Call, Function, Object, Text};

const ONE: &[&[super::Kind]] = &[&[Object]];

pub(super) const ALL: &[Function] = &[
    Function::new("pg_size_pretty", &[&[Any]], "text", pretty).pure(),
    Function::new("pg_database_size", ONE, "int8", unknown),
    Function::new("pg_indexes_size", ONE, "int8", unknown),
    Function::new("pg_relation_size", &[&[Object], &[Object, Text]], "int8", unknown),
    Function::new("pg_table_size", ONE, "int8", unknown),
    Function::new("pg_tablespace_size", ONE, "int8", unknown),
    Function::new("pg_total_relation_size", ONE, "int8", unknown),
];

/// Units of `pg_size_pretty` after bytes.
const UNITS: &[&str] = &["kB", "MB", "GB", "TB", "PB"];

/// A unit is used up to this many of it (`10 * 1024`).
const UNIT_MAX: i64 = 10_240;

fn unknown(_: &Call<'_>) -> Result<Value> {
    Ok(Value::Null)
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
