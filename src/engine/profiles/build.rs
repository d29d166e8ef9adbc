//! Merging some profiles from their rows: the one way in which profiles come about.
//!
//! For each profile: its identities (ring of the component), their totals, and their record rows
//! (chains of the index); then `merge` decides, attribute by attribute. Identity attributes take part
//! as identity numbers where only the order of fragments decides, so that no text is touched before
//! the winners are known.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arrow::array::{
    ArrayRef, AsArray, Int64Array, ListBuilder, RecordBatch, StringViewBuilder,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};

use crate::catalog::attributes::Attribute;
use crate::engine::index::{RowLocation, Totals};
use crate::engine::policy_query::{PolicyProgram, PolicyPrograms, columns};
use crate::engine::profiles::{Chunk, Shape, profile_ids, schema_of};
use crate::engine::rows::{observed_at, order_times};
use crate::engine::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::merge::operator::{Columns, Fragments, merge};
use crate::merge::plan::MergePlan;
use crate::model::column::{ColumnType, UTC};
use crate::model::dataset::{Dataset, Role, Upsert};
use crate::model::policy::{PolicyQuery, Stitch};
use crate::storage::part::Part;

/// Merges profiles of one snapshot under one policy.
pub(crate) struct Builder<'a> {
    snapshot: &'a Arc<Snapshot>,
    plan: MergePlan,
    schema: SchemaRef,
    attributes: &'a [Attribute],
    /// Record datasets in order of creation.
    datasets: Vec<&'a Dataset>,
    /// Names of all datasets by number.
    names: BTreeMap<u32, &'a str>,
    /// For each slot, the number of its first group in `groups`.
    first_group: Vec<Option<usize>>,
    groups: Vec<Group<'a>>,
    stitch: Stitch,
    /// What computes attributes instead of the plan, if the policy is a query.
    query: Option<(&'a PolicyQuery, Arc<dyn PolicyProgram>)>,
}

/// A group of rows of a record dataset.
struct Group<'a> {
    part: &'a Part,
    group: usize,
    /// Position of its dataset among the record datasets.
    dataset: usize,
    facts: OnceLock<Facts>,
    columns: Vec<OnceLock<Option<ArrayRef>>>,
}

