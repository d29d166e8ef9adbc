//! The tail of a log that another process writes: record after record, as they become whole.
//!
//! A record that is there in part is not there yet. Nothing is cut off and nothing repaired: that is the
//! writer's business, in `log`, which draws the format.

use std::sync::Arc;

use bytes::Bytes;

use crate::env::disk::{Disk, Growing};
use crate::error::{Error, Result};
use crate::storage::log::{FILE_HEADER, RECORD_HEADER, header, path, record, record_length};

/// A log being read.
pub struct LogTail {
    file: Box<dyn Growing>,
    number: u64,
    sequence: u64,
    /// Where the next record begins.
    end: u64,
}

impl LogTail {
    /// Opens a log at its first record.
    ///
    /// # Errors
    /// `58P01` if there is no such log, `XX001` if the file is none, or what the disk says.
    pub fn open(disk: &Arc<dyn Disk>, number: u64) -> Result<Self> {
        let mut file = disk.growing(&path(number))?;
        if file.read(0, FILE_HEADER)? != header(number) {
            return Err(Error::corrupted(format!("\"{}\" is not a log file", path(number))));
        }
        Ok(Self { file, number, sequence: 0, end: FILE_HEADER as u64 })
    }

    /// The number of the file.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Records read so far.
    pub fn record_count(&self) -> u64 {
        self.sequence
    }

    /// The payload of the next record, if it is there.
    ///
    /// # Errors
    /// What the disk says.
    pub fn next_record(&mut self) -> Result<Option<Bytes>> {
        let head = self.file.read(self.end, RECORD_HEADER)?;
        let Some(length) = record_length(&head) else { return Ok(None) };
        let whole = self.file.read(self.end, length)?;
        let Some(payload) = record(&whole, 0, self.sequence) else { return Ok(None) };
        self.sequence += 1;
        self.end += whole.len() as u64;
        Ok(Some(payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::memory_disk::MemoryDisk;
    use crate::storage::log::Log;

    fn rest(tail: &mut LogTail) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(payload) = tail.next_record().unwrap() {
            all.push(String::from_utf8(payload.to_vec()).unwrap());
        }
        all
    }

    #[test]
    fn records_come_once_they_are_synced() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        assert_eq!(LogTail::open(&disk, 7).err().unwrap().code().0, "58P01");
        let mut log = Log::create(&disk, 7).unwrap();
        let mut tail = LogTail::open(&disk, 7).unwrap();
        assert_eq!(rest(&mut tail), [""; 0]);
        log.append(b"one").unwrap();
        log.append(b"two").unwrap();
        assert_eq!(rest(&mut tail), [""; 0]);
        log.sync().unwrap();
        assert_eq!(rest(&mut tail), ["one", "two"]);
        log.append(b"three").unwrap();
        log.sync().unwrap();
        assert_eq!(rest(&mut tail), ["three"]);
        disk.remove(&path(7)).unwrap();
        log.append(b"four").unwrap();
        log.sync().unwrap();
        assert_eq!((rest(&mut tail), tail.record_count()), (vec!["four".to_owned()], 4));
    }
}
