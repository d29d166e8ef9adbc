//! What the Rust clients' checks are written with: names, levels, a time limit, and the lines that the runner reads.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub type Outcome = Result<(), String>;
type Check = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send>;

const CHECK_SECONDS: u64 = 30;

#[derive(Default)]
pub struct Suite(Vec<(String, &'static str, Check)>);

impl Suite {
    pub fn must<F: Future<Output = Outcome> + Send + 'static>(&mut self, name: impl Into<String>, check: impl FnOnce() -> F + Send + 'static) {
        self.0.push((name.into(), "must", Box::new(|| Box::pin(check()))));
    }

    pub fn should<F: Future<Output = Outcome> + Send + 'static>(&mut self, name: impl Into<String>, check: impl FnOnce() -> F + Send + 'static) {
        self.0.push((name.into(), "should", Box::new(|| Box::pin(check()))));
    }

    /// Says the plan, then runs the checks whose names have the word on the command line, if there is one.
    pub async fn run(mut self, version: &str) {
        if let Some(word) = std::env::args().nth(1) {
            self.0.retain(|(name, _, _)| name.contains(&word));
        }
        let names: Vec<_> = self.0.iter().map(|(name, level, _)| (name, level)).collect();
        println!("@{}", serde_json::json!({"kind": "plan", "version": version, "checks": names}));
        for (name, _, check) in self.0 {
            let running = tokio::spawn(tokio::time::timeout(Duration::from_secs(CHECK_SECONDS), check()));
            let problem = match running.await {
                Ok(Ok(Ok(()))) => String::new(),
                Ok(Ok(Err(problem))) => problem,
                Ok(Err(_)) => format!("no answer within {CHECK_SECONDS} s"),
                Err(panic) => panic.to_string(),
            };
            println!("@{}", serde_json::json!({"kind": "check", "name": name, "problem": problem}));
        }
    }
}

pub fn equal<T: PartialEq<U> + Debug, U: Debug>(actual: T, expected: U) -> Outcome {
    if actual == expected { Ok(()) } else { Err(format!("got {actual:?}, not {expected:?}")) }
}

pub fn problem(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
