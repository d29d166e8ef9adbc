//! Parquet files of foreign types, damaged files, and `coerce` by itself.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date64Array, Decimal128Array,
    DictionaryArray, Float64Array, Int32Array, Int64Array, LargeListArray, LargeStringArray,
    ListArray, NullArray, RecordBatch, StringArray, StructArray, Time64MicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Int64Type};
use arrow::util::display::ArrayFormatter;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::{describe, outcome, read, stream, type_of};
use crate::ingest::coerce;
use crate::ingest::render::FORMATS;

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(3)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// Values after coercion, and below them what failed.
fn check(array: impl Array + 'static, ty: &str) -> String {
    let array: ArrayRef = Arc::new(array);
    let ty = type_of(ty);
    let (result, failures) = match coerce(&array, &ty) {
        Ok(outcome) => outcome,
        Err(error) => return describe(&error),
    };
    assert_eq!(*result.data_type(), ty.to_arrow());
    assert_eq!(result.len(), array.len());
    let formats = FORMATS.with_null("-");
    let shown = ArrayFormatter::try_new(&result, &formats).unwrap();
    let values: Vec<_> = (0..result.len()).map(|row| shown.value(row).to_string()).collect();
    let mut lines = vec![values.join("|")];
    for (row, code, message) in failures {
        assert!(result.is_null(row), "the slot of a failure is null");
        lines.push(format!("{row}! {code} {message}"));
    }
    lines.join("\n")
}

fn dictionary(values: &[Option<&str>]) -> DictionaryArray<Int32Type> {
    values.iter().copied().collect()
}

fn people() -> StructArray {
    let tags = DictionaryArray::<Int32Type>::from_iter(["x", "y"]);
    let fields = Fields::from(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("age", DataType::Int64, true),
        Field::new("tag", tags.data_type().clone(), true),
    ]);
    let names = StringArray::from(vec![Some("A\"nn"), None]);
    let ages = Int64Array::from(vec![Some(1), Some(2)]);
    StructArray::new(fields, vec![Arc::new(names), Arc::new(ages), Arc::new(tags)], None)
}

#[test]
fn numbers_are_coerced() {
    let wide = || Int64Array::from(vec![Some(1), None, Some(40_000), Some(3_000_000_000)]);
    assert_eq!(check(wide(), "int8"), "1|-|40000|3000000000");
    assert_eq!(
        check(wide(), "int4"),
        "1|-|40000|-\n3! 22003 value \"3000000000\" is out of range for type integer"
    );
    assert!(
        check(wide(), "int2")
            .ends_with("3! 22003 value \"3000000000\" is out of range for type smallint")
    );
    assert_eq!(check(wide(), "numeric"), "1.00|-|40000.00|3000000000.00");
    assert_eq!(check(wide(), "float8"), "1.0|-|40000.0|3000000000.0");
    assert_eq!(check(wide(), "text"), "1|-|40000|3000000000");
    assert_eq!(
        check(Int64Array::from(vec![0, 1, 2]), "bool"),
        "false|true|-\n2! 22P02 invalid input syntax for type boolean: \"2\""
    );
    assert_eq!(
        check(UInt64Array::from(vec![1, u64::MAX]), "int8"),
        "1|-\n1! 22003 value \"18446744073709551615\" is out of range for type bigint"
    );
    let floats = || Float64Array::from(vec![12.0, 1.005, -2.5, 1e300, f64::NAN]);
    assert_eq!(
        check(floats(), "int4"),
        concat!(
            "12|-|-|-|-\n",
            "1! 22P02 invalid input syntax for type integer: \"1.005\"\n",
            "2! 22P02 invalid input syntax for type integer: \"-2.5\"\n",
            "3! 22P02 invalid input syntax for type integer: \"1e300\"\n",
            "4! 22P02 invalid input syntax for type integer: \"NaN\""
        )
    );
    assert!(check(floats(), "numeric").starts_with("12.00|1.01|-2.50|-|-\n"));
    assert_eq!(
        check(floats(), "float4"),
        "12.0|1.005|-2.5|-|NaN\n3! 22003 value \"1e300\" is out of range for type real"
    );
    let decimals = |units: Vec<i128>, scale| {
        Decimal128Array::from(units).with_precision_and_scale(20, scale).unwrap()
    };
    assert_eq!(check(decimals(vec![1005, -1005, 1004], 3), "numeric"), "1.01|-1.01|1.00");
    assert!(
        check(decimals(vec![10i128.pow(12)], 0), "numeric")
            .contains("22003 numeric field overflow")
    );
    assert_eq!(
        check(decimals(vec![17, 1 << 40], 0), "int4"),
        "17|-\n1! 22003 value \"1099511627776\" is out of range for type integer"
    );
    assert_eq!(
        check(decimals(vec![1700, 1750], 2), "int4"),
        "17|-\n1! 22P02 invalid input syntax for type integer: \"17.50\""
    );
}

