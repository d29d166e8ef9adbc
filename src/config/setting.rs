//! Every setting and subcommand, once: flags, variables, keys and help all come from here.
//!
//! A setting `memory_limit` is the flag `--memory-limit`, the variable `SELFSAME_MEMORY_LIMIT` and the
//! key `memory_limit` of the configuration file. To add one, add it to [`ALL`] and to `Config`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, value_parser};

/// The argument of `demo` that writes files instead of serving them.
pub(crate) const WRITE: &str = "write";

/// The argument of `sql`.
pub(crate) const STATEMENT: &str = "statement";

/// The first argument of `ingest`.
pub(crate) const DATASET: &str = "dataset";

/// The other arguments of `ingest`.
pub(crate) const FILES: &str = "files";

/// The argument of `check` that has everything computed anew.
pub(crate) const DEEP: &str = "deep";

/// The argument of `backup` and `restore` that names the folder of backups.
pub(crate) const FOLDER: &str = "folder";

/// The argument of `backup` that says how many backups stay.
pub(crate) const KEEP: &str = "keep";

/// The argument of `backup` that shows backups instead of taking one.
pub(crate) const LIST: &str = "list";

/// The argument of `restore` that names a backup.
pub(crate) const BACKUP: &str = "backup";

/// The flag that names the configuration file; it cannot be a key of that file.
pub(crate) const CONFIG: &str = "config";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subcommand {
    Serve,
    Demo,
    Sql,
    Ingest,
    Check,
    Backup,
    Restore,
}

use Subcommand::{Backup, Check, Demo, Ingest, Restore, Serve, Sql};

impl Subcommand {
    pub(crate) const ALL: &[(&str, Subcommand, &str)] = &[
        ("serve", Serve, "Serve a store to PostgreSQL clients"),
        ("demo", Demo, "Serve a sample company, to look around in"),
        ("sql", Sql, "Run statements without a server: one argument, or standard input"),
        ("ingest", Ingest, "Load files into a dataset of a store, without a server"),
        ("check", Check, "Verify a store that no server has open, and change nothing"),
        ("backup", Backup, "Copy a store that no server has open; a server does it with BACKUP TO"),
        ("restore", Restore, "Make a store of a backup, in an empty folder"),
    ];

    /// The subcommand of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, ..)| *known == name).map(|(_, subcommand, _)| *subcommand)
    }
}

/// One setting.
pub(crate) struct Setting {
    /// Its key; the variable follows from it.
    pub(crate) key: &'static str,
    /// Its flag: the key with hyphens.
    pub(crate) flag: &'static str,
    /// What its value is, for the help.
    value: &'static str,
    /// What it does, for the help.
    doc: &'static str,
    /// The subcommands that have it as a flag; file and environment may be shared by all.
    pub(crate) subcommands: &'static [Subcommand],
    /// Whether it is a list of paths: a repeated flag, an array, or separated as in `PATH`.
    pub(crate) list: bool,
}

