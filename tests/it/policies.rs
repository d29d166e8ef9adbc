//! Policies of other kinds than strategies over graphs: a query gives what the same rules give, and whatever
//! leads to a person gives what a scan gives.

use std::collections::BTreeMap;

use proptest::prelude::*;
use selfsame::env::memory_disk::MemoryDisk;

use crate::against_model::{accept, batches, bring, opened, rows};
use crate::driver::{Choices, Client};
use crate::model::Value;

/// The same policy twice. Every value that was ever said is a candidate, since a query sees all fragments.
const TWICE: &str = "
    CREATE MERGE POLICY by_rules FROM crm, web MERGE BY latest MERGE name BY earliest
        MERGE spend BY sum OVER HISTORY MERGE age BY max OVER HISTORY
        MERGE opted_in BY all_true OVER HISTORY MERGE tags BY collect_set OVER HISTORY;
    CREATE MERGE POLICY by_query AS
        SELECT latest(f.customer, f.observed_at) AS customer, latest(email, observed_at) AS email,
            earliest(name, observed_at) AS name, max(age) AS age, sum(spend) AS spend,
            all_true(opted_in) AS opted_in, collect_set(tags) AS tags,
            latest(ecid, observed_at) AS ecid, latest(born, observed_at) AS born, profile_id
        FROM fragments AS f WHERE dataset IN ('crm', 'web') GROUP BY profile_id;";

type Record = BTreeMap<String, Value>;

fn sorted(client: &Client, sql: &str) -> Vec<Record> {
    let mut records = client.records(sql);
    records.sort_by_key(|record| format!("{:?}", record["profile_id"]));
    records
}

/// Two policies that say the same show the same, and nothing differs.
fn check_twice(client: &Client) {
    let of = |policy: &str| sorted(client, &format!("SELECT * FROM profiles_by.{policy}"));
    assert_eq!(of("by_query"), of("by_rules"));
    let differing = "SELECT count(*) FROM policy_diff('by_rules', 'by_query')";
    assert_eq!(client.number(differing), 0);
}

/// Filters that lead to people give what they give where nothing can be looked up.
fn check_lookups(client: &Client, policy: &str) {
    let table = format!("profiles_by.{policy}");
    for record in client.records(&format!("SELECT profile_id FROM {table}")) {
        let Value::Int(number) = record["profile_id"] else { panic!("a number") };
        let found = client.records(&format!("SELECT * FROM {table} WHERE profile_id = {number}"));
        let scanned = format!("SELECT * FROM {table} WHERE profile_id + 0 = {number}");
        assert_eq!(found, client.records(&scanned), "{policy} {number}");
    }
    for (column, value) in [("email", "a@x"), ("email", "b@x"), ("customer", "1"), ("ecid", "c3")] {
        let found = format!("SELECT * FROM {table} WHERE {column} = '{value}'");
        let scanned = format!("SELECT * FROM {table} WHERE {column} || '' = '{value}'");
        assert_eq!(sorted(client, &found), sorted(client, &scanned), "{policy} {column} {value}");
    }
    // Numbers of nobody lead to nobody.
    let none = format!("SELECT count(*) FROM {table} WHERE profile_id IN (-1, 1000000)");
    assert_eq!(client.number(&none), 0);
}

fn check(client: &Client) {
    check_twice(client);
    ["latest", "alone", "by_rules", "by_query"].iter().for_each(|it| check_lookups(client, it));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_query_gives_what_the_same_rules_give(
        rows in rows(2..8), unique in any::<bool>(), seed in any::<u64>(),
    ) {
        let (client, mut model) = opened(&MemoryDisk::new());
        client.run(TWICE);
        if unique {
            client.run("ALTER NAMESPACE crm_id SET UNIQUE");
        }
        let outcomes = accept(&mut model, &rows);
        let mut choices = Choices(seed);
        for batch in batches(&rows, &mut choices) {
            bring_allowed(&client, &model, &rows[batch.clone()], &outcomes[batch], unique);
            check_twice(&client);
        }
        check(&client);
        client.run("DELETE FROM crm WHERE age > 0 OR email = 'b@x'");
        check(&client);
        client.run("DELETE FROM web; DELETE FROM visits; DELETE FROM shop WHERE customer = '1'");
        check(&client);
    }
}

/// Brings rows; under a unique namespace the engine may refuse more of them than the model did.
fn bring_allowed(
    client: &Client,
    model: &crate::model::Model,
    rows: &[crate::against_model::Given],
    outcomes: &[crate::model::Outcome],
    unique: bool,
) {
    if !unique {
        return bring(client, model, rows, outcomes, false);
    }
    let _ = crate::against_model::load_csv(client, model, rows);
}
