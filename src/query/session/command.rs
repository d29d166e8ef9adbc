//! What a statement asks for: ours, a command of the session, or a query.
//!
//! This is the allow-list. sqlparser reads far more than may run here; a statement that is not named in
//! [`Command`] is refused before anything plans it, so that no file and no location can be reached from
//! SQL. Statements about the session itself (SET, BEGIN, FETCH, ...) are read here with the cursor of
//! `statements`, because clients send more forms of them than sqlparser knows.

use sqlparser::ast::{Delete, Insert, ObjectType, Query, SetExpr, Statement, UtilityOption};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::query::dialect::Postgres;
use crate::query::error::from_parser;
use crate::query::session::{depth, precedence};
use crate::query::statements::{self, Cursor, Parsed};

/// Calls of the parser within each other; `depth` has bounded the nesting before, so that this is only
/// the parser's own idea of it, where one level of parentheses counts several times.
const PARSER_RECURSION_MAX: usize = 4 * depth::DEPTH_MAX;

/// A statement that may run.
#[derive(Clone, Debug)]
pub(super) enum Command {
    /// White space and comments.
    Empty,
    /// SELECT, VALUES, WITH, TABLE.
    Query(Box<Query>),
    /// EXPLAIN of a query.
    Explain(Explain),
    /// INSERT INTO a dataset.
    Insert(Box<Insert>),
    /// DELETE FROM a dataset.
    Delete(Box<Delete>),
    /// CREATE, ALTER, DROP, SHOW CREATE, COPY FROM.
    Ours(Parsed),
    /// SET.
    Set(Set),
    /// SHOW; `None` is ALL.
    Show(Option<String>),
    /// RESET; `None` is ALL.
    Reset(Option<String>),
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END; and whether a new block begins at once.
    Commit { chain: bool },
    /// ROLLBACK, ABORT; and whether a new block begins at once.
    Rollback { chain: bool },
    /// PREPARE.
    Prepare(Prepare),
    /// EXECUTE.
    Execute { name: String, arguments: Option<String> },
    /// DEALLOCATE; `None` is ALL.
    Deallocate(Option<String>),
    /// DECLARE.
    Declare(Declare),
    /// FETCH and MOVE.
    Fetch(Fetch),
    /// CLOSE; `None` is ALL.
    Close(Option<String>),
    /// DISCARD.
    Discard(Discard),
    /// UNLISTEN.
    Unlisten,
}

/// An EXPLAIN.
#[derive(Clone, Debug)]
pub(super) struct Explain {
    /// The query.
    pub(super) query: Box<Query>,
    /// Whether it runs.
    pub(super) analyze: bool,
    /// Whether it tells more.
    pub(super) verbose: bool,
    /// Whether it answers in JSON.
    pub(super) json: bool,
}

/// A SET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    /// The setting.
    pub(super) name: String,
    /// Its value; `None` is DEFAULT.
    pub(super) value: Option<String>,
    /// Whether it ends with the transaction.
    pub(super) local: bool,
}

/// A PREPARE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prepare {
    /// Its name.
    pub(super) name: String,
    /// Names of the parameters' types.
    pub(super) types: Vec<String>,
    /// The statement.
    pub(super) sql: String,
}

/// A DECLARE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Declare {
    /// The cursor's name.
    pub(super) name: String,
    /// Whether it outlives the transaction.
    pub(super) hold: bool,
    /// The query.
    pub(super) sql: String,
}

/// A FETCH or MOVE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetch {
    /// The cursor's name.
    pub(super) name: String,
    /// How many rows; `None` is all.
    pub(super) count: Option<u64>,
    /// Whether the rows are only skipped.
    pub(super) skip: bool,
}

/// What a DISCARD drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Discard {
    /// Everything that a session can have.
    All,
    /// Cached plans.
    Plans,
    /// What does not exist here.
    Nothing,
}

