//! The types of a statement's parameters: as declared, as the plan needs them, else text.
//!
//! DataFusion infers what stands beside a parameter in a comparison; this file adds casts, `= ANY($1)`,
//! LIMIT and OFFSET, and settles what two places disagree on. It makes no plan: `plan` plans again
//! where a type that it settled was not known before.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use sqlparser::ast::{Expr as SqlExpr, LimitClause, Query, Statement, Value, Visit, Visitor};

use crate::error::{Error, Result, SqlState};
use crate::model::column::NUMERIC_DEFAULT;
use crate::query::postgres::rewrite::{arguments, function_name};
use crate::query::postgres::types::by_internal_name;

/// The functions that casts to types whose values are texts have become, and the types.
const READERS: &[(&str, &str)] = &[("json_in", "json"), ("jsonb_in", "jsonb"), ("uuid_in", "uuid")];

/// The most parameters of a statement: a Bind counts them in 16 bits.
pub(super) const PARAMETERS_MAX: usize = 65_535;

/// What the text of a statement tells about its parameters.
#[derive(Debug, Default)]
pub(super) struct Mentioned {
    /// The greatest number.
    pub(super) count: usize,
    /// Parameters of LIMIT and OFFSET, from 0.
    rows: Vec<usize>,
    /// Parameters, from 0, that are read as a type whose values are texts, by the type's number.
    pub(super) named: BTreeMap<usize, u32>,
    /// A parameter that cannot be.
    wrong: Option<String>,
}

impl Mentioned {
    /// Reads a statement.
    ///
    /// # Errors
    /// `42P02` for `$0` and parameters beyond [`PARAMETERS_MAX`].
    pub(super) fn of(statement: &Statement) -> Result<Self> {
        let mut found = Self::default();
        let _ = statement.visit(&mut found);
        match found.wrong {
            None => Ok(found),
            Some(name) => {
                let message = format!("there is no parameter {name}");
                Err(Error::new(SqlState::UNDEFINED_PARAMETER, message))
            }
        }
    }

    fn row_count(&mut self, expression: Option<&SqlExpr>) {
        if let Some(at) = expression.and_then(placeholder) {
            self.rows.push(at);
        }
    }
}

impl Visitor for Mentioned {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                self.row_count(limit.as_ref());
                self.row_count(offset.as_ref().map(|offset| &offset.value));
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                self.row_count(Some(offset));
                self.row_count(Some(limit));
            }
            None => {}
        }
        self.row_count(query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref()));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &SqlExpr) -> ControlFlow<()> {
        if let SqlExpr::Function(call) = expression
            && let Some((_, ty)) = READERS.iter().find(|(name, _)| *name == function_name(call))
            && let Some([argument]) = arguments(call).as_deref()
            && let Some(at) = placeholder(argument)
        {
            self.named.insert(at, by_internal_name(ty).map_or(0, |entry| entry.oid));
        }
        if let SqlExpr::Value(value) = expression
            && let Value::Placeholder(name) = &value.value
        {
            match number(name) {
                Some(number) => self.count = self.count.max(number),
                None => self.wrong = Some(name.clone()),
            }
        }
        ControlFlow::Continue(())
    }
}

/// The parameter, from 0, that an expression is.
pub(super) fn placeholder(expression: &SqlExpr) -> Option<usize> {
    match expression {
        SqlExpr::Value(value) => match &value.value {
            Value::Placeholder(name) => number(name).map(|number| number - 1),
            _ => None,
        },
        SqlExpr::Nested(inner) => placeholder(inner),
        _ => None,
    }
}

fn number(name: &str) -> Option<usize> {
    let number: usize = name.strip_prefix('$')?.parse().ok()?;
    (1..=PARAMETERS_MAX).contains(&number).then_some(number)
}

