//! Where a process stands in the log of its store: at its end as the writer, or behind it as a follower.

use crate::error::{Error, SqlState};

/// What a process is to its store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It writes.
    #[default]
    Writer,
    /// It reads what another process writes.
    Follower,
}

impl Role {
    /// As tables show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::Follower => "follower",
        }
    }
}

/// Where a process stands.
#[derive(Clone, Debug, Default)]
pub struct Replication {
    /// What it is.
    pub role: Role,
    /// What the writer calls itself, if the store says it.
    pub writer: Option<String>,
    /// Which writer of the store that is; 0 where a lock keeps others out.
    pub epoch: u64,
    /// The log file whose records are being added or read.
    pub log_number: u64,
    /// How many of its records are in what queries see.
    pub log_position: u64,
    /// When a follower last had everything that was durable then, in microseconds.
    pub caught_up_at: Option<i64>,
    /// Why a follower cannot go on, if it cannot.
    pub error: Option<String>,
}

impl Replication {
    pub(super) fn reached(&mut self, (log_number, log_position): (u64, u64)) {
        if self.role == Role::Writer {
            (self.log_number, self.log_position) = (log_number, log_position);
        }
    }

    /// How far a follower may be behind, in microseconds.
    pub fn lag_micros(&self, now: i64) -> Option<i64> {
        self.caught_up_at.map(|at| now.saturating_sub(at).max(0))
    }

    /// Why writes are refused, if they are.
    pub fn refusal(&self) -> Option<Error> {
        if self.role == Role::Writer {
            return None;
        }
        let message = "this server follows another one, and takes no writes";
        let hint = match &self.writer {
            Some(writer) => format!("write to the server \"{writer}\""),
            None => "write to the server that has the store open for writing".to_owned(),
        };
        Some(Error::new(SqlState::READ_ONLY, message).hint(hint))
    }
}