/// Reads one statement.
///
/// # Errors
/// `42601`, `54001`, and `0A000` or `42501` for what may not run.
pub(super) fn read(sql: &str) -> Result<Command> {
    if let Some(parsed) = statements::parse(sql)? {
        return Ok(Command::Ours(parsed));
    }
    if let Some(command) = session_command(sql)? {
        return Ok(command);
    }
    depth::check(sql)?;
    // The parser reads only the name after TABLE, and the command is short for this.
    let expanded = first_word(sql).eq_ignore_ascii_case("table").then(|| expand_table(sql));
    let sql = expanded.as_deref().unwrap_or(sql);
    let parsed = Parser::new(&Postgres)
        .with_recursion_limit(PARSER_RECURSION_MAX)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| from_parser(&error, sql))?;
    let mut parsed = parsed.into_iter();
    match (parsed.next(), parsed.next()) {
        (None, _) => Ok(Command::Empty),
        (Some(mut statement), None) => {
            precedence::repair(&mut statement);
            plain(statement)
        }
        (Some(_), Some(_)) => Err(several()),
    }
}

fn expand_table(sql: &str) -> String {
    let word = first_word(sql);
    let at = sql.find(word).unwrap_or(0);
    format!("{}SELECT * FROM{}", &sql[..at], &sql[at + word.len()..])
}

/// Several statements where one belongs.
pub(super) fn several() -> Error {
    let message = "cannot insert multiple commands into a prepared statement";
    Error::new(SqlState::SYNTAX_ERROR, message)
}

/// The allow-list of plain SQL.
fn plain(statement: Statement) -> Result<Command> {
    match statement {
        Statement::Query(query) => {
            check_query(&query)?;
            Ok(Command::Query(query))
        }
        Statement::Insert(insert) => Ok(Command::Insert(Box::new(insert))),
        Statement::Delete(delete) => Ok(Command::Delete(Box::new(delete))),
        Statement::Explain { statement, analyze, verbose, options, format, .. } => {
            let Statement::Query(query) = *statement else {
                return Err(Error::unsupported("EXPLAIN is for queries only"));
            };
            check_query(&query)?;
            let mut explain = Explain { query, analyze, verbose, json: false };
            if let Some(format) = format {
                explain.json = format.to_string().to_uppercase().contains("JSON");
            }
            for option in options.unwrap_or_default() {
                explain_option(&mut explain, &option)?;
            }
            Ok(Command::Explain(explain))
        }
        other => Err(refused(&other)),
    }
}

fn explain_option(explain: &mut Explain, option: &UtilityOption) -> Result<()> {
    let value = option.arg.as_ref().map(|value| value.to_string().to_lowercase());
    let on = !matches!(value.as_deref(), Some("false" | "off" | "0"));
    match option.name.value.to_lowercase().as_str() {
        "analyze" => explain.analyze = on,
        "verbose" => explain.verbose = on,
        "format" => match value.as_deref() {
            Some("json") => explain.json = true,
            Some("text") => explain.json = false,
            _ => return Err(Error::unsupported("EXPLAIN formats are TEXT and JSON")),
        },
        // What these would add is not known here, and nothing is wrong without it.
        "costs" | "settings" | "generic_plan" | "buffers" | "wal" | "timing" | "summary" => {}
        name => {
            let message = format!("unrecognized EXPLAIN option \"{name}\"");
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
    }
    Ok(())
}

/// A query may hold statements that write, which no table here would refuse in time.
fn check_query(query: &Query) -> Result<()> {
    fn body(expression: &SetExpr) -> Result<()> {
        match expression {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(Error::unsupported("statements that write cannot be part of a query"))
            }
            SetExpr::Query(query) => check_query(query),
            SetExpr::Select(select) if select.into.is_some() => {
                Err(Error::unsupported("SELECT INTO is not supported").hint("use INSERT INTO"))
            }
            _ => Ok(()),
        }
    }
    for table in query.with.iter().flat_map(|with| &with.cte_tables) {
        check_query(&table.query)?;
    }
    // Chains of UNION lean to the left and can be long, so that they are walked, not recursed into.
    let mut expression = query.body.as_ref();
    while let SetExpr::SetOperation { left, right, .. } = expression {
        body(right)?;
        expression = left;
    }
    body(expression)
}

