//! What is told of changes: that operations are seen while they run, and that the log of changes to
//! profiles leads from any state of the graph to the next.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::mpsc::{Receiver, Sender, channel};

use selfsame::engine::{Load, Source};
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::ingest::{Input, Options, format_named};

use crate::driver::{Choices, Client};
use crate::model::Value;

/// A reader that waits for each of its pieces, and tells when it begins to wait.
struct Slow {
    waiting: Sender<()>,
    pieces: Receiver<&'static str>,
    rest: Cursor<Vec<u8>>,
}

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.rest.read(buffer)?;
        if read > 0 {
            return Ok(read);
        }
        let _ = self.waiting.send(());
        // The test lets go of its end when the input is at its own.
        let Ok(piece) = self.pieces.recv() else { return Ok(0) };
        self.rest = Cursor::new(piece.as_bytes().to_vec());
        self.rest.read(buffer)
    }
}

fn load(client: &Client, input: Input) -> selfsame::error::Result<u64> {
    let loaded = client.database.load(Load {
        dataset: "crm".to_owned(),
        columns: None,
        sources: vec![Source { name: "STDIN".to_owned(), input }],
        format: format_named("csv")?,
        options: Options::default(),
        max_rejects: Some(0),
    });
    loaded.map(|report| report.accepted)
}

/// The operations of some kinds, as `kind statement done/total unit progress state detail`.
fn operations(client: &Client, kinds: &str) -> Vec<String> {
    let sql = format!(
        "SELECT concat(kind, ' ', statement, ' ', done, '/', coalesce(total::text, '?'), ' ', unit, ' ',
             coalesce(progress::text, '?'), ' ', state, CASE WHEN finished_at IS NULL THEN '' ELSE '.' END,
             ' ', detail) AS line
         FROM selfsame.operations WHERE kind IN ({kinds}) ORDER BY operation_id"
    );
    let line = |record: BTreeMap<String, Value>| match &record["line"] {
        Value::Text(line) => line.trim_end().to_owned(),
        other => panic!("{other:?} is no line"),
    };
    client.records(&sql).into_iter().map(line).collect()
}

fn opened() -> Client {
    let client = Client::open(MemoryDisk::new()).expect("an empty store");
    client.run(
        "CREATE NAMESPACE crm_id; CREATE NAMESPACE email;
         CREATE DATASET crm (no TEXT IDENTITY crm_id, email TEXT IDENTITY email)",
    );
    client
}

#[test]
fn a_load_is_seen_while_it_runs() {
    let client = opened();
    let (waiting, waits) = channel();
    let (more, pieces) = channel();
    let slow = Slow { waiting, pieces, rest: Cursor::new(Vec::new()) };
    std::thread::scope(|scope| {
        let loading = client.another();
        let loaded = scope.spawn(move || load(&loading, Input::Stream(Box::new(slow))));
        waits.recv().expect("a load that reads");
        let running = "load COPY crm FROM STDIN 0/? rows ? running";
        assert_eq!(operations(&client, "'load'"), [running]);
        more.send("no,email\n1,a\n2,b\n").expect("a load that reads on");
        drop(more);
        assert_eq!(loaded.join().expect("no panic").expect("sound rows"), 2);
    });
    assert_eq!(
        operations(&client, "'load'"),
        [
            "load COPY crm FROM STDIN 2/2 rows 1 done. ingest 1: 2 accepted, 0 rejected, 0 duplicates"
        ]
    );
}

#[test]
fn operations_tell_how_they_ended() {
    let client = opened();
    let csv = |text: &str| Input::Stream(Box::new(Cursor::new(text.as_bytes().to_vec())));
    assert!(load(&client, csv("no,email\n1,a\nnull,\n")).is_err());
    client.run("INSERT INTO crm VALUES ('1', 'a'), ('2', 'a'), ('3', 'c')");
    client.run("ALTER NAMESPACE crm_id SET UNIQUE");
    assert!(client.try_run("ALTER NAMESPACE fax SET UNIQUE").is_err());
    client.run("DELETE FROM crm WHERE no = '3'");
    client.database.flush().expect("a sound disk");
    client.run("DROP DATASET crm");
    assert_eq!(
        operations(&client, "'load', 'definition', 'delete'"),
        [
            "load COPY crm FROM STDIN 2/? rows ? failed. more than 0 rows were rejected",
            "definition ALTER NAMESPACE crm_id SET UNIQUE 1/1 graphs 1 done. \
             1 profile split off; identity_changes lists them",
            "definition ALTER NAMESPACE fax SET UNIQUE 0/? graphs ? failed. \
             namespace \"fax\" does not exist",
            "delete DELETE FROM crm 1/1 rows 1 done. 1 rows deleted",
            "definition DROP DATASET crm 0/0 graphs 1 done.",
        ]
    );
    let flushes = operations(&client, "'flush'");
    assert_eq!(flushes.len(), 1);
    assert!(flushes[0].contains(" datasets 1 done. ") && flushes[0].ends_with("bytes of log"));
}

