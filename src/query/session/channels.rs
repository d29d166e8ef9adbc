//! LISTEN, NOTIFY, UNLISTEN: messages between sessions, by channels that exist while somebody listens.
//!
//! What a transaction block says takes effect when it commits, and never if it is rolled back; outside a
//! block each statement is its own transaction. A session's messages wait in its [`Inbox`] until it is
//! outside a block; `wire` sends them then, also to a client that is idle. Nothing of it is durable.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::{Error, Result, SqlState};
use crate::query::session::Inner;
use crate::query::session::transaction::TransactionStatus;

/// The most bytes of a payload, as in PostgreSQL: less than a page.
pub(super) const PAYLOAD_BYTES_MAX: usize = 7_999;

/// The most bytes of a channel's name, as of any other.
const CHANNEL_BYTES_MAX: usize = 63;

/// The most messages that wait for one session, or that one block may hold back: a client that stays in a
/// block, or does not read, must not fill the server's memory.
pub(super) const MESSAGES_MAX: usize = 100_000;

/// The most channels of a session: each is looked up for every message.
const CHANNELS_MAX: usize = 10_000;

/// A message to those who listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Who sent it.
    pub process_id: i32,
    /// On which channel.
    pub channel: String,
    /// What it says.
    pub payload: String,
}

/// What a session listens to, and what it has not heard yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<InboxState>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct InboxState {
    channels: BTreeSet<String>,
    waiting: VecDeque<Notification>,
}

impl Inbox {
    /// Takes what has arrived.
    pub(super) fn take(&self) -> Vec<Notification> {
        self.state.lock().waiting.drain(..).collect()
    }

    /// Waits until something is there.
    pub(super) async fn arrived(&self) {
        while self.state.lock().waiting.is_empty() {
            self.arrived.notified().await;
        }
    }

    /// The channels, in order.
    pub(super) fn channels(&self) -> Vec<String> {
        self.state.lock().channels.iter().cloned().collect()
    }

    fn is_full(&self, channel: &str) -> bool {
        let state = self.state.lock();
        state.waiting.len() >= MESSAGES_MAX && state.channels.contains(channel)
    }

    fn deliver(&self, messages: &[Notification]) {
        let mut state = self.state.lock();
        let InboxState { channels, waiting } = &mut *state;
        let before = waiting.len();
        waiting.extend(messages.iter().filter(|it| channels.contains(&it.channel)).cloned());
        if waiting.len() > before {
            self.arrived.notify_one();
        }
    }

    fn apply(&self, change: Change) {
        let mut state = self.state.lock();
        match change {
            Change::Listen(channel) => {
                state.channels.insert(channel);
            }
            Change::Unlisten(Some(channel)) => {
                state.channels.remove(&channel);
            }
            Change::Unlisten(None) => state.channels.clear(),
        }
    }
}

/// A change of what a session listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// One channel more.
    Listen(String),
    /// One less; `None`: none at all.
    Unlisten(Option<String>),
}

/// What a block has said so far.
#[derive(Debug, Default)]
pub(super) struct Pending {
    changes: Vec<Change>,
    messages: Vec<Notification>,
}

/// Listens to a channel or ceases to.
///
/// # Errors
/// `54000` for more channels than a session can have.
pub(super) fn change(session: &Inner, change: Change) -> Result<()> {
    if let Change::Listen(channel) = &change {
        let mut channels = session.entry.inbox.channels();
        channels.retain(|known| known != channel);
        if channels.len() + session.pending.lock().changes.len() >= CHANNELS_MAX {
            let message = format!("a session can listen to at most {CHANNELS_MAX} channels");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
    }
    session.pending.lock().changes.push(change);
    settle(session);
    Ok(())
}

/// Sends a message.
///
/// # Errors
/// `22023` for a channel or payload that cannot be, `54000` if too many messages wait.
pub(super) fn notify(session: &Inner, channel: &str, payload: &str) -> Result<()> {
    let invalid = |message: &str| Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    if channel.is_empty() {
        return invalid("channel name cannot be empty");
    }
    if channel.len() > CHANNEL_BYTES_MAX {
        return invalid("channel name too long");
    }
    if payload.len() > PAYLOAD_BYTES_MAX {
        return invalid("payload string too long");
    }
    let full = session.pending.lock().messages.len() >= MESSAGES_MAX
        || session.server.entries().iter().any(|entry| entry.inbox.is_full(channel));
    if full {
        let message = "too many notifications wait to be heard";
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
            .hint("a session that listens is in a long transaction or does not read"));
    }
    let message = Notification {
        process_id: session.process_id,
        channel: channel.to_owned(),
        payload: payload.to_owned(),
    };
    let mut pending = session.pending.lock();
    // The same message twice in a block is one, as in PostgreSQL.
    if !pending.messages.contains(&message) {
        pending.messages.push(message);
    }
    drop(pending);
    settle(session);
    Ok(())
}

/// Outside a block what was said holds at once.
fn settle(session: &Inner) {
    if session.transaction.lock().status == TransactionStatus::Idle {
        end_transaction(session, true);
    }
}

/// Ends a block: what it said holds now, or never.
pub(super) fn end_transaction(session: &Inner, committed: bool) {
    let Pending { changes, messages } = std::mem::take(&mut *session.pending.lock());
    if !committed {
        return;
    }
    changes.into_iter().for_each(|change| session.entry.inbox.apply(change));
    if !messages.is_empty() {
        session.server.entries().iter().for_each(|entry| entry.inbox.deliver(&messages));
    }
}

/// The inbox of a session outside any block; within one, nothing is heard.
pub(super) fn heard(session: &Inner) -> Vec<Notification> {
    match session.transaction.lock().status {
        TransactionStatus::Idle => session.entry.inbox.take(),
        _ => Vec::new(),
    }
}

/// Waits until there is something to hear.
pub(super) async fn arrived(session: &Arc<Inner>) {
    if session.transaction.lock().status != TransactionStatus::Idle {
        return std::future::pending().await;
    }
    session.entry.inbox.arrived().await;
}
