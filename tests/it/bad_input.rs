//! Bad input of every kind: told with its SQLSTATE and in words, and nothing of it is half done.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::error::{Error, Result};
use selfsame::query::session::Outcome;

use crate::driver::{Client, RUNTIME};
use crate::model::Value;

const DEFINITIONS: &str = "
    CREATE NAMESPACE crm_id; CREATE NAMESPACE email KIND EMAIL NORMALIZE lower;
    CREATE NAMESPACE spare;
    CREATE DATASET crm (customer TEXT IDENTITY crm_id, email TEXT IDENTITY email, name TEXT,
        age INTEGER, spend NUMERIC(6,2), opted_in BOOLEAN, tags TEXT[], born DATE,
        changed TIMESTAMPTZ OBSERVED AT);
    CREATE EVENT DATASET visits (id TEXT EVENT ID, email TEXT IDENTITY email, page TEXT);
    CREATE MERGE POLICY trusted MERGE BY precedence(crm);
    INSERT INTO crm (customer, name, age) VALUES ('1', 'Ann', 30), ('2', 'Bob', 40);
    INSERT INTO visits VALUES ('v1', 'a@x', '/');";

/// A store with something in it, and a folder that it may read.
struct World {
    client: Client,
    folder: tempfile::TempDir,
    disk: MemoryDisk,
    /// Errors that are not as they should be, told all at once.
    complaints: RefCell<Vec<String>>,
}

/// All that input could leave behind.
type State = Vec<Vec<BTreeMap<String, Value>>>;

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("in");
        fs::create_dir(&inside).expect("a folder");
        let disk = MemoryDisk::new();
        let client = Client::reading(disk.clone(), vec![inside]).expect("an empty store");
        client.run(DEFINITIONS);
        Self { client, folder, disk, complaints: RefCell::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("in").join(name)
    }

    fn file(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).expect("a file");
    }

    fn state(&self, client: &Client) -> State {
        let tables = [
            "crm ORDER BY customer",
            "visits ORDER BY id",
            "rejects ORDER BY ingest_id, line",
            "selfsame.ingests ORDER BY ingest_id",
            "identities ORDER BY identity_id",
            "profiles ORDER BY profile_id",
            "selfsame.namespaces ORDER BY name",
            "selfsame.datasets ORDER BY name",
            "selfsame.merge_policies ORDER BY name",
        ];
        tables.map(|table| client.records(&format!("SELECT * FROM {table}"))).into()
    }

    /// Refused with that code and words, and nothing has changed: neither here nor on the disk.
    fn refuse(&self, act: impl FnOnce(&Client) -> Result<()>, code: &str, words: &str, what: &str) {
        let before = self.state(&self.client);
        let error = act(&self.client).expect_err(what);
        let told = (error.code().0, has(&error, words), is_well_worded(error.message()));
        if told != (code, true, true) {
            let complaint = format!("{what}: {code} {words:?} expected, {error:?}");
            self.complaints.borrow_mut().push(complaint);
        }
        assert_eq!(self.state(&self.client), before, "{what}");
        let reopened = Client::open(self.disk.crash(0)).expect("a sound store");
        assert_eq!(self.state(&reopened), before, "{what}, opened again");
    }

    fn refuse_sql(&self, sql: &str, code: &str, words: &str) {
        let what: String = sql.chars().take(200).collect();
        self.refuse(|client| client.try_run(sql).map(drop), code, words, &what);
    }

    /// Takes the good rows and says of the others why not.
    fn reject(&self, sql: &str, accepted: usize, rejected: &[(i64, &str, &str)]) {
        let last =
            self.client.number("SELECT coalesce(max(ingest_id), 0) AS n FROM selfsame.ingests");
        let before = self.client.number("SELECT count(*) FROM crm");
        assert_eq!(self.client.run(sql), format!("COPY {accepted}"), "{sql}");
        let sql = format!("SELECT * FROM rejects WHERE ingest_id > {last} ORDER BY line");
        let found = self.client.records(&sql);
        let shown = |record: &BTreeMap<String, Value>| {
            format!("{:?} {:?} {:?}", record["line"], record["code"], record["message"])
        };
        assert_eq!(
            found.len(),
            rejected.len(),
            "{:?}",
            found.iter().map(shown).collect::<Vec<_>>()
        );
        for (record, (line, code, words)) in found.iter().zip(rejected) {
            let told = shown(record);
            let expected = format!("{:?} {:?}", Value::Int(*line), Value::text(code));
            assert!(told.starts_with(&expected) && told.contains(words), "{told}: {line} {words}");
        }
        let after = self.client.number("SELECT count(*) FROM crm");
        assert_eq!((after - before) as usize, accepted);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let complaints = self.complaints.take();
        if !std::thread::panicking() {
            assert!(complaints.is_empty(), "{}", complaints.join("\n"));
        }
    }
}

