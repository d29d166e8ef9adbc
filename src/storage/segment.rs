//! Segments: many rows as one immutable Parquet file, and reading its columns one at a time.
//!
//! A file has the user's columns under their own names, for each identity column `c` a column
//! `selfsame:identity:c` (UINT32: the identity's number, null where unusable), and, where rows of
//! several commits were put together, `selfsame:fragment_id` and `selfsame:ingested_at`. zstd pages;
//! row groups of [`ROW_GROUP_ROWS`] rows, which are also the unit of reading and of the column cache.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;

use crate::env::disk::{Disk, DiskFile, Readable};
use crate::error::{Error, Result, SqlState};
use crate::storage::record::FileReference;

/// Rows of a row group: some megabytes decoded, so that a cached column is a useful unit.
pub const ROW_GROUP_ROWS: usize = 65_536;

/// A file's checksum is taken over pieces of so many bytes, so that no file is held whole.
const VERIFY_BYTES: u64 = 1 << 20;

/// Column names that begin so are the store's own.
pub const OWN_PREFIX: &str = "selfsame:";

/// Writes a segment file; nothing refers to it until its reference is committed.
pub struct SegmentWriter {
    writer: ArrowWriter<DiskWriter>,
    path: String,
}

impl SegmentWriter {
    /// Starts a file.
    pub fn create(disk: &Arc<dyn Disk>, path: String, schema: SchemaRef) -> Result<Self> {
        let out =
            DiskWriter { file: disk.create(&path)?, offset: 0, crc32c: 0, buffer: Vec::new() };
        let level = ZstdLevel::try_new(1).map_err(|error| failed(&path, error))?;
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_compression(Compression::ZSTD(level))
            .set_created_by(concat!("selfsame ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = ArrowWriter::try_new(out, schema, Some(properties));
        Ok(Self { writer: writer.map_err(|error| failed(&path, error))?, path })
    }

    /// Appends rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|error| failed(&self.path, error))
    }

    /// Bytes written and waiting in the current row group.
    pub fn buffered_bytes(&self) -> usize {
        self.writer.in_progress_size()
    }

    /// Completes the file and makes it durable.
    pub fn finish(mut self, row_count: u64) -> Result<FileReference> {
        self.writer.finish().map_err(|error| failed(&self.path, error))?;
        let out = self.writer.inner_mut();
        out.flush().map_err(|error| of_disk(&self.path, &error))?;
        out.file.sync()?;
        let (byte_count, crc32c) = (out.offset, out.crc32c);
        Ok(FileReference { path: self.path, byte_count, crc32c, row_count })
    }
}

fn failed(path: &str, error: ParquetError) -> Error {
    match error {
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => of_disk(path, &error),
            Err(error) => unwritten(path, error),
        },
        error => unwritten(path, error),
    }
}

/// What the disk itself said, on its way through the Parquet writer.
fn of_disk(path: &str, error: &std::io::Error) -> Error {
    let carried = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    carried.cloned().unwrap_or_else(|| unwritten(path, error))
}

fn unwritten(path: &str, error: impl std::fmt::Display) -> Error {
    Error::new(SqlState::IO_ERROR, format!("could not write \"{path}\": {error}"))
}

/// Bytes on their way to a file: counted and summed.
struct DiskWriter {
    file: Box<dyn DiskFile>,
    offset: u64,
    crc32c: u32,
    buffer: Vec<u8>,
}

/// Writes are gathered to so many bytes.
const WRITE_BYTES: usize = 1 << 20;

impl Write for DiskWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.crc32c = crc32c::crc32c_append(self.crc32c, &self.buffer);
        let written = self.file.write_at(self.offset, &self.buffer);
        written.map_err(std::io::Error::other)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Decoded columns of row groups, kept up to a budget of bytes.
#[derive(Debug)]
pub struct ColumnCache(
    quick_cache::sync::Cache<(u64, u32, u32), ArrayRef, ByArrayBytes>,
    /// How often a column was there, and how often not.
    [AtomicU64; 2],
);

