//! Arrow arrays of any type to a column's type: Parquet columns, and what `INSERT ... SELECT`
//! gives.
//!
//! The rule of each pair of types is a [`Route`]. Where a kernel of Arrow does the same without
//! loss, it does the whole column at once; a value that it made null, it could not hold. Where the
//! rule is PostgreSQL's own (rounding, years, texts), values go one by one.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, ListArray, PrimitiveArray, StringViewArray,
    new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::cast::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::error::ArrowError;
use arrow::util::display::ArrayFormatter;

use crate::error::{Error, Result, SqlState};
use crate::ingest::builder::ColumnBuilder;
use crate::ingest::fault::{CHARACTER, Fault, Flaw};
use crate::ingest::json::{Json, Kind};
use crate::ingest::render::{self, FORMATS};
use crate::ingest::time::{DAY_MICROS, DAYS_MAX, DAYS_MIN, in_range};
use crate::model::column::ColumnType;

/// Values that did not fit: row, SQLSTATE, message.
pub type Failures = Vec<(usize, &'static str, String)>;

/// How values of one Arrow type become values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// They are already.
    Same,
    /// A kernel casts them; null in its result means out of range.
    Kernel,
    /// A kernel makes texts of bytes; null in its result means no UTF-8.
    Bytes,
    /// To their plain type first.
    Unpack,
    /// As what their text stands for.
    Parse,
    /// As a number written in JSON, which may be whole with a fraction of zero.
    Number,
    /// As text that Arrow formats.
    Show,
    /// The same, of instants: in UTC, as the names of other zones are not known here.
    ShowInstant,
    /// As JSON text.
    Json,
    /// As days or instants.
    Time,
    /// Element by element.
    List,
}

/// Coerces an array to a column type, value by value.
///
/// A value that does not fit is null in the result and told with its row.
///
/// # Errors
/// `42804` if the two types cannot go together at all.
pub fn coerce(array: &ArrayRef, ty: &ColumnType) -> Result<(ArrayRef, Failures)> {
    let (from, to) = (array.data_type(), ty.to_arrow());
    if *from == DataType::Null {
        return Ok((new_null_array(&to, array.len()), Failures::new()));
    }
    let route = route(from, ty).ok_or_else(|| {
        let message = format!("column is of type {ty} but the value is of type {from}");
        Error::new(SqlState::DATATYPE_MISMATCH, message)
    })?;
    match route {
        Route::Same if *ty == ColumnType::Text => {
            Ok(without_nul(Arc::clone(array), Failures::new()))
        }
        Route::Same => Ok((Arc::clone(array), Failures::new())),
        Route::Kernel => kernel(array, ty, &to),
        Route::Bytes => bytes(array),
        Route::Unpack => coerce(&cast(array, &unpacked(from))?, ty),
        Route::Parse => parse(&cast(array, &DataType::Utf8View)?, ty),
        Route::Number => each_shown(array, ty, |builder, text| {
            builder.append_json(Json { kind: Kind::Number, text })
        }),
        Route::Show => each_shown(array, ty, ColumnBuilder::append_text),
        Route::ShowInstant => {
            let instants = ColumnType::TimestampTz;
            let (array, mut failures) = time(array, &instants, &instants.to_arrow())?;
            let (array, more) = each_shown(&array, ty, ColumnBuilder::append_text)?;
            failures.extend(more);
            Ok((array, failures))
        }
        Route::Json => json(array, ty),
        Route::Time => time(array, ty, &to),
        Route::List => list(array, ty),
    }
}