fn has(error: &Error, words: &str) -> bool {
    let texts = [Some(error.message()), error.get_detail(), error.get_hint()];
    texts.into_iter().flatten().any(|text| text.contains(words))
}

/// As PostgreSQL words its messages.
fn is_well_worded(message: &str) -> bool {
    let first = message.chars().next().unwrap_or('X');
    let keyword =
        message.split(' ').next().is_some_and(|word| word.chars().all(char::is_uppercase));
    let name = message.starts_with("Parquet");
    (first.is_lowercase() || first == '"' || keyword || name) && !message.ends_with('.')
}

/// Inserts that are refused: statement, SQLSTATE, words of the error.
const BAD_INSERTS: &[(&str, &str, &str)] = &[
    (
        "INSERT INTO crm (customer, age) VALUES ('3', 'many')",
        "22P02",
        "invalid input syntax for type integer: \"many\"",
    ),
    (
        "INSERT INTO crm (customer, age) VALUES ('3', '1'), ('4', '2147483648')",
        "22003",
        "row 2, column \"age\"",
    ),
    ("INSERT INTO crm (customer, spend) VALUES ('3', '12345.00')", "22003", "12345"),
    ("INSERT INTO crm (customer, opted_in) VALUES ('3', 'perhaps')", "22P02", "\"perhaps\""),
    ("INSERT INTO crm (customer, born) VALUES ('3', '2026-02-30')", "22008", "2026-02-30"),
    ("INSERT INTO crm (customer, born) VALUES ('3', 'yesterday?')", "22007", "yesterday?"),
    ("INSERT INTO crm (customer, tags) VALUES ('3', '{a')", "22P02", "{a"),
    ("INSERT INTO crm (customer, changed) VALUES ('3', 'noon')", "22007", "noon"),
    (
        "INSERT INTO crm (customer, name) VALUES ('3', 'Cy'), ('null', 'Di')",
        "23514",
        "row 2 of INSERT",
    ),
    (
        "INSERT INTO crm (customer, nick) VALUES ('3', 'C')",
        "42703",
        "column \"nick\" of dataset \"crm\" does not exist",
    ),
    ("INSERT INTO crm (customer, customer) VALUES ('3', '3')", "42701", "specified more than once"),
    (
        "INSERT INTO crm (customer, name) VALUES ('3')",
        "42601",
        "more target columns than expressions",
    ),
    (
        "INSERT INTO crm (customer) VALUES ('3', 'C')",
        "42601",
        "more expressions than target columns",
    ),
    ("INSERT INTO customers VALUES ('3')", "42P01", "\"customers\" does not exist"),
    ("INSERT INTO profiles VALUES (3)", "42809", "it is not a dataset"),
    ("INSERT INTO crm (customer) SELECT missing FROM crm", "42703", "missing"),
    (
        "INSERT INTO crm (customer, age) SELECT customer, age / 0 FROM crm",
        "22012",
        "division by zero",
    ),
    ("INSERT INTO crm (customer) VALUES ($1)", "42P02", "$1"),
    ("INSERT INTO crm (customer) VALUES ('3') RETURNING customer", "0A000", "RETURNING"),
    ("INSERT INTO crm (customer) VALUES ('3'", "42601", "syntax error"),
];

#[test]
fn inserts_with_a_bad_row_are_refused_whole() {
    let world = World::new();
    let many =
        (0..21).map(|at| format!("c{at} TEXT IDENTITY spare")).collect::<Vec<_>>().join(", ");
    world.client.run(&format!("CREATE DATASET wide ({many})"));
    let values = (0..21).map(|at| format!("'x{at}'")).collect::<Vec<_>>().join(", ");
    let wide = format!("INSERT INTO wide VALUES ({values})");
    world.refuse_sql(&wide, "23514", "too_many_identities: 21 identities, at most 20");
    for (sql, code, words) in BAD_INSERTS {
        world.refuse_sql(sql, code, words);
    }
    let block = |client: &Client| {
        client.run("BEGIN");
        let refused = client.try_run("INSERT INTO crm (customer) VALUES ('unknown')").map(drop);
        let error = client.try_run("SELECT 1").expect_err("a failed block");
        assert_eq!(error.code().0, "25P02");
        client.run("ROLLBACK");
        refused
    };
    world.refuse(block, "23514", "no_identity", "INSERT in a block");
}

