//! One Engine.IO session: its heartbeat, its transport, and the protocol above it.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::future::{LocalBoxFuture, ready};
use tokio::time::Instant;

use super::{deadlines::SessionKey, polling::Polling, sessions::Sessions, sid::SidSecret};
use crate::{
    event::{ConnectionId, GroupOrderResult, Incoming, Payload, ReceivedOrder},
    packet::{
        Text,
        engine::{self, EnginePacket},
    },
    socket::{About, Connection, ConnectionHandler, EncodedMessage, close::CloseCode},
};

/// The protocol above a session.
pub trait MessageHandler {
    /// A text message.
    fn text(self: Rc<Self>, session: &Rc<EngineSession>, text: Text);

    /// A binary message.
    fn binary(self: Rc<Self>, session: &Rc<EngineSession>, bytes: &[u8]);

    /// Whether the client has completed its handshake; one that does not in time is disconnected.
    fn is_settled(&self) -> bool;

    /// Whether it has not even started: with too many of those the oldest are disconnected early.
    fn is_silent(&self) -> bool {
        false
    }

    /// Another program has ordered that the connections of a user join or leave a group.
    fn regroup(&self, order: Arc<ReceivedOrder>) -> LocalBoxFuture<'static, GroupOrderResult> {
        drop(order);
        Box::pin(ready(GroupOrderResult::default()))
    }

    /// Whose session it is.
    fn about(&self) -> About {
        About::default()
    }

    /// Work waits for the member with this id.
    fn work_waits(&self, id: Option<ConnectionId>);

    /// Some messages to the client were lost.
    fn lost(&self);

    /// The session has ended.
    fn gone(&self);

    /// An incomplete packet will not be completed: it is dropped.
    fn give_up(&self) {}

    /// The node is about to end the session: sends a last message to the client.
    fn farewell(&self, _session: &EngineSession) {}
}

/// The next event of the heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heartbeat {
    /// The server pings at this time.
    Ping(Instant),
    /// The pong is due by this time.
    Pong(Instant),
}

/// One session.
pub struct EngineSession {
    sessions: Rc<Sessions>,
    connection: Rc<Connection>,
    handler: Rc<dyn MessageHandler>,
    key: SessionKey,
    secret: SidSecret,
    beat: Cell<Option<Heartbeat>>,
    /// It is in the queue of sessions without a namespace.
    pending: Cell<bool>,
    /// Absent over a WebSocket.
    pub(super) polling: RefCell<Option<Box<Polling>>>,
}

impl EngineSession {
    pub(super) fn new(
        sessions: Rc<Sessions>,
        connection: Rc<Connection>,
        handler: Rc<dyn MessageHandler>,
        (key, secret): (SessionKey, SidSecret),
        polling: bool,
    ) -> Rc<Self> {
        let session = Rc::new(Self {
            sessions,
            handler,
            key,
            secret,
            beat: Cell::new(None),
            pending: Cell::new(false),
            polling: RefCell::new(polling.then(Box::default)),
            connection,
        });
        session.connection.handled_by(Rc::clone(&session) as Rc<dyn ConnectionHandler>);
        if polling {
            session.sessions.services().metrics.polling.inc();
        }
        session
    }

    /// The connection that carries it, or will.
    pub const fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// The worker's sessions.
    pub const fn sessions(&self) -> &Rc<Sessions> {
        &self.sessions
    }

    pub(super) const fn key(&self) -> SessionKey {
        self.key
    }

    pub(super) fn is_known_by(&self, secret: &SidSecret) -> bool {
        self.secret.is(secret)
    }

    /// Whether messages are fetched by polling.
    pub(super) fn is_polling(&self) -> bool {
        self.polling.borrow().is_some()
    }

    /// It no longer polls.
    pub(super) fn polling_ended(&self, polling: &Polling) {
        if polling.end() {
            self.sessions.services().metrics.polling.dec();
        }
    }

    /// Sends one packet or several.
    pub fn send(&self, payload: &Payload) {
        self.connection.send(payload);
    }

    /// Pauses reading from the client, or resumes it.
    pub fn hold(&self, hold: bool) {
        self.connection.hold(hold);
        if let (false, Some(polling)) = (hold, self.polling.borrow().as_deref()) {
            polling.go_on();
        }
    }

