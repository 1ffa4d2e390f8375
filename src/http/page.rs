//! The live page at `/page/`, and at `/` unless that belongs to another server: the first thing that a new user opens. It connects to each consumer, shows frames and events
//! as they arrive, emits events, and publishes samples. Its second view (`page/operate`) shows the cluster to operators; it
//! uses the admin API like every client of it.
//!
//! In: the configuration and, with the embedded layer, a maker of tokens. Out: fixed assets, a JSON description of the
//! consumers, and `POST /page/token`. The page uses the same connections and the same publish API as every client; for
//! Socket.IO it has the official client (`page/vendor`), so that what it shows is what browsers see. It never shows a
//! secret: only the fields that [`describe`] lists leave the node.

mod describe;
mod hints;

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder, Resource, guard,
    http::{StatusCode, header},
    web,
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::json;

use super::{
    body::{self, BodyError, BodyLimits},
    publish::{self, PublishAccess, PublishGate},
    refusal,
    resource::{self, Verbs},
    upgrade,
};
use crate::config::{AuthMethod, Config};

/// Creates a token for a method and a user, or returns the reason why not.
pub type MakeToken = Arc<dyn Fn(AuthMethod, PageUser) -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// Creates tokens for the page.
#[derive(Clone)]
pub struct TokenMaker {
    /// The methods with tokens.
    pub methods: Vec<AuthMethod>,
    /// Creates a token for one of these methods.
    pub make: MakeToken,
}

/// The user that the page asks for.
pub struct PageUser {
    /// The user's id.
    pub id: String,
    /// Further claims of an access token: `role` and `name`.
    pub claims: IndexMap<Box<str>, String>,
}

/// Only the page's own scripts, styles and images; sockets to any host, because a proxy may serve them elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// When to try again while a token cannot be created.
const SOON: Duration = Duration::from_secs(1);

/// The body of `POST /page/token` is a number or a few short texts.
const MAX_TOKEN_REQUEST: usize = 1024;

/// Path, media type, content. Every file of the page is here: no path is ever looked up on a disk.
const ASSETS: [(&str, &str, &str); 33] = [
    (PAGE, "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/page/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/page/app.js", SCRIPT, include_str!("page/app.js")),
    ("/page/connection.js", SCRIPT, include_str!("page/connection.js")),
    ("/page/socketio.js", SCRIPT, include_str!("page/socketio.js")),
    ("/page/card.js", SCRIPT, include_str!("page/card.js")),
    ("/page/messages.js", SCRIPT, include_str!("page/messages.js")),
    ("/page/rooms.js", SCRIPT, include_str!("page/rooms.js")),
    ("/page/frames.js", SCRIPT, include_str!("page/frames.js")),
    ("/page/publish.js", SCRIPT, include_str!("page/publish.js")),
    ("/page/controls.js", SCRIPT, include_str!("page/controls.js")),
    ("/page/text.js", SCRIPT, include_str!("page/text.js")),
    ("/page/views.js", SCRIPT, include_str!("page/views.js")),
    ("/page/operate/operate.css", "text/css; charset=utf-8", include_str!("page/operate/operate.css")),
    ("/page/operate/api.js", SCRIPT, include_str!("page/operate/api.js")),
    ("/page/operate/chart.js", SCRIPT, include_str!("page/operate/chart.js")),
    ("/page/operate/dom.js", SCRIPT, include_str!("page/operate/dom.js")),
    ("/page/operate/emit.js", SCRIPT, include_str!("page/operate/emit.js")),
    ("/page/operate/figures.js", SCRIPT, include_str!("page/operate/figures.js")),
    ("/page/operate/format.js", SCRIPT, include_str!("page/operate/format.js")),
    ("/page/operate/losses.js", SCRIPT, include_str!("page/operate/losses.js")),
    ("/page/operate/model.js", SCRIPT, include_str!("page/operate/model.js")),
    ("/page/operate/nodes.js", SCRIPT, include_str!("page/operate/nodes.js")),
    ("/page/operate/scale.js", SCRIPT, include_str!("page/operate/scale.js")),
    ("/page/operate/signin.js", SCRIPT, include_str!("page/operate/signin.js")),
    ("/page/operate/stream.js", SCRIPT, include_str!("page/operate/stream.js")),
    ("/page/operate/tables.js", SCRIPT, include_str!("page/operate/tables.js")),
    ("/page/operate/tail.js", SCRIPT, include_str!("page/operate/tail.js")),
    ("/page/operate/user.js", SCRIPT, include_str!("page/operate/user.js")),
    ("/page/operate/view.js", SCRIPT, include_str!("page/operate/view.js")),
    ("/page/operate/words.js", SCRIPT, include_str!("page/operate/words.js")),
    (CLIENT, SCRIPT, include_str!("page/vendor/socket.io.esm.min.js")),
];

/// The path of the page itself.
const PAGE: &str = "/page/";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The official Socket.IO client.
const CLIENT: &str = "/page/vendor/socket.io.esm.min.js";

/// The page's data and permissions; cheap to clone, one for all workers.
#[derive(Clone)]
pub struct PageData {
    description: Arc<ArcSwap<Bytes>>,
    token_maker: Option<TokenMaker>,
    body: BodyLimits,
}