/// Definitions that are refused.
const BAD_DEFINITIONS: &[(&str, &str, &str)] = &[
    (
        "CREATE DATASET web (ecid TEXT IDENTITY cookie)",
        "42704",
        "namespace \"cookie\" does not exist",
    ),
    (
        "CREATE DATASET web (email TEXT IDENTITY email, n TEXT, n TEXT)",
        "42701",
        "column \"n\" specified more than once",
    ),
    ("CREATE DATASET web (email TEXT IDENTITY email, age TEXT)", "42804", "attribute \"age\" is"),
    (
        "CREATE DATASET web (email TEXT IDENTITY email, profile_id TEXT)",
        "42939",
        "column name \"profile_id\" is reserved",
    ),
    (
        "CREATE DATASET profiles (email TEXT IDENTITY email)",
        "42939",
        "dataset name \"profiles\" is reserved",
    ),
    ("CREATE DATASET web (name TEXT)", "42P16", "has no identity column"),
    ("CREATE DATASET web (email DATE IDENTITY email)", "42P16", "cannot have type"),
    ("CREATE DATASET web (email TEXT IDENTITY email, x NUMERIC(50,2))", "22023", "numeric(50,2)"),
    ("CREATE DATASET web (email TEXT IDENTITY email, x CIRCLE)", "42704", "circle"),
    ("CREATE DATASET web (email TEXT IDENTITY email) WITH (speed = 'fast')", "22023", "speed"),
    ("CREATE DATASET crm (email TEXT IDENTITY email)", "42P07", "dataset \"crm\" already exists"),
    ("CREATE NAMESPACE email", "42710", "namespace \"email\" already exists"),
    ("CREATE NAMESPACE x KIND FRUIT", "22023", "unknown namespace kind \"fruit\""),
    (
        "CREATE MERGE POLICY trusted MERGE BY latest",
        "42710",
        "merge policy \"trusted\" already exists",
    ),
    ("CREATE MERGE POLICY p MERGE BY latest MERGE shoe_size BY max", "42703", "shoe_size"),
    ("CREATE MERGE POLICY p MERGE BY latest MERGE name BY all_true", "42804", "all_true"),
    ("CREATE MERGE POLICY p MERGE BY latest MERGE opted_in BY sum", "42804", "sum"),
    ("CREATE MERGE POLICY p MERGE BY luck", "42704", "luck"),
    ("CREATE MERGE POLICY p FROM crm, web MERGE BY latest", "42P01", "\"web\""),
    ("CREATE MERGE POLICY p FROM visits MERGE BY latest", "42P17", "event dataset"),
    ("CREATE OR REPLACE MERGE POLICY trusted MERGE BY precedence(web)", "42P01", "\"web\""),
    ("DROP NAMESPACE crm_id", "2BP01", "dataset \"crm\" uses it"),
    ("DROP NAMESPACE cookie", "42704", "namespace \"cookie\" does not exist"),
    ("DROP DATASET crm", "2BP01", "merge policy \"trusted\""),
    ("DROP MERGE POLICY latest", "42939", "latest"),
    ("ALTER DATASET crm ADD COLUMN name TEXT", "42701", "already exists"),
];

#[test]
fn bad_definitions_define_nothing() {
    let world = World::new();
    let nested = format!("SELECT {}1{}", "(".repeat(300), ")".repeat(300));
    let long = "x".repeat(300);
    let long = format!("CREATE NAMESPACE {long}");
    world.refuse_sql(&long, "42602", "is longer than");
    world.refuse_sql(&nested, "54001", "too");
    for (sql, code, words) in BAD_DEFINITIONS {
        world.refuse_sql(sql, code, words);
    }
    // What ran before the bad statement stays done.
    let error = world.client.try_run("CREATE NAMESPACE good; CREATE NAMESPACE").expect_err("half");
    assert_eq!(error.code().0, "42601");
    assert_eq!(world.client.run("DROP NAMESPACE good"), "DROP NAMESPACE");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("memory");
    writer.close().expect("memory");
    bytes
}

