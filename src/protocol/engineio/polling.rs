//! A session without a socket: requests fetch the messages in the connection's outbox, and deliver the client's
//! messages.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::session::EngineSession;
use crate::{
    packet::engine::{self, SEPARATOR},
    socket::{close::CloseCode, meter::Meter},
};

/// The content type of a payload.
pub const PAYLOAD_TYPE: &str = "text/plain; charset=UTF-8";

/// Maximum number of packets in one payload: python-engineio refuses more.
const MAX_PACKETS: usize = 16;

/// The answer to a request of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// 200 with this payload.
    Payload(Bytes),
    /// 400: the session is unknown.
    Unknown,
    /// 400: the request is not possible in the session's state; the session ends, or continues on its WebSocket.
    Bad,
}

/// A payload without content: the request is over.
const NOTHING: Polled = Polled::Payload(Bytes::from_static(b"6"));

/// How long a request that arrives during an upgrade is kept.
const LET_GO: Duration = Duration::from_millis(50);

/// The additional state of a polling session.
#[derive(Default)]
pub struct Polling {
    /// A request waits for messages.
    fetching: Cell<bool>,
    /// A request has asked for messages.
    polled: Cell<bool>,
    /// A request delivers messages.
    bringing: Cell<bool>,
    /// A WebSocket requests to take over the session. One at a time.
    pub(super) upgrading: Cell<bool>,
    /// It has proven to work; waiting requests are answered.
    pub(super) probed: Cell<bool>,
    /// How fast the client sends.
    meter: Cell<Meter>,
    /// The client has ended the session.
    left: Cell<bool>,
    /// It has ended, or continues on a WebSocket.
    ended: Cell<bool>,
    /// A request with messages that waits until the earlier ones are handled.
    held: RefCell<Option<Waker>>,
}

impl Polling {
    /// Messages may be handled again.
    pub(super) fn go_on(&self) {
        if let Some(waker) = self.held.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Whether its client has not polled yet.
    pub(super) fn is_idle(&self) -> bool {
        !self.polled.get() && !self.upgrading.get()
    }

    pub(super) fn closed_by_client(&self) {
        self.left.set(true);
    }

    /// Marks it as ended; returns whether it was not before.
    pub(super) fn end(&self) -> bool {
        !self.ended.replace(true)
    }
}

/// Ends the session if a request is dropped.
struct RequestGuard<'a> {
    session: &'a Rc<EngineSession>,
    up: bool,
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        // Once it continues on a WebSocket, a dropped request means nothing.
        if self.up && self.session.is_polling() {
            self.session.sessions().services().metrics.closed("poll_cancelled");
            self.session.connection().hang_up();
        }
    }
}

impl EngineSession {
    fn with_polling<T>(&self, read: impl FnOnce(&Polling) -> T) -> Option<T> {
        self.polling.borrow().as_deref().map(read)
    }

    /// Waits for messages. The session ends if the request is dropped before the answer.
    pub async fn fetch(self: &Rc<Self>) -> Polled {
        match self.with_polling(|polling| polling.fetching.replace(true)) {
            None => return Polled::Bad,
            Some(true) => {
                self.sessions().services().metrics.closed("duplicate_poll");
                self.connection().hang_up();
                return Polled::Bad;
            }
            Some(false) => {}
        }
        self.with_polling(|polling| polling.polled.set(true));
        let mut given = RequestGuard { session: self, up: true };
        // The client ends its polling once a WebSocket works. A request that arrives anyway waits a moment: the upgrade
        // may be under way on another connection.
        let late = self.with_polling(|polling| polling.probed.get()) == Some(true);
        let messages = poll_fn(|cx| {
            self.connection().watch(cx.waker());
            self.answer(late).map_or(Poll::Pending, Poll::Ready)
        });
        let answer = match late {
            false => messages.await,
            true => timeout(LET_GO, messages).await.unwrap_or(NOTHING),
        };
        given.up = false;
        self.with_polling(|polling| polling.fetching.set(false));
        answer
    }

    /// The last request of a client, after the session has ended: it is answered as if it had waited.
    pub(super) fn fetch_last(&self) -> Polled {
        self.sessions().remove(self.key());
        NOTHING
    }

    /// Whether the client ended the session while its polling request was still under way.
    pub(super) fn is_left(&self) -> bool {
        self.with_polling(|polling| polling.left.get() && !polling.fetching.get()) == Some(true)
    }

