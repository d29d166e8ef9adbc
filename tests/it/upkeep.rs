//! Checking, backing up and restoring: every damage is found and nothing else, and a backup is the store as
//! of one commit, whole or none.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use selfsame::engine::check::{CheckReport, check};
use selfsame::engine::{Database, Options, backup};
use selfsame::env::disk::Disk;
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::error::SqlState;
use selfsame::storage::backup as files;
use selfsame::storage::check::{Severity, Unwatched};

use crate::driver::{Choices, Client};
use crate::model::Value;

const DEFINITIONS: &str = "
    CREATE NAMESPACE crm UNIQUE; CREATE NAMESPACE mail KIND EMAIL;
    CREATE DATASET people (crm TEXT IDENTITY crm, mail TEXT IDENTITY mail, city TEXT, tags TEXT[]);
    CREATE EVENT DATASET visits (id TEXT EVENT ID, mail TEXT IDENTITY mail,
        seen TIMESTAMPTZ OBSERVED AT);
    CREATE MERGE POLICY sets MERGE BY latest MERGE tags BY collect_set;";

/// A store with everything in it: segments, deletions, identities, derived state, and a log.
fn filled() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let client = Client::open(disk.clone()).expect("an empty store");
    client.run(DEFINITIONS);
    for round in 0..3 {
        for at in 0..40 {
            let person = (at * 7 + round) % 30;
            client.run(&format!(
                "INSERT INTO people VALUES ('c{person}', 'm{}@x', 'town {at}', '{{a,b{round}}}')",
                person / 2
            ));
            client.run(&format!("INSERT INTO visits VALUES ('{round}-{at}', 'm{at}@x', now())"));
        }
        client.run(&format!("DELETE FROM people WHERE city = 'town {}'", round + 3));
        client.database.flush().expect("a sound disk");
    }
    client.run("DELETE FROM people WHERE city = 'town 9'");
    client.database.flush().expect("a sound disk");
    client.run("UNLINK crm 'c1' FROM mail 'm0@x'; INSERT INTO people VALUES ('c99', 'm1@x')");
    client.run("DELETE FROM people WHERE city = 'town 11'");
    // Removed names are durably gone, as they are after a while.
    for folder in ["log", "segments", "deletions", "identities"] {
        disk.sync_folder(folder).expect("a disk in memory");
    }
    disk.crash(0)
}

fn checked(disk: &MemoryDisk, deep: bool) -> CheckReport {
    let options = Options { disk: Arc::new(disk.clone()), ..Options::memory() };
    let before = disk.walk().expect("a disk in memory");
    let report = check(&options, deep, &selfsame::query::open, &mut Unwatched);
    assert_eq!(disk.walk().expect("a disk in memory"), before, "a check changed the store");
    report.unwrap_or_else(|error| panic!("{error:?}"))
}

fn damage(report: &CheckReport) -> Vec<String> {
    let damage = report.findings.iter().filter(|it| it.severity == Severity::Damage);
    damage.map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
}

#[test]
fn a_sound_store_is_found_sound() {
    let disk = filled();
    let report = checked(&disk, true);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.row_count > 200 && report.identity_count > 60, "{report:?}");
    assert!(report.file_count > 15 && report.byte_count > 10_000, "{report:?}");
    let closed = disk.crash(0);
    let client = Client::open(closed.clone()).expect("a sound store");
    client.database.close().expect("a sound disk");
    drop(client);
    let report = checked(&closed, true);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    // What a crash leaves is worth a note at most.
    for room in ((4 << 20)..(4 << 20) + 60_000).step_by(2_777) {
        let crashed = disk.crash(0);
        let client = Client::open(crashed.clone()).expect("a sound store");
        client.run("INSERT INTO people VALUES ('c100', 'm2@x')");
        crashed.set_room(Some(room));
        drop(client.database.flush());
        let report = checked(&crashed.crash(3), true);
        assert!(damage(&report).is_empty(), "room {room}: {:?}", report.findings);
    }
}

/// The name that the store itself gives a file.
fn stored(path: &str) -> &str {
    if path == "manifest" { "./manifest" } else { path }
}

/// Bytes that say something: of a log those of records, of other files all.
fn meaning(disk: &MemoryDisk, path: &str) -> usize {
    let contents = disk.read(stored(path)).expect("a file").read_all().expect("a file");
    let last = contents.iter().rposition(|byte| *byte != 0).expect("a file with something in it");
    if path.starts_with("log/") { last + 1 } else { contents.len() }
}

