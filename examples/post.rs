//! Acknowledged requests a second over HTTP: clients that post rows, each waiting for its answer before it
//! posts again, against a server in the same process over a store in a folder.
//!
//! `cargo run --profile quick --example post -- FOLDER [SECONDS]` prints a line for each number of clients
//! and of rows a request: requests and rows a second, the median and the 99th percentile of the time to an
//! answer, and how many requests one sync of the log was for. Every answer is checked.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use selfsame::engine::{Database, Options};
use selfsame::env::clock::Stopwatch;
use selfsame::query::session::{Server, Settings};
use selfsame::web::{self, Tokens, Web, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// That of the product's program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DEFINITIONS: &str = "
    CREATE NAMESPACE IF NOT EXISTS crm_id;
    CREATE NAMESPACE IF NOT EXISTS email KIND EMAIL NORMALIZE lower;
    CREATE DATASET IF NOT EXISTS posted (customer TEXT IDENTITY crm_id, email TEXT IDENTITY email,
        city TEXT, spend NUMERIC(12,2), at TIMESTAMPTZ OBSERVED AT);";

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("name a folder for the store")?;
    let seconds = arguments.next().map_or(Ok(5.0), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let database = Database::open(Options::folder(Path::new(&folder))?)?;
    let measured = runtime.block_on(measure(&database, seconds));
    measured.and(database.close().map_err(Into::into))
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn measure(database: &Arc<Database>, seconds: f64) -> Result<(), Failure> {
    let server = Server::new(Arc::clone(database), Settings::default());
    server.session("post", "post", &[])?.run_script(DEFINITIONS).await?;
    let web = Web::new(web::Options { tokens: Tokens::none(), local: true, tls: None });
    web.open(Arc::clone(&server));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let stop = watch::Sender::new(false);
    let serving = tokio::spawn(serve(listener, web, stop.subscribe(), stop.subscribe()));
    println!("clients  rows  requests/s      rows/s   p50 ms   p99 ms  requests/sync");
    let next = Arc::new(AtomicU64::new(0));
    for rows in [1, 100] {
        for clients in [1, 16, 64] {
            let before = syncs(database);
            let watch = Stopwatch::start();
            let each = (0..clients)
                .map(|_| tokio::spawn(client(address, rows, seconds, Arc::clone(&next))));
            let mut waits = Vec::new();
            for one in each.collect::<Vec<_>>() {
                waits.extend(one.await??);
            }
            let elapsed = watch.seconds();
            waits.sort_unstable();
            let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize] as f64 / 1e3;
            let rate = waits.len() as f64 / elapsed;
            let group = waits.len() as f64 / (syncs(database) - before).max(1) as f64;
            println!(
                "{clients:7} {rows:5} {rate:11.0} {:11.0} {:8.2} {:8.2} {group:14.1}",
                rate * rows as f64,
                at(0.5),
                at(0.99)
            );
        }
    }
    stop.send_replace(true);
    serving.await??;
    Ok(())
}

/// How many syncs of the log there were, as the metrics tell.
fn syncs(database: &Database) -> u64 {
    let text = database.metrics().text();
    let count = text.lines().find_map(|line| line.strip_prefix("selfsame_log_sync_seconds_count "));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Posts until the time is up; gives the microseconds that each answer took.
async fn client(
    address: SocketAddr,
    rows: u64,
    seconds: f64,
    next: Arc<AtomicU64>,
) -> Result<Vec<u64>, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut waits, watch) = (Vec::new(), Stopwatch::start());
    let mut buffer = vec![0; 64 << 10];
    while watch.seconds() < seconds {
        let first = next.fetch_add(rows, Ordering::Relaxed);
        let line = |n: u64| {
            format!(
                "{{\"customer\":\"{n}\",\"email\":\"p{}@example.com\",\"city\":\"Oslo\",\
                 \"spend\":{}.25,\"at\":\"2026-01-05T10:00:00Z\"}}\n",
                n / 2,
                n % 1000
            )
        };
        let body: String = (first..first + rows).map(line).collect();
        let request = format!(
            "POST /v1/datasets/posted/rows HTTP/1.1\r\nHost: {address}\r\n\
             Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let asked = Stopwatch::start();
        stream.write_all(request.as_bytes()).await?;
        let answer = answer(&mut stream, &mut buffer).await?;
        waits.push((asked.seconds() * 1e6) as u64);
        let accepted = format!("\"accepted\":{rows},\"rejected\":0");
        if !answer.starts_with("HTTP/1.1 200") || !answer.contains(&accepted) {
            return Err(format!("not taken: {answer}").into());
        }
    }
    Ok(waits)
}

/// One answer, whose length its head says.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<String, Failure> {
    let mut length = 0;
    loop {
        let count = stream.read(&mut buffer[length..]).await?;
        if count == 0 {
            return Err("the server is gone".into());
        }
        length += count;
        let text = std::str::from_utf8(&buffer[..length])?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let said = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
        });
        if said.is_none_or(|said| body.len() >= said) {
            return Ok(text.to_owned());
        }
    }
}