fn refused(statement: &Statement) -> Error {
    let text = statement.to_string();
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    let verb = words.first().copied().unwrap_or_default().to_uppercase();
    match statement {
        Statement::Copy { .. } => Error::unsupported("COPY TO is not supported")
            .hint("read the rows with a query and let the client write the file"),
        Statement::Update(_) => Error::unsupported("UPDATE is not supported")
            .hint("a new row with the same identity wins"),
        Statement::CreateTable(_) => Error::unsupported("CREATE TABLE is not supported")
            .hint("define a dataset: CREATE DATASET name (column TYPE, ...)"),
        Statement::Drop { object_type: ObjectType::Table, .. } => {
            Error::unsupported("DROP TABLE is not supported").hint("DROP DATASET name")
        }
        Statement::Truncate(_) => Error::unsupported("TRUNCATE is not supported")
            .hint("DELETE FROM name deletes all rows"),
        Statement::Grant(_) | Statement::Revoke(_) => {
            Error::unsupported(format!("{verb} is not supported"))
        }
        _ => {
            let noun = words.get(1).copied().unwrap_or_default().to_uppercase();
            let plain = noun.chars().all(|letter| letter.is_ascii_alphabetic());
            let name = if plain { format!("{verb} {noun}") } else { verb };
            Error::unsupported(format!("{} is not supported", name.trim()))
        }
    }
}

/// Reads a statement about the session; `None` if it is none.
fn session_command(sql: &str) -> Result<Option<Command>> {
    const FIRST: &[&str] = &[
        "SET",
        "SHOW",
        "RESET",
        "BEGIN",
        "START",
        "COMMIT",
        "END",
        "ROLLBACK",
        "ABORT",
        "SAVEPOINT",
        "RELEASE",
        "PREPARE",
        "EXECUTE",
        "DEALLOCATE",
        "DECLARE",
        "FETCH",
        "MOVE",
        "CLOSE",
        "DISCARD",
        "LISTEN",
        "UNLISTEN",
        "NOTIFY",
        "LOCK",
        "CHECKPOINT",
    ];
    let first = first_word(sql);
    if !FIRST.iter().any(|word| first.eq_ignore_ascii_case(word)) {
        return Ok(None);
    }
    let mut cursor = Cursor::try_new(sql)?;
    let word = cursor.word()?;
    let command = match word.as_str() {
        "set" => set(&mut cursor, sql)?,
        "show" => Command::Show(setting_or_all(&mut cursor)?),
        "reset" => Command::Reset(setting_or_all(&mut cursor)?),
        "prepare" => prepare(&mut cursor, sql)?,
        "execute" => execute(&mut cursor, sql)?,
        "declare" => declare(&mut cursor, sql)?,
        "fetch" | "move" => fetch(&mut cursor, word == "move")?,
        "deallocate" => {
            cursor.optional_keywords(&["PREPARE"]);
            Command::Deallocate(name_or_all(&mut cursor)?)
        }
        "close" => Command::Close(name_or_all(&mut cursor)?),
        "discard" => discard(&mut cursor)?,
        "unlisten" => {
            if !cursor.optional(&Token::Mul) {
                cursor.identifier()?;
            }
            Command::Unlisten
        }
        "savepoint" | "release" | "listen" | "notify" | "lock" | "checkpoint" => {
            return Err(Error::unsupported(format!("{} is not supported", word.to_uppercase())));
        }
        _ => transaction(&mut cursor, &word)?,
    };
    // These hold the text of another statement, or a value that only its setting can read.
    let open = matches!(
        command,
        Command::Prepare(_) | Command::Execute { .. } | Command::Declare(_) | Command::Set(_)
    );
    if !open {
        cursor.end()?;
    }
    Ok(Some(command))
}

