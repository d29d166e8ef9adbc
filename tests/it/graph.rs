//! The graph against the naive fold of spec 5.2: whatever is brought, decided, changed and deleted, in
//! any order and in any batches, and after any restart; and the worked cases of `conformance`.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::model::decision::DecisionKind;

use crate::driver::{Choices, Client};
use crate::model::{Decided, Identity, Model, Outcome, Pair, Value};

const DEFINITIONS: &str = "
    CREATE NAMESPACE crm RANK 1 UNIQUE; CREATE NAMESPACE mail KIND EMAIL RANK 2 NORMALIZE lower;
    CREATE NAMESPACE device KIND DEVICE RANK 3; CREATE NAMESPACE cookie KIND COOKIE RANK 3;
    CREATE DATASET rows (crm TEXT IDENTITY crm, mail TEXT IDENTITY mail,
        cookie TEXT IDENTITY cookie, device TEXT IDENTITY device, other_mail TEXT IDENTITY mail,
        other_crm TEXT IDENTITY crm, seen TIMESTAMPTZ OBSERVED AT);
    ALTER SYSTEM SET graph_identities_max = 5;";

const NAMESPACES: [&str; 4] = ["crm", "mail", "cookie", "device"];

/// What a row gives for each column of `rows`.
pub type Given = Vec<Value>;

pub fn given() -> impl Strategy<Value = Given> {
    let value = |values: &'static [&'static str], weight: u32| {
        prop_oneof![
            4 => Just(Value::Null),
            weight => prop::sample::select(values).prop_map(Value::text)
        ]
    };
    let seen = prop_oneof![1 => Just(Value::Null), 9 => (0..12_i64).prop_map(Value::Timestamp)];
    (
        value(&["1", "2", "3", "4"], 5),
        value(&["A", "b", "c"], 5),
        value(&["x", "y", "z"], 5),
        value(&["p", "q"], 3),
        value(&["a", "d"], 1),
        value(&["1", "5"], 1),
        seen,
    )
        .prop_map(|(a, b, c, d, e, f, seen)| vec![a, b, c, d, e, f, seen])
}

pub fn opened(disk: &MemoryDisk) -> (Client, Model) {
    let client = Client::open(disk.clone()).expect("an empty store");
    client.run(DEFINITIONS);
    let mut model = Model::new(Vec::new(), Vec::new());
    learn(&client, &mut model);
    (client, model)
}

/// The definitions and decisions as the engine has them, and nothing else of it.
pub fn learn(client: &Client, model: &mut Model) {
    let snapshot = client.database.snapshot();
    let catalog = snapshot.catalog();
    model.namespaces = catalog.namespaces.values().cloned().collect();
    model.datasets = catalog.datasets_in_order().into_iter().cloned().collect();
    model.graph_identities_max = catalog.graph_identities_max as usize;
    model.now = crate::driver::NOW;
    model.decisions.clear();
    for decision in catalog.decisions.in_order() {
        let named = |identity: &selfsame::model::decision::DecidedIdentity| {
            let namespace = catalog.namespace_by_id(identity.namespace).expect("it is defined");
            (namespace.name.clone(), identity.value.clone())
        };
        let decided = match decision.kind {
            DecisionKind::Link => Decided::Linked(decision.sequence),
            DecisionKind::Unlink => Decided::Unlinked,
        };
        model.decisions.insert(pair(named(&decision.left), named(&decision.right)), decided);
    }
}

fn pair(left: Identity, right: Identity) -> Pair {
    if left < right { (left, right) } else { (right, left) }
}

/// Brings rows through one statement; those that are refused are left out, as an insert is whole.
pub fn bring(client: &Client, model: &mut Model, rows: &[Given]) {
    let allowed: Vec<String> = rows
        .iter()
        .filter(|row| matches!(model.accept("rows", row.to_vec()), Outcome::Accepted(_)))
        .map(|row| {
            let literal = |value: &Value| {
                crate::against_model::plain(value).map_or("NULL".to_owned(), |it| format!("'{it}'"))
            };
            format!("({})", row.iter().map(literal).collect::<Vec<_>>().join(", "))
        })
        .collect();
    if !allowed.is_empty() {
        client.run(&format!("INSERT INTO rows VALUES {}", allowed.join(", ")));
    }
}

