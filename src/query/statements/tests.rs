//! Tests of all statements: what they mean, where their errors point, and that what prints reads back.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::model::column::ColumnType;
use crate::model::dataset::{Column, Dataset, DatasetKind, DatasetOptions, Role, Upsert};
use crate::model::definition::{DatasetChange, Existence};
use crate::model::namespace::{Kind, Namespace, Normalization};
use crate::model::policy::{Argument, MergePolicy, MergeRule, Stitch, StrategyCall};

/// What a statement means, as JSON of its definition or as Rust prints it; or its error:
/// `code message @position`.
fn meaning(text: &str) -> String {
    match parse(text) {
        Ok(Some(Parsed::Define(definition))) => {
            serde_json::to_string(&definition).expect("definitions are plain data")
        }
        Ok(Some(parsed)) => format!("{parsed:?}"),
        Ok(None) => "plain SQL".to_owned(),
        Err(error) => {
            let position = error.get_position().map_or("nowhere".to_owned(), |at| at.to_string());
            format!("{} {error} @{position}", error.code())
        }
    }
}

fn check(text: &str, expected: &str) {
    assert_eq!(meaning(text), expected, "{text}");
}

/// That two statements mean the same.
fn same(left: &str, right: &str) {
    assert!(matches!(parse(left), Ok(Some(_))), "{left}: {}", meaning(left));
    assert_eq!(meaning(left), meaning(right), "{left} = {right}");
}

