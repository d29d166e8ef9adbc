//! Table functions of time that give tables: `profiles_at(as_of [, known_at])`.
//!
//! It reads its arguments and gives the virtual table of `tables::profiles_at`, so that filters look
//! people up as they do in `profiles`. The session registers [`all`].

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;

use crate::error::{Error, SqlState};
use crate::query::error::external;
use crate::query::postgres::PgType;
use crate::query::session::moment;
use crate::query::session::zone::Zone;
use crate::query::tables::Binding;
use crate::query::tables::profiles_at::ProfilesAt;
use crate::query::tables::provider::of_function;

/// The functions by name, over one session's tables.
pub fn all(binding: &Arc<Binding>) -> Vec<(String, Arc<dyn TableFunctionImpl>)> {
    let function = OfMoments { binding: Arc::clone(binding) };
    vec![(NAME.to_owned(), Arc::new(function))]
}

const NAME: &str = "profiles_at";

const HINT: &str = "for example profiles_at('2026-01-31'), of rows observed up to then; a second moment \
                    is the last ingested_at, and null is no limit";

/// The function over one session's tables.
#[derive(Debug)]
struct OfMoments {
    binding: Arc<Binding>,
}

impl TableFunctionImpl for OfMoments {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let zone = self.binding.zone();
        let moments: Vec<Option<i64>> = args
            .exprs()
            .iter()
            .map(|argument| moment_of(argument, zone))
            .collect::<crate::error::Result<_>>()
            .map_err(external)?;
        let table = match *moments.as_slice() {
            [as_of] => ProfilesAt { as_of, known_at: None },
            [as_of, known_at] => ProfilesAt { as_of, known_at: Some(known_at) },
            _ => {
                let message = format!("function {NAME} takes one or two moments");
                let error = Error::new(SqlState::UNDEFINED_FUNCTION, message);
                return Err(external(error.hint(HINT)));
            }
        };
        of_function(&self.binding, NAME, Arc::new(table))
    }
}

/// The moment that a constant says; null is none.
fn moment_of(argument: &Expr, zone: Zone) -> crate::error::Result<Option<i64>> {
    let Expr::Literal(value, _) = argument else {
        let message = format!("arguments of {NAME} must be constants");
        return Err(Error::unsupported(message)
            .hint("write the moment into the statement, or use SET as_of and profiles"));
    };
    if value.is_null() {
        return Ok(None);
    }
    if let Some(text) = value.try_as_str().flatten() {
        let micros = moment::read(text, zone);
        return micros.map(Some).ok_or_else(|| moment::invalid("a moment", text));
    }
    let refuse = || {
        let ty = PgType::of(&value.data_type(), &Default::default()).format();
        let message = format!("function {NAME} takes moments, not {ty}");
        Error::new(SqlState::UNDEFINED_FUNCTION, message).hint(HINT)
    };
    let is_zoned = matches!(value.data_type(), DataType::Timestamp(_, Some(_)));
    if !is_zoned && !matches!(value.data_type(), DataType::Timestamp(..) | DataType::Date32) {
        return Err(refuse());
    }
    let micros = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
    match value.cast_to(&micros) {
        Ok(ScalarValue::TimestampMicrosecond(Some(micros), _)) if is_zoned => Ok(Some(micros)),
        Ok(ScalarValue::TimestampMicrosecond(Some(local), _)) => Ok(Some(zone.to_utc(local))),
        _ => Err(refuse()),
    }
}
