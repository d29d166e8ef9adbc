//! What expressions mean in PostgreSQL and not in DataFusion, put right in an analysed plan.
//!
//! Casts to text write values as PostgreSQL does; moments are read, shown and taken apart in the session's
//! zone; whole numbers that overflow are errors. It happens after analysis, which knows all types and has put
//! its own casts in, and changes no type and no name. A plan is made anew when the zone changes, so that the
//! zone can be a constant of it.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF,
};

use crate::query::postgres::{Shift, checked, has_text_form, shifted, text_form};
use crate::query::session::plan::check_expression_height;

/// Levels of an expression that are looked at: types are found out anew at each level, which takes minutes
/// for sums of a thousand terms. What is higher is left as DataFusion means it.
const HEIGHT_MAX: usize = 40;

/// The functions that stand in for what DataFusion would do.
struct Meaning {
    text_form: Arc<ScalarUDF>,
    add: Arc<ScalarUDF>,
    subtract: Arc<ScalarUDF>,
    multiply: Arc<ScalarUDF>,
    read: Arc<ScalarUDF>,
    read_local: Arc<ScalarUDF>,
    /// Of another zone than UTC.
    zoned: Option<Zoned>,
}

struct Zoned {
    local: Arc<ScalarUDF>,
    moment: Arc<ScalarUDF>,
}

/// Puts a plan right; `zone` is the value of the setting.
///
/// # Errors
/// None that analysis would not have had.
pub(super) fn apply(plan: LogicalPlan, zone: &str) -> Result<LogicalPlan> {
    let is_utc = matches!(zone.to_ascii_lowercase().as_str(), "utc" | "gmt" | "z" | "etc/utc");
    let meaning = Meaning {
        text_form: Arc::new(text_form(zone)),
        add: Arc::new(checked(Operator::Plus)),
        subtract: Arc::new(checked(Operator::Minus)),
        multiply: Arc::new(checked(Operator::Multiply)),
        read: Arc::new(shifted(Shift::Read, zone)),
        read_local: Arc::new(shifted(Shift::ReadLocal, zone)),
        zoned: (!is_utc).then(|| Zoned {
            local: Arc::new(shifted(Shift::Local, zone)),
            moment: Arc::new(shifted(Shift::Moment, zone)),
        }),
    };
    plan.transform_up_with_subqueries(|node| {
        if matches!(node, LogicalPlan::TableScan(_)) {
            return Ok(Transformed::no(node));
        }
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expression| {
            if check_expression_height(&expression, HEIGHT_MAX).is_err() {
                return Ok(Transformed::no(expression));
            }
            let name = names.save(&expression);
            let replaced = expression.transform_up(|it| meaning.replace(it, &schema))?;
            Ok(replaced.update_data(|expression| name.restore(expression)))
        })
    })
    .map(|transformed| transformed.data)
}

impl Meaning {
    fn replace(&self, expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let replaced = match &expression {
            Expr::Cast(cast) => self.cast(cast, schema),
            Expr::BinaryExpr(binary) => self.arithmetic(binary, schema),
            Expr::ScalarFunction(call) => self.of_time(call, schema),
            _ => None,
        };
        Ok(match replaced {
            Some(replaced) => Transformed::yes(replaced),
            None => Transformed::no(expression),
        })
    }

    fn cast(&self, cast: &Cast, schema: &DFSchema) -> Option<Expr> {
        let from = cast.expr.get_type(schema).ok()?;
        let to = cast.field.data_type();
        let given = || cast.expr.as_ref().clone();
        if is_text(to) {
            let has_form = has_text_form(&from) || matches!(from, DataType::List(_));
            return has_form.then(|| as_type(self.text_form.call(vec![given()]), to));
        }
        if is_text(&from) {
            let read = match to {
                DataType::Timestamp(_, Some(_)) => &self.read,
                DataType::Timestamp(_, None) | DataType::Date32 => &self.read_local,
                _ => return None,
            };
            return Some(as_type(read.call(vec![given()]), to));
        }
        let zoned = self.zoned.as_ref()?;
        match (&from, to) {
            (
                DataType::Timestamp(_, Some(_)),
                DataType::Timestamp(_, None) | DataType::Date32 | DataType::Time64(_),
            ) => Some(as_type(zoned.local.call(vec![given()]), to)),
            (DataType::Timestamp(_, None) | DataType::Date32, DataType::Timestamp(_, Some(_))) => {
                let local = DataType::Timestamp(TimeUnit::Microsecond, None);
                Some(as_type(zoned.moment.call(vec![as_type(given(), &local)]), to))
            }
            _ => None,
        }
    }

    /// Sums, differences and products of whole numbers.
    fn arithmetic(&self, binary: &BinaryExpr, schema: &DFSchema) -> Option<Expr> {
        let function = match binary.op {
            Operator::Plus => &self.add,
            Operator::Minus => &self.subtract,
            Operator::Multiply => &self.multiply,
            _ => return None,
        };
        let left = binary.left.get_type(schema).ok()?;
        let right = binary.right.get_type(schema).ok()?;
        let whole = matches!(left, DataType::Int16 | DataType::Int32 | DataType::Int64);
        let operands = || vec![binary.left.as_ref().clone(), binary.right.as_ref().clone()];
        (whole && left == right).then(|| function.call(operands()))
    }

    /// Functions that take moments apart do so in the session's zone.
    fn of_time(&self, call: &ScalarFunction, schema: &DFSchema) -> Option<Expr> {
        let zoned = self.zoned.as_ref()?;
        let at = match call.name() {
            "date_part" | "date_trunc" => 1,
            "to_char" => 0,
            _ => return None,
        };
        let ty = call.args.get(at)?.get_type(schema).ok()?;
        if !matches!(ty, DataType::Timestamp(_, Some(_))) {
            return None;
        }
        let mut arguments = call.args.clone();
        arguments[at] = zoned.local.call(vec![arguments[at].clone()]);
        let local = call.func.call(arguments);
        match call.name() {
            "date_trunc" => Some(as_type(zoned.moment.call(vec![local]), &ty)),
            _ => Some(local),
        }
    }
}

fn as_type(expression: Expr, ty: &DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expression), ty.clone()))
}

fn is_text(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
