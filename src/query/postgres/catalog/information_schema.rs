//! The relations of `information_schema` that have rows.
//!
//! As in PostgreSQL, `tables`, `columns` and their like list the catalog's own relations too.

use crate::query::postgres::catalog::{self, Filler, Rows, Value, pg_proc};
use crate::query::postgres::description::{Description, Relation};
use crate::query::postgres::types::{self, PgType};

const fn filler(name: &'static str, fill: fn(&Description, &mut Rows)) -> Filler {
    Filler { schema: "information_schema", name, fill }
}

pub(super) const ALL: &[Filler] = &[
    filler("character_sets", fill_character_sets),
    filler("collations", fill_collations),
    filler("columns", fill_columns),
    filler("constraint_column_usage", fill_constraint_columns),
    filler("constraint_table_usage", fill_constraint_tables),
    filler("information_schema_catalog_name", fill_catalog_name),
    filler("key_column_usage", fill_key_columns),
    filler("parameters", fill_parameters),
    filler("routines", fill_routines),
    filler("schemata", fill_schemas),
    filler("table_constraints", fill_constraints),
    filler("tables", fill_tables),
    filler("views", fill_views),
];

/// Bytes of the longest text, as PostgreSQL reports them.
const TEXT_BYTES_MAX: i32 = 1_073_741_824;

fn yes_or_no(yes: bool) -> Value {
    if yes { "YES" } else { "NO" }.into()
}

fn keyed(description: &Description) -> impl Iterator<Item = &Relation> {
    description.relations.iter().filter(|relation| relation.has_key())
}

fn fill_catalog_name(description: &Description, rows: &mut Rows) {
    rows.add([("catalog_name", (&description.database).into())]);
}

fn fill_character_sets(description: &Description, rows: &mut Rows) {
    rows.add([
        ("character_set_name", "UTF8".into()),
        ("character_repertoire", "UCS".into()),
        ("form_of_use", "UTF8".into()),
        ("default_collate_catalog", (&description.database).into()),
    ]);
}

fn fill_collations(description: &Description, rows: &mut Rows) {
    for name in ["default", "C", "POSIX"] {
        rows.add([
            ("collation_catalog", (&description.database).into()),
            ("collation_schema", "pg_catalog".into()),
            ("collation_name", name.into()),
            ("pad_attribute", "NO PAD".into()),
        ]);
    }
}

fn fill_schemas(description: &Description, rows: &mut Rows) {
    for name in description.numbered_schemas().into_values() {
        rows.add([
            ("catalog_name", (&description.database).into()),
            ("schema_name", name.into()),
            ("schema_owner", (&description.owner).into()),
        ]);
    }
}

fn fill_tables(description: &Description, rows: &mut Rows) {
    let own = description.relations.iter();
    let own = own.map(|it| (it.schema.as_str(), it.name.as_str(), it.is_view()));
    let system = catalog::RELATIONS.iter().map(|it| (it.schema, it.name, it.kind == 'v'));
    let is_system = |schema: &str| schema == "pg_catalog" || schema == "information_schema";
    for (schema, name, is_view) in own.chain(system) {
        rows.add([
            ("table_catalog", (&description.database).into()),
            ("table_schema", schema.into()),
            ("table_name", name.into()),
            ("table_type", if is_view { "VIEW" } else { "BASE TABLE" }.into()),
            ("is_insertable_into", yes_or_no(!is_view && !is_system(schema))),
            ("is_typed", "NO".into()),
        ]);
    }
}

fn fill_views(description: &Description, rows: &mut Rows) {
    let own = description.relations.iter().filter(|relation| relation.is_view());
    let own = own.map(|it| (it.schema.as_str(), it.name.as_str(), it.definition.as_deref()));
    let system = catalog::RELATIONS.iter().filter(|relation| relation.kind == 'v');
    for (schema, name, definition) in own.chain(system.map(|it| (it.schema, it.name, None))) {
        rows.add([
            ("table_catalog", (&description.database).into()),
            ("table_schema", schema.into()),
            ("table_name", name.into()),
            ("view_definition", definition.into()),
            ("check_option", "NONE".into()),
            ("is_updatable", "NO".into()),
            ("is_insertable_into", "NO".into()),
            ("is_trigger_updatable", "NO".into()),
            ("is_trigger_deletable", "NO".into()),
            ("is_trigger_insertable_into", "NO".into()),
        ]);
    }
}

