//! What the process counts and measures: one registry that every layer may write to, as Prometheus text.
//!
//! A counter or histogram is fed where the thing happens; a gauge that can be read off the state is set
//! by whoever asks for the text, just before. Nothing here decides anything, and nothing is durable: a
//! restart begins at zero, as Prometheus expects. The only module that names `prometheus_client`.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// A gauge of whole numbers.
pub type Level = Gauge<i64, AtomicI64>;

/// A gauge of fractions.
pub type Fraction = Gauge<f64, AtomicU64>;

/// Which rows: of which dataset, by which way in, and what became of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RowLabels {
    /// The dataset.
    pub dataset: String,
    /// `insert`, `copy`, `http`.
    pub path: &'static str,
    /// `accepted`, `rejected`, `duplicate`.
    pub outcome: &'static str,
}

/// One kind of something that has few kinds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    /// Which.
    pub kind: &'static str,
}

/// A state that something may be in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    /// Which.
    pub state: &'static str,
}

/// How something ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// `done` or `failed`.
    pub outcome: &'static str,
}

/// One route of the HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabel {
    /// Its pattern, or `unknown`.
    pub route: &'static str,
}

/// Answers of one route of the HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AnswerLabels {
    /// Its pattern, or `unknown`.
    pub route: &'static str,
    /// The HTTP status.
    pub status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Everything that is counted and measured.
pub struct Metrics {
    registry: Registry,
    /// Rows that came in.
    pub rows: Family<RowLabels, Counter>,
    /// Commits made durable.
    pub commits: Counter,
    /// Requests that one sync of the log made durable together.
    pub group_sizes: Histogram,
    /// Seconds that a sync of the log took.
    pub log_sync_seconds: Histogram,
    /// Flushes of the log into segments.
    pub flushes: Family<OutcomeLabel, Counter>,
    /// Seconds that a flush took.
    pub flush_seconds: Histogram,
    /// Bytes of log since the last flush.
    pub log_bytes: Level,
    /// Whether writes are taken: 1, or 0 after the log could not be written.
    pub writable: Level,
    /// Segments in force.
    pub segments: Level,
    /// Rows of each kind that are there: fragments, identities, profiles, rejects.
    pub rows_stored: Family<KindLabel, Level>,
    /// Seconds since the last commit became visible.
    pub snapshot_age_seconds: Fraction,
    /// Views of merged profiles brought up to date: `repair` or `build`.
    pub view_updates: Family<KindLabel, Counter>,
    /// Bytes held by caches.
    pub cache_bytes: Family<KindLabel, Level>,
    /// Columns asked of the cache of decoded columns: `hit` or `miss`.
    pub column_cache: Family<OutcomeLabel, Counter>,
    /// Connections that are open: `postgres` or `http`.
    pub connections: Family<KindLabel, Level>,
    /// Sessions that are open, by state.
    pub sessions: Family<StateLabel, Level>,
    /// Statements that ended.
    pub statements: Counter,
    /// Seconds from the start of a statement to its end.
    pub statement_seconds: Histogram,
    /// Operations that go on, by kind.
    pub operations: Family<KindLabel, Level>,
    /// Answers of the HTTP interface.
    pub http_answers: Family<AnswerLabels, Counter>,
    /// Seconds from the head of an HTTP request to that of its answer.
    pub http_seconds: Histograms<RouteLabel>,
    /// HTTP requests that bring rows and are being worked on.
    pub http_ingests: Level,
    /// Bytes of memory that those hold.
    pub http_ingest_bytes: Level,
    /// Bytes of memory that the process holds.
    pub resident_bytes: Level,
    /// Seconds since 1970 when the process began.
    pub start_time_seconds: Fraction,
    published_at_micros: AtomicI64,
    read_only: AtomicBool,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// From a tenth of a millisecond to half a minute: look-ups at one end, full merges at the other.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 19))
}

/// From one request to a full group.
fn group_sizes() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 9))
}

