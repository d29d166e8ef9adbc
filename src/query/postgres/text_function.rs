//! A value cast to text as PostgreSQL writes it, which DataFusion's own casts to text do not do for
//! times and floats.
//!
//! The function has no name in SQL: `session::derive` puts it in the place of such casts. Moments are
//! written in UTC, so that a text depends on nothing but the value.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::query::postgres::text_form::texts;
use crate::query::session::zone::Zone;

/// The function: any value of which [`has_text_form`] is true, to its text.
pub fn text_form() -> ScalarUDF {
    ScalarUDF::from(TextForm { signature: Signature::any(1, Volatility::Immutable) })
}

/// Whether values of a type are written here; DataFusion writes other scalars as PostgreSQL does.
pub fn has_text_form(ty: &DataType) -> bool {
    matches!(
        ty,
        DataType::Float32
            | DataType::Float64
            | DataType::Decimal128(..)
            | DataType::Date32
            | DataType::Time64(TimeUnit::Microsecond)
            | DataType::Timestamp(TimeUnit::Microsecond, _)
            | DataType::Interval(IntervalUnit::MonthDayNano)
    )
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TextForm {
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
        let texts = written(&given)?;
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&texts, 0)?),
            false => ColumnarValue::Array(texts),
        })
    }
}

fn written(values: &ArrayRef) -> Result<ArrayRef> {
    if !has_text_form(values.data_type()) {
        return exec_err!("no text form for values of type {}", values.data_type());
    }
    texts(values, Zone::UTC).map_err(|error| DataFusionError::External(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Array, AsArray, Date32Array, Decimal128Array, Float64Array, Int32Array,
        TimestampMicrosecondArray,
    };

    use super::*;

    fn check(values: impl Array + 'static, expected: &[Option<&str>]) {
        let texts = written(&(Arc::new(values) as ArrayRef)).expect("its type has a text form");
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
        assert!(written(&(Arc::new(Int32Array::from(vec![1])) as ArrayRef)).is_err());
    }
}