#[test]
fn every_flipped_byte_is_found_where_it_is() {
    let disk = filled();
    let mut choices = Choices(7);
    for path in disk.walk().expect("a disk in memory") {
        let length = meaning(&disk, &path);
        let mut offsets: Vec<usize> = (0..length.min(10)).collect();
        offsets.extend((0..6).map(|_| choices.below(length)));
        offsets.extend(length.saturating_sub(5)..length);
        for offset in offsets {
            let copy = disk.crash(0);
            copy.damage(stored(&path), offset);
            let found = checked(&copy, false).findings;
            let here = |it: &&selfsame::storage::check::Finding| {
                it.severity == Severity::Damage && it.path == path
            };
            assert!(found.iter().any(|it| here(&it)), "{path}, byte {offset}: {found:?}");
            let elsewhere =
                found.iter().find(|it| it.severity == Severity::Damage && it.path != path);
            assert!(elsewhere.is_none(), "{path}, byte {offset}: {elsewhere:?}");
        }
    }
}

#[test]
fn files_cut_short_missing_and_added_are_found() {
    let disk = filled();
    for path in disk.walk().expect("a disk in memory") {
        let name = stored(&path);
        let length = disk.read(name).expect("a file").byte_count() as usize;
        for kept in [0, 1, length / 2, length - 1] {
            let copy = disk.crash(0);
            copy.cut(name, kept);
            let found = damage(&checked(&copy, false));
            assert!(
                found.iter().any(|it| it.starts_with(&path)),
                "{path} cut to {kept}: {found:?}"
            );
        }
        let copy = disk.crash(0);
        copy.remove(name).expect("a disk in memory");
        let report = checked(&copy, false);
        let told = report.findings.iter().find(|finding| finding.path == path);
        let told = told.unwrap_or_else(|| panic!("{path} is missing: {:?}", report.findings));
        // Derived state may be missing: it is computed again.
        let derived = path.starts_with("derived/");
        assert_eq!(told.severity == Severity::Note, derived, "{path}: {told:?}");
    }
    for path in ["segments/0/0000099999.parquet", "log/0000000099.log", "holiday.jpg", "a/b"] {
        let copy = disk.crash(0);
        copy.create(path).expect("a file");
        let findings = checked(&copy, false).findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].path.as_str(), findings[0].severity), (path, Severity::Note));
    }
    let options = Options { disk: Arc::new(MemoryDisk::new()), ..Options::memory() };
    let nothing = check(&options, false, &selfsame::query::open, &mut Unwatched);
    assert_eq!(nothing.expect_err("no store").code(), SqlState::UNDEFINED_FILE);
}

#[test]
fn derived_state_that_is_not_what_rows_give_is_found() {
    let disk = filled();
    let client = Client::open(disk.clone()).expect("a sound store");
    client.database.close().expect("a sound disk");
    let (mine, other) = (disk.crash(0), disk.crash(0));
    // Another store with the same files but for one deletion, whose derived state is put into this one.
    let client = Client::open(other.clone()).expect("a sound store");
    client.run("UNLINK crm 'c2' FROM mail 'm1@x'");
    client.database.close().expect("a sound disk");
    let foreign = other.read("derived/state").expect("a file").read_all().expect("a file");
    mine.create("derived/state").expect("a file").write_at(0, &foreign).expect("a file");
    // It is of the same segments, and the definitions differ: the graph follows those in force.
    let report = checked(&mine, true);
    assert!(damage(&report).is_empty(), "{:?}", report.findings);
}

type Tables = Vec<Vec<BTreeMap<String, Value>>>;

fn tables(client: &Client) -> Tables {
    [
        "SELECT * FROM people ORDER BY crm, mail, city",
        "SELECT * FROM visits ORDER BY id",
        "SELECT * FROM identities ORDER BY identity_id",
        "SELECT * FROM profiles_by.sets ORDER BY profile_id",
        "SELECT * FROM identity_changes ORDER BY change_id",
    ]
    .iter()
    .map(|sql| client.records(sql))
    .collect()
}

