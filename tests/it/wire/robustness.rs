//! What no well-behaved client does, against a whole server: each time the others must not notice.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wire::{Fixture, check, message, read_until, startup};

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("small")
    }
}

/// A conversation in which every kind of message occurs.
fn conversation() -> Vec<u8> {
    let parse = |name: &str, sql: &str| message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes());
    [
        startup(3 << 16, b"user\0ada\0database\0cdp\0options\0-c statement_timeout=2s\0\0"),
        message(b'Q', b"SELECT 1, 'two', NULL; SHOW ALL\0"),
        message(b'Q', b"BEGIN; DECLARE c CURSOR FOR SELECT 1; FETCH ALL c; ROLLBACK\0"),
        parse("s", "SELECT $1::int + 1, $2::text, $3::bytea, $4::int[]"),
        message(b'D', b"Ss\0"),
        message(
            b'B',
            b"p\0s\0\0\x04\0\x01\0\0\0\x01\0\x01\0\x04\0\0\0\x04\0\0\0\x29\0\0\0\x01x\0\0\0\x02\0\xff\
              \0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\x17\0\x01\0\x01",
        ),
        message(b'D', b"Pp\0"),
        message(b'E', b"p\0\0\0\0\x01"),
        message(b'C', b"Pp\0"),
        message(b'H', b""),
        message(b'S', b""),
        message(b'Q', b"COPY crm (no, visits) FROM STDIN (FORMAT binary)\0"),
        message(b'd', b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x011\0\0\0\x04\0\0\0\x07"),
        message(b'c', b""),
        message(b'Q', b"COPY (SELECT 1, 'x') TO STDOUT (FORMAT csv, HEADER)\0"),
        message(b'F', b"\0\0\0\x01\0\0\0\0\0\0"),
        message(b'f', b"no\0"),
        message(b'Q', b"LISTEN a; NOTIFY a, 'x'; UNLISTEN *\0"),
        message(b'X', b""),
    ]
    .concat()
}

/// Changes some bytes: others, more, fewer, or an early end.
fn mutate(bytes: &mut Vec<u8>, random: &mut Numbers) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => bytes.insert(at, u8::try_from(random.below(256)).expect("a byte")),
            3 => {
                bytes.remove(at);
            }
            4 => {
                let end = (at + random.below(40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mutated_conversations_end_only_themselves() {
    let fixture = Fixture::with(50, Vec::new()).await;
    let client = fixture.connect().await;
    check(&client, crate::wire::CRM, "").await;
    let mut random = Numbers(0x5eed);
    for round in 0..400 {
        let mut bytes = conversation();
        if round > 0 {
            mutate(&mut bytes, &mut random);
        }
        let mut stream = TcpStream::connect(fixture.address).await.expect("it listens");
        // The server may hang up while we still talk.
        let _ = stream.write_all(&bytes).await;
        // A client that hangs up ends its statement; this one ends with a Terminate, if it is whole.
        if round > 0 {
            let _ = stream.shutdown().await;
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        if round == 0 {
            let text = String::from_utf8_lossy(&answer);
            assert!(text.contains("COPY 1") && text.contains("\"x\"") || text.contains("1,x"));
        }
        if round % 50 == 0 {
            check(&client, "SELECT 1", "1").await;
        }
    }
    check(&client, "SELECT 1", "1").await;
    while fixture.server.sessions().len() > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_never_end_hold_nothing_up() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    // More than any message may have.
    let mut stream = fixture.raw().await;
    stream.write_all(b"Q\x40\0\0\0").await.expect("it listens");
    assert_eq!(read_until(&mut stream, b'Z').await, "E(08P01)end");
    // Half a message, and no more of it.
    for part in [&b"Q"[..], b"Q\0\0", b"Q\0\0\0\x20SELECT", b"B\0\0\0\x20\0s\0\0"] {
        let mut stream = fixture.raw().await;
        stream.write_all(part).await.expect("it listens");
        check(&client, "SELECT 1", "1").await;
        drop(stream);
    }
    while fixture.server.sessions().len() > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_say_nothing_keep_nobody_out() {
    let fixture = Fixture::with(2, Vec::new()).await;
    let mut strangers = Vec::new();
    for at in 0..60 {
        let mut stream = TcpStream::connect(fixture.address).await.expect("it listens");
        // Some begin, and then stop.
        stream.write_all(&startup(3 << 16, b"user\0ada\0\0")[..at % 12]).await.expect("sent");
        strangers.push(stream);
    }
    let (one, two) = (fixture.connect().await, fixture.connect().await);
    check(&one, "SELECT 1", "1").await;
    check(&two, "SELECT 2", "2").await;
    // One that comes to the point late is served as any other: it hears that there are too many.
    let mut late = strangers.pop().expect("there are 60");
    late.write_all(&startup(3 << 16, b"user\0ada\0\0")[59 % 12..]).await.expect("it listens");
    assert_eq!(read_until(&mut late, b'Z').await, "E(53300)end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_clients_are_served() {
    let fixture = Fixture::with(1_100, Vec::new()).await;
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        idle.push(fixture.raw().await);
    }
    assert_eq!(fixture.server.sessions().len(), 1_000);
    let client = fixture.connect().await;
    check(&client, "SELECT 1", "1").await;
    for stream in idle.iter_mut().step_by(100) {
        stream.write_all(&message(b'Q', b"SELECT 1\0")).await.expect("it listens");
        assert_eq!(read_until(stream, b'Z').await, "TDCZ");
    }
    drop(idle);
    while fixture.server.sessions().len() > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_statements_run() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    let text = "x".repeat(1 << 20);
    check(&client, &format!("SELECT length('{text}')"), "1048576").await;
    let length: i32 =
        client.query_one("SELECT length($1::text)", &[&text]).await.expect("a row").get(0);
    assert_eq!(length, 1 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_vanish_in_a_result_leave_nothing_running() {
    let fixture = Fixture::start().await;
    for sql in [
        &b"SELECT x FROM generate_series(1, 100000000000) a(x)\0"[..],
        b"COPY (SELECT x FROM generate_series(1, 100000000000) a(x)) TO STDOUT\0",
    ] {
        let mut stream = fixture.raw().await;
        stream.write_all(&message(b'Q', sql)).await.expect("it listens");
        read_until(&mut stream, if sql.starts_with(b"COPY") { b'd' } else { b'D' }).await;
        drop(stream);
    }
    while !fixture.server.sessions().is_empty() {
        tokio::task::yield_now().await;
    }
}
