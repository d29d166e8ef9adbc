//! What there is: one table, from which the router, the refusals and the description for clients are made.

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use crate::web::access::Scope;
use crate::web::answer::Failure;
use crate::web::door::{Web, pass};
use crate::web::{health, openapi, profile, rows, scrape};

/// What handles a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    Rows,
    Profile,
    Alive,
    Ready,
    Metrics,
    Description,
}

/// One route.
#[derive(Debug)]
pub(crate) struct Route {
    /// `GET` (which brings `HEAD` with it) or `POST`.
    pub(crate) method: &'static str,
    /// Its path, with the names of its variables.
    pub(crate) path: &'static str,
    /// What a token must be good for; `None`: everybody may ask, as nothing of the store is told.
    pub(crate) scope: Option<Scope>,
    /// What it does, in a line.
    pub(crate) summary: &'static str,
    pub(crate) handler: Handler,
}

/// All routes.
pub(crate) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/v1/datasets/{name}/rows",
        scope: Some(Scope::Ingest),
        summary: "Take rows into a dataset; answers when they are durable and visible",
        handler: Handler::Rows,
    },
    Route {
        method: "GET",
        path: "/v1/profiles/{namespace}/{value}",
        scope: Some(Scope::Read),
        summary: "The one merged profile of the person whom an identity belongs to",
        handler: Handler::Profile,
    },
    Route {
        method: "GET",
        path: "/openapi.json",
        scope: Some(Scope::Ingest),
        summary: "This description",
        handler: Handler::Description,
    },
    Route {
        method: "GET",
        path: "/metrics",
        scope: Some(Scope::Metrics),
        summary: "What the server counts and measures, for Prometheus",
        handler: Handler::Metrics,
    },
    Route {
        method: "GET",
        path: "/healthz",
        scope: None,
        summary: "Whether the process is alive",
        handler: Handler::Alive,
    },
    Route {
        method: "GET",
        path: "/readyz",
        scope: None,
        summary: "Whether the store is open and takes writes, and why if not",
        handler: Handler::Ready,
    },
];

/// The route of a path as it stands in the table.
pub(crate) fn route_named(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path)
}

fn method_router(handler: Handler) -> MethodRouter<Web> {
    match handler {
        Handler::Rows => post(rows::take),
        Handler::Profile => get(profile::profile),
        Handler::Alive => get(health::alive),
        Handler::Ready => get(health::ready),
        Handler::Metrics => get(scrape::metrics),
        Handler::Description => get(openapi::description),
    }
}

/// The whole interface.
pub(crate) fn router(web: &Web) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let method = route.method;
        let refuse = move || async move { Failure::no_method(method) };
        router = router.route(route.path, method_router(route.handler).fallback(refuse));
    }
    router.fallback(nothing).layer(from_fn_with_state(web.clone(), pass)).with_state(web.clone())
}

async fn nothing(_request: Request) -> Response {
    Failure::no_route().into_response()
}
