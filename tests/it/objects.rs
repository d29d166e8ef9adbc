//! Stores in object storage, against a real server over HTTP: restarts, fencing, followers, and requests that fail.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use selfsame::engine::Options;
use selfsame::env::disk::Disk;
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::env::objects::bucket::Patience;
use selfsame::env::objects::disk::{ObjectDisk, ObjectOptions};
use selfsame::env::objects::location::Location;
use selfsame::env::objects::spool::PART_BYTES;
use tokio_postgres::NoTls;

use crate::bucket::{Bucket, Fault};
use crate::driver::{Choices, Client};

const DEFINITIONS: &str = "
    CREATE NAMESPACE crm UNIQUE; CREATE NAMESPACE mail KIND EMAIL; CREATE NAMESPACE cookie KIND COOKIE;
    CREATE DATASET people (crm TEXT IDENTITY crm, mail TEXT IDENTITY mail, city TEXT);
    CREATE EVENT DATASET visits (id TEXT EVENT ID, cookie TEXT IDENTITY cookie,
        mail TEXT IDENTITY mail, seen TIMESTAMPTZ OBSERVED AT);";

/// Queries that together show everything.
const TABLES: [&str; 7] = [
    "SELECT * FROM people",
    "SELECT * FROM visits",
    "SELECT * FROM identities",
    "SELECT * FROM identity_links",
    "SELECT * FROM profiles",
    "SELECT * FROM fragments",
    "SELECT * FROM identity_changes",
];

fn tables(client: &Client) -> Vec<Vec<String>> {
    let table = |sql: &&str| {
        let records = client.records(sql).into_iter();
        let mut rows: Vec<String> = records.map(|record| format!("{record:?}")).collect();
        rows.sort_unstable();
        rows
    };
    TABLES.iter().map(table).collect()
}

fn open(options: Options) -> Client {
    Client::with(options, Vec::new()).expect("a store")
}

/// Rows enough to go into a segment and not through the log.
fn load_many(client: &Client, name: &str) {
    let rows = 20_000;
    let sql = format!(
        "INSERT INTO people SELECT '{name}' || value, '{name}' || (value / 2) || '@x', 'Rome' \
         FROM generate_series(1, {rows}) AS t(value)"
    );
    assert_eq!(client.run(&sql), format!("INSERT 0 {rows}"));
}

/// Waits until a follower has what was durable when this was called.
pub fn caught_up(follower: &Client) {
    let asked_at = follower.database.clock().now_micros();
    loop {
        let replication = follower.database.replication();
        assert_eq!(replication.error, None);
        if replication.caught_up_at.is_some_and(|at| at > asked_at) {
            return;
        }
        std::thread::yield_now();
    }
}

/// The code and the message of a refused write.
fn refused(client: &Client) -> (String, String) {
    let error = client
        .try_run("INSERT INTO people VALUES ('late', 'late@x', 'Bonn')")
        .expect_err("it is refused");
    (error.code().to_string(), error.message().to_owned())
}

