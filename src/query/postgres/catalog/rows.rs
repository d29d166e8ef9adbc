//! Rows of catalog relations on their way into Arrow.
//!
//! A filler names the cells that it knows; every other cell is null or, where the column is never null,
//! the zero of its type. These are small relations: clarity goes before speed here.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    ListArray, RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray,
    UInt32Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;

use crate::model::column::UTC;
use crate::query::postgres::catalog::CatalogRelation;

/// The value of one cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A truth value.
    Bool(bool),
    /// Any whole number, numbers of objects included.
    Int(i64),
    /// Any floating-point number.
    Float(f64),
    /// Text of any text-like type.
    Text(String),
    /// A point in time, in microseconds since 1970.
    Micros(i64),
    /// An array.
    List(Vec<Value>),
}

macro_rules! from {
    ($($source:ty => $variant:ident($convert:expr)),* $(,)?) => {
        $(impl From<$source> for Value {
            fn from(value: $source) -> Self {
                Self::$variant($convert(value))
            }
        })*
    };
}

from! {
    bool => Bool(std::convert::identity),
    i16 => Int(i64::from),
    i32 => Int(i64::from),
    i64 => Int(std::convert::identity),
    u32 => Int(i64::from),
    f64 => Float(std::convert::identity),
    &str => Text(str::to_owned),
    String => Text(std::convert::identity),
    &String => Text(String::clone),
    char => Text(String::from),
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl Value {
    /// The zero of a type, for columns that are never null.
    fn zero(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Bool(false),
            DataType::Utf8 => Self::Text(String::new()),
            DataType::Float32 | DataType::Float64 => Self::Float(0.0),
            DataType::Timestamp(..) => Self::Micros(0),
            DataType::List(_) => Self::List(Vec::new()),
            _ => Self::Int(0),
        }
    }

    fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            Self::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) | Self::Micros(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(value) = self { Some(value) } else { None }
    }

    fn narrow<T: TryFrom<i64>>(&self) -> Option<T> {
        self.as_int().and_then(|value| T::try_from(value).ok())
    }
}

/// Rows of one relation.
pub struct Rows {
    relation: &'static CatalogRelation,
    rows: Vec<Vec<Value>>,
}

impl Rows {
    /// No rows yet.
    pub fn new(relation: &'static CatalogRelation) -> Self {
        Self { relation, rows: Vec::new() }
    }

    /// Adds a row, of which the named cells are known.
    ///
    /// # Panics
    /// If the relation has no such column, which is a mistake in a filler.
    pub fn add<const N: usize>(&mut self, cells: [(&str, Value); N]) {
        let mut row: Vec<_> = self
            .relation
            .columns
            .iter()
            .zip(self.relation.arrow.fields())
            .map(
                |(column, field)| {
                    if column.not_null { Value::zero(field.data_type()) } else { Value::Null }
                },
            )
            .collect();
        for (name, value) in cells {
            let at = self.relation.columns.iter().position(|column| column.name == name);
            row[at.unwrap_or_else(|| panic!("{} has no column {name}", self.relation.name))] =
                value;
        }
        self.rows.push(row);
    }

    /// The rows, or only the columns of a projection.
    ///
    /// # Errors
    /// If Arrow refuses to put them together.
    pub fn into_batch(self, projection: Option<&Vec<usize>>) -> Result<RecordBatch, ArrowError> {
        let all: Vec<usize> = (0..self.relation.columns.len()).collect();
        let indices = projection.unwrap_or(&all);
        let schema = Arc::new(self.relation.arrow.project(indices)?);
        let columns = indices
            .iter()
            .map(|&at| {
                let cells: Vec<_> = self.rows.iter().map(|row| &row[at]).collect();
                array(self.relation.arrow.field(at).data_type(), &cells)
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        RecordBatch::try_new_with_options(schema, columns, &options)
    }
}

/// An Arrow array of a type that [`arrow_type`](crate::query::postgres::catalog::arrow_type) gives.
pub fn array(data_type: &DataType, cells: &[&Value]) -> ArrayRef {
    match data_type {
        DataType::Boolean => {
            Arc::new(cells.iter().map(|cell| cell.as_bool()).collect::<BooleanArray>())
        }
        DataType::Int16 => Arc::new(cells.iter().map(|cell| cell.narrow()).collect::<Int16Array>()),
        DataType::Int32 => Arc::new(cells.iter().map(|cell| cell.narrow()).collect::<Int32Array>()),
        DataType::Int64 => Arc::new(cells.iter().map(|cell| cell.as_int()).collect::<Int64Array>()),
        DataType::UInt32 => {
            Arc::new(cells.iter().map(|cell| cell.narrow()).collect::<UInt32Array>())
        }
        DataType::Float32 => Arc::new(
            cells.iter().map(|cell| cell.as_float().map(|it| it as f32)).collect::<Float32Array>(),
        ),
        DataType::Float64 => {
            Arc::new(cells.iter().map(|cell| cell.as_float()).collect::<Float64Array>())
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => Arc::new(
            cells
                .iter()
                .map(|cell| cell.as_int())
                .collect::<TimestampMicrosecondArray>()
                .with_timezone(UTC),
        ),
        DataType::List(item) => {
            let lists: Vec<&[Value]> = cells
                .iter()
                .map(|cell| if let Value::List(items) = cell { items.as_slice() } else { &[] })
                .collect();
            let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.len()));
            let items: Vec<&Value> = lists.into_iter().flatten().collect();
            let nulls: NullBuffer = cells.iter().map(|cell| **cell != Value::Null).collect();
            let values = array(item.data_type(), &items);
            Arc::new(ListArray::new(Arc::clone(item), offsets, values, Some(nulls)))
        }
        _ => Arc::new(cells.iter().map(|cell| cell.as_text()).collect::<StringArray>()),
    }
}
