//! Values of a profile as JSON: numbers bare, moments in ISO 8601, arrays as arrays.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};

/// Moments as RFC 3339 has them.
const FORMATS: FormatOptions<'static> = FormatOptions::new()
    .with_date_format(Some("%Y-%m-%d"))
    .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.f"))
    .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));

/// A row as a JSON object, its columns in order.
///
/// # Errors
/// `XX000` if Arrow cannot show a value.
pub(crate) fn object(batch: &RecordBatch, row: usize) -> Result<String> {
    let mut out = String::from("{");
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if !out.ends_with('{') {
            out.push(',');
        }
        string(&mut out, field.name());
        out.push(':');
        value(&mut out, column, row).map_err(|error| Error::internal(error.to_string()))?;
    }
    out.push('}');
    Ok(out)
}

fn value(out: &mut String, array: &dyn Array, row: usize) -> std::result::Result<(), ArrowError> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    if let DataType::List(_) = array.data_type() {
        let elements = array.as_list::<i32>().value(row);
        out.push('[');
        for at in 0..elements.len() {
            if at > 0 {
                out.push(',');
            }
            value(out, &elements, at)?;
        }
        out.push(']');
        return Ok(());
    }
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

fn string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray,
        RecordBatch, StringViewArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::Int32Type;

    use super::object;

    #[test]
    fn every_type_is_what_it_is() {
        let check = |column: ArrayRef, expected: &str| {
            let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
            let text = object(&batch, 0).unwrap();
            assert_eq!(text, format!("{{\"a\":{expected}}}"));
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        };
        check(Arc::new(Int64Array::from(vec![-7])), "-7");
        check(Arc::new(BooleanArray::from(vec![true])), "true");
        check(Arc::new(Float64Array::from(vec![1.5])), "1.5");
        check(Arc::new(Float64Array::from(vec![f64::NAN])), "\"NaN\"");
        let decimals = Decimal128Array::from(vec![1250]).with_precision_and_scale(12, 2).unwrap();
        check(Arc::new(decimals), "12.50");
        check(Arc::new(StringViewArray::from(vec!["a\"é"])), "\"a\\\"é\"");
        check(Arc::new(StringViewArray::from(vec![None::<&str>])), "null");
        check(Arc::new(Date32Array::from(vec![20_000])), "\"2024-10-04\"");
        let moment = TimestampMicrosecondArray::from(vec![1_700_000_000_250_000]);
        check(Arc::new(moment.clone()), "\"2023-11-14T22:13:20.250\"");
        check(Arc::new(moment.with_timezone("+00:00")), "\"2023-11-14T22:13:20.250Z\"");
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None])]);
        check(Arc::new(list), "[1,null]");
    }
}
