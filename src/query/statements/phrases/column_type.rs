//! Column types under all the names that PostgreSQL has for them.

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::model::column::{ColumnType, NUMERIC_DEFAULT};
use crate::query::statements::cursor::Cursor;

/// PostgreSQL's types that a dataset cannot have; any other word is no type at all.
const UNSUPPORTED: &[&str] = &[
    "bigserial",
    "bit",
    "bpchar",
    "bytea",
    "char",
    "character",
    "cidr",
    "inet",
    "interval",
    "json",
    "jsonb",
    "money",
    "name",
    "oid",
    "serial",
    "smallserial",
    "time",
    "timetz",
    "tsvector",
    "uuid",
    "varbit",
    "xml",
];

const SUPPORTED: &str = "types are TEXT, BOOLEAN, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, \
                         NUMERIC, DATE, TIMESTAMP, TIMESTAMPTZ, and arrays of these";

/// The digits after a second's point that every time has.
const FRACTION_DIGITS: u64 = 6;

/// A type, or an array of one.
///
/// # Errors
/// `42704` for no type, `0A000` for one that a dataset cannot have.
pub(crate) fn column_type(cursor: &mut Cursor<'_>) -> Result<ColumnType> {
    let element = scalar(cursor)?;
    let position = cursor.position();
    if !cursor.optional(&Token::LBracket) {
        return Ok(element);
    }
    cursor.expect(&Token::RBracket)?;
    if cursor.optional(&Token::LBracket) {
        return Err(Error::unsupported("arrays of arrays are not supported").at(position));
    }
    Ok(ColumnType::Array(Box::new(element)))
}

fn scalar(cursor: &mut Cursor<'_>) -> Result<ColumnType> {
    let position = cursor.position();
    let word = cursor.word()?;
    match word.as_str() {
        "text" => Ok(ColumnType::Text),
        "varchar" => any_length(cursor),
        "char" | "character" if cursor.optional_keywords(&["VARYING"]) => any_length(cursor),
        "boolean" | "bool" => Ok(ColumnType::Boolean),
        "smallint" | "int2" => Ok(ColumnType::SmallInt),
        "integer" | "int" | "int4" => Ok(ColumnType::Integer),
        "bigint" | "int8" => Ok(ColumnType::BigInt),
        "real" | "float4" => Ok(ColumnType::Real),
        "double" => cursor.expect_keyword("PRECISION").map(|()| ColumnType::Double),
        "float8" => Ok(ColumnType::Double),
        "float" => float(cursor),
        "numeric" | "decimal" | "dec" => numeric(cursor),
        "date" => Ok(ColumnType::Date),
        "timestamp" => timestamp(cursor),
        "timestamptz" => fraction_digits(cursor).map(|()| ColumnType::TimestampTz),
        _ => Err(refused(&word).hint(SUPPORTED).at(position)),
    }
}

fn refused(word: &str) -> Error {
    if UNSUPPORTED.binary_search(&word).is_ok() {
        Error::unsupported(format!("type \"{word}\" is not supported in a dataset"))
    } else {
        Error::new(SqlState::UNDEFINED_OBJECT, format!("type \"{word}\" does not exist"))
    }
}

/// `VARCHAR` without a length, which is TEXT.
fn any_length(cursor: &mut Cursor<'_>) -> Result<ColumnType> {
    let position = cursor.position();
    if cursor.optional(&Token::LParen) {
        return Err(Error::unsupported("a length limit of texts is not supported")
            .hint("use TEXT, which has any length")
            .at(position));
    }
    Ok(ColumnType::Text)
}

/// `FLOAT[(bits)]`, as the SQL standard counts precision.
fn float(cursor: &mut Cursor<'_>) -> Result<ColumnType> {
    if !cursor.optional(&Token::LParen) {
        return Ok(ColumnType::Double);
    }
    let position = cursor.position();
    let bits = cursor.number()?;
    cursor.expect(&Token::RParen)?;
    match bits {
        1..=24 => Ok(ColumnType::Real),
        25..=53 => Ok(ColumnType::Double),
        _ => {
            let message = format!("precision {bits} of type float is not 1 to 53 bits");
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(position))
        }
    }
}

