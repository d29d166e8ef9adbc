//! Full merge: all profiles of a policy from their fragments, as the first query after a new definition
//! pays for it (columns are decoded already). Elements are fragments of record datasets, as events are
//! not merged.
//!
//! A view that was built stays, so each round defines the policy anew (not timed), with one rule more or
//! less that says of an attribute what holds for it anyway: the same work under another definition.

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use selfsame::engine::profiles::ProfileView;
use selfsame::merge as strategies;
use selfsame::model::definition::{Definition, Existence};
use selfsame::model::policy::{Argument, MergePolicy, MergeRule, StrategyCall};

use crate::store::Store;

/// The policy that is defined again and again.
const POLICY: &str = "measured";

/// An attribute that no policy of the sample has a rule for.
const UNRULED: &str = "income_band";

/// Measures the built-in policy, the sample's own, and each strategy wherever it fits.
pub fn bench(criterion: &mut Criterion, store: &Store) {
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::Elements(fragment_count(store)));
    for name in ["latest", "trusted"] {
        let snapshot = store.database.snapshot();
        let policy = snapshot.catalog().policy(name).expect("the sample has it");
        let mut definitions = Definitions::of(policy);
        assert_merged_anew(store, &mut definitions);
        group.bench_function(format!("all profiles under policy {name}"), |bencher| {
            let define = || definitions.next(store);
            bencher.iter_batched(define, |()| view(store), BatchSize::PerIteration);
        });
    }
    for strategy in strategies::ALL {
        let policy = everywhere(store, strategy.name());
        let count = policy.rules.len();
        let mut definitions = Definitions::of(&policy);
        let what = format!("all profiles, {} of {count} attributes", strategy.name());
        group.bench_function(what, |bencher| {
            let define = || definitions.next(store);
            bencher.iter_batched(define, |()| view(store), BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// A policy with a strategy for every attribute whose type it fits.
fn everywhere(store: &Store, name: &str) -> MergePolicy {
    let snapshot = store.database.snapshot();
    let arguments = match name {
        "precedence" => vec![Argument::Name("crm".to_owned())],
        "listagg" => vec![Argument::Text("; ".to_owned())],
        _ => Vec::new(),
    };
    let strategy = StrategyCall { name: name.to_owned(), arguments, over_history: false };
    let mut policy = MergePolicy::latest();
    let attributes = snapshot.catalog().attributes().into_iter().map(|attribute| attribute.name);
    for attribute in attributes.filter(|attribute| attribute != UNRULED) {
        let (attributes, strategy) = (vec![attribute], strategy.clone());
        policy.rules.push(MergeRule { attributes, together: false, strategy });
        if snapshot.catalog().merge_plan(&policy).is_err() {
            policy.rules.pop();
        }
    }
    assert!(!policy.rules.is_empty(), "{name} fits no attribute");
    policy
}

fn fragment_count(store: &Store) -> u64 {
    let snapshot = store.database.snapshot();
    let datasets = snapshot.catalog().record_datasets();
    let names: Vec<_> = datasets.iter().map(|dataset| format!("'{}'", dataset.name)).collect();
    store.number(&format!("SELECT count(*) FROM fragments WHERE dataset IN ({})", names.join(", ")))
}

/// Two definitions of one policy, in turn.
struct Definitions {
    now: MergePolicy,
    then: MergePolicy,
}

impl Definitions {
    fn of(policy: &MergePolicy) -> Self {
        let now = MergePolicy { name: POLICY.to_owned(), ..policy.clone() };
        assert!(now.rules.iter().all(|rule| !rule.attributes.iter().any(|name| name == UNRULED)));
        let mut then = now.clone();
        then.rules.push(MergeRule {
            attributes: vec![UNRULED.to_owned()],
            together: false,
            strategy: now.default.clone(),
        });
        Self { now, then }
    }

    fn next(&mut self, store: &Store) {
        std::mem::swap(&mut self.now, &mut self.then);
        let policy = self.now.clone();
        let existence = Existence::Replace;
        let definition = Definition::CreateMergePolicy { policy, default: false, existence };
        store.database.define(definition).expect("the policy fits the sample");
    }
}

fn view(store: &Store) -> Arc<ProfileView> {
    let snapshot = store.database.snapshot();
    store.database.profiles(&snapshot, POLICY).expect("the sample can be merged")
}

/// What would be measured otherwise is how fast a view is found.
fn assert_merged_anew(store: &Store, definitions: &mut Definitions) {
    definitions.next(store);
    let before = view(store);
    definitions.next(store);
    let after = view(store);
    assert_eq!(before.profile_count(), after.profile_count());
    for (before, after) in before.chunks.iter().zip(&after.chunks) {
        assert!(!Arc::ptr_eq(&before.ids, &after.ids), "a view was not built but found");
        assert_eq!(before.rows, after.rows, "the definitions mean the same");
    }
}
