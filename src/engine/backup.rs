//! Backups of a database while it is served: consistent as of one commit, and nobody waits for them.
//!
//! The writer flushes, so that everything is in files that never change, and keeps those files from being
//! removed; copying them is done here, beside whatever goes on. What a backup is on disk is said in
//! `storage::backup`.

use std::path::Path;
use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;
use arrow::util::display::array_value_to_string;

use crate::engine::database::Database;
use crate::engine::operations::Progress;
use crate::engine::writer::{PinnedFiles, Request};
use crate::env::disk::Disk;
use crate::env::real_disk::RealDisk;
use crate::error::Result;
use crate::model::column::UTC;
use crate::storage::backup::{self, Backup, BackupReport};
use crate::storage::check::Watch;

/// A database that was backed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// The commit that the backup is as of.
    pub commit: u64,
    /// What was done.
    pub report: BackupReport,
}

/// Tells two how far it is.
struct Both<'a> {
    progress: &'a Progress,
    watch: &'a mut dyn Watch,
}

impl Watch for Both<'_> {
    fn set_total(&mut self, bytes: u64) {
        self.progress.set_total(bytes);
        self.watch.set_total(bytes);
    }

    fn advance(&mut self, bytes: u64) {
        self.progress.advance(bytes);
        self.watch.advance(bytes);
    }

    fn begin(&mut self, what: &str) {
        self.watch.begin(what);
    }
}

impl Database {
    /// Takes a backup into a folder that is empty or has earlier ones, of which, with this one, the `kept`
    /// newest stay, or all.
    ///
    /// # Errors
    /// `55000` if the folder has something else in it, `58030` if the store is read-only, `XX001` if a file
    /// of the store is damaged, and what the disks say.
    pub fn backup(
        &self,
        target: &Arc<dyn Disk>,
        kept: Option<usize>,
        watch: &mut dyn Watch,
    ) -> Result<BackedUp> {
        let operation = self.operations().begin("backup", None, None, "bytes");
        let taken =
            self.take_backup(target, kept, &mut Both { progress: operation.progress(), watch });
        operation.conclude(&taken, |taken| {
            let BackupReport { number, copied, shared, .. } = taken.report;
            Some(format!("backup {number}: {} bytes copied, {} shared", copied.1, shared.1))
        });
        taken
    }

    fn take_backup(
        &self,
        target: &Arc<dyn Disk>,
        kept: Option<usize>,
        watch: &mut dyn Watch,
    ) -> Result<BackedUp> {
        watch.begin("backup");
        let PinnedFiles { manifest, commit, pin } = self.ask(Request::Pin)?;
        let taken_at = self.clock().now_micros();
        let report = backup::take(self.files().disk(), target, manifest, taken_at, kept, watch)?;
        drop(pin);
        Ok(BackedUp { commit, report })
    }
}

/// The folder for backups, locked against a second process.
///
/// # Errors
/// `55006` if another process uses it; otherwise what the system says.
pub fn open_folder(path: &Path) -> Result<Arc<dyn Disk>> {
    Ok(Arc::new(RealDisk::open(path)?))
}

/// When a backup was taken, for people.
pub fn taken_at_text(backup: &Backup) -> String {
    let moment = TimestampMicrosecondArray::from(vec![backup.taken_at]).with_timezone(UTC);
    array_value_to_string(&moment, 0).unwrap_or_else(|_| backup.taken_at.to_string())
}

/// All backups of a folder, the oldest first.
///
/// # Errors
/// `58P01` if there is no such folder, `XX001` if a backup is damaged.
pub fn list(path: &Path) -> Result<Vec<Backup>> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open_existing(path)?);
    backup::list(&disk)
}

/// Makes a store of a backup, the newest or the one of a number, in a folder that is empty or not there yet.
///
/// # Errors
/// `55000` if the folder is not empty, `58P01` if there is no such backup, `XX001` if it is damaged, and
/// what the system says; then the folder is no store.
pub fn restore(
    from: &Path,
    to: &Path,
    number: Option<u64>,
    watch: &mut dyn Watch,
) -> Result<Backup> {
    watch.begin("restore");
    let source: Arc<dyn Disk> = Arc::new(RealDisk::open_existing(from)?);
    let target: Arc<dyn Disk> = Arc::new(RealDisk::open_empty(to)?);
    backup::restore(&source, &target, number, watch)
}
