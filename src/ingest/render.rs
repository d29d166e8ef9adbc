//! Arrow values as JSON text: for nested values that go into TEXT, and to show a Parquet row.
//!
//! One value at a time, for the few that need it; not a writer of files.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::kernels::cast::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::model::column::UTC;

/// How dates and times are written where they become text: ISO 8601 as PostgreSQL writes it.
pub(crate) const FORMATS: FormatOptions<'static> = FormatOptions::new()
    .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
    .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%:z"));

/// A row as a JSON object; a value that cannot be shown says so in its place.
pub(crate) fn row(batch: &RecordBatch, row: usize) -> String {
    let mut out = String::from("{");
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        member(&mut out, field.name());
        let start = out.len();
        if let Err(error) = value(column, row, &mut out) {
            out.truncate(start);
            string(&mut out, &error.to_string());
        }
    }
    out.push('}');
    out
}

/// Appends one value as JSON.
///
/// # Errors
/// If Arrow cannot show the value, being out of its type's range.
pub(crate) fn value(array: &dyn Array, row: usize, out: &mut String) -> Result<(), ArrowError> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Null => out.push_str("null"),
        DataType::List(_) => list(&array.as_list::<i32>().value(row), out)?,
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row), out)?,
        DataType::ListView(_) => list(&array.as_list_view::<i32>().value(row), out)?,
        DataType::LargeListView(_) => list(&array.as_list_view::<i64>().value(row), out)?,
        DataType::FixedSizeList(_, _) => list(&array.as_fixed_size_list().value(row), out)?,
        DataType::Struct(fields) => {
            out.push('{');
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                member(out, field.name());
                value(column, row, out)?;
            }
            out.push('}');
        }
        DataType::Map(_, _) => map(&array.as_map().value(row), out)?,
        DataType::Dictionary(_, inner) => value(&cast(&array.slice(row, 1), inner)?, 0, out)?,
        DataType::RunEndEncoded(_, inner) => {
            value(&cast(&array.slice(row, 1), inner.data_type())?, 0, out)?;
        }
        // Zones with names cannot be shown; the instant can, and UTC is where it will be kept.
        DataType::Timestamp(unit, Some(zone)) if **zone != *UTC => {
            let utc = DataType::Timestamp(*unit, Some(UTC.into()));
            value(&cast(&array.slice(row, 1), &utc)?, 0, out)?;
        }
        DataType::Binary => bytes(array.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => bytes(array.as_binary::<i64>().value(row), out),
        DataType::BinaryView => bytes(array.as_binary_view().value(row), out),
        DataType::FixedSizeBinary(_) => bytes(array.as_fixed_size_binary().value(row), out),
        _ => scalar(array, row, out)?,
    }
    Ok(())
}

fn list(elements: &dyn Array, out: &mut String) -> Result<(), ArrowError> {
    out.push('[');
    for at in 0..elements.len() {
        if at > 0 {
            out.push(',');
        }
        value(elements, at, out)?;
    }
    out.push(']');
    Ok(())
}

/// Entries of a map as an object; keys that are no text are shown as text.
fn map(entries: &dyn Array, out: &mut String) -> Result<(), ArrowError> {
    let (keys, values) = (entries.as_struct().column(0), entries.as_struct().column(1));
    let keys = ArrayFormatter::try_new(keys, &FORMATS)?;
    out.push('{');
    for at in 0..entries.len() {
        member(out, &keys.value(at).try_to_string()?);
        value(values, at, out)?;
    }
    out.push('}');
    Ok(())
}

fn bytes(bytes: &[u8], out: &mut String) {
    match std::str::from_utf8(bytes) {
        Ok(text) => string(out, text),
        Err(_) => {
            out.push_str("\"\\\\x");
            bytes.iter().for_each(|byte| out.push_str(&format!("{byte:02x}")));
            out.push('"');
        }
    }
}

fn scalar(array: &dyn Array, row: usize, out: &mut String) -> Result<(), ArrowError> {
    let text = ArrayFormatter::try_new(array, &FORMATS)?.value(row).try_to_string()?;
    let bare = match array.data_type() {
        // NaN and the infinities are no JSON numbers.
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            text.ends_with(|last: char| last.is_ascii_digit())
        }
        ty => ty.is_numeric() || *ty == DataType::Boolean,
    };
    if bare {
        out.push_str(&text)
    } else {
        string(out, &text)
    }
    Ok(())
}

fn member(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    string(out, name);
    out.push(':');
}

fn string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}
