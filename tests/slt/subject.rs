//! What scripts talk to: a database in one of four modes, and its clients.
//!
//! A [`World`] is one database for one script; each connection that the script names is a [`Client`].
//! Rows come back as texts, from sessions by `render`, over the wire as the server sent them. Compares
//! nothing: `slt` does.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex as Lock, OnceLock};
use std::time::Duration;

use selfsame::engine::{Database, Options};
use selfsame::error::{Error, SqlState};
use selfsame::query::session::{
    Notice, Output, Server, Session, Settings, TransactionStatus, computation_runtime,
};
use sqllogictest::{DBOutput, DefaultColumnType};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio_postgres::error::ErrorPosition;
use tokio_postgres::{AsyncMessage, NoTls, SimpleQueryMessage};

use crate::render::{cell, text};

/// The folder that scripts call `$DATA`.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/slt/data");

/// How often to ask whether a database that was let go is gone. What keeps it is the end of a thread
/// that nobody can wait for, which takes far less than these milliseconds.
const REOPEN_TRIES_MAX: usize = 10_000;

/// A way to run a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sessions on a store in memory.
    Memory,
    /// Sessions on a store in a folder.
    Disk,
    /// The same, but opened anew before every query and after every change: half of the times after
    /// it was closed, half of the times after it was only let go, so that segments and the log must
    /// both be read.
    Reopened,
    /// Clients of a server.
    Wire,
}

impl Mode {
    /// All of them.
    pub const ALL: &'static [Mode] = &[Mode::Memory, Mode::Disk, Mode::Reopened, Mode::Wire];

    /// Its name in those of trials.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Reopened => "reopened",
            Self::Wire => "wire",
        }
    }
}

/// What the product answered instead of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    fn new(code: &str, message: &str, more: [(&str, Option<String>); 3]) -> Self {
        let mut text = format!("{code}: {message}");
        for (what, value) in more {
            value.iter().for_each(|value| text += &format!("\n{what}: {value}"));
        }
        Self(text.replace(DATA, "$DATA"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let more = [
            ("DETAIL", error.get_detail().map(str::to_owned)),
            ("HINT", error.get_hint().map(str::to_owned)),
            ("POSITION", error.get_position().map(|position| position.to_string())),
        ];
        Self::new(error.code().0, error.message(), more)
    }
}

impl From<tokio_postgres::Error> for Refusal {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else { return Self(error.to_string()) };
        let position = said.position().map(|position| match position {
            ErrorPosition::Original(position) => position.to_string(),
            ErrorPosition::Internal { position, .. } => format!("internal {position}"),
        });
        let more = [
            ("DETAIL", said.detail().map(str::to_owned)),
            ("HINT", said.hint().map(str::to_owned)),
            ("POSITION", position),
        ];
        Self::new(said.code().code(), said.message(), more)
    }
}

/// One database for one script.
#[derive(Clone)]
pub struct World(Arc<Mutex<Inner>>);

struct Inner {
    mode: Mode,
    folder: TempDir,
    /// `None` only while it is opened anew.
    server: Option<Arc<Server>>,
    listening: Option<Listening>,
    seats: Vec<Seat>,
    reopened_count: usize,
    /// Whether a statement was done since it was last opened.
    is_changed: bool,
}

/// A server at its port.
struct Listening {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<selfsame::error::Result<()>>,
}

/// The place of a client, which outlives its session.
struct Seat {
    line: Option<Line>,
    /// Settings that a session must be given again when the database is opened anew.
    settings: Vec<String>,
    notices: Arc<Lock<Vec<String>>>,
}

/// How a client reaches the database.
enum Line {
    Session(Session),
    Wire(tokio_postgres::Client),
}

