//! Casts of numbers to whole ones round in PostgreSQL, and cut in DataFusion.
//!
//! An analyzer rule: `3.7::int` becomes a cast of the rounded value. Numerics round half away from zero, floats
//! half to even, as there.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

/// The rule.
#[derive(Debug, Default)]
pub struct RoundCasts;

static ROUNDED: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::any(1, Volatility::Immutable);
    Arc::new(ScalarUDF::from(Rounded { signature }))
});

impl AnalyzerRule for RoundCasts {
    fn name(&self) -> &str {
        "round_casts"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let schema = match node.inputs().as_slice() {
                [] => Arc::clone(node.schema()).as_ref().clone(),
                inputs => merge_schema(inputs),
            };
            let names = NamePreserver::new(&node);
            node.map_expressions(|expression| {
                let name = names.save(&expression);
                let rounded = expression.transform_up(|it| Ok(round(it, &schema)))?;
                Ok(rounded.update_data(|it| name.restore(it)))
            })
        })
        .map(|transformed| transformed.data)
    }
}

fn round(expression: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let Expr::Cast(cast) = &expression else { return Transformed::no(expression) };
    if !cast.field.data_type().is_integer() || is_rounded(&cast.expr) {
        return Transformed::no(expression);
    }
    // What has no type yet is typed, and looked at again, when it is bound.
    let rounds = |ty: &DataType| {
        matches!(ty, DataType::Float32 | DataType::Float64)
            || matches!(ty, DataType::Decimal128(_, scale) if *scale > 0)
    };
    if !cast.expr.get_type(schema).is_ok_and(|ty| rounds(&ty)) {
        return Transformed::no(expression);
    }
    let inner = Expr::ScalarFunction(ScalarFunction {
        func: Arc::clone(&ROUNDED),
        args: vec![cast.expr.as_ref().clone()],
    });
    Transformed::yes(Expr::Cast(Cast { expr: Box::new(inner), field: Arc::clone(&cast.field) }))
}

fn is_rounded(expression: &Expr) -> bool {
    matches!(expression, Expr::ScalarFunction(call) if call.func.name() == ROUNDED.name())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Rounded {
    signature: Signature,
}

impl ScalarUDFImpl for Rounded {
    fn name(&self) -> &str {
        "rounded_to_whole"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(match &given[0] {
            DataType::Decimal128(precision, scale) => whole_decimal(*precision, *scale),
            other => other.clone(),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = args.args[0].to_array(args.number_rows)?;
        let rounded: ArrayRef = match values.data_type() {
            DataType::Float32 => {
                let whole = values.as_primitive::<Float32Type>().iter();
                Arc::new(whole.map(|it| it.map(f32::round_ties_even)).collect::<Float32Array>())
            }
            DataType::Float64 => {
                let whole = values.as_primitive::<Float64Type>().iter();
                Arc::new(whole.map(|it| it.map(f64::round_ties_even)).collect::<Float64Array>())
            }
            // Arrow's casts between decimals round half away from zero.
            _ => arrow::compute::cast(&values, args.return_field.data_type())?,
        };
        Ok(ColumnarValue::Array(rounded))
    }
}

/// The type of the rounded value, with room for the digit that rounding can add.
fn whole_decimal(precision: u8, scale: i8) -> DataType {
    let whole = i16::from(precision) - i16::from(scale) + 1;
    DataType::Decimal128(u8::try_from(whole.clamp(1, 38)).unwrap_or(38), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_decimals_have_room() {
        assert_eq!(whole_decimal(2, 1), DataType::Decimal128(2, 0));
        assert_eq!(whole_decimal(38, 0), DataType::Decimal128(38, 0));
        assert_eq!(whole_decimal(4, 4), DataType::Decimal128(1, 0));
    }
}
