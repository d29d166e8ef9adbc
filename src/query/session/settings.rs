//! The settings of a session: which there are, what they may be, and what they are now.
//!
//! [`ALL`] is the one table; SET, SHOW, RESET and `pg_settings` read it. Most settings of PostgreSQL are
//! here only so that clients may set them and read them back; what has an effect says so in its text.
//! Whether a merge policy exists is for the session to check, which knows the catalog.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::Past;
use crate::error::{Error, Result, SqlState};
use crate::model::server_setting::GRAPH_IDENTITIES_MAX;
use crate::query::postgres::own_schema;
use crate::query::session::moment;
use crate::query::session::zone::Zone;

/// The version of PostgreSQL whose behaviour clients may expect.
pub const SERVER_VERSION: &str = "15.8";

/// Settings that a client may invent, as `a.b`: enough for tools, bounded for us.
const CUSTOM_SETTINGS_MAX: usize = 100;

/// The most bytes of a setting's value.
const VALUE_BYTES_MAX: usize = 10_000;

/// What values a setting takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// `on` or `off`.
    Boolean,
    /// A whole number.
    Integer { min: i64, max: i64 },
    /// A number.
    Real,
    /// Milliseconds, or a number with a unit.
    Duration,
    /// One of these.
    One(&'static [&'static str]),
    /// Any text.
    Text,
    /// A time zone.
    Zone,
    /// Output of dates: ISO with any order of fields.
    DateStyle,
    /// UTF8 under any of its names.
    Encoding,
    /// The user who connected.
    User,
    /// Cannot be set.
    Fixed,
    /// The whole server's, which ALTER SYSTEM changes; the catalog has the value in force.
    Server,
    /// A moment, in the session's zone unless it names its own; empty for none.
    Moment,
}

/// A setting that exists.
#[derive(Debug)]
pub(super) struct Known {
    /// Its name, as SHOW ALL writes it.
    pub(super) name: &'static str,
    /// Its value without any SET.
    pub(super) default: &'static str,
    /// What values it takes.
    pub(super) kind: Kind,
    /// Whether clients are told of changes.
    pub(super) reported: bool,
    /// What it does.
    pub(super) doc: &'static str,
}

const fn setting(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    doc: &'static str,
) -> Known {
    Known { name, default, kind, reported: false, doc }
}

const fn reported(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    doc: &'static str,
) -> Known {
    Known { name, default, kind, reported: true, doc }
}

const NO_EFFECT: &str = "Accepted for clients that set it; has no effect.";
const COUNT: Kind = Kind::Integer { min: 0, max: i32::MAX as i64 };
const ISOLATION: Kind =
    Kind::One(&["serializable", "repeatable read", "read committed", "read uncommitted"]);
const LEVEL: Kind = Kind::One(&[
    "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "info", "notice", "warning",
    "error",
]);

