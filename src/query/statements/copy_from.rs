//! `COPY ... FROM`: rows of a file, of many, or of the connection, into a dataset.
//!
//! `COPY ... TO` is plain SQL. Options are read in PostgreSQL's two notations: `(FORMAT csv, HEADER)` and,
//! from before 9.0, `CSV HEADER DELIMITER ','`. What the values mean for a format is `ingest`'s to say.

use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::query::statements::cursor::Cursor;
use crate::query::statements::phrases::name::relation_name;
use crate::query::statements::{Parsed, StatementParser};

/// A `COPY ... FROM`, as the user said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyFrom {
    /// The schema, if it is said.
    pub schema: Option<String>,
    /// The dataset or scratch table.
    pub dataset: String,
    /// The columns that the rows have, if not all in order.
    pub columns: Option<Vec<String>>,
    /// Where the rows are.
    pub source: CopySource,
    /// `format`, `header`, `delimiter`, `null`, `quote`, `escape` and `max_rejects`, each at most once, with
    /// their values as said; one without a value is `true`.
    pub options: Vec<(String, String)>,
}

/// Where the rows of a COPY are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopySource {
    /// They follow on the connection.
    Stdin,
    /// In the files that a path, pattern or location names.
    Path(String),
}

const FORMATS: &[&str] = &["csv", "text", "binary", "parquet", "ndjson"];

const OPTIONS: &[&str] =
    &["format", "header", "delimiter", "null", "quote", "escape", "max_rejects"];

/// Options that can only say what is so anyway; they are checked and not passed on.
const IMPLIED: &[&str] = &["encoding", "on_error"];

/// Options of PostgreSQL's COPY that have no counterpart here.
const UNSUPPORTED: &[&str] = &[
    "convert_selectively",
    "default",
    "force",
    "force_not_null",
    "force_null",
    "force_quote",
    "freeze",
    "log_verbosity",
    "oids",
    "reject_limit",
];

/// `COPY ... FROM`.
pub(crate) struct CopyFromParser;

impl StatementParser for CopyFromParser {
    fn name(&self) -> &'static str {
        "COPY"
    }

    fn grammar(&self) -> &'static str {
        "COPY dataset [(column [, ...])] FROM 'path or pattern' | STDIN
    [[WITH] (option [value] [, ...])]
where option is one of:
    FORMAT csv | text | binary | parquet | json | ndjson | arrow
    HEADER [true | false | match]
    DELIMITER 'character'
    NULL 'text'
    QUOTE 'character'
    ESCAPE 'character'
    ON_ERROR ignore
    ENCODING 'UTF8'
    MAX_REJECTS n"
    }

    fn parse(&self, cursor: &mut Cursor<'_>) -> Result<Option<Parsed>> {
        cursor.expect_keyword("COPY")?;
        if cursor.optional(&Token::LParen) {
            return Ok(None);
        }
        let (schema, dataset) = relation_name(cursor)?;
        let columns = if cursor.optional(&Token::LParen) { Some(columns(cursor)?) } else { None };
        if cursor.at_keywords(&["TO"]) {
            return Ok(None);
        }
        cursor.expect_keyword("FROM")?;
        let source = source(cursor)?;
        let mut options = Options::default();
        options.parse(cursor)?;
        refuse_where(cursor)?;
        let options = options.found;
        Ok(Some(Parsed::CopyFrom(CopyFrom { schema, dataset, columns, source, options })))
    }
}

fn columns(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    let names = cursor.list(Cursor::identifier)?;
    cursor.expect(&Token::RParen)?;
    Ok(names)
}

fn source(cursor: &mut Cursor<'_>) -> Result<CopySource> {
    let position = cursor.position();
    if cursor.optional_keywords(&["STDIN"]) {
        return Ok(CopySource::Stdin);
    }
    if cursor.optional_keywords(&["PROGRAM"]) {
        return Err(Error::unsupported("COPY FROM PROGRAM is not supported").at(position));
    }
    cursor.literal().map(CopySource::Path)
}

fn refuse_where(cursor: &Cursor<'_>) -> Result<()> {
    if cursor.at_keywords(&["WHERE"]) {
        let message = "COPY ... WHERE is not supported";
        return Err(Error::unsupported(message).at(cursor.position()));
    }
    Ok(())
}

#[derive(Default)]
struct Options {
    seen: Vec<String>,
    found: Vec<(String, String)>,
}

impl Options {
    /// Either notation, or nothing.
    fn parse(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        if cursor.at_keywords(&["USING", "DELIMITERS"]) {
            cursor.expect_keyword("USING")?;
        } else {
            cursor.optional_keywords(&["WITH"]);
        }
        if cursor.optional(&Token::LParen) {
            cursor.list(|cursor| self.option(cursor))?;
            return cursor.expect(&Token::RParen);
        }
        while self.legacy_option(cursor)? {}
        Ok(())
    }

