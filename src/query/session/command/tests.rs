//! How commands are told apart: text in, text out.

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
    check("WITH a AS (VALUES (1)) SELECT * FROM a", "query WITH a AS (VALUES (1)) SELECT * FROM a");
    check("TABLE crm ORDER BY a", "query SELECT * FROM crm ORDER BY a");
    check("EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1", "explain true false true SELECT 1");
    check("INSERT INTO crm VALUES (1)", "insert INSERT INTO crm VALUES (1)");
    check("DELETE FROM crm a WHERE a.b = 1", "delete DELETE FROM crm a WHERE a.b = 1");
}

#[test]
fn everything_else_is_refused() {
    for (sql, expected) in [
        ("COPY crm TO '/tmp/x'", "0A000 COPY TO a file or program is not supported @13"),
        ("COPY (SELECT 1) TO '/tmp/x'", "0A000 COPY TO a file or program is not supported @20"),
        ("COPY (DELETE FROM crm) TO STDOUT", "0A000 COPY ... TO is for queries only"),
        ("EXPLAIN DELETE FROM crm", "0A000 EXPLAIN is for queries only"),
        ("CREATE VIEW v AS SELECT 1 INTO t", "0A000 SELECT INTO is not supported"),
        ("EXPLAIN INSERT INTO crm VALUES (1)", "0A000 EXPLAIN is for queries only"),
        ("SELECT 1; SELECT 2", "42601 cannot insert multiple commands into a prepared statement"),
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
        "Modes { all: true, modes: Modes { isolation: Some(\"read committed\"), \
         read_only: Some(true) } }",
    );
    check("SHOW TIME ZONE", "Show(Some(\"TimeZone\"))");
    check("SHOW ALL", "Show(None)");
    check("RESET ALL", "Reset(None)");
    check("SET a", "42601 syntax error at end of input @6");
}

#[test]
fn transactions_and_the_rest() {
    check("BEGIN", "Begin(Modes { isolation: None, read_only: None })");
    check(
        "begin isolation level repeatable read read only",
        "Begin(Modes { isolation: Some(\"repeatable read\"), read_only: Some(true) })",
    );
    check(
        "START TRANSACTION READ WRITE, NOT DEFERRABLE",
        "Begin(Modes { isolation: None, read_only: Some(false) })",
    );
    check("BEGIN NONSENSE", "42601 syntax error at or near \"NONSENSE\" @7");
    check("SAVEPOINT \"A b\"", "Savepoint(\"A b\")");
    check("RELEASE a", "Release(\"a\")");
    check("RELEASE SAVEPOINT A", "Release(\"a\")");
    check("ROLLBACK TO a", "RollbackTo(\"a\")");
    check("ROLLBACK TRANSACTION TO SAVEPOINT a", "RollbackTo(\"a\")");
    check("END;", "Commit { chain: false }");
    check("ROLLBACK WORK AND CHAIN", "Rollback { chain: true }");
    check("DISCARD ALL", "Discard(All)");
    check("UNLISTEN *", "Unlisten(None)");
    check("LISTEN \"A\"", "Listen(\"A\")");
    check("NOTIFY a, 'b'", "Notify { channel: \"a\", payload: \"b\" }");
    check("DEALLOCATE ALL", "Deallocate(None)");
    check("CLOSE a", "Close(Some(\"a\"))");
    check(
        "PREPARE p (int, double precision, text[]) AS SELECT $1",
        "Prepare(Prepare { name: \"p\", types: [\"int\", \"double precision\", \"text[]\"], \
         sql: \"SELECT $1\" })",
    );
    check("EXECUTE p (1, 'a')", "Execute { name: \"p\", arguments: Some(\"1, 'a'\") }");
    check("EXECUTE p(1) -- c", "Execute { name: \"p\", arguments: Some(\"1\") }");
    check("EXECUTE p", "Execute { name: \"p\", arguments: None }");
    check(
        "DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1",
        "Declare(Declare { name: \"c\", hold: true, scroll: No, binary: false, \
         sql: \"SELECT 1\" })",
    );
    check(
        "FETCH FORWARD 10 FROM c",
        "Fetch(Fetch { name: \"c\", step: Forward(Some(10)), skip: false })",
    );
    for (words, step) in [
        ("", "Forward(Some(1))"),
        ("ALL IN", "Forward(None)"),
        ("NEXT", "Forward(Some(1))"),
        ("-3", "Backward(Some(3))"),
        ("0", "Relative(0)"),
        ("FORWARD -2 FROM", "Backward(Some(2))"),
        ("BACKWARD FROM", "Backward(Some(1))"),
        ("BACKWARD ALL IN", "Backward(None)"),
        ("PRIOR FROM", "Backward(Some(1))"),
        ("FIRST", "Absolute(1)"),
        ("LAST IN", "Absolute(-1)"),
        ("ABSOLUTE -7 FROM", "Absolute(-7)"),
        ("RELATIVE 2", "Relative(2)"),
    ] {
        let expected = format!("Fetch(Fetch {{ name: \"c\", step: {step}, skip: true }})");
        check(&format!("MOVE {words} c"), &expected);
    }
}