/// All settings, by name.
pub(super) const ALL: &[Known] = &[
    reported("application_name", "", Kind::Text, "What the client calls itself."),
    setting("array_nulls", "on", Kind::Boolean, NO_EFFECT),
    setting(
        "as_of",
        "",
        Kind::Moment,
        "Shows every table as it was: of rows observed up to then, under today's definitions.",
    ),
    setting("backslash_quote", "safe_encoding", Kind::Text, NO_EFFECT),
    setting("block_size", "8192", Kind::Fixed, "Bytes of a disk block of PostgreSQL."),
    setting("bytea_output", "hex", Kind::One(&["hex"]), "Output of bytea."),
    setting("check_function_bodies", "on", Kind::Boolean, NO_EFFECT),
    setting("client_connection_check_interval", "0", Kind::Duration, NO_EFFECT),
    reported("client_encoding", "UTF8", Kind::Encoding, "The client's encoding."),
    setting("client_min_messages", "notice", LEVEL, "The least level of notices that are sent."),
    setting("cursor_tuple_fraction", "0.1", Kind::Real, NO_EFFECT),
    reported("DateStyle", "ISO, MDY", Kind::DateStyle, "Output of dates."),
    setting("default_tablespace", "", Kind::Text, NO_EFFECT),
    setting("default_table_access_method", "heap", Kind::Text, NO_EFFECT),
    setting("default_text_search_config", "pg_catalog.simple", Kind::Text, NO_EFFECT),
    setting("default_transaction_deferrable", "off", Kind::Boolean, NO_EFFECT),
    setting("default_transaction_isolation", "repeatable read", ISOLATION, NO_EFFECT),
    reported("default_transaction_read_only", "off", Kind::Boolean, NO_EFFECT),
    setting("enable_bitmapscan", "on", Kind::Boolean, NO_EFFECT),
    setting("enable_hashagg", "on", Kind::Boolean, NO_EFFECT),
    setting("enable_hashjoin", "on", Kind::Boolean, NO_EFFECT),
    setting("enable_indexscan", "on", Kind::Boolean, NO_EFFECT),
    setting("enable_mergejoin", "on", Kind::Boolean, NO_EFFECT),
    setting("enable_nestloop", "on", Kind::Boolean, NO_EFFECT),
    setting("enable_seqscan", "on", Kind::Boolean, NO_EFFECT),
    setting("enable_sort", "on", Kind::Boolean, NO_EFFECT),
    setting("escape_string_warning", "on", Kind::Boolean, NO_EFFECT),
    setting("extra_float_digits", "1", Kind::Integer { min: -15, max: 3 }, NO_EFFECT),
    setting("geqo", "on", Kind::Boolean, NO_EFFECT),
    setting(
        GRAPH_IDENTITIES_MAX,
        "50",
        Kind::Server,
        "How many identities a graph holds at most; 0 is no limit. ALTER SYSTEM changes it.",
    ),
    setting(
        "idle_in_transaction_session_timeout",
        "0",
        Kind::Duration,
        "Ends a session that waits this long within a transaction; 0 is never.",
    ),
    setting(
        "idle_session_timeout",
        "0",
        Kind::Duration,
        "Ends a session that waits this long outside a transaction; 0 is never.",
    ),
    reported("in_hot_standby", "off", Kind::Fixed, "Whether the server only follows another."),
    reported("integer_datetimes", "on", Kind::Fixed, "Times are whole microseconds."),
    reported("IntervalStyle", "postgres", Kind::One(&["postgres"]), "Output of intervals."),
    reported("is_superuser", "on", Kind::Fixed, "Whether the user may do everything."),
    setting("jit", "off", Kind::Boolean, NO_EFFECT),
    setting(
        "known_at",
        "",
        Kind::Moment,
        "Shows every table of rows ingested up to then, under today's definitions.",
    ),
    setting("lc_collate", "C", Kind::Fixed, "The order of texts: by their bytes."),
    setting("lc_ctype", "C.UTF-8", Kind::Fixed, "The classes of characters."),
    setting("lc_messages", "C", Kind::Text, NO_EFFECT),
    setting("lc_monetary", "C", Kind::Text, NO_EFFECT),
    setting("lc_numeric", "C", Kind::Text, NO_EFFECT),
    setting("lc_time", "C", Kind::Text, NO_EFFECT),
    setting("lock_timeout", "0", Kind::Duration, NO_EFFECT),
    setting("log_min_messages", "warning", LEVEL, NO_EFFECT),
    setting("log_statement", "none", Kind::Text, NO_EFFECT),
    setting("maintenance_work_mem", "64MB", Kind::Text, NO_EFFECT),
    setting("max_connections", "100", Kind::Fixed, "Connections at a time."),
    setting("max_identifier_length", "63", Kind::Fixed, "The most bytes of a name."),
    setting("max_index_keys", "32", Kind::Fixed, "The most columns of a key."),
    setting("max_parallel_workers_per_gather", "2", COUNT, NO_EFFECT),
    setting("merge_policy", "", Kind::Text, "Which merge policy the table profiles shows."),
    setting("password_encryption", "scram-sha-256", Kind::Text, NO_EFFECT),
    setting("plan_cache_mode", "auto", Kind::Text, NO_EFFECT),
    setting("random_page_cost", "4", Kind::Real, NO_EFFECT),
    setting("role", "none", Kind::User, "The role that the session takes."),
    setting("row_security", "on", Kind::Boolean, NO_EFFECT),
    setting(
        "search_path",
        "\"$user\", public",
        Kind::Text,
        "Where unqualified names are looked up.",
    ),
    setting("seq_page_cost", "1", Kind::Real, NO_EFFECT),
    reported("server_encoding", "UTF8", Kind::Fixed, "The server's encoding."),
    reported(
        "server_version",
        SERVER_VERSION,
        Kind::Fixed,
        "The version of PostgreSQL it is like.",
    ),
    setting("server_version_num", "150008", Kind::Fixed, "The same as a number."),
    reported("session_authorization", "", Kind::User, "The user who connected."),
    setting("session_replication_role", "origin", Kind::Text, NO_EFFECT),
    setting("ssl", "off", Kind::Fixed, "Whether connections may be encrypted."),
    reported("standard_conforming_strings", "on", Kind::One(&["on"]), "Backslashes are plain."),
    setting(
        "superuser_reserved_connections",
        "3",
        Kind::Fixed,
        "How many of the connections are kept for superusers.",
    ),
    setting(
        "statement_timeout",
        "0",
        Kind::Duration,
        "Ends a statement that runs this long; 0 is never.",
    ),
    setting("synchronous_commit", "on", Kind::Text, NO_EFFECT),
    setting("synchronize_seqscans", "on", Kind::Boolean, NO_EFFECT),
    setting("temp_buffers", "8MB", Kind::Text, NO_EFFECT),
    setting("temp_tablespaces", "", Kind::Text, NO_EFFECT),
    reported("TimeZone", "UTC", Kind::Zone, "The zone in which moments are shown and read."),
    setting("timezone_abbreviations", "Default", Kind::Text, NO_EFFECT),
    setting("transaction_deferrable", "off", Kind::Boolean, NO_EFFECT),
    setting("transaction_isolation", "repeatable read", ISOLATION, NO_EFFECT),
    setting("transaction_read_only", "off", Kind::Boolean, "Refuses statements that write."),
    setting("vacuum_freeze_min_age", "50000000", COUNT, NO_EFFECT),
    setting("wal_level", "replica", Kind::Fixed, "What PostgreSQL would log."),
    setting("work_mem", "4MB", Kind::Text, NO_EFFECT),
    setting("xmlbinary", "base64", Kind::Text, NO_EFFECT),
    setting("xmloption", "content", Kind::Text, NO_EFFECT),
];

