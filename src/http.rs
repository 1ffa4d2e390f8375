//! The node's HTTP side: WebSocket handshakes, health, metrics, the publish API, ws-tokens and the live page.

pub mod admin;
pub mod client;
pub mod health;
pub mod offer;
pub mod page;
pub mod proxy_protocol;
pub mod publish;
pub mod server;
pub mod socketio;
mod tail;
pub mod websocket;
pub mod ws_token;

use crate::admission::Refused;
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
    let seconds = header::HeaderValue::from(whole_seconds(retry_after));
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

/// A limit at the door is reached: 429 where it is the client's own, else 503. `body` names the limit.
fn limited(refused: Refused, mut body: serde_json::Value) -> HttpResponse {
    let status = match refused.limit.is_the_clients() {
        true => StatusCode::TOO_MANY_REQUESTS,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    body["limit"] = refused.limit.key().into();
    let mut response = HttpResponse::build(status);
    let seconds = whole_seconds(refused.retry_after);
    response.insert_header((header::CACHE_CONTROL, "no-store")).insert_header((header::RETRY_AFTER, seconds));
    response.json(body)
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs_f64().ceil().max(1.0) as u64
}

/// Nothing is served at this path.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    error(StatusCode::NOT_FOUND, &format!("nothing is served at {}", request.path()), None)
}
