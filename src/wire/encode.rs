//! Batches of rows into `DataRow` messages, a column at a time, in text and binary.
//!
//! For each batch and column one writer is chosen by the column's PostgreSQL type, format and Arrow
//! layout; the loop over rows then only calls writers, which append to the one buffer and allocate
//! nothing. The types are `query::postgres::types`; texts are written by `query::postgres::text_form`.
//! `produce` calls this; nothing here knows of sockets.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, Schema,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, UInt32Type,
};
use bytes::{BufMut, BytesMut};

use crate::error::{Error, Result, SqlState};
use crate::query::error::from_arrow;
use crate::query::postgres::text;
use crate::query::postgres::text_form::{
    Writer, bytes_writer, displayed, index, is_null, primitive, text_writer,
};
use crate::query::postgres::types::{PgType, by_oid};
use crate::query::session::zone::Zone;
use crate::wire::numeric;

/// The most bytes of one row: lengths in the protocol are signed 32-bit, and clients hold a row whole.
pub(crate) const ROW_BYTES_MAX: usize = 1 << 30;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's binary dates begin.
pub(crate) const EPOCH_DAYS: i32 = 10_957;

/// The same in microseconds.
pub(crate) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * text::DAY_MICROS;

/// Whether a value goes as text or in binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// As a person would type it.
    Text,
    /// As the type's `send` function gives it.
    Binary,
}

impl Format {
    /// The formats of `count` columns, from the codes of a Bind.
    pub(crate) fn of_columns(codes: &[i16], count: usize) -> Result<Vec<Self>> {
        let one = |code: i16| match code {
            0 => Ok(Self::Text),
            1 => Ok(Self::Binary),
            _ => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("unsupported format code: {code}"),
            )),
        };
        match codes {
            [] => Ok(vec![Self::Text; count]),
            [code] => Ok(vec![one(*code)?; count]),
            codes if codes.len() == count => codes.iter().map(|code| one(*code)).collect(),
            codes => Err(Error::new(
                SqlState::PROTOCOL_VIOLATION,
                format!("bind message has {} formats but {count} values", codes.len()),
            )),
        }
    }

    /// The code in messages.
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}

/// A column of a batch, ready to be written row by row.
pub(crate) struct Column<'a> {
    pub(crate) array: &'a dyn Array,
    pub(crate) write: Writer<'a>,
}

impl Column<'_> {
    /// Appends the length and payload of a value.
    pub(crate) fn put(&self, row: usize, out: &mut BytesMut) {
        if is_null(self.array, row) {
            out.put_i32(-1);
            return;
        }
        let at = out.len();
        out.put_i32(0);
        (self.write)(row, out);
        let length = out.len() - at - 4;
        // Values of 2 GiB and more make a row that `RowEncoder::encode` refuses.
        out[at..at + 4].copy_from_slice(&i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes());
    }
}

/// Writes the rows of one result.
pub(crate) struct RowEncoder {
    columns: Vec<(PgType, Format)>,
    zone: Zone,
}

impl RowEncoder {
    /// An encoder for a result's schema.
    pub(crate) fn new(schema: &Schema, formats: &[Format], zone: Zone) -> Self {
        let types = schema.fields().iter().map(|field| PgType::of_field(field));
        Self { columns: types.zip(formats.iter().copied()).collect(), zone }
    }

    /// Appends rows of a batch from `row` on until `out` has `bytes_max`, and the end of each row to
    /// `ends`. Gives the next row, which is the batch's row count when all are written.
    ///
    /// # Errors
    /// `54000` for a row that no client could take, and what a cast says.
    pub(crate) fn encode(
        &self,
        batch: &Prepared,
        mut row: usize,
        out: &mut BytesMut,
        ends: &mut Vec<u32>,
        bytes_max: usize,
    ) -> Result<usize> {
        let columns = batch
            .arrays
            .iter()
            .zip(&self.columns)
            .map(|(array, (ty, format))| column(array, ty.oid, *format, self.zone))
            .collect::<Result<Vec<_>>>()?;
        let count = i16::try_from(columns.len()).map_err(|_| too_many_columns())?;
        while row < batch.row_count && out.len() < bytes_max {
            let start = out.len();
            out.put_u8(b'D');
            out.put_i32(0);
            out.put_i16(count);
            for column in &columns {
                column.put(row, out);
            }
            let length = out.len() - start - 1;
            if length > ROW_BYTES_MAX {
                let message = format!("a row of the result is larger than {ROW_BYTES_MAX} bytes");
                return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
            }
            let length = u32::try_from(length).expect("ROW_BYTES_MAX is below 2^32");
            out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
            ends.push(u32::try_from(out.len()).unwrap_or(u32::MAX));
            row += 1;
        }
        Ok(row)
    }

