//! Checking the files of a store: that each is there, whole, and as its checksum says, and no other.
//!
//! It reads everything and changes nothing. What the rows mean, and whether derived state is what they
//! give, is for `engine::check` to say.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::env::disk::{Disk, Readable};
use crate::error::{Error, Result, SqlState};
use crate::storage::derived::{self, DerivedFile};
use crate::storage::log;
use crate::storage::manifest::Manifest;
use crate::storage::record::{FileReference, PartRows, Record};
use crate::storage::segment::{ColumnCache, Segment};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is lost and nothing is wrong.
    Note,
    /// Something is wrong.
    Damage,
}

impl Severity {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Damage => "damage",
        }
    }
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub path: String,
    /// Where in it, if that is known.
    pub offset: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
}

impl Finding {
    /// Damage to a file.
    pub fn damage(path: &str, message: impl Into<String>) -> Self {
        let (severity, message) = (Severity::Damage, message.into());
        Self { severity, path: path.to_owned(), offset: None, message, advice: RESTORE }
    }

    /// Something worth knowing of a file.
    pub fn note(path: &str, message: impl Into<String>, advice: &'static str) -> Self {
        let (severity, message) = (Severity::Note, message.into());
        Self { severity, path: path.to_owned(), offset: None, message, advice }
    }

    /// The same, at a place in the file.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The same with another advice.
    #[must_use]
    pub fn advise(mut self, advice: &'static str) -> Self {
        self.advice = advice;
        self
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.severity.name(), self.path)?;
        if let Some(offset) = self.offset {
            write!(f, ", offset {offset}")?;
        }
        write!(f, ": {}; {}", self.message, self.advice)
    }
}

/// What to do about damage to what cannot be computed.
pub const RESTORE: &str = "restore the store from a backup";

/// What to do about damage to what can.
pub const RECOMPUTE: &str =
    "remove the folder \"derived\" while nothing runs; the next start computes it from all rows";

/// What to do about files that nothing refers to.
const LEFTOVER: &str = "nothing to be done: the next start removes it";

/// Where a check tells how far it is.
pub trait Watch {
    /// So many bytes there are to read in all.
    fn set_total(&mut self, bytes: u64);
    /// So many more were read.
    fn advance(&mut self, bytes: u64);
    /// What it does now.
    fn begin(&mut self, what: &str);
}

/// Nobody watches.
#[derive(Debug)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn set_total(&mut self, _bytes: u64) {}

    fn advance(&mut self, _bytes: u64) {}

    fn begin(&mut self, _what: &str) {}
}

/// What was found in the files of a store.
#[derive(Debug, Default)]
pub struct CheckedFiles {
    /// Everything found.
    pub findings: Vec<Finding>,
    /// The manifest, if it can be read.
    pub manifest: Option<Manifest>,
    /// Records of the log, if it can be read.
    pub records: Vec<Record>,
    /// How many files were read.
    pub file_count: usize,
    /// How many bytes.
    pub byte_count: u64,
}

/// Checks all files.
///
/// # Errors
/// `58P01` if there is no store, `58030` if the disk fails.
pub fn check_files(disk: &Arc<dyn Disk>, watch: &mut dyn Watch) -> Result<CheckedFiles> {
    let present: BTreeSet<String> = disk.walk()?.into_iter().collect();
    if !present.iter().any(|path| is_of_store(path)) {
        let message = "there is no store: the folder has none of its files";
        return Err(Error::new(SqlState::UNDEFINED_FILE, message));
    }
    let mut checked = CheckedFiles::default();
    watch.begin("files");
    checked.check_manifest(disk)?;
    let mut live = BTreeSet::from(["manifest".to_owned(), derived::PATH.to_owned()]);
    if let Some(manifest) = checked.manifest.clone() {
        checked.check_log(disk, manifest.log_number)?;
        live.insert(log::path(manifest.log_number));
        let references = checked.references(&manifest);
        watch.set_total(references.iter().map(|file| file.byte_count).sum());
        for file in &references {
            checked.check_file(disk, file, watch)?;
            live.insert(file.path.clone());
        }
        checked.check_others(&present, &live);
    }
    checked.check_derived(disk)?;
    Ok(checked)
}

/// Whether a path is one that a store gives to its files.
fn is_of_store(path: &str) -> bool {
    let folders = ["log/", "segments/", "deletions/", "identities/", "derived/"];
    path == "manifest" || folders.iter().any(|folder| path.starts_with(folder))
}

/// What a failing disk says goes on; what a file says is a finding.
fn found(error: &Error, path: &str) -> Result<Finding> {
    match error.code() {
        SqlState::DATA_CORRUPTED | SqlState::UNDEFINED_FILE => {
            Ok(Finding::damage(path, error.message()))
        }
        _ => Err(error.clone()),
    }
}

impl CheckedFiles {
    fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn check_manifest(&mut self, disk: &Arc<dyn Disk>) -> Result<()> {
        self.file_count += 1;
        match Manifest::read(disk) {
            Ok(Some(manifest)) => self.manifest = Some(manifest),
            Ok(None) => self.add(Finding::damage("manifest", "is missing")),
            Err(error) => self.add(found(&error, "manifest")?.at(0)),
        }
        Ok(())
    }