impl PageData {
    /// `embedded`: events stay in this process. A `token_maker` enables `POST /page/token`; its tokens must be valid on
    /// this node only.
    pub fn new(config: &Config, embedded: bool, publish: &PublishAccess, token_maker: Option<TokenMaker>) -> Self {
        let description = describe::describe(config, embedded, publish, methods(token_maker.as_ref()));
        let description = Arc::new(ArcSwap::from_pointee(description.to_string().into()));
        let body = BodyLimits::new(MAX_TOKEN_REQUEST, config);
        Self { description, token_maker, body }
    }

    /// Replaces the described configuration.
    pub fn exchange(&self, config: &Config, embedded: bool, publish: &PublishAccess) {
        let description = describe::describe(config, embedded, publish, methods(self.token_maker.as_ref()));
        self.description.store(Arc::new(description.to_string().into()));
    }
}

fn methods(maker: Option<&TokenMaker>) -> &[AuthMethod] {
    maker.map_or(&[], |maker| &maker.methods)
}

/// Registers the page's routes; `has_root`: whether the page is at `/`, too, at the moment.
pub fn configure(service: &mut web::ServiceConfig, page: PageData, has_root: impl Fn() -> bool + 'static) {
    for (path, media_type, content) in ASSETS {
        let answer = move || strict(StatusCode::OK).insert_header((header::CONTENT_TYPE, media_type)).body(content);
        service.service(read_only(path, answer));
    }
    let root = move || strict(StatusCode::OK).insert_header((header::CONTENT_TYPE, ASSETS[0].1)).body(ASSETS[0].2);
    service.service(read_only("/", root).guard(guard::fn_guard(move |_| has_root())));
    let description = page.description;
    service.service(read_only("/page/consumers", move || {
        strict(StatusCode::OK).content_type(mime_json()).body(Bytes::clone(&description.load()))
    }));
    if let Some(maker) = page.token_maker {
        let limits = page.body;
        let make = move |request, gate, payload| token(maker.clone(), limits, request, gate, payload);
        service
            .service(resource::counted(resource::one("/page/token", Verbs::Post).route(Verbs::Post.route().to(make))));
    }
}

fn read_only(path: &str, answer: impl Fn() -> HttpResponse + Clone + 'static) -> Resource {
    // A consumer may have the path of the page, "/".
    let is_page = guard::Not(guard::fn_guard(|request| upgrade::wants_websocket(request.head().headers())));
    let route = Verbs::Read.route().to(move || std::future::ready(answer()));
    resource::one(path, Verbs::Read).guard(is_page).route(route)
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

/// `{"user_id": 7}`, or `{"user_id": 7, "method": "jwt", "claims": {"role": "manager", "name": "Ada"}}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    user_id: UserId,
    #[serde(default = "ws_token")]
    method: AuthMethod,
    #[serde(default)]
    claims: Claims,
}

const fn ws_token() -> AuthMethod {
    AuthMethod::WsToken
}

/// The claims that the page may choose: those that the presets read.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    role: Option<String>,
    name: Option<String>,
}

impl Claims {
    fn given(self) -> IndexMap<Box<str>, String> {
        let all = [("role", self.role), ("name", self.name)];
        all.into_iter()
            .filter_map(|(key, value)| Some((key.into(), value.filter(|value| !value.is_empty())?)))
            .collect()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum UserId {
    Number(u64),
    Text(String),
}

/// Creates a token for any user, so it requires the key of the publish API.
async fn token(
    maker: TokenMaker,
    limits: BodyLimits,
    request: HttpRequest,
    access: web::Data<PublishGate>,
    payload: web::Payload,
) -> HttpResponse {
    if let Some(denied) = publish::refusal(&request, &access.load()) {
        return denied;
    }
    // A form of another site can send text/plain without a preflight.
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
            return refusal::unavailable(&full.to_string(), SOON);
        }
        Err(BodyError::Broken(_)) => Bytes::new(),
    };
    let Ok(TokenRequest { user_id, method, claims }) = serde_json::from_slice(&body) else {
        return refusal::error(StatusCode::BAD_REQUEST, "send {\"user_id\": 7}", Some("user_id"));
    };
    let id = match user_id {
        UserId::Number(number) => number.to_string(),
        UserId::Text(text) => text,
    };
    if id.is_empty() || id.len() > 64 {
        return refusal::error(StatusCode::BAD_REQUEST, "a user id has 1 to 64 bytes", Some("user_id"));
    }
    if !maker.methods.contains(&method) {
        return refusal::error(
            StatusCode::BAD_REQUEST,
            "this node does not create tokens of this kind",
            Some("method"),
        );
    }
    let is_jwt = method.is_jwt();
    match (maker.make)(method, PageUser { id, claims: claims.given() }).await {
        Ok(token) if is_jwt => strict(StatusCode::OK).json(json!({ "jwt": token })),
        Ok(token) => strict(StatusCode::OK).json(json!({ "ws_token": token })),
        Err(reason) => refusal::unavailable(&reason, SOON),
    }
}

#[cfg(test)]
mod tests;
