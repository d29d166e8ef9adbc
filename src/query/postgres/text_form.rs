//! Arrow columns as PostgreSQL shows their values in text: `t`, `{a,"b c",NULL}`, `(1,)`.
//!
//! For each column one writer is chosen by its type; a writer appends one value and allocates nothing.
//! `wire` sends rows with these, and lineage shows values by them, so that both show the same. Single
//! values are `text`'s.

use std::cell::RefCell;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder, StructArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType, UInt32Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::{BufMut, BytesMut};

use crate::error::{Error, Result};
use crate::query::error::from_arrow;
use crate::query::postgres::text;
use crate::query::postgres::types::PgType;
use crate::query::session::zone::{Zone, ZoneCache};

/// Appends the payload of one value that is not null.
pub(crate) type Writer<'a> = Box<dyn Fn(usize, &mut BytesMut) + 'a>;

/// Whether a value is null; the array of nothing else has no bitmap that would say so.
pub(crate) fn is_null(array: &dyn Array, row: usize) -> bool {
    array.is_null(row) || *array.data_type() == DataType::Null
}

/// A column's values as texts; null stays null.
///
/// # Errors
/// `XX000` if a text is not UTF-8, which would be a mistake of ours.
pub(crate) fn texts(array: &ArrayRef, zone: Zone) -> Result<ArrayRef> {
    if *array.data_type() == DataType::Utf8View {
        return Ok(Arc::clone(array));
    }
    let oid = PgType::of_field(&Field::new("", array.data_type().clone(), true)).oid;
    let write = text_writer(array.as_ref(), oid, zone)?;
    let mut texts = StringViewBuilder::with_capacity(array.len());
    let mut buffer = BytesMut::new();
    for row in 0..array.len() {
        if is_null(array.as_ref(), row) {
            texts.append_null();
            continue;
        }
        buffer.clear();
        write(row, &mut buffer);
        let text = std::str::from_utf8(&buffer);
        texts.append_value(text.map_err(|error| Error::internal(error.to_string()))?);
    }
    Ok(Arc::new(texts.finish()))
}

/// Writes the values of a primitive column.
pub(crate) fn primitive<'a, T: ArrowPrimitiveType>(
    array: &'a dyn Array,
    put: impl Fn(&mut BytesMut, T::Native) + 'a,
) -> Writer<'a> {
    let values = array.as_primitive::<T>().values();
    Box::new(move |row, out| put(out, values[row]))
}

/// The bytes of texts and binaries, in any of their layouts.
pub(crate) fn bytes_writer<'a>(
    array: &'a dyn Array,
    put: impl Fn(&mut BytesMut, &[u8]) + 'a,
) -> Option<Writer<'a>> {
    Some(match array.data_type() {
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            Box::new(move |row, out| put(out, values.value(row).as_bytes()))
        }
        DataType::Utf8View => {
            let values = array.as_string_view();
            Box::new(move |row, out| put(out, values.value(row).as_bytes()))
        }
        DataType::Binary => {
            let values = array.as_binary::<i32>();
            Box::new(move |row, out| put(out, values.value(row)))
        }
        DataType::BinaryView => {
            let values = array.as_binary_view();
            Box::new(move |row, out| put(out, values.value(row)))
        }
        _ => return None,
    })
}

