//! Functions that act on the server: cancel a statement, end a session, read certificates again.
//!
//! They are checked like statements, by the role of the session that calls them.

use std::hash::{Hash, Hasher};
use std::sync::Weak;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Error, Result};
use crate::query::error::external;
use crate::query::session::{Inner, Notice};

/// The functions, for one session.
pub(super) fn functions(session: &Weak<Inner>) -> Vec<ScalarUDF> {
    let function = |action: Action| {
        let types = match action {
            Action::Reload => Signature::nullary(Volatility::Volatile),
            Action::Cancel => Signature::any(1, Volatility::Volatile),
            Action::Terminate => Signature::variadic_any(Volatility::Volatile),
        };
        ScalarUDF::from(Signal { action, session: Weak::clone(session), signature: types })
    };
    [Action::Cancel, Action::Terminate, Action::Reload].map(function).into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Cancel,
    Terminate,
    Reload,
}

#[derive(Debug)]
struct Signal {
    action: Action,
    session: Weak<Inner>,
    signature: Signature,
}

impl PartialEq for Signal {
    fn eq(&self, other: &Self) -> bool {
        self.action == other.action && Weak::ptr_eq(&self.session, &other.session)
    }
}

impl Eq for Signal {}

impl Hash for Signal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.action.hash(state);
    }
}

impl Signal {
    fn act(&self, session: &Inner, process_id: i64) -> Result<bool> {
        if self.action == Action::Reload {
            session.check_superuser("reload the configuration")?;
            session.server.reload()?;
            return Ok(true);
        }
        let number = i32::try_from(process_id).unwrap_or_default();
        session.check_may_signal(number)?;
        let done = match self.action {
            Action::Cancel => session.server.cancel_session(number),
            _ => session.server.terminate_session(number),
        };
        if !done {
            let message = format!("PID {process_id} is not a PostgreSQL server process");
            session.notice(Notice::warning(crate::error::SqlState("01000"), message));
        }
        Ok(done)
    }
}

impl ScalarUDFImpl for Signal {
    fn name(&self) -> &str {
        match self.action {
            Action::Cancel => "pg_cancel_backend",
            Action::Terminate => "pg_terminate_backend",
            Action::Reload => "pg_reload_conf",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let gone = || external(Error::internal("a session is gone"));
        let session = self.session.upgrade().ok_or_else(gone)?;
        let Some(numbers) = args.args.first() else {
            let done = self.act(&session, 0).map_err(external)?;
            return Ok(ColumnarValue::Scalar(Some(done).into()));
        };
        let numbers = cast(&numbers.to_array(args.number_rows)?, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        let act = |at| (!numbers.is_null(at)).then(|| self.act(&session, numbers.value(at)));
        let done = (0..numbers.len()).map(|at| act(at).transpose());
        let done = done.collect::<Result<Vec<_>>>().map_err(external)?;
        Ok(ColumnarValue::Array(std::sync::Arc::new(BooleanArray::from(done))))
    }
}
