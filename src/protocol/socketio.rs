//! Socket.IO 5: namespaces over an Engine.IO session.
//!
//! In: messages of the session. Out: for each namespace that the client connects to, a session of its consumers; or a
//! refusal, if no consumer admits the client. A violation of the protocol ends the Engine.IO session, as in the
//! reference server.

mod outlet;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{LocalBoxFuture, join_all},
};

use self::outlet::NamespaceOutlet;
use super::{
    admission::{Admission, Client, LetIn},
    endpoint::{Endpoint, Namespace},
    engineio::{EngineSession, MessageHandler},
    head::Head,
    query,
    refusal::Refusal,
    session::Session,
};
use crate::{
    auth::RequestHead,
    consumer::{Consumer, Context, GroupError},
    event::{self, ConnectionId, GapReason, GroupOrderResult, ReceivedOrder, Value},
    packet::{self, ClientPacket, PacketDecoder, PacketError, PacketLimits, Text},
    socket::{About, Held, close::CloseCode},
};

/// Maximum number of a client's attempts that are judged at the same time.
const MAX_ENTERING: u16 = 16;

/// The namespaces of one Engine.IO session.
pub struct SocketIoNamespaces {
    admission: Rc<Admission>,
    endpoint: Arc<Endpoint>,
    head: Head,
    route: Value,
    unfinished: RefCell<Option<Box<Unfinished>>>,
    connected: RefCell<Vec<ConnectedNamespace>>,
    /// Number of attempts to connect so far, which identifies each attempt.
    attempts: Cell<u32>,
    /// Number of attempts without an outcome yet.
    pending: Cell<u16>,
    /// Number of those that are judged now; the others wait for their turn.
    entering: Cell<u16>,
}

/// A packet that still needs attachments.
struct Unfinished {
    decoder: PacketDecoder,
    bytes: usize,
    held: Held,
}

/// A namespace that the client is connected to, or is connecting to.
struct ConnectedNamespace {
    name: Arc<str>,
    attempt: u32,
    session: Option<Rc<Session>>,
}

impl SocketIoNamespaces {
    /// The state before the client connects to a namespace.
    ///
    /// # Errors
    /// The request's head exceeds the limit of the state.
    pub fn new(
        admission: &Rc<Admission>,
        endpoint: &Arc<Endpoint>,
        head: &RequestHead<'_>,
        route: Value,
    ) -> Result<Rc<Self>, Refusal> {
        let head = Head::of(head, &admission.services.authenticator.token_headers(), endpoint.reads_host());
        if !endpoint.consumer().may_keep(head.weight()) {
            return Err(Refusal::State);
        }
        Ok(Rc::new(Self {
            admission: Rc::clone(admission),
            endpoint: Arc::clone(endpoint),
            head,
            route,
            unfinished: RefCell::default(),
            connected: RefCell::default(),
            attempts: Cell::default(),
            pending: Cell::default(),
            entering: Cell::default(),
        }))
    }

    /// Decodes a message of `bytes` bytes: a packet, or a part of a packet.
    fn decode(
        self: &Rc<Self>,
        engine: &Rc<EngineSession>,
        bytes: usize,
        step: impl FnOnce(&mut PacketDecoder, &PacketLimits) -> Result<Option<ClientPacket>, PacketError>,
    ) {
        let limits = &engine.sessions().settings().packets;
        let mut unfinished = self.unfinished.take();
        let mut fresh = PacketDecoder::default();
        let decoder = unfinished.as_deref_mut().map_or(&mut fresh, |unfinished| &mut unfinished.decoder);
        let packet = step(decoder, limits);
        if matches!(packet, Ok(None)) {
            let mut unfinished = unfinished.unwrap_or_else(|| {
                Box::new(Unfinished { decoder: fresh, bytes: 0, held: engine.connection().begun() })
            });
            unfinished.bytes += bytes;
            unfinished.held.set(unfinished.bytes);
            *self.unfinished.borrow_mut() = Some(unfinished);
            engine.connection().took_more();
        }
        self.packet(engine, packet);
    }

    fn packet(self: &Rc<Self>, engine: &Rc<EngineSession>, packet: Result<Option<ClientPacket>, PacketError>) {
        match packet {
            Ok(None) => {}
            Ok(Some(ClientPacket::Connect { namespace, auth })) => self.connect(engine, &namespace, auth),
            Ok(Some(ClientPacket::Event { namespace, name, args, ack, source })) => {
                if let Some(session) = self.connected(engine, &namespace) {
                    let event = event::Incoming::Event { name: &name, args: &Arc::new(args), ack };
                    session.received(event, Some(&source));
                }
            }
            Ok(Some(ClientPacket::Ack { namespace, id, args })) => {
                if let Some(session) = self.connected(engine, &namespace) {
                    session.acknowledged(id, args);
                }
            }
            Ok(Some(ClientPacket::Disconnect { namespace })) => {
                if let Some(session) = self.remove(engine, &namespace) {
                    session.gone();
                }
            }
            Err(error) => engine.fail_packet(&error),
        }
    }