    fn check_log(&mut self, disk: &Arc<dyn Disk>, number: u64) -> Result<()> {
        let path = log::path(number);
        self.file_count += 1;
        let replay = match log::examine(disk, number) {
            Ok(replay) => replay,
            Err(error) => {
                let finding = found(&error, &path)?;
                self.add(finding);
                return Ok(());
            }
        };
        self.byte_count += replay.end;
        if replay.torn_bytes > 0 {
            let message = "ends in a record that a crash cut short; it was never acknowledged";
            let advice = "nothing to be done: the next start cuts it off";
            self.add(Finding::note(&path, message, advice).at(replay.end));
        }
        for (at, payload) in replay.payloads.iter().enumerate() {
            match Record::decode(payload) {
                Ok(record) => self.records.push(record),
                Err(error) => {
                    let message = format!("record {at}: {}", error.message());
                    self.add(Finding::damage(&path, message));
                }
            }
        }
        Ok(())
    }

    /// Every file that manifest or log name, once.
    fn references(&self, manifest: &Manifest) -> Vec<FileReference> {
        let mut all: Vec<FileReference> = manifest.references().cloned().collect();
        for commit in self.records.iter().flat_map(Record::commits) {
            all.extend(commit.parts.iter().filter_map(|part| match &part.rows {
                PartRows::Segment(file) => Some(file.clone()),
                PartRows::Batch(_) => None,
            }));
        }
        all.sort_by(|left, right| left.path.cmp(&right.path));
        all.dedup();
        all
    }

    fn check_file(
        &mut self,
        disk: &Arc<dyn Disk>,
        file: &FileReference,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        self.file_count += 1;
        self.byte_count += file.byte_count;
        let findings = file_findings(disk, file)?;
        self.findings.extend(findings);
        watch.advance(file.byte_count);
        Ok(())
    }

    fn check_others(&mut self, present: &BTreeSet<String>, live: &BTreeSet<String>) {
        // The lock says nothing, and its file stays when the store is closed.
        for path in present.difference(live).filter(|path| *path != "lock") {
            let new = path == "manifest.new" || path == "derived/state.new";
            self.add(match is_of_store(path) || new {
                true => Finding::note(path, "nothing refers to it", LEFTOVER),
                false => Finding::note(
                    path,
                    "does not belong to the store",
                    "remove it if you do not know it",
                ),
            });
        }
    }

    fn check_derived(&mut self, disk: &Arc<dyn Disk>) -> Result<()> {
        let checked = DerivedFile::open(disk).and_then(|file| match file {
            None => Ok(None),
            Some(file) => file.verify().map(Some),
        });
        match checked {
            Ok(Some(bytes)) => {
                self.file_count += 1;
                self.byte_count += bytes;
            }
            Ok(None) => {
                let message = "is not there; the next start reads all rows and writes it";
                self.add(Finding::note(derived::PATH, message, "nothing to be done"));
            }
            Err(error) => {
                self.add(found(&error, derived::PATH)?.advise(RECOMPUTE));
            }
        }
        Ok(())
    }
}

/// What is wrong with a file that the store refers to.
fn file_findings(disk: &Arc<dyn Disk>, file: &FileReference) -> Result<Vec<Finding>> {
    let path = file.path.as_str();
    let readable = match disk.read(path) {
        Ok(readable) => readable,
        Err(error) if error.code() == SqlState::UNDEFINED_FILE => {
            return Ok(vec![Finding::damage(path, "is missing")]);
        }
        Err(error) => return Err(error),
    };
    if readable.byte_count() != file.byte_count {
        let length = readable.byte_count();
        let message = format!("has {length} bytes instead of {}", file.byte_count);
        return Ok(vec![Finding::damage(path, message).at(length.min(file.byte_count))]);
    }
    // Readers of Parquet may panic over a damaged footer: nothing is decoded whose checksum is wrong.
    if checksum(&readable)? != file.crc32c {
        return Ok(vec![Finding::damage(path, "has a wrong checksum")]);
    }
    let cache = Arc::new(ColumnCache::new(0));
    let segment = match Segment::open(disk, file.clone(), 0, &cache) {
        Ok(segment) => segment,
        Err(error) => return Ok(vec![found(&error, path)?.at(file.byte_count.saturating_sub(8))]),
    };
    let sound = segment.verify();
    let unreadable = segment.first_unreadable();
    Ok(match (sound, unreadable) {
        (Ok(()), None) => Vec::new(),
        (Err(error), None) => {
            let finding = found(&error, path)?;
            vec![Finding {
                message: format!("{}; all pages can be read", finding.message),
                ..finding
            }]
        }
        (_, Some((offset, error))) => vec![found(&error, path)?.at(offset)],
    })
}

fn checksum(file: &Readable) -> Result<u32> {
    let (mut sum, mut offset) = (0, 0);
    while offset < file.byte_count() {
        let length = (file.byte_count() - offset).min(1 << 20);
        sum = crc32c::crc32c_append(sum, &file.read_at(offset, length as usize)?);
        offset += length;
    }
    Ok(sum)
}
