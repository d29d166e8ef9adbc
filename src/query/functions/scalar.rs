//! Scalar functions of ours as DataFusion calls them.
//!
//! A statement is optimised at each execution if it calls one, as their answers hold for one snapshot;
//! that is when a call is bound to the snapshot that the execution has pinned, so that rows which are
//! made later, while the session already reads another, still agree with those before. A table function
//! is listed here too, to say that its place is in FROM.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction as Call;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::engine::Snapshot;
use crate::error::Error;
use crate::query::error::external;
use crate::query::functions::{ALL, Function, ScalarFunction, check_arguments};
use crate::query::tables::Binding;

/// Everything that can be called outside of FROM, for one session.
pub fn scalar_functions(binding: &Arc<Binding>) -> Vec<ScalarUDF> {
    let adapter = |function: &Function| match *function {
        Function::Scalar(function) => ScalarUDF::from(Adapter {
            function,
            binding: Arc::clone(binding),
            pinned: None,
            signature: Signature::variadic_any(Volatility::Stable),
        }),
        Function::Table(function) => ScalarUDF::from(InFromOnly {
            name: function.signature().name,
            signature: Signature::variadic_any(Volatility::Stable),
        }),
    };
    ALL.iter().map(adapter).collect()
}

/// A scalar function over a session's tables, or over one snapshot.
#[derive(Clone)]
struct Adapter {
    function: &'static dyn ScalarFunction,
    binding: Arc<Binding>,
    pinned: Option<Arc<Snapshot>>,
    signature: Signature,
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Adapter").field(&self.function).finish()
    }
}

impl PartialEq for Adapter {
    fn eq(&self, other: &Self) -> bool {
        let pinned = match (&self.pinned, &other.pinned) {
            (Some(left), Some(right)) => Arc::ptr_eq(left, right),
            (left, right) => left.is_none() && right.is_none(),
        };
        pinned && self.name() == other.name() && Arc::ptr_eq(&self.binding, &other.binding)
    }
}

impl Eq for Adapter {}

impl Hash for Adapter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for Adapter {
    fn name(&self) -> &str {
        self.function.signature().name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Types are refused here and not by a signature, whose errors come out as DataFusion's texts.
    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.function.signature().check(given)?;
        Ok(DataType::Int64)
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if self.pinned.is_some() {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let pinned = Self { pinned: Some(self.binding.snapshot()), ..self.clone() };
        let call = Call::new_udf(Arc::new(ScalarUDF::from(pinned)), args);
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let snapshot = self.pinned.clone().unwrap_or_else(|| self.binding.snapshot());
        let mask = self.binding.mask();
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let row_count = if is_constant { 1 } else { args.number_rows };
        let texts = |arg: &ColumnarValue| -> Result<StringViewArray> {
            let texts = cast(&arg.to_array(row_count)?, &DataType::Utf8View)?;
            Ok(texts.as_string_view().clone())
        };
        let columns = args.args.iter().map(texts).collect::<Result<Vec<_>>>()?;
        let value = |row: usize| -> Result<Option<i64>> {
            if columns.iter().any(|column| column.is_null(row)) {
                return Ok(None);
            }
            let row: Vec<&str> = columns.iter().map(|column| column.value(row)).collect();
            check_arguments(mask.as_deref(), self.function.signature(), &row).map_err(external)?;
            self.function.value(&snapshot, &row).map_err(external)
        };
        let values = (0..row_count).map(value).collect::<Result<Vec<_>>>()?;
        if let ([value], true) = (values.as_slice(), is_constant) {
            return Ok(ColumnarValue::Scalar(ScalarValue::Int64(*value)));
        }
        Ok(ColumnarValue::Array(Arc::new(Int64Array::from(values))))
    }
}

/// A table function where a scalar one is expected.
#[derive(Debug, PartialEq, Eq, Hash)]
struct InFromOnly {
    name: &'static str,
    signature: Signature,
}

impl InFromOnly {
    fn refusal(&self) -> Error {
        let message = format!("{}() gives rows and can be called in FROM only", self.name);
        Error::unsupported(message).hint(format!("write SELECT ... FROM {}(...)", self.name))
    }
}

impl ScalarUDFImpl for InFromOnly {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Err(external(self.refusal()))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(external(self.refusal()))
    }
}
