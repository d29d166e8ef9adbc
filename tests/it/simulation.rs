//! Simulations and explanations against the store itself: the same rows under the same settings give
//! the same graph, a change of settings does what was told before it, and what is said to keep people
//! apart is what the graph dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use selfsame::env::memory_disk::MemoryDisk;

use crate::driver::{Choices, Client};
use crate::model::Value;

/// The namespaces in the order of their ranks, and how statements call their kinds.
const NAMESPACES: [(&str, &str); 3] =
    [("crm_id", "PERSON"), ("email", "EMAIL"), ("ecid", "COOKIE")];

/// Rows of up to three identities, with times that are not in order, and the settings.
struct World {
    rows: Vec<([Option<usize>; 3], usize)>,
    unique: [bool; 3],
    capacity: usize,
}

impl World {
    fn new(choices: &mut Choices) -> Self {
        let mut row = || {
            let mut identity = |bound| Some(choices.below(bound)).filter(|it| *it < bound - 2);
            ([identity(7), identity(8), identity(7)], choices.below(20))
        };
        let mut rows: Vec<_> = (0..24).map(|_| row()).collect();
        rows.retain(|(identities, _)| identities.iter().any(Option::is_some));
        let unique = [true, choices.below(2) == 0, choices.below(4) == 0];
        Self { rows, unique, capacity: [0, 3, 5][choices.below(3)] }
    }

    fn load(&self) -> Client {
        let client = Client::open(MemoryDisk::new()).expect("an empty store");
        for ((name, kind), unique) in NAMESPACES.iter().zip(self.unique) {
            let unique = if unique { "UNIQUE" } else { "" };
            client.run(&format!("CREATE NAMESPACE {name} KIND {kind} {unique}"));
        }
        client.run(&format!("ALTER SYSTEM SET graph_identities_max = {}", self.capacity));
        client.run(
            "CREATE DATASET rows (crm_id TEXT IDENTITY crm_id, email TEXT IDENTITY email, \
             ecid TEXT IDENTITY ecid, observed TIMESTAMPTZ OBSERVED AT)",
        );
        let cell = |it: &Option<usize>| it.map_or("NULL".to_owned(), |it| format!("'x{it}'"));
        for (identities, time) in &self.rows {
            let cells: Vec<_> = identities.iter().map(cell).collect();
            let time = format!("'2026-01-01 00:00:{time:02}'");
            client.run(&format!("INSERT INTO rows VALUES ({}, {time})", cells.join(", ")));
        }
        client
    }

