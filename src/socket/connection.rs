//! One WebSocket connection of one worker thread: its socket, what waits to go out, and its state.
//!
//! In: frames to deliver, from the hub and from the protocol. Out: bytes on the socket, now if the kernel takes them,
//! else through the outbox. It never waits: a client that does not read is bounded in bytes and closed. It does not
//! know what a message means; [`Handler`] does.

mod detached;

use std::{
    cell::{Cell, OnceCell, RefCell},
    io,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::{
    close::{CloseCode, Ending},
    frame::{self, Frame},
    meter::Rates,
    negotiate::Deflate,
    outbox::Outbox,
    parcel::{Loss, Parcel, Piece},
    roster::Roster,
};
use crate::{
    admission::Places,
    config::{self, Compression},
    consumer::{Incoming, Payload},
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

/// Writes without asking the runtime whether the socket is ready: nearly always it is, and the kernel knows best. Where it
/// is not, the runtime is asked, too, so that it tells when it is again.
fn write_now(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match SockRef::from(stream).send(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.try_write(bytes),
        result => result,
    }
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
    places: Cell<Option<Box<Places>>>,
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
            places: Cell::default(),
        })
    }

    /// Names who takes this connection's messages.
    pub fn handled_by(&self, handler: Rc<dyn Handler>) {
        *self.handler.borrow_mut() = Some(handler);
    }

    /// Looks at what the connection holds, which is given back when it is over.
    pub fn with_places<T>(&self, change: impl FnOnce(&mut Places) -> T) -> T {
        let mut places = self.places.take().unwrap_or_default();
        let result = change(&mut places);
        self.places.set(Some(places).filter(|places| !places.is_empty() && !self.is_gone()));
        result
    }

    /// Gives back what it held for one attempt to connect to a namespace.
    pub fn give_back(&self, attempt: u32) {
        if let Some(mut places) = self.places.take() {
            places.give_back(attempt);
            self.places.set(Some(places).filter(|places| !places.is_empty()));
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

    /// The node stops: the client should connect again, and will reach another.
    pub(super) fn restart(&self) {
        if self.is_open() {
            self.roster.metrics().closed("drain");
            self.close(CloseCode::SERVICE_RESTART, "service restart");
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

    /// Encodes and sends one message to this connection alone. It is never lost as long as the connection lives.
    pub fn send(&self, payload: &Payload) {
        let frame = Frame::new(payload);
        let bytes = frame.bytes(self.deflate.get(), &self.limits.compression).clone();
        self.deliver(&Piece::new(bytes, 1, Loss::Never), &[]);
    }

    /// Hands over encoded messages: straight to the kernel where nothing waits, else to the outbox. `each` is what `whole`
    /// is made of, where it may have to wait in pieces. How many messages were taken; the others are counted as lost.
    pub fn deliver(&self, whole: &Piece, each: &[Piece]) -> u32 {
        match self.state.get() {
            State::Pending | State::Open => {}
            State::Closing | State::Finishing | State::Gone => return self.refuse(whole),
        }
        let mut written = 0;
        if self.outbox.borrow().is_empty()
            && let Some(stream) = self.stream.get()
        {
            match write_now(stream, whole.bytes()) {
                Ok(all) if all == whole.bytes().len() => return whole.messages(),
                Ok(part) => written = part,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.abort();
                    return self.refuse(whole);
                }
            }
        }
        self.queue(if each.is_empty() { std::slice::from_ref(whole) } else { each }, written)
    }

    #[cold]
    fn refuse(&self, whole: &Piece) -> u32 {
        self.roster.metrics().dropped(DropReason::Closed, u64::from(whole.messages()));
        0
    }

    /// Lets messages wait, the first `written` bytes of which are out.
    #[cold]
    fn queue(&self, pieces: &[Piece], mut written: usize) -> u32 {
        let pressure = self.roster.pressure();
        let mut taken = 0;
        for (index, piece) in pieces.iter().enumerate() {
            if written >= piece.bytes().len() {
                written -= piece.bytes().len();
            } else {
                let (parcel, from) = (piece.parcel(pressure), (pressure, self.place.get()));
                let pushed = self.outbox.borrow_mut().push(parcel, written, self.limits.outbox, from);
                if pushed.is_err() {
                    self.overflow(pieces[index..].iter().map(|piece| u64::from(piece.messages())).sum());
                    return taken;
                }
                written = 0;
            }
            taken += piece.messages();
        }
        self.wake();
        if pressure.take_over() {
            self.roster.relieve();
        }
        taken
    }

    /// Answers a ping; dropped when the client does not even read its pongs.
    pub(super) fn pong(&self, payload: &[u8]) {
        if self.outbox.borrow().bytes() < self.limits.outbox {
            self.deliver(&Piece::control(frame::pong(payload)), &[]);
        }
    }

    /// Asks a silent client for a sign of life.
    pub(super) fn ping(&self) {
        if self.outbox.borrow().is_empty() {
            self.deliver(&Piece::control(frame::ping(&[])), &[]);
        }
    }

    /// Sends a Close and waits, for a bounded time, for the client's.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.begin_close(State::Closing, &frame::close(code, reason));
    }

    /// Ends a connection that does nothing wrong; `false` where it was ending already.
    pub fn end(&self, ending: &Ending) -> bool {
        if !matches!(self.state.get(), State::Pending | State::Open) {
            return false;
        }
        self.roster.metrics().closed(ending.label);
        if let (false, Some(handler)) = (ending.reconnect, self.handler()) {
            handler.farewell();
        }
        self.close(ending.code, &ending.reason);
        true
    }

    /// Sends a Close and ends the connection once it is written.
    pub(super) fn finish(&self, close: &Bytes) {
        self.begin_close(State::Finishing, close);
    }

    /// The client's Close came: answer it, unless ours went first.
    pub(super) fn closed_by_client(&self, answer: &Bytes) {
        if self.state.get() == State::Closing {
            self.state.set(State::Finishing);
            self.wake();
        } else {
            self.finish(answer);
        }
    }

    fn begin_close(&self, next: State, close: &Bytes) {
        match self.state.get() {
            State::Pending | State::Open => {}
            State::Closing | State::Finishing | State::Gone => return,
        }
        self.deliver_last(close);
        self.state.set(next);
        self.roster.closing(self.place.get());
        self.wake();
    }

    /// A Close is queued whatever waits before it: its size is bounded by the protocol.
    fn deliver_last(&self, close: &Bytes) {
        let pressure = self.roster.pressure();
        let parcel = Parcel::new(close.clone(), 0, Loss::Never, pressure);
        self.outbox.borrow_mut().push_last(&parcel, (pressure, self.place.get()));
    }

    /// Sends a last word before a Close, whatever waits before it: for a protocol's own, which are small.
    pub fn send_last(&self, payload: &Payload) {
        self.deliver_last(Frame::new(payload).bytes(self.deflate.get(), &self.limits.compression));
    }

    /// There is no room: what waits is lost, and so many messages that came.
    fn overflow(&self, more: u64) {
        let lost = self.outbox.borrow_mut().discard() + more;
        self.roster.metrics().dropped(DropReason::SlowClient, lost);
        self.roster.metrics().closed("slow_client");
        self.close(CloseCode::TRY_AGAIN_LATER, "slow client");
    }

    /// What waits for the client costs the worker so much.
    pub(super) fn cost(&self) -> usize {
        if self.is_open() { self.outbox.borrow().cost() } else { 0 }
    }

    /// The node has no room for all that waits: what may be lost is, and if that is less than half, the connection is closed.
    pub(super) fn shed(&self) {
        let (before, lost, after) = {
            let mut outbox = self.outbox.borrow_mut();
            (outbox.bytes(), outbox.discard_oldest(), outbox.bytes())
        };
        self.roster.metrics().dropped(DropReason::Shed, lost);
        if after * 2 <= before {
            return self.wake();
        }
        let lost = self.outbox.borrow_mut().discard();
        self.roster.metrics().dropped(DropReason::Shed, lost);
        self.roster.metrics().closed("outbox_total");
        self.close(CloseCode::TRY_AGAIN_LATER, "the node is overloaded");
    }

    /// Drops the connection without another word.
    pub(super) fn abort(&self) {
        if self.state.get() != State::Gone {
            self.state.set(State::Gone);
            self.wake();
        }
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

    /// Writes what waits; `Ready(Ok)` when nothing does.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(stream) = self.stream.get() else { return Poll::Ready(Ok(())) };
        while !self.outbox.borrow().is_empty() {
            let (before, lost, after) = {
                let mut outbox = self.outbox.borrow_mut();
                (outbox.bytes(), outbox.flush(|slices| stream.try_write_vectored(slices))?, outbox.bytes())
            };
            if after < before {
                // The kernel had no room for it before, so the client's has taken some.
                self.heard();
            }
            match lost {
                Some(lost) => self.caught_up(lost),
                None => std::task::ready!(stream.poll_write_ready(cx))?,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Nothing waits any more; the handler is told what was lost while something did.
    fn caught_up(&self, lost: u64) {
        if lost > 0
            && self.is_open()
            && let Some(handler) = self.handler()
        {
            handler.lost(lost);
        }
    }

    /// Takes the connection out of everything; called once, by its driver or by whoever gave the handshake up.
    pub(super) fn release(&self) {
        self.state.set(State::Gone);
        self.roster.metrics().dropped(DropReason::Closed, self.outbox.take().discard_all());
        *self.waker.borrow_mut() = None;
        self.roster.leave(self.place.replace(u32::MAX));
        drop(self.places.take());
        let handler = self.handler.borrow_mut().take();
        if let Some(handler) = handler {
            handler.gone();
        }
    }
}

#[cfg(test)]
mod tests;