#[test]
fn a_store_in_a_bucket_is_what_it_was_when_it_is_opened_again() {
    let bucket = Bucket::start();
    let client = open(bucket.writer("first"));
    client.run(DEFINITIONS);
    client.run("INSERT INTO people VALUES ('1', 'a@x', 'Oslo'), ('2', 'b@x', 'Bern')");
    client.run("INSERT INTO visits VALUES ('v1', 'c1', 'a@x', '2026-01-01'), ('v1', 'c1', 'a@x', '2026-01-01')");
    let expected = tables(&client);
    // Without a flush: everything is in the log.
    let again = open(bucket.writer("second"));
    assert_eq!(tables(&again), expected);
    load_many(&again, "many");
    again.run("INSERT INTO people VALUES ('3', 'a@x', 'Kiel')");
    again.database.flush().unwrap();
    again.run("DELETE FROM people WHERE city = 'Bern'");
    again.run("INSERT INTO people VALUES ('4', 'd@x', 'Graz')");
    let expected = tables(&again);
    again.database.close().unwrap();
    let third = open(bucket.writer("third"));
    assert_eq!(tables(&third), expected);
    let names = third.records("SELECT role, writer, epoch FROM selfsame.replication");
    assert_eq!(
        format!("{names:?}"),
        r#"[{"epoch": Int(3), "role": Text("writer"), "writer": Text("third")}]"#
    );
    // Nothing is left but what the manifest names, the log and the derived state.
    third.database.flush().unwrap();
    drop(third);
    let before = bucket.keys("stores");
    let fourth = open(bucket.writer("fourth"));
    assert_eq!(tables(&fourth), expected);
    let gone: Vec<_> = before.iter().filter(|key| !bucket.keys("stores").contains(key)).collect();
    assert_eq!(gone, [""; 0], "{before:?}");
}

#[test]
fn a_writer_that_has_lost_its_store_says_so_and_adds_nothing() {
    let bucket = Bucket::start();
    let first = open(bucket.writer("first"));
    first.run(DEFINITIONS);
    first.run("INSERT INTO people VALUES ('1', 'a@x', 'Oslo')");
    let second = open(bucket.writer("second"));
    assert_eq!(second.number("SELECT count(*) FROM people"), 1);
    let lost = "the store \"s3://bucket/stores/one\" was taken over by another server, and this one is read-only";
    assert_eq!(refused(&first), ("25006".to_owned(), lost.to_owned()));
    let error = first.database.flush().unwrap_err();
    assert_eq!(error.get_detail(), Some("it is \"second\""));
    assert_eq!(first.number("SELECT count(*) FROM people"), 1);
    second.run("INSERT INTO people VALUES ('2', 'b@x', 'Bern')");
    second.database.flush().unwrap();
    second.run("INSERT INTO people VALUES ('3', 'c@x', 'Kiel')");
    first.database.close().unwrap();
    let third = open(bucket.writer("third"));
    assert_eq!(third.number("SELECT count(*) FROM people"), 3);
    assert_eq!(third.number("SELECT count(*) FROM people WHERE city = 'Bonn'"), 0);
    assert_eq!(refused(&second).0, "25006");
}

#[test]
fn a_flush_of_a_writer_that_has_lost_its_store_replaces_nothing() {
    let bucket = Bucket::start();
    let first = open(bucket.writer("first"));
    first.run(DEFINITIONS);
    first.run("INSERT INTO people VALUES ('1', 'a@x', 'Oslo')");
    let second = open(bucket.writer("second"));
    // It has not learned yet that it lost, and starts a log of the number that the other will want.
    assert_eq!(first.database.flush().unwrap_err().code().0, "25006");
    second.run("INSERT INTO people VALUES ('2', 'b@x', 'Bern')");
    second.database.flush().unwrap();
    second.run("INSERT INTO people VALUES ('3', 'c@x', 'Kiel')");
    let expected = tables(&second);
    assert_eq!(tables(&open(bucket.writer("third"))), expected);
}

