//! A fault loop with real processes: writers write, the server is killed at a random moment, sometimes while
//! it starts, and when it starts again everything acknowledged is there once, and everything else whole or not
//! at all. The ordinary tests run a few rounds, `cargo run --example faults` as many as asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::SinkExt;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_postgres::NoTls;

const WRITERS: usize = 6;

/// Rows of the largest batch; a COPY of so many goes into a segment beside the log.
const BATCH_ROWS_MAX: usize = 20_000;

/// The longest that writers write before the server is killed.
const WRITING_MILLIS_MAX: u64 = 500;

/// The longest that a start lasts before it is killed, where it is.
const STARTING_MILLIS_MAX: u64 = 60;

const DEFINITIONS: &str = "
    CREATE NAMESPACE crm_id; CREATE NAMESPACE email KIND EMAIL;
    CREATE DATASET crm (customer TEXT IDENTITY crm_id, email TEXT IDENTITY email, batch TEXT);
    CREATE EVENT DATASET visits (id TEXT EVENT ID, email TEXT IDENTITY email, batch TEXT)";

/// What was done, and what was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub kills: usize,
    pub kills_at_start: usize,
    pub batches_acknowledged: usize,
    pub rows_acknowledged: usize,
    /// Batches in flight at a kill: there afterwards, or not.
    pub in_flight_kept: usize,
    pub in_flight_gone: usize,
    pub rows_lost: usize,
    pub rows_twice: usize,
    pub batches_half: usize,
}

/// A generator of arbitrary numbers (SplitMix64).
#[derive(Clone)]
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

struct Serving {
    process: Child,
    address: String,
}

fn spawn(program: &Path, folder: &Path) -> Child {
    Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}

impl Serving {
    fn start(program: &Path, folder: &Path) -> Self {
        let mut process = spawn(program, folder);
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let address = lines.find_map(|line| {
            let line = line.expect("text");
            line.trim().strip_prefix("PostgreSQL")?.split_whitespace().next().map(str::to_owned)
        });
        Self { process, address: address.expect("it says where it listens") }
    }

