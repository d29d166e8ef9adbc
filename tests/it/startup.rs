//! Opening a store: from derived state as it was saved, which must be what all rows say, and from all
//! rows where it was not saved, is damaged, or is of rows that are no more.

use proptest::prelude::*;
use selfsame::env::disk::Disk;
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::error::SqlState;

use crate::driver::{Choices, Client};
use crate::graph::{bring, change, check_lookups, given, learn, opened};

const DEFINITIONS: &str = "
    CREATE NAMESPACE crm UNIQUE; CREATE NAMESPACE mail KIND EMAIL; CREATE NAMESPACE cookie KIND COOKIE;
    CREATE DATASET people (crm TEXT IDENTITY crm, mail TEXT IDENTITY mail, city TEXT);
    CREATE EVENT DATASET visits (id TEXT EVENT ID, cookie TEXT IDENTITY cookie,
        mail TEXT IDENTITY mail, seen TIMESTAMPTZ OBSERVED AT);
    LINK mail 'm1' TO cookie 'unseen'; UNLINK mail 'm2' FROM cookie 'c2';";

/// Queries that together show everything that is derived.
const TABLES: [&str; 7] = [
    "SELECT * FROM identities",
    "SELECT * FROM identity_links",
    "SELECT * FROM profiles",
    "SELECT * FROM fragments",
    "SELECT * FROM rejects",
    "SELECT * FROM selfsame.ingests",
    "SELECT * FROM selfsame.decisions",
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

/// Identities and their profiles, as the graph alone has them.
fn profiles(client: &Client) -> Vec<(u32, Option<u32>)> {
    let graph = &client.database.snapshot().state.graph;
    graph.identities().map(|identity| (identity, graph.profile_of(identity))).collect()
}

fn open(disk: &MemoryDisk, what: &str) -> Client {
    Client::open(disk.crash(0)).unwrap_or_else(|error| panic!("{what}: {error:?}"))
}

/// The disk without saved derived state.
fn without_saved(disk: &MemoryDisk) -> MemoryDisk {
    let disk = disk.crash(0);
    disk.remove("derived/state").expect("a disk in memory");
    disk.sync_folder("derived").expect("a disk in memory");
    disk
}

/// The disk with these segments damaged where their rows are, so that whoever reads one is told. Opening
/// one reads its end only.
fn with_unreadable(disk: &MemoryDisk, segments: &[String]) -> MemoryDisk {
    let disk = disk.crash(0);
    segments.iter().for_each(|path| disk.damage(path, 8));
    disk
}

fn segments(disk: &MemoryDisk) -> Vec<String> {
    disk.paths().into_iter().filter(|path| path.starts_with("segments/")).collect()
}

/// Whether the store opens without reading rows of any of these segments.
fn opens_unread(disk: &MemoryDisk, segments: &[String]) -> bool {
    match Client::open(with_unreadable(disk, segments)) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.code(), SqlState::DATA_CORRUPTED, "{error:?}");
            false
        }
    }
}

/// A store with rows, events, deletions and decisions, closed.
fn closed() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let client = Client::open(disk.clone()).expect("an empty store");
    client.run(DEFINITIONS);
    for round in 0..3 {
        let people: Vec<String> = (0..8)
            .map(|n| format!("('{}', 'm{}', 'Paris')", 10 * round + n, (n + round) % 6))
            .collect();
        client.run(&format!("INSERT INTO people VALUES {}", people.join(", ")));
        let visits: Vec<String> = (0..6)
            .map(|n| format!("('v{round}-{n}', 'c{n}', 'm{}', '2026-01-0{}')", n / 2, n + 1))
            .collect();
        client.run(&format!("INSERT INTO visits VALUES {}", visits.join(", ")));
        client.database.flush().expect("a sound disk");
    }
    client.run("DELETE FROM people WHERE crm IN ('3', '12'); DELETE FROM visits WHERE id = 'v1-4'");
    client.database.close().expect("a sound disk");
    disk.crash(0)
}

