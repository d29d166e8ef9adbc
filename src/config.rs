//! The command line: from what was typed to a checked [`Config`], in two steps.
//!
//! Low: `typed` collects what was said of each setting of `setting::ALL`, by a flag, else by an
//! environment variable, else in the configuration file, as text with its origin. High: [`Config`] and
//! [`Command`], whose types can be trusted from then on. Only `main` calls this, and hands in the
//! environment and the files, so that nothing here reads either; `server` gets the result.

mod setting;
#[cfg(test)]
mod tests;
mod typed;
mod value;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;

use crate::config::setting::Subcommand;
use crate::config::typed::Typed;
use crate::demo::{Company, PEOPLE_DEFAULT, PEOPLE_MAX, SEED_DEFAULT};
use crate::env::objects::disk::CACHE_BYTES_DEFAULT;
use crate::error::{Error, Result, SqlState};
use crate::model::access::{AuditLevel, Authentication};

/// Where the server listens unless told otherwise.
pub const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5442);

/// Where the server listens for HTTP unless told otherwise.
pub const HTTP_LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8442);

/// What is logged unless told otherwise.
pub const LOG_DEFAULT: &str = "warn,selfsame=info";

/// Connections at a time unless told otherwise, as in PostgreSQL.
pub const CONNECTIONS_MAX_DEFAULT: u64 = 100;

/// The most connections that can be asked for: each may hold a thread's worth of query state.
pub const CONNECTIONS_MAX_MAX: u64 = 10_000;

/// Memory for queries and caches unless told otherwise: leaves half of a small machine to the rest.
pub const MEMORY_LIMIT_DEFAULT_BYTES: u64 = 2 << 30;

/// The least memory limit: under it, sorting one batch a thread would already fail.
pub const MEMORY_LIMIT_MIN_BYTES: u64 = 64 << 20;

/// How long running statements may go on when the server is to stop, unless told otherwise: less than an
/// orchestrator waits before it kills.
pub const SHUTDOWN_GRACE_DEFAULT: Duration = Duration::from_secs(10);

/// The longest that can be asked for: a day, beyond which nobody means it.
pub const SHUTDOWN_GRACE_MAX_SECONDS: u64 = 24 * 3600;
/// How often a follower looks for news unless told otherwise.
pub const FOLLOW_POLL_DEFAULT: Duration = Duration::from_secs(1);

/// The shortest poll interval: each poll is two requests.
pub const FOLLOW_POLL_MIN: Duration = Duration::from_millis(10);

/// The longest: files that a follower may still need are kept for a quarter of an hour.
pub const FOLLOW_POLL_MAX: Duration = Duration::from_secs(300);

/// The longest that a commit may wait for others: beyond, clients take the server for dead.
pub const COMMIT_WINDOW_MAX: Duration = Duration::from_secs(10);

/// The least disk for copies of objects: a segment or two.
pub const OBJECT_CACHE_MIN_BYTES: u64 = 64 << 20;
/// The variable with the password that the bootstrap role shall have.
pub const PASSWORD_VARIABLE: &str = "SELFSAME_PASSWORD";

/// The configuration file that is read if it is there.
pub const FILE_DEFAULT: &str = "selfsame.toml";

/// The settings, checked and with their defaults applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Folder of the store, or its location in object storage as it was typed; `None`: in memory, or for
    /// `demo` a temporary folder.
    pub data: Option<PathBuf>,
    /// Where to listen for PostgreSQL clients.
    pub listen: SocketAddr,
    /// Where to listen for HTTP; a loopback address.
    pub http: HttpListen,
    /// The file of the tokens that HTTP clients must bear.
    pub http_token_file: Option<PathBuf>,
    /// More such tokens.
    pub http_tokens: Option<Secret>,
    /// How long running statements may go on when the server is to stop.
    pub shutdown_grace: Duration,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Which log lines are wanted: a filter such as `info,selfsame::engine=debug`.
    pub log: String,
    /// Folders that `COPY ... FROM 'path'` may read.
    pub copy_directories: Vec<PathBuf>,
    /// Folders that `BACKUP TO 'path'` may write.
    pub backup_directories: Vec<PathBuf>,
    /// Connections at a time.
    pub connections_max: usize,
    /// Memory for queries and caches.
    pub memory_limit_bytes: u64,
    /// Read only what another server writes, and look for news so often.
    pub follow: Option<Duration>,
    /// Whether to take a store in object storage from a writer that lives.
    pub take_over: bool,
    /// How long a commit waits for others; `None`: as the kind of store has it.
    pub commit_window: Option<Duration>,
    /// Local disk for copies of what is in object storage.
    pub object_cache_bytes: u64,
    /// Where these are; `None`: where the system has temporary files.
    pub object_cache_directory: Option<PathBuf>,
    /// Files of the certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Whom to ask for a password.
    pub authentication: Authentication,
    /// The password that the bootstrap role shall have.
    pub password: Option<Secret>,
    /// Whether to listen where other machines come in unasked or are listened to.
    pub insecure_listen: bool,
    /// What the audit log has.
    pub audit: AuditLevel,
}

