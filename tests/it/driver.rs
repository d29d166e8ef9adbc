//! What the tests drive the engine with: a session over a store in memory, and arbitrary choices.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::datatypes::FieldRef;
use selfsame::engine::{Database, Options};
use selfsame::env::clock::Clock;
use selfsame::env::disk::Disk;
use selfsame::error::Result;
use selfsame::query::session::{Output, Server, Session, Settings, computation_runtime};
use tokio::runtime::Runtime;

use crate::model::Value;
use crate::values;

/// One runtime for all tests: its threads have big stacks.
pub static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| computation_runtime().expect("the system has threads for a runtime"));

/// The time of ingestion, in the middle of the times that test rows bear, so that the two tie.
pub const NOW: i64 = 2;

/// A clock that stands, so that no answer depends on how many commits there were.
struct Standing;

impl Clock for Standing {
    fn now_micros(&self) -> i64 {
        NOW
    }
}

/// A session over an open store.
pub struct Client {
    pub database: Arc<Database>,
    pub session: Session,
}

impl Client {
    pub fn open(disk: impl Disk + 'static) -> Result<Self> {
        Self::reading(disk, Vec::new())
    }

    /// A session that may COPY from folders.
    pub fn reading(disk: impl Disk + 'static, copy_directories: Vec<PathBuf>) -> Result<Self> {
        Self::at_times(disk, copy_directories, Arc::new(Standing))
    }

    /// A session over a store to which a clock tells the time.
    pub fn at_times(
        disk: impl Disk + 'static,
        copy_directories: Vec<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Self::with(Options { disk: Arc::new(disk), clock, ..Options::memory() }, copy_directories)
    }

    /// A session over a store that is opened in a way of its own.
    pub fn with(options: Options, copy_directories: Vec<PathBuf>) -> Result<Self> {
        let database = Database::open(options)?;
        let runtime = Some(RUNTIME.handle().clone());
        let settings = Settings { copy_directories, runtime, ..Settings::default() };
        let session = Server::new(Arc::clone(&database), settings).session("it", "it", &[])?;
        Ok(Self { database, session })
    }

    /// Another session of the same server's database.
    pub fn another(&self) -> Self {
        let runtime = Some(RUNTIME.handle().clone());
        let server =
            Server::new(Arc::clone(&self.database), Settings { runtime, ..Settings::default() });
        let session = server.session("it", "it", &[]).expect("a session");
        Self { database: Arc::clone(&self.database), session }
    }

    pub fn try_run(&self, sql: &str) -> Result<Vec<Output>> {
        RUNTIME.block_on(self.session.run_script(sql))
    }

    /// The tag of the last statement.
    pub fn run(&self, sql: &str) -> String {
        let outputs = self.try_run(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        outputs.last().expect("a statement").tag.clone()
    }

    /// The rows of the last statement, by column.
    pub fn try_records(&self, sql: &str) -> Result<Vec<BTreeMap<String, Value>>> {
        let outputs = self.try_run(sql)?;
        let output = outputs.last().expect("a statement");
        let schema = output.schema.as_ref().expect("a statement that gives rows");
        let mut records = Vec::new();
        for batch in &output.batches {
            for row in 0..batch.num_rows() {
                let cells = schema.fields().iter().zip(batch.columns());
                let cell = |(field, array): (&FieldRef, &ArrayRef)| {
                    (field.name().clone(), values::value(array, row))
                };
                records.push(cells.map(cell).collect());
            }
        }
        Ok(records)
    }

    pub fn records(&self, sql: &str) -> Vec<BTreeMap<String, Value>> {
        self.try_records(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// The one number that a query gives.
    pub fn number(&self, sql: &str) -> i64 {
        let records = self.records(sql);
        match records[0].values().collect::<Vec<_>>()[..] {
            [Value::Int(number)] => *number,
            ref other => panic!("{sql} gives {other:?}"),
        }
    }
}

/// A generator of arbitrary choices that are not worth shrinking.
pub struct Choices(pub u64);

impl Choices {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}
