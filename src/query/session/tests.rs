//! Tests of whole statements in a session, without a wire: limits, caches, snapshots, scripts.

use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::engine::{Database, Options};
use crate::error::SqlState;
use crate::query::session::block::{SAVEPOINTS_MAX, savepoint};
use crate::query::session::derive::EXPRESSION_BYTES_MAX;
use crate::query::session::insert::INSERT_ROWS_MAX;
use crate::query::session::policy_query::{QUERY_BYTES_MAX, QUERY_HEIGHT_MAX};
use crate::query::session::{Kept, STATEMENTS_MAX, Server, Session, Settings};

fn session() -> Session {
    let database = Database::open(Options::memory()).expect("a database in memory");
    Server::new(database, Settings::default()).session("ada", "cdp", &[]).expect("a session")
}

/// The rows of a script's last statement, or its error.
async fn run(session: &Session, sql: &str) -> String {
    let outputs = match session.run_script(sql).await {
        Ok(outputs) => outputs,
        Err(error) => return format!("{} {error}", error.code()),
    };
    let Some(last) = outputs.last() else { return String::new() };
    let mut lines = Vec::new();
    for batch in &last.batches {
        let options = FormatOptions::new().with_null("NULL");
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).expect("it can be shown"))
            .collect();
        for row in 0..batch.num_rows() {
            let shown = columns.iter().map(|column| column.value(row).to_string());
            lines.push(shown.collect::<Vec<_>>().join("|"));
        }
    }
    if last.schema.is_some() { lines.join("\n") } else { last.tag.clone() }
}

async fn check(session: &Session, sql: &str, expected: &str) {
    let shown: String = sql.chars().take(200).collect();
    assert_eq!(run(session, sql).await, expected, "{shown}");
}

const CRM: &str = "CREATE NAMESPACE crm_id; CREATE DATASET crm (no TEXT IDENTITY crm_id, n BIGINT)";

#[tokio::test]
async fn scripts_stop_at_the_first_error() {
    let session = session();
    check(&session, CRM, "CREATE DATASET").await;
    check(
        &session,
        "INSERT INTO crm VALUES ('1', 1); SELECT 1/0; INSERT INTO crm VALUES ('2', 2)",
        "22012 division by zero",
    )
    .await;
    check(&session, "SELECT no, n FROM crm", "1|1").await;
    check(&session, "TABLE crm", "1|1").await;
    check(&session, "-- nothing\n;", "").await;
    let error = session.run_script("SELECT 1;\nSELECT nope").await.expect_err("no such column");
    assert_eq!((error.code(), error.get_position()), (SqlState::UNDEFINED_COLUMN, Some(18)));
    check(
        &session,
        "COPY crm FROM STDIN",
        "0A000 COPY FROM STDIN needs a client that sends the rows",
    )
    .await;
}

#[tokio::test]
async fn an_expression_has_a_limit() {
    let session = session();
    check(&session, "CREATE NAMESPACE k", "CREATE NAMESPACE").await;
    let create = |length: usize| {
        format!("CREATE DATASET d (a TEXT, IDENTITY k AS (a || '{}'))", "x".repeat(length - 7))
    };
    let error = format!("54000 an expression can have at most {EXPRESSION_BYTES_MAX} bytes");
    check(&session, &create(EXPRESSION_BYTES_MAX + 1), &error).await;
    check(&session, &create(EXPRESSION_BYTES_MAX), "CREATE DATASET").await;
}

#[tokio::test]
async fn the_query_of_a_policy_has_limits() {
    let session = session();
    check(&session, CRM, "CREATE DATASET").await;
    let create = |value: &str| {
        format!(
            "CREATE OR REPLACE MERGE POLICY p AS SELECT profile_id, {value} AS n FROM fragments \
             GROUP BY profile_id"
        )
    };
    let around = create("").find("SELECT").map_or(0, |at| create("").len() - at);
    let text = |length: usize| create(&format!("max('{}')", "x".repeat(length - around - 7)));
    let error =
        format!("54000 the query of a merge policy can have at most {QUERY_BYTES_MAX} bytes");
    check(&session, &text(QUERY_BYTES_MAX + 1), &error).await;
    check(&session, &text(QUERY_BYTES_MAX), "CREATE MERGE POLICY").await;
    let chain = |count: usize| create(&vec!["max(n)"; count].join(" + "));
    check(&session, &chain(QUERY_HEIGHT_MAX + 1), "54001 statement is nested too deeply").await;
    check(&session, &chain(QUERY_HEIGHT_MAX / 2), "CREATE MERGE POLICY").await;
    // The plan is run on threads with small stacks, where there are many people.
    let many = "INSERT INTO crm SELECT s::text, 1 FROM generate_series(1, 20000) AS g(s)";
    check(&session, many, "INSERT 0 20000").await;
    let sum = "SELECT count(*) || ' ' || sum(n) FROM profiles_by.p";
    check(&session, sum, &format!("20000 {}", 20_000 * (QUERY_HEIGHT_MAX / 2))).await;
}

