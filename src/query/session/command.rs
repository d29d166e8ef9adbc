//! What a statement asks for: ours, a command of the session, or a query.
//!
//! This is the allow-list. sqlparser reads far more than may run here; a statement that is not named in
//! [`Command`] is refused before anything plans it, so that no file and no location can be reached from
//! SQL. Statements about the session itself (SET, BEGIN, FETCH, ...) are read here with the cursor of
//! `statements`, because clients send more forms of them than sqlparser knows.

mod portals;

use sqlparser::ast::{Delete, Insert, Query, SetExpr, Statement, Update, UtilityOption};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use crate::error::{Error, Result, SqlState};
use crate::query::dialect::Postgres;
use crate::query::error::from_parser;
use crate::query::session::settings::Variables;
use crate::query::session::{ddl, depth, precedence};
use crate::query::statements::{self, CopyTo, Cursor, Parsed};

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
    /// INSERT INTO a dataset or scratch table.
    Insert(Box<Insert>),
    /// DELETE FROM a dataset or scratch table.
    Delete(Box<Delete>),
    /// UPDATE of a scratch table.
    Update(Box<Update>),
    /// CREATE, ALTER, DROP of views, scratch tables and schemas.
    Ddl(Box<Statement>),
    /// CREATE, ALTER, DROP, SHOW CREATE, COPY FROM.
    Ours(Parsed),
    /// SET.
    Set(Set),
    /// SHOW; `None` is ALL.
    Show(Option<String>),
    /// RESET; `None` is ALL.
    Reset(Option<String>),
    /// BEGIN, START TRANSACTION.
    Begin(Modes),
    /// SET TRANSACTION, or SET SESSION CHARACTERISTICS for all blocks to come.
    Modes { all: bool, modes: Modes },
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
    /// SAVEPOINT.
    Savepoint(String),
    /// RELEASE.
    Release(String),
    /// ROLLBACK TO.
    RollbackTo(String),
    /// UNLISTEN; `None` is all.
    Unlisten(Option<String>),
    /// LISTEN.
    Listen(String),
    /// NOTIFY.
    Notify { channel: String, payload: String },
    /// A statement that has nothing to do here, with its tag: LOCK TABLE, CHECKPOINT.
    Idle(&'static str),
    /// COPY ... TO STDOUT.
    CopyTo(Box<Query>, Box<CopyTo>),
}

impl Command {
    /// Whether it may come when a transaction block has failed.
    pub(super) fn ends_transaction(&self) -> bool {
        matches!(self, Self::Commit { .. } | Self::Rollback { .. } | Self::RollbackTo(_))
    }
}

/// The modes of a transaction, where they are said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Modes {
    /// The level of isolation. All reads see one snapshot anyway, so that any will do.
    pub(super) isolation: Option<String>,
    /// Whether nothing may be written.
    pub(super) read_only: Option<bool>,
}

impl Modes {
    /// Those in force.
    pub(super) fn of(variables: &Variables) -> Self {
        let read_only = variables.value("transaction_read_only") == "on";
        let isolation = Some(variables.value("transaction_isolation"));
        Self { isolation, read_only: Some(read_only) }
    }
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
    /// Whether it must be able to go back.
    pub(super) scroll: Scroll,
    /// Whether its rows are sent in binary.
    pub(super) binary: bool,
    /// The query.
    pub(super) sql: String,
}

/// Whether a cursor can go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scroll {
    /// SCROLL.
    Yes,
    /// NO SCROLL.
    No,
    /// As long as that is cheap.
    Open,
}

/// Where a FETCH or MOVE goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Over the next rows; `None` is all.
    Forward(Option<u64>),
    /// Over the rows before; `None` is all.
    Backward(Option<u64>),
    /// To a row, from 1; negative numbers count from the end.
    Absolute(i64),
    /// To a row, counted from the one that the cursor is on.
    Relative(i64),
}

/// A FETCH or MOVE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetch {
    /// The cursor's name.
    pub(super) name: String,
    /// Where to.
    pub(super) step: Step,
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
    if first_word(sql).eq_ignore_ascii_case("copy")
        && let Some(copy) = statements::copy_to(sql)?
    {
        return match read(&copy.sql)? {
            Command::Query(query) => Ok(Command::CopyTo(query, Box::new(copy))),
            _ => Err(Error::unsupported("COPY ... TO is for queries only")),
        };
    }
    depth::check(sql)?;
    // The parser reads only the name after TABLE, and the command is short for this.
    let expanded = first_word(sql).eq_ignore_ascii_case("table").then(|| expand_table(sql));
    let sql = expanded.as_deref().unwrap_or(sql);
    // What can be said of a view is said in the words for tables, and columns are read with types.
    let of_table = alter_view(sql).or_else(|| with_types(sql));
    match parse(of_table.as_deref().unwrap_or(sql))? {
        None => Ok(Command::Empty),
        Some(statement) => plain(statement),
    }
}

