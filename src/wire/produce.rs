//! The computing side of a statement: it runs the plan and encodes its rows into chunks.
//!
//! It works on the session's runtime and is ahead of the socket by a few chunks at most. Dropping the
//! [`Producer`] ends the plan. A chunk is whole `DataRow` messages; rows are sent on early when the plan
//! pauses, so that the first ones of a slow query arrive before the last ones are known.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::{Bytes, BytesMut};
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::error::{Error, Result, SqlState};
use crate::query::error::from_datafusion;
use crate::query::session::{CopyIn, Outcome, Prepared, Session, Task};
use crate::wire::copy_out::CopyEncoder;
use crate::wire::encode::{self, Format, RowEncoder};
use crate::wire::socket::FLUSH_BYTES;
use crate::wire::vigil::Attended;

/// Chunks that may wait for the socket: one being sent, one ready, one being made.
const CHUNKS_WAITING_MAX: usize = 2;

/// Whole rows, encoded.
#[derive(Default)]
pub(crate) struct Chunk {
    /// `DataRow` messages.
    pub(crate) bytes: Bytes,
    /// Where each ends.
    pub(crate) ends: Vec<u32>,
}

impl Chunk {
    /// Takes the first rows off, at most so many.
    pub(crate) fn take(&mut self, count_max: usize) -> Self {
        let count = self.ends.len().min(count_max);
        let Some(end) = count.checked_sub(1).map(|last| self.ends[last]) else {
            return Self::default();
        };
        let ends = self.ends.drain(..count).collect();
        self.ends.iter_mut().for_each(|later| *later -= end);
        Self { bytes: self.bytes.split_to(end as usize), ends }
    }
}

/// What a statement gives, in order.
pub(crate) enum Event {
    /// It gives rows with these columns, in these formats.
    Columns(SchemaRef, Vec<Format>),
    /// Some rows.
    Rows(Chunk),
    /// It is done: the last rows, and the command tag.
    Done(Chunk, String),
    /// It gives rows to store: whether in binary, and how many columns.
    CopyOut(bool, usize),
    /// The rows to store are all there: the last of them, and the command tag.
    CopiedOut(Chunk, String),
    /// It waits for data.
    CopyIn(CopyIn),
    /// There was nothing in it.
    Empty,
}

/// A statement at work.
pub(crate) struct Producer {
    events: mpsc::Receiver<Event>,
    task: Task<()>,
}

/// What is to be run.
pub(crate) enum Work {
    /// A text, without parameters.
    Text(String),
    /// A prepared statement with values, and the formats of its columns.
    Bound(Arc<Prepared>, Vec<ScalarValue>, Vec<i16>),
}

impl Producer {
    /// Starts a statement.
    pub(crate) fn start(statement: &Session, work: Work) -> Self {
        let (sender, events) = mpsc::channel(CHUNKS_WAITING_MAX);
        let session = statement.clone();
        let task = statement.spawn(async move { run(&session, work, &sender).await });
        Self { events, task }
    }

    /// What comes next.
    ///
    /// # Errors
    /// What ended the statement.
    pub(crate) async fn next(&mut self) -> Attended<Event> {
        match self.events.recv().await {
            Some(event) => Ok(event),
            None => match (&mut self.task).await {
                Ok(()) => Err(Error::internal("a statement ended without its result").into()),
                Err(error) => Err(error.into()),
            },
        }
    }
}

async fn run(session: &Session, work: Work, events: &mpsc::Sender<Event>) -> Result<()> {
    let (prepared, values, codes) = match work {
        Work::Bound(prepared, values, codes) => (prepared, values, codes),
        Work::Text(sql) => {
            let prepared = session.prepare_here(&sql, &[]).await?;
            if !prepared.parameters().is_empty() {
                let message = "there is no parameter $1";
                return Err(Error::new(SqlState::UNDEFINED_PARAMETER, message));
            }
            let codes = if session.gives_binary(&prepared) { vec![1] } else { Vec::new() };
            (prepared, Vec::new(), codes)
        }
    };
    let event = match session.execute_here(&prepared, values).await? {
        Outcome::Rows { schema, stream, tag } => {
            let formats = Format::of_columns(&codes, schema.fields().len())?;
            let encoder = RowEncoder::new(&schema, &formats, session.zone());
            send(events, Event::Columns(schema, formats)).await?;
            rows(stream, &Encoder::Rows(encoder), tag, prepared.sql(), events).await?
        }
        Outcome::CopyOut { schema, stream, layout } => {
            let encoder = CopyEncoder::new(&schema, layout, session.zone())?;
            send(events, Event::CopyOut(encoder.is_binary(), schema.fields().len())).await?;
            match rows(stream, &Encoder::Copy(encoder), "COPY", prepared.sql(), events).await? {
                Event::Done(chunk, tag) => Event::CopiedOut(chunk, tag),
                other => other,
            }
        }
        Outcome::Done { tag } => Event::Done(Chunk::default(), tag),
        Outcome::CopyIn(copy) => Event::CopyIn(copy),
        Outcome::Empty => Event::Empty,
    };
    send(events, event).await
}

