//! The sample company's files, written once as `selfsame demo --write` writes them.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

use selfsame::config::{Invocation, Outside, parse};
use selfsame::demo::{Company, FileFormat, SEED_DEFAULT, Table};
use selfsame::server;
use tempfile::TempDir;

/// Tells how many people the company has.
const PEOPLE_VARIABLE: &str = "SELFSAME_BENCH_PEOPLE";

/// People unless told otherwise: some 200,000 rows, beyond what caches of processors hold.
const PEOPLE_DEFAULT: u64 = 20_000;

/// A folder of the company's files, removed in the end.
pub struct Sample {
    company: Company,
    folder: TempDir,
}

impl Sample {
    /// Writes the files.
    pub fn write() -> Self {
        let company = Company { people: people(), seed: SEED_DEFAULT };
        let folder = TempDir::new().expect("a temporary folder can be made");
        let (people, seed) = (company.people.to_string(), company.seed.to_string());
        let words = ["selfsame", "demo", "--people", &people, "--seed", &seed, "--write"];
        let mut arguments: Vec<OsString> = words.map(OsString::from).to_vec();
        arguments.push(folder.path().into());
        let outside = Outside {
            variable: &|_| None,
            file: &|_| Err(std::io::Error::from(ErrorKind::NotFound)),
        };
        match parse(arguments, &outside) {
            Ok(Invocation::Run(command, config)) => {
                server::run(&command, &config).expect("the sample can be written");
            }
            other => panic!("no command to write the sample: {other:?}"),
        }
        Self { company, folder }
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How many rows a table's file has, those included that are there to be refused.
    pub fn row_count(&self, table: &Table) -> u64 {
        let spoiled = match table.format {
            // Batches, and so Parquet, have none: their values are of their column's type.
            FileFormat::Parquet => 0,
            FileFormat::Csv | FileFormat::Ndjson => self.company.spoiled_count(table),
        };
        self.company.row_count(table) + spoiled
    }
}

fn people() -> u64 {
    let Ok(text) = std::env::var(PEOPLE_VARIABLE) else { return PEOPLE_DEFAULT };
    text.parse().unwrap_or_else(|_| panic!("{PEOPLE_VARIABLE} is \"{text}\", which is no number"))
}
