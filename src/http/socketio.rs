//! Engine.IO over HTTP: handshakes, polling requests and upgrades, with the reference server's words for what is wrong.
//!
//! A request for a session of another worker is handed over to it, and one for a session of another node is relayed.

mod cors;
mod relay;
mod wish;

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::{Method as Verb, header},
    web,
};
use bytes::Bytes;
use tokio::time::timeout;

pub(super) use self::cors::Cors;
pub use self::relay::Peers;
use self::{
    relay::Relay,
    wish::{Refusal, Wish},
};
use super::{client::Hops, health::Draining, offer::Offer, server::Services, websocket::Head as RequestHead};
use crate::{
    admission::{Door, Pass},
    config::Transport,
    event::Value,
    protocol::{
        engineio::{Answer, Carrier, PAYLOAD_TYPE, Sessions, Settings, Sid, Upper, Workers, raw::Raw},
        services::WorkerServices,
        socketio::{Denied, Endpoint, Entry, Head, SocketIo},
    },
    socket::{
        Connection, Piece, Roster,
        close::CloseCode,
        frame,
        negotiate::{self, Agreed},
        takeover::{Accepted, Slot},
    },
};

/// What the Engine.IO sessions of all workers share. One per node.
pub struct Engine {
    peers: Arc<dyn Peers>,
    workers: Arc<Workers>,
}

impl Engine {
    /// Of a node with these peers.
    pub fn new(peers: Arc<dyn Peers>) -> Self {
        Self { peers, workers: Arc::default() }
    }
}

/// What a worker needs to answer Engine.IO requests.
pub struct Reception {
    sessions: Rc<Sessions>,
    entry: Rc<Entry>,
    relay: Option<Relay>,
    draining: Draining,
    door: Arc<Door>,
    hops: Hops,
}

type Answered = Result<HttpResponse, Refusal>;

impl Reception {
    /// Starts the sessions of this worker, on its thread.
    pub(super) fn start(services: &Services, desk: Rc<WorkerServices>, roster: Rc<Roster>) -> Rc<Self> {
        let (config, engine) = (&services.config, &services.engine);
        let settings = Settings::new(config);
        let patience = settings.ping_interval + settings.ping_timeout + Duration::from_secs(5);
        let relay = Relay::new(Arc::clone(&engine.peers), services.drain.clone(), patience);
        Rc::new(Self {
            entry: Rc::new(Entry {
                desk: Rc::clone(&desk),
                authenticator: Arc::clone(&services.authenticator),
                door: Arc::clone(&services.door),
            }),
            sessions: Sessions::start(desk, roster, settings, engine.peers.node_id(), &engine.workers),
            relay: relay.inspect_err(|error| log::error!("no request reaches another node: {error}")).ok(),
            draining: services.draining.clone(),
            door: Arc::clone(&services.door),
            hops: Hops::new(&config.server),
        })
    }

    /// Answers a request at the path of an endpoint.
    pub(super) async fn serve(
        &self,
        offer: &Offer,
        request: &HttpRequest,
        payload: web::Payload,
        endpoint: &Arc<Endpoint>,
        route: Value,
    ) -> HttpResponse {
        let answered = match offer.cors.allows(request) {
            false => Err(Refusal::Forbidden),
            true if request.method() == Verb::OPTIONS => Ok(offer.cors.preflight(request)),
            true => self.answer(offer, request, payload, endpoint, route).await,
        };
        let mut response = answered.unwrap_or_else(|refusal| {
            self.sessions.desk().metrics.handshake(refusal.label());
            refusal.answer()
        });
        offer.cors.add(request, &mut response);
        response
    }

