//! `selfsame.audit`: who read or changed what, since the server started, the last entries.

use arrow::array::{ArrayRef, Int32Array, Int64Array, ListBuilder, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

use crate::engine::Snapshot;
use crate::error::Result;
use crate::query::tables::identities::time_column;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group, text_list, texts};
use crate::storage::part::time_type;

/// The table.
#[derive(Debug)]
pub struct Audit;

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("audit_id", DataType::Int64, false, "its number since the server started"),
        column("noted_at", time_type(), false, "when"),
        column("user_name", text(), false, "the user who connected, or wanted to"),
        column("role_name", text(), false, "the role that the session acted as"),
        column(
            "client",
            text(),
            true,
            "address and port of the client; null: not over the network",
        ),
        column("application_name", text(), false, "what the client calls itself"),
        column("process_id", DataType::Int32, false, "the session"),
        column("kind", text(), false, "the statement's kind, or LOGIN"),
        column("relations", text_list(), false, "the tables, views and roles that it names"),
        column("row_count", DataType::Int64, true, "rows read or changed, if that is known"),
        column("outcome", text(), false, "ok, or the SQLSTATE"),
    ]
}

impl VirtualTable for Audit {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "who read or changed what; the log has all of it, this table the last entries".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["audit_id"]
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let all = binding.directory().audit();
        let mut relations = ListBuilder::new(StringViewBuilder::new());
        for entry in &all {
            entry.relations.iter().for_each(|name| relations.values().append_value(name));
            relations.append(true);
        }
        let some = |text: fn(&super::AuditRow) -> &String| {
            texts(all.iter().map(|entry| Some(text(entry).clone())))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(all.iter().map(|entry| entry.audit_id))),
            time_column(all.iter().map(|entry| entry.at), i64::MAX),
            some(|entry| &entry.user),
            some(|entry| &entry.role),
            texts(all.iter().map(|entry| entry.client.clone())),
            some(|entry| &entry.application_name),
            Arc::new(Int32Array::from_iter_values(all.iter().map(|entry| entry.process_id))),
            some(|entry| &entry.kind),
            Arc::new(relations.finish()),
            Arc::new(all.iter().map(|entry| entry.row_count).collect::<Int64Array>()),
            some(|entry| &entry.outcome),
        ];
        one_group(fields(), columns)
    }
}
