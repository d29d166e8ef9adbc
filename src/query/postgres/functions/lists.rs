//! Functions whose result is a list of a type that depends on the argument.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, ListArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

pub(super) fn scalar_functions() -> Vec<ScalarUDF> {
    [Shape::OrEmpty, Shape::Expanded]
        .map(|shape| {
            ScalarUDF::from(ListFunction {
                shape,
                signature: Signature::any(1, Volatility::Immutable),
            })
        })
        .into()
}

/// What is made of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shape {
    /// The list; an empty one in place of null. `ARRAY(subquery)` is never null.
    OrEmpty,
    /// Each element with its number, as `information_schema._pg_expandarray` gives them.
    Expanded,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ListFunction {
    shape: Shape,
    signature: Signature,
}

fn item_fields(element: &Field) -> Fields {
    Fields::from(vec![element.clone().with_name("x"), Field::new("n", DataType::Int32, true)])
}

impl ScalarUDFImpl for ListFunction {
    fn name(&self) -> &str {
        match self.shape {
            Shape::OrEmpty => "array_or_empty",
            Shape::Expanded => "_pg_expandarray",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match (self.shape, &given[0]) {
            (Shape::OrEmpty, DataType::Null) => Ok(DataType::new_list(DataType::Utf8, true)),
            (Shape::OrEmpty, list @ DataType::List(_)) => Ok(list.clone()),
            (Shape::Expanded, DataType::List(element)) => {
                Ok(DataType::new_list(DataType::Struct(item_fields(element)), true))
            }
            (_, other) => plan_err!("{} needs an array, not {other}", self.name()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = matches!(args.args[0], ColumnarValue::Scalar(_));
        let row_count = if is_scalar { 1 } else { args.number_rows };
        let given = args.args[0].to_array(row_count)?;
        let given = arrow::compute::cast(
            &given,
            &match args.args[0].data_type() {
                DataType::Null => args.return_field.data_type().clone(),
                own => own,
            },
        )?;
        let array = match self.shape {
            Shape::OrEmpty => or_empty(given.as_list()),
            Shape::Expanded => expanded(given.as_list())?,
        };
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

/// Rebuilt from lengths, since a null may stand over elements that must not come back to life.
fn or_empty(lists: &ListArray) -> ArrayRef {
    let (field, kept) = kept_items(lists);
    let lengths = (0..lists.len()).map(|row| length(lists, row));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), kept, None))
}

fn length(lists: &ListArray, row: usize) -> usize {
    if lists.is_null(row) { 0 } else { lists.value_length(row) as usize }
}

fn kept_items(lists: &ListArray) -> (Arc<Field>, ArrayRef) {
    let offsets = lists.value_offsets();
    let rows = (0..lists.len()).filter(|row| lists.is_valid(*row));
    let indices = rows.flat_map(|row| offsets[row]..offsets[row + 1]);
    let indices: Int32Array = indices.collect();
    let kept = arrow::compute::take(lists.values(), &indices, None);
    let DataType::List(field) = lists.data_type() else { unreachable!("a list array is a list") };
    (Arc::clone(field), kept.expect("the offsets of a list are within its values"))
}

fn expanded(lists: &ListArray) -> Result<ArrayRef> {
    let (field, kept) = kept_items(lists);
    let lengths: Vec<_> = (0..lists.len()).map(|row| length(lists, row)).collect();
    let numbers: Int32Array = lengths.iter().flat_map(|it| 1..=*it as i32).collect();
    let fields = item_fields(&field);
    let items = StructArray::try_new(fields.clone(), vec![kept, Arc::new(numbers)], None)?;
    let item = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
    let nulls: Option<NullBuffer> = lists.nulls().cloned();
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(item, offsets, Arc::new(items), nulls)?))
}
