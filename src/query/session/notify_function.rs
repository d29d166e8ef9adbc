//! `pg_notify(channel, payload)`: NOTIFY as a function, so that both can be computed.

use std::sync::{Arc, Weak};

use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::query::error::external;
use crate::query::postgres::types::METADATA_KEY;
use crate::query::session::{Inner, channels};

/// The function of one session.
pub(super) fn pg_notify(session: &Weak<Inner>) -> ScalarUDF {
    let texts = vec![DataType::Utf8, DataType::Utf8];
    let signature = Signature::exact(texts, Volatility::Volatile);
    ScalarUDF::from(PgNotify { session: Weak::clone(session), signature })
}

struct PgNotify {
    session: Weak<Inner>,
    signature: Signature,
}

impl std::fmt::Debug for PgNotify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PgNotify")
    }
}

impl PartialEq for PgNotify {
    fn eq(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.session, &other.session)
    }
}

impl Eq for PgNotify {}

impl std::hash::Hash for PgNotify {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for PgNotify {
    fn name(&self) -> &'static str {
        "pg_notify"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let void = [(METADATA_KEY.to_owned(), "void".to_owned())];
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, true).with_metadata(void.into())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let session = self.session.upgrade();
        let session = session
            .ok_or_else(|| DataFusionError::Internal("a function outlived its session".into()))?;
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let (channels, payloads) = (columns[0].as_string::<i32>(), columns[1].as_string::<i32>());
        for row in 0..channels.len() {
            let text = |column: &StringArray| match column.is_null(row) {
                // As in PostgreSQL: no channel is refused, no payload is an empty one.
                true => String::new(),
                false => column.value(row).to_owned(),
            };
            channels::notify(&session, &text(channels), &text(payloads)).map_err(external)?;
        }
        let answers = StringArray::from(vec![""; channels.len()]);
        Ok(ColumnarValue::Array(Arc::new(answers)))
    }
}
