//! Column types: the values that a dataset can hold, their SQL names and their Arrow layout.
//!
//! One table of types serves the statement parser, coercion, storage, the catalog and the wire.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, SqlState};

/// The type of a dataset column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// `TEXT`: UTF-8 of any length.
    Text,
    /// `BOOLEAN`.
    Boolean,
    /// `SMALLINT`: 16 bits.
    SmallInt,
    /// `INTEGER`: 32 bits.
    Integer,
    /// `BIGINT`: 64 bits.
    BigInt,
    /// `REAL`: 32-bit floating point.
    Real,
    /// `DOUBLE PRECISION`: 64-bit floating point.
    Double,
    /// `NUMERIC(precision, scale)`: exact decimals of up to 38 digits.
    Numeric {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: i8,
    },
    /// `DATE`.
    Date,
    /// `TIMESTAMP`: microseconds without a zone.
    Timestamp,
    /// `TIMESTAMPTZ`: microseconds since 1970 in UTC.
    TimestampTz,
    /// An array of any other type.
    Array(Box<ColumnType>),
}

/// The zone that every `TIMESTAMPTZ` is stored in.
pub const UTC: &str = "+00:00";

/// Precision and scale of a `NUMERIC` without any: wide enough for money and ratios alike.
pub const NUMERIC_DEFAULT: (u8, i8) = (38, 10);

impl ColumnType {
    /// The Arrow type that holds this type's values, in memory and on disk.
    pub fn to_arrow(&self) -> DataType {
        match self {
            Self::Text => DataType::Utf8View,
            Self::Boolean => DataType::Boolean,
            Self::SmallInt => DataType::Int16,
            Self::Integer => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Real => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Numeric { precision, scale } => DataType::Decimal128(*precision, *scale),
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Self::Array(element) => {
                DataType::List(Arc::new(Field::new("item", element.to_arrow(), true)))
            }
        }
    }

    /// The type that holds all values of an Arrow type, if there is one.
    pub fn of_arrow(ty: &DataType) -> Option<Self> {
        Some(match ty {
            DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Self::Text
            }
            DataType::Boolean => Self::Boolean,
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => Self::SmallInt,
            DataType::UInt16 | DataType::Int32 => Self::Integer,
            DataType::UInt32 | DataType::Int64 => Self::BigInt,
            DataType::UInt64 => Self::Numeric { precision: 20, scale: 0 },
            DataType::Float16 | DataType::Float32 => Self::Real,
            DataType::Float64 => Self::Double,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => {
                let scale_digits = u64::try_from(*scale).ok()?;
                return Self::numeric(u64::from(*precision), scale_digits).ok();
            }
            DataType::Date32 => Self::Date,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::List(element) => Self::Array(Box::new(Self::of_arrow(element.data_type())?)),
            _ => return None,
        })
    }

    /// The type that values of both types can take without loss, if there is one.
    ///
    /// Symmetric and associative, so that the type of an attribute does not depend on the order in
    /// which its datasets were created.
    pub fn union(&self, other: &Self) -> Option<Self> {
        use ColumnType::{Array, BigInt, Double, Integer, Numeric, Real, SmallInt};
        if self == other {
            return Some(self.clone());
        }
        let digits = |ty: &Self| match ty {
            SmallInt => Some((5, 0)),
            Integer => Some((10, 0)),
            BigInt => Some((19, 0)),
            Numeric { precision, scale } => Some((*precision, *scale)),
            _ => None,
        };
        match (self, other) {
            (SmallInt, Integer) | (Integer, SmallInt) => Some(Integer),
            (SmallInt | Integer, BigInt) | (BigInt, SmallInt | Integer) => Some(BigInt),
            (Real, Double) | (Double, Real) => Some(Double),
            (SmallInt | Integer, Double) | (Double, SmallInt | Integer) => Some(Double),
            (SmallInt, Real) | (Real, SmallInt) => Some(Real),
            (Array(left), Array(right)) => left.union(right).map(|ty| Array(Box::new(ty))),
            _ => {
                let ((p1, s1), (p2, s2)) = (digits(self)?, digits(other)?);
                let scale = s1.max(s2);
                let whole = (p1 as i8 - s1).max(p2 as i8 - s2);
                let precision = u8::try_from(whole + scale).ok()?;
                (precision <= 38).then_some(Numeric { precision, scale })
            }
        }
    }

    /// A `NUMERIC` of that many digits.
    ///
    /// # Errors
    /// `22023` if precision is not 1 to 38 or scale not 0 to precision.
    pub fn numeric(precision: u64, scale: u64) -> Result<Self> {
        if !(1..=38).contains(&precision) || scale > precision {
            let message = format!("numeric({precision},{scale}) is not possible");
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("precision is 1 to 38, scale is 0 to the precision"));
        }
        Ok(Self::Numeric { precision: precision as u8, scale: scale as i8 })
    }

    /// Whether values are numbers.
    pub fn is_numeric(&self) -> bool {
        matches!(
            self,
            Self::SmallInt
                | Self::Integer
                | Self::BigInt
                | Self::Real
                | Self::Double
                | Self::Numeric { .. }
        )
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("TEXT"),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Integer => f.write_str("INTEGER"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Real => f.write_str("REAL"),
            Self::Double => f.write_str("DOUBLE PRECISION"),
            Self::Numeric { precision, scale } => write!(f, "NUMERIC({precision},{scale})"),
            Self::Date => f.write_str("DATE"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::TimestampTz => f.write_str("TIMESTAMPTZ"),
            Self::Array(element) => write!(f, "{element}[]"),
        }
    }
}
