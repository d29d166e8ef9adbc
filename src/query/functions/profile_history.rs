//! `profile_history(namespace, value [, policy])`: what became of a person's merged values over time.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Builder, RecordBatch, StringViewBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::profiles::history::HistorySteps;
use crate::engine::profiles::lineage::PolicyReader;
use crate::error::{Error, Result};
use crate::model::column::UTC;
use crate::model::policy::{MergePolicy, Stitch};
use crate::query::functions::{Argument, Context, Signature, TableFunction, batch};
use crate::query::postgres::text_form::texts;
use crate::query::session::zone::Zone;
use crate::query::tables::column;
use crate::storage::part::time_type;

/// The function.
#[derive(Debug)]
pub struct ProfileHistory;

const SIGNATURE: Signature = Signature {
    name: "profile_history",
    parameters: &["namespace", "value", "policy"],
    required_count: 2,
    result: "TABLE(changed_at timestamp with time zone, attribute text, from_value text, \
             to_value text, dataset text, fragment_id bigint)",
    comment: "each change of a merged attribute of the person whom an identity belongs to",
    example: "SELECT * FROM profile_history('email', 'ann@example.com')",
};

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("changed_at", time_type(), true, "observed_at of the rows; null: they have none"),
        column("attribute", text(), false, "the attribute"),
        column("from_value", text(), true, "its value before, as text"),
        column("to_value", text(), true, "its value from then on, as text"),
        column("dataset", text(), true, "dataset of the row that gave it; null: several, or none"),
        column("fragment_id", DataType::Int64, true, "the row that gave it"),
    ]
}

/// Refuses policies whose people are not graphs, or whose values no fragments have.
fn check(policy: &MergePolicy) -> Result<()> {
    let why = match (&policy.query, policy.stitch) {
        (Some(_), _) => "is a query",
        (None, Stitch::None) => "ignores links",
        (None, Stitch::Graph) => return Ok(()),
    };
    let message = format!("merge policy \"{}\" {why}, and has no history", policy.name);
    Err(Error::unsupported(message)
        .hint("name another policy, or look at some moments with SET as_of"))
}

impl TableFunction for ProfileHistory {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn schema(&self, context: &Context, arguments: &[Argument]) -> Result<SchemaRef> {
        if let Some(Argument::Text(policy)) = arguments.get(2) {
            context.snapshot.catalog().policy(policy)?;
        }
        Ok(Arc::new(Schema::new(fields())))
    }

    fn rows(&self, context: &Context, arguments: &[&str]) -> Result<RecordBatch> {
        let (namespace, value, policy) = match *arguments {
            [namespace, value, policy] => (namespace, value, policy),
            [namespace, value] => (namespace, value, context.policy.as_str()),
            _ => return Err(Error::internal("profile_history() was called with other arguments")),
        };
        let reader = PolicyReader::new(&context.database, &context.snapshot, policy)?;
        check(reader.definition())?;
        let history = match context.snapshot.identity(namespace, value)? {
            Some(identity) => reader.history(identity)?,
            None => Vec::new(),
        };
        let names = reader.attributes().iter().map(|attribute| attribute.name.clone());
        let mut changes = Changes::of(names.collect(), context.zone);
        history.iter().try_for_each(|steps| changes.add(steps))?;
        changes.finish()
    }
}

/// Changes as they are found.
struct Changes {
    names: Vec<String>,
    zone: Zone,
    /// The values so far.
    now: Vec<Option<String>>,
    changed_at: TimestampMicrosecondBuilder,
    /// `attribute`, `from_value`, `to_value`, `dataset`.
    texts: [StringViewBuilder; 4],
    fragment_id: Int64Builder,
}

impl Changes {
    fn of(names: Vec<String>, zone: Zone) -> Self {
        Self {
            now: vec![None; names.len()],
            names,
            zone,
            changed_at: TimestampMicrosecondBuilder::new(),
            texts: std::array::from_fn(|_| StringViewBuilder::new()),
            fragment_id: Int64Builder::new(),
        }
    }

    fn add(&mut self, steps: &HistorySteps) -> Result<()> {
        let attributes = steps.attributes.iter();
        let shown = attributes.map(|(values, _)| texts(values, self.zone));
        let shown = shown.collect::<Result<Vec<_>>>()?;
        for (at, observed_at) in steps.observed_at.iter().enumerate() {
            for (attribute, values) in shown.iter().enumerate() {
                let values = values.as_string_view();
                let value = values.is_valid(at).then(|| values.value(at));
                if self.now[attribute].as_deref() == value {
                    continue;
                }
                let givers = &steps.attributes[attribute].1;
                let known = value.is_some() && givers.datasets.is_valid(at);
                let before = std::mem::replace(&mut self.now[attribute], value.map(str::to_owned));
                let [name, from_value, to_value, dataset] = &mut self.texts;
                self.changed_at.append_option(*observed_at);
                name.append_value(&self.names[attribute]);
                from_value.append_option(before);
                to_value.append_option(value);
                dataset.append_option(known.then(|| givers.datasets.value(at)));
                self.fragment_id.append_option(known.then(|| givers.fragment_ids.value(at)));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(self.changed_at.finish().with_timezone(UTC))];
        columns.extend(self.texts.iter_mut().map(|texts| Arc::new(texts.finish()) as ArrayRef));
        columns.push(Arc::new(self.fragment_id.finish()));
        batch(fields(), columns)
    }
}
