//! Parquet: only the columns that match, a batch at a time, coerced to the target's types.
//!
//! The file format is the `parquet` crate's; here are the matching, the coercion of whole columns
//! (`coerce`), and what becomes of rows that do not fit. Lines are row numbers.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringViewBuilder, new_empty_array,
    new_null_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::LogicalType;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::ChunkReader;

use crate::error::{Error, Result, SqlState};
use crate::ingest::coerce::coerce;
use crate::ingest::columns::match_columns;
use crate::ingest::fault::{Fault, raw};
use crate::ingest::render;
use crate::ingest::rows::reject;
use crate::ingest::source::{Origin, read_error};
use crate::ingest::{
    BATCH_BYTES_MAX, Format, Input, Options, PARQUET_STREAM_BYTES_MAX, Rows, Sink, Target,
};

/// `FORMAT parquet`.
pub(crate) struct Parquet;

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["parquet", "parq"]
    }

    fn doc(&self) -> &'static str {
        "Apache Parquet, with any of its compressions; columns are cast to the dataset's types"
    }

    fn read(
        &self,
        input: Input,
        target: &Target,
        options: &Options,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        match input {
            Input::File(file) => read(file, target, options, sink),
            Input::Stream(stream) => read(whole(stream)?, target, options, sink),
            Input::Later(open) => self.read(open()?, target, options, sink),
        }
    }
}

/// All of a stream: the index of a Parquet file is at its end.
fn whole(stream: Box<dyn Read + Send>) -> Result<Bytes> {
    let mut bytes = Vec::new();
    let limit = PARQUET_STREAM_BYTES_MAX as u64 + 1;
    Origin(stream).take(limit).read_to_end(&mut bytes).map_err(|error| read_error(error, None))?;
    if bytes.len() > PARQUET_STREAM_BYTES_MAX {
        let message = format!("a Parquet stream can have at most {PARQUET_STREAM_BYTES_MAX} bytes");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
            .hint("load it from a file, or in parts"));
    }
    Ok(Bytes::from(bytes))
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::new(SqlState::BAD_COPY_FILE_FORMAT, "Parquet file is damaged or none")
        .detail(error.to_string())
}

/// Runs the decoder: on some damage it panics instead of telling, and that must end the load only.
fn guarded<T>(
    decode: impl FnOnce() -> std::result::Result<T, parquet::errors::ParquetError>,
) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(outcome) => outcome.map_err(damaged),
        Err(_) => Err(damaged("the decoder gave up")),
    }
}

fn read<R: ChunkReader + 'static>(
    reader: R,
    target: &Target,
    options: &Options,
    sink: &mut dyn Sink,
) -> Result<()> {
    let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(reader))?;
    let columns = Columns::of(&builder, target, sink)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), columns.roots.iter().copied());
    let rows_max = batch_rows(builder.metadata(), options.batch_rows);
    let mut batches = guarded(|| builder.with_projection(mask).with_batch_size(rows_max).build())?;
    let mut first_line = 1;
    while let Some(batch) = guarded(|| batches.next().transpose().map_err(Into::into))? {
        columns.give(&batch, first_line, sink)?;
        first_line += batch.num_rows() as u64;
    }
    Ok(())
}

/// Rows of a batch: fewer than asked for if the file's rows are long.
fn batch_rows(metadata: &ParquetMetaData, wanted: usize) -> usize {
    let row_bytes = metadata
        .row_groups()
        .iter()
        .map(|group| group.total_byte_size().max(0) as u64 / (group.num_rows().max(1) as u64));
    let fitting = BATCH_BYTES_MAX as u64 / row_bytes.max().unwrap_or(0).max(1);
    wanted.min(usize::try_from(fitting).unwrap_or(wanted)).max(1)
}

