//! `selfsame.sessions`: the sessions that are open.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::error::Result;
use crate::query::tables::identities::time_column;
use crate::query::tables::{Binding, RowGroup, VirtualTable, column, one_group, texts};
use crate::storage::part::time_type;

/// The table.
#[derive(Debug)]
pub struct Sessions;

fn fields() -> Vec<Field> {
    let text = || DataType::Utf8View;
    vec![
        column("process_id", DataType::Int64, false, "its number, as pg_backend_pid() gives it"),
        column("user_name", text(), false, "who"),
        column("application_name", text(), false, "with what program"),
        column("state", text(), false, "active, idle, ..."),
        column("query", text(), false, "the running or last statement"),
        column("started_at", time_type(), false, "when it connected"),
    ]
}

impl VirtualTable for Sessions {
    fn schema(&self, _snapshot: &Snapshot) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(fields())))
    }

    fn comment(&self) -> String {
        "sessions that are open".to_owned()
    }

    fn key(&self) -> &'static [&'static str] {
        &["process_id"]
    }

    fn groups(
        &self,
        binding: &Binding,
        _profiles: Option<&[u32]>,
    ) -> Result<Vec<Arc<dyn RowGroup>>> {
        let all = binding.directory().sessions();
        let numbers = all.iter().map(|session| i64::from(session.process_id));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(numbers)),
            texts(all.iter().map(|session| Some(session.user.clone()))),
            texts(all.iter().map(|session| Some(session.application_name.clone()))),
            texts(all.iter().map(|session| Some(session.state.clone()))),
            texts(all.iter().map(|session| Some(session.query.clone()))),
            time_column(all.iter().map(|session| session.started_at), i64::MIN),
        ];
        one_group(fields(), columns)
    }
}
