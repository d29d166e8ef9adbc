//! The string of a query cut into statements, as PostgreSQL's scanner would cut it.
//!
//! It knows quotes, dollar quotes and comments, and nothing of grammar; tokens of a statement of ours
//! come from sqlparser (see `cursor`). It is a scanner of its own because the text must stay as typed
//! (sqlparser gives values, not text) and because most statements are never tokenised here at all.

use crate::error::{Error, Result, SqlState};

/// The most bytes of one query string: a message of the wire protocol may have 1 GiB, of which the
/// parse tree would make a multiple; bulk data belongs into COPY.
pub const STATEMENT_BYTES_MAX: usize = 64 << 20;

/// The most statements of one query string: each becomes a plan and an answer, and the shortest has
/// two bytes, so that the limit on bytes alone would allow thirty million.
pub const STATEMENTS_MAX: usize = 1 << 18;

/// One statement of a query string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The statement, without white space around it and without its semicolon.
    pub text: &'a str,
    /// How many characters of the query string come before it; added to the position of an error.
    pub offset_chars: usize,
}

/// Splits a query string at its semicolons; pieces of nothing but white space and comments drop out.
///
/// # Errors
/// `42601` for a quote or comment without an end, `54000` beyond [`STATEMENT_BYTES_MAX`] bytes or
/// [`STATEMENTS_MAX`] statements.
pub fn split(sql: &str) -> Result<Vec<Piece<'_>>> {
    if sql.len() > STATEMENT_BYTES_MAX {
        let message = format!("a query string can have at most {STATEMENT_BYTES_MAX} bytes");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
            .hint("send fewer statements at once, or load rows with COPY"));
    }
    let mut pieces = Pieces { sql, found: Vec::new(), counted_bytes: 0, counted_chars: 0 };
    let mut scanner = Scanner::new(sql);
    let (mut start, mut empty) = (0, true);
    while let Some(lexeme) = scanner.next()? {
        match lexeme.kind {
            Kind::Semicolon => {
                pieces.push(start, lexeme.start, empty)?;
                (start, empty) = (scanner.at, true);
            }
            Kind::Blank => {}
            Kind::Word | Kind::Other => empty = false,
        }
    }
    pieces.push(start, sql.len(), empty)?;
    Ok(pieces.found)
}

/// Checks that every quote and comment of a statement has an end.
///
/// # Errors
/// `42601` in PostgreSQL's words, with the position where it began.
pub(super) fn check_terminated(text: &str) -> Result<()> {
    let mut scanner = Scanner::new(text);
    while scanner.next()?.is_some() {}
    Ok(())
}

/// The first unquoted words of a statement, up to `N` of them; fewer if something else comes before.
pub(super) fn leading_words<const N: usize>(text: &str) -> ([&str; N], usize) {
    let (mut words, mut count) = ([""; N], 0);
    let mut scanner = Scanner::new(text);
    while count < N {
        match scanner.next() {
            Ok(Some(Lexeme { kind: Kind::Blank, .. })) => {}
            Ok(Some(Lexeme { kind: Kind::Word, start })) => {
                words[count] = &text[start..scanner.at];
                count += 1;
            }
            _ => break,
        }
    }
    (words, count)
}

/// The pieces found so far; counts characters only once over the whole string.
struct Pieces<'a> {
    sql: &'a str,
    found: Vec<Piece<'a>>,
    counted_bytes: usize,
    counted_chars: usize,
}

impl Pieces<'_> {
    fn push(&mut self, start: usize, end: usize, empty: bool) -> Result<()> {
        if empty {
            return Ok(());
        }
        if self.found.len() == STATEMENTS_MAX {
            let message = format!("a query string can have at most {STATEMENTS_MAX} statements");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        let raw = &self.sql[start..end];
        let start = start + (raw.len() - raw.trim_start_matches(is_blank).len());
        self.counted_chars += self.sql[self.counted_bytes..start].chars().count();
        self.counted_bytes = start;
        let text = raw.trim_matches(is_blank);
        self.found.push(Piece { text, offset_chars: self.counted_chars });
        Ok(())
    }
}

/// White space as PostgreSQL's scanner sees it.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// What a lexeme is, as far as splitting cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Semicolon,
    /// White space or a comment.
    Blank,
    /// An unquoted word.
    Word,
    Other,
}

#[derive(Clone, Copy, Debug)]
struct Lexeme {
    kind: Kind,
    start: usize,
}

