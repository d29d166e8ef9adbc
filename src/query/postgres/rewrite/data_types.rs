//! Type names: PostgreSQL's, as DataFusion's planner knows them.

use sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, ObjectName, TimezoneInfo,
};

use crate::query::postgres::rewrite::build;
use crate::query::postgres::types::{self, PgType};

/// Digits of a second that timestamps keep.
const MICROSECONDS: u64 = 6;

/// The `reg*` types: a number of an object that reads and prints as its name.
pub fn is_name_of_object(data_type: &DataType) -> Option<&'static str> {
    let name = match data_type {
        DataType::Regclass => "regclass".to_owned(),
        DataType::Custom(name, _) => last(name),
        _ => return None,
    };
    Some(match name.as_str() {
        "regclass" => "regclass",
        "regtype" => "regtype",
        "regnamespace" => "regnamespace",
        "regproc" | "regprocedure" => "regproc",
        "regrole" => "regrole",
        "oid" | "xid" | "cid" | "regoper" | "regoperator" | "regcollation" => "oid",
        _ => return None,
    })
}

fn last(name: &ObjectName) -> String {
    build::parts(name).and_then(|mut parts| parts.pop()).unwrap_or_default()
}

/// Whether the type is any of text.
pub fn is_text(data_type: &DataType) -> bool {
    matches!(plain(data_type), DataType::Text)
}

/// The type, if its values are texts that clients know as something else.
pub fn kept_as_text(data_type: &DataType) -> Option<&'static str> {
    let name = match data_type {
        DataType::JSON => "json".to_owned(),
        DataType::JSONB => "jsonb".to_owned(),
        DataType::Uuid => "uuid".to_owned(),
        DataType::Custom(name, _) => last(name),
        _ => return None,
    };
    ["json", "jsonb", "uuid"].into_iter().find(|known| *known == name)
}

/// The most characters that a type lets through, for `varchar(n)` and `char(n)`.
pub fn length(data_type: &DataType) -> Option<u64> {
    let limit = match data_type {
        DataType::Character(length) | DataType::Char(length) => {
            length.unwrap_or(CharacterLength::IntegerLength { length: 1, unit: None })
        }
        DataType::CharacterVarying(length)
        | DataType::CharVarying(length)
        | DataType::Varchar(length)
        | DataType::Nvarchar(length) => (*length)?,
        _ => return None,
    };
    match limit {
        CharacterLength::IntegerLength { length, .. } => Some(length),
        CharacterLength::Max => None,
    }
}

/// The type that DataFusion should plan for a type of PostgreSQL. Lengths are not in it.
pub fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Custom(name, modifiers) => custom(&last(name), data_type, modifiers),
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => {
            DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(plain(element)), None))
        }
        DataType::Character(_)
        | DataType::Char(_)
        | DataType::CharacterVarying(_)
        | DataType::CharVarying(_)
        | DataType::Varchar(_)
        | DataType::Nvarchar(_)
        | DataType::JSON
        | DataType::JSONB
        | DataType::Uuid
        | DataType::Bit(_)
        | DataType::BitVarying(_)
        | DataType::VarBit(_) => DataType::Text,
        DataType::Timestamp(None | Some(1 | 2 | 4 | 5), zone) => {
            DataType::Timestamp(Some(MICROSECONDS), *zone)
        }
        DataType::Time(_, _) => DataType::Time(None, TimezoneInfo::None),
        DataType::Float(ExactNumberInfo::Precision(digits)) if *digits <= 24 => DataType::Real,
        DataType::Float(_) => DataType::DoublePrecision,
        DataType::Dec(info) => DataType::Numeric(*info),
        DataType::Interval { .. } => DataType::Interval { fields: None, precision: None },
        other => other.clone(),
    }
}

fn custom(name: &str, whole: &DataType, modifiers: &[String]) -> DataType {
    match name {
        "bool" => DataType::Boolean,
        "int2" => DataType::SmallInt(None),
        "int4" | "int" | "integer" | "cardinal_number" => DataType::Integer(None),
        "int8" | "bigint" => DataType::BigInt(None),
        "float4" => DataType::Real,
        "float8" => DataType::DoublePrecision,
        "numeric" | "decimal" => numeric(modifiers),
        "bytea" => DataType::Bytea,
        "date" => DataType::Date,
        "time" => DataType::Time(None, TimezoneInfo::None),
        "timestamp" => DataType::Timestamp(Some(MICROSECONDS), TimezoneInfo::None),
        "timestamptz" | "time_stamp" => DataType::Timestamp(Some(MICROSECONDS), TimezoneInfo::Tz),
        "interval" => DataType::Interval { fields: None, precision: None },
        "oidvector" | "_oid" => array(DataType::BigInt(None)),
        "int2vector" => array(DataType::SmallInt(None)),
        "text" | "name" | "char" | "varchar" | "bpchar" | "citext" | "cstring" | "json"
        | "jsonb" | "uuid" | "inet" | "cidr" | "xml" | "unknown" | "pg_node_tree" | "pg_lsn"
        | "aclitem" | "sql_identifier" | "character_data" | "yes_or_no" => DataType::Text,
        "regclass" | "regtype" | "regnamespace" | "regproc" | "regprocedure" | "regrole"
        | "oid" => DataType::BigInt(None),
        other => match other.strip_prefix('_').map(|element| custom(element, whole, &[])) {
            Some(element) if element != *whole => array(element),
            _ => whole.clone(),
        },
    }
}

fn array(element: DataType) -> DataType {
    DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element), None))
}

fn numeric(modifiers: &[String]) -> DataType {
    let mut digits = modifiers.iter().filter_map(|text| text.parse::<u64>().ok());
    DataType::Numeric(match (digits.next(), digits.next()) {
        (Some(precision), Some(scale)) => {
            ExactNumberInfo::PrecisionAndScale(precision, scale as i64)
        }
        (Some(precision), None) => ExactNumberInfo::Precision(precision),
        _ => ExactNumberInfo::None,
    })
}

/// The type to cast to for values of a PostgreSQL type.
pub fn of(ty: PgType) -> DataType {
    match ty.entry() {
        Some(entry) if entry.is_array => array(of(PgType::new(entry.element))),
        Some(entry) => custom(&entry.name, &DataType::Text, &[]),
        None => DataType::Text,
    }
}

/// PostgreSQL's internal name of a type, after which it names columns.
pub fn internal_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Custom(name, _) => last(name),
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => internal_name(element),
        DataType::Regclass => "regclass".to_owned(),
        DataType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => {
            "timestamptz".to_owned()
        }
        DataType::Timestamp(_, _) => "timestamp".to_owned(),
        DataType::Time(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => "timetz".to_owned(),
        DataType::Time(_, _) => "time".to_owned(),
        DataType::Char(_) | DataType::Character(_) => "bpchar".to_owned(),
        DataType::CharacterVarying(_) | DataType::CharVarying(_) | DataType::Varchar(_) => {
            "varchar".to_owned()
        }
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric".to_owned(),
        DataType::Interval { .. } => "interval".to_owned(),
        DataType::Float(ExactNumberInfo::Precision(digits)) if *digits <= 24 => "float4".to_owned(),
        DataType::Float(_) | DataType::Double(_) => "float8".to_owned(),
        other => {
            let shown = other.to_string().to_lowercase();
            let bare = shown.split('(').next().unwrap_or_default();
            types::by_name(bare).map_or_else(|| bare.to_owned(), |entry| entry.name.clone())
        }
    }
}