/// What the order of fragments needs of a group.
struct Facts {
    observed_at: Int64Array,
    fragment_ids: Int64Array,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        snapshot: &'a Arc<Snapshot>,
        shape: &'a Shape,
        programs: &PolicyPrograms,
    ) -> Result<Self> {
        let mut builder = Self::of(snapshot, shape, false)?;
        if let Some(query) = &shape.policy.query {
            builder.query = Some((query, programs.program(snapshot, query)?));
        }
        Ok(builder)
    }

    /// A builder that gathers rows of datasets which take no part in the policy, too.
    pub(super) fn of_all(snapshot: &'a Arc<Snapshot>, shape: &'a Shape) -> Result<Self> {
        Self::of(snapshot, shape, true)
    }

    fn of(snapshot: &'a Arc<Snapshot>, shape: &'a Shape, all_datasets: bool) -> Result<Self> {
        let catalog = snapshot.catalog();
        let shown = catalog.merge_plan(&shape.policy)?;
        let plan = working_plan(shape, &shown)?;
        let datasets = catalog.record_datasets();
        let mut first_group = vec![None; snapshot.state.slots.bound()];
        let mut groups = Vec::new();
        for (at, dataset) in datasets.iter().enumerate() {
            if plan.place(at).is_none() && !all_datasets {
                continue;
            }
            for (slot, part) in snapshot.state.parts(dataset.id) {
                first_group[slot as usize] = Some(groups.len());
                groups.extend((0..part.group_count()).map(|group| Group {
                    part,
                    group,
                    dataset: at,
                    facts: OnceLock::new(),
                    columns: shape.attributes.iter().map(|_| OnceLock::new()).collect(),
                }));
            }
        }
        let names = catalog.datasets.values().map(|dataset| (dataset.id, dataset.name.as_str()));
        Ok(Self {
            snapshot,
            schema: schema_of(&shown, &shape.policy),
            plan,
            attributes: &shape.attributes,
            datasets,
            names: names.collect(),
            first_group,
            groups,
            stitch: shape.policy.stitch,
            query: None,
        })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Merges profiles, given in ascending order.
    pub(super) fn chunk(&self, profiles: &[u32]) -> Result<Chunk> {
        let (people, fragments) = self.gather(profiles)?;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(profile_ids(profiles))];
        let wanted: Vec<usize> = (0..self.attribute_count()).collect();
        columns.extend(self.values(&wanted, profiles, &fragments)?);
        columns.extend(self.counts(&people));
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::internal(format!("merged profiles do not fit: {error}")))?;
        Ok(Chunk { ids: Arc::new(profiles.to_vec()), rows, live: None })
    }

    /// How many attributes the policy has.
    fn attribute_count(&self) -> usize {
        self.query.as_ref().map_or(self.attributes.len(), |(query, _)| query.columns.len())
    }

    /// Merged values of some attributes as they are shown, of people whose fragments were gathered.
    pub(super) fn values(
        &self,
        wanted: &[usize],
        profiles: &[u32],
        fragments: &Fragments,
    ) -> Result<Vec<ArrayRef>> {
        if let Some((query, program)) = &self.query {
            let all = columns(program.as_ref(), query, self.snapshot, profiles)?;
            return Ok(wanted.iter().map(|at| Arc::clone(&all[*at])).collect());
        }
        let merged = merge(&self.plan, wanted, profiles.len(), fragments, self)?;
        wanted.iter().zip(merged).map(|(at, column)| self.shown(*at, column)).collect()
    }

    /// The plan by which it merges; an attribute may be merged as identity numbers.
    pub(super) fn plan(&self) -> &MergePlan {
        &self.plan
    }

    /// The name of a record dataset, by its position among them.
    pub(super) fn dataset_name(&self, dataset: u32) -> &'a str {
        &self.datasets[dataset as usize].name
    }

    /// Totals of each profile, and the record rows that take part; none of those if the policy is a query,
    /// which reads them itself.
    pub(super) fn gather(&self, profiles: &[u32]) -> Result<(Vec<Person>, Fragments)> {
        let mut people = Vec::with_capacity(profiles.len());
        let mut fragments = Fragments::default();
        let state = &self.snapshot.state;
        for (group, profile) in profiles.iter().enumerate() {
            let mut person = Person::default();
            state.each_member(self.stitch, *profile, |member| {
                let totals = state.index.totals(member);
                person.identity_count += 1;
                person.datasets.extend(person.totals.add(&totals, &state.index.sets));
                if self.query.is_some() {
                    return Ok(());
                }
                let mut locations = state.index.records(member);
                locations.try_for_each(|at| self.add(&mut fragments, group as u32, member, at))
            })?;
            people.push(person);
        }
        Ok((people, fragments))
    }

    /// Adds a record row of a primary identity to a group, if its dataset takes part.
    pub(super) fn add(
        &self,
        fragments: &mut Fragments,
        group: u32,
        primary: u32,
        location: RowLocation,
    ) -> Result<()> {
        let Some(first) = self.first_group[location.slot as usize] else { return Ok(()) };
        let (within, row) = self.groups[first].part.locate(location.row as usize);
        let batch = first + within;
        let facts = self.facts(batch)?;
        fragments.group.push(group);
        fragments.dataset.push(self.groups[batch].dataset as u32);
        fragments.primary.push(primary);
        fragments.observed_at.push(facts.observed_at.value(row));
        fragments.fragment_id.push(facts.fragment_ids.value(row));
        fragments.batch.push(batch as u32);
        fragments.row.push(row as u32);
        Ok(())
    }

    fn facts(&self, batch: usize) -> Result<&Facts> {
        let group = &self.groups[batch];
        if let Some(facts) = group.facts.get() {
            return Ok(facts);
        }
        let times = observed_at(group.part, group.group, self.datasets[group.dataset])?;
        let fragment_ids = group.part.fragment_ids(group.group)?;
        let facts = Facts { observed_at: order_times(&times), fragment_ids };
        Ok(group.facts.get_or_init(|| facts))
    }

    /// Whether an attribute is merged as identity numbers.
    fn by_number(&self, attribute: usize) -> bool {
        is_by_number(&self.plan, &self.attributes[attribute], attribute)
    }

    /// A merged column as it is shown.
    pub(super) fn shown(&self, attribute: usize, column: ArrayRef) -> Result<ArrayRef> {
        if !self.by_number(attribute) {
            return Ok(column);
        }
        let numbers = cast(&column, &DataType::UInt32)
            .map_err(|error| Error::internal(format!("identities are not numbers: {error}")))?;
        Ok(Arc::new(self.snapshot.identity_texts(numbers.as_primitive())?))
    }

    fn read(&self, batch: usize, attribute: usize) -> Result<Option<ArrayRef>> {
        let Group { part, group, dataset, .. } = &self.groups[batch];
        let dataset = self.datasets[*dataset];
        let attribute_number = attribute;
        let attribute = &self.attributes[attribute];
        let Some(name) = attribute.column(dataset.id) else { return Ok(None) };
        let column = dataset.column(name).map(|at| &dataset.columns[at]);
        if column.is_some_and(|column| matches!(column.role, Role::Identity(_))) {
            let numbers = part.identities(*group, name)?;
            if self.by_number(attribute_number) {
                let numbers: Int64Array = numbers.unary(i64::from);
                return Ok(Some(Arc::new(numbers)));
            }
            return Ok(Some(Arc::new(self.snapshot.identity_texts(&numbers)?)));
        }
        part.column(*group, name, &attribute.ty.to_arrow()).map(Some)
    }

    fn counts(&self, people: &[Person]) -> Vec<ArrayRef> {
        let count = |count: &dyn Fn(&Person) -> u32| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(people.iter().map(|one| i64::from(count(one)))))
        };
        let time = |time: &dyn Fn(&Totals) -> i64, none: i64| -> ArrayRef {
            let times = people.iter().map(|person| time(&person.totals));
            let times: TimestampMicrosecondArray =
                times.map(|time| (time != none).then_some(time)).collect();
            Arc::new(times.with_timezone(UTC))
        };
        let mut datasets = ListBuilder::new(StringViewBuilder::new().with_deduplicate_strings());
        for person in people {
            let mut names: Vec<&str> =
                person.datasets.iter().filter_map(|id| self.names.get(id).copied()).collect();
            names.sort_unstable();
            names.dedup();
            names.into_iter().for_each(|name| datasets.values().append_value(name));
            datasets.append(true);
        }
        vec![
            count(&|person| person.identity_count),
            count(&|person| person.totals.fragment_count),
            count(&|person| person.totals.event_count),
            time(&|totals| totals.first_seen_at, i64::MAX),
            time(&|totals| totals.last_seen_at, i64::MIN),
            Arc::new(datasets.finish()),
        ]
    }
}