/// Walks over bytes; every byte that means something is ASCII, so it never stops inside a character.
struct Scanner<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn new(sql: &'a str) -> Self {
        Self { sql, at: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.sql.as_bytes().get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Result<Option<Lexeme>> {
        let start = self.at;
        let Some(byte) = self.peek(0) else { return Ok(None) };
        let kind = match (byte, self.peek(1)) {
            (b'-', Some(b'-')) => self.line_comment(),
            (b'/', Some(b'*')) => self.block_comment()?,
            (b'\'', _) => self.quoted(start, b'\'', false, "quoted string")?,
            (b'"', _) => self.quoted(start, b'"', false, "quoted identifier")?,
            (b'$', _) => self.dollar()?,
            (b'e' | b'E', Some(b'\'')) => {
                self.at += 1;
                self.quoted(start, b'\'', true, "quoted string")?
            }
            _ if is_blank(char::from(byte)) => self.run(Kind::Blank, |b| is_blank(char::from(b))),
            _ if is_word_start(byte) => self.run(Kind::Word, is_word_part),
            _ => {
                self.at += 1;
                if byte == b';' { Kind::Semicolon } else { Kind::Other }
            }
        };
        Ok(Some(Lexeme { kind, start }))
    }

    fn run(&mut self, kind: Kind, part: impl Fn(u8) -> bool) -> Kind {
        while self.peek(0).is_some_and(&part) {
            self.at += 1;
        }
        kind
    }

    fn line_comment(&mut self) -> Kind {
        self.run(Kind::Blank, |byte| byte != b'\n' && byte != b'\r')
    }

    /// A block comment; they nest, as in the SQL standard.
    fn block_comment(&mut self) -> Result<Kind> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    self.at += 2;
                    depth += 1;
                }
                (Some(b'*'), Some(b'/')) => {
                    self.at += 2;
                    depth -= 1;
                    if depth == 0 {
                        return Ok(Kind::Blank);
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(self.unterminated("/* comment", start)),
            }
        }
    }

    fn quoted(&mut self, start: usize, quote: u8, escapes: bool, what: &str) -> Result<Kind> {
        self.at += 1;
        loop {
            match self.peek(0) {
                Some(b'\\') if escapes => self.at += 2,
                Some(byte) if byte == quote && self.peek(1) == Some(quote) => self.at += 2,
                Some(byte) => {
                    self.at += 1;
                    if byte == quote {
                        return Ok(Kind::Other);
                    }
                }
                None => return Err(self.unterminated(what, start)),
            }
        }
    }

    /// `$$ ... $$` or `$tag$ ... $tag$`; any other dollar is a parameter or an operator.
    fn dollar(&mut self) -> Result<Kind> {
        let start = self.at;
        let tag = self.sql[start + 1..].bytes().position(|byte| !is_tag_part(byte)).unwrap_or(0);
        let end = start + 1 + tag;
        let digit_first = self.peek(1).is_some_and(|byte| byte.is_ascii_digit());
        if digit_first || self.sql.as_bytes().get(end) != Some(&b'$') {
            self.at += 1;
            return Ok(Kind::Other);
        }
        let delimiter = &self.sql[start..=end];
        match self.sql[end + 1..].find(delimiter) {
            Some(length) => {
                self.at = end + 1 + length + delimiter.len();
                Ok(Kind::Other)
            }
            None => Err(self.unterminated("dollar-quoted string", start)),
        }
    }

    fn unterminated(&self, what: &str, start: usize) -> Error {
        let rest = self.sql[start..].trim_end_matches(is_blank);
        let message = format!("unterminated {what} at or near \"{}\"", excerpt(rest));
        let position = self.sql[..start].chars().count() + 1;
        Error::new(SqlState::SYNTAX_ERROR, message).at(position)
    }
}

/// The most characters of a statement that an error message repeats: enough to find the place, and
/// no log line of megabytes.
const EXCERPT_CHARS_MAX: usize = 200;

