//! The HTTP interface against a whole server, by a client that knows no more of HTTP than it must.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use parquet::arrow::ArrowWriter;
use selfsame::engine::{Database, Options as EngineOptions};
use selfsame::env::disk::{Disk, DiskFile, Readable};
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::error::{Error, Result, SqlState};
use selfsame::query::session::{Server, Settings};
use selfsame::web::{Options, Tokens, WHOLE_BYTES_MAX, Web, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::rustls;

use crate::driver::RUNTIME;

const DEFINITIONS: &str = "
    CREATE NAMESPACE crm_id RANK 1 UNIQUE;
    CREATE NAMESPACE email KIND EMAIL RANK 2 NORMALIZE lower;
    CREATE DATASET crm (customer TEXT IDENTITY crm_id, email TEXT IDENTITY email, age BIGINT);
    CREATE EVENT DATASET purchases (order_id TEXT EVENT ID, email TEXT IDENTITY email);";

/// A disk in memory that counts its syncs of the log, takes its time for them, and can fail.
#[derive(Clone, Debug, Default)]
struct SlowDisk {
    disk: MemoryDisk,
    syncs: Arc<AtomicU64>,
    pause_millis: Arc<AtomicU64>,
    fails: Arc<AtomicBool>,
}

impl Disk for SlowDisk {
    fn create_folder(&self, path: &str) -> Result<()> {
        self.disk.create_folder(path)
    }

    fn create(&self, path: &str) -> Result<Box<dyn DiskFile>> {
        Ok(Box::new(SlowFile { file: self.disk.create(path)?, disk: self.clone() }))
    }

    fn open(&self, path: &str) -> Result<Box<dyn DiskFile>> {
        Ok(Box::new(SlowFile { file: self.disk.open(path)?, disk: self.clone() }))
    }

    fn read(&self, path: &str) -> Result<Readable> {
        self.disk.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.disk.list(path)
    }

    fn walk(&self) -> Result<Vec<String>> {
        self.disk.walk()
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.disk.remove(path)
    }

    fn sync_folder(&self, path: &str) -> Result<()> {
        self.disk.sync_folder(path)
    }
}

struct SlowFile {
    file: Box<dyn DiskFile>,
    disk: SlowDisk,
}

impl DiskFile for SlowFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_at(offset, bytes)
    }

    #[expect(clippy::disallowed_methods, reason = "a slow disk takes time")]
    fn sync(&mut self) -> Result<()> {
        if self.disk.fails.load(Ordering::Relaxed) {
            return Err(Error::new(SqlState::IO_ERROR, "could not sync: no such luck"));
        }
        self.disk.syncs.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(self.disk.pause_millis.load(Ordering::Relaxed)));
        self.file.sync()
    }
}

/// A server for one test.
struct Fixture {
    address: SocketAddr,
    web: Web,
    server: Arc<Server>,
    disk: SlowDisk,
    _stop: watch::Sender<bool>,
}

impl Fixture {
    async fn start() -> Self {
        let fixture = Self::over(SlowDisk::default(), "").await;
        fixture.sql(DEFINITIONS).await;
        fixture
    }

    async fn over(disk: SlowDisk, tokens: &str) -> Self {
        let options = EngineOptions { disk: Arc::new(disk.clone()), ..EngineOptions::memory() };
        let database = Database::open(options).expect("a sound disk");
        let runtime = Some(RUNTIME.handle().clone());
        let server = Server::new(database, Settings { runtime, ..Settings::default() });
        let tokens = Tokens::parse(tokens).expect("good tokens");
        let web = Web::new(Options { tokens, local: true, tls: None });
        web.open(Arc::clone(&server));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let stop = watch::Sender::new(false);
        tokio::spawn(serve(listener, web.clone(), stop.subscribe(), stop.subscribe()));
        Self { address, web, server, disk, _stop: stop }
    }

