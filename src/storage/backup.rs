//! Backups: the files of a store as of one commit, in another folder, and back.
//!
//! ```text
//! backups/<number, 10 digits>.json   one backup: first line "selfsame backup 1 <CRC32C of the rest>", then JSON
//! segments/, deletions/, identities/ the files that backups name, under the paths they have in the store
//! ```
//! A backup counts once its file below `backups/` is there, which is written last and at once: what a
//! backup that was interrupted copied is no backup, and the next one goes on from it. Files of a store
//! never change, so that backups of one folder share them: only what no earlier backup has is copied. The
//! log is not copied: a backup is of a moment when all rows are in segments. Every byte is compared with
//! its checksum on the way out and on the way back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::env::disk::{Disk, Readable};
use crate::error::{Error, Result, SqlState};
use crate::storage::check::Watch;
use crate::storage::log::Log;
use crate::storage::manifest::Manifest;
use crate::storage::record::FileReference;

/// The version of the format.
pub const FORMAT: u32 = 1;

const FOLDER: &str = "backups";
const TITLE: &str = "selfsame backup ";

/// Files are copied in pieces of so many bytes.
const PIECE_BYTES: u64 = 1 << 20;

/// One backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// Its number, counted per folder.
    pub number: u64,
    /// When it was taken, in microseconds.
    pub taken_at: i64,
    /// The store as it was then.
    pub manifest: Manifest,
}

impl Backup {
    /// How many bytes it has.
    pub fn byte_count(&self) -> u64 {
        self.manifest.references().map(|file| file.byte_count).sum()
    }

    /// How many rows, deleted ones included.
    pub fn row_count(&self) -> u64 {
        self.manifest.segments.iter().map(|segment| segment.file.row_count).sum()
    }
}

/// What taking a backup did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// The number of the backup.
    pub number: u64,
    /// Files and bytes copied.
    pub copied: (u64, u64),
    /// Files and bytes that an earlier backup had.
    pub shared: (u64, u64),
    /// Backups that were removed because they were older than those to be kept.
    pub removed_count: usize,
}

impl std::fmt::Display for BackupReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { number, copied, shared, removed_count } = self;
        write!(f, "backup {number}: {} files copied ({} bytes)", copied.0, copied.1)?;
        write!(f, ", {} shared with earlier backups ({} bytes)", shared.0, shared.1)?;
        match removed_count {
            0 => Ok(()),
            count => write!(f, ", {count} older removed"),
        }
    }
}

fn path(number: u64) -> String {
    format!("{FOLDER}/{number:010}.json")
}

fn names(disk: &Arc<dyn Disk>) -> Result<Vec<u64>> {
    let number =
        |path: &String| path.strip_prefix("backups/")?.strip_suffix(".json")?.parse::<u64>().ok();
    Ok(disk.walk()?.iter().filter_map(number).collect())
}

/// All backups of a folder, the oldest first.
///
/// # Errors
/// `XX001` if one is damaged or of a format that this program does not know.
pub fn list(disk: &Arc<dyn Disk>) -> Result<Vec<Backup>> {
    names(disk)?.into_iter().map(|number| read(disk, number)).collect()
}

fn read(disk: &Arc<dyn Disk>, number: u64) -> Result<Backup> {
    let path = path(number);
    let bad = |why: &str| {
        Error::corrupted(format!("backup \"{path}\" cannot be read: {why}"))
            .hint("name another backup")
    };
    let contents = disk.read(&path)?.read_all()?;
    let text = std::str::from_utf8(&contents).map_err(|_| bad("it is no text"))?;
    let (title, rest) = text.split_once('\n').ok_or_else(|| bad("it has no first line"))?;
    let words = title.strip_prefix(TITLE).and_then(|rest| rest.split_once(' '));
    let (version, sum) = words.ok_or_else(|| bad("its first line is another"))?;
    if version.parse() != Ok(FORMAT) {
        return Err(bad(&format!("it is of format {version}, not {FORMAT}")));
    }
    if sum != format!("{:08x}", crc32c::crc32c(rest.as_bytes())) {
        return Err(bad("its checksum is wrong"));
    }
    serde_json::from_str(rest).map_err(|error| bad(&error.to_string()))
}

