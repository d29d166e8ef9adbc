//! The scan: a DataFusion plan node over row groups, which makes only the columns that are asked for.
//!
//! For each group it makes the filters' columns, finds the rows that pass, and only if there are any
//! makes the others. Groups are dealt out over partitions; a limit ends each partition early.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{filter, prep_null_mask_filter};
use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};

use crate::query::error::external;
use crate::query::tables::RowGroup;

/// Rows of a batch that goes downstream.
const BATCH_ROWS: usize = 8_192;

/// What a scan is made of.
#[derive(Clone)]
pub struct ScanParts {
    /// The table's name.
    pub table: String,
    /// The table's columns.
    pub schema: SchemaRef,
    /// Which of them to show, by position.
    pub projection: Vec<usize>,
    /// What rows must pass, over the table's columns.
    pub filters: Vec<Arc<dyn PhysicalExpr>>,
    /// The look-up that led to the groups, for EXPLAIN.
    pub lookup: Option<String>,
    /// The filters that chose what is computed, for EXPLAIN.
    pub choices: Vec<String>,
    /// At most so many rows are wanted.
    pub limit: Option<usize>,
    /// The rows.
    pub groups: Vec<Arc<dyn RowGroup>>,
    /// Into how many partitions to deal them.
    pub partitions: usize,
}

/// A scan of a virtual table.
#[derive(Clone)]
pub struct ScanExec {
    parts: ScanParts,
    partitions: Vec<Vec<Arc<dyn RowGroup>>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ScanExec {
    /// A scan of such parts.
    ///
    /// # Errors
    /// If the projection names a column that is not there.
    pub fn try_new(parts: ScanParts) -> Result<Self> {
        let shown = Arc::new(parts.schema.project(&parts.projection)?);
        let count = parts.partitions.clamp(1, parts.groups.len().max(1));
        let partitions = deal(&parts.groups, count);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(shown),
            Partitioning::UnknownPartitioning(count),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Self { parts, partitions, properties: Arc::new(properties), metrics })
    }

    fn row_count(&self, partition: Option<usize>) -> Precision<usize> {
        let rows = |groups: &[Arc<dyn RowGroup>]| -> usize {
            groups.iter().map(|group| group.row_count()).sum()
        };
        let count = match partition {
            Some(at) => rows(&self.partitions[at]),
            None => rows(&self.parts.groups),
        };
        let counted = self.parts.groups.iter().all(|group| group.is_counted());
        match (self.parts.filters.is_empty() && counted, self.parts.limit) {
            (true, None) => Precision::Exact(count),
            (true, Some(limit)) if partition.is_none() && self.partitions.len() == 1 => {
                Precision::Exact(count.min(limit))
            }
            (_, limit) => Precision::Inexact(count.min(limit.unwrap_or(count))),
        }
    }
}

/// Deals groups out in order, so that each partition gets neighbours and about as many rows.
fn deal(groups: &[Arc<dyn RowGroup>], count: usize) -> Vec<Vec<Arc<dyn RowGroup>>> {
    let total: usize = groups.iter().map(|group| group.row_count()).sum();
    let mut dealt = vec![Vec::new(); count];
    let mut before = 0;
    for group in groups {
        let at = (before * count / total.max(1)).min(count - 1);
        before += group.row_count();
        dealt[at].push(Arc::clone(group));
    }
    dealt
}