/// The values of one session's settings.
#[derive(Clone, Debug)]
pub(super) struct Variables {
    /// What RESET goes back to, where it is not the default: what the client gave at start-up.
    initial: BTreeMap<String, String>,
    /// What SET has changed.
    values: BTreeMap<String, String>,
    /// Values to go back to when the transaction ends (`SET LOCAL`).
    local: BTreeMap<String, Option<String>>,
    user: String,
}

impl Variables {
    /// The settings of a new session.
    pub(super) fn new(user: &str) -> Self {
        Self {
            initial: BTreeMap::new(),
            values: BTreeMap::new(),
            local: BTreeMap::new(),
            user: user.to_owned(),
        }
    }

    /// Makes the values so far those that RESET goes back to.
    pub(super) fn start(&mut self) {
        self.initial.append(&mut self.values);
    }

    /// The value of a setting.
    ///
    /// # Errors
    /// `42704` if there is none of that name.
    pub(super) fn get(&self, name: &str) -> Result<String> {
        let key = name.to_ascii_lowercase();
        if let Some(value) = self.values.get(&key).or_else(|| self.initial.get(&key)) {
            return Ok(value.clone());
        }
        let known = known(name).ok_or_else(|| unrecognized(name))?;
        Ok(self.default_of(known))
    }

    fn default_of(&self, known: &Known) -> String {
        match known.name {
            "session_authorization" => self.user.clone(),
            _ => known.default.to_owned(),
        }
    }

    /// Sets a value; `None` goes back to the initial one. `local`: only until the transaction ends.
    ///
    /// # Errors
    /// `42704`, `22023`, `55P02` for what cannot be set, `0A000` for what is not supported yet.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<()> {
        let key = name.to_ascii_lowercase();
        let value = match (known(name), value) {
            (Some(known), Some(value)) => Some(check(known, value, &self.user, self.zone())?),
            (Some(known), None) if matches!(known.kind, Kind::Fixed) => {
                return Err(fixed(known.name));
            }
            (Some(known), None) if matches!(known.kind, Kind::Server) => {
                return Err(of_server(known.name));
            }
            (Some(_), None) => None,
            (None, value) => {
                self.check_custom(&key, name)?;
                value.map(str::to_owned)
            }
        };
        if value.as_ref().is_some_and(|value| value.len() > VALUE_BYTES_MAX) {
            let message = format!("value of parameter \"{name}\" is too long");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        let before = match value {
            Some(value) => self.values.insert(key.clone(), value),
            None => self.values.remove(&key),
        };
        if local {
            self.local.entry(key).or_insert(before);
        }
        Ok(())
    }

