//! Looking at the past: building it, finding it again, and what became of single people. Elements are
//! the rows of the store, and of histories the people.

use criterion::{Criterion, Throughput};
use datafusion::common::ScalarValue;
use selfsame::engine::Past;
use selfsame::engine::past::PAST_SNAPSHOTS_MAX;

use crate::store::Store;

const ROWS: &str = "SELECT count(*) FROM fragments";

/// When people were seen last.
const TIMES: &str = "SELECT (extract(epoch FROM last_seen_at) * 1000000)::bigint FROM profiles
    ORDER BY last_seen_at";

/// People with many rows.
const EMAILS: &str = "SELECT email FROM profiles WHERE email IS NOT NULL
    ORDER BY fragment_count DESC, profile_id LIMIT 100";

/// Measures pasts and histories.
pub fn bench(criterion: &mut Criterion, store: &Store) {
    let times = store.numbers(TIMES);
    let half = times[times.len() / 2];
    let see = |later: i64| {
        let past = Past { as_of: Some(half + later), known_at: None };
        let present = store.database.snapshot();
        let snapshot = store.database.snapshot_at(&present, past).expect("rows to read");
        assert!(snapshot.state.graph.profile_count() > 0, "nobody was there");
    };
    let mut group = criterion.benchmark_group("past");
    group.throughput(Throughput::Elements(store.number(ROWS)));
    let mut turn = 0;
    group.bench_function("build a snapshot", |bencher| {
        bencher.iter(|| {
            // One more than are kept, in turn: none of them is there any more.
            turn = (turn + 1) % (PAST_SNAPSHOTS_MAX as i64 + 1);
            see(turn);
        });
    });
    see(0);
    group.bench_function("find a snapshot", |bencher| bencher.iter(|| see(0)));
    let prepared = store.prepare("SELECT * FROM profile_history('email', $1)");
    let emails = store.texts(EMAILS).into_iter();
    let values: Vec<Vec<ScalarValue>> =
        emails.map(|email| vec![ScalarValue::Utf8View(Some(email))]).collect();
    assert!(store.execute_each(&prepared, values.clone()) >= values.len(), "people change");
    group.throughput(Throughput::Elements(values.len() as u64));
    group.bench_function("profile_history", |bencher| {
        bencher.iter(|| store.execute_each(&prepared, values.clone()));
    });
    group.finish();
}
