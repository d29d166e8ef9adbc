//! tokio-postgres: typed binary rows, prepared statements, portals, streams, pipelining, COPY, cancel.

mod checks;

use std::time::Duration;

use bytes::Bytes;
use checks::{Outcome, Suite, equal, problem};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use futures::{SinkExt, StreamExt, TryStreamExt, pin_mut};
use rust_decimal::Decimal;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage};
use uuid::Uuid;

async fn connect_with(more: &str) -> Result<Client, String> {
    let from = |name| std::env::var(name).unwrap_or_default();
    let text = format!("host={} port={} user={} dbname={} {more}", from("PGHOST"), from("PGPORT"), from("PGUSER"), from("PGDATABASE"));
    let (client, connection) = tokio_postgres::connect(&text, NoTls).await.map_err(problem)?;
    tokio::spawn(connection);
    Ok(client)
}

async fn connect() -> Result<Client, String> {
    connect_with("").await
}

async fn one<T: for<'a> FromSql<'a>>(sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<T, String> {
    let client = connect().await?;
    let row = client.query_one(sql, parameters).await.map_err(problem)?;
    row.try_get(0).map_err(problem)
}

fn value<T: for<'a> FromSql<'a> + PartialEq + std::fmt::Debug + Send + 'static>(suite: &mut Suite, name: &str, sql: &'static str, expected: T) {
    suite.must(format!("value: {name}"), move || async move { equal(one::<T>(&format!("SELECT {sql}"), &[]).await?, expected) });
}

fn parameter<T: for<'a> FromSql<'a> + ToSql + Sync + PartialEq + std::fmt::Debug + Send + 'static>(suite: &mut Suite, cast: &'static str, given: T) {
    suite.must(format!("parameter: {cast}"), move || async move { equal(one::<T>(&format!("SELECT $1::{cast}"), &[&given]).await?, given) });
}

fn values(suite: &mut Suite) {
    value(suite, "bool", "true", true);
    value(suite, "int2", "7::int2", 7_i16);
    value(suite, "int4", "7", 7_i32);
    value(suite, "int8", "9000000000", 9_000_000_000_i64);
    value(suite, "float4", "1.5::float4", 1.5_f32);
    value(suite, "float8", "0.1::float8", 0.1_f64);
    value(suite, "numeric", "12345.67::numeric(12,2)", "12345.67".parse::<Decimal>().expect("a number"));
    value(suite, "text", "'Zoë 日本'", "Zoë 日本".to_owned());
    value(suite, "varchar", "'abc'::varchar(5)", "abc".to_owned());
    value(suite, "date", "date '2026-01-31'", date());
    value(suite, "timestamp", "timestamp '2026-01-31 10:11:12.5'", moment());
    value(suite, "timestamptz", "timestamptz '2026-01-31 10:11:12.5+00'", moment().and_utc());
    value(suite, "time", "time '10:11:12'", NaiveTime::from_hms_opt(10, 11, 12).expect("a time"));
    value(suite, "uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", uuid());
    value(suite, "bytea", "'\\x00ff'::bytea", vec![0_u8, 255]);
    value(suite, "json", r#"'{"a":1}'::json"#, serde_json::json!({"a": 1}));
    value(suite, "jsonb", r#"'{"a":1}'::jsonb"#, serde_json::json!({"a": 1}));
    value(suite, "int4[]", "ARRAY[1, 2]", vec![1_i32, 2]);
    value(suite, "text[]", "ARRAY['a', NULL]", vec![Some("a".to_owned()), None]);
    value(suite, "null", "NULL::int", None::<i32>);
    value(suite, "oid", "23::oid", 23_u32);
}

fn date() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 31).expect("a date")
}

fn moment() -> NaiveDateTime {
    date().and_hms_milli_opt(10, 11, 12, 500).expect("a time")
}

fn uuid() -> Uuid {
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".parse().expect("a uuid")
}

fn parameters(suite: &mut Suite) {
    parameter(suite, "bool", true);
    parameter(suite, "smallint", 7_i16);
    parameter(suite, "int", 7_i32);
    parameter(suite, "bigint", 7_i64);
    parameter(suite, "real", 1.5_f32);
    parameter(suite, "float8", 1.5_f64);
    parameter(suite, "numeric", "12.50".parse::<Decimal>().expect("a number"));
    parameter(suite, "text", "it's".to_owned());
    parameter(suite, "date", date());
    parameter(suite, "timestamp", moment());
    parameter(suite, "timestamptz", moment().and_utc());
    parameter(suite, "uuid", uuid());
    parameter(suite, "bytea", vec![0_u8, 255]);
    parameter(suite, "jsonb", serde_json::json!({"a": [1, null]}));
    parameter(suite, "text[]", vec![Some("a".to_owned()), None]);
    parameter(suite, "int[]", vec![1_i32, 2]);
    parameter(suite, "text", None::<String>);
}

