//! Parameters of a Bind, in text or binary, into values of the types that the plan expects.
//!
//! The client's type says how the bytes are read, the plan's type what they become; where the two
//! differ the value is cast, without loss or not at all. `extended` calls this.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, StringArray, new_empty_array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, TimeUnit};
use bytes::Buf;
use datafusion::common::ScalarValue;

use crate::error::{Error, Result, SqlState};
use crate::ingest::coerce;
use crate::model::column::{ColumnType, UTC};
use crate::query::error::{from_arrow, from_datafusion};
use crate::query::postgres::types::{PgType, by_oid};
use crate::query::session::zone::Zone;
use crate::wire::encode::{EPOCH_DAYS, EPOCH_MICROS, Format};
use crate::wire::numeric;

/// The number of the type `unknown`, which clients give when they do not care.
const UNKNOWN: u32 = 705;

/// Reads one parameter.
///
/// # Errors
/// `22P02`, `22007`, `22003`, `22021` for texts that are no value; `22P03` for broken binary.
pub(crate) fn parameter(
    bytes: Option<&[u8]>,
    format: Format,
    oid: u32,
    target: &DataType,
    zone: Zone,
) -> Result<ScalarValue> {
    let Some(bytes) = bytes else {
        return ScalarValue::try_from(target).map_err(|error| from_datafusion(&error, ""));
    };
    let value = match format {
        Format::Text => text(utf8(bytes)?, oid, target, zone)?,
        Format::Binary => binary(bytes, oid)?,
    };
    cast(value, target)
}

/// A text of the client, which must be UTF-8 without NUL.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or(0);
        let message = format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}");
        Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message)
    })?;
    if text.contains('\0') {
        let message = "invalid byte sequence for encoding \"UTF8\": 0x00";
        return Err(Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message));
    }
    Ok(text)
}

fn cast(value: ScalarValue, target: &DataType) -> Result<ScalarValue> {
    if value.data_type() == *target {
        return Ok(value);
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    value.cast_to_with_options(target, &options).map_err(|error| from_datafusion(&error, ""))
}

fn wrong(ty: &DataType, text: &str) -> Error {
    let name = PgType::of(ty, &Default::default()).format();
    let code = match ty {
        DataType::Date32
        | DataType::Timestamp(..)
        | DataType::Time64(_)
        | DataType::Interval(_) => SqlState::INVALID_DATETIME,
        _ => SqlState::INVALID_TEXT_REPRESENTATION,
    };
    Error::new(code, format!("invalid input syntax for type {name}: \"{text}\""))
}

/// Reads a text: by the client's type, or by the plan's if the client left it open.
fn text(text: &str, oid: u32, target: &DataType, zone: Zone) -> Result<ScalarValue> {
    let declared = if oid == 0 || oid == UNKNOWN { None } else { PgType::to_arrow(oid) };
    // The plan knows precision and scale, which the client's type does not.
    let same_kind =
        matches!((&declared, target), (Some(DataType::Decimal128(..)), DataType::Decimal128(..)));
    match declared {
        Some(ty) if !same_kind => value_of_text(text, &ty, zone),
        _ => value_of_text(text, target, zone),
    }
}

fn value_of_text(text: &str, ty: &DataType, zone: Zone) -> Result<ScalarValue> {
    let trimmed = text.trim();
    match ty {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Ok(ScalarValue::Utf8(Some(text.to_owned())))
        }
        DataType::Boolean => boolean(trimmed)
            .map(|value| ScalarValue::Boolean(Some(value)))
            .ok_or_else(|| wrong(ty, text)),
        DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::UInt32 => {
            integer(trimmed, ty, text)
        }
        DataType::Float32 => trimmed
            .parse()
            .map(|value| ScalarValue::Float32(Some(value)))
            .map_err(|_| wrong(ty, text)),
        DataType::Float64 => trimmed
            .parse()
            .map(|value| ScalarValue::Float64(Some(value)))
            .map_err(|_| wrong(ty, text)),
        DataType::Binary | DataType::BinaryView | DataType::LargeBinary => {
            hex(text).map(|bytes| ScalarValue::Binary(Some(bytes))).ok_or_else(|| wrong(ty, text))
        }
        DataType::List(field) => list_of_text(trimmed, field, zone),
        DataType::Timestamp(_, Some(_)) => moment(trimmed, ty, zone),
        DataType::Timestamp(_, None) => datetime(trimmed, ty, &ColumnType::Timestamp),
        DataType::Date32 => datetime(trimmed, ty, &ColumnType::Date),
        _ => cast(ScalarValue::Utf8(Some(trimmed.to_owned())), ty)
            .map_err(|error| if is_overflow(&error) { error } else { wrong(ty, text) }),
    }
}

