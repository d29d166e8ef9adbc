//! The log: records appended to pre-zeroed files, made durable a group at a time.
//!
//! ```text
//! log/<number, 10 digits>.log     (all integers little-endian)
//!   offset 0   8 bytes  magic "SELFLOG2": the last digit is the version of the format
//!          8   8 bytes  number of the file
//!         16            records, one after the other:
//!              4 bytes  length of the payload in bytes, never 0
//!              4 bytes  CRC32C of the payload
//!              8 bytes  sequence: 0, 1, 2, ... within the file
//!              8 bytes  offset at which the record's group begins: all before it was durable then
//!              4 bytes  CRC32C of the 24 bytes before
//!              4 bytes  "SREC"
//!              payload
//!              1 byte   A5
//!          then zeros up to a multiple of ZEROED_BYTES
//! ```
//! Space is zeroed ahead, so that a sync changes no file size and costs no journal commit of the file
//! system. Reading ends at the first record that is not whole. If anything but zeros follows there, it
//! is either torn, by a crash before its group was durable, and cut off with a log line, since nothing of
//! it was acknowledged; or it is damaged, and the store is not opened. It is damaged if a later group
//! says that it was durable, or if every block of the disk that it touches was written: a write that a
//! crash interrupts leaves whole blocks, or the end, as they were, which is zeros. What cannot be told
//! apart is a last group one of whose blocks is zeros by itself.
//!
//! A failed sync poisons the log: what the disk holds then is unknown, and trying again would hide it
//! (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).

use std::sync::Arc;

use bytes::Bytes;

use crate::env::disk::{Disk, DiskFile, LogKeeping};
use crate::error::{Error, Result, SqlState};

const MAGIC: &[u8; 7] = b"SELFLOG";

/// The version of the format.
pub const FORMAT: u8 = 2;

pub(crate) const FILE_HEADER: usize = 16;
pub(crate) const RECORD_HEADER: usize = 32;
const RECORD_MARK: &[u8; 4] = b"SREC";
const RECORD_END: u8 = 0xA5;

/// Disks write so many bytes or a multiple of them, or nothing.
const BLOCK_BYTES: usize = 512;

/// Space is zeroed in steps of so many bytes: large enough to be rare, small enough to be quick.
pub const ZEROED_BYTES: usize = 4 * 1024 * 1024;

/// The most bytes of one record; larger loads go to segments.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// The path of a log file.
pub fn path(number: u64) -> String {
    format!("log/{number:010}.log")
}

/// A log file open for appending.
pub struct Log {
    file: Box<dyn DiskFile>,
    number: u64,
    sequence: u64,
    /// Where the next record goes.
    end: u64,
    /// Up to where the file is zeroed; `None`: nothing is, as each sync makes a piece of its own.
    zeroed: Option<u64>,
    /// Pieces since the file was opened, and what each counts as.
    pieces: (u64, u64),
    /// Records of the group that is not written yet.
    group: Vec<u8>,
    poisoned: bool,
}

/// What was read from a log file.
#[derive(Debug, Default)]
pub struct Replay {
    /// Payloads in order.
    pub payloads: Vec<Bytes>,
    /// Bytes of a torn tail, which opening cuts off.
    pub torn_bytes: usize,
    /// Where the last whole record ends.
    pub end: u64,
}

impl Log {
    /// Starts a new log file.
    pub fn create(disk: &Arc<dyn Disk>, number: u64) -> Result<Self> {
        let mut file = disk.create(&path(number))?;
        let (zeroed, piece_bytes) = keeping(disk, ZEROED_BYTES as u64);
        let mut first = file_header(number).to_vec();
        first.resize(zeroed.unwrap_or(FILE_HEADER as u64) as usize, 0);
        file.write_at(0, &first)?;
        file.sync()?;
        disk.sync_folder("log")?;
        let (end, pieces) = (FILE_HEADER as u64, (0, piece_bytes));
        let group = Vec::new();
        Ok(Self { file, number, sequence: 0, end, zeroed, pieces, group, poisoned: false })
    }

    /// The log of a store that another process writes: it takes nothing.
    pub fn of_another(number: u64) -> Self {
        Self {
            file: Box::new(Nowhere),
            number,
            sequence: 0,
            end: FILE_HEADER as u64,
            zeroed: None,
            pieces: (0, 0),
            group: Vec::new(),
            poisoned: true,
        }
    }

