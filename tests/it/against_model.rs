//! The whole engine against the naive model: the same rows, however they are brought, give the same
//! people with the same merged values and the same numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use proptest::prelude::*;
use selfsame::engine::{Load, Source};
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::ingest::{Input, Options, format_named};
use selfsame::model::column::ColumnType;

use crate::driver::{Choices, Client, NOW};
use crate::model::{Identity, Model, Outcome, Profile, Value};
use crate::values;

pub const DEFINITIONS: &str = "
    CREATE NAMESPACE crm_id; CREATE NAMESPACE email KIND EMAIL NORMALIZE lower;
    CREATE NAMESPACE ecid KIND COOKIE BLOCK ('c0');
    CREATE DATASET crm (customer TEXT IDENTITY crm_id, email TEXT IDENTITY email, name TEXT,
        age INTEGER, spend NUMERIC(12,2), opted_in BOOLEAN, tags TEXT[],
        changed TIMESTAMPTZ OBSERVED AT);
    CREATE DATASET web (ecid TEXT IDENTITY ecid, email TEXT IDENTITY email, name TEXT, age BIGINT,
        opted_in BOOLEAN, tags TEXT[], changed TIMESTAMPTZ OBSERVED AT)
        WITH (accept_anonymous = true);
    CREATE DATASET shop (customer TEXT IDENTITY crm_id, name TEXT, spend NUMERIC(10,3), born DATE)
        WITH (upsert = 'replace');
    CREATE EVENT DATASET visits (visit TEXT EVENT ID, ecid TEXT IDENTITY ecid,
        email TEXT IDENTITY email, page TEXT, changed TIMESTAMPTZ OBSERVED AT);
    CREATE MERGE POLICY trusted MERGE BY precedence(crm, web) MERGE spend BY sum
        MERGE tags BY collect_set;
    CREATE MERGE POLICY narrow FROM shop, crm MERGE BY latest_or_null
        MERGE (name, spend) BY latest MERGE opted_in BY most_restrictive;
    CREATE MERGE POLICY counted MERGE BY most_frequent MERGE spend BY average OVER HISTORY
        MERGE name BY longest MERGE tags BY collect_list MERGE age BY min
        MERGE opted_in BY all_true;
    CREATE MERGE POLICY past MERGE BY earliest MERGE email BY unanimous
        MERGE name BY count_distinct;
    CREATE MERGE POLICY alone STITCH NONE MERGE BY latest MERGE spend BY sum
        MERGE name BY precedence(web, crm) MERGE tags BY collect_set MERGE age BY earliest;";

pub const DATASETS: [&str; 4] = ["crm", "web", "shop", "visits"];
pub const POLICIES: [&str; 6] = ["latest", "trusted", "narrow", "counted", "past", "alone"];

/// A row for a dataset: what each column would be given.
#[derive(Clone, Debug)]
pub struct Given {
    pub dataset: usize,
    by_name: BTreeMap<&'static str, Value>,
}

fn optional(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop_oneof![1 => Just(Value::Null), 2 => value]
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::sample::select(texts).prop_map(Value::text)
}

/// Small domains on purpose, so that identities clash, times tie and values agree; some identities are
/// garbage, and texts have what quoting is about.
fn given(dataset: usize) -> impl Strategy<Value = Given> {
    let customers = one_of(&["1", "2", " 3", "4", "5", "null", "N/A", " "]);
    let emails = one_of(&["A@x", "a@X ", "b@x", "c@x", "unknown"]);
    let cookies = one_of(&["c0", "c1", "c2", "c3", "C3"]);
    let names = one_of(&["", "Al", "Åsa", "al", "O'Neil, \"the\" one", "two\nlines", "\\N"]);
    let tag = prop_oneof![1 => Just(Value::Null), 4 => one_of(&["red", "a,b", "{\"}", "NULL", ""])];
    let tags = prop::collection::vec(tag, 0..4).prop_map(Value::List);
    let identities = (optional(customers), optional(emails), optional(cookies));
    let rest = (
        optional(one_of(&["v1", "v2", "v3", "v4", "v5", "v6"])),
        optional(names),
        optional((-2..3_i64).prop_map(Value::Int)),
        optional((-300..300_i64).prop_map(Value::Int)),
        optional(any::<bool>().prop_map(Value::Bool)),
        optional((0..4).prop_map(Value::Date)),
        optional(tags),
        optional((0..5_i64).prop_map(Value::Timestamp)),
    );
    (identities, rest).prop_map(move |((customer, email, ecid), rest)| {
        let (visit, name, age, spend, opted_in, born, tags, changed) = rest;
        let by_name = BTreeMap::from([
            ("customer", customer),
            ("email", email),
            ("ecid", ecid),
            ("visit", visit),
            ("page", name.clone()),
            ("name", name),
            ("age", age),
            ("spend", spend),
            ("opted_in", opted_in),
            ("born", born),
            ("tags", tags),
            ("changed", changed),
        ]);
        Given { dataset, by_name }
    })
}