    async fn connect(&self) -> tokio_postgres::Client {
        let (host, port) = self.address.rsplit_once(':').expect("an address with a port");
        let config = format!("host={host} port={port} user=selfsame");
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.expect("a server");
        tokio::spawn(connection);
        client
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Rows that are written at once.
#[derive(Clone, Debug)]
struct Batch {
    name: String,
    rows: usize,
    event: bool,
}

impl Batch {
    fn row(&self, at: usize) -> (String, String) {
        (format!("{}/{at}", self.name), format!("{}/{}@x", self.name, at / 3))
    }

    /// Writes it; by an INSERT if it is small, else by a COPY.
    async fn write(&self, client: &tokio_postgres::Client) -> Result<(), tokio_postgres::Error> {
        let table = if self.event { "visits" } else { "crm" };
        if self.rows <= 3 {
            let rows = (0..self.rows).map(|at| {
                let (key, email) = self.row(at);
                format!("('{key}', '{email}', '{}')", self.name)
            });
            let rows = rows.collect::<Vec<_>>().join(", ");
            return client.batch_execute(&format!("INSERT INTO {table} VALUES {rows}")).await;
        }
        let copy = format!("COPY {table} FROM STDIN WITH (FORMAT csv)");
        let sink = client.copy_in::<_, bytes::Bytes>(&copy).await?;
        futures::pin_mut!(sink);
        let mut text = String::new();
        for at in 0..self.rows {
            let (key, email) = self.row(at);
            text.push_str(&format!("{key},{email},{}\n", self.name));
        }
        sink.send(bytes::Bytes::from(text)).await?;
        sink.finish().await.map(drop)
    }
}

/// What a writer tells: that it begins a batch, and that it was acknowledged.
enum Told {
    Begun(Batch),
    Acknowledged(String),
}

async fn write_until_killed(
    client: tokio_postgres::Client,
    name: String,
    mut choices: Choices,
    told: UnboundedSender<Told>,
) {
    for number in 0.. {
        let rows = match choices.below(40) {
            0 => BATCH_ROWS_MAX,
            1..6 => 4 + choices.below(200) as usize,
            _ => 1 + choices.below(3) as usize,
        };
        let event = choices.below(4) == 0;
        let batch = Batch { name: format!("{name}-{number}"), rows, event };
        let _ = told.send(Told::Begun(batch.clone()));
        if batch.write(&client).await.is_err() {
            return;
        }
        let _ = told.send(Told::Acknowledged(batch.name));
    }
}

/// The loop.
pub struct Loop {
    program: PathBuf,
    folder: PathBuf,
    choices: Choices,
    /// How many rows of each batch must be there.
    expected: BTreeMap<String, usize>,
    pub tally: Tally,
}

impl Loop {
    pub fn new(program: &Path, folder: &Path, seed: u64) -> Self {
        Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            choices: Choices(seed),
            expected: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// Starts, writes, kills, and holds what is there afterwards against what was acknowledged.
    pub async fn round(&mut self, round: usize) {
        let serving = Serving::start(&self.program, &self.folder);
        if round == 0 {
            serving.connect().await.batch_execute(DEFINITIONS).await.expect("definitions");
        }
        let (sender, mut receiver) = unbounded_channel();
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let choices = Choices(self.choices.below(u64::MAX));
            let client = serving.connect().await;
            let name = format!("{round}-{writer}");
            writers.push(tokio::spawn(write_until_killed(client, name, choices, sender.clone())));
        }
        drop(sender);
        tokio::time::sleep(Duration::from_millis(self.choices.below(WRITING_MILLIS_MAX))).await;
        drop(serving);
        self.tally.kills += 1;
        let mut in_flight: BTreeMap<String, Batch> = BTreeMap::new();
        while let Some(told) = receiver.recv().await {
            match told {
                Told::Begun(batch) => {
                    in_flight.insert(batch.name.clone(), batch);
                }
                Told::Acknowledged(name) => {
                    let batch = in_flight.remove(&name).expect("it was begun");
                    self.tally.batches_acknowledged += 1;
                    self.tally.rows_acknowledged += batch.rows;
                    self.expected.insert(name, batch.rows);
                }
            }
        }
        for writer in writers {
            writer.await.expect("a writer that ends");
        }
        self.kill_starts().await;
        let of_round = |name: &str| name.starts_with(&format!("{round}-"));
        self.verify(&in_flight, &format!("WHERE batch LIKE '{round}-%'"), of_round).await;
    }

    /// Now and then the server is killed while it recovers.
    async fn kill_starts(&mut self) {
        while self.choices.below(3) == 0 {
            let mut process = spawn(&self.program, &self.folder);
            let millis = self.choices.below(STARTING_MILLIS_MAX);
            tokio::time::sleep(Duration::from_millis(millis)).await;
            let _ = process.kill();
            let _ = process.wait();
            self.tally.kills_at_start += 1;
        }
    }

    /// Everything, after the last round.
    pub async fn finish(&mut self) {
        self.verify(&BTreeMap::new(), "", |_| true).await;
    }

    async fn verify(
        &mut self,
        in_flight: &BTreeMap<String, Batch>,
        filter: &str,
        concerns: impl Fn(&str) -> bool,
    ) {
        let serving = Serving::start(&self.program, &self.folder);
        let client = serving.connect().await;
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for (table, key) in [("crm", "customer"), ("visits", "id")] {
            let sql = format!(
                "SELECT batch, count(*), count(DISTINCT {key}) FROM {table} {filter} GROUP BY batch"
            );
            for row in client.query(&sql, &[]).await.expect("rows") {
                let (rows, distinct): (i64, i64) = (row.get(1), row.get(2));
                self.tally.rows_twice += (rows - distinct) as usize;
                found.insert(row.get(0), distinct as usize);
            }
        }
        for (name, batch) in in_flight {
            match found.get(name) {
                None => self.tally.in_flight_gone += 1,
                Some(rows) if *rows == batch.rows => {
                    self.tally.in_flight_kept += 1;
                    self.expected.insert(name.clone(), batch.rows);
                }
                Some(_) => self.tally.batches_half += 1,
            }
        }
        let expected = self.expected.iter().filter(|(name, _)| concerns(name));
        for (name, rows) in expected {
            let there = found.get(name).copied().unwrap_or(0);
            self.tally.rows_lost += rows.saturating_sub(there);
        }
        let known: BTreeSet<&String> = self.expected.keys().chain(in_flight.keys()).collect();
        assert!(found.keys().all(|name| known.contains(name)), "rows that nobody wrote");
    }
}
