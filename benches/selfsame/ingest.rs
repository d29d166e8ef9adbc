//! Ingest: COPY of files into a fresh store, from the first byte read to the last row durable and
//! visible. Elements are rows of the files, accepted or not. Opening the store is not timed.

use criterion::{BatchSize, Criterion, SamplingMode, Throughput};
use selfsame::demo::{Company, FileFormat, Table};

use crate::sample::Sample;
use crate::store::{Store, copies};

/// Measures each format by itself, and all files one after the other.
pub fn bench(criterion: &mut Criterion, sample: &Sample) {
    let mut group = criterion.benchmark_group("ingest");
    group.sampling_mode(SamplingMode::Flat);
    for (what, tables) in loads() {
        let sql = copies(&tables);
        let row_count: u64 = tables.iter().map(|table| sample.row_count(table)).sum();
        assert_eq!(loaded_count(sample, &sql), row_count, "{sql}");
        group.throughput(Throughput::Elements(row_count));
        group.bench_function(format!("COPY {what}"), |bencher| {
            let load = |store: Store| {
                store.run(&sql);
                store
            };
            bencher.iter_batched(|| Store::defined(sample), load, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn loads() -> Vec<(String, Vec<&'static Table>)> {
    let of = |format: FileFormat| -> Vec<&'static Table> {
        Company::tables().iter().copied().filter(|table| table.format == format).collect()
    };
    let mut loads: Vec<_> = [FileFormat::Csv, FileFormat::Ndjson, FileFormat::Parquet]
        .map(of)
        .into_iter()
        .map(|tables| {
            let names: Vec<_> = tables.iter().map(|table| table.name).collect();
            let format = format!("{:?}", tables[0].format).to_lowercase();
            (format!("{format} ({})", names.join(", ")), tables)
        })
        .collect();
    loads.push(("all files".to_owned(), Company::tables().to_vec()));
    loads
}

/// How many rows the store says that it was given.
fn loaded_count(sample: &Sample, sql: &str) -> u64 {
    let store = Store::defined(sample);
    store.run(sql);
    store.number(
        "SELECT CAST(sum(accepted_count + rejected_count + duplicate_count) AS BIGINT)
         FROM selfsame.ingests",
    )
}