fn fill_columns(description: &Description, rows: &mut Rows) {
    for relation in &description.relations {
        for (at, column) in relation.columns.iter().enumerate() {
            let generated = column.generated.as_deref();
            let (name, ty, not_null) = (column.name.as_str(), column.ty, column.not_null);
            let shape = Shape { name, ty, not_null, generated };
            let place = (relation.schema.as_str(), relation.name.as_str());
            add_column(rows, &description.database, place, at, &shape, !relation.is_view());
        }
    }
    for relation in catalog::RELATIONS.iter() {
        for (at, column) in relation.columns.iter().enumerate() {
            let (name, ty, not_null) = (column.name, column.ty, column.not_null);
            let shape = Shape { name, ty, not_null, generated: None };
            let place = (relation.schema, relation.name);
            add_column(rows, &description.database, place, at, &shape, false);
        }
    }
}

struct Shape<'a> {
    name: &'a str,
    ty: PgType,
    not_null: bool,
    generated: Option<&'a str>,
}

fn add_column(
    rows: &mut Rows,
    database: &str,
    (schema, table): (&str, &str),
    at: usize,
    column: &Shape<'_>,
    is_updatable: bool,
) {
    let ty = TypeCells::of(column.ty);
    rows.add([
        ("table_catalog", database.into()),
        ("table_schema", schema.into()),
        ("table_name", table.into()),
        ("column_name", column.name.into()),
        ("ordinal_position", (at as i32 + 1).into()),
        ("is_nullable", yes_or_no(!column.not_null)),
        ("data_type", ty.data_type.into()),
        ("character_maximum_length", ty.length.into()),
        ("character_octet_length", ty.bytes.into()),
        ("numeric_precision", ty.precision.into()),
        ("numeric_precision_radix", ty.radix.into()),
        ("numeric_scale", ty.scale.into()),
        ("datetime_precision", ty.second_digits.into()),
        ("udt_catalog", database.into()),
        ("udt_schema", "pg_catalog".into()),
        ("udt_name", column.ty.name().into()),
        ("dtd_identifier", (at + 1).to_string().into()),
        ("is_self_referencing", "NO".into()),
        ("is_identity", "NO".into()),
        ("identity_cycle", "NO".into()),
        ("is_generated", if column.generated.is_some() { "ALWAYS" } else { "NEVER" }.into()),
        ("generation_expression", column.generated.into()),
        ("is_updatable", yes_or_no(is_updatable)),
    ]);
}

/// What the standard wants to know about a type.
#[derive(Default)]
struct TypeCells {
    data_type: String,
    length: Option<i32>,
    bytes: Option<i32>,
    precision: Option<i32>,
    radix: Option<i32>,
    scale: Option<i32>,
    second_digits: Option<i32>,
}

impl TypeCells {
    fn of(ty: PgType) -> Self {
        let mut cells = Self { data_type: standard_name(ty), ..Self::default() };
        let mut number = |precision, radix, scale| {
            cells.precision = precision;
            cells.radix = Some(radix);
            cells.scale = scale;
        };
        match ty.name() {
            "int2" => number(Some(16), 2, Some(0)),
            "int4" => number(Some(32), 2, Some(0)),
            "int8" => number(Some(64), 2, Some(0)),
            "float4" => number(Some(24), 2, None),
            "float8" => number(Some(53), 2, None),
            "numeric" => {
                let (precision, scale) = ty.precision_and_scale().unzip();
                number(precision, 10, scale);
            }
            "text" => cells.bytes = Some(TEXT_BYTES_MAX),
            "varchar" | "bpchar" => {
                cells.length = (ty.typmod > 4).then_some(ty.typmod - 4);
                cells.bytes = Some(cells.length.map_or(TEXT_BYTES_MAX, |length| length * 4));
            }
            "date" => cells.second_digits = Some(0),
            "time" | "timetz" | "timestamp" | "timestamptz" | "interval" => {
                cells.second_digits = Some(6);
            }
            _ => {}
        }
        cells
    }
}

/// The type without its modifier, with all arrays alike.
fn standard_name(ty: PgType) -> String {
    match ty.entry() {
        Some(entry) if entry.is_array => "ARRAY".to_owned(),
        _ => PgType::new(ty.oid).format(),
    }
}