impl Metrics {
    /// All of them, at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("selfsame"),
            rows: Family::default(),
            commits: Counter::default(),
            group_sizes: group_sizes(),
            log_sync_seconds: durations(),
            flushes: Family::default(),
            flush_seconds: durations(),
            log_bytes: Level::default(),
            writable: Level::default(),
            segments: Level::default(),
            rows_stored: Family::default(),
            snapshot_age_seconds: Fraction::default(),
            view_updates: Family::default(),
            cache_bytes: Family::default(),
            column_cache: Family::default(),
            connections: Family::default(),
            sessions: Family::default(),
            statements: Counter::default(),
            statement_seconds: durations(),
            operations: Family::default(),
            http_answers: Family::default(),
            http_seconds: Family::new_with_constructor(durations as fn() -> Histogram),
            http_ingests: Level::default(),
            http_ingest_bytes: Level::default(),
            resident_bytes: Level::default(),
            start_time_seconds: Fraction::default(),
            published_at_micros: AtomicI64::new(0),
            read_only: AtomicBool::new(false),
        };
        metrics.writable.set(1);
        metrics.register_store();
        metrics.register_clients();
        metrics
    }

    fn register_store(&mut self) {
        let all = &mut self.registry;
        all.register("rows", "Rows that came in, by dataset and way", self.rows.clone());
        all.register("commits", "Commits made durable", self.commits.clone());
        let help = "Requests that one sync of the log made durable together";
        all.register("group_size", help, self.group_sizes.clone());
        let seconds = || Unit::Seconds;
        let help = "Duration of a sync of the log";
        all.register_with_unit("log_sync", help, seconds(), self.log_sync_seconds.clone());
        all.register("flushes", "Flushes of the log into segments", self.flushes.clone());
        let help = "Duration of a flush";
        all.register_with_unit("flush", help, seconds(), self.flush_seconds.clone());
        let help = "Size of the log since the last flush";
        all.register_with_unit("log", help, Unit::Bytes, self.log_bytes.clone());
        let help = "1 while writes are taken, 0 after the log could not be written";
        all.register("writable", help, self.writable.clone());
        all.register("segments", "Segments in force", self.segments.clone());
        let help = "Fragments, identities, profiles and refused rows that are there";
        all.register("stored", help, self.rows_stored.clone());
        let help = "Time since the last commit became visible";
        let age = self.snapshot_age_seconds.clone();
        all.register_with_unit("snapshot_age", help, seconds(), age);
        let help = "Views of merged profiles that were repaired or built";
        all.register("view_updates", help, self.view_updates.clone());
        let help = "Memory held by caches";
        all.register_with_unit("cache", help, Unit::Bytes, self.cache_bytes.clone());
        let help = "Decoded columns that were in the cache, or were not";
        all.register("column_cache", help, self.column_cache.clone());
    }

    fn register_clients(&mut self) {
        let all = &mut self.registry;
        let build = Family::<BuildLabels, Level>::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        all.register("build_info", "The version that runs", build);
        let help = "Connections that are open, by protocol";
        all.register("connections", help, self.connections.clone());
        all.register("sessions", "Sessions that are open, by state", self.sessions.clone());
        all.register("statements", "Statements that ended", self.statements.clone());
        let help = "Duration of statements";
        all.register_with_unit("statement", help, Unit::Seconds, self.statement_seconds.clone());
        all.register("operations", "Operations that go on, by kind", self.operations.clone());
        let help = "Answers of the HTTP interface, by route and status";
        all.register("http_requests", help, self.http_answers.clone());
        let help = "Time from an HTTP request to its answer, by route";
        all.register_with_unit("http_request", help, Unit::Seconds, self.http_seconds.clone());
        let help = "HTTP requests with rows that are being worked on";
        all.register("http_ingests_in_flight", help, self.http_ingests.clone());
        let help = "Memory held by HTTP requests with rows";
        let bytes = self.http_ingest_bytes.clone();
        all.register_with_unit("http_ingests_in_flight", help, Unit::Bytes, bytes);
        let help = "Memory held by the process";
        all.register_with_unit("resident_memory", help, Unit::Bytes, self.resident_bytes.clone());
        let help = "When the process began, since 1970";
        let start = self.start_time_seconds.clone();
        all.register_with_unit("start_time", help, Unit::Seconds, start);
    }

    /// Counts rows of a dataset that came in.
    pub fn count_rows(&self, dataset: &str, path: &'static str, counts: [u64; 3]) {
        for (outcome, count) in ["accepted", "rejected", "duplicate"].into_iter().zip(counts) {
            // A series that never counts anything need not be there.
            if count > 0 {
                let labels = RowLabels { dataset: dataset.to_owned(), path, outcome };
                self.rows.get_or_create(&labels).inc_by(count);
            }
        }
    }

    /// Notes that a sync of the log ended: how many requests it was for, how long it took, and whether
    /// the log can be written from now on.
    pub fn note_sync(&self, requests: usize, seconds: f64, synced: bool, log_bytes: u64) {
        self.group_sizes.observe(requests as f64);
        self.log_sync_seconds.observe(seconds);
        self.log_bytes.set(level(log_bytes));
        if !synced {
            self.read_only.store(true, Ordering::Release);
            self.writable.set(0);
        }
    }

    /// Whether writing the log failed, so that the store takes nothing more.
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Acquire)
    }

    /// Notes that a flush ended.
    pub fn note_flush(&self, seconds: f64, done: bool) {
        let outcome = if done { "done" } else { "failed" };
        self.flushes.get_or_create(&OutcomeLabel { outcome }).inc();
        self.flush_seconds.observe(seconds);
    }

    /// Notes when a snapshot became visible.
    pub fn note_published(&self, at_micros: i64) {
        self.published_at_micros.store(at_micros, Ordering::Relaxed);
    }

    /// When a snapshot last became visible, in microseconds; 0 if none has yet.
    pub fn published_at_micros(&self) -> i64 {
        self.published_at_micros.load(Ordering::Relaxed)
    }

    /// How many connections of a protocol are open.
    pub fn connections_of(&self, kind: &'static str) -> Level {
        self.connections.get_or_create(&KindLabel { kind }).clone()
    }

    /// Counts the answer to an HTTP request.
    pub fn note_answer(&self, route: &'static str, status: u16, seconds: f64) {
        self.http_answers.get_or_create(&AnswerLabels { route, status }).inc();
        self.http_seconds.get_or_create(&RouteLabel { route }).observe(seconds);
    }

    /// Everything in the text format that Prometheus reads.
    pub fn text(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("writing to a string cannot fail");
        out
    }
}

