//! The manifest: the live files of a store and the definitions, as of its last flush.
//!
//! ```text
//! manifest:  first line   "selfsame manifest 1 <CRC32C of the rest, 8 hexadecimal digits>"
//!            rest         JSON
//! ```
//! It names the log file whose records come after it. Replacing it is atomic (write, sync, rename,
//! sync the folder), so that rows move from log to segments exactly once: before the replacement the
//! old manifest and the old log say everything, after it the new ones do.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::env::disk::{Disk, LogKeeping};
use crate::error::{Error, Result, SqlState};
use crate::storage::record::FileReference;

const FOLDER: &str = ".";
const NAME: &str = "manifest";

/// The version of the format.
pub const FORMAT: u32 = 1;

const TITLE: &str = "selfsame manifest ";

/// What a store consists of, besides the log that follows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// All definitions, in the catalog's own form.
    pub catalog: serde_json::Value,
    /// The log file whose records come after this.
    pub log_number: u64,
    /// Fragment id of the next row.
    pub next_fragment_id: i64,
    /// Number of the next segment or identity file.
    pub next_file_number: u64,
    /// Segments in order of their first fragment id, per dataset in order of writing.
    pub segments: Vec<SegmentEntry>,
    /// Files of identities.
    pub identities: Vec<FileReference>,
    /// Which writer of the store this is of, counted from 1; 0 where a lock keeps others out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub epoch: u64,
    /// What that writer calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
    /// What is kept of people who were forgotten.
    #[serde(default, skip_serializing_if = "Erased::is_empty")]
    pub erased: Erased,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What is kept of people who were forgotten: nothing that says who they were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Numbers of identities that are forgotten while files still have their names, or rows that do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<u32>,
    /// Numbers below this one are not given again, although nobody bears them.
    #[serde(default)]
    pub next_identity: u32,
    /// What the hashes of refused identities are salted with, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub salt: String,
    /// Hashes of identities that are refused, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<String>,
}

impl Erased {
    /// Whether nobody was ever forgotten.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A live segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// The dataset's number.
    pub dataset: u32,
    /// The fragment id of the first row.
    pub first_fragment_id: i64,
    /// When the rows were accepted, unless a column says otherwise.
    pub committed_at: i64,
    /// The file.
    pub file: FileReference,
    /// The file that says which of its rows are deleted, if any are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletions: Option<FileReference>,
}

impl Manifest {
    /// The files that it names, the log aside.
    pub fn references(&self) -> impl Iterator<Item = &FileReference> {
        let segments = self.segments.iter().map(|entry| &entry.file);
        let deletions = self.segments.iter().filter_map(|entry| entry.deletions.as_ref());
        segments.chain(deletions).chain(&self.identities)
    }

    /// Paths of the files that it names, the log aside.
    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.references().map(|file| &file.path)
    }

    /// Reads the manifest; `None` if the folder has none, as a new store.
    ///
    /// # Errors
    /// `XX001` if it is damaged or of a version that this program does not know.
    pub fn read(disk: &Arc<dyn Disk>) -> Result<Option<Self>> {
        Self::stored(disk)?.map(|contents| Self::decode(&contents)).transpose()
    }

    /// The manifest as it is stored; `None` if there is none.
    ///
    /// # Errors
    /// What the disk says.
    pub fn stored(disk: &Arc<dyn Disk>) -> Result<Option<Bytes>> {
        match disk.read(&format!("{FOLDER}/{NAME}")) {
            Ok(file) => file.read_all().map(Some),
            Err(error) if error.code() == SqlState::UNDEFINED_FILE => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// From its stored form.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn decode(contents: &[u8]) -> Result<Self> {
        Self::parse(std::str::from_utf8(contents).map_err(|_| bad("it is no text"))?)
    }

    fn parse(text: &str) -> Result<Self> {
        let (title, rest) = text.split_once('\n').ok_or_else(|| bad("it has no first line"))?;
        let (version, sum) = title
            .strip_prefix(TITLE)
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(|| bad("its first line is another"))?;
        if version.parse() != Ok(FORMAT) {
            let newer = version.parse::<u32>().is_ok_and(|version| version > FORMAT);
            let error = bad(&format!("it is of format {version}, not {FORMAT}"));
            return Err(match newer {
                true => {
                    error.hint("the store was written by a newer version; open it with that one")
                }
                false => error,
            });
        }
        if sum != format!("{:08x}", crc32c::crc32c(rest.as_bytes())) {
            return Err(bad("its checksum is wrong"));
        }
        serde_json::from_str(rest).map_err(|error| bad(&error.to_string()))
    }

    /// Makes this process the store's only writer, where no lock does: the number of the writer goes up,
    /// and whoever had read the manifest before cannot replace it any more.
    ///
    /// # Errors
    /// `25006` if another process did the same meanwhile, or what the disk says.
    pub fn claim(mut self, disk: &Arc<dyn Disk>) -> Result<Self> {
        if let LogKeeping::Pieces { .. } = disk.log_keeping() {
            self.epoch += 1;
            self.writer = disk.writer_name();
            self.write(disk)?;
            disk.claimed(self.epoch);
        }
        Ok(self)
    }

    /// The manifest as a file says it.
    ///
    /// # Errors
    /// `XX000` if it cannot be written as JSON, which would be a mistake of ours.
    pub fn text(&self) -> Result<String> {
        let json = serde_json::to_string(self)
            .map_err(|error| Error::internal(format!("could not write the manifest: {error}")))?;
        Ok(format!("{TITLE}{FORMAT} {:08x}\n{json}", crc32c::crc32c(json.as_bytes())))
    }

    /// Replaces the manifest.
    pub fn write(&self, disk: &Arc<dyn Disk>) -> Result<()> {
        disk.replace(FOLDER, NAME, self.text()?.as_bytes())
    }
}

fn bad(why: &str) -> Error {
    Error::corrupted(format!("the store's manifest cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::memory_disk::MemoryDisk;

    #[test]
    fn a_crash_leaves_the_old_or_the_new_one() {
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        assert_eq!(Manifest::read(&disk).unwrap(), None);
        let manifest = |log_number| Manifest { log_number, ..Manifest::default() };
        manifest(1).write(&disk).unwrap();
        for room in 0..2_000 {
            let copy = memory.crash(0);
            let disk: Arc<dyn Disk> = Arc::new(copy.clone());
            copy.set_room(Some(room));
            let written = manifest(2).write(&disk);
            let after: Arc<dyn Disk> = Arc::new(copy.crash(0));
            let found = Manifest::read(&after).unwrap().unwrap().log_number;
            assert_eq!(found, if written.is_ok() { 2 } else { 1 }, "room {room}");
        }
    }

    #[test]
    fn damage_is_found() {
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        Manifest::default().write(&disk).unwrap();
        let length = disk.read("./manifest").unwrap().byte_count() as usize;
        for offset in 0..length {
            let copy = memory.crash(0);
            copy.damage("./manifest", offset);
            let disk: Arc<dyn Disk> = Arc::new(copy);
            assert_eq!(Manifest::read(&disk).unwrap_err().code().0, "XX001", "byte {offset}");
        }
    }

    #[test]
    fn a_newer_format_is_told() {
        let text = Manifest::default().text().unwrap().replacen(" 1 ", " 2 ", 1);
        let error = Manifest::parse(&text).unwrap_err();
        assert_eq!(
            error.message(),
            "the store's manifest cannot be read: it is of format 2, not 1"
        );
        assert!(error.get_hint().is_some_and(|hint| hint.contains("newer")));
    }
}
