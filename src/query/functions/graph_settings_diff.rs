//! `graph_settings_diff(statements)`: which profiles would split or join if statements were executed
//! that change how the graph is made. Nothing is changed.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::graph::changes::{ChangeKind, ProfileChange};
use crate::model::definition::{Definition, NamespaceChange};
use crate::query::functions::{Argument, Context, Signature, TableFunction, batch};
use crate::query::statements::{Parsed, parse, split};
use crate::query::tables::{column, texts};

/// The function.
#[derive(Debug)]
pub struct GraphSettingsDiff;

const SIGNATURE: Signature = Signature {
    name: "graph_settings_diff",
    parameters: &["statements"],
    required_count: 1,
    result: "TABLE(change text, namespace text, identity text, profile_id bigint, \
             new_profile_id bigint)",
    comment: "the profiles that would split or join under changed settings, before changing them",
    example: "SELECT * FROM graph_settings_diff('ALTER NAMESPACE email SET UNIQUE')",
};

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column(
            "change",
            text(),
            false,
            "split: a part becomes a profile of its own; joined: all of it goes to another; moved: an identity does",
        ),
        column("namespace", text(), false, "namespace of the identity"),
        column("identity", text(), false, "the identity that goes, or the first of those that do"),
        column("profile_id", DataType::Int64, false, "the profile that it belongs to"),
        column("new_profile_id", DataType::Int64, false, "the profile that it would belong to"),
    ]
}

impl TableFunction for GraphSettingsDiff {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn schema(&self, _context: &Context, _arguments: &[Argument]) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn rows(&self, context: &Context, arguments: &[&str]) -> Result<RecordBatch> {
        let [statements] = *arguments else {
            return Err(Error::internal("graph_settings_diff() was called with other arguments"));
        };
        let snapshot = &context.snapshot;
        let catalog = changed(snapshot.catalog(), statements)?;
        let changes = snapshot.state.changes_under(&catalog, &snapshot.dictionary)?;
        let identities: UInt32Array = changes.iter().map(|(_, identity)| Some(*identity)).collect();
        let word = |kind| match kind {
            ChangeKind::Split => "split",
            ChangeKind::Joined => "joined",
            ChangeKind::Moved => "moved",
        };
        let profiles = |profile: fn(&ProfileChange) -> u32| {
            Int64Array::from_iter_values(
                changes.iter().map(|(change, _)| i64::from(profile(change))),
            )
        };
        let columns: Vec<ArrayRef> = vec![
            texts(changes.iter().map(|(change, _)| Some(word(change.kind).to_owned()))),
            Arc::new(snapshot.identity_namespaces(&identities)?),
            Arc::new(snapshot.identity_texts(&identities)?),
            Arc::new(profiles(|change| change.from_profile)),
            Arc::new(profiles(|change| change.to_profile)),
        ];
        batch(fields(), columns)
    }
}

/// A catalog after statements.
fn changed(catalog: &Catalog, statements: &str) -> Result<Catalog> {
    let mut catalog = catalog.clone();
    for piece in split(statements).map_err(|error| placed(&error, 0))? {
        let definition = parse(piece.text)
            .and_then(|parsed| setting(parsed, piece.text))
            .map_err(|error| placed(&error, piece.offset_chars))?;
        if let Some(next) = catalog.apply(&definition)?.catalog {
            catalog = next;
        }
    }
    Ok(catalog)
}

/// The definition of a statement, if it is one that the graph alone depends on.
fn setting(parsed: Option<Parsed>, text: &str) -> Result<Definition> {
    let only_graph = |change: &NamespaceChange| {
        matches!(change, NamespaceChange::Unique(_) | NamespaceChange::Rank(_))
    };
    match parsed {
        Some(Parsed::Define(definition @ Definition::AlterSystem { .. })) => Ok(definition),
        Some(Parsed::Define(Definition::AlterNamespace { name, changes }))
            if changes.iter().all(only_graph) =>
        {
            Ok(Definition::AlterNamespace { name, changes })
        }
        Some(Parsed::Define(Definition::AlterNamespace { .. })) => {
            let message = "graph_settings_diff() cannot tell what NORMALIZE and BLOCK would do";
            Err(Error::unsupported(message).hint(
                "they change what identities are; try them on sample rows with simulate_graph()",
            ))
        }
        _ => {
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            let words = words.join(" ").to_uppercase();
            let message = format!("graph_settings_diff() takes no {words}");
            Err(Error::unsupported(message).hint(
                "it takes: ALTER NAMESPACE ... SET [NOT] UNIQUE, ALTER NAMESPACE ... SET RANK n, \
                 ALTER SYSTEM SET graph_identities_max = n",
            ))
        }
    }
}

/// An error of the parser, whose position is one of the argument and not of the query.
fn placed(error: &Error, offset_chars: usize) -> Error {
    let mut told = Error::new(error.code(), error.message());
    if let Some(hint) = error.get_hint() {
        told = told.hint(hint);
    }
    let place = error
        .get_position()
        .map(|position| format!("at character {} of the argument", position + offset_chars));
    let detail: Vec<&str> = error.get_detail().into_iter().chain(place.as_deref()).collect();
    if detail.is_empty() { told } else { told.detail(detail.join("; ")) }
}
