//! FORGET: a person is gone from every table, from the past, and from the bytes of the store; others are as if
//! the person had never been there.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use selfsame::engine::{self, Load, LoadReport, Source};
use selfsame::env::disk::Disk;
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::error::SqlState;
use selfsame::ingest::{Input, Options, format_named};

use crate::driver::Client;
use crate::model::Value;
use crate::objects::caught_up;

const DEFINITIONS: &str = "
    CREATE NAMESPACE crm UNIQUE; CREATE NAMESPACE mail KIND EMAIL NORMALIZE lower;
    CREATE NAMESPACE cookie KIND COOKIE;
    CREATE DATASET people (crm TEXT IDENTITY crm, mail TEXT IDENTITY mail, city TEXT);
    CREATE EVENT DATASET visits (id TEXT EVENT ID, cookie TEXT IDENTITY cookie,
        mail TEXT IDENTITY mail, page TEXT);";

/// What must not be found any more; all of it is of one person.
const TRACES: [&str; 4] = ["quixote@mancha.es", "QX-1605", "cookie-of-quixote", "Argamasilla"];

fn load(client: &Client, dataset: &str, csv: &str) -> LoadReport {
    let input = Input::Stream(Box::new(Cursor::new(csv.as_bytes().to_vec())));
    client
        .database
        .load(Load {
            dataset: dataset.to_owned(),
            columns: None,
            sources: vec![Source { name: "rows".to_owned(), input }],
            format: format_named("csv").expect("a format"),
            options: Options::default(),
            max_rejects: None,
        })
        .expect("a sound disk")
}

/// Others, in the same datasets.
fn others(client: &Client) {
    client.run(
        "INSERT INTO people VALUES ('S1', 'sancho@x', 'Toboso'), ('S1', 'panza@x', 'Toboso');
         INSERT INTO visits VALUES ('v1', 'cs', 'sancho@x', 'mill'), ('v2', 'cs', NULL, 'inn')",
    );
    load(client, "people", "crm,mail,city\nS2,dulcinea@x,Toboso\nnull,,Nowhere\n");
}

/// The person, in every way that a person can be in a store.
fn person(client: &Client) {
    client.run(
        "INSERT INTO people VALUES ('QX-1605', 'quixote@mancha.es', 'Argamasilla');
         INSERT INTO visits VALUES ('v3', 'cookie-of-quixote', NULL, 'windmill')",
    );
    client.database.flush().expect("a sound disk");
    client.run(
        "INSERT INTO visits VALUES ('v4', 'cookie-of-quixote', 'Quixote@Mancha.es', 'inn');
         LINK crm 'QX-1605' TO mail 'rocinante@x' COMMENT 'the horse of quixote@mancha.es'",
    );
    let csv = "crm,mail,city\nnull,, not quixote@mancha.es but nobody\nnull,,\"at QX-1605's\"\n";
    assert_eq!(load(client, "people", csv).rejected, 2);
}

fn filled() -> (MemoryDisk, Client) {
    let disk = MemoryDisk::new();
    let client = Client::open(disk.clone()).expect("an empty store");
    client.run(DEFINITIONS);
    others(&client);
    person(&client);
    (disk, client)
}

/// Everything that can be asked; ids apart, which others have whatever they came with.
const TABLES: [&str; 8] = [
    "SELECT crm, mail, city FROM people ORDER BY 1, 2, 3",
    "SELECT id, cookie, mail, page FROM visits ORDER BY 1",
    "SELECT namespace, identity, fragment_count FROM identities ORDER BY 1, 2",
    "SELECT crm, mail, city, event_count FROM profiles ORDER BY 1, 2, 3",
    "SELECT left_identity, right_identity, live FROM identity_links ORDER BY 1, 2",
    "SELECT raw, message FROM rejects ORDER BY 1, 2",
    "SELECT left_identity, right_identity FROM selfsame.decisions ORDER BY 1, 2",
    "SELECT kind, statement FROM identity_changes ORDER BY 1, 2",
];

fn tables(client: &Client) -> Vec<Vec<BTreeMap<String, Value>>> {
    TABLES.iter().map(|sql| client.records(sql)).collect()
}

fn expected() -> Vec<Vec<BTreeMap<String, Value>>> {
    let client = Client::open(MemoryDisk::new()).expect("an empty store");
    client.run(DEFINITIONS);
    others(&client);
    tables(&client)
}