    /// Brings a batch's columns into the layouts that writers know.
    ///
    /// # Errors
    /// What a cast says.
    pub(crate) fn prepare(&self, batch: &RecordBatch) -> Result<Prepared> {
        let arrays = batch.columns().iter().zip(&self.columns);
        let arrays = arrays.map(|(array, (ty, _))| canonical(array, *ty));
        Ok(Prepared { arrays: arrays.collect::<Result<_>>()?, row_count: batch.num_rows() })
    }
}

/// Brings a batch's columns into the layouts that writers know.
///
/// # Errors
/// What a cast says.
pub(crate) fn canonical_batch(batch: &RecordBatch, types: &[PgType]) -> Result<Prepared> {
    let arrays = batch.columns().iter().zip(types).map(|(array, ty)| canonical(array, *ty));
    Ok(Prepared { arrays: arrays.collect::<Result<_>>()?, row_count: batch.num_rows() })
}

/// A batch in the layouts that writers know.
pub(crate) struct Prepared {
    /// Its columns.
    pub(crate) arrays: Vec<ArrayRef>,
    /// Its rows.
    pub(crate) row_count: usize,
}

fn too_many_columns() -> Error {
    Error::new(SqlState("54011"), "a result can have at most 32767 columns")
}

/// The layout in which values of a type are written; those that need no change keep theirs.
fn canonical(array: &ArrayRef, ty: PgType) -> Result<ArrayRef> {
    let target = canonical_type(array.data_type(), ty);
    if target == *array.data_type() {
        return Ok(ArrayRef::clone(array));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, &target, &options).map_err(|error| from_arrow(&error))
}

