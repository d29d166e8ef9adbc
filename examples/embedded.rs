//! Selfsame inside a program, without a server: `cargo run --example embedded`.
//!
//! Two systems of a small shop know the same woman in different ways. We tell Selfsame what
//! identifies people, hand it the systems' rows as they are, and ask for people.
#![expect(clippy::print_stdout, reason = "to print is all that an example is for")]

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use selfsame::engine::{Database, Options};
use selfsame::error::{Error, Result};
use selfsame::query::session::{Output, Server, Settings};

/// Namespaces are kinds of identifiers. A dataset says which of its columns hold some; rows that share
/// one, directly or over other rows, are about one person. A merge policy says who wins where the rows
/// disagree: here the newest value does, but about names we believe the till.
const DEFINITIONS: &str = "
    CREATE NAMESPACE email KIND EMAIL NORMALIZE email;
    CREATE NAMESPACE card  KIND PERSON;
    CREATE DATASET till (card TEXT IDENTITY card, email TEXT IDENTITY email, name TEXT, city TEXT,
                         updated_at TIMESTAMPTZ OBSERVED AT);
    CREATE DATASET site (email TEXT IDENTITY email, name TEXT, city TEXT,
                         updated_at TIMESTAMPTZ OBSERVED AT);
    CREATE DEFAULT MERGE POLICY honest MERGE BY latest MERGE name BY precedence(till, site);";

/// Two rows are about María, as her address differs in case only. Nothing says yet whose C-18 is.
const ROWS: &str = "
    INSERT INTO till VALUES ('C-17', 'maria@example.com', 'María García', 'Madrid', '2026-01-10'),
                            ('C-18', NULL, 'M. Garcia', 'Seville', '2025-06-01');
    INSERT INTO site VALUES ('Maria@Example.com', 'mgarcia', 'Barcelona', '2026-03-01');";

fn main() -> Result<()> {
    // A store in memory is gone with the process; `Options::folder` opens one on disk.
    let database = Database::open(Options::memory())?;
    // What sessions share: threads for queries, limits, folders that COPY may read (here none).
    let server = Server::new(Arc::clone(&database), Settings::default());
    // A session is one client's conversation. User and database are names only.
    let session = server.session("example", "example", &[])?;
    // The server's threads run the statements; this one waits for them.
    let run = |sql| server.runtime().block_on(session.run_script(sql));

    run(DEFINITIONS)?;
    run(ROWS)?;
    // One row a person: the name as the till has it, the newest city.
    let people = "SELECT card, email, name, city, fragment_count FROM profiles ORDER BY profile_id";
    print(people, run(people)?)?;

    // One more row names the card C-18 and María's address: they were one person all along.
    run("INSERT INTO till (card, email) VALUES ('C-18', 'maria@example.com')")?;
    print(people, run(people)?)?;
    // Nothing is lost by merging: these are the rows that the person was made from.
    let fragments = "SELECT dataset, card, email, name, city FROM fragments ORDER BY fragment_id";
    print(fragments, run(fragments)?)?;
    database.close()
}

fn print(sql: &str, outputs: Vec<Output>) -> Result<()> {
    let batches: Vec<_> = outputs.into_iter().flat_map(|output| output.batches).collect();
    let table =
        pretty_format_batches(&batches).map_err(|error| Error::internal(error.to_string()))?;
    println!("{sql}\n{table}\n");
    Ok(())
}
