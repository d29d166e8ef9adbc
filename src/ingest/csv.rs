//! CSV as PostgreSQL has it: an empty field is null, an empty quoted field an empty text.
//!
//! Only the format's defaults; the reading is in `delimited` and `record`.

use crate::error::Result;
use crate::ingest::delimited::Rules;
use crate::ingest::record::Dialect;
use crate::ingest::{Format, Input, Options, Sink, Target};

/// `FORMAT csv`.
pub(crate) struct Csv;

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["csv"]
    }

    fn doc(&self) -> &'static str {
        "comma-separated values with a header, quoted as PostgreSQL does"
    }

    fn read(
        &self,
        input: Input,
        target: &Target,
        options: &Options,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let quote = options.quote.unwrap_or(b'"');
        let dialect = Dialect {
            delimiter: options.delimiter.unwrap_or(b','),
            quotes: Some((quote, options.escape.unwrap_or(quote))),
        };
        let null = options.null.clone().unwrap_or_default();
        let header = options.header.unwrap_or(true);
        Rules { dialect, null, header, end: None }.read(input, target, options, sink)
    }
}
