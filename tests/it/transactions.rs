//! Transactions: whatever happens to the machine, one is there whole or not at all; whatever order they
//! come in, what they leave is what their COMMITs leave one after the other.

use std::collections::BTreeMap;

use selfsame::env::memory_disk::MemoryDisk;
use selfsame::error::SqlState;

use crate::driver::{Choices, Client};
use crate::model::Value;
use crate::recovery::PowerCut;

const DEFINITIONS: &str = "
    CREATE NAMESPACE crm_id; CREATE NAMESPACE email NORMALIZE lower;
    CREATE DATASET crm (customer TEXT IDENTITY crm_id, email TEXT IDENTITY email, city TEXT);
    CREATE DATASET web (email TEXT IDENTITY email, page TEXT);";

/// One transaction: definitions, rows of two datasets, a decision and a delete.
fn transaction(number: usize) -> Vec<String> {
    let before = number.saturating_sub(1);
    vec![
        "BEGIN".to_owned(),
        format!("CREATE NAMESPACE n{number}"),
        format!("CREATE DATASET d{number} (a TEXT IDENTITY n{number}, b TEXT IDENTITY email)"),
        format!(
            "INSERT INTO crm VALUES ('c{number}', 'e{number}', 'x'), ('r{number}', 'e{number}', 'y')"
        ),
        format!("SAVEPOINT s; INSERT INTO crm VALUES ('never{number}', '', ''); ROLLBACK TO s"),
        format!("INSERT INTO d{number} VALUES ('a', 'e{number}')"),
        format!("INSERT INTO web VALUES ('e{number}', '/')"),
        format!("LINK crm_id 'c{number}' TO crm_id 'c{before}'"),
        format!("DELETE FROM crm WHERE customer = 'r{number}' OR customer = 'q{number}'"),
        format!("INSERT INTO crm VALUES ('q{}', '', '')", number + 1),
        format!(
            "CREATE TABLE s{number} AS SELECT n, {number} AS made FROM generate_series(1, 3) AS g(n)"
        ),
        format!("UPDATE s{number} SET n = n + 10 WHERE n > 1"),
        format!("DELETE FROM s{number} WHERE n = 13"),
        format!("INSERT INTO s{number} VALUES (20, 0)"),
        format!("DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT n, made FROM s{number}"),
        format!("DROP TABLE IF EXISTS s{before}"),
        "COMMIT".to_owned(),
    ]
}

/// What one transaction after the other leaves, as text.
fn shown(client: &Client) -> String {
    let texts = [
        "SELECT customer FROM crm ORDER BY 1",
        "SELECT email, page FROM web ORDER BY 1",
        "SELECT name FROM selfsame.namespaces ORDER BY 1",
        "SELECT name FROM selfsame.datasets ORDER BY 1",
        "SELECT left_identity, right_identity FROM selfsame.decisions ORDER BY 1, 2",
        "SELECT identity_count, fragment_count, datasets FROM profiles ORDER BY 1, 2, 3",
    ];
    let answer = |sql: &&str| format!("{:?}\n", client.records(sql));
    let rows = client.try_records("SELECT n, made FROM v ORDER BY 1, 2").ok();
    let relations = client.records(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
    );
    texts.iter().map(answer).chain([format!("{rows:?} {relations:?}")]).collect()
}

