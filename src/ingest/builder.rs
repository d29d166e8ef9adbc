//! Column builders: values of one column, parsed from text or JSON straight into Arrow buffers.
//!
//! Each call appends exactly one value or, on a fault, none; the caller then appends a null in its
//! place, so that the columns of a row stay of equal length. Knows neither names nor rows.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, ListArray, NullBufferBuilder, StringViewBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef};

use crate::error::{Error, Result};
use crate::ingest::fault::{Fault, Flaw};
use crate::ingest::json::{self, Json, Kind};
use crate::ingest::list::{self, Element};
use crate::ingest::{number, time};
use crate::model::column::{ColumnType, UTC};

/// A column that is being filled.
pub(crate) struct ColumnBuilder {
    ty: ColumnType,
    values: Values,
    array_delimiter: Option<char>,
}

enum Values {
    Text(StringViewBuilder),
    Boolean(BooleanBuilder),
    SmallInt(Int16Builder),
    Integer(Int32Builder),
    BigInt(Int64Builder),
    Real(Float32Builder),
    Double(Float64Builder),
    Numeric(Decimal128Builder, u8, i8),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Array(Box<Lists>),
}

/// An array column: arrow's own builder wants the type of its child at compile time.
struct Lists {
    field: FieldRef,
    elements: ColumnBuilder,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

/// One call of the same method on whichever builder it is.
macro_rules! on_values {
    ($values:expr, $builder:ident => $call:expr, $lists:ident => $list_call:expr) => {
        match $values {
            Values::Text($builder) => $call,
            Values::Boolean($builder) => $call,
            Values::SmallInt($builder) => $call,
            Values::Integer($builder) => $call,
            Values::BigInt($builder) => $call,
            Values::Real($builder) => $call,
            Values::Double($builder) => $call,
            Values::Numeric($builder, ..) => $call,
            Values::Date($builder) => $call,
            Values::Timestamp($builder) => $call,
            Values::Array($lists) => $list_call,
        }
    };
}

impl Values {
    /// Appends a value that a text alone decides.
    fn append(&mut self, text: &str) -> std::result::Result<(), Flaw> {
        match self {
            Self::Boolean(builder) => builder.append_value(number::boolean(text)?),
            Self::SmallInt(builder) => {
                let value = number::integer(text, i16::MIN.into(), i16::MAX.into())?;
                builder.append_value(value as i16);
            }
            Self::Integer(builder) => {
                let value = number::integer(text, i32::MIN.into(), i32::MAX.into())?;
                builder.append_value(value as i32);
            }
            Self::BigInt(builder) => {
                builder.append_value(number::integer(text, i64::MIN, i64::MAX)?);
            }
            Self::Real(builder) => builder.append_value(number::real(text)?),
            Self::Double(builder) => builder.append_value(number::double(text)?),
            Self::Numeric(builder, precision, scale) => {
                builder.append_value(number::decimal(text, *precision, *scale)?.units);
            }
            Self::Date(builder) => builder.append_value(time::date(text)?),
            Self::Timestamp(builder) => builder.append_value(time::timestamp(text)?),
            Self::Text(_) | Self::Array(_) => return Err(Flaw::Syntax),
        }
        Ok(())
    }
}

impl ColumnBuilder {
    /// A builder of that type, empty.
    pub(crate) fn new(ty: &ColumnType, array_delimiter: Option<char>) -> Self {
        let values = match ty {
            ColumnType::Text => Values::Text(StringViewBuilder::new()),
            ColumnType::Boolean => Values::Boolean(BooleanBuilder::new()),
            ColumnType::SmallInt => Values::SmallInt(Int16Builder::new()),
            ColumnType::Integer => Values::Integer(Int32Builder::new()),
            ColumnType::BigInt => Values::BigInt(Int64Builder::new()),
            ColumnType::Real => Values::Real(Float32Builder::new()),
            ColumnType::Double => Values::Double(Float64Builder::new()),
            ColumnType::Numeric { precision, scale } => {
                let builder = Decimal128Builder::new().with_data_type(ty.to_arrow());
                Values::Numeric(builder, *precision, *scale)
            }
            ColumnType::Date => Values::Date(Date32Builder::new()),
            ColumnType::Timestamp => Values::Timestamp(TimestampMicrosecondBuilder::new()),
            ColumnType::TimestampTz => {
                Values::Timestamp(TimestampMicrosecondBuilder::new().with_timezone(UTC))
            }
            ColumnType::Array(element) => {
                Values::Array(Box::new(Lists::new(ty, element, array_delimiter)))
            }
        };
        Self { ty: ty.clone(), values, array_delimiter }
    }

    /// Appends a null.
    pub(crate) fn append_null(&mut self) {
        on_values!(&mut self.values, builder => builder.append_null(), lists => lists.close(false));
    }

