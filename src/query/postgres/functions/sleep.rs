//! `pg_sleep`: waits without holding a thread, so that it can be cancelled and others go on.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Float64Type};
use async_trait::async_trait;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::env::clock::sleep;

/// The function.
pub(super) fn scalar_function() -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Float64], Volatility::Volatile);
    AsyncScalarUDF::new(Arc::new(Sleep { signature })).into_scalar_udf()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sleep {
    signature: Signature,
}

impl ScalarUDFImpl for Sleep {
    fn name(&self) -> &str {
        "pg_sleep"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("pg_sleep is for plans that can wait")
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Sleep {
    /// Sleeps once for each row, as each would be computed after the one before.
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let seconds: ArrayRef = args.args[0].to_array(args.number_rows)?;
        let seconds = seconds.as_primitive::<Float64Type>();
        let mut answers = Vec::with_capacity(seconds.len());
        for row in 0..seconds.len() {
            if seconds.is_null(row) {
                answers.push(None);
                continue;
            }
            let wanted = Duration::try_from_secs_f64(seconds.value(row).max(0.0));
            sleep(wanted.unwrap_or(Duration::MAX)).await;
            answers.push(Some(""));
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(answers))))
    }
}
