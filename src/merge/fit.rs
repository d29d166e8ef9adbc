//! Whether a strategy fits: the checks of types and arguments, and their messages.
//!
//! Strategies call these from `output`; nothing here knows any single strategy.

use arrow::datatypes::{DataType, TimeUnit};

use crate::error::{Error, Result, SqlState};
use crate::model::policy::StrategyCall;

/// The name that SQL has for an Arrow type, for messages.
pub fn sql_name(ty: &DataType) -> String {
    match ty {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "TEXT".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INTEGER".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "REAL".to_owned(),
        DataType::Float64 => "DOUBLE PRECISION".to_owned(),
        DataType::Decimal128(precision, scale) => format!("NUMERIC({precision},{scale})"),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "TIMESTAMPTZ".to_owned(),
        DataType::List(item) => format!("{}[]", sql_name(item.data_type())),
        other => other.to_string(),
    }
}

/// The error of a strategy that does not fit a type.
pub fn misfit(name: &str, ty: &DataType, hint: &str) -> Error {
    let message = format!("strategy \"{name}\" does not fit type {}", sql_name(ty));
    Error::new(SqlState::DATATYPE_MISMATCH, message).hint(hint)
}

/// Refuses arguments.
///
/// # Errors
/// `22023` if there are any.
pub fn no_arguments(call: &StrategyCall) -> Result<()> {
    if call.arguments.is_empty() {
        return Ok(());
    }
    let message = format!("strategy \"{}\" takes no arguments", call.name);
    Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
}

/// Accepts any type that has an order: all but arrays.
///
/// # Errors
/// `42804` for arrays.
pub fn scalar(name: &str, ty: &DataType) -> Result<()> {
    match ty {
        DataType::List(_) => Err(misfit(name, ty, "use collect_set to unite arrays")),
        _ => Ok(()),
    }
}

/// Accepts booleans.
///
/// # Errors
/// `42804` for any other type.
pub fn boolean(name: &str, ty: &DataType) -> Result<()> {
    match ty {
        DataType::Boolean => Ok(()),
        _ => Err(misfit(name, ty, "it is for BOOLEAN")),
    }
}

/// Accepts numbers.
///
/// # Errors
/// `42804` for any other type.
pub fn number(name: &str, ty: &DataType) -> Result<()> {
    match ty {
        DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(_, _) => Ok(()),
        _ => Err(misfit(name, ty, "it is for numbers")),
    }
}

/// The error of a number that does not fit the type of the result.
pub fn out_of_range(name: &str, ty: &DataType) -> Error {
    let message = format!("{name} is out of range for type {}", sql_name(ty));
    Error::new(SqlState::NUMERIC_OUT_OF_RANGE, message)
}

/// An error of Arrow where the types were checked before: a mistake of ours.
pub fn unexpected(error: arrow::error::ArrowError) -> Error {
    Error::internal(format!("merging failed: {error}"))
}
