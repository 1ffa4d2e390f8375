//! One WebSocket connection of one worker thread: its socket, what waits to go out, and its state.
//!
//! In: frames to deliver, from the hub and from the protocol. Out: bytes on the socket, now if the kernel takes them,
//! else through the outbox. It never waits: a client that does not read is bounded in bytes and closed. It does not
//! know what a message means; [`Handler`] does.

mod closing;
mod delivery;
mod detached;

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    sync::Arc,
    task::Waker,
};

use tokio::net::TcpStream;

use super::{
    close::CloseCode,
    inbox::{Held, Holder, Inbox},
    meter::Rates,
    negotiate::Deflate,
    outbox::Outbox,
    roster::Roster,
};
use crate::{
    admission::ConnectionPermits,
    config::{self, Compression},
    event::Incoming,
    telemetry::{DropReason, Metrics, OpenGauge},
};

/// What a connection's messages mean: a protocol.
pub trait Handler {
    /// A whole message arrived.
    fn received(self: Rc<Self>, connection: &Rc<Connection>, message: Incoming<'_>);

    /// The client missed so many messages while it was behind with reading, and has caught up: called once each time.
    /// What its consumer's policy replaced by newer values is no loss.
    fn lost(self: Rc<Self>, messages: u64) {
        let _ = messages;
    }

    /// The connection is gone; called once, for a connection that was open and for one that never came to be.
    fn gone(self: Rc<Self>);

    /// The node ends the connection for good: what the protocol says before the Close.
    fn farewell(&self) {}

    /// What the client has begun to send is not waited for any more: what is there of it is let go.
    fn give_up(&self) {}
}

/// Limits of a connection, shared by all of a consumer.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Largest client message, in bytes.
    pub max_message: usize,
    /// Bytes that may wait for the client.
    pub outbox: usize,
    /// How fast the client may send.
    pub rates: Rates,
    /// What is compressed, where the client agreed to it.
    pub compression: Compression,
    /// Whether the sweep asks silent clients for a sign of life; where the protocol above does, it need not.
    pub pings: bool,
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
            open: OpenGauge::default(),
        }
    }
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not accepted yet: frames wait.
    Pending,
    /// Open.
    Open,
    /// A Close is on its way out; the socket is dropped when the client answers, or at a deadline.
    Closing,
    /// As `Closing`, but by the client's own Close or after an error: dropped once all is written.
    Finishing,
    /// Over.
    Gone,
}

/// One WebSocket connection.
///
/// In this order in memory: what a delivery touches stands together, because with thousands of connections each cache line
/// of each is a miss.
#[repr(C)]
pub struct Connection {
    state: Cell<State>,
    /// Nothing is read from the client for now.
    held: Cell<bool>,
    /// Nothing is read because the client sent too fast.
    throttled: Cell<bool>,
    deflate: Cell<Option<Deflate>>,
    limits: Arc<ConnectionLimits>,
    stream: OnceCell<TcpStream>,
    outbox: RefCell<Outbox>,
    waker: RefCell<Option<Waker>>,
    handler: RefCell<Option<Rc<dyn Handler>>>,
    roster: Rc<Roster>,
    /// Seconds of the roster's clock.
    heard: Cell<u32>,
    place: Cell<u32>,
    /// What it holds of what is limited; nothing, where nothing is.
    permits: Cell<Option<Box<ConnectionPermits>>>,
}

impl Connection {
    /// A connection that is not accepted yet; what is delivered waits for its socket.
    pub fn pending(roster: Rc<Roster>, limits: Arc<ConnectionLimits>, deflate: Option<Deflate>) -> Rc<Self> {
        Rc::new(Self {
            stream: OnceCell::new(),
            outbox: RefCell::default(),
            waker: RefCell::default(),
            handler: RefCell::default(),
            roster,
            limits,
            deflate: Cell::new(deflate),
            state: Cell::new(State::Pending),
            held: Cell::new(false),
            throttled: Cell::new(false),
            heard: Cell::new(0),
            place: Cell::new(u32::MAX),
            permits: Cell::default(),
        })
    }

    /// Names who takes this connection's messages.
    pub fn handled_by(&self, handler: Rc<dyn Handler>) {
        *self.handler.borrow_mut() = Some(handler);
    }

    /// Looks at what the connection holds, which is given back when it is over.
    pub fn with_permits<T>(&self, change: impl FnOnce(&mut ConnectionPermits) -> T) -> T {
        let mut permits = self.permits.take().unwrap_or_default();
        let result = change(&mut permits);
        self.permits.set(Some(permits).filter(|permits| !permits.is_empty() && !self.is_gone()));
        result
    }

