//! Look-up: one person's profile by its number or by an identity, with a prepared statement. Elements
//! are look-ups, done one after the other by one client.
//!
//! The statements are executed where the wire executes them, a round of look-ups at a time, so that
//! what is timed is theirs and not the way to another thread and back.

use criterion::{Criterion, Throughput};
use datafusion::common::ScalarValue;

use crate::store::Store;

/// Look-ups of a round, each of another person.
const LOOKUPS: usize = 100;

/// Measures look-ups by number and by e-mail address.
pub fn bench(criterion: &mut Criterion, store: &Store) {
    let mut group = criterion.benchmark_group("look-up");
    let people = "FROM profiles WHERE email IS NOT NULL ORDER BY profile_id";
    let ids = store.numbers(&format!("SELECT profile_id {people}"));
    let emails = store.texts(&format!("SELECT email {people}"));
    let ids = ids.into_iter().map(|id| ScalarValue::Int64(Some(id))).collect();
    let emails = emails.into_iter().map(|email| ScalarValue::Utf8View(Some(email))).collect();
    for (column, all) in [("profile_id", ids), ("email", emails)] {
        let sql = format!("SELECT * FROM profiles WHERE {column} = $1");
        let prepared = store.prepare(&sql);
        let values = spread(all);
        let count = values.len();
        group.throughput(Throughput::Elements(count as u64));
        // An address may be shown of two people, where a link to it was dropped.
        assert!(store.execute_each(&prepared, values.clone()) >= count, "each finds somebody");
        group.bench_function(sql, |bencher| {
            bencher.iter(|| store.execute_each(&prepared, values.clone()));
        });
    }
    group.finish();
}

/// Values from all over the list, each as the only parameter of a statement.
fn spread(values: Vec<ScalarValue>) -> Vec<Vec<ScalarValue>> {
    let step = values.len().div_ceil(LOOKUPS).max(1);
    values.into_iter().step_by(step).map(|value| vec![value]).collect()
}
