//! The handshake: which consumer serves the path, who asks, which groups to join; and only when every group is joined,
//! the 101. Until then nothing of it is visible to the client, and whatever fails leaves nothing behind.

use std::{collections::HashMap, rc::Rc, sync::Arc, time::Instant};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use arc_swap::ArcSwap;
use futures_util::future::try_join_all;
use serde_json::json;
use tokio::time::timeout;

use super::{
    client::Hops, error, health::Draining, limited, not_found, offer::Offer, socketio::Reception, unavailable,
};
use crate::{
    admission::{Door, Limit, Pass, Refused as Limited},
    auth::{AuthError, Authenticator, RequestHead, claims::user_id_text, credential::looks_like_jwt},
    config,
    consumer::{Consumer, ConsumerId, ConsumerSet, Context},
    event::{GroupName, Value},
    hub::Member,
    layer::LayerError,
    protocol::{
        self, new_id,
        services::{Refused, WorkerServices},
        session::{Outlet, Part, Session},
    },
    socket::{
        Connection, ConnectionLimits, Handler, Roster,
        close::CloseCode,
        negotiate::{self, HandshakeError},
        takeover::{Accepted, Slot},
    },
    telemetry::Metrics,
};

/// What a worker needs to accept connections.
pub struct Acceptor {
    pub(super) offer: Arc<ArcSwap<Offer>>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) draining: Draining,
    pub(super) metrics: Metrics,
    pub(super) door: Arc<Door>,
    pub(super) hops: Hops,
    pub(super) desk: Rc<WorkerServices>,
    pub(super) roster: Rc<Roster>,
}

/// What all connections of a consumer share, by consumer.
pub struct Rules(HashMap<ConsumerId, Arc<ConnectionLimits>>);

impl Rules {
    /// The rules of every consumer.
    pub fn new(consumers: &ConsumerSet, socket: &config::Socket, metrics: &Metrics) -> Self {
        let rule = |consumer: &Arc<Consumer>| {
            let open = metrics.open(consumer.name(), "websocket");
            let limits = ConnectionLimits { open, ..ConnectionLimits::new(socket, consumer.spec().max_message) };
            (consumer.id(), Arc::new(limits))
        };
        let plain = |consumer: &&Arc<Consumer>| consumer.spec().protocol == config::Protocol::WebSocket;
        Self(consumers.iter().filter(plain).map(rule).collect())
    }
}

/// Everything that is not another route: WebSocket handshakes, Socket.IO, or 404.
pub async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    acceptor: web::Data<Rc<Acceptor>>,
    reception: web::Data<Rc<Reception>>,
) -> HttpResponse {
    let offer = acceptor.offer.load_full();
    let Some((consumer, route)) = offer.consumers.route(request.path()) else {
        return not_found(request).await;
    };
    if let Some(endpoint) = offer.endpoints.of(consumer.id()) {
        return reception.serve(&offer, &request, payload, endpoint, route).await;
    }
    let (response, outcome) = match acceptor.accept(&offer, &request, consumer, route).await {
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
    Limited(Limited),
    Late,
    Auth(AuthError),
    Group(String),
    Layer(LayerError),
}

impl Refusal {
    /// Whether the client is at fault, and not the node.
    const fn is_the_clients(&self) -> bool {
        matches!(self, Self::Auth(AuthError::Missing | AuthError::Invalid(_) | AuthError::Revoked) | Self::Group(_))
    }

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
            Self::Limited(refused) => {
                (limited(refused, json!({ "detail": refused.limit.text() })), refused.limit.label())
            }
            Self::Late => (unavailable("it took too long to let the client in", retry), "timeout"),
            Self::Auth(reason) => {
                let response = match reason.retry_after() {
                    Some(after) => unavailable(&reason.to_string(), after),
                    None => error(StatusCode::FORBIDDEN, &reason.to_string(), None),
                };
                (response, reason.label())
            }
            Self::Group(reason) => (error(StatusCode::FORBIDDEN, &reason, None), "denied"),
            Self::Layer(LayerError::Unavailable { reason, retry_after }) => {
                (unavailable(&format!("the channel layer is not ready: {reason}"), retry_after), "unavailable")
            }
            Self::Layer(LayerError::Refused(_)) => (unavailable("the channel layer refused", retry), "unavailable"),
        }
    }
}

