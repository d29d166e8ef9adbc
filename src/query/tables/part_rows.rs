//! Rows of a dataset's part as a row group: identities, profiles, times and columns, made when asked.

use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, Int64Array, UInt32Array, UInt32Builder};
use arrow::datatypes::DataType;

use crate::engine::Snapshot;
use crate::engine::evidence::{RowRun, profile_column};
use crate::engine::rows::{RowFacts, observed_at};
use crate::error::{Error, Result};
use crate::model::dataset::{Dataset, Role};

/// What a column of a table shows of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// `fragment_id`.
    FragmentId,
    /// The dataset's name.
    Dataset,
    /// Namespace of the primary identity.
    Namespace,
    /// The primary identity.
    Identity,
    /// The profile that the row belongs to now.
    ProfileId,
    /// `observed_at`.
    ObservedAt,
    /// `ingested_at`.
    IngestedAt,
    /// The event id, as text.
    EventId,
    /// A column of the dataset, in a type, as it was given.
    Column(String, DataType),
    /// A column of the dataset as an attribute: identities in their normalised form.
    Attribute(String, DataType),
    /// Nothing: the dataset has no such attribute.
    Null(DataType),
}

/// Some rows of a part.
pub struct PartRows {
    snapshot: Arc<Snapshot>,
    dataset: Arc<Dataset>,
    run: RowRun,
    shown: Arc<Vec<Shown>>,
    primaries: OnceLock<UInt32Array>,
}

impl PartRows {
    /// Rows of a run, showing such columns.
    pub fn new(
        snapshot: &Arc<Snapshot>,
        dataset: &Arc<Dataset>,
        run: RowRun,
        shown: &Arc<Vec<Shown>>,
    ) -> Self {
        Self {
            snapshot: Arc::clone(snapshot),
            dataset: Arc::clone(dataset),
            run,
            shown: Arc::clone(shown),
            primaries: OnceLock::new(),
        }
    }

    /// The chosen rows of a column of the whole group.
    fn chosen(&self, column: ArrayRef) -> Result<ArrayRef> {
        self.run.choose(column)
    }

    /// Primary identities of the chosen rows.
    fn primaries(&self) -> Result<&UInt32Array> {
        if let Some(primaries) = self.primaries.get() {
            return Ok(primaries);
        }
        let facts = RowFacts::read(&self.run.part, self.run.group, &self.dataset)?;
        let mut primaries = UInt32Builder::with_capacity(self.run.row_count());
        self.run.each(|row| primaries.append_option(facts.primary(row)));
        let primaries = primaries.finish();
        Ok(self.primaries.get_or_init(|| primaries))
    }

    fn attribute(&self, name: &str, ty: &DataType) -> Result<ArrayRef> {
        let column = self.dataset.column(name).map(|at| &self.dataset.columns[at]);
        if !column.is_some_and(|column| matches!(column.role, Role::Identity(_))) {
            return self.chosen(self.run.part.column(self.run.group, name, ty)?);
        }
        let numbers = self.run.part.identities(self.run.group, name)?;
        let numbers = self.chosen(Arc::new(numbers))?;
        let numbers = numbers.as_any().downcast_ref::<UInt32Array>();
        let numbers = numbers.ok_or_else(|| Error::internal("identities are not numbers"))?;
        Ok(Arc::new(self.snapshot.identity_texts(numbers)?))
    }

    fn shown(&self, shown: &Shown) -> Result<ArrayRef> {
        let (part, group) = (&self.run.part, self.run.group);
        let rows = self.run.row_count();
        match shown {
            Shown::FragmentId => self.chosen(Arc::new(part.fragment_ids(group)?)),
            Shown::Dataset => {
                let name = std::iter::repeat_n(Some(self.dataset.name.as_str()), rows);
                Ok(Arc::new(name.collect::<arrow::array::StringViewArray>()))
            }
            Shown::Namespace => Ok(Arc::new(self.snapshot.identity_namespaces(self.primaries()?)?)),
            Shown::Identity => Ok(Arc::new(self.snapshot.identity_texts(self.primaries()?)?)),
            Shown::ProfileId => {
                let profiles: Int64Array = profile_column(&self.snapshot, self.primaries()?.iter());
                Ok(Arc::new(profiles))
            }
            Shown::ObservedAt => self.chosen(Arc::new(observed_at(part, group, &self.dataset)?)),
            Shown::IngestedAt => self.chosen(Arc::new(part.ingested_at(group)?)),
            Shown::EventId => match self.dataset.event_id() {
                Some(at) => {
                    let name = &self.dataset.columns[at].name;
                    self.chosen(part.column(group, name, &DataType::Utf8View)?)
                }
                None => Ok(arrow::array::new_null_array(&DataType::Utf8View, rows)),
            },
            Shown::Column(name, ty) => self.chosen(part.column(group, name, ty)?),
            Shown::Attribute(name, ty) => self.attribute(name, ty),
            Shown::Null(ty) => Ok(arrow::array::new_null_array(ty, rows)),
        }
    }
}

impl crate::query::tables::RowGroup for PartRows {
    fn row_count(&self) -> usize {
        self.run.row_count()
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        self.shown(&self.shown[at])
    }
}