/// Does what a store may have done to it, and after each step compares a follower with the writer.
fn check_followed(writer: &Client, follower: &Client) {
    let same = |step: &str| {
        caught_up(follower);
        assert_eq!(tables(follower), tables(writer), "after {step}");
    };
    let at = |client: &Client| client.database.snapshot().commit();
    writer.run("INSERT INTO people VALUES ('1', 'a@x', 'Oslo'), ('2', 'b@x', 'Bern')");
    writer.run("INSERT INTO visits VALUES ('v1', 'c1', 'a@x', '2026-01-01')");
    same("rows");
    let before = at(follower);
    writer.database.flush().expect("a sound store");
    same("a flush");
    assert_eq!(at(follower), before, "a flush is no reason to read the store anew");
    load_many(writer, "many");
    caught_up(follower);
    let count = "SELECT count(*) FROM people WHERE city = 'Rome'";
    assert_eq!(follower.number(count), writer.number(count));
    writer.run("INSERT INTO people VALUES ('3', 'a@x', 'Kiel'), ('4', 'b@x', 'Graz')");
    writer.run("DELETE FROM people WHERE city = 'Bern'");
    writer.run("DELETE FROM people WHERE city = 'Rome' AND mail NOT LIKE 'many77%'");
    same("deletes");
    let before = at(follower);
    writer.database.flush().expect("a sound store");
    same("a flush of deletes");
    assert_eq!(at(follower), before, "a flush of deletes is no reason either");
    writer.run("INSERT INTO people VALUES ('5', 'a@x', 'Kiel')");
    writer.run("UNLINK crm '1' FROM cookie 'c1'");
    writer.run("CREATE MERGE POLICY newest MERGE BY latest");
    same("definitions");
    writer.run("ALTER NAMESPACE mail SET NORMALIZE none");
    same("a rewrite");
    writer.run("DROP DATASET visits");
    writer.run("CREATE EVENT DATASET visits (id TEXT EVENT ID, cookie TEXT IDENTITY cookie)");
    writer.run("INSERT INTO visits VALUES ('v9', 'c9')");
    same("a dataset dropped");
    writer.database.flush().expect("a sound store");
    writer.database.flush().expect("a sound store");
    writer.run("INSERT INTO visits VALUES ('v10', 'c9')");
    same("flushes");
    let error =
        follower.try_run("INSERT INTO visits VALUES ('v11', 'c9')").expect_err("it is refused");
    assert_eq!(error.code().0, "25006");
    assert_eq!(error.message(), "this server follows another one, and takes no writes");
    for write in ["CREATE NAMESPACE more", "DELETE FROM visits WHERE id = 'v9'"] {
        assert_eq!(
            follower.try_run(write).expect_err("it is refused").code().0,
            "25006",
            "{write}"
        );
    }
    let row =
        &follower.records("SELECT role, lag_seconds >= 0 AS lag FROM selfsame.replication")[0];
    assert_eq!(format!("{row:?}"), r#"{"lag": Bool(true), "role": Text("follower")}"#);
    same("refused writes");
}

#[test]
fn a_follower_of_a_bucket_has_what_the_writer_has() {
    let bucket = Bucket::start();
    let writer = open(bucket.writer("a writer"));
    writer.run(DEFINITIONS);
    let follower = open(bucket.follower());
    check_followed(&writer, &follower);
    // A follower that comes late.
    let late = open(bucket.follower());
    assert_eq!(tables(&late), tables(&writer));
    // Another writer takes over, and both followers go on with it.
    let second = open(bucket.writer("second"));
    second.run("INSERT INTO people VALUES ('7', 'g@x', 'Lund')");
    assert_eq!(refused(&writer).0, "25006");
    for follower in [&follower, &late] {
        caught_up(follower);
        assert_eq!(tables(follower), tables(&second));
        let error = follower.try_run("DELETE FROM people WHERE crm = '7'").unwrap_err();
        assert_eq!(error.get_hint(), Some("write to the server \"second\""));
    }
}

#[test]
fn a_follower_of_a_folder_has_what_the_writer_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    let follow = || {
        let options = Options::followed_folder(&path).expect("a folder");
        Client::with(Options { follow: Some(Duration::from_millis(10)), ..options }, Vec::new())
    };
    assert_eq!(follow().err().map(|error| error.code().0), Some("58P01"));
    let writer = open(Options::folder(&path).expect("a folder"));
    writer.run(DEFINITIONS);
    let follower = follow().expect("a follower");
    check_followed(&writer, &follower);
    writer.database.close().unwrap();
    drop(writer);
    let again = open(Options::folder(&path).expect("a folder"));
    again.run("INSERT INTO people VALUES ('8', 'h@x', 'Turku')");
    caught_up(&follower);
    assert_eq!(tables(&follower), tables(&again));
}

