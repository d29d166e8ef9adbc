//! Masking: what is sensitive is null for those who may not see it, before any filter looks at it.
//!
//! A column is masked whole if its name is a sensitive one, or row by row where another column of the
//! same table says whose value it is: an identity by its namespace, a value by its attribute, a refused row
//! by its dataset. Null is the mask of every type: a filter, a join or a group then says nothing about the
//! value, and no value is confused with a mask.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::{cast, nullif};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::catalog::access::sensitive::Sensitive;
use crate::error::Result;
use crate::query::error::from_arrow;
use crate::query::tables::RowGroup;

/// What decides whose a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selector {
    Namespace,
    Attribute,
    Dataset,
}

/// Columns that are masked row by row: the column, and the one that says whose value it is.
const BY_ROW: &[(&str, &str, Selector)] = &[
    ("identity", "namespace", Selector::Namespace),
    ("left_identity", "left_namespace", Selector::Namespace),
    ("right_identity", "right_namespace", Selector::Namespace),
    ("value", "attribute", Selector::Attribute),
    ("left_value", "attribute", Selector::Attribute),
    ("right_value", "attribute", Selector::Attribute),
    ("from_value", "attribute", Selector::Attribute),
    ("to_value", "attribute", Selector::Attribute),
    ("raw", "dataset", Selector::Dataset),
    ("message", "dataset", Selector::Dataset),
];

/// Columns with texts of statements and errors, which may have any value in them.
const TEXTS: &[&str] = &["statement", "detail", "query"];

/// How one column is masked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Masked {
    /// In all rows.
    Whole,
    /// In rows in which the column at that place has one of these texts.
    ByRow(usize, Arc<BTreeSet<String>>),
}

/// How the columns of one table are masked.
#[derive(Clone, Debug)]
pub struct Mask(Vec<Option<Masked>>);

impl Mask {
    /// The mask of a table, or of the rows that a function gives; `None` if nothing of it is sensitive.
    /// `dataset` is set for the table of a dataset, which has its own names of columns.
    pub fn of(sensitive: &Sensitive, schema: &Schema, dataset: Option<&str>) -> Option<Self> {
        let own = dataset.map(|name| sensitive.columns.get(name).cloned().unwrap_or_default());
        let column = |field: &Arc<Field>| match &own {
            Some(own) => own.contains(field.name()).then_some(Masked::Whole),
            None => of_column(sensitive, schema, field.name()),
        };
        let columns: Vec<_> = schema.fields().iter().map(column).collect();
        columns.iter().any(Option::is_some).then_some(Self(columns))
    }

    /// Whether something of a column is masked.
    pub fn hides(&self, schema: &Schema, column: &str) -> bool {
        schema.index_of(column).is_ok_and(|at| self.0.get(at).is_some_and(Option::is_some))
    }

    /// A group of rows with the mask on.
    pub fn group(&self, schema: &SchemaRef, group: Arc<dyn RowGroup>) -> Arc<dyn RowGroup> {
        Arc::new(MaskedGroup { mask: self.clone(), schema: Arc::clone(schema), group })
    }

    /// Rows with the mask on, whose columns are those of the schema that the mask was made of.
    ///
    /// # Errors
    /// `XX000` if they are not.
    pub fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let column =
            |at: usize| self.column(at, batch.num_rows(), &|at| Ok(Arc::clone(batch.column(at))));
        let columns = (0..batch.num_columns()).map(column).collect::<Result<Vec<_>>>()?;
        let fields = batch.schema().fields().iter().map(|it| nullable(it)).collect::<Vec<_>>();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| from_arrow(&error))
    }

    fn column(
        &self,
        at: usize,
        row_count: usize,
        read: &dyn Fn(usize) -> Result<ArrayRef>,
    ) -> Result<ArrayRef> {
        match self.0.get(at).and_then(Option::as_ref) {
            None => read(at),
            // The type is read off the column, which is cheap where columns are made of what is stored.
            Some(Masked::Whole) => Ok(new_null_array(read(at)?.data_type(), row_count)),
            Some(Masked::ByRow(selector, texts)) => {
                let hidden = hidden(&read(*selector)?, texts)?;
                nullif(&read(at)?, &hidden).map_err(|error| from_arrow(&error))
            }
        }
    }
}

/// A field that may be null.
pub fn nullable(field: &Field) -> Field {
    field.clone().with_nullable(true)
}

fn of_column(sensitive: &Sensitive, schema: &Schema, name: &str) -> Option<Masked> {
    if sensitive.attributes.contains(name) || TEXTS.contains(&name) {
        return Some(Masked::Whole);
    }
    let (_, selector, kind) = BY_ROW.iter().find(|(column, ..)| *column == name)?;
    let at = schema.index_of(selector).ok()?;
    let texts: BTreeSet<String> = match kind {
        Selector::Namespace => sensitive.namespaces.clone(),
        Selector::Attribute => sensitive.attributes.clone(),
        Selector::Dataset => sensitive.columns.keys().cloned().collect(),
    };
    (!texts.is_empty()).then(|| Masked::ByRow(at, Arc::new(texts)))
}

/// In which rows a text is one of these; unknown ones are hidden too.
fn hidden(selector: &ArrayRef, texts: &BTreeSet<String>) -> Result<BooleanArray> {
    let selector = cast(selector, &DataType::Utf8View).map_err(|error| from_arrow(&error))?;
    let selector = selector.as_string_view();
    let hides = |at: usize| selector.is_null(at) || texts.contains(selector.value(at));
    Ok((0..selector.len()).map(|at| Some(hides(at))).collect())
}

/// Rows with a mask on.
struct MaskedGroup {
    mask: Mask,
    schema: SchemaRef,
    group: Arc<dyn RowGroup>,
}

impl RowGroup for MaskedGroup {
    fn row_count(&self) -> usize {
        self.group.row_count()
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        if self.mask.0.get(at) == Some(&Some(Masked::Whole)) {
            return Ok(new_null_array(self.schema.field(at).data_type(), self.row_count()));
        }
        self.mask.column(at, self.row_count(), &|at| self.group.column(at))
    }

    fn is_counted(&self) -> bool {
        self.group.is_counted()
    }

    fn open(&self) -> Result<Option<Arc<dyn RowGroup>>> {
        let opened = self.group.open()?;
        Ok(opened.map(|group| self.mask.group(&self.schema, group)))
    }
}
