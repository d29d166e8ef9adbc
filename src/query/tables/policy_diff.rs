//! `policy_diff(a, b)` and `policy_diff_counts(a, b)`: whose merged values differ under two policies.
//!
//! Both policies merge the same people, a group at a time; values are compared as values, and only those
//! that differ become texts. `query::functions` makes these tables.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array, new_null_array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};

use crate::engine::profiles::lineage::PolicyReader;
use crate::engine::{Database, Snapshot};
use crate::env::threads::parallel_map;
use crate::error::{Error, Result};
use crate::merge::groups::comparator;
use crate::model::policy::MergePolicy;
use crate::query::error::from_arrow;
use crate::query::postgres::text_form;
use crate::query::session::zone::Zone;
use crate::query::tables::lookup::{Choice, LookupColumn};
use crate::query::tables::profile_lineage::{
    PEOPLE_AT_A_TIME, pieces, profile_numbers, repeated, unopened,
};
use crate::query::tables::{Binding, RowGroup, VirtualTable, column};

/// The differences between two policies.
#[derive(Debug)]
pub struct PolicyDiff {
    /// One policy.
    pub left: String,
    /// The other.
    pub right: String,
}

/// How many there are, by attribute.
#[derive(Debug)]
pub struct PolicyDiffCounts {
    /// One policy.
    pub left: String,
    /// The other.
    pub right: String,
}

/// Two policies and the attributes that are compared under them.
struct Pair {
    left: PolicyReader,
    right: PolicyReader,
    attributes: Vec<Compared>,
}

/// An attribute, with its position under each policy that has it.
struct Compared {
    name: String,
    left: Option<usize>,
    right: Option<usize>,
}

/// The attributes of the one policy, then those that only the other has.
fn compared(left: &PolicyReader, right: &PolicyReader) -> Vec<Compared> {
    let (left, right) = (left.attribute_names(), right.attribute_names());
    let place = |names: &[&str], name: &str| names.iter().position(|other| *other == name);
    let missing = right.iter().filter(|name| place(&left, name).is_none());
    left.iter()
        .chain(missing)
        .map(|name| Compared {
            name: (*name).to_owned(),
            left: place(&left, name),
            right: place(&right, name),
        })
        .collect()
}

impl Pair {
    fn named(binding: &Binding, left: &str, right: &str, choices: &[Choice]) -> Result<Self> {
        let snapshot = binding.snapshot();
        let left = PolicyReader::new(binding.database(), &snapshot, left)?;
        let right = PolicyReader::new(binding.database(), &snapshot, right)?;
        Ok(Self::of(left, right, choices))
    }

    fn of(left: PolicyReader, right: PolicyReader, choices: &[Choice]) -> Self {
        let choice = choices.iter().find(|choice| choice.column == "attribute");
        let mut attributes = compared(&left, &right);
        attributes.retain(|it| choice.is_none_or(|choice| choice.values.contains(&it.name)));
        Self { left, right, attributes }
    }

    /// Those of the people who exist under either policy, or all of them, in ascending order.
    fn people(&self, profiles: Option<&[u32]>) -> Vec<u32> {
        let mut people = self.left.people(profiles);
        if self.left.definition().stitch != self.right.definition().stitch {
            people.extend(self.right.people(profiles));
            people.sort_unstable();
            people.dedup();
        }
        people
    }

    /// Merged values of people under both, a pair of columns for each attribute.
    fn values(&self, profiles: &[u32]) -> Result<Vec<(ArrayRef, ArrayRef)>> {
        type Place = fn(&Compared) -> Option<usize>;
        let side = |reader: &PolicyReader, place: Place| -> Result<Vec<Option<ArrayRef>>> {
            let wanted: Vec<usize> = self.attributes.iter().filter_map(place).collect();
            let mut values = reader.values(&wanted, profiles)?.into_iter();
            Ok(self.attributes.iter().map(|it| place(it).and_then(|_| values.next())).collect())
        };
        let left = side(&self.left, |it| it.left)?;
        let right = side(&self.right, |it| it.right)?;
        let none = |of: &ArrayRef| new_null_array(of.data_type(), profiles.len());
        left.into_iter()
            .zip(right)
            .map(|pair| match pair {
                (Some(left), Some(right)) => Ok((left, right)),
                (Some(left), None) => Ok((Arc::clone(&left), none(&left))),
                (None, Some(right)) => Ok((none(&right), right)),
                (None, None) => Err(Error::internal("an attribute of no policy was compared")),
            })
            .collect()
    }
}

