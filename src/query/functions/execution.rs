//! Running calls of table functions: the plan node, and the planner that makes it of a logical one.
//!
//! The snapshot is taken when the physical plan is made, as tables do; the arguments are evaluated and
//! the rows made when the first of them is asked for, so that EXPLAIN costs nothing.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use futures::StreamExt;

use crate::query::error::external;
use crate::query::functions::call::Call;
use crate::query::functions::{Context, TableFunction};
use crate::query::tables::mask::Mask;

/// Rows of a batch that goes downstream.
const BATCH_ROWS: usize = 8_192;

/// DataFusion's planner, which knows calls of ours besides.
#[derive(Debug)]
pub struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(Calls)])
            .create_physical_plan(plan, session)
            .await
    }
}

struct Calls;

#[async_trait]
impl ExtensionPlanner for Calls {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        _physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        planning: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(call) = node.as_any().downcast_ref::<Call>() else { return Ok(None) };
        let empty = DFSchema::empty();
        let physical = |argument| planner.create_physical_expr(argument, &empty, session, planning);
        Ok(Some(Arc::new(CallExec::new(
            call.function,
            call.arguments.iter().map(physical).collect::<Result<_>>()?,
            Arc::clone(call.schema.inner()),
            Context::of(&call.binding),
        ))))
    }
}

/// A call that is about to run.
#[derive(Clone, Debug)]
struct CallExec {
    function: &'static dyn TableFunction,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
    context: Context,
    properties: Arc<PlanProperties>,
}

impl CallExec {
    fn new(
        function: &'static dyn TableFunction,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
        schema: SchemaRef,
        context: Context,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self { function, arguments, schema, context, properties: Arc::new(properties) }
    }

    /// The rows; none if an argument is null.
    fn rows(&self) -> Result<RecordBatch> {
        let values = self.arguments.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
        let texts: Option<Vec<&str>> =
            values.iter().map(|value| value.try_as_str().flatten()).collect();
        let Some(texts) = texts else {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.schema)));
        };
        let signature = self.function.signature();
        self.context.check_arguments(signature, &texts).map_err(external)?;
        let mut batch = self.function.rows(&self.context, &texts).map_err(external)?;
        // A simulation shows what its arguments say, whosever it may be.
        if let Some(mask) = &self.context.mask
            && !signature.name.starts_with("simulate_")
            && let Some(mask) = Mask::of(mask, &batch.schema(), None)
        {
            batch = mask.batch(&batch).map_err(external)?;
        }
        // Comments of columns are the plan's, values are the function's.
        let columns = batch.columns().to_vec();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// The value of an expression without columns.
fn evaluate(expression: &Arc<dyn PhysicalExpr>) -> Result<ScalarValue> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
    let value = expression.evaluate(&row)?.into_array(1)?;
    let texts = cast(&value, &DataType::Utf8View)?;
    let texts = texts.as_string_view();
    Ok(ScalarValue::Utf8View((!texts.is_null(0)).then(|| texts.value(0).to_owned())))
}

impl DisplayAs for CallExec {
    fn fmt_as(&self, _form: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |argument: &Arc<dyn PhysicalExpr>| {
            let literal = argument.downcast_ref::<Literal>().map(Literal::value);
            match literal.and_then(|value| value.try_as_str()) {
                Some(Some(text)) => format!("'{}'", text.replace('\'', "''")),
                Some(None) => "NULL".to_owned(),
                None => argument.to_string(),
            }
        };
        let arguments: Vec<_> = self.arguments.iter().map(shown).collect();
        write!(f, "CallExec: {}({})", self.function.signature().name, arguments.join(", "))
    }
}

impl ExecutionPlan for CallExec {
    fn name(&self) -> &'static str {
        "CallExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for argument in &self.arguments {
            if visit(argument)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a call has no children") }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a call has no children") }
    }

    fn execute(
        &self,
        _partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let call = self.clone();
        let rows = futures::stream::once(async move { call.rows() });
        let batches = rows.flat_map(|rows| futures::stream::iter(in_batches(rows)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }
}

fn in_batches(rows: Result<RecordBatch>) -> Vec<Result<RecordBatch>> {
    match rows {
        Err(error) => vec![Err(error)],
        Ok(rows) => {
            let starts = (0..rows.num_rows()).step_by(BATCH_ROWS);
            let slice = |from| rows.slice(from, BATCH_ROWS.min(rows.num_rows() - from));
            starts.map(|from| Ok(slice(from))).collect()
        }
    }
}
