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