#[test]
fn times_are_coerced() {
    let seconds = || TimestampSecondArray::from(vec![Some(0), None, Some(-1), Some(i64::MAX)]);
    assert_eq!(
        check(seconds(), "timestamptz"),
        "1970-01-01 00:00:00+00:00|-|1969-12-31 23:59:59+00:00|-\n3! 22008 date/time field value out of range: \"9223372036854775807\""
    );
    assert!(check(seconds(), "date").starts_with("1970-01-01|-|1969-12-31|-\n3! 22008"));
    let millis = TimestampMillisecondArray::from(vec![1]).with_timezone("Europe/Berlin");
    assert_eq!(check(millis.clone(), "timestamp"), "1970-01-01 00:00:00.001");
    assert_eq!(check(millis, "text"), "1970-01-01 00:00:00.001+00:00");
    let nanos = TimestampNanosecondArray::from(vec![1500, 1499, -500, -501, i64::MIN]);
    assert_eq!(
        check(nanos, "timestamp"),
        "1970-01-01 00:00:00.000002|1970-01-01 00:00:00.000001|1970-01-01 00:00:00|1969-12-31 23:59:59.999999|1677-09-21 00:12:43.145224"
    );
    assert_eq!(check(Date64Array::from(vec![86_400_000]), "timestamp"), "1970-01-02 00:00:00");
    assert_eq!(
        check(arrow::array::Date32Array::from(vec![0, i32::MAX]), "date"),
        "1970-01-01|-\n1! 22008 date/time field value out of range: \"2147483647\""
    );
    assert_eq!(check(Time64MicrosecondArray::from(vec![1_000_000]), "text"), "00:00:01");
}

#[test]
fn texts_are_coerced() {
    let texts = || LargeStringArray::from(vec![Some("2024-01-31"), None, Some("x")]);
    assert_eq!(check(texts(), "text"), "2024-01-31|-|x");
    assert_eq!(
        check(texts(), "date"),
        "2024-01-31|-|-\n2! 22007 invalid input syntax for type date: \"x\""
    );
    assert_eq!(
        check(StringArray::from(vec!["a\0", "b"]), "text"),
        "-|b\n0! 22021 invalid byte sequence for encoding \"UTF8\": 0x00"
    );
    assert_eq!(check(StringArray::from(vec!["{a,b}", "[]"]), "text[]"), "[a, b]|[]");
    assert_eq!(check(dictionary(&[Some("1"), None, Some("1")]), "text"), "1|-|1");
    assert_eq!(
        check(dictionary(&[Some("1"), None, Some("y")]), "int4"),
        "1|-|-\n2! 22P02 invalid input syntax for type integer: \"y\""
    );
    let bytes = BinaryArray::from(vec![Some("ä".as_bytes()), None, Some(b"\xff")]);
    assert_eq!(
        check(bytes.clone(), "text"),
        "ä|-|-\n2! 22021 invalid byte sequence for encoding \"UTF8\""
    );
    assert_eq!(
        check(bytes, "int4"),
        "error 42804: column is of type INTEGER but the value is of type Binary"
    );
    assert_eq!(check(BooleanArray::from(vec![true]), "text"), "true");
    assert_eq!(check(NullArray::new(2), "date"), "-|-");
}

