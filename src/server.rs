//! The process: builds what was asked for out of the layers below, and takes it down in order.
//!
//! Two runtimes: one accepts connections and speaks the protocol; the other, which belongs to
//! `query::session`, plans and runs, so that a heavy report delays no log-in. At the end the listener
//! stops first, then sessions, then the engine, which flushes its log.

use std::fs;
use std::io::{BufWriter, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Field, Schema};
use arrow::util::pretty::pretty_format_batches_with_options;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Arguments, Command, Config};
use crate::demo::{Company, DDL, FileFormat, Table};
use crate::engine::{Database, Options};
use crate::env::clock::Stopwatch;
use crate::env::disk::Disk;
use crate::env::real_disk::RealDisk;
use crate::error::{Error, Result, SqlState};
use crate::query::session::{Output, Server, Session, Settings};
use crate::storage::segment::SegmentWriter;

/// The user that the printed command lines name; without authentication any will do.
const USER: &str = "selfsame";

/// Rows of the sample made at a time.
const SAMPLE_ROWS: u64 = 32_768;

/// Does what the command line says.
///
/// # Errors
/// What keeps it from starting, or the first failing statement of a script.
pub fn run(arguments: Arguments) -> Result<()> {
    let file = arguments.config.as_deref();
    match arguments.command {
        Command::Serve { server } => serve(&Config::new(&server, file)?),
        Command::Demo { write: Some(folder), people, seed, .. } => {
            write_sample(Company { people, seed }, &folder)
        }
        Command::Demo { server, people, seed, write: None } => {
            demo(Config::new(&server, file)?, Company { people, seed })
        }
        Command::Sql { server, statements } => {
            script(&Config::new(&server, file)?, statements.as_deref())
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("protocol")
        .enable_all()
        .build()
        .map_err(|error| Error::io("start the threads of the protocol", &error))
}

fn sessions(database: &Arc<Database>, config: &Config) -> Arc<Server> {
    let settings = Settings {
        copy_directories: config.copy_directories.clone(),
        memory_limit: config.memory_limit,
        runtime: None,
    };
    Server::new(Arc::clone(database), settings)
}

/// Serves a store until asked to stop.
fn serve(config: &Config) -> Result<()> {
    let database = Database::open(Options::at(config.data.as_ref())?)?;
    let server = sessions(&database, config);
    let runtime = runtime()?;
    let listener = listen(&runtime, config.listen)?;
    announce(&listener, config.data.as_deref(), None);
    finish(&runtime, listener, server, config, &database)
}

fn listen(runtime: &tokio::runtime::Runtime, address: SocketAddr) -> Result<TcpListener> {
    runtime.block_on(TcpListener::bind(address)).map_err(|error| {
        let in_use = error.kind() == std::io::ErrorKind::AddrInUse;
        let error = Error::io(format!("listen on {address}"), &error);
        if in_use { error.hint("choose another port with --listen 127.0.0.1:5443") } else { error }
    })
}

fn finish(
    runtime: &tokio::runtime::Runtime,
    listener: TcpListener,
    server: Arc<Server>,
    config: &Config,
    database: &Arc<Database>,
) -> Result<()> {
    let (stop, stopped) = watch::channel(false);
    let connections_max = config.connections_max;
    let served = runtime.block_on(async move {
        let serving = tokio::spawn(crate::wire::serve(listener, server, connections_max, stopped));
        asked_to_stop().await?;
        tracing::info!("stopping");
        let _ = stop.send(true);
        serving.await.unwrap_or_else(|error| Err(Error::internal(error.to_string())))
    });
    let closed = database.close();
    served.and(closed)
}

async fn asked_to_stop() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|error| Error::io("listen for signals", &error))?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => {
            result.map_err(|error| Error::io("listen for signals", &error))
        }
        _ = terminate.recv() => Ok(()),
    }
}

/// Tells how to connect. This is what a newcomer sees.
fn announce(listener: &TcpListener, data: Option<&Path>, loaded: Option<&str>) {
    let address = listener.local_addr().map_or_else(|_| "?".to_owned(), |at| at.to_string());
    let (host, port) = address.rsplit_once(':').unwrap_or(("127.0.0.1", "5442"));
    let store = data.map_or("in memory, gone when this stops".to_owned(), |data| {
        data.display().to_string()
    });
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "\nselfsame {} is ready", env!("CARGO_PKG_VERSION"));
    if let Some(loaded) = loaded {
        let _ = writeln!(out, "  {loaded}");
    }
    let _ = writeln!(out, "  store       {store}");
    let _ = writeln!(out, "  PostgreSQL  {address} (any user, any database, no password)");
    let _ = writeln!(out, "\nconnect:      psql -h {} -p {port} -U {USER}", host.trim_matches(['[', ']']));
    let _ = writeln!(out, "first query:  SELECT * FROM profiles LIMIT 5;");
    let _ = writeln!(out, "stop:         Ctrl-C\n");
    let _ = out.flush();
}

/// Serves the sample company.
fn demo(mut config: Config, company: Company) -> Result<()> {
    let temporary = std::env::temp_dir().join(format!("selfsame-demo-{}", std::process::id()));
    let files = temporary.join("sample");
    if config.data.is_none() {
        config.data = Some(temporary.join("store"));
    }
    config.copy_directories.push(temporary.clone());
    let served = serve_demo(&config, company, &files);
    if temporary.exists() {
        fs::remove_dir_all(&temporary)
            .map_err(|error| Error::io(format!("remove \"{}\"", temporary.display()), &error))?;
    }
    served
}

