//! A few rounds of the fault loop with real processes; `examples/faults.rs` runs it for long.

use std::path::Path;

use crate::kill::{Loop, Tally};

#[tokio::test(flavor = "multi_thread")]
async fn servers_killed_at_random_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut faults = Loop::new(Path::new(env!("CARGO_BIN_EXE_selfsame")), folder.path(), 7);
    for round in 0..6 {
        faults.round(round).await;
    }
    faults.finish().await;
    let Tally { rows_lost, rows_twice, batches_half, .. } = faults.tally;
    assert_eq!((rows_lost, rows_twice, batches_half), (0, 0, 0), "{:?}", faults.tally);
    assert!(faults.tally.rows_acknowledged > 20, "{:?}", faults.tally);
    assert_eq!(faults.tally.kills, 6);
    let check = std::process::Command::new(env!("CARGO_BIN_EXE_selfsame"))
        .args(["check", "--deep", "--data"])
        .arg(folder.path())
        .output()
        .expect("the program runs");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}