fn canonical_type(from: &DataType, ty: PgType) -> DataType {
    match from {
        DataType::Dictionary(_, value) => canonical_type(value, ty),
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        // An oid is written as its 32 bits; without that type it is a bigint.
        DataType::UInt32 if is_oid(ty.oid) => DataType::UInt32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal256(_, scale) => DataType::Decimal128(38, *scale),
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Interval(_) | DataType::Duration(_) => {
            DataType::Interval(IntervalUnit::MonthDayNano)
        }
        DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::LargeUtf8 => DataType::Utf8,
        DataType::LargeList(field)
        | DataType::List(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => {
            let element = ty.element().unwrap_or(PgType::TEXT);
            let nested = matches!(field.data_type(), DataType::List(_) | DataType::LargeList(_));
            let inner = canonical_type(field.data_type(), if nested { ty } else { element });
            let field =
                Field::new(field.name(), inner, true).with_metadata(field.metadata().clone());
            DataType::List(field.into())
        }
        DataType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| {
                    let inner = canonical_type(field.data_type(), PgType::of_field(field));
                    Field::new(field.name(), inner, true).with_metadata(field.metadata().clone())
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Whether values are object numbers: `oid` and the types that name objects.
fn is_oid(oid: u32) -> bool {
    by_oid(oid).is_some_and(|entry| {
        let object = matches!(entry.name.as_str(), "oid" | "xid" | "cid");
        object || (entry.length == 4 && entry.name.starts_with("reg"))
    })
}

/// A column, ready to be written as its type is.
///
/// # Errors
/// If a value of such a type cannot be sent in that format.
pub(crate) fn column(array: &ArrayRef, oid: u32, format: Format, zone: Zone) -> Result<Column<'_>> {
    let array = array.as_ref();
    let write = match format {
        Format::Text => text_writer(array, oid, zone)?,
        Format::Binary => binary_writer(array, oid)?,
    };
    Ok(Column { array, write })
}

fn binary_writer(array: &dyn Array, oid: u32) -> Result<Writer<'_>> {
    Ok(match array.data_type() {
        DataType::Null => Box::new(|_, _| {}),
        DataType::Boolean => {
            let values = array.as_boolean();
            Box::new(move |row, out| out.put_u8(u8::from(values.value(row))))
        }
        DataType::Int16 => integer_writer::<Int16Type>(array, oid),
        DataType::Int32 => integer_writer::<Int32Type>(array, oid),
        DataType::Int64 => integer_writer::<Int64Type>(array, oid),
        DataType::UInt32 => primitive::<UInt32Type>(array, |out, it| out.put_u32(it)),
        DataType::Float32 => primitive::<Float32Type>(array, |out, it| out.put_f32(it)),
        DataType::Float64 => primitive::<Float64Type>(array, |out, it| out.put_f64(it)),
        DataType::Decimal128(_, scale) => {
            let scale = *scale;
            primitive::<Decimal128Type>(array, move |out, it| numeric::put_binary(out, it, scale))
        }
        DataType::Date32 => {
            primitive::<Date32Type>(array, |out, it| out.put_i32(it.saturating_sub(EPOCH_DAYS)))
        }
        DataType::Time64(_) => primitive::<Time64MicrosecondType>(array, |out, it| out.put_i64(it)),
        DataType::Timestamp(..) => primitive::<TimestampMicrosecondType>(array, |out, it| {
            out.put_i64(it.saturating_sub(EPOCH_MICROS));
        }),
        DataType::Interval(_) => primitive::<IntervalMonthDayNanoType>(array, |out, it| {
            out.put_i64(it.nanoseconds / 1000);
            out.put_i32(it.days);
            out.put_i32(it.months);
        }),
        DataType::Binary | DataType::BinaryView => {
            bytes_writer(array, |out, bytes| out.put_slice(bytes)).expect("both are binaries")
        }
        DataType::Utf8 | DataType::Utf8View => {
            let put = text_payload(PgType::new(oid).name());
            bytes_writer(array, put).expect("both are texts")
        }
        DataType::List(_) => binary_list(array, oid)?,
        DataType::Struct(_) => binary_record(array.as_struct())?,
        _ => displayed(array)?,
    })
}

/// Integers in the width that their type has on the wire, whatever Arrow keeps them in.
fn integer_writer<'a, T>(array: &'a dyn Array, oid: u32) -> Writer<'a>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64>,
{
    match PgType::new(oid).length() {
        2 => primitive::<T>(array, |out, it| out.put_int(it.into(), 2)),
        4 => primitive::<T>(array, |out, it| out.put_int(it.into(), 4)),
        1 => primitive::<T>(array, |out, it| out.put_int(it.into(), 1)),
        _ => primitive::<T>(array, |out, it| out.put_int(it.into(), 8)),
    }
}

/// Types that are kept as text but go as something else in binary.
fn text_payload(name: &str) -> fn(&mut BytesMut, &[u8]) {
    match name {
        "uuid" => put_uuid,
        "jsonb" => |out, bytes| {
            // The version of the binary form.
            out.put_u8(1);
            out.put_slice(bytes);
        },
        _ => |out, bytes| out.put_slice(bytes),
    }
}

fn put_uuid(out: &mut BytesMut, bytes: &[u8]) {
    let mut digits = bytes.iter().filter_map(|byte| char::from(*byte).to_digit(16));
    for _ in 0..16 {
        let (high, low) = (digits.next().unwrap_or(0), digits.next().unwrap_or(0));
        out.put_u8(u8::try_from(high * 16 + low).unwrap_or(0));
    }
}

/// Dimensions, whether there are nulls, the elements' type, then the elements.
fn binary_list(array: &dyn Array, oid: u32) -> Result<Writer<'_>> {
    let list = array.as_list::<i32>();
    if matches!(list.values().data_type(), DataType::List(_)) {
        let message = "arrays of arrays cannot be sent in binary format";
        return Err(Error::unsupported(message).hint("ask for the column in text format"));
    }
    let ty = PgType::new(oid);
    let vector = matches!(ty.name(), "int2vector" | "oidvector");
    let element = ty.element().unwrap_or(PgType::TEXT);
    let values = list.values().as_ref();
    let column = Column { array: values, write: binary_writer(values, element.oid)? };
    let offsets = list.value_offsets();
    Ok(Box::new(move |row, out| {
        let range = index(offsets[row])..index(offsets[row + 1]);
        let empty = range.is_empty() && !vector;
        out.put_i32(i32::from(!empty));
        out.put_i32(i32::from(range.clone().any(|at| is_null(values, at))));
        out.put_u32(element.oid);
        if empty {
            return;
        }
        out.put_i32(i32::try_from(range.len()).unwrap_or(i32::MAX));
        // The lower bound: the vectors of the catalog count from 0.
        out.put_i32(i32::from(!vector));
        for at in range {
            column.put(at, out);
        }
    }))
}

