//! EXPLAIN: the plan that would run, or has run, as text or JSON.

use std::fmt::Write;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::env::clock::Stopwatch;
use crate::error::Result;
use crate::query::error::from_datafusion;
use crate::query::session::command::Explain;
use crate::query::session::prepare::text_columns;
use crate::query::session::{Inner, Outcome, show};

/// Rows that a node is taken to give if nothing is known, as PostgreSQL guesses for a new table.
const ROWS_GUESSED: usize = 1000;

/// Bytes of a column of a row, on average, when nothing better is known.
const COLUMN_BYTES_GUESSED: usize = 8;

/// The columns of the answer.
pub(super) fn schema() -> SchemaRef {
    text_columns(&["QUERY PLAN"])
}

/// Answers an EXPLAIN.
///
/// # Errors
/// With ANALYZE, what running the plan says.
pub(super) async fn run(
    session: &Arc<Inner>,
    plan: Arc<dyn ExecutionPlan>,
    options: &Explain,
    sql: &str,
) -> Result<Outcome> {
    let clock = Stopwatch::start();
    let mut rows = None;
    if options.analyze {
        rows = Some(drain(session, &plan, sql).await?);
    }
    let seconds = clock.seconds();
    let lines = if options.json {
        let mut answer = json!({ "Plan": node(plan.as_ref()) });
        if let Some(rows) = rows {
            answer["Plan"]["Actual Rows"] = json!(rows);
            answer["Execution Time"] = json!(seconds * 1000.0);
        }
        let text = serde_json::to_string_pretty(&json!([answer])).unwrap_or_default();
        vec![vec![text]]
    } else {
        text(plan.as_ref(), options, rows.map(|rows| (rows, seconds)))
    };
    show::texts(schema(), lines, "EXPLAIN")
}

async fn drain(session: &Arc<Inner>, plan: &Arc<dyn ExecutionPlan>, sql: &str) -> Result<usize> {
    let convert = |error| from_datafusion(&error, sql);
    let context = Arc::clone(&session.planning.context);
    let mut stream = execute_stream(Arc::clone(plan), context).map_err(convert)?;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        rows += batch.map_err(convert)?.num_rows();
    }
    Ok(rows)
}

fn text(
    plan: &dyn ExecutionPlan,
    options: &Explain,
    ran: Option<(usize, f64)>,
) -> Vec<Vec<String>> {
    let mut text = if ran.is_some() {
        DisplayableExecutionPlan::with_metrics(plan).indent(options.verbose).to_string()
    } else {
        displayable(plan).indent(options.verbose).to_string()
    };
    if let Some((rows, seconds)) = ran {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Rows: {rows}");
        let _ = writeln!(text, "Execution Time: {:.3} ms", seconds * 1000.0);
    }
    text.lines().map(|line| vec![line.to_owned()]).collect()
}

/// A node in PostgreSQL's shape; costs are rows, for clients that compare them.
fn node(plan: &dyn ExecutionPlan) -> Value {
    let columns = plan.schema().fields().len();
    let known = StatisticsContext::new().compute(plan, &StatisticsArgs::new());
    let rows = match known.map(|found| found.num_rows) {
        Ok(Precision::Exact(rows) | Precision::Inexact(rows)) => rows,
        _ => ROWS_GUESSED,
    };
    let children: Vec<Value> =
        plan.children().into_iter().map(|child| node(child.as_ref())).collect();
    let below: f64 = children.iter().filter_map(|child| child["Total Cost"].as_f64()).sum();
    let mut value = json!({
        "Node Type": plan.name().trim_end_matches("Exec"),
        "Startup Cost": 0.0,
        "Total Cost": below + rows as f64,
        "Plan Rows": rows,
        "Plan Width": columns * COLUMN_BYTES_GUESSED,
    });
    if !children.is_empty() {
        value["Plans"] = Value::Array(children);
    }
    value
}
