//! COPY ... FROM: files that the server may read, or the rows that a client sends.
//!
//! The engine reads; this file finds the files, carries the client's bytes, and tells what became of the
//! rows. Until the last byte is read a COPY can be cancelled, and then nothing of it stays.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::DataType;
use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use crate::engine::{Load, LoadReport, Source};
use crate::env::disk::open_for_reading;
use crate::env::objects::input::{self, RemoteInput};
use crate::env::objects::location::Location;
use crate::error::{Error, Result, SqlState};
use crate::ingest::{Format, Input, Options, format_named, format_of_path};
use crate::model::access::Privilege;
use crate::query::session::copy_scratch::{self, ScratchTarget};
use crate::query::session::execute::blocking;
use crate::query::session::transaction::CommitGate;
use crate::query::session::{Inner, Notice, Outcome, Task};
use crate::query::statements::{CopyFrom, CopySource};

/// The most files of one COPY: all are open at once.
pub const COPY_FILES_MAX: usize = 1_000;

/// Pieces of the client's data that wait for the engine; each is a message, mostly of some KiB.
const PIECES_WAITING_MAX: usize = 16;

/// Formats that are read out of order, so that their files cannot go through a stream.
const RANDOM_ACCESS_FORMATS: &[&str] = &["parquet"];

/// Starts a COPY; one from the client waits for its data.
///
/// # Errors
/// `42P01`, `42703`, `42501`, `58P01`, `22023`, and what the engine says.
pub(super) async fn run(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    statement: &CopyFrom,
) -> Result<Outcome> {
    let scratch = copy_scratch::target(session, statement)?;
    let columns = match &scratch {
        Some(scratch) => scratch.column_types(),
        None => columns(session, statement)?,
    };
    let listed: Vec<&str> = statement.columns.iter().flatten().map(String::as_str).collect();
    match &scratch {
        Some(scratch) => session.check_relation(scratch.name(), &listed, Privilege::Insert)?,
        None => session.check_table(&statement.dataset, &listed, Privilege::Insert)?,
    }
    if matches!(statement.source, CopySource::Path(_)) {
        session.check_reads_files()?;
    }
    let (options, given, max_rejects) = options(statement)?;
    match &statement.source {
        CopySource::Stdin => {
            let text = || format_named("text");
            let format = given.map_or_else(text, Ok)?;
            let mut options = options;
            // Unlike a file, a client's data has a header only if it says so, as in PostgreSQL.
            options.header.get_or_insert(false);
            let binary = is_binary(statement);
            let job = Job { format, options, max_rejects, statement: statement.clone(), scratch };
            Ok(Outcome::CopyIn(CopyIn::start(session, gate, job, columns, binary)))
        }
        CopySource::Path(_) if is_binary(statement) => {
            let message = "COPY of files in format binary is not supported";
            Err(Error::unsupported(message).hint("formats of files are csv, text, parquet, ndjson"))
        }
        CopySource::Path(pattern) if Location::is_meant(pattern) => {
            let (pattern, directories) = (pattern.clone(), session.server.copy_directories.clone());
            let found = blocking(move || find_objects(&pattern, &directories)).await?;
            let paths: Vec<PathBuf> = found.iter().map(|file| file.name().into()).collect();
            let format = given.map_or_else(|| format_of(&paths), Ok)?;
            let job = Job { format, options, max_rejects, statement: statement.clone(), scratch };
            let sources = object_sources(gate, found, format)?;
            let tag = job.load(session, gate, sources).await?;
            Ok(Outcome::Done { tag })
        }
        CopySource::Path(pattern) => {
            let directories = session.server.copy_directories.clone();
            let pattern = pattern.clone();
            let paths = blocking(move || find(&pattern, &directories)).await?;
            let format = given.map_or_else(|| format_of(&paths), Ok)?;
            let statement = statement.clone();
            let job = Job { format, options, max_rejects, statement, scratch };
            let sources = sources(gate, &paths, format)?;
            let tag = job.load(session, gate, sources).await?;
            Ok(Outcome::Done { tag })
        }
    }
}

