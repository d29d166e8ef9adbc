//! How many requests with rows are worked on at a time, and in how much memory: beyond, a few wait for a
//! moment, and the others are told to come back. Nothing here grows with the number of clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Requests worked on at a time: as many as one group of the log takes.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 256;

/// Bytes that those may hold together: a small part of the least machine that this is meant for.
pub const BYTES_IN_FLIGHT_MAX: usize = 256 << 20;

/// Requests that may wait for others to end.
const WAITING_MAX: usize = 256;

/// How long they wait before they are told to come back.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// What memory is counted in.
const UNIT_BYTES: usize = 1 << 10;

/// The gate.
pub(crate) struct Admission {
    requests: Arc<Semaphore>,
    units: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// A place among those that are worked on; dropped, it is free.
pub(crate) struct Place {
    _request: OwnedSemaphorePermit,
    units: OwnedSemaphorePermit,
}

impl Place {
    /// Bytes that it may hold.
    pub(crate) fn byte_count(&self) -> usize {
        self.units.num_permits() * UNIT_BYTES
    }
}

/// One that waits, counted as long as it does.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    /// Room for so many requests in so much memory.
    pub(crate) fn new(requests: usize, bytes: usize) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(requests)),
            units: Arc::new(Semaphore::new(bytes / UNIT_BYTES)),
            waiting: Arc::default(),
        }
    }

    /// A place that may hold so many bytes; `None` if there is none, and will not be in a moment.
    pub(crate) async fn enter(&self, bytes: usize) -> Option<Place> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let _waiting = Waiting(Arc::clone(&self.waiting));
        let both = async {
            let request = Arc::clone(&self.requests).acquire_owned().await.ok()?;
            let units = self.units(bytes).await?;
            Some(Place { _request: request, units })
        };
        timeout(WAIT_MAX, both).await.ok()?
    }

    /// Lets one that has a place hold so many bytes more; false if there is no room.
    pub(crate) async fn grow(&self, place: &mut Place, bytes: usize) -> bool {
        match timeout(WAIT_MAX, self.units(bytes)).await {
            Ok(Some(more)) => {
                place.units.merge(more);
                true
            }
            _ => false,
        }
    }

    async fn units(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let count = u32::try_from(bytes.div_ceil(UNIT_BYTES)).ok()?;
        Arc::clone(&self.units).acquire_many_owned(count).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Admission;

    #[tokio::test]
    async fn there_is_room_for_so_many_and_no_more() {
        let gate = Admission::new(2, 10 << 10);
        let first = gate.enter(1).await.unwrap();
        let second = gate.enter(1).await.unwrap();
        assert!(gate.enter(1).await.is_none());
        drop(first);
        let third = gate.enter(1).await.unwrap();
        assert_eq!(third.byte_count(), 1024);
        drop((second, third));
        let mut large = gate.enter(8 << 10).await.unwrap();
        assert!(gate.enter(3 << 10).await.is_none());
        assert!(gate.grow(&mut large, 2 << 10).await);
        assert!(!gate.grow(&mut large, 1).await);
        drop(large);
        assert!(gate.enter(10 << 10).await.is_some());
    }
}