#[test]
fn a_transaction_is_never_half_there() {
    // What the store shows after so many transactions.
    let steps: Vec<String> = (0..4)
        .map(|count| {
            let client = Client::open(MemoryDisk::new()).expect("a store");
            client.run(DEFINITIONS);
            (1..=count).flat_map(transaction).for_each(|sql| drop(client.run(&sql)));
            shown(&client)
        })
        .collect();
    let mut seen = BTreeMap::new();
    for changes in (0..40).chain((40..240).step_by(20)) {
        let disk = MemoryDisk::new();
        Client::open(disk.clone()).expect("a store").run(DEFINITIONS);
        let disk = disk.crash(changes as usize);
        let cut = PowerCut::after(changes, disk.clone());
        let mut committed = 0;
        if let Ok(client) = Client::open(cut) {
            for number in 1..4 {
                if transaction(number).iter().any(|sql| client.try_run(sql).is_err()) {
                    break;
                }
                committed += 1;
                if number == 2 && client.database.flush().is_err() {
                    break;
                }
            }
        }
        let again = Client::open(disk.crash(changes as usize)).expect("what is left is sound");
        let left = shown(&again);
        let count = steps.iter().position(|step| *step == left);
        let count = count.unwrap_or_else(|| panic!("{changes} changes leave {left}"));
        assert!(
            count >= committed,
            "{changes} changes: {committed} were acknowledged, {count} left"
        );
        *seen.entry(count).or_insert(0) += 1;
    }
    assert!((0..4).all(|count| seen.contains_key(&count)), "{seen:?}");
}

/// The rows of a customer that a session sees, by what no other row has. Rows that came later are not
/// among them, so that deleting these is the same whenever it counts.
fn seen(client: &Client, row: usize) -> String {
    let rows = client.records(&format!("SELECT city FROM crm WHERE customer = 'c{row}'"));
    let texts = rows.iter().map(|row| match &row["city"] {
        Value::Text(city) => format!("'{city}'"),
        other => panic!("{other:?} is no city"),
    });
    texts.chain(["'none'".to_owned()]).collect::<Vec<_>>().join(", ")
}

/// A step of one of several sessions.
fn step(client: &Client, choices: &mut Choices, session: usize, at: usize) -> String {
    let row = choices.below(12);
    match choices.below(5) {
        0 => format!("DELETE FROM crm WHERE city IN ({})", seen(client, row)),
        1 => format!("UNLINK crm_id 'c{row}' FROM email 'e{}'", choices.below(6)),
        2 => format!("INSERT INTO web VALUES ('e{}', '/{session}/{at}')", choices.below(6)),
        _ => {
            format!("INSERT INTO crm VALUES ('c{row}', 'e{}', '{session}/{at}')", choices.below(6))
        }
    }
}

/// Rows, links and people, without numbers that depend on the order of writing.
fn people(client: &Client) -> String {
    let texts = [
        "SELECT customer, email, city FROM crm ORDER BY 1, 2, 3",
        "SELECT email, page FROM web ORDER BY 1, 2",
        "SELECT left_identity, right_identity FROM selfsame.decisions ORDER BY 1, 2",
        "SELECT namespace, identity, min(identity) OVER (PARTITION BY profile_id) AS first \
         FROM identities ORDER BY 1, 2",
    ];
    let answer = |sql: &&str| format!("{:?}\n", client.records(sql));
    texts.iter().map(answer).collect()
}

#[test]
fn interleaved_transactions_are_their_commits_one_after_the_other() {
    let (mut commits, mut conflicts) = (0, 0);
    for seed in 1..9 {
        let mut choices = Choices(seed * 7_919);
        let first = Client::open(MemoryDisk::new()).expect("a store");
        let sessions = [first.another(), first.another(), first.another()];
        first.run(DEFINITIONS);
        let serial = Client::open(MemoryDisk::new()).expect("a store");
        serial.run(DEFINITIONS);
        let mut open: [Vec<String>; 3] = Default::default();
        for at in 0..60 {
            let session = choices.below(3);
            let client = &sessions[session];
            let steps = &mut open[session];
            if steps.is_empty() {
                client.run("BEGIN");
                steps.push("BEGIN".to_owned());
            } else if choices.below(4) > 0 {
                let sql = step(client, &mut choices, session, at);
                if client.try_run(&format!("SAVEPOINT s; {sql}; RELEASE s")).is_ok() {
                    steps.push(sql);
                } else {
                    client.run("ROLLBACK TO s");
                }
            } else {
                let steps = std::mem::take(steps);
                match client.try_run("COMMIT") {
                    Ok(_) => {
                        serial.run(&format!("{}; COMMIT", steps.join("; ")));
                        commits += 1;
                        let newest = [&first, &serial].map(people);
                        assert_eq!(newest[0], newest[1], "seed {seed}, step {at}: {steps:?}");
                    }
                    Err(error) => {
                        assert_eq!(error.code(), SqlState::SERIALIZATION_FAILURE, "{error:?}");
                        conflicts += 1;
                    }
                }
            }
        }
    }
    assert!(commits > 30 && conflicts > 0, "{commits} commits, {conflicts} conflicts");
}

