//! The product's own functions with parameters: planned once, right at each execution.

use datafusion::common::ScalarValue;
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::query::session::Outcome;

use crate::driver::{Client, RUNTIME};
use crate::values;

/// Rows of a prepared statement, as texts.
fn execute(client: &Client, sql: &str, parameters: &[&[Option<&str>]]) -> Vec<String> {
    RUNTIME.block_on(async {
        let prepared = client.session.prepare(sql, &[]).await.expect("a statement");
        let mut answers = Vec::new();
        for values in parameters {
            let value = |text: &Option<&str>| ScalarValue::Utf8View(text.map(str::to_owned));
            let values = values.iter().map(value).collect();
            let outcome = client.session.execute(&prepared, values).await.expect("an outcome");
            let Outcome::Rows { stream, .. } = outcome else { panic!("{sql} gives no rows") };
            let batches = datafusion::physical_plan::common::collect(stream).await.expect("rows");
            let rows = batches.iter().flat_map(|batch| {
                (0..batch.num_rows()).map(move |row| {
                    let cells = batch.columns().iter();
                    let cells = cells.map(|cell| format!("{:?}", values::value(cell, row)));
                    cells.collect::<Vec<_>>().join(" ")
                })
            });
            answers.push(rows.collect::<Vec<_>>().join("; "));
        }
        answers
    })
}

fn client() -> Client {
    let client = Client::open(MemoryDisk::new()).expect("a store");
    client.run(
        "CREATE NAMESPACE crm_id RANK 1; CREATE NAMESPACE email RANK 2 NORMALIZE lower; \
         CREATE DATASET crm (no TEXT IDENTITY crm_id, email TEXT IDENTITY email, city TEXT); \
         INSERT INTO crm VALUES ('1', 'ann@x.com', 'Paris'), ('2', 'bob@x.com', 'Rome')",
    );
    client
}

#[test]
fn parameters_of_functions_differ_by_execution() {
    let client = client();
    let check = |sql, parameters: &[&[Option<&str>]], expected: &[&str]| {
        assert_eq!(execute(&client, sql, parameters), expected, "{sql}");
    };
    let given: &[&[Option<&str>]] = &[
        &[Some("email"), Some("ANN@x.com")],
        &[Some("crm_id"), Some("2")],
        &[Some("crm_id"), Some("9")],
        &[Some("crm_id"), None],
    ];
    let cities = [r#"Text("Paris")"#, r#"Text("Rome")"#, "", ""];
    check("SELECT city FROM profile($1, $2)", given, &cities);
    check("SELECT city FROM profile($1, lower($2) || '')", given, &cities);
    check("SELECT city FROM profile($1, $2, 'latest') AS p WHERE p.no <> 'x'", given, &cities);
    check("SELECT profile_of($1, $2)", given, &["Int(0)", "Int(2)", "Null", "Null"]);
    let path = "SELECT step, right_identity FROM identity_path($1, $2, 'email', 'bob@x.com')";
    check(path, given, &["", r#"Int(1) Text("bob@x.com")"#, "", ""]);
    let why_not = "SELECT reason FROM why_not($1, $2, 'crm_id', '2')";
    let reasons = ["no evidence", "one person", "unknown identity"];
    let reasons = reasons.map(|reason| format!("Text({reason:?})"));
    check(why_not, given, &[&reasons[0], &reasons[1], &reasons[2], ""]);
    let rows = Some(r#"[{"identities": {"a": [1, 2]}}]"#);
    let graph = "SELECT count(*) FROM simulate_graph($1, $2)";
    check(graph, &[&[rows, Some(r#"[{"name": "a"}]"#)], &[rows, None]], &["Int(2)", "Int(0)"]);
}

#[test]
fn tables_of_parameters_are_made_at_each_execution() {
    let client = client();
    client.run(
        "CREATE DATASET web (no TEXT IDENTITY crm_id, city TEXT); \
         CREATE MERGE POLICY web_first MERGE BY latest MERGE city BY precedence(web, crm); \
         INSERT INTO web VALUES ('1', 'Lyon')",
    );
    let given: &[&[Option<&str>]] = &[
        &[Some("latest"), Some("web_first")],
        &[Some("web_first"), Some("latest")],
        &[Some("latest"), Some("latest")],
        &[None, Some("latest")],
    ];
    let diff = "SELECT left_value FROM policy_diff($1, $2) AS d WHERE d.attribute = 'city'";
    let cities = [r#"Text("Paris")"#, r#"Text("Lyon")"#, "", ""];
    assert_eq!(execute(&client, diff, given), cities);
    let counts = "SELECT sum(differing)::bigint FROM policy_diff_counts($1, $2)";
    assert_eq!(execute(&client, counts, given), ["Int(1)", "Int(1)", "Int(0)", "Null"]);
    let error = client
        .try_run("PREPARE d AS SELECT * FROM policy_diff($1, 'latest'); EXECUTE d('nothing')");
    let error = error.expect_err("there is no such policy");
    assert_eq!(error.message(), "merge policy \"nothing\" does not exist");
}

#[test]
fn prepared_calls_read_the_rows_of_their_execution() {
    let client = client();
    let calls = [
        ("SELECT city FROM profile('crm_id', $1)", r#"Text("Oslo")"#),
        ("SELECT profile_of('crm_id', $1)", "Int(4)"),
    ];
    for (sql, _) in calls {
        client.run(&format!("PREPARE p{} AS {sql}", sql.len()));
    }
    client.run("INSERT INTO crm VALUES ('3', 'eve@x.com', 'Oslo')");
    for (sql, expected) in calls {
        let records = client.records(&format!("EXECUTE p{}('3')", sql.len()));
        let shown: Vec<_> = records[0].values().map(|value| format!("{value:?}")).collect();
        assert_eq!(shown, [expected], "{sql}");
    }
    // Within a block both stay with its first snapshot.
    let other = client.another();
    client.run("BEGIN; SELECT 1 FROM crm");
    other.run("INSERT INTO crm VALUES ('4', 'joe@x.com', 'Bern')");
    assert!(client.records("SELECT city FROM profile('crm_id', '4')").is_empty());
    let seen = client.records("SELECT profile_of('crm_id', '4') IS NULL AS unseen");
    assert_eq!(format!("{:?}", seen[0]["unseen"]), "Bool(true)");
    client.run("COMMIT");
    assert_eq!(client.records("SELECT city FROM profile('crm_id', '4')").len(), 1);
}

#[test]
fn rows_that_are_made_later_are_of_the_snapshot_of_the_execution() {
    let client = client();
    RUNTIME.block_on(async {
        let sql = "SELECT profile_of('crm_id', x) AS p FROM unnest(ARRAY['1', '7']) AS u(x)";
        let prepared = client.session.prepare(sql, &[]).await.expect("a statement");
        let outcome = client.session.execute(&prepared, Vec::new()).await.expect("an outcome");
        let Outcome::Rows { stream, .. } = outcome else { panic!("{sql} gives no rows") };
        let more = "INSERT INTO crm VALUES ('7', NULL, NULL); SELECT 1 FROM crm";
        client.session.run_script(more).await.expect("rows");
        let batches = datafusion::physical_plan::common::collect(stream).await.expect("rows");
        let cell = |row| format!("{:?}", values::value(batches[0].column(0), row));
        assert_eq!([cell(0), cell(1)], ["Int(0)", "Null"]);
    });
}