/// The writer of a column whose PostgreSQL type is `oid`.
///
/// # Errors
/// If Arrow cannot show a type that PostgreSQL does not have.
pub(crate) fn text_writer(array: &dyn Array, oid: u32, zone: Zone) -> Result<Writer<'_>> {
    Ok(match array.data_type() {
        DataType::Null => Box::new(|_, _| {}),
        DataType::Boolean => {
            let values = array.as_boolean();
            Box::new(move |row, out| out.put_u8(if values.value(row) { b't' } else { b'f' }))
        }
        DataType::Int16 => {
            primitive::<Int16Type>(array, |out, it| text::put_integer(out, it.into()))
        }
        DataType::Int32 => {
            primitive::<Int32Type>(array, |out, it| text::put_integer(out, it.into()))
        }
        DataType::Int64 => primitive::<Int64Type>(array, text::put_integer),
        DataType::UInt32 => {
            primitive::<UInt32Type>(array, |out, it| text::put_integer(out, it.into()))
        }
        DataType::Float32 => primitive::<Float32Type>(array, text::put_real),
        DataType::Float64 => primitive::<Float64Type>(array, text::put_double),
        DataType::Decimal128(_, scale) => {
            let scale = *scale;
            primitive::<Decimal128Type>(array, move |out, it| text::put_decimal(out, it, scale))
        }
        DataType::Date32 => {
            primitive::<Date32Type>(array, |out, days| text::put_date(out, days.into()))
        }
        DataType::Time64(_) => primitive::<Time64MicrosecondType>(array, text::put_time),
        DataType::Timestamp(_, None) => {
            primitive::<TimestampMicrosecondType>(array, text::put_timestamp)
        }
        DataType::Timestamp(_, Some(_)) => {
            let zone = ZoneCache::new(zone);
            primitive::<TimestampMicrosecondType>(array, move |out, micros| {
                text::put_timestamptz(out, micros, zone.offset_seconds(micros));
            })
        }
        DataType::Interval(_) => primitive::<IntervalMonthDayNanoType>(array, |out, it| {
            text::put_interval(out, it.months, it.days, it.nanoseconds / 1000);
        }),
        DataType::Binary | DataType::BinaryView => {
            bytes_writer(array, text::put_bytes).expect("both are binaries")
        }
        DataType::Utf8 | DataType::Utf8View => {
            bytes_writer(array, |out, bytes| out.put_slice(bytes)).expect("both are texts")
        }
        DataType::List(_) => text_list(array, oid, zone)?,
        DataType::Struct(_) => text_record(array.as_struct(), zone)?,
        _ => displayed(array)?,
    })
}

/// What has no PostgreSQL type goes as Arrow shows it.
pub(crate) fn displayed(array: &dyn Array) -> Result<Writer<'_>> {
    static OPTIONS: FormatOptions<'static> = FormatOptions::new();
    let formatter = ArrayFormatter::try_new(array, &OPTIONS).map_err(|error| from_arrow(&error))?;
    Ok(Box::new(move |row, out| out.put_slice(formatter.value(row).to_string().as_bytes())))
}

/// `{a,"b c",NULL}`; the vectors of the catalog are `1 2 3`.
fn text_list(array: &dyn Array, oid: u32, zone: Zone) -> Result<Writer<'_>> {
    let list = array.as_list::<i32>();
    let ty = PgType::new(oid);
    let vector = matches!(ty.name(), "int2vector" | "oidvector");
    let nested = matches!(list.values().data_type(), DataType::List(_));
    let element = if nested { oid } else { ty.element().unwrap_or(PgType::TEXT).oid };
    let values = list.values().as_ref();
    let write = text_writer(values, element, zone)?;
    let scratch = RefCell::new(BytesMut::new());
    let offsets = list.value_offsets();
    Ok(Box::new(move |row, out| {
        let range = index(offsets[row])..index(offsets[row + 1]);
        let (open, separator, close) = if vector { ("", b' ', "") } else { ("{", b',', "}") };
        out.put_slice(open.as_bytes());
        for at in range.clone() {
            if at > range.start {
                out.put_u8(separator);
            }
            if is_null(values, at) {
                out.put_slice(b"NULL");
            } else if vector || nested {
                write(at, out);
            } else {
                let mut scratch = scratch.borrow_mut();
                scratch.clear();
                write(at, &mut scratch);
                text::put_quoted(out, &scratch, b"{},", false);
            }
        }
        out.put_slice(close.as_bytes());
    }))
}

/// `(1,"a b",)`.
fn text_record(array: &StructArray, zone: Zone) -> Result<Writer<'_>> {
    let columns = array
        .columns()
        .iter()
        .zip(array.fields())
        .map(|(values, field)| {
            let write = text_writer(values.as_ref(), PgType::of_field(field).oid, zone)?;
            Ok((values.as_ref(), write))
        })
        .collect::<Result<Vec<_>>>()?;
    let scratch = RefCell::new(BytesMut::new());
    Ok(Box::new(move |row, out| {
        out.put_u8(b'(');
        for (at, (values, write)) in columns.iter().enumerate() {
            if at > 0 {
                out.put_u8(b',');
            }
            if !is_null(*values, row) {
                let mut scratch = scratch.borrow_mut();
                scratch.clear();
                write(row, &mut scratch);
                // In a record, unlike in an array, the word null is a text like any other.
                if scratch.eq_ignore_ascii_case(b"null") {
                    out.put_slice(&scratch);
                } else {
                    text::put_quoted(out, &scratch, b"(),", true);
                }
            }
        }
        out.put_u8(b')');
    }))
}

/// An offset of a list as a position.
pub(crate) fn index(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}