#[test]
fn others_see_all_of_it_at_once() {
    let client = Client::open(MemoryDisk::new()).expect("a store");
    client.run(DEFINITIONS);
    let reader = client.another();
    for number in 0..50 {
        client.run(&format!("BEGIN; INSERT INTO crm VALUES ('c{number}', 'e', 'x')"));
        assert_eq!(reader.number("SELECT count(*) FROM crm"), number);
        client.run(&format!("INSERT INTO web VALUES ('e{number}', '/'); COMMIT"));
        let both = "SELECT (SELECT count(*) FROM crm) - (SELECT count(*) FROM web)";
        assert_eq!(reader.number(both), 0);
    }
}

#[test]
fn views_and_scratch_tables_survive() {
    let disk = MemoryDisk::new();
    let client = Client::open(disk.clone()).expect("a store");
    client.run(DEFINITIONS);
    client.run("CREATE SCHEMA marts; CREATE TABLE marts.t (a int, b text)");
    client.run("INSERT INTO marts.t SELECT n, 'x' || n FROM generate_series(1, 20000) AS g(n)");
    client.run("CREATE VIEW marts.v AS SELECT a FROM marts.t WHERE b <> 'x1'");
    client.run("CREATE TEMP TABLE mine AS SELECT 1 AS one");
    let check = |client: &Client, expected: i64| {
        assert_eq!(client.number("SELECT sum(a) FROM marts.v"), expected);
        assert_eq!(client.number("SELECT count(*) FROM profiles"), 0);
        assert!(client.try_run("SELECT * FROM mine").is_err());
    };
    let all = 20_000 * 20_001 / 2 - 1;
    let again = Client::open(disk.crash(0)).expect("a store");
    check(&again, all);
    again.database.flush().expect("it can be flushed");
    again.run("DELETE FROM marts.t WHERE a = 2; UPDATE marts.t SET a = 4 WHERE a = 3");
    again.run("ALTER TABLE marts.t RENAME TO u; ALTER TABLE marts.u ADD COLUMN c date");
    check(&again, all - 1);
    again.database.close().expect("it can be closed");
    drop(again);
}

#[test]
fn a_store_with_scratch_tables_is_flushed_and_opened() {
    let disk = MemoryDisk::new();
    let mut expected = 0;
    for round in 0..6 {
        let client = Client::open(disk.clone()).expect("a store");
        if round == 0 {
            client.run(DEFINITIONS);
            client.run("CREATE TABLE t (a bigint); CREATE VIEW v AS SELECT a FROM t");
        }
        assert_eq!(client.number("SELECT coalesce(sum(a), 0)::bigint FROM v"), expected);
        client.run(&format!("INSERT INTO t VALUES ({round}), (100)"));
        client.run("INSERT INTO crm VALUES ('1', 'e', 'x'); DELETE FROM t WHERE a = 100");
        client.run("UPDATE t SET a = a + 1");
        if round == 3 {
            // Graphs and rows are made anew, and numbers of rows change.
            client.run("ALTER NAMESPACE email SET NORMALIZE none");
        }
        expected = client.number("SELECT sum(a)::bigint FROM v");
        assert_eq!(client.number("SELECT count(*) FROM t"), round + 1);
        match round % 3 {
            0 => client.database.close().expect("it can be closed"),
            1 => client.database.flush().expect("it can be flushed"),
            _ => {}
        }
    }
}
