//! `POST /v1/datasets/{name}/rows`: rows in, and an answer when they are durable and visible.
//!
//! All rows of a request are one commit, whatever their number: the good ones are taken, the bad ones go
//! to `rejects`, and an error means that nothing was taken. A small body is collected and taken in memory,
//! so that many clients share one sync of the log; a larger one is read as it comes, into segments, in
//! memory that does not grow with it.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::engine::internal::RejectedRow;
use crate::engine::{Database, Delivery, Idempotency, Load, Receipt, Source};
use crate::error::{Error, Result, SqlState};
use crate::ingest::{Input, Options, format_named};
use crate::metrics::Metrics;
use crate::web::admission::Place;
use crate::web::answer::{Answer, Failure, json_response};
use crate::web::body::{
    BODY_BYTES_MAX, Collected, Encoding, Fingerprint, Unpacked, WHOLE_BYTES_MAX, beginning,
    channel, collect, pass, too_large,
};
use crate::web::door::Web;

/// Content types, with the format that each one is.
pub(crate) const CONTENT_TYPES: &[(&str, &str)] = &[
    ("application/json", "json"),
    ("application/x-ndjson", "ndjson"),
    ("application/ndjson", "ndjson"),
    ("application/jsonl", "ndjson"),
    ("text/csv", "csv"),
    ("application/vnd.apache.parquet", "parquet"),
    ("application/vnd.apache.arrow.stream", "arrow"),
    ("application/vnd.apache.arrow.file", "arrow"),
];

/// Memory that a large body may need: a batch, the pieces on their way, and a Parquet file held whole.
const STREAM_BYTES: usize = 64 << 20;

/// What a request asks for, read off its head.
struct Asked {
    format: &'static str,
    encoding: Encoding,
    options: Options,
    max_rejects: Option<u64>,
    columns: Option<Vec<String>>,
    key: Option<String>,
}

/// Takes rows.
pub(crate) async fn take(
    State(web): State<Web>,
    Path(dataset): Path<String>,
    parameters: std::result::Result<Query<BTreeMap<String, String>>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    if let Some(reason) = web.unready() {
        return Err(Failure::unavailable(&reason));
    }
    let server = web.server()?;
    let Query(parameters) = parameters.map_err(|error| wrong(error.body_text()))?;
    let asked = asked(&headers, &parameters)?;
    server.database().snapshot().catalog().dataset(&dataset)?;
    let length = length(&headers)?;
    let likely = length.unwrap_or(0).min(WHOLE_BYTES_MAX as u64) as usize;
    let mut place = web.admission().enter(likely.max(1)).await.ok_or_else(Failure::busy)?;
    let collected = collect(body).await?;
    let larger = collected.rest.is_some() || asked.encoding != Encoding::Plain || is_binary(&asked);
    let needed = if larger { STREAM_BYTES } else { collected.head.len() };
    let more = needed.saturating_sub(place.byte_count());
    if more > 0 && !web.admission().grow(&mut place, more).await {
        return Err(Failure::busy());
    }
    let (database, runtime) = (Arc::clone(server.database()), server.runtime().clone());
    let name = dataset.clone();
    let receipt = receive(&runtime, database, dataset, asked, collected, place).await?;
    Ok(json_response(StatusCode::OK, answer(&name, &receipt).to_string()))
}

/// Whether few bytes may be many rows.
fn is_binary(asked: &Asked) -> bool {
    matches!(asked.format, "parquet" | "arrow")
}

/// Hands the rows to the engine, on a thread that may block, and the rest of a large body after them.
async fn receive(
    runtime: &Handle,
    database: Arc<Database>,
    dataset: String,
    asked: Asked,
    collected: Collected,
    place: Place,
) -> std::result::Result<Receipt, Failure> {
    let Collected { head, rest } = collected;
    let work = |reader: Box<dyn Read + Send>| -> JoinHandle<Result<Receipt>> {
        runtime.spawn_blocking(move || {
            // Held until the rows are in, whether or not the client still waits.
            let _flight = Flight::new(&database, place);
            load(&database, dataset, asked, reader)
        })
    };
    let loading = match rest {
        None => work(Box::new(Cursor::new(head))),
        Some(rest) => {
            let (sender, pieces) = channel();
            let loading = work(Box::new(Cursor::new(head).chain(pieces)));
            pass(rest, sender).await;
            loading
        }
    };
    let received = loading.await.map_err(|error| Error::internal(error.to_string()))?;
    received.map_err(Failure::from)
}

