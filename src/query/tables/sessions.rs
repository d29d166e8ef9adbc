//! `selfsame.sessions`: the sessions that are open.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::Snapshot;
use crate::error::Result;
use crate::query::tables::identities::time_column;
use crate::query::tables::{Binding, RowGroup, SessionRow, VirtualTable, column, one_group, texts};
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
        column("client_address", text(), true, "where its client is; null within the process"),
        column(
            "statement_started_at",
            time_type(),
            true,
            "when its running or last statement began",
        ),
        column("state_changed_at", time_type(), false, "when its state last changed"),
        column("state_seconds", DataType::Float64, false, "for how long it has been in its state"),
        column("waits_for", text(), true, "client, if it waits for its client; null if it works"),
    ]
}

fn statement_started_at(session: &SessionRow) -> i64 {
    session.statement_started_at.unwrap_or(i64::MIN)
}

fn state_seconds(session: &SessionRow) -> f64 {
    // The machine's clock may have been put back meanwhile.
    (session.now - session.state_changed_at).max(0) as f64 / 1e6
}

fn waits_for(session: &SessionRow) -> Option<String> {
    (session.state != "active").then(|| "client".to_owned())
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
            texts(all.iter().map(|session| session.client_address.clone())),
            time_column(all.iter().map(statement_started_at), i64::MIN),
            time_column(all.iter().map(|session| session.state_changed_at), i64::MIN),
            Arc::new(Float64Array::from_iter_values(all.iter().map(state_seconds))),
            texts(all.iter().map(waits_for)),
        ];
        one_group(fields(), columns)
    }
}
