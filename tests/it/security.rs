//! Who gets in, what they may do and see: log-ins and TLS over sockets, rights and masks on every path.
//!
//! Each test starts a server of its own on a free port, with a database in memory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use selfsame::engine::{Database, Options};
use selfsame::env::tls::Certificates;
use selfsame::model::access::{AuditLevel, Authentication};
use selfsame::query::session::{Server, Settings};
use selfsame::wire::{Door, serve_at};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::secured;

/// A server that runs for one test.
struct Fixture {
    address: SocketAddr,
    server: Arc<Server>,
    _stop: watch::Sender<bool>,
}

impl Fixture {
    async fn start() -> Self {
        Self::with(Authentication::Automatic, None, 20).await
    }

    async fn with(
        authentication: Authentication,
        certificates: Option<Arc<Certificates>>,
        connections_max: usize,
    ) -> Self {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt/data");
        let copy_directories: Vec<PathBuf> = vec![data];
        let database = Database::open(Options::memory()).expect("a database in memory");
        let server = Server::new(database, Settings { copy_directories, ..Settings::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(false);
        let connections_reserved = if connections_max < 5 { 1 } else { 0 };
        let door = Door { authentication, certificates, connections_max, connections_reserved };
        tokio::spawn(serve_at(door, listener, Arc::clone(&server), [stopped.clone(), stopped]));
        Self { address, server, _stop: stop }
    }

    fn config(&self, user: &str, password: &str) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config.host("localhost").port(self.address.port()).user(user).dbname("cdp");
        if !password.is_empty() {
            config.password(password);
        }
        config
    }

    async fn connect(&self, user: &str, password: &str) -> Result<Client, String> {
        let (client, connection) =
            self.config(user, password).connect(NoTls).await.map_err(|error| told(&error))?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The bootstrap superuser.
    async fn admin(&self) -> Client {
        self.connect("selfsame", "").await.expect("nobody has set a password")
    }

    async fn user(&self, name: &str) -> Client {
        self.connect(name, "").await.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    async fn refusal(&self, user: &str, password: &str) -> String {
        match self.connect(user, password).await {
            Ok(_) => "let in".to_owned(),
            Err(error) => error,
        }
    }
}

fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} {}", error.code().code(), error.message()),
        None => error.to_string(),
    }
}

/// What statements answer: rows of the last one with bars between values, or the error.
async fn answer(client: &Client, sql: &str) -> String {
    match client.simple_query(sql).await {
        Err(error) => told(&error),
        Ok(messages) => {
            let row = |message: &SimpleQueryMessage| match message {
                SimpleQueryMessage::Row(row) => {
                    let cells = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL"));
                    Some(cells.collect::<Vec<_>>().join("|"))
                }
                _ => None,
            };
            messages.iter().filter_map(row).collect::<Vec<_>>().join("\n")
        }
    }
}

async fn check(client: &Client, sql: &str, expected: &str) {
    assert_eq!(answer(client, sql).await, expected, "{sql}");
}

