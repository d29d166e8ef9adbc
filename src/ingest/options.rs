//! The options of `COPY ... WITH (...)` that concern a file's format, read from their text.
//!
//! Not a parser of statements: the caller has cut the names and values out already.

use crate::error::{Error, Result, SqlState};
use crate::ingest::{BATCH_ROWS_DEFAULT, Options};

impl Default for Options {
    fn default() -> Self {
        Self {
            header: None,
            delimiter: None,
            quote: None,
            escape: None,
            null: None,
            array_delimiter: None,
            batch_rows: BATCH_ROWS_DEFAULT,
        }
    }
}

impl Options {
    /// Sets one option by its name, in any case; false if there is no such option here.
    ///
    /// An empty value of `header` is true, as in `WITH (HEADER)`.
    ///
    /// # Errors
    /// `22023` if the value is none for that option.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool> {
        match name.to_lowercase().as_str() {
            "header" => self.header = Some(boolean(value)?),
            "delimiter" => self.delimiter = Some(character("delimiter", value)?),
            "quote" => self.quote = Some(character("quote", value)?),
            "escape" => self.escape = Some(character("escape", value)?),
            "null" => self.null = Some(null(value)?),
            "array_delimiter" => self.array_delimiter = Some(array_delimiter(value)?),
            "encoding" => encoding(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn boolean(value: &str) -> Result<bool> {
    match value.to_lowercase().as_str() {
        "" | "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        "match" => Err(wrong("header does not take \"match\"")
            .hint("columns are always matched by name: use header true")),
        _ => Err(wrong(format!("header requires a Boolean value, not \"{value}\""))),
    }
}

fn character(name: &str, value: &str) -> Result<u8> {
    match value.as_bytes() {
        // Without E'' a tab is typed as two characters, which mean nothing else.
        br"\t" => Ok(b'\t'),
        [b'\n' | b'\r' | 0, ..] => Err(wrong(format!("COPY {name} cannot be a line end or NUL"))),
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err(wrong(format!("COPY {name} must be a single one-byte character"))),
    }
}

fn null(value: &str) -> Result<String> {
    if value.contains(['\n', '\r']) {
        return Err(wrong("COPY null representation cannot use newline or carriage return"));
    }
    Ok(value.to_owned())
}

fn array_delimiter(value: &str) -> Result<char> {
    let mut characters = value.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) if !character.is_control() => Ok(character),
        _ => Err(wrong("array_delimiter must be a single character")),
    }
}

fn encoding(value: &str) -> Result<()> {
    match value.to_lowercase().replace(['-', '_'], "").as_str() {
        "utf8" | "unicode" => Ok(()),
        _ => Err(wrong(format!("encoding \"{value}\" is not supported"))
            .hint("convert the file to UTF-8, for example with iconv")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> String {
        let mut options = Options::default();
        match options.set(name, value) {
            Ok(true) if options == Options::default() => "same".into(),
            Ok(true) => format!("{options:?}"),
            Ok(false) => "unknown".into(),
            Err(error) => format!("{} {}", error.code(), error.message()),
        }
    }

    #[test]
    fn values_are_read() {
        assert!(check("HEADER", "").contains("header: Some(true)"));
        assert!(check("header", "off").contains("header: Some(false)"));
        assert!(check("delimiter", ";").contains("delimiter: Some(59)"));
        assert!(check("delimiter", "\\t").contains("delimiter: Some(9)"));
        assert!(check("quote", "'").contains("quote: Some(39)"));
        assert!(check("escape", "\\").contains("escape: Some(92)"));
        assert!(check("null", "NULL").contains("null: Some(\"NULL\")"));
        assert!(check("array_delimiter", "·").contains("array_delimiter: Some('·')"));
        assert_eq!(check("encoding", "UTF-8"), "same");
        assert_eq!(check("force_null", "x"), "unknown");
    }

    #[test]
    fn bad_values_are_refused() {
        for (name, value, message) in [
            ("header", "maybe", "22023 header requires a Boolean value, not \"maybe\""),
            ("header", "match", "22023 header does not take \"match\""),
            ("delimiter", "||", "22023 COPY delimiter must be a single one-byte character"),
            ("delimiter", "", "22023 COPY delimiter must be a single one-byte character"),
            ("delimiter", "ä", "22023 COPY delimiter must be a single one-byte character"),
            ("quote", "\n", "22023 COPY quote cannot be a line end or NUL"),
            ("null", "\n", "22023 COPY null representation cannot use newline or carriage return"),
            ("array_delimiter", "", "22023 array_delimiter must be a single character"),
            ("encoding", "latin1", "22023 encoding \"latin1\" is not supported"),
        ] {
            assert_eq!(check(name, value), message);
        }
    }
}
