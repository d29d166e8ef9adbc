//! Random rows of every type, written in every format and read back: the same rows, every time.
//!
//! Written by other code than is tested: Arrow's formatter and Parquet writer, serde_json, and the
//! few lines of quoting below.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, Int64Builder, ListBuilder, RecordBatch, StringViewArray,
    StringViewBuilder, TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::util::display::ArrayFormatter;
use proptest::prelude::*;

use super::{read, stream, target};
use crate::ingest::render::FORMATS;
use crate::model::column::UTC;

const COLUMNS: &str = "t text;b bool;i2 int2;i4 int4;i8 int8;f4 float4;f8 float8;n numeric;\
    d date;ts timestamp;tz timestamptz;ta text[];ia int8[]";

type Numbers = (Option<i16>, Option<i32>, Option<i64>, Option<f32>, Option<f64>, Option<i64>);
type Lists = (Option<Vec<Option<String>>>, Option<Vec<Option<i64>>>);

/// One row: text, boolean, numbers, day, two instants, lists.
type Row =
    ((Option<String>, Option<bool>), Numbers, (Option<i32>, Option<i64>, Option<i64>), Lists);

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,20}",
        "[a\"',;|{}\\\\\\[\\]\n\r\tN ]{0,12}",
        "(ä|😀|NULL|null|\\\\N|\\\\\\.|[0-9]| ){0,5}",
        "[^\u{0}]{0,60}",
    ]
}

fn row() -> impl Strategy<Value = Row> {
    use proptest::option::of;
    let micros = || of(-62_135_596_800_000_000i64..253_402_300_800_000_000);
    let numbers = (
        of(any::<i16>()),
        of(any::<i32>()),
        of(any::<i64>()),
        of(any::<f32>()),
        of(any::<f64>()),
        of(-999_999_999_999i64..=999_999_999_999),
    );
    let lists = (
        of(proptest::collection::vec(of(text()), 0..4)),
        of(proptest::collection::vec(of(any::<i64>()), 0..4)),
    );
    let days = of(-719_162i32..=2_932_896);
    ((of(text()), of(any::<bool>())), numbers, (days, micros(), micros()), lists)
}

fn batch(rows: &[Row]) -> RecordBatch {
    let mut texts = ListBuilder::new(StringViewBuilder::new());
    let mut integers = ListBuilder::new(Int64Builder::new());
    for (_, _, _, (text, integer)) in rows {
        texts.append_option(text.clone());
        integers.append_option(integer.clone());
    }
    let numerics: Decimal128Array = rows.iter().map(|row| row.1.5.map(i128::from)).collect();
    let numerics = numerics.with_precision_and_scale(12, 2).unwrap();
    let zoned: TimestampMicrosecondArray = rows.iter().map(|row| row.2.2).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0.0.clone()).collect::<StringViewArray>()),
        Arc::new(rows.iter().map(|row| row.0.1).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| row.1.0).collect::<Int16Array>()),
        Arc::new(rows.iter().map(|row| row.1.1).collect::<Int32Array>()),
        Arc::new(rows.iter().map(|row| row.1.2).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1.3).collect::<Float32Array>()),
        Arc::new(rows.iter().map(|row| row.1.4).collect::<Float64Array>()),
        Arc::new(numerics),
        Arc::new(rows.iter().map(|row| row.2.0).collect::<Date32Array>()),
        Arc::new(rows.iter().map(|row| row.2.1).collect::<TimestampMicrosecondArray>()),
        Arc::new(zoned.with_timezone(UTC)),
        Arc::new(texts.finish()),
        Arc::new(integers.finish()),
    ];
    RecordBatch::try_new(target(COLUMNS).schema(), columns).unwrap()
}

/// The texts of a row, but for its lists.
fn scalars(batch: &RecordBatch, row: usize) -> Vec<Option<String>> {
    let columns = batch.columns()[..11].iter();
    let text = |column: &ArrayRef| {
        let formatter = ArrayFormatter::try_new(column, &FORMATS).unwrap();
        column.is_valid(row).then(|| formatter.value(row).to_string())
    };
    columns.map(text).collect()
}

/// A list as PostgreSQL writes it.
fn literal<T: ToString>(elements: &[Option<T>]) -> String {
    let quoted = |element: &T| {
        format!("\"{}\"", element.to_string().replace('\\', "\\\\").replace('"', "\\\""))
    };
    let elements: Vec<_> = elements
        .iter()
        .map(|element| element.as_ref().map_or_else(|| "NULL".into(), quoted))
        .collect();
    format!("{{{}}}", elements.join(","))
}

/// The texts of a row, lists included.
fn texts(batch: &RecordBatch, rows: &[Row], row: usize) -> Vec<Option<String>> {
    let mut cells = scalars(batch, row);
    cells.push(rows[row].3.0.as_ref().map(|elements| literal(elements)));
    cells.push(rows[row].3.1.as_ref().map(|elements| literal(elements)));
    cells
}

