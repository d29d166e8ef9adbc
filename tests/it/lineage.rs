//! Lineage derives profiles again: every merged value has one row of `profile_lineage` with the same
//! text, and nothing else has one; policies differ where their values do.

use std::collections::BTreeMap;
use std::io::Cursor;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use selfsame::demo::{Company, DDL};
use selfsame::engine::{Load, Source};
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::ingest::{Input, Options, format_named};
use selfsame::query::session::Output;

use crate::driver::Client;
use crate::render::text;

/// Values by person and attribute, as texts.
type Values = BTreeMap<(i64, String), String>;

/// Columns of `profiles` that are no attributes.
const COUNTED: [&str; 7] = [
    "profile_id",
    "identity_count",
    "fragment_count",
    "event_count",
    "first_seen_at",
    "last_seen_at",
    "datasets",
];

fn rows(client: &Client, sql: &str) -> Output {
    let outputs = client.try_run(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    outputs.into_iter().next_back().expect("a statement")
}

fn profiles(client: &Client, policy: &str) -> Values {
    let output = rows(client, &format!("SELECT * FROM profiles_by.{policy}"));
    let schema = output.schema.expect("a query");
    let mut values = Values::new();
    for batch in &output.batches {
        let ids = batch.column(0).as_primitive::<Int64Type>();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            let attribute = field.name();
            if !COUNTED.contains(&attribute.as_str()) {
                let shown = (0..column.len()).filter_map(|row| Some((row, text(column, row)?)));
                values.extend(shown.map(|(row, it)| ((ids.value(row), attribute.clone()), it)));
            }
        }
    }
    values
}

fn lineage(client: &Client, policy: &str) -> Values {
    let sql = format!(
        "SELECT profile_id, attribute, value FROM profile_lineage WHERE policy = '{policy}'"
    );
    let mut values = Values::new();
    for batch in &rows(client, &sql).batches {
        for row in 0..batch.num_rows() {
            let id = batch.column(0).as_primitive::<Int64Type>().value(row);
            let shown =
                |at: usize| text(batch.column(at), row).expect("no column of these is null");
            assert_eq!(
                values.insert((id, shown(1)), shown(2)),
                None,
                "{id} has {} twice",
                shown(1)
            );
        }
    }
    values
}

/// Holds lineage, candidates and differences of policies against their profiles.
pub fn check(client: &Client, policies: &[&str]) {
    let all: Vec<Values> = policies.iter().map(|policy| profiles(client, policy)).collect();
    for (policy, profiles) in policies.iter().zip(&all) {
        assert_eq!(&lineage(client, policy), profiles, "policy {policy}");
        // Whoever lineage names has won, with this value; and candidates are counted alike.
        let named = format!(
            "SELECT count(*) FROM profile_lineage l LEFT JOIN profile_candidates c \
             ON c.attribute = l.attribute AND c.fragment_id = l.fragment_id \
             AND c.policy = '{policy}' \
             WHERE l.policy = '{policy}' AND l.fragment_id IS NOT NULL AND c.won IS NOT TRUE"
        );
        assert_eq!(client.number(&named), 0, "{named}");
        let counted = format!(
            "SELECT count(*) FROM profile_lineage l JOIN (SELECT profile_id, attribute, \
             count(*) FILTER (WHERE reason IS NULL OR reason NOT IN ('superseded', 'replaced', \
             'null', 'dataset not in policy')) AS candidates FROM profile_candidates \
             WHERE policy = '{policy}' GROUP BY 1, 2) c USING (profile_id, attribute) \
             WHERE l.policy = '{policy}' AND l.candidates <> c.candidates"
        );
        assert_eq!(client.number(&counted), 0, "{counted}");
    }
    for (left, left_values) in policies.iter().zip(&all) {
        for (right, right_values) in policies.iter().zip(&all) {
            let diff = format!("SELECT * FROM policy_diff('{left}', '{right}')");
            let mut found = 0;
            for batch in &rows(client, &diff).batches {
                for row in 0..batch.num_rows() {
                    let id = batch.column(0).as_primitive::<Int64Type>().value(row);
                    let key = (id, text(batch.column(1), row).expect("an attribute"));
                    assert_eq!(text(batch.column(2), row).as_ref(), left_values.get(&key));
                    assert_eq!(text(batch.column(3), row).as_ref(), right_values.get(&key));
                    found += 1;
                }
            }
            let counts = format!(
                "SELECT coalesce(sum(differing + only_left + only_right), 0)::bigint \
                 FROM policy_diff_counts('{left}', '{right}')"
            );
            assert_eq!(client.number(&counts), found, "{counts}");
            if left_values == right_values && left == right {
                assert_eq!(found, 0, "{diff}");
            }
        }
    }
}

#[test]
fn lineage_derives_the_sample_company_again() {
    let client = Client::open(MemoryDisk::new()).expect("an empty store");
    client.run(DDL);
    let company = Company { people: 300, ..Company::default() };
    for table in Company::tables() {
        let mut csv = Vec::new();
        company
            .write_csv(table, 0..company.row_count(table), &mut csv)
            .expect("memory to write to");
        let input = Input::Stream(Box::new(Cursor::new(csv)));
        let load = Load {
            dataset: table.name.to_owned(),
            columns: None,
            sources: vec![Source { name: "rows".to_owned(), input }],
            format: format_named("csv").expect("a format"),
            options: Options::default(),
            max_rejects: None,
        };
        client.database.load(load).expect("a file that can be read");
    }
    assert!(client.number("SELECT count(*) FROM profiles") > 100);
    check(&client, &["latest", "trusted"]);
}