    async fn sql(&self, sql: &str) -> Vec<selfsame::query::session::Output> {
        let session = self.server.session("it", "it", &[]).expect("a session");
        session.run_script(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// The one number that a query gives.
    async fn number(&self, sql: &str) -> i64 {
        let outputs = self.sql(sql).await;
        let column = outputs[0].batches[0].column(0).clone();
        column.as_any().downcast_ref::<Int64Array>().expect("a number").value(0)
    }

    async fn ask(&self, request: &Request<'_>) -> Response {
        ask(self.address, request).await
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(&Request { path, ..Request::default() }).await
    }

    async fn post(&self, dataset: &str, headers: &str, body: &[u8]) -> Response {
        let path = format!("/v1/datasets/{dataset}/rows");
        self.ask(&Request { method: "POST", path: &path, headers, body }).await
    }
}

struct Request<'a> {
    method: &'a str,
    path: &'a str,
    /// A line each.
    headers: &'a str,
    body: &'a [u8],
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self { method: "GET", path: "/", headers: "", body: b"" }
    }
}

#[derive(Debug)]
struct Response {
    status: u16,
    headers: BTreeMap<String, String>,
    text: String,
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Status and the counts, or the code.
    fn told(&self) -> String {
        let json = self.json();
        match json.get("error") {
            Some(error) => format!("{} {}", self.status, error["code"].as_str().unwrap_or("")),
            None => format!(
                "{} {}+{}+{}{}",
                self.status,
                json["accepted"],
                json["rejected"],
                json["duplicates"],
                if json["replayed"] == true { " replayed" } else { "" }
            ),
        }
    }
}

async fn ask(address: SocketAddr, request: &Request<'_>) -> Response {
    let mut stream = TcpStream::connect(address).await.expect("a server");
    stream.write_all(&head(address, request, request.body.len())).await.expect("it listens");
    // A server that refuses by the head may close before it has read the body.
    let _ = stream.write_all(request.body).await;
    answer(&mut stream).await
}

fn head(address: SocketAddr, request: &Request<'_>, length: usize) -> Vec<u8> {
    let Request { method, path, headers, .. } = request;
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.to_ascii_lowercase().contains("host:") {
        head += &format!("Host: {address}\r\n");
    }
    if !headers.to_ascii_lowercase().contains("content-length:") && *method == "POST" {
        head += &format!("Content-Length: {length}\r\n");
    }
    for line in headers.lines().map(str::trim).filter(|line| !line.is_empty()) {
        head += &format!("{line}\r\n");
    }
    (head + "\r\n").into_bytes()
}

async fn answer(stream: &mut TcpStream) -> Response {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
    let headers = lines.filter_map(|line| line.split_once(": "));
    Response {
        status: status.parse().expect("a number"),
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
        text: body.to_owned(),
    }
}

fn batch() -> RecordBatch {
    let customers: ArrayRef = Arc::new(StringArray::from(vec!["1", "2", "3"]));
    let ages: ArrayRef = Arc::new(Int64Array::from(vec![Some(31), None, Some(33)]));
    RecordBatch::try_from_iter([("customer", customers), ("age", ages)]).expect("a batch")
}

fn arrow_stream(compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).expect("options");
    let batch = batch();
    let writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options);
    let mut writer = writer.expect("a writer");
    writer.write(&batch).expect("memory");
    writer.into_inner().expect("memory")
}

fn arrow_file() -> Vec<u8> {
    let batch = batch();
    let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).expect("a writer");
    writer.write(&batch).expect("memory");
    writer.into_inner().expect("memory")
}

fn parquet_file() -> Vec<u8> {
    let batch = batch();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("memory");
    writer.into_inner().expect("memory")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).expect("memory");
    packer.finish().expect("memory")
}

const ARRAY: &[u8] =
    br#" [ {"customer":"1","age":31}, {"customer":"2","age":null},{"age":33,"customer":"3"} ] "#;