fn binary_record(array: &StructArray) -> Result<Writer<'_>> {
    let columns = array
        .columns()
        .iter()
        .zip(array.fields())
        .map(|(values, field)| {
            let oid = PgType::of_field(field).oid;
            let write = binary_writer(values.as_ref(), oid)?;
            Ok((oid, Column { array: values.as_ref(), write }))
        })
        .collect::<Result<Vec<_>>>()?;
    let count = i32::try_from(columns.len()).map_err(|_| too_many_columns())?;
    Ok(Box::new(move |row, out| {
        out.put_i32(count);
        for (oid, column) in &columns {
            out.put_u32(*oid);
            column.put(row, out);
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{
        BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array,
        Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
        ListArray, NullArray, StringArray, StringViewArray, Time64NanosecondArray,
        TimestampMicrosecondArray, TimestampSecondArray, UInt32Array, UInt64Array,
    };
    use arrow::datatypes::IntervalMonthDayNano;
    use tokio_postgres::types::{FromSql, Type};

    use super::*;
    use crate::query::postgres::types::METADATA_KEY;

    /// The payload of the first value of a column; `None` is null.
    fn payload(array: &ArrayRef, pg_type: Option<&str>, format: Format) -> Option<Vec<u8>> {
        let metadata = pg_type.map(|name| (METADATA_KEY.to_owned(), name.to_owned()));
        let field = Field::new("x", array.data_type().clone(), true)
            .with_metadata(metadata.into_iter().collect::<HashMap<_, _>>());
        let schema = Arc::new(Schema::new(vec![field]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(array)]);
        let zone = Zone::parse("Europe/Berlin").expect("a zone");
        let encoder = RowEncoder::new(&schema, &[format], zone);
        let batch = encoder.prepare(&batch.expect("one column")).expect("a known layout");
        let (mut out, mut ends) = (BytesMut::new(), Vec::new());
        encoder.encode(&batch, 0, &mut out, &mut ends, usize::MAX).expect("rows");
        let row = &out[..ends[0] as usize];
        assert_eq!(row[0], b'D');
        assert_eq!(row[1..5], u32::try_from(row.len() - 1).expect("short").to_be_bytes());
        assert_eq!(row[5..7], [0, 1]);
        let length = i32::from_be_bytes([row[7], row[8], row[9], row[10]]);
        assert_eq!(row.len(), 11 + usize::try_from(length.max(0)).expect("not negative"));
        (length >= 0).then(|| row[11..].to_vec())
    }

    fn text(array: impl Array + 'static, expected: &str) {
        let array: ArrayRef = Arc::new(array);
        let shown = payload(&array, None, Format::Text);
        let shown =
            shown.map_or("NULL".into(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert_eq!(shown, expected);
    }

    fn binary<'a, T>(
        array: impl Array + 'static,
        pg_type: Option<&str>,
        ty: &Type,
        bytes: &'a mut Vec<u8>,
    ) -> T
    where
        T: FromSql<'a>,
    {
        *bytes = payload(&(Arc::new(array) as ArrayRef), pg_type, Format::Binary).expect("a value");
        T::from_sql(ty, bytes).expect("what a client can read")
    }

    fn words(last: Option<&str>) -> ListArray {
        let values = StringViewArray::from_iter([Some("a"), Some("b c"), None, Some("null"), last]);
        let field = Arc::new(Field::new("item", DataType::Utf8View, true));
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([5]);
        ListArray::new(field, offsets, Arc::new(values), None)
    }

    #[test]
    fn values_go_as_text() {
        text(NullArray::new(1), "NULL");
        text(Int32Array::from(vec![None]), "NULL");
        text(BooleanArray::from(vec![true]), "t");
        text(Int8Array::from(vec![-8]), "-8");
        text(UInt64Array::from(vec![u64::MAX]), "18446744073709551615");
        text(Float32Array::from(vec![0.1]), "0.1");
        text(
            Decimal128Array::from(vec![-1250]).with_precision_and_scale(12, 2).expect("fits"),
            "-12.50",
        );
        text(Date32Array::from(vec![20_484]), "2026-01-31");
        text(Time64NanosecondArray::from(vec![3_600_000_001_000]), "01:00:00.000001");
        text(TimestampSecondArray::from(vec![0]), "1970-01-01 00:00:00");
        text(
            TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC"),
            "1970-01-01 01:00:00+01",
        );
        text(
            IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(1, 2, 3_000_000_000)]),
            "1 mon 2 days 00:00:03",
        );
        text(BinaryArray::from(vec![&b"\x00\xff"[..]]), "\\x00ff");
        text(words(Some("d\"e")), r#"{a,"b c",NULL,"null","d\"e"}"#);
        let dictionary: DictionaryArray<arrow::datatypes::Int8Type> = ["red"].into_iter().collect();
        text(dictionary, "red");
        let record = StructArray::from(vec![
            (
                Arc::new(Field::new("a", DataType::Int32, true)),
                Arc::new(Int32Array::from(vec![1])) as ArrayRef,
            ),
            (
                Arc::new(Field::new("b", DataType::Utf8, true)),
                Arc::new(StringArray::from(vec!["x y"])) as ArrayRef,
            ),
            (
                Arc::new(Field::new("c", DataType::Int32, true)),
                Arc::new(Int32Array::from(vec![None])) as ArrayRef,
            ),
        ]);
        text(record, "(1,\"x y\",)");
    }

    #[test]
    fn clients_read_values_in_binary() {
        let bytes = &mut Vec::new();
        assert!(binary::<bool>(BooleanArray::from(vec![true]), None, &Type::BOOL, bytes));
        assert_eq!(binary::<i16>(Int16Array::from(vec![-2]), None, &Type::INT2, bytes), -2);
        assert_eq!(binary::<i32>(Int32Array::from(vec![7]), None, &Type::INT4, bytes), 7);
        assert_eq!(binary::<i64>(UInt32Array::from(vec![7]), None, &Type::INT8, bytes), 7);
        assert_eq!(binary::<u32>(UInt32Array::from(vec![7]), Some("oid"), &Type::OID, bytes), 7);
        assert_eq!(binary::<u32>(Int64Array::from(vec![7]), Some("oid"), &Type::OID, bytes), 7);
        assert_eq!(binary::<f64>(Float64Array::from(vec![0.5]), None, &Type::FLOAT8, bytes), 0.5);
        let words = binary::<Vec<Option<String>>>(words(Some("")), None, &Type::TEXT_ARRAY, bytes);
        let shown: Vec<_> = words.iter().map(|word| word.as_deref().unwrap_or("NULL")).collect();
        assert_eq!(shown, ["a", "b c", "NULL", "null", ""]);
        let moment =
            TimestampMicrosecondArray::from(vec![1_700_000_000_000_000]).with_timezone("UTC");
        let time: std::time::SystemTime = binary(moment, None, &Type::TIMESTAMPTZ, bytes);
        let since = time.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        assert_eq!(since.as_micros(), 1_700_000_000_000_000);
    }

    #[test]
    fn texts_with_another_type_go_in_its_form() {
        let bytes = |value: &str, pg_type| {
            let array: ArrayRef = Arc::new(StringArray::from(vec![value]));
            payload(&array, Some(pg_type), Format::Binary).expect("a value")
        };
        assert_eq!(bytes("{}", "json"), b"{}");
        assert_eq!(bytes("{}", "jsonb"), b"\x01{}");
        let uuid = bytes("00112233-4455-6677-8899-aabbccddeeff", "uuid");
        assert_eq!(uuid, 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes());
    }

    #[test]
    fn rows_are_cut_into_chunks() {
        let array: ArrayRef = Arc::new(Int32Array::from_iter_values(0..1000));
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int32, true)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array]).expect("one column");
        let encoder = RowEncoder::new(&schema, &[Format::Text], Zone::UTC);
        let batch = encoder.prepare(&batch).expect("a known layout");
        let (mut row, mut chunks, mut rows) = (0, 0, 0);
        while row < batch.row_count {
            let (mut out, mut ends) = (BytesMut::new(), Vec::new());
            row = encoder.encode(&batch, row, &mut out, &mut ends, 100).expect("rows");
            assert!(
                out.len() < 120 && ends.last() == Some(&u32::try_from(out.len()).expect("short"))
            );
            (chunks, rows) = (chunks + 1, rows + ends.len());
        }
        assert_eq!((chunks, rows), (125, 1000));
    }

    #[test]
    fn formats_are_none_one_or_all() {
        let formats =
            |codes: &[i16]| Format::of_columns(codes, 2).map_err(|error| error.code().0.to_owned());
        assert_eq!(formats(&[]), Ok(vec![Format::Text; 2]));
        assert_eq!(formats(&[1]), Ok(vec![Format::Binary; 2]));
        assert_eq!(formats(&[0, 1]), Ok(vec![Format::Text, Format::Binary]));
        assert_eq!(formats(&[0, 1, 0]), Err("08P01".to_owned()));
        assert_eq!(formats(&[2]), Err("22023".to_owned()));
    }
}