    async fn answer(
        &self,
        offer: &Offer,
        request: &HttpRequest,
        payload: web::Payload,
        endpoint: &Arc<Endpoint>,
        route: Value,
    ) -> Answered {
        let query = Wish::of(request.query_string());
        let slot = request.extensions().get::<Slot>().cloned();
        let transport = query.transport.filter(|transport| offer.transports.contains(transport));
        let transport = transport.ok_or(Refusal::Transport)?;
        // A WebSocket is spoken over an upgraded connection, polling is not.
        let websocket = match (transport, slot) {
            (Transport::Websocket, Some(slot)) => Some((slot, agree(request, offer.compression)?)),
            (Transport::Polling, None) => None,
            _ => return Err(Refusal::BadRequest),
        };
        let Some(sid) = query.sid else {
            if request.method() != Verb::GET {
                return Err(Refusal::Method);
            }
            if !query.version {
                return Err(Refusal::Version);
            }
            return self.open(offer, request, websocket, endpoint, route).await;
        };
        let sid = Sid::parse(&sid).ok_or(Refusal::UnknownSession)?;
        if !self.sessions.is_of_this_node(&sid) {
            return self.relay(request, payload, &sid.node, websocket.map(|(slot, _)| slot)).await;
        }
        match websocket {
            Some((slot, agreed)) => self.upgrade(sid, &slot, agreed, endpoint).await,
            None => self.poll(request, payload, sid).await,
        }
    }

    /// A new session.
    async fn open(
        &self,
        offer: &Offer,
        request: &HttpRequest,
        websocket: Option<(Slot, Agreed)>,
        endpoint: &Arc<Endpoint>,
        route: Value,
    ) -> Answered {
        let metrics = &self.sessions.desk().metrics;
        if self.draining.is_draining() {
            return Err(Refusal::Draining);
        }
        let address = self.door.counts_addresses().then(|| self.hops.client(request)).flatten();
        let Pass { admitting, address } = self.door.knock(address).map_err(Refusal::Limited)?;
        // Whoever comes in joins groups.
        if let Some(outage) = self.sessions.desk().shard.registry().layer().outage(None) {
            log::debug!("a client is refused: {outage}");
            return Err(Refusal::NotReady);
        }
        let head = Head::of(&RequestHead::of(request).borrowed());
        let deflate = websocket.as_ref().and_then(|(_, agreed)| agreed.deflate);
        let connection = self.sessions.connection(endpoint.limits(), deflate);
        if address.is_some() {
            connection.with_places(|places| places.address = address);
        }
        let accepted = Accepted::new(Rc::clone(&connection), Some(admitting));
        let (upper, raw): (Rc<dyn Upper>, Option<Rc<Raw>>) = if endpoint.is_raw() {
            let raw = timeout(self.door.admission_timeout(), self.raw(endpoint, &head, &route, &connection)).await;
            let raw = raw.map_err(|_| Refusal::Late)?.map_err(|denied| match denied {
                Denied::Limited(refused) => Refusal::Limited(refused),
                Denied::Text(reason) => {
                    log::debug!("a client is refused: {reason}");
                    Refusal::Forbidden
                }
            })?;
            let raw = Rc::new(raw);
            (Rc::clone(&raw) as Rc<dyn Upper>, Some(raw))
        } else {
            (SocketIo::new(Rc::clone(&self.entry), Arc::clone(endpoint), head, route), None)
        };
        let upgrades = offer.transports.contains(&Transport::Websocket);
        let (session, open) = self.sessions.open(Rc::clone(&connection), upper, websocket.is_none(), upgrades);
        metrics.handshake("accepted");
        let response = match websocket {
            Some((slot, agreed)) => {
                connection.deliver(&Piece::control(frame::text(open.as_bytes())), &[]);
                slot.accept(accepted);
                switch(agreed)
            }
            None => {
                connection.open_without_socket();
                accepted.keep();
                payload_response(open.into())
            }
        };
        if let Some(raw) = raw {
            raw.opened(&session);
        }
        Ok(response)
    }

