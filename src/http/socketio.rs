//! Engine.IO over HTTP: handshakes, polling requests and upgrades, with the error texts of the reference server.
//!
//! A request for a session of another worker is passed to that worker, and one for a session of another node is
//! relayed.

mod query;
mod relay;

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::{Method as Verb, header},
    web,
};
use bytes::Bytes;
use tokio::sync::watch;

pub use self::relay::Peers;
use self::{query::EngineIoQuery, relay::Relay};
use super::{
    body::{self, BodyError, BodyLimits},
    head,
    precheck::{Precheck, pending},
    refusal,
    serving::ServingConfig,
    upgrade::{self, switch},
};
use crate::{
    config::{Config, Protocol, Transport},
    event::{Payload, Value},
    protocol::{
        admission::Admission,
        endpoint::Endpoint,
        engineio::{
            Carrier, EngineWorkers, MessageHandler, PAYLOAD_TYPE, Polled, Sessions, Settings, Sid, raw::RawSession,
        },
        plain,
        refusal::{Breach, Refusal},
        socketio::SocketIoNamespaces,
    },
    socket::{
        Connection, Connections, EncodedMessage,
        close::CloseCode,
        frame,
        negotiate::{Agreed, HandshakeError},
        takeover::{Accepted, AcceptedSlot},
    },
    warn_bounded,
};

/// State shared by the Engine.IO sessions of all workers. One per node.
pub struct EngineIoShared {
    peers: Arc<dyn Peers>,
    workers: Arc<EngineWorkers>,
}

impl EngineIoShared {
    /// For a node with these peers.
    pub fn new(peers: Arc<dyn Peers>) -> Self {
        Self { peers, workers: Arc::default() }
    }
}

/// The state with which a worker answers Engine.IO requests.
pub(super) struct SocketIoHandler {
    sessions: Rc<Sessions>,
    admission: Rc<Admission>,
    relay: Relay,
    precheck: Rc<Precheck>,
    body: BodyLimits,
}

type Answered = Result<HttpResponse, Refusal>;

impl SocketIoHandler {
    /// Starts the sessions of this worker, on its thread. Connections relayed for other nodes end with the `drain`.
    pub fn start(
        config: &Config,
        engine: &EngineIoShared,
        drain: watch::Receiver<Option<Duration>>,
        admission: Rc<Admission>,
        precheck: Rc<Precheck>,
        connections: Rc<Connections>,
    ) -> Self {
        let settings = Settings::new(config);
        let patience = settings.ping_interval + settings.ping_timeout + Duration::from_secs(5);
        let body = BodyLimits::new(settings.max_payload, config);
        let (services, node) = (Rc::clone(&admission.services), engine.peers.node_id());
        Self {
            sessions: Sessions::start(services, connections, settings, node, &engine.workers),
            admission,
            relay: Relay::new(Arc::clone(&engine.peers), drain, patience),
            precheck,
            body,
        }
    }

    /// Answers a request at the path of an endpoint.
    pub async fn serve(
        &self,
        serving: &ServingConfig,
        request: &HttpRequest,
        payload: web::Payload,
        endpoint: &Arc<Endpoint>,
        route: Value,
    ) -> HttpResponse {
        let answered = match serving.cors.allows(request) {
            false => Err(serving.cors.refusal(request)),
            true if request.method() == Verb::OPTIONS => Ok(serving.cors.preflight(request)),
            true => self.answer(serving, request, payload, endpoint, route).await,
        };
        let mut response = answered.unwrap_or_else(|refusal| {
            refusal.log(endpoint.consumer().name());
            self.admission.services.metrics.handshake(refusal.row().label);
            refusal::answer(&refusal, endpoint.protocol())
        });
        serving.cors.add(request, &mut response);
        response
    }

