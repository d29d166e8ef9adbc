//! `/healthz` and `/readyz`: is the process alive, and is it of use?

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use crate::web::answer::json_response;
use crate::web::door::Web;

/// Alive: the process answers. An orchestrator restarts what does not.
pub(crate) async fn alive() -> Response {
    json_response(StatusCode::OK, json!({ "status": "alive" }).to_string())
}

/// Ready: the store is open, takes writes, and the server is not about to stop.
pub(crate) async fn ready(State(web): State<Web>) -> Response {
    match web.unready() {
        None => json_response(StatusCode::OK, json!({ "status": "ready" }).to_string()),
        Some(reason) => {
            let body = json!({ "status": "not ready", "reason": reason });
            json_response(StatusCode::SERVICE_UNAVAILABLE, body.to_string())
        }
    }
}
