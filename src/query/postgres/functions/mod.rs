//! PostgreSQL's functions that DataFusion lacks or answers differently.
//!
//! Most are rows of the tables in this folder: a name, the lists of arguments that it takes, the type of
//! its result, and a function from the description and one row of arguments to one value. An error in
//! one comes out of DataFusion as `External` with the crate's own error inside.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, FieldRef, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::error::{Error, Result, SqlState};
use crate::query::postgres::catalog::{self, Value};
use crate::query::postgres::description::{Description, Source};
use crate::query::postgres::types::{self, PgType};

mod aggregates;
mod arrays;
mod comments;
mod definitions;
mod intervals;
mod lists;
pub mod names;
mod privileges;
mod session;
mod sizes;
mod sleep;
mod tables;
mod text;
mod to_char;
mod visibility;

pub use aggregates::aggregate_functions;
pub use tables::table_functions;

/// What an argument is, which says how it is coerced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A number of an object, or any whole number.
    Int,
    /// A text.
    Text,
    /// A truth value.
    Bool,
    /// An object: its number, or its name as text.
    Object,
    /// Anything, as it comes.
    Any,
}

use Kind::{Any, Bool, Int, Object, Text};

impl Kind {
    fn coerce(self, given: &DataType) -> DataType {
        match self {
            Int => DataType::Int64,
            Text => DataType::Utf8,
            Bool => DataType::Boolean,
            Object if given.is_string() => DataType::Utf8,
            Object => DataType::Int64,
            Any => given.clone(),
        }
    }
}

/// One row of arguments.
struct Call<'a> {
    description: &'a Description,
    source: &'a dyn Source,
    arguments: &'a [Value],
    fields: &'a [FieldRef],
}

impl Call<'_> {
    fn argument(&self, at: usize) -> &Value {
        self.arguments.get(at).unwrap_or(&Value::Null)
    }

    fn int(&self, at: usize) -> i64 {
        self.argument(at).as_int().unwrap_or_default()
    }

    fn oid(&self, at: usize) -> u32 {
        u32::try_from(self.int(at)).unwrap_or_default()
    }

    fn text(&self, at: usize) -> &str {
        self.argument(at).as_text().unwrap_or_default()
    }

    fn is_true(&self, at: usize) -> bool {
        *self.argument(at) == Value::Bool(true)
    }

    /// The number of a relation given by number or name.
    fn relation_oid(&self, at: usize) -> Result<u32> {
        match self.argument(at) {
            Value::Text(name) => names::class_oid(self.description, name),
            _ => Ok(self.oid(at)),
        }
    }
}

/// A function as the tables in this folder list it.
struct Function {
    name: &'static str,
    /// Each list of arguments that it takes.
    arguments: &'static [&'static [Kind]],
    /// Internal name of its result's type.
    result: &'static str,
    /// Whether any null argument makes the result null.
    is_strict: bool,
    /// Whether the answer depends on the arguments alone, or a call changes something.
    volatility: Volatility,
    run: fn(&Call<'_>) -> Result<Value>,
}

impl Function {
    const fn new(
        name: &'static str,
        arguments: &'static [&'static [Kind]],
        result: &'static str,
        run: fn(&Call<'_>) -> Result<Value>,
    ) -> Self {
        Self { name, arguments, result, is_strict: true, volatility: Volatility::Stable, run }
    }

    const fn takes_nulls(mut self) -> Self {
        self.is_strict = false;
        self
    }

    const fn pure(mut self) -> Self {
        self.volatility = Volatility::Immutable;
        self
    }

    const fn acts(mut self) -> Self {
        self.volatility = Volatility::Volatile;
        self
    }

    fn result_type(&self) -> PgType {
        types::by_internal_name(self.result).map_or(PgType::TEXT, |entry| PgType::new(entry.oid))
    }
}

/// Functions with any number of arguments list this one.
const VARIADIC: &[&[Kind]] = &[];

const ALL: &[&[Function]] = &[
    arrays::ALL,
    comments::ALL,
    definitions::ALL,
    names::ALL,
    privileges::ALL,
    session::ALL,
    sizes::ALL,
    text::ALL,
    visibility::ALL,
];

