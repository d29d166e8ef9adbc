//! `pg_attribute`: one row per column of everything in `pg_class`.

use crate::query::postgres::catalog::{self, Filler, Rows};
use crate::query::postgres::description::{Description, Relation};
use crate::query::postgres::types::PgType;

pub(super) const ALL: &[Filler] = &[Filler { schema: "pg_catalog", name: "pg_attribute", fill }];

fn fill(description: &Description, rows: &mut Rows) {
    for relation in &description.relations {
        for (at, column) in relation.columns.iter().enumerate() {
            let (schema, table) = (relation.schema.as_str(), relation.name.as_str());
            let acl = description.column_acl(schema, table, &column.name);
            add(rows, relation.oid, at, &column.name, column.ty, column.not_null, acl);
        }
        add_key(rows, relation);
    }
    for relation in catalog::RELATIONS.iter() {
        for (at, column) in relation.columns.iter().enumerate() {
            add(rows, relation.oid, at, column.name, column.ty, column.not_null, None);
        }
    }
}

/// The columns of the index of a primary key.
fn add_key(rows: &mut Rows, relation: &Relation) {
    for (at, number) in relation.key_numbers().into_iter().enumerate() {
        let column = &relation.columns[number as usize - 1];
        add(rows, relation.index_oid(), at, &column.name, column.ty, false, None);
    }
}

fn add(
    rows: &mut Rows,
    relation: u32,
    at: usize,
    name: &str,
    ty: PgType,
    not_null: bool,
    acl: Option<Vec<String>>,
) {
    let Some(entry) = ty.entry() else { return };
    rows.add([
        ("attrelid", relation.into()),
        ("attname", name.into()),
        ("atttypid", ty.oid.into()),
        ("attstattarget", (-1).into()),
        ("attlen", entry.length.into()),
        ("attnum", (at as i16 + 1).into()),
        ("attndims", ty.dimension_count().into()),
        ("attcacheoff", (-1).into()),
        ("atttypmod", ty.typmod.into()),
        ("attbyval", matches!(entry.length, 1 | 2 | 4 | 8).into()),
        ("attalign", entry.align.into()),
        ("attstorage", entry.storage.into()),
        ("attnotnull", not_null.into()),
        ("attislocal", true.into()),
        ("attcollation", entry.collation.into()),
        ("attacl", acl.into()),
    ]);
}