/// The first word of a statement, after comments.
pub(super) fn first_word(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        rest = match (rest.strip_prefix("--"), rest.strip_prefix("/*")) {
            (Some(line), _) => line.split_once('\n').map_or("", |(_, after)| after),
            (_, Some(block)) => block.split_once("*/").map_or("", |(_, after)| after),
            _ => break,
        }
        .trim_start();
    }
    let end = rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(rest.len());
    &rest[..end]
}

/// The text from the next token on.
fn rest_of(cursor: &Cursor<'_>, sql: &str) -> String {
    let skip = cursor.position() - 1;
    let rest: String = sql.chars().skip(skip).collect();
    rest.trim_end().trim_end_matches(';').to_owned()
}

fn setting_or_all(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if cursor.optional_keywords(&["ALL"]) {
        return Ok(None);
    }
    for (words, name) in [
        (&["TIME", "ZONE"][..], "TimeZone"),
        (&["TRANSACTION", "ISOLATION", "LEVEL"], "transaction_isolation"),
        (&["SESSION", "AUTHORIZATION"], "session_authorization"),
    ] {
        if cursor.optional_keywords(words) {
            return Ok(Some(name.to_owned()));
        }
    }
    setting_name(cursor).map(Some)
}

/// A name, or several with points between them.
fn setting_name(cursor: &mut Cursor<'_>) -> Result<String> {
    let mut name = cursor.optional_word().map_or_else(|| cursor.identifier(), Ok)?;
    while cursor.optional(&Token::Period) {
        name = format!("{name}.{}", cursor.identifier()?);
    }
    Ok(name)
}

fn name_or_all(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if cursor.optional_keywords(&["ALL"]) { Ok(None) } else { cursor.identifier().map(Some) }
}

fn set(cursor: &mut Cursor<'_>, sql: &str) -> Result<Command> {
    if cursor.optional_keywords(&["SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"]) {
        return modes(cursor, "default_transaction_isolation", "default_transaction_read_only");
    }
    if cursor.at_keywords(&["TRANSACTION"]) {
        cursor.expect_keyword("TRANSACTION")?;
        return modes(cursor, "transaction_isolation", "transaction_read_only");
    }
    let local = cursor.optional_keywords(&["LOCAL"]);
    if !local && !cursor.at_keywords(&["SESSION", "AUTHORIZATION"]) {
        cursor.optional_keywords(&["SESSION"]);
    }
    let name = if cursor.optional_keywords(&["TIME", "ZONE"]) {
        if cursor.optional_keywords(&["INTERVAL"]) {
            let value = Some(zone_of_interval(cursor)?);
            return Ok(Command::Set(Set { name: "TimeZone".to_owned(), value, local }));
        }
        let value = value_list(cursor, sql)?;
        let value = value.filter(|value| !value.eq_ignore_ascii_case("local"));
        return Ok(Command::Set(Set { name: "TimeZone".to_owned(), value, local }));
    } else if cursor.optional_keywords(&["NAMES"]) {
        let value = value_list(cursor, sql)?;
        return Ok(Command::Set(Set { name: "client_encoding".to_owned(), value, local }));
    } else if cursor.optional_keywords(&["SESSION", "AUTHORIZATION"]) {
        let value = value_list(cursor, sql)?;
        return Ok(Command::Set(Set { name: "session_authorization".to_owned(), value, local }));
    } else {
        setting_name(cursor)?
    };
    if name == "role" && !cursor.at_keywords(&["TO"]) && !cursor.optional(&Token::Eq) {
        let value = value_list(cursor, sql)?;
        return Ok(Command::Set(Set { name, value, local }));
    }
    if !cursor.optional_keywords(&["TO"]) && !cursor.optional(&Token::Eq) && name != "role" {
        return Err(cursor.unexpected());
    }
    let value = value_list(cursor, sql)?;
    Ok(Command::Set(Set { name, value, local }))
}

