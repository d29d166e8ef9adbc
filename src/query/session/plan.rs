//! From a parsed query to a plan that can run many times.
//!
//! A query is rewritten from PostgreSQL's dialect, planned over the session's tables, checked to do
//! nothing but read, and analysed; that much is shared by all its executions. It is optimised once, with
//! the parameters still open, unless it asks for the time or the like, which each execution must answer
//! anew. `execute` gives it values and runs it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use sqlparser::ast::{Query, Statement};

use crate::error::Result;
use crate::query::error::{external, from_datafusion, too_complex};
use crate::query::postgres::{Source, rewrite};
use crate::query::session::depth::HEIGHT_MAX;
use crate::query::session::guard::Uses;
use crate::query::session::meaning;
use crate::query::session::names::{Names, Target};
use crate::query::session::origin;
use crate::query::session::parameters::{Mentioned, fields, known, settle};
use crate::query::session::point::PointPlan;

/// What planning needs of a session.
pub(super) struct Planner<'a> {
    /// Functions, tables, options.
    pub(super) state: &'a SessionState,
    /// Schemas for unqualified names.
    pub(super) search_path: &'a [String],
    /// What exists, for the rewriting of catalog queries.
    pub(super) source: &'a dyn Source,
    /// A table besides those that everybody can name.
    pub(super) target: Option<Target>,
    /// The zone of moments; `None` leaves expressions as DataFusion means them.
    pub(super) zone: Option<&'a str>,
}

/// A query that is ready for values.
#[derive(Debug)]
pub(super) struct PlannedQuery {
    /// Types of the parameters.
    pub(super) parameters: Vec<DataType>,
    /// Names and types of the columns, as clients see them.
    pub(super) schema: SchemaRef,
    /// Parameters, from 0, that clients know as a type whose values are texts.
    pub(super) named: BTreeMap<usize, u32>,
    /// What it names.
    pub(super) uses: Uses,
    analysed: LogicalPlan,
    /// Whether it calls functions whose answer holds for one execution only.
    momentary: bool,
    optimised: OnceLock<LogicalPlan>,
    point: OnceLock<Option<PointPlan>>,
}

impl Planner<'_> {
    /// Plans a query; `declared` are the types that the client gave for the parameters.
    ///
    /// # Errors
    /// Everything that can be wrong with a query before it runs.
    pub(super) async fn plan(
        &self,
        query: Query,
        sql: &str,
        declared: &[Option<DataType>],
    ) -> Result<PlannedQuery> {
        let convert = |error| from_datafusion(&error, sql);
        let mut statement = Statement::Query(Box::new(query));
        let names = rewrite(&mut statement, self.source)?.output_names;
        let mentioned = Mentioned::of(&statement)?;
        let known = known(&mentioned, declared);
        let mut tables = Names::of(self.state, &statement, sql, self.search_path).await?;
        self.target.iter().cloned().for_each(|target| tables.add(target));
        let plan = |types: &[Option<DataType>]| {
            let mut context = PlannerContext::new().with_prepare_param_data_types(fields(types));
            SqlToRel::new_with_options(&tables, options(self.state))
                .sql_statement_to_plan_with_context(statement.clone(), &mut context)
        };
        let first = plan(&known);
        let (types, again) = match &first {
            Ok(plan) => settle(plan, &known).map_err(convert)?,
            // What could not be planned with open types may be, if they are texts.
            Err(_) => {
                let text = |ty: &Option<DataType>| Some(ty.clone().unwrap_or(DataType::Utf8View));
                (known.iter().map(text).collect(), known.contains(&None))
            }
        };
        let plan = match (first, again) {
            (Ok(_), true) => plan(&types).map_err(convert)?,
            (Err(error), true) => plan(&types).map_err(|_| convert(error))?,
            (result, false) => result.map_err(convert)?,
        };
        let parameters = types.into_iter().map(|ty| ty.unwrap_or(DataType::Utf8View)).collect();
        let uses = tables.into_uses();
        let mut planned = self.finish(plan, names, parameters, uses, sql)?;
        planned.named = mentioned.named;
        Ok(planned)
    }

    fn finish(
        &self,
        plan: LogicalPlan,
        names: Option<Vec<Option<String>>>,
        parameters: Vec<DataType>,
        uses: Uses,
        sql: &str,
    ) -> Result<PlannedQuery> {
        let convert = |error| from_datafusion(&error, sql);
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(convert)?;
        check_height(&plan, HEIGHT_MAX)?;
        let momentary = calls_momentary(&plan).map_err(convert)?;
        let config = self.state.config_options();
        let analysed = self
            .state
            .analyzer()
            .execute_and_check(plan.clone(), config, |_, _| {})
            .map_err(convert)?;
        let analysed = match self.zone {
            Some(zone) => meaning::apply(analysed, zone).map_err(convert)?,
            None => analysed,
        };
        let schema = output_schema(&analysed, names);
        let schema = origin::noted(&schema, &plan, &self.source.describe());
        let optimised = OnceLock::new();
        let point = OnceLock::new();
        let named = BTreeMap::new();
        Ok(PlannedQuery { parameters, schema, named, uses, analysed, momentary, optimised, point })
    }
}

impl PlannedQuery {
    /// The plan before it is optimised.
    pub(super) fn analysed(&self) -> &LogicalPlan {
        &self.analysed
    }

    /// The plan before it is optimised.
    pub(super) fn into_analysed(self) -> LogicalPlan {
        self.analysed
    }

    /// Whether it calls functions whose answer holds for one execution only.
    pub(super) fn is_momentary(&self) -> bool {
        self.momentary
    }

