//! Runs BACKUP TO: in a folder that the server allows, and nowhere else.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::engine::backup;
use crate::error::{Error, Result, SqlState};
use crate::query::session::execute::blocking;
use crate::query::session::prepare::text_columns;
use crate::query::session::transaction::TransactionStatus;
use crate::query::session::{Inner, Outcome, show};
use crate::query::statements::BackupTo;
use crate::storage::check::Unwatched;

/// The columns of the answer.
pub(super) fn schema() -> SchemaRef {
    text_columns(&[
        "backup",
        "commit_id",
        "files_copied",
        "bytes_copied",
        "files_shared",
        "bytes_shared",
        "backups_removed",
    ])
}

/// Runs the statement; returns when the backup is complete.
///
/// # Errors
/// `25001` in a transaction block, `42501` for a folder that is not allowed, and what the engine says.
pub(super) async fn run(session: &Arc<Inner>, statement: &BackupTo) -> Result<Outcome> {
    if session.transaction.lock().status != TransactionStatus::Idle {
        let message = "BACKUP cannot run inside a transaction block";
        return Err(Error::new(SqlState::ACTIVE_TRANSACTION, message));
    }
    let folder = permitted(&statement.path, &session.server.backup_directories)?;
    let (database, kept) = (Arc::clone(&session.server.database), statement.kept);
    let taken = blocking(move || {
        let target = backup::open_folder(&folder)?;
        database.backup(&target, kept, &mut Unwatched)
    })
    .await?;
    let report = taken.report;
    let numbers = [
        report.number,
        taken.commit,
        report.copied.0,
        report.copied.1,
        report.shared.0,
        report.shared.1,
        report.removed_count as u64,
    ];
    show::texts(schema(), vec![numbers.map(|number| number.to_string()).to_vec()], "BACKUP")
}

/// The folder that a statement names; it must lie below an allowed one.
fn permitted(path: &str, directories: &[PathBuf]) -> Result<PathBuf> {
    let refused = |message: String| Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message);
    let Some(first) = directories.first() else {
        return Err(refused("the server may not write backups".to_owned())
            .hint("allow a folder with --backup-directories"));
    };
    let named = Path::new(path);
    let full = if named.is_absolute() { named.to_owned() } else { first.join(named) };
    let climbs = full.components().any(|part| part == Component::ParentDir);
    let below = |directory: &PathBuf| full.starts_with(directory);
    if climbs || !directories.iter().any(below) {
        return Err(refused(format!("the server may not write to \"{path}\""))
            .hint("name a folder below one of --backup-directories"));
    }
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, directories: &[&str], expected: &str) {
        let directories: Vec<PathBuf> = directories.iter().map(PathBuf::from).collect();
        let found = match permitted(path, &directories) {
            Ok(path) => path.display().to_string(),
            Err(error) => error.code().0.to_owned(),
        };
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn only_allowed_folders_are_written() {
        check("a", &[], "42501");
        check("a/b", &["/x", "/y"], "/x/a/b");
        check("/y/b", &["/x", "/y"], "/y/b");
        check("/yy/b", &["/x", "/y"], "42501");
        check("../y", &["/x"], "42501");
        check("/x/../etc", &["/x"], "42501");
    }
}