impl Acceptor {
    async fn accept(
        &self,
        offer: &Offer,
        request: &HttpRequest,
        consumer: &Arc<Consumer>,
        route: Value,
    ) -> Result<HttpResponse, Refusal> {
        let slot = request.extensions().get::<Slot>().cloned().ok_or(Refusal::NotAnUpgrade)?;
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let agreed = negotiate::handshake(headers, offer.compression).map_err(Refusal::Handshake)?;
        if self.draining.is_draining() {
            return Err(Refusal::Draining);
        }
        let address = self.door.counts_addresses().then(|| self.hops.client(request)).flatten();
        let Pass { admitting, address } = self.door.knock(address).map_err(Refusal::Limited)?;
        self.authenticator.check_origin(&Head::of(request).borrowed()).map_err(Refusal::Auth)?;
        let limits = offer.rules.0.get(&consumer.id()).ok_or(Refusal::NotAnUpgrade)?;
        let connection = Connection::pending(Rc::clone(&self.roster), Arc::clone(limits), agreed.deflate);
        if address.is_some() {
            connection.with_places(|places| places.address = address);
        }
        let accepted = Accepted::new(Rc::clone(&connection), Some(admitting));
        let admitted = self.admit(request, consumer, route, &connection);
        let admitted = timeout(self.door.admission_timeout(), admitted).await;
        let subprotocol = match admitted.unwrap_or(Err(Refusal::Late)) {
            Ok(subprotocol) => subprotocol,
            Err(refusal) if refusal.is_the_clients() && consumer.reject().close.is_some() => {
                self.metrics.handshake("denied");
                turn_away(request, consumer, &connection, None)
            }
            Err(Refusal::Limited(refused)) if refused.limit == Limit::User && consumer.reject().close.is_some() => {
                self.metrics.handshake(refused.limit.label());
                turn_away(request, consumer, &connection, Some(refused.limit))
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
        let began = Instant::now();
        let identity = self.authenticator.authenticate(consumer.auth(), &head.borrowed()).await;
        self.metrics.token(identity.as_ref().map_or_else(AuthError::label, |_| "valid"));
        let identity = identity.map_err(Refusal::Auth)?;
        let bearer =
            self.desk.enter(connection, &identity, consumer.ends_with_token(), began).map_err(Refusal::Auth)?;
        if let Some(users) = self.door.users()
            && let Some(user) = identity.user.get("id").and_then(user_id_text)
        {
            let seat = connection.with_places(|places| places.seat(&user));
            seat.take(users).await.map_err(Refusal::Limited)?;
            connection.with_places(|places| places.keep(0, vec![seat]));
        }
        let context = Context {
            route,
            query: protocol::query(request.query_string()),
            user: identity.user,
            claims: identity.claims,
            // Known to others only where a handler can name it.
            id: if consumer.needs_context() { new_id() } else { Arc::default() },
            ..Context::default()
        };
        let admitted = self.desk.admit(consumer, context).await;
        let context = admitted.map_err(|Refused(reason)| Refusal::Group(reason))?;
        let groups: Vec<GroupName> = consumer.groups(&context).map_err(|reason| Refusal::Group(reason.to_string()))?;
        let before_subscribe = consumer.topics().before_subscribe;
        let member = if context.id.is_empty() {
            Member::new(Rc::clone(connection), before_subscribe)
        } else {
            Member::named(Rc::clone(connection), Arc::clone(&context.id), before_subscribe)
        };
        if consumer.asks_for_gaps(&context) {
            member.tell_gaps(consumer.id());
        }
        let outlet: Rc<dyn Outlet> = Rc::clone(connection) as Rc<dyn Outlet>;
        let parts = Box::new([Part::new(Arc::clone(consumer), context, bearer)]);
        let session = Session::new(Rc::clone(&self.desk), outlet, member, parts);
        connection.handled_by(Rc::clone(&session) as Rc<dyn Handler>);
        // The greeting waits in the outbox before the first event can come.
        session.opened();
        let shard = &self.desk.shard;
        if groups.is_empty() {
            // Nothing else would make it known.
            if let Some(member) = session.member() {
                shard.announce(&member);
            }
        } else {
            if let Some(member) = session.member() {
                let joins = groups.iter().map(|group| shard.join(&member, group, consumer.id()));
                try_join_all(joins).await.map_err(Refusal::Layer)?;
            }
        }
        session.joined();
        Ok(identity.subprotocol)
    }
}

/// Accepts after all, only to close with a code that a browser can read; the subprotocol to echo. Whoever has reached a
/// limit is told to come again later, and not what others are told.
fn turn_away(
    request: &HttpRequest,
    consumer: &Consumer,
    connection: &Connection,
    limit: Option<Limit>,
) -> Option<String> {
    if let Some(limit) = limit {
        connection.close(CloseCode::TRY_AGAIN_LATER, limit.text());
        return offered_subprotocol(request);
    }
    let context = Context { query: protocol::query(request.query_string()), ..Context::default() };
    if let Some(frame) = consumer.refusal_frame(&context) {
        connection.send(&frame);
    }
    let rejection = consumer.reject();
    let code = rejection.close.and_then(CloseCode::new).unwrap_or(CloseCode::POLICY_VIOLATION);
    connection.close(code, &rejection.reason);
    offered_subprotocol(request)
}

fn offered_subprotocol(request: &HttpRequest) -> Option<String> {
    // A browser that offered some and gets none back would see an error, not the code.
    let head = Head::of(request);
    let offered = head.subprotocols.split(',').map(str::trim).find(|name| !name.is_empty() && !looks_like_jwt(name));
    offered.map(str::to_owned)
}

/// The parts of a request's head that say who asks.
pub(super) struct Head<'a> {
    request: &'a HttpRequest,
    cookies: Vec<&'a str>,
    subprotocols: String,
}

impl<'a> Head<'a> {
    pub(super) fn of(request: &'a HttpRequest) -> Self {
        let all = |name| request.headers().get_all(name).filter_map(|value| value.to_str().ok());
        Self {
            request,
            cookies: all(header::COOKIE).collect(),
            subprotocols: all(header::SEC_WEBSOCKET_PROTOCOL).collect::<Vec<_>>().join(","),
        }
    }

    pub(super) fn borrowed(&self) -> RequestHead<'_> {
        let one = |name| self.request.headers().get(name).and_then(|value| value.to_str().ok());
        RequestHead {
            query: self.request.query_string(),
            authorization: one(header::AUTHORIZATION),
            cookie: &self.cookies,
            subprotocols: &self.subprotocols,
            origin: one(header::ORIGIN),
            host: one(header::HOST),
        }
    }
}
