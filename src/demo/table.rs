//! A table of the sample: its columns, how many rows it has, and how each row comes about.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    ListBuilder, RecordBatch, StringViewArray, StringViewBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::demo::Company;
use crate::demo::calendar::{Micros, arrival};
use crate::demo::cell::{Cell, Row};
use crate::demo::random::Dice;
use crate::model::column::{ColumnType, UTC};

/// In which format `selfsame demo` writes a table, so that every one is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Comma-separated values with a header: [`Company::write_csv`].
    Csv,
    /// A JSON object a line: [`Company::write_ndjson`].
    Ndjson,
    /// Parquet, which the caller writes from [`Company::batch`].
    Parquet,
}

/// A table of the sample: one dataset of [`crate::demo::DDL`].
pub struct Table {
    /// The dataset's name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub doc: &'static str,
    /// The format of its file.
    pub format: FileFormat,
    /// Rows per thousand people.
    pub(crate) rows_per_thousand: u64,
    /// Names and types of its columns.
    pub(crate) columns: fn() -> Vec<(&'static str, ColumnType)>,
    /// The rows that are the same in every company; they come first.
    pub(crate) story: fn() -> Vec<Row>,
    /// Any other row.
    pub(crate) row: fn(&Place) -> Row,
    /// Columns and texts that are none of their type: each spoils one extra row of the file.
    pub(crate) spoiled: &'static [(&'static str, &'static str)],
}

/// Where a row is: what its values follow from.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The company.
    pub(crate) company: Company,
    /// The row's number among the rows that are not the story's.
    pub(crate) row: u64,
    /// How many such rows there are.
    pub(crate) count: u64,
    /// The dice of the table.
    pub(crate) dice: Dice,
}

impl Place {
    /// When the row arrives.
    pub(crate) fn arrival(&self) -> Micros {
        arrival(self.row, self.count)
    }

    /// The row's dice.
    pub(crate) fn dice(&self) -> Dice {
        self.dice.of("row").at(self.row)
    }

    /// The place of the row that is delivered here: so many times in a thousand one of the last `window` again.
    pub(crate) fn delivered(&self, again_per_mille: u64, window: u64) -> Self {
        let dice = self.dice.of("delivery").at(self.row);
        let again = self.row > 0 && dice.of("again").per_mille(again_per_mille);
        let back = if again { 1 + dice.of("back").below(window.min(self.row)) } else { 0 };
        Self { row: self.row - back, ..*self }
    }
}

impl Table {
    /// The name of its file.
    pub fn file_name(&self) -> String {
        let extension = match self.format {
            FileFormat::Csv => "csv",
            FileFormat::Ndjson => "ndjson",
            FileFormat::Parquet => "parquet",
        };
        format!("{}.{extension}", self.name)
    }

    /// The schema of its batches: every column nullable, in Arrow's type for it.
    pub fn schema(&self) -> SchemaRef {
        let field = |(name, ty): (&str, ColumnType)| Field::new(name, ty.to_arrow(), true);
        Arc::new(Schema::new((self.columns)().into_iter().map(field).collect::<Vec<_>>()))
    }

    fn generated_count(&self, company: Company) -> u64 {
        (company.people * self.rows_per_thousand / 1000).max(1)
    }

    pub(crate) fn row_count(&self, company: Company) -> u64 {
        (self.story)().len() as u64 + self.generated_count(company)
    }

    /// Rows as cells.
    pub(crate) fn rows(&self, company: Company, rows: Range<u64>) -> impl Iterator<Item = Row> {
        let count = self.row_count(company);
        assert!(rows.end <= count, "table \"{}\" has {count} rows only", self.name);
        let story = (self.story)();
        let (count, dice) = (self.generated_count(company), company.dice().of(self.name));
        rows.map(move |at| match story.get(at as usize) {
            Some(row) => row.clone(),
            None => (self.row)(&Place { company, row: at - story.len() as u64, count, dice }),
        })
    }

    pub(crate) fn batch(&self, company: Company, rows: Range<u64>) -> RecordBatch {
        let mut rows: Vec<_> = self.rows(company, rows).collect();
        let column = |(at, (_, ty)): (usize, &(&str, ColumnType))| {
            let cells = rows.iter_mut().map(|row| std::mem::take(&mut row[at])).collect();
            array(ty, cells)
        };
        let columns = (self.columns)().iter().enumerate().map(column).collect();
        RecordBatch::try_new(self.schema(), columns).expect("columns are as the schema says")
    }
}

/// The values of those cells that are one; a cell of another variant is a mistake in a table's file.
macro_rules! values {
    ($cells:expr, $variant:ident) => {
        $cells.into_iter().map(|cell| match cell {
            Cell::$variant(value) => Some(value),
            Cell::Null => None,
            other => panic!("{other:?} in a column of {}", stringify!($variant)),
        })
    };
}

fn array(ty: &ColumnType, cells: Vec<Cell>) -> ArrayRef {
    match ty {
        ColumnType::Text => Arc::new(values!(cells, Text).collect::<StringViewArray>()),
        ColumnType::Boolean => Arc::new(values!(cells, Boolean).collect::<BooleanArray>()),
        ColumnType::Integer => Arc::new(values!(cells, Integer).collect::<Int32Array>()),
        ColumnType::BigInt => Arc::new(values!(cells, BigInt).collect::<Int64Array>()),
        ColumnType::Double => Arc::new(values!(cells, Double).collect::<Float64Array>()),
        ColumnType::Date => Arc::new(values!(cells, Date).collect::<Date32Array>()),
        ColumnType::TimestampTz => {
            let times: TimestampMicrosecondArray = values!(cells, Time).collect();
            Arc::new(times.with_timezone(UTC))
        }
        ColumnType::Numeric { precision, scale: 2 } => {
            let wide = values!(cells, Hundredths).map(|value| value.map(i128::from));
            let numbers = wide.collect::<Decimal128Array>().with_precision_and_scale(*precision, 2);
            Arc::new(numbers.expect("two digits fit every precision from two"))
        }
        ColumnType::Array(element) if **element == ColumnType::Text => {
            let mut builder = ListBuilder::new(StringViewBuilder::new());
            for items in values!(cells, Texts) {
                builder.append_option(items.map(|items| items.into_iter().map(Some)));
            }
            Arc::new(builder.finish())
        }
        other => panic!("no table of the sample has a column of type {other}"),
    }
}
