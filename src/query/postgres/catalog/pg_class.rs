//! `pg_class`: one row per relation, ours and the catalog's, and one per index of a primary key.

use crate::query::postgres::catalog::{self, CatalogRelation, Filler, Rows};
use crate::query::postgres::description::{BTREE_OID, Description, HEAP_OID, OWNER_OID, Relation};

pub(super) const ALL: &[Filler] = &[Filler { schema: "pg_catalog", name: "pg_class", fill }];

fn fill(description: &Description, rows: &mut Rows) {
    let schemas = description.numbered_schemas();
    let schema_oid =
        |name: &str| schemas.iter().find(|(_, schema)| *schema == name).map_or(0, |(oid, _)| *oid);
    for relation in &description.relations {
        let namespace = schema_oid(&relation.schema);
        add_relation(description, rows, relation, namespace);
        if relation.has_key() {
            add_index(description, rows, relation, namespace);
        }
    }
    for relation in catalog::RELATIONS.iter() {
        add_catalog_relation(rows, relation, schema_oid(relation.schema));
    }
}

fn add_relation(description: &Description, rows: &mut Rows, relation: &Relation, namespace: u32) {
    let (schema, name) = (relation.schema.as_str(), relation.name.as_str());
    let owner = description.role_oid(description.access.owner(schema, name));
    rows.add([
        ("oid", relation.oid.into()),
        ("relname", (&relation.name).into()),
        ("relnamespace", namespace.into()),
        ("relowner", owner.into()),
        ("relacl", description.table_acl(schema, name).into()),
        ("relam", if relation.is_view() { 0 } else { HEAP_OID }.into()),
        ("relfilenode", if relation.is_view() { 0 } else { relation.oid }.into()),
        ("reltuples", relation.row_estimate.map_or(-1.0, |count| count as f64).into()),
        ("relhasindex", relation.has_key().into()),
        ("relpersistence", if relation.is_temporary { "t" } else { "p" }.into()),
        ("relkind", if relation.is_view() { "v" } else { "r" }.into()),
        ("relnatts", (relation.columns.len() as i16).into()),
        ("relhasrules", relation.is_view().into()),
        ("relispopulated", true.into()),
        ("relreplident", if relation.is_view() { "n" } else { "d" }.into()),
    ]);
}

fn add_index(description: &Description, rows: &mut Rows, relation: &Relation, namespace: u32) {
    let owner = description.access.owner(&relation.schema, &relation.name);
    rows.add([
        ("oid", relation.index_oid().into()),
        ("relname", relation.key_name().into()),
        ("relnamespace", namespace.into()),
        ("relowner", description.role_oid(owner).into()),
        ("relam", BTREE_OID.into()),
        ("relfilenode", relation.index_oid().into()),
        ("reltuples", relation.row_estimate.map_or(-1.0, |count| count as f64).into()),
        ("relpersistence", "p".into()),
        ("relkind", "i".into()),
        ("relnatts", (relation.primary_key.len() as i16).into()),
        ("relispopulated", true.into()),
        ("relreplident", "n".into()),
    ]);
}

fn add_catalog_relation(rows: &mut Rows, relation: &CatalogRelation, namespace: u32) {
    let is_view = relation.kind == 'v';
    rows.add([
        ("oid", relation.oid.into()),
        ("relname", relation.name.into()),
        ("relnamespace", namespace.into()),
        ("relowner", OWNER_OID.into()),
        ("relam", if is_view { 0 } else { HEAP_OID }.into()),
        ("relfilenode", if is_view { 0 } else { relation.oid }.into()),
        ("reltuples", (-1.0).into()),
        ("relpersistence", "p".into()),
        ("relkind", relation.kind.into()),
        ("relnatts", (relation.columns.len() as i16).into()),
        ("relhasrules", is_view.into()),
        ("relispopulated", true.into()),
        ("relreplident", "n".into()),
    ]);
}
