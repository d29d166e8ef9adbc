//! The built program as an operator sees it: ports, signals, log lines, refusals to start.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use futures::SinkExt;
use tokio_postgres::{Client, NoTls};

/// The program, serving a folder, with its two addresses.
struct Process {
    child: Child,
    postgres: String,
    http: String,
    stderr: ChildStderr,
}

fn command(folder: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selfsame"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data"])
        .arg(folder)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Process {
    fn start(folder: &std::path::Path, arguments: &[&str]) -> Self {
        let mut child = command(folder).args(arguments).spawn().expect("the program starts");
        let stderr = child.stderr.take().expect("its errors");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (mut postgres, mut http) = (String::new(), String::new());
        for line in lines.map(|line| line.expect("text")) {
            let word = |rest: &str| rest.split_whitespace().next().unwrap_or("").to_owned();
            if let Some(rest) = line.trim().strip_prefix("PostgreSQL") {
                postgres = word(rest);
            }
            if let Some(rest) = line.trim().strip_prefix("HTTP") {
                http = word(rest).replace("http://", "");
                break;
            }
        }
        Self { child, postgres, http, stderr }
    }

    async fn connect(&self) -> Client {
        let (host, port) = self.postgres.rsplit_once(':').expect("an address with a port");
        let config = format!("host={host} port={port} user=selfsame");
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.expect("a server");
        tokio::spawn(connection);
        client
    }

    /// Asks by HTTP; gives the whole answer.
    fn ask(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).expect("it listens");
        let host = &self.http;
        write!(stream, "{head}\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer
    }

    fn terminate(&self) {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().expect("kill is there");
        assert!(killed.success());
    }

    /// Waits for its end; gives whether it was a good one, and its log.
    fn end(mut self) -> (bool, String) {
        let mut log = String::new();
        self.stderr.read_to_string(&mut log).expect("text");
        (self.child.wait().expect("it runs").success(), log)
    }
}

const DEFINITIONS: &str =
    "CREATE NAMESPACE crm_id; CREATE DATASET crm (customer TEXT IDENTITY crm_id)";

/// Waits until the server is about to stop.
fn await_stop(process: &Process) {
    // Its port is closed first; until then it answers.
    while TcpStream::connect(&process.postgres).is_ok() {
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_runs_may_end_when_the_server_is_told_to_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let process = Process::start(folder.path(), &["--log-format", "json"]);
    let client = process.connect().await;
    client.batch_execute(DEFINITIONS).await.expect("definitions");
    let copy = client.copy_in("COPY crm FROM STDIN").await.expect("a copy");
    let mut copy = Box::pin(copy);
    copy.send(bytes::Bytes::from_static(b"1\n")).await.expect("it reads");
    process.terminate();
    await_stop(&process);
    copy.send(bytes::Bytes::from_static(b"2\n")).await.expect("it reads");
    assert_eq!(copy.as_mut().finish().await.expect("it ends"), 2);
    let (good, log) = process.end();
    assert!(good, "{log}");
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        assert!(line["time"].is_string() && line["level"].is_string(), "{line}");
    }
    assert!(log.contains("opened the store"), "{log}");
    let process = Process::start(folder.path(), &[]);
    let client = process.connect().await;
    let rows = client.query("SELECT customer FROM crm", &[]).await.expect("rows");
    assert_eq!(rows.len(), 2);
    process.terminate();
    assert!(process.end().0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_cuts_off_what_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let process = Process::start(folder.path(), &["--shutdown-grace", "3600"]);
    let client = process.connect().await;
    client.batch_execute(DEFINITIONS).await.expect("definitions");
    let copy = client.copy_in("COPY crm FROM STDIN").await.expect("a copy");
    let mut copy = Box::pin(copy);
    copy.send(bytes::Bytes::from_static(b"1\n")).await.expect("it reads");
    process.terminate();
    await_stop(&process);
    process.terminate();
    let (good, log) = process.end();
    assert!(good && log.contains("a second signal"), "{log}");
    assert!(copy.as_mut().finish().await.is_err());
    let process = Process::start(folder.path(), &[]);
    let client = process.connect().await;
    let row = client.query_one("SELECT count(*) FROM crm", &[]).await.expect("a row");
    assert_eq!(row.get::<_, i64>(0), 0);
    process.terminate();
    assert!(process.end().0);
}

#[test]
fn http_is_served_with_the_tokens_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tokens");
    std::fs::write(&file, "read 0123456789abcdef\n").expect("a file");
    let file = file.to_str().expect("text");
    let process = Process::start(folder.path(), &["--http-token-file", file]);
    assert!(process.ask("GET /readyz HTTP/1.1").starts_with("HTTP/1.1 200"));
    assert!(process.ask("GET /metrics HTTP/1.1").starts_with("HTTP/1.1 401"));
    let head = "GET /v1/profiles/a/b HTTP/1.1\r\nAuthorization: Bearer 0123456789abcdef";
    assert!(process.ask(head).starts_with("HTTP/1.1 404"));
    process.terminate();
    let (good, log) = process.end();
    assert!(good && !log.contains("0123456789abcdef"), "{log}");
}

#[test]
fn a_server_that_cannot_be_reached_as_asked_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("an address").to_string();
    let check = |arguments: &[&str], expected: &str| {
        let output = command(folder.path()).args(arguments).output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(expected), "{arguments:?} {text}");
    };
    let mut other = Command::new(env!("CARGO_BIN_EXE_selfsame"));
    other.args(["serve", "--listen", "127.0.0.1:0", "--http-listen", &taken]);
    let output = other.current_dir(folder.path()).output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("could not listen for HTTP") && text.contains("--http-listen"), "{text}");
    check(&["--http-token-file", "nowhere"], "could not read the file of HTTP tokens");
    std::fs::write(folder.path().join("empty"), "# none\n").expect("a file");
    check(&["--http-token-file", "empty"], "has none");
    std::fs::write(folder.path().join("short"), "secret7\n").expect("a file");
    check(&["--http-token-file", "short"], "HTTP token 1 is no good");
    let output = command(folder.path()).args(["--http-token-file", "short"]).output();
    let text = String::from_utf8_lossy(&output.expect("the program runs").stderr).into_owned();
    assert!(!text.contains("secret7"), "{text}");
}
