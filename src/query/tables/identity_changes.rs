//! `identity_changes`: the log of what happened to profiles, and what did it.
//!
//! Each row was noted when it happened (`engine`); only the names of identities and namespaces are
//! looked up now. A namespace that was dropped has none any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringViewBuilder, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};

use crate::engine::Snapshot;
use crate::engine::internal::CHANGES;
use crate::error::{Error, Result};
use crate::query::tables::{Binding, RowGroup, VirtualTable, column};
use crate::storage::part::{Part, time_type};

/// The table.
#[derive(Debug)]
pub struct IdentityChanges;

fn fields() -> Vec<Field> {
    let (text, number) = (|| DataType::Utf8View, || DataType::Int64);
    vec![
        column("change_id", number(), false, "its number, in the order in which it happened"),
        column(
            "kind",
            text(),
            false,
            "joined: a profile id ceased to be; split: one came to be; moved: an identity changed profiles",
        ),
        column(
            "namespace",
            text(),
            true,
            "namespace of the identity that moved, unless it was dropped",
        ),
        column(
            "identity",
            text(),
            true,
            "the identity that moved; null if a profile joined or split",
        ),
        column("from_profile_id", number(), false, "the profile before"),
        column("to_profile_id", number(), false, "the profile after"),
        column("fragment_id", number(), true, "the row that did it; null if a statement did"),
        column("statement", text(), true, "the statement that did it; null if a row did"),
        column("changed_at", time_type(), false, "when it became durable and visible"),
    ]
}

impl VirtualTable for IdentityChanges {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "when profiles joined and split and identities moved, and what did it".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["change_id"]
    }

    fn row_count(&self, snapshot: &Snapshot) -> Option<usize> {
        Some(snapshot.state.row_count(CHANGES))
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let snapshot = binding.snapshot();
        let schema = Arc::new(Schema::new(fields()));
        let mut groups: Vec<Arc<dyn RowGroup>> = Vec::new();
        for (_, part) in snapshot.state.parts(CHANGES) {
            for group in 0..part.group_count() {
                let (snapshot, part) = (Arc::clone(&snapshot), Arc::clone(part));
                groups.push(Arc::new(Rows { snapshot, part, group, schema: Arc::clone(&schema) }));
            }
        }
        Ok(groups)
    }
}

/// A group of a part of the log.
struct Rows {
    snapshot: Arc<Snapshot>,
    part: Arc<Part>,
    group: usize,
    schema: SchemaRef,
}

impl Rows {
    fn identities(&self) -> Result<UInt32Array> {
        let numbers = self.part.column(self.group, "identity", &DataType::UInt32)?;
        let numbers = numbers.as_primitive_opt::<UInt32Type>().cloned();
        numbers.ok_or_else(|| Error::corrupted("identity numbers are not numbers"))
    }

    /// The names of the identities' namespaces; null if there is no such namespace any more.
    fn namespaces(&self) -> Result<ArrayRef> {
        let namespaces = self.snapshot.catalog().namespaces.values();
        let names: BTreeMap<u32, &str> =
            namespaces.map(|namespace| (namespace.id, namespace.name.as_str())).collect();
        let reader = self.snapshot.dictionary.reader();
        let numbers = self.identities()?;
        let mut texts = StringViewBuilder::with_capacity(numbers.len()).with_deduplicate_strings();
        for number in &numbers {
            let namespace = number.and_then(|number| reader.get(number)).map(|(id, _)| id);
            texts.append_option(namespace.and_then(|id| names.get(&id).copied()));
        }
        Ok(Arc::new(texts.finish()))
    }
}

impl RowGroup for Rows {
    fn row_count(&self) -> usize {
        self.part.group_rows(self.group)
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        let field = self.schema.field(at);
        match field.name().as_str() {
            "change_id" => Ok(Arc::new(self.part.fragment_ids(self.group)?)),
            "namespace" => self.namespaces(),
            "identity" => Ok(Arc::new(self.snapshot.identity_texts(&self.identities()?)?)),
            name => self.part.column(self.group, name, field.data_type()),
        }
    }
}