fn texts(record: &BTreeMap<String, Value>, side: &str) -> Identity {
    let text = |name: String| match &record[&name] {
        Value::Text(text) => text.clone(),
        other => panic!("{name} is {other:?}"),
    };
    (text(format!("{side}namespace")), text(format!("{side}identity")))
}

fn number(record: &BTreeMap<String, Value>, name: &str) -> i64 {
    match &record[name] {
        Value::Int(number) => *number,
        other => panic!("{name} is {other:?}"),
    }
}

/// People with their numbers, and links, as the engine has them, held against the model's.
fn check(client: &Client, model: &Model, after: &str) -> BTreeSet<BTreeSet<Identity>> {
    let mut people: BTreeMap<i64, BTreeMap<i64, Identity>> = BTreeMap::new();
    for record in client.records("SELECT * FROM identities") {
        let person = people.entry(number(&record, "profile_id")).or_default();
        person.insert(number(&record, "identity_id"), texts(&record, ""));
    }
    for (profile, members) in &people {
        assert_eq!(members.keys().next(), Some(profile), "after {after}");
    }
    let graphs: BTreeSet<BTreeSet<Identity>> =
        people.into_values().map(|members| members.into_values().collect()).collect();
    assert_eq!(graphs, model.graphs().into_iter().collect(), "after {after}");
    for graph in &graphs {
        for namespace in model.namespaces.iter().filter(|namespace| namespace.unique) {
            let count = graph.iter().filter(|(name, _)| *name == namespace.name).count();
            assert!(count <= 1, "{graph:?} after {after}");
        }
    }
    let mut links = BTreeMap::new();
    for record in client.records("SELECT * FROM identity_links") {
        let reason = match &record["reason"] {
            Value::Null => None,
            Value::Text(reason) => Some(reason.clone()),
            other => panic!("a reason is {other:?}"),
        };
        assert_eq!(record["live"], Value::Bool(reason.is_none()));
        links.insert(pair(texts(&record, "left_"), texts(&record, "right_")), reason);
    }
    assert_eq!(links, model.links(), "after {after}");
    let profiles = client.number("SELECT count(*) FROM profiles");
    assert_eq!(profiles as usize, graphs.len(), "after {after}");
    graphs
}

/// The links of each person alone are those of the whole table.
pub fn check_lookups(client: &Client) {
    let columns = "left_namespace, left_identity, right_namespace, right_identity";
    for record in client.records("SELECT DISTINCT profile_id FROM identities") {
        let profile = number(&record, "profile_id");
        let alone = format!("SELECT * FROM identity_links WHERE profile_id = {profile}");
        let whole = format!("SELECT * FROM identity_links WHERE profile_id + 0 = {profile}");
        let order = format!(" ORDER BY {columns}");
        assert_eq!(
            client.records(&format!("{alone}{order}")),
            client.records(&format!("{whole}{order}"))
        );
        for table in ["identities", "profiles"] {
            let alone = format!("SELECT * FROM {table} WHERE profile_id = {profile} ORDER BY 1");
            let whole =
                format!("SELECT * FROM {table} WHERE profile_id + 0 = {profile} ORDER BY 1");
            assert_eq!(client.records(&alone), client.records(&whole));
        }
    }
}

/// A statement that changes rules or decisions, or rows.
fn statement(choices: &mut Choices) -> String {
    let namespace = NAMESPACES[choices.below(4)];
    let identity = |choices: &mut Choices| {
        let (namespace, values) = [
            ("crm", ["1", "2", "3", "4"]),
            ("mail", ["a", "b", "c", "unseen"]),
            ("cookie", ["x", "y", "z", "x"]),
        ][choices.below(3)];
        format!("{namespace} '{}'", values[choices.below(4)])
    };
    let (left, right) = (identity(choices), identity(choices));
    match choices.below(11) {
        0 => format!("ALTER NAMESPACE {namespace} SET UNIQUE"),
        1 => format!("ALTER NAMESPACE {namespace} SET NOT UNIQUE"),
        2 => format!("ALTER NAMESPACE {namespace} SET RANK {}", 1 + choices.below(4)),
        3 => format!("ALTER SYSTEM SET graph_identities_max = {}", [0, 2, 3, 5][choices.below(4)]),
        4 | 5 => format!("LINK {left} TO {right}"),
        6 | 7 => format!("UNLINK {left} FROM {right}"),
        8 => format!("DROP LINK {left} TO {right}"),
        9 => format!("DROP UNLINK {left} FROM {right}"),
        _ => format!("DELETE FROM rows WHERE cookie = '{}'", ["x", "y", "z"][choices.below(3)]),
    }
}