/// `SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE`, where offsets count eastwards: as a zone of PostgreSQL,
/// where they count westwards.
fn zone_of_interval(cursor: &mut Cursor<'_>) -> Result<String> {
    let Some(text) = cursor.optional_literal() else { return Err(cursor.unexpected()) };
    if cursor.optional_keywords(&["HOUR"]) {
        cursor.optional_keywords(&["TO", "MINUTE"]);
    }
    cursor.end()?;
    let (sign, hours) = match text.strip_prefix('-') {
        Some(hours) => ("-", hours),
        None => ("+", text.strip_prefix('+').unwrap_or(&text)),
    };
    let is_offset = hours.split(':').all(|part| part.len() <= 2 && part.parse::<u8>().is_ok());
    if !is_offset {
        let message = format!("invalid input syntax for type interval: \"{text}\"");
        return Err(Error::new(SqlState("22007"), message));
    }
    let west = if sign == "+" { "-" } else { "+" };
    Ok(format!("<{sign}{hours}>{west}{hours}"))
}

/// The values of a SET as one text; `None` is DEFAULT.
fn value_list(cursor: &mut Cursor<'_>, sql: &str) -> Result<Option<String>> {
    if cursor.optional_keywords(&["DEFAULT"]) {
        cursor.end()?;
        return Ok(None);
    }
    let start = rest_of(cursor, sql);
    if start.starts_with(|letter: char| letter.is_ascii_digit() || "+-.".contains(letter)) {
        let number = start.trim();
        if number.parse::<f64>().is_err() {
            return Err(cursor.unexpected());
        }
        return Ok(Some(number.to_owned()));
    }
    let values = cursor.list(|cursor| match cursor.optional_literal() {
        Some(text) => Ok(text),
        None => cursor.optional_word().map_or_else(|| cursor.identifier(), Ok),
    })?;
    cursor.end()?;
    Ok(Some(values.join(", ")))
}

/// The modes of a transaction; all reads see one snapshot anyway, so that any isolation will do.
fn modes(cursor: &mut Cursor<'_>, isolation: &str, read_only: &str) -> Result<Command> {
    let mut set = None;
    loop {
        if cursor.optional_keywords(&["ISOLATION", "LEVEL"]) {
            let mut level = vec![cursor.word()?];
            while let Some(word) = ["COMMITTED", "UNCOMMITTED", "READ"]
                .iter()
                .find(|word| level.len() < 2 && cursor.optional_keywords(&[word]))
            {
                level.push(word.to_lowercase());
            }
            set = Some((isolation, level.join(" ")));
        } else if cursor.optional_keywords(&["READ", "ONLY"]) {
            set.get_or_insert((read_only, "on".to_owned()));
        } else if cursor.optional_keywords(&["READ", "WRITE"]) {
            set.get_or_insert((read_only, "off".to_owned()));
        } else if !cursor.optional_keywords(&["NOT", "DEFERRABLE"])
            && !cursor.optional_keywords(&["DEFERRABLE"])
        {
            return Err(cursor.unexpected());
        }
        let comma = cursor.optional(&Token::Comma);
        if !comma && !cursor.at_keywords(&["READ"]) && !cursor.at_keywords(&["ISOLATION"]) {
            break;
        }
    }
    cursor.end()?;
    let (name, value) = set.unwrap_or((read_only, "off".to_owned()));
    Ok(Command::Set(Set { name: name.to_owned(), value: Some(value), local: false }))
}

