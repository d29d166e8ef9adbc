//! The tokens of one statement, read from left to right, with errors in PostgreSQL's words.
//!
//! Tokens come from sqlparser's tokenizer, as DataFusion's do, so that both sides agree on what a
//! literal is; the cursor adds what our grammar needs: words, names, literals, and the position and
//! the text of the token that does not fit. It knows no statement.

use std::ops::Range;

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::error::{Error, Result, SqlState};
use crate::model::names::is_reserved_word;
use crate::query::statements::split::{check_terminated, excerpt};

/// Reads the tokens of one statement.
pub struct Cursor<'a> {
    text: &'a str,
    lexemes: Vec<Lexeme>,
    next: usize,
}

/// A token that is not white space, with its place.
struct Lexeme {
    token: Token,
    /// Its bytes in the text.
    bytes: Range<usize>,
    /// The 1-based character at which it starts.
    position: usize,
}

impl<'a> Cursor<'a> {
    /// Tokenises a statement.
    ///
    /// # Errors
    /// `42601` for what is no token, such as a quote without an end.
    pub fn try_new(text: &'a str) -> Result<Self> {
        // The tokenizer has words of its own for these, and the wrong place for some.
        check_terminated(text)?;
        let mut tokens = Vec::new();
        let tokenized = Tokenizer::new(&PostgreSqlDialect {}, text)
            .tokenize_with_location_into_buf(&mut tokens);
        let mut places = Places { text, bytes: 0, chars: 0, line: 1, column: 1 };
        let lexemes = tokens.into_iter().filter_map(|token| places.lexeme(token)).collect();
        if let Err(error) = tokenized {
            places.advance(error.location);
            let near = excerpt(&text[places.bytes..]);
            let message = format!("invalid token at or near \"{near}\"");
            let error = Error::new(SqlState::SYNTAX_ERROR, message).detail(error.message);
            return Err(error.at(places.chars + 1));
        }
        Ok(Self { text, lexemes, next: 0 })
    }

    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.lexemes.get(self.next + ahead).map(|lexeme| &lexeme.token)
    }

    /// Takes a token that only its kind matters of, such as a comma, if it is the next one.
    pub fn optional(&mut self, token: &Token) -> bool {
        let found = self.peek(0) == Some(token);
        self.next += usize::from(found);
        found
    }

    /// Whether that token comes next.
    pub fn at(&self, token: &Token) -> bool {
        self.peek(0) == Some(token)
    }

    /// Takes that token.
    ///
    /// # Errors
    /// `42601` if it is not the next one.
    pub fn expect(&mut self, token: &Token) -> Result<()> {
        if self.optional(token) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Whether these keywords, in upper case, come next.
    pub fn at_keywords(&self, keywords: &[&str]) -> bool {
        keywords.iter().enumerate().all(|(ahead, keyword)| {
            self.peek(ahead).and_then(bare_word).is_some_and(|word| is(word, keyword))
        })
    }

    /// Whether this keyword, in upper case, comes after so many other tokens.
    pub fn keyword_follows(&self, ahead: usize, keyword: &str) -> bool {
        self.peek(ahead).and_then(bare_word).is_some_and(|word| is(word, keyword))
    }

    /// Takes a pair of parentheses with what is in it; gives the text between, without what is
    /// white space or comment at its ends, and the 1-based character at which it starts.
    ///
    /// # Errors
    /// `42601` if there is no pair, or nothing in it.
    pub fn parenthesized_text(&mut self) -> Result<(&'a str, usize)> {
        self.expect(&Token::LParen)?;
        let first = self.next;
        let mut open = 1;
        while open > 0 {
            match self.peek(0) {
                Some(Token::LParen) => open += 1,
                Some(Token::RParen) => open -= 1,
                Some(_) => {}
                None => return Err(self.unexpected()),
            }
            self.next += 1;
        }
        let end = self.next - 1;
        if end == first {
            self.next = end;
            return Err(self.unexpected());
        }
        let (start, position) = (self.lexemes[first].bytes.start, self.lexemes[first].position);
        Ok((&self.text[start..self.lexemes[end - 1].bytes.end], position))
    }

    /// Takes everything up to the end or a semicolon, at least one token; gives the text, without what is
    /// white space or comment at its ends, and the 1-based character at which it starts.
    ///
    /// # Errors
    /// `42601` if there is nothing.
    pub fn remaining_text(&mut self) -> Result<(&'a str, usize)> {
        let first = self.next;
        while !matches!(self.peek(0), None | Some(Token::SemiColon)) {
            self.next += 1;
        }
        if self.next == first {
            return Err(self.unexpected());
        }
        let (start, position) = (self.lexemes[first].bytes.start, self.lexemes[first].position);
        Ok((&self.text[start..self.lexemes[self.next - 1].bytes.end], position))
    }

    /// Takes these keywords if all of them come next.
    pub fn optional_keywords(&mut self, keywords: &[&str]) -> bool {
        let found = self.at_keywords(keywords);
        self.next += if found { keywords.len() } else { 0 };
        found
    }

    /// Takes a keyword, in upper case.
    ///
    /// # Errors
    /// `42601` if it is not the next token.
    pub fn expect_keyword(&mut self, keyword: &str) -> Result<()> {
        if self.optional_keywords(&[keyword]) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes several keywords, in upper case.
    ///
    /// # Errors
    /// `42601` at the first that is missing.
    pub fn expect_keywords(&mut self, keywords: &[&str]) -> Result<()> {
        keywords.iter().try_for_each(|keyword| self.expect_keyword(keyword))
    }

    /// Takes any unquoted word, in lower case, reserved or not.
    pub fn optional_word(&mut self) -> Option<String> {
        let word = self.peek(0).and_then(bare_word)?.to_ascii_lowercase();
        self.next += 1;
        Some(word)
    }

    /// Takes any unquoted word, in lower case, reserved or not.
    ///
    /// # Errors
    /// `42601` if the next token is none.
    pub fn word(&mut self) -> Result<String> {
        self.optional_word().ok_or_else(|| self.unexpected())
    }

    /// Takes a name: unquoted ones fold to lower case, quoted ones stay as they are.
    ///
    /// # Errors
    /// `42601` if the next token is no name, or a reserved word without quotes.
    pub fn identifier(&mut self) -> Result<String> {
        let name = match self.peek(0) {
            Some(Token::Word(word)) if word.quote_style.is_none() => {
                // Like PostgreSQL with UTF-8: only ASCII letters fold.
                Some(word.value.to_ascii_lowercase()).filter(|name| !is_reserved_word(name))
            }
            Some(Token::Word(word)) if word.value.is_empty() => {
                let message = "zero-length delimited identifier at or near \"\"\"\"";
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(self.position()));
            }
            Some(Token::Word(word)) => Some(word.value.clone()),
            _ => None,
        };
        let name = name.ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(name)
    }

    /// Takes a text literal of any of PostgreSQL's notations, if it comes next.
    pub fn optional_literal(&mut self) -> Option<String> {
        let text = match self.peek(0)? {
            Token::SingleQuotedString(text)
            | Token::EscapedStringLiteral(text)
            | Token::UnicodeStringLiteral(text)
            | Token::NationalStringLiteral(text) => text.clone(),
            Token::DollarQuotedString(quoted) => quoted.value.clone(),
            _ => return None,
        };
        self.next += 1;
        Some(text)
    }

    /// Takes a parameter such as `$1`, if it comes next.
    pub fn optional_placeholder(&mut self) -> Option<String> {
        let Token::Placeholder(name) = self.peek(0)? else { return None };
        let name = name.clone();
        self.next += 1;
        Some(name)
    }

    /// Takes a text literal.
    ///
    /// # Errors
    /// `42601` if the next token is none.
    pub fn literal(&mut self) -> Result<String> {
        self.optional_literal().ok_or_else(|| self.unexpected())
    }

    /// Takes an unsigned whole number, if it comes next.
    ///
    /// # Errors
    /// `22003` if it is one, but beyond 64 bits.
    pub fn optional_number(&mut self) -> Result<Option<u64>> {
        let Some(Token::Number(digits, false)) = self.peek(0) else { return Ok(None) };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        let number = digits.parse().map_err(|_| {
            let message = format!("value \"{}\" is out of range", excerpt(digits));
            Error::new(SqlState::NUMERIC_OUT_OF_RANGE, message).at(self.position())
        })?;
        self.next += 1;
        Ok(Some(number))
    }

    /// Takes an unsigned whole number.
    ///
    /// # Errors
    /// `42601` if the next token is none, `22003` if it is beyond 64 bits.
    pub fn number(&mut self) -> Result<u64> {
        self.optional_number()?.ok_or_else(|| self.unexpected())
    }

    /// Takes one or more items with commas between them.
    ///
    /// # Errors
    /// Those of the items.
    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.optional(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Takes one or more items with commas between them, in parentheses.
    ///
    /// # Errors
    /// Those of the items, and `42601` where a parenthesis is missing.
    pub fn parenthesized<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect(&Token::LParen)?;
        let items = self.list(item)?;
        self.expect(&Token::RParen)?;
        Ok(items)
    }

    /// Takes semicolons, after which the statement must be over.
    ///
    /// # Errors
    /// `42601` if there is more.
    pub fn end(&mut self) -> Result<()> {
        while self.optional(&Token::SemiColon) {}
        if self.peek(0).is_none() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The 1-based character at which the next token starts; the one after the last if there is none.
    pub fn position(&self) -> usize {
        match self.lexemes.get(self.next) {
            Some(lexeme) => lexeme.position,
            None => self.text.chars().count() + 1,
        }
    }

    /// The syntax error that the next token is.
    pub fn unexpected(&self) -> Error {
        let message = match self.lexemes.get(self.next) {
            Some(lexeme) => {
                let near = excerpt(&self.text[lexeme.bytes.clone()]);
                format!("syntax error at or near \"{near}\"")
            }
            None => "syntax error at end of input".to_owned(),
        };
        Error::new(SqlState::SYNTAX_ERROR, message).at(self.position())
    }

    /// The error about a clause or option that is there twice.
    pub fn redundant(position: usize) -> Error {
        Error::new(SqlState::SYNTAX_ERROR, "conflicting or redundant options").at(position)
    }
}

fn bare_word(token: &Token) -> Option<&str> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
        _ => None,
    }
}

