//! Merge strategies as SQL aggregates: `latest(value, observed_at)`, `collect_set(value)`, ...
//!
//! Thin adapters over `merge`: order strategies keep one slot per group and compare by
//! `OrderRule::beats`; the others gather candidates and call the same `pick` and `combine` as the
//! profiles table. `min`, `max` and `sum` are SQL's own. The session registers what [`all`] gives.

mod arguments;
mod candidates;
mod compaction;
mod function;
mod states;
mod winners;

use datafusion::error::DataFusionError;
use datafusion::logical_expr::AggregateUDF;

use crate::error::Error;
use crate::merge::ALL;
use crate::query::aggregates::arguments::Shape;
use crate::query::aggregates::function::MergeAggregate;

/// Every strategy that SQL does not have under its own name, as an aggregate function.
pub fn all() -> Vec<AggregateUDF> {
    let aggregate = |strategy: &&'static dyn crate::merge::Strategy| {
        let shape = Shape::of(strategy.name())?;
        Some(AggregateUDF::from(MergeAggregate::new(*strategy, shape)))
    };
    ALL.iter().filter_map(aggregate).collect()
}

/// Our errors travel through DataFusion whole, so that the wire finds their SQLSTATE.
fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::error::Error as _;

    use datafusion::prelude::SessionContext;

    /// Runs a query over `t(g, v, at)` and shows its rows, or the SQLSTATE and message.
    fn check(sql: &str, expected: &str) {
        let session = SessionContext::new();
        all().into_iter().for_each(|aggregate| session.register_udaf(aggregate));
        let table = "CREATE TABLE t AS SELECT * FROM (VALUES (1, 'b', 1), (1, 'a', 2), \
                     (1, NULL, 3), (2, 'c', NULL)) AS t(g, v, at)";
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let result = runtime.block_on(async {
            session.sql(table).await?.collect().await?;
            session.sql(sql).await?.collect().await
        });
        assert_eq!(result.map_or_else(shown_error, |batches| shown(&batches)), expected, "{sql}");
    }

    fn shown(batches: &[arrow::array::RecordBatch]) -> String {
        let value = arrow::util::display::array_value_to_string;
        let rows =
            batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |at| (batch, at)));
        let row = |(batch, at): (&arrow::array::RecordBatch, usize)| {
            let values = batch.columns().iter().map(|column| value(column, at).expect("a value"));
            values.collect::<Vec<_>>().join(" ")
        };
        rows.map(row).collect::<Vec<_>>().join("; ")
    }

    /// The error of ours that DataFusion's carries, however deep; or DataFusion's own.
    fn shown_error(error: DataFusionError) -> String {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = source {
            if let Some(ours) = cause.downcast_ref::<Error>() {
                return format!("{}: {ours}", ours.code());
            }
            source = cause.source();
        }
        error.source().map_or_else(|| error.to_string(), |cause| cause.to_string())
    }

    #[test]
    fn aggregates_work_in_any_place() {
        check("SELECT latest(v, at), earliest(v, at) FROM t", "a c");
        check("SELECT g, latest(v, at) FROM t GROUP BY g ORDER BY g", "1 a; 2 c");
        check("SELECT latest_or_null(v, at) FROM t", "");
        check("SELECT precedence(v, g, at), precedence(v, -g, at) FROM t", "a c");
        check("SELECT listagg(v, '; '), count_distinct(v) FROM t", "a; b; c 3");
        check("SELECT collect_list(v, at) FROM t", "[c, b, a]");
        check("SELECT latest(v, at) FROM t WHERE g = 9", "");
        check("SELECT count_distinct(v), collect_set(v) FROM t WHERE g = 9", "0 ");
        check("SELECT g, latest(v, at) FROM t WHERE g = 9 GROUP BY g", "");
        check("SELECT latest(v, at) FILTER (WHERE at < 2) FROM t", "b");
        check("SELECT latest(DISTINCT v, at) FROM t", "a");
        check("SELECT average(DISTINCT g) FROM t", "1.5");
        check("SELECT latest(v, at ORDER BY v) FROM t", "a");
        check("SELECT latest(v, DATE '2026-01-01'), latest(v, now()) FROM t", "c c");
        check("SELECT latest(NULL, 1), collect_set(arrow_cast(g, 'UInt8')) FROM t", " [1, 2]");
        let over = "OVER (ORDER BY at NULLS FIRST)";
        check(
            &format!(
                "SELECT latest(v, at) {over}, collect_set(v) {over} FROM t ORDER BY at NULLS FIRST"
            ),
            "c [c]; b [b, c]; a [a, b, c]; a [a, b, c]",
        );
    }

    #[test]
    fn misuse_is_told() {
        check(
            "SELECT longest(g, at) FROM t",
            "42804: strategy \"longest\" does not fit type BIGINT",
        );
        check("SELECT all_true(v) FROM t", "42804: strategy \"all_true\" does not fit type TEXT");
        check("SELECT average(v) FROM t", "42804: strategy \"average\" does not fit type TEXT");
        check(
            "SELECT collect_list(DISTINCT v, at) FROM t",
            "0A000: DISTINCT is not supported for collect_list",
        );
        check(
            "SELECT latest(v, at, -1, 0) FROM t",
            "22003: place is out of range: it is 0 to 4294967295",
        );
        check("SELECT listagg(v, v) FROM t", "22023: the separator of listagg must be a literal");
        check("SELECT latest() FROM t", "42883: function latest() does not exist");
        check("SELECT latest(v) FROM t", "42883: function latest(text) does not exist");
        check(
            "SELECT latest(v, true) FROM t",
            "42883: function latest(text, boolean) does not exist",
        );
    }

    #[test]
    fn every_strategy_has_its_aggregate() {
        let aggregates = all();
        let names: BTreeSet<_> = aggregates.iter().map(AggregateUDF::name).collect();
        assert_eq!(names.len(), aggregates.len(), "names are unique");
        for strategy in ALL {
            let of_sql = ["min", "max", "sum"].contains(&strategy.name());
            assert_ne!(names.contains(strategy.name()), of_sql, "{}", strategy.name());
        }
    }

    #[test]
    fn every_aggregate_is_documented() {
        for aggregate in all() {
            let name = aggregate.name().to_owned();
            let documentation = aggregate.documentation().expect("a documentation");
            assert!(documentation.syntax_example.starts_with(&format!("{name}(value")), "{name}");
            assert!(documentation.description.ends_with('.'), "{name}");
            assert!(documentation.arguments.iter().flatten().count() > 0, "{name}");
        }
    }
}
