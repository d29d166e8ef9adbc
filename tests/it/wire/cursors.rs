//! Cursors in every direction, in both protocols and both formats.

use tokio::io::AsyncWriteExt;

use crate::wire::{Fixture, check, message, read_until};

#[tokio::test(flavor = "multi_thread")]
async fn cursors_go_where_they_are_told() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    for kind in ["", "SCROLL"] {
        let declare = format!(
            "BEGIN; DECLARE c {kind} CURSOR FOR
                SELECT x FROM generate_series(1, 6) a(x)"
        );
        check(&client, &declare, "").await;
        for (fetch, expected) in [
            ("FETCH c", "1"),
            ("FETCH NEXT FROM c", "2"),
            ("FETCH PRIOR FROM c", "1"),
            ("FETCH PRIOR FROM c", ""),
            ("FETCH RELATIVE 0 FROM c", ""),
            ("FETCH FORWARD 2 FROM c", "1\n2"),
            ("FETCH RELATIVE 0 FROM c", "2"),
            ("FETCH 0 FROM c", "2"),
            ("FETCH LAST FROM c", "6"),
            ("FETCH NEXT FROM c", ""),
            ("FETCH BACKWARD 2 FROM c", "6\n5"),
            ("FETCH ABSOLUTE 2 FROM c", "2"),
            ("FETCH ABSOLUTE -2 FROM c", "5"),
            ("FETCH RELATIVE -3 FROM c", "2"),
            ("FETCH ALL FROM c", "3\n4\n5\n6"),
            ("FETCH BACKWARD ALL FROM c", "6\n5\n4\n3\n2\n1"),
            ("FETCH ABSOLUTE 9 FROM c", ""),
            ("FETCH -1 FROM c", "6"),
            ("FETCH FIRST FROM c", "1"),
            ("MOVE FORWARD 2 IN c", ""),
            ("FETCH c", "4"),
            ("MOVE BACKWARD ALL IN c", ""),
            ("FETCH c", "1"),
            ("MOVE ABSOLUTE 0 IN c", ""),
            ("FETCH ABSOLUTE 3 FROM c", "3"),
        ] {
            check(&client, fetch, expected).await;
        }
        check(&client, "CLOSE ALL; COMMIT", "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_forgets_says_so() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    let declare = "BEGIN; DECLARE c NO SCROLL CURSOR FOR VALUES (1), (2); FETCH ALL c";
    check(&client, declare, "1\n2").await;
    check(&client, "FETCH PRIOR FROM c", "55000 cursor can only scan forward").await;
    check(&client, "ROLLBACK", "").await;
    // More rows than are kept for nothing.
    let many = "DECLARE c CURSOR WITH HOLD FOR SELECT x FROM generate_series(1, 2000000) a(x);
        MOVE ALL c";
    check(&client, many, "").await;
    check(&client, "FETCH PRIOR FROM c", "55000 cursor can only scan forward").await;
    check(&client, "CLOSE c", "").await;
    let kept =
        "DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT x FROM generate_series(1, 2000000) a(x);
        MOVE ALL c";
    check(&client, kept, "").await;
    check(&client, "FETCH PRIOR FROM c", "2000000").await;
    check(&client, "FETCH FIRST FROM c", "1").await;
    let endless = "MOVE ALL IN d";
    let declare = "DECLARE d SCROLL CURSOR WITH HOLD FOR
        SELECT a.x, repeat('x', 1000) FROM generate_series(1, 100000000) a(x)";
    check(&client, declare, "").await;
    check(&client, endless, "54000 a SCROLL cursor can keep at most 268435456 bytes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn held_cursors_live_as_long_as_their_block_succeeds() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    let declare = "DECLARE c CURSOR WITH HOLD FOR VALUES (1), (2)";
    check(&client, &format!("BEGIN; {declare}; FETCH c; ROLLBACK"), "1").await;
    check(&client, "FETCH c", "34000 cursor \"c\" does not exist").await;
    check(&client, &format!("BEGIN; {declare}; FETCH c; COMMIT; BEGIN; ROLLBACK"), "1").await;
    check(&client, "FETCH c", "2").await;
    check(&client, "DISCARD ALL", "").await;
    check(&client, "FETCH c", "34000 cursor \"c\" does not exist").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drivers_declare_with_parameters_and_fetch_in_binary() {
    let fixture = Fixture::start().await;
    let mut client = fixture.connect().await;
    let transaction = client.transaction().await.expect("a block");
    let declare = "DECLARE c CURSOR FOR SELECT x, 'n' || x FROM generate_series(1, 9) a(x)
        WHERE x <= $1";
    transaction.execute(declare, &[&3_i64]).await.expect("a cursor");
    // This client asks for all columns in binary.
    let rows = transaction.query("FETCH FORWARD 2 FROM c", &[]).await.expect("rows");
    let shown: Vec<(i64, &str)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(shown, [(1, "n1"), (2, "n2")]);
    transaction.rollback().await.expect("an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_cursors_give_binary_to_simple_queries() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.raw().await;
    let sql = b"BEGIN; DECLARE c BINARY CURSOR FOR SELECT 258; FETCH c\0";
    stream.write_all(&message(b'Q', sql)).await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'T').await, "CCT");
    let mut row = [0; 15];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut row).await.expect("a row");
    assert_eq!(row, [b'D', 0, 0, 0, 14, 0, 1, 0, 0, 0, 4, 0, 0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn portals_of_the_protocol_take_turns() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.raw().await;
    let series = b"SELECT x FROM generate_series(1, 5) a(x)\0\0\0";
    let parse = [&b"s\0"[..], series].concat();
    let messages = [
        message(b'Q', b"BEGIN\0"),
        message(b'P', &parse),
        message(b'B', b"a\0s\0\0\0\0\0\0\0"),
        message(b'B', b"b\0s\0\0\0\0\0\0\0"),
        message(b'E', b"a\0\0\0\0\x02"),
        message(b'E', b"b\0\0\0\0\x01"),
        message(b'E', b"a\0\0\0\0\x02"),
        message(b'E', b"b\0\0\0\0\0"),
        message(b'E', b"a\0\0\0\0\0"),
        message(b'B', b"a\0s\0\0\0\0\0\0\0"),
        message(b'S', b""),
    ];
    stream.write_all(&messages.concat()).await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'Z').await, "CZ");
    let expected = "122DDsDsDDsDDDDCDCE(42P03)Z";
    assert_eq!(read_until(&mut stream, b'Z').await, expected);
    let several = [message(b'P', b"\0SELECT 1; SELECT 2\0\0\0"), message(b'S', b"")].concat();
    let mut stream = fixture.raw().await;
    stream.write_all(&several).await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'Z').await, "E(42601)Z");
}