    fn check_custom(&self, key: &str, name: &str) -> Result<()> {
        // Names of the planner's own options look like custom settings and must not be taken for them.
        if !key.contains('.') || key.starts_with("datafusion.") {
            return Err(unrecognized(name));
        }
        let custom = self.values.keys().filter(|key| key.contains('.')).count();
        if custom >= CUSTOM_SETTINGS_MAX && !self.values.contains_key(key) {
            let message =
                format!("a session can have at most {CUSTOM_SETTINGS_MAX} custom settings");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        Ok(())
    }

    /// Goes back to the initial values.
    pub(super) fn reset_all(&mut self) {
        // The state of the transaction is not a setting that RESET ALL may change.
        self.values.retain(|key, _| {
            key.starts_with("transaction_")
                || matches!(key.as_str(), "role" | "session_authorization")
        });
    }

    /// Ends the transaction's own values.
    pub(super) fn end_transaction(&mut self) {
        for (key, before) in std::mem::take(&mut self.local) {
            match before {
                Some(value) => self.values.insert(key, value),
                None => self.values.remove(&key),
            };
        }
        self.values.retain(|key, _| !key.starts_with("transaction_"));
    }

    /// All settings with their values, in order.
    pub(super) fn all(&self) -> Vec<(&'static Known, String)> {
        let value = |known: &'static Known| {
            let key = known.name.to_ascii_lowercase();
            let set = self.values.get(&key).or_else(|| self.initial.get(&key)).cloned();
            (known, set.unwrap_or_else(|| self.default_of(known)))
        };
        ALL.iter().map(value).collect()
    }

    /// The value of a setting that exists.
    pub(super) fn value(&self, name: &str) -> String {
        self.get(name).unwrap_or_default()
    }

    /// A duration; `None` is no limit.
    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        let millis = duration_millis(&self.value(name))?;
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// The zone in which moments are shown.
    pub(super) fn zone(&self) -> Zone {
        Zone::parse(&self.value("TimeZone")).unwrap_or(Zone::UTC)
    }

    /// Up to when rows are shown. What is set names its zone, so that it stays when the session's changes.
    pub(super) fn past(&self) -> Past {
        let moment = |name| moment::read(&self.value(name), Zone::UTC);
        Past { as_of: moment("as_of"), known_at: moment("known_at") }
    }

    /// The schemas of the search path.
    pub(super) fn search_path(&self) -> Vec<String> {
        let path = self.value("search_path");
        let names = path.split(',').map(|name| name.trim().trim_matches('"'));
        names
            .filter(|name| !name.is_empty())
            .filter_map(|name| match name {
                "$user" => own_schema(&self.user),
                name => Some(name.to_owned()),
            })
            .collect()
    }
}

/// The setting of that name, in any case.
pub(super) fn known(name: &str) -> Option<&'static Known> {
    ALL.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

fn unrecognized(name: &str) -> Error {
    let message = format!("unrecognized configuration parameter \"{name}\"");
    Error::new(SqlState::UNDEFINED_OBJECT, message)
}

fn fixed(name: &str) -> Error {
    Error::new(SqlState("55P02"), format!("parameter \"{name}\" cannot be changed"))
}

fn of_server(name: &str) -> Error {
    let message = format!("parameter \"{name}\" cannot be changed for one session");
    Error::new(SqlState("55P02"), message)
        .hint(format!("it is the whole server's: ALTER SYSTEM SET {name} = ..."))
}

