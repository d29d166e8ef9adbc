//! The process: builds what was asked for out of the layers below, and takes it down in order.
//!
//! Two runtimes: one accepts connections and speaks the protocol; the other, which belongs to
//! `query::session`, plans and runs on threads with big stacks, so that a heavy report delays no
//! log-in. At the end the listener stops first, then sessions, then the engine, which flushes its log.
//! `sample` is for `demo`, `console` for what needs no server, `upkeep` for `check`, `backup` and `restore`.

mod access;
mod console;
mod http;
mod logging;
mod sample;
mod terminal;
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
use crate::engine::replication::Role;
use crate::engine::{Database, Options, Upkeep};
use crate::env::host::host_name;
use crate::env::objects::disk::{ObjectOptions, cache_directory};
use crate::env::objects::location::Location;
use crate::env::progress::Progress;
use crate::error::{Error, Result};
use crate::query::session::{Server, Settings};
use crate::server::http::Http;
use crate::server::sample::TemporaryFolder;
use crate::server::terminal::Shown;
use crate::wire::Door;

pub use crate::server::logging::start_logging;

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
            let database = open(config, &Progress::default())?;
            let each = |path: &std::path::PathBuf| console::ingest(&database, dataset, path);
            let loaded = files.iter().try_for_each(each);
            loaded.and(database.close())
        }
        Command::Check { deep } => upkeep::check(store(config)?, *deep),
        Command::Backup { folder, kept } => {
            let database = open(config, &Progress::default())?;
            let taken = upkeep::backup(&database, folder, *kept);
            taken.and(database.close())
        }
        Command::ListBackups { folder } => upkeep::list(folder),
        Command::Restore { folder, number } => upkeep::restore(folder, store(config)?, *number),
    }
}

/// Opens the store. Half of the memory is for what the engine caches, half for queries.
/// It may take a while; `progress` tells how far it is, and the terminal shows it.
fn open(config: &Config, progress: &Progress) -> Result<Arc<Database>> {
    let cache_bytes = config.memory_limit_bytes / 2;
    let shown = progress.clone();
    let _shown = Shown::begin(move || shown.standing());
    let progress = progress.clone();
    let options = located(config)?;
    let commit_window = config.commit_window.unwrap_or(options.commit_window);
    let follow = config.follow;
    crate::query::open(Options { cache_bytes, progress, commit_window, follow, ..options })
}

/// The folder of the store, where a command cannot do without.
fn store(config: &Config) -> Result<&Path> {
    let missing = || Error::internal("a command was let through without the folder of a store");
    config.data.as_deref().ok_or_else(missing)
}

/// Where the store is.
fn located(config: &Config) -> Result<Options> {
    let location = config.data.as_deref().and_then(Path::to_str);
    let Some(location) = location.filter(|text| Location::is_meant(text)) else {
        return match (&config.data, config.follow) {
            (Some(path), Some(_)) => Options::followed_folder(path),
            _ => Options::at(config.data.as_ref()),
        };
    };
    let options = ObjectOptions {
        name: format!("{} at {}", host_name(), config.listen),
        cache_directory: cache_directory(config.object_cache_directory.as_deref()),
        cache_bytes: config.object_cache_bytes,
        follow: config.follow.is_some(),
        take_over: config.take_over,
        ..ObjectOptions::default()
    };
    Options::objects(&Location::parse(location)?, options)
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
    let database = open(config, &Progress::default())?;
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
    http: Http,
    signals: [Signal; 2],
    /// Turned to stop taking work, and to cut off what still runs.
    switches: [watch::Sender<bool>; 2],
    database: Arc<Database>,
    server: Arc<Server>,
    door: Door,
    /// A store that another process writes has none.
    upkeep: Option<Upkeep>,
}