fn serve_demo(config: &Config, company: Company, files: &Path) -> Result<()> {
    write_sample(company, files)?;
    let database = Database::open(Options::at(config.data.as_ref())?)?;
    let server = sessions(&database, config);
    let runtime = runtime()?;
    let listener = listen(&runtime, config.listen)?;
    let session = server.session(USER, USER, &[])?;
    let loaded = match database.snapshot().catalog().datasets.is_empty() {
        true => runtime.block_on(load_sample(&session, files, company))?,
        false => "the sample was loaded before".to_owned(),
    };
    drop(session);
    announce(&listener, config.data.as_deref(), Some(&loaded));
    finish(&runtime, listener, server, config, &database)
}

/// Loads the sample's files as a user would.
async fn load_sample(session: &Session, files: &Path, company: Company) -> Result<String> {
    let watch = Stopwatch::start();
    session.run_script(DDL).await?;
    for table in Company::tables() {
        let path = files.join(table.file_name());
        let path = path.display().to_string().replace('\'', "''");
        for output in session.run_script(&format!("COPY {} FROM '{path}'", table.name)).await? {
            let notices = output.notices.iter().map(|notice| notice.message.as_str());
            let notices: Vec<_> = notices.collect();
            tracing::info!(dataset = table.name, tag = output.tag, notices = notices.join("; "), "loaded");
        }
    }
    let seconds = watch.seconds();
    let people = session.run_script("SELECT count(*) FROM profiles").await?;
    Ok(format!(
        "a company of {} customers: {} merged profiles, loaded in {seconds:.1} s",
        company.people,
        first_value(&people)
    ))
}

fn first_value(outputs: &[Output]) -> String {
    let batch = outputs.first().and_then(|output| output.batches.first());
    let value = batch.map(|batch| arrow::util::display::array_value_to_string(batch.column(0), 0));
    value.and_then(std::result::Result::ok).unwrap_or_default()
}

/// Writes the sample's files into a folder.
fn write_sample(company: Company, folder: &Path) -> Result<()> {
    if !(1..=crate::demo::PEOPLE_MAX).contains(&company.people) {
        let message = format!("--people must be 1 to {}", crate::demo::PEOPLE_MAX);
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    }
    fs::create_dir_all(folder)
        .map_err(|error| Error::io(format!("create \"{}\"", folder.display()), &error))?;
    for table in Company::tables() {
        write_table(company, table, folder)?;
    }
    Ok(())
}

fn write_table(company: Company, table: &Table, folder: &Path) -> Result<()> {
    let path: PathBuf = folder.join(table.file_name());
    let count = company.row_count(table);
    let runs = (0..count).step_by(SAMPLE_ROWS as usize);
    let runs = runs.map(|from| from..(from + SAMPLE_ROWS).min(count));
    if table.format == FileFormat::Parquet {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(folder)?);
        let mut writer = SegmentWriter::create(&disk, table.file_name(), table.schema())?;
        for rows in runs {
            writer.write(&company.batch(table, rows))?;
        }
        writer.finish(count)?;
        return disk.remove("lock");
    }
    let failed = |error: std::io::Error| Error::io(format!("write \"{}\"", path.display()), &error);
    let mut out = BufWriter::new(fs::File::create(&path).map_err(failed)?);
    for rows in runs {
        match table.format {
            FileFormat::Csv => company.write_csv(table, rows, &mut out)?,
            _ => company.write_ndjson(table, rows, &mut out)?,
        }
    }
    out.flush().map_err(failed)
}

/// Runs statements without a server and prints what they answer.
fn script(config: &Config, statements: Option<&str>) -> Result<()> {
    let text = match statements {
        Some(text) => text.to_owned(),
        None => {
            let mut text = String::new();
            if std::io::stdin().is_terminal() {
                eprintln!("type statements, end with Ctrl-D");
            }
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Error::io("read standard input", &error))?;
            text
        }
    };
    let database = Database::open(Options::at(config.data.as_ref())?)?;
    let server = sessions(&database, config);
    let session = server.session(USER, USER, &[])?;
    let runtime = runtime()?;
    let mut result = Ok(());
    for piece in session.split(&text)? {
        match runtime.block_on(session.run_script(piece.text)) {
            Ok(outputs) => outputs.iter().try_for_each(print)?,
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    drop(session);
    database.close()?;
    result
}

fn print(output: &Output) -> Result<()> {
    for notice in &output.notices {
        eprintln!("{}:  {}", notice.severity, notice.message);
        notice.hint.iter().for_each(|hint| eprintln!("HINT:  {hint}"));
    }
    let Some(schema) = &output.schema else {
        println!("{}", output.tag);
        return Ok(());
    };
    let internal = |error: arrow::error::ArrowError| Error::internal(error.to_string());
    // The names are the statement's, the types those of the values.
    let named = |batch: &RecordBatch| {
        let columns = batch.columns().iter().zip(schema.fields());
        let fields = columns.map(|(column, field)| {
            Field::new(field.name(), column.data_type().clone(), true)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        RecordBatch::try_new(schema, batch.columns().to_vec()).map_err(internal)
    };
    let mut batches = output.batches.iter().map(named).collect::<Result<Vec<_>>>()?;
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(Arc::clone(schema)));
    }
    let options = arrow::util::display::FormatOptions::default().with_null("");
    let table = pretty_format_batches_with_options(&batches, &options).map_err(internal)?;
    println!("{table}\n({} rows)", output.row_count());
    Ok(())
}
