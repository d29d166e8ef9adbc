//! LISTEN and NOTIFY between real clients.

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use crate::wire::{Fixture, check};

/// A client and the messages that it hears.
async fn listener(fixture: &Fixture) -> (Client, UnboundedReceiver<String>) {
    let text = format!("host=127.0.0.1 port={} user=ada dbname=cdp", fixture.address.port());
    let (client, mut connection) = tokio_postgres::connect(&text, NoTls).await.expect("a client");
    let (sender, heard) = unbounded();
    tokio::spawn(async move {
        while let Some(message) = futures::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let Ok(AsyncMessage::Notification(found)) = message {
                let shown = format!("{} {}", found.channel(), found.payload());
                let _ = sender.unbounded_send(shown);
            }
        }
    });
    (client, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_listen_hear() {
    let fixture = Fixture::start().await;
    let (ear, mut heard) = listener(&fixture).await;
    let (mouth, mut own) = listener(&fixture).await;
    check(&ear, "LISTEN news; LISTEN \"Other\"", "").await;
    check(&mouth, "LISTEN news", "").await;
    check(&mouth, "NOTIFY news; NOTIFY news, 'second'; NOTIFY nobody; NOTIFY \"Other\", 'x'", "")
        .await;
    for expected in ["news ", "news second", "Other x"] {
        assert_eq!(heard.next().await.as_deref(), Some(expected));
    }
    assert_eq!(own.next().await.as_deref(), Some("news "));
    assert_eq!(own.next().await.as_deref(), Some("news second"));
    check(&ear, "UNLISTEN news", "").await;
    check(&mouth, "NOTIFY news, 'third'; NOTIFY \"Other\", 'y'", "").await;
    assert_eq!(heard.next().await.as_deref(), Some("Other y"));
    check(&ear, "DISCARD ALL; LISTEN last", "").await;
    check(&mouth, "NOTIFY \"Other\", 'z'; NOTIFY last, 'end'", "").await;
    assert_eq!(heard.next().await.as_deref(), Some("last end"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_speaks_and_hears_when_it_is_over() {
    let fixture = Fixture::start().await;
    let (ear, mut heard) = listener(&fixture).await;
    let mouth = fixture.connect().await;
    check(&ear, "BEGIN; LISTEN lost; ROLLBACK; BEGIN; LISTEN news; COMMIT", "").await;
    check(&mouth, "BEGIN; NOTIFY news, 'undone'; ROLLBACK", "").await;
    check(&mouth, "NOTIFY lost, 'never heard'", "").await;
    check(&mouth, "BEGIN; NOTIFY news, 'twice'; NOTIFY news, 'twice'; COMMIT", "").await;
    assert_eq!(heard.next().await.as_deref(), Some("news twice"));
    check(&ear, "BEGIN", "").await;
    check(&mouth, "SELECT pg_notify('news', 'waits')", "").await;
    check(&ear, "SELECT 1", "1").await;
    assert!(heard.try_recv().is_err());
    check(&ear, "COMMIT", "").await;
    assert_eq!(heard.next().await.as_deref(), Some("news waits"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_said_is_refused() {
    let fixture = Fixture::start().await;
    let client = fixture.connect().await;
    let long = "x".repeat(8000);
    for (sql, expected) in [
        (format!("NOTIFY a, '{long}'"), "22023 payload string too long"),
        (format!("SELECT pg_notify('{}', '')", &long[..64]), "22023 channel name too long"),
        ("SELECT pg_notify('', '')".to_owned(), "22023 channel name cannot be empty"),
        ("NOTIFY".to_owned(), "42601 syntax error at end of input @7"),
        ("LISTEN 5".to_owned(), "42601 syntax error at or near \"5\" @8"),
    ] {
        check(&client, &sql, expected).await;
    }
    check(&client, &format!("NOTIFY a, '{}'", &long[..7999]), "").await;
}
