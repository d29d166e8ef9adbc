//! Look-ups on the short path give what the ordinary path gives: a session of each, side by side, through
//! writes, definitions, settings and transaction blocks.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::wire::{Fixture, check, failure};

const SETUP: &str = "CREATE NAMESPACE crm_id RANK 1; CREATE NAMESPACE email RANK 2;
    CREATE DATASET crm (no TEXT IDENTITY crm_id, email TEXT IDENTITY email, name TEXT,
        tags TEXT[], spend NUMERIC(12,2), at TIMESTAMPTZ OBSERVED AT);
    CREATE DATASET web (email TEXT IDENTITY email, name TEXT, at TIMESTAMPTZ OBSERVED AT);
    CREATE MERGE POLICY longest MERGE name BY longest;
    CREATE MERGE POLICY lists STITCH NONE MERGE email BY collect_set";

/// Look-ups, each with a twin that has the same rows but is no look-up.
const STATEMENTS: &[(&str, &str)] = &[
    (
        "SELECT * FROM profiles WHERE profile_id = $1",
        "SELECT * FROM profiles WHERE profile_id + 0 = $1::bigint",
    ),
    (
        "SELECT name, profile_id AS id FROM profiles p WHERE p.profile_id = $1 LIMIT 1",
        "SELECT name, profile_id AS id FROM profiles p WHERE p.profile_id + 0 = $1::bigint LIMIT 1",
    ),
    (
        "SELECT name, tags, spend, last_seen_at FROM profiles_by.longest WHERE $1 = profile_id",
        "SELECT name, tags, spend, last_seen_at FROM profiles_by.longest
            WHERE $1::bigint = profile_id + 0",
    ),
];

const TEXT_STATEMENTS: &[(&str, &str)] = &[
    (
        "SELECT * FROM profiles WHERE email = $1",
        "SELECT * FROM profiles WHERE email || '' = $1 ORDER BY profile_id",
    ),
    (
        "SELECT profile_id, email FROM profiles_by.lists WHERE profile_id = $1::text::bigint",
        "SELECT profile_id, email FROM profiles_by.lists
            WHERE profile_id + 0 = $1::text::bigint",
    ),
];

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What a statement gives to a client that asks in binary, as bytes, or its error.
async fn rows(client: &Client, sql: &str, ty: Type, value: &(dyn ToSql + Sync)) -> String {
    let statement = match client.prepare_typed(sql, &[ty]).await {
        Ok(statement) => statement,
        Err(error) => return failure(&error),
    };
    match client.query(&statement, &[value]).await {
        Ok(rows) => {
            let shown = |row: &tokio_postgres::Row| {
                (0..row.len()).map(|at| format!("{:?}", row.try_get::<_, Raw>(at))).collect()
            };
            // Whose profile comes first is open where an identity leads to several.
            let mut rows: Vec<Vec<String>> = rows.iter().map(shown).collect();
            rows.sort();
            rows.concat().iter().fold(String::new(), |all, value| all + value + "|")
        }
        Err(error) => failure(&error),
    }
}

