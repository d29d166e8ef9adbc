//! `COPY ... TO STDOUT`: the rows of a query or a table, as the client will store them.
//!
//! Read here are the words around the query and the options, in PostgreSQL's two notations; the query
//! itself is plain SQL, handed back with its place kept, so that positions of errors stay true. A server
//! that writes files is refused. `COPY ... FROM` is `copy_from`'s.

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::query::statements::cursor::Cursor;

/// A `COPY ... TO STDOUT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyTo {
    /// The query, after as many blanks as characters stand before it in the statement.
    pub sql: String,
    /// Where the table's name is, if the query was made of it: then positions in `sql` mean nothing.
    pub table_position: Option<usize>,
    /// How the rows are written.
    pub layout: CopyLayout,
}

/// How rows are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyLayout {
    /// PostgreSQL's binary format.
    Binary,
    /// Lines of values, with backslashes before what would be misread.
    Text {
        /// Stands between values.
        delimiter: u8,
        /// Stands for null.
        null: String,
        /// Whether the first line names the columns.
        header: bool,
    },
    /// Comma-separated values.
    Csv {
        /// Stands between values.
        delimiter: u8,
        /// Stands for null, never quoted.
        null: String,
        /// Whether the first line names the columns.
        header: bool,
        /// Stands around values that would be misread.
        quote: u8,
        /// Stands before quotes within quotes.
        escape: u8,
        /// Which columns are always quoted.
        force_quote: ForceQuote,
    },
}

/// Which columns are quoted though they need not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ForceQuote {
    /// None.
    #[default]
    None,
    /// Every one.
    All,
    /// These.
    Columns(Vec<String>),
}

/// Reads a `COPY ... TO STDOUT`; `None` if the statement is another COPY.
///
/// # Errors
/// `42601` with a position; `0A000` for files, programs and options that cannot be.
pub fn copy_to(sql: &str) -> Result<Option<CopyTo>> {
    let mut cursor = Cursor::try_new(sql)?;
    cursor.expect_keyword("COPY")?;
    let binary = cursor.optional_keywords(&["BINARY"]);
    let (query, table_position) = if cursor.at(&Token::LParen) {
        let (text, position) = cursor.parenthesized_text()?;
        let blank = |letter| if letter == '\n' { '\n' } else { ' ' };
        (sql.chars().take(position - 1).map(blank).chain(text.chars()).collect(), None)
    } else {
        let position = cursor.position();
        (table(&mut cursor)?, Some(position))
    };
    if !cursor.optional_keywords(&["TO"]) {
        return if cursor.at_keywords(&["FROM"]) { Ok(None) } else { Err(cursor.unexpected()) };
    }
    if !cursor.optional_keywords(&["STDOUT"]) {
        return Err(Error::unsupported("COPY TO a file or program is not supported")
            .hint("COPY ... TO STDOUT sends the rows to the client, as psql's \\copy does")
            .at(cursor.position()));
    }
    let mut options = Given { binary, ..Given::default() };
    options.read(&mut cursor)?;
    cursor.end()?;
    Ok(Some(CopyTo { sql: query, table_position, layout: options.layout()? }))
}

/// `[schema.]table [(columns)]` as a query.
fn table(cursor: &mut Cursor<'_>) -> Result<String> {
    let quoted = |name: String| format!("\"{}\"", name.replace('"', "\"\""));
    let mut parts = vec![quoted(cursor.identifier()?)];
    while cursor.optional(&Token::Period) {
        parts.push(quoted(cursor.identifier()?));
    }
    let name = parts.join(".");
    let columns = match cursor.at(&Token::LParen) {
        true => cursor.parenthesized(|cursor| cursor.identifier().map(quoted))?.join(", "),
        false => "*".to_owned(),
    };
    Ok(format!("SELECT {columns} FROM {name}"))
}

/// The options as they were given.
#[derive(Default)]
struct Given {
    binary: bool,
    csv: bool,
    seen: Vec<String>,
    delimiter: Option<String>,
    null: Option<String>,
    header: bool,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: Option<ForceQuote>,
}

