//! Liveness, readiness and metrics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, web};
use serde_json::json;

use crate::{
    cluster::Cluster,
    hub::Registry,
    layer::Readiness,
    telemetry::{Format, Metrics},
};

/// Whether the node is stopping.
#[derive(Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// The node accepts no new connections from now on.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is draining.
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// How long a thread may be silent before it counts as stuck.
#[derive(Clone, Copy)]
pub struct StuckAfter(pub Duration);

/// `GET /health/live`: the process works: this worker answers, and the other threads beat. It asks nothing outside the
/// process.
pub async fn live(metrics: web::Data<Metrics>, patience: web::Data<StuckAfter>) -> HttpResponse {
    match metrics.watchdog.stuck(patience.0) {
        None => answer(StatusCode::OK, "alive", None),
        Some((thread, still)) => {
            let reason = format!("{thread} has been stuck for {} s", still.as_secs());
            log::error!("liveness: {reason}");
            answer(StatusCode::SERVICE_UNAVAILABLE, "stuck", Some(&reason))
        }
    }
}

/// `GET /health/ready`: events arrive and new connections are accepted.
///
/// With one of several Redis servers unreachable the answer stays 200, *degraded*: every node sees the same servers,
/// and a balancer that avoided all of them would end what still works.
/// So it is while the nodes cannot work together: events still arrive.
pub async fn ready(
    registry: web::Data<Registry>,
    draining: web::Data<Draining>,
    cluster: web::Data<Cluster>,
) -> HttpResponse {
    let (ready, word, reason) = state(&registry, &draining, &cluster);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer(status, word, reason.as_deref())
}

/// Whether the node is ready, the word for it, and what is wrong.
pub fn state(registry: &Registry, draining: &Draining, cluster: &Cluster) -> (bool, &'static str, Option<String>) {
    if draining.is_draining() {
        return (false, "draining", Some("the node is stopping".to_owned()));
    }
    match (readiness(registry, cluster), cluster.trouble()) {
        (Readiness::Ready, None) => (true, "ready", None),
        (Readiness::Ready, trouble) => (true, "degraded", trouble),
        (Readiness::Degraded(reason), _) => (true, "degraded", Some(reason)),
        (Readiness::NotReady(reason), _) => (false, "not ready", Some(reason)),
    }
}

/// Whether events arrive, and new connections are accepted: at its start a node refuses tokens until it knows which are
/// revoked. Other trouble of the nodes takes none of them out.
fn readiness(registry: &Registry, cluster: &Cluster) -> Readiness {
    match registry.layer().readiness() {
        Readiness::Ready | Readiness::Degraded(_) if cluster.is_starting() && cluster.trouble().is_none() => {
            Readiness::NotReady("the node is starting, and does not know the orders of before yet".to_owned())
        }
        known => known,
    }
}

fn answer(status: StatusCode, word: &str, reason: Option<&str>) -> HttpResponse {
    let mut body = json!({ "status": word });
    if let Some(reason) = reason {
        body["reason"] = reason.into();
    }
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

/// `GET /metrics`: the counters, as OpenMetrics if the scraper asks for it, else in the classic Prometheus format.
pub async fn metrics(
    request: HttpRequest,
    metrics: web::Data<Metrics>,
    registry: web::Data<Registry>,
    draining: web::Data<Draining>,
    cluster: web::Data<Cluster>,
) -> HttpResponse {
    metrics.set_ready(!draining.is_draining() && !matches!(readiness(&registry, &cluster), Readiness::NotReady(_)));
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::asked_for(accept);
    // Not on the worker's thread: it reads /proc, and deliveries must not wait.
    match web::block(move || format.convert(metrics.render())).await {
        Ok(text) => HttpResponse::Ok().insert_header((header::CONTENT_TYPE, format.content_type())).body(text),
        Err(error) => super::refusal::error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string(), None),
    }
}
