//! The program: reads the command line, starts logging, and hands over to `server`.

use std::process::ExitCode;

use clap::Parser;
use selfsame::config::Arguments;
use selfsame::server;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = arguments.log.as_deref().unwrap_or("warn,selfsame=info");
    let filter = match EnvFilter::try_new(filter) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("selfsame: the log filter \"{filter}\" is wrong: {error}");
            return ExitCode::from(2);
        }
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match server::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("selfsame: {error}");
            for (word, text) in [("detail", error.get_detail()), ("hint", error.get_hint())] {
                if let Some(text) = text {
                    eprintln!("  {word}: {text}");
                }
            }
            ExitCode::FAILURE
        }
    }
}