    /// Ends the session gracefully: waiting messages are still sent.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.connection.close(code, reason);
    }

    /// The client violates the protocol, or its time is over.
    pub fn fail(&self, label: &'static str, code: CloseCode, reason: &str) {
        self.sessions.services().metrics.closed(label);
        if self.is_polling() {
            self.connection.hang_up();
        } else {
            self.connection.close(code, reason);
        }
    }

    /// The client sent an invalid packet.
    pub fn fail_packet(&self, error: &crate::packet::PacketError) {
        log::debug!("a packet of a client: {error}");
        self.fail("bad_packet", CloseCode::PROTOCOL_ERROR, &error.to_string());
    }

    /// Sends a ping that is due; returns whether it was.
    pub(super) fn ping(&self, due: Instant) -> bool {
        if self.beat.get() != Some(Heartbeat::Ping(due)) {
            return false;
        }
        if self.connection.is_gone() {
            // The client left, and never fetched its last messages.
            self.sessions.remove(self.key);
            return false;
        }
        thread_local! {
            static PING: OnceCell<Bytes> = const { OnceCell::new() };
        }
        let ping = PING.with(|ping| ping.get_or_init(|| crate::socket::frame::text(b"2")).clone());
        self.connection.deliver(&EncodedMessage::control(ping), &[]);
        true
    }

    pub(super) fn expect_ping(&self, due: Instant) {
        self.beat.set(Some(Heartbeat::Ping(due)));
    }

    pub(super) fn expect_pong(&self, due: Instant) {
        self.beat.set(Some(Heartbeat::Pong(due)));
    }

    pub(super) fn pong_was_due(&self, due: Instant) {
        if self.beat.get() == Some(Heartbeat::Pong(due)) {
            self.time_out();
        }
    }

    pub(super) fn connect_was_due(&self) {
        if !self.handler.is_settled() {
            self.fail("connect_timeout", CloseCode::POLICY_VIOLATION, "no namespace was connected to in time");
        }
    }

    pub(super) fn poll_was_due(&self) {
        if self.polling.borrow().as_deref().is_some_and(Polling::is_idle) {
            self.fail("poll_timeout", CloseCode::POLICY_VIOLATION, "the session was not polled in time");
        }
    }

    pub(super) fn is_silent(&self) -> bool {
        self.handler.is_silent()
    }

    /// The client is in no namespace, and is not connecting to one.
    pub fn wait_for_connect(&self) {
        if !self.pending.replace(true) {
            self.sessions.add_pending(self.key);
        }
    }

    /// Whether this is still so, and it stays in the queue.
    pub(super) fn stays_pending(&self) -> bool {
        let stays = !self.connection.is_gone() && self.handler.is_silent();
        self.pending.set(stays);
        stays
    }

    /// Too many sessions are in no namespace, and this is among the oldest.
    pub(super) fn give_way(&self) {
        self.fail("max_pending", CloseCode::TRY_AGAIN_LATER, "too many sessions are in no namespace");
    }

    fn time_out(&self) {
        self.beat.set(None);
        self.sessions.remove(self.key);
        self.fail("ping_timeout", CloseCode::NORMAL, "ping timeout");
    }

    /// Whether the session continues; an expired session ends now, even if the timer is late.
    pub(super) fn is_alive(&self, now: Instant) -> bool {
        let late = match self.beat.get() {
            Some(Heartbeat::Pong(due)) => due <= now,
            Some(Heartbeat::Ping(due)) => due + self.sessions.settings().ping_timeout <= now,
            None => false,
        };
        if late {
            self.time_out();
        }
        !late && (!self.connection.is_gone() || self.is_left())
    }

    /// Handles a packet of the client.
    pub(super) fn take(self: &Rc<Self>, packet: EnginePacket) {
        match packet {
            EnginePacket::Message(text) => Rc::clone(&self.handler).text(self, text),
            EnginePacket::Binary(bytes) => Rc::clone(&self.handler).binary(self, &bytes),
            EnginePacket::Pong => {
                if matches!(self.beat.get(), Some(Heartbeat::Pong(_))) {
                    self.expect_ping(self.sessions.schedule_ping(self.key));
                }
            }
            EnginePacket::Close => self.closed_by_client(),
            // A probe has a meaning only on a second WebSocket.
            EnginePacket::Probe | EnginePacket::Upgrade | EnginePacket::Noop => {}
        }
    }

    fn closed_by_client(&self) {
        match self.polling.borrow().as_deref() {
            Some(polling) => polling.closed_by_client(),
            None => return self.connection.close(CloseCode::NORMAL, ""),
        }
        self.connection.hang_up();
    }
}

impl ConnectionHandler for EngineSession {
    fn about(&self) -> About {
        self.handler.about()
    }

    fn received(self: Rc<Self>, _connection: &Rc<Connection>, message: Incoming<'_>) {
        let session = self;
        if !session.is_alive(Instant::now()) {
            return;
        }
        match message {
            Incoming::Text(text) => match engine::parse(text) {
                Ok(packet) => session.take(packet),
                Err(error) => session.fail_packet(&error),
            },
            Incoming::Binary(bytes) => Rc::clone(&session.handler).binary(&session, bytes),
            Incoming::Event { .. } => {}
        }
    }

    fn lost(self: Rc<Self>, _messages: u64) {
        self.handler.lost();
    }

    fn regroup(self: Rc<Self>, order: Arc<ReceivedOrder>) -> LocalBoxFuture<'static, GroupOrderResult> {
        self.handler.regroup(order)
    }

    fn work_waits(self: Rc<Self>, id: Option<ConnectionId>) {
        self.handler.work_waits(id);
    }

    fn gone(self: Rc<Self>) {
        if let Some(polling) = self.polling.borrow().as_deref() {
            self.polling_ended(polling);
        }
        if !self.is_left() {
            self.sessions.remove(self.key);
        }
        self.handler.gone();
    }

    fn farewell(&self) {
        self.handler.farewell(self);
    }

    fn give_up(&self) {
        self.handler.give_up();
    }
}