    /// The answer to a waiting request now, if any. A late one is answered after a time, and refused if the session
    /// continues on a WebSocket.
    fn answer(&self, late: bool) -> Option<Polled> {
        if self.connection().is_gone() {
            let left = self.with_polling(|polling| polling.left.get());
            // A client that ends the session itself expects its request to be answered, without a close packet.
            return Some(if left == Some(true) { NOTHING } else { Polled::Payload(Bytes::from_static(b"1")) });
        }
        if let Some(payload) = self.payload() {
            return Some(Polled::Payload(payload));
        }
        match self.with_polling(|polling| polling.probed.get()) {
            None if late => Some(Polled::Bad),
            None => Some(NOTHING),
            Some(probed) => (probed && !late).then_some(NOTHING),
        }
    }

    /// The waiting messages, as many as fit into one payload.
    fn payload(&self) -> Option<Bytes> {
        let (mut payload, mut packets, mut closed) = (String::new(), 0, false);
        let max = self.sessions().settings().max_payload;
        self.connection().take_messages(|content| {
            use crate::socket::frame::FrameContent;
            let length = match content {
                FrameContent::Text(text) => text.len(),
                FrameContent::Binary(bytes) => engine::binary_length(bytes.len()),
                FrameContent::Close => 1,
            };
            // The close is sent alone, as by the reference server: clients check for it before they read a Socket.IO
            // packet in the same payload, and would take a disconnect for a lost connection.
            let is_end = matches!(content, FrameContent::Close);
            if packets == MAX_PACKETS || (packets > 0 && (is_end || payload.len() + 1 + length > max)) {
                return false;
            }
            if packets > 0 {
                payload.push(char::from(SEPARATOR));
            }
            match content {
                FrameContent::Text(text) => payload.push_str(&String::from_utf8_lossy(text)),
                FrameContent::Binary(bytes) => engine::push_binary(bytes, &mut payload),
                FrameContent::Close => {
                    payload.push('1');
                    closed = true;
                }
            }
            packets += 1;
            true
        });
        if closed {
            self.connection().hang_up();
        }
        (packets > 0).then(|| payload.into())
    }

    /// Handles the body of a request: packets, each handled before the next.
    pub async fn bring(self: &Rc<Self>, body: &[u8]) -> Polled {
        match self.with_polling(|polling| polling.bringing.replace(true)) {
            None => return Polled::Bad,
            Some(true) => {
                self.sessions().services().metrics.closed("overlapping_post");
                self.connection().hang_up();
                return Polled::Bad;
            }
            Some(false) => {}
        }
        let patience = self.sessions().settings().ping_timeout;
        let free = timeout(patience, self.until_free()).await;
        // The next request comes after the answer to this one: a client that sends too fast is answered late.
        let wait = self.meter(body);
        if wait <= patience {
            sleep(wait).await;
        }
        self.with_polling(|polling| polling.bringing.set(false));
        if free.is_err() {
            self.connection().hang_up();
        }
        if wait > patience {
            self.sessions().services().metrics.refused_message("rate");
            self.fail("rate", CloseCode::POLICY_VIOLATION, "too many messages");
            return Polled::Bad;
        }
        for packet in body.split(|byte| *byte == SEPARATOR) {
            if self.connection().is_gone() {
                break;
            }
            let packet = std::str::from_utf8(packet).map_err(|_| crate::packet::PacketError::Utf8);
            match packet.and_then(engine::parse) {
                Ok(packet) => self.take(packet),
                Err(error) => {
                    self.fail_packet(&error);
                    return Polled::Bad;
                }
            }
        }
        Polled::Payload(Bytes::from_static(b"ok"))
    }

    /// How long to wait until the client's rate permits this body.
    fn meter(&self, body: &[u8]) -> Duration {
        let packets = body.split(|byte| *byte == SEPARATOR).count() as u64;
        let (rates, now) = (self.connection().limits().rates, self.connection().micros());
        let wait = self.with_polling(|polling| {
            let mut meter = polling.meter.get();
            let wait = meter.take(packets, body.len(), rates, now);
            polling.meter.set(meter);
            wait
        });
        let wait = wait.unwrap_or_default();
        if !wait.is_zero() {
            self.sessions().services().metrics.held("rate");
        }
        wait
    }

    /// Waits until the earlier messages are handled.
    async fn until_free(&self) {
        poll_fn(|cx| {
            if !self.connection().is_held() || self.connection().is_gone() {
                return Poll::Ready(());
            }
            self.with_polling(|polling| *polling.held.borrow_mut() = Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
