//! HTTP error answers. `protocol/refusal.rs` decides what is wrong with a handshake; here it becomes HTTP.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use serde_json::json;

use crate::{
    config::Protocol,
    protocol::refusal::{Refusal, Row},
};

/// Every error body of the node: `{"detail": …}` as Django REST framework writes it, with the invalid field if any.
pub(super) fn error(status: StatusCode, detail: &str, field: Option<&str>) -> HttpResponse {
    let mut body = json!({ "detail": detail });
    if let Some(field) = field {
        body["field"] = field.into();
    }
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

/// 503 with `Retry-After` in whole seconds, at least one.
pub(super) fn unavailable(detail: &str, retry_after: Duration) -> HttpResponse {
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, detail, None);
    response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(retry_after).into());
    response
}

/// The answer to a refused handshake, for the client's `protocol`.
pub(super) fn answer(refusal: &Refusal, protocol: Protocol) -> HttpResponse {
    let Row { status, detail, code, limit, retry_after, headers, .. } = refusal.row();
    let mut body = match code {
        Some(code) if protocol != Protocol::WebSocket => json!({ "code": code, "message": detail }),
        _ => json!({ "detail": detail }),
    };
    if let Some(limit) = limit {
        body["limit"] = limit.into();
    }
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST));
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(time) = retry_after {
        response.insert_header((header::RETRY_AFTER, whole_seconds(time)));
    }
    for header in headers {
        response.insert_header(*header);
    }
    response.json(body)
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs_f64().ceil().max(1.0) as u64
}

/// Nothing is served at this path.
pub(super) fn not_found(request: &HttpRequest) -> HttpResponse {
    error(StatusCode::NOT_FOUND, &format!("nothing is served at {}", request.path()), None)
}