#[test]
fn the_statements_of_the_specification() {
    check(
        "CREATE NAMESPACE email KIND EMAIL RANK 2 NORMALIZE lower BLOCK ('unknown@example.com', 't')",
        r#"{"create_namespace":{"name":"email","kind":"email","rank":2,"unique":false,"normalization":"lower","blocked":["unknown@example.com","t"],"existence":"strict"}}"#,
    );
    check(
        "CREATE EVENT DATASET purchases (order_id TEXT EVENT ID, email TEXT IDENTITY email,
            amount NUMERIC(12,2), ts TIMESTAMPTZ OBSERVED AT)",
        r#"{"create_dataset":{"name":"purchases","kind":"event","columns":[{"name":"order_id","type":"text","role":"event_id","attribute":null},{"name":"email","type":"text","role":{"identity":"email"},"attribute":null},{"name":"amount","type":{"numeric":{"precision":12,"scale":2}},"role":"value","attribute":null},{"name":"ts","type":"timestamp_tz","role":"observed_at","attribute":null}],"options":[],"existence":"strict"}}"#,
    );
    check(
        "CREATE DATASET IF NOT EXISTS public.crm (no TEXT IDENTITY crm_id ATTRIBUTE crm_no, tags TEXT[])
            WITH (upsert = 'replace', accept_anonymous = true)",
        r#"{"create_dataset":{"name":"crm","kind":"record","columns":[{"name":"no","type":"text","role":{"identity":"crm_id"},"attribute":"crm_no"},{"name":"tags","type":{"array":"text"},"role":"value","attribute":null}],"options":[{"upsert":"replace"},{"accept_anonymous":true}],"existence":"lenient"}}"#,
    );
    check(
        "ALTER DATASET crm ADD COLUMN plan TEXT, ADD IF NOT EXISTS age INT, SET (upsert = patch)",
        r#"{"alter_dataset":{"name":"crm","changes":[{"add_column":{"column":{"name":"plan","type":"text","role":"value","attribute":null},"existence":"strict"}},{"add_column":{"column":{"name":"age","type":"integer","role":"value","attribute":null},"existence":"lenient"}},{"upsert":"patch"}]}}"#,
    );
    check(
        "ALTER NAMESPACE email SET UNIQUE, SET NOT UNIQUE, SET RANK 2, SET NORMALIZE sha256_of(lower),
            BLOCK ('x'), UNBLOCK ('y', 'z')",
        r#"{"alter_namespace":{"name":"email","changes":[{"unique":true},{"unique":false},{"rank":2},{"normalize":"sha256_of_lower"},{"block":["x"]},{"unblock":["y","z"]}]}}"#,
    );
    check(
        "CREATE OR REPLACE DEFAULT MERGE POLICY trusted FROM crm, public.loyalty STITCH GRAPH
            MERGE BY latest
            MERGE first_name, last_name BY precedence(crm, loyalty)
            MERGE (street, city) BY latest OVER HISTORY
            MERGE notes BY listagg('; ')",
        r#"{"create_merge_policy":{"policy":{"name":"trusted","datasets":["crm","loyalty"],"stitch":"graph","query":null,"default":{"name":"latest","arguments":[],"over_history":false},"rules":[{"attributes":["first_name","last_name"],"together":false,"strategy":{"name":"precedence","arguments":[{"name":"crm"},{"name":"loyalty"}],"over_history":false}},{"attributes":["street","city"],"together":true,"strategy":{"name":"latest","arguments":[],"over_history":true}},{"attributes":["notes"],"together":false,"strategy":{"name":"listagg","arguments":[{"text":"; "}],"over_history":false}}]},"default":true,"existence":"replace"}}"#,
    );
    check(
        "CREATE MERGE POLICY IF NOT EXISTS p STITCH NONE",
        r#"{"create_merge_policy":{"policy":{"name":"p","datasets":null,"stitch":"none","query":null,"default":{"name":"latest","arguments":[],"over_history":false},"rules":[]},"default":false,"existence":"lenient"}}"#,
    );
    check(
        "CREATE MERGE POLICY p AS SELECT profile_id, max(a) AS a FROM fragments GROUP BY 1 ;",
        r#"{"create_merge_policy":{"policy":{"name":"p","datasets":null,"stitch":"graph","query":{"text":"SELECT profile_id, max(a) AS a FROM fragments GROUP BY 1","columns":[],"reads":[],"datasets":[]},"default":{"name":"latest","arguments":[],"over_history":false},"rules":[]},"default":false,"existence":"strict"}}"#,
    );
    check(
        "ALTER MERGE POLICY trusted SET DEFAULT",
        r#"{"set_default_merge_policy":{"name":"trusted"}}"#,
    );
    check(
        "DROP MERGE POLICY IF EXISTS trusted RESTRICT",
        r#"{"drop_merge_policy":{"name":"trusted","existence":"lenient"}}"#,
    );
    check("DROP NAMESPACE phone", r#"{"drop_namespace":{"name":"phone","existence":"strict"}}"#);
    check("DROP DATASET db.public.crm", r#"{"drop_dataset":{"name":"crm","existence":"strict"}}"#);
    check(
        "SHOW CREATE MERGE POLICY \"Trusted\"",
        "ShowCreate { kind: MergePolicy, name: \"Trusted\" }",
    );
    check("SHOW CREATE NAMESPACE Email", "ShowCreate { kind: Namespace, name: \"email\" }");
    check("SHOW CREATE DATASET public.crm", "ShowCreate { kind: Dataset, name: \"crm\" }");
}

#[test]
fn copy_in_both_of_its_notations() {
    check(
        "COPY crm FROM 'crm/*.parquet'",
        "CopyFrom(CopyFrom { schema: None, dataset: \"crm\", columns: None, source: Path(\"crm/*.parquet\"), options: [] })",
    );
    check(
        "COPY public.crm (a, \"B\") FROM STDIN WITH (FORMAT CSV, HEADER, NULL '', MAX_REJECTS 10)",
        "CopyFrom(CopyFrom { schema: Some(\"public\"), dataset: \"crm\", columns: Some([\"a\", \"B\"]), source: Stdin, options: \
         [(\"format\", \"csv\"), (\"header\", \"true\"), (\"null\", \"\"), (\"max_rejects\", \"10\")] })",
    );
    same("COPY a FROM STDIN CSV HEADER", "COPY a FROM STDIN (FORMAT csv, HEADER)");
    same(
        "COPY a FROM 'b' WITH CSV HEADER DELIMITER AS ',' NULL 'x' QUOTE '\"' ESCAPE '\\'",
        "COPY a FROM 'b' WITH (FORMAT 'csv', HEADER on, DELIMITER ',', NULL 'x', QUOTE '\"', ESCAPE '\\')",
    );
    same("COPY a FROM STDIN USING DELIMITERS '|'", "COPY a FROM STDIN (DELIMITER '|')");
    same("COPY a FROM STDIN BINARY", "COPY a FROM STDIN (FORMAT binary)");
    same("COPY a FROM STDIN WITH", "COPY a FROM STDIN");
    same("COPY a FROM STDIN (HEADER match)", "COPY a FROM STDIN (HEADER 'MATCH')");
    same("COPY a FROM STDIN (HEADER 0)", "COPY a FROM STDIN (HEADER off)");
    same("COPY a FROM STDIN (ENCODING 'utf-8', ON_ERROR ignore)", "COPY a FROM STDIN");
}

#[test]
fn what_is_not_ours_is_plain_sql() {
    for text in [
        "",
        "-- nothing",
        "SELECT 1",
        "select 'unterminated",
        "CREATE TABLE dataset (a INT)",
        "CREATE OR REPLACE VIEW namespace AS SELECT 1",
        "CREATE EVENT TRIGGER a",
        "DROP TABLE dataset",
        "ALTER TABLE namespace ADD COLUMN a INT",
        "SHOW CREATE TABLE a",
        "SHOW CREATE MERGE a",
        "SHOW merge_policy",
        "COPY a TO STDOUT",
        "COPY a (b, c) TO 'x'",
        "COPY (SELECT 1) TO STDOUT",
        "MERGE INTO a USING b ON c WHEN MATCHED THEN DELETE",
        "\"create\" namespace a",
    ] {
        check(text, "plain SQL");
    }
}

#[test]
fn spelling_and_order_do_not_matter() {
    same(
        "create NameSpace Email unique rank 2 kind Email",
        "CREATE NAMESPACE email KIND EMAIL RANK 2 UNIQUE",
    );
    same("/* é */ DROP\n--x\nDATASET a ;;", "DROP DATASET a");
    same("CREATE NAMESPACE \"if\"", "CREATE NAMESPACE if");
    same("CREATE NAMESPACE a BLOCK ('it''s')", "CREATE NAMESPACE a BLOCK ($$it's$$)");
    same(
        "CREATE MERGE POLICY a MERGE b BY max MERGE BY latest",
        "CREATE MERGE POLICY a MERGE BY latest() MERGE b BY max",
    );
    same("CREATE MERGE POLICY a", "CREATE MERGE POLICY a MERGE BY latest");
    same(
        "CREATE DATASET a (b TEXT ATTRIBUTE c IDENTITY d NULL) WITH (accept_anonymous)",
        "CREATE DATASET a (b TEXT IDENTITY d ATTRIBUTE c) WITH (accept_anonymous = on)",
    );
    same(
        "CREATE DATASET a (event TEXT, identity TEXT, merge TEXT)",
        "CREATE DATASET a (\"event\" TEXT, \"identity\" TEXT, \"merge\" TEXT)",
    );
    same(
        "CREATE MERGE POLICY a MERGE b, by BY max",
        "CREATE MERGE POLICY a MERGE b, \"by\" BY max",
    );
}

/// A syntax error at a token, with the position of it.
fn near(text: &str, token: &str, position: usize) {
    check(text, &format!("42601 syntax error at or near \"{token}\" @{position}"));
}

/// A syntax error behind the last token.
fn end(text: &str) {
    let position = text.chars().count() + 1;
    check(text, &format!("42601 syntax error at end of input @{position}"));
}

#[test]
fn syntax_errors_of_namespaces_point_at_the_token() {
    end("CREATE NAMESPACE");
    end("CREATE NAMESPACE IF NOT EXISTS");
    end("CREATE NAMESPACE é KIND");
    end("CREATE NAMESPACE a RANK");
    end("CREATE NAMESPACE a BLOCK ('x'");
    near("CREATE NAMESPACE select", "select", 18);
    near("CREATE NAMESPACE 'a'", "'a'", 18);
    near("CREATE NAMESPACE a.b", ".", 19);
    near("CREATE NAMESPACE IF EXISTS a", "EXISTS", 21);
    near("CREATE NAMESPACE a RANK two", "two", 25);
    near("CREATE NAMESPACE a RANK -1", "-", 25);
    near("CREATE NAMESPACE a RANK 1.5", "1.5", 25);
    near("CREATE NAMESPACE a BLOCK 'x'", "'x'", 26);
    near("CREATE NAMESPACE a BLOCK ()", ")", 27);
    near("CREATE NAMESPACE a BLOCK (x)", "x", 27);
    near("CREATE NAMESPACE a NORMALIZE 'lower'", "'lower'", 30);
    near("CREATE NAMESPACE a UNIQUE, RANK 1", ",", 26);
    near("CREATE NAMESPACE a ; DROP NAMESPACE a", "DROP", 22);
    near("CREATE OR REPLACE NAMESPACE a", "OR", 8);
    near("CREATE EVENT NAMESPACE a", "EVENT", 8);
    near("CREATE NAMESPACE $1", "$1", 18);
    end("ALTER NAMESPACE a");
    end("ALTER NAMESPACE a SET");
    end("ALTER NAMESPACE a SET UNIQUE,");
    near("ALTER NAMESPACE a UNIQUE", "UNIQUE", 19);
    near("ALTER NAMESPACE a SET NOT RANK", "RANK", 27);
    near("ALTER NAMESPACE a SET RANK 1 SET UNIQUE", "SET", 30);
    near("DROP NAMESPACE a, b", ",", 17);
    near("DROP NAMESPACE IF NOT EXISTS a", "NOT", 19);
}

#[test]
fn syntax_errors_of_datasets_point_at_the_token() {
    end("CREATE DATASET a");
    end("CREATE DATASET a (b TEXT");
    end("CREATE DATASET a (b TEXT) WITH");
    near("CREATE DATASET a ()", ")", 19);
    near("CREATE DATASET a (b)", ")", 20);
    near("CREATE DATASET a (b TEXT,)", ")", 26);
    near("CREATE DATASET a (b TEXT c)", "c", 26);
    near("CREATE DATASET a (b TEXT EVENT)", ")", 31);
    near("CREATE DATASET a (b TEXT OBSERVED)", ")", 34);
    near("CREATE DATASET a (\n  \"é\" TEXT IDENTITY 'x')", "'x'", 40);
    near("CREATE DATASET a (b TEXT) WITH accept_anonymous", "accept_anonymous", 32);
    near("CREATE DATASET a (b TEXT) WITH (upsert =)", ")", 41);
    near("CREATE EVENT OR REPLACE DATASET a (b TEXT)", "OR", 14);
    near("CREATE DATASET public. (b TEXT)", "(", 24);
    end("ALTER DATASET a ADD COLUMN b");
    near("ALTER DATASET a b", "b", 17);
    near("DROP DATASET a RESTRICT CASCADE", "CASCADE", 25);
}

#[test]
fn syntax_errors_of_merge_policies_point_at_the_token() {
    end("CREATE MERGE POLICY");
    end("CREATE MERGE POLICY a MERGE BY");
    end("CREATE MERGE POLICY a MERGE b BY precedence(c");
    near("CREATE MERGE POLICY a FROM MERGE BY latest", "BY", 34);
    end("CREATE MERGE POLICY a STITCH");
    near("CREATE MERGE POLICY a STITCH ALL", "ALL", 30);
    near("CREATE MERGE POLICY a MERGE b latest", "latest", 31);
    near("CREATE MERGE POLICY a MERGE () BY latest", ")", 30);
    near("CREATE MERGE POLICY a MERGE (b, c BY latest", "BY", 35);
    near("CREATE MERGE POLICY a MERGE b BY listagg(1)", "1", 42);
    near("CREATE MERGE POLICY a MERGE BY sum OVER ALL", "ALL", 41);
    near("CREATE MERGE POLICY a MERGE BY latest FROM b", "FROM", 39);
    near("CREATE DEFAULT OR REPLACE MERGE POLICY a", "OR", 16);
    near("CREATE OR REPLACE MERGE POLICY IF NOT EXISTS a", "NOT", 35);
    near("ALTER MERGE POLICY a SET UNIQUE", "UNIQUE", 26);
    end("ALTER MERGE POLICY a");
}

#[test]
fn syntax_errors_of_other_statements_point_at_the_token() {
    end("SHOW CREATE NAMESPACE");
    near("SHOW CREATE DATASET a b", "b", 23);
    end("COPY crm");
    near("COPY crm IN 'x'", "IN", 10);
    near("COPY crm () FROM STDIN", ")", 11);
    near("COPY crm FROM crm.csv", "crm", 15);
    near("COPY crm FROM STDIN WITH HEADER true", "true", 33);
    near("COPY crm FROM STDIN USING", "USING", 21);
    near("COPY crm FROM STDIN (FORMAT csv HEADER)", "HEADER", 33);
    end("COPY crm FROM STDIN DELIMITER");
}

#[test]
fn other_errors_of_namespaces_say_what_and_where() {
    check("CREATE NAMESPACE 'a", "42601 unterminated quoted string at or near \"'a\" @18");
    check("CREATE NAMESPACE a RANK 0", "22023 rank 0 is out of range @25");
    check("CREATE NAMESPACE a RANK 1000001", "22023 rank 1000001 is out of range @25");
    check(
        "CREATE NAMESPACE a RANK 99999999999999999999",
        "22003 value \"99999999999999999999\" is out of range @25",
    );
    check("CREATE NAMESPACE a KIND robot", "22023 unknown namespace kind \"robot\" @25");
    check("CREATE NAMESPACE a NORMALIZE up", "22023 unknown normalization \"up\" @30");
    check(
        "CREATE NAMESPACE a NORMALIZE sha256_of(trim)",
        "22023 unknown normalization \"sha256_of(trim)\" @30",
    );
    check("CREATE NAMESPACE a RANK 1 RANK 2", "42601 conflicting or redundant options @27");
    check("CREATE NAMESPACE a UNIQUE UNIQUE", "42601 conflicting or redundant options @27");
    check(
        "ALTER NAMESPACE a SET KIND EMAIL",
        "0A000 the name and the kind of a namespace cannot be changed @19",
    );
    check(
        "ALTER NAMESPACE IF EXISTS a SET UNIQUE",
        "0A000 ALTER NAMESPACE IF EXISTS is not supported @17",
    );
}

#[test]
fn other_errors_of_names_say_what_and_where() {
    check("DROP NAMESPACE a CASCADE", "0A000 DROP ... CASCADE is not supported @18");
    check("DROP DATASET selfsame.a", "3F000 schema \"selfsame\" has no datasets @14");
    check(
        "DROP DATASET a.b.c.d",
        "42601 improper qualified name (too many dotted names): a.b.c.d @14",
    );
}

#[test]
fn other_errors_of_datasets_say_what_and_where() {
    for (words, name) in [
        ("NOT NULL", "NOT NULL"),
        ("PRIMARY KEY", "PRIMARY KEY"),
        ("DEFAULT 1", "DEFAULT"),
        ("UNIQUE", "UNIQUE"),
        ("CHECK (b > 0)", "CHECK"),
        ("REFERENCES c", "REFERENCES"),
    ] {
        let text = format!("CREATE DATASET a (b INT {words})");
        check(&text, &format!("0A000 {name} is not supported in a dataset @25"));
    }
    check(
        "CREATE DATASET a (b INT, PRIMARY KEY (b))",
        "0A000 PRIMARY KEY is not supported in a dataset @26",
    );
    check(
        "CREATE DATASET a (b TEXT IDENTITY c OBSERVED AT)",
        "42601 conflicting or redundant options @37",
    );
    check(
        "CREATE DATASET a (b TEXT ATTRIBUTE c ATTRIBUTE d)",
        "42601 conflicting or redundant options @38",
    );
    let with = |options: &str, expected: &str| {
        check(&format!("CREATE DATASET a (b TEXT) WITH ({options})"), expected);
    };
    with("retention = '2 yaers'", "22023 invalid value for option \"retention\": \"2 yaers\" @45");
    with("fillfactor = 70", "22023 unrecognized parameter \"fillfactor\" @33");
    with("upsert = 'merge'", "22023 invalid value for option \"upsert\": \"merge\" @42");
    with("upsert", "22023 invalid value for option \"upsert\": \"true\" @33");
    with("accept_anonymous = 2", "22023 invalid value for option \"accept_anonymous\": \"2\" @52");
    with(
        "upsert = patch, upsert = replace",
        "22023 parameter \"upsert\" specified more than once @49",
    );
    check("ALTER DATASET a DROP COLUMN b", "0A000 ALTER DATASET ... DROP is not supported @17");
}

#[test]
fn other_errors_of_merge_policies_say_what_and_where() {
    check("CREATE MERGE POLICY a AS", "42601 syntax error at end of input @25");
    check("CREATE MERGE POLICY a AS;", "42601 syntax error at or near \";\" @25");
    check(
        "CREATE MERGE POLICY a STITCH NONE AS SELECT 1",
        "42601 syntax error at or near \"AS\" @35",
    );
    check(
        "CREATE MERGE POLICY a MERGE BY latest MERGE BY max",
        "42601 MERGE BY specified more than once @39",
    );
    check("CREATE MERGE POLICY a FROM b, c, b", "42710 dataset \"b\" specified more than once @34");
    check(
        "CREATE MERGE POLICY a MERGE b, c BY max MERGE (d, b) BY latest",
        "42701 attribute \"b\" specified more than once @51",
    );
}

#[test]
fn copy_options_are_checked() {
    let with = |options: &str, expected: &str| {
        check(&format!("COPY a FROM STDIN ({options})"), expected);
    };
    with("FORMAT xls", "22023 COPY format \"xls\" not recognized @27");
    with("HEADER maybe", "22023 header requires a Boolean value or \"match\" @27");
    with("MAX_REJECTS 'many'", "22023 max_rejects requires a whole number @32");
    with("COLOUR red", "42601 option \"colour\" not recognized @20");
    with("FORMAT csv, FORMAT text", "42601 conflicting or redundant options @32");
    with("DELIMITER", "42601 delimiter requires a parameter @20");
    with("FORCE_NULL (b)", "0A000 COPY option \"force_null\" is not supported @20");
    with("ENCODING 'LATIN1'", "0A000 encoding \"LATIN1\" is not supported @29");
    with("ON_ERROR stop", "0A000 COPY option on_error \"stop\" is not supported @29");
    check(
        "COPY a FROM STDIN CSV FORCE NOT NULL b",
        "0A000 COPY option \"force\" is not supported @23",
    );
    check("COPY a FROM PROGRAM 'ls'", "0A000 COPY FROM PROGRAM is not supported @13");
    check("COPY a FROM STDIN WHERE b > 1", "0A000 COPY ... WHERE is not supported @19");
}

#[test]
fn statements_of_later_versions_are_recognised() {
    check(" /* é */ create audience a", "0A000 CREATE AUDIENCE is not supported yet @10");
    check("CREATE AUDIENCE a AS SELECT 1", "0A000 CREATE AUDIENCE is not supported yet @1");
    check("DROP AUDIENCE a", "0A000 DROP AUDIENCE is not supported yet @1");
}

#[test]
fn computed_identities_have_three_notations() {
    let long = "CREATE DATASET a (b TEXT, k TEXT IDENTITY k AS (lower(b)))";
    same(long, "CREATE DATASET a (b TEXT, IDENTITY K AS ( lower(b) ) STORED)");
    same(
        long,
        "CREATE DATASET a (b TEXT, k TEXT GENERATED ALWAYS AS (lower(b)) STORED IDENTITY k)",
    );
    check("CREATE DATASET a (IDENTITY k AS b)", "42601 syntax error at or near \"b\" @33");
    assert_eq!(expression_positions(long).unwrap(), [49]);
}

#[test]
fn errors_of_choice_list_the_choices() {
    let hint =
        |text: &str| parse(text).unwrap_err().get_hint().map(str::to_owned).unwrap_or_default();
    for (_, normalization) in Normalization::ALL {
        assert!(hint("CREATE NAMESPACE a NORMALIZE x").contains(normalization.name()));
    }
    assert!(hint("CREATE NAMESPACE a KIND x").contains("COOKIE"));
    assert!(hint("CREATE NAMESPACE a RANK 0").contains("1000000"));
    assert!(hint("CREATE DATASET a (b BLOB)").contains("TIMESTAMPTZ"));
    assert!(hint("CREATE DATASET a (b VARCHAR(3))").contains("TEXT"));
    assert!(hint("CREATE DATASET a (b TEXT) WITH (x = 1)").contains("accept_anonymous"));
    assert!(hint("COPY a FROM STDIN (x 1)").contains("max_rejects"));
}

#[test]
fn every_statement_has_a_name_of_its_own_and_its_grammar() {
    let names: BTreeSet<_> = ALL.iter().map(|statement| statement.name()).collect();
    assert_eq!(names.len(), ALL.len());
    for statement in ALL {
        let verb = statement.name().split(' ').next().unwrap_or_default();
        assert!(statement.grammar().starts_with(verb), "{}", statement.name());
        assert_eq!(statement.name(), statement.name().to_ascii_uppercase());
    }
}

#[test]
fn command_tags_are_the_names_of_the_statements() {
    for text in [
        "CREATE NAMESPACE a",
        "ALTER NAMESPACE a SET UNIQUE",
        "DROP NAMESPACE a",
        "CREATE DATASET a (b TEXT)",
        "ALTER DATASET a ADD b TEXT",
        "DROP DATASET a",
        "CREATE MERGE POLICY a",
        "ALTER MERGE POLICY a SET DEFAULT",
        "DROP MERGE POLICY a",
        "SHOW CREATE NAMESPACE a",
        "COPY a FROM STDIN",
    ] {
        let parsed = parse(text).unwrap().unwrap();
        assert!(text.starts_with(parsed.tag()), "{text}: {}", parsed.tag());
        assert!(ALL.iter().any(|statement| statement.name() == parsed.tag()));
    }
    assert_eq!(parse("CREATE EVENT DATASET a (b TEXT)").unwrap().unwrap().tag(), "CREATE DATASET");
}

/// Names that are easy, and names that are not.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_][a-z0-9_]{0,8}",
        "[a-zA-Z0-9é \"'.;$-]{1,8}",
        prop::sample::select(vec![
            "by",
            "merge",
            "stitch",
            "over",
            "from",
            "if",
            "not",
            "null",
            "unique",
            "identity",
            "event",
            "observed",
            "attribute",
            "array",
            "with",
            "restrict",
            "primary",
            "select",
            "e",
            "n",
            "x",
            "b",
            "u",
            "text",
            "history",
            "default",
            "kind",
            "rank",
        ])
        .prop_map(str::to_owned),
    ]
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set(name(), 1..4).prop_map(|names| names.into_iter().collect())
}

