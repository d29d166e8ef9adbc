//! The transaction of a session: whether it is in a block, what the block reads, and the point of no return.
//!
//! Every statement reads one snapshot; within a block all statements read the same, and what the block
//! wrote. What begins and ends blocks is in `block`.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::engine::scratch::Temporary;
use crate::engine::{self, Snapshot};
use crate::error::{Error, Result, SqlState};
use crate::query::session::block::Savepoint;
use crate::query::session::settings::Variables;

/// Where a session is, as the protocol reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Outside a block.
    #[default]
    Idle,
    /// Inside a block.
    Open,
    /// Inside a block of which a statement failed: only its end is accepted.
    Failed,
}

/// The transaction of a session.
#[derive(Default)]
pub(super) struct Transaction {
    /// Where it is.
    pub(super) status: TransactionStatus,
    /// What the block reads, from its first statement on.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    /// The settings before the block, to which a ROLLBACK goes back.
    pub(super) variables: Option<Variables>,
    /// The temporary tables before the block.
    pub(super) temporary: Option<Arc<Temporary>>,
    /// What the block has written, if it has.
    pub(super) writes: Option<Arc<engine::Transaction>>,
    /// Its savepoints, the oldest first.
    pub(super) savepoints: Vec<Savepoint>,
}

impl Transaction {
    /// Notes that a statement failed.
    pub(super) fn fail(&mut self) {
        if self.status == TransactionStatus::Open {
            self.status = TransactionStatus::Failed;
        }
    }

    /// Refuses statements of a failed block.
    ///
    /// # Errors
    /// `25P02`.
    pub(super) fn check(&self) -> Result<()> {
        if self.status != TransactionStatus::Failed {
            return Ok(());
        }
        let message =
            "current transaction is aborted, commands ignored until end of transaction block";
        Err(Error::new(SqlState::IN_FAILED_TRANSACTION, message))
    }
}

/// Decides between a cancel and a commit: whichever comes first wins, and the other is refused.
///
/// A statement that writes cannot be called back once the engine has it; a cancel that came in time must
/// keep the engine from having it. Each statement has a gate of its own, so that what is left of a
/// cancelled one, which stops at its next pause, finds it closed.
#[derive(Debug, Default)]
pub(super) struct CommitGate(Mutex<Phase>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Running,
    Committing,
    Cancelled,
}

impl CommitGate {
    /// The statement hands its rows to the engine.
    ///
    /// # Errors
    /// `57014` if a cancel came first.
    pub(super) fn commit(&self) -> Result<()> {
        let mut phase = self.0.lock();
        if *phase == Phase::Cancelled {
            return Err(cancelled());
        }
        *phase = Phase::Committing;
        Ok(())
    }

    /// Refuses to go on once a cancel came.
    ///
    /// # Errors
    /// `57014`.
    pub(super) fn check(&self) -> Result<()> {
        if *self.0.lock() == Phase::Cancelled { Err(cancelled()) } else { Ok(()) }
    }

    /// Somebody wants the statement to stop; false if it is too late.
    pub(super) fn cancel(&self) -> bool {
        let mut phase = self.0.lock();
        if *phase == Phase::Committing {
            return false;
        }
        *phase = Phase::Cancelled;
        true
    }
}

/// The error of a cancelled statement.
pub fn cancelled() -> Error {
    Error::new(SqlState::QUERY_CANCELED, "canceling statement due to user request")
}

/// The error of a statement that ran too long.
pub fn timed_out() -> Error {
    Error::new(SqlState::QUERY_CANCELED, "canceling statement due to statement timeout")
        .hint("give it more time: SET statement_timeout = '10min', or 0 for no limit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_block_accepts_nothing() {
        let mut transaction = Transaction::default();
        transaction.fail();
        assert_eq!(transaction.status, TransactionStatus::Idle);
        transaction.status = TransactionStatus::Open;
        assert!(transaction.check().is_ok());
        transaction.fail();
        let error = transaction.check().expect_err("it failed");
        assert_eq!(error.code(), SqlState::IN_FAILED_TRANSACTION);
    }

    #[test]
    fn the_first_of_cancel_and_commit_wins() {
        let gate = CommitGate::default();
        gate.commit().expect("nobody cancelled");
        assert!(!gate.cancel());
        let gate = CommitGate::default();
        assert!(gate.cancel());
        assert_eq!(gate.commit().expect_err("cancelled").code(), SqlState::QUERY_CANCELED);
    }
}
