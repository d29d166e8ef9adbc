//! Command lines in, configurations or complaints out.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{Error as IoError, ErrorKind};
use std::path::Path;
use std::time::Duration;

use crate::config::{Command, Config, Invocation, Outside, parse, setting};
use crate::error::Result;
use crate::model::access::{AuditLevel, Authentication};

/// Parses a command line with variables (`NAME=value`) before it, over one configuration file.
fn parsed(line: &str, file: Option<(&str, &str)>) -> Result<Invocation> {
    let (variables, arguments): (Vec<&str>, Vec<&str>) =
        line.split_whitespace().partition(|word| word.starts_with("SELFSAME_"));
    let pairs = variables.iter().map(|word| word.split_once('=').unwrap());
    let variables: HashMap<_, _> = pairs.collect();
    let read = |path: &Path| match file {
        Some((name, text)) if Path::new(name) == path => Ok(text.to_owned()),
        _ => Err(IoError::from(ErrorKind::NotFound)),
    };
    let arguments = ["selfsame"].iter().chain(&arguments).map(OsString::from);
    let variable = |name: &str| variables.get(name).map(OsString::from);
    parse(arguments, &Outside { variable: &variable, file: &read })
}

fn run(line: &str, file: Option<(&str, &str)>) -> (Command, Config) {
    match parsed(line, file) {
        Ok(Invocation::Run(command, config)) => (command, *config),
        other => panic!("{line}: {other:?}"),
    }
}

fn check(line: &str, toml: &str, expected: &str) {
    let (command, config) = run(line, Some(("selfsame.toml", toml)));
    let text = format!(
        "{command:?} data={:?} listen={} log={} copy={:?} connections={} memory={}",
        config.data,
        config.listen,
        config.log,
        config.copy_directories,
        config.connections_max,
        config.memory_limit_bytes
    );
    assert_eq!(text, expected, "{line}");
}

fn check_error(line: &str, toml: &str, expected: &str) {
    let error = parsed(line, Some(("selfsame.toml", toml))).unwrap_err();
    assert_eq!(format!("{} {}", error.code(), error.message()), expected, "{line}");
}

const DEFAULTS: &str = r#"data=None listen=127.0.0.1:5442 log=warn,selfsame=info copy=["."] connections=100 memory=2147483648"#;

#[test]
fn commands() {
    let company = |people, seed| format!("Company {{ people: {people}, seed: {seed} }}");
    check("serve", "", &format!("Serve {DEFAULTS}"));
    check("demo", "", &format!("Demo({}) {DEFAULTS}", company(10_000, 1)));
    check("demo --people 5 --seed 0", "", &format!("Demo({}) {DEFAULTS}", company(5, 0)));
    let written = format!("WriteDemo {{ company: {}, directory: \"out\" }}", company(10_000, 1));
    check("demo --write out", "", &format!("{written} {DEFAULTS}"));
    check("sql", "", &format!("Sql {{ statement: None }} {DEFAULTS}"));
    check("sql VACUUM", "", &format!("Sql {{ statement: Some(\"VACUUM\") }} {DEFAULTS}"));
    let commands = [
        ("check --data d", "Check { deep: false }"),
        ("check --data d --deep", "Check { deep: true }"),
        ("backup --data d b", "Backup { folder: \"b\", kept: None }"),
        ("backup --data d --keep 3 b", "Backup { folder: \"b\", kept: Some(3) }"),
        ("backup --list b", "ListBackups { folder: \"b\" }"),
        ("restore --data d b", "Restore { folder: \"b\", number: None }"),
        ("restore --data d --backup 2 b", "Restore { folder: \"b\", number: Some(2) }"),
    ];
    for (line, expected) in commands {
        assert_eq!(format!("{:?}", run(line, None).0), expected, "{line}");
    }
    let (command, config) = run("ingest --data d crm a.csv b.parquet", None);
    let files = ["a.csv".into(), "b.parquet".into()].into();
    assert_eq!(command, Command::Ingest { dataset: "crm".into(), files });
    assert_eq!(config.data.as_deref(), Some(Path::new("d")));
}