/// Files, those of the log unpacked, that have a trace in them. Parquet pages are compressed: each column is
/// read and searched as text besides.
fn traces(disk: &MemoryDisk) -> Vec<String> {
    let mut found = Vec::new();
    for path in disk.walk().expect("a disk in memory") {
        let name = if path == "manifest" { "./manifest" } else { &path };
        let bytes = disk.read(name).expect("a file").read_all().expect("a file");
        let mut texts = vec![String::from_utf8_lossy(&bytes).into_owned()];
        if path.ends_with(".parquet") {
            let reader =
                parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes);
            for batch in reader.expect("a Parquet file").build().expect("a Parquet file") {
                texts.push(format!("{:?}", batch.expect("a Parquet file")));
            }
        }
        for trace in TRACES.iter().chain(&["rocinante"]) {
            if texts.iter().any(|it| it.to_lowercase().contains(&trace.to_lowercase())) {
                found.push(format!("{trace} in {path}"));
            }
        }
    }
    found
}

fn synced(disk: &MemoryDisk) -> MemoryDisk {
    for folder in ["log", "segments", "deletions", "identities", "derived"] {
        disk.sync_folder(folder).expect("a disk in memory");
    }
    disk.crash(0)
}

#[test]
fn a_forgotten_person_is_gone_from_everything_and_others_are_not() {
    let (disk, client) = filled();
    assert!(!traces(&disk).is_empty());
    let told = client.records("EXPLAIN FORGET mail 'QUIXOTE@mancha.es'");
    let before = tables(&client);
    let receipt = client.records("FORGET mail 'QUIXOTE@mancha.es' NOW");
    assert_ne!(before, expected());
    for (column, value) in &told[0] {
        assert_eq!(&receipt[0][column], value, "{column}: a dry run told something else");
    }
    let number = |name: &str| match receipt[0][name] {
        Value::Int(number) => number,
        ref other => panic!("{name} is {other:?}"),
    };
    let counts = ["fragment_count", "event_count", "reject_count", "decision_count"].map(number);
    assert_eq!(counts, [1, 2, 2, 1]);
    assert_eq!(receipt[0]["datasets"], Value::text("people: 1, visits: 2"));
    assert_eq!(tables(&client), expected());
    assert_eq!(traces(&synced(&disk)), Vec::<String>::new());
    client.run("SET known_at = '2100-01-01'");
    assert_eq!(client.number("SELECT count(*) FROM people"), 3, "time travel brought it back");
    client.run("RESET known_at");
    let receipts = client.records("SELECT * FROM selfsame.erasures");
    assert_eq!(receipts, receipt);
    let log = format!("{:?}", client.records("SELECT * FROM selfsame.operations"));
    assert!(TRACES.iter().all(|trace| !log.contains(trace)), "{log}");
    drop(client);
    let again = Client::open(synced(&disk)).expect("a sound store");
    assert_eq!(tables(&again), expected());
    assert_eq!(again.records("SELECT * FROM selfsame.erasures"), receipts);
}

#[test]
fn a_follower_forgets_whom_the_writer_forgets() {
    let (disk, writer) = filled();
    let follow = Some(Duration::from_millis(10));
    let options = engine::Options { disk: Arc::new(disk), follow, ..engine::Options::memory() };
    let follower = Client::with(options, Vec::new()).expect("a store to follow");
    for how in [" NOW", "", " NOW", " NOW"] {
        writer.run(&format!("FORGET crm 'QX-1605'{how}"));
        caught_up(&follower);
        assert_eq!(tables(&follower), tables(&writer), "after FORGET{how}");
        assert_eq!(follower.number("SELECT count(*) FROM people WHERE crm = 'QX-1605'"), 0);
        // Whoever comes back has other numbers, and the follower must not hold the old ones.
        person(&writer);
        caught_up(&follower);
        assert_eq!(
            tables(&follower),
            tables(&writer),
            "after the return that followed FORGET{how}"
        );
    }
}

#[test]
fn without_now_files_follow_at_the_next_flush() {
    let (disk, client) = filled();
    client.run("FORGET crm 'QX-1605'");
    assert_eq!(tables(&client), expected());
    let crashed = synced(&disk);
    let again = Client::open(crashed.clone()).expect("a sound store");
    assert_eq!(tables(&again), expected());
    again.run("INSERT INTO people VALUES ('S1', 'sancho@x', 'Toboso')");
    again.run("DELETE FROM people WHERE crm = 'S1' AND mail = 'sancho@x'");
    again.run("INSERT INTO people VALUES ('S1', 'sancho@x', 'Toboso')");
    let after = tables(&again);
    again.database.close().expect("a sound disk");
    assert_eq!(traces(&synced(&crashed)), Vec::<String>::new());
    drop(again);
    assert_eq!(tables(&Client::open(synced(&crashed)).expect("a sound store")), after);
}

