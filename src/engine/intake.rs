//! Intake: from the typed columns of a dataset to rows that may be accepted.
//!
//! Normalises identities and gives them their numbers (spec 5.1), and refuses rows that name nobody.
//! Runs on the threads of sessions and loads; the writer need not look at a text again.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringViewArray, UInt32Array,
};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use hashbrown::HashSet;
use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::engine::derive::{DERIVED_IDENTITY, Programs, derive};
use crate::engine::erasure::{BlockedCell, FORGOTTEN};
use crate::engine::step::EventChange;
use crate::env::random::random_u64;
use crate::error::{Error, Result};
use crate::graph::dictionary::Dictionary;
use crate::model::dataset::Dataset;
use crate::model::namespace::{IDENTITIES_PER_ROW_MAX, Namespace};
use crate::storage::part::identity_column;

/// Code of a row that names no usable identity (spec 5.1).
pub const NO_IDENTITY: &str = "no_identity";

/// Code of a row that names too many.
pub const TOO_MANY_IDENTITIES: &str = "too_many_identities";

/// Code of a row that names two identities of one unique namespace (spec 5.2).
pub const UNIQUE_NAMESPACE: &str = "unique_namespace";

/// Takes rows of one dataset in.
pub struct Intake {
    dataset: Arc<Dataset>,
    /// For each identity column: its position and namespace.
    identities: Vec<(usize, Namespace)>,
    programs: Programs,
    dictionary: Arc<Dictionary>,
    blocked: Arc<BlockedCell>,
    stored: SchemaRef,
}