impl World {
    /// A world with an empty database.
    pub async fn open(mode: Mode) -> Result<Self, Refusal> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = match mode {
            Mode::Memory | Mode::Wire => Options::memory(),
            Mode::Disk | Mode::Reopened => Options::folder(folder.path())?,
        };
        let server = serve(Database::open(options)?);
        let listening = match mode {
            Mode::Wire => Some(Listening::start(&server).await),
            _ => None,
        };
        let (server, seats) = (Some(server), Vec::new());
        let (reopened_count, is_changed) = (0, false);
        let inner = Inner { mode, folder, server, listening, seats, reopened_count, is_changed };
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    /// A new connection.
    pub fn client(&self) -> impl Future<Output = Result<Client, Refusal>> + use<> {
        let world = self.clone();
        async move {
            let mut inner = world.0.lock().await;
            let mut seat = Seat { line: None, settings: Vec::new(), notices: Arc::default() };
            inner.connect(&mut seat).await?;
            inner.seats.push(seat);
            let seat = inner.seats.len() - 1;
            drop(inner);
            Ok(Client { world, seat })
        }
    }

    /// Takes everything down.
    pub async fn close(self) -> Result<(), Refusal> {
        let mut inner = self.0.lock().await;
        inner.seats.clear();
        if let Some(listening) = inner.listening.take() {
            listening.stop.send_replace(true);
            listening.serving.await.expect("the server does not panic")?;
        }
        let server = inner.server.take().expect("it is there between statements");
        Ok(server.database().close()?)
    }
}

/// The server's part of the product; all scripts share the threads that plan and run.
fn serve(database: Arc<Database>) -> Arc<Server> {
    static QUERIES: OnceLock<Runtime> = OnceLock::new();
    let queries = QUERIES.get_or_init(|| computation_runtime().expect("the system has threads"));
    let copy_directories = vec![Path::new(DATA).to_owned()];
    let runtime = Some(queries.handle().clone());
    Server::new(database, Settings { copy_directories, runtime, ..Settings::default() })
}

impl Listening {
    async fn start(server: &Arc<Server>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = watch::channel(false);
        let server = Arc::clone(server);
        let serving = tokio::spawn(selfsame::wire::serve(listener, server, 10, stopped));
        Self { address, stop, serving }
    }
}

impl Inner {
    async fn connect(&self, seat: &mut Seat) -> Result<(), Refusal> {
        seat.line = Some(match &self.listening {
            Some(listening) => Line::Wire(call(listening.address, &seat.notices).await?),
            None => {
                let server = self.server.as_ref().expect("it is there between statements");
                Line::Session(server.session("selfsame", "selfsame", &[])?)
            }
        });
        Ok(())
    }

    /// Lets the database go and opens it again, unless a transaction would be lost.
    async fn reopen(&mut self) -> Result<(), Refusal> {
        let idle = |seat: &Seat| match &seat.line {
            Some(Line::Session(session)) => session.transaction() == TransactionStatus::Idle,
            _ => true,
        };
        if !self.seats.iter().all(idle) {
            return Ok(());
        }
        self.seats.iter_mut().for_each(|seat| seat.line = None);
        if self.reopened_count.is_multiple_of(2) {
            self.server.as_ref().expect("it is there between statements").database().close()?;
        }
        self.server = None;
        self.reopened_count += 1;
        self.is_changed = false;
        self.server = Some(serve(Database::open(self.folder_again().await?)?));
        let mut seats = std::mem::take(&mut self.seats);
        for seat in &mut seats {
            self.connect(seat).await?;
            for sql in seat.settings.clone() {
                seat.run(&sql).await?;
            }
        }
        self.seats = seats;
        Ok(())
    }

    async fn folder_again(&self) -> Result<Options, Refusal> {
        for _ in 0..REOPEN_TRIES_MAX {
            match Options::folder(self.folder.path()) {
                Err(error) if error.code() == SqlState::OBJECT_IN_USE => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                opened => return Ok(opened?),
            }
        }
        Err(Refusal("somebody keeps the database that was let go".to_owned()))
    }
}

async fn call(
    address: SocketAddr,
    notices: &Arc<Lock<Vec<String>>>,
) -> Result<tokio_postgres::Client, Refusal> {
    let mut config = tokio_postgres::Config::new();
    config.host(address.ip().to_string()).port(address.port()).user("selfsame");
    let (client, mut connection) = config.connect(NoTls).await?;
    let notices = Arc::clone(notices);
    tokio::spawn(async move {
        let messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
        futures::pin_mut!(messages);
        while let Some(Ok(message)) = futures::StreamExt::next(&mut messages).await {
            if let AsyncMessage::Notice(said) = message {
                let hint = said.hint().map(str::to_owned);
                let code = said.code().code();
                let shown = notice(said.severity(), code, said.message(), hint.as_deref());
                notices.lock().expect("no thread panics with it").push(shown);
            }
        }
    });
    Ok(client)
}