    /// Gives back what it held for one attempt to connect to a namespace.
    pub fn give_back(&self, attempt: u32) {
        if let Some(mut permits) = self.permits.take() {
            permits.give_back(attempt);
            self.permits.set(Some(permits).filter(|permits| !permits.is_empty()));
        }
    }

    /// The handshake is answered: from here on frames go to `stream`.
    pub(super) fn open(self: &Rc<Self>, stream: TcpStream) {
        if self.stream.set(stream).is_ok() {
            self.enter();
        }
    }

    fn enter(self: &Rc<Self>) {
        if self.state.get() == State::Pending {
            self.state.set(State::Open);
        }
        self.heard();
        self.place.set(self.roster.enter(Rc::clone(self)));
        self.outbox.borrow().placed(self.place.get());
        if self.state.get() != State::Open {
            // Accepted only to be closed with a code that the client can read.
            self.roster.closing(self.place.get());
        } else if self.roster.is_draining() {
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

    /// Whether messages from the client still count.
    pub fn is_open(&self) -> bool {
        self.state.get() == State::Open
    }

    /// Whether the client has not read all that was sent.
    pub fn is_behind(&self) -> bool {
        !self.outbox.borrow().is_empty()
    }

    /// The bytes that wait for the client, for tests.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> Vec<u8> {
        self.outbox.borrow().contents()
    }

    /// Bytes came from the client.
    pub(super) fn heard(&self) {
        self.heard.set(self.roster.now());
    }

    /// Since when nothing came, in seconds.
    pub(super) fn silence(&self) -> u32 {
        self.roster.now().saturating_sub(self.heard.get())
    }

    /// Whether it is over.
    pub fn is_gone(&self) -> bool {
        self.state.get() == State::Gone
    }

    pub(super) fn is_finishing(&self) -> bool {
        self.state.get() == State::Finishing
    }

    /// Stops reading from the client, or goes on with it.
    pub fn hold(&self, hold: bool) {
        if self.held.replace(hold) && !hold {
            self.wake();
        }
    }

    /// Whether the client is not read.
    pub fn is_held(&self) -> bool {
        self.held.get()
    }

    /// The client sent too fast and is not read for a while, or is again.
    pub(super) fn throttle(&self, throttled: bool) {
        self.throttled.set(throttled);
        if throttled {
            self.roster.metrics().held("rate");
        }
        self.heard();
    }

    /// Whether the client is not read because it sent too fast, so that its silence means nothing.
    pub(super) fn is_throttled(&self) -> bool {
        self.throttled.get()
    }

    /// The client has begun to send something that is to go on.
    pub fn begun(&self) -> Held {
        let holder = Holder::Began { place: self.place.get(), since: self.roster.now() };
        Held::new(self.roster.inbox(), holder)
    }

    /// What the worker's clients have sent that is not handled.
    pub fn inbox(&self) -> &Rc<Inbox> {
        self.roster.inbox()
    }

    pub(super) fn roster(&self) -> &Rc<Roster> {
        &self.roster
    }

    /// More of what has begun is there: makes room on the node, where that is needed.
    pub fn took_more(&self) {
        if self.roster.inbox().take_over() {
            self.roster.relieve_inbox();
        }
    }

    /// The worker's clock, in microseconds.
    pub fn micros(&self) -> u64 {
        self.roster.micros()
    }

    /// Whether no more of the client's messages are read for now: it must first take the answers, or those that came are
    /// still being handled.
    pub(super) fn is_congested(&self) -> bool {
        self.held.get() || self.outbox.borrow().kept() > self.limits.outbox / 2
    }

    pub(super) fn metrics(&self) -> &Metrics {
        self.roster.metrics()
    }

    pub(super) fn stream(&self) -> Option<&TcpStream> {
        self.stream.get()
    }

    pub(super) fn handler(&self) -> Option<Rc<dyn Handler>> {
        self.handler.borrow().clone()
    }

    /// Remembers whom to wake when frames come to wait.
    pub fn watch(&self, waker: &Waker) {
        let mut current = self.waker.borrow_mut();
        if !current.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *current = Some(waker.clone());
        }
    }

    /// Wakes whoever watches.
    pub fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Takes the connection out of everything; called once, by its driver or by whoever gave the handshake up.
    pub(super) fn release(&self) {
        self.state.set(State::Gone);
        self.roster.metrics().dropped(DropReason::Closed, self.outbox.take().discard_all());
        *self.waker.borrow_mut() = None;
        self.roster.leave(self.place.replace(u32::MAX));
        drop(self.permits.take());
        let handler = self.handler.borrow_mut().take();
        if let Some(handler) = handler {
            handler.gone();
        }
    }
}

#[cfg(test)]
mod tests;
