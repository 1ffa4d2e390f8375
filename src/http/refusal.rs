//! HTTP error answers. `protocol/refusal.rs` decides what is wrong with a handshake; here it becomes HTTP.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName},
    },
};
use bytes::Bytes;
use serde_json::json;

use super::scope::latin1_header;
use crate::{
    config::Protocol,
    protocol::refusal::{BridgeRefusal, Refusal, Row},
};

/// Headers about one link and the length of the body: the node writes its own.
const OF_THE_LINK: [HeaderName; 5] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TRAILER, header::UPGRADE];

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
    if let Refusal::Bridge(BridgeRefusal::Denied { status, headers, body }) = refusal
        && *status == refusal.row().status
        && let Some(response) = own_answer(*status, headers, body)
    {
        return response;
    }
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

/// The answer of a consumer, as it is; `None` if it is not an answer of HTTP.
fn own_answer(status: u16, headers: &[(String, String)], body: &Bytes) -> Option<HttpResponse> {
    let status = StatusCode::from_u16(status).ok()?;
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        let (name, value) = latin1_header(name, value)?;
        if !OF_THE_LINK.contains(&name) {
            all.append(name, value);
        }
    }
    let mut response = HttpResponse::new(status).set_body(BoxBody::new(body.clone()));
    *response.headers_mut() = all;
    Some(response)
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs_f64().ceil().max(1.0) as u64
}

/// Nothing is served at this path.
pub(super) fn not_found(request: &HttpRequest) -> HttpResponse {
    error(StatusCode::NOT_FOUND, &format!("nothing is served at {}", request.path()), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(status: u16, headers: &[(&str, &str)]) -> HttpResponse {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let refusal = BridgeRefusal::Denied { status, headers, body: Bytes::from_static(b"<p>") };
        answer(&refusal.into(), Protocol::WebSocket)
    }

    fn body(response: HttpResponse) -> Bytes {
        actix_web::body::MessageBody::try_into_bytes(response.into_body()).ok().unwrap()
    }

    #[test]
    fn the_answer_of_a_consumer_is_sent_as_it_is() {
        let response = denied(
            401,
            &[
                ("content-type", "text/html"),
                ("Set-Cookie", "a=1"),
                ("set-cookie", "b=é"),
                ("content-length", "99"),
                ("connection", "close"),
                ("transfer-encoding", "chunked"),
            ],
        );
        assert_eq!(response.status(), 401);
        let mut headers: Vec<_> =
            response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        headers.sort_unstable();
        assert_eq!(headers, [("content-type", &b"text/html"[..]), ("set-cookie", b"a=1"), ("set-cookie", b"b=\xe9")]);
        assert_eq!(body(response), "<p>");
    }

    #[test]
    fn an_answer_that_is_not_http_is_a_fault_of_the_consumer() {
        for (status, header) in [
            (101, ("a", "b")),
            (600, ("a", "b")),
            (0, ("a", "b")),
            (401, ("a b", "c")),
            (401, ("", "c")),
            (401, ("a", "b\r\nc: d")),
            (401, ("a", "Ā")),
        ] {
            let response = denied(status, &[header]);
            assert_eq!(response.status(), 500, "{status} {header:?}");
            assert_eq!(body(response), r#"{"detail":"the consumer failed"}"#, "{status} {header:?}");
        }
    }
}
