//! The node's HTTP side: WebSocket handshakes, health, metrics, the publish API, ws-tokens and the live page.

pub mod admin;
pub mod health;
pub mod page;
pub mod publish;
pub mod server;
pub mod socketio;
pub mod websocket;
pub mod ws_token;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header};
use serde_json::json;
use std::time::Duration;

/// Every error body of the node: `{"detail": …}` as Django REST framework writes it, with the field at fault if any.
pub fn error(status: StatusCode, detail: &str, field: Option<&str>) -> HttpResponse {
    let mut body = json!({ "detail": detail });
    if let Some(field) = field {
        body["field"] = field.into();
    }
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

/// 503 with `Retry-After` in whole seconds, at least one.
pub fn unavailable(detail: &str, retry_after: Duration) -> HttpResponse {
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, detail, None);
    let seconds = retry_after.as_secs_f64().ceil().max(1.0) as u64;
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    response
}

/// Nothing is served at this path.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    error(StatusCode::NOT_FOUND, &format!("nothing is served at {}", request.path()), None)
}