fn route(from: &DataType, ty: &ColumnType) -> Option<Route> {
    use ColumnType as To;
    use DataType as From;
    Some(match (from, ty) {
        (From::Dictionary(_, inner), _) => route(inner, ty).map(|_| Route::Unpack)?,
        (From::RunEndEncoded(_, inner), _) => {
            route(inner.data_type(), ty).map(|_| Route::Unpack)?
        }
        (From::Utf8View, To::Text) => Route::Same,
        (From::Utf8 | From::LargeUtf8, To::Text) => Route::Kernel,
        (From::Utf8 | From::LargeUtf8 | From::Utf8View, _) => Route::Parse,
        (
            From::Binary | From::LargeBinary | From::BinaryView | From::FixedSizeBinary(_),
            To::Text,
        ) => Route::Bytes,
        (from, To::Array(_)) if is_list(from) => Route::List,
        (from, To::Text) if is_list(from) => Route::Json,
        (From::Struct(_) | From::Map(_, _), To::Text) => Route::Json,
        (
            From::Timestamp(..) | From::Date32 | From::Date64,
            To::Date | To::Timestamp | To::TimestampTz,
        ) => Route::Time,
        (From::Float16, _) => route(&From::Float32, ty).map(|_| Route::Unpack)?,
        (from, ty) if from.is_numeric() && ty.is_numeric() => numeric_route(from, ty),
        (From::Boolean, To::Boolean) => Route::Same,
        (From::Boolean, To::Text) => Route::Kernel,
        (From::Timestamp(_, Some(_)), To::Text) => Route::ShowInstant,
        (from, To::Text) if from.is_primitive() => Route::Show,
        (from, To::Boolean) if from.is_integer() => Route::Number,
        _ => return None,
    })
}

fn numeric_route(from: &DataType, to: &ColumnType) -> Route {
    use ColumnType::{BigInt, Double, Integer, Numeric, Real, SmallInt};
    let decimal_scale = match from {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Some(*scale),
        _ => None,
    };
    match to {
        to if *from == to.to_arrow() => Route::Same,
        SmallInt | Integer | BigInt if from.is_integer() || decimal_scale == Some(0) => {
            Route::Kernel
        }
        Numeric { .. } if from.is_integer() || decimal_scale.is_some() => Route::Kernel,
        // Arrow goes through binary fractions and cuts; PostgreSQL goes through shortest decimals.
        SmallInt | Integer | BigInt | Numeric { .. } => Route::Number,
        Real if *from == DataType::Float64 => Route::Number,
        Real | Double => Route::Kernel,
        _ => Route::Number,
    }
}

fn is_list(from: &DataType) -> bool {
    use DataType::{FixedSizeList, LargeList, LargeListView, List, ListView};
    matches!(from, List(_) | LargeList(_) | FixedSizeList(..) | ListView(_) | LargeListView(_))
}

fn unpacked(from: &DataType) -> DataType {
    match from {
        DataType::Dictionary(_, inner) => (**inner).clone(),
        DataType::RunEndEncoded(_, inner) => inner.data_type().clone(),
        DataType::Float16 => DataType::Float32,
        other => other.clone(),
    }
}

fn internal(error: ArrowError) -> Error {
    Error::internal(format!("could not coerce a column: {error}"))
}

/// Casts with Arrow's kernel; what does not fit becomes null.
fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: true, format_options: FORMATS };
    cast_with_options(array, to, &options).map_err(internal)
}

fn kernel(array: &ArrayRef, ty: &ColumnType, to: &DataType) -> Result<(ArrayRef, Failures)> {
    let result = cast(array, to)?;
    let lost = lost(array, &result);
    let mut failures = Failures::new();
    if !lost.is_empty() {
        let shown = ArrayFormatter::try_new(array, &FORMATS).map_err(internal)?;
        for row in lost {
            let value = shown.value(row).try_to_string().map_err(internal)?;
            fail(&mut failures, row, Fault::of_flaw(Flaw::Range, ty, &value));
        }
    }
    Ok(if *ty == ColumnType::Text { without_nul(result, failures) } else { (result, failures) })
}

/// Rows that are null only after the cast.
fn lost(before: &ArrayRef, after: &ArrayRef) -> Vec<usize> {
    if before.logical_null_count() == after.null_count() {
        return Vec::new();
    }
    (0..before.len()).filter(|row| after.is_null(*row) && !before.is_null(*row)).collect()
}

fn fail(failures: &mut Failures, row: usize, fault: Fault) {
    failures.push((row, fault.code, fault.message));
}

