//! Answers that need no plan: rows of a look-up, encoded where the request was read.
//!
//! Whether a statement is such a look-up is the session's to say (`query::session`). What is costly to make
//! and the same for all executions of a statement, its description and its encoder, is kept for the statement
//! that was asked last.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::{Bytes, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::data::RowDescription;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, Result};
use crate::query::session::{PointRows, Session};
use crate::wire::connection::Connection;
use crate::wire::encode::{Format, RowEncoder};
use crate::wire::extended::fields;

/// How the columns of the statement that was asked last are described and written.
#[derive(Default)]
pub(crate) struct LastColumns(Option<Columns>);

struct Columns {
    schema: SchemaRef,
    codes: Vec<i16>,
    settings_version: u64,
    encoder: RowEncoder,
    description: Bytes,
}

impl LastColumns {
    fn of(&mut self, session: &Session, schema: &SchemaRef, codes: &[i16]) -> Result<&Columns> {
        // The zone, in which values are written, is a setting.
        let settings_version = session.settings_version();
        let known = self.0.as_ref().is_some_and(|it| {
            Arc::ptr_eq(&it.schema, schema)
                && it.codes == codes
                && it.settings_version == settings_version
        });
        if !known {
            let formats = Format::of_columns(codes, schema.fields().len())?;
            let mut description = BytesMut::new();
            RowDescription::new(fields(schema, &formats)).encode(&mut description).map_err(
                |error| Error::internal(format!("columns cannot be described: {error}")),
            )?;
            self.0 = Some(Columns {
                schema: Arc::clone(schema),
                codes: codes.to_vec(),
                settings_version,
                encoder: RowEncoder::new(schema, &formats, session.zone()),
                description: description.freeze(),
            });
        }
        self.0.as_ref().ok_or_else(|| Error::internal("columns were made and are not there"))
    }
}

impl<S: AsyncRead + AsyncWrite> Connection<S> {
    /// Describes columns.
    pub(crate) fn describe_columns(&mut self, schema: &SchemaRef, codes: &[i16]) -> Result<()> {
        let columns = self.last_columns.of(&self.session, schema, codes)?;
        self.outgoing.buffer.extend_from_slice(&columns.description);
        Ok(())
    }

    /// Answers a statement with the rows of a look-up; all or none of them are sent.
    pub(crate) fn answer_point(
        &mut self,
        sql: &str,
        found: &PointRows,
        codes: &[i16],
    ) -> Result<()> {
        // Only others see that it began: it is over before anything could end it.
        let _ = self.session.begin_statement(sql);
        let columns = self.last_columns.of(&self.session, &found.schema, codes)?;
        let out = &mut self.outgoing.buffer;
        let (start, mut ends) = (out.len(), Vec::new());
        for row in &found.rows {
            let batch = columns.encoder.prepare(row);
            let written = batch
                .and_then(|batch| columns.encoder.encode(&batch, 0, out, &mut ends, usize::MAX));
            if let Err(error) = written {
                out.truncate(start);
                return Err(error);
            }
        }
        self.complete(&format!("SELECT {}", found.rows.len()))
    }
}