/// One request on its way into the store, for those who watch.
struct Flight {
    database: Arc<Database>,
    bytes: i64,
    _place: Place,
}

impl Flight {
    fn new(database: &Arc<Database>, place: Place) -> Self {
        let bytes = crate::metrics::level(place.byte_count() as u64);
        let metrics: &Metrics = database.metrics();
        metrics.http_ingests.inc();
        metrics.http_ingest_bytes.inc_by(bytes);
        Self { database: Arc::clone(database), bytes, _place: place }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.database.metrics().http_ingests.dec();
        self.database.metrics().http_ingest_bytes.dec_by(self.bytes);
    }
}

/// Loads a body.
fn load(
    database: &Database,
    dataset: String,
    asked: Asked,
    packed: Box<dyn Read + Send>,
) -> Result<Receipt> {
    let binary = is_binary(&asked);
    let print = asked.key.as_ref().map(|_| Fingerprint::default());
    let mut reader = Unpacked::new(packed, asked.encoding, print.clone())?;
    let (head, all) = beginning(&mut reader)?;
    check_unpacked(&head, binary)?;
    let stream: Box<dyn Read + Send> = match all {
        true => Box::new(Cursor::new(head)),
        false => Box::new(Cursor::new(head).chain(reader)),
    };
    let load = Load {
        dataset,
        columns: asked.columns,
        sources: vec![Source { name: "HTTP".to_owned(), input: Input::Stream(stream) }],
        format: format_named(asked.format)?,
        options: asked.options,
        max_rejects: asked.max_rejects,
    };
    let idempotency = asked.key.zip(print).map(|(key, print)| {
        let fingerprint = Box::new(move || print.text());
        Idempotency { key, fingerprint }
    });
    database.receive(load, "http", Delivery { whole: all && !binary, idempotency })
}

/// Readers of text unpack what looks packed, without bounds of their own: here it must be said.
fn check_unpacked(head: &[u8], binary: bool) -> Result<()> {
    let packed = head.starts_with(b"\x1f\x8b") || head.starts_with(b"\x28\xb5\x2f\xfd");
    if !packed || binary {
        return Ok(());
    }
    Err(Error::new(
        SqlState::BAD_COPY_FILE_FORMAT,
        "the body is packed, and its head does not say so",
    )
    .hint("send Content-Encoding: gzip or zstd, and pack it once"))
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// The length of the body, if it is said.
fn length(headers: &HeaderMap) -> std::result::Result<Option<u64>, Failure> {
    let text = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = text.and_then(|text| text.parse::<u64>().ok());
    match length {
        Some(length) if length > BODY_BYTES_MAX => Err(too_large().into()),
        length => Ok(length),
    }
}

fn asked(
    headers: &HeaderMap,
    parameters: &BTreeMap<String, String>,
) -> std::result::Result<Asked, Failure> {
    let text = |name: &str| -> Result<Option<&str>> {
        let Some(value) = headers.get(name) else { return Ok(None) };
        let text = value.to_str().map_err(|_| wrong(format!("header {name} is no ASCII text")))?;
        Ok(Some(text))
    };
    let content_type = text(CONTENT_TYPE.as_str())?;
    let mut options = Options::default();
    let format = format(content_type, &mut options)?;
    let encoding = text(CONTENT_ENCODING.as_str())?.unwrap_or("");
    let encoding = Encoding::named(encoding).ok_or_else(|| {
        let message = format!("content encoding \"{encoding}\" is not supported");
        unsupported(Error::unsupported(message).hint("pack the body with gzip or zstd, or not"))
    })?;
    let mut asked = Asked {
        format,
        encoding,
        options,
        max_rejects: None,
        columns: None,
        key: text("idempotency-key")?.map(str::to_owned),
    };
    for (name, value) in parameters {
        match name.as_str() {
            "max_rejects" => {
                let number = value.parse();
                let message = || wrong(format!("max_rejects is no number: \"{value}\""));
                asked.max_rejects = Some(number.map_err(|_| message())?);
            }
            "columns" => asked.columns = Some(value.split(',').map(str::to_owned).collect()),
            _ if asked.options.set(name, value)? => {}
            _ => {
                let error = wrong(format!("query parameter \"{name}\" is not known"));
                return Err(error
                    .hint("there are max_rejects, columns, and the options of COPY's formats")
                    .into());
            }
        }
    }
    Ok(asked)
}

fn unsupported(error: Error) -> Failure {
    Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error)
}

