//! Every file of `tests/slt`, run against the whole product in four ways that must answer alike.
//!
//! A file is a sqllogictest script: statements and queries with what they answer. Each runs as four
//! trials: in `memory`, on `disk`, `reopened` (on disk, closed and opened again all the time) and over
//! the `wire`. The ways are in `subject`, how values are shown in `render`; this file only finds
//! the scripts and compares.
//!
//! What scripts can use besides SQL: `$DATA` is the folder `tests/slt/data`, which COPY may read, and
//! `\notices` answers the notices of the statement before. Columns are separated by ` | `, null is NULL,
//! an empty text is (empty). An error is its SQLSTATE and message, then detail, hint and position, each
//! on a line of its own. `SLT_OVERWRITE=1 cargo test --test slt` writes what is answered now into the
//! scripts, to be read by a person before it is committed.

#[path = "slt/render.rs"]
mod render;
#[path = "slt/subject.rs"]
mod subject;

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use sqllogictest::{Normalizer, Runner, strict_column_validator};

use crate::subject::{Mode, World};

const SEPARATOR: &str = " | ";

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut scripts = Vec::new();
    find(&root, &mut scripts);
    scripts.sort();
    assert!(!scripts.is_empty(), "there are no scripts in {}", root.display());
    let overwrite = std::env::var_os("SLT_OVERWRITE").is_some();
    let modes = if overwrite { &[Mode::Memory][..] } else { Mode::ALL };
    let mut trials = Vec::new();
    for script in scripts {
        let name = script.strip_prefix(&root).expect("it was found there").with_extension("");
        for mode in modes {
            let (script, mode) = (script.clone(), *mode);
            let name = format!("{}::{}", mode.name(), name.display());
            trials.push(Trial::test(name, move || run(&script, mode, overwrite)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn find(folder: &Path, scripts: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            find(&path, scripts);
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            scripts.push(path);
        }
    }
}

fn run(script: &Path, mode: Mode, overwrite: bool) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the system has threads for a runtime");
    runtime.block_on(async {
        let world = World::open(mode).await?;
        let clients = world.clone();
        let mut runner = Runner::new(move || clients.client());
        runner.with_validator(same);
        runner.with_column_validator(strict_column_validator);
        if overwrite {
            let update =
                runner.update_test_file(script, SEPARATOR, same, as_is, strict_column_validator);
            update.await.map_err(|error| error.to_string())?;
        } else {
            runner.run_file_async(script).await?;
        }
        drop(runner);
        world.close().await?;
        Ok(())
    })
}

/// Whether rows are those expected. White space counts, as plans are indented with it, but not at the
/// end of a line, where no reader sees it.
fn same(_: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    let rows: Vec<String> = actual.iter().map(|row| row.join(SEPARATOR)).collect();
    let actual = rows.iter().flat_map(|row| row.split('\n'));
    actual.map(str::trim_end).eq(expected.iter().map(|line| line.trim_end()))
}

#[allow(clippy::ptr_arg, reason = "it is the runner's type")]
fn as_is(value: &String) -> String {
    value.clone()
}