fn fill_constraints(description: &Description, rows: &mut Rows) {
    for relation in keyed(description) {
        rows.add([
            ("constraint_catalog", (&description.database).into()),
            ("constraint_schema", (&relation.schema).into()),
            ("constraint_name", relation.key_name().into()),
            ("table_catalog", (&description.database).into()),
            ("table_schema", (&relation.schema).into()),
            ("table_name", (&relation.name).into()),
            ("constraint_type", "PRIMARY KEY".into()),
            ("is_deferrable", "NO".into()),
            ("initially_deferred", "NO".into()),
            ("enforced", "YES".into()),
        ]);
    }
}

fn fill_key_columns(description: &Description, rows: &mut Rows) {
    for relation in keyed(description) {
        for (at, column) in relation.primary_key.iter().enumerate() {
            rows.add([
                ("constraint_catalog", (&description.database).into()),
                ("constraint_schema", (&relation.schema).into()),
                ("constraint_name", relation.key_name().into()),
                ("table_catalog", (&description.database).into()),
                ("table_schema", (&relation.schema).into()),
                ("table_name", (&relation.name).into()),
                ("column_name", column.into()),
                ("ordinal_position", (at as i32 + 1).into()),
            ]);
        }
    }
}

fn fill_constraint_columns(description: &Description, rows: &mut Rows) {
    for relation in keyed(description) {
        for column in &relation.primary_key {
            rows.add([
                ("table_catalog", (&description.database).into()),
                ("table_schema", (&relation.schema).into()),
                ("table_name", (&relation.name).into()),
                ("column_name", column.into()),
                ("constraint_catalog", (&description.database).into()),
                ("constraint_schema", (&relation.schema).into()),
                ("constraint_name", relation.key_name().into()),
            ]);
        }
    }
}

fn fill_constraint_tables(description: &Description, rows: &mut Rows) {
    for relation in keyed(description) {
        rows.add([
            ("table_catalog", (&description.database).into()),
            ("table_schema", (&relation.schema).into()),
            ("table_name", (&relation.name).into()),
            ("constraint_catalog", (&description.database).into()),
            ("constraint_schema", (&relation.schema).into()),
            ("constraint_name", relation.key_name().into()),
        ]);
    }
}

fn fill_routines(description: &Description, rows: &mut Rows) {
    for (oid, entry) in description.numbered_functions() {
        let result = types::by_name(&entry.result).map(|it| PgType::new(it.oid));
        rows.add([
            ("specific_catalog", (&description.database).into()),
            ("specific_schema", "public".into()),
            ("specific_name", format!("{}_{oid}", entry.name).into()),
            ("routine_catalog", (&description.database).into()),
            ("routine_schema", "public".into()),
            ("routine_name", (&entry.name).into()),
            ("routine_type", (entry.kind == 'f').then_some("FUNCTION").into()),
            ("data_type", result.map_or_else(|| "record".to_owned(), standard_name).into()),
            ("type_udt_catalog", (&description.database).into()),
            ("type_udt_schema", "pg_catalog".into()),
            ("type_udt_name", result.map_or("record", PgType::name).into()),
            ("dtd_identifier", "0".into()),
            ("routine_body", "EXTERNAL".into()),
            ("external_language", "INTERNAL".into()),
            ("parameter_style", "GENERAL".into()),
            ("is_deterministic", "NO".into()),
            ("sql_data_access", "MODIFIES".into()),
            ("security_type", "INVOKER".into()),
        ]);
    }
}

fn fill_parameters(description: &Description, rows: &mut Rows) {
    for (oid, entry) in description.numbered_functions() {
        for (at, ty) in pg_proc::argument_types(&entry.arguments).into_iter().enumerate() {
            let ty = PgType::new(ty);
            rows.add([
                ("specific_catalog", (&description.database).into()),
                ("specific_schema", "public".into()),
                ("specific_name", format!("{}_{oid}", entry.name).into()),
                ("ordinal_position", (at as i32 + 1).into()),
                ("parameter_mode", "IN".into()),
                ("is_result", "NO".into()),
                ("as_locator", "NO".into()),
                ("data_type", standard_name(ty).into()),
                ("udt_catalog", (&description.database).into()),
                ("udt_schema", "pg_catalog".into()),
                ("udt_name", ty.name().into()),
                ("dtd_identifier", (at + 1).to_string().into()),
            ]);
        }
    }
}
