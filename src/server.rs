//! The process: builds what was asked for out of the layers below, and takes it down in order.
//!
//! Two runtimes: one accepts connections and speaks the protocol; the other, which belongs to
//! `query::session`, plans and runs on threads with big stacks, so that a heavy report delays no
//! log-in. At the end the listener stops first, then sessions, then the engine, which flushes its log.
//! `sample` is for `demo`, `console` for what needs no server.

mod access;
mod console;
mod sample;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::config::{Command, Config};
use crate::demo::Company;
use crate::engine::{Database, Options};
use crate::error::{Error, Result};
use crate::query::session::{Server, Settings};
use crate::server::sample::TemporaryFolder;
use crate::wire::Door;

/// The user that the printed command lines name; without authentication any will do.
const USER: &str = "selfsame";

/// A name that is no role's.
const ANYBODY: &str = "";

/// Threads that speak the protocol: they only move bytes, so that two keep up with all cores.
const PROTOCOL_THREADS: usize = 2;

/// Does what the command line says.
///
/// # Errors
/// What keeps it from starting, the first failing statement or file, or what went wrong in the end.
pub fn run(command: &Command, config: &Config) -> Result<()> {
    match command {
        Command::Serve => serve(config),
        Command::Demo(company) => demo(config, *company),
        Command::WriteDemo { company, directory } => sample::write(*company, directory),
        Command::Sql { statement } => sql(config, statement.as_deref()),
        Command::Ingest { dataset, files } => {
            let database = open(config)?;
            let each = |path: &std::path::PathBuf| console::ingest(&database, dataset, path);
            let loaded = files.iter().try_for_each(each);
            loaded.and(database.close())
        }
    }
}

/// Opens the store. Half of the memory is for what the engine caches, half for queries.
fn open(config: &Config) -> Result<Arc<Database>> {
    let cache_bytes = config.memory_limit_bytes / 2;
    crate::query::open(Options { cache_bytes, ..Options::at(config.data.as_ref())? })
}

fn sessions(database: &Arc<Database>, config: &Config) -> Arc<Server> {
    let settings = Settings {
        copy_directories: config.copy_directories.clone(),
        memory_limit: usize::try_from(config.memory_limit_bytes / 2).ok(),
        runtime: None,
    };
    Server::new(Arc::clone(database), settings)
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(PROTOCOL_THREADS)
        .thread_name("protocol")
        .enable_all()
        .build()
        .map_err(|error| Error::io("start the threads of the protocol", &error))
}

/// Runs statements without a server.
fn sql(config: &Config, statement: Option<&str>) -> Result<()> {
    let text = statement.map_or_else(console::standard_input, |text| Ok(text.to_owned()))?;
    let database = open(config)?;
    let session = sessions(&database, config).session(USER, USER, &[])?;
    let ran = runtime()?.block_on(console::run(&session, &text));
    drop(session);
    ran.and(database.close())
}

/// Serves a store until asked to stop.
fn serve(config: &Config) -> Result<()> {
    let running = Running::start(config)?;
    running.announce(config.data.as_deref(), None);
    running.finish()
}

/// Serves a sample company until asked to stop.
fn demo(config: &Config, company: Company) -> Result<()> {
    let temporary = TemporaryFolder::create()?;
    let mut config = config.clone();
    config.data.get_or_insert_with(|| temporary.path().join("store"));
    config.copy_directories.push(temporary.path().to_owned());
    let running = Running::start(&config)?;
    let loaded = running.load(company, &temporary.path().join("sample"));
    match loaded {
        Ok(loaded) => running.announce(config.data.as_deref(), Some(&loaded)),
        Err(error) => return running.database.close().and(Err(error)),
    }
    running.finish()
}

/// Everything a server consists of, once the port is its own.
struct Running {
    runtime: Runtime,
    listener: TcpListener,
    signals: [Signal; 2],
    database: Arc<Database>,
    server: Arc<Server>,
    door: Door,
}