/// Rows of one dataset.
pub fn given_rows(dataset: usize, count: usize) -> impl Strategy<Value = Vec<Given>> {
    prop::collection::vec(given(dataset), count)
}

/// Runs of rows of one dataset each, as sources send them.
pub fn rows(runs: Range<usize>) -> impl Strategy<Value = Vec<Given>> {
    let run =
        (0..DATASETS.len()).prop_flat_map(|dataset| prop::collection::vec(given(dataset), 1..6));
    prop::collection::vec(run, runs).prop_map(|runs| runs.concat())
}

/// The definitions as the engine has them, and nothing else of it.
pub fn model_of(client: &Client) -> Model {
    let snapshot = client.database.snapshot();
    let catalog = snapshot.catalog();
    let namespaces = catalog.namespaces.values().cloned().collect();
    let datasets = catalog.datasets_in_order().into_iter().cloned().collect();
    let mut model = Model::new(namespaces, datasets);
    (model.now, model.graph_identities_max) = (NOW, 0);
    model
}

/// A row in the dataset's columns and types.
fn cells(model: &Model, given: &Given) -> Vec<Value> {
    let columns = &model.datasets[given.dataset].columns;
    let cell = |(name, ty): (&str, &ColumnType)| match (&given.by_name[name], ty) {
        (Value::Int(value), ColumnType::Numeric { scale, .. }) => {
            Value::Decimal((*value).into(), *scale)
        }
        (value, _) => value.clone(),
    };
    columns.iter().map(|column| cell((column.name.as_str(), &column.ty))).collect()
}

/// Lets the model take the rows; tells what became of each.
pub fn accept(model: &mut Model, rows: &[Given]) -> Vec<Outcome> {
    let accept = |row| {
        let values = cells(model, row);
        model.accept(DATASETS[row.dataset], values)
    };
    rows.iter().map(accept).collect()
}

/// A value as the text that stands for it; `None` for null.
pub fn plain(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Double(value) => value.0.to_string(),
        Value::Decimal(value, scale) => {
            let (unit, sign) = (10_i128.pow(*scale as u32), if *value < 0 { "-" } else { "" });
            let (whole, fraction) = (value.abs() / unit, value.abs() % unit);
            format!("{sign}{whole}.{fraction:0width$}", width = *scale as usize)
        }
        Value::Date(days) => format!("1970-01-{:02}", days + 1),
        Value::Timestamp(micros) => format!("1970-01-01 00:00:00.{micros:06}+00"),
        Value::Text(text) => text.clone(),
        Value::List(items) => {
            let escaped = |text: String| text.replace('\\', "\\\\").replace('"', "\\\"");
            let item = |item: &Value| match plain(item) {
                Some(text) => format!("\"{}\"", escaped(text)),
                None => "NULL".to_owned(),
            };
            format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(","))
        }
    })
}

fn insert_statement(model: &Model, given: &Given) -> String {
    let literal = |value: &Value| {
        plain(value).map_or("NULL".to_owned(), |text| format!("'{}'", text.replace('\'', "''")))
    };
    let values: Vec<_> = cells(model, given).iter().map(literal).collect();
    format!("INSERT INTO {} VALUES ({})", DATASETS[given.dataset], values.join(", "))
}