#[tokio::test(flavor = "multi_thread")]
async fn every_format_brings_the_same_rows() {
    let lines =
        b"{\"customer\":\"1\",\"age\":31}\n{\"customer\":\"2\"}\n{\"age\":33,\"customer\":\"3\"}";
    let csv = b"customer,age\n1,31\n2,\n3,33\n";
    for (headers, body) in [
        ("Content-Type: application/json", ARRAY.to_vec()),
        ("Content-Type: application/json", lines.to_vec()),
        ("Content-Type: application/x-ndjson; charset=utf-8", lines.to_vec()),
        ("Content-Type: text/csv", csv.to_vec()),
        ("Content-Type: application/vnd.apache.parquet", parquet_file()),
        ("Content-Type: application/vnd.apache.arrow.stream", arrow_stream(None)),
        (
            "Content-Type: application/vnd.apache.arrow.stream",
            arrow_stream(Some(CompressionType::ZSTD)),
        ),
        (
            "Content-Type: application/vnd.apache.arrow.stream",
            arrow_stream(Some(CompressionType::LZ4_FRAME)),
        ),
        ("Content-Type: application/vnd.apache.arrow.file", arrow_file()),
        ("Content-Type: application/json\nContent-Encoding: gzip", gzip(ARRAY)),
        (
            "Content-Type: text/csv\nContent-Encoding: zstd",
            zstd::encode_all(&csv[..], 3).expect("memory"),
        ),
        (
            "Content-Type: application/vnd.apache.parquet\nContent-Encoding: gzip",
            gzip(&parquet_file()),
        ),
    ] {
        let fixture = Fixture::start().await;
        let response = fixture.post("crm", headers, &body).await;
        assert_eq!(response.told(), "200 3+0+0", "{headers}: {response:?}");
        let sum = fixture
            .number("SELECT sum(age)::bigint FROM crm WHERE customer IN ('1', '2', '3')")
            .await;
        assert_eq!(sum, 64, "{headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn good_rows_are_taken_and_bad_ones_told() {
    let fixture = Fixture::start().await;
    let body = br#"[{"customer":"1"},{"customer":"2","age":"old"},{"age":3},7,{"customer":"3"}]"#;
    let response = fixture.post("crm", "Content-Type: application/json", body).await;
    assert_eq!(response.told(), "200 2+3+0", "{response:?}");
    let json = response.json();
    let rejects = json["rejects"].as_array().expect("a list");
    let mut told: Vec<String> =
        rejects.iter().map(|row| format!("{} {}", row["line"], row["code"])).collect();
    told.sort_unstable();
    assert_eq!(told, ["2 \"22P02\"", "3 \"no_identity\"", "4 \"22P02\""]);
    assert_eq!(json["rejects_complete"], true);
    assert_eq!(fixture.number("SELECT count(*) FROM rejects WHERE source = 'HTTP'").await, 3);

    let many: Vec<String> = (0..150).map(|n| format!("{{\"age\":{n}}}")).collect();
    let response =
        fixture.post("crm", "Content-Type: application/x-ndjson", many.join("\n").as_bytes()).await;
    let json = response.json();
    assert_eq!(
        (json["rejects"].as_array().map(Vec::len), &json["rejects_complete"]),
        (Some(100), &json!(false))
    );
    let path = "/v1/datasets/crm/rows?max_rejects=149";
    let headers = "Content-Type: application/x-ndjson";
    let body = many.join("\n");
    let request = Request { method: "POST", path, headers, body: body.as_bytes() };
    assert_eq!(fixture.ask(&request).await.told(), "400 23514");
    assert_eq!(fixture.number("SELECT count(*) FROM selfsame.ingests").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_refused_as_a_whole() {
    let fixture = Fixture::start().await;
    let json = "Content-Type: application/json";
    for (dataset, headers, body, expected) in [
        ("crm", "", &b"[]"[..], "415 0A000"),
        ("crm", "Content-Type: text/plain", b"[]", "415 0A000"),
        ("crm", "Content-Type: application/json\nContent-Encoding: br", b"[]", "415 0A000"),
        ("nothing", json, b"[]", "404 42P01"),
        ("crm", json, b"[{\"customer\":\"1\"}", "400 22P04"),
        ("crm", json, b"[{\"customer\":\"1\"},]", "400 22P04"),
        ("crm", json, b"[{\"customer\":\"1\"}] x", "400 22P04"),
        ("crm", json, b"[{\"nothing\":\"1\"}]", "400 42703"),
        ("crm", "Content-Type: application/json\nContent-Encoding: gzip", b"[]", "400 22P04"),
        ("crm", "Content-Type: application/json\nContent-Length: 99999999999", b"", "413 54000"),
        ("crm", "Content-Type: application/json\nIdempotency-Key:", b"[]", "400 22023"),
        ("crm", "Content-Type: application/vnd.apache.parquet", b"PAR1", "400 22P04"),
        ("crm", "Content-Type: application/vnd.apache.arrow.stream", b"ARROW1", "400 22P04"),
        // A message that says that it has two gigabytes.
        (
            "crm",
            "Content-Type: application/vnd.apache.arrow.stream",
            b"\xff\xff\xff\xff\xff\xff\xff\x7f",
            "413 54000",
        ),
    ] {
        let response = fixture.post(dataset, headers, body).await;
        assert_eq!(response.told(), expected, "{headers} {response:?}");
    }
    let packed = gzip(b"customer\n1\n");
    assert_eq!(fixture.post("crm", "Content-Type: text/csv", &packed).await.told(), "400 22P04");
    let stream = arrow_stream(None);
    for length in (0..stream.len() - 8).step_by(stream.len() / 40) {
        let headers = "Content-Type: application/vnd.apache.arrow.stream";
        let response = fixture.post("crm", headers, &stream[..length]).await;
        // A stream may end behind any message, also behind its schema.
        let told = response.told();
        assert!(["400 22P04", "200 0+0+0"].contains(&told.as_str()), "{length} bytes: {told}");
    }
    for path in ["/v1/datasets/crm/rows?what=1", "/v1/datasets/crm/rows?max_rejects=-1"] {
        let request = Request { method: "POST", path, headers: json, body: b"[]" };
        assert_eq!(fixture.ask(&request).await.told(), "400 22023");
    }
    assert_eq!(fixture.number("SELECT count(*) FROM crm").await, 0);
    let taken =
        "SELECT coalesce(sum(accepted_count + rejected_count), 0)::bigint FROM selfsame.ingests";
    assert_eq!(fixture.number(taken).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_and_methods_are_told_apart() {
    let fixture = Fixture::start().await;
    assert_eq!(fixture.get("/nothing").await.told(), "404 42704");
    let response = fixture.get("/v1/datasets/crm/rows").await;
    assert_eq!(
        (response.told().as_str(), response.headers["allow"].as_str()),
        ("405 0A000", "POST")
    );
    let request = Request { method: "POST", path: "/healthz", ..Request::default() };
    assert_eq!(fixture.ask(&request).await.status, 405);
    let request = Request { method: "HEAD", path: "/healthz", ..Request::default() };
    assert_eq!(fixture.ask(&request).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_counts_once_through_restarts() {
    let disk = SlowDisk::default();
    let fixture = Fixture::over(disk.clone(), "").await;
    fixture.sql(DEFINITIONS).await;
    let headers = "Content-Type: application/json\nIdempotency-Key: k1";
    let body = br#"[{"customer":"1"},{"customer":"2","age":"old"}]"#;
    let first = fixture.post("crm", headers, body).await;
    assert_eq!(first.told(), "200 1+1+0");
    let packed = "Content-Type: application/json\nIdempotency-Key: k1\nContent-Encoding: gzip";
    let purchases = br#"[{"order_id":"1","email":"a@x"}]"#;
    for again in 0..3 {
        // The log is replayed, then a segment read.
        let crashed = SlowDisk { disk: disk.disk.crash(0), ..SlowDisk::default() };
        let fixture = match again {
            0 => fixture.post("crm", headers, body).await.told() == "200 1+1+0 replayed",
            _ => true,
        }
        .then_some(Fixture::over(crashed, "").await)
        .expect("a replay");
        if again == 2 {
            fixture.server.database().flush().expect("a sound disk");
        }
        for (headers, body) in [(headers, body.to_vec()), (packed, gzip(body))] {
            let response = fixture.post("crm", headers, &body).await;
            assert_eq!(response.told(), "200 1+1+0 replayed", "{again}");
            assert_eq!(response.json()["rejects"], first.json()["rejects"]);
            assert_eq!(response.json()["ingest_id"], first.json()["ingest_id"]);
        }
        assert_eq!(fixture.post("crm", headers, b"[]").await.told(), "422 23505");
        // The key of another dataset is another key, and one that failed is free.
        assert_eq!(fixture.post("purchases", headers, b"[{]").await.told(), "400 22P04");
        assert_eq!(fixture.post("purchases", headers, purchases).await.told(), "200 1+0+0");
        assert_eq!(fixture.number("SELECT count(*) FROM crm").await, 1);
        let reopened = SlowDisk { disk: fixture.disk.disk.crash(0), ..SlowDisk::default() };
        let fixture = Fixture::over(reopened, "").await;
        assert_eq!(fixture.post("crm", headers, body).await.told(), "200 1+1+0 replayed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_with_the_same_key_is_taken() {
    let fixture = Fixture::start().await;
    fixture.disk.pause_millis.store(20, Ordering::Relaxed);
    let headers = "Content-Type: application/json\nIdempotency-Key: k";
    let asked = (0..16).map(|_| fixture.post("crm", headers, br#"[{"customer":"1"}]"#));
    let mut told: Vec<String> =
        futures::future::join_all(asked).await.iter().map(Response::told).collect();
    told.retain(|one| one != "409 55006" && one != "200 1+0+0 replayed");
    assert_eq!(told, ["200 1+0+0"]);
    assert_eq!(fixture.number("SELECT count(*) FROM crm").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_count_once_however_they_come() {
    let fixture = Fixture::start().await;
    let headers = "Content-Type: application/json";
    let one = br#"[{"order_id":"1","email":"a@x"},{"order_id":"1","email":"a@x"}]"#;
    assert_eq!(fixture.post("purchases", headers, one).await.told(), "200 1+0+1");
    let asked =
        (0..16).map(|_| fixture.post("purchases", headers, br#"[{"order_id":"2","email":"a@x"}]"#));
    let told = futures::future::join_all(asked).await;
    let sum =
        |name: &str| told.iter().map(|one| one.json()[name].as_u64().unwrap_or(0)).sum::<u64>();
    assert_eq!((sum("accepted"), sum("duplicates")), (1, 15));
    let large: Vec<String> =
        (0..20_000).map(|n| format!("{{\"order_id\":\"{n}\",\"email\":\"a@x\"}}")).collect();
    let large = large.join("\n");
    assert!(large.len() > WHOLE_BYTES_MAX);
    let response =
        fixture.post("purchases", "Content-Type: application/x-ndjson", large.as_bytes()).await;
    assert_eq!(response.told(), "200 19998+0+2");
    let counts =
        "SELECT sum(accepted_count + 1000000 * duplicate_count)::bigint FROM selfsame.ingests";
    assert_eq!(fixture.number(counts).await, 20_000 + 18 * 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_requests_share_a_sync() {
    let fixture = Fixture::start().await;
    fixture.disk.pause_millis.store(30, Ordering::Relaxed);
    let before = fixture.disk.syncs.load(Ordering::Relaxed);
    let bodies: Vec<String> = (1..=64).map(|n| format!("[{{\"customer\":\"{n}\"}}]")).collect();
    let asked = bodies
        .iter()
        .map(|body| fixture.post("crm", "Content-Type: application/json", body.as_bytes()));
    for response in futures::future::join_all(asked).await {
        assert_eq!(response.told(), "200 1+0+0");
    }
    let syncs = fixture.disk.syncs.load(Ordering::Relaxed) - before;
    assert!(syncs <= 32, "{syncs} syncs for 64 requests");
    assert_eq!(fixture.number("SELECT count(*) FROM profiles").await, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_comes_in_pieces_or_not_at_all() {
    let fixture = Fixture::start().await;
    let lines: String =
        (1..=40_000).map(|n| format!("{{\"customer\":\"{n}\",\"age\":1}}\n")).collect();
    let headers = "Content-Type: application/x-ndjson\nTransfer-Encoding: chunked\nContent-Length:";
    let path = "/v1/datasets/crm/rows";
    for whole in [false, true] {
        let request = Request { method: "POST", path, headers, body: b"" };
        let head = String::from_utf8(head(fixture.address, &request, 0)).expect("text");
        let mut stream = TcpStream::connect(fixture.address).await.expect("a server");
        stream
            .write_all(head.replace("Content-Length:\r\n", "").as_bytes())
            .await
            .expect("it listens");
        for piece in lines.as_bytes().chunks(50_000) {
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await.expect("it reads");
            stream.write_all(piece).await.expect("it reads");
            stream.write_all(b"\r\n").await.expect("it reads");
        }
        if !whole {
            drop(stream);
            continue;
        }
        stream.write_all(b"0\r\n\r\n").await.expect("it reads");
        assert_eq!(answer(&mut stream).await.told(), "200 40000+0+0");
    }
    assert_eq!(fixture.number("SELECT count(*) FROM crm").await, 40_000);
    assert_eq!(fixture.number("SELECT count(*) FROM selfsame.ingests").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_are_told_to_come_back() {
    let fixture = Fixture::start().await;
    let mut held = Vec::new();
    let headers = "Content-Type: application/json\nContent-Length: 20";
    let request = Request { method: "POST", path: "/v1/datasets/crm/rows", headers, body: b"" };
    for _ in 0..selfsame::web::REQUESTS_IN_FLIGHT_MAX {
        let mut stream = TcpStream::connect(fixture.address).await.expect("a server");
        stream.write_all(&head(fixture.address, &request, 0)).await.expect("it listens");
        held.push(stream);
    }
    // Those above may not have been read yet, but are in the end.
    let told = loop {
        let response = fixture.post("crm", "Content-Type: application/json", b"[]").await;
        if response.status != 200 {
            break response;
        }
    };
    assert_eq!(told.told(), "429 53300");
    assert_eq!(told.headers["retry-after"], "1");
    // Others are not in their way, and when they leave there is room again.
    assert_eq!(fixture.get("/healthz").await.status, 200);
    drop(held);
    loop {
        let response = fixture.post("crm", "Content-Type: application/json", b"[]").await;
        if response.status == 200 {
            break;
        }
        assert_eq!(response.status, 429);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_origins_are_asked_for() {
    let tokens = "ingest 0123456789abcdef, read fedcba9876543210, metrics 0123456789fedcba";
    let fixture = Fixture::over(SlowDisk::default(), tokens).await;
    fixture.sql(DEFINITIONS).await;
    let check = |path: &'static str, headers: String, expected: u16| {
        let (fixture, method) =
            (&fixture, if path.starts_with("/v1/datasets") { "POST" } else { "GET" });
        async move {
            let headers = format!("{headers}\nContent-Type: application/json");
            let request = Request {
                method,
                path,
                headers: &headers,
                body: if method == "POST" { b"[]" } else { b"" },
            };
            let response = fixture.ask(&request).await;
            assert_eq!(response.status, expected, "{path} {headers} {response:?}");
            response
        }
    };
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let rows = "/v1/datasets/crm/rows";
    check(rows, bearer("0123456789abcdef"), 200).await;
    check(rows, bearer("fedcba9876543210"), 403).await;
    check(rows, bearer("0123456789abcdeX"), 401).await;
    let response = check(rows, String::new(), 401).await;
    assert_eq!(response.headers["www-authenticate"], "Bearer");
    check("/v1/profiles/email/a@x", bearer("0123456789abcdef"), 403).await;
    check("/v1/profiles/email/a@x", bearer("fedcba9876543210"), 404).await;
    check("/metrics", bearer("0123456789fedcba"), 200).await;
    check("/metrics", String::new(), 401).await;
    check("/openapi.json", String::new(), 401).await;
    check("/healthz", String::new(), 200).await;
    check("/readyz", String::new(), 200).await;
    check(rows, bearer("0123456789abcdef") + "\nOrigin: http://evil.example", 403).await;
    check(rows, bearer("0123456789abcdef") + "\nHost: evil.example", 403).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_why_not() {
    let web = Web::new(Options { tokens: Tokens::none(), local: true, tls: None });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let stop = watch::Sender::new(false);
    tokio::spawn(serve(listener, web.clone(), stop.subscribe(), stop.subscribe()));
    web.tell_start(|| "rows are being read: 3 of 7".to_owned());
    let get = |path: &'static str| async move {
        ask(address, &Request { path, ..Request::default() }).await
    };
    assert_eq!(get("/healthz").await.status, 200);
    let response = get("/readyz").await;
    assert_eq!(
        (response.status, &response.json()["reason"]),
        (503, &json!("rows are being read: 3 of 7"))
    );
    assert_eq!(get("/v1/profiles/email/a").await.told(), "503 57P03");
    assert_eq!(get("/metrics").await.status, 503);

    let fixture = Fixture::start().await;
    assert_eq!(fixture.get("/readyz").await.status, 200);
    fixture.disk.fails.store(true, Ordering::Relaxed);
    let post = |customer: &'static str| {
        let body = format!("[{{\"customer\":\"{customer}\"}}]");
        let fixture = &fixture;
        async move { fixture.post("crm", "Content-Type: application/json", body.as_bytes()).await }
    };
    assert_eq!(post("1").await.told(), "503 58030");
    let response = fixture.get("/readyz").await;
    assert!(response.status == 503 && response.text.contains("read-only"), "{response:?}");
    assert_eq!(post("2").await.told(), "503 57P03");
    assert!(fixture.get("/metrics").await.text.contains("\nselfsame_writable 0\n"));
    // What was there is still answered.
    assert_eq!(fixture.get("/v1/profiles/crm_id/1").await.told(), "404 02000");
    fixture.web.stop();
    assert!(fixture.get("/readyz").await.text.contains("shutting down"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_where_there_is_a_certificate() {
    let made =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = made.signing_key.serialize_der().try_into().expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a certificate and its key");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let tls: selfsame::web::Acceptors = Arc::new(move || Ok(acceptor.clone()));
    let tokens = Tokens::none();
    let web = Web::new(Options { tokens, local: true, tls: Some(tls) });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let stop = watch::Sender::new(false);
    tokio::spawn(serve(listener, web, stop.subscribe(), stop.subscribe()));
    // Those that do not speak, or no TLS, are in nobody's way.
    let silent = TcpStream::connect(address).await.expect("a server");
    let mut plain = TcpStream::connect(address).await.expect("a server");
    let request = Request { path: "/healthz", ..Request::default() };
    plain.write_all(&head(address, &request, 0)).await.expect("it listens");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.expect("a server");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = "localhost".try_into().expect("a name");
    let mut stream = connector.connect(name, stream).await.expect("a certificate that is known");
    stream.write_all(&head(address, &request, 0)).await.expect("it listens");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_went_on() {
    let fixture = Fixture::start().await;
    let text = async || fixture.get("/metrics").await.text;
    fixture.post("crm", "Content-Type: application/json", br#"[{"customer":"1"},{}]"#).await;
    fixture.sql("INSERT INTO crm VALUES ('2', NULL, 3)").await;
    fixture.sql("SELECT * FROM profiles").await;
    fixture.server.database().flush().expect("a sound disk");
    let held = TcpStream::connect(fixture.address).await.expect("a server");
    let session = fixture.server.session("it", "it", &[]).expect("a session");
    let text = text().await;
    for line in [
        r#"selfsame_rows_total{dataset="crm",path="http",outcome="accepted"} 1"#,
        r#"selfsame_rows_total{dataset="crm",path="http",outcome="rejected"} 1"#,
        r#"selfsame_rows_total{dataset="crm",path="insert",outcome="accepted"} 1"#,
        "selfsame_http_requests_total{route=\"/v1/datasets/{name}/rows\",status=\"200\"} 1",
        r#"selfsame_flushes_total{outcome="done"} 1"#,
        "selfsame_writable 1",
        "selfsame_log_bytes 0",
        r#"selfsame_stored{kind="fragments"} 2"#,
        r#"selfsame_stored{kind="profiles"} 2"#,
        r#"selfsame_view_updates_total{kind="build"} 1"#,
        r#"selfsame_sessions{state="idle"} 1"#,
        "selfsame_http_ingests_in_flight 0",
        r#"selfsame_operations{kind="flush"} 0"#,
    ] {
        assert!(text.lines().any(|one| one == line), "{line} in\n{text}");
    }
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.and_then(|value| value.parse::<f64>().ok()).unwrap_or(-1.0)
    };
    assert!(value("selfsame_statements_total") >= 2.0, "{text}");
    assert!(value("selfsame_segments") >= 1.0 && value("selfsame_commits_total") >= 2.0, "{text}");
    assert!(value("selfsame_connections{kind=\"http\"}") >= 1.0, "{text}");
    assert!(value("selfsame_snapshot_age_seconds") >= 0.0, "{text}");
    drop((held, session));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_has_every_type_and_the_policy_asked_for() {
    let fixture = Fixture::start().await;
    fixture.sql("CREATE MERGE POLICY oldest MERGE BY earliest").await;
    for age in [40, 41] {
        let body = format!("[{{\"customer\":\"ü 1/2\",\"email\":\"Ann@X\",\"age\":{age}}}]");
        assert_eq!(
            fixture.post("crm", "Content-Type: application/json", body.as_bytes()).await.status,
            200
        );
    }
    let age = |path: &'static str| {
        let fixture = &fixture;
        async move { fixture.get(path).await.json()["age"].clone() }
    };
    assert_eq!(age("/v1/profiles/email/ANN@x").await, 41);
    assert_eq!(age("/v1/profiles/crm_id/%C3%BC%201%2F2").await, 41);
    assert_eq!(age("/v1/profiles/email/ann@x?policy=oldest").await, 40);
    assert_eq!(fixture.get("/v1/profiles/email/nobody@x").await.told(), "404 02000");
    assert_eq!(fixture.get("/v1/profiles/nothing/x").await.told(), "404 42704");
    assert_eq!(fixture.get("/v1/profiles/email/ann@x?policy=none").await.told(), "404 42704");
    assert_eq!(fixture.get("/v1/profiles/email/ann@x?what=none").await.told(), "400 22023");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_of_what_there_is() {
    let fixture = Fixture::start().await;
    fixture.sql("CREATE DATASET \"a b/c\" (x TEXT IDENTITY email)").await;
    let document = fixture.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths");
    for (path, methods) in paths {
        for method in methods.as_object().expect("methods").keys() {
            let path = path.replace("{name}", "crm").replace("{namespace}", "email");
            let path = path.replace("{value}", "ann@x");
            let method = method.to_uppercase();
            let request = Request { method: &method, path: &path, ..Request::default() };
            let told = fixture.ask(&request).await;
            let there = told.status != 405 && !told.text.contains("nothing at this path");
            assert!(there, "{method} {path} {told:?}");
        }
    }
    assert!(paths.contains_key("/v1/datasets/a%20b%2Fc/rows"));
    let crm = &document["components"]["schemas"]["dataset.crm"]["properties"];
    let names: Vec<&String> = crm.as_object().expect("columns").keys().collect();
    assert_eq!(names, ["customer", "email", "age"]);
    assert_eq!(crm["age"]["format"], "int64");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_document_are_true() {
    let document = include_str!("../../docs/http.md");
    let blocks = |kind: &str| -> Vec<String> {
        let fence = format!("```{kind}\n");
        let pieces = document.split(fence.as_str()).skip(1);
        pieces.filter_map(|piece| Some(piece.split_once("```")?.0.to_owned())).collect()
    };
    let fixture = Fixture::over(SlowDisk::default(), "").await;
    fixture.sql(&blocks("sql").concat()).await;
    let (mut paths, mut wrong) = (std::collections::BTreeSet::new(), Vec::new());
    for block in blocks("console") {
        let mut response: Option<Response> = None;
        for line in block.lines() {
            match line.strip_prefix("$ curl -s ") {
                Some(arguments) => {
                    let (path, answer) = curl(&fixture, arguments).await;
                    paths.insert(path);
                    response = Some(answer);
                }
                None => {
                    let answer = response.as_ref().expect("a request before its answer");
                    if !answer.text.lines().any(|one| one == line) {
                        wrong.push(format!("{line}\n{}", answer.text));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let table =
        document.lines().filter(|line| line.starts_with("| `GET") || line.starts_with("| `POST"));
    let described = fixture.get("/openapi.json").await.json();
    let described = described["paths"].as_object().expect("paths");
    let mut count = 0;
    for line in table {
        let path = line.split('`').nth(1).and_then(|text| text.split(' ').nth(1)).expect("a path");
        let beginning = path.split('{').next().expect("a piece");
        assert!(paths.iter().any(|one| one.starts_with(beginning)), "{path} has no example");
        assert!(described.contains_key(path), "{path} is not there");
        count += 1;
    }
    assert_eq!(
        count,
        described
            .keys()
            .filter(|path| !path.contains("/crm/") && !path.contains("/purchases/"))
            .count()
    );
}

/// Does what a command line of curl would, as far as the document uses it; gives the path too.
async fn curl(fixture: &Fixture, arguments: &str) -> (String, Response) {
    let (mut headers, mut body, mut path) = (String::new(), None, String::new());
    let mut words = words(arguments).into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-H" => headers += &(words.next().expect("a header") + "\n"),
            "--data-binary" => body = words.next(),
            url => path = url.strip_prefix("http://localhost:8442").expect("a path").to_owned(),
        }
    }
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or_default();
    let request = Request { method, path: &path, headers: &headers, body: body.as_bytes() };
    let response = fixture.ask(&request).await;
    (path, response)
}

/// The words of a command line: plain, 'quoted', or $'quoted\n'.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut rest) = (Vec::new(), line.trim());
    while !rest.is_empty() {
        let (escapes, quoted) = match rest.strip_prefix("$'") {
            Some(rest) => (true, Some(rest)),
            None => (false, rest.strip_prefix('\'')),
        };
        let (word, after) = match quoted {
            Some(quoted) => quoted.split_once('\'').expect("a quote"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(if escapes { word.replace("\\n", "\n") } else { word.to_owned() });
        rest = after.trim_start();
    }
    words
}
