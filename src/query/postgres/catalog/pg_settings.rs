//! `pg_settings`: the settings of the session, and those of the server that it sees.

use crate::query::postgres::catalog::{Filler, Rows};
use crate::query::postgres::description::{Description, Setting};

pub(super) const ALL: &[Filler] = &[Filler { schema: "pg_catalog", name: "pg_settings", fill }];

fn fill(description: &Description, rows: &mut Rows) {
    for setting in &description.all_settings() {
        let (category, context) =
            if setting.is_server { ("Server", "sighup") } else { ("Session", "user") };
        rows.add([
            ("name", (&setting.name).into()),
            ("setting", (&setting.value).into()),
            ("category", category.into()),
            ("short_desc", (&setting.description).into()),
            ("context", context.into()),
            ("vartype", kind(setting).into()),
            ("source", source(setting).into()),
            ("boot_val", (&setting.default).into()),
            ("reset_val", reset_value(setting).into()),
            ("pending_restart", false.into()),
        ]);
    }
}

/// Where its value is from. PostgreSQL keeps what ALTER SYSTEM set in a configuration file.
fn source(setting: &Setting) -> &'static str {
    match (setting.value == setting.default, setting.is_server) {
        (true, _) => "default",
        (false, true) => "configuration file",
        (false, false) => "session",
    }
}

/// What RESET would make of it in a session: nothing changes a server's setting there.
fn reset_value(setting: &Setting) -> &String {
    if setting.is_server { &setting.value } else { &setting.default }
}

/// The type of a setting, read off its default.
fn kind(setting: &Setting) -> &'static str {
    match setting.default.as_str() {
        "on" | "off" => "bool",
        text if text.parse::<i64>().is_ok() => "integer",
        text if text.parse::<f64>().is_ok() => "real",
        _ => "string",
    }
}
