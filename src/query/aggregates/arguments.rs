//! The arguments of the aggregates: which there are, their types, and the order they give.
//!
//! A value comes first; what follows orders values as spec 5.3 orders fragments. Where less is
//! given than makes an order total, accumulators break ties by the values, never by arrival.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit};

use crate::error::{Error, Result, SqlState};
use crate::merge::fit::sql_name;
use crate::merge::order::Key;

/// Which arguments an aggregate takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// `(value)`.
    Value,
    /// `(value, separator)`.
    Separated,
    /// `(value, observed_at [, place, fragment_id])`.
    Ordered,
    /// `(value, rank, observed_at [, place, fragment_id])`.
    Ranked,
}

/// Name and explanation of each ordering argument.
const RANK: (&str, &str) = ("rank", "Trust in the value's source: the smaller wins, null is last.");
const ORDER: [(&str, &str); 3] = [
    ("observed_at", "Time of the value: timestamp, date or integer; null is older than any."),
    ("place", "Optional: breaks ties of time, the smaller wins."),
    ("fragment_id", "Optional: breaks what ties remain, the greater wins."),
];

impl Shape {
    /// The shape of a strategy's aggregate; `None` where SQL has its own.
    pub(super) fn of(strategy: &str) -> Option<Self> {
        match strategy {
            "min" | "max" | "sum" => None,
            "precedence" => Some(Self::Ranked),
            "latest" | "latest_or_null" | "earliest" | "most_frequent" | "longest"
            | "collect_list" => Some(Self::Ordered),
            "listagg" => Some(Self::Separated),
            _ => Some(Self::Value),
        }
    }

    /// The ordering arguments there can be, of which the last two are optional.
    fn ordering(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Value | Self::Separated => Vec::new(),
            Self::Ordered => ORDER.to_vec(),
            Self::Ranked => [RANK].into_iter().chain(ORDER).collect(),
        }
    }

    /// All arguments with their explanations.
    pub(super) fn documented(self) -> Vec<(&'static str, &'static str)> {
        let value = ("value", "The value; nulls never win unless the function says so.");
        let separator = ("separator", "A text literal that stands between values.");
        let separator = (self == Self::Separated).then_some(separator);
        [value].into_iter().chain(separator).chain(self.ordering()).collect()
    }

    /// How a call is written.
    pub(super) fn syntax(self, name: &str) -> String {
        match self {
            Self::Value => format!("{name}(value)"),
            Self::Separated => format!("{name}(value, separator)"),
            Self::Ordered => format!("{name}(value, observed_at [, place, fragment_id])"),
            Self::Ranked => format!("{name}(value, rank, observed_at [, place, fragment_id])"),
        }
    }

    /// The types that arguments of these types are taken as.
    pub(super) fn coerce(self, name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
        let most = self.documented().len();
        let least = if self.ordering().is_empty() { most } else { most - 2 };
        let [value, rest @ ..] = types else { return Err(self.mismatch(name, types)) };
        if !(least..=most).contains(&types.len()) {
            return Err(self.mismatch(name, types));
        }
        let mut coerced = vec![plain(value)];
        match self {
            Self::Separated if !is_text(&rest[0]) => return Err(self.mismatch(name, types)),
            // No cast of the separator, so that it stays the literal it must be.
            Self::Separated => coerced.push(rest[0].clone()),
            _ => {
                for ((argument, _), ty) in self.ordering().iter().zip(rest) {
                    let ty = if *argument == "observed_at" { time(ty) } else { integer(ty) };
                    coerced.push(ty.ok_or_else(|| self.mismatch(name, types))?);
                }
            }
        }
        Ok(coerced)
    }

    fn mismatch(self, name: &str, types: &[DataType]) -> Error {
        let types: Vec<_> = types.iter().map(|ty| sql_name(&plain(ty)).to_lowercase()).collect();
        let message = format!("function {name}({}) does not exist", types.join(", "));
        Error::new(SqlState::UNDEFINED_FUNCTION, message).hint(format!("use {}", self.syntax(name)))
    }

    /// How many columns of order a call with so many arguments has.
    pub(super) fn order_count(self, argument_count: usize) -> usize {
        if self.ordering().is_empty() { 0 } else { argument_count - 1 }
    }

    /// The columns of order in a partial state.
    pub(super) fn order_fields(self, argument_count: usize) -> Vec<Field> {
        self.ordering()
            .iter()
            .take(self.order_count(argument_count))
            .map(|(name, _)| Field::new(*name, DataType::Int64, true))
            .collect()
    }
}

