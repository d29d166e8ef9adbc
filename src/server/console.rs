//! What `selfsame sql` and `selfsame ingest` do: statements and files, without a server.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;

use crate::engine::operations::{OperationRow, OperationState};
use crate::engine::{Database, Load, LoadReport, Source};
use crate::env::disk::open_for_reading;
use crate::env::progress::Standing;
use crate::error::{Error, Result, SqlState};
use crate::ingest::{Input, Options, format_of_path};
use crate::query::session::{Output, Session};
use crate::server::terminal::Shown;

/// All of standard input.
///
/// # Errors
/// What the system says; also if it is no text.
pub(crate) fn standard_input() -> Result<String> {
    if std::io::stdin().is_terminal() {
        eprintln!("type statements, end with Ctrl-D");
    }
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|error| Error::io("read standard input", &error))?;
    Ok(text)
}

/// Runs statements, each after the one before, and prints what they answer; stops at the first error.
///
/// # Errors
/// The error of the statement that failed.
pub(crate) async fn run(session: &Session, text: &str) -> Result<()> {
    for piece in session.split(text)? {
        for output in session.run_script(piece.text).await? {
            print(&output)?;
        }
    }
    Ok(())
}

fn print(output: &Output) -> Result<()> {
    for notice in &output.notices {
        eprintln!("{}:  {}", notice.severity, notice.message);
        notice.hint.iter().for_each(|hint| eprintln!("HINT:  {hint}"));
    }
    let Some(schema) = &output.schema else { return say(&output.tag) };
    let internal = |error: ArrowError| Error::internal(error.to_string());
    // The names are the statement's, the types those of the values.
    let named = |batch: &RecordBatch| {
        let columns = batch.columns().iter().zip(schema.fields());
        let fields = columns
            .map(|(column, field)| Field::new(field.name(), column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        RecordBatch::try_new(schema, batch.columns().to_vec()).map_err(internal)
    };
    let mut batches = output.batches.iter().map(named).collect::<Result<Vec<_>>>()?;
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(Arc::clone(schema)));
    }
    let options = FormatOptions::default().with_null("");
    let table = pretty_format_batches_with_options(&batches, &options).map_err(internal)?;
    let count = output.row_count();
    say(&format!("{table}\n({count} {})", if count == 1 { "row" } else { "rows" }))
}

/// Prints a line; a reader that has gone away, as `head` does, is an error and no panic.
fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}")
        .map_err(|error| Error::io("write to standard output", &error))
}

/// Loads a file as one commit, and tells what became of its rows.
///
/// # Errors
/// `22023` if the name does not tell the format, and those of [`Database::load`].
pub(crate) fn ingest(database: &Arc<Database>, dataset: &str, path: &Path) -> Result<()> {
    let name = path.display().to_string();
    let format = format_of_path(&name).ok_or_else(|| {
        let message = format!("the name of file \"{name}\" does not tell its format");
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
            .hint("names end in .parquet, .csv or .ndjson, perhaps with .gz or .zst after it")
    })?;
    let input = Input::File(open_for_reading(path)?);
    let watched = Arc::clone(database);
    let shown = Shown::begin(move || rows_read(&watched));
    let report = database.load(Load {
        dataset: dataset.to_owned(),
        columns: None,
        sources: vec![Source { name: name.clone(), input }],
        format,
        options: Options::default(),
        max_rejects: None,
    })?;
    drop(shown);
    report.notices.iter().for_each(|notice| eprintln!("NOTICE:  {notice}"));
    say(&summary(&name, &report))
}

/// How far the load is that runs.
fn rows_read(database: &Database) -> Standing {
    let running = |row: &OperationRow| row.state == OperationState::Running && row.kind == "load";
    let done = database.operations().rows().into_iter().find(running).map_or(0, |row| row.done);
    Standing { step: "reading rows", done, total: 0 }
}

fn summary(name: &str, report: &LoadReport) -> String {
    let LoadReport { ingest_id, accepted, rejected, duplicates, .. } = report;
    let mut text = format!("{name}: {accepted} rows accepted");
    if *duplicates > 0 {
        text += &format!(", {duplicates} known already");
    }
    if *rejected > 0 {
        text +=
            &format!(", {rejected} refused (SELECT * FROM rejects WHERE ingest_id = {ingest_id})");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::summary;
    use crate::engine::LoadReport;

    #[test]
    fn a_summary_tells_what_became_of_every_row() {
        let report = LoadReport { ingest_id: 7, accepted: 5, ..LoadReport::default() };
        assert_eq!(summary("a.csv", &report), "a.csv: 5 rows accepted");
        let report = LoadReport { rejected: 2, duplicates: 3, ..report };
        assert_eq!(
            summary("a.csv", &report),
            "a.csv: 5 rows accepted, 3 known already, 2 refused \
             (SELECT * FROM rejects WHERE ingest_id = 7)"
        );
    }
}