#[test]
fn a_follower_of_memory_has_what_the_writer_has() {
    let disk = MemoryDisk::new();
    let writer = Client::open(disk.clone()).expect("a store");
    writer.run(DEFINITIONS);
    let follow = Some(Duration::from_millis(10));
    let follower = open(Options { disk: Arc::new(disk), follow, ..Options::memory() });
    check_followed(&writer, &follower);
}

#[test]
fn a_follower_never_shows_half_a_commit() {
    let disk = MemoryDisk::new();
    let writer = Client::open(disk.clone()).expect("a store");
    writer.run(DEFINITIONS);
    let follow = Some(Duration::from_millis(10));
    let follower = open(Options { disk: Arc::new(disk), follow, ..Options::memory() });
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..200 {
                let row = |end: &str| format!("('{number}{end}', '{number}@x', 'Oslo')");
                writer.run(&format!("INSERT INTO people VALUES {}, {}", row("a"), row("b")));
                if number % 50 == 49 {
                    writer.database.flush().unwrap();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut last = 0;
        while !done.load(Ordering::Relaxed) {
            let rows = follower.number("SELECT count(*) FROM people");
            assert!(rows % 2 == 0 && rows >= last, "{rows} after {last}");
            last = rows;
        }
    });
    caught_up(&follower);
    assert_eq!(follower.number("SELECT count(*) FROM people"), 400);
}

/// The customers there are, each once.
fn customers(client: &Client) -> BTreeSet<String> {
    let records = client.records("SELECT crm FROM people");
    let all: BTreeSet<String> =
        records.iter().map(|record| format!("{:?}", record.get("crm"))).collect();
    assert_eq!(all.len(), records.len(), "a row is there twice");
    all
}

#[test]
fn requests_that_fail_lose_no_row_and_double_none() {
    for seed in 1..=2 {
        let bucket = Bucket::start();
        let client = open(bucket.writer("a writer"));
        client.run(DEFINITIONS);
        let follower = open(bucket.follower());
        let mut choices = Choices(seed);
        bucket.plan(move |_, _| match choices.below(8) {
            0 => Fault::Refused,
            1 => Fault::Lost,
            2 => Fault::Unanswered,
            _ => Fault::None,
        });
        for number in 0..40 {
            client.run(&format!("INSERT INTO people VALUES ('{number}', '{number}@x', 'Oslo')"));
            if number % 10 == 9 {
                client.database.flush().unwrap();
            }
        }
        bucket.heal();
        assert_eq!(customers(&client).len(), 40);
        while customers(&follower).len() < 40 {
            std::thread::yield_now();
        }
        assert_eq!(tables(&follower), tables(&client), "seed {seed}");
        let again = open(bucket.writer("another"));
        assert_eq!(tables(&again), tables(&client), "seed {seed}");
    }
}

#[test]
fn a_writer_in_doubt_writes_no_more_and_loses_nothing() {
    for fault in [Fault::Refused, Fault::Lost, Fault::Unanswered] {
        let bucket = Bucket::start();
        let short = Duration::from_millis(300);
        let patience = Patience { request: short, write: short };
        let client = open(bucket.open(ObjectOptions { patience, ..bucket.options("a writer") }));
        client.run(DEFINITIONS);
        client.run("INSERT INTO people VALUES ('1', 'a@x', 'Oslo')");
        load_many(&client, "many");
        // Only writes of the log fail, and reading back what became of them.
        bucket.plan(move |_, path| if path.contains("/log/") { fault } else { Fault::None });
        let sql = "INSERT INTO people SELECT 'lost' || value, 'l' || value || '@x', 'Bonn' \
                   FROM generate_series(1, 20000) AS t(value)";
        assert_eq!(client.try_run(sql).unwrap_err().code().0, "58030", "{fault:?}");
        bucket.heal();
        let (code, message) = refused(&client);
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("58030", "the store is read-only: writing its log failed")
        );
        assert_eq!(client.number("SELECT count(*) FROM people"), 20_001);
        client.database.close().unwrap();
        let again = open(bucket.writer("another"));
        let rows = again.number("SELECT count(*) FROM people");
        let expected = if fault == Fault::Unanswered { 40_001 } else { 20_001 };
        assert_eq!(rows, expected, "{fault:?}");
    }
}

