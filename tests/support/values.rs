//! Values of the naive model as Arrow columns, and back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, ListArray, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use selfsame::model::column::ColumnType;

use crate::model::{Float, Value};

macro_rules! column {
    ($array:ty, $values:expr, $pattern:pat => $value:expr) => {{
        let value = |value: &Value| match value {
            $pattern => Some($value),
            Value::Null => None,
            other => panic!("{other:?} in a column of another type"),
        };
        <$array>::from($values.iter().map(value).collect::<Vec<_>>())
    }};
}

/// A column of that type.
pub fn column(values: &[Value], ty: &ColumnType) -> ArrayRef {
    match ty {
        ColumnType::Text => {
            let text = |value: &Value| match value {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            };
            Arc::new(values.iter().map(text).collect::<StringViewArray>())
        }
        ColumnType::Boolean => Arc::new(column!(BooleanArray, values, Value::Bool(it) => *it)),
        ColumnType::SmallInt => Arc::new(column!(Int16Array, values, Value::Int(it) => *it as i16)),
        ColumnType::Integer => Arc::new(column!(Int32Array, values, Value::Int(it) => *it as i32)),
        ColumnType::BigInt => Arc::new(column!(Int64Array, values, Value::Int(it) => *it)),
        ColumnType::Real => {
            Arc::new(column!(Float32Array, values, Value::Double(it) => it.0 as f32))
        }
        ColumnType::Double => Arc::new(column!(Float64Array, values, Value::Double(it) => it.0)),
        ColumnType::Numeric { .. } => Arc::new(
            column!(Decimal128Array, values, Value::Decimal(it, _) => *it)
                .with_data_type(ty.to_arrow()),
        ),
        ColumnType::Date => Arc::new(column!(Date32Array, values, Value::Date(it) => *it)),
        ColumnType::Timestamp | ColumnType::TimestampTz => Arc::new(
            column!(TimestampMicrosecondArray, values, Value::Timestamp(it) => *it)
                .with_data_type(ty.to_arrow()),
        ),
        ColumnType::Array(element) => lists(values, ty, element),
    }
}

fn lists(values: &[Value], ty: &ColumnType, element: &ColumnType) -> ArrayRef {
    let items = |value: &Value| match value {
        Value::List(items) => items.clone(),
        _ => Vec::new(),
    };
    let lists: Vec<_> = values.iter().map(items).collect();
    let DataType::List(field) = ty.to_arrow() else { panic!("an array type is a list") };
    let offsets = OffsetBuffer::from_lengths(lists.iter().map(Vec::len));
    let nulls = NullBuffer::from_iter(values.iter().map(|value| *value != Value::Null));
    Arc::new(ListArray::new(field, offsets, column(&lists.concat(), element), Some(nulls)))
}

/// The value in a row of a column.
pub fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Utf8View => Value::text(array.as_string_view().value(row)),
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int16 => Value::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Value::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => {
            Value::Double(Float(array.as_primitive::<Float32Type>().value(row).into()))
        }
        DataType::Float64 => Value::Double(Float(array.as_primitive::<Float64Type>().value(row))),
        DataType::Decimal128(_, scale) => {
            Value::Decimal(array.as_primitive::<Decimal128Type>().value(row), *scale)
        }
        DataType::Date32 => Value::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(_, _) => {
            Value::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Utf8 => Value::text(array.as_string::<i32>().value(row)),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Value::List((0..items.len()).map(|item| value(&items, item)).collect())
        }
        other => panic!("no column of the product has type {other}"),
    }
}
