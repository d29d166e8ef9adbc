//! Table functions in FROM: from the parsed call to the node of the plan, or to the scan of a table.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use sqlparser::ast::{
    Expr as SqlExpr, FunctionArg, FunctionArgExpr, ObjectName, TableFactor, Visit, Visitor,
};

use crate::error::Error;
use crate::query::error::external;
use crate::query::functions::call::Call;
use crate::query::functions::{Argument, Context, Function, TableFunction, named};
use crate::query::tables::Binding;
use crate::query::tables::mask::nullable;
use crate::query::tables::provider::of_function;
use arrow::datatypes::{DataType, Schema};

/// Plans calls of table functions of ours; every other relation is left to the next planner.
#[derive(Debug)]
pub struct Relations {
    binding: Arc<Binding>,
}

impl Relations {
    /// For one session.
    pub fn new(binding: Arc<Binding>) -> Self {
        Self { binding }
    }

    fn plan(
        &self,
        function: &'static dyn TableFunction,
        given: &[FunctionArg],
        context: &mut dyn RelationPlannerContext,
    ) -> Result<LogicalPlan> {
        let name = function.signature().name;
        // Whoever provides names notes what a statement calls.
        let _ = context.context_provider().get_function_meta(name);
        let arguments = given
            .iter()
            .map(|argument| expression(name, argument, context))
            .collect::<Result<Vec<_>>>()?;
        let empty = DFSchema::empty();
        let types = arguments
            .iter()
            .map(|argument| argument.get_type(&empty))
            .collect::<Result<Vec<_>>>()?;
        function.signature().check(&types)?;
        let arguments = arguments
            .into_iter()
            .zip(types)
            .map(|(argument, ty)| match ty {
                DataType::Utf8View => Ok(argument),
                _ => argument.cast_to(&DataType::Utf8View, &empty),
            })
            .collect::<Result<Vec<_>>>()?;
        let known = arguments.iter().map(known).collect::<Result<Vec<_>>>()?;
        let schema = function.schema(&Context::of(&self.binding), &known).map_err(external)?;
        if let Some(table) = constants(&known).and_then(|texts| function.table(&texts)) {
            let source = provider_as_source(of_function(&self.binding, name, table)?);
            return LogicalPlanBuilder::scan(TableReference::bare(name), source, None)?.build();
        }
        let mut schema = schema.as_ref().clone();
        if self.binding.mask().is_some() {
            // Any column may be masked.
            let fields = schema.fields().iter().map(|field| nullable(field));
            schema =
                Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone());
        }
        let schema = DFSchema::try_from(schema)?;
        let binding = Arc::clone(&self.binding);
        let node = Arc::new(Call { function, arguments, schema: Arc::new(schema), binding });
        LogicalPlanBuilder::from(LogicalPlan::Extension(Extension { node }))
            .alias(TableReference::bare(name))?
            .build()
    }
}

impl RelationPlanner for Relations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let called = match &relation {
            TableFactor::Table { name, args: Some(args), with_ordinality, .. } => {
                Some((name, &args.args, *with_ordinality))
            }
            TableFactor::Function { name, args, with_ordinality, .. } => {
                Some((name, args, *with_ordinality))
            }
            _ => None,
        };
        let found = called.and_then(|(name, args, ordinality)| {
            Some((function_of(name, context)?, args, ordinality))
        });
        let Some((function, args, ordinality)) = found else {
            let relation = without_public(relation, context);
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        if ordinality {
            let message = "WITH ORDINALITY is not supported";
            return Err(external(Error::unsupported(message).hint("use row_number() OVER ()")));
        }
        let plan = self.plan(function, args, context)?;
        let (TableFactor::Table { alias, .. } | TableFactor::Function { alias, .. }) = relation
        else {
            return Err(external(Error::internal("a function is no relation")));
        };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
    }
}

/// A call without its schema `public`, by which the next planner would not know the function.
fn without_public(mut relation: TableFactor, context: &dyn RelationPlannerContext) -> TableFactor {
    let (TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. }) =
        &mut relation
    else {
        return relation;
    };
    if let [schema, _] = name.0.as_slice()
        && let Some(schema) = schema.as_ident()
        && context.normalize_ident(schema.clone()) == "public"
    {
        name.0.remove(0);
    }
    relation
}

