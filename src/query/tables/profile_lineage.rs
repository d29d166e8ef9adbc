//! `profile_lineage`: where each merged value is from.
//!
//! Rows are merged when they are read, a group of people at a time, and only for the policies and
//! attributes that filters choose. `People` and `chosen` serve the other tables of this kind.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, StringViewArray, UInt32Array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::engine::profiles::lineage::{AttributeLineage, FragmentColumns, PolicyReader};
use crate::error::{Error, Result};
use crate::query::postgres::text_form;
use crate::query::session::zone::Zone;
use crate::query::tables::lookup::{Choice, LookupColumn};
use crate::query::tables::{Binding, RowGroup, VirtualTable, column};
use crate::storage::part::time_type;

/// People merged at a time: enough that reading columns pays, and few enough that their lineage under
/// a hundred attributes stays in some tens of megabytes.
pub const PEOPLE_AT_A_TIME: usize = 4_096;

/// What the tables say of their policies.
const POLICY: &str = "under the session's merge policy, or under those that \
                      WHERE policy = ... or policy IN (...) names";

/// The table.
#[derive(Debug)]
pub struct ProfileLineage;

/// The columns that describe a fragment.
pub(super) fn fragment_fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("dataset", text(), true, "the dataset of the fragment"),
        column("fragment_id", DataType::Int64, true, "the fragment"),
        column("namespace", text(), true, "namespace of its primary identity"),
        column("identity", text(), true, "its primary identity"),
        column("observed_at", time_type(), true, "the source's time of it"),
    ]
}

/// A column of [`fragment_fields`].
pub(super) fn fragment_column(
    snapshot: &Snapshot,
    fragments: &FragmentColumns,
    at: usize,
) -> Result<ArrayRef> {
    Ok(match at {
        0 => Arc::new(fragments.datasets.clone()),
        1 => Arc::new(fragments.fragment_ids.clone()),
        2 => Arc::new(snapshot.identity_namespaces(&fragments.primaries)?),
        3 => Arc::new(snapshot.identity_texts(&fragments.primaries)?),
        _ => Arc::new(fragments.observed_at.clone()),
    })
}

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    let mut fields = vec![
        column("profile_id", DataType::Int64, false, "the person"),
        column("policy", text(), false, "the merge policy"),
        column("attribute", text(), false, "the attribute"),
        column("value", text(), false, "its merged value as text, moments in UTC"),
        column("strategy", text(), false, "the strategy that decided"),
    ];
    fields.extend(fragment_fields());
    let candidates = "how many fragments were candidates";
    fields.push(column("candidates", DataType::Int64, false, candidates));
    fields
}

/// Some people under one policy, whose rows are made when they are read.
pub(super) struct People {
    /// Merges them.
    pub(super) reader: Arc<PolicyReader>,
    /// Which attributes.
    pub(super) attributes: Arc<Vec<usize>>,
    /// Who.
    pub(super) profiles: Vec<u32>,
}

/// The attributes that a choice leaves.
pub(super) fn chosen_attributes(reader: &PolicyReader, choices: &[Choice]) -> Vec<usize> {
    let choice = choices.iter().find(|choice| choice.column == "attribute");
    let wanted = |at: &usize| {
        choice.is_none_or(|choice| choice.values.contains(&reader.attributes()[*at].name))
    };
    (0..reader.attributes().len()).filter(wanted).collect()
}

/// What choices leave: people under each policy named, or under the session's.
pub(super) fn chosen(
    binding: &Binding,
    profiles: Option<&[u32]>,
    choices: &[Choice],
) -> Result<Vec<People>> {
    let snapshot = binding.snapshot();
    let mut policies = match choices.iter().find(|choice| choice.column == "policy") {
        Some(choice) => choice.values.clone(),
        None => vec![binding.policy()],
    };
    policies.sort_unstable();
    policies.dedup();
    // A policy that does not exist has no rows, as any other constant that nothing is equal to.
    policies.retain(|policy| snapshot.catalog().policies.contains_key(policy));
    let mut all = Vec::new();
    for policy in policies {
        let reader = Arc::new(PolicyReader::new(binding.database(), &snapshot, &policy)?);
        reader.check_told()?;
        let attributes = Arc::new(chosen_attributes(&reader, choices));
        for run in reader.people(profiles).chunks(PEOPLE_AT_A_TIME) {
            let (reader, attributes) = (Arc::clone(&reader), Arc::clone(&attributes));
            all.push(People { reader, attributes, profiles: run.to_vec() });
        }
    }
    Ok(all)
}

