//! Crashes and damage: acknowledged rows survive, others are there whole or not at all, and a store
//! that is damaged says so instead of answering.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Cursor};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use selfsame::engine::{Load, Source};
use selfsame::env::disk::{Disk, DiskFile, Readable};
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::error::{Error, Result, SqlState};
use selfsame::ingest::{Input, Options, format_named};
use tokio_postgres::NoTls;

use crate::driver::{Choices, Client};
use crate::model::Value;

const DEFINITIONS: &str = "
    CREATE NAMESPACE crm_id; CREATE NAMESPACE email KIND EMAIL NORMALIZE lower;
    CREATE DATASET crm (customer TEXT IDENTITY crm_id, email TEXT IDENTITY email, city TEXT);";

/// A disk whose power fails after so many changes; what was not synced is then torn by a crash.
#[derive(Clone, Debug)]
pub struct PowerCut {
    disk: MemoryDisk,
    left: Arc<AtomicI64>,
}

impl PowerCut {
    pub fn after(changes: i64, disk: MemoryDisk) -> Self {
        Self { disk, left: Arc::new(AtomicI64::new(changes)) }
    }

    fn change(&self) -> Result<()> {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            left if left > 0 => Ok(()),
            _ => Err(Error::new(SqlState::IO_ERROR, "the power is cut")),
        }
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(CutFile { cut: self.clone(), file })
    }
}

impl Disk for PowerCut {
    fn create_folder(&self, path: &str) -> Result<()> {
        self.disk.create_folder(path)
    }

    fn create(&self, path: &str) -> Result<Box<dyn DiskFile>> {
        self.change()?;
        Ok(self.file(self.disk.create(path)?))
    }

    fn open(&self, path: &str) -> Result<Box<dyn DiskFile>> {
        Ok(self.file(self.disk.open(path)?))
    }

    fn read(&self, path: &str) -> Result<Readable> {
        self.disk.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.disk.list(path)
    }

    fn walk(&self) -> Result<Vec<String>> {
        self.disk.walk()
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.change()?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.change()?;
        self.disk.remove(path)
    }

    fn sync_folder(&self, path: &str) -> Result<()> {
        self.change()?;
        self.disk.sync_folder(path)
    }
}

struct CutFile {
    cut: PowerCut,
    file: Box<dyn DiskFile>,
}

impl DiskFile for CutFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.cut.change()?;
        self.file.write_at(offset, bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.cut.change()?;
        self.file.sync()
    }
}

/// What a store was given.
#[derive(Clone, Debug, Default)]
struct Given {
    /// Customers whose rows were acknowledged.
    acknowledged: BTreeSet<String>,
    /// Loads that were.
    load_count: usize,
    /// Customers of the load that was not.
    attempted: BTreeSet<String>,
    /// Customers of the DELETE that was not.
    deleting: BTreeSet<String>,
    /// Customers so far, those deleted included.
    customer_count: usize,
}

impl Given {
    /// Loads that many new rows, and one that is refused.
    fn load(&mut self, client: &Client, row_count: usize) -> Result<()> {
        let first = self.customer_count;
        self.customer_count += row_count;
        let customer = |number: usize| format!("r{number}");
        self.attempted = (first..first + row_count).map(customer).collect();
        let mut csv = "customer,email,city\nnull,,Nowhere\n".to_owned();
        for (number, customer) in self.attempted.iter().enumerate() {
            csv.push_str(&format!("{customer},e{}@x,Paris\n", number / 2));
        }
        let input = Input::Stream(Box::new(Cursor::new(csv.into_bytes())));
        client.database.load(Load {
            dataset: "crm".to_owned(),
            columns: None,
            sources: vec![Source { name: "rows".to_owned(), input }],
            format: format_named("csv")?,
            options: Options::default(),
            max_rejects: None,
        })?;
        self.acknowledged.append(&mut self.attempted);
        self.load_count += 1;
        Ok(())
    }

    /// Deletes rows of customers with such numbers.
    fn delete(&mut self, client: &Client, numbers: &[usize]) -> Result<()> {
        self.deleting = numbers.iter().map(|number| format!("r{number}")).collect();
        let names: Vec<_> = self.deleting.iter().map(|name| format!("'{name}'")).collect();
        client.try_run(&format!("DELETE FROM crm WHERE customer IN ({})", names.join(", ")))?;
        self.acknowledged.retain(|customer| !self.deleting.contains(customer));
        self.deleting.clear();
        Ok(())
    }

    /// Everything that moves rows about, until something fails.
    fn run(&mut self, client: &Client) -> Result<()> {
        self.load(client, 3)?;
        self.load(client, 1)?;
        self.delete(client, &[1])?;
        client.database.flush()?;
        self.load(client, 2)?;
        self.delete(client, &[0, 4])?;
        client.database.flush()?;
        self.delete(client, &[2, 3])?;
        client.database.flush()?;
        self.load(client, 4)?;
        self.delete(client, &[5, 6])
    }
}