fn customers(count: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..count).map(|number| format!("p{number}"))))
}

#[test]
fn files_that_cannot_be_read_leave_nothing() {
    let world = World::new();
    let good: String = (0..2_000).map(|number| format!("g{number},n\n")).collect();
    let good = format!("customer,name\n{good}");
    let packed = gzip(&good);
    world.file("good.csv", &good);
    world.file("short.csv.gz", &packed[..packed.len() - 20]);
    let mut damaged = packed.clone();
    damaged[packed.len() / 2] ^= 0x55;
    world.file("damaged.csv.gz", damaged);
    let columns = parquet(vec![("customer", customers(500))]);
    world.file("short.parquet", &columns[..columns.len() / 2]);
    world.file("text.parquet", "customer\nx\n");
    world.file("really.csv", &columns);
    world.file("other.csv", "nick,shoe_size\na,b\n");
    world.file("other.parquet", parquet(vec![("shoe_size", customers(3))]));
    world.file("empty.parquet", "");
    world.file("twice.csv", "customer,customer\n1,2\n");
    world.file("wide.csv", vec![b','; 20_000]);
    world.file("unclosed.csv", "customer,name\n7,\"no end\n");
    world.file("bad.csv", "customer,age\n7,1\n8,x\n9,y\n");
    world.file("odd.dat", "7\n");
    fs::write(world.folder.path().join("secret.csv"), "customer\ns\n").expect("a file");
    let secret = format!("COPY crm FROM '{}'", world.folder.path().join("secret.csv").display());
    let cases = [
        ("COPY crm FROM 'short.csv.gz'", "22P04", "gzip stream is cut short"),
        ("COPY crm FROM 'damaged.csv.gz'", "22P04", "gzip stream is damaged"),
        ("COPY crm FROM 'short.parquet'", "22P04", "Parquet file is damaged or none"),
        ("COPY crm FROM 'text.parquet'", "22P04", "Parquet file is damaged or none"),
        ("COPY crm FROM 'empty.parquet'", "22P04", "Parquet file is damaged or none"),
        ("COPY crm FROM 'really.csv'", "22P04", "Parquet"),
        ("COPY crm FROM 'other.csv'", "42703", "no column in common"),
        ("COPY crm FROM 'other.parquet'", "42703", "no column in common"),
        ("COPY crm FROM 'twice.csv'", "42701", "customer"),
        ("COPY crm FROM 'wide.csv'", "54000", "columns"),
        ("COPY crm FROM 'bad.csv' WITH (max_rejects 1)", "23514", "more than 1 rows were rejected"),
        ("COPY crm FROM '[gs]*.csv*'", "22P04", "gzip stream is cut short"),
        ("COPY crm FROM 'none.csv'", "58P01", "no file matches \"none.csv\""),
        (&secret, "42501", "the server may not read"),
        ("COPY crm FROM '../secret.csv'", "42501", "the server may not read"),
        ("COPY crm FROM 'odd.dat'", "22023", "cannot tell the format"),
        (
            "COPY crm FROM 'good.csv' WITH (speed 'fast')",
            "42601",
            "option \"speed\" not recognized",
        ),
        ("COPY crm FROM 'good.csv' WITH (format xml)", "22023", "xml"),
        ("COPY crm FROM 'good.csv' WITH (delimiter 'ab')", "22023", "delimiter"),
        (
            "COPY crm FROM 'good.csv' WITH (max_rejects 'few')",
            "22023",
            "max_rejects requires a whole number",
        ),
        ("COPY crm (customer, nick) FROM 'good.csv'", "42703", "column \"nick\""),
        ("COPY customers FROM 'good.csv'", "42P01", "\"customers\" does not exist"),
        ("COPY crm FROM STDIN", "0A000", "needs a client that sends the rows"),
    ];
    for (sql, code, words) in cases {
        world.refuse_sql(sql, code, words);
    }
}

