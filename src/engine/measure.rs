//! What can be read off the state for those who watch: set as gauges just before they look.

use crate::engine::database::Database;
use crate::engine::internal::{CHANGES, REJECTS};
use crate::engine::operations::OperationState;
use crate::env::clock::{Clock, RealClock};
use crate::env::process::resident_bytes;
use crate::metrics::{KindLabel, level};

impl Database {
    /// Sets the gauges of the store and the process as of now.
    pub fn measure(&self) {
        let (metrics, snapshot) = (self.metrics(), self.snapshot());
        let state = &snapshot.state;
        let parts = state.datasets.keys().flat_map(|dataset| state.parts(*dataset));
        let segments = parts.filter(|(_, part)| part.segment_file().is_some()).count();
        metrics.segments.set(level(segments as u64));
        let of_users = snapshot.catalog().datasets.values();
        let fragments: usize = of_users.map(|dataset| state.row_count(dataset.id)).sum();
        for (kind, count) in [
            ("fragments", fragments),
            ("identities", state.graph.identity_count()),
            ("profiles", state.graph.profile_count()),
            ("rejects", state.row_count(REJECTS)),
            ("identity_changes", state.row_count(CHANGES)),
        ] {
            metrics.rows_stored.get_or_create(&KindLabel { kind }).set(level(count as u64));
        }
        let columns = level(self.files().cached_bytes());
        metrics.cache_bytes.get_or_create(&KindLabel { kind: "columns" }).set(columns);
        let (hits, misses) = self.files().cache_uses();
        for (outcome, uses) in [("hit", hits), ("miss", misses)] {
            let labels = crate::metrics::OutcomeLabel { outcome };
            let counter = metrics.column_cache.get_or_create(&labels).clone();
            counter.inc_by(uses.saturating_sub(counter.get()));
        }
        let published_at = metrics.published_at_micros();
        if published_at > 0 {
            let age = (RealClock.now_micros() - published_at) as f64 / 1e6;
            metrics.snapshot_age_seconds.set(age.max(0.0));
        }
        self.measure_operations();
        if let Some(bytes) = resident_bytes() {
            metrics.resident_bytes.set(level(bytes));
        }
    }

    fn measure_operations(&self) {
        let operations = &self.metrics().operations;
        operations.clear();
        for row in self.operations().rows() {
            let running = i64::from(row.state == OperationState::Running);
            operations.get_or_create(&KindLabel { kind: row.kind }).inc_by(running);
        }
    }
}