/// The types to plan with at first: the declared ones, and those that only the text tells.
///
/// Numbers of rows are planned as what the planner counts rows in, whatever the client sends.
pub(super) fn known(mentioned: &Mentioned, declared: &[Option<DataType>]) -> Vec<Option<DataType>> {
    let count = mentioned.count.max(declared.len());
    let mut types = declared.to_vec();
    types.resize(count, None);
    for at in &mentioned.rows {
        types[*at] = Some(DataType::Int64);
    }
    types
}

/// As the planner takes them.
pub(super) fn fields(types: &[Option<DataType>]) -> Vec<Option<FieldRef>> {
    types.iter().map(|ty| ty.clone().map(|ty| Arc::new(Field::new("", ty, true)))).collect()
}

/// The types that a plan settles, and whether it must be made again with them.
///
/// # Errors
/// What the plan's own types say.
pub(super) fn settle(
    plan: &LogicalPlan,
    known: &[Option<DataType>],
) -> datafusion::error::Result<(Vec<Option<DataType>>, bool)> {
    let inferred = inferred(plan)?;
    let mut again = false;
    let mut types = known.to_vec();
    for (at, ty) in types.iter_mut().enumerate() {
        if ty.is_some() {
            continue;
        }
        let found = inferred.get(&at);
        *ty = Some(found.map_or(DataType::Utf8View, |found| found.ty.clone()));
        again |= found.is_none_or(|found| !found.complete);
    }
    Ok((types, again))
}

/// A type found in a plan.
struct Found {
    ty: DataType,
    /// Whether every place in the plan has this type already.
    complete: bool,
}

fn inferred(plan: &LogicalPlan) -> datafusion::error::Result<BTreeMap<usize, Found>> {
    let mut found = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expression| {
            expression.apply(|expression| {
                match expression {
                    Expr::Placeholder(it) => {
                        let ty = it.field.as_ref().map(|field| field.data_type().clone());
                        note(&mut found, it, ty.as_ref(), true);
                    }
                    Expr::Cast(cast) => {
                        if let Expr::Placeholder(it) = cast.expr.as_ref() {
                            note(&mut found, it, Some(cast.field.data_type()), false);
                        }
                    }
                    Expr::ScalarFunction(call) if call.name().starts_with("array_has") => {
                        if let [Expr::Placeholder(it), element] = call.args.as_slice() {
                            let element = element.get_type(&schema)?;
                            let field = Arc::new(Field::new("item", element, true));
                            note(&mut found, it, Some(&DataType::List(field)), false);
                        }
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    found.retain(|_, found| found.ty != DataType::Null);
    Ok(found)
}

/// Notes a type for a parameter; `Null` stands for none yet.
fn note(
    found: &mut BTreeMap<usize, Found>,
    placeholder: &Placeholder,
    ty: Option<&DataType>,
    planned: bool,
) {
    let Some(at) = number(&placeholder.id).map(|number| number - 1) else { return };
    // Of a numeric beside the parameter the client does not know precision and scale; a narrower one
    // would round what it sends.
    let wide = match ty {
        Some(DataType::Decimal128(_, scale)) => {
            DataType::Decimal128(NUMERIC_DEFAULT.0, (*scale).max(NUMERIC_DEFAULT.1))
        }
        Some(ty) => ty.clone(),
        None => DataType::Null,
    };
    let complete = planned && ty == Some(&wide);
    match found.get_mut(&at) {
        None => {
            found.insert(at, Found { ty: wide, complete });
        }
        Some(before) => {
            before.complete &= complete && before.ty == wide;
            before.ty = wider(&before.ty, &wide);
        }
    }
}

/// The type that serves two places: the wider of two integers, else the first one known.
fn wider(first: &DataType, second: &DataType) -> DataType {
    let width = |ty: &DataType| match ty {
        DataType::Int16 => 1,
        DataType::Int32 => 2,
        DataType::Int64 => 3,
        DataType::Decimal128(..) => 4,
        DataType::Float64 => 5,
        _ => 0,
    };
    match (first, second) {
        (DataType::Null, other) => other.clone(),
        _ if width(first) > 0 && width(second) > width(first) => second.clone(),
        _ => first.clone(),
    }
}