fn transaction(cursor: &mut Cursor<'_>, word: &str) -> Result<Command> {
    if word == "start" {
        cursor.expect_keyword("TRANSACTION")?;
    } else if !cursor.optional_keywords(&["TRANSACTION"]) {
        cursor.optional_keywords(&["WORK"]);
    }
    if matches!(word, "begin" | "start") {
        let started = cursor.position();
        if cursor.at_keywords(&["ISOLATION"])
            || cursor.at_keywords(&["READ"])
            || cursor.at_keywords(&["NOT"])
            || cursor.at_keywords(&["DEFERRABLE"])
        {
            modes(cursor, "transaction_isolation", "transaction_read_only").map_err(|error| {
                if error.get_position().is_none() { error.at(started) } else { error }
            })?;
        }
        return Ok(Command::Begin);
    }
    if cursor.at_keywords(&["TO"]) || cursor.at_keywords(&["PREPARED"]) {
        let what =
            if cursor.at_keywords(&["TO"]) { "ROLLBACK TO SAVEPOINT" } else { "two-phase commit" };
        return Err(Error::unsupported(format!("{what} is not supported")));
    }
    let chain = cursor.optional_keywords(&["AND", "CHAIN"]);
    if !chain {
        cursor.optional_keywords(&["AND", "NO", "CHAIN"]);
    }
    Ok(match word {
        "commit" | "end" => Command::Commit { chain },
        _ => Command::Rollback { chain },
    })
}

fn prepare(cursor: &mut Cursor<'_>, sql: &str) -> Result<Command> {
    if cursor.at_keywords(&["TRANSACTION"]) {
        return Err(Error::unsupported("two-phase commit is not supported"));
    }
    let name = cursor.identifier()?;
    let mut types = Vec::new();
    if cursor.optional(&Token::LParen) {
        types = cursor.list(type_name)?;
        cursor.expect(&Token::RParen)?;
    }
    cursor.expect_keyword("AS")?;
    Ok(Command::Prepare(Prepare { name, types, sql: rest_of(cursor, sql) }))
}

/// A type's name, of one word or several, perhaps with a modifier and brackets.
fn type_name(cursor: &mut Cursor<'_>) -> Result<String> {
    let mut name = setting_name(cursor)?;
    while let Some(word) = cursor.optional_word() {
        name = format!("{name} {word}");
    }
    if cursor.optional(&Token::LParen) {
        cursor.list(Cursor::number)?;
        cursor.expect(&Token::RParen)?;
    }
    while cursor.optional(&Token::LBracket) {
        cursor.expect(&Token::RBracket)?;
        name.push_str("[]");
    }
    Ok(name)
}

fn execute(cursor: &mut Cursor<'_>, sql: &str) -> Result<Command> {
    let name = cursor.identifier()?;
    let arguments = rest_of(cursor, sql);
    let arguments = arguments.trim();
    if arguments.is_empty() {
        return Ok(Command::Execute { name, arguments: None });
    }
    match arguments.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => Ok(Command::Execute { name, arguments: Some(inner.to_owned()) }),
        None => Err(cursor.unexpected()),
    }
}

fn declare(cursor: &mut Cursor<'_>, sql: &str) -> Result<Command> {
    let name = cursor.identifier()?;
    let mut hold = false;
    while !cursor.optional_keywords(&["FOR"]) {
        if cursor.optional_keywords(&["SCROLL"]) || cursor.optional_keywords(&["BINARY"]) {
            let message = "cursors can only move forward and give text";
            return Err(Error::unsupported(message).hint("leave SCROLL and BINARY out"));
        } else if cursor.optional_keywords(&["WITH", "HOLD"]) {
            hold = true;
        } else if cursor.optional_keywords(&["CURSOR"])
            || cursor.optional_keywords(&["NO", "SCROLL"])
            || cursor.optional_keywords(&["INSENSITIVE"])
            || cursor.optional_keywords(&["ASENSITIVE"])
            || cursor.optional_keywords(&["WITHOUT", "HOLD"])
        {
        } else {
            return Err(cursor.unexpected());
        }
    }
    Ok(Command::Declare(Declare { name, hold, sql: rest_of(cursor, sql) }))
}