/// Types of the columns that the rows have, computed ones aside; checks dataset and columns before any
/// data is asked for.
fn columns(session: &Arc<Inner>, statement: &CopyFrom) -> Result<Vec<DataType>> {
    let snapshot = session.snapshot();
    if let Some(schema) = statement.schema.as_ref().filter(|schema| *schema != "public") {
        let message = format!("relation \"{schema}.{}\" does not exist", statement.dataset);
        return Err(Error::new(SqlState::UNDEFINED_TABLE, message));
    }
    let dataset = snapshot.catalog().dataset(&statement.dataset)?;
    let Some(columns) = &statement.columns else {
        return Ok(dataset.given_columns().map(|(_, column)| column.ty.to_arrow()).collect());
    };
    let mut types = Vec::with_capacity(columns.len());
    for (at, column) in columns.iter().enumerate() {
        let Some(place) = dataset.column(column) else {
            let message =
                format!("column \"{column}\" of dataset \"{}\" does not exist", dataset.name);
            return Err(Error::new(SqlState::UNDEFINED_COLUMN, message));
        };
        dataset.check_given(place)?;
        types.push(dataset.columns[place].ty.to_arrow());
        if columns[..at].contains(column) {
            let message = format!("column \"{column}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
    }
    Ok(types)
}

/// Whether the client sends PostgreSQL's binary format, which the protocol's side turns into lines.
fn is_binary(statement: &CopyFrom) -> bool {
    statement.options.iter().any(|(name, value)| name == "format" && value == "binary")
}

type Given = (Options, Option<&'static dyn Format>, Option<u64>);

fn options(statement: &CopyFrom) -> Result<Given> {
    let (mut options, mut format, mut max_rejects) = (Options::default(), None, None);
    let binary = is_binary(statement);
    for (name, value) in &statement.options {
        match name.as_str() {
            "format" if value == "binary" => {}
            "delimiter" | "null" | "header" | "quote" | "escape" if binary => {
                let message = format!("cannot specify {} in BINARY mode", name.to_uppercase());
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            }
            "format" => format = Some(format_named(value)?),
            "max_rejects" => {
                max_rejects = Some(value.parse().map_err(|_| {
                    let message = format!("max_rejects requires a number, not \"{value}\"");
                    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                })?);
            }
            name if options.set(name, value)? => {}
            name => {
                let message = format!("option \"{name}\" not recognized");
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            }
        }
    }
    Ok((options, format, max_rejects))
}

fn format_of(paths: &[PathBuf]) -> Result<&'static dyn Format> {
    let path = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
    format_of_path(&path).ok_or_else(|| {
        let message = format!("cannot tell the format of \"{path}\" from its name");
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
            .hint("say it: WITH (FORMAT csv), or parquet, ndjson, text")
    })
}

/// The files that a path or pattern names, sorted; all must lie below an allowed folder.
///
/// A relative path counts from each allowed folder in turn. Links are followed before the check, so
/// that none leads out.
fn find(pattern: &str, directories: &[PathBuf]) -> Result<Vec<PathBuf>> {
    if directories.is_empty() {
        let message = "the server may not read files";
        return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message).hint(
            "allow a folder in the server's settings, or send the rows: COPY ... FROM STDIN",
        ));
    }
    let allowed: Vec<PathBuf> =
        directories.iter().filter_map(|directory| directory.canonicalize().ok()).collect();
    let bases =
        if Path::new(pattern).is_absolute() { vec![PathBuf::new()] } else { allowed.clone() };
    for base in bases {
        let found = matching(&base, pattern)?;
        if found.is_empty() {
            continue;
        }
        if found.len() > COPY_FILES_MAX {
            let message = format!("a COPY can read at most {COPY_FILES_MAX} files");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        return found.into_iter().map(|path| permitted(path, &allowed)).collect();
    }
    // Whether a file exists outside the allowed folders is nobody's business.
    if Path::new(pattern).is_absolute() && !lexically_below(Path::new(pattern), &allowed) {
        return Err(forbidden(pattern));
    }
    let message = format!("no file matches \"{pattern}\"");
    Err(Error::new(SqlState::UNDEFINED_FILE, message))
}

fn matching(base: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let base = glob::Pattern::escape(&base.display().to_string());
    let full = if base.is_empty() { pattern.to_owned() } else { format!("{base}/{pattern}") };
    let paths = glob::glob(&full).map_err(|error| {
        let message = format!("invalid pattern \"{pattern}\": {}", error.msg);
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
    })?;
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| Error::io("look for files", error.error()))?;
        if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn permitted(path: PathBuf, allowed: &[PathBuf]) -> Result<PathBuf> {
    let shown = path.display().to_string();
    let real =
        path.canonicalize().map_err(|error| Error::io(format!("find \"{shown}\""), &error))?;
    if lexically_below(&real, allowed) { Ok(real) } else { Err(forbidden(&shown)) }
}

fn lexically_below(path: &Path, allowed: &[PathBuf]) -> bool {
    allowed.iter().any(|directory| path.starts_with(directory))
}

fn forbidden(path: &str) -> Error {
    let message = format!("the server may not read \"{path}\"");
    Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
        .hint("files must lie in one of the folders that the server's settings allow for COPY")
}

fn sources(
    gate: &Arc<CommitGate>,
    paths: &[PathBuf],
    format: &'static dyn Format,
) -> Result<Vec<Source>> {
    let streamed = !RANDOM_ACCESS_FORMATS.contains(&format.name());
    if !streamed {
        gate.commit()?;
    }
    let last = paths.len().saturating_sub(1);
    let source = |(at, path): (usize, &PathBuf)| {
        let file = open_for_reading(path)?;
        let input = if streamed {
            let gate = Arc::clone(gate);
            Input::Stream(Box::new(CancellableFile { file, gate, last: at == last }))
        } else {
            Input::File(file)
        };
        Ok(Source { name: path.display().to_string(), input })
    };
    paths.iter().enumerate().map(source).collect()
}

/// The objects that a location names, sorted; it must lie below an allowed one.
fn find_objects(pattern: &str, directories: &[PathBuf]) -> Result<Vec<RemoteInput>> {
    let below = |directory: &PathBuf| {
        let allowed = directory.to_str().filter(|text| Location::is_meant(text));
        let rest = allowed.and_then(|allowed| pattern.strip_prefix(allowed.trim_end_matches('/')));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if !directories.iter().any(below) {
        let message = format!("the server may not read \"{pattern}\"");
        return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
            .hint("allow its bucket, or a folder of it, in the server's settings: --copy-directories s3://bucket/folder"));
    }
    let found = input::find(pattern, COPY_FILES_MAX)?;
    if found.is_empty() {
        let message = format!("no file matches \"{pattern}\"");
        return Err(Error::new(SqlState::UNDEFINED_FILE, message));
    }
    Ok(found)
}

fn object_sources(
    gate: &Arc<CommitGate>,
    found: Vec<RemoteInput>,
    format: &'static dyn Format,
) -> Result<Vec<Source>> {
    let streamed = !RANDOM_ACCESS_FORMATS.contains(&format.name());
    if !streamed {
        gate.commit()?;
    }
    let last = found.len().saturating_sub(1);
    let source = |(at, object): (usize, RemoteInput)| {
        let name = object.name();
        let input = if streamed {
            let (file, gate) = (object.stream(), Arc::clone(gate));
            Input::Stream(Box::new(CancellableFile { file, gate, last: at == last }))
        } else {
            // One at a time: each copy is as large as its object.
            Input::Later(Box::new(move || object.copied().map(Input::File)))
        };
        Source { name, input }
    };
    Ok(found.into_iter().enumerate().map(source).collect())
}

/// A file that a cancel ends early, and whose end is the point of no return.
struct CancellableFile<R> {
    file: R,
    gate: Arc<CommitGate>,
    /// Whether it is the last one of its COPY.
    last: bool,
}

impl<R: Read> Read for CancellableFile<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.gate.check().map_err(io::Error::other)?;
        let count = self.file.read(buffer)?;
        if count == 0 && self.last && !buffer.is_empty() {
            self.gate.commit().map_err(io::Error::other)?;
        }
        Ok(count)
    }
}

