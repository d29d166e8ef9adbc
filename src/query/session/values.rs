//! Rows of VALUES without a plan of their execution: each expression is evaluated where it stands.
//!
//! An INSERT of a row or two is most of what a stream of rows is made of, and optimising and planning
//! it costs many times what evaluating it does. It is for VALUES that ask no table; everything else,
//! and long lists, are executed as any query.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ParamValues, ScalarValue};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::create_physical_expr;

/// The most rows that are evaluated one by one.
const ROWS_MAX: usize = 128;

/// The rows of an analysed plan, if it is VALUES that can be evaluated where they stand.
///
/// # Errors
/// What evaluating an expression says.
pub(super) fn rows(
    plan: &LogicalPlan,
    state: &SessionState,
    parameters: &[ScalarValue],
) -> Result<Option<RecordBatch>> {
    let LogicalPlan::Values(values) = plan else { return Ok(None) };
    let asks = |expression: &Expr| expression.exists(|part| Ok(is_foreign(part)));
    if values.values.len() > ROWS_MAX {
        return Ok(None);
    }
    for expression in values.values.iter().flatten() {
        if asks(expression)? {
            return Ok(None);
        }
    }
    let schema = Arc::new(values.schema.as_arrow().clone());
    let evaluator = Evaluator::new(state, parameters)?;
    let mut columns = vec![Vec::with_capacity(values.values.len()); schema.fields().len()];
    for row in &values.values {
        for ((column, expression), field) in columns.iter_mut().zip(row).zip(schema.fields()) {
            let value = evaluator.value(expression)?;
            if value.data_type() != *field.data_type() {
                return Ok(None);
            }
            column.push(value);
        }
    }
    let columns = columns.into_iter().map(ScalarValue::iter_to_array).collect::<Result<_>>()?;
    Ok(Some(RecordBatch::try_new(schema, columns)?))
}

/// Whether it is about more than its own parts.
fn is_foreign(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::Column(_)
    )
}

/// Evaluates expressions that are about no row.
struct Evaluator<'a> {
    state: &'a SessionState,
    parameters: Option<ParamValues>,
    simplifier: ExprSimplifier,
    /// A row without columns.
    row: RecordBatch,
}

impl<'a> Evaluator<'a> {
    fn new(state: &'a SessionState, parameters: &[ScalarValue]) -> Result<Self> {
        // Functions such as now() tell the time at which the simplifier was made: one for a statement.
        let context = SimplifyContext::builder()
            .with_config_options(Arc::clone(state.config_options()))
            .with_schema(Arc::new(DFSchema::empty()))
            .with_current_time()
            .build();
        let parameters = (!parameters.is_empty()).then(|| ParamValues::from(parameters.to_vec()));
        let (schema, one): (SchemaRef, _) =
            (Arc::new(Schema::empty()), RecordBatchOptions::new().with_row_count(Some(1)));
        let row = RecordBatch::try_new_with_options(schema, Vec::new(), &one)?;
        Ok(Self { state, parameters, simplifier: ExprSimplifier::new(context), row })
    }

    fn value(&self, expression: &Expr) -> Result<ScalarValue> {
        let bound = expression.clone().transform_up(|part| self.bind(part))?.data;
        match self.simplifier.simplify(bound)? {
            Expr::Literal(value, _) => Ok(value),
            rest => {
                let properties = self.state.execution_props();
                let expression = create_physical_expr(
                    &rest,
                    &DFSchema::empty(),
                    properties,
                    &PhysicalPlanningContext::default(),
                )?;
                ScalarValue::try_from_array(&expression.evaluate(&self.row)?.into_array(1)?, 0)
            }
        }
    }

    /// Puts the value of a parameter in its place.
    fn bind(&self, part: Expr) -> Result<Transformed<Expr>> {
        match (&part, &self.parameters) {
            (Expr::Placeholder(placeholder), Some(parameters)) => {
                let value = parameters.get_placeholders_with_values(&placeholder.id)?;
                Ok(Transformed::yes(Expr::Literal(value.value, value.metadata)))
            }
            _ => Ok(Transformed::no(part)),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    /// Evaluates a plan of VALUES; compares with executing it unless the values differ by chance.
    async fn check(sql: &str, parameters: &[ScalarValue], expected: &str) {
        let context = SessionContext::new_with_config(SessionConfig::new());
        let state = context.state();
        let plan = state.create_logical_plan(sql).await.unwrap();
        let options = state.config_options();
        let plan = state.analyzer().execute_and_check(plan, options, |_, _| {}).unwrap();
        let batch = rows(&plan, &state, parameters).unwrap();
        let shown = |batch: &RecordBatch| {
            let rows = arrow::util::pretty::pretty_format_batches(std::slice::from_ref(batch));
            rows.unwrap().to_string()
        };
        let found = batch.as_ref().map(shown);
        assert!(found.as_ref().is_some_and(|it| it.contains(expected)), "{sql}: {found:?}");
        let mut executed = context.execute_logical_plan(plan).await.unwrap();
        if !parameters.is_empty() {
            executed = executed.with_param_values(parameters.to_vec()).unwrap();
        }
        let executed = executed.collect().await.unwrap();
        if let Some(found) = found.filter(|_| !sql.contains("uuid") && !sql.contains("now")) {
            assert_eq!(found, shown(&executed[0]), "{sql}");
        }
    }

    #[tokio::test]
    async fn values_are_what_executing_them_gives() {
        let text = |text: &str| ScalarValue::Utf8(Some(text.to_owned()));
        check("VALUES (1, 'a', NULL), (2, NULL, 1.5)", &[], "1.5").await;
        check("VALUES (upper('a') || 'b', 1 + 2, DATE '2026-01-31')", &[], "Ab").await;
        check("VALUES (uuid(), now())", &[], "T").await;
        check("VALUES (CAST($1 AS TEXT) || 'x')", &[text("seven")], "sevenx").await;
    }

    #[tokio::test]
    async fn tables_are_not_asked_here() {
        let context = SessionContext::new();
        let state = context.state();
        for sql in ["SELECT 1", "VALUES ((SELECT 7), 1)"] {
            let plan = state.create_logical_plan(sql).await.unwrap();
            assert!(rows(&plan, &state, &[]).unwrap().is_none(), "{sql}");
        }
        let many = format!("VALUES {}", ["(1)"; ROWS_MAX + 1].join(", "));
        let plan = state.create_logical_plan(&many).await.unwrap();
        assert!(rows(&plan, &state, &[]).unwrap().is_none());
    }
}
