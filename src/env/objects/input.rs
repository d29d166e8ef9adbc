//! Users' files in object storage: found by a pattern, read as a stream or copied to be read out of order.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use bytes::{Buf, Bytes};

use crate::env::disk::File;
use crate::env::objects::bucket::{Bucket, Patience, RANGE_BYTES, Version};
use crate::env::objects::cache::Cache;
use crate::env::objects::location::Location;
use crate::env::threads;
use crate::error::{Error, Result, SqlState};

/// Ranges that are fetched ahead of a reader.
const RANGES_AHEAD: usize = 2;

/// A user's file.
#[derive(Clone, Debug)]
pub struct RemoteInput {
    bucket: Bucket,
    path: String,
    byte_count: u64,
}

/// Characters of patterns.
const WILD: [char; 3] = ['*', '?', '['];

/// Finds the objects that a location names, which may be a pattern: `s3://bucket/folder/*.parquet`. `*`
/// stays within a folder, `**` goes below.
///
/// # Errors
/// `22023` for what is no location, `42501` if it may not be listed, `54000` for more than `most`.
pub fn find(pattern: &str, most: usize) -> Result<Vec<RemoteInput>> {
    let wrong = |why: String| Error::new(SqlState::INVALID_PARAMETER_VALUE, why);
    // The prefix ends before the first step with a wild card; a bucket has none.
    let rest = pattern.split_once("://").map_or(0, |(scheme, _)| scheme.len() + 3);
    let bucket_end = pattern[rest..].find('/').map_or(pattern.len(), |at| rest + at);
    let wild = pattern[bucket_end..].find(WILD).map(|at| bucket_end + at);
    let folder_end = wild.map_or(pattern.len(), |at| pattern[..at].rfind('/').unwrap_or(at));
    let location = Location::parse(&pattern[..folder_end])?;
    if wild.is_none() {
        if location.prefix.is_empty() {
            return Err(wrong(format!("\"{pattern}\" names a bucket and no file")));
        }
        let path = location.prefix.clone();
        let bucket = Bucket::open(
            &Location { prefix: String::new(), ..location },
            Patience::default(),
            &[],
        )?;
        return match bucket.head(&path) {
            Ok((byte_count, _)) => Ok(vec![RemoteInput { bucket, path, byte_count }]),
            Err(error) if error.code() == SqlState::UNDEFINED_FILE => Ok(Vec::new()),
            Err(error) => Err(error),
        };
    }
    let names = pattern[folder_end..].trim_start_matches('/');
    let names = glob::Pattern::new(names)
        .map_err(|error| wrong(format!("invalid pattern \"{pattern}\": {}", error.msg)))?;
    let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
    let bucket = Bucket::open(&location, Patience::default(), &[])?;
    let found = bucket.list("")?.into_iter().filter(|(name, _)| names.matches_with(name, options));
    let found: Vec<RemoteInput> = found
        .take(most + 1)
        .map(|(path, byte_count)| RemoteInput { bucket: bucket.clone(), path, byte_count })
        .collect();
    if found.len() > most {
        let message = format!("a COPY can read at most {most} files");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    }
    Ok(found)
}

impl RemoteInput {
    /// Its location, whole.
    pub fn name(&self) -> String {
        let location = self.bucket.location();
        format!("{}/{}", location.bucket_url(), location.key(&self.path))
    }

    /// Reads it from its start to its end. Nothing is asked for before the first read.
    pub fn stream(self) -> Box<dyn Read + Send> {
        Box::new(Stream { input: Some(self), ranges: None, current: Bytes::new() })
    }

    /// Copies it into a file that has no name and goes with its last reader.
    ///
    /// # Errors
    /// What the bucket or the local disk says.
    pub fn copied(&self) -> Result<File> {
        let (byte_count, version) = self.bucket.head(&self.path)?;
        let cache = Cache::create(&std::env::temp_dir(), 0)?;
        let copy = cache.file()?;
        self.bucket.download(&self.path, byte_count, &version, Arc::clone(&copy))?;
        copy.try_clone().map_err(|error| Error::io("open a local copy", &error))
    }
}

struct Stream {
    /// `None`: it was begun.
    input: Option<RemoteInput>,
    ranges: Option<Receiver<Result<Bytes>>>,
    current: Bytes,
}

/// Fetches ranges one after the other until somebody does not want them any more.
fn fetch(input: RemoteInput) -> Result<Receiver<Result<Bytes>>> {
    let (send, ranges) = sync_channel(RANGES_AHEAD);
    threads::spawn("objects input", move || {
        let opened = match input.byte_count {
            0 => Ok((0, Version::default())),
            _ => input.bucket.head(&input.path),
        };
        let (byte_count, version) = match opened {
            Ok(opened) => opened,
            Err(error) => return drop(send.send(Err(error))),
        };
        for offset in (0..byte_count).step_by(RANGE_BYTES as usize) {
            let range = offset..(offset + RANGE_BYTES).min(byte_count);
            let got = input.bucket.get_range(&input.path, range, &version);
            let failed = got.is_err();
            if send.send(got).is_err() || failed {
                return;
            }
        }
        // An empty piece is the end; without it, the thread was lost.
        drop(send.send(Ok(Bytes::new())));
    })?;
    Ok(ranges)
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(input) = self.input.take() {
            self.ranges = Some(fetch(input).map_err(io::Error::other)?);
        }
        if self.current.is_empty()
            && let Some(ranges) = &self.ranges
        {
            let lost = || io::Error::other(Error::internal("a file was not read to its end"));
            self.current = ranges.recv().map_err(|_| lost())?.map_err(io::Error::other)?;
            if self.current.is_empty() {
                self.ranges = None;
            }
        }
        let count = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