fn customers(client: &Client) -> BTreeSet<String> {
    let customer = |record: BTreeMap<String, Value>| match &record["customer"] {
        Value::Text(customer) => customer.clone(),
        other => panic!("{other:?} is no customer"),
    };
    client.records("SELECT customer FROM crm").into_iter().map(customer).collect()
}

/// Opens what a crash left and holds it against what was acknowledged; gives what it holds.
fn check(disk: &MemoryDisk, given: &Given, what: &str) -> (Client, Given) {
    let client = Client::open(disk.clone()).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let found = customers(&client);
    let mut whole =
        Given { attempted: BTreeSet::new(), deleting: BTreeSet::new(), ..given.clone() };
    if found != whole.acknowledged && !given.deleting.is_empty() {
        whole.acknowledged.retain(|customer| !given.deleting.contains(customer));
    } else if found != whole.acknowledged {
        whole.acknowledged.extend(given.attempted.iter().cloned());
        whole.load_count += 1;
    }
    assert_eq!(found, whole.acknowledged, "{what}");
    let count = |sql: &str| client.number(sql) as usize;
    assert_eq!(count("SELECT count(*) FROM crm"), found.len(), "{what}: a row came twice");
    assert_eq!(count("SELECT count(*) FROM selfsame.ingests"), whole.load_count, "{what}");
    assert_eq!(count("SELECT count(*) FROM rejects"), whole.load_count, "{what}");
    let fragments = count("SELECT coalesce(sum(fragment_count), 0) AS n FROM profiles");
    assert_eq!(fragments, found.len(), "{what}");
    (client, whole)
}

/// Besides, writes to what a crash left, and opens it once more.
fn check_and_go_on(disk: &MemoryDisk, given: &Given, what: &str) {
    let (client, mut whole) = check(disk, given, what);
    whole.load(&client, 2).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    drop(client);
    check(&disk.crash(0), &whole, &format!("{what}, and on"));
}

fn defined() -> MemoryDisk {
    let disk = MemoryDisk::new();
    Client::open(disk.clone()).expect("an empty store").run(DEFINITIONS);
    disk.crash(0)
}

#[test]
fn a_power_cut_at_any_change_of_the_disk_loses_nothing_acknowledged() {
    let base = defined();
    let choices = &mut Choices(1);
    for cut in 0.. {
        let disk = PowerCut::after(cut, base.crash(0));
        let mut given = Given::default();
        let client = Client::open(disk.clone());
        let ran = client.as_ref().map_err(Clone::clone).and_then(|client| given.run(client));
        let kept = choices.below(300);
        check(&disk.disk.crash(0), &given, &format!("cut after {cut}"));
        check_and_go_on(
            &disk.disk.crash(kept),
            &given,
            &format!("cut after {cut}, {kept} bytes kept"),
        );
        if ran.is_ok() {
            assert!(cut > 30, "the disk was changed {cut} times only");
            return;
        }
    }
}

#[test]
fn a_power_cut_during_a_load_into_segments_leaves_all_or_nothing() {
    let base = defined();
    for cut in 0.. {
        let disk = PowerCut::after(cut, base.crash(0));
        let mut given = Given::default();
        let client = Client::open(disk.clone());
        let rows = selfsame::engine::load::SEGMENT_ROWS_MIN + 1;
        let ran = client.as_ref().map_err(Clone::clone).and_then(|client| given.load(client, rows));
        check_and_go_on(&disk.disk.crash(7), &given, &format!("cut after {cut}"));
        if ran.is_ok() {
            assert!(disk.disk.paths().iter().any(|path| path.starts_with("segments/")));
            return;
        }
    }
}

/// Steps that change profiles: by rows in time and late, a definition, decisions and deletions.
const CHANGES: [&str; 10] = [
    "INSERT INTO crm VALUES ('1', 'a@x', 'Paris'), ('2', 'b@x', 'Rome'), ('3', 'c@x', 'Oslo')",
    "INSERT INTO crm VALUES ('1', 'b@x', 'Paris')",
    "UNLINK crm_id '1' FROM email 'b@x'",
    "DROP UNLINK crm_id '1' FROM email 'b@x'",
    "flush",
    "ALTER NAMESPACE crm_id SET UNIQUE",
    "INSERT INTO crm VALUES ('3', 'b@x', 'Oslo')",
    "DELETE FROM crm WHERE customer = '3' AND email = 'b@x'",
    "flush",
    "ALTER NAMESPACE crm_id SET NOT UNIQUE",
];

