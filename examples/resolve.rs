//! Resolves the identities of Parquet files: from the texts in their columns to profile ids, and
//! nothing else, by the parts that the product itself is made of. It is for comparing that step with
//! other engines on the same files.
//!
//! ```sh
//! cargo run --profile quick --example resolve -- crm.parquet:crm_id,email web.parquet:ecid,email
//! ```
//! Each argument is a file and its identity columns, the primary one first; columns of one name are one
//! namespace. Values are trimmed and put in lower case.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use selfsame::env::clock::Stopwatch;
use selfsame::env::threads::parallel_map;
use selfsame::error::{Error, Result};
use selfsame::graph::dictionary::Dictionary;
use selfsame::graph::fold::{Effects, Moment};
use selfsame::graph::identity_graph::{IdentityGraph, RowSource, Unsettled};
use selfsame::graph::rules::Rules;
use selfsame::model::namespace::{Kind, Namespace, Normalization};

/// That of the product's program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The end of a row among the numbers of its identities.
const END: u32 = u32::MAX;

/// A file and its identity columns.
struct Source {
    path: PathBuf,
    columns: Vec<String>,
}

/// Without rules nothing is contested, and nobody asks for rows again.
struct NoRows;

impl RowSource for NoRows {
    fn rows_of(&self, _: &[u32], _: &mut dyn FnMut(&[u32], Moment)) -> Result<()> {
        Err(Error::internal("rows of a graph without rules"))
    }
}

fn source(argument: &str) -> Source {
    let (path, columns) = argument.split_once(':').expect("FILE:COLUMN,COLUMN,...");
    Source { path: path.into(), columns: columns.split(',').map(str::to_owned).collect() }
}

fn namespaces(sources: &[Source]) -> BTreeMap<String, Namespace> {
    let mut all = BTreeMap::new();
    for name in sources.iter().flat_map(|source| &source.columns) {
        let id = all.len() as u32;
        all.entry(name.clone()).or_insert_with(|| Namespace {
            id,
            name: name.clone(),
            kind: Kind::Person,
            rank: id + 1,
            unique: false,
            normalization: Normalization::Lower,
            blocked: ["unknown@".to_owned(), "test@test.com".to_owned()].into(),
        });
    }
    all
}

/// Numbers of the identities of all rows of one row group of a file, each row ended by [`END`].
fn numbers(
    source: &Source,
    group: usize,
    namespaces: &BTreeMap<String, Namespace>,
    names: &Dictionary,
) -> Result<Vec<u32>> {
    let damaged = |error: &dyn std::fmt::Display| Error::corrupted(error.to_string());
    let file = File::open(&source.path).map_err(|error| damaged(&error))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(&error))?;
    let columns = source.columns.iter().map(String::as_str);
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns);
    let reader = builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(8192);
    let mut all = Vec::new();
    for batch in reader.build().map_err(|error| damaged(&error))? {
        let batch = batch.map_err(|error| damaged(&error))?;
        let columns: Vec<_> = source
            .columns
            .iter()
            .map(|name| {
                let column = batch.column_by_name(name).expect("it was projected");
                (cast(column, &DataType::Utf8View).expect("a text"), &namespaces[name])
            })
            .collect();
        let mut usable = Vec::with_capacity(batch.num_rows() * columns.len());
        let mut ends = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            for (texts, namespace) in &columns {
                let texts = texts.as_string_view();
                let text = texts.is_valid(row).then(|| texts.value(row));
                let value = text.and_then(|text| namespace.identity(text));
                usable.extend(value.map(|value| (namespace.id, value)));
            }
            ends.push(usable.len());
        }
        let usable: Vec<(u32, &str)> =
            usable.iter().map(|(namespace, value)| (*namespace, value.as_ref())).collect();
        let numbers = names.intern_all(&usable)?;
        let mut from = 0;
        for end in ends {
            all.extend_from_slice(&numbers[from..end]);
            all.push(END);
            from = end;
        }
    }
    Ok(all)
}

/// Row groups of all files, largest files first among the threads.
fn groups(sources: &[Source]) -> Vec<(usize, usize)> {
    let mut groups = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let file = File::open(&source.path).expect("a file");
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
        groups.extend((0..builder.metadata().num_row_groups()).map(|group| (at, group)));
    }
    groups
}

fn main() -> Result<()> {
    let sources: Vec<Source> = std::env::args().skip(1).map(|argument| source(&argument)).collect();
    let watch = Stopwatch::start();
    let (namespaces, names) = (namespaces(&sources), Dictionary::default());
    let groups = groups(&sources);
    let rows = parallel_map(groups.len(), |at| {
        let (source, group) = groups[at];
        numbers(&sources[source], group, &namespaces, &names)
    })?;
    let read = watch.seconds();
    let mut graph = IdentityGraph::new(Rules::new(namespaces.values(), 0));
    let (mut unsettled, mut effects) = (Unsettled::default(), Effects::default());
    let (mut row_count, traits) = (0_i64, [0; 32]);
    for row in rows.iter().flat_map(|group| group.split_inclusive(|number| *number == END)) {
        let row = &row[..row.len() - 1];
        row_count += 1;
        let moment = Moment { time: row_count, fragment_id: row_count };
        graph.take(row, &traits[..row.len()], moment, &mut unsettled, &mut effects);
    }
    graph.settle(&unsettled, &names, &NoRows, &mut effects)?;
    let seconds = watch.seconds();
    let (identities, profiles) = (graph.identity_count(), graph.profile_count());
    eprintln!("{row_count} rows, {identities} identities, {profiles} profiles");
    eprintln!("{seconds:.3} s, of which reading and numbering {read:.3} s");
    Ok(())
}
