//! A file on its way to a bucket: written locally at any offset, then sent as one object.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use crate::env::disk::File;
use crate::env::objects::bucket::{Bucket, Version};
use crate::env::objects::cache::Cache;
use crate::error::{Error, Result};

/// Objects that are larger go in parts of so many bytes: with 10,000 parts at most, 160 GB fit.
pub const PART_BYTES: u64 = 16 << 20;

/// The local file.
#[derive(Debug)]
pub struct Spool {
    file: Arc<File>,
    byte_count: u64,
}

impl Spool {
    /// An empty one.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(cache: &Cache) -> Result<Self> {
        Ok(Self { file: cache.file()?, byte_count: 0 })
    }

    /// Writes at an offset.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|error| Error::io("write to a local copy", &error))?;
        self.byte_count = self.byte_count.max(offset + bytes.len() as u64);
        Ok(())
    }

    /// Sends it; gives its length and what version it became.
    ///
    /// # Errors
    /// What the bucket says.
    pub fn send(&self, bucket: &Bucket, path: &str) -> Result<(u64, Version)> {
        let file = Arc::clone(&self.file);
        let read = move |offset: u64, length: usize| {
            let mut buffer = vec![0; length];
            let read = file.read_exact_at(&mut buffer, offset);
            read.map_err(|error| Error::io("read a local copy", &error))?;
            Ok(Bytes::from(buffer))
        };
        let version = if self.byte_count <= PART_BYTES {
            bucket.put(path, read(0, self.byte_count as usize)?)?
        } else {
            bucket.put_parts(path, self.byte_count, PART_BYTES, read)?
        };
        Ok((self.byte_count, version))
    }

    /// The local file, to be kept as a copy.
    pub fn into_file(self) -> Arc<File> {
        self.file
    }
}