    /// Opens a log file, reads it, and cuts off a torn tail.
    ///
    /// # Errors
    /// `XX001` if the file is not a log file of that number, or damaged where it was durable.
    pub fn open(disk: &Arc<dyn Disk>, number: u64) -> Result<(Self, Replay)> {
        // Before it is read: where there is no lock, this is what keeps others from adding to it.
        let mut file = disk.open(&path(number)).map_err(|error| missing(number, error))?;
        let contents = contents(disk, number)?;
        let replay = read(number, &contents, is_zeroed(disk))?;
        let tail = contents.len() as u64 - replay.end;
        if replay.torn_bytes > 0 {
            file.write_at(replay.end, &vec![0; tail as usize])?;
            file.sync()?;
            tracing::warn!(
                file = path(number),
                offset = replay.end,
                bytes = replay.torn_bytes,
                "cut off a torn record at the end of the log; it was never acknowledged"
            );
        }
        let (sequence, end) = (replay.payloads.len() as u64, replay.end);
        let (zeroed, piece_bytes) = keeping(disk, contents.len() as u64);
        let (group, pieces) = (Vec::new(), (0, piece_bytes));
        let log = Self { file, number, sequence, end, zeroed, pieces, group, poisoned: false };
        Ok((log, replay))
    }

    /// The number of the file.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Records in the file.
    pub fn record_count(&self) -> u64 {
        self.sequence
    }

    /// Bytes of records in the file, or what reading its pieces costs, if that is more.
    pub fn byte_count(&self) -> u64 {
        let bytes = self.end + self.group.len() as u64 - FILE_HEADER as u64;
        bytes.max(self.pieces.0 * self.pieces.1)
    }

    /// Adds a record to the group that the next [`Log::sync`] writes.
    ///
    /// # Errors
    /// `54000` if it is too large, `58030` once a sync has failed.
    pub fn append(&mut self, payload: &[u8]) -> Result<()> {
        self.check_sound()?;
        if payload.is_empty() || payload.len() > RECORD_BYTES_MAX {
            let message = format!("a commit of {} bytes is too large", payload.len());
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
                .detail(format!("the limit is {RECORD_BYTES_MAX} bytes"))
                .hint("split it, or load it from a file with COPY"));
        }
        self.group.extend_from_slice(&record_header(self.sequence, self.end, payload));
        self.group.extend_from_slice(payload);
        self.group.push(RECORD_END);
        self.sequence += 1;
        Ok(())
    }

    /// Writes the group and makes it durable.
    ///
    /// # Errors
    /// Whatever the disk says; from then on the log takes nothing more.
    pub fn sync(&mut self) -> Result<()> {
        self.check_sound()?;
        if self.group.is_empty() {
            return Ok(());
        }
        let result = self.write_group();
        self.poisoned = result.is_err();
        result
    }

    fn write_group(&mut self) -> Result<()> {
        let after = self.end + self.group.len() as u64;
        while let Some(zeroed) = self.zeroed.filter(|zeroed| *zeroed < after + RECORD_HEADER as u64)
        {
            self.file.write_at(zeroed, &vec![0; ZEROED_BYTES])?;
            self.zeroed = Some(zeroed + ZEROED_BYTES as u64);
        }
        self.file.write_at(self.end, &self.group)?;
        self.file.sync()?;
        self.pieces.0 += 1;
        self.end = after;
        self.group.clear();
        Ok(())
    }

    /// Takes nothing more: what the disk holds is not known.
    pub fn poison(&mut self) {
        self.poisoned = true;
    }

    /// Whether it takes records.
    ///
    /// # Errors
    /// `58030` once a sync has failed.
    pub fn check_sound(&self) -> Result<()> {
        if self.poisoned {
            return Err(Error::new(
                SqlState::IO_ERROR,
                "the store is read-only: writing its log failed",
            )
            .hint("see the server log for the first failure; restart when the disk is sound"));
        }
        Ok(())
    }
}

/// What a file begins with.
pub(crate) fn file_header(number: u64) -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..7].copy_from_slice(MAGIC);
    header[7] = b'0' + FORMAT;
    header[8..].copy_from_slice(&number.to_le_bytes());
    header
}