impl Running {
    /// Takes the port before the store, as that is what most often fails.
    fn start(config: &Config) -> Result<Self> {
        let runtime = runtime()?;
        let certificates = access::certificates(config)?;
        let listener = listen(&runtime, config.listen)?;
        let signals = {
            let _entered = runtime.enter();
            [SignalKind::interrupt(), SignalKind::terminate()].map(signal)
        };
        let [interrupt, terminate] = signals;
        let refused = |error: std::io::Error| Error::io("wait for signals", &error);
        let signals = [interrupt.map_err(refused)?, terminate.map_err(refused)?];
        let database = open(config)?;
        let server = sessions(&database, config);
        if let Err(error) = access::secure(config, &server) {
            return database.close().and(Err(error));
        }
        access::reload_when_told(&runtime, &server, certificates.clone())?;
        let door = access::door(config, &server, certificates);
        Ok(Self { runtime, listener, signals, database, server, door })
    }

    /// Makes and loads the sample, unless the store has datasets already.
    fn load(&self, company: Company, folder: &Path) -> Result<String> {
        if !self.database.snapshot().catalog().datasets.is_empty() {
            return Ok("what the store had already; no sample was loaded".to_owned());
        }
        sample::write(company, folder)?;
        let session = self.server.session(USER, USER, &[])?;
        self.runtime.block_on(sample::load(&session, company, folder))
    }

    /// Tells how to connect. This is what a newcomer sees.
    fn announce(&self, data: Option<&Path>, loaded: Option<&str>) {
        let address = self.listener.local_addr();
        let who = match self.server.is_superuser(ANYBODY) {
            true => "any user, any database, no password",
            false => "roles of this store, any database",
        };
        let text = address.map(|address| banner(address, data, loaded, who)).unwrap_or_default();
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            tracing::warn!(%error, "could not print how to connect");
        }
    }

    /// Serves until a signal comes, then takes everything down.
    fn finish(self) -> Result<()> {
        let Self { runtime, listener, signals, database, server, door } = self;
        let [mut interrupt, mut terminate] = signals;
        let (stop, stopped) = watch::channel(false);
        let mut serving = runtime.spawn(crate::wire::serve_at(door, listener, server, stopped));
        let served = runtime.block_on(async {
            tokio::select! {
                ended = &mut serving => return ended,
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping");
            stop.send_replace(true);
            serving.await
        });
        let served = served.unwrap_or_else(|error| Err(Error::internal(error.to_string())));
        served.and(database.close())
    }
}

fn listen(runtime: &Runtime, address: SocketAddr) -> Result<TcpListener> {
    runtime.block_on(TcpListener::bind(address)).map_err(|error| {
        let in_use = error.kind() == std::io::ErrorKind::AddrInUse;
        let error = Error::io(format!("listen on {address}"), &error);
        if in_use { error.hint("choose another port with --listen 127.0.0.1:5443") } else { error }
    })
}

fn banner(address: SocketAddr, data: Option<&Path>, loaded: Option<&str>, who: &str) -> String {
    let store = data
        .map_or("in memory, gone when this stops".to_owned(), |data| data.display().to_string());
    let loaded = loaded.map(|loaded| format!("  loaded      {loaded}\n")).unwrap_or_default();
    format!(
        "\nselfsame {} is ready\n{loaded}  store       {store}\n  \
         PostgreSQL  {address} ({who})\n\n\
         connect:      psql -h {} -p {} -U {USER}\n\
         first query:  SELECT * FROM profiles LIMIT 5;\n\
         stop:         Ctrl-C\n\n",
        env!("CARGO_PKG_VERSION"),
        address.ip(),
        address.port()
    )
}

#[cfg(test)]
mod tests {
    use super::banner;

    #[test]
    fn the_banner_tells_how_to_connect() {
        let address = "[::1]:77".parse().unwrap();
        let text = banner(address, None, Some("much"), "any user");
        for line in [
            "  loaded      much",
            "  store       in memory, gone when this stops",
            "  PostgreSQL  [::1]:77 (any user)",
            "connect:      psql -h ::1 -p 77 -U selfsame",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }
}
