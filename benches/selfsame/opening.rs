//! Opening: the time from a closed store of the whole sample to one that answers. Elements are rows.
//!
//! Once from derived state as it was saved at the close, and once from all rows, which is what opening
//! costs where the folder `derived` was removed. Closing is not timed.

use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use selfsame::demo::Company;
use selfsame::engine::{Database, Options};
use selfsame::env::clock::Stopwatch;

use crate::sample::Sample;
use crate::store::Store;

/// Measures both.
pub fn bench(criterion: &mut Criterion, sample: &Sample) {
    let store = Store::loaded(sample);
    let folder = store.folder();
    drop(store);
    let rows = Company::tables().iter().map(|table| sample.row_count(table)).sum();
    let saved = folder.path().join("derived/state");
    let mut group = criterion.benchmark_group("opening");
    group.throughput(Throughput::Elements(rows));
    group.bench_function("from derived state as saved", |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| open(folder.path())).sum());
    });
    group.bench_function("from all rows", |bencher| {
        bencher.iter_custom(|rounds| {
            let round = |_| {
                std::fs::remove_file(&saved).expect("it was saved at the close");
                open(folder.path())
            };
            (0..rounds).map(round).sum()
        });
    });
    group.finish();
}

/// How long it takes to open a store.
fn open(folder: &Path) -> Duration {
    let options = Options::folder(folder).expect("nobody has it open");
    let watch = Stopwatch::start();
    let database = Database::open(options).expect("the store is sound");
    let time = Duration::from_secs_f64(watch.seconds());
    assert!(database.snapshot().state.graph.profile_count() > 0, "the sample is in it");
    database.close().expect("the disk has room");
    time
}