/// How many values a policy that need not exist would change, against one that does: the rows of
/// `policy_preview`.
///
/// # Errors
/// What reading rows and merging may give.
pub(in crate::query) fn preview(
    database: &Database,
    snapshot: &Arc<Snapshot>,
    current: &str,
    proposed: &MergePolicy,
) -> Result<RecordBatch> {
    let left = PolicyReader::new(database, snapshot, current)?;
    let right = PolicyReader::of(database, snapshot, proposed)?;
    counted(&Pair::of(left, right, &[]))
}

/// Whether the values in a row of two columns are distinct.
type Distinct = Box<dyn Fn(usize) -> bool>;

/// Compares merged values as IS DISTINCT FROM does. Numbers are compared as numbers, exactly; values of
/// types that do not compare, such as a text and a list of texts, are distinct.
fn distinct(left: &ArrayRef, right: &ArrayRef) -> Result<Distinct> {
    let valid = {
        let nulls = [left.logical_nulls(), right.logical_nulls()];
        move |row: usize| {
            nulls.each_ref().map(|nulls| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)))
        }
    };
    let equal = equal(left, right)?;
    Ok(Box::new(move |row| match valid(row) {
        [true, true] => !equal(row),
        [left, right] => left != right,
    }))
}

fn equal(left: &ArrayRef, right: &ArrayRef) -> Result<Box<dyn Fn(usize) -> bool>> {
    let converted =
        |array: &ArrayRef, ty: &DataType| cast(array, ty).map_err(|error| from_arrow(&error));
    let exact = |ty: &DataType| ty.is_integer() || matches!(ty, DataType::Decimal128(..));
    let (from, to) = (left.data_type(), right.data_type());
    if from.is_floating() || to.is_floating() {
        return match (from.is_floating(), to.is_floating()) {
            (true, true) => {
                let left = converted(left, &DataType::Float64)?;
                let right = converted(right, &DataType::Float64)?;
                let same = |left: f64, right: f64| left == right || left.is_nan() && right.is_nan();
                Ok(Box::new(move |row| {
                    let value = |array: &ArrayRef| array.as_primitive::<Float64Type>().value(row);
                    same(value(&left), value(&right))
                }))
            }
            (true, false) if to.is_integer() => equal_across(left, right),
            (false, true) if from.is_integer() => equal_across(right, left),
            _ => Ok(Box::new(|_| false)),
        };
    }
    if from == to {
        let compare = comparator(left, right)?;
        return Ok(Box::new(move |row| compare(row, row) == Ordering::Equal));
    }
    if exact(from) && exact(to) {
        let scale = |ty: &DataType| match ty {
            DataType::Decimal128(_, scale) => *scale,
            _ => 0,
        };
        // 38 digits before the point and 38 after it: both fit without loss.
        let ty = DataType::Decimal256(76, scale(from).max(scale(to)));
        return equal(&converted(left, &ty)?, &converted(right, &ty)?);
    }
    Ok(Box::new(|_| false))
}

/// A floating point number against a whole one, exactly.
fn equal_across(float: &ArrayRef, whole: &ArrayRef) -> Result<Box<dyn Fn(usize) -> bool>> {
    let float = cast(float, &DataType::Float64).map_err(|error| from_arrow(&error))?;
    let whole = cast(whole, &DataType::Int64).map_err(|error| from_arrow(&error))?;
    Ok(Box::new(move |row| {
        let float = float.as_primitive::<Float64Type>().value(row);
        let whole = whole.as_primitive::<Int64Type>().value(row);
        float.trunc() == float && float as i128 == i128::from(whole)
    }))
}

fn diff_fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("profile_id", DataType::Int64, false, "the person"),
        column("attribute", text(), false, "the attribute"),
        column("left_value", text(), true, "its value under the first policy, as text"),
        column("right_value", text(), true, "its value under the second policy, as text"),
    ]
}