    /// The arguments of a simulation.
    fn arguments(&self) -> String {
        let mut rows = Vec::new();
        for (identities, time) in &self.rows {
            let named = identities.iter().zip(NAMESPACES);
            let pairs =
                named.filter_map(|(it, (name, _))| Some(format!(r#"["{name}","x{}"]"#, (*it)?)));
            let pairs = pairs.collect::<Vec<_>>().join(",");
            let time = format!("2026-01-01 00:00:{time:02}");
            rows.push(format!(r#"{{"observed_at":"{time}","identities":[{pairs}]}}"#));
        }
        let mut namespaces = String::new();
        for ((name, kind), unique) in NAMESPACES.iter().zip(self.unique) {
            let comma = if namespaces.is_empty() { "" } else { "," };
            write!(namespaces, r#"{comma}{{"name":"{name}","kind":"{kind}","unique":{unique}}}"#)
                .expect("a text takes more");
        }
        let capacity = self.capacity;
        format!(
            r#"'[{}]', '{{"namespaces":[{namespaces}],"graph_identities_max":{capacity}}}'"#,
            rows.join(",")
        )
    }
}

/// The rows of a query as texts, in order.
fn rows(client: &Client, sql: &str) -> Vec<String> {
    let records = client.records(sql);
    let mut all: Vec<_> = records.iter().map(|record| format!("{record:?}")).collect();
    all.sort();
    all
}

#[test]
fn a_simulation_gives_what_the_store_gives() {
    for seed in 0..60 {
        let world = World::new(&mut Choices(seed));
        let (client, arguments) = (world.load(), world.arguments());
        let columns = "profile_id, namespace, identity";
        let simulated = format!("SELECT {columns} FROM simulate_graph({arguments})");
        let stored = format!("SELECT {columns} FROM identities");
        assert_eq!(rows(&client, &simulated), rows(&client, &stored), "seed {seed}");
        let columns = "left_namespace, left_identity, right_namespace, right_identity, \
                       evidence_count, live, reason";
        let simulated = format!("SELECT {columns} FROM simulate_links({arguments})");
        let stored = format!("SELECT {columns} FROM identity_links");
        assert_eq!(rows(&client, &simulated), rows(&client, &stored), "seed {seed}");
        let refused = format!("SELECT * FROM simulate_rejects({arguments})");
        assert_eq!(rows(&client, &refused), Vec::<String>::new(), "seed {seed}");
    }
}

/// The profile of each identity.
fn profiles(client: &Client) -> BTreeMap<(String, String), i64> {
    let text = |value: &Value| format!("{value:?}");
    let records = client.records("SELECT namespace, identity, profile_id FROM identities");
    let entry = |it: &BTreeMap<String, Value>| {
        let Value::Int(profile) = it["profile_id"] else { panic!("{it:?}") };
        ((text(&it["namespace"]), text(&it["identity"])), profile)
    };
    records.iter().map(entry).collect()
}

#[test]
fn settings_do_what_was_told_of_them() {
    let changes = [
        "ALTER NAMESPACE crm_id SET NOT UNIQUE",
        "ALTER NAMESPACE email SET UNIQUE; ALTER NAMESPACE ecid SET RANK 1",
        "ALTER SYSTEM SET graph_identities_max = 4",
        "ALTER NAMESPACE ecid SET UNIQUE; ALTER SYSTEM RESET graph_identities_max",
        "ALTER NAMESPACE crm_id SET RANK 9",
    ];
    let mut told_count = 0;
    for seed in 0..60 {
        let mut choices = Choices(seed);
        let client = World::new(&mut choices).load();
        let change = changes[choices.below(changes.len())];
        let before = profiles(&client);
        let told = client.records(&format!("SELECT * FROM graph_settings_diff('{change}')"));
        assert_eq!(profiles(&client), before, "seed {seed}: it changed something");
        client.run(change);
        let after = profiles(&client);
        let ids = |of: &BTreeMap<(String, String), i64>| -> BTreeSet<i64> {
            of.values().copied().collect()
        };
        let (old, new) = (ids(&before), ids(&after));
        let (mut came, mut went) = (BTreeSet::new(), BTreeSet::new());
        for row in &told {
            let key = (format!("{:?}", row["namespace"]), format!("{:?}", row["identity"]));
            let (from, to) = (before[&key], after[&key]);
            let ids = (&row["profile_id"], &row["new_profile_id"]);
            assert_eq!(ids, (&Value::Int(from), &Value::Int(to)), "seed {seed}: {row:?}");
            came.extend((row["change"] == Value::text("split")).then_some(to));
            went.extend((row["change"] == Value::text("joined")).then_some(from));
        }
        let created: BTreeSet<i64> = new.difference(&old).copied().collect();
        assert_eq!(came, created, "seed {seed}: {change}");
        assert!(went.iter().all(|id| !new.contains(id)), "seed {seed}: {change}");
        assert_eq!(told.is_empty(), before == after, "seed {seed}: {change}");
        told_count += told.len();
    }
    assert!(told_count > 100, "{told_count} changes only: the rows say too little");
}

/// Asks why two identities are not one person; gives whether anything but a dropped link was named.
fn check_pair(client: &Client, left: &(&str, &str, i64), right: &(&str, &str, i64)) -> bool {
    let pair = format!("'{}', '{}', '{}', '{}'", left.0, left.1, right.0, right.1);
    let columns = "left_namespace, left_identity, right_namespace, right_identity, reason";
    let findings = client.records(&format!("SELECT {columns}, fragment_id FROM why_not({pair})"));
    assert!(!findings.is_empty(), "{pair}");
    let is_one_person = findings[0]["reason"] == Value::text("one person");
    assert_eq!(is_one_person, left.2 == right.2, "{pair}: {findings:?}");
    if is_one_person || findings[0]["reason"] == Value::text("no evidence") {
        assert_eq!(findings.len(), 1, "{pair}: {findings:?}");
        return true;
    }
    for finding in &findings {
        let text = |name: &str| match &finding[name] {
            Value::Text(text) => text.clone(),
            other => panic!("{name} is {other:?}"),
        };
        let [a, b] = ["left", "right"]
            .map(|side| (text(&format!("{side}_namespace")), text(&format!("{side}_identity"))));
        let is = |(a, b): (&(String, String), &(String, String))| {
            format!(
                "(left_namespace, left_identity, right_namespace, right_identity) = \
                 ('{}', '{}', '{}', '{}')",
                a.0, a.1, b.0, b.1
            )
        };
        let reason = text("reason");
        let dropped = format!(
            "SELECT count(*) FROM identity_links WHERE NOT live AND reason = '{reason}' \
             AND ({} OR {})",
            is((&a, &b)),
            is((&b, &a))
        );
        assert_eq!(client.number(&dropped), 1, "{pair}: {finding:?}");
        assert!(matches!(finding["fragment_id"], Value::Int(1..)), "{pair}: {finding:?}");
    }
    false
}

#[test]
fn what_keeps_people_apart_was_dropped() {
    let (mut plain_count, mut dropped_count) = (0, 0);
    for seed in 0..30 {
        let mut choices = Choices(seed);
        let client = World::new(&mut choices).load();
        let all = client.records("SELECT namespace, identity, profile_id FROM identities");
        let one = |it: &BTreeMap<String, Value>| match (
            &it["namespace"],
            &it["identity"],
            &it["profile_id"],
        ) {
            (Value::Text(namespace), Value::Text(identity), Value::Int(profile)) => {
                (namespace.clone(), identity.clone(), *profile)
            }
            other => panic!("{other:?}"),
        };
        let all: Vec<_> = all.iter().map(one).collect();
        for _ in 0..12 {
            let mut pick = || {
                let (namespace, identity, profile) = &all[choices.below(all.len())];
                (namespace.as_str(), identity.as_str(), *profile)
            };
            let (left, right) = (pick(), pick());
            match check_pair(&client, &left, &right) {
                true => plain_count += 1,
                false => dropped_count += 1,
            }
        }
    }
    assert!(plain_count > 50 && dropped_count > 50, "{plain_count} {dropped_count}");
}