fn is_overflow(error: &Error) -> bool {
    error.code() == SqlState::NUMERIC_OUT_OF_RANGE
}

fn integer(trimmed: &str, ty: &DataType, text: &str) -> Result<ScalarValue> {
    let value: i128 = trimmed.parse().map_err(|_| wrong(ty, text))?;
    let too_large = |_| {
        let name = PgType::of(ty, &Default::default()).format();
        let message = format!("value \"{text}\" is out of range for type {name}");
        Error::new(SqlState::NUMERIC_OUT_OF_RANGE, message)
    };
    Ok(match ty {
        DataType::Int16 => ScalarValue::Int16(Some(value.try_into().map_err(too_large)?)),
        DataType::Int32 => ScalarValue::Int32(Some(value.try_into().map_err(too_large)?)),
        DataType::UInt32 => ScalarValue::UInt32(Some(value.try_into().map_err(too_large)?)),
        _ => ScalarValue::Int64(Some(value.try_into().map_err(too_large)?)),
    })
}

/// A date or time, in any of the forms that datasets take.
fn datetime(trimmed: &str, ty: &DataType, column: &ColumnType) -> Result<ScalarValue> {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![trimmed]));
    let (values, failures) = coerce(&texts, column)?;
    match failures.into_iter().next() {
        Some((_, code, message)) => Err(Error::new(SqlState(code), message)),
        None => {
            let value = ScalarValue::try_from_array(&values, 0);
            cast(value.map_err(|error| from_datafusion(&error, ""))?, ty)
        }
    }
}

/// A moment: with an offset of its own, or in the session's zone.
fn moment(trimmed: &str, ty: &DataType, zone: Zone) -> Result<ScalarValue> {
    let time = trimmed.get(10..).unwrap_or_default();
    let zoned =
        time.contains(['+', '-']) || time.ends_with(|last: char| last.is_ascii_alphabetic());
    if zoned {
        return datetime(trimmed, ty, &ColumnType::TimestampTz);
    }
    let naive = DataType::Timestamp(TimeUnit::Microsecond, None);
    match datetime(trimmed, &naive, &ColumnType::Timestamp)? {
        ScalarValue::TimestampMicrosecond(Some(local), _) => {
            let utc = Some(UTC.into());
            cast(ScalarValue::TimestampMicrosecond(Some(zone.to_utc(local)), utc), ty)
        }
        _ => Err(wrong(ty, trimmed)),
    }
}

fn boolean(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let begins = |word: &str| !lower.is_empty() && word.starts_with(&lower);
    match lower.as_str() {
        "1" | "on" => Some(true),
        "0" | "off" | "of" => Some(false),
        _ if begins("true") || begins("yes") => Some(true),
        _ if begins("false") || begins("no") => Some(false),
        _ => None,
    }
}

/// `\x0aff`, or the older form with `\\` and `\ooo`.
fn hex(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let pairs = digits.chunks(2);
        return pairs.map(|pair| Some(nibble(pair[0])? << 4 | nibble(*pair.get(1)?)?)).collect();
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'\\' {
            bytes.push(byte);
            rest = after;
        } else if after.first() == Some(&b'\\') {
            bytes.push(b'\\');
            rest = &after[1..];
        } else {
            let octal = std::str::from_utf8(after.get(..3)?).ok()?;
            bytes.push(u8::from_str_radix(octal, 8).ok()?);
            rest = &after[3..];
        }
    }
    Some(bytes)
}