fn text() -> impl Strategy<Value = String> {
    "[a-zé'\"\\\\;$ \n-]{0,8}"
}

fn namespace() -> impl Strategy<Value = Namespace> {
    let kinds = prop::sample::select(Kind::ALL).prop_map(|(_, kind)| kind);
    let normalizations = prop::sample::select(Normalization::ALL).prop_map(|(_, item)| item);
    let blocked = prop::collection::btree_set(text(), 0..4);
    (name(), kinds, 1..=1_000_000_u32, any::<bool>(), normalizations, blocked).prop_map(
        |(name, kind, rank, unique, normalization, blocked)| Namespace {
            id: 0,
            name,
            kind,
            rank,
            unique,
            normalization,
            blocked,
        },
    )
}

fn column_type() -> impl Strategy<Value = ColumnType> {
    use ColumnType::{
        BigInt, Boolean, Date, Double, Integer, Numeric, Real, SmallInt, Text, Timestamp,
        TimestampTz,
    };
    let plain =
        vec![Text, Boolean, SmallInt, Integer, BigInt, Real, Double, Date, Timestamp, TimestampTz];
    let numeric = (1..=38_u8)
        .prop_flat_map(|precision| (Just(precision), 0..=precision as i8))
        .prop_map(|(precision, scale)| Numeric { precision, scale });
    let scalar = prop_oneof![prop::sample::select(plain), numeric];
    (scalar, any::<bool>()).prop_map(|(ty, array)| match array {
        true => ColumnType::Array(Box::new(ty)),
        false => ty,
    })
}

