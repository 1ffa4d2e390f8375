//! One WebSocket connection of one worker thread: its socket, its outbox, and its state.
//!
//! In: frames to deliver, from the hub and from the protocol. Out: bytes on the socket, at once if the kernel accepts
//! them, else through the outbox. It never waits: the outbox of a client that does not read is bounded, and the
//! connection is closed when it is full. It does not know the meaning of a message; [`ConnectionHandler`] does.

mod closing;
mod delivery;
mod detached;

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    sync::Arc,
    task::Waker,
};

use futures_util::future::{LocalBoxFuture, ready};
use tokio::net::TcpStream;

use super::{
    close::CloseCode,
    connections::Connections,
    heartbeat::Heartbeat,
    inbox::{Held, Holder, Inbox},
    meter::Rates,
    negotiate::Deflate,
    outbox::Outbox,
};
use crate::{
    admission::ConnectionPermits,
    config::{self, Compression},
    event::{ConnectionId, Event, GroupOrderResult, Incoming, ReceivedOrder},
    telemetry::{DropReason, Metrics, OpenGauge},
};

/// The protocol of a connection, which handles its messages.
pub trait ConnectionHandler {
    /// A complete message arrived.
    fn received(self: Rc<Self>, connection: &Rc<Connection>, message: Incoming<'_>);

    /// The client lost this many messages while it was slow, and has caught up: called once each time. Messages that
    /// its consumer's policy replaced by newer values are not lost.
    fn lost(self: Rc<Self>, messages: u64) {
        let _ = messages;
    }

    /// Another program has ordered that the connections of a user join or leave a group.
    fn regroup(self: Rc<Self>, order: Arc<ReceivedOrder>) -> LocalBoxFuture<'static, GroupOrderResult> {
        drop(order);
        Box::pin(ready(GroupOrderResult::default()))
    }

    /// The connection has ended; called once, for a connection that was open and for one that never was.
    fn gone(self: Rc<Self>);

    /// The node ends the connection: the protocol sends its last message before the Close.
    fn farewell(&self) {}

    /// The rest of a message from the client is not awaited any more: its received part is dropped.
    fn give_up(&self) {}

    /// Work waits for the hub's member with this id, which is held from now on: see `hub::hold`. Several members of one
    /// connection have ids. Called only if the member serves calls.
    fn work_waits(self: Rc<Self>, id: Option<ConnectionId>) {
        let _ = id;
    }

    /// Whose connection it is.
    fn about(&self) -> About {
        About::default()
    }

    /// Whether messages for this connection alone come to it; if not, they are mapped as events of its groups are.
    fn takes_messages(&self) -> bool {
        false
    }

    /// A message for this connection alone; the group of the event is the connection's id. Called only if the hub's
    /// member of this connection serves calls.
    fn direct(self: Rc<Self>, event: Arc<Event>) {
        let _ = event;
    }
}

/// Whose connection it is, for an operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The consumer, or the first of several.
    pub consumer: String,
    /// The user's id, if it has one.
    pub user: Option<String>,
    /// Its public id, if it has one.
    pub socket: Option<String>,
}

/// Limits of a connection, shared by all of a consumer.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Maximum size of a client message, in bytes.
    pub max_message: usize,
    /// Bytes that may wait for the client.
    pub outbox: usize,
    /// How fast the client may send.
    pub rates: Rates,
    /// Which messages are compressed, if the client agreed to it.
    pub compression: Compression,
    /// Whether the sweep pings silent clients; not needed if the protocol above does.
    pub pings: bool,
    /// The heartbeat of its consumer, if it has one.
    pub heartbeat: Option<Arc<Heartbeat>>,
    /// Counts the open ones.
    pub open: OpenGauge,
}

impl ConnectionLimits {
    /// The limits of `[socket]`, with a consumer's own size of messages.
    pub fn new(socket: &config::Socket, max_message: Option<usize>) -> Self {
        Self {
            max_message: max_message.unwrap_or(socket.max_message),
            outbox: socket.outbox,
            rates: Rates::new(socket),
            compression: socket.compression.clone(),
            pings: true,
            heartbeat: None,
            open: OpenGauge::default(),
        }
    }
}

/// The index of a connection that is not in its roster and does not count as open.
const NOWHERE: u32 = u32::MAX;

