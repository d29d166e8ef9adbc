//! `pg_settings`: the settings of the session.

use crate::query::postgres::catalog::{Filler, Rows};
use crate::query::postgres::description::{Description, Setting};

pub(super) const ALL: &[Filler] = &[Filler { schema: "pg_catalog", name: "pg_settings", fill }];

fn fill(description: &Description, rows: &mut Rows) {
    for setting in &description.all_settings() {
        rows.add([
            ("name", (&setting.name).into()),
            ("setting", (&setting.value).into()),
            ("category", "Session".into()),
            ("short_desc", (&setting.description).into()),
            ("context", "user".into()),
            ("vartype", kind(setting).into()),
            ("source", if setting.value == setting.default { "default" } else { "session" }.into()),
            ("boot_val", (&setting.default).into()),
            ("reset_val", (&setting.default).into()),
            ("pending_restart", false.into()),
        ]);
    }
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
