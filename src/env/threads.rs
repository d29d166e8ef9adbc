//! Threads: named ones, and the parallel map that bulk work uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result};

/// Bytes of stack of a thread that plans or runs queries: recursion in parsers and planners is bounded
/// by count, and the count must fit, with room for frames that grow in builds without optimisation. Only
/// what is used of a stack takes memory.
pub const STACK_BYTES: usize = 128 * 1024 * 1024;

/// How many threads bulk work may use: as many as there are cores.
pub fn parallelism() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Starts a named thread.
///
/// # Errors
/// `53000`-class if the system has no thread left.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>> {
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(work)
        .map_err(|error| Error::io(format!("start thread \"{name}\""), &error))
}

/// Lets a thread work now and then until it is stopped; clones are the same.
#[derive(Clone, Debug)]
pub struct Pacemaker {
    stopped: Arc<(Mutex<bool>, Condvar)>,
    seconds: u64,
}

impl Pacemaker {
    /// One that beats every so many seconds.
    pub fn new(seconds: u64) -> Self {
        Self { stopped: Arc::default(), seconds }
    }

    /// Waits for the next beat; false if there will be none.
    pub fn wait(&self) -> bool {
        let (stopped, changed) = &*self.stopped;
        let mut stopped = stopped.lock();
        if !*stopped {
            changed.wait_for(&mut stopped, Duration::from_secs(self.seconds));
        }
        !*stopped
    }

    /// Ends it.
    pub fn stop(&self) {
        let (stopped, changed) = &*self.stopped;
        *stopped.lock() = true;
        changed.notify_all();
    }
}

/// Maps `0..count` on all cores; results come in order, and the first error ends the work.
pub fn parallel_map<T: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let threads = parallelism().min(count);
    if threads <= 1 {
        return (0..count).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return Ok(done);
            }
            match work(at) {
                Ok(value) => done.push((at, value)),
                Err(error) => {
                    next.store(count, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    let results: Vec<Result<Vec<(usize, T)>>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let panicked = || Err(Error::internal("a worker thread panicked"));
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| panicked())).collect()
    });
    let mut all = Vec::with_capacity(count);
    for result in results {
        all.extend(result?);
    }
    all.sort_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, value)| value).collect())
}