impl VirtualTable for PolicyDiff {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(diff_fields())))
    }

    fn comment(&self) -> String {
        format!("values that differ under policies {} and {}", self.left, self.right)
    }

    fn key(&self) -> &'static [&'static str] {
        &["profile_id", "attribute"]
    }

    fn lookups(&self, _binding: &Binding, _snapshot: &Snapshot) -> Vec<LookupColumn> {
        vec![LookupColumn::profile_id()]
    }

    fn choosing(&self) -> &'static [&'static str] {
        &["attribute"]
    }

    fn groups(
        &self,
        binding: &Binding,
        profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        self.chosen_groups(binding, profiles, &[])
    }

    fn chosen_groups(
        &self,
        binding: &Binding,
        profiles: Option<&[u32]>,
        choices: &[Choice],
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let pair = Arc::new(Pair::named(binding, &self.left, &self.right, choices)?);
        let people = pair.people(profiles);
        let group = |run: &[u32]| {
            let group = Group { pair: Arc::clone(&pair), profiles: run.to_vec() };
            Arc::new(group) as Arc<dyn RowGroup>
        };
        Ok(people.chunks(PEOPLE_AT_A_TIME).map(group).collect())
    }
}

/// Some people, whose differences are found when they are read.
struct Group {
    pair: Arc<Pair>,
    profiles: Vec<u32>,
}

impl RowGroup for Group {
    fn row_count(&self) -> usize {
        self.profiles.len()
    }

    fn column(&self, _at: usize) -> Result<ArrayRef> {
        Err(unopened())
    }

    fn is_counted(&self) -> bool {
        false
    }

    fn open(&self) -> Result<Option<Arc<dyn RowGroup>>> {
        let mut found = Vec::new();
        let values = self.pair.values(&self.profiles)?;
        for (attribute, (left, right)) in self.pair.attributes.iter().zip(values) {
            let distinct = distinct(&left, &right)?;
            let rows: UInt32Array =
                (0..left.len()).filter(|row| distinct(*row)).map(|row| Some(row as u32)).collect();
            let of = |values: &ArrayRef| {
                let values = take(values, &rows, None).map_err(|error| from_arrow(&error))?;
                text_form::texts(&values, Zone::UTC)
            };
            let profiles = rows.iter().flatten().map(|row| Some(self.profiles[row as usize]));
            found.push([
                profile_numbers(&profiles.collect()),
                repeated(&attribute.name, rows.len()),
                of(&left)?,
                of(&right)?,
            ]);
        }
        Ok(Some(Arc::new(Differences(found))))
    }
}

/// Differences, attribute after attribute.
struct Differences(Vec<[ArrayRef; 4]>);

impl RowGroup for Differences {
    fn row_count(&self) -> usize {
        self.0.iter().map(|columns| columns[0].len()).sum()
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        pieces(&diff_fields()[at], self.0.iter().map(|columns| Ok(Arc::clone(&columns[at]))))
    }
}

/// The columns of counts.
pub(in crate::query) fn count_fields() -> Vec<Field> {
    let count = |name: &str, comment: &str| column(name, DataType::Int64, false, comment);
    vec![
        column("attribute", DataType::Utf8View, false, "the attribute"),
        count("differing", "people with different values"),
        count("only_left", "people with a value under the first policy only"),
        count("only_right", "people with a value under the second policy only"),
        count("profiles", "people compared"),
    ]
}

/// People with different values, with a left one only, with a right one only.
type Counts = [i64; 3];

impl VirtualTable for PolicyDiffCounts {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(count_fields())))
    }

    fn comment(&self) -> String {
        format!("how many values differ under policies {} and {}", self.left, self.right)
    }

    fn key(&self) -> &'static [&'static str] {
        &["attribute"]
    }

    fn choosing(&self) -> &'static [&'static str] {
        &["attribute"]
    }

    fn groups(
        &self,
        binding: &Binding,
        profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        self.chosen_groups(binding, profiles, &[])
    }

    fn chosen_groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
        choices: &[Choice],
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let pair = Pair::named(binding, &self.left, &self.right, choices)?;
        Ok(vec![Arc::new(Counting(pair))])
    }
}