#[test]
fn nested_values_are_coerced() {
    let lists = |rows: Vec<Option<Vec<Option<i64>>>>| {
        ListArray::from_iter_primitive::<Int64Type, _, _>(rows)
    };
    let rows = vec![
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
        Some(vec![Some(1 << 40), Some(1 << 41)]),
    ];
    assert_eq!(check(lists(rows.clone()), "int8[]"), "[1, -]|-|[]|[1099511627776, 2199023255552]");
    let expected =
        "[1, -]|-|[]|-\n3! 22003 value \"1099511627776\" is out of range for type integer";
    assert_eq!(check(lists(rows.clone()), "int4[]"), expected);
    // A slice starts at an offset of its own.
    let sliced = lists(rows.clone()).slice(2, 2);
    assert!(check(sliced, "int4[]").starts_with("[]|-\n1! 22003"));
    let large = LargeListArray::from_iter_primitive::<Int64Type, _, _>(rows.clone());
    assert_eq!(check(large, "int4[]"), expected);
    assert_eq!(check(lists(rows), "text"), "[1,null]|-|[]|[1099511627776,2199023255552]");
    assert_eq!(
        check(people(), "text"),
        r#"{"name":"A\"nn","age":1,"tag":"x"}|{"name":null,"age":2,"tag":"y"}"#
    );
}

#[test]
fn what_can_never_fit_is_an_error() {
    for (array, ty) in [
        (Arc::new(people()) as ArrayRef, "date"),
        (Arc::new(people()), "text[]"),
        (Arc::new(Int64Array::from(vec![1])), "date"),
        (Arc::new(Int64Array::from(vec![1])), "timestamptz"),
        (Arc::new(Int64Array::from(vec![1])), "int8[]"),
        (Arc::new(BooleanArray::from(vec![true])), "int4"),
        (Arc::new(Date64Array::from(vec![1])), "int4"),
        (
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)])])),
            "int4",
        ),
        (
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)])])),
            "date[]",
        ),
    ] {
        let error = coerce(&array, &type_of(ty)).unwrap_err();
        assert_eq!(error.code().0, "42804", "{} {ty}", array.data_type());
    }
}

#[test]
fn a_type_that_fits_is_not_touched() {
    let array: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let (result, _) = coerce(&array, &type_of("int8")).unwrap();
    assert!(Arc::ptr_eq(&array, &result));
    let array: ArrayRef = Arc::new(arrow::array::StringViewArray::from(vec!["a"]));
    let (result, _) = coerce(&array, &type_of("text")).unwrap();
    assert_eq!(result.as_string_view().views().as_ptr(), array.as_string_view().views().as_ptr());
}