/// Rows taken in.
#[derive(Debug)]
pub struct Taken {
    /// Rows to store: the declared columns, then the identities' numbers.
    pub batch: RecordBatch,
    /// Which rows of the input they are.
    pub rows: Vec<u32>,
    /// Refused rows: row of the input, code, message.
    pub refused: Vec<(usize, &'static str, String)>,
}

/// The Arrow schema of a dataset's declared columns.
pub fn declared_schema(dataset: &Dataset) -> SchemaRef {
    let fields =
        dataset.columns.iter().map(|column| Field::new(&column.name, column.ty.to_arrow(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The Arrow schema of a dataset's rows as stored.
pub fn stored_schema(dataset: &Dataset) -> SchemaRef {
    let mut fields: Vec<Field> =
        declared_schema(dataset).fields().iter().map(|field| field.as_ref().clone()).collect();
    for (at, _) in dataset.identity_columns() {
        let name = identity_column(&dataset.columns[at].name);
        fields.push(Field::new(name, DataType::UInt32, true));
    }
    Arc::new(Schema::new(fields))
}

impl Intake {
    /// Prepares to take rows of a dataset in; `programs` are those of its computed columns.
    ///
    /// # Errors
    /// `42704` if a namespace is gone.
    pub(crate) fn new(
        dataset: &Arc<Dataset>,
        programs: Programs,
        catalog: &Catalog,
        (dictionary, blocked): (&Arc<Dictionary>, &Arc<BlockedCell>),
    ) -> Result<Self> {
        let identities = dataset
            .identity_columns()
            .map(|(at, name)| Ok((at, catalog.namespace(name)?.clone())))
            .collect::<Result<_>>()?;
        Ok(Self {
            dataset: Arc::clone(dataset),
            identities,
            programs,
            dictionary: Arc::clone(dictionary),
            blocked: Arc::clone(blocked),
            stored: stored_schema(dataset),
        })
    }

    /// The schema of the rows taken in.
    pub fn schema(&self) -> &SchemaRef {
        &self.stored
    }

    /// Takes a batch of the declared columns in; what it has in computed ones does not count.
    ///
    /// # Errors
    /// `54000` if the store holds as many identities as it can.
    pub fn take(&self, batch: &RecordBatch) -> Result<Taken> {
        let derived = derive(batch, &self.dataset, &self.programs, &self.identities)?;
        let batch = &derived.batch;
        let numbers = identity_numbers(batch, &self.identities, &self.dictionary)?;
        let mut columns = batch.columns().to_vec();
        columns.extend(numbers.iter().map(|column| Arc::new(column.clone()) as ArrayRef));
        let mut refused = self.refused(&numbers, batch.num_rows());
        if !derived.faults.is_empty() {
            refused.retain(|(row, ..)| !derived.faults.contains_key(row));
            let faults = derived.faults.into_iter();
            refused.extend(faults.map(|(row, message)| (row, DERIVED_IDENTITY, message)));
            refused.sort_unstable_by_key(|(row, ..)| *row);
        }
        self.refuse_forgotten(batch, &mut refused)?;
        let batch = RecordBatch::try_new(Arc::clone(&self.stored), columns)
            .map_err(|error| Error::internal(error.to_string()))?;
        keep(batch, refused)
    }

    /// Refuses rows that name somebody who is not to come back, whatever else is wrong with them.
    fn refuse_forgotten(
        &self,
        batch: &RecordBatch,
        refused: &mut Vec<(usize, &'static str, String)>,
    ) -> Result<()> {
        let blocked = Arc::clone(&self.blocked.read());
        if blocked.is_empty() {
            return Ok(());
        }
        let mut found = BTreeSet::new();
        for (at, namespace) in &self.identities {
            let texts = cast(batch.column(*at), &DataType::Utf8View)
                .map_err(|error| Error::internal(error.to_string()))?;
            for (row, text) in texts.as_string_view().iter().enumerate() {
                let value = text.and_then(|text| namespace.identity(text));
                if value.is_some_and(|value| blocked.has(namespace.id, &value)) {
                    found.insert(row);
                }
            }
        }
        if !found.is_empty() {
            refused.retain(|(row, ..)| !found.contains(row));
            let message = || "the row names somebody who was forgotten and blocked".to_owned();
            refused.extend(found.into_iter().map(|row| (row, FORGOTTEN, message())));
            refused.sort_unstable_by_key(|(row, ..)| *row);
        }
        Ok(())
    }

    /// A unique namespace of which the row names two identities.
    fn repeats_unique(&self, numbers: &[UInt32Array], row: usize) -> Option<&str> {
        let named = |at: usize| numbers[at].is_valid(row).then(|| numbers[at].value(row));
        let repeats = |(at, namespace): (usize, &Namespace)| {
            let others = self.identities[..at].iter().enumerate();
            let mut same = others.filter(|(_, (_, other))| other.id == namespace.id);
            same.any(|(other, _)| {
                named(at).is_some() && named(other).is_some_and(|it| Some(it) != named(at))
            })
        };
        let mut unique = self.identities.iter().map(|(_, namespace)| namespace).enumerate();
        unique
            .find(|(at, namespace)| namespace.unique && repeats((*at, namespace)))
            .map(|(_, namespace)| namespace.name.as_str())
    }

    fn refused(&self, numbers: &[UInt32Array], rows: usize) -> Vec<(usize, &'static str, String)> {
        let mut refused = Vec::new();
        for row in 0..rows {
            let count = numbers.iter().filter(|column| column.is_valid(row)).count();
            if count == 0 && !self.dataset.options.accept_anonymous {
                let names: Vec<_> = self
                    .identities
                    .iter()
                    .map(|(at, _)| self.dataset.columns[*at].name.as_str())
                    .collect();
                let message = format!("no usable identity in {}", names.join(", "));
                refused.push((row, NO_IDENTITY, message));
            } else if count > IDENTITIES_PER_ROW_MAX {
                let message =
                    format!("{count} identities, at most {IDENTITIES_PER_ROW_MAX} are allowed");
                refused.push((row, TOO_MANY_IDENTITIES, message));
            } else if let Some(namespace) = self.repeats_unique(numbers, row) {
                let message =
                    format!("two different identities of unique namespace \"{namespace}\"");
                refused.push((row, UNIQUE_NAMESPACE, message));
            }
        }
        refused
    }
}

/// Numbers of the identities of identity columns, given by position and namespace. They are given row
/// by row, so that they do not depend on how rows were batched.
///
/// # Errors
/// `54000` if the store holds as many identities as it can.
pub(crate) fn identity_numbers(
    batch: &RecordBatch,
    identities: &[(usize, Namespace)],
    dictionary: &Dictionary,
) -> Result<Vec<UInt32Array>> {
    let mut columns = Vec::with_capacity(identities.len());
    for (at, namespace) in identities {
        let texts = cast(batch.column(*at), &DataType::Utf8View)
            .map_err(|error| Error::internal(error.to_string()))?;
        columns.push((texts, namespace));
    }
    let mut values = Vec::with_capacity(batch.num_rows() * identities.len());
    for row in 0..batch.num_rows() {
        for (texts, namespace) in &columns {
            let texts = texts.as_string_view();
            let text = texts.is_valid(row).then(|| texts.value(row));
            values.push(text.and_then(|text| namespace.identity(text)));
        }
    }
    let ids = columns.iter().map(|(_, namespace)| namespace.id).cycle();
    let usable = values.iter().zip(ids);
    let usable: Vec<(u32, &str)> =
        usable.filter_map(|(value, id)| Some((id, value.as_deref()?))).collect();
    let mut numbers = dictionary.intern_all(&usable)?.into_iter();
    let by_row: Vec<Option<u32>> =
        values.iter().map(|value| value.as_ref().and_then(|_| numbers.next())).collect();
    let column = |at: usize| by_row.iter().skip(at).step_by(identities.len()).copied().collect();
    Ok((0..identities.len()).map(column).collect())
}

/// Leaves refused rows out.
fn keep(batch: RecordBatch, refused: Vec<(usize, &'static str, String)>) -> Result<Taken> {
    let count = batch.num_rows();
    if refused.is_empty() {
        return Ok(Taken { batch, rows: (0..count as u32).collect(), refused });
    }
    let mut mask = vec![true; count];
    refused.iter().for_each(|(row, _, _)| mask[*row] = false);
    let rows = (0..count as u32).filter(|row| mask[*row as usize]).collect();
    let batch = filter_record_batch(&batch, &BooleanArray::from(mask))
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(Taken { batch, rows, refused })
}

/// Whether an id was accepted, or would be with what a transaction has changed.
fn accepted(seen: &HashSet<u128>, changed: Option<&EventChange>, id: u128) -> bool {
    match changed {
        None => seen.contains(&id),
        Some(changed) => {
            changed.added.contains(&id) || (seen.contains(&id) && !changed.removed.contains(&id))
        }
    }
}

/// The event ids that a dataset has accepted, as 128-bit hashes: 20 to 39 bytes an event. Two ids are
/// taken for one with a probability of 2^-128 a pair, under keys that are drawn anew at each start unless
/// they were saved with the hashes.
#[derive(Debug)]
pub struct EventIds {
    /// Held by the one load that may run.
    pub turn: Mutex<()>,
    seen: Mutex<HashSet<u128>>,
    keys: [u64; 4],
    /// For each half of a hash, SipHash that has taken in the keys of the half.
    hashers: [DefaultHasher; 2],
}

impl Default for EventIds {
    fn default() -> Self {
        Self::with_keys(std::array::from_fn(|_| random_u64()))
    }
}

impl EventIds {
    /// No ids yet, to be hashed under these keys.
    pub fn with_keys(keys: [u64; 4]) -> Self {
        let hashers = [[keys[0], keys[1]], [keys[2], keys[3]]].map(|keys| {
            let mut hasher = DefaultHasher::new();
            keys.into_iter().for_each(|key| hasher.write_u64(key));
            hasher
        });
        Self { turn: Mutex::default(), seen: Mutex::default(), keys, hashers }
    }

    /// The keys.
    pub fn keys(&self) -> [u64; 4] {
        self.keys
    }

    /// What is made of a known text: the standard library may come to hash otherwise.
    pub fn probe(&self) -> [u64; 2] {
        let hash = self.hash("an event");
        [(hash >> 64) as u64, hash as u64]
    }

    /// How many ids were accepted.
    pub fn count(&self) -> usize {
        self.seen.lock().len()
    }

    /// The hashes of all accepted ids, in no order.
    pub fn all(&self) -> Vec<u128> {
        self.seen.lock().iter().copied().collect()
    }

    fn hash(&self, id: &str) -> u128 {
        let [high, low] = &self.hashers;
        let half = |keyed: &DefaultHasher| {
            let mut hasher = keyed.clone();
            hasher.write(id.as_bytes());
            u128::from(hasher.finish())
        };
        (half(high) << 64) | half(low)
    }

    /// Ids of a column as hashes; `None` where there is no id.
    ///
    /// # Errors
    /// `XX000` if the column cannot be read as text, which `Dataset::check` rules out.
    pub fn hashes(&self, column: &ArrayRef) -> Result<Vec<Option<u128>>> {
        let texts = cast(column, &DataType::Utf8View)
            .map_err(|error| Error::internal(error.to_string()))?;
        let texts = texts.as_any().downcast_ref::<StringViewArray>();
        let texts = texts.ok_or_else(|| Error::internal("event ids are not texts"))?;
        Ok(texts.iter().map(|text| text.map(|text| self.hash(text))).collect())
    }

    /// The rows whose events were not accepted before, nor are in `new_ids`, which takes theirs.
    /// `at` is the position of the event id column, `changed` what a transaction has changed already.
    pub fn fresh(
        &self,
        batch: RecordBatch,
        at: usize,
        changed: Option<&EventChange>,
        new_ids: &mut HashSet<u128>,
    ) -> Result<RecordBatch> {
        let hashes = self.hashes(batch.column(at))?;
        let seen = self.seen.lock();
        let mut fresh = |hash: u128| !accepted(&seen, changed, hash) && new_ids.insert(hash);
        let mask: BooleanArray =
            hashes.into_iter().map(|hash| Some(hash.is_none_or(&mut fresh))).collect();
        if mask.true_count() == mask.len() {
            return Ok(batch);
        }
        filter_record_batch(&batch, &mask).map_err(|error| Error::internal(error.to_string()))
    }

    /// Whether any of the ids was accepted.
    pub fn overlaps(&self, ids: &HashSet<u128>, changed: Option<&EventChange>) -> bool {
        let seen = self.seen.lock();
        ids.iter().any(|id| accepted(&seen, changed, *id))
    }

    /// Forgets ids, so that events with them may be accepted again.
    pub fn remove(&self, hashes: impl IntoIterator<Item = u128>) {
        let mut seen = self.seen.lock();
        hashes.into_iter().for_each(|hash| {
            seen.remove(&hash);
        });
    }

    /// Notes ids as accepted.
    pub fn extend(&self, hashes: impl IntoIterator<Item = u128>) {
        self.seen.lock().extend(hashes);
    }
}
