//! Moments in a zone other than UTC: read from texts, shown as local times, and made of those.
//!
//! The functions have no names in SQL: `session::meaning` puts them in the place of casts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
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
    /// A text becomes a local time, whatever offset it has.
    ReadLocal,
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
            Shift::ReadLocal => "read_time",
            Shift::Local => "local_time",
            Shift::Moment => "moment",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        let zone = matches!(self.shift, Shift::Read | Shift::Moment).then(|| UTC.into());
        Ok(DataType::Timestamp(TimeUnit::Microsecond, zone))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = matches!(args.args[0], ColumnarValue::Scalar(_));
        let given = args.args[0].to_array(if is_scalar { 1 } else { args.number_rows })?;
        let zone = Zone::parse(&self.zone).map_err(external)?;
        let made = match self.shift {
            Shift::Read => Arc::new(read(&given, |text| moment(text, zone))?.with_timezone(UTC)),
            Shift::ReadLocal => Arc::new(read(&given, local)?),
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

fn read(given: &ArrayRef, one: impl Fn(&str) -> Result<i64>) -> Result<TimestampMicrosecondArray> {
    let texts = cast(given, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>().iter();
    let moments = texts.map(|text| text.map(&one).transpose()).collect::<Result<Vec<_>>>()?;
    Ok(TimestampMicrosecondArray::from(moments))
}

/// Whether a text ends with an offset or a zone.
fn is_zoned(text: &str) -> bool {
    let time = text.get(10..).unwrap_or_default();
    time.contains(['+', '-']) || time.ends_with(|last: char| last.is_ascii_alphabetic())
}

fn moment(text: &str, zone: Zone) -> Result<i64> {
    let text = text.trim();
    match is_zoned(text) {
        true => parsed(text, &ColumnType::TimestampTz),
        false => Ok(zone.to_utc(parsed(text, &ColumnType::Timestamp)?)),
    }
}

fn local(text: &str) -> Result<i64> {
    let text = text.trim();
    // The offset is left unread, as in PostgreSQL.
    let end = text.get(10..).and_then(|time| time.find(['+', '-']).map(|at| at + 10));
    match end {
        Some(end) if is_zoned(text) => parsed(text[..end].trim_end(), &ColumnType::Timestamp),
        _ => parsed(text.trim_end_matches(['z', 'Z']), &ColumnType::Timestamp),
    }
}

/// Reads a text as datasets do; what they do not take may still be one of DataFusion's forms.
fn parsed(text: &str, ty: &ColumnType) -> Result<i64> {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let (values, failures) = coerce(&texts, ty).map_err(external)?;
    let values = match failures.into_iter().next() {
        None => values,
        Some((_, code, message)) => {
            let options = CastOptions { safe: false, ..CastOptions::default() };
            cast_with_options(&texts, &ty.to_arrow(), &options)
                .map_err(|_| external(Error::new(SqlState(code), message)))?
        }
    };
    let micros = values.as_primitive_opt::<TimestampMicrosecondType>();
    let micros = micros.filter(|values| values.is_valid(0)).map(|values| values.value(0));
    micros.ok_or_else(|| DataFusionError::Internal("a time was read and is not there".into()))
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
        assert_eq!(local("1970-01-01 10:00+05").expect("a time"), 10 * hour);
        assert_eq!(local("1970-01-02").expect("a time"), 24 * hour);
        let error = moment("never", zone).expect_err("it is none");
        assert!(error.to_string().contains("never"), "{error}");
    }
}
