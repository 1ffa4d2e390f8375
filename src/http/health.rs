//! Liveness, readiness and metrics.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, web};
use serde_json::json;

use crate::{
    hub::Registry,
    layer::Readiness,
    telemetry::{Format, Metrics},
};

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

/// `GET /metrics`: the counters, as OpenMetrics where the scraper asks for it, else in the classic Prometheus format.
pub async fn metrics(
    request: HttpRequest,
    metrics: web::Data<Metrics>,
    registry: web::Data<Registry>,
    draining: web::Data<Draining>,
) -> HttpResponse {
    metrics.set_ready(!draining.is_draining() && registry.layer().readiness() == Readiness::Ready);
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::asked_for(accept);
    // Away from the worker's thread: it reads /proc, and deliveries wait for nobody.
    match web::block(move || metrics.render_as(format)).await {
        Ok(text) => HttpResponse::Ok().insert_header((header::CONTENT_TYPE, format.content_type())).body(text),
        Err(error) => super::error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string(), None),
    }
}