fn record_header(sequence: u64, group: u64, payload: &[u8]) -> [u8; RECORD_HEADER] {
    let mut header = [0; RECORD_HEADER];
    header[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    header[4..8].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    header[8..16].copy_from_slice(&sequence.to_le_bytes());
    header[16..24].copy_from_slice(&group.to_le_bytes());
    let sum = crc32c::crc32c(&header[..24]);
    header[24..28].copy_from_slice(&sum.to_le_bytes());
    header[28..].copy_from_slice(RECORD_MARK);
    header
}

/// The bytes of a log file.
fn contents(disk: &Arc<dyn Disk>, number: u64) -> Result<Bytes> {
    disk.read(&path(number)).map_err(|error| missing(number, error))?.read_all()
}

fn missing(number: u64, error: Error) -> Error {
    match error.code() {
        SqlState::UNDEFINED_FILE => Error::corrupted(format!("\"{}\" is missing", path(number))),
        _ => error,
    }
}

/// Reads a log file and changes nothing.
///
/// # Errors
/// As [`Log::open`].
pub fn examine(disk: &Arc<dyn Disk>, number: u64) -> Result<Replay> {
    read(number, &contents(disk, number)?, is_zeroed(disk))
}

/// Whether log files are zeroed before they are written.
fn is_zeroed(disk: &Arc<dyn Disk>) -> bool {
    matches!(disk.log_keeping(), LogKeeping::File)
}

fn check_file_header(number: u64, contents: &Bytes) -> Result<()> {
    let path = path(number);
    let header = contents.get(..FILE_HEADER).unwrap_or_default();
    if header == file_header(number) {
        return Ok(());
    }
    match header.strip_prefix(MAGIC).and_then(|rest| rest.first()) {
        Some(version) if version.is_ascii_digit() && *version != b'0' + FORMAT => {
            let version = version - b'0';
            let message = format!("\"{path}\" is of format {version}, not {FORMAT}");
            Err(Error::corrupted(message).hint(match version > FORMAT {
                true => "the store was written by a newer version; open it with that one",
                false => "the store was written by an older version, whose logs are not read",
            }))
        }
        _ => Err(Error::corrupted(format!("\"{path}\" is not a log file"))
            .detail(format!("{path}, offset 0"))),
    }
}

/// Up to where a file is zeroed, and what a piece of it counts as.
fn keeping(disk: &Arc<dyn Disk>, zeroed: u64) -> (Option<u64>, u64) {
    match disk.log_keeping() {
        LogKeeping::File => (Some(zeroed), 0),
        LogKeeping::Pieces { piece_bytes } => (None, piece_bytes),
    }
}

/// Where nothing is written.
struct Nowhere;

impl DiskFile for Nowhere {
    fn write_at(&mut self, _offset: u64, _bytes: &[u8]) -> Result<()> {
        self.sync()
    }

    fn sync(&mut self) -> Result<()> {
        Err(Error::internal("the log is another process's"))
    }
}

fn read(number: u64, contents: &Bytes, zeroed: bool) -> Result<Replay> {
    check_file_header(number, contents)?;
    let mut replay = Replay::default();
    let mut at = FILE_HEADER;
    while let Some(payload) = record(contents, at, replay.payloads.len() as u64) {
        at += RECORD_HEADER + payload.len() + 1;
        replay.payloads.push(payload);
    }
    let rest = &contents[at..];
    replay.torn_bytes = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    replay.end = at as u64;
    if replay.torn_bytes > 0
        && let Some(why) = damage(contents, at)
    {
        let path = path(number);
        return Err(Error::corrupted(format!("\"{path}\" is damaged at offset {at}: {why}"))
            .detail(format!("{} records before it are whole", replay.payloads.len()))
            .hint("it was acknowledged, so nothing is cut off; restore the store from a backup"));
    }
    if zeroed && contents.len() < ZEROED_BYTES {
        let message = format!("\"{}\" was cut off at offset {}", path(number), contents.len());
        return Err(Error::corrupted(message).hint("restore the store from a backup"));
    }
    Ok(replay)
}

/// A header that is whole, taken apart.
pub(crate) struct Header {
    pub(crate) length: usize,
    payload_sum: u32,
    sequence: u64,
    group: u64,
}

pub(crate) fn header(contents: &[u8], at: usize) -> Option<Header> {
    let header = contents.get(at..at + RECORD_HEADER)?;
    let (halves, _) = header.as_chunks::<4>();
    let half = |index: usize| u32::from_le_bytes(halves[index]);
    let whole = |index: usize| u64::from(half(index)) | u64::from(half(index + 1)) << 32;
    let sound = half(6) == crc32c::crc32c(&header[..24]) && &halves[7] == RECORD_MARK;
    let found = Header {
        length: half(0) as usize,
        payload_sum: half(1),
        sequence: whole(2),
        group: whole(4),
    };
    sound.then_some(found)
}

/// The payload of the record at an offset, if a whole and sound one of that sequence is there.
pub(crate) fn record(contents: &Bytes, at: usize, sequence: u64) -> Option<Bytes> {
    let header = header(contents, at)?;
    let from = at + RECORD_HEADER;
    let end = contents.get(from + header.length).copied();
    if header.length == 0 || header.sequence != sequence || end != Some(RECORD_END) {
        return None;
    }
    let payload = contents.slice(from..from + header.length);
    (crc32c::crc32c(&payload) == header.payload_sum).then_some(payload)
}

/// Why what is at an offset, which is no whole record, was durable once; `None`: it may well be torn.
fn damage(contents: &[u8], at: usize) -> Option<String> {
    let starts = (at + 1..contents.len().saturating_sub(RECORD_HEADER - 1))
        .filter(|start| &contents[start + 28..start + RECORD_HEADER] == RECORD_MARK);
    for start in starts {
        let later = header(contents, start).filter(|it| it.group > at as u64);
        if later.is_some_and(|it| it.group <= start as u64) {
            return Some(format!("the record at offset {start} was written when it was durable"));
        }
    }
    let (end, what) = match header(contents, at) {
        Some(header) => (at + RECORD_HEADER + header.length + 1, "its checksum is wrong"),
        None => (at + RECORD_HEADER, "its header is wrong"),
    };
    let bytes = contents.get(at..end)?;
    (!is_torn(bytes, at)).then(|| what.to_owned())
}

/// Whether a write of these bytes to an offset may have been cut short: its end, or a whole block of it, is
/// as it was before.
fn is_torn(bytes: &[u8], at: usize) -> bool {
    let first = BLOCK_BYTES - at % BLOCK_BYTES;
    let (head, rest) = bytes.split_at(first.min(bytes.len()));
    let zeros = |block: &[u8]| block.iter().all(|byte| *byte == 0);
    bytes.last() == Some(&0) || zeros(head) || rest.chunks(BLOCK_BYTES).any(zeros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::memory_disk::MemoryDisk;

    fn written(disk: &MemoryDisk, records: &[&[u8]], unsynced: &[u8]) {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut log = Log::create(&disk, 1).unwrap();
        for record in records {
            log.append(record).unwrap();
        }
        log.sync().unwrap();
        if !unsynced.is_empty() {
            log.append(unsynced).unwrap();
            log.file.write_at(log.end, &log.group).unwrap();
        }
    }

    fn reopened(disk: MemoryDisk) -> (Vec<Vec<u8>>, usize) {
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let (_, replay) = Log::open(&disk, 1).unwrap();
        (replay.payloads.iter().map(|payload| payload.to_vec()).collect(), replay.torn_bytes)
    }

    #[test]
    fn a_torn_tail_is_cut_at_every_byte() {
        let unsynced = b"never acknowledged";
        for kept in 0..RECORD_HEADER + unsynced.len() {
            let disk = MemoryDisk::new();
            written(&disk, &[b"one", b"two"], unsynced);
            let (payloads, _) = reopened(disk.crash(kept));
            assert!(payloads.starts_with(&[b"one".to_vec(), b"two".to_vec()]), "kept {kept}");
            assert!(payloads.len() <= 3);
        }
    }

    #[test]
    fn appending_after_a_torn_tail_works() {
        let disk = MemoryDisk::new();
        written(&disk, &[b"one"], b"torn");
        let disk: Arc<dyn Disk> = Arc::new(disk.crash(5));
        let (mut log, replay) = Log::open(&disk, 1).unwrap();
        assert!(replay.torn_bytes > 0);
        log.append(b"two").unwrap();
        log.sync().unwrap();
        let (_, replay) = Log::open(&disk, 1).unwrap();
        assert_eq!(replay.payloads, [&b"one"[..], &b"two"[..]]);
        assert_eq!(replay.torn_bytes, 0);
    }

    #[test]
    fn a_flipped_bit_of_what_was_durable_is_told_and_nothing_is_cut_off() {
        let whole = MemoryDisk::new();
        written(&whole, &[b"one", b"two"], b"");
        let used = FILE_HEADER + 2 * (RECORD_HEADER + 3 + 1);
        for offset in 0..used {
            let memory = whole.crash(0);
            memory.damage(&path(1), offset);
            let disk: Arc<dyn Disk> = Arc::new(memory.clone());
            let error = Log::open(&disk, 1).err().unwrap_or_else(|| panic!("byte {offset}"));
            assert_eq!(error.code().0, "XX001", "byte {offset}");
            memory.damage(&path(1), offset);
            let disk: Arc<dyn Disk> = Arc::new(memory);
            assert_eq!(Log::open(&disk, 1).unwrap().1.payloads.len(), 2);
        }
    }

    #[test]
    fn a_group_that_later_ones_follow_is_never_torn() {
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        let mut log = Log::create(&disk, 1).unwrap();
        for _ in 0..3 {
            // Blocks of zeros, as torn ones would be.
            log.append(&[0; 3 * BLOCK_BYTES]).unwrap();
            log.sync().unwrap();
        }
        let length = RECORD_HEADER + 3 * BLOCK_BYTES + 1;
        for (record, damaged) in [(0, true), (1, true), (2, false)] {
            let copy = memory.crash(0);
            copy.damage(&path(1), FILE_HEADER + record * length + RECORD_HEADER + 700);
            let disk: Arc<dyn Disk> = Arc::new(copy);
            let opened = Log::open(&disk, 1);
            assert_eq!(opened.is_err(), damaged, "record {record}");
            if let Ok((_, replay)) = opened {
                assert_eq!(replay.payloads.len(), record);
            }
        }
    }

    #[test]
    fn other_formats_and_files_cut_short_are_refused() {
        for (version, expected) in [(b'1', "format 1"), (b'9', "format 9"), (b'x', "not a log")] {
            let disk = MemoryDisk::new();
            written(&disk, &[b"one"], b"");
            disk.open(&path(1)).unwrap().write_at(7, &[version]).unwrap();
            let disk: Arc<dyn Disk> = Arc::new(disk);
            let error = examine(&disk, 1).unwrap_err();
            assert!(error.message().contains(expected), "{error:?}");
        }
        let memory = MemoryDisk::new();
        written(&memory, &[b"one"], b"");
        memory.cut(&path(1), ZEROED_BYTES - 1);
        let disk: Arc<dyn Disk> = Arc::new(memory);
        assert!(examine(&disk, 1).unwrap_err().message().contains("cut off"));
    }

    #[test]
    fn a_full_disk_poisons_the_log() {
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        let mut log = Log::create(&disk, 1).unwrap();
        memory.set_room(Some(3));
        log.append(b"too much").unwrap();
        assert_eq!(log.sync().unwrap_err().code().0, "53100");
        memory.set_room(None);
        assert_eq!(log.append(b"x").unwrap_err().code().0, "58030");
    }

    /// A disk on which each sync is a piece, as in object storage.
    #[derive(Debug)]
    struct Pieced(MemoryDisk);

    impl Disk for Pieced {
        fn create_folder(&self, path: &str) -> Result<()> {
            self.0.create_folder(path)
        }
        fn create(&self, path: &str) -> Result<Box<dyn DiskFile>> {
            self.0.create(path)
        }
        fn open(&self, path: &str) -> Result<Box<dyn DiskFile>> {
            self.0.open(path)
        }
        fn read(&self, path: &str) -> Result<crate::env::disk::Readable> {
            self.0.read(path)
        }
        fn list(&self, path: &str) -> Result<Vec<String>> {
            self.0.list(path)
        }
        fn walk(&self) -> Result<Vec<String>> {
            self.0.walk()
        }

        fn rename(&self, from: &str, to: &str) -> Result<()> {
            self.0.rename(from, to)
        }
        fn remove(&self, path: &str) -> Result<()> {
            self.0.remove(path)
        }
        fn sync_folder(&self, path: &str) -> Result<()> {
            self.0.sync_folder(path)
        }
        fn log_keeping(&self) -> LogKeeping {
            LogKeeping::Pieces { piece_bytes: 1_000 }
        }
    }

    #[test]
    fn a_log_of_pieces_has_no_zeros_and_is_full_by_its_pieces_too() {
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(Pieced(memory.clone()));
        let mut log = Log::create(&disk, 1).unwrap();
        for record in [&b"one"[..], b"two", b"three"] {
            log.append(record).unwrap();
            log.sync().unwrap();
        }
        assert_eq!(log.byte_count(), 3_000);
        let bytes = FILE_HEADER + 3 * (RECORD_HEADER + 1) + "onetwothree".len();
        assert_eq!(memory.read(&path(1)).unwrap().byte_count(), bytes as u64);
        log.append(&[7; 5_000]).unwrap();
        assert!(log.byte_count() > 5_000);
    }

    #[test]
    fn records_longer_than_the_zeroed_space_fit() {
        let disk = MemoryDisk::new();
        let long = vec![7; ZEROED_BYTES + 10];
        written(&disk, &[&long, b"after"], b"");
        let (payloads, torn) = reopened(disk.crash(0));
        assert_eq!(
            (payloads[0].len(), payloads[1].as_slice(), torn),
            (long.len(), &b"after"[..], 0)
        );
    }
}