fn bytes(array: &ArrayRef) -> Result<(ArrayRef, Failures)> {
    let array = match array.data_type() {
        DataType::FixedSizeBinary(_) => &cast(array, &DataType::Binary)?,
        _ => array,
    };
    let result = cast(array, &DataType::Utf8View)?;
    let told = |row| (row, CHARACTER, "invalid byte sequence for encoding \"UTF8\"".to_owned());
    let failures = lost(array, &result).into_iter().map(told).collect();
    Ok(without_nul(result, failures))
}

/// Texts with a NUL become null and failures; others stay.
fn without_nul(array: ArrayRef, mut failures: Failures) -> (ArrayRef, Failures) {
    let texts = array.as_string_view();
    let has_nul = |text: &str| text.as_bytes().contains(&0);
    if !texts.iter().flatten().any(has_nul) {
        return (array, failures);
    }
    let cleared: StringViewArray =
        texts.iter().map(|text| text.filter(|text| !has_nul(text))).collect();
    for (row, text) in texts.iter().enumerate() {
        if text.is_some_and(has_nul) {
            fail(&mut failures, row, Fault::nul());
        }
    }
    failures.sort_unstable_by_key(|(row, ..)| *row);
    (Arc::new(cleared), failures)
}

/// Appends each value by `append`; one that is refused becomes null.
fn each(
    length: usize,
    ty: &ColumnType,
    mut append: impl FnMut(usize, &mut ColumnBuilder) -> Result<std::result::Result<(), Fault>>,
) -> Result<(ArrayRef, Failures)> {
    let mut builder = ColumnBuilder::new(ty, None);
    let mut failures = Failures::new();
    for row in 0..length {
        if let Err(fault) = append(row, &mut builder)? {
            builder.append_null();
            fail(&mut failures, row, fault);
        }
    }
    Ok((builder.finish()?, failures))
}

fn null(builder: &mut ColumnBuilder) -> std::result::Result<(), Fault> {
    builder.append_null();
    Ok(())
}

fn parse(array: &ArrayRef, ty: &ColumnType) -> Result<(ArrayRef, Failures)> {
    let texts = array.as_string_view();
    each(texts.len(), ty, |row, builder| {
        Ok(if texts.is_null(row) { null(builder) } else { builder.append_text(texts.value(row)) })
    })
}

fn each_shown(
    array: &ArrayRef,
    ty: &ColumnType,
    append: impl Fn(&mut ColumnBuilder, &str) -> std::result::Result<(), Fault>,
) -> Result<(ArrayRef, Failures)> {
    let shown = ArrayFormatter::try_new(array, &FORMATS).map_err(internal)?;
    let mut text = String::new();
    each(array.len(), ty, |row, builder| {
        if array.is_null(row) {
            return Ok(null(builder));
        }
        text.clear();
        match shown.value(row).write(&mut text) {
            Ok(()) => Ok(append(builder, &text)),
            // A date or time that its own type cannot show.
            Err(_) => Ok(Err(Fault::of_flaw(Flaw::Range, &ColumnType::Timestamp, &text))),
        }
    })
}

fn json(array: &ArrayRef, ty: &ColumnType) -> Result<(ArrayRef, Failures)> {
    let mut text = String::new();
    each(array.len(), ty, |row, builder| {
        if array.is_null(row) {
            return Ok(null(builder));
        }
        text.clear();
        match render::value(array, row, &mut text) {
            Ok(()) => Ok(builder.append_text(&text)),
            Err(error) => Ok(Err(Fault::syntax(ty, &error.to_string()))),
        }
    })
}

