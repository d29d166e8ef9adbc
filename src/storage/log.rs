//! The log: records appended to pre-zeroed files, made durable a group at a time.
//!
//! ```text
//! log/<number, 10 digits>.log     (all integers little-endian)
//!   offset 0   8 bytes  magic "SELFLOG1"
//!          8   8 bytes  number of the file
//!         16            records, one after the other:
//!              4 bytes  length of the payload in bytes, never 0
//!              4 bytes  CRC32C of sequence and payload
//!              8 bytes  sequence: 0, 1, 2, ... within the file
//!              payload
//!          then zeros up to a multiple of ZEROED_BYTES
//! ```
//! Space is zeroed ahead, so that a sync changes no file size and costs no journal commit of the file
//! system. Reading stops at the first record whose length is 0, whose sequence is not the next or whose
//! checksum is wrong; if anything but zeros follows there, it is a torn tail, cut off with a log line:
//! nothing of it was acknowledged. A failed sync poisons the log: what the disk holds then is unknown,
//! and trying again would hide it (Rebello et al., "Can Applications Recover from fsync Failures?",
//! USENIX ATC 2020).

use std::sync::Arc;

use bytes::Bytes;

use crate::env::disk::{Disk, DiskFile, LogKeeping};
use crate::error::{Error, Result, SqlState};

const MAGIC: &[u8; 8] = b"SELFLOG1";
pub(crate) const FILE_HEADER: usize = 16;
pub(crate) const RECORD_HEADER: usize = 16;

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
    /// Bytes of a torn tail that were cut off.
    pub torn_bytes: usize,
    end: u64,
}

impl Log {
    /// Starts a new log file.
    pub fn create(disk: &Arc<dyn Disk>, number: u64) -> Result<Self> {
        let mut file = disk.create(&path(number))?;
        let (zeroed, piece_bytes) = keeping(disk, ZEROED_BYTES as u64);
        let mut first = header(number);
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
    /// `XX001` if the file is not a log file of that number.
    pub fn open(disk: &Arc<dyn Disk>, number: u64) -> Result<(Self, Replay)> {
        let missing = |error: Error| match error.code() {
            SqlState::UNDEFINED_FILE => {
                Error::corrupted(format!("\"{}\" is missing", path(number)))
            }
            _ => error,
        };
        // Before it is read: where there is no lock, this is what keeps others from adding to it.
        let mut file = disk.open(&path(number)).map_err(missing)?;
        let contents = disk.read(&path(number)).map_err(missing)?.read_all()?;
        let replay = read(number, &contents)?;
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
        self.group.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.group.extend_from_slice(&checksum(self.sequence, payload).to_le_bytes());
        self.group.extend_from_slice(&self.sequence.to_le_bytes());
        self.group.extend_from_slice(payload);
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

    fn check_sound(&self) -> Result<()> {
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

fn checksum(sequence: u64, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&sequence.to_le_bytes()), payload)
}

/// What a file begins with.
pub(crate) fn header(number: u64) -> Vec<u8> {
    MAGIC.iter().copied().chain(number.to_le_bytes()).collect()
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

fn read(number: u64, contents: &Bytes) -> Result<Replay> {
    if contents.get(..FILE_HEADER) != Some(&header(number)[..]) {
        return Err(Error::corrupted(format!("\"{}\" is not a log file", path(number))));
    }
    let mut replay = Replay::default();
    let mut at = FILE_HEADER;
    while let Some(payload) = record(contents, at, replay.payloads.len() as u64) {
        at += RECORD_HEADER + payload.len();
        replay.payloads.push(payload);
    }
    let rest = &contents[at..];
    replay.torn_bytes = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    replay.end = at as u64;
    Ok(replay)
}

/// Bytes of a whole record that begins with this header, if it is one.
pub(crate) fn record_length(header: &[u8]) -> Option<usize> {
    let length = header.get(..4)?.try_into().map(u32::from_le_bytes).ok()? as usize;
    let possible = header.len() == RECORD_HEADER && length > 0 && length <= RECORD_BYTES_MAX;
    possible.then_some(RECORD_HEADER + length)
}

/// The payload of the record at an offset, if a whole and sound one of that sequence is there.
pub(crate) fn record(contents: &Bytes, at: usize, sequence: u64) -> Option<Bytes> {
    let header = contents.get(at..at + RECORD_HEADER)?;
    let number = |from: usize| header[from..from + 4].try_into().map(u32::from_le_bytes).ok();
    let (length, sum) = (number(0)? as usize, number(4)?);
    let found = u64::from_le_bytes(header[8..16].try_into().ok()?);
    let from = at + RECORD_HEADER;
    if length == 0 || found != sequence || contents.len() < from + length {
        return None;
    }
    let payload = contents.slice(from..from + length);
    (checksum(sequence, &payload) == sum).then_some(payload)
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
    fn a_flipped_bit_ends_the_log_there() {
        let disk = MemoryDisk::new();
        written(&disk, &[b"one", b"two"], b"");
        disk.damage(&path(1), FILE_HEADER + RECORD_HEADER + 1);
        let (payloads, torn) = reopened(disk);
        assert!(payloads.is_empty() && torn > 0);
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
        let bytes = FILE_HEADER + 3 * RECORD_HEADER + "onetwothree".len();
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
