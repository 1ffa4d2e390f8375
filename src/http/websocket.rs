//! The handshake: which consumer serves the path, who asks, which groups to join; and only when every group is joined,
//! the 101. Until then nothing of it is visible to the client, and whatever fails leaves nothing behind.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};

use super::{error, health::Draining, not_found, unavailable};
use crate::{
    auth::{Authenticator, AuthError, RequestHead, origin::OriginPolicy},
    config,
    consumer::{Consumer, ConsumerSet, Context},
    event::{GroupName, Value},
    hub::Shard,
    layer::{LayerError, Readiness},
    protocol::plain::Session,
    socket::{
        Connection, ConnectionLimits, Roster,
        close::CloseCode,
        negotiate::{self, HandshakeError},
        takeover::{Accepted, Slot},
    },
    telemetry::Metrics,
};

/// What a worker needs to accept connections.
pub struct Acceptor {
    pub(super) consumers: Arc<ConsumerSet>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) origins: OriginPolicy,
    pub(super) socket: config::Socket,
    pub(super) draining: Draining,
    pub(super) metrics: Metrics,
    pub(super) max_connections: usize,
    pub(super) shard: Rc<Shard>,
    pub(super) roster: Rc<Roster>,
    /// Limits by consumer, shared by its connections.
    pub(super) limits: HashMap<crate::consumer::ConsumerId, Rc<ConnectionLimits>>,
}

/// Everything that is not another route: WebSocket handshakes, or 404.
pub async fn handshake(request: HttpRequest, acceptor: web::Data<Rc<Acceptor>>) -> HttpResponse {
    let Some((consumer, route)) = acceptor.consumers.route(request.path()) else {
        return not_found(request).await;
    };
    let (response, outcome) = match acceptor.accept(&request, consumer, route).await {
        Ok(response) => (response, "accepted"),
        Err(refusal) => refusal.answer(),
    };
    acceptor.metrics.handshake(outcome);
    response
}

/// Why a handshake is not accepted.
enum Refusal {
    Handshake(HandshakeError),
    NotAnUpgrade,
    Draining,
    Full,
    Origin,
    Auth(AuthError),
    Group(String),
    Layer(LayerError),
    NotReady(String),
}

impl Refusal {
    fn answer(self) -> (HttpResponse, &'static str) {
        let retry = std::time::Duration::from_secs(1);
        match self {
            Self::Handshake(bad) => {
                let status = StatusCode::from_u16(bad.status()).unwrap_or(StatusCode::BAD_REQUEST);
                let mut response = error(status, &bad.to_string(), None);
                for (name, value) in bad.headers() {
                    if let Ok(name) = header::HeaderName::from_bytes(name.as_bytes()) {
                        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
                    }
                }
                (response, "bad_request")
            }
            Self::NotAnUpgrade => {
                let mut response = error(StatusCode::UPGRADE_REQUIRED, "this path speaks WebSocket", None);
                response.headers_mut().insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
                (response, "bad_request")
            }
            Self::Draining => (unavailable("the node is draining", retry), "draining"),
            Self::Full => (unavailable("the node has no room for more connections", retry), "full"),
            Self::Origin => (error(StatusCode::FORBIDDEN, "this origin is not allowed", None), "origin"),
            Self::Auth(AuthError::Unavailable { retry_after }) => {
                (unavailable("the token store is not reachable", retry_after), "unavailable")
            }
            Self::Auth(AuthError::Unconfigured(reason)) => (unavailable(reason, retry), "unconfigured"),
            Self::Auth(reason) => (error(StatusCode::FORBIDDEN, &reason.to_string(), None), "denied"),
            Self::Group(reason) => (error(StatusCode::FORBIDDEN, &reason, None), "denied"),
            Self::Layer(LayerError::Unavailable { retry_after, .. }) => {
                (unavailable("the channel layer is not reachable", retry_after), "unavailable")
            }
            Self::Layer(LayerError::Refused(_)) => {
                (unavailable("the channel layer refused", retry), "unavailable")
            }
            Self::NotReady(reason) => (unavailable(&reason, retry), "unavailable"),
        }
    }
}

