//! A value cast to text as PostgreSQL writes it, which DataFusion's own casts to text do not do for
//! times and floats.
//!
//! The function has no name in SQL: `session::meaning` and `session::derive` put it in the place of such
//! casts. Moments are written in the zone that it was made for.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::query::error::{external, from_arrow};
use crate::query::postgres::text_form::texts;
use crate::query::session::zone::Zone;

/// The function: any value of which [`has_text_form`] is true, to its text.
pub fn text_form(zone: &str) -> ScalarUDF {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::from(TextForm { zone: zone.to_owned(), signature })
}

/// Whether values of a type are written here; DataFusion writes other scalars as PostgreSQL does.
pub fn has_text_form(ty: &DataType) -> bool {
    matches!(
        ty,
        DataType::Float32
            | DataType::Float64
            | DataType::Decimal128(..)
            | DataType::Date32
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Timestamp(..)
            | DataType::Interval(_)
            | DataType::Duration(_)
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
    )
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TextForm {
    zone: String,
    signature: Signature,
}

impl ScalarUDFImpl for TextForm {
    fn name(&self) -> &'static str {
        "text_form"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = matches!(args.args[0], ColumnarValue::Scalar(_));
        let given = args.args[0].to_array(if is_scalar { 1 } else { args.number_rows })?;
        let zone = Zone::parse(&self.zone).map_err(external)?;
        let texts = written(&given, zone)?;
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&texts, 0)?),
            false => ColumnarValue::Array(texts),
        })
    }
}

fn written(values: &ArrayRef, zone: Zone) -> Result<ArrayRef> {
    if !has_text_form(values.data_type()) && !matches!(values.data_type(), DataType::List(_)) {
        return exec_err!("no text form for values of type {}", values.data_type());
    }
    let values = cast(values, &canonical(values.data_type()))?;
    texts(&values, zone).map_err(external)
}

/// The values in the layout in which they are written.
///
/// # Errors
/// What a cast says.
pub(super) fn canonical_array(values: &ArrayRef) -> crate::error::Result<ArrayRef> {
    cast(values, &canonical(values.data_type())).map_err(|error| from_arrow(&error))
}

/// The layout in which values of a type are written.
fn canonical(ty: &DataType) -> DataType {
    match ty {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Interval(_) | DataType::Duration(_) => {
            DataType::Interval(IntervalUnit::MonthDayNano)
        }
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::LargeUtf8 => DataType::Utf8,
        DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::List(element) => {
            let element = element.as_ref().clone();
            let inner = canonical(element.data_type());
            DataType::List(Arc::new(element.with_data_type(inner)))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Array, AsArray, Date32Array, Decimal128Array, Float64Array, Int32Array,
        TimestampMicrosecondArray,
    };

    use super::*;

    fn check(values: impl Array + 'static, expected: &[Option<&str>]) {
        let texts =
            written(&(Arc::new(values) as ArrayRef), Zone::UTC).expect("its type has a text form");
        assert_eq!(texts.as_string_view().iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn values_are_written_as_postgresql_does() {
        check(Date32Array::from(vec![Some(10_987), None]), &[Some("2000-01-31"), None]);
        check(Float64Array::from(vec![1e21, 0.1, -0.0]), &[Some("1e+21"), Some("0.1"), Some("-0")]);
        let money = Decimal128Array::from(vec![150]).with_precision_and_scale(12, 2);
        check(money.expect("it fits"), &[Some("1.50")]);
        let moment = || TimestampMicrosecondArray::from(vec![500_000]);
        check(moment(), &[Some("1970-01-01 00:00:00.5")]);
        check(moment().with_timezone("+00:00"), &[Some("1970-01-01 00:00:00.5+00")]);
    }

    #[test]
    fn other_types_are_refused() {
        assert!(!has_text_form(&DataType::Int32));
        assert!(written(&(Arc::new(Int32Array::from(vec![1])) as ArrayRef), Zone::UTC).is_err());
    }
}