/// The format of a content type; its parameters may say that CSV has no header.
fn format(
    content_type: Option<&str>,
    options: &mut Options,
) -> std::result::Result<&'static str, Failure> {
    let text = content_type.unwrap_or("").to_ascii_lowercase();
    let mut pieces = text.split(';').map(str::trim);
    let essence = pieces.next().unwrap_or("");
    let known = CONTENT_TYPES.iter().find(|(name, _)| *name == essence);
    let Some((_, format)) = known else {
        let message = match essence {
            "" => "the request does not say its content type".to_owned(),
            _ => format!("content type \"{essence}\" is not supported"),
        };
        let names: Vec<&str> = CONTENT_TYPES.iter().map(|(name, _)| *name).collect();
        let hint = format!("content types are {}", names.join(", "));
        return Err(unsupported(Error::unsupported(message).hint(hint)));
    };
    for piece in pieces {
        match piece.split_once('=').map(|(name, value)| (name.trim(), value.trim_matches('"'))) {
            Some(("charset", "utf-8" | "utf8" | "us-ascii")) => {}
            Some(("charset", other)) => {
                let message = format!("charset \"{other}\" is not supported");
                return Err(unsupported(Error::unsupported(message).hint("send UTF-8")));
            }
            Some(("header", "absent")) if *format == "csv" => options.header = Some(false),
            _ => {}
        }
    }
    Ok(format)
}

fn answer(dataset: &str, receipt: &Receipt) -> Value {
    let report = &receipt.report;
    let reject = |row: &RejectedRow| json!({ "line": row.line, "code": row.code, "message": row.message, "raw": row.raw });
    json!({
        "ingest_id": report.ingest_id,
        "dataset": dataset,
        "accepted": report.accepted,
        "rejected": report.rejected,
        "duplicates": report.duplicates,
        "replayed": receipt.replayed,
        "rejects": receipt.refused.iter().map(reject).collect::<Vec<_>>(),
        "rejects_complete": receipt.refused.len() as u64 == report.rejected,
        "notices": report.notices,
    })
}

#[cfg(test)]
mod tests {
    use super::format;
    use crate::ingest::Options;

    #[test]
    fn content_types_tell_the_format() {
        let check = |content_type: &str, expected: &str| {
            let mut options = Options::default();
            let found = match format(Some(content_type), &mut options) {
                Ok(format) => format!("{format} {:?}", options.header),
                Err(failure) => format!("{failure:?}").chars().skip(18).take(3).collect(),
            };
            assert_eq!(found, expected, "{content_type}");
        };
        check("application/json", "json None");
        check("Application/JSON; charset=UTF-8", "json None");
        check("application/x-ndjson", "ndjson None");
        check("text/csv; charset=\"utf-8\"; header=absent", "csv Some(false)");
        check("application/vnd.apache.arrow.file", "arrow None");
        for unknown in
            ["", "text/html", "text/csv; charset=latin1", "application/x-www-form-urlencoded"]
        {
            check(unknown, "415");
        }
    }
}