/// Parses plain SQL; `None` if there is nothing in it.
fn parse(sql: &str) -> Result<Option<Statement>> {
    let parsed = Parser::new(&Postgres)
        .with_recursion_limit(PARSER_RECURSION_MAX)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| from_parser(&error, sql))?;
    let mut parsed = parsed.into_iter();
    match (parsed.next(), parsed.next()) {
        (None, _) => Ok(None),
        (Some(mut statement), None) => {
            precedence::repair(&mut statement);
            Ok(Some(statement))
        }
        (Some(_), Some(_)) => Err(several()),
    }
}

/// Parses plain SQL that the session itself wrote.
///
/// # Errors
/// `42601`.
pub(super) fn parse_one(sql: &str) -> Result<Statement> {
    parse(sql)?.ok_or_else(|| Error::internal("a statement is empty"))
}

/// The first words of a statement, in lower case.
pub(super) fn first_words(sql: &str, count: usize) -> String {
    let start = sql.find(first_word(sql)).unwrap_or(0);
    let words: Vec<&str> = sql[start..].split_whitespace().take(count).collect();
    words.join(" ").to_lowercase()
}

/// `CREATE TABLE name (column, ...) AS query` with a type for each column, which counts for nothing.
fn with_types(sql: &str) -> Option<String> {
    if !first_word(sql).eq_ignore_ascii_case("create") {
        return None;
    }
    let mut cursor = Cursor::try_new(sql).ok()?;
    cursor.expect_keyword("CREATE").ok()?;
    for modifier in ["GLOBAL", "LOCAL", "TEMPORARY", "TEMP", "UNLOGGED"] {
        cursor.optional_keywords(&[modifier]);
    }
    cursor.expect_keyword("TABLE").ok()?;
    cursor.optional_keywords(&["IF", "NOT", "EXISTS"]);
    setting_name(&mut cursor).ok()?;
    cursor.expect(&Token::LParen).ok()?;
    let mut places = Vec::new();
    let place = |cursor: &mut Cursor<'_>| {
        cursor.identifier()?;
        places.push(cursor.position() - 1);
        Ok(())
    };
    cursor.list(place).ok()?;
    cursor.expect(&Token::RParen).ok()?;
    cursor.expect_keyword("AS").ok()?;
    let mut typed = String::with_capacity(sql.len() + 5 * places.len());
    for (at, letter) in sql.chars().enumerate() {
        if places.contains(&at) {
            typed.push_str(" text");
        }
        typed.push(letter);
    }
    Some(typed)
}

