//! Foreign errors made ours: DataFusion, Arrow and the SQL parser speak of themselves, users read SQLSTATEs.
//!
//! Only the kinds that a user can cause are told apart; everything else keeps its text. Positions come
//! from the parser's and planner's spans and are 1-based characters of the statement. Nothing here
//! runs a statement; `session` and everything that plans calls it.

use arrow::error::ArrowError;
use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::common::{Diagnostic, SchemaError};
use datafusion::error::DataFusionError;
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::TokenizerError;

use crate::error::{Error, SqlState};

/// `42000`: a statement that cannot be planned, where no finer class fits.
const CANNOT_PLAN: SqlState = SqlState("42000");

/// The error as a user should see it; `sql` is the text that positions count in.
pub fn from_datafusion(error: &DataFusionError, sql: &str) -> Error {
    let mut converted = kind(error, sql);
    if converted.get_position().is_none()
        && let Some(position) = diagnostic(error).and_then(|found| position_of(found, sql))
    {
        converted = converted.at(position);
    }
    converted
}

/// An error of the parser, with the position that its text names.
pub fn from_parser(error: &ParserError, sql: &str) -> Error {
    match error {
        ParserError::RecursionLimitExceeded => too_complex(),
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            let (message, location) = split_location(text);
            let error = Error::new(SqlState::SYNTAX_ERROR, syntax_message(message));
            match location {
                Some((line, column)) => error.at(position(sql, line, column)),
                None if message.ends_with("found: EOF") => error.at(sql.chars().count() + 1),
                None => error,
            }
        }
    }
}

/// An error of the tokenizer.
pub fn from_tokenizer(error: &TokenizerError, sql: &str) -> Error {
    let message = syntax_message(&error.message);
    let at = position(sql, error.location.line, error.location.column);
    Error::new(SqlState::SYNTAX_ERROR, message).at(at)
}

/// An Arrow error that arose outside a plan.
pub fn from_arrow(error: &ArrowError) -> Error {
    arrow_kind(error, "")
}

/// The statement nests deeper than any thread's stack is sure to hold.
pub fn too_complex() -> Error {
    Error::new(SqlState::STATEMENT_TOO_COMPLEX, "statement is nested too deeply").hint(
        "split it into several statements, or use VALUES, IN or unnest instead of a long chain",
    )
}

/// The 1-based character of a line and column, both 1-based, as the tokenizer counts them.
pub fn position(sql: &str, line: u64, column: u64) -> usize {
    let line = usize::try_from(line).unwrap_or(usize::MAX).max(1);
    let column = usize::try_from(column).unwrap_or(usize::MAX).max(1);
    let before: usize =
        sql.split_inclusive('\n').take(line - 1).map(|text| text.chars().count()).sum();
    (before + column).min(sql.chars().count() + 1)
}

/// Our own error, carried through a foreign call.
pub fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn kind(error: &DataFusionError, sql: &str) -> Error {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            kind(inner, sql)
        }
        DataFusionError::Shared(inner) => kind(inner, sql),
        DataFusionError::Collection(all) => match all.first() {
            Some(first) => from_datafusion(first, sql),
            None => Error::internal("an empty collection of errors"),
        },
        DataFusionError::External(inner) => foreign(inner.as_ref(), sql),
        DataFusionError::ArrowError(inner, _) => arrow_kind(inner, sql),
        DataFusionError::SQL(inner, _) => from_parser(inner, sql),
        DataFusionError::SchemaError(inner, _) => schema_kind(inner),
        DataFusionError::Plan(text) => plan_kind(text),
        DataFusionError::NotImplemented(text) => Error::unsupported(tidy(text)),
        DataFusionError::Configuration(text) => {
            Error::new(SqlState::INVALID_PARAMETER_VALUE, tidy(text))
        }
        DataFusionError::Execution(text) => execution_kind(text),
        DataFusionError::ResourcesExhausted(text) => {
            Error::new(SqlState::OUT_OF_MEMORY, "the memory for queries is used up")
                .detail(tidy(text))
                .hint("narrow the query, or give the server a larger memory limit")
        }
        DataFusionError::IoError(inner) => Error::io("read or write during the query", inner),
        DataFusionError::ExecutionJoin(inner) if inner.is_cancelled() => {
            Error::new(SqlState::QUERY_CANCELED, "canceling statement due to user request")
        }
        other => Error::internal(tidy(&other.strip_backtrace())),
    }
}

