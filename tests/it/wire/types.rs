//! Types and casts through a real client, in text and binary, with the answers of PostgreSQL 15.

use tokio_postgres::types::{FromSql, Type};

use crate::wire::{Fixture, check};

#[tokio::test(flavor = "multi_thread")]
async fn casts_to_text_are_those_of_postgresql() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    for (sql, expected) in [
        (
            "SELECT '2026-01-31 12:00:00'::timestamp::text, '2026-01-31'::date::text, true::text,
                1e21::float8::text, ARRAY['a','b c']::text, '\\x01ff'::bytea::text",
            "2026-01-31 12:00:00|2026-01-31|true|1e+21|{a,\"b c\"}|\\x01ff",
        ),
        (
            "SELECT 'at ' || '2026-01-31'::date, interval '1 day 02:00'::text",
            "at 2026-01-31|1 day 02:00:00",
        ),
        (
            "SELECT '2026-01-31 12:30'::timestamp, '2026-01-31 12:00+02'::timestamptz",
            "2026-01-31 12:30:00|2026-01-31 10:00:00+00",
        ),
        ("SELECT 'never'::timestamp", "22007 invalid input syntax for type timestamp: \"never\""),
    ] {
        check(&client, sql, expected).await;
    }
    check(&client, "SET TimeZone = 'Europe/Berlin'", "").await;
    for (sql, expected) in [
        ("SELECT '2026-01-31 12:00:00+00'::timestamptz::text", "2026-01-31 13:00:00+01"),
        ("SELECT '2026-07-31 12:00'::timestamptz", "2026-07-31 12:00:00+02"),
        ("SELECT '2026-01-31 23:30:00+00'::timestamptz::date", "2026-02-01"),
        ("SELECT extract(hour from '2026-01-31 23:30:00+00'::timestamptz)", "0"),
        (
            "SELECT date_trunc('day', '2026-01-31 23:30:00+00'::timestamptz)",
            "2026-02-01 00:00:00+01",
        ),
    ] {
        check(&client, sql, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_exact_or_refused() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    for (sql, expected) in [
        ("SELECT 9223372036854775807 + 1", "22003 bigint out of range"),
        ("SELECT x * x FROM (VALUES (9223372036854775807)) a(x)", "22003 bigint out of range"),
        (
            "SELECT x - 1 FROM (SELECT (-9223372036854775807 - 1)::int8 AS x) a",
            "22003 bigint out of range",
        ),
        ("SELECT 1e21, 15e-1, -2 ^ 2", "1000000000000000000000|1.5|4"),
        (
            "SELECT 2 * interval '1 day', interval '1 mon' / 2, interval '1 day' * 1.5",
            "2 days|15 days|1 day 12:00:00",
        ),
        ("SELECT ARRAY[1, 2] && ARRAY[2, 3], ARRAY[1] && ARRAY[2]", "t|f"),
        ("SELECT * FROM (VALUES (1, 2)) AS a(x) WHERE x = column2 - 1", "1|2"),
        ("PREPARE p (text) AS SELECT $1; EXECUTE p('x') -- a comment", "x"),
    ] {
        check(&client, sql, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_looked_into_and_made() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    for (sql, expected) in [
        (
            r#"SELECT '{"b":1, "a":[1,2]}'::jsonb, '{"b":1, "a":[1,2]}'::json"#,
            r#"{"a": [1, 2], "b": 1}|{"b":1, "a":[1,2]}"#,
        ),
        (r#"SELECT '{"a": [1, {"b": "x"}]}'::jsonb -> 'a' -> 1 ->> 'b'"#, "x"),
        (
            r#"SELECT '{"a": {"b": 5}}'::jsonb #>> '{a,b}', '{"a": {"b": 5}}'::jsonb #> '{a}'"#,
            r#"5|{"b": 5}"#,
        ),
        (
            r#"SELECT '{"a":1}'::jsonb @> '{"a":1}', '{"a":1}'::jsonb ? 'a', '{"a":1}'::jsonb ? 'b'"#,
            "t|t|f",
        ),
        (
            "SELECT json_build_object('a', 1, 'b', 'x', 'c', ARRAY[1,2], 'd', NULL), jsonb_build_object('a', 1.50)",
            r#"{"a" : 1, "b" : "x", "c" : [1,2], "d" : null}|{"a": 1.50}"#,
        ),
        ("SELECT to_json('x'::text), to_jsonb(1.5), to_json(ARRAY['a'])", r#""x"|1.5|["a"]"#),
        ("SELECT json_agg(x), jsonb_agg(x) FROM (VALUES (1),(2)) a(x)", "[1, 2]|[1, 2]"),
        (
            "SELECT json_agg(x ORDER BY x) FROM (VALUES (1),(2)) a(x)",
            "0A000 ORDER BY in json_agg is not supported",
        ),
        (r#"SELECT value FROM jsonb_array_elements('[1,{"a":2}]'::jsonb)"#, "1\n{\"a\": 2}"),
        (
            "SELECT t.n, e.value FROM (VALUES (1, '[5,6]'::jsonb)) t(n, j), jsonb_array_elements(t.j) e",
            "1|5\n1|6",
        ),
        ("SELECT jsonb_typeof('[]'::jsonb), jsonb_array_length('[1,2]'::jsonb)", "array|2"),
        ("SELECT jsonb_array_length('{}'::jsonb)", "22023 cannot get array length of an object"),
        (
            "SELECT 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ),
        ("SELECT 'x'::uuid", "22P02 invalid input syntax for type uuid: \"x\""),
    ] {
        check(&client, sql, expected).await;
    }
    let error = crate::wire::simple(&client, "SELECT '{'::json").await;
    assert!(error.starts_with("22P02 invalid input syntax for type json"), "{error}");
}

/// A value as it came.
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_know_json_and_uuid_by_their_types() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    let sql = "SELECT $1::jsonb, $2::uuid, $3::json, gen_random_uuid()";
    let statement = client.prepare(sql).await.expect("a statement");
    assert_eq!(statement.params(), [Type::JSONB, Type::UUID, Type::JSON]);
    let types: Vec<_> = statement.columns().iter().map(|column| column.type_().clone()).collect();
    assert_eq!(types, [Type::JSONB, Type::UUID, Type::JSON, Type::UUID]);
    let sql = "SELECT '{\"a\": 1}'::jsonb, '00000000-0000-0000-0000-00000000000f'::uuid";
    let row = client.query_one(sql, &[]).await.expect("a row");
    assert_eq!(row.get::<_, Raw>(0).0, b"\x01{\"a\": 1}");
    assert_eq!(row.get::<_, Raw>(1).0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 15]);
}
