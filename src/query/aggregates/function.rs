//! One aggregate function of DataFusion, for any strategy: its types, states and documentation.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::new_empty_array;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, DocSection, Documentation, GroupsAccumulator, Signature,
    Volatility,
};
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;

use crate::error::{Error, SqlState};
use crate::merge::groups::comparator;
use crate::merge::{Rule, Strategy};
use crate::model::policy::{Argument, StrategyCall};
use crate::query::aggregates::arguments::Shape;
use crate::query::aggregates::candidates::Candidates;
use crate::query::aggregates::external;
use crate::query::aggregates::states::{Grouped, Single, States};
use crate::query::aggregates::winners::Winners;

/// Where the functions stand in generated documentation.
const SECTION: DocSection = DocSection {
    include: true,
    label: "Merge strategies",
    description: Some("The conflict rules of merge policies, for any query."),
};

/// A strategy as an aggregate function.
pub(super) struct MergeAggregate {
    strategy: &'static dyn Strategy,
    shape: Shape,
    signature: Signature,
    documentation: Documentation,
}

impl MergeAggregate {
    /// The aggregate of a strategy that takes such arguments.
    pub(super) fn new(strategy: &'static dyn Strategy, shape: Shape) -> Self {
        let syntax = shape.syntax(strategy.name());
        let mut documentation = Documentation::builder(SECTION, strategy.doc(), syntax);
        for (name, description) in shape.documented() {
            documentation = documentation.with_argument(name, description);
        }
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { strategy, shape, signature, documentation: documentation.build() }
    }

    /// The strategy as a policy would call it, with the separator if it takes one.
    fn call(&self, separator: &str) -> StrategyCall {
        let mut call = StrategyCall::plain(self.strategy.name());
        if self.shape == Shape::Separated {
            call.arguments.push(Argument::Text(separator.to_owned()));
        }
        call
    }

    fn output(&self, input: &DataType) -> crate::error::Result<DataType> {
        // Whatever breaks ties, and whatever looks at values, needs values that have an order.
        let nothing = new_empty_array(input);
        let _has_order = comparator(&nothing, &nothing)?;
        match self.strategy.rule() {
            Rule::Order(_) => Ok(input.clone()),
            _ => self.strategy.output(input, &self.call("")),
        }
    }

    fn separator(&self, args: &AccumulatorArgs<'_>) -> crate::error::Result<String> {
        if self.shape != Shape::Separated {
            return Ok(String::new());
        }
        let literal = args.exprs[1].downcast_ref::<Literal>().map(Literal::value);
        match literal.and_then(|literal| literal.try_as_str()) {
            Some(separator) => Ok(separator.unwrap_or_default().to_owned()),
            None => {
                let message = format!("the separator of {} must be a literal", self.name());
                Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
            }
        }
    }

    fn states(&self, args: &AccumulatorArgs<'_>) -> crate::error::Result<Box<dyn States>> {
        if args.is_distinct && !self.strategy.laws().idempotent {
            let message = format!("DISTINCT is not supported for {}", self.name());
            return Err(Error::unsupported(message).hint("select distinct rows in a subquery"));
        }
        let ty = args.expr_fields[0].data_type().clone();
        let order_count = self.shape.order_count(args.exprs.len());
        Ok(match self.strategy.rule() {
            Rule::Order(rule) => Box::new(Winners::new(rule, self.shape, order_count, ty)),
            _ => {
                let call = self.call(&self.separator(args)?);
                Box::new(Candidates::new(self.strategy, call, self.shape, order_count, ty))
            }
        })
    }
}

impl AggregateUDFImpl for MergeAggregate {
    fn name(&self) -> &str {
        self.strategy.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        // DataFusion keeps of an error here its text alone, so types that do not fit pass on to
        // `return_type`, whose error keeps its SQLSTATE.
        Ok(self.shape.coerce(self.name(), arg_types).unwrap_or_else(|_| arg_types.to_vec()))
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let types = self.shape.coerce(self.name(), arg_types).map_err(external)?;
        self.output(&types[0]).map_err(external)
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        // A count of nothing is zero; everything else is null.
        match self.name() {
            "count_distinct" => ScalarValue::new_zero(data_type),
            _ => ScalarValue::try_from(data_type),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let value = Field::new("value", args.input_fields[0].data_type().clone(), true);
        let order = self.shape.order_fields(args.input_fields.len());
        let by_order = matches!(self.strategy.rule(), Rule::Order(_));
        let field = |field: Field| {
            let name = format_state_name(args.name, field.name());
            Arc::new(if by_order {
                field.with_name(name)
            } else {
                Field::new_list(name, Field::new("item", field.data_type().clone(), true), true)
            })
        };
        Ok([value].into_iter().chain(order).map(field).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let states = self.states(&args).map_err(external)?;
        let nothing: Vec<_> =
            args.expr_fields.iter().map(|field| new_empty_array(field.data_type())).collect();
        Ok(Box::new(Single::try_new(states, &nothing)?))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Grouped(self.states(&args).map_err(external)?)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

// Strategies are known by their names, which are unique.
impl PartialEq for MergeAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for MergeAggregate {}

impl Hash for MergeAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for MergeAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MergeAggregate").field(&self.name()).finish()
    }
}