/// The function of ours that a name means, with schema `public` or without.
fn function_of(
    name: &ObjectName,
    context: &dyn RelationPlannerContext,
) -> Option<&'static dyn TableFunction> {
    let parts = name.0.iter().map(|part| part.as_ident().cloned());
    let parts: Vec<_> = parts.map(|part| Some(context.normalize_ident(part?))).collect();
    let name = match parts.as_slice() {
        [Some(name)] => name,
        [Some(schema), Some(name)] if schema == "public" => name,
        _ => return None,
    };
    match named(name)? {
        Function::Table(function) => Some(function),
        Function::Scalar(_) => None,
    }
}

fn expression(
    name: &str,
    argument: &FunctionArg,
    context: &mut dyn RelationPlannerContext,
) -> Result<Expr> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(parsed)) = argument else {
        let message = format!("arguments of {name}() are given by their place");
        return Err(external(Error::unsupported(message)));
    };
    let planned = context.sql_to_expr(parsed.clone(), &DFSchema::empty());
    match planned {
        Ok(planned) if has_outer_columns(&planned)? => Err(external(no_columns(name))),
        Err(_) if names_columns(parsed) => Err(external(no_columns(name))),
        planned => planned,
    }
}

/// A function in FROM is called once for the query, not once for each row of another table.
fn no_columns(name: &str) -> Error {
    let message = format!("{name}() cannot take columns of other tables as arguments");
    let hint = "to follow the identities of a table, join by the person: \
                JOIN profiles ON profiles.profile_id = profile_of('email', t.email)";
    Error::unsupported(message).hint(hint)
}

fn has_outer_columns(expression: &Expr) -> Result<bool> {
    expression.exists(|part| Ok(matches!(part, Expr::OuterReferenceColumn(..))))
}

/// Whether an expression names a column outside of any subquery.
fn names_columns(expression: &SqlExpr) -> bool {
    struct Columns {
        depth: usize,
    }
    impl Visitor for Columns {
        type Break = ();

        fn pre_visit_query(&mut self, _: &sqlparser::ast::Query) -> std::ops::ControlFlow<()> {
            self.depth += 1;
            std::ops::ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &sqlparser::ast::Query) -> std::ops::ControlFlow<()> {
            self.depth -= 1;
            std::ops::ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, part: &SqlExpr) -> std::ops::ControlFlow<()> {
            match part {
                SqlExpr::Identifier(_) | SqlExpr::CompoundIdentifier(_) if self.depth == 0 => {
                    std::ops::ControlFlow::Break(())
                }
                _ => std::ops::ControlFlow::Continue(()),
            }
        }
    }
    expression.visit(&mut Columns { depth: 0 }).is_break()
}

/// What is known of an argument before it is executed.
fn known(argument: &Expr) -> Result<Argument> {
    let mut open = false;
    argument.apply(|part| {
        open |=
            matches!(part, Expr::Placeholder(_) | Expr::ScalarSubquery(_)) || part.is_volatile();
        Ok(if open { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    if open {
        return Ok(Argument::Open);
    }
    let simplifier = ExprSimplifier::new(SimplifyContext::default());
    match simplifier.simplify(argument.clone())? {
        Expr::Literal(value, _) => Ok(text(&value)),
        _ => Ok(Argument::Open),
    }
}

/// The arguments, if all are known texts.
fn constants(known: &[Argument]) -> Option<Vec<&str>> {
    let texts = known.iter().map(|argument| match argument {
        Argument::Text(text) => Some(text.as_str()),
        Argument::Open | Argument::Null => None,
    });
    texts.collect()
}

fn text(value: &ScalarValue) -> Argument {
    match value.try_as_str() {
        Some(Some(text)) => Argument::Text(text.to_owned()),
        Some(None) => Argument::Null,
        None if value.is_null() => Argument::Null,
        None => Argument::Open,
    }
}
