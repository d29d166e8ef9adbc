//! The sample company on disk and in a store: written as files, loaded as any user would load them.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::demo::{Company, DDL, FileFormat, TOUR, Table};
use crate::env::clock::Stopwatch;
use crate::env::disk::Disk;
use crate::env::real_disk::RealDisk;
use crate::error::{Error, Result};
use crate::query::session::{Output, Session};
use crate::storage::segment::SegmentWriter;

/// Rows made at a time: some megabytes, whatever the company's size.
const ROWS_AT_A_TIME: u64 = 32_768;

/// A folder that is there for as long as the process needs it.
pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes a folder that nobody else may read.
    ///
    /// # Errors
    /// What the system says; also if the folder is there, as another's folder is not to be trusted.
    pub(crate) fn create() -> Result<Self> {
        let name = format!("selfsame-demo-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| failed("create", &path, &error))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "could not remove the temporary folder");
        }
    }
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::io(format!("{what} \"{}\"", path.display()), error)
}

/// Writes a company into a folder: a file a table, `schema.sql`, `load.sql` and `tour.sql`.
///
/// # Errors
/// What the disk says.
pub(crate) fn write(company: Company, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| failed("create", folder, &error))?;
    for table in Company::tables() {
        write_table(company, table, folder)?;
    }
    let load = load_statements(folder)?.join(";\n") + ";\n";
    for (name, text) in [("schema.sql", DDL), ("load.sql", &load), ("tour.sql", TOUR)] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| failed("write", &path, &error))?;
    }
    Ok(())
}

fn write_table(company: Company, table: &Table, folder: &Path) -> Result<()> {
    let count = company.row_count(table);
    let starts = (0..count).step_by(ROWS_AT_A_TIME as usize);
    let parts = starts.map(|from| from..(from + ROWS_AT_A_TIME).min(count));
    if table.format == FileFormat::Parquet {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(folder)?);
        let mut writer = SegmentWriter::create(&disk, table.file_name(), table.schema())?;
        for rows in parts {
            writer.write(&company.batch(table, rows))?;
        }
        writer.finish(count)?;
        return disk.remove("lock");
    }
    let path = folder.join(table.file_name());
    let file = fs::File::create(&path).map_err(|error| failed("create", &path, &error))?;
    let mut out = BufWriter::new(file);
    for rows in parts {
        match table.format {
            FileFormat::Csv => company.write_csv(table, rows, &mut out)?,
            _ => company.write_ndjson(table, rows, &mut out)?,
        }
    }
    out.flush().map_err(|error| failed("write", &path, &error))
}

/// The statements that load the files of a folder.
fn load_statements(folder: &Path) -> Result<Vec<String>> {
    let folder = fs::canonicalize(folder).map_err(|error| failed("find", folder, &error))?;
    let statement = |table: &&Table| {
        let path = folder.join(table.file_name()).display().to_string().replace('\'', "''");
        format!("COPY {} FROM '{path}'", table.name)
    };
    Ok(Company::tables().iter().map(statement).collect())
}

/// Defines and loads a company whose files are in a folder; says what was loaded and how long it took.
///
/// # Errors
/// Those of the statements.
pub(crate) async fn load(session: &Session, company: Company, folder: &Path) -> Result<String> {
    let watch = Stopwatch::start();
    session.run_script(DDL).await?;
    for statement in load_statements(folder)? {
        for output in session.run_script(&statement).await? {
            let notices: Vec<_> = output.notices.iter().map(|one| one.message.as_str()).collect();
            tracing::debug!(statement, tag = output.tag, notices = notices.join("; "), "loaded");
        }
    }
    let counts = "SELECT (SELECT count(*) FROM fragments), (SELECT count(*) FROM rejects), \
                  (SELECT count(*) FROM profiles)";
    let [fragments, rejects, profiles] = first_row(&session.run_script(counts).await?);
    let seconds = watch.seconds();
    Ok(format!(
        "a company of {} people: {fragments} fragments became {profiles} profiles, {rejects} rows \
         were refused, in {seconds:.1} s",
        company.people
    ))
}

/// The first values of the first row, as text.
fn first_row<const N: usize>(outputs: &[Output]) -> [String; N] {
    let batch = outputs.first().and_then(|output| output.batches.first());
    std::array::from_fn(|at| {
        let column = batch.and_then(|batch| batch.columns().get(at));
        let value = column.map(|column| arrow::util::display::array_value_to_string(column, 0));
        value.and_then(std::result::Result::ok).unwrap_or_default()
    })
}
