//! `GET /v1/profiles/{namespace}/{value}`: one person, merged, as every table has it.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

use crate::engine::Database;
use crate::error::{Error, Result, SqlState};
use crate::query::tables::mask::Mask;
use crate::web::answer::{Answer, Failure, json_response};
use crate::web::door::Web;
use crate::web::json::object;

/// What may stand behind the question mark.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// The merge policy; without it the default one.
    policy: Option<String>,
}

/// The person whom an identity belongs to.
pub(crate) async fn profile(
    State(web): State<Web>,
    Path((namespace, value)): Path<(String, String)>,
    parameters: std::result::Result<Query<Parameters>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Query(Parameters { policy }) = parameters.map_err(|_| {
        let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, "invalid query parameters");
        Failure::from(error.hint("policy is the only one: ?policy=latest"))
    })?;
    let server = web.server()?;
    let database = std::sync::Arc::clone(server.database());
    // Merging may take a while; those who only move bytes do not wait for it.
    let found = server
        .runtime()
        .spawn_blocking(move || look_up(&database, &namespace, &value, policy.as_deref()))
        .await
        .map_err(|error| Error::internal(error.to_string()))??;
    Ok(json_response(StatusCode::OK, found))
}

fn look_up(
    database: &Database,
    namespace: &str,
    value: &str,
    policy: Option<&str>,
) -> Result<String> {
    let snapshot = database.snapshot();
    let catalog = snapshot.catalog();
    let policy = policy.unwrap_or(&catalog.default_policy);
    let nobody = || {
        let message = format!("nobody has {namespace} \"{value}\"");
        Error::new(SqlState::NO_DATA, message)
    };
    let sensitive = catalog.sensitive();
    if sensitive.namespaces.contains(namespace) {
        // Who has it would tell what it is.
        let message = format!("namespace \"{namespace}\" is sensitive");
        return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
            .hint("ask by an identity of another namespace, or over PostgreSQL's protocol"));
    }
    let person = snapshot.person_of(catalog.policy(policy)?, namespace, value)?;
    let row = database.profile(&snapshot, policy, person.ok_or_else(nobody)?)?;
    let row = row.ok_or_else(nobody)?;
    match Mask::of(&sensitive, row.schema_ref(), None) {
        Some(mask) => object(&mask.batch(&row)?, 0),
        None => object(&row, 0),
    }
}
