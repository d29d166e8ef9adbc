//! Rates of the product through its public interface, in one binary: linking is what costs.
//!
//! `cargo bench` measures all groups in some two minutes; `cargo bench -- merge` measures one. The data
//! are the sample company of [`selfsame::demo`], of as many people as the environment variable
//! `SELFSAME_BENCH_PEOPLE` says. Each id tells what is timed, and the rate counts what the group's file
//! names. Stores are on disk, below the system's folder for temporary files (`TMPDIR`), so that syncing
//! is part of every write. Nothing here judges: to compare two builds, measure the first with
//! `-- --save-baseline before` and the second with `-- --baseline before`.

mod graph;
mod ingest;
mod lookup;
mod merge;
mod opening;
mod past;
mod query;
mod repair;
mod sample;
mod store;

use std::time::Duration;

use criterion::Criterion;

use crate::sample::Sample;
use crate::store::Store;

/// That of the product's program, which is a good part of its speed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The fewest that the statistics allow; what is measured takes milliseconds and varies little.
const SAMPLES: usize = 10;

/// Together with the measurement under four seconds for each id.
const WARM_UP: Duration = Duration::from_millis(500);

/// Enough for a few samples of the slowest id.
const MEASUREMENT: Duration = Duration::from_secs(3);

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(SAMPLES)
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .without_plots()
        .configure_from_args();
    graph::bench(&mut criterion);
    let sample = Sample::write();
    ingest::bench(&mut criterion, &sample);
    opening::bench(&mut criterion, &sample);
    let store = Store::loaded(&sample);
    lookup::bench(&mut criterion, &store);
    query::bench(&mut criterion, &store);
    merge::bench(&mut criterion, &store);
    past::bench(&mut criterion, &store);
    // The last, as it is the only one that changes what the others would find.
    repair::bench(&mut criterion, &store);
    criterion.final_summary();
}