    async fn answer(
        &self,
        serving: &ServingConfig,
        request: &HttpRequest,
        payload: web::Payload,
        endpoint: &Arc<Endpoint>,
        route: Value,
    ) -> Answered {
        let query = EngineIoQuery::of(request.query_string());
        let slot = request.extensions().get::<AcceptedSlot>().cloned();
        let transport = query.transport.filter(|transport| serving.transports.contains(transport));
        let transport = transport.ok_or(Breach::Transport)?;
        // A WebSocket uses an upgraded connection, polling does not.
        let websocket = match (transport, slot) {
            (Transport::Websocket, Some(slot)) => {
                let agreed = upgrade::agree(request, serving.compression).map_err(|reason| match reason {
                    HandshakeError::Method if query.sid.is_none() => Breach::Method,
                    _ => Breach::Request,
                })?;
                Some((slot, agreed))
            }
            (Transport::Polling, None) => None,
            _ => return Err(Breach::Request.into()),
        };
        let Some(sid) = query.sid else {
            if request.method() != Verb::GET {
                return Err(Breach::Method.into());
            }
            if !query.version {
                warn_bounded!(
                    "{}: a client is refused: it speaks another version than Engine.IO 4; socket.io-client 1 and 2 need an update",
                    endpoint.consumer().name()
                );
                return Err(Breach::Version.into());
            }
            return self.open(serving, request, websocket, endpoint, route).await;
        };
        let sid = Sid::parse(&sid).ok_or(Breach::Session)?;
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
        serving: &ServingConfig,
        request: &HttpRequest,
        websocket: Option<(AcceptedSlot, Agreed)>,
        endpoint: &Arc<Endpoint>,
        route: Value,
    ) -> Answered {
        let services = &self.admission.services;
        let permit = self.precheck.permit(request)?;
        // A new connection must be able to join groups.
        if let Some(outage) = services.shard.registry().layer().outage(None) {
            log::debug!("a client is refused for now: {outage}");
            return Err(Refusal::NotReady);
        }
        let head = head::of(request);
        let deflate = websocket.as_ref().and_then(|(_, agreed)| agreed.deflate);
        let connection = self.sessions.connection(endpoint.limits(), deflate);
        let accepted = pending(&connection, permit);
        // Without Socket.IO: the session, and the client's first message.
        let mut raw: Option<(Rc<RawSession>, Option<Payload>)> = None;
        let handler: Rc<dyn MessageHandler> = if endpoint.protocol() == Protocol::EngineIo {
            let (session, hello) = RawSession::admit(&self.admission, endpoint, &head, route, &connection).await?;
            let session = Rc::new(session);
            raw = Some((Rc::clone(&session), hello));
            session
        } else {
            SocketIoNamespaces::new(&self.admission, endpoint, &head, route)?
        };
        let upgrades = serving.transports.contains(&Transport::Websocket);
        let (session, open) = self.sessions.open(Rc::clone(&connection), handler, websocket.is_none(), upgrades);
        services.metrics.handshake("accepted");
        let response = match websocket {
            Some((slot, agreed)) => {
                connection.deliver(&EncodedMessage::control(frame::text(open.as_bytes())), &[]);
                slot.accept(accepted);
                switch(agreed, plain::Accepted::default())
            }
            None => {
                connection.open_without_socket();
                accepted.keep();
                payload_response(open.into())
            }
        };
        if let Some((raw, hello)) = raw {
            raw.opened(&session, hello.as_ref());
        }
        Ok(response)
    }

    /// Messages to or from a polling session.
    async fn poll(&self, request: &HttpRequest, payload: web::Payload, sid: Sid) -> Answered {
        let answer = if request.method() == Verb::GET {
            self.sessions.fetch(sid).await
        } else if request.method() == Verb::POST {
            let body = self.body(request, payload).await?;
            self.sessions.bring(sid, body).await
        } else {
            return Err(Breach::Request.into());
        };
        match answer {
            Polled::Payload(payload) => Ok(payload_response(payload)),
            Polled::Unknown => Err(Breach::Session.into()),
            Polled::Bad => Err(Breach::Request.into()),
        }
    }

    /// Relays any request of a session on another node.
    async fn relay(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        node: &str,
        websocket: Option<AcceptedSlot>,
    ) -> Answered {
        let Some(slot) = websocket else {
            let body = self.body(request, payload).await?;
            return Ok(self.relay.poll(node, request, body).await.ok_or(Breach::Session)?);
        };
        let (response, splice) = self.relay.upgrade(node, request).await.ok_or(Breach::Session)?;
        if let Some(splice) = splice {
            slot.accept(Accepted::by(splice));
        }
        Ok(response)
    }

    /// The body of a POST.
    async fn body(&self, request: &HttpRequest, payload: web::Payload) -> Result<Bytes, Refusal> {
        body::read(request, payload, self.body).await.map_err(|error| match error {
            BodyError::TooLarge => Breach::TooLarge.into(),
            BodyError::Late | BodyError::Broken(_) => Breach::Request.into(),
            BodyError::NoRoom => Refusal::Overloaded,
        })
    }

    /// A WebSocket that takes over a polling session.
    async fn upgrade(&self, sid: Sid, slot: &AcceptedSlot, agreed: Agreed, endpoint: &Endpoint) -> Answered {
        match self.sessions.look(sid.clone()).await {
            None => return Err(Breach::Session.into()),
            Some(Carrier::Polling) => {
                let (sessions, deflate) = (Rc::clone(&self.sessions), agreed.deflate);
                slot.accept(Accepted::by(async move |stream, early| {
                    sessions.upgrade(sid, stream, early, deflate).await;
                }));
            }
            // As in the reference server: accepted, so that the client learns the reason, and closed.
            Some(Carrier::Websocket) => {
                let connection = self.sessions.connection(endpoint.limits(), agreed.deflate);
                Connection::close(&connection, CloseCode::NORMAL, "");
                slot.accept(Accepted::new(connection, None));
            }
        }
        Ok(switch(agreed, plain::Accepted::default()))
    }
}

fn payload_response(payload: Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type(PAYLOAD_TYPE).insert_header((header::CACHE_CONTROL, "no-store")).body(payload)
}
