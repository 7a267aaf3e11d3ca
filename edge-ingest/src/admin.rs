//! Health and metrics, on a port of their own that encoders do not reach.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::shared::Shared;

/// The media type of Prometheus' text format with OpenMetrics naming.
const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers until the edge stops.
pub(crate) async fn run(edge: Arc<Shared>, listener: TcpListener) {
    let stopping = edge.stopping.clone();
    let routes = Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(edge);
    let server = axum::serve(listener, routes).with_graceful_shutdown(stopping.cancelled_owned());
    if let Err(error) = server.await {
        tracing::error!(%error, "health and metrics stopped");
    }
}

/// The process answers.
async fn healthy() -> &'static str {
    "ok\n"
}

/// Publishers may be sent here: it is not stopping, has its lease, is not full, and the store answers.
async fn ready(State(edge): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    let unready = |why| (StatusCode::SERVICE_UNAVAILABLE, why);
    if !edge.admits() {
        return unready("stopping, or without a lease\n");
    }
    if edge.registry.publishing() >= edge.settings.capacity {
        return unready("full\n");
    }
    match edge.services.store.edges().await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready: the store does not answer");
            unready("the store does not answer\n")
        }
    }
}

async fn metrics(State(edge): State<Arc<Shared>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, METRICS_CONTENT_TYPE)], edge.metrics.text())
}
