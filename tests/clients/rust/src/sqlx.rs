//! sqlx: its own introspection of types and nullability, prepared statements, streams, transactions, pools.

mod checks;

use std::time::Duration;

use checks::{Outcome, Suite, equal, problem};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use futures::TryStreamExt;
use rust_decimal::Decimal;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{Column, Connection, Decode, Executor, PgConnection, Postgres, Row, Statement, Type, TypeInfo};
use uuid::Uuid;

fn options() -> PgConnectOptions {
    PgConnectOptions::new()
}

async fn connect() -> Result<PgConnection, String> {
    PgConnection::connect_with(&options()).await.map_err(problem)
}

async fn one<T: for<'a> Decode<'a, Postgres> + Type<Postgres> + Send + Unpin>(sql: &str) -> Result<T, String> {
    sqlx::query_scalar(sql).fetch_one(&mut connect().await?).await.map_err(problem)
}

fn value<T: for<'a> Decode<'a, Postgres> + Type<Postgres> + PartialEq + std::fmt::Debug + Send + Unpin + 'static>(suite: &mut Suite, sql: &'static str, expected: T) {
    suite.must(format!("value: {sql}"), move || async move { equal(one::<T>(&format!("SELECT {sql}")).await?, expected) });
}

fn values(suite: &mut Suite) {
    let date = NaiveDate::from_ymd_opt(2026, 1, 31).expect("a date");
    let moment: NaiveDateTime = date.and_hms_opt(10, 11, 12).expect("a time");
    value(suite, "1", 1_i32);
    value(suite, "true", true);
    value(suite, "7::int2", 7_i16);
    value(suite, "9000000000", 9_000_000_000_i64);
    value(suite, "0.1::float8", 0.1_f64);
    value(suite, "12.50::numeric(12,2)", "12.50".parse::<Decimal>().expect("a number"));
    value(suite, "'Zoë'", "Zoë".to_owned());
    value(suite, "date '2026-01-31'", date);
    value(suite, "timestamp '2026-01-31 10:11:12'", moment);
    value(suite, "timestamptz '2026-01-31 10:11:12+00'", moment.and_utc());
    value(suite, "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".parse::<Uuid>().expect("a uuid"));
    value(suite, "'\\x00ff'::bytea", vec![0_u8, 255]);
    value(suite, r#"'{"a":1}'::jsonb"#, serde_json::json!({"a": 1}));
    value(suite, "ARRAY['a', NULL]", vec![Some("a".to_owned()), None]);
    value(suite, "NULL::text", None::<String>);
}

async fn describes() -> Outcome {
    let mut connection = connect().await?;
    let described = connection.describe("SELECT profile_id, city, spend FROM profiles WHERE customer_no = $1").await.map_err(problem)?;
    let names: Vec<_> = described.columns().iter().map(|it| (it.name().to_owned(), it.type_info().name().to_owned())).collect();
    equal(names, vec![("profile_id".to_owned(), "INT8".to_owned()), ("city".to_owned(), "TEXT".to_owned()), ("spend".to_owned(), "NUMERIC".to_owned())])?;
    equal((described.nullable(0), described.nullable(1)), (Some(false), Some(true)))
}

async fn prepares() -> Outcome {
    let mut connection = connect().await?;
    let statement = connection.prepare("SELECT visits FROM profiles WHERE customer_no = $1").await.map_err(problem)?;
    let row: PgRow = statement.query().bind("C0007").fetch_one(&mut connection).await.map_err(problem)?;
    equal(row.get::<i32, _>(0), 7)
}

async fn pools() -> Outcome {
    let pool: PgPool = PgPoolOptions::new().max_connections(4).connect_with(options()).await.map_err(problem)?;
    let sums = futures::future::try_join_all((0..12).map(|n| sqlx::query_scalar::<_, i32>("SELECT $1 + 1").bind(n).fetch_one(&pool)));
    equal(sums.await.map_err(problem)?, (1..13).collect::<Vec<i32>>())
}

async fn transactions() -> Outcome {
    let mut connection = connect().await?;
    let mut outer = connection.begin().await.map_err(problem)?;
    let mut inner = outer.begin().await.map_err(problem)?;
    let failed = sqlx::query("SELECT 1/0").execute(&mut *inner).await.is_err();
    inner.rollback().await.map_err(problem)?;
    equal(failed, true)?;
    equal(sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&mut *outer).await.map_err(problem)?, 1)
}

async fn error_has_its_code() -> Outcome {
    let error = sqlx::query("SELECT * FROM nothing_here").execute(&mut connect().await?).await.err().ok_or("no error")?;
    equal(error.as_database_error().and_then(|it| it.code()).map(|it| it.to_string()), Some("42P01".to_owned()))
}

async fn notifications() -> Outcome {
    let pool = PgPoolOptions::new().connect_with(options()).await.map_err(problem)?;
    let mut listener = sqlx::postgres::PgListener::connect_with(&pool).await.map_err(problem)?;
    listener.listen("sqlx_channel").await.map_err(problem)?;
    sqlx::query("NOTIFY sqlx_channel, 'payload'").execute(&pool).await.map_err(problem)?;
    let heard = tokio::time::timeout(Duration::from_secs(3), listener.recv()).await.map_err(problem)?.map_err(problem)?;
    equal(heard.payload(), "payload")
}

#[tokio::main]
async fn main() {
    let mut suite = Suite::default();
    values(&mut suite);
    suite.must("describes types and nullability", describes);
    suite.must("prepared statement", prepares);
    suite.must("pool", pools);
    suite.must("nested transactions", transactions);
    suite.must("error has its code", error_has_its_code);
    suite.must("rows are streamed", || async {
        let mut connection = connect().await?;
        let rows = sqlx::query_scalar::<_, i32>("SELECT visits FROM profiles").fetch(&mut connection);
        equal(rows.try_fold(0_i64, |sum, n| async move { Ok(sum + i64::from(n)) }).await.map_err(problem)?, 500_500)
    });
    suite.must("parameters of a moment and a list", || async {
        let before: DateTime<Utc> = "2026-01-01T10:11:00Z".parse().map_err(problem)?;
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM profiles WHERE first_seen_at < $1 AND customer_no = ANY($2)")
            .bind(before).bind(vec!["C0001".to_owned(), "C0500".to_owned()]).fetch_one(&mut connect().await?).await.map_err(problem)?;
        equal(count, 1)
    });
    suite.must("limit as a parameter", || async {
        let rows = sqlx::query("SELECT 1 FROM profiles LIMIT $1").bind(3_i64).fetch_all(&mut connect().await?).await.map_err(problem)?;
        equal(rows.len(), 3)
    });
    suite.must("several statements at once", || async {
        connect().await?.execute("SET application_name = 'x'; SELECT 1").await.map(|_| ()).map_err(problem)
    });
    suite.must("explain", || async { equal(one::<serde_json::Value>("EXPLAIN (FORMAT JSON) SELECT count(*) FROM profiles").await?.is_array(), true) });
    suite.should("notifications", notifications);
    suite.should("an advisory lock", || async { equal(one::<bool>("SELECT pg_try_advisory_lock(7)").await?, true) });
    suite.run("0.8").await;
}
