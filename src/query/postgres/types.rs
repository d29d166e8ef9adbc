//! Types as clients see them: their numbers, names, lengths, and the Arrow types that hold their values.
//!
//! `types.txt` is the one table; array types are derived from it. This file does not encode values
//! (`wire` does) and is not about the types that datasets may declare (`model::column`).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

use crate::model::column::{NUMERIC_DEFAULT, UTC};

/// Key of Arrow field metadata that names the PostgreSQL type where the Arrow type does not tell it.
pub const METADATA_KEY: &str = "pg_type";

/// A PostgreSQL type with its modifier, such as `numeric(12,2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PgType {
    /// Number of the type, its row in `pg_type`.
    pub oid: u32,
    /// Modifier, such as precision and scale; -1 is none.
    pub typmod: i32,
}

/// A row of `pg_type`.
#[derive(Clone, Debug)]
pub struct TypeEntry {
    /// Number of the type.
    pub oid: u32,
    /// Internal name, such as `int4` or `_text`.
    pub name: String,
    /// Name in SQL, such as `integer` or `text[]`.
    pub shown: String,
    /// Bytes of a value; -1 is variable, -2 a C string.
    pub length: i16,
    /// `b` base, `p` pseudo.
    pub kind: char,
    /// Category, such as `N` for numbers.
    pub category: char,
    /// Whether it is the preferred type of its category.
    pub preferred: bool,
    /// Alignment: `c`, `s`, `i` or `d`.
    pub align: char,
    /// Storage: `p`, `e`, `m` or `x`.
    pub storage: char,
    /// Collation, or 0.
    pub collation: u32,
    /// Type of the elements that a subscript gives, or 0.
    pub element: u32,
    /// Type of arrays of this type, or 0.
    pub array: u32,
    /// Functions: input, output, receive, send, modifier in, modifier out, subscript.
    pub functions: [TypeFunction; 7],
    /// Whether this is an array type (`_text`), not merely something with elements (`int2vector`).
    pub is_array: bool,
}

/// A support function of a type, by name and number; `-` and 0 if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeFunction {
    /// Its name.
    pub name: &'static str,
    /// Its row in `pg_proc`.
    pub oid: u32,
}

/// All types, in the order of their numbers.
pub static TYPES: LazyLock<Vec<TypeEntry>> = LazyLock::new(|| {
    let mut types: Vec<_> = include_str!("types.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(parse_line)
        .collect();
    let arrays: Vec<_> = types.iter().filter_map(array_of).collect();
    types.extend(arrays);
    types.sort_by_key(|entry| entry.oid);
    types.dedup_by_key(|entry| entry.oid);
    types
});

fn parse_line(line: &'static str) -> TypeEntry {
    let words: Vec<&'static str> = line.split(' ').collect();
    let number = |at: usize| words[at].parse().expect("types.txt has a number here");
    let letter = |at: usize| words[at].chars().next().expect("words are not empty");
    let function = |at: usize| {
        let (name, oid) = words[at].split_once('=').expect("types.txt has name=oid here");
        TypeFunction { name, oid: oid.parse().expect("types.txt has a number after =") }
    };
    TypeEntry {
        oid: number(0),
        name: words[1].to_owned(),
        shown: words[17].replace('~', " "),
        length: words[2].parse().expect("types.txt has a length here"),
        kind: letter(3),
        category: letter(4),
        preferred: words[4].ends_with('!'),
        align: letter(5),
        storage: letter(6),
        collation: number(7),
        element: number(8),
        array: number(9),
        functions: std::array::from_fn(|at| function(10 + at)),
        is_array: words[1].starts_with('_'),
    }
}

fn array_of(element: &TypeEntry) -> Option<TypeEntry> {
    let function = |name, oid| TypeFunction { name, oid };
    let [.., modifier_in, modifier_out, _] = element.functions;
    (element.array != 0).then(|| TypeEntry {
        oid: element.array,
        name: format!("_{}", element.name),
        shown: format!("{}[]", element.shown),
        length: -1,
        kind: if element.kind == 'p' { 'p' } else { 'b' },
        category: if element.kind == 'p' { 'P' } else { 'A' },
        preferred: false,
        align: if element.align == 'd' { 'd' } else { 'i' },
        storage: 'x',
        collation: element.collation,
        element: element.oid,
        array: 0,
        functions: [
            function("array_in", 750),
            function("array_out", 751),
            function("array_recv", 2400),
            function("array_send", 2401),
            modifier_in,
            modifier_out,
            function("array_subscript_handler", 6179),
        ],
        is_array: true,
    })
}

/// The type of that number.
pub fn by_oid(oid: u32) -> Option<&'static TypeEntry> {
    TYPES.binary_search_by_key(&oid, |entry| entry.oid).ok().map(|at| &TYPES[at])
}

