//! The file of derived state: named sections of bytes, checked, replaced as a whole.
//!
//! ```text
//! derived/state    (all integers little-endian)
//!   offset 0   8 bytes  magic "SELFDERV"
//!          8   4 bytes  version of the format: FORMAT
//!         12   4 bytes  CRC32C of the 12 bytes before
//!         16            sections, one after the other:
//!              4 bytes  tag
//!              4 bytes  CRC32C of the payload, then tag, then length
//!              8 bytes  length of the payload in bytes
//!              payload
//!          then a section "end!" without payload, and nothing after it
//! ```
//! It is written beside the old one and takes its place by renaming once it is durable: a crash leaves the
//! old or the new one. It can be computed from segments and log, so that it may be missing or damaged at
//! any time: whoever reads it must be ready to do without. What the sections mean is said where they are
//! made: `head` and `evnt` in `engine::derived_state`, the others in `saved.rs` beside the arrays that they
//! keep. A change of any of these meanings, or of the rule of the graph, is another [`FORMAT`].

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::env::disk::{Disk, DiskFile, Readable};
use crate::error::{Error, Result, SqlState};

/// The version of the format.
pub const FORMAT: u32 = 1;

/// The folder of derived state.
pub const FOLDER: &str = "derived";

/// The file.
pub const PATH: &str = "derived/state";
const NEW_PATH: &str = "derived/state.new";

const MAGIC: &[u8; 8] = b"SELFDERV";
const FILE_HEADER: usize = 16;
const SECTION_HEADER: usize = 16;
const END: [u8; 4] = *b"end!";

/// A section being written or found.
#[derive(Clone, Copy, Debug)]
struct Section {
    tag: [u8; 4],
    /// Where its payload begins.
    offset: u64,
    length: u64,
    crc32c: u32,
}

/// The checksum of a section, from that of its payload.
fn section_sum(payload_sum: u32, tag: [u8; 4], length: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(payload_sum, &tag), &length.to_le_bytes())
}

/// Writes the file; until it is finished, the one of before is in force.
pub struct DerivedWriter {
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    open: Option<Section>,
    end: u64,
}

impl DerivedWriter {
    /// Starts a file.
    ///
    /// # Errors
    /// What the disk says.
    pub fn create(disk: &Arc<dyn Disk>) -> Result<Self> {
        let mut file = disk.create(NEW_PATH)?;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&FORMAT.to_le_bytes());
        header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());
        file.write_at(0, &header)?;
        Ok(Self { disk: Arc::clone(disk), file, open: None, end: FILE_HEADER as u64 })
    }

    /// Begins a section, which ends the one before.
    ///
    /// # Errors
    /// What the disk says.
    pub fn begin(&mut self, tag: [u8; 4]) -> Result<()> {
        self.end_section()?;
        self.end += SECTION_HEADER as u64;
        self.open = Some(Section { tag, offset: self.end, length: 0, crc32c: 0 });
        Ok(())
    }

    /// Adds to the section.
    ///
    /// # Errors
    /// What the disk says.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let section = self.open.as_mut();
        let section = section.ok_or_else(|| Error::internal("no section was begun"))?;
        section.length += bytes.len() as u64;
        section.crc32c = crc32c::crc32c_append(section.crc32c, bytes);
        if !bytes.is_empty() {
            self.file.write_at(self.end, bytes)?;
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn end_section(&mut self) -> Result<()> {
        let Some(section) = self.open.take() else { return Ok(()) };
        let sum = section_sum(section.crc32c, section.tag, section.length);
        let mut header = section.tag.to_vec();
        header.extend_from_slice(&sum.to_le_bytes());
        header.extend_from_slice(&section.length.to_le_bytes());
        self.file.write_at(section.offset - SECTION_HEADER as u64, &header)
    }

    /// Puts the file in the place of the old one; gives its length in bytes.
    ///
    /// # Errors
    /// What the disk says.
    pub fn finish(mut self) -> Result<u64> {
        self.begin(END)?;
        self.end_section()?;
        self.file.sync()?;
        self.disk.rename(NEW_PATH, PATH)?;
        self.disk.sync_folder(FOLDER)?;
        Ok(self.end)
    }
}

/// The file, open for reading.
#[derive(Debug)]
pub struct DerivedFile {
    file: Readable,
    sections: BTreeMap<[u8; 4], Section>,
}

impl DerivedFile {
    /// Finds the sections; `None` if there is no file.
    ///
    /// # Errors
    /// `XX001` if the file is damaged or of another version, `58030` if the disk fails.
    pub fn open(disk: &Arc<dyn Disk>) -> Result<Option<Self>> {
        let file = match disk.read(PATH) {
            Ok(file) => file,
            Err(error) if error.code() == SqlState::UNDEFINED_FILE => return Ok(None),
            Err(error) => return Err(error),
        };
        check_header(&file)?;
        let (mut sections, mut offset) = (BTreeMap::new(), FILE_HEADER as u64);
        loop {
            let section = read_header(&file, offset)?;
            offset = section.offset + section.length;
            if section.tag == END {
                break;
            }
            sections.insert(section.tag, section);
        }
        if offset != file.byte_count() {
            return Err(bad("does not end where it should"));
        }
        Ok(Some(Self { file, sections }))
    }

    /// All bytes of a section.
    ///
    /// # Errors
    /// `XX001` if there is no such section or it is damaged, `58030` if the disk fails.
    pub fn section(&self, tag: [u8; 4]) -> Result<Bytes> {
        let section = self.sections.get(&tag).ok_or_else(|| bad("lacks a section"))?;
        read_payload(&self.file, section)
    }

