//! Catalog relations of a handful of rows each: databases, schemas, languages and the like.

use crate::env::clock::{Clock, RealClock};
use crate::query::postgres::catalog::{Filler, Rows, Value};
use crate::query::postgres::description::{
    BTREE_OID, DATABASE_OID, Description, HEAP_OID, OWNER_OID, PG_CATALOG_OID, class,
};
use crate::query::session::zone::Zone;

const fn filler(name: &'static str, fill: fn(&Description, &mut Rows)) -> Filler {
    Filler { schema: "pg_catalog", name, fill }
}

pub(super) const ALL: &[Filler] = &[
    filler("pg_am", fill_access_methods),
    filler("pg_collation", fill_collations),
    filler("pg_database", fill_databases),
    filler("pg_depend", fill_dependencies),
    filler("pg_language", fill_languages),
    filler("pg_namespace", fill_schemas),
    filler("pg_rewrite", fill_rules),
    filler("pg_tablespace", fill_tablespaces),
    filler("pg_timezone_names", fill_time_zones),
];

/// Number of encoding UTF8.
const UTF8: i32 = 6;
/// Number of tablespace `pg_default`.
const DEFAULT_TABLESPACE: u32 = 1663;

fn fill_access_methods(_: &Description, rows: &mut Rows) {
    for (oid, name, handler, kind) in [(HEAP_OID, "heap", 3, "t"), (BTREE_OID, "btree", 330, "i")] {
        rows.add([
            ("oid", oid.into()),
            ("amname", name.into()),
            ("amhandler", Value::Int(handler)),
            ("amtype", kind.into()),
        ]);
    }
}

fn fill_collations(_: &Description, rows: &mut Rows) {
    for (oid, name, provider, locale) in [
        (100, "default", "d", None),
        (950, "C", "c", Some("C")),
        (951, "POSIX", "c", Some("POSIX")),
    ] {
        rows.add([
            ("oid", Value::Int(oid)),
            ("collname", name.into()),
            ("collnamespace", PG_CATALOG_OID.into()),
            ("collowner", OWNER_OID.into()),
            ("collprovider", provider.into()),
            ("collisdeterministic", true.into()),
            ("collencoding", (-1).into()),
            ("collcollate", locale.into()),
            ("collctype", locale.into()),
        ]);
    }
}

fn fill_databases(description: &Description, rows: &mut Rows) {
    rows.add([
        ("oid", DATABASE_OID.into()),
        ("datname", (&description.database).into()),
        ("datdba", OWNER_OID.into()),
        ("encoding", UTF8.into()),
        ("datlocprovider", "c".into()),
        ("datallowconn", true.into()),
        ("datconnlimit", (-1).into()),
        ("dattablespace", DEFAULT_TABLESPACE.into()),
        ("datcollate", "C.UTF-8".into()),
        ("datctype", "C.UTF-8".into()),
    ]);
}

/// Each view's rule belongs to the view.
fn fill_dependencies(description: &Description, rows: &mut Rows) {
    for relation in description.relations.iter().filter(|relation| relation.is_view()) {
        rows.add([
            ("classid", class::REWRITE.into()),
            ("objid", relation.rule_oid().into()),
            ("refclassid", class::CLASS.into()),
            ("refobjid", relation.oid.into()),
            ("deptype", "i".into()),
        ]);
        for (schema, name) in &relation.uses {
            let Some(used) = description.class_oid(Some(schema), name) else { continue };
            rows.add([
                ("classid", class::REWRITE.into()),
                ("objid", relation.rule_oid().into()),
                ("refclassid", class::CLASS.into()),
                ("refobjid", used.into()),
                ("deptype", "n".into()),
            ]);
        }
    }
}

fn fill_languages(_: &Description, rows: &mut Rows) {
    for (oid, name, is_trusted, validator) in
        [(12, "internal", false, 2246), (13, "c", false, 2247), (14, "sql", true, 2248)]
    {
        rows.add([
            ("oid", Value::Int(oid)),
            ("lanname", name.into()),
            ("lanowner", OWNER_OID.into()),
            ("lanpltrusted", is_trusted.into()),
            ("lanvalidator", Value::Int(validator)),
        ]);
    }
}

fn fill_schemas(description: &Description, rows: &mut Rows) {
    for (oid, name) in description.numbered_schemas() {
        let acl = description.schema_acl(&name);
        rows.add([
            ("oid", oid.into()),
            ("nspname", name.into()),
            ("nspowner", OWNER_OID.into()),
            ("nspacl", acl.into()),
        ]);
    }
}

fn fill_rules(description: &Description, rows: &mut Rows) {
    for relation in description.relations.iter().filter(|relation| relation.is_view()) {
        rows.add([
            ("oid", relation.rule_oid().into()),
            ("rulename", "_RETURN".into()),
            ("ev_class", relation.oid.into()),
            ("ev_type", "1".into()),
            ("ev_enabled", "O".into()),
            ("is_instead", true.into()),
            ("ev_qual", "<>".into()),
            ("ev_action", "<>".into()),
        ]);
    }
}

fn fill_tablespaces(_: &Description, rows: &mut Rows) {
    for (oid, name) in [(DEFAULT_TABLESPACE, "pg_default"), (1664, "pg_global")] {
        rows.add([("oid", oid.into()), ("spcname", name.into()), ("spcowner", OWNER_OID.into())]);
    }
}

/// The zones that SET TIME ZONE knows, as they are now. An offset stands for its abbreviation, as it does in
/// zones that have none.
fn fill_time_zones(_: &Description, rows: &mut Rows) {
    let now = RealClock.now_micros();
    for zone in chrono_tz::TZ_VARIANTS {
        let Ok(known) = Zone::parse(zone.name()) else { continue };
        let offset = known.offset_seconds(now);
        let least =
            (0..4).map(|quarter| known.offset_seconds(now - quarter * QUARTER_MICROS)).min();
        rows.add([
            ("name", zone.name().into()),
            ("abbrev", offset_text(offset).into()),
            ("utc_offset", offset_interval(offset).into()),
            ("is_dst", least.is_some_and(|least| offset > least).into()),
        ]);
    }
}

/// A quarter of a year, in which clocks change at most once.
const QUARTER_MICROS: i64 = 91 * 86_400 * 1_000_000;

fn offset_text(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    match (hours, minutes) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("{sign}{hours:02}"),
        (hours, minutes) => format!("{sign}{hours:02}{minutes:02}"),
    }
}

fn offset_interval(seconds: i32) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.abs();
    format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_written_as_in_postgresql() {
        let check = |seconds: i32, text: &str, interval: &str| {
            assert_eq!(offset_text(seconds), text);
            assert_eq!(offset_interval(seconds), interval);
        };
        check(0, "UTC", "00:00:00");
        check(3600, "+01", "01:00:00");
        check(-12_600, "-0330", "-03:30:00");
    }
}