impl fmt::Debug for ScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScanExec").field("table", &self.parts.table).finish_non_exhaustive()
    }
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, _form: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.parts;
        let kind = if parts.lookup.is_some() { "LookupExec" } else { "ScanExec" };
        write!(f, "{kind}: table={}", parts.table)?;
        if let Some(lookup) = &parts.lookup {
            write!(f, ", lookup=[{lookup}]")?;
        }
        if !parts.choices.is_empty() {
            write!(f, ", choices=[{}]", parts.choices.join(", "))?;
        }
        let names: Vec<_> =
            parts.projection.iter().map(|at| parts.schema.field(*at).name()).collect();
        let shown: Vec<_> = names.iter().map(|name| name.as_str()).collect();
        write!(f, ", projection=[{}]", shown.join(", "))?;
        if !parts.filters.is_empty() {
            let filters: Vec<_> = parts.filters.iter().map(ToString::to_string).collect();
            write!(f, ", filters=[{}]", filters.join(" AND "))?;
        }
        if let Some(limit) = parts.limit {
            write!(f, ", limit={limit}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &'static str {
        "ScanExec"
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
        for filter in &self.parts.filters {
            if visit(filter)? == TreeNodeRecursion::Stop {
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
        if children.is_empty() { Ok(self) } else { internal_err!("a scan has no children") }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan has no children") }
    }

    fn execute(
        &self,
        partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let reader = Reader::new(&self.parts)?;
        let schema = self.schema();
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let groups = self.partitions[partition].clone();
        let mut left = self.parts.limit.unwrap_or(usize::MAX);
        let batches = groups.into_iter().flat_map(move |group| reader.read(group.as_ref()));
        let limited = batches.map_while(move |batch| {
            if left == 0 {
                return None;
            }
            Some(batch.map(|batch| {
                let batch = batch.slice(0, batch.num_rows().min(left));
                left -= batch.num_rows();
                metrics.output_rows().add(batch.num_rows());
                batch
            }))
        });
        let stream = RecordBatchStreamAdapter::new(schema, futures::stream::iter(limited));
        Ok(Box::pin(cooperative(stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = self.row_count(partition);
        Ok(Arc::new(statistics))
    }

    fn supports_limit_pushdown(&self) -> bool {
        false
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let parts = ScanParts { limit, ..self.parts.clone() };
        Self::try_new(parts).ok().map(|scan| Arc::new(scan) as Arc<dyn ExecutionPlan>)
    }

    fn fetch(&self) -> Option<usize> {
        self.parts.limit
    }
}

/// Reads groups: filters first.
struct Reader {
    shown: SchemaRef,
    projection: Vec<usize>,
    /// Each filter with the columns that it looks at.
    filters: Vec<(Arc<dyn PhysicalExpr>, Vec<usize>, SchemaRef)>,
}

impl Reader {
    fn new(parts: &ScanParts) -> Result<Self> {
        let mut filters = Vec::new();
        for expr in &parts.filters {
            let mut columns: Vec<usize> =
                collect_columns(expr).iter().map(|column| column.index()).collect();
            columns.sort_unstable();
            let schema = Arc::new(parts.schema.project(&columns)?);
            let narrow = narrow(Arc::clone(expr), &columns)?;
            filters.push((narrow, columns, schema));
        }
        let shown = Arc::new(parts.schema.project(&parts.projection)?);
        Ok(Self { shown, projection: parts.projection.clone(), filters })
    }

    /// The batches of a group.
    fn read(&self, group: &dyn RowGroup) -> Vec<Result<RecordBatch>> {
        match self.opened(group) {
            Ok(None) => Vec::new(),
            Err(error) => vec![Err(error)],
            Ok(Some(batch)) => {
                let starts = (0..batch.num_rows()).step_by(BATCH_ROWS);
                let slice = |from| batch.slice(from, BATCH_ROWS.min(batch.num_rows() - from));
                starts.map(|from| Ok(slice(from))).collect()
            }
        }
    }

    fn opened(&self, group: &dyn RowGroup) -> Result<Option<RecordBatch>> {
        match group.open().map_err(external)? {
            Some(rows) => self.try_read(rows.as_ref()),
            None => self.try_read(group),
        }
    }

    fn try_read(&self, group: &dyn RowGroup) -> Result<Option<RecordBatch>> {
        let rows = group.row_count();
        let mut mask: Option<BooleanArray> = None;
        for (expr, columns, schema) in &self.filters {
            let columns = columns.iter().map(|at| group.column(*at).map_err(external));
            let batch = batch(schema, columns.collect::<Result<_>>()?, rows)?;
            let passed = expr.evaluate(&batch)?.into_array(rows)?;
            let passed = passed.as_any().downcast_ref::<BooleanArray>();
            let Some(passed) = passed else { return internal_err!("a filter is not a boolean") };
            let passed = match passed.null_count() {
                0 => passed.clone(),
                _ => prep_null_mask_filter(passed),
            };
            let both = match mask {
                Some(mask) => arrow::compute::and(&mask, &passed)?,
                None => passed,
            };
            if both.true_count() == 0 {
                return Ok(None);
            }
            mask = Some(both);
        }
        let mask = mask.filter(|mask| mask.true_count() < rows);
        let rows = mask.as_ref().map_or(rows, BooleanArray::true_count);
        let column = |at: &usize| -> Result<ArrayRef> {
            let column = group.column(*at).map_err(external)?;
            match &mask {
                Some(mask) => Ok(filter(column.as_ref(), mask)?),
                None => Ok(column),
            }
        };
        let columns = self.projection.iter().map(column).collect::<Result<_>>()?;
        batch(&self.shown, columns, rows).map(Some)
    }
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// The filter over a batch of only its own columns.
fn narrow(expr: Arc<dyn PhysicalExpr>, columns: &[usize]) -> Result<Arc<dyn PhysicalExpr>> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    use datafusion::physical_expr::expressions::Column;
    let moved = expr.transform(|node| {
        let Some(column) = node.downcast_ref::<Column>() else { return Ok(Transformed::no(node)) };
        let at = columns.binary_search(&column.index()).unwrap_or(0);
        let moved: Arc<dyn PhysicalExpr> = Arc::new(Column::new(column.name(), at));
        Ok(Transformed::yes(moved))
    });
    Ok(moved?.data)
}