fn notice(severity: &str, code: &str, message: &str, hint: Option<&str>) -> String {
    let hint = hint.map(|hint| format!("\nHINT: {hint}")).unwrap_or_default();
    format!("{severity} {code}: {message}{hint}").replace(DATA, "$DATA")
}

type Answer = DBOutput<DefaultColumnType>;

fn rows(columns: usize, rows: Vec<Vec<String>>) -> Answer {
    let back = |value: String| value.replace(DATA, "$DATA");
    let rows = rows.into_iter().map(|row| row.into_iter().map(back).collect()).collect();
    DBOutput::Rows { types: vec![DefaultColumnType::Text; columns], rows }
}

impl Seat {
    async fn run(&mut self, sql: &str) -> Result<Answer, Refusal> {
        self.notices.lock().expect("no thread panics with it").clear();
        match self.line.as_ref().expect("it is connected between statements") {
            Line::Session(session) => {
                let outputs = session.run_script(sql).await;
                let outputs = outputs.inspect_err(|_| self.note(&session.take_notices()))?;
                outputs.iter().for_each(|output| self.note(&output.notices));
                Ok(outputs.last().map_or(DBOutput::StatementComplete(0), of_session))
            }
            Line::Wire(client) => Ok(of_wire(&client.simple_query(sql).await?)),
        }
    }

    fn note(&self, said: &[Notice]) {
        let shown =
            |said: &Notice| notice(said.severity, said.code.0, &said.message, said.hint.as_deref());
        let mut notices = self.notices.lock().expect("no thread panics with it");
        notices.extend(said.iter().map(shown));
    }
}

fn of_session(output: &Output) -> Answer {
    let Some(schema) = &output.schema else {
        let count = output.tag.rsplit(' ').next().and_then(|count| count.parse().ok());
        return DBOutput::StatementComplete(count.unwrap_or(0));
    };
    let mut shown = Vec::new();
    for batch in &output.batches {
        for row in 0..batch.num_rows() {
            let columns = batch.columns().iter();
            shown.push(columns.map(|column| cell(text(column, row).as_deref())).collect());
        }
    }
    rows(schema.fields().len(), shown)
}

fn of_wire(messages: &[SimpleQueryMessage]) -> Answer {
    let (mut columns, mut shown, mut answer) = (None, Vec::new(), DBOutput::StatementComplete(0));
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(described) => columns = Some(described.len()),
            SimpleQueryMessage::Row(row) => {
                shown.push((0..row.len()).map(|at| cell(row.get(at))).collect());
            }
            SimpleQueryMessage::CommandComplete(count) => {
                answer = match columns.take() {
                    Some(columns) => rows(columns, std::mem::take(&mut shown)),
                    None => DBOutput::StatementComplete(*count),
                };
            }
            _ => {}
        }
    }
    answer
}

/// One connection of a script.
pub struct Client {
    world: World,
    seat: usize,
}

#[async_trait::async_trait]
impl sqllogictest::AsyncDB for Client {
    type Error = Refusal;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<Answer, Refusal> {
        let mut inner = self.world.0.lock().await;
        if sql.trim() == "\\notices" {
            let notices = inner.seats[self.seat].notices.lock().expect("nobody panics with it");
            return Ok(rows(1, notices.iter().map(|notice| vec![notice.clone()]).collect()));
        }
        let first = sql.split_whitespace().next().unwrap_or_default().to_lowercase();
        let is_query = ["select", "with", "values", "explain", "show"].contains(&first.as_str());
        if inner.mode == Mode::Reopened && (is_query || inner.is_changed) {
            inner.reopen().await?;
        }
        let sql = sql.replace("$DATA", DATA);
        let seat = &mut inner.seats[self.seat];
        let answer = seat.run(&sql).await?;
        if ["set", "reset"].contains(&first.as_str()) {
            seat.settings.push(sql);
        }
        inner.is_changed |= !is_query;
        Ok(answer)
    }

    async fn shutdown(&mut self) {}
}
