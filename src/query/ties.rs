//! Ties: `latest(value, observed_at)` over `fragments` decides equal times as the profiles table does.
//!
//! Times alone do not order fragments (spec 5.3): the dataset's place and the fragment id break ties.
//! Where a strategy is called with `observed_at` of a relation that also has `dataset` and
//! `fragment_id`, this rule adds them as arguments, with the places of the session's merge policy. So
//! what one writes by hand agrees with `profiles`, value by value. Registered by `session`.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, lit, when};
use datafusion::optimizer::AnalyzerRule;

use crate::query::tables::Binding;

/// Aggregates that take an order, with the number of arguments before place and fragment id.
const ORDERED: &[(&str, usize)] = &[
    ("latest", 2),
    ("latest_or_null", 2),
    ("earliest", 2),
    ("most_frequent", 2),
    ("longest", 2),
    ("collect_list", 2),
    ("precedence", 3),
];

/// The rule, for the tables of one session.
#[derive(Debug)]
pub struct BreakTies {
    order: Order,
}

/// Which datasets go first.
#[derive(Debug)]
enum Order {
    /// As the session's merge policy says.
    OfSession(Arc<Binding>),
    /// These.
    Given(Vec<String>),
}

impl BreakTies {
    /// The rule for a session.
    pub fn new(binding: Arc<Binding>) -> Self {
        Self { order: Order::OfSession(binding) }
    }

    /// The rule with the places that datasets have in a list.
    pub fn in_order(datasets: Vec<String>) -> Self {
        Self { order: Order::Given(datasets) }
    }

    /// Names of the record datasets, those first that win ties.
    fn places(&self) -> Vec<String> {
        let binding = match &self.order {
            Order::Given(datasets) => return datasets.clone(),
            Order::OfSession(binding) => binding,
        };
        let snapshot = binding.snapshot();
        let catalog = snapshot.catalog();
        let policy = catalog.policy(&binding.policy());
        let listed = policy.ok().and_then(|policy| policy.datasets.clone());
        listed.unwrap_or_else(|| {
            catalog.record_datasets().iter().map(|dataset| dataset.name.clone()).collect()
        })
    }

    /// The place of a row's dataset as an expression.
    fn place(&self, dataset: &Expr) -> Result<Expr> {
        let places = self.places();
        let last = lit(places.len() as i64);
        let mut cases = places.iter().enumerate();
        let is = |name: &String| {
            dataset.clone().eq(lit(datafusion::common::ScalarValue::Utf8View(Some(name.clone()))))
        };
        let Some((_, first)) = cases.next() else { return Ok(last) };
        let mut chain = when(is(first), lit(0_i64));
        for (place, name) in cases {
            chain = chain.when(is(name), lit(place as i64));
        }
        chain.otherwise(last)
    }

    fn with_ties(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let Expr::AggregateFunction(AggregateFunction { func, mut params }) = expr else {
            return Ok(Transformed::no(expr));
        };
        let ordered = ORDERED.contains(&(func.name(), params.args.len()));
        let fragment = params.args.last().filter(|_| ordered).and_then(|last| ties(last, schema));
        let changed = fragment.is_some();
        if let Some((dataset, fragment_id)) = fragment {
            params.args.push(self.place(&dataset)?);
            params.args.push(fragment_id);
        }
        let expr = Expr::AggregateFunction(AggregateFunction { func, params });
        Ok(if changed { Transformed::yes(expr) } else { Transformed::no(expr) })
    }
}

/// The columns that break ties beside a column `observed_at`, if its relation has them.
fn ties(observed_at: &Expr, schema: &DFSchema) -> Option<(Expr, Expr)> {
    let bare = match observed_at {
        Expr::Cast(cast) => cast.expr.as_ref(),
        other => other,
    };
    let Expr::Column(column) = bare else { return None };
    if column.name != "observed_at" {
        return None;
    }
    let beside = |name: &str| {
        let beside = Column::new(column.relation.clone(), name);
        schema.has_column(&beside).then_some(Expr::Column(beside))
    };
    Some((beside("dataset")?, beside("fragment_id")?))
}

impl AnalyzerRule for BreakTies {
    fn name(&self) -> &'static str {
        "break_ties"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|plan| {
            let LogicalPlan::Aggregate(aggregate) = plan else { return Ok(Transformed::no(plan)) };
            let names = NamePreserver::new_for_projection();
            let schema = Arc::clone(aggregate.input.schema());
            let mut changed = false;
            let mut expressions = Vec::with_capacity(aggregate.aggr_expr.len());
            for expr in aggregate.aggr_expr.clone() {
                let name = names.save(&expr);
                let with = expr.transform_up(|expr| self.with_ties(expr, &schema))?;
                changed |= with.transformed;
                expressions.push(if with.transformed {
                    name.restore(with.data)
                } else {
                    with.data
                });
            }
            if !changed {
                return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
            }
            let Aggregate { input, group_expr, .. } = aggregate;
            let aggregate = Aggregate::try_new(input, group_expr, expressions)?;
            Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
        });
        Ok(rewritten?.data)
    }
}
