//! Computed identities by every way that rows come in, and after a restart.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Date32Array, Decimal128Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use selfsame::env::memory_disk::MemoryDisk;

use crate::driver::Client;

const DEFINITIONS: &str = "
    CREATE NAMESPACE id; CREATE NAMESPACE key NORMALIZE lower;
    CREATE DATASET d (id TEXT IDENTITY id, name TEXT, born DATE, paid NUMERIC(8,2),
        k TEXT IDENTITY key AS (id || '/' || name || '/' || born || '/' || 100 / paid));";

const COLUMNS: [&str; 4] = ["id", "name", "born", "paid"];

const NAMES: [Option<&str>; 5] = [Some("Ann"), Some("Bob, B"), None, Some("É"), Some("Zoë")];

const ROWS: i32 = 90;

/// Every ninth row has nothing to divide by.
fn cents(row: i32) -> i128 {
    i128::from(row % 9) * 25
}

fn batch() -> RecordBatch {
    let ids: StringArray = (0..ROWS).map(|row| Some(format!("C{row}"))).collect();
    let names: StringArray = (0..ROWS).map(|row| NAMES[row as usize % NAMES.len()]).collect();
    let born: Date32Array = (0..ROWS).map(|row| Some(row * 37 - 5_000)).collect();
    let paid: Decimal128Array = (0..ROWS).map(|row| Some(cents(row))).collect();
    let paid = paid.with_precision_and_scale(8, 2).expect("they fit");
    let columns: Vec<ArrayRef> =
        vec![Arc::new(ids), Arc::new(names), Arc::new(born), Arc::new(paid)];
    let field = |(name, column): (_, &ArrayRef)| Field::new(name, column.data_type().clone(), true);
    let schema = Schema::new(COLUMNS.into_iter().zip(&columns).map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns).expect("columns of one length")
}

/// The rows as text: `field` writes a value of a column.
fn lines(field: impl Fn(&str, Option<&str>) -> String) -> Vec<String> {
    let texts: Vec<StringArray> = batch()
        .columns()
        .iter()
        .map(|column| arrow::compute::cast(column, &DataType::Utf8).expect("it can be shown"))
        .map(|column| StringArray::from(column.to_data()))
        .collect();
    let value = |at: usize, row: usize| texts[at].is_valid(row).then(|| texts[at].value(row));
    let line = |row: usize| {
        let fields = COLUMNS.iter().enumerate().map(|(at, name)| field(name, value(at, row)));
        fields.collect::<Vec<_>>().join(",")
    };
    (0..ROWS as usize).map(line).collect()
}

fn write_files(folder: &Path) {
    let csv = |_: &str, text: Option<&str>| text.map_or(String::new(), |it| format!("\"{it}\""));
    let csv = format!("{}\n{}\n", COLUMNS.join(","), lines(csv).join("\n"));
    fs::write(folder.join("d.csv"), csv).expect("a file");
    let json = |name: &str, text: Option<&str>| {
        let value = text.map_or("null".to_owned(), |it| format!("\"{it}\""));
        format!("\"{name}\":{value}")
    };
    let json: String = lines(json).iter().map(|line| format!("{{{line}}}\n")).collect();
    fs::write(folder.join("d.ndjson"), json).expect("a file");
    let file = fs::File::create(folder.join("d.parquet")).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch().schema(), None).expect("a writer");
    writer.write(&batch()).expect("rows");
    writer.close().expect("a file");
}

/// An INSERT of the rows that compute: an INSERT takes all or none.
fn insert() -> String {
    let literal =
        |_: &str, text: Option<&str>| text.map_or("NULL".to_owned(), |it| format!("'{it}'"));
    let rows = lines(literal).into_iter().zip(0..);
    let good = rows.filter(|(_, row)| cents(*row) != 0).map(|(line, _)| format!("({line})"));
    format!("INSERT INTO d VALUES {}", good.collect::<Vec<_>>().join(","))
}

fn keys(client: &Client) -> String {
    let records = client.try_records("SELECT id, k FROM d ORDER BY id");
    format!("{:?}", records.expect("the table can be read"))
}

#[test]
fn all_ways_in_give_the_same_and_a_restart_keeps_it() {
    let folder = tempfile::tempdir().expect("a folder");
    write_files(folder.path());
    let copy = |file: &str| format!("COPY d FROM '{file}'");
    let mut first = None;
    for way in [copy("d.csv"), copy("d.ndjson"), copy("d.parquet"), insert()] {
        let disk = MemoryDisk::new();
        let client = Client::reading(disk.clone(), vec![folder.path().to_owned()]);
        let client = client.expect("an empty store");
        client.run(DEFINITIONS);
        let tag = client.run(&way);
        assert!(tag.ends_with(" 80"), "{tag}: {way}");
        let before = keys(&client);
        client.database.close().expect("nothing is wrong with the disk");
        let again = Client::open(disk).expect("the store opens");
        assert_eq!(keys(&again), before, "after a restart: {way}");
        assert!(before.contains("C1/Bob, B/1956-05-31/400.0000"), "{before}");
        assert_eq!(first.get_or_insert_with(|| before.clone()), &before, "{way}");
    }
}