fn write(disk: &Arc<dyn Disk>, backup: &Backup) -> Result<()> {
    let json = serde_json::to_string(backup).map_err(|error| Error::internal(error.to_string()))?;
    let text = format!("{TITLE}{FORMAT} {:08x}\n{json}", crc32c::crc32c(json.as_bytes()));
    disk.replace(FOLDER, &format!("{:010}.json", backup.number), text.as_bytes())
}

/// Takes a backup of the files that a manifest names, into a folder that may have earlier ones. Of those,
/// with this one, the `kept` newest stay, or all.
///
/// # Errors
/// `55000` if the folder has backups of another store, `XX001` if a file of the store is damaged, and what
/// either disk says; then the folder has the backups that it had.
pub fn take(
    source: &Arc<dyn Disk>,
    target: &Arc<dyn Disk>,
    manifest: Manifest,
    taken_at: i64,
    kept: Option<usize>,
    watch: &mut dyn Watch,
) -> Result<BackupReport> {
    let earlier = list(target)?;
    if earlier.is_empty() {
        check_free(target)?;
    }
    let known: BTreeMap<&str, &FileReference> = earlier
        .iter()
        .flat_map(|backup| backup.manifest.references())
        .map(|file| (file.path.as_str(), file))
        .collect();
    let number = earlier.last().map_or(1, |backup| backup.number + 1);
    let mut report = BackupReport { number, ..BackupReport::default() };
    watch.set_total(manifest.references().map(|file| file.byte_count).sum());
    for file in manifest.references() {
        let counted = match known.get(file.path.as_str()) {
            Some(same) if *same == file && is_whole(target, file) => &mut report.shared,
            Some(other) if *other != file => return Err(of_another_store(file)),
            _ => {
                copy(source, target, file)?;
                &mut report.copied
            }
        };
        counted.0 += 1;
        counted.1 += file.byte_count;
        watch.advance(file.byte_count);
    }
    sync_folders(target, &manifest)?;
    target.create_folder(FOLDER)?;
    write(target, &Backup { number, taken_at, manifest })?;
    target.sync_folder(".")?;
    if let Some(kept) = kept {
        report.removed_count = remove_old(target, kept)?;
    }
    Ok(report)
}

/// Refuses a folder that holds anything but what an interrupted first backup leaves.
fn check_free(target: &Arc<dyn Disk>) -> Result<()> {
    let folders = ["segments/", "deletions/", "identities/", "backups/"];
    let ours =
        |path: &String| path == "lock" || folders.iter().any(|folder| path.starts_with(folder));
    match target.walk()?.iter().find(|path| !ours(path)) {
        None => Ok(()),
        Some(path) => {
            let message = format!("the folder for the backup has something else in it: \"{path}\"");
            Err(Error::new(SqlState::OBJECT_NOT_IN_STATE, message).hint(
                "name a folder that is empty, does not exist yet, or has backups of this store",
            ))
        }
    }
}

fn of_another_store(file: &FileReference) -> Error {
    let message = "the folder has backups of another store";
    Error::new(SqlState::OBJECT_NOT_IN_STATE, message)
        .detail(format!("\"{}\" is another file there", file.path))
        .hint("name another folder")
}

fn is_whole(disk: &Arc<dyn Disk>, file: &FileReference) -> bool {
    disk.read(&file.path).is_ok_and(|found| found.byte_count() == file.byte_count)
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(folder, _)| folder)
}