/// A COPY, but for its data.
struct Job {
    format: &'static dyn Format,
    options: Options,
    max_rejects: Option<u64>,
    statement: CopyFrom,
    /// Where it goes, if not into a dataset.
    scratch: Option<ScratchTarget>,
}

impl Job {
    /// Lets the engine read; gives the command tag.
    async fn load(
        self,
        session: &Arc<Inner>,
        gate: &Arc<CommitGate>,
        sources: Vec<Source>,
    ) -> Result<String> {
        if let Some(scratch) = self.scratch {
            let read = copy_scratch::Read { format: self.format, options: self.options, sources };
            return copy_scratch::load(session, gate, scratch, read, self.max_rejects).await;
        }
        let load = Load {
            dataset: self.statement.dataset,
            columns: self.statement.columns,
            sources,
            format: self.format,
            options: self.options,
            max_rejects: self.max_rejects,
        };
        let accept = session.accept();
        let dataset = load.dataset.clone();
        let result = blocking(move || accept.load(load)).await;
        // A reader that was told to stop makes the engine fail; the reason is the cancel.
        let result = gate.check().and(result).map(|report| {
            tell(session, &report);
            format!("COPY {}", report.accepted)
        });
        session.audit_copy(&dataset, &result);
        result
    }
}

fn tell(session: &Inner, report: &LoadReport) {
    for notice in &report.notices {
        session.notice(Notice::new(notice.clone()));
    }
    if report.rejected > 0 {
        let message = match report.rejected {
            1 => "1 row was rejected".to_owned(),
            count => format!("{count} rows were rejected"),
        };
        let hint = format!("SELECT * FROM rejects WHERE ingest_id = {}", report.ingest_id);
        session.notice(Notice { hint: Some(hint), ..Notice::new(message) });
    }
}

/// A COPY that waits for its client's data.
pub struct CopyIn {
    pieces: mpsc::Sender<Piece>,
    load: Task<String>,
    columns: Vec<DataType>,
    binary: bool,
}

enum Piece {
    Data(Bytes),
    Done,
    Failed(String),
}

