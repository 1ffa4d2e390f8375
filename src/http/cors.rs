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
        match config.socketio.cors.as_deref() {
            Some(list) => Self::of("socketio.cors", Some(list)),
            None => Self::for_tokens(config),
        }
    }

    /// The rule of the route that issues ws-tokens: `server.allowed_origins`.
    pub fn for_tokens(config: &Config) -> Self {
        Self::of("server.allowed_origins", config.server.allowed_origins.as_deref())
    }

    fn of(key: &'static str, allowed: Option<&[String]>) -> Self {
        let any = allowed.is_some_and(|allowed| allowed.iter().any(|origin| origin == "*"));
        Self { policy: OriginPolicy::new(allowed), any, rule: OriginRule::of(key, allowed) }
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

    /// The answer to OPTIONS at a plain route with these methods: for a preflight request of an allowed origin with what
    /// a browser asks for, else with `Allow` only.
    pub fn options(&self, request: &HttpRequest, allow: &'static str) -> HttpResponse {
        let is_preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let mut response = match is_preflight && self.allows(request) {
            true => self.preflight(request),
            false => HttpResponse::NoContent().finish(),
        };
        let headers = response.headers_mut();
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        if is_preflight && headers.contains_key(header::ACCESS_CONTROL_ALLOW_METHODS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allow));
        }
        self.add(request, &mut response);
        response
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
        let headers = response.headers_mut();
        if !self.any {
            // Also without an origin: a cache must not give this answer to a page.
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = request.headers().get(header::ORIGIN).filter(|_| self.allows(request)) else { return };
        // When to try again, and with which credentials.
        headers
            .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After, WWW-Authenticate"));
        if self.any {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return;
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}