async fn sqlstate(sql: &str) -> Result<String, String> {
    match connect().await?.query(sql, &[]).await {
        Ok(rows) => Err(format!("{} rows", rows.len())),
        Err(error) => Ok(error.code().map(|it| it.code().to_owned()).unwrap_or_default()),
    }
}

fn errors(suite: &mut Suite) {
    for (sql, state) in [
        ("SELECT * FROM nothing_here", "42P01"), ("SELECT nothing FROM profiles", "42703"), ("SELEC 1", "42601"), ("SELECT 1/0", "22012"),
        ("SELECT 'x'::int", "22P02"), ("SELECT nothing(1)", "42883"), ("SELECT 99999999999::int", "22003"),
        ("SELECT email FROM profiles a, profiles b", "42702"), ("SELECT 1; SELECT 2", "42601"),
    ] {
        suite.must(format!("error: {sql}"), move || async move { equal(sqlstate(sql).await?, state) });
    }
}

async fn describes() -> Outcome {
    let client = connect().await?;
    let statement = client.prepare("SELECT profile_id, spend, tags FROM profiles WHERE customer_no = $1 AND visits < $2 LIMIT $3").await.map_err(problem)?;
    equal(statement.params(), &[Type::TEXT, Type::INT4, Type::INT8])?;
    equal(statement.columns().iter().map(|it| it.type_().clone()).collect::<Vec<_>>(), vec![Type::INT8, Type::NUMERIC, Type::TEXT_ARRAY])
}

async fn portals() -> Outcome {
    let mut client = connect().await?;
    let transaction = client.transaction().await.map_err(problem)?;
    let portal = transaction.bind("SELECT visits FROM profiles ORDER BY visits", &[]).await.map_err(problem)?;
    let other = transaction.bind("SELECT visits FROM profiles ORDER BY visits DESC", &[]).await.map_err(problem)?;
    let mut seen = Vec::new();
    for (portal, count) in [(&portal, 2), (&other, 1), (&portal, 2)] {
        let rows = transaction.query_portal(portal, count).await.map_err(problem)?;
        seen.extend(rows.iter().map(|row| row.get::<_, i32>(0)));
    }
    equal(seen, vec![1, 2, 1000, 3, 4])
}

async fn pipelined() -> Outcome {
    let client = connect().await?;
    let statement = client.prepare("SELECT $1::int").await.map_err(problem)?;
    let answers = futures::future::try_join_all((0..50).map(|n| {
        let (client, statement) = (&client, &statement);
        async move { client.query_one(statement, &[&n]).await.map(|row| row.get::<_, i32>(0)) }
    }));
    equal(answers.await.map_err(problem)?, (0..50).collect::<Vec<i32>>())
}

async fn streams() -> Outcome {
    let client = connect().await?;
    let none: [&str; 0] = [];
    let rows = client.query_raw("SELECT visits FROM profiles", none).await.map_err(problem)?;
    let sum = rows.try_fold(0_i64, |sum, row| async move { Ok(sum + i64::from(row.get::<_, i32>(0))) }).await.map_err(problem)?;
    equal(sum, 500_500)
}

async fn cancels() -> Outcome {
    let client = connect().await?;
    let token = client.cancel_token();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        token.cancel_query(NoTls).await
    });
    let error = client.query("SELECT pg_sleep(20)", &[]).await.err().ok_or("it was not cancelled")?;
    equal(error.code().map(|it| it.code().to_owned()), Some("57014".to_owned()))?;
    equal(client.query_one("SELECT 1", &[]).await.map_err(problem)?.get::<_, i32>(0), 1)
}

async fn copies_out() -> Outcome {
    let client = connect().await?;
    let stream = client.copy_out("COPY (SELECT customer_no, city FROM profiles WHERE visits <= 2 ORDER BY 1) TO STDOUT").await.map_err(problem)?;
    let text: Vec<Bytes> = stream.try_collect().await.map_err(problem)?;
    equal(text.concat(), b"C0001\tHull\nC0002\t\\N\n".to_vec())
}

async fn copies_out_binary() -> Outcome {
    let client = connect().await?;
    let stream = client.copy_out("COPY (SELECT visits, customer_no FROM profiles WHERE visits <= 2 ORDER BY 1) TO STDOUT (FORMAT binary)").await.map_err(problem)?;
    let stream = tokio_postgres::binary_copy::BinaryCopyOutStream::new(stream, &[Type::INT4, Type::TEXT]);
    let rows: Vec<_> = stream.try_collect().await.map_err(problem)?;
    equal(rows.iter().map(|row| (row.get::<i32>(0), row.get::<String>(1))).collect::<Vec<_>>(), vec![(1, "C0001".to_owned()), (2, "C0002".to_owned())])
}