fn foreign(error: &(dyn std::error::Error + Send + Sync + 'static), sql: &str) -> Error {
    if let Some(ours) = error.downcast_ref::<Error>() {
        return ours.clone();
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return from_datafusion(inner, sql);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return arrow_kind(inner, sql);
    }
    Error::internal(tidy(&error.to_string()))
}

fn schema_kind(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            let name = match &field.relation {
                Some(relation) => format!("{}.{}", relation.table(), field.name),
                None => format!("\"{}\"", field.name),
            };
            let message = format!("column {name} does not exist");
            with_suggestion(Error::new(SqlState::UNDEFINED_COLUMN, message), &error.to_string())
        }
        SchemaError::AmbiguousReference { field } => {
            let message = format!("column reference \"{}\" is ambiguous", field.name);
            Error::new(SqlState::AMBIGUOUS_COLUMN, message)
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            let message = format!("column \"{name}\" specified more than once");
            Error::new(SqlState::DUPLICATE_COLUMN, message)
                .hint("give one of them another name: expression AS name")
        }
    }
}

/// Passes DataFusion's "Did you mean" on as a hint.
fn with_suggestion(error: Error, text: &str) -> Error {
    match text.split_once("Did you mean '").and_then(|(_, rest)| rest.split_once("'?")) {
        Some((name, _)) => {
            error.hint(format!("perhaps you meant to reference the column \"{name}\""))
        }
        None => error,
    }
}

fn plan_kind(text: &str) -> Error {
    if let Some(name) = between(text, "Invalid function '", "'") {
        let error =
            Error::new(SqlState::UNDEFINED_FUNCTION, format!("function {name} does not exist"));
        return match between(text, "Did you mean '", "'").filter(|other| near(name, other)) {
            Some(other) => error.hint(format!("perhaps you meant the function {other}")),
            None => error,
        };
    }
    if let Some(call) =
        between(text, "No function matches the given name and argument types '", "'.")
            .or_else(|| between(text, "failed to match any signature, errors: ", "\n"))
    {
        return Error::new(SqlState::UNDEFINED_FUNCTION, format!("function {call} does not exist"))
            .hint("no function matches the given name and argument types: you might need to add explicit type casts");
    }
    let operands =
        ["Cannot infer common argument type for ", "Cannot coerce arithmetic expression "];
    if operands.iter().any(|start| text.contains(start)) {
        return Error::new(SqlState::UNDEFINED_FUNCTION, "operator does not exist for these types")
            .detail(tidy(text))
            .hint("you might need to add explicit type casts");
    }
    if text.contains("GROUP BY") || text.contains("non-aggregate") {
        return Error::new(SqlState::GROUPING_ERROR, tidy(text));
    }
    if text.contains("table '") && text.contains("not found") {
        let name = between(text, "table '", "'").unwrap_or_default();
        return Error::new(
            SqlState::UNDEFINED_TABLE,
            format!("relation \"{name}\" does not exist"),
        );
    }
    if text.contains("Placeholder") || text.contains("placeholder") {
        return Error::new(SqlState::UNDEFINED_PARAMETER, tidy(text));
    }
    if text.contains("not supported") || text.contains("Unsupported") {
        return Error::unsupported(tidy(text));
    }
    Error::new(CANNOT_PLAN, tidy(text))
}

/// Whether a name is likely to be another one misspelt. DataFusion always suggests the nearest it has,
/// however far, and of several as near any.
fn near(name: &str, other: &str) -> bool {
    levenshtein(name, other) * 3 <= name.chars().count()
}

fn execution_kind(text: &str) -> Error {
    let lower = text.to_lowercase();
    if lower.contains("scalar subquery returned more than one row") {
        let message = "more than one row returned by a subquery used as an expression";
        return Error::new(SqlState::CARDINALITY_VIOLATION, message);
    }
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        return Error::new(SqlState::DIVISION_BY_ZERO, "division by zero");
    }
    if lower.contains("overflow") || lower.contains("out of range") {
        return Error::new(SqlState::NUMERIC_OUT_OF_RANGE, tidy(text));
    }
    if lower.contains("timestamp") || lower.contains("date from") {
        return Error::new(SqlState::INVALID_DATETIME, tidy(text));
    }
    Error::new(SqlState::INVALID_PARAMETER_VALUE, tidy(text))
}