fn csv(batch: &RecordBatch, rows: &[Row]) -> String {
    let quoted = |cell: Option<String>| match cell {
        None => String::new(),
        Some(text) if !text.is_empty() && !text.contains([',', '"', '\n', '\r']) => text,
        Some(text) => format!("\"{}\"", text.replace('"', "\"\"")),
    };
    let mut out = header(batch, ",");
    for row in 0..rows.len() {
        let cells: Vec<_> = texts(batch, rows, row).into_iter().map(quoted).collect();
        out += &(cells.join(",") + "\n");
    }
    out
}

fn postgresql_text(batch: &RecordBatch, rows: &[Row]) -> String {
    let escaped = |cell: Option<String>| {
        cell.map_or_else(
            || "\\N".into(),
            |text| {
                text.replace('\\', "\\\\")
                    .replace('\t', "\\t")
                    .replace('\n', "\\n")
                    .replace('\r', "\\r")
            },
        )
    };
    let mut out = header(batch, "\t");
    for row in 0..rows.len() {
        let cells: Vec<_> = texts(batch, rows, row).into_iter().map(escaped).collect();
        out += &(cells.join("\t") + "\n");
    }
    out
}

fn header(batch: &RecordBatch, delimiter: &str) -> String {
    let schema = batch.schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    names.join(delimiter) + "\n"
}

fn ndjson(batch: &RecordBatch, rows: &[Row]) -> String {
    let mut out = String::new();
    for (row, values) in rows.iter().enumerate() {
        let mut members = Vec::new();
        for (field, text) in batch.schema().fields().iter().zip(scalars(batch, row)) {
            let ty = field.data_type();
            let number = ty.is_numeric()
                && text.as_ref().is_some_and(|text| text.ends_with(|c: char| c.is_ascii_digit()));
            let value = match text {
                None => "null".to_owned(),
                Some(text) if number || *ty == arrow::datatypes::DataType::Boolean => text,
                Some(text) => serde_json::to_string(&text).unwrap(),
            };
            members.push(format!("\"{}\": {value}", field.name()));
        }
        members.push(format!("\"ta\":{}", serde_json::to_string(&values.3.0).unwrap()));
        members.push(format!("\"ia\":{}", serde_json::to_string(&values.3.1).unwrap()));
        out += &format!("{{{}}}\n", members.join(","));
    }
    out
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn check(format: &str, bytes: impl AsRef<[u8]>, expected: &RecordBatch) {
    let sink = read(format, COLUMNS, stream(bytes)).unwrap();
    assert!(sink.rejects.is_empty(), "{format}: {:?}", sink.rejects);
    assert!(sink.notices.is_empty(), "{format}: {:?}", sink.notices);
    let read = concat_batches(&expected.schema(), &sink.batches).unwrap();
    // By their text first: a difference is easier to see in it, and NaN equals NaN.
    for (row, (_, shown)) in sink.rows.iter().enumerate() {
        let scalars: Vec<_> = scalars(expected, row)
            .into_iter()
            .map(|text| text.unwrap_or_else(|| "-".into()))
            .collect();
        assert!(shown.starts_with(&scalars.join("|")), "{format}: {shown:?} {scalars:?}");
    }
    for (column, field) in expected.schema().fields().iter().enumerate() {
        if !field.data_type().is_floating() {
            assert_eq!(read.column(column), expected.column(column), "{format} {}", field.name());
        }
    }
}

proptest! {
    // Each case is twenty rows in four formats, or ten readings; more cases cost more than they find.
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_type_survives_every_format(rows in proptest::collection::vec(row(), 1..20)) {
        let expected = batch(&rows);
        check("csv batch_rows=7", csv(&expected, &rows), &expected);
        check("text header=on batch_rows=7", postgresql_text(&expected, &rows), &expected);
        check("ndjson batch_rows=7", ndjson(&expected, &rows), &expected);
        check("parquet batch_rows=7", parquet(&expected), &expected);
    }

    /// Whatever the bytes: rows and rejects or an error, never a panic, and the same by any reads.
    #[test]
    fn arbitrary_bytes_are_survived(bytes in "([a-b01]|[,\"\\\\\n\r{}:\\[\\]\t. ]|ä){0,40}") {
        for format in ["csv", "csv header=off", "text", "ndjson", "csv quote=' escape=\\"] {
            super::check(format, "a int4;b text[]", &bytes);
        }
        let line = format!("{{\"a\":1,\"b\":\"{bytes}\"}}\n{{\"a\":{bytes}}}\n");
        super::check("ndjson", "a int4;b text[]", line);
    }
}
