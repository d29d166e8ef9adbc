//! `selfsame.decisions`: stewards' decisions in force.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::catalog::Catalog;
use crate::engine::Snapshot;
use crate::error::Result;
use crate::model::decision::DecidedIdentity;
use crate::query::tables::identities::time_column;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group, texts};
use crate::storage::part::time_type;

/// The table.
#[derive(Debug)]
pub struct Decisions;

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("kind", text(), false, "LINK: they are one person; UNLINK: they are not"),
        column("left_namespace", text(), false, "namespace of the identity named first"),
        column("left_identity", text(), false, "its normalised value"),
        column("right_namespace", text(), false, "namespace of the other identity"),
        column("right_identity", text(), false, "its normalised value"),
        column("decided_by", text(), false, "the user who decided"),
        column("decided_at", time_type(), false, "when it was decided"),
        column("comment", text(), true, "why, if it was said"),
    ]
}

fn namespace(catalog: &Catalog, identity: &DecidedIdentity) -> Option<String> {
    catalog.namespace_by_id(identity.namespace).map(|namespace| namespace.name.clone())
}

impl VirtualTable for Decisions {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "stewards' decisions in force, in the order in which they were made".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["left_namespace", "left_identity", "right_namespace", "right_identity"]
    }

    fn row_count(&self, snapshot: &Snapshot) -> Option<usize> {
        Some(snapshot.catalog().decisions.len())
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let snapshot = binding.snapshot();
        let catalog = snapshot.catalog();
        let all = catalog.decisions.in_order();
        let columns: Vec<ArrayRef> = vec![
            texts(all.iter().map(|decision| Some(decision.kind.words().0.to_owned()))),
            texts(all.iter().map(|decision| namespace(catalog, &decision.left))),
            texts(all.iter().map(|decision| Some(decision.left.value.clone()))),
            texts(all.iter().map(|decision| namespace(catalog, &decision.right))),
            texts(all.iter().map(|decision| Some(decision.right.value.clone()))),
            texts(all.iter().map(|decision| Some(decision.decided_by.clone()))),
            time_column(all.iter().map(|decision| decision.decided_at), i64::MIN),
            texts(all.iter().map(|decision| decision.comment.clone())),
        ];
        one_group(fields(), columns)
    }
}
