//! Temporary relations of a session: how they are exchanged, and what the end of a transaction does to them.
//!
//! Their rows and definitions change in `scratch` and `ddl`; here is only how long they live.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlparser::ast::OnCommit;

use crate::engine::Defined;
use crate::engine::scratch::Temporary;
use crate::error::Result;
use crate::model::definition::Existence;
use crate::model::relation::{RelationDefinition, RelationKind, RelationName, TEMPORARY_SCHEMA};
use crate::query::session::transaction::TransactionStatus;
use crate::query::session::{Inner, Notice};

impl Inner {
    /// Puts other temporary relations in the place of those that there are; plans that name them are
    /// stale.
    pub(super) fn set_temporary(&self, temporary: Temporary) {
        self.binding.set_temporary(Arc::new(temporary));
        self.settings_version.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes what happens to a temporary table at the end of a transaction.
    pub(super) fn at_commit(&self, table: &str, what: OnCommit) {
        let mut at_commit = self.at_commit.lock();
        match what {
            OnCommit::PreserveRows => at_commit.remove(table),
            what => at_commit.insert(table.to_owned(), what),
        };
    }

    /// Ends the transaction that a statement outside of blocks is.
    ///
    /// # Errors
    /// As [`Inner::end_temporary`].
    pub(super) fn end_statement_alone(&self) -> Result<()> {
        let idle = self.transaction.lock().status == TransactionStatus::Idle;
        if idle { self.end_temporary() } else { Ok(()) }
    }

    /// Does what is to be done with temporary tables at the end of a transaction.
    ///
    /// # Errors
    /// None that a table which is there gives.
    pub(super) fn end_temporary(&self) -> Result<()> {
        let at_commit = self.at_commit.lock().clone();
        if at_commit.is_empty() {
            return Ok(());
        }
        let mut temporary = self.binding.temporary().as_ref().clone();
        let database = &self.server.database;
        for (table, what) in at_commit {
            let name = RelationName::new(TEMPORARY_SCHEMA, &table);
            let Some(relation) = temporary.relations().get(&name).cloned() else {
                self.at_commit.lock().remove(&table);
                continue;
            };
            if what == OnCommit::Drop {
                let (kind, existence) = (RelationKind::Table, Existence::Lenient);
                let drop = RelationDefinition::Drop { name, kind, existence, cascade: true };
                let Defined { notice, .. } = temporary.define(database, drop)?;
                notice.into_iter().for_each(|notice| self.notice(Notice::new(notice)));
                self.at_commit.lock().remove(&table);
            } else {
                let rows = temporary.state().scratch_rows(relation.id)?;
                if !rows.is_empty() {
                    temporary.change_rows(database, &name, &relation, rows, &[])?;
                }
            }
        }
        self.set_temporary(temporary);
        Ok(())
    }
}
