//! The relations of `information_schema` that list who may do what with which table and column.

use crate::query::postgres::access::Held;
use crate::query::postgres::catalog::{Filler, Rows, Value};
use crate::query::postgres::description::{Description, Relation};

const fn filler(name: &'static str, fill: fn(&Description, &mut Rows)) -> Filler {
    Filler { schema: "information_schema", name, fill }
}

pub(super) const ALL: &[Filler] = &[
    filler("applicable_roles", fill_applicable),
    filler("column_privileges", fill_columns),
    filler("enabled_roles", fill_enabled),
    filler("role_column_grants", fill_columns),
    filler("role_table_grants", fill_tables),
    filler("table_privileges", fill_tables),
];

fn yes_or_no(yes: bool) -> Value {
    if yes { "YES" } else { "NO" }.into()
}

fn fill_enabled(description: &Description, rows: &mut Rows) {
    for role in description.enabled_roles() {
        rows.add([("role_name", role.name.into())]);
    }
}

fn fill_applicable(description: &Description, rows: &mut Rows) {
    for role in description.enabled_roles() {
        for (of, membership) in &role.member_of {
            rows.add([
                ("grantee", (&role.name).into()),
                ("role_name", description.shown(of).into()),
                ("is_grantable", yes_or_no(membership.admin)),
            ]);
        }
    }
}

/// Those that the session's role gave or has, as in PostgreSQL.
fn enabled(description: &Description, held: Vec<Held>) -> Vec<Held> {
    let who = description.authority(None);
    let own = |role: &str| role == "PUBLIC" || who.has(description.meant(role));
    held.into_iter().filter(|it| own(&it.grantor) || own(&it.grantee)).collect()
}

fn fill_tables(description: &Description, rows: &mut Rows) {
    for relation in &description.relations {
        let (schema, name) = (relation.schema.as_str(), relation.name.as_str());
        let held = description.held_on_table(schema, name, relation.is_view());
        for held in enabled(description, held) {
            let is_select = held.privilege.word() == "SELECT";
            rows.add([
                ("grantor", held.grantor.into()),
                ("grantee", held.grantee.into()),
                ("table_catalog", (&description.database).into()),
                ("table_schema", schema.into()),
                ("table_name", name.into()),
                ("privilege_type", held.privilege.word().into()),
                ("is_grantable", yes_or_no(held.grantable)),
                ("with_hierarchy", yes_or_no(is_select)),
            ]);
        }
    }
}

/// What is held on a table is held on each of its columns.
fn fill_columns(description: &Description, rows: &mut Rows) {
    for relation in &description.relations {
        let (schema, name) = (relation.schema.as_str(), relation.name.as_str());
        for column in &relation.columns {
            let on_table = description.held_on_table(schema, name, relation.is_view());
            let mut held: Vec<_> = on_table.into_iter().filter(of_column).collect();
            held.extend(description.held_on_column(schema, name, &column.name));
            for held in enabled(description, held) {
                add_column(description, rows, relation, &column.name, &held);
            }
        }
    }
}

fn of_column(held: &Held) -> bool {
    crate::model::access::Privilege::COLUMN.contains(&held.privilege)
}

fn add_column(
    description: &Description,
    rows: &mut Rows,
    relation: &Relation,
    column: &str,
    held: &Held,
) {
    rows.add([
        ("grantor", (&held.grantor).into()),
        ("grantee", (&held.grantee).into()),
        ("table_catalog", (&description.database).into()),
        ("table_schema", (&relation.schema).into()),
        ("table_name", (&relation.name).into()),
        ("column_name", column.into()),
        ("privilege_type", held.privilege.word().into()),
        ("is_grantable", yes_or_no(held.grantable)),
    ]);
}