/// `{a,"b c",NULL}`, of one dimension.
fn list_of_text(text: &str, field: &Arc<Field>, zone: Zone) -> Result<ScalarValue> {
    let malformed = || {
        let message = format!("malformed array literal: \"{text}\"");
        Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
    };
    let inner =
        text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(malformed)?;
    let mut elements = Vec::new();
    let mut letters = inner.chars().peekable();
    while letters.peek().is_some() {
        let (mut element, mut quoted) = (String::new(), false);
        loop {
            match letters.next() {
                None | Some(',') => break,
                Some('"') => {
                    quoted = true;
                    loop {
                        match letters.next().ok_or_else(malformed)? {
                            '"' => break,
                            '\\' => element.push(letters.next().ok_or_else(malformed)?),
                            letter => element.push(letter),
                        }
                    }
                }
                Some('\\') => element.push(letters.next().ok_or_else(malformed)?),
                Some('{' | '}') => {
                    let message = "arrays of arrays are not supported as parameters";
                    return Err(Error::unsupported(message));
                }
                Some(letter) => element.push(letter),
            }
        }
        let shown = if quoted { element.as_str() } else { element.trim() };
        if !quoted && shown.is_empty() {
            return Err(malformed());
        }
        elements.push(if !quoted && shown.eq_ignore_ascii_case("null") {
            ScalarValue::try_from(field.data_type()).map_err(|error| from_datafusion(&error, ""))?
        } else {
            cast(value_of_text(shown, field.data_type(), zone)?, field.data_type())?
        });
    }
    if inner.trim_end().ends_with(',') {
        return Err(malformed());
    }
    list(field, elements)
}

fn list(field: &Arc<Field>, elements: Vec<ScalarValue>) -> Result<ScalarValue> {
    let values: ArrayRef = if elements.is_empty() {
        new_empty_array(field.data_type())
    } else {
        ScalarValue::iter_to_array(elements).map_err(|error| from_datafusion(&error, ""))?
    };
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    let list = ListArray::try_new(Arc::clone(field), offsets, values, None)
        .map_err(|error| from_arrow(&error))?;
    Ok(ScalarValue::List(Arc::new(list)))
}

fn broken(oid: u32) -> Error {
    let name = PgType::new(oid).format();
    Error::new(SqlState("22P03"), format!("incorrect binary data format for type {name}"))
}

fn fixed<const N: usize>(bytes: &[u8], oid: u32) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| broken(oid))
}

/// Reads a value in the binary format of a type.
///
/// # Errors
/// `22P03` for what is none, `0A000` for types that cannot be read.
pub(crate) fn binary(bytes: &[u8], oid: u32) -> Result<ScalarValue> {
    let entry = by_oid(oid).ok_or_else(|| {
        Error::unsupported(format!("parameters of type {oid} are not supported in binary format"))
    })?;
    if entry.is_array || matches!(entry.name.as_str(), "int2vector" | "oidvector") {
        return list_of_binary(bytes, oid, entry.element);
    }
    Ok(match entry.name.as_str() {
        "bool" => ScalarValue::Boolean(Some(fixed::<1>(bytes, oid)?[0] != 0)),
        "int2" => ScalarValue::Int16(Some(i16::from_be_bytes(fixed(bytes, oid)?))),
        "int4" => ScalarValue::Int32(Some(i32::from_be_bytes(fixed(bytes, oid)?))),
        "int8" => ScalarValue::Int64(Some(i64::from_be_bytes(fixed(bytes, oid)?))),
        "oid" | "xid" | "cid" => ScalarValue::UInt32(Some(u32::from_be_bytes(fixed(bytes, oid)?))),
        "float4" => ScalarValue::Float32(Some(f32::from_be_bytes(fixed(bytes, oid)?))),
        "float8" => ScalarValue::Float64(Some(f64::from_be_bytes(fixed(bytes, oid)?))),
        "bytea" => ScalarValue::Binary(Some(bytes.to_vec())),
        "date" => {
            let days = i32::from_be_bytes(fixed(bytes, oid)?);
            ScalarValue::Date32(Some(days.checked_add(EPOCH_DAYS).ok_or_else(|| broken(oid))?))
        }
        "time" => ScalarValue::Time64Microsecond(Some(i64::from_be_bytes(fixed(bytes, oid)?))),
        "timestamp" => ScalarValue::TimestampMicrosecond(Some(micros(bytes, oid)?), None),
        "timestamptz" => {
            let utc = Some(UTC.into());
            ScalarValue::TimestampMicrosecond(Some(micros(bytes, oid)?), utc)
        }
        "interval" => interval(bytes, oid)?,
        "numeric" => {
            let (value, scale) = numeric::from_binary(bytes)?;
            let scale = i8::try_from(scale).unwrap_or(0);
            ScalarValue::Decimal128(Some(value), 38, scale)
        }
        "uuid" => ScalarValue::Utf8(Some(uuid(&fixed(bytes, oid)?))),
        "jsonb" => match bytes.split_first() {
            Some((1, text)) => ScalarValue::Utf8(Some(utf8(text)?.to_owned())),
            _ => return Err(broken(oid)),
        },
        _ if entry.category == 'S' || matches!(entry.name.as_str(), "json" | "unknown") => {
            ScalarValue::Utf8(Some(utf8(bytes)?.to_owned()))
        }
        name => {
            let message = format!("parameters of type {name} are not supported in binary format");
            return Err(Error::unsupported(message).hint("send the parameter as text"));
        }
    })
}