    /// The look-up that it is, if it is one; known once it has been optimised.
    pub(super) fn point(&self) -> Option<&PointPlan> {
        let optimised = self.optimised.get()?;
        self.point.get_or_init(|| PointPlan::of(optimised, &self.schema)).as_ref()
    }

    /// Optimises it, if that can be done once for all executions.
    pub(super) fn optimise_once(&self, state: &SessionState, sql: &str) {
        if !self.momentary
            && self.optimised.get().is_none()
            && let Ok(plan) = optimise(state, self.analysed.clone(), sql)
        {
            self.optimised.get_or_init(|| plan);
        }
    }

    /// The plan of one execution, with its parameters in place.
    ///
    /// # Errors
    /// What the optimiser says.
    pub(super) fn bind(
        &self,
        state: &SessionState,
        values: Vec<ScalarValue>,
        sql: &str,
    ) -> Result<LogicalPlan> {
        let convert = |error| from_datafusion(&error, sql);
        let values = (!values.is_empty()).then(|| ParamValues::from(values));
        let replace = |plan: &LogicalPlan| match &values {
            Some(values) => fold_casts(plan.clone().replace_params_with_values(values)?),
            None => Ok(plan.clone()),
        };
        if !self.momentary {
            if let Some(plan) = self.optimised.get() {
                return replace(plan).map_err(convert);
            }
            let plan = optimise(state, self.analysed.clone(), sql)?;
            return replace(self.optimised.get_or_init(|| plan)).map_err(convert);
        }
        let mut state = state.clone();
        state.mark_start_execution();
        optimise(&state, replace(&self.analysed).map_err(convert)?, sql)
    }
}

/// Makes values of casts of values, so that tables see in their filters what they can look up.
///
/// A cast that fails stays, to fail where it is evaluated, if it ever is.
fn fold_casts(plan: LogicalPlan) -> datafusion::error::Result<LogicalPlan> {
    let fold = |expression: Expr| match &expression {
        Expr::Cast(cast) => match cast.expr.as_ref() {
            Expr::Literal(value, metadata) => match value.cast_to(cast.field.data_type()) {
                Ok(value) => Ok(Transformed::yes(Expr::Literal(value, metadata.clone()))),
                Err(_) => Ok(Transformed::no(expression)),
            },
            _ => Ok(Transformed::no(expression)),
        },
        _ => Ok(Transformed::no(expression)),
    };
    plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expression| {
            let name = names.save(&expression);
            let folded = expression.transform_up(fold)?;
            Ok(folded.update_data(|expression| name.restore(expression)))
        })
    })
    .map(|transformed| transformed.data)
}

fn optimise(state: &SessionState, plan: LogicalPlan, sql: &str) -> Result<LogicalPlan> {
    let plan = state
        .optimizer()
        .optimize(plan, state, |_, _| {})
        .map_err(|error| from_datafusion(&error, sql))?;
    // Merged projections can be higher than what was written.
    check_height(&plan, HEIGHT_MAX)?;
    Ok(plan)
}

/// How SQL is read.
pub(super) fn options(state: &SessionState) -> ParserOptions {
    let options = &state.config_options().sql_parser;
    ParserOptions {
        parse_float_as_decimal: options.parse_float_as_decimal,
        enable_ident_normalization: options.enable_ident_normalization,
        support_varchar_with_length: options.support_varchar_with_length,
        map_string_types_to_utf8view: options.map_string_types_to_utf8view,
        enable_options_value_normalization: options.enable_options_value_normalization,
        collect_spans: options.collect_spans,
        default_null_ordering: options.default_null_ordering.as_str().into(),
    }
}

/// The columns under the names that PostgreSQL would give them.
fn output_schema(plan: &LogicalPlan, names: Option<Vec<Option<String>>>) -> SchemaRef {
    let schema = plan.schema().as_arrow();
    let names = names.unwrap_or_default();
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| match names.get(at).cloned().flatten() {
            Some(name) => field.as_ref().clone().with_name(name),
            None => field.as_ref().clone(),
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// Whether a plan calls functions whose answer holds for one execution, such as `now()`.
fn calls_momentary(plan: &LogicalPlan) -> datafusion::error::Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|expression| {
                if let Expr::ScalarFunction(call) = expression {
                    found |= call.func.signature().volatility != Volatility::Immutable;
                }
                Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    })?;
    Ok(found)
}

/// Refuses plans that are higher than what stacks are sure to hold; walks them without recursion.
///
/// # Errors
/// `54001`.
pub(super) fn check_height(plan: &LogicalPlan, height_max: usize) -> Result<()> {
    let mut open = vec![(plan, 1)];
    while let Some((node, height)) = open.pop() {
        if height > height_max {
            return Err(too_complex());
        }
        open.extend(node.inputs().into_iter().map(|input| (input, height + 1)));
        node.apply_expressions(|expression| {
            check_expression_height(expression, height_max).map(|()| TreeNodeRecursion::Continue)
        })
        .map_err(|error| from_datafusion(&error, ""))?;
    }
    Ok(())
}

/// The same for one expression.
///
/// # Errors
/// `54001`.
pub(super) fn check_expression_height(
    expression: &Expr,
    height_max: usize,
) -> datafusion::error::Result<()> {
    let mut open = vec![(expression, 1)];
    while let Some((expression, height)) = open.pop() {
        if height > height_max {
            return Err(external(too_complex()));
        }
        expression.apply_children(|child| {
            open.push((child, height + 1));
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(())
}