fn fetch(cursor: &mut Cursor<'_>, skip: bool) -> Result<Command> {
    let backward = ["BACKWARD", "PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE"]
        .iter()
        .any(|word| cursor.at_keywords(&[word]));
    if backward {
        return Err(Error::unsupported("cursors can only move forward"));
    }
    cursor.optional_keywords(&["FORWARD"]);
    let count = if cursor.optional_keywords(&["ALL"]) {
        None
    } else if cursor.optional_keywords(&["NEXT"]) {
        Some(1)
    } else {
        Some(cursor.optional_number()?.unwrap_or(1))
    };
    if !cursor.optional_keywords(&["FROM"]) {
        cursor.optional_keywords(&["IN"]);
    }
    Ok(Command::Fetch(Fetch { name: cursor.identifier()?, count, skip }))
}

fn discard(cursor: &mut Cursor<'_>) -> Result<Command> {
    Ok(Command::Discard(match cursor.word()?.as_str() {
        "all" => Discard::All,
        "plans" => Discard::Plans,
        "temp" | "temporary" | "sequences" => Discard::Nothing,
        _ => return Err(cursor.unexpected()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: &str) {
        let shown = match read(sql) {
            Ok(Command::Query(query)) => format!("query {query}"),
            Ok(Command::Insert(insert)) => format!("insert {insert}"),
            Ok(Command::Delete(delete)) => format!("delete {delete}"),
            Ok(Command::Explain(explain)) => format!(
                "explain {} {} {} {}",
                explain.analyze, explain.verbose, explain.json, explain.query
            ),
            Ok(command) => format!("{command:?}"),
            Err(error) => match error.get_position() {
                Some(position) => format!("{} {error} @{position}", error.code()),
                None => format!("{} {error}", error.code()),
            },
        };
        assert_eq!(shown, expected, "{sql}");
    }

    fn set(name: &str, value: Option<&str>, local: bool) -> String {
        let value = value.map(str::to_owned);
        format!("{:?}", Command::Set(Set { name: name.to_owned(), value, local }))
    }

    #[test]
    fn zones_may_be_intervals() {
        check(
            "SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE",
            &set("TimeZone", Some("<+02:00>-02:00"), false),
        );
        check("SET TIME ZONE INTERVAL '-5'", &set("TimeZone", Some("<-5>+5"), false));
    }

    #[test]
    fn queries_are_allowed() {
        check("SELECT 1", "query SELECT 1");
        check(" -- nothing\n", "Empty");
        check(
            "WITH a AS (VALUES (1)) SELECT * FROM a",
            "query WITH a AS (VALUES (1)) SELECT * FROM a",
        );
        check("TABLE crm ORDER BY a", "query SELECT * FROM crm ORDER BY a");
        check("EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1", "explain true false true SELECT 1");
        check("INSERT INTO crm VALUES (1)", "insert INSERT INTO crm VALUES (1)");
        check("DELETE FROM crm a WHERE a.b = 1", "delete DELETE FROM crm a WHERE a.b = 1");
    }

    #[test]
    fn everything_else_is_refused() {
        for (sql, expected) in [
            ("COPY crm TO '/tmp/x'", "0A000 COPY TO is not supported"),
            ("COPY (SELECT 1) TO '/tmp/x'", "0A000 COPY TO is not supported"),
            ("UPDATE crm SET a = 1", "0A000 UPDATE is not supported"),
            ("TRUNCATE crm", "0A000 TRUNCATE is not supported"),
            ("EXPLAIN DELETE FROM crm", "0A000 EXPLAIN is for queries only"),
            ("CREATE TABLE t (a INT)", "0A000 CREATE TABLE is not supported"),
            ("CREATE VIEW v AS SELECT 1", "0A000 CREATE VIEW is not supported"),
            ("SELECT 1 INTO t", "0A000 SELECT INTO is not supported"),
            ("SAVEPOINT a", "0A000 SAVEPOINT is not supported"),
            ("ROLLBACK TO a", "0A000 ROLLBACK TO SAVEPOINT is not supported"),
            ("LISTEN a", "0A000 LISTEN is not supported"),
            ("EXPLAIN INSERT INTO crm VALUES (1)", "0A000 EXPLAIN is for queries only"),
            (
                "SELECT 1; SELECT 2",
                "42601 cannot insert multiple commands into a prepared statement",
            ),
        ] {
            check(sql, expected);
        }
        for sql in [
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
            "LOAD DATA INPATH '/etc/passwd' INTO TABLE t",
            "ATTACH DATABASE 'x' AS y",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'x'",
            "UNLOAD (SELECT 1) TO 's3://x'",
            "WITH a AS (DELETE FROM crm RETURNING *) SELECT * FROM a",
        ] {
            assert!(read(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn syntax_errors_have_a_position() {
        check("SELEC 1", "42601 syntax error at or near \"SELEC\" @1");
        check("SELECT 1 +", "42601 syntax error at end of input @11");
        check("SELECT a\n  FROM b WHERE )", "42601 syntax error at or near \")\" @25");
    }

    #[test]
    fn settings() {
        check("SET a.b = 'x'", &set("a.b", Some("x"), false));
        check("SET LOCAL statement_timeout TO 500", &set("statement_timeout", Some("500"), true));
        check("set session DateStyle to ISO, MDY", &set("datestyle", Some("iso, mdy"), false));
        check("SET TIME ZONE 'Europe/Berlin'", &set("TimeZone", Some("Europe/Berlin"), false));
        check("SET TIME ZONE LOCAL", &set("TimeZone", None, false));
        check("SET TIME ZONE -3.5", &set("TimeZone", Some("-3.5"), false));
        check("SET NAMES 'utf8'", &set("client_encoding", Some("utf8"), false));
        check("SET a TO DEFAULT", &set("a", None, false));
        check(
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
            &set("default_transaction_isolation", Some("read committed"), false),
        );
        check("SHOW TIME ZONE", "Show(Some(\"TimeZone\"))");
        check("SHOW ALL", "Show(None)");
        check("RESET ALL", "Reset(None)");
        check("SET a", "42601 syntax error at end of input @6");
    }

    #[test]
    fn transactions_and_the_rest() {
        check("BEGIN", "Begin");
        check("begin isolation level repeatable read read only", "Begin");
        check("START TRANSACTION READ ONLY", "Begin");
        check("END;", "Commit { chain: false }");
        check("ROLLBACK WORK AND CHAIN", "Rollback { chain: true }");
        check("DISCARD ALL", "Discard(All)");
        check("UNLISTEN *", "Unlisten");
        check("DEALLOCATE ALL", "Deallocate(None)");
        check("CLOSE a", "Close(Some(\"a\"))");
        check(
            "PREPARE p (int, double precision, text[]) AS SELECT $1",
            "Prepare(Prepare { name: \"p\", types: [\"int\", \"double precision\", \"text[]\"], \
             sql: \"SELECT $1\" })",
        );
        check("EXECUTE p (1, 'a')", "Execute { name: \"p\", arguments: Some(\"1, 'a'\") }");
        check("EXECUTE p", "Execute { name: \"p\", arguments: None }");
        check(
            "DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1",
            "Declare(Declare { name: \"c\", hold: true, sql: \"SELECT 1\" })",
        );
        check(
            "FETCH FORWARD 10 FROM c",
            "Fetch(Fetch { name: \"c\", count: Some(10), skip: false })",
        );
        check("MOVE ALL IN c", "Fetch(Fetch { name: \"c\", count: None, skip: true })");
        check("FETCH BACKWARD 1 FROM c", "0A000 cursors can only move forward");
    }
}