/// The type of that internal name, such as `int4`, `_int4` or `char` (which SQL writes `"char"`).
pub fn by_internal_name(name: &str) -> Option<&'static TypeEntry> {
    TYPES.iter().find(|entry| entry.name == name)
}

/// The type of that name in SQL, internal names included, such as `int4`, `integer`, `_int4` or `integer[]`.
pub fn by_name(name: &str) -> Option<&'static TypeEntry> {
    let name = name.trim().trim_start_matches("pg_catalog.");
    if let Some(element) = name.strip_suffix("[]") {
        return by_oid(by_name(element)?.array);
    }
    if let Some(quoted) = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return by_internal_name(quoted);
    }
    let name = match name {
        "int" => "int4",
        "decimal" | "dec" => "numeric",
        "float" => "float8",
        "char" => "bpchar",
        "serial" => "int4",
        "bigserial" => "int8",
        other => other,
    };
    TYPES.iter().find(|entry| entry.shown == name).or_else(|| by_internal_name(name))
}

/// Bytes that PostgreSQL adds to a modifier, so that every true modifier is greater than them.
const TYPMOD_OFFSET: i32 = 4;

impl PgType {
    /// `boolean`.
    pub const BOOL: Self = Self::new(16);
    /// `bytea`.
    pub const BYTEA: Self = Self::new(17);
    /// `name`.
    pub const NAME: Self = Self::new(19);
    /// `bigint`.
    pub const INT8: Self = Self::new(20);
    /// `smallint`.
    pub const INT2: Self = Self::new(21);
    /// `integer`.
    pub const INT4: Self = Self::new(23);
    /// `text`.
    pub const TEXT: Self = Self::new(25);
    /// `oid`.
    pub const OID: Self = Self::new(26);
    /// `real`.
    pub const FLOAT4: Self = Self::new(700);
    /// `double precision`.
    pub const FLOAT8: Self = Self::new(701);
    /// `date`.
    pub const DATE: Self = Self::new(1082);
    /// `time`.
    pub const TIME: Self = Self::new(1083);
    /// `timestamp`.
    pub const TIMESTAMP: Self = Self::new(1114);
    /// `timestamp with time zone`.
    pub const TIMESTAMPTZ: Self = Self::new(1184);
    /// `interval`.
    pub const INTERVAL: Self = Self::new(1186);
    /// `numeric` of any precision.
    pub const NUMERIC: Self = Self::new(1700);
    /// `record`, a row of no declared type.
    pub const RECORD: Self = Self::new(2249);

    /// A type without a modifier.
    pub const fn new(oid: u32) -> Self {
        Self { oid, typmod: -1 }
    }

    /// The type as which clients see values of an Arrow field.
    pub fn of(data_type: &DataType, metadata: &HashMap<String, String>) -> Self {
        let named = metadata.get(METADATA_KEY).and_then(|name| by_internal_name(name));
        named.map_or_else(|| Self::of_data_type(data_type), |entry| Self::new(entry.oid))
    }

    /// The type as which clients see values of a field.
    pub fn of_field(field: &Field) -> Self {
        Self::of(field.data_type(), field.metadata())
    }

