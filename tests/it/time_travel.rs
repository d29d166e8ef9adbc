//! The past against the naive model: under `as_of` and `known_at` every table shows what it would if only
//! the rows up to then had come; and a person's history says at each moment what the past shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use proptest::prelude::*;
use selfsame::engine::Past;
use selfsame::engine::past::{PAST_SNAPSHOTS_MAX, PAST_VIEWS_MAX};
use selfsame::engine::profiles::history::HISTORY_FRAGMENTS_MAX;
use selfsame::env::clock::Clock;
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::query::session::{Output, Server, Settings};

use crate::against_model::{
    DATASETS, DEFINITIONS, Given, accept, batches, bring, check, integer, model_of, people, rows,
    text, time,
};
use crate::driver::{Choices, Client, RUNTIME};
use crate::model::{Identity, Model, Value};
use crate::render;

/// Two people may not share a customer number, and three identities are a crowd.
const CONTESTED: &str =
    "ALTER NAMESPACE crm_id SET UNIQUE; ALTER SYSTEM SET graph_identities_max = 3";

/// A clock that stands where a test puts it.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicI64>);

impl Clock for Hand {
    fn now_micros(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A store, what it should have, and the time.
struct World {
    disk: MemoryDisk,
    clock: Hand,
    client: Client,
    model: Model,
}

impl World {
    fn new(contested: bool) -> Self {
        let (disk, clock) = (MemoryDisk::new(), Hand::default());
        let client = Self::client(&disk, &clock);
        client.run(DEFINITIONS);
        if contested {
            client.run(CONTESTED);
        }
        let mut model = model_of(&client);
        (model.now, model.graph_identities_max) = (0, if contested { 3 } else { 50 });
        Self { disk, clock, client, model }
    }

    fn client(disk: &MemoryDisk, clock: &Hand) -> Client {
        Client::at_times(disk.clone(), Vec::new(), Arc::new(clock.clone())).expect("a sound store")
    }

    fn reopen(&mut self) {
        self.disk = self.disk.crash(0);
        self.client = Self::client(&self.disk, &self.clock);
    }

    /// Brings rows in commits at times of their own; deletes, flushes and restarts in between.
    fn live(
        &mut self,
        rows: &[Given],
        choices: &mut Choices,
        mut each: impl FnMut(&Self, &mut Choices),
    ) {
        for batch in batches(rows, choices) {
            self.model.now += choices.below(2) as i64;
            self.clock.0.store(self.model.now, Ordering::SeqCst);
            let rows = &rows[batch];
            let outcomes = accept(&mut self.model, rows);
            bring(&self.client, &self.model, rows, &outcomes, choices.below(2) == 0);
            match choices.below(8) {
                0 => self.delete_some(choices),
                1 => self.client.database.flush().expect("a sound disk"),
                2 => self.reopen(),
                _ => {}
            }
            each(self, choices);
        }
    }

    fn delete_some(&mut self, choices: &mut Choices) {
        let all = self.model.rows.iter().map(|row| row.fragment_id);
        let chosen: BTreeSet<i64> = all.filter(|_| choices.below(4) == 0).collect();
        for dataset in DATASETS {
            let ids = chosen.iter().copied().collect();
            self.client.database.delete(dataset, ids).expect("a dataset");
        }
        self.model.delete(&chosen);
    }

    /// Holds all tables at some moments against the model of the rows up to them.
    fn check_past(&self, past: Past) {
        let (client, model) = (&self.client, self.model.at(past.as_of, past.known_at));
        let ids = identity_ids(client);
        set(client, past);
        let after = format!("{past:?}");
        let shown = check(client, &model, &after);
        for (profile, identities) in &shown {
            let smallest = identities.iter().map(|identity| ids[identity]).min();
            assert_eq!(smallest, Some(*profile), "{after}");
        }
        check_rows(client, &model, &after);
        check_identities(client, &model, &after);
        self.check_function(past);
        client.run("RESET as_of; RESET known_at");
    }

    /// `profiles_at` shows what `profiles` does, whatever the session's own `as_of` is.
    fn check_function(&self, past: Past) {
        let client = &self.client;
        let shown = client.records("SELECT * FROM profiles ORDER BY profile_id");
        let at = |moment: Option<i64>| moment.map_or("NULL".to_owned(), literal);
        let (as_of, known_at) = (at(past.as_of), at(past.known_at));
        let of_session = format!("SELECT * FROM profiles_at({as_of}) ORDER BY profile_id");
        assert_eq!(client.records(&of_session), shown, "{of_session}");
        set(client, Past { as_of: Some(1), known_at: Some(0) });
        let both = format!("profiles_at({as_of}, {known_at})");
        let sql = format!("SELECT * FROM {both} ORDER BY profile_id");
        assert_eq!(client.records(&sql), shown, "{sql}");
        for record in &shown {
            let id = integer(record, "profile_id");
            let by_id = format!("SELECT * FROM {both} WHERE profile_id = {id}");
            assert_eq!(&client.records(&by_id)[..], std::slice::from_ref(record), "{by_id}");
            if let Value::Text(email) = &record["email"] {
                let by_email = format!("SELECT * FROM {both} WHERE email = '{email}'");
                let same = |other: &&BTreeMap<String, Value>| other["email"] == record["email"];
                let expected: Vec<_> = shown.iter().filter(same).cloned().collect();
                assert_eq!(client.records(&format!("{by_email} ORDER BY profile_id")), expected);
            }
        }
    }

    /// The history of an identity's person at each moment against the past at it.
    fn check_history(&self, (namespace, value): &Identity, known_at: Option<i64>, policy: &str) {
        let client = &self.client;
        set(client, Past { as_of: None, known_at });
        client.run(&format!("SET merge_policy = {policy}"));
        let call = format!("profile_history('{namespace}', '{value}')");
        let changes = history(client, &call);
        let mut times: BTreeSet<i64> =
            self.model.rows.iter().filter_map(|row| row.observed_at).collect();
        times.insert(-1);
        for moment in times {
            set(client, Past { as_of: Some(moment), known_at });
            let person =
                output(client, &format!("SELECT * FROM profile('{namespace}', '{value}')"));
            let expected = merged(&person);
            let mut found = BTreeMap::new();
            for change in changes.iter().filter(|it| it.changed_at.unwrap_or(-1) <= moment) {
                let before = match &change.to_value {
                    Some(value) => found.insert(change.attribute.clone(), value.clone()),
                    None => found.remove(&change.attribute),
                };
                assert_eq!(before, change.from_value, "{call} {policy} {:?}", change.changed_at);
            }
            assert_eq!(found, expected, "{call} {policy} at {moment}");
            // The history as of then is the same up to then.
            let until = changes.iter().filter(|it| it.changed_at.unwrap_or(-1) <= moment);
            assert_eq!(history(client, &call), until.cloned().collect::<Vec<_>>(), "{call}");
            self.check_givers(&person, policy, &changes, moment);
        }
        client.run("RESET merge_policy; RESET as_of; RESET known_at");
    }

    /// The fragment that a change names is the one that lineage names then.
    fn check_givers(&self, person: &Output, policy: &str, changes: &[Change], moment: i64) {
        let at_moment = |it: &&Change| it.changed_at.unwrap_or(-1) == moment;
        let Some(batch) = person.batches.iter().find(|batch| batch.num_rows() > 0) else { return };
        let profile = batch.column(0).as_primitive::<Int64Type>().value(0);
        for change in changes.iter().filter(at_moment).filter(|it| it.to_value.is_some()) {
            let sql = format!(
                "SELECT dataset, fragment_id FROM profile_lineage WHERE profile_id = {profile} \
                 AND policy = '{policy}' AND attribute = '{}'",
                change.attribute
            );
            let lineage = output(&self.client, &sql);
            let batch = lineage.batches.iter().find(|it| it.num_rows() > 0).expect("a value");
            let given = (render::text(batch.column(0), 0), render::text(batch.column(1), 0));
            assert_eq!(given, (change.dataset.clone(), change.fragment_id.clone()), "{sql}");
        }
    }
}

fn literal(micros: i64) -> String {
    match micros {
        0.. => format!("'1970-01-01 00:00:00.{micros:06}+00'"),
        _ => format!("'1969-12-31 23:59:59.{:06}+00'", 1_000_000 + micros),
    }
}

fn set(client: &Client, past: Past) {
    for (name, moment) in [("as_of", past.as_of), ("known_at", past.known_at)] {
        let value = moment.map_or("DEFAULT".to_owned(), literal);
        client.run(&format!("SET {name} = {value}"));
    }
}

fn some_past(choices: &mut Choices, now: i64) -> Past {
    let mut some = |last: i64| {
        let moment = choices.below(last as usize + 3) as i64 - 1;
        (choices.below(3) > 0).then_some(moment)
    };
    Past { as_of: some(5), known_at: some(now) }
}

fn identity_ids(client: &Client) -> BTreeMap<Identity, i64> {
    let records = client.records("SELECT identity_id, namespace, identity FROM identities");
    let one = |record: &BTreeMap<String, Value>| {
        let identity = (text(record, "namespace"), text(record, "identity"));
        (identity, integer(record, "identity_id"))
    };
    records.iter().map(one).collect()
}

/// Which rows there are, in all tables of rows.
fn check_rows(client: &Client, model: &Model, after: &str) {
    let shown = client.records("SELECT * FROM fragments ORDER BY fragment_id");
    let shown: Vec<_> = shown
        .iter()
        .map(|record| {
            let times = (time(record, "observed_at"), time(record, "ingested_at"));
            (integer(record, "fragment_id"), text(record, "dataset"), times)
        })
        .collect();
    let expected: Vec<_> = model
        .rows
        .iter()
        .map(|row| {
            let times = (row.observed_at, Some(row.ingested_at));
            (row.fragment_id, DATASETS[row.dataset].to_owned(), times)
        })
        .collect();
    assert_eq!(shown, expected, "{after}");
    for (position, dataset) in DATASETS.into_iter().enumerate() {
        let count = model.rows.iter().filter(|row| row.dataset == position).count() as i64;
        assert_eq!(client.number(&format!("SELECT count(*) FROM {dataset}")), count, "{after}");
    }
    let events = model.rows.iter().filter(|row| DATASETS[row.dataset] == "visits").count();
    assert_eq!(client.number("SELECT count(*) FROM events") as usize, events, "{after}");
}

/// What identities and pairs of them there are, and which pairs live.
fn check_identities(client: &Client, model: &Model, after: &str) {
    let mut expected: BTreeMap<Identity, (i64, Option<i64>, Option<i64>)> = BTreeMap::new();
    let mut pairs: BTreeSet<(Identity, Identity)> = BTreeSet::new();
    for row in &model.rows {
        for (at, identity) in row.identities.iter().enumerate() {
            let seen = expected.entry(identity.clone()).or_default();
            let times = [seen.1, seen.2, row.observed_at].into_iter().flatten();
            *seen = (seen.0 + 1, times.clone().min(), times.max());
            let with = |other: &Identity| {
                let (left, right) = (identity.clone(), other.clone());
                if left < right { (left, right) } else { (right, left) }
            };
            pairs.extend(row.identities[at + 1..].iter().map(with));
        }
    }
    let shown = client.records("SELECT * FROM identities");
    let one = |record: &BTreeMap<String, Value>| {
        let identity = (text(record, "namespace"), text(record, "identity"));
        let times = (time(record, "first_seen_at"), time(record, "last_seen_at"));
        (identity, (integer(record, "fragment_count"), times.0, times.1))
    };
    assert_eq!(shown.iter().map(one).collect::<BTreeMap<_, _>>(), expected, "{after}");
    let live = model.fold().live;
    let links: BTreeMap<_, _> =
        pairs.into_iter().map(|pair| (pair.clone(), live.contains_key(&pair))).collect();
    let shown = client.records("SELECT * FROM identity_links");
    let one = |record: &BTreeMap<String, Value>| {
        let left = (text(record, "left_namespace"), text(record, "left_identity"));
        let right = (text(record, "right_namespace"), text(record, "right_identity"));
        let pair = if left < right { (left, right) } else { (right, left) };
        (pair, record["live"] == Value::Bool(true))
    };
    assert_eq!(shown.iter().map(one).collect::<BTreeMap<_, _>>(), links, "{after}");
}

/// A row of `profile_history`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    changed_at: Option<i64>,
    attribute: String,
    from_value: Option<String>,
    to_value: Option<String>,
    dataset: Option<String>,
    fragment_id: Option<String>,
}

fn output(client: &Client, sql: &str) -> Output {
    let outputs = client.try_run(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    outputs.into_iter().next_back().expect("a statement")
}

fn history(client: &Client, call: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    for batch in &output(client, &format!("SELECT * FROM {call}")).batches {
        for row in 0..batch.num_rows() {
            let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
            let text = |at: usize| render::text(batch.column(at), row);
            changes.push(Change {
                changed_at: times.is_valid(row).then(|| times.value(row)),
                attribute: text(1).expect("an attribute"),
                from_value: text(2),
                to_value: text(3),
                dataset: text(4),
                fragment_id: text(5),
            });
        }
    }
    changes
}

/// The attributes of the one row of a person, those that are not null.
fn merged(person: &Output) -> BTreeMap<String, String> {
    let schema = person.schema.as_ref().expect("a query");
    let counted = schema.fields().len() - 6;
    let mut values = BTreeMap::new();
    for batch in person.batches.iter().filter(|batch| batch.num_rows() > 0) {
        for (at, field) in schema.fields().iter().enumerate().take(counted).skip(1) {
            let value = render::text(batch.column(at), 0);
            values.extend(value.map(|value| (field.name().clone(), value)));
        }
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn the_past_is_the_models(rows in rows(4..11), contested in any::<bool>(), seed in any::<u64>()) {
        let choices = &mut Choices(seed);
        let mut world = World::new(contested);
        world.live(&rows, choices, |world, choices| {
            if choices.below(2) == 0 {
                world.check_past(some_past(choices, world.model.now));
            }
            if choices.below(4) == 0 {
                check(&world.client, &world.model, "a look at the past");
            }
        });
        for _ in 0..3 {
            world.check_past(some_past(choices, world.model.now));
        }
        check(&world.client, &world.model, "looks at the past");
        world.reopen();
        world.check_past(some_past(choices, world.model.now));
    }

    #[test]
    fn histories_agree_with_the_past(rows in rows(3..8), contested in any::<bool>(), seed in any::<u64>()) {
        let choices = &mut Choices(seed);
        let mut world = World::new(contested);
        world.live(&rows, choices, |_, _| ());
        let everybody: Vec<Identity> = people(&world.client).into_values().flatten().collect();
        for identity in &everybody {
            let moment = choices.below(3) as i64;
            let known_at = (choices.below(2) == 0).then_some(moment);
            if choices.below(2) == 0 {
                continue;
            }
            let policy = ["latest", "trusted", "narrow", "counted"][choices.below(4)];
            world.check_history(identity, known_at, policy);
        }
    }
}

fn small() -> (Client, Hand) {
    let clock = Hand::default();
    let client = World::client(&MemoryDisk::new(), &clock);
    client.run(
        "CREATE NAMESPACE id; CREATE DATASET d (id TEXT IDENTITY id, name TEXT, \
         at TIMESTAMPTZ OBSERVED AT); CREATE DATASET untimed (id TEXT IDENTITY id, name TEXT);",
    );
    (client, clock)
}

#[test]
fn commits_that_a_past_does_not_see_leave_it_as_it_is() {
    let (client, clock) = small();
    let at = |past: Past| {
        let database = &client.database;
        let snapshot = database.snapshot_at(&database.snapshot(), past).expect("a past");
        Arc::clone(snapshot.views.as_ref().expect("views of its own"))
    };
    let insert = |id: &str, at: &str| {
        client.run(&format!("INSERT INTO d VALUES ('{id}', 'n', '{at}')"));
    };
    insert("1", "1970-01-01 00:00:01");
    insert("2", "1970-01-01 00:00:02");
    let past = Past { as_of: Some(1_000_000), known_at: None };
    let first = at(past);
    assert!(Arc::ptr_eq(&first, &at(past)));
    insert("3", "1970-01-01 00:00:03");
    client.database.flush().expect("a sound disk");
    client.database.delete("d", vec![2]).expect("a dataset");
    assert!(Arc::ptr_eq(&first, &at(past)), "later rows come and go");
    insert("4", "1970-01-01 00:00:01");
    let second = at(past);
    assert!(!Arc::ptr_eq(&first, &second), "an older row came late");
    client.database.delete("d", vec![1]).expect("a dataset");
    let third = at(past);
    assert!(!Arc::ptr_eq(&second, &third), "a row is gone");
    client.run("CREATE MERGE POLICY more MERGE BY earliest");
    assert!(!Arc::ptr_eq(&third, &at(past)), "definitions are those in force");
    // What is known does not change, but by deletion.
    let known = Past { as_of: None, known_at: Some(0) };
    let first = at(known);
    clock.0.store(7, Ordering::SeqCst);
    insert("5", "1970-01-01 00:00:01");
    client.run("INSERT INTO untimed VALUES ('5', 'n')");
    assert!(Arc::ptr_eq(&first, &at(known)));
}

#[test]
fn only_the_last_pasts_are_kept() {
    let (client, _) = small();
    client.run("INSERT INTO d VALUES ('1', 'n', '1970-01-01 00:00:01')");
    let database = &client.database;
    let at = |moment: i64| {
        let past = Past { as_of: Some(moment), known_at: None };
        database.snapshot_at(&database.snapshot(), past).expect("a past")
    };
    let first = at(0);
    for moment in 1..PAST_SNAPSHOTS_MAX as i64 {
        at(moment);
    }
    assert!(Arc::ptr_eq(&first, &at(0)), "as many as are kept");
    for moment in 1..=PAST_SNAPSHOTS_MAX as i64 {
        at(moment);
    }
    assert!(!Arc::ptr_eq(&first, &at(0)), "one more");
}

#[test]
fn views_of_a_past_are_bounded_and_not_those_of_the_present() {
    let (client, _) = small();
    client.run("INSERT INTO d VALUES ('1', 'old', '1970-01-01'), ('1', 'new', '1970-01-02')");
    for number in 0..=PAST_VIEWS_MAX {
        client.run(&format!("CREATE MERGE POLICY p{number} MERGE BY latest"));
    }
    let names =
        |sql: &str| client.records(sql).iter().map(|it| text(it, "name")).collect::<Vec<_>>();
    assert_eq!(names("SELECT name FROM profiles"), ["new"]);
    client.run("SET as_of = '1970-01-01'");
    for number in 0..=PAST_VIEWS_MAX {
        assert_eq!(names(&format!("SELECT name FROM profiles_by.p{number}")), ["old"]);
    }
    let past = Past { as_of: Some(0), known_at: None };
    let database = &client.database;
    let snapshot = database.snapshot_at(&database.snapshot(), past).expect("a past");
    assert_eq!(snapshot.views.as_ref().expect("its own").view_count(), PAST_VIEWS_MAX);
    client.run("RESET as_of");
    assert_eq!(names("SELECT name FROM profiles"), ["new"]);
    assert_eq!(names("SELECT name FROM profiles_by.p0"), ["new"]);
}

#[test]
fn a_block_reads_the_past_of_its_own_present() {
    let (client, _) = small();
    client.run("INSERT INTO d VALUES ('1', 'n', '1970-01-01')");
    let count = |client: &Client| client.number("SELECT count(*) FROM profiles");
    let other = client.another();
    client.run("BEGIN; SET LOCAL as_of = '1970-01-01'");
    assert_eq!(count(&client), 1);
    other.run("INSERT INTO d VALUES ('2', 'n', '1970-01-01'), ('3', 'n', '1970-01-02')");
    other.run("SET as_of = '1970-01-01'");
    assert_eq!([count(&client), count(&other), count(&client), count(&other)], [1, 2, 1, 2]);
    client.run("COMMIT");
    assert_eq!([count(&client), count(&other)], [3, 2]);
}

#[test]
fn moments_at_start_up_are_read_in_the_zone_of_start_up() {
    let (client, _) = small();
    client.run(
        "INSERT INTO d VALUES ('1', 'n', '2026-01-30 23:30Z'), ('2', 'n', '2026-01-31 00:00Z')",
    );
    let runtime = Some(RUNTIME.handle().clone());
    let settings = Settings { runtime, ..Settings::default() };
    let server = Server::new(Arc::clone(&client.database), settings);
    let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let options = [option("as_of", "2026-01-31 00:45"), option("TimeZone", "Europe/Berlin")];
    let session = server.session("it", "it", &options).expect("a session");
    let other = Client { database: Arc::clone(&client.database), session };
    assert_eq!(other.number("SELECT count(*) FROM d"), 1);
    assert_eq!(other.session.setting("as_of").expect("a setting"), "2026-01-31 00:45:00+01");
    other.run("SET as_of = '2026-01-31 01:00'");
    assert_eq!(other.number("SELECT count(*) FROM d"), 2);
    other.run("RESET as_of");
    assert_eq!(other.number("SELECT count(*) FROM d"), 1, "what it was at start-up");
    let wrong = server.session("it", "it", &[option("as_of", "soon")]).expect_err("no moment");
    assert_eq!(wrong.code().0, "22007");
}

#[test]
fn a_history_that_takes_too_much_is_refused() {
    let (client, _) = small();
    let steps = 1 + (2.0 * HISTORY_FRAGMENTS_MAX as f64).sqrt() as usize;
    client.run(&format!(
        "INSERT INTO d SELECT '1', n::text, '1970-01-01 00:00:00.' || lpad(n::text, 6, '0') \
         FROM generate_series(1, {steps}) AS s(n)"
    ));
    let error = client.try_records("SELECT * FROM profile_history('id', '1')");
    assert_eq!(error.expect_err("too many").code().0, "54000");
    client.run("SET as_of = '1970-01-01 00:00:00.00006'");
    // The identity once, and 60 names.
    assert_eq!(client.number("SELECT count(*) FROM profile_history('id', '1')"), 61);
}