pub fn change(client: &Client, model: &mut Model, choices: &mut Choices) -> String {
    // Of decisions on pairs at random most exist for their removal to be refused.
    let sql = match choices.below(4) {
        0 => match client.database.snapshot().catalog().decisions.in_order().first() {
            Some(decision) => {
                let catalog = client.database.snapshot().catalog().clone();
                format!(
                    "DROP {}",
                    catalog.decision_text(decision.kind, &decision.left, &decision.right)
                )
            }
            None => statement(choices),
        },
        _ => statement(choices),
    };
    let deleted = client.try_run(&sql).is_ok() && sql.starts_with("DELETE");
    if deleted {
        let cookie = sql.split('\'').nth(1).expect("the value").to_owned();
        let gone = model.rows.iter().filter(|row| row.values[2] == Value::text(&cookie));
        let gone = gone.map(|row| row.fragment_id).collect();
        model.delete(&gone);
    }
    learn(client, model);
    sql
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn graphs_are_the_models_whatever_happens(
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
            check(&client, &model, "rows");
            if choices.below(3) == 0 {
                let sql = change(&client, &mut model, choices);
                check(&client, &model, &sql);
            }
            if choices.below(4) == 0 {
                client.database.flush().expect("a sound disk");
            }
            if choices.below(5) == 0 {
                disk = disk.crash(0);
                client = Client::open(disk.clone()).expect("a sound store");
                check(&client, &model, "a restart");
            }
        }
        check_lookups(&client);
    }

    #[test]
    fn graphs_do_not_depend_on_order_and_batches(
        rows in prop::collection::vec(given(), 1..20), seed in any::<u64>()
    ) {
        let choices = &mut Choices(seed);
        let mut found: Vec<BTreeSet<BTreeSet<Identity>>> = Vec::new();
        // Rows of one time are ordered by their arrival, so that each has a time of its own here.
        let timed = |(at, row): (usize, &Given)| {
            let mut row = row.clone();
            row[6] = Value::Timestamp(at as i64);
            row
        };
        let mut rows: Vec<Given> = rows.iter().enumerate().map(timed).collect();
        for round in 0..4 {
            let (client, mut model) = opened(&MemoryDisk::new());
            let mut rest = &rows[..];
            while !rest.is_empty() {
                let most = if round == 0 { rest.len() } else { 1 + choices.below(rest.len()) };
                let (batch, later) = rest.split_at(most);
                rest = later;
                bring(&client, &mut model, batch);
            }
            found.push(check(&client, &model, "all rows"));
            choices.shuffle(&mut rows);
        }
        for graphs in &found[1..] {
            prop_assert_eq!(graphs, &found[0]);
        }
    }

    #[test]
    fn identities_follow_their_namespace(
        rows in prop::collection::vec(given(), 1..16), seed in any::<u64>()
    ) {
        let choices = &mut Choices(seed);
        let mut disk = MemoryDisk::new();
        let (mut client, mut model) = opened(&disk);
        client.run("ALTER DATASET rows SET (accept_anonymous = true)");
        learn(&client, &mut model);
        let mut brought: Vec<Given> = Vec::new();
        for batch in rows.chunks(4) {
            bring(&client, &mut model, batch);
            let accepted = batch.iter().filter(|row| row[0].clone() == row[5].clone()
                || row[0] == Value::Null || row[5] == Value::Null);
            brought.extend(accepted.cloned());
            let change = ["SET NORMALIZE none", "SET NORMALIZE lower", "BLOCK ('b')",
                "UNBLOCK ('b')", "BLOCK ('a', 'c')", "UNBLOCK ('c')"][choices.below(6)];
            client.run(&format!("ALTER NAMESPACE mail {change}"));
            learn(&client, &mut model);
            model.rows.clear();
            for row in &brought {
                model.accept("rows", row.clone());
            }
            check(&client, &model, change);
            if choices.below(3) == 0 {
                disk = disk.crash(0);
                client = Client::open(disk.clone()).expect("a sound store");
                check(&client, &model, "a restart");
            }
        }
    }

    #[test]
    fn what_is_decided_and_undone_was_never_decided(
        rows in prop::collection::vec(given(), 1..16), seed in any::<u64>()
    ) {
        let choices = &mut Choices(seed);
        let (client, mut model) = opened(&MemoryDisk::new());
        bring(&client, &mut model, &rows);
        let before = check(&client, &model, "rows");
        let mut decided = Vec::new();
        for _ in 0..4 {
            let sql = statement(choices);
            let decides = sql.starts_with("LINK") || sql.starts_with("UNLINK");
            if decides && client.try_run(&sql).is_ok() {
                decided.push(sql);
            }
        }
        for sql in &decided {
            // One on the same pair took its place: then there is nothing to undo.
            let undo = sql.replacen("LINK", "LINK IF EXISTS", 1);
            client.run(&format!("DROP {undo}"));
        }
        learn(&client, &mut model);
        prop_assert!(model.decisions.is_empty());
        prop_assert_eq!(check(&client, &model, "nothing decided"), before);
    }
}