async fn copies_in() -> Outcome {
    let mut client = connect().await?;
    let transaction = client.transaction().await.map_err(problem)?;
    let sink = transaction.copy_in("COPY purchases (order_id, email) FROM STDIN").await.map_err(problem)?;
    pin_mut!(sink);
    sink.send(Bytes::from_static(b"O9400\tp1@example.com\n")).await.map_err(problem)?;
    equal(sink.finish().await.map_err(problem)?, 1)?;
    transaction.rollback().await.map_err(problem)
}

async fn simple_protocol() -> Outcome {
    let messages = connect().await?.simple_query("SELECT 1 AS a; SELECT NULL").await.map_err(problem)?;
    let rows: Vec<_> = messages.iter().filter_map(|it| if let SimpleQueryMessage::Row(row) = it { Some(row.get(0).map(str::to_owned)) } else { None }).collect();
    equal(rows, vec![Some("1".to_owned()), None])
}

async fn savepoints() -> Outcome {
    let mut client = connect().await?;
    let mut transaction = client.transaction().await.map_err(problem)?;
    let inner = transaction.savepoint("a").await.map_err(problem)?;
    let failed = inner.query("SELECT 1/0", &[]).await.is_err();
    inner.rollback().await.map_err(problem)?;
    equal(failed, true)?;
    equal(transaction.query_one("SELECT 1", &[]).await.map_err(problem)?.get::<_, i32>(0), 1)
}

async fn notifications() -> Outcome {
    let from = |name| std::env::var(name).unwrap_or_default();
    let text = format!("host={} port={} user={} dbname={}", from("PGHOST"), from("PGPORT"), from("PGUSER"), from("PGDATABASE"));
    let (client, mut connection) = tokio_postgres::connect(&text, NoTls).await.map_err(problem)?;
    let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(it) = message {
                let _ = heard.send(it.payload().to_owned());
            }
        }
    });
    client.batch_execute("LISTEN rust_channel; NOTIFY rust_channel, 'payload'").await.map_err(problem)?;
    let payload = tokio::time::timeout(Duration::from_secs(3), hearing.recv()).await.map_err(problem)?;
    equal(payload, Some("payload".to_owned()))
}

async fn settings_at_start() -> Outcome {
    let client = connect_with("application_name=mine options='-c statement_timeout=3s'").await?;
    let row = client.query_one("SELECT current_setting('application_name'), current_setting('statement_timeout')", &[]).await.map_err(problem)?;
    equal((row.get::<_, String>(0), row.get::<_, String>(1)), ("mine".to_owned(), "3s".to_owned()))
}

async fn names_tables() -> Outcome {
    let client = connect().await?;
    let statement = client.prepare("SELECT customer_no FROM profiles").await.map_err(problem)?;
    let column = &statement.columns()[0];
    let relation: u32 = client.query_one("SELECT 'profiles'::regclass::oid", &[]).await.map_err(problem)?.get(0);
    equal((column.table_oid(), column.column_id()), (Some(relation), Some(2)))
}

#[tokio::main]
async fn main() {
    let mut suite = Suite::default();
    suite.must("connect", || async { equal(one::<i32>("SELECT 1", &[]).await?, 1) });
    values(&mut suite);
    parameters(&mut suite);
    errors(&mut suite);
    suite.must("describes parameters and columns", describes);
    suite.must("columns name their table", names_tables);
    suite.must("several portals with row limits", portals);
    suite.must("pipelined statements", pipelined);
    suite.must("rows are streamed", streams);
    suite.must("cancel", cancels);
    suite.must("COPY out", copies_out);
    suite.must("COPY out, binary", copies_out_binary);
    suite.must("simple protocol", simple_protocol);
    suite.must("savepoints", savepoints);
    suite.must("settings at start", settings_at_start);
    suite.must("limit as a parameter", || async { equal(one::<i64>("SELECT count(*) FROM (SELECT 1 FROM profiles LIMIT $1) x", &[&7_i64]).await?, 7) });
    suite.must("any of an array", || async { equal(one::<i64>("SELECT count(*) FROM profiles WHERE customer_no = ANY($1)", &[&vec!["C0001", "C0002"]]).await?, 2) });
    suite.must("a moment as a parameter", || async {
        let before: DateTime<Utc> = "2026-01-01T10:11:00Z".parse().map_err(problem)?;
        equal(one::<i64>("SELECT count(*) FROM profiles WHERE first_seen_at < $1", &[&before]).await?, 10)
    });
    suite.must("two hundred prepared statements", || async {
        let client = connect().await?;
        let mut kept = Vec::new();
        for n in 0..200 {
            kept.push(client.prepare(&format!("SELECT {n}")).await.map_err(problem)?);
        }
        equal(client.query_one(&kept[77], &[]).await.map_err(problem)?.get::<_, i32>(0), 77)
    });
    suite.should("COPY in, rolled back", copies_in);
    suite.should("notifications", notifications);
    suite.run("0.7").await;
}