/// `ALTER VIEW` as the `ALTER TABLE` that means the same.
fn alter_view(sql: &str) -> Option<String> {
    if first_words(sql, 2) != "alter view" {
        return None;
    }
    let start = sql.find(first_word(sql))?;
    let at = start + sql[start..].to_lowercase().find("view")?;
    Some(format!("{}TABLE{}", &sql[..at], &sql[at + "view".len()..]))
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
        Statement::Query(mut query) => {
            if let Some(table) = ddl::into_table(&mut query)? {
                return plain(Statement::CreateTable(table));
            }
            check_query(&query)?;
            Ok(Command::Query(query))
        }
        statement if ddl::is_ours(&statement) => {
            match &statement {
                Statement::CreateView(view) => check_query(&view.query)?,
                Statement::CreateTable(table) => {
                    table.query.iter().try_for_each(|query| check_query(query))?;
                }
                _ => {}
            }
            Ok(Command::Ddl(Box::new(statement)))
        }
        Statement::Update(update) => Ok(Command::Update(Box::new(update))),
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

/// Words with which statements about the session begin.
const SESSION_WORDS: &[&str] = &[
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

/// Reads a statement about the session; `None` if it is none.
fn session_command(sql: &str) -> Result<Option<Command>> {
    let first = first_word(sql);
    if !SESSION_WORDS.iter().any(|word| first.eq_ignore_ascii_case(word)) {
        return Ok(None);
    }
    let mut cursor = Cursor::try_new(sql)?;
    let word = cursor.word()?;
    let command = match word.as_str() {
        "set" => set(&mut cursor, sql)?,
        "show" => Command::Show(setting_or_all(&mut cursor)?),
        "reset" => Command::Reset(setting_or_all(&mut cursor)?),
        "prepare" => prepare(&mut cursor, sql)?,
        "execute" => execute(&mut cursor)?,
        "declare" => portals::declare(&mut cursor, sql)?,
        "fetch" | "move" => portals::fetch(&mut cursor, word == "move")?,
        "deallocate" => {
            cursor.optional_keywords(&["PREPARE"]);
            Command::Deallocate(name_or_all(&mut cursor)?)
        }
        "close" => Command::Close(name_or_all(&mut cursor)?),
        "discard" => discard(&mut cursor)?,
        "unlisten" => {
            let all = cursor.optional(&Token::Mul);
            Command::Unlisten(if all { None } else { Some(cursor.identifier()?) })
        }
        "savepoint" => Command::Savepoint(cursor.identifier()?),
        "release" => {
            cursor.optional_keywords(&["SAVEPOINT"]);
            Command::Release(cursor.identifier()?)
        }
        "listen" => Command::Listen(cursor.identifier()?),
        "notify" => {
            let channel = cursor.identifier()?;
            let payload =
                if cursor.optional(&Token::Comma) { cursor.literal()? } else { String::new() };
            Command::Notify { channel, payload }
        }
        "checkpoint" => Command::Idle("CHECKPOINT"),
        "lock" => {
            return Err(Error::unsupported(format!("{} is not supported", word.to_uppercase())));
        }
        _ => transaction(&mut cursor, &word)?,
    };
    // These hold the text of another statement, or a value that only its setting can read.
    let open = matches!(command, Command::Prepare(_) | Command::Declare(_) | Command::Set(_));
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
        return Ok(Command::Modes { all: true, modes: modes(cursor)? });
    }
    if cursor.at_keywords(&["TRANSACTION"]) {
        cursor.expect_keyword("TRANSACTION")?;
        return Ok(Command::Modes { all: false, modes: modes(cursor)? });
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

/// The modes of a transaction, at least one.
fn modes(cursor: &mut Cursor<'_>) -> Result<Modes> {
    let mut modes = Modes::default();
    loop {
        if cursor.optional_keywords(&["ISOLATION", "LEVEL"]) {
            let mut level = vec![cursor.word()?];
            while let Some(word) = ["COMMITTED", "UNCOMMITTED", "READ"]
                .iter()
                .find(|word| level.len() < 2 && cursor.optional_keywords(&[word]))
            {
                level.push(word.to_lowercase());
            }
            modes.isolation = Some(level.join(" "));
        } else if cursor.optional_keywords(&["READ", "ONLY"]) {
            modes.read_only = Some(true);
        } else if cursor.optional_keywords(&["READ", "WRITE"]) {
            modes.read_only = Some(false);
        } else if !cursor.optional_keywords(&["NOT", "DEFERRABLE"])
            && !cursor.optional_keywords(&["DEFERRABLE"])
        {
            return Err(cursor.unexpected());
        }
        if !cursor.optional(&Token::Comma) && !at_mode(cursor) {
            break;
        }
    }
    cursor.end()?;
    Ok(modes)
}

fn at_mode(cursor: &Cursor<'_>) -> bool {
    ["READ", "ISOLATION", "NOT", "DEFERRABLE"].iter().any(|word| cursor.at_keywords(&[word]))
}

fn transaction(cursor: &mut Cursor<'_>, word: &str) -> Result<Command> {
    if word == "start" {
        cursor.expect_keyword("TRANSACTION")?;
    } else if !cursor.optional_keywords(&["TRANSACTION"]) {
        cursor.optional_keywords(&["WORK"]);
    }
    if matches!(word, "begin" | "start") {
        let said = if at_mode(cursor) { modes(cursor)? } else { Modes::default() };
        return Ok(Command::Begin(said));
    }
    if matches!(word, "rollback" | "abort") && cursor.optional_keywords(&["TO"]) {
        cursor.optional_keywords(&["SAVEPOINT"]);
        return Ok(Command::RollbackTo(cursor.identifier()?));
    }
    if cursor.at_keywords(&["PREPARED"]) {
        return Err(Error::unsupported("two-phase commit is not supported"));
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

fn execute(cursor: &mut Cursor<'_>) -> Result<Command> {
    let name = cursor.identifier()?;
    let arguments = match cursor.at(&Token::LParen) {
        true => Some(cursor.parenthesized_text()?.0.to_owned()),
        false => None,
    };
    Ok(Command::Execute { name, arguments })
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
mod tests;
