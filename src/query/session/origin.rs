//! Where the columns of a result come from: the table and the number of the column, which clients ask for to
//! know keys and nullability.
//!
//! Noted in the metadata of the result's fields; `wire` reads them there with [`of_field`]. A column comes from
//! a table if it is one as it stands, through filters, joins and subqueries; what is computed comes from nowhere.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::query::postgres::Description;

/// Key of the metadata of a field.
const ORIGIN: &str = "origin";

/// Number of the table and of the column, as `noted` left them; zeros if there are none.
pub fn of_field(field: &Field) -> (i32, i16) {
    let parts = field.metadata().get(ORIGIN).and_then(|text| text.split_once(' '));
    let numbers = parts.and_then(|(table, column)| {
        Some((table.parse::<u32>().ok()?.cast_signed(), column.parse().ok()?))
    });
    numbers.unwrap_or((0, 0))
}

/// The columns of a result with their origins in the plan, which must not have been analysed yet: a view is
/// still a table then.
pub(super) fn noted(schema: &SchemaRef, plan: &LogicalPlan, described: &Description) -> SchemaRef {
    let fields = schema.fields().iter().enumerate().map(|(at, field)| {
        let found = origin(plan, at).and_then(|(table, name)| number(described, &table, &name));
        let Some((table, column)) = found else { return Arc::clone(field) };
        let mut metadata = field.metadata().clone();
        metadata.insert(ORIGIN.to_owned(), format!("{table} {column}"));
        Arc::new(field.as_ref().clone().with_metadata(metadata))
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

fn number(described: &Description, table: &TableReference, column: &str) -> Option<(u32, usize)> {
    let oid = described.class_oid(table.schema(), table.table())?;
    let columns = &described.relation(oid)?.columns;
    let at = columns.iter().position(|own| own.name == column)?;
    Some((oid, at + 1))
}

/// The table and column that output `at` of a plan shows.
fn origin(plan: &LogicalPlan, at: usize) -> Option<(TableReference, String)> {
    let (mut plan, mut at) = (plan, at);
    loop {
        (plan, at) = match plan {
            LogicalPlan::TableScan(scan) => {
                let name = scan.projected_schema.field(at).name().clone();
                return Some((scan.table_name.clone(), name));
            }
            LogicalPlan::Projection(projection) => {
                let column = column(projection.expr.get(at)?)?;
                (&projection.input, projection.input.schema().maybe_index_of_column(column)?)
            }
            LogicalPlan::SubqueryAlias(alias) => (&alias.input, at),
            LogicalPlan::Filter(filter) => (&filter.input, at),
            LogicalPlan::Sort(sort) => (&sort.input, at),
            LogicalPlan::Limit(limit) => (&limit.input, at),
            LogicalPlan::Join(join) => {
                let left = join.left.schema().fields().len();
                if join.schema.fields().len() != left + join.right.schema().fields().len() {
                    return None;
                }
                if at < left { (&join.left, at) } else { (&join.right, at - left) }
            }
            _ => return None,
        };
    }
}

fn column(expression: &Expr) -> Option<&Column> {
    match expression {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => column(&alias.expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;

    #[test]
    fn what_is_noted_is_read_again() {
        let plain = Field::new("a", DataType::Int32, true);
        assert_eq!(of_field(&plain), (0, 0));
        let noted = plain.with_metadata([(ORIGIN.to_owned(), "153622085 2".to_owned())].into());
        assert_eq!(of_field(&noted), (153_622_085, 2));
    }
}
