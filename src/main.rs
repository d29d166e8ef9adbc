//! The program: reads the command line, starts logging, and hands over to `server`.

use std::process::ExitCode;

use selfsame::config::{Invocation, Outside, parse};
use selfsame::error::{Error, Result};
use selfsame::server;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "help and version are what standard output is for")]
fn run() -> Result<()> {
    let outside = Outside {
        variable: &|name| std::env::var_os(name),
        file: &|path| std::fs::read_to_string(path),
    };
    match parse(std::env::args_os(), &outside)? {
        Invocation::Print(text) => print!("{text}"),
        Invocation::Run(command, config) => {
            server::start_logging(&config)?;
            server::run(&command, &config)?;
        }
    }
    Ok(())
}

fn complain(error: &Error) {
    eprintln!("selfsame: {error}");
    for (word, text) in [("detail", error.get_detail()), ("hint", error.get_hint())] {
        if let Some(text) = text {
            eprintln!("{word}: {text}");
        }
    }
}