#[test]
fn no_row_is_read_again() {
    let disk = closed();
    let all = segments(&disk);
    assert!(all.len() >= 6, "{all:?}");
    let right = tables(&open(&without_saved(&disk), "all rows"));
    assert_eq!(tables(&open(&disk, "saved")), right);
    assert!(opens_unread(&disk, &all));
    assert!(!opens_unread(&without_saved(&disk), &all));
    // Identities and graphs are there, and what events came; rows are not.
    let client = open(&with_unreadable(&disk, &all), "saved");
    assert_eq!(profiles(&client), profiles(&open(&without_saved(&disk), "all rows")));
    assert_eq!(client.run("INSERT INTO visits (id, cookie) VALUES ('v2-3', 'c1')"), "INSERT 0 0");
    assert_eq!(client.run("INSERT INTO visits (id, cookie) VALUES ('v1-4', 'c1')"), "INSERT 0 1");
    let error = client.try_records("SELECT city FROM people").expect_err("damage");
    assert_eq!(error.code(), SqlState::DATA_CORRUPTED);
}

#[test]
fn damage_anywhere_is_noticed_and_makes_no_difference() {
    let disk = closed();
    let all = segments(&disk);
    let right = tables(&open(&without_saved(&disk), "all rows"));
    let length = disk.read("derived/state").expect("it was saved").byte_count() as usize;
    for offset in (0..length).step_by(length / 50) {
        let damaged = disk.crash(0);
        damaged.damage("derived/state", offset);
        assert_eq!(tables(&open(&damaged, "damaged")), right, "byte {offset}");
        assert!(!opens_unread(&damaged, &all), "nobody noticed byte {offset}");
    }
}

