//! SHOW, SHOW ALL and SHOW CREATE: small answers that need no plan.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::memory::MemoryStream;

use crate::error::Result;
use crate::model::names::quote_name;
use crate::query::error::{from_arrow, from_datafusion};
use crate::query::session::prepare::text_columns;
use crate::query::session::settings::known;
use crate::query::session::{Inner, Outcome};
use crate::query::statements::ObjectKind;

/// Answers SHOW; without a name, SHOW ALL.
///
/// # Errors
/// `42704`.
pub(super) fn setting(session: &Arc<Inner>, name: Option<&str>) -> Result<Outcome> {
    let Some(name) = name else {
        let mut rows: Vec<_> = session
            .settings()
            .into_iter()
            .map(|(known, value)| vec![known.name.to_owned(), value, known.doc.to_owned()])
            .collect();
        rows.sort_by_key(|row| row[0].to_lowercase());
        return texts(text_columns(&["name", "setting", "description"]), rows, "SHOW");
    };
    let value = session.setting(name)?;
    let shown = known(name).map_or(name, |known| known.name);
    texts(text_columns(&[shown]), vec![vec![value]], "SHOW")
}

/// Answers SHOW CREATE.
///
/// # Errors
/// `42704` or `42P01` if there is no such object.
pub(super) fn definition(session: &Arc<Inner>, kind: ObjectKind, name: &str) -> Result<Outcome> {
    let snapshot = session.snapshot();
    let catalog = snapshot.catalog();
    let text = match kind {
        ObjectKind::Namespace => catalog.namespace(name)?.to_string(),
        ObjectKind::Dataset => {
            let mut text = catalog.dataset(name)?.to_string();
            for column in catalog.access.sensitive.get(name).into_iter().flatten() {
                let (name, column) = (quote_name(name), quote_name(column));
                text += &format!(";\nALTER DATASET {name} ALTER COLUMN {column} SET SENSITIVE");
            }
            text
        }
        ObjectKind::MergePolicy => catalog.policy(name)?.to_string(),
    };
    texts(text_columns(&["definition"]), vec![vec![text]], "SHOW CREATE")
}

/// An answer of texts.
///
/// # Errors
/// If a row has not as many texts as there are columns, which is a mistake of ours.
pub(super) fn texts(
    schema: SchemaRef,
    rows: Vec<Vec<String>>,
    tag: &'static str,
) -> Result<Outcome> {
    let column = |at: usize| -> ArrayRef {
        Arc::new(rows.iter().map(|row| row.get(at).cloned()).collect::<StringArray>())
    };
    let columns = (0..schema.fields().len()).map(column).collect();
    rows_of(RecordBatch::try_new(schema, columns).map_err(|error| from_arrow(&error))?, tag)
}

/// An answer of these rows.
///
/// # Errors
/// `XX000` if DataFusion refuses them, which would be a mistake of ours.
pub(super) fn rows_of(batch: RecordBatch, tag: &'static str) -> Result<Outcome> {
    let schema = batch.schema();
    let stream = MemoryStream::try_new(vec![batch], Arc::clone(&schema), None)
        .map_err(|error| from_datafusion(&error, ""))?;
    Ok(Outcome::Rows { schema, stream: Box::pin(stream), tag })
}
