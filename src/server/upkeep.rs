//! What `selfsame check`, `backup` and `restore` do: a store looked at, copied, and made of a copy, while no
//! server has it open.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::backup;
use crate::engine::check;
use crate::engine::{Database, Options};
use crate::env::real_disk::RealDisk;
use crate::error::{Error, Result, SqlState};
use crate::storage::check::Watch;

/// A bar on the terminal; where standard error is none, nothing.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = "{msg} {wide_bar} {binary_bytes} of {binary_total_bytes}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }
}

impl Watch for Bar {
    fn set_total(&mut self, bytes: u64) {
        self.0.set_length(bytes);
    }

    fn advance(&mut self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn begin(&mut self, what: &str) {
        self.0.set_message(what.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}")
        .map_err(|error| Error::io("write to standard output", &error))
}

/// Checks a store and prints what it finds.
///
/// # Errors
/// `XX001` if anything is wrong with it, `55006` if a server has it open.
pub(crate) fn check(store: &Path, deep: bool) -> Result<()> {
    let disk = RealDisk::open_existing(store).map_err(|error| match error.code() {
        SqlState::OBJECT_IN_USE => error.hint(
            "stop the server, or take a backup of it with BACKUP TO, restore that, and check it",
        ),
        _ => error,
    })?;
    let options = Options { disk: Arc::new(disk), ..Options::memory() };
    let mut bar = Bar::new();
    let report = check::check(&options, deep, &crate::query::open, &mut bar)?;
    drop(bar);
    report.findings.iter().try_for_each(|finding| say(&finding.to_string()))?;
    let damage_count = report.damage_count();
    say(&format!(
        "{}: {} files, {} bytes, {} rows, {} identities, {} profiles; {}",
        store.display(),
        report.file_count,
        report.byte_count,
        report.row_count,
        report.identity_count,
        report.profile_count,
        match (damage_count, deep) {
            (0, true) => "everything is sound, and derived state is what all rows give".to_owned(),
            (0, false) => "everything is sound".to_owned(),
            (count, _) => format!("{count} found damaged"),
        }
    ))?;
    if damage_count == 0 {
        return Ok(());
    }
    let message = format!("the store is damaged in {damage_count} places");
    Err(Error::corrupted(message).hint("what to do about each is said above"))
}

/// Takes a backup and tells what it did.
///
/// # Errors
/// As [`Database::backup`].
pub(crate) fn backup(database: &Database, folder: &Path, kept: Option<usize>) -> Result<()> {
    let target = backup::open_folder(folder)?;
    let mut bar = Bar::new();
    let taken = database.backup(&target, kept, &mut bar)?;
    drop(bar);
    say(&format!("{}: {}", folder.display(), taken.report))
}

/// Shows the backups of a folder.
///
/// # Errors
/// As [`backup::list`].
pub(crate) fn list(folder: &Path) -> Result<()> {
    for one in backup::list(folder)? {
        let at = backup::taken_at_text(&one);
        let (rows, bytes) = (one.row_count(), one.byte_count());
        say(&format!("backup {}: {at}, {rows} rows, {bytes} bytes", one.number))?;
    }
    Ok(())
}

/// Makes a store of a backup.
///
/// # Errors
/// As [`backup::restore`].
pub(crate) fn restore(folder: &Path, store: &Path, number: Option<u64>) -> Result<()> {
    let mut bar = Bar::new();
    let restored = backup::restore(folder, store, number, &mut bar)?;
    drop(bar);
    let at = backup::taken_at_text(&restored);
    say(&format!("{}: restored backup {} of {at}", store.display(), restored.number))
}
