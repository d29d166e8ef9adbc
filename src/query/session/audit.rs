//! The audit log: who read or changed what, when and from where.
//!
//! One entry for each statement that the level asks for, and for each that was refused for want of a right
//! or a password: its kind and the relations that it names, never its text, so that no value and no
//! password is in it. The last entries are in `selfsame.audit`; each is a log line of target
//! `selfsame::audit` too, which is what lasts.

use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result as StreamResult;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::Stream;
use parking_lot::Mutex;

use crate::error::{Error, Result, SqlState};
use crate::model::access::AuditLevel;
use crate::query::error::from_datafusion;
use crate::query::session::command::Command;
use crate::query::session::prepare::{Body, Prepared};
use crate::query::session::{Inner, Outcome};
use crate::query::statements::Parsed;
use crate::query::tables::AuditRow;

/// The most entries that `selfsame.audit` shows; older ones are in the log only.
pub const AUDIT_ROWS_MAX: usize = 10_000;

/// The entries of a server.
#[derive(Default)]
pub(super) struct Audit {
    level: Mutex<AuditLevel>,
    next_id: AtomicI64,
    entries: Mutex<VecDeque<AuditRow>>,
}

impl Audit {
    pub(super) fn set_level(&self, level: AuditLevel) {
        *self.level.lock() = level;
    }

    fn wants(&self, what: What) -> bool {
        match *self.level.lock() {
            AuditLevel::None => false,
            AuditLevel::Write => what != What::Read,
            AuditLevel::All => true,
        }
    }

    /// Whether reads are noted.
    pub(super) fn wants_reads(&self) -> bool {
        self.wants(What::Read)
    }

    /// The entries, oldest first.
    pub(super) fn rows(&self) -> Vec<AuditRow> {
        self.entries.lock().iter().cloned().collect()
    }

    pub(super) fn note(&self, mut entry: AuditRow) {
        if *self.level.lock() == AuditLevel::None {
            return;
        }
        tracing::info!(
            target: "selfsame::audit",
            user = entry.user,
            role = entry.role,
            client = entry.client.as_deref().unwrap_or("local"),
            kind = entry.kind,
            relations = entry.relations.join(", "),
            rows = entry.row_count,
            outcome = entry.outcome,
            "audit"
        );
        entry.audit_id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut entries = self.entries.lock();
        if entries.len() >= AUDIT_ROWS_MAX {
            entries.pop_front();
        }
        entries.push_back(entry);
    }
}

/// Of what sort a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Read,
    Write,
    Refused,
}

/// What a statement is called in the log, and of what sort it is; `None` for what only concerns the session.
fn kind(command: &Command) -> Option<(&'static str, What)> {
    Some(match command {
        Command::Query(_) => ("SELECT", What::Read),
        Command::Explain(_) => ("EXPLAIN", What::Read),
        Command::Declare(_) => ("DECLARE CURSOR", What::Read),
        Command::Insert(_) => ("INSERT", What::Write),
        Command::Delete(_) => ("DELETE", What::Write),
        Command::Update(_) => ("UPDATE", What::Write),
        Command::Ddl(_) => ("DDL", What::Write),
        Command::CopyTo(..) => ("COPY", What::Read),
        // Noted where its rows are read, which may be after the statement.
        Command::Ours(Parsed::CopyFrom(_)) => return None,
        Command::Ours(parsed @ (Parsed::ShowCreate { .. } | Parsed::ExplainProfile(_))) => {
            (parsed.tag(), What::Read)
        }
        Command::Ours(parsed) => (parsed.tag(), What::Write),
        _ => return None,
    })
}

