//! Configuration: what was typed, and what it means.
//!
//! [`Arguments`] is the command line as clap reads it, environment variables included; [`Config`] is
//! checked and complete. A flag beats the environment, which beats the file. Nothing here acts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use serde::Deserialize;

use crate::env::disk::open_for_reading;
use crate::error::{Error, Result, SqlState};

/// Where the server listens unless told otherwise.
pub const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5442);

/// Connections at a time unless told otherwise.
pub const CONNECTIONS_DEFAULT: usize = 200;

/// People of the sample company unless told otherwise.
pub const PEOPLE_DEFAULT: u64 = 10_000;

/// The file that is read if it is there and no other is named.
pub const FILE_DEFAULT: &str = "selfsame.toml";

/// Rows about people, from any number of sources, as one live row per person, in SQL.
#[derive(Debug, Parser)]
#[command(name = "selfsame", version, about, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Settings file [default: selfsame.toml, if it is there].
    #[arg(long, global = true, env = "SELFSAME_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to log: error, warn, info, debug, or module=level, ...
    #[arg(long, global = true, env = "SELFSAME_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a store over the PostgreSQL protocol.
    Serve {
        /// Settings of the server.
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Serve a sample company, made here and loaded as a user would.
    Demo {
        /// Settings of the server; without --data the store is in a temporary folder.
        #[command(flatten)]
        server: ServerArguments,
        /// People of the company, about ten rows each.
        #[arg(long, env = "SELFSAME_PEOPLE", default_value_t = PEOPLE_DEFAULT)]
        people: u64,
        /// Which company: the same number gives the same one.
        #[arg(long, env = "SELFSAME_SEED", default_value_t = 1)]
        seed: u64,
        /// Only write the company's files into this folder, and stop.
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
    /// Run statements without a server: those given, or those of standard input.
    Sql {
        /// Where the store is; without it, in memory.
        #[command(flatten)]
        server: ServerArguments,
        /// The statements.
        statements: Option<String>,
    },
}

/// Settings of a server.
#[derive(Debug, Default, Args)]
pub struct ServerArguments {
    /// Folder of the store.
    #[arg(long, env = "SELFSAME_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:5442].
    #[arg(long, env = "SELFSAME_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Connections at a time [default: 200].
    #[arg(long, env = "SELFSAME_CONNECTIONS_MAX", value_name = "N")]
    pub connections_max: Option<usize>,
    /// Memory that running queries may hold together, such as 512MB or 4GB.
    #[arg(long, env = "SELFSAME_MEMORY_LIMIT", value_name = "SIZE")]
    pub memory_limit: Option<String>,
    /// Folders whose files COPY may read [default: the current one].
    #[arg(long = "copy-directory", env = "SELFSAME_COPY_DIRECTORIES", value_delimiter = ':')]
    pub copy_directories: Vec<PathBuf>,
}

/// The settings file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    connections_max: Option<usize>,
    memory_limit: Option<String>,
    copy_directories: Option<Vec<PathBuf>>,
}

/// Settings of a server, checked and complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Folder of the store; `None`: in memory.
    pub data: Option<PathBuf>,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Connections at a time.
    pub connections_max: usize,
    /// Bytes that running queries may hold together.
    pub memory_limit: Option<usize>,
    /// Folders whose files COPY may read.
    pub copy_directories: Vec<PathBuf>,
}

impl Config {
    /// Reads the file and puts everything together.
    ///
    /// # Errors
    /// `22023` names the setting that is wrong and why.
    pub fn new(arguments: &ServerArguments, file: Option<&Path>) -> Result<Self> {
        Self::combine(arguments, read_file(file)?)
    }

    fn combine(arguments: &ServerArguments, file: File) -> Result<Self> {
        let listen = arguments.listen.or(file.listen).unwrap_or(LISTEN_DEFAULT);
        if !listen.ip().is_loopback() {
            let message = format!("cannot listen on {listen}: only loopback addresses are allowed");
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("this version has no passwords and no TLS; use a tunnel"));
        }
        let connections_max =
            arguments.connections_max.or(file.connections_max).unwrap_or(CONNECTIONS_DEFAULT);
        if connections_max == 0 {
            return Err(invalid("connections_max must be at least 1"));
        }
        let memory_limit = arguments.memory_limit.as_ref().or(file.memory_limit.as_ref());
        let copy_directories = match (&arguments.copy_directories, file.copy_directories) {
            (given, _) if !given.is_empty() => given.clone(),
            (_, Some(given)) => given,
            _ => vec![PathBuf::from(".")],
        };
        Ok(Self {
            data: arguments.data.clone().or(file.data),
            listen,
            connections_max,
            memory_limit: memory_limit.map(|text| bytes(text)).transpose()?,
            copy_directories,
        })
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn read_file(path: Option<&Path>) -> Result<File> {
    let named = path.is_some();
    let path = path.unwrap_or(Path::new(FILE_DEFAULT));
    let mut file = match open_for_reading(path) {
        Ok(file) => file,
        Err(error) if !named && error.code() == SqlState::UNDEFINED_FILE => {
            return Ok(File::default());
        }
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    std::io::Read::read_to_string(&mut file, &mut text)
        .map_err(|error| Error::io(format!("read \"{}\"", path.display()), &error))?;
    parse_file(&text).map_err(|error| {
        let detail = error.message().to_owned();
        invalid(format!("settings file \"{}\" is wrong", path.display())).detail(detail)
    })
}

fn parse_file(text: &str) -> Result<File> {
    toml::from_str(text).map_err(|error| invalid(error.message()))
}

/// A size in bytes: a number with an optional unit.
fn bytes(text: &str) -> Result<usize> {
    const UNITS: &[(&str, usize)] =
        &[("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30), ("tb", 1 << 40), ("b", 1), ("", 1)];
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|one: char| !one.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let factor = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| factor);
    let size = number.parse::<usize>().ok().zip(factor).and_then(|(n, f)| n.checked_mul(*f));
    size.filter(|size| *size > 0).ok_or_else(|| {
        invalid(format!("\"{text}\" is not a size")).hint("write 512MB, 4GB or a number of bytes")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &ServerArguments, file: &str) -> std::result::Result<Config, String> {
        let file = parse_file(file).map_err(|error| error.message().to_owned())?;
        Config::combine(arguments, file).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn flags_beat_the_file_which_beats_defaults() {
        let none = ServerArguments::default();
        let config = check(&none, "").unwrap();
        assert_eq!((config.listen, config.connections_max), (LISTEN_DEFAULT, CONNECTIONS_DEFAULT));
        let file = "listen = \"127.0.0.1:7\"\nmemory_limit = \"2 GB\"\ndata = \"d\"";
        let config = check(&none, file).unwrap();
        assert_eq!((config.listen.port(), config.memory_limit), (7, Some(2 << 30)));
        let flags = ServerArguments { listen: "[::1]:8".parse().ok(), ..none };
        assert_eq!(check(&flags, file).unwrap().listen.port(), 8);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let none = ServerArguments::default();
        let error = |file: &str| check(&none, file).unwrap_err();
        assert!(error("lissten = 1").contains("lissten"));
        assert!(error("memory_limit = \"much\"").contains("\"much\" is not a size"));
        assert!(error("connections_max = 0").contains("connections_max"));
        assert!(error("listen = \"0.0.0.0:5442\"").contains("only loopback"));
    }

    #[test]
    fn the_command_line_is_consistent() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }
}