fn column() -> impl Strategy<Value = Column> {
    let role = prop_oneof![
        Just(Role::Value),
        Just(Role::EventId),
        Just(Role::ObservedAt),
        name().prop_map(Role::Identity),
    ];
    let expressions = vec!["a", "lower(\"x\") || ')' || é", "(a) -- )\n || (b)"];
    let derived = prop::option::of(prop::sample::select(expressions));
    let derived = derived.prop_map(|text| text.map(str::to_owned));
    (name(), column_type(), role, prop::option::of(name()), derived).prop_map(
        |(name, ty, role, attribute, derived)| Column { name, ty, role, attribute, derived },
    )
}

fn dataset() -> impl Strategy<Value = Dataset> {
    let columns = prop::collection::vec(column(), 1..5);
    let kept = prop::option::of((1..40u32).prop_map(|amount| {
        use crate::model::retention::{Retention, RetentionUnit};
        Retention { amount, unit: RetentionUnit::Week }
    }));
    (name(), any::<bool>(), columns, any::<bool>(), any::<bool>(), kept).prop_map(
        |(name, event, columns, accept_anonymous, replace, retention)| Dataset {
            id: 0,
            name,
            kind: if event { DatasetKind::Event } else { DatasetKind::Record },
            columns,
            options: DatasetOptions {
                accept_anonymous,
                upsert: if replace { Upsert::Replace } else { Upsert::Patch },
                retention,
            },
        },
    )
}