fn micros(bytes: &[u8], oid: u32) -> Result<i64> {
    let micros = i64::from_be_bytes(fixed(bytes, oid)?);
    micros.checked_add(EPOCH_MICROS).ok_or_else(|| {
        let message = "infinite times are not supported";
        Error::new(SqlState("22008"), message)
    })
}

fn interval(bytes: &[u8], oid: u32) -> Result<ScalarValue> {
    let mut bytes = &fixed::<16>(bytes, oid)?[..];
    let (micros, days, months) = (bytes.get_i64(), bytes.get_i32(), bytes.get_i32());
    let nanoseconds = micros
        .checked_mul(1000)
        .ok_or_else(|| Error::new(SqlState("22008"), "interval out of range"))?;
    let value = IntervalMonthDayNano { months, days, nanoseconds };
    Ok(ScalarValue::IntervalMonthDayNano(Some(value)))
}

fn uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn list_of_binary(mut bytes: &[u8], oid: u32, declared: u32) -> Result<ScalarValue> {
    let need = |bytes: &[u8], count: usize| {
        if bytes.len() < count { Err(broken(oid)) } else { Ok(()) }
    };
    need(bytes, 12)?;
    let (dimensions, _, element) = (bytes.get_i32(), bytes.get_i32(), bytes.get_u32());
    if element != declared {
        return Err(broken(oid));
    }
    let ty = PgType::to_arrow(element).ok_or_else(|| broken(oid))?;
    let field = Arc::new(Field::new("item", ty.clone(), true));
    let mut count = match dimensions {
        0 => 0,
        1 => {
            need(bytes, 8)?;
            let count = bytes.get_i32();
            bytes.get_i32();
            usize::try_from(count).map_err(|_| broken(oid))?
        }
        _ => {
            return Err(Error::unsupported("arrays of arrays are not supported as parameters"));
        }
    };
    // Each element has a length of four bytes at least, so that a count cannot ask for more memory
    // than the message has.
    need(bytes, count.saturating_mul(4))?;
    let mut elements = Vec::with_capacity(count);
    while count > 0 {
        need(bytes, 4)?;
        let length = bytes.get_i32();
        elements.push(if length < 0 {
            ScalarValue::try_from(&ty).map_err(|error| from_datafusion(&error, ""))?
        } else {
            let length = usize::try_from(length).map_err(|_| broken(oid))?;
            need(bytes, length)?;
            let value = cast(binary(&bytes[..length], element)?, &ty)?;
            bytes.advance(length);
            value
        });
        count -= 1;
    }
    list(&field, elements)
}

#[cfg(test)]
mod tests {
    use tokio_postgres::types::{ToSql, Type};

    use super::*;

    fn shown(result: Result<ScalarValue>) -> String {
        match result {
            Ok(value) => value.to_string(),
            Err(error) => format!("{} {error}", error.code()),
        }
    }

    fn target(oid: u32) -> DataType {
        PgType::to_arrow(oid).expect("a type")
    }

    fn text(oid: u32, bytes: &[u8], expected: &str) {
        let zone = Zone::parse("Europe/Berlin").expect("a zone");
        let found = parameter(Some(bytes), Format::Text, oid, &target(oid), zone);
        assert_eq!(shown(found), expected, "{}", String::from_utf8_lossy(bytes));
    }

    fn binary(ty: &Type, value: &(dyn ToSql + Sync), expected: &str) {
        let mut bytes = bytes::BytesMut::new();
        value.to_sql_checked(ty, &mut bytes).expect("a client's value");
        let found = parameter(Some(&bytes), Format::Binary, ty.oid(), &target(ty.oid()), Zone::UTC);
        assert_eq!(shown(found), expected, "{ty}");
    }

