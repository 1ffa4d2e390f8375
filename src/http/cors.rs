//! Which origins may send requests, and the CORS headers of the answers
//! (https://fetch.spec.whatwg.org/#http-cors-protocol).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderName, HeaderValue},
};

use crate::{
    auth::OriginPolicy,
    config::Config,
    protocol::refusal::{Foreign, OriginRule, Refusal},
};

/// Seconds for which a browser may cache the answer.
const MAX_AGE: &str = "600";

/// The rule of `socketio.cors`, or of `server.allowed_origins`.
pub struct Cors {
    policy: OriginPolicy,
    any: bool,
    rule: OriginRule,
}

impl Cors {
    pub fn new(config: &Config) -> Self {
        let allowed = config.socketio.cors.as_deref().or(config.server.allowed_origins.as_deref());
        let any = allowed.is_some_and(|allowed| allowed.iter().any(|origin| origin == "*"));
        let rule = match (&config.socketio.cors, allowed) {
            (Some(_), _) => OriginRule::List { key: "socketio.cors" },
            (None, Some(_)) => OriginRule::List { key: "server.allowed_origins" },
            (None, None) => OriginRule::OwnHost { key: "server.allowed_origins" },
        };
        Self { policy: OriginPolicy::new(allowed), any, rule }
    }

    /// The refusal of a request whose origin is not allowed.
    pub fn refusal(&self, request: &HttpRequest) -> Refusal {
        let one = |name: HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or("null"));
        Refusal::Origin(Foreign::new(one(header::ORIGIN), one(header::HOST), self.rule))
    }

    /// Whether the request's origin is allowed. A request without an origin passes: a browser sends one with each
    /// WebSocket and each request to another host, so this is not a browser, or a page of the same host.
    pub fn allows(&self, request: &HttpRequest) -> bool {
        let one = |name: HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or("null"));
        one(header::ORIGIN).is_none_or(|origin| self.policy.allows(Some(origin), one(header::HOST)))
    }

    /// The answer to a CORS preflight request.
    pub fn preflight(&self, request: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::NoContent();
        response
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE));
        if let Some(wanted) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone()));
        }
        response.finish()
    }

    /// Lets the page read an answer, and send cookies if its origin is named explicitly.
    pub fn add(&self, request: &HttpRequest, response: &mut HttpResponse) {
        let Some(origin) = request.headers().get(header::ORIGIN) else { return };
        if !self.allows(request) {
            return;
        }
        let headers = response.headers_mut();
        if self.any {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return;
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}
