//! DELETE against the naive model: what is left is what it would be had the deleted rows never come,
//! whatever was flushed, opened again or brought once more in between; and files follow.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use selfsame::env::memory_disk::MemoryDisk;

use crate::against_model::{DATASETS, TABLES, accept, batches, bring, check, opened, plain, rows};
use crate::driver::{Choices, Client};
use crate::model::{Model, Row, Value};

/// Deletes rows by their numbers: some that there are, and some that there are not.
fn delete_some(client: &Client, model: &mut Model, choices: &mut Choices) {
    let dataset = choices.below(DATASETS.len());
    let mut chosen = BTreeSet::new();
    for row in model.rows.iter().filter(|row| row.dataset == dataset) {
        if choices.below(3) == 0 {
            chosen.insert(row.fragment_id);
        }
    }
    let others = model.rows.iter().filter(|row| row.dataset != dataset);
    let strangers = others.map(|row| row.fragment_id).chain([0, i64::MAX]);
    let given = chosen.iter().copied().chain(strangers).collect();
    let deleted = client.database.delete(DATASETS[dataset], given).expect("a dataset");
    assert_eq!(deleted as usize, chosen.len());
    model.delete(&chosen);
}

/// Deletes rows by a condition.
fn delete_where(client: &Client, model: &mut Model, choices: &mut Choices) {
    let position = choices.below(DATASETS.len());
    let dataset = &model.datasets[position];
    let name = if DATASETS[position] == "visits" { "page" } else { "name" };
    let column = dataset.column(name).expect("every dataset has one");
    let here = |row: &&Row| row.dataset == position;
    let known: Vec<&Row> = model.rows.iter().filter(here).collect();
    let value = match known.len() {
        0 => Value::Null,
        count => known[choices.below(count)].values[column].clone(),
    };
    let literal = plain(&value).map(|text| format!("'{}'", text.replace('\'', "''")));
    let condition = literal.map_or(format!("{name} IS NULL"), |text| format!("{name} = {text}"));
    let same = known.into_iter().filter(|row| row.values[column] == value);
    let chosen: BTreeSet<i64> = same.map(|row| row.fragment_id).collect();
    let tag = client.run(&format!("DELETE FROM {} WHERE {condition}", DATASETS[position]));
    assert_eq!(tag, format!("DELETE {}", chosen.len()));
    model.delete(&chosen);
}