    /// The session of a namespace; a packet for a namespace that is not connected ends the Engine.IO session.
    fn connected(&self, engine: &EngineSession, namespace: &str) -> Option<Rc<Session>> {
        let connected = self.connected.borrow();
        let session = connected.iter().find(|entry| *entry.name == *namespace).and_then(|entry| entry.session.clone());
        drop(connected);
        if session.is_none() {
            engine.fail("not_connected", CloseCode::PROTOCOL_ERROR, "a packet for a namespace that is not connected");
        }
        session
    }

    fn connect(self: &Rc<Self>, engine: &Rc<EngineSession>, namespace: &str, auth: Value) {
        let found = self.endpoint.namespace(namespace).map(|served| (served, Value::Null));
        let Some((served, parameters)) = found.or_else(|| self.endpoint.form(namespace)) else {
            self.admission.services.metrics.handshake(Refusal::Namespace.row().label);
            let text = Refusal::Namespace.connect_error(self.endpoint.consumer()).to_owned();
            engine.send(&packet::refused(namespace, &text));
            return;
        };
        // Each attempt under way has a copy of the query and its own auth data.
        let attempts = usize::from(self.pending.get()) + 1;
        if !served.first.may_keep(attempts.saturating_mul(self.head.weight() + auth.weight())) {
            return self.refuse(engine, served, &Refusal::State);
        }
        if served.first.has_namespaces() && !self.may_have_more(engine, namespace, &served.first) {
            return;
        }
        let mut connected = self.connected.borrow_mut();
        if connected.iter().any(|entry| *entry.name == *namespace) {
            drop(connected);
            engine.fail("connected_twice", CloseCode::PROTOCOL_ERROR, "the namespace is connected already");
            return;
        }
        // Every attempt costs an authentication, even if the client leaves before it ends. After a reconnect a client asks
        // for all its namespaces of a form at once.
        let of_form = if served.first.has_namespaces() { served.first.max_rooms() } else { 0 };
        if self.pending.get() >= MAX_ENTERING.saturating_add(u16::try_from(of_form).unwrap_or(u16::MAX)) {
            drop(connected);
            engine.fail("too_many_connects", CloseCode::POLICY_VIOLATION, "too many attempts to connect at once");
            return;
        }
        self.pending.set(self.pending.get() + 1);
        let served = match served.first.has_namespaces() {
            true => Arc::new(served.named(namespace, &self.admission.services.shard.consumers())),
            false => Arc::clone(served),
        };
        let attempt = self.attempts.get();
        self.attempts.set(attempt.wrapping_add(1));
        // Most clients need one.
        connected.reserve_exact(1);
        connected.push(ConnectedNamespace { name: Arc::clone(&served.name), attempt, session: None });
        drop(connected);
        let route = joined(&self.route, parameters);
        let work = Rc::clone(self).enter(Rc::clone(engine), served, attempt, (route, auth));
        let this = Rc::clone(self);
        // In a task of its own, so that it takes no memory while no namespace is connected.
        actix_rt::spawn(async move {
            this.turn().await;
            work.await;
        });
    }

    /// Waits until few of the client's attempts are judged.
    async fn turn(&self) {
        while self.entering.get() >= MAX_ENTERING {
            self.admission.ended.notified().await;
        }
        self.entering.set(self.entering.get() + 1);
    }

    /// An attempt has an outcome, or its client has left.
    fn ended(&self) {
        self.pending.set(self.pending.get() - 1);
        self.entering.set(self.entering.get() - 1);
        self.admission.ended.notify_waiters();
    }

    /// Whether the client may connect to one more namespace of a form: any number of names have it. It is refused if not.
    fn may_have_more(&self, engine: &Rc<EngineSession>, namespace: &str, consumer: &Consumer) -> bool {
        let of_form = self.connected.borrow().iter().filter(|entry| consumer.serves(&entry.name)).count();
        if of_form < consumer.max_rooms() {
            return true;
        }
        let too_many = GroupError::TooMany(consumer.max_rooms());
        let text = too_many.to_string();
        let refusal = Refusal::Groups(too_many);
        refusal.log(consumer.name());
        self.admission.services.metrics.handshake(refusal.row().label);
        engine.send(&packet::refused(namespace, &text));
        false
    }

