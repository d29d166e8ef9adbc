//! What CSV and PostgreSQL text have in common: a header, records of fields, fields to values.
//!
//! The two formats give their [`Rules`]; records come from `record`, rows go to `rows`.

use crate::error::{Error, Result, SqlState};
use crate::ingest::builder::ColumnBuilder;
use crate::ingest::columns::match_columns;
use crate::ingest::fault::{FORMAT, Fault, LIMIT};
use crate::ingest::record::{Dialect, Field, Record, Splitter, Style};
use crate::ingest::rows::{RowBuilder, reject};
use crate::ingest::source::Source;
use crate::ingest::{FILE_COLUMNS_MAX, Input, Options, Sink, Target};

/// How one of the formats is written.
pub(crate) struct Rules {
    pub(crate) dialect: Dialect,
    /// The unquoted text that is null.
    pub(crate) null: String,
    pub(crate) header: bool,
    /// The line that ends the data before the input does.
    pub(crate) end: Option<&'static [u8]>,
}

/// The file's columns: their names, and which fills each column of the target.
struct Plan {
    names: Vec<String>,
    sources: Vec<Option<usize>>,
}

impl Rules {
    /// Refuses characters that mean two things at once.
    ///
    /// # Errors
    /// `22023`, in PostgreSQL's words.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |message: &str| Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        let delimiter = self.dialect.delimiter;
        match self.dialect.quotes {
            Some((quote, _)) if quote == delimiter => {
                return wrong("COPY delimiter and quote must be different");
            }
            Some((quote, _)) if self.null.as_bytes().contains(&quote) => {
                return wrong("CSV quote character must not appear in the NULL specification");
            }
            None if b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(&delimiter) => {
                let shown = char::from(delimiter);
                return wrong(&format!("COPY delimiter cannot be \"{shown}\""));
            }
            _ => {}
        }
        if self.null.as_bytes().contains(&delimiter) {
            return wrong("COPY delimiter character must not appear in the NULL specification");
        }
        Ok(())
    }

    /// Reads a whole input.
    ///
    /// # Errors
    /// See [`crate::ingest::Format::read`].
    pub(crate) fn read(
        &self,
        input: Input,
        target: &Target,
        options: &Options,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        self.check()?;
        let source = Source::open(input)?;
        let mut splitter = Splitter::new(source, self.dialect, FILE_COLUMNS_MAX);
        let Some(plan) = self.plan(&mut splitter, target, sink)? else { return Ok(()) };
        splitter.expect_fields(plan.names.len());
        let mut rows = RowBuilder::new(target, options);
        while let Some(record) = splitter.next()? {
            if self.end == Some(record.bytes) {
                // To the end all the same: damage behind it is damage of the file.
                splitter.skip_rest()?;
                break;
            }
            // Blank lines are no rows, unless one empty value is all that a row has.
            if record.bytes.is_empty() && plan.names.len() > 1 {
                continue;
            }
            match self.text(&record, &plan) {
                Ok(text) => rows.row(record.line, record.bytes, sink, |column, builder| {
                    let field = plan.sources[column].map(|source| &record.fields[source]);
                    self.append(text, field, builder)
                })?,
                Err(fault) => reject(record.line, fault, record.bytes, sink)?,
            }
        }
        rows.finish(sink)
    }

    /// Reads the header, if there is to be one; nothing if the input is empty.
    fn plan(
        &self,
        splitter: &mut Splitter,
        target: &Target,
        sink: &mut dyn Sink,
    ) -> Result<Option<Plan>> {
        if !self.header {
            let names: Vec<_> = target.columns.iter().map(|(name, _)| name.clone()).collect();
            let sources = (0..names.len()).map(Some).collect();
            return Ok(Some(Plan { names, sources }));
        }
        let Some(record) = splitter.next()? else {
            sink.notice("the input is empty: it has not even a header".into());
            return Ok(None);
        };
        let names = self.names(&record).map_err(|fault| {
            Error::new(SqlState(fault.code), format!("header: {}", fault.message))
        })?;
        let sources = match_columns(&names, target, sink)?;
        Ok(Some(Plan { names, sources }))
    }

    fn names(&self, record: &Record<'_>) -> std::result::Result<Vec<String>, Fault> {
        let text = valid(record)?;
        if record.fields.len() > FILE_COLUMNS_MAX {
            let message = format!("a file can have at most {FILE_COLUMNS_MAX} columns");
            return Err(Fault::new(LIMIT, message));
        }
        let name = |field: &Field| match field.style {
            Style::Mixed => Ok(self.dialect.decode(&text[field.range.clone()])?.into_owned()),
            Style::Plain | Style::Quoted => Ok(text[field.range.clone()].to_owned()),
        };
        record.fields.iter().map(name).collect()
    }

    /// The text of a record that has the fields it should have.
    fn text<'a>(&self, record: &Record<'a>, plan: &Plan) -> std::result::Result<&'a str, Fault> {
        let text = valid(record)?;
        if let Some(name) = plan.names.get(record.fields.len()) {
            return Err(Fault::new(FORMAT, format!("missing data for column \"{name}\"")));
        }
        if record.fields.len() > plan.names.len() {
            return Err(Fault::new(FORMAT, "extra data after last expected column"));
        }
        Ok(text)
    }

    fn append(
        &self,
        text: &str,
        field: Option<&Field>,
        builder: &mut ColumnBuilder,
    ) -> std::result::Result<(), Fault> {
        let Some(field) = field else {
            builder.append_null();
            return Ok(());
        };
        let written = &text[field.range.clone()];
        match field.style {
            Style::Quoted => builder.append_text(written),
            // Compared before it is decoded: in the text format `\N` is null, not an escape.
            _ if written == self.null => {
                builder.append_null();
                Ok(())
            }
            Style::Plain => builder.append_text(written),
            Style::Mixed => builder.append_text(&self.dialect.decode(written)?),
        }
    }
}

fn valid<'a>(record: &Record<'a>) -> std::result::Result<&'a str, Fault> {
    if let Some(fault) = &record.fault {
        return Err(fault.clone());
    }
    std::str::from_utf8(record.bytes).map_err(|error| Fault::invalid_utf8(record.bytes, &error))
}