#[test]
fn bad_rows_of_files_are_kept_apart() {
    let world = World::new();
    world.file(
        "types.csv",
        "customer,age,opted_in,born\n7,x,,\n8,1,maybe,\n9,1,,2026-13-01\n10,1,t,2026-01-01\n",
    );
    world.reject(
        "COPY crm FROM 'types.csv'",
        1,
        &[(2, "22P02", "age"), (3, "22P02", "opted_in"), (4, "22008", "born")],
    );
    world.file("names.csv", b"customer,name\n11,ok\n12,\xff\xfe\n13,ok\n");
    world.reject("COPY crm FROM 'names.csv'", 2, &[(3, "22021", "0xff")]);
    let huge = "x".repeat(selfsame::ingest::RECORD_BYTES_MAX);
    world.file("huge.csv", format!("customer,name\n14,{huge}\n15,ok\n"));
    world.reject("COPY crm FROM 'huge.csv'", 1, &[(2, "54000", "bytes")]);
    world.file(
        "lines.ndjson",
        "{\"customer\": \"16\"}\n{\"customer\": \n[1]\n{\"customer\": \"17\"}\n",
    );
    world.reject(
        "COPY crm FROM 'lines.ndjson'",
        2,
        &[(2, "22P02", "type json"), (3, "22P02", "one JSON object")],
    );
    world.file("nobody.csv", "customer,name\nnull,A\n,B\n18,C\n");
    world.reject(
        "COPY crm FROM 'nobody.csv'",
        1,
        &[(2, "no_identity", "no usable identity"), (3, "no_identity", "customer")],
    );
    world.file("fields.csv", "customer,name\n19\n20,a,b\n21,c\n");
    world.reject("COPY crm FROM 'fields.csv'", 1, &[(2, "22P04", ""), (3, "22P04", "")]);
    let ages: ArrayRef = Arc::new(Int64Array::from(vec![1, i64::MAX, 3]));
    world.file("ages.parquet", parquet(vec![("customer", customers(3)), ("age", ages)]));
    world.reject("COPY crm FROM 'ages.parquet'", 2, &[(2, "22003", "age")]);
    world.file("empty.csv", "");
    world.reject("COPY crm FROM 'empty.csv'", 0, &[]);
    world.file("head.csv", "customer,name\n");
    world.reject("COPY crm FROM 'head.csv'", 0, &[]);
    let raw = world.client.records("SELECT raw FROM rejects WHERE code = '54000'");
    let Value::Text(raw) = &raw[0]["raw"] else { panic!("a text") };
    assert!(raw.starts_with("14,xxx") && raw.len() <= selfsame::ingest::RAW_BYTES_MAX);
}

/// Sends data to COPY FROM STDIN, then ends it well or not.
fn send(client: &Client, sql: &str, data: &[u8], failing: Option<&str>) -> Result<String> {
    RUNTIME.block_on(async {
        let prepared = client.session.prepare(sql, &[]).await?;
        let Outcome::CopyIn(mut copy) = client.session.execute(&prepared, Vec::new()).await? else {
            panic!("{sql} takes no data");
        };
        for piece in data.chunks(1_000) {
            copy.write(Bytes::copy_from_slice(piece)).await?;
        }
        match failing {
            None => copy.finish().await,
            Some(reason) => Err(copy.fail(reason).await),
        }
    })
}

#[test]
fn a_client_that_gives_up_leaves_nothing() {
    let world = World::new();
    let rows: String = (0..5_000).map(|number| format!("s{number},n\n")).collect();
    let sql = "COPY crm (customer, name) FROM STDIN WITH (FORMAT csv)";
    let give_up =
        |client: &Client| send(client, sql, rows.as_bytes(), Some("out of ink")).map(drop);
    world.refuse(give_up, "57014", "COPY from stdin failed: out of ink", "CopyFail");
    let many = |client: &Client| {
        let sql = "COPY crm (customer, age) FROM STDIN WITH (FORMAT csv, MAX_REJECTS 3)";
        send(client, sql, rows.as_bytes(), None).map(drop)
    };
    world.refuse(many, "23514", "more than 3 rows were rejected", "too many bad rows");
    assert_eq!(send(&world.client, sql, rows.as_bytes(), None).expect("rows"), "COPY 5000");
}

#[test]
fn a_client_that_vanishes_leaves_nothing() {
    let world = World::new();
    let vanish = |client: &Client| {
        RUNTIME.block_on(async {
            let prepared =
                client.session.prepare("COPY crm FROM STDIN WITH (FORMAT csv)", &[]).await?;
            let outcome = client.session.execute(&prepared, Vec::new()).await?;
            let Outcome::CopyIn(mut copy) = outcome else { panic!("it takes data") };
            copy.write(Bytes::from_static(b"7,,n,,,,,,\n8,,")).await?;
            drop(copy);
            Err(Error::internal("the client is gone"))
        })
    };
    world.refuse(vanish, "XX000", "gone", "a client that vanishes");
}
