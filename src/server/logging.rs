//! Log lines on standard error: for people, or as an object a line for programs.
//!
//! `tracing` makes the events; here is only how they are written.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Config, LogFormat};
use crate::error::{Error, Result};

/// Starts logging as configured.
///
/// # Errors
/// `XX000` if the filter is none, which `config` has ruled out.
pub fn start_logging(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(&config.log);
    let filter = filter.map_err(|error| Error::internal(format!("log filter: {error}")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.event_format(JsonLines).init(),
    }
    Ok(())
}

/// An object a line: when, how grave, where from, what, and what else is known.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields(Map::new());
        let metadata = event.metadata();
        let mut now = String::new();
        SystemTime.format_time(&mut Writer::new(&mut now))?;
        fields.0.insert("time".to_owned(), Value::from(now));
        let level = metadata.level().as_str().to_ascii_lowercase();
        fields.0.insert("level".to_owned(), Value::from(level));
        fields.0.insert("target".to_owned(), Value::from(metadata.target()));
        event.record(&mut fields);
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

/// The fields of an event; its text is `message`.
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), Value::from(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use serde_json::Value;

    use super::JsonLines;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_an_object() {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt().with_writer(move || writer.clone());
        tracing::subscriber::with_default(lines.event_format(JsonLines).finish(), || {
            let error = crate::error::Error::internal("a \"quoted\" reason");
            tracing::warn!(seconds = 1.5, rows = 7_u64, ok = true, %error, path = "a b", "it failed");
        });
        let text = String::from_utf8(kept.0.lock().clone()).unwrap();
        let line: Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(text.lines().count(), 1);
        for (field, expected) in [
            ("level", "\"warn\""),
            ("message", "\"it failed\""),
            ("seconds", "1.5"),
            ("rows", "7"),
            ("ok", "true"),
            ("error", r#""a \"quoted\" reason""#),
            ("path", "\"a b\""),
        ] {
            assert_eq!(line[field].to_string(), expected, "{text}");
        }
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
    }
}