/// How the file's columns fill the target's.
pub(crate) struct Columns<'a> {
    target: &'a Target,
    schema: SchemaRef,
    /// The file's columns that are read, in its order.
    pub(crate) roots: Vec<usize>,
    /// For each column of the target where in `roots` its source is.
    sources: Vec<Option<usize>>,
    /// Which of `roots` hold UUIDs, which Arrow sees as 16 bytes of anything.
    uuids: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn of<R: ChunkReader + 'static>(
        builder: &ParquetRecordBatchReaderBuilder<R>,
        target: &'a Target,
        sink: &mut dyn Sink,
    ) -> Result<Self> {
        let types = builder.parquet_schema().root_schema().get_fields();
        let is_uuid = |root: usize| {
            types[root].get_basic_info().logical_type_ref() == Some(&LogicalType::Uuid)
        };
        Self::of_schema(builder.schema(), target, &is_uuid, sink)
    }

    /// The same for any schema, with what tells UUIDs from other bytes.
    ///
    /// # Errors
    /// `42703`, `42701` and `42702` for the names, `42804` if a column can never fit.
    pub(crate) fn of_schema(
        schema: &SchemaRef,
        target: &'a Target,
        is_uuid: &dyn Fn(usize) -> bool,
        sink: &mut dyn Sink,
    ) -> Result<Self> {
        let fields = schema.fields();
        let names: Vec<_> = fields.iter().map(|field| field.name().clone()).collect();
        let matched = match_columns(&names, target, sink)?;
        let mut roots: Vec<_> = matched.iter().flatten().copied().collect();
        roots.sort_unstable();
        let place = |root: usize| roots.iter().position(|other| *other == root);
        let sources: Vec<_> = matched.iter().map(|root| root.and_then(place)).collect();
        let uuids = roots.iter().map(|root| is_uuid(*root)).collect();
        let columns = Self { target, schema: target.schema(), roots, sources, uuids };
        for (at, root) in columns.sources.iter().enumerate() {
            // Types that can never fit are told before any row is read.
            if let Some(place) = root {
                let empty = new_empty_array(fields[columns.roots[*place]].data_type());
                columns.coerce(at, *place, &empty)?;
            }
        }
        Ok(columns)
    }

    fn coerce(&self, at: usize, place: usize, array: &ArrayRef) -> Result<Coerced> {
        let (name, ty) = &self.target.columns[at];
        let shown;
        let array = match array.data_type() {
            DataType::FixedSizeBinary(16) if self.uuids[place] => {
                shown = uuids(array);
                &shown
            }
            _ => array,
        };
        coerce(array, ty).map_err(|error| {
            Error::new(error.code(), format!("column \"{name}\": {}", error.message()))
        })
    }

    /// Coerces a batch; gives its good rows and its rejects to the sink.
    ///
    /// # Errors
    /// What the sink fails with.
    pub(crate) fn give(
        &self,
        batch: &RecordBatch,
        first_line: u64,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let mut faults: Vec<Option<Fault>> = vec![None; batch.num_rows()];
        let mut arrays = Vec::with_capacity(self.sources.len());
        for (at, source) in self.sources.iter().enumerate() {
            let (name, ty) = &self.target.columns[at];
            let Some(place) = source else {
                arrays.push(new_null_array(&ty.to_arrow(), batch.num_rows()));
                continue;
            };
            let (array, failures) = self.coerce(at, *place, batch.column(*place))?;
            arrays.push(array);
            for (row, code, message) in failures {
                faults[row].get_or_insert_with(|| Fault::new(code, message).of_column(name));
            }
        }
        let kept: Vec<_> = faults.iter().map(Option::is_none).collect();
        for (row, fault) in faults.into_iter().enumerate() {
            if let Some(fault) = fault {
                let text = render::row(batch, row);
                reject(first_line + row as u64, fault, text.as_bytes(), sink)?;
            }
        }
        let internal = |error: arrow::error::ArrowError| Error::internal(error.to_string());
        let good = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(internal)?;
        self.give_good(batch, good, kept, first_line, sink)
    }

    fn give_good(
        &self,
        original: &RecordBatch,
        mut good: RecordBatch,
        kept: Vec<bool>,
        first_line: u64,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let internal = |error: arrow::error::ArrowError| Error::internal(error.to_string());
        let rows: Vec<_> = (0..kept.len()).filter(|row| kept[*row]).collect();
        if rows.len() < kept.len() {
            good = filter_record_batch(&good, &BooleanArray::from(kept)).map_err(internal)?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        let lines: Vec<_> = rows.iter().map(|row| first_line + *row as u64).collect();
        let shown = |row: usize| raw(render::row(original, rows[row]).as_bytes());
        sink.rows(Rows { batch: good, lines: &lines, raw: &shown })
    }
}

type Coerced = (ArrayRef, crate::ingest::coerce::Failures);

/// UUIDs in their usual spelling.
fn uuids(array: &ArrayRef) -> ArrayRef {
    let mut builder = StringViewBuilder::new();
    for bytes in array.as_fixed_size_binary() {
        builder.append_option(bytes.map(|bytes| {
            let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            [20, 16, 12, 8].into_iter().for_each(|at| text.insert(at, '-'));
            text
        }));
    }
    Arc::new(builder.finish())
}