#[test]
fn flags_beat_the_environment_and_that_beats_the_file() {
    let toml = "listen = '127.0.0.1:3'\ndata = 'f'\nlog = 'error'\ncopy_directories = ['f', 'g']\n\
                connections_max = 3\nmemory_limit = '3GB'\npeople = 3\nseed = 3\n";
    let demo = |at| format!("Demo(Company {{ people: {at}, seed: {at} }})");
    check(
        "demo",
        toml,
        &format!(
            r#"{} data=Some("f") listen=127.0.0.1:3 log=error copy=["f", "g"] connections=3 memory=3221225472"#,
            demo(3)
        ),
    );
    let environment = "SELFSAME_LISTEN=[::1]:2 SELFSAME_DATA=e SELFSAME_LOG=warn \
        SELFSAME_COPY_DIRECTORIES=e:h SELFSAME_CONNECTIONS_MAX=2 SELFSAME_MEMORY_LIMIT=2gib \
        SELFSAME_PEOPLE=2 SELFSAME_SEED=2 demo";
    check(
        environment,
        toml,
        &format!(
            r#"{} data=Some("e") listen=[::1]:2 log=warn copy=["e", "h"] connections=2 memory=2147483648"#,
            demo(2)
        ),
    );
    let flags = "--listen localhost:1 --data a --log debug --copy-directories a \
        --copy-directories b --connections-max 1 --memory-limit 1GB --people 1 --seed 1";
    check(
        &format!("{environment} {flags}"),
        toml,
        &format!(
            r#"{} data=Some("a") listen=127.0.0.1:1 log=debug copy=["a", "b"] connections=1 memory=1073741824"#,
            demo(1)
        ),
    );
}

#[test]
fn http_is_asked_for_or_not() {
    let check = |line: &str, toml: &str, expected: &str| {
        let (_, config) = run(line, Some(("selfsame.toml", toml)));
        let tokens = config.http_tokens.as_ref().map(|tokens| tokens.expose().to_owned());
        let text = format!(
            "{:?} {:?} {tokens:?} {:?} {:?}",
            config.http, config.http_token_file, config.shutdown_grace, config.log_format
        );
        assert_eq!(text, expected, "{line}");
        assert!(!format!("{config:?}").contains("secret"));
    };
    check("serve", "", "IfFree(127.0.0.1:8442) None None 10s Text");
    check("serve --http-listen off", "http_listen = '[::1]:1'", "Off None None 10s Text");
    check(
        "SELFSAME_HTTP_TOKENS=secret,secret demo --http-token-file f --shutdown-grace 0",
        "http_listen = '[::1]:1'\nlog_format = 'json'",
        r#"At([::1]:1) Some("f") Some("secret,secret") 0ns Json"#,
    );
    check(
        "serve",
        "http_tokens = 'secret'",
        r#"IfFree(127.0.0.1:8442) None Some("secret") 10s Text"#,
    );
    check_error("serve --http-tokens x", "", "42601 unexpected argument '--http-tokens' found");
}

#[test]
fn empty_and_foreign_variables_say_nothing() {
    let line = "SELFSAME_LISTEN= SELFSAME_CONFIG= SELFSAME_SERVICE_PORT=80 serve";
    check(line, "", &format!("Serve {DEFAULTS}"));
}

#[test]
fn settings_of_other_commands_are_flags_of_theirs_only() {
    check(
        "sql",
        "listen = '127.0.0.1:3'",
        &format!("Sql {{ statement: None }} {}", DEFAULTS.replace("5442", "3")),
    );
    check_error("sql --listen 127.0.0.1:1", "", "42601 unexpected argument '--listen' found");
    check_error("serve --people 3", "", "42601 unexpected argument '--people' found");
}

#[test]
fn the_file_can_be_named() {
    let file = Some(("other.toml", "connections_max = 7"));
    for line in [
        "--config other.toml serve",
        "serve --config other.toml",
        "SELFSAME_CONFIG=other.toml serve",
    ] {
        assert_eq!(run(line, file).1.connections_max, 7, "{line}");
    }
    assert_eq!(run("serve", file).1.connections_max, 100);
    let error = parsed("--config none.toml serve", file).unwrap_err();
    assert_eq!(error.code().0, "58P01");
    assert!(error.message().starts_with("could not read configuration file \"none.toml\": "));
}