/// A worked case of `tests/conformance/identity.jsonl`.
struct Case {
    id: String,
    definitions: String,
    rows: Vec<Vec<(String, String)>>,
    graphs: BTreeSet<BTreeSet<Identity>>,
    rejected: Vec<usize>,
    dropped: Vec<Pair>,
}

/// Namespaces of a case bear its names in lower case.
fn identity(text: &str) -> Identity {
    let (namespace, value) = text.split_once(':').expect("a namespace and a value");
    (namespace.trim().to_lowercase(), value.trim().to_owned())
}

fn case(line: &str) -> Case {
    let json: serde_json::Value = serde_json::from_str(line).expect("a case");
    let list = |value: &serde_json::Value| -> Vec<String> {
        let items = value.as_array().into_iter().flatten();
        items.map(|item| item.as_str().expect("a text").to_owned()).collect()
    };
    let mut definitions = String::new();
    let mut namespaces: Vec<String> = Vec::new();
    for name in list(&json["config"]) {
        let unique = if name.ends_with('!') { "UNIQUE" } else { "" };
        let name = name.trim_end_matches('!').to_lowercase();
        definitions += &format!("CREATE NAMESPACE {name} {unique};");
        namespaces.push(name);
    }
    for (name, kind) in json["types"].as_object().into_iter().flatten() {
        let kind = match kind.as_str() {
            Some("cookie") => "COOKIE",
            Some("device") => "DEVICE",
            _ => "PERSON",
        };
        definitions += &format!("CREATE NAMESPACE {} KIND {kind};", name.to_lowercase());
        namespaces.push(name.to_lowercase());
    }
    if let Some(cap) = json["cap"].as_u64() {
        definitions += &format!("ALTER SYSTEM SET graph_identities_max = {cap};");
    }
    // A row may name two identities of one namespace.
    let columns =
        |name: &String| format!("{name} TEXT IDENTITY {name}, other_{name} TEXT IDENTITY {name}");
    let columns: Vec<_> = namespaces.iter().map(columns).collect();
    definitions +=
        &format!("CREATE DATASET rows ({}, seen TIMESTAMPTZ OBSERVED AT);", columns.join(", "));
    let rows: Vec<Vec<Identity>> =
        list(&json["events"]).iter().map(|row| row.split(',').map(identity).collect()).collect();
    let members = |graph: &serde_json::Value| list(graph).iter().map(|it| identity(it)).collect();
    let mut graphs: BTreeSet<BTreeSet<Identity>> =
        json["graphs"].as_array().into_iter().flatten().map(members).collect();
    let alone = list(&json["orphans"]).into_iter().chain(list(&json["deleted"]));
    graphs.extend(alone.map(|one| BTreeSet::from([identity(&one)])));
    let numbers = json["rejected"].as_array().into_iter().flatten();
    let rejected = numbers.map(|row| row.as_u64().expect("a number") as usize).collect();
    let dropped = json["removed"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|removed| {
            let text = |at: usize| identity(removed[at].as_str().expect("an identity"));
            pair(text(1), text(2))
        })
        .collect();
    let id = json["id"].as_str().expect("a name").to_owned();
    Case { id, definitions, rows, graphs, rejected, dropped }
}