/// Hands an event over; nobody to take it means that the statement was given up.
async fn send(events: &mpsc::Sender<Event>, event: Event) -> Result<()> {
    let given_up = |_| crate::query::session::cancelled();
    events.send(event).await.map_err(given_up)
}

/// Encodes all rows; gives the last event.
async fn rows(
    mut stream: SendableRecordBatchStream,
    encoder: &Encoder,
    tag: &'static str,
    sql: &str,
    events: &mpsc::Sender<Event>,
) -> Result<Event> {
    let mut filling = Filling::default();
    encoder.begin(&mut filling.bytes);
    loop {
        let batch = match futures::poll!(stream.next()) {
            std::task::Poll::Ready(batch) => batch,
            std::task::Poll::Pending => {
                if !filling.ends.is_empty() {
                    send(events, Event::Rows(filling.chunk())).await?;
                }
                stream.next().await
            }
        };
        let Some(batch) = batch else { break };
        let batch = batch.map_err(|error| from_datafusion(&error, sql))?;
        let batch = encoder.prepare(&batch)?;
        let mut row = 0;
        while row < batch.row_count {
            row = encoder.encode(&batch, row, &mut filling)?;
            if filling.bytes.len() >= FLUSH_BYTES {
                send(events, Event::Rows(filling.chunk())).await?;
            }
        }
    }
    encoder.end(&mut filling.bytes);
    let last = filling.chunk();
    let tag = match tag {
        "SELECT" | "FETCH" | "COPY" => format!("{tag} {}", filling.row_count),
        tag => tag.to_owned(),
    };
    Ok(Event::Done(last, tag))
}

/// What writes the rows.
enum Encoder {
    /// As rows of a result.
    Rows(RowEncoder),
    /// As rows to store.
    Copy(CopyEncoder),
}

impl Encoder {
    fn begin(&self, out: &mut BytesMut) {
        if let Self::Copy(copy) = self {
            copy.begin(out);
        }
    }

    fn end(&self, out: &mut BytesMut) {
        if let Self::Copy(copy) = self {
            copy.end(out);
        }
    }

    fn prepare(&self, batch: &RecordBatch) -> Result<encode::Prepared> {
        match self {
            Self::Rows(rows) => rows.prepare(batch),
            Self::Copy(copy) => copy.prepare(batch),
        }
    }

    fn encode(&self, batch: &encode::Prepared, row: usize, filling: &mut Filling) -> Result<usize> {
        let Filling { bytes, ends, .. } = filling;
        match self {
            Self::Rows(rows) => rows.encode(batch, row, bytes, ends, FLUSH_BYTES),
            Self::Copy(copy) => copy.encode(batch, row, bytes, ends, FLUSH_BYTES),
        }
    }
}

/// The chunk that is being made.
#[derive(Default)]
struct Filling {
    bytes: BytesMut,
    ends: Vec<u32>,
    row_count: usize,
}

impl Filling {
    fn chunk(&mut self) -> Chunk {
        self.row_count += self.ends.len();
        Chunk { bytes: self.bytes.split().freeze(), ends: std::mem::take(&mut self.ends) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_cut_between_rows() {
        let mut chunk = Chunk { bytes: Bytes::from_static(b"aabbbc"), ends: vec![2, 5, 6] };
        let first = chunk.take(2);
        assert_eq!((&first.bytes[..], &first.ends[..]), (&b"aabbb"[..], &[2, 5][..]));
        assert_eq!((&chunk.bytes[..], &chunk.ends[..]), (&b"c"[..], &[1][..]));
        assert!(chunk.take(0).ends.is_empty());
        assert_eq!(&chunk.take(9).bytes[..], b"c");
        assert!(chunk.take(9).bytes.is_empty());
    }
}