    /// Reads all sections and compares their checksums; gives the length of the file in bytes.
    ///
    /// # Errors
    /// As [`DerivedFile::section`], with the offset.
    pub fn verify(&self) -> Result<u64> {
        let mut sections: Vec<&Section> = self.sections.values().collect();
        sections.sort_by_key(|section| section.offset);
        for section in sections {
            read_payload(&self.file, section).map_err(|error| {
                let tag = String::from_utf8_lossy(&section.tag);
                let (message, offset) = (error.message(), section.offset);
                Error::new(error.code(), format!("{message}: section \"{tag}\" at offset {offset}"))
            })?;
        }
        Ok(self.file.byte_count())
    }
}

fn bad(what: &str) -> Error {
    Error::corrupted(format!("\"{PATH}\" {what}"))
}

fn check_header(file: &Readable) -> Result<()> {
    if file.byte_count() < FILE_HEADER as u64 {
        return Err(bad("is too short"));
    }
    let header = file.read_at(0, FILE_HEADER)?;
    let (words, _) = header.as_chunks::<4>();
    let (format, sum) = (u32::from_le_bytes(words[2]), u32::from_le_bytes(words[3]));
    if !header.starts_with(MAGIC) || sum != crc32c::crc32c(&header[..12]) {
        return Err(bad("does not begin as it should"));
    }
    if format != FORMAT {
        return Err(bad(&format!("is of format {format}, not {FORMAT}")));
    }
    Ok(())
}

/// A section whose header is at an offset.
fn read_header(file: &Readable, offset: u64) -> Result<Section> {
    let payload = offset + SECTION_HEADER as u64;
    let left = file.byte_count().checked_sub(payload).ok_or_else(|| bad("is cut off"))?;
    let header = file.read_at(offset, SECTION_HEADER)?;
    let (words, _) = header.as_chunks::<4>();
    let (low, high) = (u32::from_le_bytes(words[2]), u32::from_le_bytes(words[3]));
    let length = (u64::from(high) << 32) | u64::from(low);
    if length > left {
        return Err(bad("is cut off"));
    }
    let crc32c = u32::from_le_bytes(words[1]);
    let section = Section { tag: words[0], offset: payload, length, crc32c };
    if section.tag == END {
        read_payload(file, &section)?;
    }
    Ok(section)
}

fn read_payload(file: &Readable, section: &Section) -> Result<Bytes> {
    let length = usize::try_from(section.length).map_err(|_| bad("has too long a section"))?;
    let payload = file.read_at(section.offset, length)?;
    if section_sum(crc32c::crc32c(&payload), section.tag, section.length) != section.crc32c {
        return Err(bad("has a wrong checksum"));
    }
    Ok(payload)
}

/// Removes what a crash left of a file that was being written.
///
/// # Errors
/// What the disk says.
pub fn remove_unfinished(disk: &Arc<dyn Disk>) -> Result<()> {
    match disk.list(FOLDER)?.iter().any(|name| name == "state.new") {
        true => disk.remove(NEW_PATH),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::memory_disk::MemoryDisk;

    fn write(disk: &Arc<dyn Disk>, fill: u8) -> Result<u64> {
        let mut writer = DerivedWriter::create(disk)?;
        writer.begin(*b"some")?;
        writer.put(&[fill; 100])?;
        writer.put(&[fill + 1; 50])?;
        writer.begin(*b"none")?;
        writer.finish()
    }

    /// The two sections, if the file is sound.
    fn read(disk: &Arc<dyn Disk>) -> Result<Option<(Bytes, Bytes)>> {
        let Some(file) = DerivedFile::open(disk)? else { return Ok(None) };
        Ok(Some((file.section(*b"some")?, file.section(*b"none")?)))
    }

    #[test]
    fn sections_come_back_and_any_damage_is_found() {
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        assert_eq!(read(&disk).unwrap(), None);
        let length = write(&disk, 1).unwrap() as usize;
        assert_eq!(disk.read(PATH).unwrap().byte_count(), length as u64);
        let (some, none) = read(&disk).unwrap().unwrap();
        assert_eq!((&some[..100], &some[100..], none.len()), (&[1; 100][..], &[2; 50][..], 0));
        for offset in 0..length {
            let damaged = memory.crash(0);
            damaged.damage(PATH, offset);
            let damaged: Arc<dyn Disk> = Arc::new(damaged);
            assert_eq!(read(&damaged).unwrap_err().code().0, "XX001", "byte {offset}");
        }
    }

    #[test]
    fn a_crash_leaves_the_old_or_the_new_one() {
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        write(&disk, 1).unwrap();
        for room in 0..300 {
            let copy = memory.crash(0);
            let disk: Arc<dyn Disk> = Arc::new(copy.clone());
            copy.set_room(Some(room));
            let written = write(&disk, 7);
            let after: Arc<dyn Disk> = Arc::new(copy.crash(0));
            let (some, _) = read(&after).unwrap().unwrap();
            assert_eq!(some[0], if written.is_ok() { 7 } else { 1 }, "room {room}");
            remove_unfinished(&disk).unwrap();
            assert_eq!(copy.paths(), [PATH]);
        }
    }

    #[test]
    fn another_format_is_told() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&(FORMAT + 1).to_le_bytes());
        header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());
        disk.create(PATH).unwrap().write_at(0, &header).unwrap();
        let error = read(&disk).unwrap_err();
        assert_eq!(error.message(), "\"derived/state\" is of format 2, not 1");
    }
}