impl Given {
    /// Either notation, or nothing.
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        cursor.optional_keywords(&["USING"]);
        cursor.optional_keywords(&["WITH"]);
        if cursor.at(&Token::LParen) {
            return cursor.parenthesized(|cursor| self.option(cursor)).map(drop);
        }
        while let Some(name) = cursor.optional_word() {
            self.legacy(cursor, &name)?;
        }
        Ok(())
    }

    fn once(&mut self, name: &str, position: usize) -> Result<()> {
        if self.seen.iter().any(|seen| seen == name) {
            return Err(Cursor::redundant(position));
        }
        self.seen.push(name.to_owned());
        Ok(())
    }

    fn option(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let position = cursor.position();
        let name = cursor.word()?;
        self.once(&name, position)?;
        if name == "force_quote" {
            self.force_quote = Some(forced(cursor, true)?);
            return Ok(());
        }
        let place = cursor.position();
        let value = match cursor.optional_literal() {
            Some(text) => Some(text),
            None => match cursor.optional_number()? {
                Some(number) => Some(number.to_string()),
                None => cursor.optional_word(),
            },
        };
        self.set(&name, value, position).map_err(|error| match error.get_position() {
            None => error.at(place),
            Some(_) => error,
        })
    }

    fn legacy(&mut self, cursor: &mut Cursor<'_>, name: &str) -> Result<()> {
        let position = cursor.position();
        match name {
            "csv" | "binary" => self.set("format", Some(name.to_owned()), position),
            "header" => self.set(name, None, position),
            "force" if cursor.optional_keywords(&["QUOTE"]) => {
                self.force_quote = Some(forced(cursor, false)?);
                Ok(())
            }
            "delimiter" | "delimiters" | "null" | "quote" | "escape" | "encoding" => {
                cursor.optional_keywords(&["AS"]);
                let value = cursor.literal()?;
                self.once(name, position)?;
                self.set(name.trim_end_matches('s'), Some(value), position)
            }
            _ => {
                let message = format!("syntax error at or near \"{name}\"");
                Err(Error::new(SqlState::SYNTAX_ERROR, message))
            }
        }
    }

    fn set(&mut self, name: &str, value: Option<String>, position: usize) -> Result<()> {
        let needed = |value: Option<String>| {
            value.ok_or_else(|| {
                let message = format!("{name} requires a parameter");
                Error::new(SqlState::SYNTAX_ERROR, message).at(position)
            })
        };
        match name {
            "format" => match needed(value)?.to_ascii_lowercase().as_str() {
                "text" => {}
                "csv" => self.csv = true,
                "binary" => self.binary = true,
                other => {
                    let message = format!("COPY format \"{other}\" not recognized");
                    return Err(invalid(message).hint("formats are text, csv, binary"));
                }
            },
            "header" => self.header = header(value)?,
            "delimiter" => self.delimiter = Some(needed(value)?),
            "null" => self.null = Some(needed(value)?),
            "quote" => self.quote = Some(needed(value)?),
            "escape" => self.escape = Some(needed(value)?),
            "encoding" => {
                let value = needed(value)?;
                if !["utf8", "utf-8", "unicode"].contains(&value.to_ascii_lowercase().as_str()) {
                    let message = format!("encoding \"{value}\" is not supported");
                    return Err(Error::unsupported(message).hint("the server writes UTF-8"));
                }
            }
            "force_not_null" | "force_null" | "freeze" | "on_error" => {
                let message = format!("COPY {name} cannot be used with COPY TO");
                return Err(Error::unsupported(message).at(position));
            }
            _ => {
                let message = format!("option \"{name}\" not recognized");
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
            }
        }
        Ok(())
    }

    fn layout(self) -> Result<CopyLayout> {
        if self.binary {
            let named = [
                ("DELIMITER", self.delimiter.is_some()),
                ("NULL", self.null.is_some()),
                ("HEADER", self.header),
                ("CSV", self.csv),
            ];
            if let Some((name, _)) = named.iter().find(|(_, given)| *given) {
                let message = format!("cannot specify {name} in BINARY mode");
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            }
        }
        if !self.csv {
            let named = [
                ("quote", self.quote.is_some()),
                ("escape", self.escape.is_some()),
                ("force quote", self.force_quote.is_some()),
            ];
            if let Some((name, _)) = named.iter().find(|(_, given)| *given) {
                let message = format!("COPY {name} available only in CSV mode");
                return Err(Error::unsupported(message));
            }
        }
        if self.binary {
            return Ok(CopyLayout::Binary);
        }
        let header = self.header;
        let delimiter = one_byte("delimiter", self.delimiter, if self.csv { b',' } else { b'\t' })?;
        if matches!(delimiter, b'\n' | b'\r') {
            return Err(invalid("COPY delimiter cannot be newline or carriage return"));
        }
        let null = self.null.unwrap_or_else(|| if self.csv { "" } else { "\\N" }.to_owned());
        if null.contains(['\n', '\r']) {
            let message = "COPY null representation cannot use newline or carriage return";
            return Err(invalid(message));
        }
        if null.as_bytes().contains(&delimiter) {
            return Err(invalid(
                "COPY delimiter character must not appear in the NULL specification",
            ));
        }
        if !self.csv {
            // What a reader would take for the letter of an escape.
            if delimiter.is_ascii_lowercase()
                || delimiter.is_ascii_digit()
                || b"\\.".contains(&delimiter)
            {
                let message = format!("COPY delimiter cannot be \"{}\"", char::from(delimiter));
                return Err(invalid(message));
            }
            return Ok(CopyLayout::Text { delimiter, null, header });
        }
        let quote = one_byte("quote", self.quote, b'"')?;
        let escape = one_byte("escape", self.escape, quote)?;
        if quote == delimiter {
            return Err(invalid("COPY delimiter and quote must be different"));
        }
        if null.as_bytes().contains(&quote) {
            return Err(invalid("CSV quote character must not appear in the NULL specification"));
        }
        let force_quote = self.force_quote.unwrap_or_default();
        Ok(CopyLayout::Csv { delimiter, null, header, quote, escape, force_quote })
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn header(value: Option<String>) -> Result<bool> {
    match value.map(|value| value.to_ascii_lowercase()).as_deref() {
        None | Some("true" | "on" | "1") => Ok(true),
        Some("false" | "off" | "0") => Ok(false),
        Some("match") => Err(Error::unsupported("cannot use \"match\" with HEADER in COPY TO")),
        Some(_) => {
            let message = "header requires a Boolean value or \"match\"";
            Err(Error::new(SqlState::SYNTAX_ERROR, message))
        }
    }
}

/// `*`, or columns; in parentheses in the newer notation.
fn forced(cursor: &mut Cursor<'_>, parentheses: bool) -> Result<ForceQuote> {
    if cursor.optional(&Token::Mul) {
        return Ok(ForceQuote::All);
    }
    let columns = match parentheses {
        true => cursor.parenthesized(Cursor::identifier)?,
        false => cursor.list(Cursor::identifier)?,
    };
    Ok(ForceQuote::Columns(columns))
}

fn one_byte(what: &str, given: Option<String>, usual: u8) -> Result<u8> {
    match given.as_deref().map(str::as_bytes) {
        None => Ok(usual),
        Some([byte]) => Ok(*byte),
        Some(_) => {
            let message = format!("COPY {what} must be a single one-byte character");
            Err(Error::unsupported(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: &str) {
        let shown = match copy_to(sql) {
            Ok(Some(copy)) => format!("{:?} {:?}", copy.sql, copy.layout),
            Ok(None) => "none".to_owned(),
            Err(error) => format!("{} {error}", error.code()),
        };
        assert_eq!(shown, expected, "{sql}");
    }

    const PLAIN: &str = "Text { delimiter: 9, null: \"\\\\N\", header: false }";

    #[test]
    fn tables_and_queries_keep_their_places() {
        check("COPY (SELECT 1) TO STDOUT", &format!("\"      SELECT 1\" {PLAIN}"));
        check(
            "COPY public.crm TO stdout;",
            &format!("{:?} {PLAIN}", "SELECT * FROM \"public\".\"crm\""),
        );
        check(
            "COPY crm (a, \"B\") TO STDOUT",
            &format!("{:?} {PLAIN}", "SELECT \"a\", \"B\" FROM \"crm\""),
        );
        check("COPY crm FROM STDIN", "none");
    }

    #[test]
    fn options_are_read_in_both_notations() {
        let csv = |null: &str, header, force: &str| {
            format!(
                "\"      TABLE x\" Csv {{ delimiter: 59, null: \"{null}\", header: {header}, quote: 34, \
                 escape: 92, force_quote: {force} }}"
            )
        };
        check(
            "COPY (TABLE x) TO STDOUT WITH (FORMAT csv, HEADER, DELIMITER ';', NULL 'NA', ESCAPE '\\', \
             FORCE_QUOTE (a, b), ENCODING 'UTF8')",
            &csv("NA", true, "Columns([\"a\", \"b\"])"),
        );
        check(
            "COPY (TABLE x) TO STDOUT CSV DELIMITER AS ';' ESCAPE '\\' FORCE QUOTE *",
            &csv("", false, "All"),
        );
        check("COPY (TABLE x) TO STDOUT (FORMAT binary)", "\"      TABLE x\" Binary");
        check("COPY (TABLE x) TO STDOUT BINARY", "\"      TABLE x\" Binary");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (rest, expected) in [
            ("TO '/tmp/x'", "0A000 COPY TO a file or program is not supported"),
            ("TO PROGRAM 'rm'", "0A000 COPY TO a file or program is not supported"),
            ("TO STDOUT (FORMAT xml)", "22023 COPY format \"xml\" not recognized"),
            ("TO STDOUT (NULL 'a', NULL 'b')", "42601 conflicting or redundant options"),
            (
                "TO STDOUT (DELIMITER 'ab')",
                "0A000 COPY delimiter must be a single one-byte character",
            ),
            ("TO STDOUT (DELIMITER 'a')", "22023 COPY delimiter cannot be \"a\""),
            ("TO STDOUT (QUOTE '''')", "0A000 COPY quote available only in CSV mode"),
            (
                "TO STDOUT (FORMAT csv, QUOTE ',')",
                "22023 COPY delimiter and quote must be different",
            ),
            ("TO STDOUT (FORMAT binary, NULL 'x')", "42601 cannot specify NULL in BINARY mode"),
            ("TO STDOUT (ENCODING 'latin1')", "0A000 encoding \"latin1\" is not supported"),
            ("TO STDOUT (COLOUR 'red')", "42601 option \"colour\" not recognized"),
            ("TO STDOUT (HEADER match)", "0A000 cannot use \"match\" with HEADER in COPY TO"),
            ("TO STDOUT rubbish", "42601 syntax error at or near \"rubbish\""),
        ] {
            check(&format!("COPY x {rest}"), expected);
        }
    }
}