/// All settings.
pub(crate) const ALL: &[Setting] = &[
    Setting {
        key: "data",
        flag: "data",
        value: "DIRECTORY",
        doc: "Folder of the store, or its place in object storage such as s3://bucket/prefix; without it everything is in memory, and gone at the end",
        subcommands: &[Serve, Demo, Sql, Ingest, Check, Backup, Restore],
        list: false,
    },
    Setting {
        key: "listen",
        flag: "listen",
        value: "ADDRESS:PORT",
        doc: "Where to listen for PostgreSQL clients [default: 127.0.0.1:5442]",
        subcommands: &[Serve, Demo],
        list: false,
    },
    Setting {
        key: "connections_max",
        flag: "connections-max",
        value: "NUMBER",
        doc: "Connections at a time [default: 100]",
        subcommands: &[Serve, Demo],
        list: false,
    },
    Setting {
        key: "copy_directories",
        flag: "copy-directories",
        value: "DIRECTORY",
        doc: "Folder that COPY ... FROM 'path' may read, also s3://bucket/folder, can be repeated [default: the current one]",
        subcommands: &[Serve, Demo, Sql],
        list: true,
    },
    Setting {
        key: "backup_directories",
        flag: "backup-directories",
        value: "DIRECTORY",
        doc: "Folder that BACKUP TO 'path' may write, can be repeated [default: none]",
        subcommands: &[Serve, Demo, Sql],
        list: true,
    },
    Setting {
        key: "memory_limit",
        flag: "memory-limit",
        value: "SIZE",
        doc: "Memory for queries and caches, such as 512MB or 8GB [default: 2GB]",
        subcommands: &[Serve, Demo, Sql, Ingest, Check, Backup],
        list: false,
    },
    Setting {
        key: "ssl_cert_file",
        flag: "ssl-cert-file",
        value: "FILE",
        doc: "Certificate for TLS, with those that lead to its root behind it, as PEM",
        subcommands: &[Serve, Demo],
        list: false,
    },
    Setting {
        key: "ssl_key_file",
        flag: "ssl-key-file",
        value: "FILE",
        doc: "Private key of the certificate, as PEM (PKCS#8, PKCS#1 or SEC1)",
        subcommands: &[Serve, Demo],
        list: false,
    },
    Setting {
        key: "authentication",
        flag: "authentication",
        value: "WHOM",
        doc: "Whom to ask for a password: scram (everybody), trust (nobody), auto (from this machine only roles that have one) [default: auto]",
        subcommands: &[Serve, Demo],
        list: false,
    },
    Setting {
        key: "password_file",
        flag: "password-file",
        value: "FILE",
        doc: "File with the password that the superuser shall have; or set SELFSAME_PASSWORD",
        subcommands: &[Serve, Demo],
        list: false,
    },
    Setting {
        key: "insecure_listen",
        flag: "insecure-listen",
        value: SWITCH,
        doc: "Listen where other machines can reach it even without TLS or password",
        subcommands: &[Serve, Demo],
        list: false,
    },
    Setting {
        key: "audit",
        flag: "audit",
        value: "WHAT",
        doc: "What the audit log has: none, write, all [default: write]",
        subcommands: &[Serve, Demo],
        list: false,
    },
    Setting {
        key: "people",
        flag: "people",
        value: "NUMBER",
        doc: "People in the sample company, about 10 rows each [default: 10000]",
        subcommands: &[Demo],
        list: false,
    },
    Setting {
        key: "seed",
        flag: "seed",
        value: "NUMBER",
        doc: "What all chance in the sample follows from [default: 1]",
        subcommands: &[Demo],
        list: false,
    },
    Setting {
        key: "http_listen",
        flag: "http-listen",
        value: "ADDRESS:PORT",
        doc: "Where to listen for HTTP, on this machine only, or off [default: 127.0.0.1:8442]",
        subcommands: &[Serve, Demo],
        list: false,
    },
    Setting {
        key: "http_token_file",
        flag: "http-token-file",
        value: "FILE",
        doc: "Tokens that HTTP clients must bear, one a line; also in SELFSAME_HTTP_TOKENS; without any all are let in",
        subcommands: &[Serve, Demo],
        list: false,
    },
    Setting {
        key: "http_tokens",
        flag: "http-tokens",
        value: "TOKENS",
        doc: "The same tokens, between commas; no flag, as other users of the machine could see it",
        subcommands: &[],
        list: false,
    },
    Setting {
        key: "shutdown_grace",
        flag: "shutdown-grace",
        value: "SECONDS",
        doc: "How long running statements may go on when the server is to stop [default: 10]",
        subcommands: &[Serve, Demo],
        list: false,
    },
    Setting {
        key: "log_format",
        flag: "log-format",
        value: "FORMAT",
        doc: "How log lines are written: text or json [default: text]",
        subcommands: &[Serve, Demo, Sql, Ingest],
        list: false,
    },
    Setting {
        key: "log",
        flag: "log",
        value: "FILTER",
        doc: "Which log lines go to standard error, such as warn,selfsame=debug [default: warn,selfsame=info]",
        subcommands: &[Serve, Demo, Sql, Ingest, Check, Backup, Restore],
        list: false,
    },
    Setting {
        key: "follow",
        flag: "follow",
        value: SWITCH,
        doc: "Serve for reading only what another server writes to the same store",
        subcommands: &[Serve],
        list: false,
    },
    Setting {
        key: "follow_poll",
        flag: "follow-poll",
        value: "DURATION",
        doc: "How often a follower looks for news, such as 200ms or 5s [default: 1s]",
        subcommands: &[Serve],
        list: false,
    },
    Setting {
        key: "take_over",
        flag: "take-over",
        value: SWITCH,
        doc: "Take a store in object storage from the server that writes it, which becomes read-only",
        subcommands: &[Serve, Sql, Ingest],
        list: false,
    },
    Setting {
        key: "commit_window",
        flag: "commit-window",
        value: "DURATION",
        doc: "How long a commit waits for others to share one write with [default: 20ms in object storage, else 0]",
        subcommands: &[Serve, Demo],
        list: false,
    },
    Setting {
        key: "object_cache",
        flag: "object-cache",
        value: "SIZE",
        doc: "Local disk for copies of what is in object storage [default: 10GB]",
        subcommands: &[Serve, Demo, Sql, Ingest],
        list: false,
    },
    Setting {
        key: "object_cache_directory",
        flag: "object-cache-directory",
        value: "DIRECTORY",
        doc: "Folder for these copies [default: the system's for temporary files]",
        subcommands: &[Serve, Demo, Sql, Ingest],
        list: false,
    },
];

