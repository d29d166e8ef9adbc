//! Why a value cannot be what its column wants, and how text is cut to be shown.
//!
//! A fault belongs to one row and ends as a reject; errors of the whole file are
//! [`crate::error::Error`] from the start.

use crate::ingest::RAW_BYTES_MAX;
use crate::model::column::ColumnType;

/// The most characters of a value in a message: enough to know it again.
const SHOWN_CHARS_MAX: usize = 100;

/// SQLSTATE of a text that is no value of the type.
pub(crate) const SYNTAX: &str = "22P02";
/// SQLSTATE of a number that does not fit.
pub(crate) const RANGE: &str = "22003";
/// SQLSTATE of a text that is no date or time.
pub(crate) const DATETIME: &str = "22007";
/// SQLSTATE of a date or time that does not exist or does not fit.
pub(crate) const DATETIME_RANGE: &str = "22008";
/// SQLSTATE of bytes that are no text.
pub(crate) const CHARACTER: &str = "22021";
/// SQLSTATE of a record that is not as the format has it.
pub(crate) const FORMAT: &str = "22P04";
/// SQLSTATE of a named limit.
pub(crate) const LIMIT: &str = "54000";

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// What is wrong with a text as a number or time, before anyone has worded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// No such value.
    Syntax,
    /// A value, but too large or too small.
    Range,
}

impl Fault {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The same fault, told of a column.
    pub(crate) fn of_column(self, name: &str) -> Self {
        Self { code: self.code, message: format!("column \"{name}\": {}", self.message) }
    }

    /// A text that is no value of the type, as PostgreSQL words it.
    pub(crate) fn syntax(ty: &ColumnType, value: &str) -> Self {
        let code = if is_time(ty) { DATETIME } else { SYNTAX };
        if let ColumnType::Array(_) = ty {
            return Self::new(code, format!("malformed array literal: \"{}\"", shown(value)));
        }
        let name = type_name(ty);
        Self::new(code, format!("invalid input syntax for type {name}: \"{}\"", shown(value)))
    }

    /// A flaw, worded for the type and the value that has it.
    pub(crate) fn of_flaw(flaw: Flaw, ty: &ColumnType, value: &str) -> Self {
        let value_shown = shown(value);
        match (flaw, ty) {
            (Flaw::Syntax, _) => Self::syntax(ty, value),
            (Flaw::Range, ty) if is_time(ty) => Self::new(
                DATETIME_RANGE,
                format!("date/time field value out of range: \"{value_shown}\""),
            ),
            (Flaw::Range, ColumnType::Numeric { precision, scale }) => Self::new(
                RANGE,
                format!(
                    "numeric field overflow: \"{value_shown}\" does not fit \
                     numeric({precision},{scale})"
                ),
            ),
            (Flaw::Range, ty) => Self::new(
                RANGE,
                format!("value \"{value_shown}\" is out of range for type {}", type_name(ty)),
            ),
        }
    }

    /// Bytes that are no UTF-8, from the first bad one on.
    pub(crate) fn invalid_utf8(bytes: &[u8], error: &std::str::Utf8Error) -> Self {
        let from = error.valid_up_to();
        let until = error.error_len().map_or(bytes.len(), |length| from + length);
        let shown: Vec<_> = bytes[from..until].iter().map(|byte| format!("0x{byte:02x}")).collect();
        let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
        Self::new(CHARACTER, message)
    }

    /// A NUL character, which no text can hold.
    pub(crate) fn nul() -> Self {
        Self::new(CHARACTER, "invalid byte sequence for encoding \"UTF8\": 0x00")
    }
}

fn is_time(ty: &ColumnType) -> bool {
    matches!(ty, ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz)
}

/// The name of a type in messages, as PostgreSQL's own say it.
pub(crate) fn type_name(ty: &ColumnType) -> String {
    match ty {
        ColumnType::Numeric { .. } => "numeric".into(),
        ColumnType::TimestampTz => "timestamp with time zone".into(),
        ty => ty.to_string().to_lowercase(),
    }
}

/// A value as a message shows it: cut, and without NUL.
pub(crate) fn shown(value: &str) -> String {
    let mut shown: String = value
        .chars()
        .take(SHOWN_CHARS_MAX)
        .map(|c| if c == '\0' { '\u{fffd}' } else { c })
        .collect();
    if shown.len() < value.len() && value.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push_str("...");
    }
    shown
}

/// A row's text as it is kept: UTF-8 without NUL, cut to [`RAW_BYTES_MAX`].
pub(crate) fn raw(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(RAW_BYTES_MAX)]).into_owned();
    if bytes.len() > RAW_BYTES_MAX && text.ends_with('\u{fffd}') {
        // Most likely the cut itself went through a character.
        text.pop();
    }
    if text.contains('\0') {
        text = text.replace('\0', "\u{fffd}");
    }
    text.truncate(text.floor_char_boundary(RAW_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_text_is_valid_and_short() {
        assert_eq!(raw(b"a\0b"), "a\u{fffd}b");
        assert_eq!(raw(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(raw("ä".repeat(RAW_BYTES_MAX).as_bytes()).len(), RAW_BYTES_MAX);
        let odd = format!("x{}", "ä".repeat(RAW_BYTES_MAX));
        assert_eq!(raw(odd.as_bytes()).len(), RAW_BYTES_MAX - 1);
        assert!(raw(&[0xff; 2 * RAW_BYTES_MAX]).len() <= RAW_BYTES_MAX);
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        assert_eq!(shown("ab\0"), "ab\u{fffd}");
        assert_eq!(shown(&"ä".repeat(100)), "ä".repeat(100));
        assert_eq!(shown(&"ä".repeat(101)), format!("{}...", "ä".repeat(100)));
    }
}