/// Where to listen for HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpListen {
    /// Nowhere.
    Off,
    /// There if it is free: nobody asked for it.
    IfFree(SocketAddr),
    /// There.
    At(SocketAddr),
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line, for programs.
    Json,
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve a store.
    Serve,
    /// Serve a sample company.
    Demo(Company),
    /// Write the files of a sample company into a folder, and serve nothing.
    WriteDemo {
        /// The company.
        company: Company,
        /// The folder.
        directory: PathBuf,
    },
    /// Run statements without a server.
    Sql {
        /// The statements; `None`: they come on standard input.
        statement: Option<String>,
    },
    /// Load files without a server.
    Ingest {
        /// The dataset.
        dataset: String,
        /// The files, in order.
        files: Vec<PathBuf>,
    },
    /// Verify a store.
    Check {
        /// Whether derived state is computed from all rows and compared.
        deep: bool,
    },
    /// Copy a store.
    Backup {
        /// The folder of backups.
        folder: PathBuf,
        /// How many backups stay; `None`: all.
        kept: Option<usize>,
    },
    /// Show the backups of a folder.
    ListBackups {
        /// The folder of backups.
        folder: PathBuf,
    },
    /// Make a store of a backup.
    Restore {
        /// The folder of backups.
        folder: PathBuf,
        /// Which one; `None`: the newest.
        number: Option<u64>,
    },
}

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Help or the version, to be printed.
    Print(String),
    /// A command, to be run.
    Run(Command, Box<Config>),
}

/// The outside world, as far as settings come from it.
pub struct Outside<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The text of a file.
    pub file: &'a dyn Fn(&Path) -> std::io::Result<String>,
}

/// Reads a command line, the program's name first.
///
/// # Errors
/// `42601` if it cannot be understood, `22023` for a setting that has a value it may not have, wherever
/// it was given, `0A000` for one that a later version may have, `58P01` if the file named is not there.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    outside: &Outside<'_>,
) -> Result<Invocation> {
    let matches = match setting::command_line().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Invocation::Print(error.to_string())),
        Err(error) => return Err(misunderstood(&error)),
    };
    let (name, of_command) = matches.subcommand().expect("clap demands a subcommand");
    let subcommand = Subcommand::named(name).expect("clap knows our subcommands only");
    let typed = typed::collect(subcommand, &matches, of_command, outside)?;
    let config = config(&typed, outside)?;
    let command = command(subcommand, of_command, &typed, &config)?;
    Ok(Invocation::Run(command, Box::new(config)))
}

/// What clap says, without the word before it, which whoever prints it adds.
fn misunderstood(error: &clap::Error) -> Error {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let (message, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let error = Error::new(SqlState::SYNTAX_ERROR, message.trim_end());
    if rest.is_empty() { error } else { error.hint(rest.trim()) }
}

fn config(typed: &Typed, outside: &Outside<'_>) -> Result<Config> {
    let copy_directories = typed.paths("copy_directories")?;
    Ok(Config {
        data: typed.one("data", value::data_directory)?,
        listen: typed.one("listen", value::address)?.unwrap_or(LISTEN_DEFAULT),
        http: typed
            .one("http_listen", value::http_listen)?
            .unwrap_or(HttpListen::IfFree(HTTP_LISTEN_DEFAULT)),
        http_token_file: typed.one("http_token_file", value::file)?,
        http_tokens: typed.secret("http_tokens")?.map(Secret),
        shutdown_grace: typed
            .one("shutdown_grace", |text| value::number(text, 0..=SHUTDOWN_GRACE_MAX_SECONDS))?
            .map_or(SHUTDOWN_GRACE_DEFAULT, Duration::from_secs),
        log_format: typed.one("log_format", value::log_format)?.unwrap_or(LogFormat::Text),
        log: typed.one("log", value::log_filter)?.unwrap_or_else(|| LOG_DEFAULT.to_owned()),
        copy_directories: copy_directories.unwrap_or_else(|| vec![PathBuf::from(".")]),
        backup_directories: typed.paths("backup_directories")?.unwrap_or_default(),
        connections_max: typed
            .one("connections_max", |text| value::number(text, 1..=CONNECTIONS_MAX_MAX))?
            .unwrap_or(CONNECTIONS_MAX_DEFAULT) as usize,
        memory_limit_bytes: typed
            .one("memory_limit", |text| value::bytes(text, MEMORY_LIMIT_MIN_BYTES))?
            .unwrap_or(MEMORY_LIMIT_DEFAULT_BYTES),
        follow: follow(typed)?,
        take_over: typed.one("take_over", value::switch)?.unwrap_or(false),
        commit_window: typed.one("commit_window", |text| {
            value::duration(text, Duration::ZERO..=COMMIT_WINDOW_MAX)
        })?,
        object_cache_bytes: typed
            .one("object_cache", |text| value::bytes(text, OBJECT_CACHE_MIN_BYTES))?
            .unwrap_or(CACHE_BYTES_DEFAULT),
        object_cache_directory: typed.one("object_cache_directory", value::local_directory)?,
        certificate: certificate(typed)?,
        authentication: typed.one("authentication", value::authentication)?.unwrap_or_default(),
        password: password(typed, outside)?,
        insecure_listen: typed.one("insecure_listen", value::switch)?.unwrap_or(false),
        audit: typed.one("audit", value::audit_level)?.unwrap_or_default(),
    })
}

fn follow(typed: &Typed) -> Result<Option<Duration>> {
    let poll = typed
        .one("follow_poll", |text| value::duration(text, FOLLOW_POLL_MIN..=FOLLOW_POLL_MAX))?;
    let follow = typed.one("follow", value::switch)?.unwrap_or(false);
    Ok(follow.then(|| poll.unwrap_or(FOLLOW_POLL_DEFAULT)))
}

fn certificate(typed: &Typed) -> Result<Option<(PathBuf, PathBuf)>> {
    let file = |key| typed.one(key, value::file);
    match (file("ssl_cert_file")?, file("ssl_key_file")?) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        (given, _) => {
            let (given, missing) = match given {
                Some(_) => ("ssl_cert_file", "ssl_key_file"),
                None => ("ssl_key_file", "ssl_cert_file"),
            };
            let message = format!("{given} is set, and {missing} is not: TLS needs both");
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
        }
    }
}

