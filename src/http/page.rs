//! The live page at `/`: what a stranger opens first. It connects to each consumer, shows frames as they arrive and
//! publishes samples.
//!
//! In: the configuration and, with the embedded layer, a maker of ws-tokens. Out: fixed assets, a JSON description of
//! the consumers, and `POST /page/token`. The page uses the same WebSockets and the same publish API as everybody
//! else. It must never say a secret: what [`describe`] does not name does not leave the node.

mod describe;

use std::sync::Arc;

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder, Resource, guard,
    http::{Method, StatusCode, header},
    web,
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;

use super::{
    body::{self, BodyError, BodyLimits},
    publish::{self, Gate, PublishAccess},
    refusal,
};
use crate::config::Config;

/// Makes a ws-token for a user id, or says why it cannot.
pub type TokenMaker = Arc<dyn Fn(String) -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// Own scripts, styles and images and nothing else; sockets to any host, because a proxy may serve them elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The body of `POST /page/token` is one number or a short text.
const MAX_TOKEN_REQUEST: usize = 1024;

/// Path, media type, content. There is no other file, so no path is ever looked up on a disk.
const ASSETS: [(&str, &str, &str); 9] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/page/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/page/app.js", SCRIPT, include_str!("page/app.js")),
    ("/page/connection.js", SCRIPT, include_str!("page/connection.js")),
    ("/page/card.js", SCRIPT, include_str!("page/card.js")),
    ("/page/frames.js", SCRIPT, include_str!("page/frames.js")),
    ("/page/publish.js", SCRIPT, include_str!("page/publish.js")),
    ("/page/text.js", SCRIPT, include_str!("page/text.js")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What the page shows and may do; cheap to clone, one for all workers.
#[derive(Clone)]
pub struct PageData {
    description: Arc<ArcSwap<Bytes>>,
    token_maker: Option<TokenMaker>,
    body: BodyLimits,
}

impl PageData {
    /// `embedded`: events stay in this process. A `token_maker` makes `POST /page/token` exist; the caller passes one
    /// only with the embedded cache, where tokens open nothing but this node.
    pub fn new(config: &Config, embedded: bool, publish: &PublishAccess, token_maker: Option<TokenMaker>) -> Self {
        let description = describe::describe(config, embedded, publish, token_maker.is_some());
        let description = Arc::new(ArcSwap::from_pointee(description.to_string().into()));
        let body = BodyLimits::new(MAX_TOKEN_REQUEST, config);
        Self { description, token_maker, body }
    }

    /// Describes another configuration from now on.
    pub fn exchange(&self, config: &Config, embedded: bool, publish: &PublishAccess) {
        let description = describe::describe(config, embedded, publish, self.token_maker.is_some());
        self.description.store(Arc::new(description.to_string().into()));
    }
}

/// Registers the page's routes.
pub fn configure(service: &mut web::ServiceConfig, page: PageData) {
    for (path, media_type, content) in ASSETS {
        service.service(read_only(path, move || {
            strict(StatusCode::OK).insert_header((header::CONTENT_TYPE, media_type)).body(content)
        }));
    }
    let description = page.description;
    service.service(read_only("/page/consumers", move || {
        strict(StatusCode::OK).content_type(mime_json()).body(Bytes::clone(&description.load()))
    }));
    if let Some(maker) = page.token_maker {
        let limits = page.body;
        let make = move |request, gate, payload| token(maker.clone(), limits, request, gate, payload);
        service.service(web::resource("/page/token").route(web::post().to(make)));
    }
}

fn read_only(path: &str, answer: impl Fn() -> HttpResponse + Clone + 'static) -> Resource {
    let reading = guard::Any(guard::Method(Method::GET)).or(guard::Method(Method::HEAD));
    web::resource(path).route(web::route().guard(reading).to(move || std::future::ready(answer())))
}

/// A response that no browser caches, sniffs, frames or lets load anything foreign.
fn strict(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

fn mime_json() -> header::ContentType {
    header::ContentType::json()
}

/// `{"user_id": 7}`.
#[derive(Deserialize)]
struct TokenRequest {
    user_id: UserId,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum UserId {
    Number(u64),
    Text(String),
}

/// Makes a token for any user, so it asks for the key of the publish API.
async fn token(
    maker: TokenMaker,
    limits: BodyLimits,
    request: HttpRequest,
    access: web::Data<Gate>,
    payload: web::Payload,
) -> HttpResponse {
    if let Some(denied) = publish::refusal(&request, &access.load()) {
        return denied;
    }
    // A form of another site can send text/plain without asking first.
    if !request.content_type().eq_ignore_ascii_case("application/json") {
        return refusal::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json", None);
    }
    let body = match body::read(&request, payload, limits).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => {
            return refusal::error(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 KiB", None);
        }
        Err(late @ BodyError::Late) => {
            return refusal::error(StatusCode::REQUEST_TIMEOUT, &late.to_string(), None);
        }
        Err(full @ BodyError::NoRoom) => {
            return refusal::error(StatusCode::SERVICE_UNAVAILABLE, &full.to_string(), None);
        }
        Err(BodyError::Broken(_)) => Bytes::new(),
    };
    let Ok(TokenRequest { user_id }) = serde_json::from_slice(&body) else {
        return refusal::error(StatusCode::BAD_REQUEST, "send {\"user_id\": 7}", Some("user_id"));
    };
    let user_id = match user_id {
        UserId::Number(number) => number.to_string(),
        UserId::Text(text) => text,
    };
    if user_id.is_empty() || user_id.len() > 64 {
        return refusal::error(StatusCode::BAD_REQUEST, "a user id has 1 to 64 bytes", Some("user_id"));
    }
    match maker(user_id).await {
        Ok(token) => strict(StatusCode::OK).json(json!({ "ws_token": token })),
        Err(reason) => refusal::error(StatusCode::SERVICE_UNAVAILABLE, &reason, None),
    }
}

#[cfg(test)]
mod tests;
