//! `profile_candidates`: for each merged value, who had something to say, and why it won or lost.
//!
//! Made like `profile_lineage`, a group of people at a time.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::engine::profiles::lineage::{AttributeCandidates, PolicyReader};
use crate::error::Result;
use crate::merge::lineage::Reason;
use crate::query::postgres::text_form;
use crate::query::session::zone::Zone;
use crate::query::tables::lookup::{Choice, LookupColumn};
use crate::query::tables::profile_lineage::{
    People, chosen, fragment_column, fragment_fields, pieces, profile_numbers, repeated, unopened,
};
use crate::query::tables::{Binding, RowGroup, VirtualTable, column};

/// The table.
#[derive(Debug)]
pub struct ProfileCandidates;

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    let mut fields = vec![
        column("profile_id", DataType::Int64, false, "the person"),
        column("policy", text(), false, "the merge policy"),
        column("attribute", text(), false, "the attribute"),
        column("value", text(), true, "what the fragment says, as text, moments in UTC"),
    ];
    fields.extend(fragment_fields());
    let words: Vec<_> = Reason::ALL.iter().map(|reason| reason.text()).collect();
    let reason = format!("null if it alone won, else one of: {}", words.join(", "));
    fields.extend([
        column("won", DataType::Boolean, false, "whether the merged value is its, or made of it"),
        column("reason", text(), true, &reason),
    ]);
    fields
}

impl VirtualTable for ProfileCandidates {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "one row per person, attribute and fragment whose dataset has the attribute: whether it won, \
         and why not, under the session's merge policy, or under those that WHERE policy = ... or \
         policy IN (...) names"
            .to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["policy", "attribute", "fragment_id"]
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
        let all = self.0.reader.candidates(&self.0.attributes, &self.0.profiles)?;
        Ok(Some(Arc::new(Rows { reader: Arc::clone(&self.0.reader), all })))
    }
}

/// The rows, attribute after attribute.
struct Rows {
    reader: Arc<PolicyReader>,
    all: Vec<AttributeCandidates>,
}

impl RowGroup for Rows {
    fn row_count(&self) -> usize {
        self.all.iter().map(|one| one.profiles.len()).sum()
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        let reader = &self.reader;
        let piece = |one: &AttributeCandidates| -> Result<ArrayRef> {
            let count = one.profiles.len();
            Ok(match at {
                0 => profile_numbers(&one.profiles),
                1 => repeated(reader.policy(), count),
                2 => repeated(&reader.attributes()[one.attribute].name, count),
                3 => text_form::texts(&one.values, Zone::UTC)?,
                4..=8 => fragment_column(reader.snapshot(), &one.fragments, at - 4)?,
                9 => {
                    Arc::new(one.reasons.iter().map(|it| Some(won(*it))).collect::<BooleanArray>())
                }
                _ => {
                    let words = one.reasons.iter().map(|reason| reason.map(Reason::text));
                    Arc::new(words.collect::<StringViewArray>())
                }
            })
        };
        pieces(&fields()[at], self.all.iter().map(piece))
    }
}

/// Whether the merged value is the fragment's, or made of it.
fn won(reason: Option<Reason>) -> bool {
    reason.is_none_or(|reason| reason == Reason::Contributes)
}