/// The value as SHOW gives it back.
fn check(known: &Known, value: &str, user: &str, session_zone: Zone) -> Result<String> {
    let name = known.name;
    let wrong = || {
        let message = format!("invalid value for parameter \"{name}\": \"{value}\"");
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
    };
    let trimmed = value.trim();
    Ok(match known.kind {
        Kind::Boolean => boolean(trimmed).ok_or_else(wrong)?.to_owned(),
        Kind::Integer { min, max } => {
            let number: i64 = trimmed.parse().map_err(|_| wrong())?;
            if !(min..=max).contains(&number) {
                return Err(wrong().hint(format!("{name} is {min} to {max}")));
            }
            number.to_string()
        }
        Kind::Real => {
            trimmed.parse::<f64>().map_err(|_| wrong())?;
            trimmed.to_owned()
        }
        Kind::Duration => duration_shown(duration_millis(trimmed).ok_or_else(|| {
            wrong().hint("valid units are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\"")
        })?),
        Kind::One(values) => values
            .iter()
            .find(|allowed| {
                // Whatever of them is a boolean has all of a boolean's names.
                allowed.eq_ignore_ascii_case(trimmed) || boolean(trimmed) == Some(**allowed)
            })
            .map(|allowed| (*allowed).to_owned())
            .ok_or_else(|| wrong().hint(format!("available values: {}", values.join(", "))))?,
        Kind::Text => value.to_owned(),
        Kind::Zone => zone(trimmed)?,
        Kind::DateStyle => date_style(trimmed)
            .ok_or_else(|| wrong().hint("dates are always ISO; the order is MDY, DMY or YMD"))?,
        Kind::Encoding => {
            let lower = trimmed.to_lowercase().replace(['-', '_', '\''], "");
            if !matches!(lower.as_str(), "utf8" | "unicode") {
                return Err(wrong().hint("only UTF8 is supported"));
            }
            "UTF8".to_owned()
        }
        // Whether it may be is for the session to say, which knows the roles.
        Kind::User if trimmed == "default" => user.to_owned(),
        Kind::User => trimmed.to_owned(),
        Kind::Fixed => return Err(fixed(name)),
        Kind::Server => return Err(of_server(name)),
        Kind::Moment if trimmed.is_empty() => String::new(),
        Kind::Moment => match moment::read(trimmed, session_zone) {
            Some(micros) => moment::shown(micros, session_zone),
            None => {
                let what = format!("parameter \"{name}\"");
                return Err(moment::invalid(&what, value));
            }
        },
    })
}

fn boolean(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "t" | "y" => Some("on"),
        "off" | "false" | "no" | "0" | "f" | "n" => Some("off"),
        _ => None,
    }
}

/// A number of hours east is a zone too.
fn zone(text: &str) -> Result<String> {
    if let Ok(hours) = text.parse::<f64>()
        && hours.abs() < 24.0
        && !text.starts_with('+')
    {
        // POSIX counts west, and SHOW gives back what can be set again.
        let minutes = (hours.abs() * 60.0).round();
        let (sign, west) = if hours < 0.0 { ('-', '+') } else { ('+', '-') };
        let (hour, minute) = ((minutes / 60.0).trunc(), minutes % 60.0);
        return Ok(match minute == 0.0 {
            true => format!("<{sign}{hour:02}>{west}{hour:02}"),
            false => format!("<{sign}{hour:02}:{minute:02}>{west}{hour:02}:{minute:02}"),
        });
    }
    Zone::parse(text)?;
    Ok(match text.to_ascii_lowercase().as_str() {
        "utc" | "z" | "default" | "localtime" => "UTC".to_owned(),
        "gmt" => "GMT".to_owned(),
        _ => text.to_owned(),
    })
}

fn date_style(text: &str) -> Option<String> {
    let mut order = "MDY";
    for word in text.split(',') {
        match word.trim().to_ascii_uppercase().as_str() {
            "ISO" | "DEFAULT" => {}
            "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => order = "MDY",
            "DMY" | "EURO" | "EUROPEAN" => order = "DMY",
            "YMD" => order = "YMD",
            _ => return None,
        }
    }
    Some(format!("ISO, {order}"))
}

/// Milliseconds of `500`, `5s`, `'1 min'`.
fn duration_millis(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..end].trim().parse().ok()?;
    let unit = match text[end..].trim() {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let millis = (number * unit).round();
    // 2^31 - 1 milliseconds, as in PostgreSQL: 24 days.
    (0.0..=f64::from(i32::MAX)).contains(&millis).then_some(millis as u64)
}