#[test]
fn files_are_matched_coerced_and_numbered() {
    let bytes = file(vec![
        ("Id", Arc::new(Int64Array::from(vec![1, 2, 3_000_000_000, 4, 5]))),
        ("spare", Arc::new(Int64Array::from(vec![0, 0, 0, 0, 0]))),
        (
            "day",
            Arc::new(StringArray::from(vec![Some("2024-01-31"), None, Some("x"), Some("y"), None])),
        ),
    ]);
    let expected = concat!(
        "notice: column \"spare\" of the file is not in the dataset: ignored\n",
        "notice: column \"extra\" of the dataset is not in the file: null\n",
        "1: 2024-01-31|-|1\n2: -|-|2\n5: -|-|5\n",
        "3! 22007 column \"day\": invalid input syntax for type date: \"x\" <{\\\"Id\\\":3000000000,\\\"day\\\":\\\"x\\\"}>\n",
        "4! 22007 column \"day\": invalid input syntax for type date: \"y\" <{\\\"Id\\\":4,\\\"day\\\":\\\"y\\\"}>"
    );
    for format in ["parquet", "parquet batch_rows=1", "parquet batch_rows=2"] {
        assert_eq!(outcome(format, "day date;extra text;id int4", stream(&bytes)), expected);
    }
    let sink = read("parquet", "id int8;day text", stream(&bytes)).unwrap();
    assert_eq!(sink.raws[4], "{\"Id\":5,\"day\":null}");
    let expected = "error 42703: the file has no column in common with the dataset (the file has \"Id\", \"spare\", \"day\"; the dataset has \"a\")";
    assert_eq!(outcome("parquet", "a text", stream(&bytes)), expected);
    let nested = file(vec![("p", Arc::new(people()))]);
    let outcome = outcome("parquet", "p date", stream(nested));
    assert!(
        outcome.starts_with("error 42804: column \"p\": column is of type DATE but"),
        "{outcome}"
    );
}

#[test]
fn files_on_disk_are_read_in_place() {
    use std::io::{Seek, Write};
    let mut handle = tempfile::tempfile().unwrap();
    handle.write_all(&file(vec![("a", Arc::new(Int32Array::from(vec![1, 2])))])).unwrap();
    handle.rewind().unwrap();
    assert_eq!(outcome("parquet", "a int8", crate::ingest::Input::File(handle)), "1: 1\n2: 2");
}

#[test]
fn uuids_are_spelled() {
    use parquet::basic::{LogicalType, Type};
    use parquet::data_type::{FixedLenByteArray, FixedLenByteArrayType};
    use parquet::file::writer::SerializedFileWriter;
    let uuid =
        parquet::schema::types::Type::primitive_type_builder("id", Type::FIXED_LEN_BYTE_ARRAY)
            .with_length(16)
            .with_logical_type(Some(LogicalType::Uuid))
            .with_repetition(parquet::basic::Repetition::REQUIRED)
            .build()
            .unwrap();
    let root = parquet::schema::types::Type::group_type_builder("schema")
        .with_fields(vec![Arc::new(uuid)])
        .build()
        .unwrap();
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, Arc::new(root), Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let value = FixedLenByteArray::from((0xf0..=0xffu8).collect::<Vec<_>>());
    column.typed::<FixedLenByteArrayType>().write_batch(&[value], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    assert_eq!(
        outcome("parquet", "id text", stream(bytes)),
        "1: f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff"
    );
}

#[test]
fn long_rows_come_in_small_batches() {
    let value = "x".repeat(1 << 20);
    let texts: Vec<_> = (0..40).map(|row| format!("{row}{value}")).collect();
    let bytes = file(vec![("a", Arc::new(StringArray::from(texts)))]);
    let sink = read("parquet", "a text", stream(bytes)).unwrap();
    assert_eq!(sink.rows.len(), 40);
    assert!(sink.batches.iter().all(|batch| batch.num_rows() <= 16));
}

#[test]
fn every_cut_and_every_flipped_byte_ends_the_load_or_changes_no_shape() {
    let bytes = file(vec![
        ("a", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("b", Arc::new(dictionary(&[Some("x"), None, Some("y"), Some("x")]))),
        (
            "c",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
                Some(vec![Some(1)]);
                4
            ])),
        ),
    ]);
    let columns = "a int8;b text;c int8[]";
    for length in 0..bytes.len() {
        let outcome = outcome("parquet", columns, stream(&bytes[..length]));
        assert!(outcome.starts_with("error 22P04"), "cut to {length}: {outcome}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        // Pages carry no checksum here, so a flipped value is a value; all else must be told.
        if let Err(error) = read("parquet", columns, stream(&damaged)) {
            assert!(
                ["22P04", "42703", "42804"].contains(&error.code().0),
                "{at}: {}",
                describe(&error)
            );
        }
    }
}