    fn of_data_type(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::BOOL,
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => Self::INT2,
            DataType::Int32 | DataType::UInt16 => Self::INT4,
            DataType::Int64 | DataType::UInt32 => Self::INT8,
            DataType::UInt64 => Self::NUMERIC,
            DataType::Float16 | DataType::Float32 => Self::FLOAT4,
            DataType::Float64 => Self::FLOAT8,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::BYTEA,
            DataType::Date32 | DataType::Date64 => Self::DATE,
            DataType::Time32(_) | DataType::Time64(_) => Self::TIME,
            DataType::Timestamp(_, None) => Self::TIMESTAMP,
            DataType::Timestamp(_, Some(_)) => Self::TIMESTAMPTZ,
            DataType::Interval(_) | DataType::Duration(_) => Self::INTERVAL,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => Self::numeric(*precision, *scale),
            DataType::Struct(_) => Self::RECORD,
            DataType::Dictionary(_, value) => Self::of_data_type(value),
            DataType::List(element)
            | DataType::LargeList(element)
            | DataType::ListView(element)
            | DataType::LargeListView(element)
            | DataType::FixedSizeList(element, _) => Self::of_field(element).array(),
            _ => Self::TEXT,
        }
    }

    /// `numeric(precision, scale)`.
    pub fn numeric(precision: u8, scale: i8) -> Self {
        let modifier = (i32::from(precision) << 16) | i32::from(scale.max(0));
        Self { typmod: modifier + TYPMOD_OFFSET, ..Self::NUMERIC }
    }

    /// The array type of this type; arrays of arrays have the type of their innermost elements' arrays.
    pub fn array(self) -> Self {
        let oid = match self.entry() {
            Some(entry) if entry.is_array => entry.oid,
            Some(entry) if entry.array != 0 => entry.array,
            _ => 1009,
        };
        Self { oid, typmod: self.typmod }
    }

    /// The type of the elements of this array type.
    pub fn element(self) -> Option<Self> {
        let entry = self.entry()?;
        (entry.element != 0).then_some(Self { oid: entry.element, typmod: self.typmod })
    }

    /// What `pg_type` says about it.
    pub fn entry(self) -> Option<&'static TypeEntry> {
        by_oid(self.oid)
    }

    /// Its internal name, such as `int4`.
    pub fn name(self) -> &'static str {
        self.entry().map_or("text", |entry| &entry.name)
    }

    /// Bytes of a value, or -1 if that varies.
    pub fn length(self) -> i16 {
        self.entry().map_or(-1, |entry| entry.length)
    }

    /// Dimensions, as `attndims` counts them.
    pub fn dimension_count(self) -> i32 {
        i32::from(self.entry().is_some_and(|entry| entry.is_array))
    }

    /// Precision and scale, if this is a numeric with a modifier.
    pub fn precision_and_scale(self) -> Option<(i32, i32)> {
        let modifier = self.typmod - TYPMOD_OFFSET;
        (self.oid == Self::NUMERIC.oid && self.typmod >= TYPMOD_OFFSET)
            .then_some(((modifier >> 16) & 0xffff, modifier & 0x7ff))
    }

    /// Its SQL name with the modifier, as `format_type` gives it.
    pub fn format(&self) -> String {
        let Some(entry) = self.entry() else { return "???".to_owned() };
        if entry.is_array {
            let element = Self { oid: entry.element, typmod: self.typmod };
            return format!("{}[]", element.format());
        }
        let modifier = self.typmod - TYPMOD_OFFSET;
        match entry.name.as_str() {
            _ if self.typmod < 0 => entry.shown.clone(),
            "numeric" => self
                .precision_and_scale()
                .map_or_else(|| entry.shown.clone(), |(p, s)| format!("numeric({p},{s})")),
            "varchar" | "bpchar" if modifier > 0 => format!("{}({modifier})", entry.shown),
            "bit" | "varbit" => format!("{}({})", entry.shown, self.typmod),
            "time" | "timetz" | "timestamp" | "timestamptz" => {
                let (head, tail) = entry.shown.split_once(' ').expect("these names have a zone");
                format!("{head}({}) {tail}", self.typmod)
            }
            _ => entry.shown.clone(),
        }
    }

    /// The Arrow type for parameters that a client declared to be of a type.
    pub fn to_arrow(oid: u32) -> Option<DataType> {
        let entry = by_oid(oid)?;
        if entry.is_array {
            let element = Self::to_arrow(entry.element)?;
            return Some(DataType::List(Arc::new(Field::new("item", element, true))));
        }
        Some(match entry.name.as_str() {
            "bool" => DataType::Boolean,
            "int2" => DataType::Int16,
            "int4" => DataType::Int32,
            "int8" => DataType::Int64,
            "oid" | "xid" | "cid" => DataType::UInt32,
            "float4" => DataType::Float32,
            "float8" => DataType::Float64,
            "bytea" => DataType::Binary,
            "date" => DataType::Date32,
            "time" => DataType::Time64(TimeUnit::Microsecond),
            "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
            "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            "interval" => DataType::Interval(IntervalUnit::MonthDayNano),
            "numeric" => DataType::Decimal128(NUMERIC_DEFAULT.0, NUMERIC_DEFAULT.1),
            "int2vector" => DataType::List(Arc::new(Field::new("item", DataType::Int16, true))),
            "oidvector" => DataType::List(Arc::new(Field::new("item", DataType::UInt32, true))),
            _ if entry.kind == 'p' && entry.name != "unknown" && entry.name != "cstring" => {
                return None;
            }
            _ => DataType::Utf8,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrow_types_show_as_postgresql_types() {
        let list = |ty| DataType::List(Arc::new(Field::new("item", ty, true)));
        let check = |data_type: DataType, oid: u32, shown: &str| {
            let ty = PgType::of(&data_type, &HashMap::new());
            assert_eq!((ty.oid, ty.format().as_str()), (oid, shown), "{data_type}");
        };
        check(DataType::Boolean, 16, "boolean");
        check(DataType::Int16, 21, "smallint");
        check(DataType::Int32, 23, "integer");
        check(DataType::Int64, 20, "bigint");
        check(DataType::UInt64, 1700, "numeric");
        check(DataType::Float32, 700, "real");
        check(DataType::Float64, 701, "double precision");
        check(DataType::Utf8View, 25, "text");
        check(DataType::Null, 25, "text");
        check(DataType::Decimal128(12, 2), 1700, "numeric(12,2)");
        check(
            DataType::Timestamp(TimeUnit::Microsecond, None),
            1114,
            "timestamp without time zone",
        );
        check(
            DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            1184,
            "timestamp with time zone",
        );
        check(list(DataType::Utf8View), 1009, "text[]");
        check(list(DataType::Int32), 1007, "integer[]");
        check(list(list(DataType::Int32)), 1007, "integer[]");
        check(list(DataType::Decimal128(12, 2)), 1231, "numeric(12,2)[]");
    }

    #[test]
    fn metadata_names_the_type() {
        let check = |name: &str, oid: u32| {
            let metadata = HashMap::from([(METADATA_KEY.to_owned(), name.to_owned())]);
            assert_eq!(PgType::of(&DataType::UInt32, &metadata).oid, oid, "{name}");
        };
        check("oid", 26);
        check("name", 19);
        check("char", 18);
        check("int2vector", 22);
        check("_aclitem", 1034);
        check("no_such_type", 20);
    }

    #[test]
    fn names_in_sql_are_found() {
        let check = |name: &str, oid: Option<u32>| {
            assert_eq!(by_name(name).map(|entry| entry.oid), oid, "{name}");
        };
        check("char", Some(1042));
        check("\"char\"", Some(18));
        check("int", Some(23));
        check("integer[]", Some(1007));
        check("_int4", Some(1007));
        check("pg_catalog.timestamptz", Some(1184));
        check("timestamp with time zone", Some(1184));
        check("hstore", None);
    }

    #[test]
    fn modifiers_are_shown() {
        let check = |oid, typmod, shown: &str| {
            assert_eq!(PgType { oid, typmod }.format(), shown);
        };
        check(1043, 24, "character varying(20)");
        check(1042, 5, "character(1)");
        check(18, -1, "\"char\"");
        check(1114, 3, "timestamp(3) without time zone");
        check(1700, 655_366, "numeric(10,2)");
        check(99_999, -1, "???");
    }

    #[test]
    fn declared_parameters_have_arrow_types() {
        for entry in TYPES.iter().filter(|entry| entry.kind == 'b' && !entry.is_array) {
            let arrow = PgType::to_arrow(entry.oid).expect("base types can be parameters");
            let array = PgType::to_arrow(entry.array);
            assert_eq!(array.is_some(), entry.array != 0, "{}", entry.name);
            assert!(!matches!(arrow, DataType::Null), "{}", entry.name);
        }
        assert_eq!(PgType::to_arrow(2249), None);
    }

    #[test]
    fn arrays_and_elements_point_at_each_other() {
        for entry in TYPES.iter().filter(|entry| entry.array != 0) {
            let array = by_oid(entry.array).expect("every array type is there");
            assert_eq!(array.element, entry.oid);
        }
    }
}
