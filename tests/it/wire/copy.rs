//! COPY both ways through a real client: what comes out can go in again.

use bytes::Bytes;
use futures::{SinkExt, TryStreamExt, pin_mut};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::types::Type;

use crate::wire::{CRM, ENDLESS, Fixture, check, failure, read_until};

/// Everything that a COPY gives, or its error.
async fn out(client: &Client, sql: &str) -> String {
    let stream = match client.copy_out(sql).await {
        Ok(stream) => stream,
        Err(error) => return failure(&error),
    };
    match stream.try_collect::<Vec<Bytes>>().await {
        Ok(pieces) => String::from_utf8_lossy(&pieces.concat()).into_owned(),
        Err(error) => failure(&error),
    }
}

const ROWS: &str = "INSERT INTO crm (no, name, spend, tags, visits, seen, at) VALUES
    ('1', 'Ada \"A\"', 12.50, '{a,\"b c\"}', 3, '2026-01-31', '2026-01-31 12:00:00+00'),
    ('2', 'Bob, B', NULL, NULL, NULL, NULL, '2026-02-01 00:00:00.5+00')";

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_copied_out() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    check(&client, CRM, "").await;
    check(&client, ROWS, "").await;
    let cases = [
        (
            "COPY crm TO STDOUT",
            "1\tAda \"A\"\t12.50\t{a,\"b c\"}\t3\t2026-01-31\t2026-01-31 12:00:00+00\n\
             2\tBob, B\t\\N\t\\N\t\\N\t\\N\t2026-02-01 00:00:00.5+00\n",
        ),
        (
            "COPY public.crm (name, visits) TO STDOUT WITH CSV HEADER",
            "name,visits\n\"Ada \"\"A\"\"\",3\n\"Bob, B\",\n",
        ),
        (
            "COPY (SELECT no, visits, name FROM crm ORDER BY no DESC) TO STDOUT
                (FORMAT csv, FORCE_QUOTE (visits), NULL 'NA', DELIMITER ';')",
            "2;NA;Bob, B\n1;\"3\";\"Ada \"\"A\"\"\"\n",
        ),
        ("COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT csv, HEADER)", "?column?\n"),
        ("COPY (SELECT 1 WHERE false) TO STDOUT", ""),
        ("COPY nope TO STDOUT", "42P01 relation \"nope\" does not exist @6"),
        ("COPY (SELECT\n nope FROM crm) TO STDOUT", "42703 column \"nope\" does not exist @15"),
        ("COPY (SELECT $1::int) TO STDOUT", "42P02 there is no parameter $1"),
        ("COPY crm TO '/tmp/x'", "0A000 COPY TO a file or program is not supported @13"),
        ("COPY (SELECT 1/0) TO STDOUT", "22012 division by zero"),
    ];
    for (sql, expected) in cases {
        // This client is out of step after a COPY that never began.
        let client = fixture.connect().await;
        assert_eq!(out(&client, sql).await, expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_rows_come_out_and_go_in() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    check(&client, CRM, "").await;
    let types = [Type::TEXT, Type::TEXT, Type::INT4, Type::TEXT_ARRAY];
    let sink = client.copy_in("COPY crm (no, name, visits, tags) FROM STDIN (FORMAT binary)");
    let writer = BinaryCopyInWriter::new(sink.await.expect("a copy"), &types);
    pin_mut!(writer);
    let tags = vec!["x\ty", "z"];
    writer.as_mut().write(&[&"1", &"Ada\n\\", &3_i32, &tags]).await.expect("a row");
    writer.as_mut().write(&[&"2", &"", &None::<i32>, &None::<Vec<&str>>]).await.expect("a row");
    assert_eq!(writer.finish().await.expect("an end"), 2);
    let stream = client
        .copy_out("COPY (SELECT no, name, visits, tags FROM crm ORDER BY no) TO STDOUT BINARY");
    let stream = BinaryCopyOutStream::new(stream.await.expect("a copy"), &types);
    let rows: Vec<_> = stream.try_collect().await.expect("rows");
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.get::<&str>(0),
                row.get::<&str>(1),
                row.get::<Option<i32>>(2),
                row.get::<Option<Vec<&str>>>(3),
            )
        })
        .collect();
    assert_eq!(shown, [("1", "Ada\n\\", Some(3), Some(tags)), ("2", "", None, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_binary_leaves_nothing() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    check(&client, CRM, "").await;
    let sink = client.copy_in("COPY crm (no) FROM STDIN (FORMAT binary)").await.expect("a copy");
    pin_mut!(sink);
    sink.send(Bytes::from_static(b"no such file at all")).await.expect("the client sends");
    let error = sink.finish().await.expect_err("it is no binary file");
    assert_eq!(failure(&error), "22P04 COPY file signature not recognized");
    check(&client, "SELECT count(*) FROM crm", "0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_streams_and_is_cancelled() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    let all = out(&client, "COPY (SELECT x FROM generate_series(1, 300000) a(x)) TO STDOUT").await;
    assert_eq!((all.lines().count(), all.lines().last()), (300_000, Some("300000")));
    let endless = "COPY (SELECT x.x FROM generate_series(1, 100000000) x(x),
        generate_series(1, 100000000) y(y)) TO STDOUT";
    let stream = client.copy_out(endless).await.expect("it begins");
    pin_mut!(stream);
    assert!(stream.try_next().await.expect("rows come").is_some());
    client.cancel_token().cancel_query(tokio_postgres::NoTls).await.expect("a cancel");
    let error = loop {
        match stream.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it never ends by itself"),
            Err(error) => break error,
        }
    };
    assert_eq!(failure(&error), "57014 canceling statement due to user request");
    check(&client, "SELECT 1", "1").await;
    check(&client, "SET statement_timeout = 50", "").await;
    let shown = out(&client, &format!("COPY ({ENDLESS}) TO STDOUT")).await;
    assert_eq!(shown, "57014 canceling statement due to statement timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_copy_are_those_of_postgresql() {
    use tokio::io::AsyncWriteExt;
    let fixture = Fixture::start().await;
    let mut stream = fixture.raw().await;
    let simple = crate::wire::message(b'Q', b"COPY (VALUES (1), (2)) TO STDOUT; SELECT 3\0");
    stream.write_all(&simple).await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'Z').await, "HddcCTDCZ");
    let messages = [
        crate::wire::message(b'P', b"\0COPY (VALUES (1), (2)) TO STDOUT BINARY\0\0\0"),
        crate::wire::message(b'B', b"\0\0\0\0\0\0\0\0"),
        crate::wire::message(b'D', b"P\0"),
        crate::wire::message(b'E', b"\0\0\0\0\x01"),
        crate::wire::message(b'S', b""),
    ];
    stream.write_all(&messages.concat()).await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'Z').await, "12nHdddcCZ");
}