impl Running {
    /// Takes the ports before the store, as that is what most often fails.
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
        let switches = [watch::Sender::new(false), watch::Sender::new(false)];
        let http =
            Http::start(&runtime, config, switches.each_ref().map(watch::Sender::subscribe))?;
        let progress = Progress::default();
        let told = progress.clone();
        http.web.tell_start(move || format!("the store is being opened: {}", told.standing()));
        let database = open(config, &progress)?;
        let server = sessions(&database, config);
        if let Err(error) = access::secure(config, &server) {
            return database.close().and(Err(error));
        }
        access::reload_when_told(&runtime, &server, certificates.clone())?;
        let door = access::door(config, &server, certificates);
        let is_follower = database.replication().role == Role::Follower;
        let upkeep = (!is_follower).then(|| database.start_upkeep()).transpose()?;
        Ok(Self { runtime, listener, http, signals, switches, database, server, door, upkeep })
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
        self.http.web.open(Arc::clone(&self.server));
        let who = match self.server.is_superuser(ANYBODY) {
            true => "any user, any database, no password",
            false => "roles of this store, any database",
        };
        let told = Told {
            http: self.http.address,
            data,
            loaded,
            follows: self.database.replication().role == Role::Follower,
            who,
        };
        let text = self.listener.local_addr().map(|address| banner(address, &told));
        let text = text.unwrap_or_default();
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            tracing::warn!(%error, "could not print how to connect");
        }
    }

    /// Serves until a signal comes; then running statements may end, until the time is up or a second
    /// signal comes; then everything is taken down.
    fn finish(self, config: &Config) -> Result<()> {
        let Self { runtime, listener, http, signals, switches, database, server, door, upkeep } =
            self;
        let [mut interrupt, mut terminate] = signals;
        let [stop, cut] = switches;
        let switches = [stop.subscribe(), cut.subscribe()];
        let mut serving = runtime.spawn(crate::wire::serve_at(door, listener, server, switches));
        let web = http.web.clone();
        let served = runtime.block_on(async {
            tokio::select! {
                ended = &mut serving => return ended,
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping; running statements may end, a second signal cuts them off");
            web.stop();
            stop.send_replace(true);
            let both = async { tokio::join!(&mut serving, http.end()) };
            tokio::pin!(both);
            let (served, http) = tokio::select! {
                ended = &mut both => ended,
                () = cut_off(&cut, config.shutdown_grace, [&mut interrupt, &mut terminate]) => both.await,
            };
            if let Err(error) = http {
                tracing::warn!(%error, "HTTP ended badly");
            }
            served
        });
        let served = served.unwrap_or_else(|error| Err(Error::internal(error.to_string())));
        drop(upkeep);
        served.and(database.close())
    }
}

/// Waits for the time to be up, or for another signal, and cuts off what still runs.
async fn cut_off(
    cut: &watch::Sender<bool>,
    grace: std::time::Duration,
    [interrupt, terminate]: [&mut Signal; 2],
) {
    tokio::select! {
        () = tokio::time::sleep(grace) => tracing::warn!("the time to stop is up"),
        _ = interrupt.recv() => tracing::warn!("a second signal"),
        _ = terminate.recv() => tracing::warn!("a second signal"),
    }
    cut.send_replace(true);
}

fn listen(runtime: &Runtime, address: SocketAddr) -> Result<TcpListener> {
    runtime.block_on(TcpListener::bind(address)).map_err(|error| {
        let in_use = error.kind() == std::io::ErrorKind::AddrInUse;
        let error = Error::io(format!("listen on {address}"), &error);
        if in_use { error.hint("choose another port with --listen 127.0.0.1:5443") } else { error }
    })
}

/// What the banner tells besides the address.
struct Told<'a> {
    http: Option<SocketAddr>,
    data: Option<&'a Path>,
    loaded: Option<&'a str>,
    follows: bool,
    who: &'a str,
}

fn banner(address: SocketAddr, told: &Told<'_>) -> String {
    let Told { data, loaded, who, follows, .. } = *told;
    let http = told.http.map_or("off".to_owned(), |http| format!("http://{http}"));
    let store = data
        .map_or("in memory, gone when this stops".to_owned(), |data| data.display().to_string());
    let store = if follows { format!("{store} (for reading only, as a follower)") } else { store };
    let loaded = loaded.map(|loaded| format!("  loaded      {loaded}\n")).unwrap_or_default();
    format!(
        "\nselfsame {} is ready\n{loaded}  store       {store}\n  \
         PostgreSQL  {address} ({who})\n  \
         HTTP        {http}\n\n\
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
    use super::{Told, banner};

    #[test]
    fn the_banner_tells_how_to_connect() {
        let told = Told {
            http: "[::1]:78".parse().ok(),
            data: None,
            loaded: Some("much"),
            follows: false,
            who: "any user",
        };
        let text = banner("[::1]:77".parse().unwrap(), &told);
        for line in [
            "  loaded      much",
            "  store       in memory, gone when this stops",
            "  PostgreSQL  [::1]:77 (any user)",
            "  HTTP        http://[::1]:78",
            "connect:      psql -h ::1 -p 77 -U selfsame",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }
}