fn is_text(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn time(ty: &DataType) -> Option<DataType> {
    match ty {
        DataType::Timestamp(_, zone) => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
        }
        DataType::Date32 | DataType::Date64 | DataType::Null => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, None))
        }
        // An untyped literal, as PostgreSQL takes it.
        text if is_text(text) => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
        other => integer(other),
    }
}

fn integer(ty: &DataType) -> Option<DataType> {
    (ty.is_integer() || ty.is_null()).then_some(DataType::Int64)
}

/// The type that a column of the product would have for such values, so that strategies need to
/// know no other: DataFusion has several for texts, integers and arrays.
fn plain(ty: &DataType) -> DataType {
    match ty {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Dictionary(_, values) => plain(values),
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::new(Field::new("item", plain(item.data_type()), true)))
        }
        other => other.clone(),
    }
}

/// The order that the arguments give each row: rank, then the key of spec 5.3.
pub(super) type Place = (i64, Key);

/// The columns that order the rows of a batch, without null.
pub(super) struct Orders {
    shape: Shape,
    columns: Vec<Int64Array>,
}

impl Orders {
    /// Reads the ordering arguments of a call, with nulls where they belong in the order.
    ///
    /// # Errors
    /// `22003` for a place that is negative or beyond 32 bits.
    pub(super) fn of_arguments(shape: Shape, columns: &[ArrayRef]) -> Result<Self> {
        let read = |((name, _), column): (&(&str, _), &ArrayRef)| {
            let column = cast(column, &DataType::Int64)
                .map_err(|error| Error::internal(format!("cannot order values: {error}")))?;
            let column = column.as_primitive::<Int64Type>();
            let null = match *name {
                "rank" => i64::MAX,
                "place" => i64::from(u32::MAX),
                _ => i64::MIN,
            };
            let read: Int64Array = column.iter().map(|value| Some(value.unwrap_or(null))).collect();
            let is_place = |value: &i64| u32::try_from(*value).is_ok();
            if *name == "place" && !read.values().iter().all(is_place) {
                let message = "place is out of range: it is 0 to 4294967295";
                return Err(Error::new(SqlState::NUMERIC_OUT_OF_RANGE, message));
            }
            Ok(read)
        };
        let columns = shape.ordering().iter().zip(columns).map(read).collect::<Result<_>>()?;
        Ok(Self { shape, columns })
    }

    /// Takes columns that [`Orders::columns`] wrote.
    pub(super) fn of_state(shape: Shape, columns: &[ArrayRef]) -> Self {
        let read = |column: &ArrayRef| column.as_primitive::<Int64Type>().clone();
        Self { shape, columns: columns.iter().map(read).collect() }
    }

    /// The order of a row. What is not given is equal for all.
    pub(super) fn place(&self, row: usize) -> Place {
        let mut values = self.columns.iter().map(|column| column.value(row));
        let mut next = || values.next().unwrap_or(0);
        let rank = if self.shape == Shape::Ranked { next() } else { 0 };
        let (observed_at, place, fragment_id) = (next(), next(), next());
        (rank, Key { observed_at, place: place as u32, fragment_id })
    }

    /// Writes `count` columns of the order of some rows; null for no row.
    pub(super) fn columns(
        shape: Shape,
        count: usize,
        places: impl Iterator<Item = Option<Place>> + Clone,
    ) -> Vec<ArrayRef> {
        let part = |at: usize| {
            move |(rank, key): Place| match at + usize::from(shape != Shape::Ranked) {
                0 => rank,
                1 => key.observed_at,
                2 => i64::from(key.place),
                _ => key.fragment_id,
            }
        };
        let column = |at| -> ArrayRef {
            Arc::new(places.clone().map(|place| place.map(part(at))).collect::<Int64Array>())
        };
        (0..count).map(column).collect()
    }
}