/// The relations that a statement names, and what it is that runs: of EXECUTE the prepared statement.
fn relations(prepared: &Prepared) -> (Option<(&'static str, What)>, BTreeSet<String>) {
    let plan = prepared.planned();
    let mut names = BTreeSet::new();
    let mut add = |(schema, name): (&str, &str)| {
        names.insert(if schema == "public" { name.to_owned() } else { format!("{schema}.{name}") });
    };
    match &plan.body {
        Body::Query(query) => query.uses.names().for_each(&mut add),
        Body::Insert(insert) => {
            add(("public", insert.dataset()));
            insert.query.uses.names().for_each(&mut add);
        }
        Body::Delete(delete) => {
            add(("public", delete.dataset()));
            delete.query.uses.names().for_each(&mut add);
        }
        Body::Scratch(scratch) => {
            add((&scratch.table().schema, &scratch.table().name));
            scratch.query.uses.names().for_each(&mut add);
        }
        Body::Inner(inner) => {
            let (of, names) = relations(inner);
            return (kind(&prepared.command).or(of), names);
        }
        Body::None => match &prepared.command {
            Command::Ours(Parsed::Define(definition)) => {
                names.extend(definition.object().map(str::to_owned));
            }
            Command::Ours(Parsed::Access(statement)) => names.extend(statement.names()),
            _ => {}
        },
    }
    (kind(&prepared.command), names)
}

impl Inner {
    fn entry(&self, kind: &str, relations: BTreeSet<String>) -> AuditRow {
        let info = self.entry.info.lock();
        AuditRow {
            audit_id: 0,
            at: self.server.clock.now_micros(),
            user: info.user.clone(),
            role: String::new(),
            client: info.client.map(|client| client.to_string()),
            application_name: info.application_name.clone(),
            process_id: info.process_id,
            kind: kind.to_owned(),
            relations: relations.into_iter().collect(),
            row_count: None,
            outcome: "ok".to_owned(),
        }
    }

    fn note_audit(&self, mut entry: AuditRow, what: What) {
        entry.role = self.current_user();
        if self.server.audit.wants(what) {
            self.server.audit.note(entry);
        }
    }

    /// Notes that a COPY has read its rows, or failed.
    pub(super) fn audit_copy(&self, dataset: &str, result: &Result<String>) {
        let mut entry = self.entry("COPY", BTreeSet::from([dataset.to_owned()]));
        match result {
            Ok(tag) => entry.row_count = rows_of(tag),
            Err(error) => entry.outcome = error.code().to_string(),
        }
        self.note_audit(entry, What::Write);
    }

    /// Notes that a statement was refused before it could run, for want of a right.
    pub(super) fn audit_refusal(&self, sql: &str, error: &Error) {
        if error.code() != SqlState::INSUFFICIENT_PRIVILEGE {
            return;
        }
        let verb = crate::query::session::command::first_word(sql).to_ascii_uppercase();
        let mut entry = self.entry(&verb, BTreeSet::new());
        entry.outcome = format!("{} {error}", error.code());
        self.note_audit(entry, What::Refused);
    }
}

/// Notes what a statement did; of one that gives rows once they are read.
pub(super) fn executed(
    session: &Arc<Inner>,
    prepared: &Prepared,
    outcome: Result<Outcome>,
) -> Result<Outcome> {
    if let Err(error) = &outcome
        && error.code() == SqlState::INSUFFICIENT_PRIVILEGE
    {
        session.audit_refusal(prepared.sql(), error);
        return outcome;
    }
    let (Some((kind, what)), relations) = relations(prepared) else { return outcome };
    if !session.server.audit.wants(what) {
        return outcome;
    }
    let mut entry = session.entry(kind, relations);
    match outcome {
        Ok(Outcome::Rows { schema, stream, tag }) => {
            let noting = Noting { entry: Some(entry), session: Arc::clone(session) };
            let stream = Counted { stream, count: 0, failed: None, noting, what };
            Ok(Outcome::Rows { schema, stream: Box::pin(stream), tag })
        }
        Ok(Outcome::Done { tag }) => {
            entry.row_count = rows_of(&tag);
            session.note_audit(entry, what);
            Ok(Outcome::Done { tag })
        }
        Err(error) => {
            entry.outcome = error.code().to_string();
            session.note_audit(entry, what);
            Err(error)
        }
        Ok(other) => Ok(other),
    }
}

/// The number of rows that a command tag ends with.
fn rows_of(tag: &str) -> Option<i64> {
    tag.rsplit(' ').next()?.parse().ok()
}

struct Noting {
    entry: Option<AuditRow>,
    session: Arc<Inner>,
}

/// Rows that are counted; what was read of them is noted when nobody reads on.
struct Counted {
    stream: SendableRecordBatchStream,
    count: i64,
    failed: Option<String>,
    noting: Noting,
    what: What,
}

impl Stream for Counted {
    type Item = StreamResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.stream.as_mut().poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(batch))) => self.count += batch.num_rows() as i64,
            Poll::Ready(Some(Err(error))) => {
                let error = from_datafusion(error, "");
                self.failed = Some(error.code().to_string());
            }
            _ => {}
        }
        polled
    }
}

impl RecordBatchStream for Counted {
    fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some(mut entry) = self.noting.entry.take() else { return };
        entry.row_count = Some(self.count);
        if let Some(code) = self.failed.take() {
            entry.outcome = code;
        }
        self.noting.session.note_audit(entry, self.what);
    }
}

/// A statement without the passwords in it: what follows the word is left out.
pub fn redacted(sql: &str) -> std::borrow::Cow<'_, str> {
    let lower = sql.to_ascii_lowercase();
    let is_of_role = ["role", "user", "group"].iter().any(|noun| lower.contains(noun));
    match lower.find("password").filter(|_| is_of_role) {
        Some(at) => format!("{} ***", &sql[..at + "password".len()]).into(),
        None => sql.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_left_out() {
        let shown = redacted("CREATE USER a LOGIN Password 's3cret' VALID UNTIL 'x'");
        assert_eq!(shown, "CREATE USER a LOGIN Password ***");
        assert_eq!(redacted("SELECT 1"), "SELECT 1");
    }

    #[test]
    fn the_table_is_bounded() {
        let audit = Audit::default();
        for _ in 0..=AUDIT_ROWS_MAX {
            audit.note(AuditRow::default());
        }
        let rows = audit.rows();
        assert_eq!((rows.len(), rows[0].audit_id), (AUDIT_ROWS_MAX, 2));
        audit.set_level(AuditLevel::None);
        audit.note(AuditRow::default());
        assert_eq!(audit.rows().len(), AUDIT_ROWS_MAX);
    }
}