/// A count as a gauge has it.
pub fn level(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    /// Whether the text has the line.
    fn check(metrics: &Metrics, line: &str) {
        let text = metrics.text();
        assert!(text.lines().any(|one| one == line), "{line} in\n{text}");
    }

    #[test]
    fn what_is_counted_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.count_rows("crm", "http", [3, 0, 1]);
        metrics.count_rows("crm", "http", [2, 0, 0]);
        check(&metrics, r#"selfsame_rows_total{dataset="crm",path="http",outcome="accepted"} 5"#);
        check(&metrics, r#"selfsame_rows_total{dataset="crm",path="http",outcome="duplicate"} 1"#);
        assert!(!metrics.text().contains("rejected\""));
        metrics.note_answer("/healthz", 200, 0.0003);
        check(&metrics, r#"selfsame_http_requests_total{route="/healthz",status="200"} 1"#);
        check(&metrics, r#"selfsame_http_request_seconds_count{route="/healthz"} 1"#);
        metrics.note_flush(0.2, false);
        check(&metrics, r#"selfsame_flushes_total{outcome="failed"} 1"#);
        assert!(metrics.text().ends_with("# EOF\n"));
    }

    #[test]
    fn a_failed_sync_is_for_good() {
        let metrics = Metrics::new();
        metrics.note_sync(2, 0.001, true, 100);
        check(&metrics, "selfsame_writable 1");
        metrics.note_sync(1, 0.001, false, 100);
        metrics.note_sync(1, 0.001, true, 100);
        assert!(metrics.is_read_only());
        check(&metrics, "selfsame_writable 0");
        check(&metrics, "selfsame_log_sync_seconds_count 3");
        check(&metrics, r#"selfsame_group_size_bucket{le="1.0"} 2"#);
    }
}
