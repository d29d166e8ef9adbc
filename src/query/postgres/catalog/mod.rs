//! The relations of schemas `pg_catalog` and `information_schema`.
//!
//! The two text files beside this one say which relations there are, with their numbers and columns. A
//! relation that has rows has a filler in [`ALL`]; every other one is there, and empty. Rows are made
//! anew at each scan from the [`Source`]'s description.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::model::column::UTC;
use crate::query::postgres::description::{Description, Source};
use crate::query::postgres::types::{self, METADATA_KEY, PgType};

mod information_schema;
mod pg_attribute;
mod pg_class;
mod pg_constraint;
pub mod pg_description;
pub mod pg_proc;
mod pg_settings;
mod pg_stat;
mod pg_type;
mod privileges;
mod provider;
mod roles;
mod rows;
mod small;
pub mod views;

pub use provider::{CatalogSchema, table};
pub use rows::{Rows, Value, array};

/// A column of a catalog relation.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: PgType,
    /// Whether it is never null.
    pub not_null: bool,
}

/// A relation of one of the two schemas.
#[derive(Debug)]
pub struct CatalogRelation {
    /// Its number, PostgreSQL's own.
    pub oid: u32,
    /// Its schema.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    /// `r` table, `v` view.
    pub kind: char,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The same for Arrow.
    pub arrow: SchemaRef,
}

/// How the rows of a relation are made.
pub struct Filler {
    /// Schema of the relation.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Adds its rows.
    pub fill: fn(&Description, &mut Rows),
}

/// Every relation that has rows.
pub const ALL: &[&[Filler]] = &[
    information_schema::ALL,
    pg_attribute::ALL,
    pg_class::ALL,
    pg_constraint::ALL,
    pg_description::ALL,
    pg_proc::ALL,
    pg_settings::ALL,
    pg_stat::ALL,
    pg_type::ALL,
    privileges::ALL,
    roles::ALL,
    small::ALL,
    views::ALL,
];

/// All relations of both schemas.
pub static RELATIONS: LazyLock<Vec<CatalogRelation>> = LazyLock::new(|| {
    let read = |schema, text: &'static str| {
        text.lines().filter(|line| !line.starts_with('#')).map(move |line| parse(schema, line))
    };
    read("pg_catalog", include_str!("pg_catalog.txt"))
        .chain(read("information_schema", include_str!("information_schema.txt")))
        .collect()
});

static BY_NAME: LazyLock<HashMap<(&'static str, &'static str), &'static CatalogRelation>> =
    LazyLock::new(|| RELATIONS.iter().map(|it| ((it.schema, it.name), it)).collect());

static BY_OID: LazyLock<HashMap<u32, &'static CatalogRelation>> =
    LazyLock::new(|| RELATIONS.iter().map(|it| (it.oid, it)).collect());

fn parse(schema: &'static str, line: &'static str) -> CatalogRelation {
    let mut words = line.split(' ');
    let mut word = || words.next().expect("a line has oid, kind and name");
    let oid = word().parse().expect("a line begins with a number");
    let kind = word().chars().next().expect("words are not empty");
    let name = word();
    let columns: Vec<_> = words.map(parse_column).collect();
    let arrow = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    CatalogRelation { oid, schema, name, kind, columns, arrow }
}

fn parse_column(word: &'static str) -> Column {
    let (name, ty) = word.split_once(':').expect("a column is name:type");
    let entry = types::by_internal_name(ty.trim_end_matches('!'));
    let ty_oid = entry.expect("types.txt has the types of all columns").oid;
    Column { name, ty: PgType::new(ty_oid), not_null: ty.ends_with('!') }
}

/// The Arrow field of a column; text-like types are told apart by metadata alone.
fn field(column: &Column) -> Field {
    field_of(column.name, column.ty)
}

/// An Arrow field that holds values of a type and says so.
pub fn field_of(name: &str, ty: PgType) -> Field {
    let arrow = arrow_type(ty);
    let shown = if arrow == DataType::Utf8 && !is_sent_as_text(ty) { PgType::TEXT } else { ty };
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), shown.name().to_owned())]);
    Field::new(name, arrow, true).with_metadata(metadata)
}

/// Whether the binary form of a type is its text, so that a text may be sent as that type.
fn is_sent_as_text(ty: PgType) -> bool {
    matches!(
        ty.name(),
        "text" | "name" | "varchar" | "bpchar" | "char" | "json" | "pg_node_tree" | "aclitem"
    )
}

/// How catalog rows hold a type: numbers of objects as `UInt32`, whatever has no Arrow type as text.
pub fn arrow_type(ty: PgType) -> DataType {
    let Some(entry) = ty.entry() else { return DataType::Utf8 };
    if entry.element != 0 && entry.category == 'A' {
        // The field around it names the array's type; on its items DataFusion would lose it.
        return DataType::new_list(arrow_type(PgType::new(entry.element)), true);
    }
    match entry.name.as_str() {
        "bool" => DataType::Boolean,
        "int2" => DataType::Int16,
        "int4" => DataType::Int32,
        "int8" => DataType::Int64,
        "float4" => DataType::Float32,
        "float8" => DataType::Float64,
        "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        name if is_number_of_object(name) => DataType::UInt32,
        _ => DataType::Utf8,
    }
}

fn is_number_of_object(name: &str) -> bool {
    name == "oid" || name == "xid" || name == "cid" || name.starts_with("reg")
}

/// The relation of that schema and name.
pub fn by_name(schema: &str, name: &str) -> Option<&'static CatalogRelation> {
    BY_NAME.get(&(schema, name)).copied()
}

/// The relation of that number.
pub fn by_oid(oid: u32) -> Option<&'static CatalogRelation> {
    BY_OID.get(&oid).copied()
}

/// How a relation's rows are made; `None` if it never has any.
pub fn filler(schema: &str, name: &str) -> Option<&'static Filler> {
    ALL.iter().copied().flatten().find(|filler| filler.schema == schema && filler.name == name)
}

/// Schema `pg_catalog`.
pub fn pg_catalog(source: Arc<dyn Source>) -> Arc<CatalogSchema> {
    Arc::new(CatalogSchema::new("pg_catalog", source))
}

/// Schema `information_schema`.
pub fn information_schema(source: Arc<dyn Source>) -> Arc<CatalogSchema> {
    Arc::new(CatalogSchema::new("information_schema", source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::postgres::testing;

    #[test]
    fn every_filler_fills_a_relation_that_exists() {
        let description = testing::description();
        for filler in ALL.iter().copied().flatten() {
            let relation = by_name(filler.schema, filler.name);
            let relation = relation.unwrap_or_else(|| panic!("{} is unknown", filler.name));
            let mut rows = Rows::new(relation);
            (filler.fill)(&description, &mut rows);
            let batch = rows.into_batch(None).expect("rows fit their columns");
            for (index, column) in relation.columns.iter().enumerate() {
                let nulls = batch.column(index).null_count();
                assert!(!column.not_null || nulls == 0, "{}.{}", relation.name, column.name);
            }
        }
    }

    #[test]
    fn fillers_are_unique() {
        let mut names: Vec<_> =
            ALL.iter().copied().flatten().map(|filler| (filler.schema, filler.name)).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
