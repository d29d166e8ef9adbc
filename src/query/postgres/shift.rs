//! Moments in a zone other than UTC: read from texts, shown as local times, and made of those.
//!
//! The functions have no names in SQL: `session::meaning` puts them in the place of casts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Error, SqlState};
use crate::ingest::coerce;
use crate::model::column::{ColumnType, UTC};
use crate::query::error::external;
use crate::query::session::zone::Zone;

/// What is made of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shift {
    /// A text becomes a moment; one without an offset of its own is in the zone.
    Read,
    /// A moment becomes the local time in the zone.
    Local,
    /// A local time in the zone becomes the moment.
    Moment,
}

/// The function that does it, in a zone by its name.
pub fn shifted(shift: Shift, zone: &str) -> ScalarUDF {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::from(Shifted { shift, zone: zone.to_owned(), signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Shifted {
    shift: Shift,
    zone: String,
    signature: Signature,
}

impl ScalarUDFImpl for Shifted {
    fn name(&self) -> &str {
        match self.shift {
            Shift::Read => "read_moment",
            Shift::Local => "local_time",
            Shift::Moment => "moment",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        let zone = (self.shift != Shift::Local).then(|| UTC.into());
        Ok(DataType::Timestamp(TimeUnit::Microsecond, zone))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = matches!(args.args[0], ColumnarValue::Scalar(_));
        let given = args.args[0].to_array(if is_scalar { 1 } else { args.number_rows })?;
        let zone = Zone::parse(&self.zone).map_err(external)?;
        let made = match self.shift {
            Shift::Read => read(&given, zone)?,
            Shift::Local => {
                let shift = |utc: i64| utc + i64::from(zone.offset_seconds(utc)) * 1_000_000;
                Arc::new(moved(&given, shift)?) as ArrayRef
            }
            Shift::Moment => {
                Arc::new(moved(&given, |local| zone.to_utc(local))?.with_timezone(UTC)) as ArrayRef
            }
        };
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&made, 0)?),
            false => ColumnarValue::Array(made),
        })
    }
}

fn moved(given: &ArrayRef, shift: impl Fn(i64) -> i64) -> Result<TimestampMicrosecondArray> {
    let zone = match given.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let micros = cast(given, &DataType::Timestamp(TimeUnit::Microsecond, zone))?;
    let micros = micros.as_primitive::<TimestampMicrosecondType>();
    Ok(micros.iter().map(|micros| micros.map(&shift)).collect())
}

fn read(given: &ArrayRef, zone: Zone) -> Result<ArrayRef> {
    let texts = cast(given, &DataType::Utf8)?;
    let one = |text: Option<&str>| text.map(|text| moment(text, zone)).transpose();
    let moments = texts.as_string::<i32>().iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(TimestampMicrosecondArray::from(moments).with_timezone(UTC)))
}

fn moment(text: &str, zone: Zone) -> Result<i64> {
    let text = text.trim();
    let time = text.get(10..).unwrap_or_default();
    let zoned =
        time.contains(['+', '-']) || time.ends_with(|last: char| last.is_ascii_alphabetic());
    let ty = if zoned { ColumnType::TimestampTz } else { ColumnType::Timestamp };
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let (values, failures) = coerce(&texts, &ty).map_err(external)?;
    if let Some((_, code, message)) = failures.into_iter().next() {
        return Err(external(Error::new(SqlState(code), message)));
    }
    let micros = values
        .as_primitive_opt::<TimestampMicrosecondType>()
        .filter(|values| values.is_valid(0))
        .map(|values| values.value(0))
        .ok_or_else(|| DataFusionError::Internal("a moment was read and is not there".into()))?;
    Ok(if zoned { micros } else { zone.to_utc(micros) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_the_zone() {
        let zone = Zone::parse("Europe/Berlin").expect("a zone");
        let hour = 3_600_000_000;
        for (text, expected) in [
            ("1970-01-01 01:00:00", 0),
            ("1970-01-01 01:00:00+00", hour),
            ("1970-07-01", 181 * 24 * hour - hour),
        ] {
            assert_eq!(moment(text, zone).expect("a moment"), expected, "{text}");
        }
        let error = moment("never", zone).expect_err("it is none");
        assert!(error.to_string().contains("never"), "{error}");
    }
}