#[test]
fn a_second_writer_is_refused_while_the_first_one_lives() {
    let bucket = Bucket::start();
    let minute = Duration::from_secs(60);
    let polite = |name: &str, heartbeat: Duration, lease: Duration| {
        let options = ObjectOptions { take_over: false, heartbeat, lease, ..bucket.options(name) };
        Client::with(bucket.open(options), Vec::new())
    };
    let first = polite("first", Duration::from_millis(20), minute).expect("a store");
    first.run(DEFINITIONS);
    let error = polite("second", minute, minute).err().expect("it is in use");
    assert_eq!(
        (error.code().0, error.message(), error.get_detail()),
        ("55006", "the store \"s3://bucket/stores/one\" is in use", Some("\"first\" writes it"))
    );
    first.run("INSERT INTO people VALUES ('1', 'a@x', 'Oslo')");
    // Once it is closed nobody waits.
    first.database.close().unwrap();
    let third = polite("third", minute, minute).expect("it is free");
    // A writer that says nothing more is dead after a while.
    let fourth = polite("fourth", Duration::from_millis(20), Duration::from_millis(50));
    let fourth = fourth.expect("the third said nothing");
    assert_eq!(refused(&third).0, "25006");
    assert_eq!(fourth.number("SELECT count(*) FROM people"), 1);
    // Who idles learns that it lost from its own heartbeat.
    let fifth = open(bucket.writer("fifth"));
    while fourth.database.write_refusal().is_none() {
        std::thread::yield_now();
    }
    fifth.run("INSERT INTO people VALUES ('2', 'a@x', 'Oslo')");
}

#[test]
fn a_commit_is_one_request_and_a_poll_two() {
    let bucket = Bucket::start();
    let silent =
        ObjectOptions { heartbeat: Duration::from_secs(3_600), ..bucket.options("a writer") };
    let client = open(bucket.open(silent));
    client.run(DEFINITIONS);
    let before = bucket.requests();
    for number in 0..10 {
        client.run(&format!(
            "INSERT INTO people VALUES ('{number}', 'a@x', 'Oslo'), ('b{number}', 'b@x', '')"
        ));
    }
    assert_eq!(bucket.requests() - before, 10);
    assert!(client.number("SELECT count(*) FROM profiles") > 0);
    assert_eq!(bucket.requests() - before, 10, "what is in memory is not asked for");
    // Commits that come together share a request.
    let sharing = Options { commit_window: Duration::from_secs(1), ..bucket.writer("sharing") };
    let sharing = open(sharing);
    let before = bucket.requests();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let other = sharing.another();
            let sql = format!("INSERT INTO people VALUES ('s{number}', 's{number}@x', 'Rome')");
            scope.spawn(move || other.run(&sql));
        }
    });
    assert!(bucket.requests() - before < 8);
    sharing.run("DELETE FROM people WHERE city = 'Rome'");
    let options = bucket.follower();
    let follower = open(Options { follow: Some(Duration::from_secs(3_600)), ..options });
    let before = bucket.requests();
    assert_eq!(follower.number("SELECT count(*) FROM people"), 20);
    assert_eq!(bucket.requests(), before);
    drop(follower);
    let follower = open(bucket.follower());
    caught_up(&follower);
    let (polls, before) = (5, bucket.requests());
    (0..polls).for_each(|_| caught_up(&follower));
    // A poll that began before was counted before in part.
    assert!(bucket.requests() - before >= 2 * polls - 1);
}

