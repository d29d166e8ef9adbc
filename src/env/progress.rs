//! Progress of work that takes a while: told where the work is done, read by whoever waits.
//!
//! A few shared numbers and no more. Opening a store tells it; the terminal and `/readyz` show it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// How far something is; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    step: Mutex<&'static str>,
    done: AtomicU64,
    total: AtomicU64,
}

/// How far something was when it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What is being done; empty: it has not begun.
    pub step: &'static str,
    /// How much of that is done.
    pub done: u64,
    /// How much of that there is to do; 0: that is not known.
    pub total: u64,
}

impl Progress {
    /// Something else is being done from now on: so much in all, or 0 if that is not known.
    pub fn begin(&self, step: &'static str, total: u64) {
        let mut current = self.0.step.lock();
        *current = step;
        self.0.done.store(0, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
    }

    /// So much more of it is done.
    pub fn advance(&self, count: u64) {
        self.0.done.fetch_add(count, Ordering::Relaxed);
    }

    /// So much of it is done in all.
    pub fn reach(&self, done: u64) {
        self.0.done.store(done, Ordering::Relaxed);
    }

    /// How far it is.
    pub fn standing(&self) -> Standing {
        let step = *self.0.step.lock();
        let number = |value: &AtomicU64| value.load(Ordering::Relaxed);
        Standing { step, done: number(&self.0.done), total: number(&self.0.total) }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { step, done, total } = self;
        match (step, total) {
            (&"", _) => f.write_str("it has not begun"),
            (step, 0) => write!(f, "{step}: {done}"),
            (step, total) => write!(f, "{step}: {done} of {total}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;

    #[test]
    fn progress_says_how_far_it_is() {
        let progress = Progress::default();
        let check = |expected: &str| assert_eq!(progress.standing().to_string(), expected);
        check("it has not begun");
        progress.begin("reading segments", 3);
        progress.clone().advance(2);
        check("reading segments: 2 of 3");
        progress.begin("replaying the log", 0);
        check("replaying the log: 0");
        progress.reach(5);
        check("replaying the log: 5");
    }
}
