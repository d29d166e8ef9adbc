//! The log in object storage: a file of which every sync is an object that nobody can write twice.
//!
//! ```text
//! log/<number>.log/<piece, 10 digits: 0, 1, 2, ...>     (all integers little-endian)
//!   offset 0   8 bytes  magic "SELFPIEC"
//!          8   8 bytes  epoch of the writer
//!         16   8 bytes  the writer's number, random
//!         24   8 bytes  where in the log its bytes belong
//!         32   4 bytes  length of the writer's name
//!         36   4 bytes  CRC32C of all before and after this
//!         40            the writer's name, then the bytes of the log
//! ```
//! A piece is created only if there is none of its number. So of two writers who both believe that the log is
//! theirs, the second to write a number finds that the other was there before: it has lost, and knows to whom.
//! Whoever takes a log over writes a piece without bytes, a *fence*, behind what it found: that is the number
//! which the writer of before would write next.

use bytes::{BufMut, Bytes, BytesMut};

use crate::env::disk::Growing;
use crate::env::objects::bucket::{Bucket, Condition, REQUESTS_MAX, Written};
use crate::error::{Error, Result, SqlState};

const MAGIC: &[u8; 8] = b"SELFPIEC";
const HEADER: usize = 40;

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Which writer of the store it is, counted from 1.
    pub epoch: u64,
    /// Its number, which no other process has.
    pub number: u64,
    /// What it calls itself.
    pub name: String,
}

/// One piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Who wrote it.
    pub author: Author,
    /// Where in the log its bytes belong.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
}

impl Piece {
    /// As it is stored.
    pub fn encode(&self) -> Bytes {
        let name = &self.author.name.as_bytes()[..self.author.name.len().min(1_000)];
        let mut all = BytesMut::with_capacity(HEADER + name.len() + self.bytes.len());
        all.put_slice(MAGIC);
        all.put_u64_le(self.author.epoch);
        all.put_u64_le(self.author.number);
        all.put_u64_le(self.offset);
        all.put_u32_le(name.len() as u32);
        let sum = crc32c::crc32c_append(crc32c::crc32c(&all), name);
        all.put_u32_le(crc32c::crc32c_append(sum, &self.bytes));
        all.put_slice(name);
        all.put_slice(&self.bytes);
        all.freeze()
    }

    /// From its stored form.
    ///
    /// # Errors
    /// `XX001` if it is none.
    pub fn decode(path: &str, stored: &Bytes) -> Result<Self> {
        let bad = || Error::corrupted(format!("\"{path}\" is no sound piece of a log"));
        let header = stored.get(..HEADER).ok_or_else(bad)?;
        let word = |at: usize| header[at..at + 8].try_into().map(u64::from_le_bytes);
        let half = |at: usize| header[at..at + 4].try_into().map(u32::from_le_bytes);
        let (Ok(epoch), Ok(number), Ok(offset)) = (word(8), word(16), word(24)) else {
            return Err(bad());
        };
        let (Ok(name_length), Ok(sum)) = (half(32), half(36)) else { return Err(bad()) };
        let rest = stored.slice(HEADER..);
        let expected = crc32c::crc32c_append(crc32c::crc32c(&header[..36]), &rest);
        if !header.starts_with(MAGIC) || sum != expected || rest.len() < name_length as usize {
            return Err(bad());
        }
        let name = String::from_utf8_lossy(&rest[..name_length as usize]).into_owned();
        let author = Author { epoch, number, name };
        Ok(Self { author, offset, bytes: rest.slice(name_length as usize..) })
    }
}

/// The path of a piece of a log.
pub fn piece_path(log: &str, piece: u64) -> String {
    format!("{log}/{piece:010}")
}

/// The numbers of a log's pieces.
fn numbers(bucket: &Bucket, log: &str) -> Result<Vec<u64>> {
    let found = bucket.list(log)?;
    let numbers = found.into_iter().enumerate().map(|(at, (name, _))| {
        let number = name.parse::<u64>().ok().filter(|number| *number == at as u64);
        number.ok_or_else(|| Error::corrupted(format!("\"{log}\" lacks a piece before \"{name}\"")))
    });
    numbers.collect()
}

/// Reads a log whole; gives its bytes and how many pieces it has.
///
/// # Errors
/// `58P01` if there is none, `XX001` if a piece is missing or damaged, or what the bucket says.
pub fn read_log(bucket: &Bucket, log: &str) -> Result<(BytesMut, u64)> {
    let paths: Vec<String> =
        numbers(bucket, log)?.into_iter().map(|number| piece_path(log, number)).collect();
    if paths.is_empty() {
        let message = format!("could not read \"{log}\" in object storage");
        return Err(Error::new(SqlState::UNDEFINED_FILE, message).detail("it has no pieces"));
    }
    let mut all = BytesMut::new();
    for paths in paths.chunks(REQUESTS_MAX * 8) {
        for (path, stored) in paths.iter().zip(bucket.get_all(paths.to_vec())?) {
            let piece = Piece::decode(path, &stored)?;
            if piece.offset != all.len() as u64 {
                return Err(Error::corrupted(format!("\"{path}\" does not continue its log")));
            }
            all.put_slice(&piece.bytes);
        }
    }
    Ok((all, paths.len() as u64))
}

