//! A store on disk with a session, as one client of a server has it, without the wire in between.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use futures::executor::block_on;
use selfsame::demo::{Company, DDL, Table};
use selfsame::engine::{Database, Options};
use selfsame::error::{Error, Result};
use selfsame::query::session::{Outcome, Output, Prepared, Server, Session, Settings};
use tempfile::TempDir;

use crate::sample::Sample;

/// An open store, closed and removed in the end.
pub struct Store {
    /// The client's conversation.
    pub session: Session,
    /// The engine below it.
    pub database: Arc<Database>,
    folder: Arc<TempDir>,
}

impl Store {
    /// A fresh store with the sample's definitions, which may read the sample's files.
    pub fn defined(sample: &Sample) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let options = Options::folder(folder.path()).expect("nobody else uses a new folder");
        let database = Database::open(options).expect("a new store can be opened");
        let copy_directories = vec![sample.folder().to_owned()];
        let settings = Settings { copy_directories, ..Settings::default() };
        let server = Server::new(Arc::clone(&database), settings);
        let session = server.session("bench", "bench", &[]).expect("a session needs nothing");
        let store = Self { session, database, folder: Arc::new(folder) };
        store.run(DDL);
        store
    }

    /// A store with the whole sample in it, moved from the log into segments.
    pub fn loaded(sample: &Sample) -> Self {
        let store = Self::defined(sample);
        store.run(&copies(Company::tables()));
        store.database.flush().expect("the disk has room");
        store
    }

    /// Where the store is, which is removed once nobody holds it.
    pub fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    /// Runs statements.
    pub fn run(&self, sql: &str) -> Vec<Output> {
        block_on(self.session.run_script(sql)).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The integers that a query gives in its first column.
    pub fn numbers(&self, sql: &str) -> Vec<i64> {
        let outputs = self.run(sql);
        let batches = outputs.iter().flat_map(|output| &output.batches);
        let column = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().clone();
        batches.flat_map(|batch| column(batch).values().to_vec()).collect()
    }

    /// The texts that a query gives in its first column.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let outputs = self.run(sql);
        let batches = outputs.iter().flat_map(|output| &output.batches);
        let texts = batches.flat_map(|batch| batch.column(0).as_string_view().iter().flatten());
        texts.map(str::to_owned).collect()
    }

    /// The first integer that a query gives.
    pub fn number(&self, sql: &str) -> u64 {
        let number = self.numbers(sql).first().and_then(|number| u64::try_from(*number).ok());
        number.unwrap_or_else(|| panic!("{sql} gives no number"))
    }

    /// Prepares a statement.
    pub fn prepare(&self, sql: &str) -> Arc<Prepared> {
        block_on(self.session.prepare(sql, &[])).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Executes a prepared statement once for each of the values, one after the other, as a client
    /// does that waits for its answer; gives the number of all rows.
    pub fn execute_each(&self, prepared: &Arc<Prepared>, values: Vec<Vec<ScalarValue>>) -> usize {
        let (session, prepared) = (self.session.clone(), Arc::clone(prepared));
        let work = async move {
            let mut row_count = 0;
            for values in values {
                row_count += execute(&session, &prepared, values).await?;
            }
            Ok(row_count)
        };
        block_on(self.session.spawn(work)).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.database.close().expect("the disk has room");
    }
}

/// Executes a statement on the thread that it is on, as `wire` does, and reads its rows to the last.
async fn execute(
    session: &Session,
    prepared: &Arc<Prepared>,
    values: Vec<ScalarValue>,
) -> Result<usize> {
    match session.execute_here(prepared, values).await? {
        Outcome::Rows { mut stream, .. } => {
            let mut row_count = 0;
            let failed = |error| Error::internal(format!("{error}"));
            while let Some(batch) = stream.try_next().await.map_err(failed)? {
                row_count += batch.num_rows();
            }
            Ok(row_count)
        }
        _ => Ok(0),
    }
}

/// Statements that load the files of tables, in the folder that the server may read.
pub fn copies(tables: &[&Table]) -> String {
    let copy = |table: &&Table| format!("COPY {} FROM '{}';", table.name, table.file_name());
    tables.iter().map(copy).collect()
}