#[test]
fn wrong_values_name_their_place() {
    let size = "it is no size";
    for (line, toml, expected) in [
        ("serve --ssl-cert-file a.pem", "", "22023 ssl_cert_file is set, and ssl_key_file is not: TLS needs both".into()),
        ("serve --authentication md5", "", "22023 invalid value \"md5\" for --authentication: it is none of auto, trust, scram".into()),
        ("serve --insecure-listen=maybe", "", "22023 invalid value \"maybe\" for --insecure-listen: it is neither true nor false".into()),
        ("serve", "audit = 'read'", "22023 invalid value \"read\" for \"audit\" in selfsame.toml: it is none of none, write, all".into()),
        ("serve --listen 5442", "", "22023 invalid value \"5442\" for --listen: it is no address with a port".into()),
        ("serve --memory-limit 1.5GB", "", format!("22023 invalid value \"1.5GB\" for --memory-limit: {size}")),
        ("serve --memory-limit 99999999TB", "", format!("22023 invalid value \"99999999TB\" for --memory-limit: {size}")),
        ("serve --memory-limit 1MB", "", "22023 invalid value \"1MB\" for --memory-limit: it is less than 64MB".into()),
        ("serve", "memory_limit = 12", "22023 invalid value \"12\" for \"memory_limit\" in selfsame.toml: it is less than 64MB".into()),
        ("serve --connections-max 0", "", "22023 invalid value \"0\" for --connections-max: it is no whole number from 1 to 10000".into()),
        ("serve --connections-max 10001", "", "22023 invalid value \"10001\" for --connections-max: it is no whole number from 1 to 10000".into()),
        ("demo --people 100000001", "", "22023 invalid value \"100000001\" for --people: it is no whole number from 1 to 100000000".into()),
        ("demo --seed -1", "", "42601 unexpected argument '-1' found".into()),
        ("serve --http-listen 0.0.0.0:80", "", "0A000 invalid value \"0.0.0.0:80\" for --http-listen: other machines could reach it, and HTTP has no TLS yet".into()),
        ("serve --http-token-file=", "", "22023 invalid value \"\" for --http-token-file: a path is not empty".into()),
        ("serve --shutdown-grace 86401", "", "22023 invalid value \"86401\" for --shutdown-grace: it is no whole number from 0 to 86400".into()),
        ("serve --log-format xml", "", "22023 invalid value \"xml\" for --log-format: it is no format of log lines".into()),
        ("serve --data ftp://b/x", "", "22023 invalid value \"ftp://b/x\" for --data: it is no location in object storage".into()),
        ("serve --data s3:///x", "", "22023 invalid value \"s3:///x\" for --data: it is no location in object storage".into()),
        ("serve --follow", "", "22023 a follower needs the store of another server".into()),
        ("serve --follow=perhaps", "", "22023 invalid value \"perhaps\" for --follow: it is neither true nor false".into()),
        ("serve --follow-poll 1", "", "22023 invalid value \"1\" for --follow-poll: it is no duration".into()),
        ("serve --follow-poll 9ms", "", "22023 invalid value \"9ms\" for --follow-poll: it is not between 10ms and 300s".into()),
        ("serve --follow-poll 6min", "", "22023 invalid value \"6min\" for --follow-poll: it is not between 10ms and 300s".into()),
        ("serve --commit-window 11s", "", "22023 invalid value \"11s\" for --commit-window: it is not between 0ns and 10s".into()),
        ("serve --object-cache 1MB", "", "22023 invalid value \"1MB\" for --object-cache: it is less than 64MB".into()),
        ("serve --log a=b=c", "", "22023 invalid value \"a=b=c\" for --log: it is no filter of log lines".into()),
        ("serve", "copy_directories = ['']", "22023 invalid value \"\" for \"copy_directories\" in selfsame.toml: a path is not empty".into()),
        ("serve", "data = ''", "22023 invalid value \"\" for \"data\" in selfsame.toml: a path is not empty".into()),
        ("ingest crm a.csv", "", "22023 ingest needs the folder of a store".into()),
        ("check", "", "22023 check needs the folder of a store".into()),
        ("backup b", "", "22023 backup needs the folder of a store".into()),
        ("restore b", "", "22023 restore needs the folder of a store".into()),
    ] {
        check_error(line, toml, &expected);
    }
}