fn strategy_call() -> impl Strategy<Value = StrategyCall> {
    let argument = prop_oneof![name().prop_map(Argument::Name), text().prop_map(Argument::Text)];
    (name(), prop::collection::vec(argument, 0..3), any::<bool>())
        .prop_map(|(name, arguments, over_history)| StrategyCall { name, arguments, over_history })
}

fn policy() -> impl Strategy<Value = MergePolicy> {
    let rules = names().prop_flat_map(|names| {
        let count = names.len();
        let calls = prop::collection::vec((any::<bool>(), strategy_call()), count);
        (Just(names), calls, any::<bool>()).prop_map(|(mut names, calls, split)| {
            let first = names.remove(0);
            let groups = if split || names.is_empty() {
                std::iter::once(first).chain(names).map(|name| vec![name]).collect()
            } else {
                vec![vec![first], names]
            };
            groups
                .into_iter()
                .zip(calls)
                .map(|(attributes, (together, strategy))| MergeRule {
                    attributes,
                    together,
                    strategy,
                })
                .collect::<Vec<_>>()
        })
    });
    let rules = prop_oneof![Just(Vec::new()), rules];
    let stitch = prop_oneof![Just(Stitch::Graph), Just(Stitch::None)];
    (name(), prop::option::of(names()), stitch, strategy_call(), rules).prop_map(
        |(name, datasets, stitch, default, rules)| MergePolicy {
            name,
            datasets,
            stitch,
            query: None,
            default,
            rules,
        },
    )
}