/// What is shown as the value of a setting that is on when it is named without one.
const SWITCH: &str = "true|false";

impl Setting {
    /// Whether it is on or off.
    pub(crate) fn is_switch(&self) -> bool {
        self.value == SWITCH
    }

    fn argument(&self) -> Arg {
        let action = if self.list { ArgAction::Append } else { ArgAction::Set };
        let argument = Arg::new(self.key)
            .long(self.flag)
            .value_name(self.value)
            .help(format!("{} [env: {}]", self.doc, variable(self.key)))
            .value_parser(value_parser!(OsString))
            .action(action);
        match self.is_switch() {
            true => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
            false => argument,
        }
    }
}

/// The environment variable of a setting.
pub(crate) fn variable(key: &str) -> String {
    format!("SELFSAME_{}", key.to_ascii_uppercase())
}

/// The command line as clap sees it.
pub(crate) fn command_line() -> clap::Command {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .help("Configuration file [default: selfsame.toml, if it is there] [env: SELFSAME_CONFIG]")
        .value_parser(value_parser!(PathBuf))
        .global(true);
    clap::Command::new("selfsame")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Rows about people, from any number of sources, as one live row per person, in SQL")
        .after_help("Flags beat environment variables, which beat the configuration file.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(config)
        .subcommands(Subcommand::ALL.iter().map(subcommand))
}

fn subcommand((name, of, doc): &(&'static str, Subcommand, &'static str)) -> clap::Command {
    let has = |setting: &&Setting| setting.subcommands.contains(of);
    let settings = ALL.iter().filter(has).map(Setting::argument);
    clap::Command::new(*name).about(*doc).args(settings).args(arguments(*of))
}

/// The arguments of a subcommand that are no settings.
fn arguments(of: Subcommand) -> Vec<Arg> {
    match of {
        Serve => vec![],
        Demo => vec![
            Arg::new(WRITE)
                .long(WRITE)
                .value_name("DIRECTORY")
                .help("Write the sample's files, definitions and tour into a folder, and serve nothing")
                .value_parser(value_parser!(PathBuf)),
        ],
        Sql => vec![Arg::new(STATEMENT).value_name("STATEMENT").help("What to run")],
        Ingest => vec![
            Arg::new(DATASET).value_name("DATASET").help("Where the rows go").required(true),
            Arg::new(FILES)
                .value_name("FILE")
                .help("Parquet, CSV, JSON, NDJSON or Arrow, also .gz and .zst")
                .value_parser(value_parser!(PathBuf))
                .action(ArgAction::Append)
                .num_args(1..)
                .required(true),
        ],
        Check => vec![
            Arg::new(DEEP)
                .long(DEEP)
                .help("Also compute graph, index and profiles from all rows, and compare")
                .action(ArgAction::SetTrue),
        ],
        Backup => vec![
            folder("Where backups are, or are to be"),
            Arg::new(KEEP)
                .long(KEEP)
                .value_name("NUMBER")
                .help("How many backups stay, this one included [default: all]")
                .value_parser(value_parser!(u32).range(1..)),
            Arg::new(LIST)
                .long(LIST)
                .help("Show the backups of the folder, and take none")
                .action(ArgAction::SetTrue),
        ],
        Restore => vec![
            folder("Where the backups are"),
            Arg::new(BACKUP)
                .long(BACKUP)
                .value_name("NUMBER")
                .help("Which backup [default: the newest]")
                .value_parser(value_parser!(u64)),
        ],
    }
}

fn folder(help: &'static str) -> Arg {
    let parser = value_parser!(PathBuf);
    Arg::new(FOLDER).value_name("DIRECTORY").help(help).value_parser(parser).required(true)
}