/// The values of a row of a case; row n is observed in second n.
fn values(case: &Case, row: usize) -> (String, String) {
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for (namespace, value) in &case.rows[row] {
        let taken = columns.contains(namespace);
        columns.push(if taken { format!("other_{namespace}") } else { namespace.clone() });
        values.push(format!("'{value}'"));
    }
    columns.push("seen".to_owned());
    values.push(format!("'2026-01-01 00:{:02}:{:02}Z'", row / 60, row % 60));
    (columns.join(", "), values.join(", "))
}

fn run_case(case: &Case, order: &[usize], in_one: bool) {
    let client = Client::open(MemoryDisk::new()).expect("an empty store");
    client.run(&case.definitions);
    if in_one {
        let accepted = order.iter().filter(|row| !case.rejected.contains(&(**row + 1)));
        let selects = accepted.map(|row| {
            let (columns, values) = values(case, *row);
            (columns, values)
        });
        // One COPY for all rows: NDJSON, since rows name different columns.
        let lines = selects.map(|(columns, values)| {
            let cells = columns.split(", ").zip(values.split(", "));
            let cells =
                cells.map(|(name, value)| format!("\"{name}\":\"{}\"", value.trim_matches('\'')));
            format!("{{{}}}\n", cells.collect::<Vec<_>>().join(","))
        });
        load(&client, lines.collect());
    } else {
        for row in order {
            let (columns, values) = values(case, *row);
            let result = client.try_run(&format!("INSERT INTO rows ({columns}) VALUES ({values})"));
            if case.rejected.contains(&(row + 1)) {
                let error = result.expect_err("a row that is refused");
                assert!(error.get_detail().is_some_and(|it| it.starts_with("unique_namespace")));
            } else {
                result.unwrap_or_else(|error| panic!("{}: {error:?}", case.id));
            }
        }
    }
    let mut people: BTreeMap<i64, BTreeSet<Identity>> = BTreeMap::new();
    for record in client.records("SELECT profile_id, namespace, identity FROM identities") {
        people.entry(number(&record, "profile_id")).or_default().insert(texts(&record, ""));
    }
    let found: BTreeSet<_> = people.into_values().collect();
    let multiple = |graphs: &BTreeSet<BTreeSet<Identity>>| -> BTreeSet<BTreeSet<Identity>> {
        graphs.iter().filter(|graph| graph.len() > 1).cloned().collect()
    };
    assert_eq!(multiple(&found), multiple(&case.graphs), "{} in order {order:?}", case.id);
    let dropped: BTreeSet<Pair> = client
        .records("SELECT * FROM identity_links WHERE NOT live")
        .iter()
        .map(|record| pair(texts(record, "left_"), texts(record, "right_")))
        .collect();
    // A link may have been dropped and observed again later.
    let together = |(left, right): &Pair| {
        found.iter().any(|graph| graph.contains(left) && graph.contains(right))
    };
    let expected: BTreeSet<Pair> =
        case.dropped.iter().filter(|pair| !together(pair)).cloned().collect();
    assert!(dropped.is_superset(&expected), "{}: {dropped:?} {expected:?}", case.id);
}

fn load(client: &Client, lines: String) {
    use selfsame::engine::{Load, Source};
    use selfsame::ingest::{Input, Options, format_named};
    let input = Input::Stream(Box::new(std::io::Cursor::new(lines.into_bytes())));
    let load = Load {
        dataset: "rows".to_owned(),
        columns: None,
        sources: vec![Source { name: "case".to_owned(), input }],
        format: format_named("ndjson").expect("a format"),
        options: Options::default(),
        max_rejects: Some(0),
    };
    client.database.load(load).expect("rows that fit");
}

/// Arrival in order, backwards, and in some orders at random: every permutation is tried on the graph
/// alone, in its own tests.
fn orders(rows: usize) -> Vec<Vec<usize>> {
    let mut choices = Choices(7);
    let mut all = vec![(0..rows).collect::<Vec<_>>(), (0..rows).rev().collect()];
    for _ in 0..4 {
        let mut order: Vec<usize> = (0..rows).collect();
        choices.shuffle(&mut order);
        all.push(order);
    }
    all
}

#[test]
fn worked_cases_hold_however_rows_arrive() {
    for line in include_str!("../conformance/identity.jsonl").lines() {
        let case = case(line);
        for order in orders(case.rows.len()) {
            run_case(&case, &order, true);
            run_case(&case, &order, false);
        }
    }
}