/// `NUMERIC[(precision[, scale])]`.
fn numeric(cursor: &mut Cursor<'_>) -> Result<ColumnType> {
    if !cursor.optional(&Token::LParen) {
        let (precision, scale) = NUMERIC_DEFAULT;
        return Ok(ColumnType::Numeric { precision, scale });
    }
    let position = cursor.position();
    let precision = cursor.number()?;
    let scale = if cursor.optional(&Token::Comma) { cursor.number()? } else { 0 };
    cursor.expect(&Token::RParen)?;
    ColumnType::numeric(precision, scale).map_err(|error| error.at(position))
}

/// `TIMESTAMP[(6)] [WITH | WITHOUT TIME ZONE]`.
fn timestamp(cursor: &mut Cursor<'_>) -> Result<ColumnType> {
    fraction_digits(cursor)?;
    if cursor.optional_keywords(&["WITH", "TIME", "ZONE"]) {
        return Ok(ColumnType::TimestampTz);
    }
    cursor.optional_keywords(&["WITHOUT", "TIME", "ZONE"]);
    Ok(ColumnType::Timestamp)
}

/// `[(6)]`: the only precision that times have.
fn fraction_digits(cursor: &mut Cursor<'_>) -> Result<()> {
    if !cursor.optional(&Token::LParen) {
        return Ok(());
    }
    let position = cursor.position();
    let digits = cursor.number()?;
    cursor.expect(&Token::RParen)?;
    if digits == FRACTION_DIGITS {
        return Ok(());
    }
    let message = format!("a timestamp precision other than {FRACTION_DIGITS} is not supported");
    Err(Error::unsupported(message).hint("leave the precision out").at(position))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The type as the catalog prints it, or the error with its place.
    fn check(text: &str, expected: &str) {
        let read = |text| {
            let mut cursor = Cursor::try_new(text)?;
            let ty = column_type(&mut cursor)?;
            cursor.end().map(|()| ty)
        };
        let found = match read(text) {
            Ok(ty) => ty.to_string(),
            Err(error) => {
                format!("{} {error} @{}", error.code(), error.get_position().unwrap_or(0))
            }
        };
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn types_have_all_of_their_names() {
        for (names, ty) in [
            ("text|varchar|char varying|CHARACTER VARYING", "TEXT"),
            ("boolean|bool", "BOOLEAN"),
            ("smallint|int2", "SMALLINT"),
            ("integer|int|int4", "INTEGER"),
            ("bigint|int8", "BIGINT"),
            ("real|float4|float(24)", "REAL"),
            ("double precision|float8|float|float(53)", "DOUBLE PRECISION"),
            ("numeric|decimal|dec", "NUMERIC(38,10)"),
            ("numeric(12,2)|decimal ( 12 , 2 )", "NUMERIC(12,2)"),
            ("numeric(5)", "NUMERIC(5,0)"),
            ("date", "DATE"),
            ("timestamp|timestamp without time zone|timestamp(6)", "TIMESTAMP"),
            ("timestamptz|timestamp with time zone|timestamptz(6)", "TIMESTAMPTZ"),
            ("text[]|varchar []", "TEXT[]"),
            ("timestamp(6) with time zone[]", "TIMESTAMPTZ[]"),
        ] {
            names.split('|').for_each(|name| check(name, ty));
        }
    }

    #[test]
    fn what_a_dataset_cannot_have_is_refused() {
        check("varchar(10)", "0A000 a length limit of texts is not supported @8");
        check("char(1)", "0A000 type \"char\" is not supported in a dataset @1");
        check("jsonb", "0A000 type \"jsonb\" is not supported in a dataset @1");
        check("strnig", "42704 type \"strnig\" does not exist @1");
        check("text[][]", "0A000 arrays of arrays are not supported @5");
        check("text[3]", "42601 syntax error at or near \"3\" @6");
        check("double", "42601 syntax error at end of input @7");
        check("float(99)", "22023 precision 99 of type float is not 1 to 53 bits @7");
        check("numeric(39)", "22023 numeric(39,0) is not possible @9");
        check("numeric(2,3)", "22023 numeric(2,3) is not possible @9");
        check("numeric(-1)", "42601 syntax error at or near \"-\" @9");
        check("timestamp(3)", "0A000 a timestamp precision other than 6 is not supported @11");
    }

    #[test]
    fn refused_types_are_in_the_order_that_the_search_needs() {
        assert!(UNSUPPORTED.is_sorted());
    }
}