#[test]
fn large_files_go_in_parts_and_come_back_by_ranges() {
    let bucket = Bucket::start();
    let disk = |bytes| {
        let location = Location::parse("s3://bucket/large").expect("a location");
        let options = ObjectOptions { cache_bytes: bytes, ..bucket.options("a disk") };
        ObjectDisk::open(&location, options).expect("a client")
    };
    let writing = disk(1 << 30);
    let length = PART_BYTES as usize + 12_345;
    let mut choices = Choices(1);
    let contents: Vec<u8> = (0..length).map(|_| choices.below(256) as u8).collect();
    for path in ["segments/1/a", "segments/1/b", "derived/state.new"] {
        let mut file = writing.create(path).expect("a file");
        // Not in order: what comes first may be known last.
        file.write_at(1_000, &contents[1_000..]).expect("a write");
        file.write_at(0, &contents[..1_000]).expect("a write");
        file.sync().expect("a sync");
    }
    assert_eq!(bucket.keys("large").len(), 2, "a file that is not finished is none");
    writing.rename("derived/state.new", "derived/state").expect("a rename");
    assert_eq!(writing.list("segments/1").expect("names"), ["a", "b"]);
    // A cache that is smaller than a file holds one of them all the same.
    for disk in [writing, disk(1 << 20)] {
        for path in ["segments/1/a", "derived/state", "segments/1/b", "segments/1/a"] {
            let file = disk.read(path).expect("a file");
            assert_eq!(file.byte_count(), length as u64);
            let (from, to) = (length / 2, length / 2 + 100);
            assert_eq!(file.read_at(from as u64, 100).expect("bytes"), contents[from..to]);
            assert!(file.read_all().expect("bytes") == contents, "{path}");
            assert_eq!(file.read_at(length as u64 - 5, 6).unwrap_err().code().0, "XX001");
        }
        disk.remove("segments/1/none").expect("it is not there");
        assert_eq!(disk.read("segments/1/none").unwrap_err().code().0, "58P01");
    }
    assert_eq!(disk(1).cached_bytes(), 0);
}

#[test]
fn files_that_are_no_longer_needed_stay_for_followers() {
    let bucket = Bucket::start();
    let hour = Duration::from_secs(3_600);
    let keeping = ObjectOptions { remove_after: hour, ..bucket.options("keeping") };
    let client = open(bucket.open(keeping));
    client.run(DEFINITIONS);
    let logs = || bucket.keys("stores/one/log").len();
    let before = logs();
    client.database.flush().unwrap();
    assert_eq!(logs(), before + 1);
    let client = open(bucket.writer("removing"));
    // Its own fence aside, the log that it goes on with has the piece that began it.
    assert_eq!(logs(), 2);
    client.run("INSERT INTO people VALUES ('1', 'a@x', 'Oslo')");
    client.database.flush().unwrap();
    assert_eq!(logs(), 1);
}

/// The built program, serving a store in the bucket.
struct Serving {
    process: Child,
    address: String,
}

/// The built program, with the bucket's credentials.
fn program(bucket: &Bucket, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selfsame"));
    command.current_dir(folder).envs(bucket.variables()).env("TMPDIR", folder);
    command
}