/// Identities and the profiles they belong to.
fn profiles(client: &Client) -> BTreeMap<i64, i64> {
    let records = client.records("SELECT identity_id, profile_id FROM identities");
    let pair =
        |record: BTreeMap<String, Value>| match (&record["identity_id"], &record["profile_id"]) {
            (Value::Int(identity), Value::Int(profile)) => (*identity, *profile),
            other => panic!("{other:?}"),
        };
    records.into_iter().map(pair).collect()
}

/// What the log says since a number: kind, and profiles before and after.
fn logged(client: &Client, after: i64) -> Vec<(String, i64, i64)> {
    let records = client.records(&format!(
        "SELECT kind, from_profile_id, to_profile_id FROM identity_changes
         WHERE change_id > {after}"
    ));
    let change = |record: BTreeMap<String, Value>| match (
        &record["kind"],
        &record["from_profile_id"],
        &record["to_profile_id"],
    ) {
        (Value::Text(kind), Value::Int(from), Value::Int(to)) => (kind.clone(), *from, *to),
        other => panic!("{other:?}"),
    };
    records.into_iter().map(change).collect()
}

/// What a step of some steps does, at random.
fn step(choices: &mut Choices) -> String {
    let (no, email, day) = (1 + choices.below(4), choices.below(4), 1 + choices.below(28));
    match choices.below(12) {
        0 => format!("UNLINK crm_id '{no}' FROM email 'e{email}'"),
        1 => format!("DROP UNLINK IF EXISTS crm_id '{no}' FROM email 'e{email}'"),
        2 => format!("DELETE FROM crm WHERE no = '{no}'"),
        3 => "ALTER NAMESPACE crm_id SET UNIQUE".to_owned(),
        4 => "ALTER NAMESPACE crm_id SET NOT UNIQUE".to_owned(),
        5 => format!("ALTER SYSTEM SET graph_identities_max = {}", 2 + choices.below(6)),
        _ => format!("INSERT INTO crm VALUES ('{no}', 'e{email}', '2026-01-{day:02}')"),
    }
}

#[test]
fn every_change_of_a_profile_is_logged_and_nothing_else_is() {
    for seed in 0..6 {
        let choices = &mut Choices(seed);
        let mut disk = MemoryDisk::new();
        let mut client = Client::open(disk.clone()).expect("an empty store");
        client.run(
            "CREATE NAMESPACE crm_id; CREATE NAMESPACE email;
             CREATE DATASET crm (no TEXT IDENTITY crm_id, email TEXT IDENTITY email, at DATE OBSERVED AT)",
        );
        let mut kinds = BTreeMap::new();
        let mut count = 0;
        for number in 0..60 {
            let before = profiles(&client);
            let sql = step(choices);
            client.run(&sql);
            let (after, log) = (profiles(&client), logged(&client, count));
            let told: Vec<(i64, i64)> = log.iter().map(|(_, from, to)| (*from, *to)).collect();
            let changed: Vec<(i64, i64)> = before
                .iter()
                .filter_map(|(identity, from)| Some((*from, *after.get(identity)?)))
                .filter(|(from, to)| from != to)
                .collect();
            for pair in &changed {
                assert!(told.contains(pair), "seed {seed}, {number}: {sql} did {pair:?}: {log:?}");
            }
            for (kind, from, to) in &log {
                assert!(changed.contains(&(*from, *to)), "seed {seed}, {number}: {sql} not {from}");
                let was = before.values().any(|profile| profile == to);
                // Whoever gave the profile its number tells whether it went as a whole.
                let joined = after.get(from) == Some(to);
                let expected = match (joined, was) {
                    (true, _) => "joined",
                    (false, true) => "moved",
                    (false, false) => "split",
                };
                assert_eq!(kind, expected, "seed {seed}, {number}: {sql}: {log:?}");
                *kinds.entry(kind.clone()).or_insert(0) += 1;
            }
            count += log.len() as i64;
            if number % 20 == 19 {
                let whole = client.records("SELECT * FROM identity_changes ORDER BY change_id");
                if number % 40 == 19 {
                    client.database.flush().expect("a sound disk");
                }
                drop(client);
                disk = disk.crash(0);
                client = Client::open(disk.clone()).expect("a sound store");
                assert_eq!(
                    client.records("SELECT * FROM identity_changes ORDER BY change_id"),
                    whole,
                    "seed {seed}"
                );
            }
        }
        assert!(kinds.len() >= 2, "seed {seed} saw {kinds:?} only");
    }
}
