//! The statements that psql 15 sends for its backslash commands, and what it must get back.

use crate::query::postgres::testing;

#[tokio::test]
async fn psql_gets_its_answers() {
    testing::check_golden("psql.txt").await;
}

/// Exploration aid.
#[tokio::test]
async fn explore() {
    let context = testing::context();
    let text = std::fs::read_to_string("/tmp/pgcat/explore.sql").unwrap();
    for sql in text.split(";\n").filter(|it| !it.trim().is_empty()) {
        eprintln!("---- {}\n{}", sql.trim(), testing::run(&context, sql).await);
    }
}

#[test]
fn explore_deep() {
    let stack: usize = std::env::var("DEEP_STACK").map_or(2 << 20, |it| it.parse().unwrap());
    std::thread::Builder::new()
        .stack_size(stack)
        .spawn(|| {
            let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            rt.block_on(async {
                let context = testing::context();
                let n: usize = std::env::var("DEEP").unwrap().parse().unwrap();
                let which = std::env::var("WHICH").unwrap();
                let sql = match which.as_str() {
                    "sum" => format!("SELECT {}", vec!["1"; n].join(" + ")),
                    "sumcol" => format!("SELECT {} FROM purchases", vec!["n"; n].join(" + ")),
                    "or" => format!(
                        "SELECT relname FROM pg_class WHERE {}",
                        (0..n).map(|i| format!("oid = {i}")).collect::<Vec<_>>().join(" OR ")
                    ),
                    "concat" => format!("SELECT {}", vec!["'a'"; n].join(" || ")),
                    "case" => format!(
                        "SELECT {}1{}",
                        "CASE WHEN 1=1 THEN ".repeat(n),
                        " ELSE 2 END".repeat(n)
                    ),
                    "union" => vec!["SELECT 1"; n].join(" UNION ALL "),
                    "sub" => {
                        format!("{}SELECT 1 AS x{}", "SELECT * FROM (".repeat(n), ") t".repeat(n))
                    }
                    "func" => format!("SELECT {}'a'{}", "lower(".repeat(n), ")".repeat(n)),
                    "not" => format!("SELECT {}true", "NOT ".repeat(n)),
                    _ => panic!(),
                };
                let got = testing::run(&context, &sql).await;
                eprintln!("{which} {n}: {}", got.chars().take(200).collect::<String>());
            });
        })
        .unwrap()
        .join()
        .unwrap();
}