fn arrow_kind(error: &ArrowError, sql: &str) -> Error {
    match error {
        ArrowError::ExternalError(inner) => foreign(inner.as_ref(), sql),
        ArrowError::DivideByZero => Error::new(SqlState::DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(text) => {
            Error::new(SqlState::NUMERIC_OUT_OF_RANGE, tidy(text))
        }
        ArrowError::CastError(text) => cast_kind(text),
        ArrowError::ParseError(text) => datetime_kind(text),
        ArrowError::MemoryError(text) => Error::new(SqlState::OUT_OF_MEMORY, tidy(text)),
        ArrowError::NotYetImplemented(text) => Error::unsupported(tidy(text)),
        ArrowError::ComputeError(text) | ArrowError::InvalidArgumentError(text) => {
            execution_kind(text)
        }
        other => Error::internal(tidy(&other.to_string())),
    }
}

/// `Cannot cast string 'x' to value of Int32 type` and its relatives.
fn cast_kind(text: &str) -> Error {
    let arrow_type = between(text, "to value of ", " type").or_else(|| text.rsplit(' ').next());
    let name = sql_name(arrow_type.unwrap_or_default());
    let value = ["Cannot cast string '", "Cannot cast value '"]
        .iter()
        .find_map(|start| between(text, start, "' to"));
    if let Some(value) = value {
        let message = format!("invalid input syntax for type {name}: \"{value}\"");
        return Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message);
    }
    if text.contains("Can't cast value") || text.contains("overflow") {
        let message = match between(text, "cast value ", " to") {
            Some(value) => format!("value {value} is out of range for type {name}"),
            None => tidy(text),
        };
        return Error::new(SqlState::NUMERIC_OUT_OF_RANGE, message);
    }
    if text.contains("Casting from") || text.contains("not supported") {
        return Error::new(SqlState("42846"), tidy(text));
    }
    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, tidy(text))
}

/// `Error parsing timestamp from 'x': ...`.
fn datetime_kind(text: &str) -> Error {
    let what = if text.contains("timestamp") { "timestamp" } else { "date/time" };
    match between(text, "from '", "'") {
        Some(value) => Error::new(
            SqlState::INVALID_DATETIME,
            format!("invalid input syntax for type {what}: \"{value}\""),
        ),
        None => Error::new(SqlState::INVALID_TEXT_REPRESENTATION, tidy(text)),
    }
}

/// The SQL name of an Arrow type, as Arrow writes it in messages.
fn sql_name(arrow: &str) -> &str {
    match arrow {
        "Int8" | "Int16" => "smallint",
        "Int32" => "integer",
        "Int64" => "bigint",
        "Float32" => "real",
        "Float64" => "double precision",
        "Boolean" => "boolean",
        "Date32" | "Date64" => "date",
        text if text.starts_with("Decimal") => "numeric",
        text if text.starts_with("Timestamp") => "timestamp",
        text if text.starts_with("Interval") => "interval",
        text if text.starts_with("Time") => "time",
        text => text,
    }
}

fn diagnostic(error: &DataFusionError) -> Option<&Diagnostic> {
    match error {
        DataFusionError::Diagnostic(found, _) if found.span.is_some() => Some(found),
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => {
            diagnostic(inner)
        }
        DataFusionError::Collection(all) => all.first().and_then(diagnostic),
        DataFusionError::Shared(inner) => diagnostic(inner),
        _ => None,
    }
}

fn position_of(found: &Diagnostic, sql: &str) -> Option<usize> {
    let start = found.span?.start;
    (start.line > 0).then(|| position(sql, start.line, start.column))
}

/// Splits `... at Line: 1, Column: 8` off a message of the parser.
fn split_location(text: &str) -> (&str, Option<(u64, u64)>) {
    let Some((message, rest)) = text.rsplit_once(" at Line: ") else {
        return (text, None);
    };
    let location = rest.split_once(", Column: ").and_then(|(line, column)| {
        let digits = column.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        Some((line.parse().ok()?, digits.parse().ok()?))
    });
    if location.is_some() { (message, location) } else { (text, None) }
}