/// Copies a file under the same path and compares its checksum.
fn copy(source: &Arc<dyn Disk>, target: &Arc<dyn Disk>, file: &FileReference) -> Result<()> {
    let damaged = |what: &str| Error::corrupted(format!("\"{}\" {what}", file.path));
    let from = source.read(&file.path).map_err(|error| match error.code() {
        SqlState::UNDEFINED_FILE => damaged("is missing"),
        _ => error,
    })?;
    if from.byte_count() != file.byte_count {
        return Err(damaged(&format!(
            "has {} bytes instead of {}",
            from.byte_count(),
            file.byte_count
        )));
    }
    target.create_folder(folder_of(&file.path))?;
    let new = format!("{}.new", file.path);
    let sum = copy_bytes(&from, target, &new)?;
    if sum != file.crc32c {
        target.remove(&new)?;
        return Err(
            damaged("has a wrong checksum").hint("selfsame check tells where it is damaged")
        );
    }
    target.rename(&new, &file.path)
}

/// Gives the checksum of what was copied.
fn copy_bytes(from: &Readable, target: &Arc<dyn Disk>, path: &str) -> Result<u32> {
    let mut to = target.create(path)?;
    let (mut sum, mut offset) = (0, 0);
    while offset < from.byte_count() {
        let length = (from.byte_count() - offset).min(PIECE_BYTES);
        let piece = from.read_at(offset, length as usize)?;
        sum = crc32c::crc32c_append(sum, &piece);
        to.write_at(offset, &piece)?;
        offset += length;
    }
    to.sync()?;
    Ok(sum)
}

/// Makes the names of all files of a manifest durable.
fn sync_folders(disk: &Arc<dyn Disk>, manifest: &Manifest) -> Result<()> {
    let mut folders = BTreeSet::new();
    for file in manifest.references() {
        let mut folder = folder_of(&file.path);
        while folder != "." && folders.insert(folder.to_owned()) {
            folder = folder_of(folder);
        }
    }
    folders.iter().rev().try_for_each(|folder| disk.sync_folder(folder))
}

/// Removes all but the newest backups, and the files that only those had; gives how many.
fn remove_old(disk: &Arc<dyn Disk>, kept: usize) -> Result<usize> {
    let all = list(disk)?;
    let (old, stay) = all.split_at(all.len().saturating_sub(kept.max(1)));
    if old.is_empty() {
        return Ok(0);
    }
    for backup in old {
        disk.remove(&path(backup.number))?;
    }
    disk.sync_folder(FOLDER)?;
    let needed: BTreeSet<&String> = stay.iter().flat_map(|it| it.manifest.paths()).collect();
    for path in old.iter().flat_map(|it| it.manifest.paths()) {
        if !needed.contains(path) {
            disk.remove(path)?;
        }
    }
    Ok(old.len())
}

/// Makes a store of a backup, the newest or the one of a number, in an empty folder; gives the backup.
///
/// # Errors
/// `58P01` if there is no such backup, `XX001` if it is damaged, and what either disk says; then the folder
/// has no manifest, and is no store.
pub fn restore(
    source: &Arc<dyn Disk>,
    target: &Arc<dyn Disk>,
    number: Option<u64>,
    watch: &mut dyn Watch,
) -> Result<Backup> {
    let backup = find(source, number)?;
    watch.set_total(backup.byte_count());
    for file in backup.manifest.references() {
        copy(source, target, file)?;
        watch.advance(file.byte_count);
    }
    sync_folders(target, &backup.manifest)?;
    target.create_folder("log")?;
    Log::create(target, backup.manifest.log_number)?;
    target.sync_folder(".")?;
    backup.manifest.write(target)?;
    Ok(backup)
}

fn find(source: &Arc<dyn Disk>, number: Option<u64>) -> Result<Backup> {
    let numbers = names(source)?;
    let missing = |message: String| Error::new(SqlState::UNDEFINED_FILE, message);
    match number {
        Some(number) if numbers.contains(&number) => read(source, number),
        Some(number) => Err(missing(format!("there is no backup {number}"))
            .hint("selfsame backup --list shows what there is")),
        None => match numbers.last() {
            Some(last) => read(source, *last),
            None if source.walk()?.iter().any(|path| path.starts_with("segments/")) => {
                Err(missing("the folder has no complete backup".to_owned())
                    .detail("a backup was begun there and not finished"))
            }
            None => Err(missing("the folder has no backup".to_owned())),
        },
    }
}