/// That of one that counts already, because its client is about to learn that it is open.
const COUNTED: u32 = u32::MAX - 1;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not accepted yet: frames are queued.
    Pending,
    /// Open.
    Open,
    /// A Close is being sent; the socket is dropped when the client answers, or at a deadline.
    Closing,
    /// Like `Closing`, but after the client's own Close or an error: dropped once all is written.
    Finishing,
    /// Ended.
    Gone,
}

/// One WebSocket connection.
///
/// The order in memory matters: the fields used by a delivery are adjacent, because with thousands of connections each
/// cache line of each is a miss.
#[repr(C)]
pub struct Connection {
    state: Cell<State>,
    /// Reading from the client is paused.
    held: Cell<bool>,
    /// Reading is paused because the client sent too fast.
    throttled: Cell<bool>,
    deflate: Cell<Option<Deflate>>,
    /// How many messages of the consumer's heartbeat have no answer.
    unanswered: Cell<u8>,
    /// The code of the client's Close, 1005 for one without a code; 0 before it.
    close_code: Cell<u16>,
    limits: Arc<ConnectionLimits>,
    stream: OnceCell<TcpStream>,
    outbox: RefCell<Outbox>,
    waker: RefCell<Option<Waker>>,
    handler: RefCell<Option<Rc<dyn ConnectionHandler>>>,
    connections: Rc<Connections>,
    /// Seconds of the connections' clock.
    heard: Cell<u32>,
    index: Cell<u32>,
    /// Its permits for limited resources; `None` if nothing is limited.
    permits: Cell<Option<Box<ConnectionPermits>>>,
}

impl Connection {
    /// A connection that is not accepted yet; deliveries wait for its socket.
    pub fn pending(connections: Rc<Connections>, limits: Arc<ConnectionLimits>, deflate: Option<Deflate>) -> Rc<Self> {
        Rc::new(Self {
            stream: OnceCell::new(),
            outbox: RefCell::default(),
            waker: RefCell::default(),
            handler: RefCell::default(),
            connections,
            limits,
            deflate: Cell::new(deflate),
            state: Cell::new(State::Pending),
            held: Cell::new(false),
            throttled: Cell::new(false),
            unanswered: Cell::new(0),
            close_code: Cell::new(0),
            heard: Cell::new(0),
            index: Cell::new(NOWHERE),
            permits: Cell::default(),
        })
    }

    /// Sets the handler of this connection's messages.
    pub fn handled_by(&self, handler: Rc<dyn ConnectionHandler>) {
        *self.handler.borrow_mut() = Some(handler);
    }

    /// Accesses the connection's permits, which are given back when it ends.
    pub fn with_permits<T>(&self, change: impl FnOnce(&mut ConnectionPermits) -> T) -> T {
        let mut permits = self.permits.take().unwrap_or_default();
        let result = change(&mut permits);
        self.permits.set(Some(permits).filter(|permits| !permits.is_empty() && !self.is_gone()));
        result
    }

    /// Gives back the permits of one attempt to connect to a namespace.
    pub fn give_back(&self, attempt: u32) {
        if let Some(mut permits) = self.permits.take() {
            permits.give_back(attempt);
            self.permits.set(Some(permits).filter(|permits| !permits.is_empty()));
        }
    }

    /// The handshake is answered: from now on frames go to `stream`.
    pub(super) fn open(self: &Rc<Self>, stream: TcpStream) {
        if self.stream.set(stream).is_ok() {
            self.enter();
        }
    }

    /// It counts as open from now on, before its client learns of it: who asks then for the number of connections must not
    /// miss it.
    pub(super) fn count(&self) {
        if self.index.get() == NOWHERE {
            self.index.set(COUNTED);
            self.connections.metrics().connections.inc();
            self.limits.open.inc();
        }
    }

    fn enter(self: &Rc<Self>) {
        self.count();
        if self.state.get() == State::Pending {
            self.state.set(State::Open);
        }
        self.heard();
        self.index.set(self.connections.enter(Rc::clone(self)));
        self.outbox.borrow().moved_to(self.index.get());
        if self.state.get() != State::Open {
            // Accepted only to be closed with a code that the client can read.
            self.connections.closing(self.index.get());
        } else if self.connections.is_draining() {
            self.restart();
        }
    }

    /// The negotiated compression.
    pub fn deflate(&self) -> Option<Deflate> {
        self.deflate.get()
    }

    /// The limits of this connection.
    pub fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    /// Whether messages from the client are still handled.
    pub fn is_open(&self) -> bool {
        self.state.get() == State::Open
    }

    /// Whether the client has not read everything sent.
    pub fn is_behind(&self) -> bool {
        !self.outbox.borrow().is_empty()
    }