fn shared(disk: &MemoryDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn taken(client: &Client, target: &MemoryDisk, kept: Option<usize>) -> backup::BackedUp {
    client.database.backup(&shared(target), kept, &mut Unwatched).expect("sound disks")
}

fn restored(target: &MemoryDisk, number: Option<u64>) -> Client {
    let store = MemoryDisk::new();
    files::restore(&shared(target), &shared(&store), number, &mut Unwatched).expect("a backup");
    let report = checked(&store.crash(0), true);
    assert!(damage(&report).is_empty(), "{:?}", report.findings);
    Client::open(store.crash(0)).expect("a restored store")
}

#[test]
fn a_restored_store_is_the_one_that_was_backed_up() {
    let client = Client::open(filled()).expect("a sound store");
    let target = MemoryDisk::new();
    let first = taken(&client, &target, None);
    let before = tables(&client);
    client.run("INSERT INTO people VALUES ('new', 'new@x'); DELETE FROM people WHERE crm = 'c4'");
    let second = taken(&client, &target, None);
    assert_eq!((first.report.number, second.report.number), (1, 2));
    assert_eq!(first.report.shared.0, 0);
    assert!(second.report.shared.0 > second.report.copied.0, "{second:?}");
    let after = tables(&client);
    assert_ne!(before, after);
    let target = target.crash(0);
    assert_eq!(tables(&restored(&target, Some(1))), before);
    assert_eq!(tables(&restored(&target, Some(2))), after);
    let newest = restored(&target, None);
    assert_eq!(tables(&newest), after);
    newest.run("INSERT INTO people VALUES ('newer', 'new@x')");
    newest.database.close().expect("a sound disk");
    // The store that went its own way has other files under the same names.
    let error = newest.database.backup(&shared(&target), None, &mut Unwatched);
    assert!(error.is_err());
    let third = taken(&client, &target, Some(1));
    assert_eq!(third.report.removed_count, 2);
    assert_eq!(files::list(&shared(&target)).expect("backups").len(), 1);
    assert_eq!(tables(&restored(&target, None)), after);
    let missing =
        files::restore(&shared(&target), &shared(&MemoryDisk::new()), Some(1), &mut Unwatched);
    assert_eq!(missing.expect_err("it was removed").code(), SqlState::UNDEFINED_FILE);
}

#[test]
fn a_backup_of_another_store_is_not_mixed_with_this_one() {
    let target = MemoryDisk::new();
    taken(&Client::open(filled()).expect("a sound store"), &target, None);
    let other = Client::open(MemoryDisk::new()).expect("an empty store");
    other.run(DEFINITIONS);
    for at in 0..9 {
        other.run(&format!("INSERT INTO people VALUES ('o{at}')"));
        other.database.flush().expect("a sound disk");
    }
    let error = other.database.backup(&shared(&target), None, &mut Unwatched);
    assert_eq!(error.expect_err("another store").code(), SqlState::OBJECT_NOT_IN_STATE);
    let photos = MemoryDisk::new();
    photos.create("holiday.jpg").expect("a file");
    let error = other.database.backup(&shared(&photos), None, &mut Unwatched);
    assert_eq!(error.expect_err("no place for backups").code(), SqlState::OBJECT_NOT_IN_STATE);
}

#[test]
fn a_backup_that_was_interrupted_is_none_and_the_next_one_goes_on() {
    let client = Client::open(filled()).expect("a sound store");
    let before = tables(&client);
    let mut half = 0;
    for room in (0..120_000).step_by(3_001) {
        let target = MemoryDisk::new();
        target.set_room(Some(room));
        let taken_at_all = client.database.backup(&shared(&target), None, &mut Unwatched);
        let left = target.crash(9);
        let store = MemoryDisk::new();
        let restored = files::restore(&shared(&left), &shared(&store), None, &mut Unwatched);
        assert_eq!(restored.is_ok(), taken_at_all.is_ok(), "room {room}: {restored:?}");
        if let Err(error) = taken_at_all {
            assert_eq!(error.code(), SqlState::DISK_FULL);
            half += 1;
            taken(&client, &left, None);
            assert_eq!(tables(&self::restored(&left, None)), before, "room {room}");
        }
    }
    assert!(half > 3, "{half} backups were interrupted");
}

#[test]
fn a_damaged_backup_is_not_restored_into_a_store() {
    let client = Client::open(filled()).expect("a sound store");
    let target = MemoryDisk::new();
    taken(&client, &target, None);
    for path in target.walk().expect("a disk in memory") {
        let length = target.read(&path).expect("a file").byte_count() as usize;
        for offset in [0, length / 2, length - 1] {
            let copy = target.crash(0);
            copy.damage(&path, offset);
            let store = MemoryDisk::new();
            let restored = files::restore(&shared(&copy), &shared(&store), None, &mut Unwatched);
            let error = restored.expect_err("a damaged backup");
            assert_eq!(error.code(), SqlState::DATA_CORRUPTED, "{path}, byte {offset}");
            let empty = store.walk().expect("a disk in memory").is_empty();
            let opened = Database::open(Options { disk: shared(&store), ..Options::memory() });
            assert!(empty || opened.is_err(), "half a restored store opens");
        }
    }
}

#[test]
fn a_backup_under_writers_is_the_store_as_of_one_commit() {
    let disk = MemoryDisk::new();
    let client = Client::open(disk.clone()).expect("an empty store");
    client.run(DEFINITIONS);
    let target = MemoryDisk::new();
    let writers = 3;
    std::thread::scope(|scope| {
        let (client, target) = (&client, &target);
        for writer in 0..writers {
            let session = client.another();
            scope.spawn(move || {
                for at in 0..60 {
                    // Two rows at once: a backup with one of them would be of no commit.
                    session.run(&format!(
                        "INSERT INTO people VALUES ('w{writer}-{at}', 'a{writer}-{at}@x'), \
                         ('v{writer}-{at}', 'a{writer}-{at}@x')"
                    ));
                    if at % 9 == writer {
                        session
                            .run(&format!("DELETE FROM people WHERE crm = 'w{writer}-{}'", at / 2));
                        session.database.flush().expect("a sound disk");
                    }
                }
            });
        }
        for _ in 0..8 {
            let commit = taken(client, target, None).commit;
            assert!(commit > 0);
        }
    });
    let mut counts = Vec::new();
    for backup in files::list(&shared(&target)).expect("backups") {
        let client = restored(&target, Some(backup.number));
        let of = |letter: char| {
            let sql = format!(
                "SELECT substr(crm, 2) AS k FROM people WHERE crm LIKE '{letter}%' ORDER BY k"
            );
            client.records(&sql).into_iter().map(|mut it| it.remove("k").expect("k")).collect()
        };
        let (first, second): (Vec<Value>, Vec<Value>) = (of('w'), of('v'));
        assert!(first.iter().all(|key| second.contains(key)), "a row without its other one");
        for writer in 0..writers {
            let prefix = format!("{writer}-");
            let keys =
                second.iter().filter(|it| matches!(it, Value::Text(it) if it.starts_with(&prefix)));
            let mut numbers: Vec<usize> = keys
                .map(|it| match it {
                    Value::Text(it) => it[prefix.len()..].parse().expect("a number"),
                    other => panic!("{other:?}"),
                })
                .collect();
            numbers.sort_unstable();
            assert!(numbers.iter().copied().eq(0..numbers.len()), "a row without those before it");
        }
        counts.push(second.len());
    }
    assert!(counts.is_sorted(), "{counts:?}");
    assert!(tables(&restored(&target, None))[0].len() <= tables(&client)[0].len());
}

fn program(arguments: &[&str], folder: &Path) -> (bool, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_selfsame"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_command_line_checks_backs_up_and_restores() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let run = |arguments: &[&str], succeeds: bool, expected: &str| {
        let (success, text) = program(arguments, at);
        assert_eq!(success, succeeds, "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    };
    run(&["check", "--data", "none"], false, "there is no folder");
    let definitions = format!("{DEFINITIONS} INSERT INTO people VALUES ('1', 'a@x', 'Rome')");
    run(&["sql", "--data", "store", &definitions], true, "INSERT");
    run(
        &["check", "--data", "store", "--deep"],
        true,
        "1 rows, 2 identities, 1 profiles; everything",
    );
    run(&["backup", "--data", "store", "backups"], true, "backup 1:");
    run(&["backup", "--data", "store", "backups"], true, "0 files copied");
    run(&["backup", "--list", "backups"], true, "backup 2:");
    run(&["restore", "--data", "store", "backups"], false, "is not empty");
    run(&["restore", "--data", "again", "backups"], true, "restored backup 2");
    run(&["sql", "--data", "again", "SELECT city FROM profiles"], true, "Rome");
    run(&["sql", "--data", "again", "BACKUP TO 'x'"], false, "may not write");
    let sql = "BACKUP TO 'x' WITH (keep = 1)";
    run(&["sql", "--data", "again", "--backup-directories", "online", sql], true, "bytes_copied");
    run(&["restore", "--data", "third", "online/x"], true, "restored backup 1");
    let segments = std::fs::read_dir(at.join("again/segments/0")).expect("segments");
    let segment = segments.map(|entry| entry.expect("a file").path()).next().expect("a segment");
    let mut bytes = std::fs::read(&segment).expect("a file");
    bytes[6] ^= 1;
    std::fs::write(&segment, bytes).expect("a file");
    run(&["check", "--data", "again"], false, "wrong checksum");
    run(&["backup", "--data", "again", "more"], false, "wrong checksum");
    let lock = selfsame::env::real_disk::RealDisk::open(&at.join("third")).expect("a folder");
    run(&["check", "--data", "third"], false, "is in use");
    drop(lock);
}

/// A clock that a test sets, and that may go back.
struct Settable(std::sync::atomic::AtomicI64);

impl selfsame::env::clock::Clock for Settable {
    fn now_micros(&self) -> i64 {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

const DAY: i64 = 86_400_000_000;

/// 2026-01-01.
const NOW: i64 = 20_454 * DAY;

#[test]
fn rows_expire_and_graphs_and_profiles_follow() {
    let clock = Arc::new(Settable(NOW.into()));
    let disk = MemoryDisk::new();
    let client = Client::at_times(disk.clone(), Vec::new(), clock.clone()).expect("an empty store");
    client.run(DEFINITIONS);
    client.run("ALTER DATASET visits SET (retention = '30 days')");
    for (id, seen) in [("a", "2025-11-30"), ("b", "2025-12-03"), ("c", "2025-12-31")] {
        client.run(&format!("INSERT INTO visits VALUES ('{id}', '{id}@x', '{seen}')"));
    }
    client.run("INSERT INTO visits VALUES ('d', 'd@x', NULL)");
    client.run("INSERT INTO people VALUES ('1', 'b@x', 'Rome')");
    client.database.flush().expect("a sound disk");
    let told = |client: &Client| {
        let row = &client.records("EXPLAIN RETENTION")[0];
        (row["retention"].clone(), row["expired_count"].clone(), row["row_count"].clone())
    };
    let kept = Value::text("30 days");
    assert_eq!(told(&client), (kept.clone(), Value::Int(1), Value::Int(4)));
    assert_eq!(client.database.expire(), Ok(1));
    assert_eq!(client.database.expire(), Ok(0));
    assert_eq!(client.number("SELECT count(*) FROM profiles"), 3);
    // What has no time of its own is as old as its ingestion.
    clock.0.store(NOW + 15 * DAY, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(told(&client), (kept, Value::Int(1), Value::Int(3)));
    client.database.upkeep().expect("a sound disk");
    assert_eq!(client.number("SELECT event_count FROM profiles WHERE crm = '1'"), 0);
    clock.0.store(NOW + 31 * DAY, std::sync::atomic::Ordering::SeqCst);
    client.database.upkeep().expect("a sound disk");
    assert_eq!(client.number("SELECT count(*) FROM visits"), 0);
    assert_eq!(client.number("SELECT count(*) FROM profiles"), 1);
    client.run("ALTER DATASET visits SET (retention = 'none')");
    assert!(client.records("EXPLAIN RETENTION").is_empty());
    let sql = "SELECT definition FROM selfsame.datasets WHERE definition LIKE '%retention%'";
    assert!(client.records(sql).is_empty());
    client.run("ALTER DATASET visits SET (retention = '1 year')");
    drop(client);
    let client = Client::open(disk.crash(0)).expect("a sound store");
    assert_eq!(client.records(sql).len(), 1);
}

#[test]
fn more_rows_than_a_batch_expire_too() {
    let client = Client::at_times(MemoryDisk::new(), Vec::new(), Arc::new(Settable(NOW.into())));
    let client = client.expect("an empty store");
    client.run(DEFINITIONS);
    let rows = selfsame::engine::retention::BATCH_ROWS * 2 + 5;
    client.run(&format!(
        "INSERT INTO visits SELECT 'v' || value, 'm' || value % 7 || '@x', \
         TIMESTAMPTZ '2020-01-01' FROM generate_series(1, {rows}) AS g(value)"
    ));
    client.run("ALTER DATASET visits SET (retention = '2 years')");
    assert_eq!(client.database.expire(), Ok(rows as u64));
    assert_eq!(client.number("SELECT count(*) FROM identities"), 0);
}

#[test]
fn compaction_changes_files_and_nothing_else() {
    let disk = MemoryDisk::new();
    let client = Client::open(disk.clone()).expect("an empty store");
    client.run(DEFINITIONS);
    for round in 0..9 {
        for at in 0..12 {
            let person = (at * 7 + round) % 30;
            client.run(&format!(
                "INSERT INTO people VALUES ('c{person}', 'm{}@x', 'town {at}{round}', '{{a}}')",
                person / 2
            ));
            client.run(&format!("INSERT INTO visits VALUES ('{round}-{at}', 'm{at}@x', now())"));
        }
        client.run(&format!("DELETE FROM people WHERE city = 'town 3{}'", round / 2));
        client.database.flush().expect("a sound disk");
    }
    let segments = |disk: &MemoryDisk| {
        disk.paths().iter().filter(|path| path.starts_with("segments/")).count()
    };
    let (before, files) = (tables(&client), segments(&disk));
    while client.database.compact().expect("a sound disk") {
        assert_eq!(tables(&client), before);
        client.run("DELETE FROM people WHERE city = 'no town'");
    }
    assert!(segments(&disk) * 2 < files, "{} of {files}", segments(&disk));
    let sql =
        "SELECT count(*) FROM selfsame.operations WHERE kind = 'compaction' AND state = 'done'";
    assert!(client.number(sql) >= 2);
    // Rows are where the index says: a person's rows, a delete, and what follows from it.
    client.run(
        "DELETE FROM people WHERE crm = 'c4'; INSERT INTO people VALUES ('c4', 'm9@x', 'new')",
    );
    let after = tables(&client);
    client.database.close().expect("a sound disk");
    let report = checked(&disk.crash(0), true);
    assert!(damage(&report).is_empty(), "{:?}", report.findings);
    drop(client);
    assert_eq!(tables(&Client::open(disk.crash(0)).expect("a sound store")), after);
}

#[test]
fn a_compaction_under_writers_loses_no_write() {
    let disk = MemoryDisk::new();
    let client = Client::open(disk.clone()).expect("an empty store");
    client.run(DEFINITIONS);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (client, done) = (&client, &done);
        scope.spawn(move || {
            for at in 0..150 {
                client.run(&format!("INSERT INTO people VALUES ('c{at}', 'm{}@x')", at / 2));
                if at % 3 == 0 {
                    client.run(&format!("DELETE FROM people WHERE crm = 'c{}'", at / 3));
                }
                if at % 5 == 0 {
                    client.database.flush().expect("a sound disk");
                }
            }
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        scope.spawn(move || {
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                client.database.compact().expect("a sound disk");
            }
        });
    });
    while client.database.compact().expect("a sound disk") {}
    let sql = "SELECT count(*) FROM people";
    assert_eq!(
        (client.number(sql), client.number("SELECT count(DISTINCT crm) FROM people")),
        (100, 100)
    );
    let before = tables(&client);
    drop(client);
    assert!(damage(&checked(&disk.crash(0), true)).is_empty());
    assert_eq!(tables(&Client::open(disk.crash(0)).expect("a sound store")), before);
}

#[test]
fn a_compaction_that_finds_the_disk_full_or_crashes_changes_nothing() {
    let base = MemoryDisk::new();
    let client = Client::open(base.clone()).expect("an empty store");
    client.run(DEFINITIONS);
    for at in 0..8 {
        client.run(&format!("INSERT INTO people VALUES ('c{at}', 'm{}@x', 'town')", at / 2));
        client.database.flush().expect("a sound disk");
    }
    let before = tables(&client);
    drop(client);
    let (mut done, mut not) = (0, 0);
    for room in (0..6_000).step_by(701).chain((4 << 20..(4 << 20) + 24_000).step_by(2_003)) {
        let disk = base.crash(0);
        let client = Client::open(disk.clone()).expect("a sound store");
        disk.set_room(Some(room));
        match client.database.compact() {
            Ok(_) => done += 1,
            Err(error) => {
                assert_eq!(error.code(), SqlState::DISK_FULL);
                not += 1;
            }
        }
        assert_eq!(tables(&client), before, "room {room}");
        let left = disk.crash(7);
        assert!(damage(&checked(&left, true)).is_empty(), "room {room}");
        assert_eq!(tables(&Client::open(left).expect("a sound store")), before, "room {room}");
    }
    assert!(done > 0 && not > 0, "{done} {not}");
}

#[test]
fn after_a_failed_sync_nothing_more_is_taken_and_nothing_acknowledged_is_lost() {
    for good in 0..6 {
        let disk = MemoryDisk::new();
        let client = Client::open(disk.clone()).expect("an empty store");
        client.run(DEFINITIONS);
        client.run("INSERT INTO people VALUES ('first', 'm@x')");
        disk.set_syncs(Some(good));
        let mut acknowledged = 1;
        let failed = (0..9).find_map(|at| {
            let ran = client.try_run(&format!("INSERT INTO people VALUES ('c{at}', 'm{at}@x')"));
            acknowledged += usize::from(ran.is_ok());
            ran.err()
        });
        assert_eq!(failed.expect("a failed sync").code(), SqlState::IO_ERROR);
        let count = |client: &Client| client.number("SELECT count(*) FROM people") as usize;
        assert_eq!(count(&client), acknowledged);
        // The disk works again, and yet nobody knows what it holds.
        for sql in ["INSERT INTO people VALUES ('x')", "DELETE FROM people", "FORGET crm 'first'"] {
            let error = client.try_run(sql).expect_err("a store that takes nothing");
            assert_eq!(error.code(), SqlState::IO_ERROR, "{sql}");
        }
        assert_eq!(client.database.flush().expect_err("no flush").code(), SqlState::IO_ERROR);
        assert_eq!(client.database.compact().map_err(|error| error.code()), Ok(false));
        assert_eq!(count(&client), acknowledged);
        assert!(client.database.close().is_err());
        drop(client);
        for kept in [0, 40, usize::MAX] {
            let again = Client::open(disk.crash(kept)).expect("a sound store");
            let found = count(&again);
            assert!(
                (acknowledged..=acknowledged + 1).contains(&found),
                "{found} of {acknowledged}"
            );
            again.run("INSERT INTO people VALUES ('after')");
        }
    }
}

#[test]
fn a_load_whose_sync_fails_leaves_a_store_that_opens() {
    let rows = selfsame::engine::load::SEGMENT_ROWS_MIN + 1;
    for good in 0..8 {
        let disk = MemoryDisk::new();
        let client = Client::open(disk.clone()).expect("an empty store");
        client.run(DEFINITIONS);
        let csv: String = (0..rows).map(|at| format!("c{at},m{at}@x,town,\n")).collect();
        disk.set_syncs(Some(good));
        let loaded = client.database.load(selfsame::engine::Load {
            dataset: "people".to_owned(),
            columns: None,
            sources: vec![selfsame::engine::Source {
                name: "rows".to_owned(),
                input: selfsame::ingest::Input::Stream(Box::new(std::io::Cursor::new(
                    csv.into_bytes(),
                ))),
            }],
            format: selfsame::ingest::format_named("csv").expect("a format"),
            options: selfsame::ingest::Options::default(),
            max_rejects: None,
        });
        disk.set_syncs(None);
        drop(client);
        for kept in [0, usize::MAX] {
            let again = Client::open(disk.crash(kept)).expect("a sound store");
            let found = again.number("SELECT count(*) FROM people") as usize;
            assert!(found == rows || (loaded.is_err() && found == 0), "{found} after {good} syncs");
        }
    }
}

#[test]
fn a_clock_that_goes_back_changes_no_order() {
    let clock = Arc::new(Settable(NOW.into()));
    let disk = MemoryDisk::new();
    let client = Client::at_times(disk.clone(), Vec::new(), clock.clone()).expect("an empty store");
    client.run(DEFINITIONS);
    for (at, now) in [NOW, NOW - 400 * DAY, NOW - 9 * DAY, 5, NOW + DAY].into_iter().enumerate() {
        clock.0.store(now, std::sync::atomic::Ordering::SeqCst);
        client.run(&format!("INSERT INTO people VALUES ('c{}', 'm@x', 'town {at}')", at % 2));
        client.run(&format!("INSERT INTO visits VALUES ('v{}', 'm@x')", at / 2));
        client.database.flush().expect("a sound disk");
    }
    assert_eq!(client.number("SELECT count(*) FROM visits"), 3);
    let ids = client.records("SELECT fragment_id FROM fragments ORDER BY fragment_id");
    assert_eq!(ids.len(), 8);
    let before = tables(&client);
    drop(client);
    assert!(damage(&checked(&disk.crash(0), true)).is_empty());
    assert_eq!(tables(&Client::open(disk.crash(0)).expect("a sound store")), before);
}