    fn option(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let position = cursor.position();
        // An option may be a reserved word, as NULL is.
        let name = cursor.word()?;
        let value_position = cursor.position();
        let value = if UNSUPPORTED.contains(&name.as_str()) { None } else { value(cursor)? };
        let value_position = if value.is_some() { value_position } else { position };
        self.add(&name, value, position, value_position)
    }

    fn legacy_option(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        let position = cursor.position();
        let mut with = |name: &str, value: Option<&str>, place: usize| {
            self.add(name, value.map(str::to_owned), position, place).map(|()| true)
        };
        for format in ["csv", "binary"] {
            if cursor.optional_keywords(&[&format.to_ascii_uppercase()]) {
                return with("format", Some(format), position);
            }
        }
        for name in ["header", "freeze", "oids", "force"] {
            if cursor.optional_keywords(&[&name.to_ascii_uppercase()]) {
                return with(name, None, position);
            }
        }
        for (keyword, name) in [
            ("DELIMITER", "delimiter"),
            ("DELIMITERS", "delimiter"),
            ("NULL", "null"),
            ("QUOTE", "quote"),
            ("ESCAPE", "escape"),
            ("ENCODING", "encoding"),
        ] {
            if cursor.optional_keywords(&[keyword]) {
                cursor.optional_keywords(&["AS"]);
                let place = cursor.position();
                let value = cursor.literal()?;
                return with(name, Some(&value), place);
            }
        }
        Ok(false)
    }

    /// Checks one option and keeps it, unless it says what is so anyway.
    fn add(
        &mut self,
        name: &str,
        value: Option<String>,
        position: usize,
        value_position: usize,
    ) -> Result<()> {
        if UNSUPPORTED.contains(&name) {
            let message = format!("COPY option \"{name}\" is not supported");
            return Err(Error::unsupported(message).at(position));
        }
        if !OPTIONS.contains(&name) && !IMPLIED.contains(&name) {
            let message = format!("option \"{name}\" not recognized");
            let hint = format!("options are {}", OPTIONS.join(", "));
            return Err(Error::new(SqlState::SYNTAX_ERROR, message).hint(hint).at(position));
        }
        if self.seen.iter().any(|seen| seen == name) {
            return Err(Cursor::redundant(position));
        }
        self.seen.push(name.to_owned());
        let value = match value {
            Some(value) => value,
            None if name == "header" => "true".to_owned(),
            None => {
                let message = format!("{name} requires a parameter");
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
            }
        };
        let kept = match name {
            "encoding" => refuse_other_encoding(&value),
            "on_error" => refuse_other_on_error(&value),
            _ => checked(name, value).map(|value| self.found.push((name.to_owned(), value))),
        };
        kept.map_err(|error| error.at(value_position))
    }
}

/// A literal, a word or a number, as text; `None` if the option stands alone.
fn value(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if let Some(text) = cursor.optional_literal() {
        return Ok(Some(text));
    }
    match cursor.optional_number()? {
        Some(number) => Ok(Some(number.to_string())),
        None => Ok(cursor.optional_word()),
    }
}

/// The value of an option in one spelling, where only some values are possible.
fn checked(name: &str, value: String) -> Result<String> {
    let wrong = |message: String| Error::new(SqlState::INVALID_PARAMETER_VALUE, message);
    let folded = value.to_ascii_lowercase();
    match name {
        "format" if FORMATS.contains(&folded.as_str()) => Ok(folded),
        "format" => {
            let hint = format!("formats are {}", FORMATS.join(", "));
            Err(wrong(format!("COPY format \"{value}\" not recognized")).hint(hint))
        }
        "header" => match folded.as_str() {
            "true" | "on" | "1" => Ok("true".to_owned()),
            "false" | "off" | "0" => Ok("false".to_owned()),
            "match" => Ok(folded),
            _ => Err(wrong("header requires a Boolean value or \"match\"".to_owned())),
        },
        "max_rejects" if value.parse::<u64>().is_err() => {
            Err(wrong("max_rejects requires a whole number".to_owned()))
        }
        _ => Ok(value),
    }
}

fn refuse_other_encoding(value: &str) -> Result<()> {
    if ["utf8", "utf-8", "unicode"].contains(&value.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Error::unsupported(format!("encoding \"{value}\" is not supported"))
        .hint("convert the file to UTF-8"))
}

fn refuse_other_on_error(value: &str) -> Result<()> {
    if value.eq_ignore_ascii_case("ignore") {
        return Ok(());
    }
    Err(Error::unsupported(format!("COPY option on_error \"{value}\" is not supported"))
        .hint("COPY takes the good rows and puts the others into rejects; see max_rejects"))
}
