//! Transaction blocks: BEGIN, COMMIT, ROLLBACK, SAVEPOINT and its relatives, and what a block may do.
//!
//! What a block writes is in a transaction of the engine, begun with the first write; until then a block
//! is only a snapshot and the settings to go back to. Savepoints are marks in both.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::engine::scratch::Temporary;
use crate::engine::{Accept, Mark};
use crate::error::{Error, Result, SqlState};
use crate::query::session::channels;
use crate::query::session::command::Modes;
use crate::query::session::execute::blocking;
use crate::query::session::settings::Variables;
use crate::query::session::transaction::{CommitGate, Transaction, TransactionStatus};
use crate::query::session::{Inner, Notice, Outcome};

/// The most savepoints of a block: drivers set one for each statement, and some never release them.
pub const SAVEPOINTS_MAX: usize = 100_000;

/// Savepoints of which what they saw is kept, so that going back to them is quick; for older ones the
/// block's writes are applied again.
const SAVEPOINTS_READY: usize = 4;

/// A savepoint.
pub(super) struct Savepoint {
    name: String,
    /// The settings then, and their version.
    variables: (u64, Arc<Variables>),
    temporary: Arc<Temporary>,
    /// What was written before it; `None`: nothing.
    mark: Option<Mark>,
}

fn outside(what: &str) -> Error {
    let message = format!("{what} can only be used in transaction blocks");
    Error::new(SqlState("25P01"), message)
}

fn done(tag: &str) -> Result<Outcome> {
    Ok(Outcome::Done { tag: tag.to_owned() })
}

/// BEGIN.
///
/// # Errors
/// What the modes say.
pub(super) fn begin(session: &Arc<Inner>, modes: &Modes) -> Result<()> {
    if session.transaction.lock().status != TransactionStatus::Idle {
        let message = "there is already a transaction in progress";
        session.notice(Notice::warning(SqlState::ACTIVE_TRANSACTION, message));
        return set_modes(session, modes, false);
    }
    let before = session.variables.lock().clone();
    {
        let mut variables = session.variables.lock();
        for name in ["isolation", "read_only"] {
            let default = variables.value(&format!("default_transaction_{name}"));
            variables.set(&format!("transaction_{name}"), Some(&default), false)?;
        }
    }
    *session.transaction.lock() = Transaction {
        status: TransactionStatus::Open,
        variables: Some(before),
        temporary: Some(session.binding.temporary()),
        ..Transaction::default()
    };
    set_modes(session, modes, false)
}

/// SET TRANSACTION, and SET SESSION CHARACTERISTICS for all blocks to come.
///
/// # Errors
/// `22023`.
pub(super) fn set_modes(session: &Arc<Inner>, modes: &Modes, all: bool) -> Result<()> {
    if !all && session.transaction.lock().status == TransactionStatus::Idle {
        let message = "SET TRANSACTION can only be used in transaction blocks";
        session.notice(Notice::warning(SqlState("25P01"), message));
        return Ok(());
    }
    let prefix = if all { "default_" } else { "" };
    let mut variables = session.variables.lock();
    if let Some(isolation) = &modes.isolation {
        variables.set(&format!("{prefix}transaction_isolation"), Some(isolation), false)?;
    }
    if let Some(read_only) = modes.read_only {
        let value = if read_only { "on" } else { "off" };
        variables.set(&format!("{prefix}transaction_read_only"), Some(value), false)?;
    }
    Ok(())
}

/// Ends a block; one that failed is rolled back in any case, and so is one whose writes are refused.
///
/// # Errors
/// `57014` if a cancel came before the writes were handed over, `40001` if others changed the same, and
/// what the disk says.
pub(super) async fn end(
    session: &Arc<Inner>,
    gate: &Arc<CommitGate>,
    commit: bool,
    chain: bool,
) -> Result<Outcome> {
    let tag = if commit { "COMMIT" } else { "ROLLBACK" };
    let ended = std::mem::take(&mut *session.transaction.lock());
    if ended.status == TransactionStatus::Idle {
        if chain {
            return Err(outside(&format!("{tag} AND CHAIN")));
        }
        let message = "there is no transaction in progress";
        session.notice(Notice::warning(SqlState("25P01"), message));
        return done(tag);
    }
    let modes = Modes::of(&session.variables.lock());
    let wanted = commit && ended.status == TransactionStatus::Open;
    let written = match ended.writes {
        Some(writes) if wanted => match gate.commit() {
            Ok(()) => blocking(move || writes.commit().map(|_| true)).await,
            Err(error) => Err(error),
        },
        _ => Ok(wanted),
    };
    let committed = matches!(written, Ok(true));
    match ended.variables {
        Some(before) if !committed => *session.variables.lock() = before,
        _ => session.variables.lock().end_transaction(),
    }
    match ended.temporary {
        Some(before) if !committed => session.binding.set_temporary(before),
        _ => session.end_temporary()?,
    }
    session.cursors.end_transaction(committed);
    channels::end_transaction(session, committed);
    // A policy that was dropped meanwhile stays set, and says so when it is used.
    let _ = session.settings_changed();
    written?;
    if chain {
        begin(session, &modes)?;
    }
    done(if committed { "COMMIT" } else { "ROLLBACK" })
}