#[derive(Clone, Debug)]
struct ByArrayBytes;

impl quick_cache::Weighter<(u64, u32, u32), ArrayRef> for ByArrayBytes {
    fn weight(&self, _key: &(u64, u32, u32), column: &ArrayRef) -> u64 {
        column.get_array_memory_size().max(1) as u64
    }
}

impl ColumnCache {
    /// A cache of so many bytes.
    pub fn new(byte_budget: u64) -> Self {
        let items = (byte_budget / (ROW_GROUP_ROWS as u64 * 8)).max(16) as usize;
        let cache = quick_cache::sync::Cache::with_weighter(items, byte_budget, ByArrayBytes);
        Self(cache, Default::default())
    }

    /// Bytes held.
    pub fn byte_count(&self) -> u64 {
        self.0.weight()
    }

    /// How often a column was there, and how often not.
    pub fn uses(&self) -> (u64, u64) {
        let [hits, misses] = &self.1;
        (hits.load(Ordering::Relaxed), misses.load(Ordering::Relaxed))
    }

    fn note_use(&self, hit: bool) {
        self.1[usize::from(!hit)].fetch_add(1, Ordering::Relaxed);
    }
}

/// A segment open for reading.
#[derive(Debug)]
pub struct Segment {
    number: u64,
    file: FileReference,
    source: Source,
    metadata: ArrowReaderMetadata,
    cache: Arc<ColumnCache>,
    /// Whether the file's checksum was compared since it was opened.
    verified: AtomicBool,
}

impl Segment {
    /// Opens a segment; `number` is its key in the cache.
    ///
    /// # Errors
    /// `XX001` if the file is not what its reference says.
    pub fn open(
        disk: &Arc<dyn Disk>,
        file: FileReference,
        number: u64,
        cache: &Arc<ColumnCache>,
    ) -> Result<Self> {
        let bad = |what: String| Error::corrupted(format!("segment \"{}\" {what}", file.path));
        let source = disk.read(&file.path).map_err(|error| match error.code() {
            SqlState::UNDEFINED_FILE => bad("is missing".to_owned()),
            _ => error,
        })?;
        let source = Source(source);
        if source.0.byte_count() != file.byte_count {
            return Err(bad(format!(
                "has {} bytes instead of {}",
                source.0.byte_count(),
                file.byte_count
            )));
        }
        let metadata = footer(&source).map_err(|error| bad(format!("cannot be read: {error}")))?;
        if metadata.metadata().file_metadata().num_rows() as u64 != file.row_count {
            return Err(bad("has another number of rows than it should".to_owned()));
        }
        let (cache, verified) = (Arc::clone(cache), AtomicBool::new(false));
        Ok(Self { number, file, source, metadata, cache, verified })
    }

    /// What the store says of the file.
    pub fn file(&self) -> &FileReference {
        &self.file
    }