/// Row by row through SQL.
fn bring_one_by_one(client: &Client, model: &Model, rows: &[Given], outcomes: &[Outcome]) {
    for (row, outcome) in rows.iter().zip(outcomes) {
        let sql = insert_statement(model, row);
        match (outcome, client.try_run(&sql)) {
            (Outcome::Accepted(_), Ok(outputs)) => assert_eq!(outputs[0].tag, "INSERT 0 1"),
            (Outcome::Repeated, Ok(outputs)) => assert_eq!(outputs[0].tag, "INSERT 0 0"),
            (Outcome::Refused(code), Err(error)) => {
                assert_eq!(error.code().0, "23514");
                assert!(error.get_detail().is_some_and(|detail| detail.starts_with(code)));
            }
            (outcome, result) => panic!("{sql}: {outcome:?} expected, {result:?}"),
        }
    }
}

/// Cuts rows where the dataset changes, and at random.
pub fn batches(rows: &[Given], choices: &mut Choices) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let mut start = 0;
    for at in 1..=rows.len() {
        let cut = at == rows.len() || rows[at].dataset != rows[start].dataset;
        if cut || choices.below(3) == 0 {
            batches.push(start..at);
            start = at;
        }
    }
    batches
}

/// One batch, as columns or as a file.
pub fn bring(client: &Client, model: &Model, rows: &[Given], outcomes: &[Outcome], as_file: bool) {
    let count =
        |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|it| wanted(it)).count() as u64;
    let accepted = count(|outcome| matches!(outcome, Outcome::Accepted(_)));
    let dataset = &model.datasets[rows[0].dataset];
    if as_file {
        let report = load_csv(client, model, rows);
        assert_eq!(report.accepted, accepted);
        assert_eq!(report.duplicates, count(|outcome| *outcome == Outcome::Repeated));
        assert_eq!(report.rejected, count(|outcome| matches!(outcome, Outcome::Refused(_))));
        return;
    }
    // An insert with a row that is refused would be refused whole.
    let allowed = |(_, outcome): &(&Given, &Outcome)| !matches!(outcome, Outcome::Refused(_));
    let allowed = rows.iter().zip(outcomes).filter(allowed);
    let cells: Vec<_> = allowed.map(|(row, _)| cells(model, row)).collect();
    let field =
        |at: usize| Field::new(&dataset.columns[at].name, dataset.columns[at].ty.to_arrow(), true);
    let schema = Schema::new((0..dataset.columns.len()).map(field).collect::<Vec<_>>());
    let column = |at: usize| {
        let column: Vec<_> = cells.iter().map(|row| row[at].clone()).collect();
        values::column(&column, &dataset.columns[at].ty)
    };
    let columns = (0..dataset.columns.len()).map(column).collect();
    let batch = RecordBatch::try_new(Arc::new(schema), columns).expect("columns of one length");
    assert_eq!(client.database.insert(&dataset.name, &batch).expect("rows that fit"), accepted);
}

pub fn load_csv(client: &Client, model: &Model, rows: &[Given]) -> selfsame::engine::LoadReport {
    let dataset = &model.datasets[rows[0].dataset];
    let quoted = |value: &Value| {
        plain(value).map_or(String::new(), |text| format!("\"{}\"", text.replace('"', "\"\"")))
    };
    let line = |cells: Vec<String>| format!("{}\n", cells.join(","));
    let mut csv = line(dataset.columns.iter().map(|column| column.name.clone()).collect());
    for row in rows {
        csv.push_str(&line(cells(model, row).iter().map(quoted).collect()));
    }
    let input = Input::Stream(Box::new(Cursor::new(csv.into_bytes())));
    let load = Load {
        dataset: dataset.name.clone(),
        columns: None,
        sources: vec![Source { name: "rows".to_owned(), input }],
        format: format_named("csv").expect("a format"),
        options: Options::default(),
        max_rejects: None,
    };
    client.database.load(load).expect("a file that can be read")
}

pub fn integer(record: &BTreeMap<String, Value>, name: &str) -> i64 {
    match record[name] {
        Value::Int(value) => value,
        ref other => panic!("{name} is {other:?}"),
    }
}