/// The bytes of any value.
#[derive(Debug)]
struct Raw(#[expect(dead_code, reason = "it is shown")] Option<Vec<u8>>);

impl<'a> tokio_postgres::types::FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Rows of a text with its value inside.
async fn simple(client: &Client, sql: &str) -> String {
    match client.simple_query(sql).await {
        Err(error) => failure(&error),
        Ok(messages) => {
            let shown = |message: &SimpleQueryMessage| match message {
                SimpleQueryMessage::Row(row) => {
                    Some((0..row.len()).map(|at| format!("{:?}|", row.get(at))).collect::<String>())
                }
                _ => None,
            };
            let mut rows: Vec<String> = messages.iter().filter_map(shown).collect();
            rows.sort();
            rows.concat()
        }
    }
}

/// Compares all statements on one client; `id` and `email` are what they look up.
async fn compare(client: &Client, id: i64, email: &str) {
    for (short, long) in STATEMENTS {
        let found = rows(client, short, Type::INT8, &id).await;
        assert_eq!(found, rows(client, long, Type::INT8, &id).await, "{short} {id}");
        let short = short.replace("WHERE $1 = profile_id", "WHERE profile_id = $1");
        let text = short.replace("$1", &id.to_string());
        let long = long.replace("$1", &id.to_string());
        assert_eq!(simple(client, &text).await, simple(client, &long).await, "{text}");
    }
    for (short, long) in TEXT_STATEMENTS {
        let value = if long.contains("email ||") { email.to_owned() } else { id.to_string() };
        let found = rows(client, short, Type::TEXT, &value).await;
        assert_eq!(found, rows(client, long, Type::TEXT, &value).await, "{short} {value}");
    }
    let text = format!("SELECT * FROM profiles WHERE email = '{email}'");
    let long = format!("SELECT * FROM profiles WHERE email || '' = '{email}' ORDER BY profile_id");
    assert_eq!(simple(client, &text).await, simple(client, &long).await, "{text}");
}

/// Something that changes what look-ups find.
async fn disturb(writer: &Client, reader: &Client, random: &mut Numbers) {
    let number = random.below(12);
    let mail = random.below(6);
    let sql = match random.below(9) {
        0..=2 => format!(
            "INSERT INTO crm (no, email, name, tags, spend, at) VALUES ('{number}',
                'm{mail}@x.com', 'n{}', '{{a,\"b c\"}}', {number}.5, '2026-01-{:02} 00:00:00Z')",
            random.below(1000),
            1 + random.below(28)
        ),
        3 => format!("INSERT INTO web (email, name) VALUES ('m{mail}@x.com', 'web {number}')"),
        4 => format!("DELETE FROM crm WHERE no = '{number}'"),
        5 => "ALTER MERGE POLICY longest SET DEFAULT".to_owned(),
        6 => format!("UNLINK crm_id '{number}' FROM email 'm{mail}@x.com'"),
        _ => String::new(),
    };
    // Some are refused, such as a decision about who is not there; then nothing changes.
    let _ = writer.simple_query(&sql).await;
    let setting = match random.below(9) {
        0 => "SET merge_policy = 'longest'",
        1 => "RESET merge_policy",
        2 => "SET as_of = '2026-01-14 00:00:00Z'",
        3 => "RESET as_of",
        4 => "SET TimeZone = 'Europe/Berlin'",
        5 => "BEGIN",
        6 => "COMMIT",
        // The view of what is read now.
        _ => {
            "SELECT count(*) FROM profiles; SELECT count(*) FROM profiles_by.longest;
            SELECT count(*) FROM profiles_by.lists"
        }
    };
    let _ = reader.simple_query(setting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_short_path_gives_what_the_ordinary_path_gives() {
    let fixture = Fixture::start().await;
    let (writer, reader) = (fixture.connect().await, fixture.connect().await);
    check(&writer, SETUP, "").await;
    let mut random = Numbers(17);
    for _ in 0..120 {
        disturb(&writer, &reader, &mut random).await;
        let id = i64::try_from(random.below(14)).expect("small");
        compare(&reader, id, &format!("m{}@x.com", random.below(7))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_every_kind_are_looked_up() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    check(&client, SETUP, "").await;
    check(&client, "INSERT INTO crm (no, email, name) VALUES ('1', 'a@x.com', 'Ada')", "").await;
    check(&client, "SELECT count(*) FROM profiles", "1").await;
    let found = "Ok(Raw(Some([65, 100, 97])))|";
    let by_id = "SELECT name FROM profiles WHERE profile_id = $1";
    let id: i64 =
        client.query_one("SELECT profile_id FROM profiles", &[]).await.expect("one").get(0);
    for _ in 0..3 {
        assert_eq!(rows(&client, by_id, Type::INT8, &id).await, found);
        let (small, short) = (i32::try_from(id).expect("1"), i16::try_from(id).expect("1"));
        assert_eq!(rows(&client, by_id, Type::INT4, &small).await, found);
        assert_eq!(rows(&client, by_id, Type::INT2, &short).await, found);
        assert_eq!(rows(&client, by_id, Type::INT8, &None::<i64>).await, "");
        assert_eq!(rows(&client, by_id, Type::INT8, &-1_i64).await, "");
        assert_eq!(rows(&client, by_id, Type::INT8, &i64::MAX).await, "");
        let by_email = "SELECT name FROM profiles WHERE email = $1";
        assert_eq!(rows(&client, by_email, Type::TEXT, &"a@x.com").await, found);
        assert_eq!(rows(&client, by_email, Type::VARCHAR, &"A@x.com").await, "");
        assert_eq!(rows(&client, by_email, Type::TEXT, &None::<&str>).await, "");
        check(&client, &format!("SELECT name FROM profiles WHERE profile_id = {id};"), "Ada").await;
        check(&client, "SELECT name FROM profiles WHERE email = 'a@x.com'", "Ada").await;
        check(&client, "SELECT name FROM profiles WHERE email = 'b@x.com'", "").await;
    }
}
