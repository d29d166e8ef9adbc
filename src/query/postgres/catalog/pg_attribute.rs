//! `pg_attribute`: one row per column of everything in `pg_class`.

use crate::query::postgres::catalog::{self, Filler, Rows};
use crate::query::postgres::description::{Description, EXPRESSION_OID, Relation};
use crate::query::postgres::types::PgType;

pub(super) const ALL: &[Filler] = &[
    Filler { schema: "pg_catalog", name: "pg_attrdef", fill: fill_expressions },
    Filler { schema: "pg_catalog", name: "pg_attribute", fill },
];

/// The expressions of computed columns.
fn fill_expressions(description: &Description, rows: &mut Rows) {
    let mut next_oid = EXPRESSION_OID;
    for relation in &description.relations {
        for (at, column) in relation.columns.iter().enumerate() {
            let Some(expression) = &column.generated else { continue };
            rows.add([
                ("oid", next_oid.into()),
                ("adrelid", relation.oid.into()),
                ("adnum", (at as i16 + 1).into()),
                ("adbin", expression.into()),
            ]);
            next_oid += 1;
        }
    }
}

fn fill(description: &Description, rows: &mut Rows) {
    for relation in &description.relations {
        for (at, column) in relation.columns.iter().enumerate() {
            let (name, ty) = (column.name.as_str(), column.ty);
            let generated = column.generated.is_some();
            add(rows, relation.oid, at, &Shape { name, ty, not_null: column.not_null, generated });
        }
        add_key(rows, relation);
    }
    for relation in catalog::RELATIONS.iter() {
        for (at, column) in relation.columns.iter().enumerate() {
            let (name, ty, not_null) = (column.name, column.ty, column.not_null);
            add(rows, relation.oid, at, &Shape { name, ty, not_null, generated: false });
        }
    }
}

/// The columns of the index of a primary key.
fn add_key(rows: &mut Rows, relation: &Relation) {
    for (at, number) in relation.key_numbers().into_iter().enumerate() {
        let column = &relation.columns[number as usize - 1];
        let (name, ty) = (column.name.as_str(), column.ty);
        let shape = Shape { name, ty, not_null: false, generated: false };
        add(rows, relation.index_oid(), at, &shape);
    }
}

struct Shape<'a> {
    name: &'a str,
    ty: PgType,
    not_null: bool,
    generated: bool,
}

fn add(rows: &mut Rows, relation: u32, at: usize, column: &Shape<'_>) {
    let Shape { name, ty, not_null, generated } = *column;
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
        ("atthasdef", generated.into()),
        ("attgenerated", if generated { "s" } else { "" }.into()),
        ("attislocal", true.into()),
        ("attcollation", entry.collation.into()),
    ]);
}
