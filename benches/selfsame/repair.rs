//! Repair: the time from a write to the first exact answer over all profiles. Elements are answers.
//!
//! Each round writes one row about another person, so that nobody grows. Once so much has moved that
//! merging all anew is better, the engine does that; as that is part of the price of writing, it is part
//! of the mean.

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use datafusion::common::ScalarValue;
use selfsame::query::session::Prepared;

use crate::store::Store;

/// A row that wins over everything in the sample, whatever the machine's clock says.
const INSERT: &str =
    "INSERT INTO crm (crm_id, city, updated_at) VALUES ($1, $2, '2100-01-01T00:00:00Z')";

const ANSWER: &str = "SELECT count(*) FROM profiles";

/// Measures the answer alone, and the write with its answer.
pub fn bench(criterion: &mut Criterion, store: &Store) {
    let mut writes = Writes::of(store);
    assert_exact(store, &mut writes);
    let answer = store.prepare(ANSWER);
    let ask = || assert_eq!(store.execute_each(&answer, vec![Vec::new()]), 1);
    let mut group = criterion.benchmark_group("repair");
    group.throughput(Throughput::Elements(1));
    group.bench_function(format!("{ANSWER}, the first after an INSERT"), |bencher| {
        bencher.iter_batched(|| writes.next(store), |()| ask(), BatchSize::PerIteration);
    });
    group.bench_function(format!("INSERT of one row, then {ANSWER}"), |bencher| {
        bencher.iter(|| {
            writes.next(store);
            ask();
        });
    });
    group.finish();
}

/// Rows about one person after the other, all over again after the last.
struct Writes {
    insert: Arc<Prepared>,
    people: Vec<String>,
    count: usize,
}

impl Writes {
    fn of(store: &Store) -> Self {
        let people = "SELECT crm_id FROM profiles WHERE crm_id IS NOT NULL ORDER BY profile_id";
        Self { insert: store.prepare(INSERT), people: store.texts(people), count: 0 }
    }

    fn next(&mut self, store: &Store) {
        let person = &self.people[self.count % self.people.len()];
        self.count += 1;
        let values = [person.clone(), city(self.count)];
        let values = values.map(|value| ScalarValue::Utf8View(Some(value))).to_vec();
        store.execute_each(&self.insert, vec![values]);
    }
}

fn city(write: usize) -> String {
    format!("City of write {write}")
}

fn assert_exact(store: &Store, writes: &mut Writes) {
    let before = store.number(ANSWER);
    writes.next(store);
    let moved = format!("{ANSWER} WHERE city = '{}'", city(writes.count));
    assert_eq!(store.number(&moved), 1, "the answer has the row");
    assert_eq!(store.number(ANSWER), before, "the row is about somebody known");
}
