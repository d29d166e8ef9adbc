//! The views of `pg_catalog` that list relations by name: `pg_tables`, `pg_views`, `pg_indexes`.

use crate::model::names::quote_name;
use crate::query::postgres::catalog::{self, Filler, Rows};
use crate::query::postgres::description::{Description, Relation};

const fn filler(name: &'static str, fill: fn(&Description, &mut Rows)) -> Filler {
    Filler { schema: "pg_catalog", name, fill }
}

pub(super) const ALL: &[Filler] = &[
    filler("pg_indexes", fill_indexes),
    filler("pg_tables", fill_tables),
    filler("pg_views", fill_views),
];

/// The statement that would create the index of a primary key.
pub fn index_definition(relation: &Relation, is_qualified: bool) -> String {
    let columns: Vec<_> = relation.primary_key.iter().map(|name| quote_name(name)).collect();
    let schema =
        if is_qualified { format!("{}.", quote_name(&relation.schema)) } else { String::new() };
    let (index, table) = (quote_name(&relation.key_name()), quote_name(&relation.name));
    format!("CREATE UNIQUE INDEX {index} ON {schema}{table} USING btree ({})", columns.join(", "))
}

fn fill_indexes(description: &Description, rows: &mut Rows) {
    for relation in description.relations.iter().filter(|relation| relation.has_key()) {
        rows.add([
            ("schemaname", (&relation.schema).into()),
            ("tablename", (&relation.name).into()),
            ("indexname", relation.key_name().into()),
            ("indexdef", index_definition(relation, true).into()),
        ]);
    }
}

fn fill_tables(description: &Description, rows: &mut Rows) {
    let own = description.relations.iter().filter(|relation| !relation.is_view());
    let own = own.map(|it| (it.schema.as_str(), it.name.as_str(), it.has_key()));
    let system = catalog::RELATIONS.iter().filter(|relation| relation.kind == 'r');
    let system = system.map(|it| (it.schema, it.name, false));
    for (schema, name, has_index) in own.chain(system) {
        rows.add([
            ("schemaname", schema.into()),
            ("tablename", name.into()),
            ("tableowner", description.owner_of(schema, name).into()),
            ("hasindexes", has_index.into()),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ]);
    }
}

fn fill_views(description: &Description, rows: &mut Rows) {
    let own = description.relations.iter().filter(|relation| relation.is_view());
    let own = own.map(|it| (it.schema.as_str(), it.name.as_str(), it.definition.as_deref()));
    let system = catalog::RELATIONS.iter().filter(|relation| relation.kind == 'v');
    let system = system.map(|it| (it.schema, it.name, None));
    for (schema, name, definition) in own.chain(system) {
        rows.add([
            ("schemaname", schema.into()),
            ("viewname", name.into()),
            ("viewowner", description.owner_of(schema, name).into()),
            ("definition", definition.into()),
        ]);
    }
}