/// SAVEPOINT.
///
/// # Errors
/// `25P01` outside a block, `54000` beyond [`SAVEPOINTS_MAX`].
pub(super) fn savepoint(session: &Arc<Inner>, name: &str) -> Result<Outcome> {
    let version = session.settings_version.load(Ordering::Relaxed);
    let mut transaction = session.transaction.lock();
    if transaction.status == TransactionStatus::Idle {
        return Err(outside("SAVEPOINT"));
    }
    if transaction.savepoints.len() >= SAVEPOINTS_MAX {
        let message = format!("a transaction can have at most {SAVEPOINTS_MAX} savepoints");
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
            .hint("release those that are no longer used: RELEASE SAVEPOINT name"));
    }
    let mark = transaction.writes.as_ref().map(|writes| writes.mark());
    let last = transaction.savepoints.last().map(|last| last.variables.clone());
    let variables = match last {
        Some((known, shared)) if known == version => (known, shared),
        _ => (version, Arc::new(session.variables.lock().clone())),
    };
    let (name, temporary) = (name.to_owned(), session.binding.temporary());
    transaction.savepoints.push(Savepoint { name, variables, temporary, mark });
    let old = transaction.savepoints.len().checked_sub(SAVEPOINTS_READY + 1);
    if let Some(mark) = old.and_then(|at| transaction.savepoints[at].mark.as_mut()) {
        mark.forget_snapshot();
    }
    done("SAVEPOINT")
}

/// RELEASE.
///
/// # Errors
/// `25P01` outside a block, `3B001` if there is no such savepoint.
pub(super) fn release(session: &Arc<Inner>, name: &str) -> Result<Outcome> {
    let mut transaction = session.transaction.lock();
    let at = find(&transaction, name, "RELEASE SAVEPOINT")?;
    transaction.savepoints.truncate(at);
    done("RELEASE")
}

/// ROLLBACK TO.
///
/// # Errors
/// As [`release`].
pub(super) async fn roll_back_to(session: &Arc<Inner>, name: &str) -> Result<Outcome> {
    let (writes, mark, variables, temporary) = {
        let mut transaction = session.transaction.lock();
        let at = find(&transaction, name, "ROLLBACK TO SAVEPOINT")?;
        transaction.savepoints.truncate(at + 1);
        let savepoint = &transaction.savepoints[at];
        let (mark, variables) = (savepoint.mark.clone(), savepoint.variables.1.clone());
        (transaction.writes.clone(), mark, variables, Arc::clone(&savepoint.temporary))
    };
    if let Some(writes) = writes {
        blocking(move || writes.roll_back_to(&mark.unwrap_or_default())).await?;
    }
    *session.variables.lock() = variables.as_ref().clone();
    session.binding.set_temporary(temporary);
    let _ = session.settings_changed();
    session.transaction.lock().status = TransactionStatus::Open;
    done("ROLLBACK")
}

fn find(transaction: &Transaction, name: &str, what: &str) -> Result<usize> {
    if transaction.status == TransactionStatus::Idle {
        return Err(outside(what));
    }
    let at = transaction.savepoints.iter().rposition(|savepoint| savepoint.name == name);
    at.ok_or_else(|| Error::new(SqlState("3B001"), format!("savepoint \"{name}\" does not exist")))
}

impl Inner {
    /// What takes the writes of the next statement: the database, or the block's transaction.
    pub(super) fn accept(&self) -> Arc<dyn Accept> {
        let mut transaction = self.transaction.lock();
        if transaction.status == TransactionStatus::Idle {
            return Arc::clone(&self.server.database) as Arc<dyn Accept>;
        }
        if let Some(writes) = &transaction.writes {
            return Arc::clone(writes) as Arc<dyn Accept>;
        }
        let database = &self.server.database;
        let base = transaction.snapshot.clone().unwrap_or_else(|| database.snapshot());
        let writes = Arc::new(database.begin(base));
        transaction.writes = Some(Arc::clone(&writes));
        writes
    }

    /// Refuses statements that write where nothing can be written.
    ///
    /// # Errors
    /// `25006` while the session shows the past, and in a transaction that only reads.
    pub(super) fn check_may_write(&self, what: &str) -> Result<()> {
        let in_block = self.transaction.lock().status != TransactionStatus::Idle;
        let variables = self.variables.lock();
        let past = variables.past();
        let set = [("as_of", past.as_of), ("known_at", past.known_at)];
        if let Some((name, _)) = set.iter().find(|(_, moment)| moment.is_some()) {
            let message = format!("cannot execute {what} while {name} is set");
            return Err(Error::new(SqlState("25006"), message)
                .hint(format!("the past can only be read: RESET {name} first")));
        }
        let name = if in_block { "transaction_read_only" } else { "default_transaction_read_only" };
        if variables.value(name) == "on" {
            let message = format!("cannot execute {what} in a read-only transaction");
            return Err(Error::new(SqlState("25006"), message));
        }
        Ok(())
    }
}
