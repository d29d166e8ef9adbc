//! `pg_type`: the types that clients may meet. Relations have no row types here (`reltype` is 0).

use crate::query::postgres::catalog::{Filler, Rows};
use crate::query::postgres::description::{Description, OWNER_OID, PG_CATALOG_OID};
use crate::query::postgres::types::{TYPES, TypeEntry};

pub(super) const ALL: &[Filler] = &[Filler { schema: "pg_catalog", name: "pg_type", fill }];

/// `array_typanalyze`, which looks at arrays for ANALYZE.
const ARRAY_ANALYZE: u32 = 3816;

fn fill(_: &Description, rows: &mut Rows) {
    for entry in TYPES.iter() {
        add(rows, entry);
    }
}

fn add(rows: &mut Rows, entry: &TypeEntry) {
    let [input, output, receive, send, modifier_in, modifier_out, subscript] = entry.functions;
    rows.add([
        ("oid", entry.oid.into()),
        ("typname", (&entry.name).into()),
        ("typnamespace", PG_CATALOG_OID.into()),
        ("typowner", OWNER_OID.into()),
        ("typlen", entry.length.into()),
        ("typbyval", matches!(entry.length, 1 | 2 | 4 | 8).into()),
        ("typtype", entry.kind.into()),
        ("typcategory", entry.category.into()),
        ("typispreferred", entry.preferred.into()),
        ("typisdefined", true.into()),
        ("typdelim", ",".into()),
        ("typsubscript", subscript.oid.into()),
        ("typelem", entry.element.into()),
        ("typarray", entry.array.into()),
        ("typinput", input.oid.into()),
        ("typoutput", output.oid.into()),
        ("typreceive", receive.oid.into()),
        ("typsend", send.oid.into()),
        ("typmodin", modifier_in.oid.into()),
        ("typmodout", modifier_out.oid.into()),
        ("typanalyze", if entry.is_array { ARRAY_ANALYZE } else { 0 }.into()),
        ("typalign", entry.align.into()),
        ("typstorage", entry.storage.into()),
        ("typtypmod", (-1).into()),
        ("typcollation", entry.collation.into()),
    ]);
}