fn change(client: &Client, step: &str) -> Result<()> {
    match step {
        "flush" => client.database.flush(),
        sql => client.try_run(sql).map(drop),
    }
}

/// What profiles are, and what the log says of how they came to be.
fn told(client: &Client) -> [Vec<BTreeMap<String, Value>>; 2] {
    [
        "SELECT * FROM identities ORDER BY identity_id",
        "SELECT * FROM identity_changes ORDER BY change_id",
    ]
    .map(|sql| client.records(sql))
}

#[test]
fn a_power_cut_leaves_each_change_of_profiles_with_what_is_told_of_it() {
    let base = defined();
    let client = Client::open(base.crash(0)).expect("a sound store");
    let mut right = vec![told(&client)];
    for step in CHANGES {
        change(&client, step).expect("a sound disk");
        right.push(told(&client));
    }
    let counts: Vec<usize> = right.iter().map(|[_, log]| log.len()).collect();
    assert!(counts[CHANGES.len()] >= 6, "{counts:?}");
    for cut in 0.. {
        let disk = PowerCut::after(cut, base.crash(0));
        let client = Client::open(disk.clone());
        let steps = client.as_ref().map_or(0, |client| {
            CHANGES.iter().take_while(|step| change(client, step).is_ok()).count()
        });
        drop(client);
        let found = Client::open(disk.disk.crash(0)).expect("a sound store");
        let found = told(&found);
        let after = &right[steps..(steps + 2).min(right.len())];
        assert!(after.contains(&found), "cut after {cut}, {steps} steps: {found:?}");
        if steps == CHANGES.len() {
            return;
        }
    }
}

#[test]
fn a_crash_of_a_new_store_leaves_one_that_opens() {
    for cut in 0.. {
        let disk = PowerCut::after(cut, MemoryDisk::new());
        let opened = Client::open(disk.clone());
        for kept in [0, 5, usize::MAX] {
            let client = Client::open(disk.disk.crash(kept));
            let client = client.unwrap_or_else(|error| panic!("cut after {cut}: {error:?}"));
            client.run(DEFINITIONS);
        }
        if opened.is_ok() {
            return;
        }
    }
}

#[test]
fn a_flush_that_finds_the_disk_full_changes_nothing() {
    let mut refused = 0;
    for room in [0, 500, 2_000, 4_000, 100_000, 5_000_000, 50_000_000] {
        let disk = defined();
        let client = Client::open(disk.clone()).expect("a sound store");
        let mut given = Given::default();
        given.load(&client, 5).expect("a sound disk");
        disk.set_room(Some(room));
        if let Err(error) = client.database.flush() {
            assert_eq!(error.code(), SqlState::DISK_FULL, "room {room}: {error:?}");
            refused += 1;
        }
        assert_eq!(customers(&client), given.acknowledged);
        check(&disk.crash(0), &given, &format!("room {room}"));
        disk.set_room(None);
        given.load(&client, 5).expect("a disk with room again");
        client.database.flush().expect("a disk with room again");
        check(&disk.crash(0), &given, &format!("room after {room}"));
    }
    assert!((3..7).contains(&refused), "{refused} flushes found no room");
}

#[test]
fn a_commit_that_finds_the_disk_full_is_refused_and_those_after_it() {
    let disk = defined();
    let client = Client::open(disk.clone()).expect("a sound store");
    let mut given = Given::default();
    given.load(&client, 5).expect("a sound disk");
    disk.set_room(Some(10));
    let error = given.load(&client, 5).expect_err("no room");
    assert_eq!(error.code(), SqlState::DISK_FULL);
    disk.set_room(None);
    let error = given.load(&client, 5).expect_err("a log in an unknown state");
    assert_eq!(error.code(), SqlState::IO_ERROR);
    assert_eq!(customers(&client), given.acknowledged);
    check_and_go_on(&disk.crash(0), &given, "a full disk");
}

/// Queries that together read every column of every file.
const QUERIES: [&str; 6] = [
    "SELECT * FROM crm ORDER BY customer",
    "SELECT * FROM profiles ORDER BY profile_id",
    "SELECT * FROM identities ORDER BY identity_id",
    "SELECT * FROM selfsame.ingests ORDER BY ingest_id",
    "SELECT * FROM rejects ORDER BY ingest_id",
    "SELECT * FROM identity_changes ORDER BY change_id",
];