    async fn enter(
        self: Rc<Self>,
        engine: Rc<EngineSession>,
        namespace: Arc<Namespace>,
        attempt: u32,
        (route, auth): (Value, Value),
    ) {
        let (id, connection) = (ConnectionId::random(), engine.connection());
        if !self.is_waited_for(&namespace.name, attempt) || !connection.is_open() {
            return self.ended();
        }
        let head = self.head.as_request();
        let query = query(head.query);
        let (auth, host) = (Some(Box::new(auth)).filter(|auth| **auth != Value::Null), self.endpoint.host(&head));
        let context = Context { route, query, auth, id: Some(id), host, ..Context::default() };
        let client = Client { head: &head, connection, context };
        let let_in = self.admission.let_in(&namespace, client, attempt).await;
        self.ended();
        if !self.is_waited_for(&namespace.name, attempt) || !engine.connection().is_open() {
            // The client has left meanwhile; joins without a session are undone.
            match let_in {
                Ok(LetIn { member, .. }) => self.admission.services.shard.leave_all(&member),
                Err(refusal) => self.count(&namespace, &refusal),
            }
            connection.give_back(attempt);
            return;
        }
        match let_in {
            Ok(LetIn { member, bindings, hello }) => {
                let outlet = NamespaceOutlet::new(&engine, &self, &namespace, attempt);
                let services = Rc::clone(&self.admission.services);
                let session = Session::new(services, outlet, Rc::clone(&member), bindings, attempt);
                session.serve_calls(&member);
                for entry in self.connected.borrow_mut().iter_mut().filter(|entry| entry.attempt == attempt) {
                    entry.session = Some(Rc::clone(&session));
                }
                session.settle();
                engine.send(&packet::connected(&namespace.name, &id.text()));
                session.opened(hello.as_ref(), None);
            }
            Err(refusal) => {
                self.remove(&engine, &namespace.name);
                self.refuse(&engine, &namespace, &refusal);
            }
        }
    }

    fn refuse(&self, engine: &EngineSession, namespace: &Namespace, refusal: &Refusal) {
        self.count(namespace, refusal);
        engine.send(&packet::refused(&namespace.name, refusal.connect_error(&namespace.first)));
    }

    /// Counts and logs the end of an attempt to connect.
    fn count(&self, namespace: &Namespace, refusal: &Refusal) {
        refusal.log(namespace.first.name());
        self.admission.services.metrics.handshake(refusal.row().label);
    }

    fn is_waited_for(&self, namespace: &str, attempt: u32) -> bool {
        self.connected.borrow().iter().any(|entry| *entry.name == *namespace && entry.attempt == attempt)
    }

    /// Removes a namespace; returns its session, if the client was connected.
    fn remove(&self, engine: &EngineSession, namespace: &str) -> Option<Rc<Session>> {
        let mut connected = self.connected.borrow_mut();
        let at = connected.iter().position(|entry| *entry.name == *namespace)?;
        let entry = connected.swap_remove(at);
        engine.connection().give_back(entry.attempt);
        if connected.is_empty() {
            drop(connected);
            engine.wait_for_connect();
        }
        entry.session
    }
}

/// The parameters of the path, and those of the namespace.
fn joined(path: &Value, namespace: Value) -> Value {
    match (path, namespace) {
        (Value::Map(path), Value::Map(mut namespace)) => {
            namespace.extend(path.clone());
            Value::Map(namespace)
        }
        (path, Value::Null) => path.clone(),
        (_, namespace) => namespace,
    }
}

impl MessageHandler for SocketIoNamespaces {
    fn text(self: Rc<Self>, session: &Rc<EngineSession>, text: Text) {
        self.decode(session, text.len(), |decoder, limits| decoder.text(text, limits));
    }

    fn binary(self: Rc<Self>, session: &Rc<EngineSession>, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        self.decode(session, bytes.len(), |decoder, limits| decoder.binary(bytes, limits));
    }

    fn is_settled(&self) -> bool {
        self.connected.borrow().iter().any(|entry| entry.session.is_some())
    }

    fn give_up(&self) {
        drop(self.unfinished.take());
    }

    fn is_silent(&self) -> bool {
        self.connected.borrow().is_empty()
    }

    fn farewell(&self, session: &EngineSession) {
        for entry in self.connected.borrow().iter().filter(|entry| entry.session.is_some()) {
            // Slow clients get it, too: without it, they would reconnect.
            session.connection().send_last(&packet::disconnect(&entry.name));
        }
    }

    fn about(&self) -> About {
        let first = self.connected.borrow().iter().find_map(|entry| entry.session.clone());
        let consumer = || self.endpoint.consumer().name().to_owned();
        first.map_or_else(|| About { consumer: consumer(), ..About::default() }, |session| session.about())
    }

    fn lost(&self) {
        let sessions: Vec<_> = self.connected.borrow().iter().filter_map(|entry| entry.session.clone()).collect();
        for session in sessions {
            session.missed(GapReason::SlowClient);
        }
    }

    fn regroup(&self, order: Arc<ReceivedOrder>) -> LocalBoxFuture<'static, GroupOrderResult> {
        let sessions: Vec<_> = self.connected.borrow().iter().filter_map(|entry| entry.session.clone()).collect();
        let each = sessions.into_iter().map(move |session| session.regroup(Arc::clone(&order)));
        Box::pin(join_all(each).map(GroupOrderResult::of_connection))
    }

    fn work_waits(&self, id: Option<ConnectionId>) {
        let is_of = |session: &Rc<Session>| session.member().is_some_and(|member| member.id() == id);
        let session = self.connected.borrow().iter().filter_map(|entry| entry.session.clone()).find(is_of);
        if let Some(session) = session {
            session.work_waits();
        }
    }

    fn gone(&self) {
        for entry in self.connected.take() {
            if let Some(session) = entry.session {
                session.gone();
            }
        }
    }
}
