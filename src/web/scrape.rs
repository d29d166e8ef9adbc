//! `/metrics`: what Prometheus reads.

use axum::extract::State;
use axum::response::IntoResponse;

use crate::metrics::{StateLabel, level};
use crate::web::answer::{Answer, text_response};
use crate::web::door::Web;

/// The content type of the format.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics as of now.
pub(crate) async fn metrics(State(web): State<Web>) -> Answer {
    let server = web.server()?;
    let (database, metrics) = (server.database(), server.database().metrics());
    database.measure();
    metrics.start_time_seconds.set(web.started_at_micros() as f64 / 1e6);
    metrics.connections_of("http").set(level(web.connection_count() as u64));
    metrics.sessions.clear();
    for session in server.sessions() {
        metrics.sessions.get_or_create(&StateLabel { state: session.state }).inc();
    }
    Ok(text_response(CONTENT_TYPE, metrics.text()).into_response())
}