    /// Reads the whole file and compares its checksum, unless that was done before.
    ///
    /// # Errors
    /// `XX001` if it differs.
    pub fn verify(&self) -> Result<()> {
        if self.verified.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (mut sum, mut offset) = (0, 0);
        while offset < self.file.byte_count {
            let length = (self.file.byte_count - offset).min(VERIFY_BYTES);
            sum = crc32c::crc32c_append(sum, &self.source.0.read_at(offset, length as usize)?);
            offset += length;
        }
        if sum != self.file.crc32c {
            let message = format!("segment \"{}\" has a wrong checksum", self.file.path);
            return Err(Error::corrupted(message));
        }
        self.verified.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Rows of each row group.
    pub fn group_rows(&self) -> Vec<usize> {
        self.metadata
            .metadata()
            .row_groups()
            .iter()
            .map(|group| group.num_rows() as usize)
            .collect()
    }

    /// Whether the file has a column.
    pub fn has_column(&self, name: &str) -> bool {
        self.metadata.schema().index_of(name).is_ok()
    }

    /// Bounds of an integer column of a row group, if the file tells them.
    pub fn bounds(&self, group: usize, name: &str) -> Option<(i64, i64)> {
        let columns = self.metadata.metadata().row_group(group).columns();
        let column = columns.iter().find(|column| column.column_path().string() == name)?;
        let Some(Statistics::Int64(known)) = column.statistics() else { return None };
        Some((*known.min_opt()?, *known.max_opt()?))
    }

    /// Whether a column of a row group may have nulls, as far as the file tells.
    pub fn may_have_nulls(&self, group: usize, name: &str) -> bool {
        let columns = self.metadata.metadata().row_group(group).columns();
        let column = columns.iter().find(|column| column.column_path().string() == name);
        let known = column.and_then(|column| column.statistics()?.null_count_opt());
        known != Some(0)
    }

    /// A column of a row group; `None` if the file has no such column.
    ///
    /// # Errors
    /// `XX001` if the file is damaged, `58030` if the disk fails.
    pub fn column(&self, group: usize, name: &str) -> Result<Option<ArrayRef>> {
        let Ok(column) = self.metadata.schema().index_of(name) else { return Ok(None) };
        let key = (self.number, group as u32, column as u32);
        let cached = self.cache.0.get(&key);
        self.cache.note_use(cached.is_some());
        if let Some(array) = cached {
            return Ok(Some(array));
        }
        let array = self.read(group, column)?;
        self.cache.0.insert(key, Arc::clone(&array));
        Ok(Some(array))
    }

    /// Decodes every page; the offset of the first column chunk that cannot be, and why.
    pub fn first_unreadable(&self) -> Option<(u64, Error)> {
        let groups = 0..self.metadata.metadata().num_row_groups();
        let columns = self.metadata.schema().fields().len();
        groups.flat_map(|group| (0..columns).map(move |column| (group, column))).find_map(
            |(group, column)| {
                let error = self.decode(group, column).err()?;
                Some((self.chunk_offset(group, column), error))
            },
        )
    }

    /// Where the first page of a column of a row group begins.
    fn chunk_offset(&self, group: usize, column: usize) -> u64 {
        let schema = self.metadata.parquet_schema();
        let chunks = self.metadata.metadata().row_group(group).columns().iter().enumerate();
        let of_column = chunks.filter(|(leaf, _)| schema.get_column_root_idx(*leaf) == column);
        of_column.map(|(_, chunk)| chunk.byte_range().0).min().unwrap_or_default()
    }

    fn read(&self, group: usize, column: usize) -> Result<ArrayRef> {
        // Parquet's pages bear no checksum that its reader compares: damage could read as other values.
        self.verify()?;
        self.decode(group, column)
    }

    fn decode(&self, group: usize, column: usize) -> Result<ArrayRef> {
        let bad = |error: &dyn std::fmt::Display| {
            Error::corrupted(format!("segment \"{}\" cannot be read: {error}", self.file.path))
        };
        let rows = self.metadata.metadata().row_group(group).num_rows() as usize;
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), [column]);
        let mut reader = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.source.clone(),
            self.metadata.clone(),
        )
        .with_row_groups(vec![group])
        .with_projection(mask)
        .with_batch_size(rows.max(1))
        .build()
        .map_err(|error| bad(&error))?;
        let batch = reader.next().ok_or_else(|| bad(&"a row group is empty"))?;
        let batch = batch.map_err(|error| bad(&error))?;
        if batch.num_rows() != rows {
            return Err(bad(&"a row group is shorter than it says"));
        }
        Ok(Arc::clone(batch.column(0)))
    }
}

/// Decodes a footer. The whole file would have to be read to compare its checksum first, and the Parquet
/// reader may panic over a damaged one: that is an error as any other.
fn footer(source: &Source) -> std::result::Result<ArrowReaderMetadata, String> {
    let load = || ArrowReaderMetadata::load(source, ArrowReaderOptions::new());
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(load)) {
        Ok(loaded) => loaded.map_err(|error| error.to_string()),
        Err(_) => Err("its footer is damaged".to_owned()),
    }
}