#[test]
fn who_comes_back_is_somebody_new_or_nobody() {
    let (disk, client) = filled();
    let old = client.number("SELECT profile_of('crm', 'QX-1605')");
    client.run("FORGET crm 'QX-1605' NOW");
    person(&client);
    let new = client.number("SELECT profile_of('crm', 'QX-1605')");
    assert_ne!(old, new);
    assert_eq!(client.number("SELECT count(*) FROM visits WHERE page = 'windmill'"), 1);
    let receipt = client.records("FORGET crm 'QX-1605' WITH (block = true)");
    assert_eq!(receipt[0]["erasure_id"], Value::Int(2));
    let refused = |client: &Client| {
        let error = client.try_run("INSERT INTO people VALUES ('x', 'QUIXOTE@mancha.es')");
        let error = error.expect_err("a row of somebody who was forgotten");
        assert_eq!(error.code(), SqlState::CHECK_VIOLATION);
        assert!(error.get_detail().is_some_and(|it| it.starts_with("forgotten: ")), "{error:?}");
        let report = load(client, "people", "crm,mail,city\nQX-1605,,Rome\nS3,other@x,Rome\n");
        assert_eq!((report.accepted, report.rejected), (1, 1));
        let sql = "SELECT code, raw FROM rejects ORDER BY ingest_id DESC LIMIT 1";
        let reject = &client.records(sql)[0];
        assert_eq!(
            (&reject["code"], &reject["raw"]),
            (&Value::text("forgotten"), &Value::text(""))
        );
    };
    refused(&client);
    client.database.close().expect("a sound disk");
    drop(client);
    let client = Client::open(synced(&disk)).expect("a sound store");
    refused(&client);
    assert!(traces(&synced(&disk)).is_empty());
}

#[test]
fn nobody_can_be_forgotten_and_blocked_too() {
    let (_, client) = filled();
    let receipt = client.records("FORGET crm 'nobody' WITH (block)");
    assert_eq!(
        (&receipt[0]["profile_id"], &receipt[0]["identity_count"]),
        (&Value::Null, &Value::Int(0))
    );
    assert!(client.try_run("INSERT INTO people VALUES ('nobody')").is_err());
    let error = client.try_run("FORGET nothing 'x'").expect_err("no such namespace");
    assert_eq!(error.code(), SqlState::UNDEFINED_OBJECT);
    let error = client.try_run("FORGET crm 'x' WITH (blok)").expect_err("a mistyped option");
    assert_eq!(error.code(), SqlState::SYNTAX_ERROR);
    client.run("BEGIN");
    let error = client.try_run("FORGET crm 'x'").expect_err("a block");
    assert_eq!(error.code(), SqlState::ACTIVE_TRANSACTION);
    client.run("ROLLBACK");
}

#[test]
fn rows_of_others_that_name_the_person_go_too() {
    let client = Client::open(MemoryDisk::new()).expect("an empty store");
    client.run(DEFINITIONS);
    client.run(
        "INSERT INTO people VALUES ('A', 'both@x', 'Rome'), ('B', 'both@x', 'Oslo'), ('B', 'b@x', 'Oslo')",
    );
    // `crm` is unique: the mail belongs to one of them, and the rows of both name it.
    client.run("FORGET mail 'both@x' NOW");
    assert_eq!(client.number("SELECT count(*) FROM people WHERE mail = 'both@x'"), 0);
    assert_eq!(client.number("SELECT count(*) FROM identities WHERE identity = 'both@x'"), 0);
    assert!(client.number("SELECT count(*) FROM people") <= 1);
}

#[test]
fn an_erasure_that_a_crash_interrupts_is_done_or_not_begun() {
    let (disk, client) = filled();
    let before = tables(&client);
    let base = synced(&disk);
    drop(client);
    let (mut done, mut not) = (0, 0);
    // Each flush makes a log of 4 MiB; what comes after one is a matter of few bytes.
    let rooms = [0, 4 << 20, 8 << 20].into_iter();
    let rooms = rooms.flat_map(|room| (room..room + 60_000).step_by(9_999));
    for room in rooms.chain([12 << 20]) {
        let disk = base.crash(0);
        let client = Client::open(disk.clone()).expect("a sound store");
        disk.set_room(Some(room));
        let ran = client.try_run("FORGET crm 'QX-1605' NOW");
        let shown = tables(&client);
        assert_eq!(shown == expected(), ran.is_ok(), "room {room}");
        assert_eq!(shown == before, ran.is_err(), "room {room}");
        let left = tables(&Client::open(disk.crash(5)).expect("a sound store"));
        assert_eq!(left, shown, "room {room}");
        if ran.is_ok() { done += 1 } else { not += 1 }
    }
    assert!(done > 0 && not > 0, "{done} {not}");
}