    /// Without Socket.IO there is nothing to connect to later: the consumer admits the client at once.
    async fn raw(
        &self,
        endpoint: &Endpoint,
        head: &Head,
        route: &Value,
        connection: &Rc<Connection>,
    ) -> Result<Raw, Denied> {
        let id = crate::protocol::new_id();
        let (consumers, asked) = (endpoint.consumers("/"), (route, Value::Null));
        let admitted = self.entry.admit(consumers, head, asked, connection, &id).await?;
        let (member, parts) = self.entry.join(connection, 0, admitted, &id).await?;
        self.entry.desk.shard.seat(&member);
        Ok(Raw::new(&self.entry.desk, connection, member, parts))
    }

    /// Messages to or from a polling session.
    async fn poll(&self, request: &HttpRequest, payload: web::Payload, sid: Sid) -> Answered {
        let answer = if request.method() == Verb::GET {
            self.sessions.fetch(sid).await
        } else if request.method() == Verb::POST {
            let body = self.body(request, payload).await?;
            self.sessions.bring(sid, body).await
        } else {
            return Err(Refusal::BadRequest);
        };
        match answer {
            Answer::Payload(payload) => Ok(payload_response(payload)),
            Answer::Unknown => Err(Refusal::UnknownSession),
            Answer::Bad => Err(Refusal::BadRequest),
        }
    }

    /// Whatever it is, the session is on another node.
    async fn relay(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        node: &str,
        websocket: Option<Slot>,
    ) -> Answered {
        let relay = self.relay.as_ref().ok_or(Refusal::UnknownSession)?;
        let Some(slot) = websocket else {
            let body = self.body(request, payload).await?;
            return relay.poll(node, request, body).await.ok_or(Refusal::UnknownSession);
        };
        let (response, splice) = relay.upgrade(node, request).await.ok_or(Refusal::UnknownSession)?;
        if let Some(splice) = splice {
            slot.accept(Accepted::by(splice));
        }
        Ok(response)
    }

    /// A body within the limit, in time.
    async fn body(&self, request: &HttpRequest, payload: web::Payload) -> Result<Bytes, Refusal> {
        let settings = self.sessions.settings();
        let announced =
            request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > settings.max_payload) {
            return Err(Refusal::TooLarge);
        }
        match timeout(settings.ping_timeout, payload.to_bytes_limited(settings.max_payload)).await {
            Ok(Ok(Ok(body))) => Ok(body),
            Ok(Err(_)) => Err(Refusal::TooLarge),
            Ok(Ok(Err(_))) | Err(_) => Err(Refusal::BadRequest),
        }
    }

    /// A WebSocket that wants to carry a polling session.
    async fn upgrade(&self, sid: Sid, slot: &Slot, agreed: Agreed, endpoint: &Endpoint) -> Answered {
        match self.sessions.look(sid.clone()).await {
            None => return Err(Refusal::UnknownSession),
            Some(Carrier::Polling) => {
                let (sessions, deflate) = (Rc::clone(&self.sessions), agreed.deflate);
                slot.accept(Accepted::by(async move |stream, early| {
                    sessions.upgrade(sid, stream, early, deflate).await;
                }));
            }
            // As in the reference server: accepted, so that the client learns of it, and closed.
            Some(Carrier::Websocket) => {
                let connection = self.sessions.connection(endpoint.limits(), agreed.deflate);
                Connection::close(&connection, CloseCode::NORMAL, "");
                slot.accept(Accepted::new(connection, None));
            }
        }
        Ok(switch(agreed))
    }
}

fn agree(request: &HttpRequest, compression: bool) -> Result<Agreed, Refusal> {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    negotiate::handshake(headers, compression).map_err(|_| Refusal::BadRequest)
}

fn switch(agreed: Agreed) -> HttpResponse {
    let mut response = HttpResponse::SwitchingProtocols();
    response.upgrade("websocket").insert_header((header::SEC_WEBSOCKET_ACCEPT, agreed.accept));
    if let Some(extensions) = agreed.extensions {
        response.insert_header((header::SEC_WEBSOCKET_EXTENSIONS, extensions));
    }
    response.finish()
}

fn payload_response(payload: Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type(PAYLOAD_TYPE).insert_header((header::CACHE_CONTROL, "no-store")).body(payload)
}