fn is(word: &str, keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword)
}

/// Turns the tokenizer's lines and columns into bytes and characters, in one walk over the text.
struct Places<'a> {
    text: &'a str,
    bytes: usize,
    chars: usize,
    line: u64,
    column: u64,
}

impl Places<'_> {
    fn advance(&mut self, to: Location) {
        let mut rest = self.text[self.bytes..].chars();
        while (self.line, self.column) < (to.line, to.column) {
            let Some(character) = rest.next() else { break };
            self.bytes += character.len_utf8();
            self.chars += 1;
            if character == '\n' {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
    }

    fn lexeme(&mut self, TokenWithSpan { token, span }: TokenWithSpan) -> Option<Lexeme> {
        if matches!(token, Token::Whitespace(_)) {
            return None;
        }
        self.advance(span.start);
        let (start, position) = (self.bytes, self.chars + 1);
        self.advance(span.end);
        Some(Lexeme { token, bytes: start..self.bytes, position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error of reading one item of a statement, with its place.
    fn check<'a, T: std::fmt::Debug>(
        text: &'a str,
        read: impl Fn(&mut Cursor<'a>) -> Result<T>,
        expected: &str,
    ) {
        let found = match Cursor::try_new(text).and_then(|mut cursor| read(&mut cursor)) {
            Ok(value) => format!("{value:?}"),
            Err(error) => {
                format!("{} {error} @{}", error.code(), error.get_position().unwrap_or(0))
            }
        };
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn names_fold_unless_quoted() {
        check("Crm_ID", Cursor::identifier, "\"crm_id\"");
        check("ÄB", Cursor::identifier, "\"Äb\"");
        check("\"Crm \"\"1\"\"\"", Cursor::identifier, "\"Crm \\\"1\\\"\"");
        check("select", Cursor::identifier, "42601 syntax error at or near \"select\" @1");
        check("\"select\"", Cursor::identifier, "\"select\"");
        check("'a'", Cursor::identifier, "42601 syntax error at or near \"'a'\" @1");
        check("", Cursor::identifier, "42601 syntax error at end of input @1");
        let empty = "42601 zero-length delimited identifier at or near \"\"\"\" @2";
        check(" \"\"", Cursor::identifier, empty);
    }

    #[test]
    fn literals_have_all_of_the_notations() {
        for text in ["'it''s'", "E'it\\'s'", "$$it's$$", "$q$it's$q$", "N'it''s'", "U&'it''s'"] {
            check(text, Cursor::literal, "\"it's\"");
        }
        check("it", Cursor::literal, "42601 syntax error at or near \"it\" @1");
        check("'a\\b'", Cursor::literal, "\"a\\\\b\"");
    }

    #[test]
    fn numbers_are_whole_and_fit() {
        check("17", Cursor::number, "17");
        check("1.5", Cursor::number, "42601 syntax error at or near \"1.5\" @1");
        check("-1", Cursor::number, "42601 syntax error at or near \"-\" @1");
        let large = "22003 value \"18446744073709551616\" is out of range @1";
        check("18446744073709551616", Cursor::number, large);
    }

    #[test]
    fn positions_count_characters_across_lines() {
        let second = |cursor: &mut Cursor<'_>| {
            cursor.identifier()?;
            cursor.number()
        };
        check("é\r\n  ü", second, "42601 syntax error at or near \"ü\" @6");
        check("é -- ü\n", second, "42601 syntax error at end of input @8");
        check("a /* é\n */ 'x\ny'", second, "42601 syntax error at or near \"'x\ny'\" @12");
    }

    #[test]
    fn parenthesized_texts_stay_as_they_are() {
        let text = |text, expected| check(text, Cursor::parenthesized_text, expected);
        text("( a || ')' ) b", "(\"a || ')'\", 3)");
        text("(f((1), \"(\") -- )\n + é /* ( */) x", "(\"f((1), \\\"(\\\") -- )\\n + é\", 2)");
        text("()", "42601 syntax error at or near \")\" @2");
        text("((a)", "42601 syntax error at end of input @5");
        text("a", "42601 syntax error at or near \"a\" @1");
    }

    #[test]
    fn what_is_no_token_is_a_syntax_error() {
        let unterminated = "42601 unterminated quoted string at or near \"'b\" @3";
        check("a 'b", Cursor::identifier, unterminated);
        let escape = "42601 invalid token at or near \"E'\\u12'\" @3";
        check("a E'\\u12'", Cursor::identifier, escape);
    }
}