    /// How many bytes wait for the client.
    pub fn outbox_bytes(&self) -> usize {
        self.outbox.borrow().bytes()
    }

    /// Whose connection it is.
    pub fn about(&self) -> About {
        let handler = self.handler.borrow().clone();
        handler.map_or_else(About::default, |handler| handler.about())
    }

    /// The bytes that wait for the client, for tests.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> Vec<u8> {
        self.outbox.borrow().contents()
    }

    /// Bytes arrived from the client.
    pub(super) fn heard(&self) {
        self.heard.set(self.connections.now());
    }

    /// For how long nothing has arrived, in seconds.
    pub(super) fn silence(&self) -> u32 {
        self.connections.now().saturating_sub(self.heard.get())
    }

    /// The code of the client's Close, 1005 for one without a code; `None` if none has arrived.
    pub fn close_code(&self) -> Option<u16> {
        Some(self.close_code.get()).filter(|code| *code != 0)
    }

    /// Whether it has ended.
    pub fn is_gone(&self) -> bool {
        self.state.get() == State::Gone
    }

    pub(super) fn is_finishing(&self) -> bool {
        self.state.get() == State::Finishing
    }

    /// Pauses reading from the client, or resumes it.
    pub fn hold(&self, hold: bool) {
        if self.held.replace(hold) && !hold {
            self.wake();
        }
    }

    /// Whether reading is paused.
    pub fn is_held(&self) -> bool {
        self.held.get()
    }

    /// The client sent too fast and reading is paused, or resumed again.
    pub(super) fn throttle(&self, throttled: bool) {
        self.throttled.set(throttled);
        if throttled {
            self.connections.metrics().held("rate");
        }
        self.heard();
    }

    /// Whether reading is paused because the client sent too fast, so that its silence means nothing.
    pub(super) fn is_throttled(&self) -> bool {
        self.throttled.get()
    }

    /// The client has started something that is to be continued.
    pub fn begun(&self) -> Held {
        let holder = Holder::Began { index: self.index.get(), since: self.connections.now() };
        Held::new(self.connections.inbox(), holder)
    }

    /// The unhandled bytes of the worker's clients.
    pub fn inbox(&self) -> &Rc<Inbox> {
        self.connections.inbox()
    }

    pub(super) fn connections(&self) -> &Rc<Connections> {
        &self.connections
    }

    /// More of a started message has arrived: makes room on the node if needed.
    pub fn took_more(&self) {
        if self.connections.inbox().take_over() {
            self.connections.relieve_inbox();
        }
    }

    /// The worker's clock, in microseconds.
    pub fn micros(&self) -> u64 {
        self.connections.micros()
    }

    /// Whether reading from the client is paused: it must first read the answers, or its earlier messages are still
    /// being handled.
    pub(super) fn is_congested(&self) -> bool {
        self.held.get() || self.is_over_half()
    }

    pub(super) fn metrics(&self) -> &Metrics {
        self.connections.metrics()
    }

    pub(super) fn stream(&self) -> Option<&TcpStream> {
        self.stream.get()
    }

    /// Carries out an order of another program to join or leave a group; `None` if it is not open.
    pub fn regroup(&self, order: &Arc<ReceivedOrder>) -> Option<LocalBoxFuture<'static, GroupOrderResult>> {
        Some(self.handler()?.regroup(Arc::clone(order)))
    }

    /// The handler of this connection's messages; `None` once the connection has ended.
    pub fn handler(&self) -> Option<Rc<dyn ConnectionHandler>> {
        self.handler.borrow().clone()
    }

    /// Registers the task to wake when frames are queued.
    pub fn watch(&self, waker: &Waker) {
        let mut current = self.waker.borrow_mut();
        if !current.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *current = Some(waker.clone());
        }
    }

    /// Wakes the registered task.
    pub fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Removes the connection from every structure; called once, by its driver or when the handshake is abandoned.
    pub(super) fn release(&self) {
        self.state.set(State::Gone);
        self.connections.metrics().dropped(DropReason::Closed, self.outbox.take().discard_all());
        *self.waker.borrow_mut() = None;
        let index = self.index.replace(NOWHERE);
        if index != NOWHERE {
            self.connections.leave(index);
            self.connections.metrics().connections.dec();
            self.limits.open.dec();
        }
        drop(self.permits.take());
        let handler = self.handler.borrow_mut().take();
        if let Some(handler) = handler {
            handler.gone();
        }
    }
}

#[cfg(test)]
mod tests;