    #[test]
    fn texts_are_read_by_their_type() {
        text(23, b" 42 ", "42");
        text(23, b"3000000000", "22003 value \"3000000000\" is out of range for type integer");
        text(23, b"4x", "22P02 invalid input syntax for type integer: \"4x\"");
        for (bytes, expected) in
            [("t", "true"), ("YES", "true"), ("off", "false"), ("fal", "false")]
        {
            text(16, bytes.as_bytes(), expected);
        }
        text(16, b"maybe", "22P02 invalid input syntax for type boolean: \"maybe\"");
        text(701, b"-Infinity", "-inf");
        text(17, b"\\x00ff", "00FF");
        text(17, b"a\\\\\\000", "615C00");
        text(1082, b"2026-01-31", "2026-01-31");
        text(1082, b"yesterday", "22007 invalid input syntax for type date: \"yesterday\"");
        text(25, b"it's", "it's");
        text(25, b"a\xff", "22021 invalid byte sequence for encoding \"UTF8\": 0xff");
        text(25, b"a\0b", "22021 invalid byte sequence for encoding \"UTF8\": 0x00");
        text(1007, b"{1,NULL,3}", "[1, , 3]");
        text(1009, br#"{a,"b, c","NULL"}"#, "[a, b, c, NULL]");
        text(1007, b"{}", "[]");
        text(1007, b"1,2", "22P02 malformed array literal: \"1,2\"");
        text(1007, b"{1,}", "22P02 malformed array literal: \"{1,}\"");
        text(1007, b"{{1},{2}}", "0A000 arrays of arrays are not supported as parameters");
    }

    #[test]
    fn moments_without_an_offset_are_of_the_session() {
        let micros = |bytes: &[u8]| {
            let zone = Zone::parse("Europe/Berlin").expect("a zone");
            match parameter(Some(bytes), Format::Text, 1184, &target(1184), zone) {
                Ok(ScalarValue::TimestampMicrosecond(Some(micros), Some(_))) => micros,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(micros(b"1970-01-01 01:00:00"), 0);
        assert_eq!(micros(b"1970-01-01 00:00:00+00"), 0);
        assert_eq!(micros(b"1970-01-01T00:00:00Z"), 0);
        assert_eq!(micros(b"1970-01-01 03:00+03"), 0);
    }

    #[test]
    fn numerics_keep_their_digits() {
        let wide = DataType::Decimal128(38, 10);
        let read = |bytes: &[u8], ty: &DataType| {
            shown(parameter(Some(bytes), Format::Text, 1700, ty, Zone::UTC))
        };
        assert_eq!(read(b"12.345", &wide), "12.3450000000");
        assert_eq!(read(b"12.345", &DataType::Decimal128(12, 2)), "12.35");
        assert!(read(b"x", &wide).starts_with("22P02 "));
    }

    #[test]
    fn binary_values_are_read() {
        binary(&Type::BOOL, &true, "true");
        binary(&Type::INT2, &-7_i16, "-7");
        binary(&Type::INT8, &(1_i64 << 40), "1099511627776");
        binary(&Type::FLOAT4, &0.5_f32, "0.5");
        binary(&Type::TEXT, &"a", "a");
        binary(&Type::VARCHAR, &"a", "a");
        binary(&Type::BYTEA, &&b"\x01"[..], "01");
        binary(&Type::INT4_ARRAY, &vec![Some(1_i32), None], "[1, ]");
        binary(&Type::TEXT_ARRAY, &vec!["a", "b"], "[a, b]");
        let second = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
        binary(&Type::TIMESTAMP, &second, "1000000");
    }

    #[test]
    fn broken_binary_is_refused() {
        for (oid, bytes) in [
            (23, &b"abc"[..]),
            (20, b""),
            (1186, b"short"),
            (1007, b"\0\0\0\x01\0\0\0\0\0\0\0\x17\x7f\xff\xff\xff\0\0\0\x01"),
            (1007, b"\0\0\0\x01\0\0\0\0\0\0\0\x19\0\0\0\0\0\0\0\x01"),
            (3802, b"\x02{}"),
        ] {
            let found = parameter(Some(bytes), Format::Binary, oid, &target(oid), Zone::UTC);
            assert_eq!(found.expect_err("broken").code().0, "22P03", "{oid}");
        }
    }

    #[test]
    fn null_and_the_plan_type_win() {
        let null = parameter(None, Format::Binary, 23, &DataType::Int64, Zone::UTC);
        assert_eq!(null.expect("null"), ScalarValue::Int64(None));
        let found = parameter(Some(&[0, 0, 0, 7]), Format::Binary, 23, &DataType::Int64, Zone::UTC);
        assert_eq!(found.expect("a value"), ScalarValue::Int64(Some(7)));
    }
}
