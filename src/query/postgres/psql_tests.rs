//! The statements that psql sends for its backslash commands, and what it must get back.

use crate::query::postgres::testing::{context, run};

/// Exploration aid.
#[tokio::test]
async fn explore() {
    let context = context();
    let text = std::fs::read_to_string("/tmp/pgcat/explore.sql").unwrap();
    for sql in text.split(";\n").filter(|it| !it.trim().is_empty()) {
        eprintln!("---- {}\n{}", sql.trim(), run(&context, sql).await);
    }
}