/// Opens a damaged store: each answer is the right one, or none.
fn check_damaged(disk: &MemoryDisk, right: &[Vec<BTreeMap<String, Value>>], what: &str) -> usize {
    let expect =
        |error: &Error| assert_eq!(error.code(), SqlState::DATA_CORRUPTED, "{what}: {error:?}");
    let client = match Client::open(disk.clone()) {
        Ok(client) => client,
        Err(error) => {
            expect(&error);
            return 1;
        }
    };
    let mut refused = 0;
    for (sql, right) in QUERIES.iter().zip(right) {
        match client.try_records(sql) {
            Ok(found) => assert_eq!(found, *right, "{what}: {sql}"),
            Err(error) => {
                expect(&error);
                refused = 1;
            }
        }
    }
    refused
}

/// Damages a file here and there.
fn check_every_part(disk: &MemoryDisk, path: &str, right: &[Vec<BTreeMap<String, Value>>]) {
    let length = disk.read(path).expect("a file").byte_count() as usize;
    for offset in (0..length).step_by(length / 12) {
        let damaged = disk.crash(0);
        damaged.damage(path, offset);
        let refused = check_damaged(&damaged, right, &format!("{path}, byte {offset}"));
        assert_eq!(refused, 1, "{path}: nobody noticed byte {offset}");
    }
}

#[test]
fn damage_is_told_and_never_a_wrong_answer() {
    let disk = defined();
    let client = Client::open(disk.clone()).expect("a sound store");
    let mut given = Given::default();
    given.load(&client, 40).expect("a sound disk");
    client.database.flush().expect("a sound disk");
    given.delete(&client, &[3, 4, 17, 39]).expect("a sound disk");
    client.database.flush().expect("a sound disk");
    let right = QUERIES.map(|sql| client.records(sql));
    drop(client);
    let files = disk.paths();
    assert_eq!(files.len(), 9, "{files:?}");
    for path in files {
        if path.starts_with("derived/") {
            // It is the copy of nothing: `startup` damages it and goes without.
            continue;
        }
        // The log ends where its records do: damage to its last one cannot be told from a torn write.
        if !path.starts_with("log/") {
            check_every_part(&disk, &path, &right);
        }
        let without = disk.crash(0);
        without.remove(&path).expect("a disk in memory");
        assert_eq!(check_damaged(&without, &right, &format!("without {path}")), 1, "{path}");
        let left = without.paths();
        let gone: Vec<_> = disk.paths().into_iter().filter(|it| !left.contains(it)).collect();
        assert_eq!(gone, [path], "opening removed more");
    }
}

/// The built program, serving a folder.
struct Serving {
    process: Child,
    address: String,
}

impl Serving {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_selfsame"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .current_dir(folder)
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

    /// Ends the process as a power cut would: SIGKILL.
    fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it has ended");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // A test that failed must not leave it running; one that killed it already finds it gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Inserts row after row until the server is gone; tells of each that was acknowledged.
async fn insert_until_killed(
    client: tokio_postgres::Client,
    name: String,
    acknowledged: tokio::sync::mpsc::UnboundedSender<String>,
) {
    for number in 0.. {
        let customer = format!("{name}-{number}");
        let sql = "INSERT INTO crm VALUES ($1, $2, 'Paris')";
        if client.execute(sql, &[&customer, &format!("{name}@x")]).await.is_err() {
            return;
        }
        let _ = acknowledged.send(customer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_every_acknowledged_row_when_it_starts_again() {
    const WRITERS: usize = 4;
    const ROWS: usize = 60;
    let folder = tempfile::tempdir().expect("a folder");
    let mut acknowledged = BTreeSet::new();
    let mut unanswered = 0;
    for round in 0..3 {
        let mut serving = Serving::start(folder.path());
        let client = serving.connect().await;
        if round == 0 {
            client.batch_execute(DEFINITIONS).await.expect("definitions");
        }
        let rows = client.query("SELECT customer FROM crm", &[]).await.expect("rows");
        let found: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(found.len(), rows.len(), "a row came twice");
        assert!(found.is_superset(&acknowledged), "round {round}");
        assert!(found.len() <= acknowledged.len() + unanswered, "round {round}");
        let counted = client.query_one("SELECT sum(fragment_count)::bigint FROM profiles", &[]);
        let counted: Option<i64> = counted.await.expect("a row").get(0);
        assert_eq!(counted.unwrap_or(0) as usize, found.len());
        // What was not acknowledged but written counts from now on.
        acknowledged = found;
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let name = format!("{round}-{writer}");
            let client = serving.connect().await;
            writers.push(tokio::spawn(insert_until_killed(client, name, sender.clone())));
        }
        drop(sender);
        for _ in 0..ROWS {
            acknowledged.insert(receiver.recv().await.expect("writers that go on"));
        }
        serving.kill();
        while let Some(customer) = receiver.recv().await {
            acknowledged.insert(customer);
        }
        for writer in writers {
            writer.await.expect("a writer that ends");
        }
        unanswered = WRITERS;
    }
    assert!(acknowledged.len() >= 3 * ROWS);
}
