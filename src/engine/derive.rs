//! Computed identity columns: when their values are made, and what becomes of rows that have none.
//!
//! The engine knows when, not how: expressions are SQL, so that the layer above brings a [`Derive`] that
//! makes programs of them. Called by the intake, before identities are normalised; what it computes is
//! stored like any value, so that nothing computes it again.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray, new_null_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::engine::database::Database;
use crate::error::{Error, Result};
use crate::ingest::coerce;
use crate::model::column::ColumnType;
use crate::model::dataset::Dataset;
use crate::model::definition::Definition;
use crate::model::namespace::Namespace;

/// Code of a row whose computed identity cannot be computed.
pub const DERIVED_IDENTITY: &str = "derived_identity";

/// Datasets whose programs are kept: more than anybody loads at a time, each some KiB.
const PROGRAMS_MAX: usize = 1_024;

/// The first characters of the SQLSTATEs that speak of the values, not of the program: data exceptions.
const DATA_EXCEPTION: &str = "22";

/// From the columns that a program reads to its column of text.
pub type Evaluate = dyn Fn(Vec<ArrayRef>) -> Result<ArrayRef> + Send + Sync;

/// How to compute one column.
#[derive(Clone)]
pub struct Program {
    /// The column's position in its dataset.
    pub column: usize,
    /// Positions of the columns that it reads, at least one. Values are in the columns' types, but for
    /// identities, which are text: normalised, null where there is no usable one.
    pub inputs: Vec<usize>,
    /// Computes a value for each row.
    pub evaluate: Arc<Evaluate>,
}

/// What makes programs of the expressions of computed columns.
pub trait Derive: Send + Sync {
    /// The program of one computed column.
    ///
    /// # Errors
    /// What is wrong with the expression, with its position in it.
    fn compile(&self, dataset: &Dataset, column: usize) -> Result<Program>;
}

/// The programs of the datasets that rows were taken in for, as long as these stay as they are.
#[derive(Default)]
pub(crate) struct Derivations {
    derive: OnceLock<Arc<dyn Derive>>,
    programs: Mutex<HashMap<u32, (Dataset, Programs)>>,
}

/// The programs of one dataset.
pub(crate) type Programs = Arc<Vec<Program>>;

impl Derivations {
    fn compile(&self, dataset: &Dataset) -> Result<Programs> {
        let derive = self.derive.get().ok_or_else(|| {
            Error::unsupported("computed identity columns need a query engine")
                .hint("open the database with query::open, or make a server of it")
        })?;
        let programs = dataset.derived_columns().map(|(at, _)| derive.compile(dataset, at));
        programs.collect::<Result<Vec<_>>>().map(Arc::new)
    }

    /// The programs of a dataset.
    pub(crate) fn programs(&self, dataset: &Dataset) -> Result<Programs> {
        if dataset.derived_columns().next().is_none() {
            return Ok(Programs::default());
        }
        let known = self.programs.lock().get(&dataset.id).cloned();
        if let Some((_, programs)) = known.filter(|(made_for, _)| made_for == dataset) {
            return Ok(programs);
        }
        let programs = self.compile(dataset)?;
        let mut kept = self.programs.lock();
        if kept.len() >= PROGRAMS_MAX {
            kept.clear();
        }
        kept.insert(dataset.id, (dataset.clone(), Arc::clone(&programs)));
        Ok(programs)
    }

    /// Refuses a new dataset whose columns cannot be computed.
    pub(crate) fn check(&self, definition: &Definition) -> Result<()> {
        match Dataset::of_definition(definition) {
            Some(dataset) if dataset.derived_columns().next().is_some() => {
                dataset.check()?;
                self.compile(&dataset).map(|_| ())
            }
            _ => Ok(()),
        }
    }
}

impl Database {
    /// Says how computed columns are computed; the first one said counts.
    pub fn derive_with(&self, derive: Arc<dyn Derive>) {
        // A second server of the same database brings the same.
        let _ = self.derivations().derive.set(derive);
    }
}

/// Rows with their computed columns.
pub(crate) struct Derived {
    /// The declared columns.
    pub(crate) batch: RecordBatch,
    /// Why rows have no value, by row.
    pub(crate) faults: BTreeMap<usize, String>,
}

/// Computes the computed columns of a batch of the declared columns, whatever it has in them.
/// `identities` are the positions and namespaces of the identity columns.
pub(crate) fn derive(
    batch: &RecordBatch,
    dataset: &Dataset,
    programs: &[Program],
    identities: &[(usize, Namespace)],
) -> Result<Derived> {
    let mut columns = batch.columns().to_vec();
    let mut faults = BTreeMap::new();
    for program in programs {
        let input = |at: &usize| match identities.iter().find(|(known, _)| known == at) {
            Some((_, namespace)) => normalized(batch.column(*at), namespace),
            None => Ok(Arc::clone(batch.column(*at))),
        };
        let inputs = program.inputs.iter().map(input).collect::<Result<Vec<_>>>()?;
        let name = &dataset.columns[program.column].name;
        let mut note = |row: usize, message: &str| {
            faults.entry(row).or_insert_with(|| format!("column \"{name}\": {message}"));
        };
        columns[program.column] = evaluate(program, inputs, batch.num_rows(), &mut note)?;
    }
    let batch = RecordBatch::try_new(batch.schema(), columns)
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(Derived { batch, faults })
}

/// The identities of a column, null where a value is unusable.
fn normalized(column: &ArrayRef, namespace: &Namespace) -> Result<ArrayRef> {
    let texts =
        cast(column, &DataType::Utf8View).map_err(|error| Error::internal(error.to_string()))?;
    let identity = |text: Option<_>| text.and_then(|text| namespace.identity(text));
    let identities: StringViewArray = texts.as_string_view().iter().map(identity).collect();
    Ok(Arc::new(identities))
}

/// All rows at once; one by one if that fails, to find those at fault.
fn evaluate(
    program: &Program,
    inputs: Vec<ArrayRef>,
    row_count: usize,
    note: &mut impl FnMut(usize, &str),
) -> Result<ArrayRef> {
    let texts = match (program.evaluate)(inputs.clone()) {
        Ok(texts) => texts,
        Err(error) if is_of_values(&error) => each(program, &inputs, row_count, note)?,
        Err(error) => return Err(error),
    };
    let (texts, failures) = coerce(&texts, &ColumnType::Text)?;
    failures.iter().for_each(|(row, _, message)| note(*row, message));
    Ok(texts)
}

fn each(
    program: &Program,
    inputs: &[ArrayRef],
    row_count: usize,
    note: &mut impl FnMut(usize, &str),
) -> Result<ArrayRef> {
    let mut texts = Vec::with_capacity(row_count);
    for row in 0..row_count {
        let inputs = inputs.iter().map(|input| input.slice(row, 1)).collect();
        texts.push(match (program.evaluate)(inputs) {
            Ok(text) => text,
            Err(error) if is_of_values(&error) => {
                note(row, error.message());
                new_null_array(&DataType::Utf8View, 1)
            }
            Err(error) => return Err(error),
        });
    }
    let texts: Vec<&dyn Array> = texts.iter().map(AsRef::as_ref).collect();
    concat(&texts).map_err(|error| Error::internal(error.to_string()))
}

fn is_of_values(error: &Error) -> bool {
    error.code().0.starts_with(DATA_EXCEPTION)
}
