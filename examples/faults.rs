//! Kills a server with writers running, as often as asked for, and writes what came of it as a table:
//! `cargo build && cargo run --example faults -- target/debug/selfsame 500 > docs/faults.md`.
//!
//! The loop itself is the one of the tests, `tests/support/kill.rs`.

use std::io::Write;
use std::path::Path;
use std::process::Command;

#[path = "../tests/support/kill.rs"]
mod kill;

use kill::{Loop, Tally};

/// A line of the table is written after so many rounds.
const ROUNDS_PER_LINE: usize = 50;

fn line(out: &mut impl Write, rounds: usize, tally: &Tally) -> std::io::Result<()> {
    writeln!(
        out,
        "| {rounds} | {} | {} | {} | {} | {} | {} | {} | {} |",
        tally.kills + tally.kills_at_start,
        tally.kills_at_start,
        tally.batches_acknowledged,
        tally.rows_acknowledged,
        format_args!("{} / {}", tally.in_flight_kept, tally.in_flight_gone),
        tally.rows_lost,
        tally.rows_twice,
        tally.batches_half,
    )?;
    out.flush()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().ok_or("name the program to be killed, and how often")?;
    let program = Path::new(&program).canonicalize()?;
    let rounds: usize = arguments.next().map_or(Ok(500), |text| text.parse())?;
    let seed: u64 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let mut faults = Loop::new(&program, folder.path(), seed);
    let mut out = std::io::stdout();
    writeln!(
        out,
        "# Faults\n\nSix writers insert and copy rows and events into a served store; the server is killed \
         (SIGKILL) at a random moment,\nin a third of the rounds once more or more often while it starts, and \
         started again. Counts add up from line to line (seed {seed}).\n\n\
         | rounds | faults injected | of those at start | batches acknowledged | rows acknowledged | \
         batches in flight: kept / gone | rows lost | rows twice | batches half |\n\
         |---|---|---|---|---|---|---|---|---|"
    )?;
    for round in 0..rounds {
        faults.round(round).await;
        if (round + 1) % ROUNDS_PER_LINE == 0 || round + 1 == rounds {
            line(&mut out, round + 1, &faults.tally)?;
        }
    }
    faults.finish().await;
    let Tally { rows_lost, rows_twice, batches_half, .. } = faults.tally;
    let check =
        Command::new(&program).args(["check", "--deep", "--data"]).arg(folder.path()).output()?;
    writeln!(
        out,
        "\nAt the end all rows were read once more: {rows_lost} lost, {rows_twice} twice, {batches_half} \
         half. `selfsame check --deep` said:\n\n```text\n{}```",
        String::from_utf8_lossy(&check.stdout)
            .replace(&folder.path().display().to_string(), "store")
    )?;
    match (rows_lost, rows_twice, batches_half, check.status.success()) {
        (0, 0, 0, true) => Ok(()),
        _ => Err("acknowledged rows were lost, or rows are there twice or half".into()),
    }
}
