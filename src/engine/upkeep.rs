//! Upkeep: what a served store does by itself, on a thread of its own, when there is time: rows expire, and
//! segments are put together. Without a server nothing runs by itself.

use std::sync::{Arc, Weak};

use crate::engine::database::Database;
use crate::env::threads::{self, Pacemaker};
use crate::error::Result;

/// Between two looks at what there is to do.
const INTERVAL_SECONDS: u64 = 15;

/// Compactions of one look: then expiry has a turn.
const COMPACTIONS_MAX: usize = 16;

impl Database {
    /// Starts the upkeep; it ends with the database or with what is given back.
    ///
    /// # Errors
    /// `58030` if the system has no thread left.
    pub fn start_upkeep(self: &Arc<Self>) -> Result<Upkeep> {
        let (database, pacemaker) = (Arc::downgrade(self), Pacemaker::new(INTERVAL_SECONDS));
        let beat = pacemaker.clone();
        let thread = threads::spawn("upkeep", move || run(&database, &beat))?;
        Ok(Upkeep { pacemaker, thread: Some(thread) })
    }

    /// Does what there is to do now.
    ///
    /// # Errors
    /// What the disk says.
    pub fn upkeep(&self) -> Result<()> {
        self.expire()?;
        for _ in 0..COMPACTIONS_MAX {
            if !self.compact()? {
                break;
            }
        }
        Ok(())
    }
}

fn run(database: &Weak<Database>, pacemaker: &Pacemaker) {
    while pacemaker.wait() {
        let Some(database) = database.upgrade() else { return };
        if let Err(error) = database.upkeep() {
            tracing::warn!(%error, "upkeep failed; it is tried again");
        }
    }
}

/// The upkeep while it runs.
#[derive(Debug)]
pub struct Upkeep {
    pacemaker: Pacemaker,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.pacemaker.stop();
        if let Some(thread) = self.thread.take() {
            // It ends after the step that it is at.
            let _ = thread.join();
        }
    }
}
