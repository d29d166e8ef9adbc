//! Sums, differences and products of whole numbers that fail where DataFusion's would wrap around.
//!
//! The functions have no names in SQL: `session::meaning` puts them in the place of the operators.

use arrow::array::Datum;
use arrow::compute::kernels::numeric;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Error, SqlState};
use crate::query::error::{external, from_arrow};
use crate::query::postgres::types::PgType;

/// The function that stands for one of `+`, `-` and `*` of two whole numbers of the same type.
pub fn checked(operator: Operator) -> ScalarUDF {
    ScalarUDF::from(Checked { operator, signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    operator: Operator,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.operator {
            Operator::Plus => "add",
            Operator::Minus => "subtract",
            _ => "multiply",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let compute = |left: &dyn Datum, right: &dyn Datum| match self.operator {
            Operator::Plus => numeric::add(left, right),
            Operator::Minus => numeric::sub(left, right),
            _ => numeric::mul(left, right),
        };
        let result = match &args.args[..] {
            [ColumnarValue::Array(left), ColumnarValue::Array(right)] => compute(left, right),
            [ColumnarValue::Array(left), ColumnarValue::Scalar(right)] => {
                compute(left, &right.to_scalar()?)
            }
            [ColumnarValue::Scalar(left), ColumnarValue::Array(right)] => {
                compute(&left.to_scalar()?, right)
            }
            [ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)] => {
                let sum = compute(&left.to_array()?, &right.to_array()?);
                let sum = sum.map_err(|error| overflow(&error, &left.data_type()))?;
                return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&sum, 0)?));
            }
            _ => return exec_err!("arithmetic has two operands"),
        };
        let ty = args.return_field.data_type();
        result.map(ColumnarValue::Array).map_err(|error| overflow(&error, ty))
    }
}

fn overflow(error: &ArrowError, ty: &DataType) -> datafusion::common::DataFusionError {
    external(match error {
        ArrowError::ArithmeticOverflow(_) => {
            let name = PgType::of(ty, &Default::default()).format();
            Error::new(SqlState::NUMERIC_OUT_OF_RANGE, format!("{name} out of range"))
        }
        other => from_arrow(other),
    })
}