pub fn text(record: &BTreeMap<String, Value>, name: &str) -> String {
    match &record[name] {
        Value::Text(text) => text.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

pub fn time(record: &BTreeMap<String, Value>, name: &str) -> Option<i64> {
    match record[name] {
        Value::Null => None,
        Value::Timestamp(micros) => Some(micros),
        ref other => panic!("{name} is {other:?}"),
    }
}

/// The identities of the engine by their numbers.
fn identities(client: &Client) -> BTreeMap<i64, Identity> {
    let records = client.records("SELECT namespace, identity, identity_id FROM identities");
    let identity = |record: &BTreeMap<String, Value>| {
        let named = (text(record, "namespace"), text(record, "identity"));
        (integer(record, "identity_id"), named)
    };
    records.iter().map(identity).collect()
}

/// The people of the engine: identities and number of each.
pub fn people(client: &Client) -> BTreeMap<i64, BTreeSet<Identity>> {
    let mut people: BTreeMap<i64, BTreeSet<Identity>> = BTreeMap::new();
    for record in client.records("SELECT namespace, identity, profile_id FROM identities") {
        let identity = (text(&record, "namespace"), text(&record, "identity"));
        people.entry(integer(&record, "profile_id")).or_default().insert(identity);
    }
    people
}

fn profile(record: &BTreeMap<String, Value>, attributes: &[(String, ColumnType)]) -> Profile {
    let Value::List(datasets) = &record["datasets"] else { panic!("datasets are a list") };
    let event_count = integer(record, "event_count");
    let name = |name: &Value| plain(name).expect("a dataset has a name");
    Profile {
        attributes: attributes
            .iter()
            .map(|(name, _)| (name.clone(), record[name.as_str()].clone()))
            .collect(),
        // The model counts records and events apart.
        fragment_count: (integer(record, "fragment_count") - event_count) as usize,
        event_count: event_count as usize,
        first_seen_at: time(record, "first_seen_at"),
        last_seen_at: time(record, "last_seen_at"),
        datasets: datasets.iter().map(name).collect(),
    }
}

/// Holds the engine's people and profiles against the model's; gives the people with their numbers.
pub fn check(client: &Client, model: &Model, after: &str) -> BTreeMap<i64, BTreeSet<Identity>> {
    let people = people(client);
    let numbered = identities(client);
    let attributes = model.attributes();
    for policy in POLICIES {
        let mut profiles = BTreeMap::new();
        for record in client.records(&format!("SELECT * FROM profiles_by.{policy}")) {
            let number = integer(&record, "profile_id");
            let identities = match policy {
                "alone" => BTreeSet::from([numbered[&number].clone()]),
                _ => people[&number].clone(),
            };
            assert_eq!(integer(&record, "identity_count") as usize, identities.len());
            profiles.insert(identities, profile(&record, &attributes));
        }
        let snapshot = client.database.snapshot();
        let expected = model.profiles(snapshot.catalog().policy(policy).expect("a policy"));
        assert_eq!(profiles, expected, "policy {policy} after {after}");
    }
    if after == "a flush" {
        crate::lineage::check(client, &POLICIES);
    }
    people
}

/// What is asked of `profiles`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Everybody.
    All,
    /// One person, by profile id: that of the place in the list of all.
    One(usize),
    /// How many there are.
    Count,
}

/// Holds one answer under one of the policies against the model's.
pub fn ask(client: &Client, model: &Model, policy: usize, asked: Asked, after: &str) {
    let policy = POLICIES[policy % POLICIES.len()];
    let snapshot = client.database.snapshot();
    let expected = model.profiles(snapshot.catalog().policy(policy).expect("a policy"));
    let table = format!("profiles_by.{policy}");
    if asked == Asked::Count {
        let count = client.number(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(count as usize, expected.len(), "{policy} after {after}");
        return;
    }
    let people = people(client);
    let attributes = model.attributes();
    let chosen = match asked {
        Asked::One(at) => people.keys().nth(at % people.len().max(1)).copied(),
        _ => None,
    };
    let filter = chosen.map_or(String::new(), |id| format!(" WHERE profile_id = {id}"));
    let mut found = BTreeMap::new();
    for record in client.records(&format!("SELECT * FROM {table}{filter}")) {
        let identities = people[&integer(&record, "profile_id")].clone();
        found.insert(identities, profile(&record, &attributes));
    }
    let wanted = |(identities, _): &(BTreeSet<Identity>, Profile)| {
        chosen.is_none_or(|chosen| people[&chosen] == *identities)
    };
    let expected: BTreeMap<_, _> = expected.into_iter().filter(wanted).collect();
    assert_eq!(found, expected, "{policy} after {after}");
}

pub fn opened(disk: &MemoryDisk) -> (Client, Model) {
    let client = Client::open(disk.clone()).expect("an empty store");
    client.run(DEFINITIONS);
    let model = model_of(&client);
    (client, model)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn people_are_the_models_however_rows_are_brought(rows in rows(4..13), seed in any::<u64>()) {
        let choices = &mut Choices(seed);
        let (client, mut model) = opened(&MemoryDisk::new());
        let outcomes = accept(&mut model, &rows);
        bring_one_by_one(&client, &model, &rows, &outcomes);
        let people = check(&client, &model, "inserts one by one");

        let disk = MemoryDisk::new();
        let (client, _) = opened(&disk);
        for batch in batches(&rows, choices) {
            let as_file = choices.below(2) == 0;
            bring(&client, &model, &rows[batch.clone()], &outcomes[batch], as_file);
            if choices.below(4) == 0 {
                client.database.flush().expect("a sound disk");
            }
        }
        prop_assert_eq!(&check(&client, &model, "batches"), &people);
        let reopened = Client::open(disk.crash(0)).expect("a sound store");
        prop_assert_eq!(&check(&reopened, &model, "a crash"), &people);
        client.database.flush().expect("a sound disk");
        prop_assert_eq!(&check(&client, &model, "a flush"), &people);
        client.database.close().expect("a sound disk");
        let reopened = Client::open(disk.crash(0)).expect("a sound store");
        prop_assert_eq!(&check(&reopened, &model, "closing and opening"), &people);
    }

    #[test]
    fn people_are_the_models_in_any_order_of_arrival(rows in rows(4..13), seed in any::<u64>()) {
        let choices = &mut Choices(seed);
        let mut shuffled = rows.clone();
        choices.shuffle(&mut shuffled);
        let graphs = [rows, shuffled].map(|rows| {
            let (client, mut model) = opened(&MemoryDisk::new());
            let outcomes = accept(&mut model, &rows);
            for batch in batches(&rows, choices) {
                let as_file = choices.below(2) == 0;
                bring(&client, &model, &rows[batch.clone()], &outcomes[batch], as_file);
            }
            let people = check(&client, &model, "batches in some order");
            // Of events with one id only the first is accepted, and so the order decides which.
            let first_of_many = outcomes.contains(&Outcome::Repeated);
            (!first_of_many).then(|| people.into_values().collect::<BTreeSet<_>>())
        });
        prop_assert_eq!(&graphs[0], &graphs[1]);
    }
}

/// Every table whose rows are computed, in an order of its own.
pub const TABLES: [&str; 7] = [
    "profiles ORDER BY profile_id",
    "profiles_by.trusted ORDER BY profile_id",
    "profiles_by.counted ORDER BY profile_id",
    "fragments ORDER BY fragment_id",
    "identities ORDER BY identity_id",
    "events ORDER BY event_id, page, observed_at, namespace, identity",
    "identity_links ORDER BY left_namespace, left_identity, right_namespace, right_identity",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 5, ..ProptestConfig::default() })]

    #[test]
    fn tables_repaired_after_each_write_equal_fresh_ones(rows in rows(3..6), seed in any::<u64>()) {
        let choices = &mut Choices(seed);
        let disk = MemoryDisk::new();
        let (client, mut model) = opened(&disk);
        let outcomes = accept(&mut model, &rows);
        for batch in batches(&rows, choices) {
            let as_file = choices.below(2) == 0;
            bring(&client, &model, &rows[batch.clone()], &outcomes[batch], as_file);
            if choices.below(6) == 0 {
                client.database.flush().expect("a sound disk");
            }
            let fresh = Client::open(disk.crash(0)).expect("a sound store");
            for table in TABLES {
                let sql = format!("SELECT * FROM {table}");
                prop_assert_eq!(client.records(&sql), fresh.records(&sql), "{}", table);
            }
        }
    }
}