proptest! {
    #[test]
    fn a_printed_namespace_reads_back(namespace in namespace()) {
        let expected = Definition::CreateNamespace {
            name: namespace.name.clone(),
            kind: namespace.kind,
            rank: Some(namespace.rank),
            unique: namespace.unique,
            normalization: namespace.normalization,
            blocked: namespace.blocked.iter().cloned().collect(),
            existence: Existence::Strict,
        };
        let text = namespace.to_string();
        prop_assert_eq!(parse(&text), Ok(Some(Parsed::Define(expected))), "{}", text);
    }

    #[test]
    fn a_printed_dataset_reads_back(dataset in dataset()) {
        let mut options = Vec::new();
        if dataset.options.accept_anonymous {
            options.push(DatasetChange::AcceptAnonymous(true));
        }
        if dataset.options.upsert == Upsert::Replace {
            options.push(DatasetChange::Upsert(Upsert::Replace));
        }
        let kept = dataset.options.retention;
        options.extend(kept.map(|it| DatasetChange::Retention(Some(it))));
        let text = dataset.to_string();
        let expected = Definition::CreateDataset {
            name: dataset.name,
            kind: dataset.kind,
            columns: dataset.columns,
            options,
            existence: Existence::Strict,
        };
        prop_assert_eq!(parse(&text), Ok(Some(Parsed::Define(expected))), "{}", text);
    }

    #[test]
    fn a_printed_policy_reads_back(policy in policy()) {
        let text = policy.to_string();
        let existence = Existence::Strict;
        let expected = Definition::CreateMergePolicy { policy, default: false, existence };
        prop_assert_eq!(parse(&text), Ok(Some(Parsed::Define(expected))), "{}", text);
    }

    #[test]
    fn a_printed_query_policy_reads_back(name in name(), other in name()) {
        let other = crate::model::names::quote_name(&other);
        let text = format!("SELECT profile_id, max({other}) -- no ; end\n AS a FROM fragments");
        let policy = MergePolicy::of_query(&name, &text);
        let text = format!("{policy}; ");
        let existence = Existence::Strict;
        let expected = Definition::CreateMergePolicy { policy, default: false, existence };
        prop_assert_eq!(parse(&text), Ok(Some(Parsed::Define(expected))), "{}", text);
    }

    /// A printed definition is one statement, whatever its names and texts have in them.
    #[test]
    fn a_printed_definition_is_one_piece(namespace in namespace(), policy in policy()) {
        let text = format!("{namespace};\n{policy};");
        let pieces: Vec<_> = split(&text)?.iter().map(|piece| piece.text.to_owned()).collect();
        prop_assert_eq!(pieces, vec![namespace.to_string(), policy.to_string()]);
    }

    /// No text makes the parser panic, and no position lies outside of the text.
    #[test]
    fn any_text_has_an_answer(words in prop::collection::vec(prop::sample::select(vec![
        "CREATE", "ALTER", "DROP", "COPY", "SHOW", "NAMESPACE", "DATASET", "MERGE", "POLICY", "DEFAULT",
        "SET", "BY", "FROM", "STDIN", "WITH", "(", ")", ",", "'x'", "a", "é", "1", ".", ";", "=", "TEXT",
        "[", "]", "IDENTITY", "'", "$$", "/*", "E'\\", "\n",
    ]), 0..12)) {
        let text = words.join(" ");
        if let Err(error) = parse(&text) {
            let position = error.get_position();
            let end = text.chars().count() + 1;
            prop_assert!(position.is_some_and(|at| (1..=end).contains(&at)), "{error} {position:?}");
        }
    }
}

#[test]
fn decisions_take_literals_and_parameters() {
    let link = r#"StatedDecision { kind: Link, left: ("email", Literal("a'b")), right: ("crm id", Parameter(1)), comment: Some(Parameter(0)), removal: None }"#;
    check("LINK Email 'a''b' TO \"crm id\" $2 COMMENT $1;", &format!("Decide({link})"));
    let drop = r#"StatedDecision { kind: Unlink, left: ("a", Literal("1")), right: ("b", Literal("2")), comment: None, removal: Some(Lenient) }"#;
    check("drop unlink if exists a '1' FROM b $$2$$", &format!("Decide({drop})"));
    check("LINK a $0 TO b '1'", "42P02 there is no parameter $0 @8");
    check("LINK a '1' TO b $4", "42P02 there is no parameter $4 @17");
    check("LINK a '1' FROM b '1'", "42601 syntax error at or near \"FROM\" @12");
    check("DROP LINK a '1' TO b '1' COMMENT 'x'", "42601 syntax error at or near \"COMMENT\" @26");
    check("UNLINK a '1' FROM", "42601 syntax error at end of input @18");
}