#[tokio::test]
async fn an_insert_has_a_limit() {
    let session = session();
    check(&session, CRM, "CREATE DATASET").await;
    let insert = |count: usize| {
        format!("INSERT INTO crm SELECT s::text, s FROM generate_series(1, {count}) AS g(s)")
    };
    let error = format!("54000 an INSERT can have at most {INSERT_ROWS_MAX} rows");
    check(&session, &insert(INSERT_ROWS_MAX + 1), &error).await;
    check(&session, "SELECT count(*) FROM crm", "0").await;
    check(&session, &insert(3), "INSERT 0 3").await;
    check(&session, "INSERT INTO crm SELECT no, n FROM crm WHERE false", "INSERT 0 0").await;
}

#[tokio::test]
async fn the_same_text_is_planned_once() {
    let session = session();
    check(&session, CRM, "CREATE DATASET").await;
    let sql = "SELECT n FROM crm";
    let first = session.prepare(sql, &[]).await.expect("a statement");
    let second = session.prepare(sql, &[]).await.expect("a statement");
    assert!(Arc::ptr_eq(&first, &second));
    check(&session, "ALTER DATASET crm ADD COLUMN extra TEXT", "ALTER DATASET").await;
    let third = session.prepare(sql, &[]).await.expect("a statement");
    assert!(!Arc::ptr_eq(&first, &third));
    assert!(session.execute(&first, Vec::new()).await.is_ok());
}

#[tokio::test]
async fn time_is_that_of_the_execution() {
    let session = session();
    let prepared = session.prepare("SELECT now() AS at", &[]).await.expect("a statement");
    assert_eq!(prepared.schema().expect("rows").field(0).name(), "at");
    let first = run(&session, "SELECT now()").await;
    let mut second = run(&session, "SELECT now()").await;
    while second == first {
        second = run(&session, "SELECT now()").await;
    }
    assert!(second > first);
}

#[tokio::test]
async fn prepared_statements_and_cursors_have_limits() {
    let session = session();
    let prepared = session.prepare("SELECT 1", &[]).await.expect("a statement");
    let kept = Kept { prepared, oids: Vec::new() };
    for number in 0..STATEMENTS_MAX {
        session.keep_statement(&format!("s{number}"), kept.clone()).expect("below the limit");
    }
    let error = session.keep_statement("more", kept.clone()).expect_err("above the limit");
    assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED);
    let error = session.keep_statement("s1", kept).expect_err("taken");
    assert_eq!(error.code().0, "42P05");
    let mut declared = 0;
    loop {
        let sql = format!("DECLARE c{declared} CURSOR WITH HOLD FOR SELECT 1");
        match run(&session, &sql).await.as_str() {
            "DECLARE CURSOR" => declared += 1,
            error => break assert_eq!(error, "54000 a session can have at most 100 cursors"),
        }
    }
    assert_eq!(declared, 100);
    check(&session, "CLOSE ALL; DECLARE c CURSOR WITH HOLD FOR SELECT 1", "DECLARE CURSOR").await;
}

#[tokio::test]
async fn no_statement_reaches_a_file() {
    let session = session();
    for sql in [
        "COPY (SELECT 1) TO '/tmp/selfsame-must-not-exist'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SET datafusion.catalog.location = '/etc'",
    ] {
        let shown = run(&session, sql).await;
        assert!(shown.starts_with("42") || shown.starts_with("0A000"), "{sql}: {shown}");
    }
    assert!(!std::path::Path::new("/tmp/selfsame-must-not-exist").exists());
}

#[tokio::test]
async fn sessions_are_listed_and_forgotten() {
    let session = session();
    let server = Arc::clone(&session.inner.server);
    let other = server.session("bob", "cdp", &[]).expect("a session");
    check(&other, "SET application_name = 'report'", "SET").await;
    let shown: Vec<_> = server
        .sessions()
        .into_iter()
        .map(|info| format!("{} {} {}", info.user, info.application_name, info.state))
        .collect();
    assert_eq!(shown, ["ada  idle", "bob report idle"]);
    drop(other);
    assert_eq!(server.sessions().len(), 1);
    assert!(!server.cancel_session(99));
}

#[tokio::test]
async fn every_view_plans_and_tells_of_each_column() {
    let session = session();
    for view in crate::query::views::ALL {
        let name = format!("{}.{}", view.schema, view.name);
        let outputs = session.run_script(&format!("SELECT * FROM {name}")).await;
        let outputs = outputs.unwrap_or_else(|error| panic!("{name}: {error}"));
        let schema = outputs[0].schema.clone().expect("it has rows");
        let columns: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let described: Vec<_> = view.columns().map(|(column, _)| column.to_owned()).collect();
        assert_eq!(columns, described, "{name}");
    }
}

#[tokio::test]
async fn the_number_of_savepoints_is_bounded() {
    let session = session();
    check(&session, "SAVEPOINT s", "25P01 SAVEPOINT can only be used in transaction blocks").await;
    check(&session, "BEGIN", "BEGIN").await;
    for _ in 0..SAVEPOINTS_MAX {
        savepoint(&session.inner, "s").expect("there is room");
    }
    let message = format!("54000 a transaction can have at most {SAVEPOINTS_MAX} savepoints");
    check(&session, "SAVEPOINT s", &message).await;
    check(&session, "ROLLBACK", "ROLLBACK").await;
    check(&session, "BEGIN; SAVEPOINT s; SELECT 1/0", "22012 division by zero").await;
    check(&session, "ROLLBACK TO s; RELEASE s; COMMIT", "COMMIT").await;
}