/// The start of a text, for a message.
pub(super) fn excerpt(text: &str) -> &str {
    text.char_indices().nth(EXCERPT_CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn is_word_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn is_tag_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::tokenizer::{Token, Tokenizer};

    use super::*;

    /// Pieces as `offset:text`, joined by ` | `; or the error with its position.
    fn check(sql: &str, expected: &str) {
        let found = match split(sql) {
            Ok(pieces) => pieces
                .iter()
                .map(|piece| format!("{}:{}", piece.offset_chars, piece.text))
                .collect::<Vec<_>>()
                .join(" | "),
            Err(error) => {
                format!("{} {} @{}", error.code(), error, error.get_position().unwrap_or(0))
            }
        };
        assert_eq!(found, expected, "{sql:?}");
    }

    #[test]
    fn splits_at_semicolons_outside_of_quotes_and_comments() {
        check("", "");
        check(" ;; ; \n", "");
        check("select 1", "0:select 1");
        check(" select 1 ; select 2;", "1:select 1 | 12:select 2");
        check("select ';', \";\" ; b", "0:select ';', \";\" | 18:b");
        check("select 'it''s;'; b", "0:select 'it''s;' | 17:b");
        check("select 'a\\'; b", "0:select 'a\\' | 13:b");
        check("select E'a\\';'; b", "0:select E'a\\';' | 16:b");
        check("select e'\\\\'; b", "0:select e'\\\\' | 14:b");
        check("select the'\\'; b", "0:select the'\\' | 15:b");
        check("a $$;$$; b", "0:a $$;$$ | 9:b");
        check("a $x$ $$;$y$ $x$; b", "0:a $x$ $$;$y$ $x$ | 18:b");
        check("a$b$ ; c", "0:a$b$ | 7:c");
        check("$1;$2", "0:$1 | 3:$2");
        check("-- a;\n;b -- ;\r;c", "9:b -- ; | 15:c".replace("9:", "7:").as_str());
        check("/* ; /* ; */ ; */ ; a /* ; */", "20:a /* ; */");
        check("é; ü ;ö", "0:é | 3:ü | 6:ö");
    }

    #[test]
    fn says_where_a_quote_without_end_began() {
        check("a; 'b;", "42601 unterminated quoted string at or near \"'b;\" @4");
        check("é E'\\'", "42601 unterminated quoted string at or near \"E'\\'\" @3");
        check("E'\\", "42601 unterminated quoted string at or near \"E'\\\" @1");
        check("a \"b", "42601 unterminated quoted identifier at or near \"\"b\" @3");
        check("a /* /* */ ", "42601 unterminated /* comment at or near \"/* /* */\" @3");
        check("a $x$ $$", "42601 unterminated dollar-quoted string at or near \"$x$ $$\" @3");
        check("a $$", "42601 unterminated dollar-quoted string at or near \"$$\" @3");
    }

    #[test]
    fn an_error_repeats_the_start_of_a_long_text_only() {
        let message = split(&format!("'{}", "ö".repeat(1000))).unwrap_err().to_string();
        assert_eq!(message.chars().filter(|c| *c == 'ö').count(), EXCERPT_CHARS_MAX - 1);
    }

    #[test]
    fn a_query_string_has_limits() {
        let limit = |sql: &str| split(sql).map(|pieces| pieces.len());
        let code = |sql: &str| limit(sql).unwrap_err().code();
        assert_eq!(limit(&" ".repeat(STATEMENT_BYTES_MAX)), Ok(0));
        assert_eq!(code(&" ".repeat(STATEMENT_BYTES_MAX + 1)), SqlState::PROGRAM_LIMIT_EXCEEDED);
        assert_eq!(limit(&"a;".repeat(STATEMENTS_MAX)), Ok(STATEMENTS_MAX));
        assert_eq!(code(&"a;".repeat(STATEMENTS_MAX + 1)), SqlState::PROGRAM_LIMIT_EXCEEDED);
    }

    #[test]
    fn leading_words_skip_comments_and_stop_at_the_first_other_thing() {
        let check = |text: &str, expected: &[&str]| {
            let (words, count) = leading_words::<3>(text);
            assert_eq!(&words[..count], expected, "{text:?}");
        };
        check("/* a */ create -- b\n dataset c d", &["create", "dataset", "c"]);
        check("select 'a'", &["select"]);
        check("(select)", &[]);
        check("copy \"a\"", &["copy"]);
        check("x 'open", &["x"]);
    }

    fn tokens(sql: &str) -> Option<usize> {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize().ok()?;
        Some(tokens.iter().filter(|token| **token == Token::SemiColon).count())
    }

    proptest! {
        /// Two scanners, one language: what we split at is what sqlparser calls a semicolon.
        #[test]
        fn agrees_with_the_tokenizer(parts in prop::collection::vec(
            prop::sample::select(vec![
                "'", "''", "\"", "$$", "$a$", ";", "-- ", "\n", "\r", "/*", "*/", " E'", "\\n",
                "a", "e", " ", "é", "1 ", ",",
            ]),
            0..24,
        )) {
            let sql = parts.concat();
            let mut scanner = Scanner::new(&sql);
            let mut found = Some(0);
            loop {
                match scanner.next() {
                    Ok(Some(lexeme)) if lexeme.kind == Kind::Semicolon => found = found.map(|n| n + 1),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => {
                        found = None;
                        break;
                    }
                }
            }
            prop_assert_eq!(found, tokens(&sql), "{:?}", sql);
        }
    }
}