/// Whether an attribute can be merged as identity numbers: it shows identities, and is only carried.
fn is_by_number(plan: &MergePlan, attribute: &Attribute, at: usize) -> bool {
    attribute.namespace.is_some() && plan.is_decided_by_order(at)
}

/// The plan that merges identity numbers where it can.
fn working_plan(shape: &Shape, shown: &MergePlan) -> Result<MergePlan> {
    let names: Vec<String> = shape.datasets.iter().map(|(_, name, _)| name.clone()).collect();
    let attributes = shape.attributes.iter().enumerate().map(|(at, attribute)| {
        let ty = match is_by_number(shown, attribute, at) {
            true => ColumnType::BigInt,
            false => attribute.ty.clone(),
        };
        crate::merge::plan::Attribute { name: attribute.name.clone(), ty }
    });
    MergePlan::try_new(&shape.policy, &names, &attributes.collect::<Vec<_>>())
}

/// What is counted of one person.
#[derive(Default)]
pub(super) struct Person {
    identity_count: u32,
    totals: Totals,
    datasets: Vec<u32>,
}

impl Columns for Builder<'_> {
    fn column(&self, batch: u32, attribute: usize) -> Result<Option<ArrayRef>> {
        let cell = &self.groups[batch as usize].columns[attribute];
        if let Some(column) = cell.get() {
            return Ok(column.clone());
        }
        let column = self.read(batch as usize, attribute)?;
        Ok(cell.get_or_init(|| column).clone())
    }

    fn replaces(&self, dataset: u32) -> bool {
        self.datasets[dataset as usize].options.upsert == Upsert::Replace
    }
}