/// In the largest unit that needs no fraction, as SHOW has it.
fn duration_shown(millis: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")];
    let whole = |(unit, _): &&(u64, &str)| millis.is_multiple_of(*unit);
    match units.iter().find(whole) {
        Some((unit, name)) if millis > 0 => format!("{}{name}", millis / unit),
        _ => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, expected: &str) {
        let mut variables = Variables::new("ada");
        let shown = match variables.set(name, Some(value), false) {
            Ok(()) => variables.get(name).expect("it is set"),
            Err(error) => format!("{} {error}", error.code()),
        };
        assert_eq!(shown, expected, "{name} = {value}");
    }

    #[test]
    fn values_are_checked() {
        check("application_name", "x", "x");
        check("STATEMENT_TIMEOUT", "5000", "5s");
        check("statement_timeout", "90s", "90s");
        check("statement_timeout", "0", "0");
        check("statement_timeout", "1.5 min", "90s");
        check(
            "statement_timeout",
            "5 weeks",
            "22023 invalid value for parameter \"statement_timeout\": \"5 weeks\"",
        );
        check("datestyle", "iso, dmy", "ISO, DMY");
        check("DateStyle", "German", "22023 invalid value for parameter \"DateStyle\": \"German\"");
        check("client_encoding", "'utf-8'", "UTF8");
        check(
            "client_encoding",
            "LATIN1",
            "22023 invalid value for parameter \"client_encoding\": \"LATIN1\"",
        );
        check("standard_conforming_strings", "true", "on");
        check(
            "standard_conforming_strings",
            "off",
            "22023 invalid value for parameter \"standard_conforming_strings\": \"off\"",
        );
        check("timezone", "-3.5", "<-03:30>+03:30");
        check("timezone", "2", "<+02>-02");
        check(
            "extra_float_digits",
            "4",
            "22023 invalid value for parameter \"extra_float_digits\": \"4\"",
        );
        check("server_version", "16", "55P02 parameter \"server_version\" cannot be changed");
        check("as_of", "2026-01-01", "2026-01-01 00:00:00+00");
        check("known_at", "2026-01-01 12:00+05:30", "2026-01-01 06:30:00+00");
        check("as_of", "", "");
        check("as_of", "soon", "22007 invalid value for parameter \"as_of\": \"soon\"");
        check("nonsense", "1", "42704 unrecognized configuration parameter \"nonsense\"");
        check("my.tag", "1", "1");
        check(
            "datafusion.execution.batch_size",
            "1",
            "42704 unrecognized configuration parameter \"datafusion.execution.batch_size\"",
        );
        check("role", "root", "root");
    }

    #[test]
    fn defaults_are_allowed_values_and_names_are_sorted() {
        for known in ALL {
            if !matches!(known.kind, Kind::Fixed | Kind::Server | Kind::User) {
                check(known.name, known.default, known.default);
            }
            assert!(known.doc.ends_with('.'), "{}", known.name);
        }
        let names: Vec<_> = ALL.iter().map(|known| known.name.to_lowercase()).collect();
        let mut distinct = names.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn local_values_end_with_the_transaction() {
        let mut variables = Variables::new("ada");
        let set = |variables: &mut Variables, value, local| {
            variables.set("application_name", Some(value), local).expect("it can be set");
        };
        set(&mut variables, "started", false);
        variables.start();
        set(&mut variables, "session", false);
        set(&mut variables, "local", true);
        assert_eq!(variables.value("application_name"), "local");
        variables.end_transaction();
        assert_eq!(variables.value("application_name"), "session");
        variables.reset_all();
        assert_eq!(variables.value("application_name"), "started");
    }

    #[test]
    fn moments_stay_when_the_zone_changes() {
        let mut variables = Variables::new("ada");
        let set = |variables: &mut Variables, name, value| {
            variables.set(name, Some(value), false).expect("it can be set");
        };
        assert!(variables.past().is_present());
        set(&mut variables, "TimeZone", "Europe/Berlin");
        set(&mut variables, "as_of", "1970-01-02 01:00");
        set(&mut variables, "TimeZone", "UTC");
        set(&mut variables, "known_at", "1970-01-01 00:00:01");
        let past = Past { as_of: Some(86_400_000_000), known_at: Some(1_000_000) };
        assert_eq!(variables.past(), past);
        assert_eq!(variables.value("as_of"), "1970-01-02 01:00:00+01");
        variables.set("as_of", None, false).expect("it can be reset");
        assert_eq!(variables.past().as_of, None);
    }

    #[test]
    fn custom_settings_are_bounded() {
        let mut variables = Variables::new("ada");
        for number in 0..CUSTOM_SETTINGS_MAX {
            variables.set(&format!("a.b{number}"), Some("1"), false).expect("below the limit");
        }
        let error = variables.set("a.more", Some("1"), false).expect_err("above the limit");
        assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED);
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        let error = variables.set("application_name", Some(&long), false).expect_err("too long");
        assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED);
    }

    #[test]
    fn durations_and_paths_are_read() {
        let mut variables = Variables::new("ada");
        assert_eq!(variables.duration("statement_timeout"), None);
        variables.set("statement_timeout", Some("250ms"), false).expect("a duration");
        assert_eq!(variables.duration("statement_timeout"), Some(Duration::from_millis(250)));
        assert_eq!(variables.search_path(), ["ada", "public"]);
    }
}
