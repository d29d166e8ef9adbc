//! The process: builds what was asked for out of the layers below, and takes it down in order.
//!
//! Two runtimes: one accepts connections and speaks the protocol; the other, which belongs to
//! `query::session`, plans and runs on threads with big stacks, so that a heavy report delays no
//! log-in. At the end the listener stops first, then sessions, then the engine, which flushes its log.
//! `sample` is for `demo`, `console` for what needs no server, `upkeep` for `check`, `backup` and `restore`.

mod console;
mod sample;
mod upkeep;

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
use crate::engine::{Database, Options, Upkeep};
use crate::error::{Error, Result};
use crate::query::session::{Server, Settings};
use crate::server::sample::TemporaryFolder;

/// The user that the printed command lines name; without authentication any will do.
const USER: &str = "selfsame";

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
        Command::Check { deep } => upkeep::check(store(config)?, *deep),
        Command::Backup { folder, kept } => {
            let database = open(config)?;
            let taken = upkeep::backup(&database, folder, *kept);
            taken.and(database.close())
        }
        Command::ListBackups { folder } => upkeep::list(folder),
        Command::Restore { folder, number } => upkeep::restore(folder, store(config)?, *number),
    }
}

/// Opens the store. Half of the memory is for what the engine caches, half for queries.
fn open(config: &Config) -> Result<Arc<Database>> {
    let cache_bytes = config.memory_limit_bytes / 2;
    crate::query::open(Options { cache_bytes, ..Options::at(config.data.as_ref())? })
}

/// The folder of the store, where a command cannot do without.
fn store(config: &Config) -> Result<&Path> {
    let missing = || Error::internal("a command was let through without the folder of a store");
    config.data.as_deref().ok_or_else(missing)
}

fn sessions(database: &Arc<Database>, config: &Config) -> Arc<Server> {
    let settings = Settings {
        copy_directories: config.copy_directories.clone(),
        backup_directories: config.backup_directories.clone(),
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
    running.finish(config)
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
    running.finish(&config)
}

/// Everything a server consists of, once the port is its own.
struct Running {
    runtime: Runtime,
    listener: TcpListener,
    signals: [Signal; 2],
    database: Arc<Database>,
    server: Arc<Server>,
    upkeep: Upkeep,
}

impl Running {
    /// Takes the port before the store, as that is what most often fails.
    fn start(config: &Config) -> Result<Self> {
        let runtime = runtime()?;
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
        let upkeep = database.start_upkeep()?;
        Ok(Self { runtime, listener, signals, database, server, upkeep })
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
        let text = address.map(|address| banner(address, data, loaded)).unwrap_or_default();
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            tracing::warn!(%error, "could not print how to connect");
        }
    }

    /// Serves until a signal comes, then takes everything down.
    fn finish(self, config: &Config) -> Result<()> {
        let Self { runtime, listener, signals, database, server, upkeep } = self;
        let [mut interrupt, mut terminate] = signals;
        let (stop, stopped) = watch::channel(false);
        let mut serving =
            runtime.spawn(crate::wire::serve(listener, server, config.connections_max, stopped));
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
        drop(upkeep);
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

fn banner(address: SocketAddr, data: Option<&Path>, loaded: Option<&str>) -> String {
    let store = data
        .map_or("in memory, gone when this stops".to_owned(), |data| data.display().to_string());
    let loaded = loaded.map(|loaded| format!("  loaded      {loaded}\n")).unwrap_or_default();
    format!(
        "\nselfsame {} is ready\n{loaded}  store       {store}\n  \
         PostgreSQL  {address} (any user, any database, no password)\n\n\
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
        let text = banner("[::1]:77".parse().unwrap(), None, Some("much"));
        for line in [
            "  loaded      much",
            "  store       in memory, gone when this stops",
            "  PostgreSQL  [::1]:77 (any user, any database, no password)",
            "connect:      psql -h ::1 -p 77 -U selfsame",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }
}