#[test]
fn another_format_and_a_file_cut_off_make_no_difference() {
    let disk = closed();
    let right = tables(&open(&without_saved(&disk), "all rows"));
    let whole = disk.read("derived/state").and_then(|file| file.read_all()).expect("a file");
    let mut newer = whole.to_vec();
    newer[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let sum = crc32c::crc32c(&newer[..12]);
    newer[12..16].copy_from_slice(&sum.to_le_bytes());
    let mut longer = whole.to_vec();
    longer.push(0);
    for contents in [&newer[..], &longer, &whole[..whole.len() - 1], &whole[..500], &[]] {
        let disk = disk.crash(0);
        disk.replace("derived", "state", contents).expect("a disk in memory");
        assert_eq!(tables(&open(&disk, "another file")), right);
        assert!(!opens_unread(&disk, &segments(&disk)));
        // It is saved anew in the end.
        let client = Client::open(disk.clone()).expect("a sound store");
        client.database.close().expect("a sound disk");
        assert!(opens_unread(&disk, &segments(&disk)));
    }
}

#[test]
fn what_came_after_is_read_and_no_more() {
    let disk = closed();
    let old = segments(&disk);
    let client = Client::open(disk.clone()).expect("a sound store");
    client.run("INSERT INTO people VALUES ('90', 'm1', 'Rome'), ('91', 'm90', 'Rome')");
    client.run("INSERT INTO visits (id, cookie, mail) VALUES ('v9', 'c9', 'm90')");
    client.run("ALTER NAMESPACE mail SET UNIQUE; UNLINK mail 'm90' FROM cookie 'c9'");
    client.run("DROP LINK mail 'm1' TO cookie 'unseen'");
    client.database.flush().expect("a sound disk");
    // Under other rules the graph is folded again, of rows.
    assert!(!opens_unread(&disk, &old));
    let right = tables(&client);
    assert_eq!(tables(&open(&disk, "saved and more")), right);
    assert_eq!(tables(&open(&without_saved(&disk), "all rows")), right);
    client.database.close().expect("a sound disk");

    let client = Client::open(disk.clone()).expect("a sound store");
    let old = segments(&disk);
    client.run("INSERT INTO people VALUES ('92', 'm92', 'Rome')");
    client.run("INSERT INTO visits (id, cookie) VALUES ('v10', 'c10')");
    client.database.flush().expect("a sound disk");
    let new: Vec<_> = segments(&disk).into_iter().filter(|path| !old.contains(path)).collect();
    assert!(opens_unread(&disk, &old) && !opens_unread(&disk, &new), "{new:?}");
    // An event of the log that takes the place of one that was saved.
    client.run("DELETE FROM visits WHERE id = 'v2-3'");
    assert_eq!(client.run("INSERT INTO visits (id, cookie) VALUES ('v2-3', 'c1')"), "INSERT 0 1");
    client.run("DELETE FROM visits WHERE id = 'v2-2'");
    let right = tables(&client);
    for disk in [disk.crash(0), without_saved(&disk)] {
        let client = open(&disk, "saved, segments and log");
        assert_eq!(tables(&client), right);
        for (id, taken) in [("v2-3", 0), ("v2-2", 1), ("v10", 0), ("v0-0", 0)] {
            let tag = client.run(&format!("INSERT INTO visits (id, cookie) VALUES ('{id}', 'c1')"));
            assert_eq!(tag, format!("INSERT 0 {taken}"), "{id}");
        }
    }
    // Deletions from segments that it is made of leave it behind.
    client.database.flush().expect("a sound disk");
    assert!(!opens_unread(&disk, &old));
    assert_eq!(tables(&open(&disk, "deletions")), right);
}

#[test]
fn it_is_saved_when_much_came_and_when_something_did() {
    let disk = MemoryDisk::new();
    let client = Client::open(disk.clone()).expect("an empty store");
    client.run(DEFINITIONS);
    let saved = || disk.read("derived/state").and_then(|file| file.read_all()).ok();
    let mut saves = Vec::new();
    for row in 0..40 {
        let before = saved();
        client.run(&format!("INSERT INTO people VALUES ('{row}', 'x{row}', 'Rome')"));
        client.database.flush().expect("a sound disk");
        if saved() != before {
            saves.push(row + 1);
        }
    }
    assert_eq!(saves, [1, 2, 4, 7, 11, 17, 26, 40]);
    let before = saved();
    client.database.close().expect("a sound disk");
    assert_eq!(saved(), before, "nothing came");
    let client = Client::open(disk.clone()).expect("a sound store");
    client.database.close().expect("a sound disk");
    assert_eq!(saved(), before, "nothing came");
    let client = Client::open(disk.clone()).expect("a sound store");
    client.run("ALTER NAMESPACE crm BLOCK ('3')");
    assert!(opens_unread(&disk, &segments(&disk)), "a rewritten store is saved again");
    client.run("INSERT INTO people VALUES ('a', 'b', 'Rome')");
    let before = saved();
    client.database.close().expect("a sound disk");
    assert_ne!(saved(), before);
}

#[test]
fn a_full_disk_fails_nothing_but_saving() {
    let disk = closed();
    let (mut saved_count, mut unsaved_count) = (0, 0);
    for step in 0..40 {
        let disk = without_saved(&disk);
        let client = Client::open(disk.clone()).expect("a sound store");
        client.run("INSERT INTO people VALUES ('3', 'm9', 'Rome')");
        let right = tables(&client);
        // A log takes as much, and flushing some more.
        disk.set_room(Some(selfsame::storage::log::ZEROED_BYTES as u64 + step * 1_000));
        let closed = client.database.close();
        disk.set_room(None);
        assert_eq!(tables(&open(&disk, "after a full disk")), right, "step {step}");
        let saved = disk.paths().iter().any(|path| path == "derived/state");
        saved_count += usize::from(saved);
        unsaved_count += usize::from(closed.is_ok() && !saved);
    }
    assert!(saved_count > 0 && unsaved_count > 0, "{saved_count} saved, {unsaved_count} not");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn saved_state_is_what_all_rows_say(
        rows in prop::collection::vec(given(), 1..24), seed in any::<u64>()
    ) {
        let choices = &mut Choices(seed);
        let mut disk = MemoryDisk::new();
        let (mut client, mut model) = opened(&disk);
        let mut rest = &rows[..];
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(1 + choices.below(rest.len().min(5)));
            rest = later;
            bring(&client, &mut model, batch);
            let step = choices.below(8);
            match step {
                0 | 1 => drop(change(&client, &mut model, choices)),
                2 => {
                    let changes = ["SET NORMALIZE none", "BLOCK ('b')", "UNBLOCK ('b')"];
                    // A decision on one of its identities refuses it.
                    client.try_run(&format!("ALTER NAMESPACE mail {}", changes[choices.below(3)])).ok();
                    learn(&client, &mut model);
                }
                3 | 4 => client.database.flush().expect("a sound disk"),
                _ => {}
            }
            if step > 4 {
                if step > 5 {
                    client.database.close().expect("a sound disk");
                }
                disk = disk.crash(choices.below(50));
                client = Client::open(disk.clone()).expect("a sound store");
            }
            let (saved, all) = (open(&disk, "saved"), open(&without_saved(&disk), "all rows"));
            prop_assert_eq!(tables(&saved), tables(&all));
            prop_assert_eq!(tables(&saved), tables(&client));
            check_lookups(&saved);
        }
    }
}
