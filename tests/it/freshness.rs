//! Thousands of steps at random, each followed by a question: rows, deletes, decisions, changed settings
//! and policies in between, and every answer is the naive model's. What the engine keeps of merged
//! profiles is repaired, never believed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use selfsame::env::memory_disk::MemoryDisk;
use selfsame::model::decision::{DecidedIdentity, DecisionKind};

use crate::against_model::{Asked, DATASETS, Given, accept, ask, bring, check, given_rows, opened};
use crate::driver::{Choices, Client};
use crate::model::{Decided, Model};

/// Steps of each seed.
const STEPS: usize = 400;

/// The model folds and merges everything for every answer: a store stays small.
const ROWS_MAX: usize = 30;

/// Rows to choose from.
fn pool() -> Vec<Vec<Given>> {
    let mut runner = TestRunner::deterministic();
    let rows = |dataset: usize, runner: &mut TestRunner| -> Vec<Given> {
        let tree = given_rows(dataset, 60).new_tree(runner).expect("a strategy without filters");
        tree.current()
    };
    (0..DATASETS.len()).map(|dataset| rows(dataset, &mut runner)).collect()
}

/// Settings and decisions as the engine has them.
fn learn(client: &Client, model: &mut Model) {
    let snapshot = client.database.snapshot();
    let catalog = snapshot.catalog();
    model.namespaces = catalog.namespaces.values().cloned().collect();
    model.datasets = catalog.datasets_in_order().into_iter().cloned().collect();
    model.graph_identities_max = catalog.graph_identities_max as usize;
    model.decisions.clear();
    for decision in catalog.decisions.in_order() {
        let named = |identity: &DecidedIdentity| {
            let namespace = catalog.namespace_by_id(identity.namespace).expect("it is defined");
            (namespace.name.clone(), identity.value.clone())
        };
        let (left, right) = (named(&decision.left), named(&decision.right));
        let pair = if left < right { (left, right) } else { (right, left) };
        let decided = match decision.kind {
            DecisionKind::Link => Decided::Linked(decision.sequence),
            DecisionKind::Unlink => Decided::Unlinked,
        };
        model.decisions.insert(pair, decided);
    }
}

fn statement(choices: &mut Choices) -> String {
    let identity = |choices: &mut Choices| {
        let all = [
            "crm_id '1'",
            "crm_id '2'",
            "crm_id '3'",
            "email 'a@x'",
            "email 'b@x'",
            "ecid 'c1'",
            "ecid 'c2'",
        ];
        all[choices.below(all.len())]
    };
    let (left, right) = (identity(choices), identity(choices));
    let namespace = ["crm_id", "email"][choices.below(2)];
    let strategy = ["latest", "earliest", "most_frequent", "latest_or_null"][choices.below(4)];
    match choices.below(9) {
        0 => format!("LINK {left} TO {right}"),
        1 => format!("UNLINK {left} FROM {right}"),
        2 => format!("DROP LINK IF EXISTS {left} TO {right}"),
        3 => format!("DROP UNLINK IF EXISTS {left} FROM {right}"),
        4 => format!("ALTER NAMESPACE {namespace} SET UNIQUE"),
        5 => format!("ALTER NAMESPACE {namespace} SET NOT UNIQUE"),
        6 => format!("ALTER SYSTEM SET graph_identities_max = {}", [0, 3, 4][choices.below(3)]),
        7 => format!("CREATE OR REPLACE MERGE POLICY past MERGE BY {strategy}"),
        _ => format!(
            "CREATE OR REPLACE MERGE POLICY narrow FROM shop, crm MERGE BY {strategy} \
             MERGE (name, spend) BY latest"
        ),
    }
}

fn delete(client: &Client, model: &mut Model, choices: &mut Choices) {
    let dataset = choices.below(DATASETS.len());
    let mut chosen = BTreeSet::new();
    for row in model.rows.iter().filter(|row| row.dataset == dataset) {
        if choices.below(2) == 0 {
            chosen.insert(row.fragment_id);
        }
    }
    let ids = chosen.iter().copied().collect();
    client.database.delete(DATASETS[dataset], ids).expect("a dataset");
    model.delete(&chosen);
}

fn run(seed: u64, pool: &[Vec<Given>]) -> BTreeMap<&'static str, usize> {
    let choices = &mut Choices(seed);
    let disk = MemoryDisk::new();
    let (client, mut model) = opened(&disk);
    let mut counts = BTreeMap::new();
    for step in 0..STEPS {
        let what = match choices.below(10) {
            _ if model.rows.len() > ROWS_MAX => "delete",
            0 => "delete",
            1 | 2 => "statement",
            _ => "rows",
        };
        match what {
            "delete" => delete(&client, &mut model, choices),
            "statement" => {
                // Some are refused, such as links that contradict each other.
                drop(client.try_run(&statement(choices)));
                learn(&client, &mut model);
            }
            _ => {
                let dataset = choices.below(DATASETS.len());
                let all = &pool[dataset];
                let from = choices.below(all.len() - 3);
                let rows = &all[from..from + 1 + choices.below(3)];
                let outcomes = accept(&mut model, rows);
                bring(&client, &model, rows, &outcomes, choices.below(2) == 0);
            }
        }
        *counts.entry(what).or_default() += 1;
        let asked = match choices.below(3) {
            0 => Asked::All,
            1 => Asked::One(choices.below(8)),
            _ => Asked::Count,
        };
        ask(&client, &model, choices.below(5), asked, &format!("seed {seed}, step {step}: {what}"));
        if step % 100 == 99 {
            check(&client, &model, "a hundred steps");
        }
        if choices.below(60) == 0 {
            client.database.flush().expect("a sound disk");
        }
    }
    counts
}

#[test]
fn every_answer_is_fresh() {
    let pool = pool();
    for seed in 0..6 {
        let counts = run(seed, &pool);
        assert!(counts.values().all(|count| *count > STEPS / 20), "{counts:?}");
    }
}
