//! Answers: JSON bodies, and errors as JSON with the status that fits.

use axum::body::Body;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Error, SqlState};
use crate::web::access::Refusal;

/// Seconds after which a client that was turned away may come again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// What a handler gives.
pub(crate) type Answer = Result<Response, Failure>;

/// An error with the status that it is told with.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    error: Error,
}

impl Failure {
    /// An error that is told with that status.
    pub(crate) fn new(status: StatusCode, error: Error) -> Self {
        Self { status, error }
    }

    /// Nobody has room for it now.
    pub(crate) fn busy() -> Self {
        let message = "too many requests with rows are being worked on";
        let error = Error::new(SqlState::TOO_MANY_CONNECTIONS, message)
            .hint("try again in a moment, or send more rows in fewer requests");
        Self::new(StatusCode::TOO_MANY_REQUESTS, error)
    }

    /// The store cannot be asked now.
    pub(crate) fn unavailable(reason: &str) -> Self {
        let error = Error::new(SqlState::CANNOT_CONNECT_NOW, format!("not ready: {reason}"));
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }

    /// There is nothing of that path.
    pub(crate) fn no_route() -> Self {
        let error = Error::new(SqlState::UNDEFINED_OBJECT, "there is nothing at this path")
            .hint("GET /openapi.json lists what there is");
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// The path is there, but not for that method.
    pub(crate) fn no_method(allowed: &str) -> Response {
        let error = Error::unsupported("this path has no such method");
        let error = error.hint(format!("it has {allowed}"));
        let mut response = Self::new(StatusCode::METHOD_NOT_ALLOWED, error).into_response();
        if let Ok(allowed) = HeaderValue::from_str(allowed) {
            response.headers_mut().insert(ALLOW, allowed);
        }
        response
    }
}

/// The status that an SQLSTATE is told with.
fn status_of(code: SqlState) -> StatusCode {
    match code {
        SqlState::UNDEFINED_TABLE
        | SqlState::UNDEFINED_OBJECT
        | SqlState::INVALID_SCHEMA_NAME
        | SqlState::NO_DATA => StatusCode::NOT_FOUND,
        SqlState::INSUFFICIENT_PRIVILEGE => StatusCode::FORBIDDEN,
        SqlState::SERIALIZATION_FAILURE | SqlState::OBJECT_IN_USE => StatusCode::CONFLICT,
        // A key that was used for other rows: well formed, but it cannot be meant.
        SqlState::UNIQUE_VIOLATION => StatusCode::UNPROCESSABLE_ENTITY,
        SqlState::PROGRAM_LIMIT_EXCEEDED => StatusCode::PAYLOAD_TOO_LARGE,
        SqlState::FEATURE_NOT_SUPPORTED => StatusCode::NOT_IMPLEMENTED,
        SqlState::DISK_FULL => StatusCode::INSUFFICIENT_STORAGE,
        SqlState::ADMIN_SHUTDOWN
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::OUT_OF_MEMORY
        | SqlState::IO_ERROR => StatusCode::SERVICE_UNAVAILABLE,
        SqlState(code) => match code.get(..2) {
            Some("22" | "23" | "42" | "55" | "08") => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(status_of(error.code()), error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let (status, message, hint) = match refusal {
            Refusal::NoToken => (
                StatusCode::UNAUTHORIZED,
                "a token is needed".to_owned(),
                "send it in a header: Authorization: Bearer TOKEN",
            ),
            Refusal::BadToken => {
                let hint = "tokens are those of http_token_file or SELFSAME_HTTP_TOKENS";
                (StatusCode::UNAUTHORIZED, "the token is not known".to_owned(), hint)
            }
            Refusal::OtherScope(scope) => (
                StatusCode::FORBIDDEN,
                format!("the token is not good for this: it needs \"{scope}\""),
                "use another token",
            ),
            Refusal::OtherOrigin => (
                StatusCode::FORBIDDEN,
                "requests from pages of another origin are refused".to_owned(),
                "ask from a server, or through a proxy of the page's own origin",
            ),
            Refusal::OtherHost => (
                StatusCode::FORBIDDEN,
                "requests for another host are refused".to_owned(),
                "ask for localhost or 127.0.0.1",
            ),
        };
        Self::new(status, Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message).hint(hint))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { status, error } = self;
        if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
            tracing::error!(code = error.code().0, %error, "an HTTP request failed");
        }
        let body = json!({ "error": {
            "code": error.code().0,
            "message": error.message(),
            "detail": error.get_detail(),
            "hint": error.get_hint(),
        }});
        let mut response = json_response(status, body.to_string());
        let headers = response.headers_mut();
        if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE, StatusCode::CONFLICT]
            .contains(&status)
        {
            headers.insert(RETRY_AFTER, RETRY_SECONDS);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A JSON text as an answer; nobody on the way keeps it.
pub(crate) fn json_response(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A text as an answer.
pub(crate) fn text_response(content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::{Failure, StatusCode, status_of};
    use crate::error::SqlState;
    use axum::response::IntoResponse;

    #[test]
    fn codes_have_the_status_that_fits() {
        for (code, status) in [
            ("42P01", 404),
            ("42704", 404),
            ("42703", 400),
            ("22P04", 400),
            ("23505", 422),
            ("54000", 413),
            ("55006", 409),
            ("40001", 409),
            ("53100", 507),
            ("57P01", 503),
            ("58030", 503),
            ("XX001", 500),
            ("0A000", 501),
        ] {
            assert_eq!(status_of(SqlState(code)).as_u16(), status, "{code}");
        }
    }

    #[test]
    fn those_who_may_come_again_are_told_when() {
        let response = Failure::busy().into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["retry-after"], "1");
        let response = Failure::no_method("GET").into_response();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &"GET".parse().unwrap())
        );
    }
}