/// All people, who are counted when the group is read.
struct Counting(Pair);

impl RowGroup for Counting {
    fn row_count(&self) -> usize {
        self.0.attributes.len()
    }

    fn column(&self, _at: usize) -> Result<ArrayRef> {
        Err(unopened())
    }

    fn open(&self) -> Result<Option<Arc<dyn RowGroup>>> {
        let counts: Arc<dyn RowGroup> = Arc::new(counted(&self.0)?);
        Ok(Some(counts))
    }
}

/// A row of counts for each attribute, over all people.
fn counted(pair: &Pair) -> Result<RecordBatch> {
    let people = pair.people(None);
    let runs: Vec<&[u32]> = people.chunks(PEOPLE_AT_A_TIME).collect();
    let counted = parallel_map(runs.len(), |at| counts(pair, runs[at]))?;
    let total = |attribute: usize, which: usize| -> i64 {
        counted.iter().map(|counts| counts[attribute][which]).sum()
    };
    let numbers = |number: &dyn Fn(usize) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..pair.attributes.len()).map(number)))
    };
    let columns = vec![
        crate::query::tables::texts(pair.attributes.iter().map(|it| Some(it.name.clone()))),
        numbers(&|at| total(at, 0)),
        numbers(&|at| total(at, 1)),
        numbers(&|at| total(at, 2)),
        numbers(&|_| people.len() as i64),
    ];
    RecordBatch::try_new(Arc::new(Schema::new(count_fields())), columns)
        .map_err(|error| Error::internal(format!("counts do not fit: {error}")))
}

fn counts(pair: &Pair, profiles: &[u32]) -> Result<Vec<Counts>> {
    let one = |(left, right): (ArrayRef, ArrayRef)| {
        let distinct = distinct(&left, &right)?;
        let mut counts = Counts::default();
        for row in (0..left.len()).filter(|row| distinct(*row)) {
            let which = match (left.is_null(row), right.is_null(row)) {
                (false, true) => 1,
                (true, false) => 2,
                _ => 0,
            };
            counts[which] += 1;
        }
        Ok(counts)
    };
    pair.values(profiles)?.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Float32Array, Float64Array, ListArray, StringViewArray};

    fn check(left: ArrayRef, right: ArrayRef, expected: &str) {
        let both = distinct(&left, &right).unwrap();
        let shown: String = (0..left.len()).map(|row| if both(row) { '!' } else { '=' }).collect();
        assert_eq!(shown, expected, "{left:?} {right:?}");
    }

    #[test]
    fn values_are_compared_as_values() {
        let floats = |values: Vec<Option<f64>>| Arc::new(Float64Array::from(values)) as ArrayRef;
        let whole = |values: Vec<Option<i64>>| Arc::new(Int64Array::from(values)) as ArrayRef;
        check(whole(vec![Some(1), None, None]), whole(vec![Some(1), None, Some(2)]), "==!");
        check(
            floats(vec![Some(0.0), Some(f64::NAN), Some(0.1 + 0.2)]),
            floats(vec![Some(-0.0), Some(f64::NAN), Some(0.3)]),
            "==!",
        );
        // The texts of these two would be equal; the numbers are not.
        let large = (1_i64 << 53) + 1;
        check(whole(vec![Some(large), Some(2)]), floats(vec![Some(large as f64), Some(2.0)]), "!=");
        check(floats(vec![Some(2.5), Some(2.0)]), whole(vec![Some(2), Some(2)]), "!=");
        let money = |values: Vec<i128>, scale| {
            let values = Decimal128Array::from(values);
            Arc::new(values.with_data_type(DataType::Decimal128(38, scale))) as ArrayRef
        };
        check(money(vec![150, 151], 2), money(vec![15_000, 15_000], 4), "=!");
        check(money(vec![200], 2), whole(vec![Some(2)]), "=");
        let real = Arc::new(Float32Array::from(vec![0.5, 0.1])) as ArrayRef;
        check(real, floats(vec![Some(0.5), Some(0.1)]), "=!");
        let text = Arc::new(StringViewArray::from(vec![Some("a"), None])) as ArrayRef;
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)]), None]);
        check(text, Arc::new(list), "!=");
    }
}
