//! `pg_constraint` and `pg_index`: the declared primary keys.

use crate::query::postgres::catalog::{Filler, Rows, Value};
use crate::query::postgres::description::{Description, Relation};
use crate::query::postgres::types::PgType;

pub(super) const ALL: &[Filler] = &[
    Filler { schema: "pg_catalog", name: "pg_constraint", fill: fill_constraints },
    Filler { schema: "pg_catalog", name: "pg_index", fill: fill_indexes },
];

fn keyed(description: &Description) -> impl Iterator<Item = &Relation> {
    description.relations.iter().filter(|relation| relation.has_key())
}

fn fill_constraints(description: &Description, rows: &mut Rows) {
    for relation in keyed(description) {
        rows.add([
            ("oid", relation.constraint_oid().into()),
            ("conname", relation.key_name().into()),
            ("connamespace", description.schema_oid(&relation.schema).unwrap_or(0).into()),
            ("contype", "p".into()),
            ("convalidated", true.into()),
            ("conrelid", relation.oid.into()),
            ("conindid", relation.index_oid().into()),
            ("confupdtype", " ".into()),
            ("confdeltype", " ".into()),
            ("confmatchtype", " ".into()),
            ("conislocal", true.into()),
            ("connoinherit", true.into()),
            ("conkey", relation.key_numbers().into()),
        ]);
    }
}

fn fill_indexes(description: &Description, rows: &mut Rows) {
    for relation in keyed(description) {
        let numbers = relation.key_numbers();
        let types = numbers.iter().map(|number| relation.columns[*number as usize - 1].ty);
        let (classes, collations) = types.map(class_and_collation).unzip::<_, _, Vec<_>, Vec<_>>();
        let count = numbers.len();
        rows.add([
            ("indexrelid", relation.index_oid().into()),
            ("indrelid", relation.oid.into()),
            ("indnatts", (count as i16).into()),
            ("indnkeyatts", (count as i16).into()),
            ("indisunique", true.into()),
            ("indisprimary", true.into()),
            ("indimmediate", true.into()),
            ("indisvalid", true.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indkey", numbers.into()),
            ("indcollation", Value::from(collations)),
            ("indclass", Value::from(classes)),
            ("indoption", vec![0_i16; count].into()),
        ]);
    }
}

/// The `btree` operator class of a type, as PostgreSQL numbers it, and the type's collation.
fn class_and_collation(ty: PgType) -> (u32, u32) {
    let class = match ty.name() {
        "bool" => 424,
        "int2" => 1979,
        "int4" => 1978,
        "int8" => 3124,
        "float4" => 1970,
        "float8" => 3123,
        "numeric" => 3125,
        "date" => 3122,
        "timestamp" => 3128,
        "timestamptz" => 3127,
        "text" | "varchar" => 3126,
        _ => 0,
    };
    (class, ty.entry().map_or(0, |entry| entry.collation))
}