const DATA: &str = "
    CREATE NAMESPACE no; CREATE NAMESPACE email KIND EMAIL;
    CREATE DATASET crm (no TEXT IDENTITY no, email TEXT IDENTITY email, city TEXT, born DATE);
    CREATE EVENT DATASET shop (mail TEXT IDENTITY email, item TEXT, price INTEGER);
    INSERT INTO crm VALUES ('1', 'ann@x.com', 'Bonn', '1990-01-01'), ('2', 'bob@x.com', 'Ulm', NULL);
    INSERT INTO shop VALUES ('ann@x.com', 'hat', 5);";

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_asked_of_those_who_have_one() {
    let fixture = Fixture::start().await;
    // As long as there are no roles, any name will do.
    let anybody = fixture.user("ada").await;
    check(&anybody, "SELECT current_user, session_user", "ada|ada").await;
    check(&anybody, "CREATE ROLE ann LOGIN PASSWORD 'pencil'; CREATE ROLE open LOGIN", "").await;
    check(&anybody, "CREATE ROLE late LOGIN PASSWORD 'p' VALID UNTIL '2001-01-01'", "").await;
    check(&anybody, "CREATE ROLE staff", "").await;
    let failed = |user: &str| format!("28P01 password authentication failed for user \"{user}\"");
    assert_eq!(fixture.refusal("ann", "pencil").await, "let in");
    assert_eq!(fixture.refusal("ann", "Pencil").await, failed("ann"));
    assert_eq!(fixture.refusal("open", "").await, "let in");
    // Nobody learns whether a role exists, or why its password does not count.
    assert_eq!(fixture.refusal("nobody", "pencil").await, failed("nobody"));
    assert_eq!(fixture.refusal("late", "p").await, failed("late"));
    assert_eq!(
        fixture.refusal("staff", "").await,
        "28000 role \"staff\" is not permitted to log in"
    );
    check(&anybody, "ALTER USER ann PASSWORD 'new' VALID UNTIL 'infinity'", "").await;
    assert_eq!(fixture.refusal("ann", "pencil").await, failed("ann"));
    assert_eq!(fixture.refusal("ann", "new").await, "let in");
    let roles = "SELECT rolname, rolpassword FROM pg_roles WHERE rolname = 'ann'";
    check(&anybody, roles, "ann|********").await;
    check(&anybody, "ALTER USER ann PASSWORD 'very new'", "").await;
    let text = "SELECT query FROM pg_stat_activity WHERE usename = 'ada'";
    check(&fixture.admin().await, text, "ALTER USER ann PASSWORD ***").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_asked_where_it_is_said() {
    let fixture = Fixture::with(Authentication::Scram, None, 10).await;
    let error = fixture.refusal("selfsame", "x").await;
    assert_eq!(error, "28P01 password authentication failed for user \"selfsame\"");
    fixture.server.set_first_password("first").expect("a password");
    fixture.server.set_first_password("first").expect("it is the same");
    assert_eq!(fixture.refusal("selfsame", "first").await, "let in");
    let admin = fixture.connect("selfsame", "first").await.expect("it is the password");
    // What PostgreSQL keeps of the password pencil.
    let verifier = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
        WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    check(&admin, &format!("CREATE USER moved PASSWORD '{verifier}'"), "").await;
    assert_eq!(fixture.refusal("moved", "pencil").await, "let in");
    let md5 = "CREATE USER old PASSWORD 'md5827ccb0eea8a706c4c34a16891f84e7b'";
    check(&admin, md5, "0A000 passwords hashed with MD5 are not supported").await;
    let audit = "SELECT user_name, kind, outcome FROM selfsame.audit WHERE kind = 'LOGIN'";
    check(&admin, audit, "selfsame|LOGIN|28P01").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_and_bound_to_the_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = secured::Authority::new();
    let (certificate, key) = authority.issue(folder.path(), "localhost");
    let certificates = Certificates::load(&certificate, &key).expect("a certificate");
    let fixture = Fixture::with(Authentication::Scram, Some(Arc::clone(&certificates)), 10).await;
    fixture.server.set_first_password("first").expect("a password");
    let mut config = fixture.config("selfsame", "first");
    config.ssl_mode(tokio_postgres::config::SslMode::Require);
    config.channel_binding(tokio_postgres::config::ChannelBinding::Require);
    for negotiation in [
        tokio_postgres::config::SslNegotiation::Postgres,
        tokio_postgres::config::SslNegotiation::Direct,
    ] {
        config.ssl_negotiation(negotiation);
        let (client, connection) = config
            .connect(authority.connector())
            .await
            .unwrap_or_else(|error| panic!("{negotiation:?}: {error:?}"));
        tokio::spawn(connection);
        check(&client, "SELECT 1 + 1", "2").await;
    }
    let stranger = secured::Authority::new();
    assert!(config.connect(stranger.connector()).await.is_err(), "another authority issued it");
    // A new certificate is in force without a restart, and the old authority's word no longer counts.
    stranger.issue(folder.path(), "localhost");
    certificates.reload().expect("new files");
    assert!(config.connect(stranger.connector()).await.is_ok());
    assert!(config.connect(authority.connector()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_limited() {
    let fixture = Fixture::with(Authentication::Automatic, None, 4).await;
    let admin = fixture.admin().await;
    check(&admin, "CREATE USER one CONNECTION LIMIT 1; CREATE USER two", "").await;
    let one = fixture.user("one").await;
    let error = fixture.refusal("one", "").await;
    assert_eq!(error, "53300 too many connections for role \"one\"");
    let _two = fixture.user("two").await;
    let reserved =
        "53300 remaining connection slots are reserved for non-replication superuser connections";
    assert_eq!(fixture.refusal("two", "").await, reserved);
    let _other = fixture.admin().await;
    let error = fixture.refusal("selfsame", "").await;
    assert_eq!(error, "53300 sorry, too many clients already");
    check(&one, "SELECT 1", "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_hold_on_every_path() {
    let fixture = Fixture::start().await;
    let admin = fixture.admin().await;
    check(&admin, DATA, "").await;
    check(&admin, "CREATE USER bi", "").await;
    let bi = fixture.user("bi").await;
    let crm = "42501 permission denied for table crm";
    for sql in [
        "SELECT * FROM crm",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM crm)",
        "WITH a AS (SELECT 1 FROM crm) SELECT * FROM a",
        "EXPLAIN SELECT * FROM public.crm",
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM crm",
        "INSERT INTO crm VALUES ('3')",
        "DELETE FROM crm",
        "COPY crm FROM STDIN",
        "PREPARE p AS SELECT * FROM crm",
        "TABLE crm",
    ] {
        check(&bi, sql, crm).await;
        check(&bi, "ROLLBACK", "").await;
    }
    for (sql, table) in [
        ("SELECT * FROM profile('no', '1')", "profiles"),
        ("SELECT * FROM profile_history('no', '1')", "profiles"),
        ("SELECT * FROM policy_diff('latest', 'latest')", "profiles"),
        ("SELECT * FROM profiles_at('2030-01-01')", "profiles"),
        ("SELECT profile_of('no', '1')", "identities"),
        ("SELECT * FROM identity_path('no', '1', 'email', 'ann@x.com')", "identity_links"),
        ("SELECT * FROM why_not('no', '1', 'no', '2')", "identity_links"),
        ("SELECT * FROM profiles", "profiles"),
        ("SELECT * FROM profile_lineage", "profile_lineage"),
        ("SELECT * FROM profiles_by.latest", "latest"),
        ("SELECT * FROM selfsame.operations", "operations"),
        ("SELECT * FROM selfsame.decisions", "decisions"),
        ("SELECT * FROM selfsame.audit", "audit"),
        ("SELECT * FROM pg_authid", "pg_authid"),
        ("EXPLAIN PROFILE 'no', '1'", "profiles"),
    ] {
        check(&bi, sql, &format!("42501 permission denied for table {table}")).await;
    }
    check(
        &bi,
        "SELECT * FROM identity_conflicts",
        "42501 permission denied for view identity_conflicts",
    )
    .await;
    let definitions = "42501 permission denied to change definitions";
    for sql in [
        "CREATE NAMESPACE x",
        "ALTER NAMESPACE email SET UNIQUE",
        "CREATE MERGE POLICY p MERGE BY latest",
        "ALTER SYSTEM SET graph_identities_max = 7",
    ] {
        check(&bi, sql, definitions).await;
    }
    check(&bi, "CREATE DATASET d (a TEXT)", "42501 permission denied for schema public").await;
    check(&bi, "DROP DATASET crm", "42501 must be owner of dataset crm").await;
    check(&bi, "LINK no '1' TO no '2'", "42501 permission denied to decide who is whom").await;
    check(&bi, "CREATE ROLE x", "42501 permission denied to create role").await;
    check(&bi, "GRANT SELECT ON crm TO bi", crm).await;
    check(&bi, "SET ROLE selfsame", "42501 permission denied to set role \"selfsame\"").await;
    let other = "SET SESSION AUTHORIZATION selfsame";
    check(&bi, other, "42501 permission denied to set session authorization \"selfsame\"").await;
    // What everybody may: the catalog and the definitions.
    check(&bi, "SELECT count(*) FROM pg_class WHERE relname = 'crm'", "1").await;
    check(&bi, "SELECT count(*) FROM selfsame.datasets", "2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_granted_can_be_done_until_it_is_revoked() {
    let fixture = Fixture::start().await;
    let admin = fixture.admin().await;
    check(&admin, DATA, "").await;
    check(&admin, "CREATE USER bi; CREATE ROLE readers; GRANT readers TO bi", "").await;
    let bi = fixture.user("bi").await;
    let denied = "42501 permission denied for table crm";
    check(&admin, "GRANT SELECT ON crm TO readers", "").await;
    check(&bi, "SELECT city FROM crm ORDER BY 1", "Bonn\nUlm").await;
    let prepared = bi.prepare("SELECT city FROM crm WHERE no = $1").await.expect("it may");
    check(&bi, "PREPARE p AS SELECT count(*) FROM crm", "").await;
    check(&bi, "BEGIN; EXECUTE p", "2").await;
    check(&admin, "REVOKE SELECT ON crm FROM readers", "").await;
    // Within the block that read it before, too.
    check(&bi, "EXECUTE p", denied).await;
    check(&bi, "ROLLBACK; EXECUTE p", denied).await;
    let error = bi.query(&prepared, &[&"1"]).await.expect_err("it was revoked");
    assert_eq!(told(&error), denied);
    check(&admin, "GRANT SELECT (no, city) ON crm TO bi", "").await;
    check(&bi, "SELECT city FROM crm WHERE no = '1'", "Bonn").await;
    check(&bi, "SELECT count(*) FROM crm", "2").await;
    check(&bi, "SELECT city FROM crm WHERE email = 'ann@x.com'", denied).await;
    check(&bi, "SELECT * FROM crm", denied).await;
    check(&admin, "GRANT INSERT, DELETE ON crm TO bi", "").await;
    check(&bi, "INSERT INTO crm (no, city) VALUES ('3', 'Kiel')", "").await;
    check(&bi, "DELETE FROM crm WHERE born IS NULL AND no = '3'", denied).await;
    check(&bi, "DELETE FROM crm WHERE no = '3'", "").await;
    let file = "COPY crm FROM 'crm.csv'";
    check(&bi, file, "42501 permission denied to COPY from a file").await;
    check(&admin, "GRANT pg_read_server_files TO bi", "").await;
    let copied = answer(&bi, file).await;
    assert!(!copied.starts_with("42501"), "{copied}");
    check(&admin, "REVOKE ALL ON crm FROM bi; GRANT pg_read_all_data TO bi", "").await;
    check(&bi, "SELECT count(*) > 1 FROM profiles", "t").await;
    check(&bi, "DELETE FROM crm", denied).await;
    check(&admin, "REVOKE USAGE ON SCHEMA public FROM PUBLIC; REVOKE pg_read_all_data FROM bi", "")
        .await;
    check(&bi, "SELECT 1 FROM crm", "42501 permission denied for schema public").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_own_what_they_create_and_pass_rights_on() {
    let fixture = Fixture::start().await;
    let admin = fixture.admin().await;
    check(&admin, DATA, "").await;
    check(&admin, "CREATE USER ann; CREATE USER bob; GRANT CREATE ON SCHEMA public TO ann", "")
        .await;
    let (ann, bob) = (fixture.user("ann").await, fixture.user("bob").await);
    check(&ann, "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO bob", "")
        .await;
    check(&ann, "CREATE DATASET mine (a TEXT IDENTITY no)", "").await;
    check(&ann, "INSERT INTO mine VALUES ('7')", "").await;
    check(&bob, "SELECT * FROM mine", "7").await;
    check(&bob, "ALTER DATASET mine ADD b TEXT", "42501 must be owner of dataset mine").await;
    check(&ann, "ALTER DATASET mine ADD b TEXT; REVOKE SELECT ON mine FROM bob", "").await;
    check(&bob, "SELECT * FROM mine", "42501 permission denied for table mine").await;
    check(&ann, "GRANT SELECT ON mine TO bob WITH GRANT OPTION", "").await;
    check(&bob, "GRANT SELECT ON mine TO PUBLIC", "").await;
    let acl = "SELECT relacl FROM pg_class WHERE relname = 'mine'";
    check(&admin, acl, "{ann=arwdDxt/ann,=r/ann,bob=r*/ann}").await;
    let owned = "2BP01 role \"ann\" cannot be dropped because some objects depend on it";
    check(&admin, "DROP ROLE ann", owned).await;
    check(&admin, "REASSIGN OWNED BY ann TO bob; DROP OWNED BY ann; DROP ROLE ann", "").await;
    check(&bob, "ALTER DATASET mine ADD c TEXT", "").await;
    check(&admin, "DROP DATASET mine", "").await;
    check(&admin, "DROP ROLE bob; DROP ROLE IF EXISTS bob", "").await;
    check(&admin, "DROP ROLE bob", "42704 role \"bob\" does not exist").await;
    check(&admin, "DROP ROLE selfsame", "55006 current user cannot be dropped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_taken_and_given_back() {
    let fixture = Fixture::start().await;
    let admin = fixture.admin().await;
    check(&admin, DATA, "").await;
    check(&admin, "CREATE ROLE team NOINHERIT; CREATE USER bi NOINHERIT IN ROLE team", "").await;
    check(&admin, "GRANT SELECT ON shop TO team", "").await;
    let bi = fixture.user("bi").await;
    check(&bi, "SELECT item FROM shop", "42501 permission denied for table shop").await;
    check(&bi, "SET ROLE team; SELECT item, current_user, session_user FROM shop", "hat|team|bi")
        .await;
    check(&bi, "RESET ROLE; SELECT item FROM shop", "42501 permission denied for table shop").await;
    check(&bi, "BEGIN; SET LOCAL ROLE team; SELECT item FROM shop", "hat").await;
    check(&bi, "COMMIT; SELECT current_user", "bi").await;
    check(&admin, "SET SESSION AUTHORIZATION bi; SELECT current_user, session_user", "bi|bi").await;
    check(&admin, "SELECT item FROM shop", "42501 permission denied for table shop").await;
    check(&admin, "RESET SESSION AUTHORIZATION; SHOW is_superuser", "on").await;
    check(&bi, "SHOW is_superuser", "off").await;
    check(&admin, "GRANT bi TO team", "0LP01 role \"bi\" is a member of role \"team\"").await;
    let has = "SELECT has_table_privilege('bi', 'shop', 'SELECT'), pg_has_role('bi', 'team', 'MEMBER'), \
               has_table_privilege('team', 'shop', 'SELECT'), has_schema_privilege('bi', 'public', 'CREATE')";
    check(&admin, has, "f|t|t|f").await;
    check(
        &admin,
        "ALTER ROLE bi SET default_transaction_read_only = on; GRANT INSERT ON shop TO bi",
        "",
    )
    .await;
    let again = fixture.user("bi").await;
    let refused = "25006 cannot execute INSERT in a read-only transaction";
    check(&again, "INSERT INTO shop VALUES ('c@x.com')", refused).await;
    check(&again, "BEGIN READ WRITE; INSERT INTO shop VALUES ('c@x.com'); COMMIT", "").await;
}

/// Queries by every way to a sensitive value: what they answer who may not see it, and who may.
const MASKED: &[(&str, &str, &str)] = &[
    (
        "SELECT no, email, city, born FROM crm WHERE no = '1'",
        "1|NULL|Bonn|NULL",
        "1|ann@x.com|Bonn|1990-01-01",
    ),
    ("SELECT count(*) FROM crm WHERE email = 'ann@x.com'", "0", "1"),
    ("SELECT count(*) FROM crm WHERE email LIKE 'ann%'", "0", "1"),
    ("SELECT count(*) FROM crm WHERE born < '2000-01-01'", "0", "1"),
    ("SELECT count(*) FROM crm a JOIN shop b ON a.email = b.mail", "0", "1"),
    ("SELECT max(email), min(born) FROM crm WHERE no = '1'", "NULL|NULL", "ann@x.com|1990-01-01"),
    ("SELECT mail, item FROM shop", "NULL|hat", "ann@x.com|hat"),
    ("SELECT namespace, identity, item FROM events", "email|NULL|hat", "email|ann@x.com|hat"),
    (
        "SELECT email, city FROM fragments WHERE city = 'Bonn' AND dataset = 'crm'",
        "NULL|Bonn",
        "ann@x.com|Bonn",
    ),
    (
        "SELECT email, born, city FROM profiles WHERE profile_id = 0",
        "NULL|NULL|Bonn",
        "ann@x.com|1990-01-01|Bonn",
    ),
    ("SELECT count(*) FROM profiles WHERE email = 'ann@x.com'", "0", "1"),
    ("SELECT email FROM profiles_by.latest WHERE profile_id = 0", "NULL", "ann@x.com"),
    ("SELECT contact, town FROM profiles_by.q WHERE profile_id = 0", "NULL|Bonn", "ann@x.com|Bonn"),
    ("SELECT email FROM profiles_at('2100-01-01') WHERE profile_id = 0", "NULL", "ann@x.com"),
    ("SELECT email FROM profile('no', '1')", "NULL", "ann@x.com"),
    ("SELECT count(*) FROM identities WHERE identity = 'ann@x.com'", "0", "1"),
    (
        "SELECT identity FROM identities WHERE namespace = 'no' AND profile_id = 0 ORDER BY 1",
        "1",
        "1",
    ),
    (
        "SELECT left_identity, right_identity FROM identity_links WHERE profile_id = 0 AND right_namespace = 'email'",
        "1|NULL",
        "1|ann@x.com",
    ),
    (
        "SELECT attribute, value FROM profile_lineage WHERE profile_id = 0 AND attribute IN ('email', 'city') ORDER BY 1",
        "city|Bonn\nemail|NULL",
        "city|Bonn\nemail|ann@x.com",
    ),
    (
        "SELECT value FROM profile_candidates WHERE profile_id = 0 AND attribute = 'born'",
        "NULL",
        "1990-01-01",
    ),
    ("SELECT count(*) FROM profile_lineage WHERE value = 'ann@x.com'", "0", "1"),
    (
        "SELECT to_value FROM profile_history('no', '1') WHERE attribute = 'email'",
        "NULL",
        "ann@x.com",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn sensitive_values_are_null_for_those_who_may_not_see_them() {
    let fixture = Fixture::start().await;
    let admin = fixture.admin().await;
    check(&admin, DATA, "").await;
    check(&admin, "LINK no '1' TO no '9' COMMENT 'called'; CREATE USER bi; GRANT pg_read_all_data, selfsame_steward TO bi", "").await;
    check(&admin, "CREATE MERGE POLICY q AS SELECT profile_id, max(email) AS contact, max(city) AS town FROM fragments GROUP BY profile_id", "").await;
    check(&admin, "CREATE USER dpo; GRANT pg_read_all_data, selfsame_read_sensitive TO dpo", "")
        .await;
    check(&admin, "COPY crm FROM 'crm.csv'", "").await;
    check(
        &admin,
        "ALTER DATASET crm ALTER COLUMN email SET SENSITIVE, ALTER born SET SENSITIVE",
        "",
    )
    .await;
    let (bi, dpo) = (fixture.user("bi").await, fixture.user("dpo").await);
    for (sql, masked, seen) in MASKED.iter().copied() {
        check(&bi, sql, masked).await;
        check(&dpo, sql, seen).await;
        check(&bi, &format!("PREPARE p AS {sql}; EXECUTE p; DEALLOCATE p"), masked).await;
    }
    let values = "42501 permission denied for values of namespace \"email\"";
    for sql in [
        "SELECT * FROM profile('email', 'ann@x.com')",
        "SELECT profile_of('email', 'ann@x.com')",
        "SELECT * FROM profile_history('email', 'ann@x.com')",
        "SELECT * FROM identity_path('no', '1', 'email', 'ann@x.com')",
        "SELECT * FROM why_not('email', 'ann@x.com', 'no', '1')",
    ] {
        check(&bi, sql, values).await;
        assert!(!answer(&dpo, sql).await.starts_with("42501"), "{sql}");
    }
    check(&bi, "EXPLAIN PROFILE 'no', '1'", "42501 permission denied for EXPLAIN PROFILE").await;
    let preview = "SELECT * FROM policy_preview('MERGE BY latest')";
    check(&bi, preview, "42501 permission denied for function policy_preview").await;
    let rejects = "SELECT count(raw), count(message) FROM rejects WHERE dataset = 'crm'";
    check(&admin, "INSERT INTO shop VALUES ('x@x.com', 'a', 1)", "").await;
    check(&bi, rejects, "0|0").await;
    let comment = "SELECT col_description('crm'::regclass, 2)";
    let said = "identity of namespace email (sensitive: null without selfsame_read_sensitive)";
    check(&bi, comment, said).await;
    let show = "ALTER DATASET crm ALTER COLUMN email SET NOT SENSITIVE";
    check(&admin, "ALTER DATASET crm OWNER TO bi", "").await;
    check(&bi, show, "42501 permission denied to show what is sensitive").await;
    check(&bi, "SELECT email FROM crm WHERE no = '1'", "NULL").await;
    check(&bi, "INSERT INTO crm (no, city) SELECT '8', email FROM crm WHERE no = '1'", "").await;
    check(&dpo, "SELECT city FROM crm WHERE no = '8'", "NULL").await;
    check(&admin, show, "").await;
    check(&bi, "SELECT email FROM crm WHERE no = '1'", "ann@x.com").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_tells_who_did_what() {
    let fixture = Fixture::start().await;
    fixture.server.set_audit_level(AuditLevel::All);
    let admin = fixture.admin().await;
    check(&admin, DATA, "").await;
    check(&admin, "CREATE USER bi PASSWORD 's3cret'; GRANT SELECT ON crm TO bi", "").await;
    let bi = fixture.connect("bi", "s3cret").await.expect("it is the password");
    check(&bi, "SELECT count(*) FROM crm", "2").await;
    check(&bi, "SELECT city FROM crm ORDER BY 1", "Bonn\nUlm").await;
    check(&bi, "DELETE FROM shop", "42501 permission denied for table shop").await;
    check(&admin, "DELETE FROM shop WHERE item = 'hat'", "").await;
    let audit = "SELECT user_name, kind, relations, row_count, left(outcome, 5) FROM selfsame.audit \
        WHERE kind IN ('SELECT', 'INSERT', 'DELETE', 'CREATE ROLE', 'CREATE DATASET') ORDER BY audit_id";
    let expected = "selfsame|CREATE DATASET|{crm}|NULL|ok\n\
        selfsame|CREATE DATASET|{shop}|NULL|ok\n\
        selfsame|INSERT|{crm}|2|ok\n\
        selfsame|INSERT|{shop}|1|ok\n\
        selfsame|CREATE ROLE|{\"role bi\"}|NULL|ok\n\
        bi|SELECT|{crm}|1|ok\n\
        bi|SELECT|{crm}|2|ok\n\
        bi|DELETE|{}|NULL|42501\n\
        selfsame|DELETE|{shop}|1|ok";
    check(&admin, audit, expected).await;
    let all = answer(&admin, "SELECT * FROM selfsame.audit").await;
    assert!(!all.contains("s3cret") && all.contains("127.0.0.1:"), "{all}");
    check(&bi, "SELECT * FROM selfsame.audit", "42501 permission denied for table audit").await;
    check(&admin, "GRANT pg_monitor TO bi", "").await;
    check(&bi, "SELECT count(*) > 5 FROM selfsame.audit", "t").await;
}

/// The recipe of docs/security.md, as it stands there.
#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_read_only_users_works_as_it_is_shown() {
    let text = include_str!("../../docs/security.md");
    let recipe = text.split("<!-- recipe: read-only -->").nth(1).expect("the page has a recipe");
    let recipe = recipe.split("```sql").nth(1).and_then(|rest| rest.split("```").next());
    let fixture = Fixture::start().await;
    let admin = fixture.admin().await;
    check(&admin, DATA, "").await;
    check(&admin, recipe.expect("it is SQL"), "").await;
    let bi = fixture.connect("metabase", "choose-a-password").await.expect("it is the password");
    check(&bi, "SELECT city, email FROM profiles ORDER BY 1", "Bonn|NULL\nUlm|NULL").await;
    check(&bi, "SHOW default_transaction_read_only", "on").await;
    let refused = "25006 cannot execute INSERT in a read-only transaction";
    check(&bi, "INSERT INTO shop VALUES ('c@x.com')", "42501 permission denied for table shop")
        .await;
    check(&admin, "GRANT INSERT ON shop TO metabase", "").await;
    check(&bi, "INSERT INTO shop VALUES ('c@x.com')", refused).await;
    check(&bi, "SELECT count(*) FROM crm", "42501 permission denied for table crm").await;
}