fn time(array: &ArrayRef, ty: &ColumnType, to: &DataType) -> Result<(ArrayRef, Failures)> {
    if array.data_type() == to && all_in_range(array) {
        return Ok((Arc::clone(array), Failures::new()));
    }
    let seconds = |value: i64| value.checked_mul(1_000_000);
    let millis = |value: i64| value.checked_mul(1000);
    let nanos =
        |value: i64| Some(value.div_euclid(1000) + i64::from(value.rem_euclid(1000) >= 500));
    let days = |value: i64| value.checked_mul(DAY_MICROS);
    let result = match array.data_type() {
        DataType::Date32 => convert::<Date32Type>(array, to, days),
        DataType::Date64 => convert::<Date64Type>(array, to, millis),
        DataType::Timestamp(TimeUnit::Second, _) => {
            convert::<TimestampSecondType>(array, to, seconds)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            convert::<TimestampMillisecondType>(array, to, millis)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            convert::<TimestampMicrosecondType>(array, to, Some)
        }
        _ => convert::<TimestampNanosecondType>(array, to, nanos),
    };
    let mut failures = Failures::new();
    for row in lost(array, &result) {
        // Beyond the years that Arrow can show, its bare number has to do.
        let shown = ArrayFormatter::try_new(&array.slice(row, 1), &FORMATS)
            .and_then(|shown| shown.value(0).try_to_string())
            .or_else(|_| number_of(array, row))
            .map_err(internal)?;
        fail(&mut failures, row, Fault::of_flaw(Flaw::Range, ty, &shown));
    }
    Ok((result, failures))
}

fn all_in_range(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().values();
            days.iter().all(|days| (DAYS_MIN..=DAYS_MAX).contains(&i64::from(*days)))
        }
        _ => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().values();
            let (min, end) = (DAYS_MIN * DAY_MICROS, (DAYS_MAX + 1) * DAY_MICROS);
            micros.iter().all(|micros| (min..end).contains(micros))
        }
    }
}

/// Dates or instants by way of microseconds; null where there is no such year.
fn convert<F: ArrowPrimitiveType<Native: Into<i64>>>(
    array: &ArrayRef,
    to: &DataType,
    micros: impl Fn(i64) -> Option<i64>,
) -> ArrayRef {
    let instant = |value: F::Native| in_range(micros(value.into())?).ok();
    let values = array.as_primitive::<F>();
    if *to == DataType::Date32 {
        let day = |value| instant(value).map(|micros| micros.div_euclid(DAY_MICROS) as i32);
        let days: PrimitiveArray<Date32Type> = values.unary_opt(day);
        return Arc::new(days);
    }
    let instants: PrimitiveArray<TimestampMicrosecondType> = values.unary_opt(instant);
    Arc::new(instants.with_data_type(to.clone()))
}

fn number_of(array: &ArrayRef, row: usize) -> std::result::Result<String, ArrowError> {
    let number = arrow::compute::cast(&array.slice(row, 1), &DataType::Int64)?;
    Ok(number.as_primitive::<Int64Type>().value(0).to_string())
}

fn list(array: &ArrayRef, ty: &ColumnType) -> Result<(ArrayRef, Failures)> {
    let (ColumnType::Array(element), DataType::List(field)) = (ty, ty.to_arrow()) else {
        return Err(Error::internal("only array columns are coerced as lists"));
    };
    let array = match array.data_type() {
        DataType::List(_) => Arc::clone(array),
        DataType::LargeList(inner)
        | DataType::FixedSizeList(inner, _)
        | DataType::ListView(inner)
        | DataType::LargeListView(inner) => cast(array, &DataType::List(Arc::clone(inner)))?,
        other => return Err(Error::internal(format!("{other} is no list"))),
    };
    let lists = array.as_list::<i32>();
    let (elements, inner) = coerce(lists.values(), element)?;
    let mut valid: Vec<bool> = (0..lists.len()).map(|row| lists.is_valid(row)).collect();
    let mut failures = Failures::new();
    for (at, code, message) in inner {
        // Elements outside of any list, or under a null, are in no row.
        let row = lists.offsets().partition_point(|offset| *offset as usize <= at);
        if row > 0 && row <= valid.len() && valid[row - 1] {
            valid[row - 1] = false;
            failures.push((row - 1, code, message));
        }
    }
    let nulls = NullBuffer::from(valid);
    let result = ListArray::try_new(field, lists.offsets().clone(), elements, Some(nulls));
    Ok((Arc::new(result.map_err(internal)?), failures))
}