/// `Expected: x, found: y` in PostgreSQL's words.
fn syntax_message(text: &str) -> String {
    match text.split_once(", found: ") {
        Some((_, "EOF")) => "syntax error at end of input".to_owned(),
        Some((_, found)) => format!("syntax error at or near \"{found}\""),
        None => tidy(text),
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = &text[text.find(start)? + start.len()..];
    Some(rest.find(end).map_or(rest, |at| &rest[..at]))
}

/// A foreign message in our manner: its first line, lower case, no prefix, no full stop.
fn tidy(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = line
        .trim_start_matches("Error during planning: ")
        .trim_start_matches("Execution error: ")
        .trim_start_matches("Arrow error: ")
        .trim()
        .trim_end_matches('.');
    let mut letters = line.chars();
    match (letters.next(), letters.clone().next()) {
        // Two capitals begin a keyword or a type, which stays as it is.
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &DataFusionError, expected: &str) {
        let error = from_datafusion(error, "SELECT a\nFROM t");
        let shown = match error.get_position() {
            Some(position) => format!("{} {} @{position}", error.code(), error.message()),
            None => format!("{} {}", error.code(), error.message()),
        };
        assert_eq!(shown, expected);
    }

    fn arrow(error: ArrowError) -> DataFusionError {
        DataFusionError::ArrowError(Box::new(error), None)
    }

    #[test]
    fn kinds_have_sqlstates() {
        check(&arrow(ArrowError::DivideByZero), "22012 division by zero");
        check(
            &arrow(ArrowError::CastError("Cannot cast string 'x' to value of Int32 type".into())),
            "22P02 invalid input syntax for type integer: \"x\"",
        );
        check(
            &arrow(ArrowError::ParseError("Error parsing timestamp from 'soon': bad".into())),
            "22007 invalid input syntax for type timestamp: \"soon\"",
        );
        check(
            &DataFusionError::Plan("Invalid function 'summ'.\nDid you mean 'sum'?".into()),
            "42883 function summ does not exist",
        );
        check(
            &arrow(ArrowError::CastError(
                "Cannot cast value 'maybe' to value of Boolean type".into(),
            )),
            "22P02 invalid input syntax for type boolean: \"maybe\"",
        );
        check(
            &DataFusionError::Execution("Scalar subquery returned more than one row".into()),
            "21000 more than one row returned by a subquery used as an expression",
        );
        check(&DataFusionError::NotImplemented("Qualify".into()), "0A000 qualify");
        check(
            &DataFusionError::ResourcesExhausted("x".into()),
            "53200 the memory for queries is used up",
        );
        check(&external(Error::new(SqlState::UNDEFINED_TABLE, "gone")), "42P01 gone");
    }

    #[test]
    fn only_likely_names_are_suggested() {
        let hint = |name: &str, other: &str| {
            let text = format!("Invalid function '{name}'.\nDid you mean '{other}'?");
            let error = from_datafusion(&DataFusionError::Plan(text), "");
            error.get_hint().map(str::to_owned)
        };
        assert_eq!(hint("summ", "sum").as_deref(), Some("perhaps you meant the function sum"));
        assert_eq!(hint("nothing", "contains"), None);
    }

    #[test]
    fn wrappers_are_looked_through() {
        let inner = external(Error::new(SqlState::CHECK_VIOLATION, "no"));
        let shared = DataFusionError::Shared(std::sync::Arc::new(inner));
        let arrow = arrow(ArrowError::ExternalError(Box::new(shared)));
        check(&DataFusionError::Context("while".into(), Box::new(arrow)), "23514 no");
    }

    #[test]
    fn parser_errors_have_positions() {
        let text = "Expected: end of statement, found: FROM at Line: 2, Column: 1";
        check(
            &DataFusionError::SQL(Box::new(ParserError::ParserError(text.into())), None),
            "42601 syntax error at or near \"FROM\" @10",
        );
        check(
            &DataFusionError::SQL(Box::new(ParserError::RecursionLimitExceeded), None),
            "54001 statement is nested too deeply",
        );
    }
}
