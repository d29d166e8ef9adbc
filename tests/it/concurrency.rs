//! Readers beside writers: every transaction block sees one state, with a prefix of what each writer
//! did, and no later block sees less.

use std::sync::atomic::{AtomicUsize, Ordering};

use selfsame::env::memory_disk::MemoryDisk;

use crate::driver::Client;
use crate::model::Value;

const DEFINITIONS: &str = "
    CREATE NAMESPACE crm_id; CREATE NAMESPACE email KIND EMAIL NORMALIZE lower;
    CREATE DATASET crm (writer TEXT, number INTEGER, customer TEXT IDENTITY crm_id,
        email TEXT IDENTITY email);
    CREATE EVENT DATASET visits (id TEXT EVENT ID, email TEXT IDENTITY email, writer TEXT,
        number INTEGER);
    CREATE MERGE POLICY summed MERGE BY latest MERGE number BY count_distinct OVER HISTORY;";

const WRITERS: usize = 3;
const WRITES: usize = 40;

/// Inserts two rows and an event a time; people of all writers grow together by their emails.
fn write(client: &Client, writer: usize) {
    for number in 0..WRITES {
        let email = format!("e{}@x", number % 7);
        client.run(&format!(
            "INSERT INTO crm VALUES ('w{writer}', {first}, 'c{writer}-{number}', '{email}'),
                ('w{writer}', {second}, 'd{writer}-{number}', NULL)",
            first = 2 * number,
            second = 2 * number + 1,
        ));
        client.run(&format!(
            "INSERT INTO visits VALUES ('v{writer}-{number}', '{email}', 'w{writer}', {number})"
        ));
        // What was acknowledged is in every answer from then on.
        let own = format!("SELECT count(*) FROM crm WHERE writer = 'w{writer}'");
        assert_eq!(client.number(&own) as usize, 2 * (number + 1));
        let own = format!("SELECT count(*) FROM profiles WHERE customer = 'd{writer}-{number}'");
        assert_eq!(client.number(&own), 1);
    }
}

/// One transaction block; gives how many rows it saw.
fn read(client: &Client) -> i64 {
    client.run("BEGIN");
    let sums = [
        ("crm", "SELECT coalesce(sum(fragment_count - event_count), 0) AS n FROM profiles"),
        ("fragments", "SELECT coalesce(sum(fragment_count), 0) AS n FROM profiles_by.summed"),
        ("visits", "SELECT coalesce(sum(event_count), 0) AS n FROM profiles"),
        ("events", "SELECT coalesce(sum(event_count), 0) AS n FROM profiles_by.summed"),
        ("identities", "SELECT coalesce(sum(identity_count), 0) AS n FROM profiles"),
    ];
    for (table, sum) in sums {
        let count = client.number(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(client.number(sum), count, "{table}");
    }
    for table in ["crm", "visits"] {
        let sql = format!(
            "SELECT writer, count(*) AS n, max(number) AS last FROM {table} GROUP BY writer"
        );
        for record in client.records(&sql) {
            let (Value::Int(count), Value::Int(last)) = (&record["n"], &record["last"]) else {
                panic!("{record:?}");
            };
            assert_eq!(*count, last + 1, "{table} has a gap: {record:?}");
            assert!(table == "visits" || count % 2 == 0, "half an INSERT: {record:?}");
        }
    }
    let profiles = client.number("SELECT count(*) FROM profiles");
    let people = client.number("SELECT count(DISTINCT profile_id) FROM identities");
    assert_eq!(profiles, people);
    let seen = client.number("SELECT count(*) FROM fragments");
    client.run("COMMIT");
    seen
}

#[test]
fn readers_beside_writers_see_one_state_after_the_other() {
    let first = Client::open(MemoryDisk::new()).expect("an empty store");
    first.run(DEFINITIONS);
    let running = AtomicUsize::new(WRITERS);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (client, running) = (first.another(), &running);
            scope.spawn(move || {
                // Counted down even if an assertion fails, so that readers end.
                struct Ending<'a>(&'a AtomicUsize);
                impl Drop for Ending<'_> {
                    fn drop(&mut self) {
                        self.0.fetch_sub(1, Ordering::SeqCst);
                    }
                }
                let _ending = Ending(running);
                write(&client, writer);
            });
        }
        for _ in 0..2 {
            let (client, running) = (first.another(), &running);
            scope.spawn(move || {
                let mut before = 0;
                while running.load(Ordering::SeqCst) > 0 {
                    let seen = read(&client);
                    assert!(seen >= before, "{seen} rows after {before}");
                    before = seen;
                }
            });
        }
        let (client, running) = (first.another(), &running);
        scope.spawn(move || {
            // Moving rows into segments is nobody's business.
            while running.load(Ordering::SeqCst) > 0 {
                client.database.flush().expect("a disk in memory");
                client.number("SELECT count(*) FROM profiles_by.summed");
            }
        });
    });
    assert_eq!(read(&first) as usize, WRITERS * WRITES * 3);
}
