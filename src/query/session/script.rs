//! Scripts: statements one after the other, with their answers collected.
//!
//! For the embedded shell and tests, whose answers fit in memory; `wire` streams instead.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::common::collect;

use crate::error::{Error, Result};
use crate::query::error::from_datafusion;
use crate::query::session::{Notice, Outcome, Session};
use crate::query::statements::Piece;

/// What one statement of a script answered.
#[derive(Debug)]
pub struct Output {
    /// The columns; `None` if it gave no rows.
    pub schema: Option<SchemaRef>,
    /// The rows; their own schema may have other names than `schema`.
    pub batches: Vec<RecordBatch>,
    /// The command tag, with the number of rows where that is usual.
    pub tag: String,
    /// What it had to say besides.
    pub notices: Vec<Notice>,
}

impl Output {
    /// How many rows it gave.
    pub fn row_count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Runs a script up to its first error.
pub(super) async fn run(session: &Session, sql: &str) -> Result<Vec<Output>> {
    let mut outputs = Vec::new();
    for piece in session.split(sql)? {
        let statement = session.begin_statement(piece.text);
        let result = one(&statement, piece).await;
        if result.is_err() {
            session.fail();
        }
        session.end_statement();
        outputs.push(result.map_err(|error| moved(error, piece.offset_chars))?);
    }
    Ok(outputs)
}

async fn one(session: &Session, piece: Piece<'_>) -> Result<Output> {
    let prepared = session.prepare_here(piece.text, &[]).await?;
    if !prepared.parameters().is_empty() {
        let message = "there is no parameter $1";
        return Err(Error::new(crate::error::SqlState::UNDEFINED_PARAMETER, message));
    }
    let mut output =
        Output { schema: None, batches: Vec::new(), tag: String::new(), notices: Vec::new() };
    match session.execute_here(&prepared, Vec::new()).await? {
        Outcome::Rows { schema, stream, tag } => {
            let batches = collect(stream).await;
            output.batches = batches.map_err(|error| from_datafusion(&error, piece.text))?;
            output.schema = Some(schema);
            output.tag = match tag {
                "SELECT" | "FETCH" => format!("{tag} {}", output.row_count()),
                tag => tag.to_owned(),
            };
        }
        Outcome::Done { tag } => output.tag = tag,
        Outcome::Empty => {}
        Outcome::CopyOut { .. } => {
            return Err(Error::unsupported("COPY TO STDOUT needs a client that takes the rows")
                .hint("run the query itself"));
        }
        Outcome::CopyIn(copy) => {
            copy.fail("a script has no data to send").await;
            return Err(Error::unsupported("COPY FROM STDIN needs a client that sends the rows")
                .hint("use COPY ... FROM 'path'"));
        }
    }
    output.notices = session.take_notices();
    Ok(output)
}

/// An error of one statement, with its position in the whole string.
pub fn moved(error: Error, offset_chars: usize) -> Error {
    match error.get_position() {
        Some(position) => error.at(position + offset_chars),
        None => error,
    }
}