/// A readable file as the Parquet reader wants it.
#[derive(Clone, Debug)]
struct Source(Readable);

impl Length for Source {
    fn len(&self) -> u64 {
        self.0.byte_count()
    }
}

impl ChunkReader for Source {
    type T = std::io::Cursor<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        // Only the footer is read this way, and it is small.
        let length = self.0.byte_count().saturating_sub(start) as usize;
        Ok(std::io::Cursor::new(self.get_bytes(start, length)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let external = |error: Error| ParquetError::External(Box::new(error));
        self.0.read_at(start, length).map_err(external)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::memory_disk::MemoryDisk;
    use arrow::array::{Int64Array, StringViewArray};
    use arrow::datatypes::{DataType, Field, Schema};

    fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("b", DataType::Utf8View, true),
        ]);
        let text = rows.clone().map(|row| (row % 3 > 0).then(|| format!("text {row}")));
        let text: StringViewArray = text.collect();
        let numbers = Int64Array::from_iter_values(rows);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(numbers), Arc::new(text)]).unwrap()
    }

    #[test]
    fn columns_come_back_group_by_group() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let all = batch(0..100_000);
        let mut writer = SegmentWriter::create(&disk, "s".into(), all.schema()).unwrap();
        for from in (0..100_000).step_by(10_000) {
            writer.write(&all.slice(from, 10_000)).unwrap();
        }
        let file = writer.finish(100_000).unwrap();
        let cache = Arc::new(ColumnCache::new(1 << 20));
        let segment = Segment::open(&disk, file, 1, &cache).unwrap();
        segment.verify().unwrap();
        assert_eq!(segment.group_rows(), [ROW_GROUP_ROWS, 100_000 - ROW_GROUP_ROWS]);
        for _ in 0..2 {
            let text = segment.column(1, "b").unwrap().unwrap();
            assert_eq!(text.as_ref(), all.column(1).slice(ROW_GROUP_ROWS, text.len()).as_ref());
        }
        assert_eq!(segment.bounds(1, "a"), Some((ROW_GROUP_ROWS as i64, 99_999)));
        assert_eq!((segment.bounds(1, "b"), segment.bounds(1, "c")), (None, None));
        assert!(segment.column(0, "c").unwrap().is_none());
        assert!(cache.byte_count() <= 1 << 20);
    }

    #[test]
    fn damage_to_a_footer_is_an_error() {
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        let mut writer = SegmentWriter::create(&disk, "s".into(), batch(0..9).schema()).unwrap();
        writer.write(&batch(0..9)).unwrap();
        let file = writer.finish(9).unwrap();
        let cache = Arc::new(ColumnCache::new(1 << 20));
        let mut refused = 0;
        for offset in 0..file.byte_count as usize {
            let damaged = memory.crash(0);
            damaged.damage("s", offset);
            let damaged: Arc<dyn Disk> = Arc::new(damaged);
            match Segment::open(&damaged, file.clone(), 1, &cache) {
                Err(error) => {
                    assert_eq!(error.code().0, "XX001", "byte {offset}");
                    refused += 1;
                }
                Ok(segment) => assert_eq!(segment.column(0, "a").unwrap_err().code().0, "XX001"),
            }
        }
        assert!(refused > 8, "{refused} damaged footers were told");
    }

    #[test]
    fn damage_is_found() {
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        let mut writer = SegmentWriter::create(&disk, "s".into(), batch(0..9).schema()).unwrap();
        writer.write(&batch(0..9)).unwrap();
        let file = writer.finish(9).unwrap();
        memory.damage("s", 20);
        let cache = Arc::new(ColumnCache::new(1 << 20));
        let segment = Segment::open(&disk, file.clone(), 1, &cache).unwrap();
        assert_eq!(segment.verify().unwrap_err().code().0, "XX001");
        let wrong = FileReference { byte_count: file.byte_count - 1, ..file };
        assert_eq!(Segment::open(&disk, wrong, 1, &cache).unwrap_err().code().0, "XX001");
    }
}