#[test]
fn the_file_is_checked_as_a_whole() {
    for (toml, expected) in [
        ("lisen = 'x'", "22023 unknown key \"lisen\" in selfsame.toml"),
        ("config = 'x'", "22023 unknown key \"config\" in selfsame.toml"),
        ("[listen]\na = 1", "22023 \"listen\" in selfsame.toml cannot be of type table"),
        ("data = ['a']", "22023 \"data\" in selfsame.toml cannot be of type array"),
        (
            "copy_directories = [1]",
            "22023 \"copy_directories\" in selfsame.toml cannot be of type array",
        ),
        ("log = true", "22023 \"log\" in selfsame.toml cannot be of type boolean"),
    ] {
        check_error("serve", toml, expected);
    }
    let error = parsed("serve", Some(("selfsame.toml", "data = 'a'\nlog = \n"))).unwrap_err();
    assert!(error.message().starts_with("selfsame.toml:2: "), "{}", error.message());
}

#[test]
fn lines_that_cannot_be_understood_are_refused_with_the_way_out() {
    for (line, message) in [
        (
            "serve --data a --data b",
            "the argument '--data <DIRECTORY>' cannot be used multiple times",
        ),
        ("ingest --data d crm", "the following required arguments were not provided:\n  <FILE>..."),
        ("server", "unrecognized subcommand 'server'"),
    ] {
        let error = parsed(line, None).unwrap_err();
        assert_eq!((error.code().0, error.message()), ("42601", message), "{line}");
        assert!(error.get_hint().unwrap().contains("Usage: selfsame"), "{line}");
    }
}

#[test]
fn help_tells_every_setting() {
    let printed = |line| match parsed(line, None) {
        Ok(Invocation::Print(text)) => text,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(printed("--version"), format!("selfsame {}\n", env!("CARGO_PKG_VERSION")));
    let help = printed("--help");
    for name in ["serve", "demo", "sql", "ingest", "--config"] {
        assert!(help.contains(name), "{name} in\n{help}");
    }
    let help: String = ["demo --help", "serve --help"].iter().map(|line| printed(line)).collect();
    for item in setting::ALL {
        assert_eq!(item.flag, item.key.replace('_', "-"));
        if item.subcommands.is_empty() {
            // A secret: its variable is told, and there is no flag.
            assert!(help.contains(&setting::variable(item.key)), "{} in\n{help}", item.key);
            assert!(!help.contains(&format!("--{}", item.flag)));
            continue;
        }
        for word in [format!("--{}", item.flag), setting::variable(item.key)] {
            assert!(help.contains(&word), "{word} in\n{help}");
        }
    }
}

#[test]
fn stores_in_object_storage_and_followers() {
    let (_, config) = run("serve --data s3://b/x", None);
    assert_eq!(config.data.as_deref(), Some(Path::new("s3://b/x")));
    assert_eq!((config.follow, config.commit_window), (None, None));
    assert_eq!((config.object_cache_bytes >> 30, config.object_cache_directory), (10, None));
    let toml = "follow = true\nfollow_poll = '2s'\ncommit_window = '50ms'\nobject_cache = '1GB'\n\
                object_cache_directory = 'c'\n";
    let (_, config) = run("serve --data d", Some(("selfsame.toml", toml)));
    assert_eq!(config.follow, Some(Duration::from_secs(2)));
    assert_eq!(config.commit_window, Some(Duration::from_millis(50)));
    assert_eq!(
        (config.object_cache_bytes >> 30, config.object_cache_directory),
        (1, Some("c".into()))
    );
    let (_, config) = run("serve --data d --follow", None);
    assert_eq!(config.follow, Some(Duration::from_secs(1)));
    let (_, config) = run("SELFSAME_FOLLOW=on serve --data d --follow=false", None);
    assert_eq!(config.follow, None);
}

#[test]
fn the_way_in_is_configured() {
    let line = "SELFSAME_PASSWORD=s3cret serve --listen 0.0.0.0:1 --insecure-listen \
        --ssl-cert-file c.pem --ssl-key-file k.pem --authentication scram --audit all";
    let config = run(line, None).1;
    assert_eq!(config.listen.to_string(), "0.0.0.0:1");
    assert_eq!(config.certificate, Some(("c.pem".into(), "k.pem".into())));
    assert_eq!(config.authentication, Authentication::Scram);
    assert_eq!(config.audit, AuditLevel::All);
    assert!(config.insecure_listen);
    assert_eq!(config.password.as_ref().unwrap().expose(), "s3cret");
    assert!(!format!("{config:?}").contains("s3cret"));
    let file = Some(("pw", "from file\n"));
    let config = run("serve --password-file pw", file).1;
    assert_eq!(config.password.unwrap().expose(), "from file");
    assert_eq!(run("serve", None).1.password, None);
}