/// All scalar functions, over one session's source.
pub fn scalar_functions(source: &Arc<dyn Source>) -> Vec<ScalarUDF> {
    let listed = ALL.iter().copied().flatten().map(|function| {
        let (source, signature) =
            (Arc::clone(source), Signature::user_defined(function.volatility));
        ScalarUDF::from(CatalogFunction { function, source, signature })
    });
    listed
        .chain(lists::scalar_functions())
        .chain(intervals::scalar_functions())
        .chain([sleep::scalar_function(), to_char::scalar_function(source)])
        .collect()
}

/// Whether there is a scalar function of that name here.
pub fn is_scalar_function(name: &str) -> bool {
    ALL.iter().copied().flatten().any(|function| function.name == name)
}

struct CatalogFunction {
    function: &'static Function,
    source: Arc<dyn Source>,
    signature: Signature,
}

impl Debug for CatalogFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CatalogFunction({})", self.function.name)
    }
}

impl PartialEq for CatalogFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && Arc::ptr_eq(&self.source, &other.source)
    }
}

impl Eq for CatalogFunction {}

impl Hash for CatalogFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn undefined(name: &str, given: &[DataType]) -> DataFusionError {
    let given: Vec<_> =
        given.iter().map(|it| PgType::of(it, &Default::default()).format()).collect();
    let message = format!("function {name}({}) does not exist", given.join(", "));
    external(Error::new(SqlState::UNDEFINED_FUNCTION, message))
}

impl ScalarUDFImpl for CatalogFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> datafusion::common::Result<Vec<DataType>> {
        if self.function.arguments.is_empty() {
            return Ok(given.to_vec());
        }
        let mut lists = self.function.arguments.iter();
        let list = lists
            .find(|list| list.len() == given.len())
            .ok_or_else(|| undefined(self.function.name, given))?;
        Ok(list.iter().zip(given).map(|(kind, given)| kind.coerce(given)).collect())
    }

    fn return_type(&self, _: &[DataType]) -> datafusion::common::Result<DataType> {
        Ok(catalog::arrow_type(self.function.result_type()))
    }

    fn return_field_from_args(
        &self,
        _: ReturnFieldArgs<'_>,
    ) -> datafusion::common::Result<FieldRef> {
        Ok(Arc::new(catalog::field_of(self.function.name, self.function.result_type())))
    }

    fn invoke_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> datafusion::common::Result<ColumnarValue> {
        let description = self.source.describe();
        let is_constant = args.args.iter().all(|it| matches!(it, ColumnarValue::Scalar(_)));
        let row_count = if is_constant { 1 } else { args.number_rows };
        let columns: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|it| it.to_array(row_count))
            .collect::<datafusion::common::Result<_>>()?;
        let values = (0..row_count)
            .map(|row| {
                let arguments: Vec<_> = columns.iter().map(|it| value_at(it, row)).collect();
                if self.function.is_strict && arguments.contains(&Value::Null) {
                    return Ok(Value::Null);
                }
                (self.function.run)(&Call {
                    description: &description,
                    source: self.source.as_ref(),
                    arguments: &arguments,
                    fields: &args.arg_fields,
                })
            })
            .collect::<Result<Vec<_>>>()
            .map_err(external)?;
        let cells: Vec<_> = values.iter().collect();
        let array = catalog::array(args.return_field.data_type(), &cells);
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

/// One cell of any array; what has no closer value becomes its text.
fn value_at(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) || matches!(array.data_type(), DataType::Null) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Utf8View => Value::Text(array.as_string_view().value(row).to_owned()),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Value::List((0..items.len()).map(|at| value_at(&items, at)).collect())
        }
        DataType::Float64 => Value::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Value::Micros(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        data_type if data_type.is_integer() => {
            let wide = arrow::compute::cast(&array.slice(row, 1), &DataType::Int64);
            wide.map_or(Value::Null, |it| match it.is_null(0) {
                true => Value::Null,
                false => Value::Int(it.as_primitive::<Int64Type>().value(0)),
            })
        }
        _ => {
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(array, &options);
            formatter.map_or(Value::Null, |it| Value::Text(it.value(row).to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_types_exist() {
        let mut names: Vec<_> = ALL.iter().copied().flatten().map(|it| it.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for function in ALL.iter().copied().flatten() {
            let known = types::by_internal_name(function.result);
            assert!(known.is_some(), "{} returns {}", function.name, function.result);
        }
    }
}
