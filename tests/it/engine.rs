//! The engine through definitions, inserts and virtual tables, without a session or a wire.

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::{SessionConfig, SessionContext};
use selfsame::engine::{Database, Load, Options, Source};
use selfsame::ingest::{Input, format_named};
use selfsame::query::statements::{Parsed, parse};
use selfsame::query::tables::{Binding, NoDirectory, catalog};

fn define(database: &Database, sql: &str) {
    for statement in sql.split(';').filter(|text| !text.trim().is_empty()) {
        match parse(statement).unwrap() {
            Some(Parsed::Define(definition)) => drop(database.define(definition).unwrap()),
            other => panic!("not a definition: {other:?}"),
        }
    }
}

fn load(database: &Database, dataset: &str, csv: &str) -> u64 {
    let input = Input::Stream(Box::new(std::io::Cursor::new(csv.to_owned().into_bytes())));
    let load = Load {
        dataset: dataset.to_owned(),
        columns: None,
        sources: vec![Source { name: "test".to_owned(), input }],
        format: format_named("csv").unwrap(),
        options: selfsame::ingest::Options::default(),
        max_rejects: None,
    };
    database.load(load).unwrap().accepted
}

async fn query(database: &Arc<Database>, sql: &str) -> String {
    let binding = Arc::new(Binding::new(Arc::clone(database), Arc::new(NoDirectory)));
    let config = SessionConfig::new().with_default_catalog_and_schema("selfsame", "public");
    let context = SessionContext::new_with_config(config);
    context.register_catalog("selfsame", catalog(binding));
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

const DEFINITIONS: &str = "
    CREATE NAMESPACE crm_id; CREATE NAMESPACE email KIND EMAIL NORMALIZE lower; CREATE NAMESPACE ecid KIND COOKIE;
    CREATE DATASET crm (no TEXT IDENTITY crm_id, email TEXT IDENTITY email, city TEXT, updated_at TIMESTAMPTZ OBSERVED AT);
    CREATE DATASET web (ecid TEXT IDENTITY ecid, email TEXT IDENTITY email, city TEXT, updated_at TIMESTAMPTZ OBSERVED AT);
    CREATE EVENT DATASET visits (id TEXT EVENT ID, ecid TEXT IDENTITY ecid, page TEXT, ts TIMESTAMPTZ OBSERVED AT);
    CREATE MERGE POLICY crm_first MERGE BY precedence(crm, web)";

#[tokio::test]
async fn rows_become_people() {
    let database = Database::open(Options::memory()).unwrap();
    define(&database, DEFINITIONS);
    load(
        &database,
        "crm",
        "no,email,city,updated_at\n1,A@x.com,Paris,2026-01-01\n2,b@x.com,Rome,2026-01-02\n,,Nowhere,\n",
    );
    load(
        &database,
        "web",
        "ecid,email,city,updated_at\nc1, a@X.com ,Lyon,2026-01-05\nc2,,Oslo,2026-01-05\n",
    );
    load(
        &database,
        "visits",
        "id,ecid,page,ts\nv1,c1,/,2026-01-06\nv1,c1,/,2026-01-06\nv2,c9,/x,2026-01-07\n",
    );
    println!("{}", query(&database, "SELECT * FROM profiles").await);
    println!("{}", query(&database, "SELECT profile_id, city FROM profiles_by.crm_first").await);
    println!("{}", query(&database, "SELECT * FROM fragments").await);
    println!("{}", query(&database, "SELECT * FROM events").await);
    println!("{}", query(&database, "SELECT * FROM identities").await);
    println!("{}", query(&database, "SELECT * FROM identity_links").await);
    println!("{}", query(&database, "SELECT * FROM rejects").await);
    println!(
        "{}",
        query(&database, "EXPLAIN SELECT city FROM profiles WHERE email = 'a@x.com'").await
    );
    println!(
        "{}",
        query(&database, "SELECT city, count(*) FROM profiles WHERE city > 'M' GROUP BY city")
            .await
    );
    load(&database, "web", "ecid,email,city,updated_at\nc2,b@x.com,Bergen,2026-02-05\n");
    println!("{}", query(&database, "SELECT * FROM profiles WHERE email = 'b@x.com'").await);
    println!("{}", query(&database, "SELECT * FROM profiles").await);
    println!("{}", query(&database, "SELECT * FROM selfsame.datasets").await);
    println!("{}", query(&database, "SELECT * FROM selfsame.merge_strategies").await);
    database.flush().unwrap();
    println!("{}", query(&database, "SELECT * FROM fragments WHERE profile_id = 0").await);
    println!("{}", query(&database, "SELECT count(*) FROM fragments").await);
}
