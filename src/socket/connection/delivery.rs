//! Sending: at once if the kernel accepts it, else through the outbox; and what is dropped when that is full.

use std::{
    future::poll_fn,
    io,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::{net::TcpStream, time::timeout};

use super::{CloseCode, Connection, State};
use crate::{
    event::{Incoming, Payload},
    socket::{
        encoded::{EncodedMessage, Loss, QueuedMessage},
        frame::{self, Frame},
        heartbeat::Heartbeat,
        outbox::Outbox,
        pressure::Charge,
    },
    telemetry::DropReason,
};

/// A client that reads nothing for this long, while more waits for it than it may, is too slow.
const STALL: Duration = Duration::from_secs(10);

/// Writes without asking the runtime whether the socket is ready: nearly always it is, and the kernel knows best. If it
/// is not, the runtime is asked, too, so that it reports when it is ready again.
fn write_now(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match SockRef::from(stream).send(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.try_write(bytes),
        result => result,
    }
}

impl Connection {
    /// Encodes and sends one message to this connection only. It is never lost while the connection is open.
    pub fn send(&self, payload: &Payload) {
        let frame = Frame::new(payload);
        let bytes = frame.bytes(self.deflate.get(), &self.limits.compression).clone();
        self.deliver(&EncodedMessage::new(bytes, 1, Loss::Never), &[]);
    }

    /// Sends encoded messages: directly to the kernel if the outbox is empty, else to the outbox. `each` has the parts
    /// of `whole`, in case they must wait separately. Returns how many messages were accepted; the others are counted
    /// as lost.
    pub fn deliver(&self, whole: &EncodedMessage, each: &[EncodedMessage]) -> u32 {
        if !self.takes_more() {
            return self.refuse(whole);
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
    fn refuse(&self, whole: &EncodedMessage) -> u32 {
        self.connections.metrics().dropped(DropReason::Closed, u64::from(whole.messages()));
        0
    }

    /// Queues messages; their first `written` bytes are sent already.
    #[cold]
    fn queue(&self, messages: &[EncodedMessage], mut written: usize) -> u32 {
        let pressure = self.connections.pressure();
        let mut taken = 0;
        for (index, message) in messages.iter().enumerate() {
            if written >= message.bytes().len() {
                written -= message.bytes().len();
            } else {
                let (message, from) = (message.queued(pressure), (pressure, self.index.get()));
                let pushed = self.outbox.borrow_mut().push(message, written, self.limits.outbox, from);
                if pushed.is_err() {
                    self.overflow(messages[index..].iter().map(|message| u64::from(message.messages())).sum());
                    return taken;
                }
                written = 0;
            }
            taken += message.messages();
        }
        self.wake();
        if pressure.take_over() {
            self.connections.relieve();
        }
        taken
    }

    /// Waits until the client has read enough of what was sent to it that more can follow, so that one who sends it much
    /// sends no faster than it reads. A client that reads nothing for [`STALL`] is closed as a slow one.
    pub async fn wait_for_room(&self) {
        // Also before it has its socket: then all waits that it is sent.
        while self.takes_more() && self.is_over_half() {
            let before = self.outbox.borrow().position();
            let progress = poll_fn(|cx| {
                if !self.takes_more() || self.outbox.borrow().position() != before {
                    return Poll::Ready(());
                }
                self.outbox.borrow_mut().watch(cx.waker());
                Poll::Pending
            });
            if timeout(STALL, progress).await.is_err() {
                self.overflow(0);
            }
        }
    }

    /// Whether what it is sent reaches its client.
    fn takes_more(&self) -> bool {
        matches!(self.state.get(), State::Pending | State::Open)
    }

    /// Whether more than half of its outbox waits, of what is never dropped.
    pub(super) fn is_over_half(&self) -> bool {
        self.outbox.borrow().kept() > self.limits.outbox / 2
    }

    /// The outbox is full: its messages are lost, and this many that arrived.
    fn overflow(&self, more: u64) {
        let lost = self.outbox.borrow_mut().discard() + more;
        self.connections.metrics().dropped(DropReason::SlowClient, lost);
        self.connections.metrics().closed("slow_client");
        self.close(CloseCode::TRY_AGAIN_LATER, "slow client");
    }

    /// Keeps messages in an outbox of their own instead of sending them, while this many bytes wait before them; returns
    /// how many were accepted. `None` if there is no room for all of them: then everything in that outbox is lost, and
    /// counted.
    pub fn keep(&self, kept: &mut Outbox, messages: &[EncodedMessage], ahead: usize) -> Option<u32> {
        let pressure = self.connections.pressure();
        let from = (pressure, self.index.get());
        let limit = self.limits.outbox.saturating_sub(ahead);
        for message in messages {
            // An empty outbox accepts any size.
            let fits = message.size() <= limit || (message.messages() <= 1 && ahead == 0);
            let is_kept = fits && kept.push(message.queued(pressure), 0, limit, from).is_ok();
            if !is_kept || pressure.is_over() {
                let refused = if is_kept { 0 } else { u64::from(message.messages()) };
                self.connections.metrics().dropped(DropReason::Held, kept.discard() + refused);
                return None;
            }
        }
        Some(messages.iter().map(EncodedMessage::messages).sum())
    }

    /// These kept messages, and this many calls, are lost.
    pub fn lose_kept(&self, kept: impl IntoIterator<Item = Outbox>, calls: u64) {
        let messages: u64 = kept.into_iter().map(Outbox::discard_all).sum();
        self.connections.metrics().dropped(DropReason::Held, messages + calls);
    }

    /// Counts bytes that wait for this client in another form than frames.
    pub fn charge(&self, bytes: usize) -> Charge {
        Charge::new(bytes, self.connections.pressure())
    }

    /// Whether all that waits on the node is too much.
    pub fn is_pressed(&self) -> bool {
        self.connections.pressure().is_over()
    }

    /// What was kept is lost, and the client would not learn it otherwise.
    pub fn close_for_loss(&self) {
        self.connections.metrics().closed("held");
        self.close(CloseCode::TRY_AGAIN_LATER, "too many messages waited for a handler");
    }

    /// There is no room to keep these messages.
    pub fn held_back(&self, messages: &[EncodedMessage]) {
        let lost = messages.iter().map(|message| u64::from(message.messages())).sum();
        self.connections.metrics().dropped(DropReason::Held, lost);
    }

    /// Sends what was kept, in order; returns whether some of it was lost meanwhile.
    pub fn send_kept(&self, kept: Outbox) -> bool {
        let (messages, lost) = kept.into_messages();
        let count = |left: &[Rc<QueuedMessage>]| left.iter().map(|message| u64::from(message.messages)).sum();
        if !self.takes_more() {
            self.connections.metrics().dropped(DropReason::Closed, count(&messages));
            return false;
        }
        let from = (self.connections.pressure(), self.index.get());
        for (at, message) in messages.iter().enumerate() {
            let pushed = self.outbox.borrow_mut().push(message, 0, self.limits.outbox, from);
            if pushed.is_err() {
                self.overflow(count(&messages[at..]));
                return false;
            }
        }
        if !messages.is_empty() {
            self.wake();
        }
        lost > 0
    }

    /// The member has left: nothing of what was kept is sent, and this many calls are not made.
    pub fn discard_kept(&self, kept: Outbox, calls: u64) {
        self.connections.metrics().dropped(DropReason::Closed, kept.discard_all() + calls);
    }

    /// The worker's memory for the messages that wait for this client.
    pub(in crate::socket) fn cost(&self) -> usize {
        if self.is_open() { self.outbox.borrow().cost() } else { 0 }
    }

    /// All outboxes together exceed the node's limit: messages that may be lost are dropped, and if that is less than
    /// half, the connection is closed.
    pub(in crate::socket) fn shed(&self) {
        let (before, lost, after) = {
            let mut outbox = self.outbox.borrow_mut();
            (outbox.bytes(), outbox.discard_oldest(), outbox.bytes())
        };
        self.connections.metrics().dropped(DropReason::Shed, lost);
        if after * 2 <= before {
            return self.wake();
        }
        let lost = self.outbox.borrow_mut().discard();
        self.connections.metrics().dropped(DropReason::Shed, lost);
        self.connections.metrics().closed("outbox_total");
        self.close(CloseCode::TRY_AGAIN_LATER, "the node is overloaded");
    }

    /// Writes the outbox; `Ready(Ok)` when it is empty.
    pub(in crate::socket) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(stream) = self.stream.get() else { return Poll::Ready(Ok(())) };
        while !self.outbox.borrow().is_empty() {
            let (before, lost, after) = {
                let mut outbox = self.outbox.borrow_mut();
                (outbox.bytes(), outbox.flush(|slices| stream.try_write_vectored(slices))?, outbox.bytes())
            };
            if after < before {
                // The kernel had no room for it before, so the client has read something.
                self.heard();
            }
            match lost {
                Some(lost) => self.caught_up(lost),
                None => std::task::ready!(stream.poll_write_ready(cx))?,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The outbox is empty; reports to the handler what was lost meanwhile.
    pub(super) fn caught_up(&self, lost: u64) {
        if lost > 0
            && self.is_open()
            && let Some(handler) = self.handler()
        {
            handler.lost(lost);
        }
    }

    /// It is time for the consumer's heartbeat: sends its message, or closes the connection if its client has not
    /// answered. If the worker is late, or reads no further from this client, a missing answer means nothing.
    pub(in crate::socket) fn beat(&self, heartbeat: &Heartbeat, is_late: bool) {
        if !self.is_open() || self.is_over_half() {
            return;
        }
        let is_read = !self.is_throttled() && !self.held.get();
        if heartbeat.answer.is_some() && is_read && !is_late {
            let unanswered = self.unanswered.get();
            if unanswered >= heartbeat.missed {
                self.connections.metrics().closed("heartbeat_timeout");
                return self.close(heartbeat.code, &heartbeat.reason);
            }
            self.unanswered.set(unanswered + 1);
        }
        let bytes = heartbeat.frame.bytes(self.deflate.get(), &self.limits.compression).clone();
        self.deliver(&EncodedMessage::new(bytes, 1, Loss::Never), &[]);
    }

    /// Whether a message is the answer to the consumer's heartbeat; then it needs no handler.
    pub fn answers_heartbeat(&self, message: Incoming<'_>) -> bool {
        let Some(answer) = self.limits.heartbeat.as_ref().and_then(|heartbeat| heartbeat.answer.as_ref()) else {
            return false;
        };
        let answers = answer.is(message);
        if answers {
            self.unanswered.set(0);
        }
        answers
    }

    /// Answers a ping; dropped if the client does not even read its pongs.
    pub(in crate::socket) fn pong(&self, payload: &[u8]) {
        if self.outbox.borrow().bytes() < self.limits.outbox {
            self.deliver(&EncodedMessage::control(frame::pong(payload)), &[]);
        }
    }

    /// Pings a silent client.
    pub(in crate::socket) fn ping(&self) {
        if self.outbox.borrow().is_empty() {
            self.deliver(&EncodedMessage::control(frame::ping(&[])), &[]);
        }
    }
}