impl CopyIn {
    fn start(
        session: &Arc<Inner>,
        gate: &Arc<CommitGate>,
        job: Job,
        columns: Vec<DataType>,
        binary: bool,
    ) -> Self {
        let (pieces, waiting) = mpsc::channel(PIECES_WAITING_MAX);
        let reader =
            ClientData { gate: Arc::clone(gate), waiting, current: Bytes::new(), ended: false };
        let source = Source { name: "STDIN".to_owned(), input: Input::Stream(Box::new(reader)) };
        let (session, gate) = (Arc::clone(session), Arc::clone(gate));
        let runtime = session.server.runtime().clone();
        let load = runtime.spawn(async move { job.load(&session, &gate, vec![source]).await });
        Self { pieces, load: Task::of(load), columns, binary }
    }

    /// Types of the columns that the rows have.
    pub fn columns(&self) -> &[DataType] {
        &self.columns
    }

    /// Whether the client sends PostgreSQL's binary format; what is written here are lines of text all
    /// the same.
    pub fn is_binary(&self) -> bool {
        self.binary
    }

    /// Passes data on; waits while the engine is behind.
    ///
    /// # Errors
    /// Why the engine takes no more; the COPY is over then.
    pub async fn write(&mut self, data: Bytes) -> Result<()> {
        if self.pieces.send(Piece::Data(data)).await.is_ok() {
            return Ok(());
        }
        match (&mut self.load).await {
            Ok(_) => Err(Error::internal("a COPY ended before its data")),
            Err(error) => Err(error),
        }
    }

    /// Ends the data; gives the command tag.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn finish(self) -> Result<String> {
        // If nobody listens the load has failed already, and says why.
        let _ = self.pieces.send(Piece::Done).await;
        self.load.await
    }

    /// Gives up; nothing of the COPY stays.
    pub async fn fail(self, reason: &str) -> Error {
        let _ = self.pieces.send(Piece::Failed(reason.to_owned())).await;
        let _ = self.load.await;
        let message = format!("COPY from stdin failed: {reason}");
        Error::new(SqlState::QUERY_CANCELED, message)
    }
}

/// The client's data as the engine reads it; only the client's own word ends it well.
struct ClientData {
    gate: Arc<CommitGate>,
    waiting: mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

impl Read for ClientData {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.current.len().min(buffer.len());
            if count > 0 || self.ended || buffer.is_empty() {
                self.current.copy_to_slice(&mut buffer[..count]);
                return Ok(count);
            }
            match self.waiting.blocking_recv() {
                Some(Piece::Data(data)) => self.current = data,
                Some(Piece::Done) => {
                    self.gate.commit().map_err(io::Error::other)?;
                    self.ended = true;
                }
                Some(Piece::Failed(reason)) => return Err(io::Error::other(reason)),
                None => return Err(io::Error::other("the client is gone")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, directories: &[PathBuf], expected: &str) {
        let shown = match find(pattern, directories) {
            Ok(paths) => paths
                .iter()
                .filter_map(|path| path.file_name()?.to_str())
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => error.code().to_string(),
        };
        assert_eq!(shown, expected, "{pattern}");
    }

    #[test]
    fn files_are_found_below_allowed_folders_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        for (directory, name) in
            [(&inside, "b.csv"), (&inside, "a.csv"), (&inside, "c.txt"), (&outside, "secret.csv")]
        {
            std::fs::create_dir_all(directory).expect("a folder");
            std::fs::write(directory.join(name), "x").expect("a file");
        }
        std::os::unix::fs::symlink(outside.join("secret.csv"), inside.join("link.csv"))
            .expect("a link");
        let allowed = vec![inside.clone()];
        check("a.csv", &allowed, "a.csv");
        check("[ab].csv", &allowed, "a.csv b.csv");
        check(&inside.join("*.txt").display().to_string(), &allowed, "c.txt");
        check("link.csv", &allowed, "42501");
        check("../out/secret.csv", &allowed, "42501");
        check(&outside.join("secret.csv").display().to_string(), &allowed, "42501");
        check(&outside.join("none.csv").display().to_string(), &allowed, "42501");
        check("none.csv", &allowed, "58P01");
        check("a.csv", &[], "42501");
        check("a[.csv", &allowed, "22023");
    }

    #[test]
    fn the_number_of_files_is_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        for number in 0..=COPY_FILES_MAX {
            std::fs::write(folder.path().join(format!("{number}.csv")), "").expect("a file");
        }
        check("*.csv", &[folder.path().to_owned()], "54000");
        check("1*.csv", &[folder.path().to_owned()], &{
            let mut names: Vec<_> = (0..=COPY_FILES_MAX)
                .map(|number| format!("{number}.csv"))
                .filter(|name| name.starts_with('1'))
                .collect();
            names.sort();
            names.join(" ")
        });
    }
}