/// The first password comes from a variable or a file, so that no list of processes shows it.
fn password(typed: &Typed, outside: &Outside<'_>) -> Result<Option<Secret>> {
    let variable = (outside.variable)(PASSWORD_VARIABLE).filter(|text| !text.is_empty());
    if let Some(text) = variable {
        let text = text.into_string().map_err(|_| {
            let message = format!("{PASSWORD_VARIABLE} is no valid UTF-8");
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
        })?;
        return Ok(Some(Secret(text)));
    }
    let Some(path) = typed.one("password_file", value::file)? else { return Ok(None) };
    let text = (outside.file)(&path)
        .map_err(|error| Error::io(format!("read password_file \"{}\"", path.display()), &error))?;
    Ok(Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned())))
}

fn command(
    subcommand: Subcommand,
    matches: &ArgMatches,
    typed: &Typed,
    config: &Config,
) -> Result<Command> {
    Ok(match subcommand {
        Subcommand::Serve if config.follow.is_some() && config.data.is_none() => {
            let message = "a follower needs the store of another server";
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint(
                "name it with --data, SELFSAME_DATA, or \"data\" in the configuration file",
            ));
        }
        Subcommand::Serve => Command::Serve,
        Subcommand::Demo => {
            let company = company(typed)?;
            match matches.get_one::<PathBuf>(setting::WRITE) {
                Some(directory) => Command::WriteDemo { company, directory: directory.clone() },
                None => Command::Demo(company),
            }
        }
        Subcommand::Sql => {
            Command::Sql { statement: matches.get_one::<String>(setting::STATEMENT).cloned() }
        }
        Subcommand::Backup if matches.get_flag(setting::LIST) => {
            Command::ListBackups { folder: folder(matches) }
        }
        Subcommand::Ingest | Subcommand::Check | Subcommand::Backup | Subcommand::Restore
            if config.data.is_none() =>
        {
            let (name, _, _) = Subcommand::ALL
                .iter()
                .find(|(_, known, _)| *known == subcommand)
                .expect("every subcommand is in the list");
            let message = format!("{name} needs the folder of a store");
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint(
                "name it with --data, SELFSAME_DATA, or \"data\" in the configuration file",
            ));
        }
        Subcommand::Check => Command::Check { deep: matches.get_flag(setting::DEEP) },
        Subcommand::Backup => Command::Backup {
            folder: folder(matches),
            kept: matches.get_one::<u32>(setting::KEEP).map(|kept| *kept as usize),
        },
        Subcommand::Restore => Command::Restore {
            folder: folder(matches),
            number: matches.get_one::<u64>(setting::BACKUP).copied(),
        },
        Subcommand::Ingest => Command::Ingest {
            dataset: matches.get_one::<String>(setting::DATASET).expect("is required").clone(),
            files: matches.get_many(setting::FILES).expect("is required").cloned().collect(),
        },
    })
}

fn folder(matches: &ArgMatches) -> PathBuf {
    matches.get_one::<PathBuf>(setting::FOLDER).expect("is required").clone()
}

fn company(typed: &Typed) -> Result<Company> {
    let people = typed.one("people", |text| value::number(text, 1..=PEOPLE_MAX))?;
    let seed = typed.one("seed", |text| value::number(text, 0..=u64::MAX))?;
    Ok(Company { people: people.unwrap_or(PEOPLE_DEFAULT), seed: seed.unwrap_or(SEED_DEFAULT) })
}