    /// Appends the value that a text stands for.
    pub(crate) fn append_text(&mut self, text: &str) -> std::result::Result<(), Fault> {
        match &mut self.values {
            Values::Text(_) if text.as_bytes().contains(&0) => Err(Fault::nul()),
            Values::Text(builder) => {
                builder.append_value(text);
                Ok(())
            }
            Values::Array(lists) => lists.append_text(text, self.array_delimiter, &self.ty),
            scalar => scalar.append(text).map_err(|flaw| Fault::of_flaw(flaw, &self.ty, text)),
        }
    }

    /// Appends the value that a JSON value stands for.
    pub(crate) fn append_json(&mut self, json: Json<'_>) -> std::result::Result<(), Fault> {
        match (json.kind, &self.ty) {
            (Kind::Null, _) => {
                self.append_null();
                Ok(())
            }
            (Kind::String { .. }, _) => self.append_text(&json.decode()?),
            // The text of anything is itself; numbers keep every digit, objects their spelling.
            (_, ColumnType::Text)
            | (Kind::True | Kind::False | Kind::Number, ColumnType::Boolean)
            | (Kind::Number, ColumnType::Real | ColumnType::Double | ColumnType::Numeric { .. }) => {
                self.append_text(json.text)
            }
            (Kind::Number, ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt) => {
                self.append_text(&whole_number(json.text))
            }
            (Kind::Array, ColumnType::Array(_)) => self.append_elements(json.text),
            _ => Err(Fault::syntax(&self.ty, json.text)),
        }
    }

    fn append_elements(&mut self, text: &str) -> std::result::Result<(), Fault> {
        let Values::Array(lists) = &mut self.values else {
            return Err(Fault::syntax(&self.ty, text));
        };
        let mut outcome = Ok(());
        json::elements(text, |element| {
            if outcome.is_ok() {
                outcome = lists.elements.append_json(element);
            }
        })?;
        outcome?;
        lists.close(true);
        Ok(())
    }

    /// Values appended so far.
    fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        on_values!(&self.values, builder => builder.len(), lists => lists.nulls.len())
    }

    /// The array of what was appended; the builder is empty again.
    ///
    /// # Errors
    /// `54000` if an array column has more elements than one batch can address.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef> {
        Ok(on_values!(
            &mut self.values,
            builder => Arc::new(builder.finish()),
            lists => lists.finish()?
        ))
    }
}

/// `12.0` and `1e3` are integers in JSON, which knows only one kind of number; other text, and
/// what is no integer after all, stays as it is and is refused as such.
fn whole_number(text: &str) -> Cow<'_, str> {
    match number::decimal(text, 38, 0) {
        Ok(number::Decimal { units, exact: true }) if text.contains(['.', 'e', 'E']) => {
            Cow::Owned(units.to_string())
        }
        _ => Cow::Borrowed(text),
    }
}

impl Lists {
    fn new(ty: &ColumnType, element: &ColumnType, array_delimiter: Option<char>) -> Self {
        let DataType::List(field) = ty.to_arrow() else {
            unreachable!("array types are lists in Arrow")
        };
        // An array in an array cannot be split by the same character again.
        let nested = matches!(element, ColumnType::Array(_));
        let array_delimiter = if nested { None } else { array_delimiter };
        Self {
            field,
            elements: ColumnBuilder::new(element, array_delimiter),
            offsets: vec![0],
            nulls: NullBufferBuilder::new(0),
        }
    }

    fn append_text(
        &mut self,
        text: &str,
        delimiter: Option<char>,
        ty: &ColumnType,
    ) -> std::result::Result<(), Fault> {
        let elements = &mut self.elements;
        list::elements(
            text,
            delimiter,
            &|| Fault::syntax(ty, text),
            &mut |element| match element {
                Element::Null => {
                    elements.append_null();
                    Ok(())
                }
                Element::Text(text) => elements.append_text(text),
                Element::Json(json) => elements.append_json(json),
            },
        )?;
        self.close(true);
        Ok(())
    }

    /// Ends a list; elements of one that failed half way stay hidden under the null that the
    /// caller appends for it.
    fn close(&mut self, valid: bool) {
        // An offset that does not fit is told by `finish`: the last one is then too small.
        self.offsets.push(i32::try_from(self.elements.len()).unwrap_or(i32::MAX));
        self.nulls.append(valid);
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        if i32::try_from(self.elements.len()).is_err() {
            let message = "an array column of one batch has more than 2147483647 elements";
            return Err(Error::new(crate::error::SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        let elements = self.elements.finish()?;
        let list = ListArray::try_new(
            Arc::clone(&self.field),
            OffsetBuffer::new(ScalarBuffer::from(offsets)),
            elements,
            self.nulls.finish(),
        );
        Ok(Arc::new(list.map_err(|error| Error::internal(error.to_string()))?))
    }
}