fn tables(client: &Client) -> Vec<Vec<BTreeMap<String, Value>>> {
    TABLES.iter().map(|table| client.records(&format!("SELECT * FROM {table}"))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_is_the_models(rows in rows(4..11), seed in any::<u64>()) {
        let choices = &mut Choices(seed);
        let mut disk = MemoryDisk::new();
        let (mut client, mut model) = opened(&disk);
        for batch in batches(&rows, choices) {
            let outcomes = accept(&mut model, &rows[batch.clone()]);
            let as_file = choices.below(2) == 0;
            bring(&client, &model, &rows[batch], &outcomes, as_file);
            match choices.below(4) {
                0 => delete_some(&client, &mut model, choices),
                1 => delete_where(&client, &mut model, choices),
                _ => continue,
            }
            check(&client, &model, "a delete");
            if choices.below(3) == 0 {
                client.database.flush().expect("a sound disk");
            }
            if choices.below(4) == 0 {
                disk = disk.crash(0);
                client = Client::open(disk.clone()).expect("a sound store");
                check(&client, &model, "a crash");
            }
        }
        let people = check(&client, &model, "everything");
        let shown = tables(&client);
        let reopened = Client::open(disk.crash(0)).expect("a sound store");
        prop_assert_eq!(&check(&reopened, &model, "a crash at the end"), &people);
        prop_assert_eq!(&tables(&reopened), &shown);
        client.database.flush().expect("a sound disk");
        prop_assert_eq!(&tables(&client), &shown);
        client.database.close().expect("a sound disk");
        let reopened = Client::open(disk.crash(0)).expect("a sound store");
        prop_assert_eq!(&check(&reopened, &model, "closing and opening"), &people);
        prop_assert_eq!(&tables(&reopened), &shown);
    }

    #[test]
    fn deleting_what_was_added_gives_what_was_before(
        first in rows(2..6), more in rows(1..6), seed in any::<u64>()
    ) {
        let choices = &mut Choices(seed);
        let (client, mut model) = opened(&MemoryDisk::new());
        let bring_all = |model: &mut Model, rows: &[_], choices: &mut Choices| {
            for batch in batches(rows, choices) {
                let outcomes = accept(model, &rows[batch.clone()]);
                bring(&client, model, &rows[batch], &outcomes, choices.below(2) == 0);
                if choices.below(5) == 0 {
                    client.database.flush().expect("a sound disk");
                }
            }
        };
        bring_all(&mut model, &first, choices);
        let before = tables(&client);
        let last = model.rows.last().map_or(0, |row| row.fragment_id);
        bring_all(&mut model, &more, choices);
        let added = model.rows.iter().filter(|row| row.fragment_id > last);
        let added: BTreeSet<i64> = added.map(|row| row.fragment_id).collect();
        let mut deleted = 0;
        for dataset in DATASETS {
            deleted += client.database.delete(dataset, added.iter().copied().collect()).expect("one");
        }
        prop_assert_eq!(deleted as usize, added.len());
        model.delete(&added);
        check(&client, &model, "deleting what was added");
        prop_assert_eq!(tables(&client), before);
    }
}

/// Files below a folder, by what their paths begin with.
fn file_count(disk: &MemoryDisk, folder: &str) -> usize {
    disk.paths().iter().filter(|path| path.starts_with(folder)).count()
}

#[test]
fn files_of_deletions_and_of_deleted_rows_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rows.csv");
    // Enough rows for two row groups; they go into a segment before they are committed.
    let csv: String = (0..70_000).map(|n| format!("c{},{n}\n", n % 20_000)).collect();
    std::fs::write(&path, format!("id,n\n{csv}")).expect("a folder for files");
    let disk = MemoryDisk::new();
    let client = Client::reading(disk.clone(), vec![folder.path().to_owned()]).expect("a store");
    client.run("CREATE NAMESPACE id; CREATE DATASET d (id TEXT IDENTITY id, n BIGINT)");
    let dataset = client.database.snapshot().catalog().dataset("d").expect("it is defined").id;
    let load = format!("COPY d FROM '{}' WITH (FORMAT csv, HEADER)", path.display());
    let files = |disk: &MemoryDisk| {
        let below = |folder: &str| file_count(disk, folder);
        (below(&format!("segments/{dataset}/")), below("deletions/"))
    };
    let holds = |row_count: i64| {
        let flushed = Client::open(disk.crash(0)).expect("a sound store");
        for client in [&client, &flushed] {
            assert_eq!(client.number("SELECT count(*) FROM d"), row_count);
            let counted = "SELECT coalesce(sum(fragment_count), 0)::bigint AS n FROM profiles";
            assert_eq!(client.number(counted), row_count);
            assert_eq!(client.number("SELECT count(*) FROM d WHERE n % 7 = 0"), 0);
        }
    };
    assert_eq!(client.run(&load), "COPY 70000");
    assert_eq!(client.run("DELETE FROM d WHERE n % 7 = 0"), "DELETE 10000");
    holds(60_000);
    assert_eq!(files(&disk), (1, 0));
    client.database.flush().expect("a sound disk");
    assert_eq!(files(&disk), (1, 1));
    assert_eq!(client.run("DELETE FROM d WHERE n < 66000 AND n % 7 = 1"), "DELETE 9429");
    client.database.flush().expect("a sound disk");
    holds(50_571);
    assert_eq!(files(&disk), (1, 1), "the file of before is not needed");
    client.database.flush().expect("a sound disk");
    assert_eq!(files(&disk), (1, 1));
    assert_eq!(client.run("DELETE FROM d"), "DELETE 50571");
    assert_eq!(client.run("DELETE FROM d"), "DELETE 0");
    client.database.flush().expect("a sound disk");
    holds(0);
    assert_eq!(files(&disk), (0, 0));
    // A segment that no manifest ever named goes as well.
    assert_eq!(client.run(&load), "COPY 70000");
    assert_eq!(client.run("DELETE FROM d"), "DELETE 70000");
    assert_eq!(files(&disk), (1, 0));
    client.database.flush().expect("a sound disk");
    assert_eq!(files(&disk), (0, 0));
    holds(0);
}

#[test]
fn rows_deleted_meanwhile_are_not_counted() {
    let (client, _) = opened(&MemoryDisk::new());
    client.run("INSERT INTO crm (customer) VALUES ('1'), ('2'), ('3')");
    assert_eq!(client.database.delete("crm", vec![2, 2, 9]).expect("a dataset"), 1);
    assert_eq!(client.database.delete("crm", vec![1, 2]).expect("a dataset"), 1);
    assert_eq!(client.database.delete("web", vec![3]).expect("a dataset"), 0);
    let error = client.database.delete("none", vec![3]).expect_err("no dataset");
    assert_eq!(error.code().0, "42P01");
    assert_eq!(client.number("SELECT fragment_id FROM fragments"), 3);
}
