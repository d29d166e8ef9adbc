//! The text format of PostgreSQL's `COPY`, as `pg_dump` writes it: tabs, `\N`, backslash escapes.
//!
//! Only the format's defaults; the reading is in `delimited` and `record`.

use crate::error::{Error, Result, SqlState};
use crate::ingest::delimited::Rules;
use crate::ingest::record::Dialect;
use crate::ingest::{Format, Input, Options, Sink, Target};

/// `FORMAT text`.
pub(crate) struct Text;

impl Format for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["copy"]
    }

    fn doc(&self) -> &'static str {
        "the text format of PostgreSQL's COPY: tabs between values, \\N for null"
    }

    fn read(
        &self,
        input: Input,
        target: &Target,
        options: &Options,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        if options.quote.is_some() || options.escape.is_some() {
            let message = "COPY quote and escape require CSV mode";
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
        let dialect = Dialect { delimiter: options.delimiter.unwrap_or(b'\t'), quotes: None };
        let null = options.null.clone().unwrap_or_else(|| "\\N".into());
        let header = options.header.unwrap_or(false);
        Rules { dialect, null, header, end: Some(b"\\.") }.read(input, target, options, sink)
    }
}
