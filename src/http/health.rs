//! Liveness, readiness and metrics.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actix_web::{HttpResponse, http::StatusCode, http::header, web};
use serde_json::json;

use crate::{hub::Registry, layer::Readiness, telemetry::Metrics};

/// Whether the node is stopping.
#[derive(Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// From now on the node takes no new connections.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it takes none.
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// `GET /health/live`: the process answers.
pub async fn live() -> HttpResponse {
    answer(StatusCode::OK, "alive", None)
}

/// `GET /health/ready`: events arrive and new connections are welcome.
pub async fn ready(registry: web::Data<Registry>, draining: web::Data<Draining>) -> HttpResponse {
    if draining.is_draining() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "draining", None);
    }
    match registry.layer().readiness() {
        Readiness::Ready => answer(StatusCode::OK, "ready", None),
        Readiness::NotReady(reason) => answer(StatusCode::SERVICE_UNAVAILABLE, "not ready", Some(&reason)),
    }
}

fn answer(status: StatusCode, word: &str, reason: Option<&str>) -> HttpResponse {
    let mut body = json!({ "status": word });
    if let Some(reason) = reason {
        body["reason"] = reason.into();
    }
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

/// `GET /metrics`: the counters in the Prometheus text format.
pub async fn metrics(metrics: web::Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
        .body(metrics.render())
}
