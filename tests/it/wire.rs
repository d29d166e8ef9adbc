//! The wire protocol against a whole server: real clients, and bytes that no client would send.
//!
//! Each test starts a server of its own on a free port, with a database in memory.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures::{SinkExt, StreamExt, TryStreamExt, pin_mut};
use selfsame::engine::{Database, Options};
use selfsame::query::session::{Server, Settings};
use selfsame::wire::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage};

mod copy;
mod cursors;
mod notifications;
mod point;
mod robustness;
mod types;

/// A server that runs for one test.
struct Fixture {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    running: JoinHandle<selfsame::error::Result<()>>,
    server: Arc<Server>,
}

impl Fixture {
    async fn start() -> Self {
        Self::with(10, Vec::new()).await
    }

    async fn with(connections_max: usize, copy_directories: Vec<PathBuf>) -> Self {
        let database = Database::open(Options::memory()).expect("a database in memory");
        let settings = Settings { copy_directories, ..Settings::default() };
        let server = Server::new(database, settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(false);
        let served = serve(listener, Arc::clone(&server), connections_max, stopped);
        Self { address, stop, running: tokio::spawn(served), server }
    }

    async fn connect_with(&self, parameters: &str) -> Result<Client, tokio_postgres::Error> {
        let port = self.address.port();
        let text = format!("host=127.0.0.1 port={port} user=ada dbname=cdp {parameters}");
        let (client, connection) = tokio_postgres::connect(&text, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    async fn connect(&self) -> Client {
        self.connect_with("").await.expect("a connection")
    }

    /// A connection of bytes, past its start-up.
    async fn raw(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.write_all(&startup(3 << 16, b"user\0ada\0\0")).await.expect("it listens");
        read_until(&mut stream, b'Z').await;
        stream
    }
}

fn startup(version: u32, parameters: &[u8]) -> Vec<u8> {
    let length = u32::try_from(parameters.len() + 8).expect("short");
    [&length.to_be_bytes()[..], &version.to_be_bytes(), parameters].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("short");
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// Reads messages up to one of that kind, or the end; gives their kinds, with the code of errors.
async fn read_until(stream: &mut TcpStream, last: u8) -> String {
    let mut shown = String::new();
    loop {
        let mut head = [0; 5];
        if stream.read_exact(&mut head).await.is_err() {
            return shown + "end";
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.expect("a whole message");
        shown.push(char::from(head[0]));
        if head[0] == b'E' {
            let code = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&b'C'));
            let code = code.map(|field| String::from_utf8_lossy(&field[1..]).into_owned());
            shown.push_str(&format!("({})", code.unwrap_or_default()));
        }
        if head[0] == last {
            return shown;
        }
    }
}

/// All values of a simple query, and its tags.
async fn simple(client: &Client, sql: &str) -> String {
    let messages = match client.simple_query(sql).await {
        Ok(messages) => messages,
        Err(error) => return failure(&error),
    };
    let mut lines = Vec::new();
    for found in messages {
        if let SimpleQueryMessage::Row(row) = found {
            let value = |at| row.get(at).unwrap_or("NULL").to_owned();
            lines.push((0..row.len()).map(value).collect::<Vec<_>>().join("|"));
        }
    }
    lines.join("\n")
}

fn failure(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => {
            let position = match error.position() {
                Some(tokio_postgres::error::ErrorPosition::Original(at)) => format!(" @{at}"),
                _ => String::new(),
            };
            format!("{} {}{position}", error.code().code(), error.message())
        }
        None => format!("{error}"),
    }
}

async fn check(client: &Client, sql: &str, expected: &str) {
    let shown: String = sql.chars().take(200).collect();
    assert_eq!(simple(client, sql).await, expected, "{shown}");
}

const CRM: &str = "CREATE NAMESPACE crm_id RANK 1;
    CREATE DATASET crm (no TEXT IDENTITY crm_id, name TEXT, spend NUMERIC(12,2), tags TEXT[],
        visits INTEGER, seen DATE, at TIMESTAMPTZ OBSERVED AT)";

/// Never ends by itself: more pairs than any machine can count.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 100000000) a(x),
    generate_series(1, 100000000) b(y) WHERE x % 7 = y % 11 + 3";

#[tokio::test(flavor = "multi_thread")]
async fn text_forms_are_those_of_postgresql() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    for (sql, expected) in [
        ("SELECT true, false, NULL", "t|f|NULL"),
        ("SELECT 1::smallint, -2, 9223372036854775807", "1|-2|9223372036854775807"),
        ("SELECT 0.1::float8, 1e20::float8, 1.5::real", "0.1|1e+20|1.5"),
        ("SELECT 12.50::numeric(12,2), 1.5", "12.50|1.5"),
        ("SELECT DATE '2026-01-31'", "2026-01-31"),
        ("SELECT TIMESTAMP '2026-01-31 10:00:00.25'", "2026-01-31 10:00:00.25"),
        ("SELECT TIMESTAMPTZ '2026-01-31 10:00:00+02'", "2026-01-31 08:00:00+00"),
        ("SELECT ARRAY['a', 'b c', NULL, '']", "{a,\"b c\",NULL,\"\"}"),
        ("SELECT INTERVAL '1 day 2 hours'", "1 day 02:00:00"),
        (
            "SET TimeZone = 'Europe/Berlin'; SELECT TIMESTAMPTZ '2026-07-01 10:00:00+00'",
            "2026-07-01 12:00:00+02",
        ),
    ] {
        check(&client, sql, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_and_results_go_in_binary() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    let row = client
        .query_one(
            "SELECT $1::int, $2::bigint, $3::float8, $4::text, $5::bool, $6::int[], $7::text[]",
            &[
                &7_i32,
                &(1_i64 << 40),
                &0.5_f64,
                &"it's",
                &true,
                &vec![1_i32, 2, 3],
                &vec![Some("a,b"), None, Some("")],
            ],
        )
        .await
        .expect("a row");
    assert_eq!(row.get::<_, i32>(0), 7);
    assert_eq!(row.get::<_, i64>(1), 1 << 40);
    assert_eq!(row.get::<_, f64>(2), 0.5);
    assert_eq!(row.get::<_, &str>(3), "it's");
    assert!(row.get::<_, bool>(4));
    assert_eq!(row.get::<_, Vec<i32>>(5), [1, 2, 3]);
    assert_eq!(row.get::<_, Vec<Option<&str>>>(6), [Some("a,b"), None, Some("")]);
    let none: Option<i32> = None;
    let row = client.query_one("SELECT $1::int", &[&none]).await.expect("a row");
    assert_eq!(row.get::<_, Option<i32>>(0), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn types_of_parameters_are_inferred() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    check(&client, CRM, "").await;
    for (sql, expected) in [
        ("SELECT * FROM crm WHERE visits = $1", vec![Type::INT4]),
        ("SELECT * FROM crm WHERE spend > $1", vec![Type::NUMERIC]),
        ("SELECT * FROM crm WHERE at >= $1 AND seen < $2", vec![Type::TIMESTAMPTZ, Type::DATE]),
        ("SELECT * FROM crm WHERE no = ANY($1)", vec![Type::TEXT_ARRAY]),
        ("SELECT * FROM crm LIMIT $1 OFFSET $2", vec![Type::INT8, Type::INT8]),
        ("SELECT $1", vec![Type::TEXT]),
        ("SELECT $1::int + 1", vec![Type::INT4]),
        ("SELECT lower($1)", vec![Type::TEXT]),
        (
            "INSERT INTO crm (no, visits, spend, tags) VALUES ($1, $2, $3, $4)",
            vec![Type::TEXT, Type::INT4, Type::NUMERIC, Type::TEXT_ARRAY],
        ),
    ] {
        let statement = client.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(statement.params(), expected, "{sql}");
    }
    let limit = "SELECT s FROM generate_series(1, 9) g(s) WHERE s > $2 LIMIT $1";
    let limited = client.prepare_typed(limit, &[Type::INT2, Type::INT2]).await.expect("one");
    assert_eq!(client.query(&limited, &[&2_i16, &3_i16]).await.expect("rows").len(), 2);
    let declared = client.prepare_typed("SELECT $1", &[Type::INT8]).await.expect("a statement");
    assert_eq!(declared.params(), [Type::INT8]);
    assert_eq!(declared.columns()[0].type_(), &Type::INT8);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_decisions_are_parameters() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    simple(&client, "CREATE NAMESPACE crm_id; CREATE NAMESPACE email NORMALIZE lower").await;
    let link = client.prepare("LINK email $1 TO crm_id $2 COMMENT $3").await.expect("it is ours");
    assert_eq!(link.params(), [Type::TEXT; 3]);
    let none: Option<&str> = None;
    client.execute(&link, &[&"A@x", &"17", &none]).await.expect("it may be");
    client.execute(&link, &[&"b@x", &"18", &"she called"]).await.expect("it may be");
    let error = client.execute(&link, &[&"b@x", &none, &none]).await.expect_err("null is nobody");
    assert!(failure(&error).starts_with("22004 the value of namespace \"crm_id\" is null"));
    let drop = "DROP LINK crm_id $1 TO email 'a@x'";
    client.execute(drop, &[&"17"]).await.expect("it is in force");
    let listed = "SELECT left_identity, decided_by, comment FROM selfsame.decisions";
    check(&client, listed, "b@x|ada|she called").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_deleted_with_parameters() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    check(&client, CRM, "").await;
    check(&client, "INSERT INTO crm (no, visits) VALUES ('1', 3), ('2', 3), ('3', 1)", "").await;
    let delete = "DELETE FROM crm WHERE visits = $1 AND no <> ALL ($2)";
    let count = client.execute(delete, &[&3_i32, &vec!["2", "9"]]).await;
    assert_eq!(count.expect("a condition"), 1);
    check(&client, "SELECT no FROM crm ORDER BY no", "2\n3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_inserted_all_or_none() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    check(&client, CRM, "").await;
    let insert = "INSERT INTO crm (no, name, visits, tags) VALUES ($1, $2, $3, $4)";
    let count = client.execute(insert, &[&"1", &"Ada", &3_i32, &vec!["x", "y"]]).await;
    assert_eq!(count.expect("a row"), 1);
    let bad = "INSERT INTO crm (no, visits) VALUES ('2', '5'), ('3', 'many')";
    check(&client, bad, "22P02 invalid input syntax for type integer: \"many\"").await;
    check(&client, "SELECT no, name, visits, tags FROM crm", "1|Ada|3|{x,y}").await;
    check(&client, "INSERT INTO crm (no, name) SELECT 'q' || no, upper(name) FROM crm", "").await;
    check(&client, "SELECT no, name FROM crm ORDER BY no", "1|Ada\nq1|ADA").await;
    for (sql, expected) in [
        ("INSERT INTO nope VALUES (1)", "42P01 dataset \"nope\" does not exist @13"),
        (
            "INSERT INTO crm (nope) VALUES (1)",
            "42703 column \"nope\" of dataset \"crm\" does not exist @18",
        ),
        (
            "INSERT INTO crm (no, no) VALUES (1, 2)",
            "42701 column \"no\" specified more than once @22",
        ),
        (
            "INSERT INTO crm (no) VALUES (1, 2)",
            "42601 INSERT has more expressions than target columns",
        ),
        (
            "INSERT INTO crm (no, name) VALUES (1)",
            "42601 INSERT has more target columns than expressions",
        ),
        (
            "INSERT INTO profiles VALUES (1)",
            "42809 cannot insert into \"profiles\": it is not a dataset @13",
        ),
    ] {
        check(&client, sql, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_sqlstates_and_positions() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    check(&client, CRM, "").await;
    for (sql, expected) in [
        ("SELECT * FROM nope", "42P01 relation \"nope\" does not exist @15"),
        ("SELECT * FROM no.pe", "42P01 relation \"no.pe\" does not exist @15"),
        ("SELECT nope FROM crm", "42703 column \"nope\" does not exist @8"),
        ("SELECT 1;\n SELECT nope FROM crm", "42703 column \"nope\" does not exist @19"),
        ("SELECT summ(visits) FROM crm", "42883 function summ does not exist @8"),
        ("SELECT 1 +", "42601 syntax error at end of input @11"),
        ("SELECT 1/0", "22012 division by zero"),
        ("SELECT 'x'::int", "22P02 invalid input syntax for type integer: \"x\""),
        ("SELECT visits FROM crm a, crm b", "42702 column reference \"visits\" is ambiguous @8"),
        ("COPY crm TO '/tmp/x'", "0A000 COPY TO a file or program is not supported @13"),
        ("COPY crm FROM '/etc/passwd'", "42501 the server may not read files"),
        ("SELECT $1", "42P02 there is no parameter $1"),
        ("SHOW nope", "42704 unrecognized configuration parameter \"nope\""),
        ("SET merge_policy = 'nope'", "42704 merge policy \"nope\" does not exist"),
        ("EXECUTE nope", "26000 prepared statement \"nope\" does not exist"),
        ("FETCH 1 FROM nope", "34000 cursor \"nope\" does not exist"),
    ] {
        check(&client, sql, expected).await;
    }
    check(&client, "SELECT 1", "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_reads_one_snapshot_and_fails_as_one() {
    let fixture = Fixture::start().await;
    let (reader, writer) = (fixture.connect().await, fixture.connect().await);
    check(&writer, CRM, "").await;
    check(&reader, "BEGIN; SELECT count(*) FROM crm", "0").await;
    check(&writer, "INSERT INTO crm (no) VALUES ('1'); SELECT count(*) FROM crm", "1").await;
    check(&reader, "SELECT count(*) FROM crm", "0").await;
    check(&reader, "INSERT INTO crm (no) VALUES ('2'); SELECT count(*) FROM crm", "1").await;
    check(&writer, "SELECT count(*) FROM crm", "1").await;
    check(&reader, "SELECT 1 / 0", "22012 division by zero").await;
    let aborted =
        "25P02 current transaction is aborted, commands ignored until end of transaction block";
    check(&reader, "SELECT 1", aborted).await;
    check(&reader, "COMMIT; SELECT count(*) FROM crm", "1").await;
    check(&reader, "BEGIN; SET application_name = 'x'; ROLLBACK; SHOW application_name", "").await;
    check(&reader, "BEGIN; SET LOCAL application_name = 'x'; SHOW application_name", "x").await;
    check(&reader, "COMMIT; SHOW application_name", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn portals_give_rows_as_they_are_asked() {
    let fixture = Fixture::start().await;
    let mut client = fixture.connect().await;
    let transaction = client.transaction().await.expect("a block");
    let sql = "SELECT value FROM generate_series(1, 100000) s(value)";
    let portal = transaction.bind(sql, &[]).await.expect("a portal");
    let other = transaction.bind("SELECT $1::int", &[&5_i32]).await.expect("another");
    let mut next = 1_i64;
    loop {
        let rows = transaction.query_portal(&portal, 7_777).await.expect("rows");
        for row in &rows {
            assert_eq!(row.get::<_, i64>(0), next);
            next += 1;
        }
        if rows.is_empty() {
            break;
        }
    }
    assert_eq!(next, 100_001);
    assert_eq!(transaction.query_portal(&other, 0).await.expect("a row").len(), 1);
    transaction.commit().await.expect("the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_give_rows_as_they_are_asked() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    let declare = "DECLARE c CURSOR FOR SELECT value FROM generate_series(1, 10) s(value)";
    check(&client, declare, "25P01 DECLARE CURSOR can only be used in transaction blocks").await;
    check(&client, &format!("BEGIN; {declare}"), "").await;
    check(&client, "FETCH 2 FROM c", "1\n2").await;
    check(&client, "MOVE 3 IN c", "").await;
    check(&client, "FETCH NEXT FROM c", "6").await;
    check(&client, "FETCH ALL FROM c", "7\n8\n9\n10").await;
    check(&client, "FETCH c", "").await;
    check(&client, "CLOSE c; COMMIT", "").await;
    let hold = "BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT 1; COMMIT; FETCH h; CLOSE ALL";
    check(&client, hold, "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_stream() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    let sql = "SELECT value, 'row ' || value FROM generate_series(1, 300000) s(value)";
    let rows = client.query_raw(sql, Vec::<i32>::new()).await.expect("a stream");
    pin_mut!(rows);
    let mut sum = 0;
    while let Some(row) = rows.try_next().await.expect("a row") {
        sum += row.get::<_, i64>(0);
        assert_eq!(row.get::<_, &str>(1).len(), 4 + row.get::<_, i64>(0).to_string().len());
    }
    assert_eq!(sum, 300_000 * 300_001 / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_cancelled_at_any_moment() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    let token = client.cancel_token();
    let (ended, ()) = tokio::join!(client.simple_query(ENDLESS), async {
        while !active(&fixture, "count(*)") {
            tokio::task::yield_now().await;
        }
        token.cancel_query(NoTls).await.expect("it listens");
    });
    let error = ended.expect_err("it was cancelled");
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));

    let endless = "SELECT value FROM generate_series(1, 100000000000) s(value)";
    let rows = client.query_raw(endless, Vec::<i32>::new()).await.expect("a stream");
    pin_mut!(rows);
    rows.try_next().await.expect("a row").expect("a first row");
    token.cancel_query(NoTls).await.expect("it listens");
    let error = loop {
        match rows.try_next().await {
            Ok(row) => assert!(row.is_some(), "it ended without having been cancelled"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    check(&client, "SELECT 1", "1").await;
}

fn active(fixture: &Fixture, text: &str) -> bool {
    let sessions = fixture.server.sessions();
    sessions.iter().any(|session| session.state == "active" && session.statement.contains(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_time_out() {
    let fixture = Fixture::start().await;
    let client = fixture.connect_with("options='-c statement_timeout=50ms'").await.expect("one");
    let timed_out = "57014 canceling statement due to statement timeout";
    check(&client, ENDLESS, timed_out).await;
    check(&client, "SELECT 1", "1").await;
    check(&client, "RESET statement_timeout; SHOW statement_timeout", "50ms").await;
    let error = client.query(ENDLESS, &[]).await.expect_err("it takes too long");
    assert_eq!(failure(&error), timed_out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_its_statement() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.raw().await;
    let query = message(b'Q', format!("{ENDLESS}\0").as_bytes());
    stream.write_all(&query).await.expect("it listens");
    while !active(&fixture, "count(*)") {
        tokio::task::yield_now().await;
    }
    drop(stream);
    while !fixture.server.sessions().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_copied_in() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    check(&client, CRM, "").await;
    let copy = |sql: &'static str, data: &'static str| {
        let client = &client;
        async move {
            let sink = client.copy_in(sql).await?;
            pin_mut!(sink);
            for piece in data.as_bytes().chunks(5) {
                sink.send(bytes::Bytes::from_static(piece)).await?;
            }
            sink.finish().await
        }
    };
    let csv = "COPY crm (no, name, visits) FROM STDIN WITH (FORMAT csv)";
    let count = copy(csv, "1,Ada,3\n2,\"Bob, B\",4\n3,Cy,many\n").await.expect("a copy");
    assert_eq!(count, 2);
    let text = "COPY crm (no, name) FROM STDIN";
    assert_eq!(copy(text, "4\tDi\n5\t\\N\n").await.expect("a copy"), 2);
    let rows = "1|Ada|3\n2|Bob, B|4\n4|Di|NULL\n5|NULL|NULL";
    check(&client, "SELECT no, name, visits FROM crm ORDER BY no", rows).await;
    check(&client, "SELECT dataset, line, code FROM rejects", "crm|3|22P02").await;
    for (sql, expected) in [
        ("COPY nope FROM STDIN", "42P01 dataset \"nope\" does not exist"),
        ("COPY crm (x) FROM STDIN", "42703 column \"x\" of dataset \"crm\" does not exist"),
        ("COPY crm FROM STDIN (FORMAT xml)", "22023 COPY format \"xml\" not recognized @29"),
    ] {
        // This client is out of step after a COPY that never began.
        let client = fixture.connect().await;
        let error = client.copy_in::<_, bytes::Bytes>(sql).await.err().expect(sql);
        assert_eq!(failure(&error), expected, "{sql}");
    }
    check(&client, "SELECT 1", "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_given_up_leaves_nothing() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    check(&client, CRM, "").await;
    {
        let sink = client.copy_in("COPY crm (no) FROM STDIN").await.expect("a copy");
        pin_mut!(sink);
        sink.send(bytes::Bytes::from_static(b"1\n2\n")).await.expect("it takes rows");
        // Dropping it sends CopyFail.
    }
    check(&client, "SELECT count(*) FROM crm", "0").await;
    let mut stream = fixture.raw().await;
    let copy = message(b'Q', b"COPY crm (no) FROM STDIN\0");
    stream.write_all(&[copy, message(b'd', b"1\n")].concat()).await.expect("it listens");
    drop(stream);
    while fixture.server.sessions().len() > 1 {
        tokio::task::yield_now().await;
    }
    check(&client, "SELECT count(*) FROM crm", "0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_copied_from_allowed_folders() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.csv"), "no,visits\n1,2\n2,x\n").expect("a file");
    std::fs::write(folder.path().join("b.csv"), "visits,no\n4,3\n").expect("a file");
    let fixture = Fixture::with(10, vec![folder.path().to_owned()]).await;
    let port = fixture.address.port();
    let text = format!("host=127.0.0.1 port={port} user=ada");
    let (client, mut connection) = tokio_postgres::connect(&text, NoTls).await.expect("one");
    let (sender, mut notices) = futures::channel::mpsc::unbounded();
    let messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
    tokio::spawn(async move {
        pin_mut!(messages);
        while let Some(Ok(found)) = messages.next().await {
            if let AsyncMessage::Notice(notice) = found {
                let hint = notice.hint().unwrap_or_default();
                let _ = sender.unbounded_send(format!("{}; {hint}", notice.message()));
            }
        }
    });
    check(&client, CRM, "").await;
    check(&client, "COPY crm FROM '*.csv'; SELECT no, visits FROM crm ORDER BY no", "1|2\n3|4")
        .await;
    let expected = "1 row was rejected; SELECT * FROM rejects WHERE ingest_id = ";
    while !notices.next().await.expect("the notice comes").starts_with(expected) {}
    check(&client, "COPY crm FROM 'c.csv'", "58P01 no file matches \"c.csv\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_statements_are_refused_and_wide_ones_run() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    let too_deep = "54001 statement is nested too deeply";
    let nested = |levels: usize| format!("SELECT {}1{}", "(".repeat(levels), ")".repeat(levels));
    check(&client, &nested(10_000), too_deep).await;
    check(&client, &nested(200), "1").await;
    let sum = |terms: usize| format!("SELECT 1{}", " + 1".repeat(terms - 1));
    check(&client, &sum(20_000), too_deep).await;
    check(&client, &sum(900), "900").await;
    let unions = vec!["SELECT 1"; 300].join(" UNION ALL ");
    check(&client, &format!("SELECT count(*) FROM ({unions}) a"), "300").await;
    let cases = format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(50), " END".repeat(50));
    check(&client, &cases, "1").await;
    let list = vec!["7"; 20_000].join(", ");
    check(&client, &format!("SELECT 7 IN ({list})"), "t").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_follow_the_catalog() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    check(&client, CRM, "").await;
    let all = client.prepare("SELECT * FROM crm").await.expect("a statement");
    let one = client.prepare("SELECT no FROM crm").await.expect("a statement");
    check(&client, "INSERT INTO crm (no) VALUES ('1')", "").await;
    check(&client, "ALTER DATASET crm ADD COLUMN plan TEXT", "").await;
    assert_eq!(client.query(&one, &[]).await.expect("rows").len(), 1);
    let error = client.query(&all, &[]).await.expect_err("it has another column");
    assert_eq!(failure(&error), "0A000 cached plan must not change result type");
    check(&client, "PREPARE p (int) AS SELECT $1 + 1; EXECUTE p (41)", "42").await;
    check(
        &client,
        "DEALLOCATE ALL; EXECUTE p (1)",
        "26000 prepared statement \"p\" does not exist",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_can_clean_up() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    let clean = "SET application_name = 'x'; CLOSE ALL; UNLISTEN *; DEALLOCATE ALL; RESET ALL;
        DISCARD ALL; SHOW application_name";
    check(&client, clean, "").await;
    check(&client, "EXPLAIN SELECT 1 WHERE false", "EmptyExec").await;
    check(&client, "", "").await;
    check(&client, ";;", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_clients_are_told_so() {
    let fixture = Fixture::with(1, Vec::new()).await;
    let first = fixture.connect().await;
    let error = fixture.connect_with("").await.expect_err("one too many");
    assert_eq!(failure(&error), "53300 sorry, too many clients already");
    drop(first);
    while !fixture.server.sessions().is_empty() {
        tokio::task::yield_now().await;
    }
    while fixture.connect_with("").await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_says_so() {
    let fixture = Fixture::start().await;
    let (idle, busy) = (fixture.raw().await, fixture.connect().await);
    let running = tokio::spawn(async move { simple(&busy, ENDLESS).await });
    while !active(&fixture, "count(*)") {
        tokio::task::yield_now().await;
    }
    fixture.stop.send(true).expect("it listens");
    let mut idle = idle;
    assert_eq!(read_until(&mut idle, b'Z').await, "E(57P01)end");
    let stopped = "57P01 terminating connection due to administrator command";
    assert_eq!(running.await.expect("no panic"), stopped);
    fixture.running.await.expect("no panic").expect("no error");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_come_with_the_connection_and_are_reported() {
    let fixture = Fixture::start().await;
    let client = fixture.connect_with("application_name=report").await.expect("a connection");
    check(&client, "SHOW application_name", "report").await;
    check(&client, "SELECT current_database()", "cdp").await;
    let options = "options='-c as_of=2026-01-31T12:00+01 -c known_at=2026-02-01'";
    let client = fixture.connect_with(options).await.expect("a connection");
    check(&client, "SHOW as_of", "2026-01-31 11:00:00+00").await;
    check(&client, "SHOW known_at", "2026-02-01 00:00:00+00").await;
    let error = fixture.connect_with("options='-c as_of=soon'").await.expect_err("no moment");
    assert_eq!(failure(&error), "22007 invalid value for parameter \"as_of\": \"soon\"");
    let error = fixture.connect_with("options='-c nope=1'").await.expect_err("no such setting");
    assert_eq!(failure(&error), "42704 unrecognized configuration parameter \"nope\"");
    let mut stream = fixture.raw().await;
    let set = message(b'Q', b"SET TimeZone = 'UTC'; SET DateStyle = 'ISO, DMY'\0");
    stream.write_all(&set).await.expect("it listens");
    // Only what has changed is reported.
    assert_eq!(read_until(&mut stream, b'Z').await, "CSCZ");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_in_a_pipeline_skip_to_the_sync() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.raw().await;
    let parse = |sql: &str| message(b'P', format!("\0{sql}\0\0\0").as_bytes());
    let bind = || message(b'B', b"\0\0\0\0\0\0\0\0");
    let execute = || message(b'E', b"\0\0\0\0\0");
    let sync = || message(b'S', b"");
    let good = || [parse("SELECT 1"), bind(), execute()].concat();
    let bad = [parse("SELECT nope"), bind(), execute(), good()].concat();
    let all = [good(), bad, sync(), good(), sync()].concat();
    stream.write_all(&all).await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'Z').await, "12DCE(42703)Z");
    assert_eq!(read_until(&mut stream, b'Z').await, "12DCZ");
    let empty = [parse(""), bind(), message(b'D', b"P\0"), execute(), sync()].concat();
    stream.write_all(&empty).await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'Z').await, "12nIZ");
    let several = [parse("SELECT 1; SELECT 2"), sync()].concat();
    stream.write_all(&several).await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'Z').await, "E(42601)Z");
    let missing = [message(b'B', b"\0nope\0\0\0\0\0\0\0"), sync()].concat();
    stream.write_all(&missing).await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'Z').await, "E(26000)Z");
    let few = [parse("SELECT $1::int"), bind(), sync()].concat();
    stream.write_all(&few).await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'Z').await, "1E(08P01)Z");
    let portal = [message(b'E', b"nope\0\0\0\0\0"), sync()].concat();
    stream.write_all(&portal).await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'Z').await, "E(34000)Z");
    stream.write_all(&message(b'F', b"\0\0\0\x01\0\0\0\0\0\0")).await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'Z').await, "E(0A000)Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_bytes_end_only_their_connection() {
    let fixture = Fixture::start().await;
    for (bytes, expected) in [
        (&b"Q\xff\xff\xff\xff"[..], "E(08P01)end"),
        (b"Q\0\0\0\x02", "E(08P01)end"),
        (b"!\0\0\0\x04", "E(08P01)end"),
    ] {
        let mut stream = fixture.raw().await;
        stream.write_all(bytes).await.expect("it listens");
        assert_eq!(read_until(&mut stream, b'Z').await, expected, "{bytes:?}");
    }
    let mut stream = fixture.raw().await;
    for (query, expected) in [
        (message(b'Q', b"SELECT 'a\xff'\0"), "E(22021)Z"),
        (message(b'Q', b"SELECT 1"), "E(08P01)Z"),
        (message(b'Q', b"SELECT 1\0"), "TDCZ"),
    ] {
        stream.write_all(&query).await.expect("it listens");
        assert_eq!(read_until(&mut stream, b'Z').await, expected);
    }
    for start in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0, 0, 0, 4],
        &[0xff; 8],
        &startup(2 << 16, b"user\0ada\0\0"),
        &startup(3 << 16, b"\0"),
        &startup(3 << 16, b"user"),
    ] {
        let mut stream = TcpStream::connect(fixture.address).await.expect("a connection");
        stream.write_all(start).await.expect("it listens");
        let answer = read_until(&mut stream, b'Z').await;
        assert!(answer.starts_with("E(") && answer.ends_with("end"), "{start:?}: {answer}");
    }
    // Encryption is refused with one letter, then the connection goes on; 3.2 is talked down to 3.0.
    let mut stream = TcpStream::connect(fixture.address).await.expect("a connection");
    stream.write_all(&startup(80_877_103, b"")).await.expect("it listens");
    let mut letter = [0];
    stream.read_exact(&mut letter).await.expect("an answer");
    assert_eq!(&letter, b"N");
    stream.write_all(&startup((3 << 16) + 2, b"user\0ada\0\0")).await.expect("it listens");
    assert!(read_until(&mut stream, b'Z').await.starts_with("vRSS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_slows_only_itself() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.raw().await;
    let query = message(b'Q', b"SELECT value FROM generate_series(1, 100000000000) s(value)\0");
    stream.write_all(&query).await.expect("it listens");
    let client = fixture.connect().await;
    for number in 0..20 {
        check(&client, &format!("SELECT {number}"), &number.to_string()).await;
    }
    drop(stream);
    while fixture.server.sessions().len() > 1 {
        tokio::task::yield_now().await;
    }
}