impl VirtualTable for ProfileLineage {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        format!("one row per person and attribute with a value: where it is from, {POLICY}")
    }

    fn key(&self) -> &'static [&'static str] {
        &["profile_id", "policy", "attribute"]
    }

    fn lookups(&self, _binding: &Binding, _snapshot: &Snapshot) -> Vec<LookupColumn> {
        vec![LookupColumn::profile_id()]
    }

    fn choosing(&self) -> &'static [&'static str] {
        &["policy", "attribute"]
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
        let group = |people| Arc::new(Group(people)) as Arc<dyn RowGroup>;
        Ok(chosen(binding, profiles, choices)?.into_iter().map(group).collect())
    }
}

struct Group(People);

/// The error of a group that is asked for a column before it is opened.
pub(super) fn unopened() -> Error {
    Error::internal("a group of rows was read before it was opened")
}

impl RowGroup for Group {
    fn row_count(&self) -> usize {
        self.0.profiles.len() * self.0.attributes.len()
    }

    fn column(&self, _at: usize) -> Result<ArrayRef> {
        Err(unopened())
    }

    fn is_counted(&self) -> bool {
        false
    }

    fn open(&self) -> Result<Option<Arc<dyn RowGroup>>> {
        let all = self.0.reader.lineage(&self.0.attributes, &self.0.profiles)?;
        Ok(Some(Arc::new(Rows { reader: Arc::clone(&self.0.reader), all })))
    }
}

/// The rows, attribute after attribute.
struct Rows {
    reader: Arc<PolicyReader>,
    all: Vec<AttributeLineage>,
}

/// A column made of one piece per attribute.
pub(super) fn pieces(
    field: &Field,
    pieces: impl Iterator<Item = Result<ArrayRef>>,
) -> Result<ArrayRef> {
    let pieces: Vec<ArrayRef> = pieces.collect::<Result<_>>()?;
    let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
    if pieces.is_empty() {
        return Ok(arrow::array::new_empty_array(field.data_type()));
    }
    concat(&pieces).map_err(|error| Error::internal(format!("lineage does not fit: {error}")))
}

/// One text, so many times.
pub(super) fn repeated(text: &str, count: usize) -> ArrayRef {
    Arc::new(std::iter::repeat_n(Some(text), count).collect::<StringViewArray>())
}

/// Numbers of people as the column that shows them.
pub(super) fn profile_numbers(profiles: &UInt32Array) -> ArrayRef {
    Arc::new(profiles.iter().map(|one| one.map(i64::from)).collect::<Int64Array>())
}

impl RowGroup for Rows {
    fn row_count(&self) -> usize {
        self.all.iter().map(|one| one.profiles.len()).sum()
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        let reader = &self.reader;
        let piece = |one: &AttributeLineage| -> Result<ArrayRef> {
            let count = one.profiles.len();
            Ok(match at {
                0 => profile_numbers(&one.profiles),
                1 => repeated(reader.policy(), count),
                2 => repeated(&reader.attributes()[one.attribute].name, count),
                3 => text_form::texts(&one.values, Zone::UTC)?,
                4 => repeated(&reader.strategy_name(one.attribute), count),
                5..=9 => fragment_column(reader.snapshot(), &one.fragments, at - 5)?,
                _ => Arc::new(one.candidate_counts.clone()),
            })
        };
        pieces(&fields()[at], self.all.iter().map(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Database, Options};
    use crate::query::session::{Server, Settings};
    use crate::query::tables::NoDirectory;

    #[test]
    fn only_what_filters_choose_is_merged() {
        let database = Database::open(Options::memory()).unwrap();
        let server = Server::new(Arc::clone(&database), Settings::default());
        let session = server.session("it", "it", &[]).unwrap();
        let sql = "CREATE NAMESPACE id; CREATE DATASET crm (id TEXT IDENTITY id, a TEXT, b TEXT);
                   CREATE MERGE POLICY other MERGE BY earliest;
                   INSERT INTO crm VALUES ('1', 'x', 'y'), ('2', 'x', 'y'), ('3', 'x', 'y')";
        server.runtime().block_on(session.run_script(sql)).unwrap();
        let binding = Binding::new(database, Arc::new(NoDirectory));
        let choice = |column: &str, values: &[&str]| Choice {
            column: column.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            text: String::new(),
        };
        let check = |profiles: Option<&[u32]>, choices: &[Choice], expected: &str| {
            let people = chosen(&binding, profiles, choices).unwrap();
            let one = |one: &People| {
                format!("{} {:?} {:?}", one.reader.policy(), one.attributes, one.profiles)
            };
            assert_eq!(people.iter().map(one).collect::<Vec<_>>().join("; "), expected);
        };
        check(None, &[], "latest [0, 1, 2] [0, 1, 2]");
        check(Some(&[1, 9]), &[choice("attribute", &["b"])], "latest [2] [1]");
        let both = choice("policy", &["other", "latest", "other", "nothing"]);
        check(Some(&[0]), &[both], "latest [0, 1, 2] [0]; other [0, 1, 2] [0]");
        check(None, &[choice("policy", &[])], "");
    }
}