impl Acceptor {
    async fn accept(
        &self,
        request: &HttpRequest,
        consumer: &Arc<Consumer>,
        route: Value,
    ) -> Result<HttpResponse, Refusal> {
        let slot = request.extensions().get::<Slot>().cloned().ok_or(Refusal::NotAnUpgrade)?;
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let agreed = negotiate::handshake(headers, self.socket.compression.enabled).map_err(Refusal::Handshake)?;
        if self.draining.is_draining() {
            return Err(Refusal::Draining);
        }
        if usize::try_from(self.metrics.connections.get()).unwrap_or(0) >= self.max_connections {
            return Err(Refusal::Full);
        }
        let header = |name| request.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
        if !self.origins.allows(header(header::ORIGIN), header(header::HOST)) {
            return Err(Refusal::Origin);
        }
        let connection = Connection::pending(
            Rc::clone(&self.roster),
            self.limits_of(consumer),
            agreed.deflate,
        );
        let accepted = Accepted::new(Rc::clone(&connection));
        let subprotocol = match self.admit(request, consumer, route, &connection).await {
            Ok(subprotocol) => subprotocol,
            // Accepted after all, only to be closed with a code that a browser can read.
            Err(refusal @ (Refusal::Auth(AuthError::Missing | AuthError::Invalid(_)) | Refusal::Group(_)))
                if consumer.reject().is_some() =>
            {
                self.metrics.handshake("denied");
                let _ = refusal;
                if let Some(rejection) = consumer.reject() {
                    if let Some(frame) = &rejection.frame {
                        connection.send(frame);
                    }
                    connection.close(CloseCode::new(rejection.code), &rejection.reason);
                }
                None
            }
            Err(refusal) => return Err(refusal),
        };

        let mut response = HttpResponse::SwitchingProtocols();
        response.upgrade("websocket").insert_header((header::SEC_WEBSOCKET_ACCEPT, agreed.accept));
        if let Some(extensions) = agreed.extensions {
            response.insert_header((header::SEC_WEBSOCKET_EXTENSIONS, extensions));
        }
        if let Some(subprotocol) = subprotocol {
            response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, subprotocol));
        }
        slot.accept(accepted);
        Ok(response.finish())
    }

    /// Authenticates and joins; the subprotocol to echo, if any.
    async fn admit(
        &self,
        request: &HttpRequest,
        consumer: &Arc<Consumer>,
        route: Value,
        connection: &Rc<Connection>,
    ) -> Result<Option<String>, Refusal> {
        let head = Head::of(request);
        let identity =
            self.authenticator.authenticate(consumer.auth(), &head.borrowed()).await.map_err(Refusal::Auth)?;
        let context = Context {
            route,
            query: query_of(request.query_string()),
            user: identity.user,
            claims: identity.claims,
        };
        let groups: Vec<GroupName> =
            consumer.groups(&context).map_err(|reason| Refusal::Group(reason.to_string()))?;
        let greetings = consumer.on_connect(&context).map_err(|reason| Refusal::Group(reason.to_string()))?;
        let session = Session::attach(
            connection,
            Arc::clone(consumer),
            context,
            Rc::clone(&self.shard),
            self.metrics.clone(),
        );
        // The greeting waits in the outbox before the first event can come.
        session.perform(connection, greetings);
        if !groups.is_empty() {
            if let Readiness::NotReady(reason) = self.shard.registry().layer().readiness() {
                return Err(Refusal::NotReady(format!("the channel layer is not ready: {reason}")));
            }
            if let Some(member) = session.member() {
                for group in &groups {
                    self.shard.join(&member, group, consumer.id()).await.map_err(Refusal::Layer)?;
                }
            }
        }
        Ok(identity.subprotocol)
    }

    fn limits_of(&self, consumer: &Consumer) -> Rc<ConnectionLimits> {
        self.limits.get(&consumer.id()).map_or_else(
            || Rc::new(ConnectionLimits::new(&self.socket, consumer.max_message())),
            Rc::clone,
        )
    }
}

/// Owned parts of a request's head that credentials are read from.
struct Head<'a> {
    request: &'a HttpRequest,
    cookies: Vec<&'a str>,
    subprotocols: String,
}

impl<'a> Head<'a> {
    fn of(request: &'a HttpRequest) -> Self {
        let all = |name| request.headers().get_all(name).filter_map(|value| value.to_str().ok());
        Self {
            request,
            cookies: all(header::COOKIE).collect(),
            subprotocols: all(header::SEC_WEBSOCKET_PROTOCOL).collect::<Vec<_>>().join(","),
        }
    }

    fn borrowed(&self) -> RequestHead<'_> {
        let one = |name| self.request.headers().get(name).and_then(|value| value.to_str().ok());
        RequestHead {
            query: self.request.query_string(),
            authorization: one(header::AUTHORIZATION),
            cookies: &self.cookies,
            subprotocols: &self.subprotocols,
        }
    }
}

fn query_of(query: &str) -> Value {
    url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect()
}