impl Serving {
    fn start(bucket: &Bucket, folder: &Path, arguments: &[&str]) -> Self {
        let mut process = program(bucket, folder)
            .args(["serve", "--listen", "127.0.0.1:0", "--data", "s3://bucket/stores/two"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let address = lines.find_map(|line| {
            let line = line.expect("text");
            line.trim().strip_prefix("PostgreSQL")?.split_whitespace().next().map(str::to_owned)
        });
        Self { process, address: address.expect("it says where it listens") }
    }

    async fn connect(&self) -> tokio_postgres::Client {
        let (host, port) = self.address.rsplit_once(':').expect("an address with a port");
        let config = format!("host={host} port={port} user=selfsame");
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.expect("a server");
        tokio::spawn(connection);
        client
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // As a power cut would: SIGKILL. One that has ended already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn count(client: &tokio_postgres::Client) -> i64 {
    let row = client.query_one("SELECT count(*) FROM people", &[]).await.expect("rows");
    row.get(0)
}

#[test]
fn processes_share_a_bucket() {
    let bucket = Bucket::start();
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(share(&bucket, folder.path()));
}

async fn share(bucket: &Bucket, folder: &Path) {
    let first = Serving::start(bucket, folder, &[]);
    let client = first.connect().await;
    client.batch_execute(DEFINITIONS).await.expect("definitions");
    let insert = "INSERT INTO people VALUES ($1, $2, 'Oslo')";
    for number in 0..20 {
        let customer = number.to_string();
        client.execute(insert, &[&customer, &format!("{number}@x")]).await.expect("a row");
    }
    let follower = Serving::start(bucket, folder, &["--follow", "--follow-poll", "20ms"]);
    let reader = follower.connect().await;
    assert_eq!(count(&reader).await, 20);
    let error = reader.execute(insert, &[&"late", &"late@x"]).await.expect_err("it is refused");
    let error = error.as_db_error().expect("an answer");
    assert_eq!(error.code().code(), "25006");
    assert!(error.hint().is_some_and(|hint| hint.contains("127.0.0.1:0")), "{error:?}");

    // A server that is killed says no more; the next one has all that it acknowledged.
    drop(first);
    let second = Serving::start(bucket, folder, &["--take-over"]);
    let client = second.connect().await;
    assert_eq!(count(&client).await, 20);
    client.execute(insert, &[&"x", &"x@x"]).await.expect("a row");
    let third = Serving::start(bucket, folder, &["--take-over"]);
    let other = third.connect().await;
    other.execute(insert, &[&"y", &"y@x"]).await.expect("a row");
    let error = client.execute(insert, &[&"z", &"z@x"]).await.expect_err("it is refused");
    assert_eq!(error.code().map(|code| code.code()), Some("25006"));
    assert_eq!(count(&client).await, 21);
    while count(&reader).await < 22 {
        tokio::task::yield_now().await;
    }
    assert_eq!(count(&reader).await, 22);
}

#[test]
fn files_of_a_bucket_are_copied() {
    let bucket = Bucket::start();
    let folder = tempfile::tempdir().expect("a folder");
    bucket.put("in/a.csv", b"crm,mail,city\n1,a@x,Oslo\n2,b@x,Bern\n");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"crm,mail,city\n3,c@x,Kiel\n").expect("memory");
    bucket.put("in/b.csv.gz", &packed.finish().expect("memory"));
    let packed = zstd::encode_all(&b"{\"crm\": \"4\", \"mail\": \"d@x\"}\n"[..], 1);
    bucket.put("in/c.ndjson.zst", &packed.expect("memory"));
    let columns = ["5", "6"].map(|crm| Some(crm.to_owned()));
    let column = arrow::array::StringArray::from(columns.to_vec());
    let batch = arrow::array::RecordBatch::try_from_iter([("crm", Arc::new(column) as _)]);
    let batch = batch.expect("a batch");
    let mut parquet = Vec::new();
    let writer = parquet::arrow::ArrowWriter::try_new(&mut parquet, batch.schema(), None);
    let mut writer = writer.expect("a writer");
    writer.write(&batch).expect("memory");
    writer.close().expect("memory");
    bucket.put("in/d.parquet", &parquet);
    bucket.put("in/deep/e.csv", b"crm,mail,city\n7,e@x,Graz\n");
    bucket.put("out/secret.csv", b"crm,mail,city\n8,f@x,Nice\n");
    for number in 0..=1_000 {
        bucket.put(&format!("in/many/{number}.csv"), b"");
    }
    let run = |sql: &str, allowed: &str| {
        let script = format!("{DEFINITIONS} {sql}; SELECT crm FROM people ORDER BY crm");
        let output = program(&bucket, folder.path())
            .args(["sql", "--copy-directories", allowed])
            .arg(script)
            .output()
            .expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    };
    for (pattern, rows) in [
        ("s3://bucket/in/a.csv", "1 2"),
        ("s3://bucket/in/*.csv*", "1 2 3"),
        ("s3://bucket/in/d*/*.csv", "7"),
        ("s3://bucket/in/**/e.csv", "7"),
        ("s3://bucket/in/c.ndjson.zst", "4"),
        ("s3://bucket/in/*.parquet", "5 6"),
    ] {
        let (out, error) = run(&format!("COPY people FROM '{pattern}'"), "s3://bucket/in/");
        let found: Vec<&str> =
            out.split(|it: char| !it.is_ascii_digit()).filter(|it| it.len() == 1).collect();
        let expected: Vec<&str> = rows.split(' ').collect();
        assert!(found.windows(expected.len()).any(|it| it == expected), "{pattern}: {out} {error}");
    }
    for (pattern, allowed, expected) in [
        ("s3://bucket/out/secret.csv", "s3://bucket/in", "the server may not read"),
        ("s3://bucket/in/a.csv", ".", "the server may not read"),
        ("s3://bucket/in*/a.csv", "s3://bucket/in", "the server may not read"),
        ("s3://bucket/in/none.csv", "s3://bucket/in", "no file matches"),
        ("s3://bucket/in/none*.csv", "s3://bucket/in", "no file matches"),
        ("s3://bucket/in/../out/secret.csv", "s3://bucket/in", "has a prefix with"),
        ("s3://bucket/in/many/*", "s3://bucket/in", "a COPY can read at most 1000 files"),
        ("s3://none/in/a.csv", "s3://none", "no file matches"),
    ] {
        let (_, error) = run(&format!("COPY people FROM '{pattern}'"), allowed);
        assert!(error.contains(expected), "{pattern}: {error}");
        assert!(!error.contains("a secret that"), "{error}");
    }
}

#[test]
fn a_manifest_in_doubt_ends_writing_and_loses_nothing() {
    for fault in [Fault::Lost, Fault::Unanswered] {
        let bucket = Bucket::start();
        let short = Duration::from_millis(300);
        let patience = Patience { request: short, write: short };
        let client = open(bucket.open(ObjectOptions { patience, ..bucket.options("a writer") }));
        client.run(DEFINITIONS);
        client.run("INSERT INTO people VALUES ('1', 'a@x', 'Oslo')");
        let expected = tables(&client);
        bucket.plan(move |_, path| if path.ends_with("/manifest") { fault } else { Fault::None });
        assert_eq!(client.database.flush().unwrap_err().code().0, "58030", "{fault:?}");
        bucket.heal();
        // The new manifest may be in force, and the log that this writer has may not be read any more.
        let (code, message) = refused(&client);
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("58030", "the store is read-only: writing its manifest failed")
        );
        assert_eq!(tables(&client), expected);
        client.database.close().unwrap();
        assert_eq!(tables(&open(bucket.writer("another"))), expected, "{fault:?}");
    }
}

#[test]
fn credentials_are_never_shown() {
    let bucket = Bucket::start();
    let folder = tempfile::tempdir().expect("a folder");
    let output = program(&bucket, folder.path())
        .args(["sql", "--data", "s3://bucket/stores/three", "SELECT 1"])
        .env("AWS_SECRET_ACCESS_KEY", "of-somebody-else")
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("SignatureDoesNotMatch"), "{text}");
    for secret in ["of-somebody-else", "AKIATEST", "a secret that"] {
        assert!(!text.contains(secret), "{text}");
    }
}