/// A log being written.
#[derive(Debug)]
pub struct PieceWriter {
    log: String,
    author: Author,
    next_piece: u64,
    /// Where the next piece belongs.
    end: u64,
}

/// What became of a piece.
#[derive(Debug)]
pub enum Appended {
    /// It is there.
    Done,
    /// Another writer was there before.
    Lost(Author),
}

impl PieceWriter {
    /// Starts a log that nobody has started; `None` if somebody has.
    ///
    /// # Errors
    /// What the bucket says.
    pub fn create(
        bucket: &Bucket,
        log: &str,
        author: Author,
        first: Bytes,
    ) -> Result<Option<Self>> {
        let mut writer = Self { log: log.to_owned(), author, next_piece: 0, end: 0 };
        match writer.append(bucket, first)? {
            Appended::Done => Ok(Some(writer)),
            Appended::Lost(_) => Ok(None),
        }
    }

    /// Takes a log over: from now on nobody else can add to it.
    ///
    /// # Errors
    /// `58P01` if there is none, or what the bucket says.
    pub fn take_over(bucket: &Bucket, log: &str, author: Author) -> Result<Self> {
        let mut piece = numbers(bucket, log)?.len() as u64;
        let Some(mut last) = piece.checked_sub(1) else {
            let message = format!("could not open \"{log}\" in object storage");
            return Err(Error::new(SqlState::UNDEFINED_FILE, message).detail("it has no pieces"));
        };
        loop {
            let path = piece_path(log, last);
            let before = Piece::decode(&path, &bucket.get(&path)?.bytes)?;
            let end = before.offset + before.bytes.len() as u64;
            let mut writer =
                Self { log: log.to_owned(), author: author.clone(), next_piece: piece, end };
            match writer.append(bucket, Bytes::new())? {
                Appended::Done => return Ok(writer),
                // The writer of before was quicker once more.
                Appended::Lost(_) => (last, piece) = (piece, piece + 1),
            }
        }
    }

    /// Where the next bytes belong.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// What the bucket says: then it is unknown whether the piece is there, and nothing may follow.
    pub fn append(&mut self, bucket: &Bucket, bytes: Bytes) -> Result<Appended> {
        let path = piece_path(&self.log, self.next_piece);
        let length = bytes.len() as u64;
        let piece = Piece { author: self.author.clone(), offset: self.end, bytes };
        match bucket.put_exactly(&path, &piece.encode(), &Condition::New)? {
            Written::Done(_) => {
                self.next_piece += 1;
                self.end += length;
                Ok(Appended::Done)
            }
            Written::Taken(stored) => Ok(Appended::Lost(Piece::decode(&path, &stored)?.author)),
        }
    }
}

/// A log that another writes, piece by piece.
pub struct GrowingLog {
    bucket: Bucket,
    log: String,
    next_piece: u64,
    /// Bytes of pieces that were fetched and may be asked for yet.
    held: BytesMut,
    /// Where in the log they begin.
    start: u64,
}

impl GrowingLog {
    /// Opens a log at its start, and reads what is there.
    ///
    /// # Errors
    /// As [`read_log`].
    pub fn open(bucket: &Bucket, log: &str) -> Result<Self> {
        let (held, next_piece) = read_log(bucket, log)?;
        Ok(Self { bucket: bucket.clone(), log: log.to_owned(), next_piece, held, start: 0 })
    }

    /// Fetches the next piece, if it is there.
    fn fetch(&mut self) -> Result<bool> {
        let path = piece_path(&self.log, self.next_piece);
        let stored = match self.bucket.get(&path) {
            Ok(object) => object.bytes,
            Err(error) if error.code() == SqlState::UNDEFINED_FILE => return Ok(false),
            Err(error) => return Err(error),
        };
        let piece = Piece::decode(&path, &stored)?;
        if piece.offset != self.start + self.held.len() as u64 {
            return Err(Error::corrupted(format!("\"{path}\" does not continue its log")));
        }
        self.held.put_slice(&piece.bytes);
        self.next_piece += 1;
        Ok(true)
    }
}

impl Growing for GrowingLog {
    fn read(&mut self, offset: u64, length: usize) -> Result<Bytes> {
        let skipped = offset.checked_sub(self.start);
        let skipped = skipped.ok_or_else(|| Error::internal("a log was read backwards"))? as usize;
        while self.held.len() < skipped.saturating_add(length) && self.fetch()? {}
        let dropped = skipped.min(self.held.len());
        drop(self.held.split_to(dropped));
        self.start += dropped as u64;
        let from = skipped - dropped;
        let end = (from + length).min(self.held.len());
        Ok(Bytes::copy_from_slice(self.held.get(from..end).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_and_damage_is_found() {
        let author = Author { epoch: 3, number: 77, name: "db1:5442".to_owned() };
        let piece = Piece { author, offset: 16, bytes: Bytes::from_static(b"records") };
        let stored = piece.encode();
        assert_eq!(Piece::decode("p", &stored).unwrap(), piece);
        for at in 0..stored.len() {
            let mut damaged = stored.to_vec();
            damaged[at] ^= 1;
            assert_eq!(Piece::decode("p", &damaged.into()).unwrap_err().code().0, "XX001", "{at}");
            assert!(Piece::decode("p", &stored.slice(..at)).is_err(), "{at}");
        }
    }
}
