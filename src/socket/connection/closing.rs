//! The end of a connection: by a Close of either side, or by a cut.

use bytes::Bytes;

use super::{CloseCode, Connection, State};
use crate::{
    event::Payload,
    socket::{
        close::Ending,
        encoded::{Loss, QueuedMessage},
        frame::{self, Frame},
    },
};

/// How a Close without a code is reported (RFC 6455 §7.4.1).
const NO_STATUS: u16 = 1005;

impl Connection {
    /// The node stops: the client should reconnect, and will reach another node.
    pub(in crate::socket) fn restart(&self) {
        if self.is_open() {
            self.connections.metrics().closed("drain");
            self.close(CloseCode::SERVICE_RESTART, "service restart");
        }
    }

    /// Sends a Close and waits, for a bounded time, for the client's.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.begin_close(State::Closing, &frame::close(code, reason));
    }

    /// Ends a connection that has done nothing wrong; `false` if it was ending already.
    pub fn end(&self, ending: &Ending) -> bool {
        if !matches!(self.state.get(), State::Pending | State::Open) {
            return false;
        }
        self.connections.metrics().closed(ending.label);
        if let (false, Some(handler)) = (ending.reconnect, self.handler()) {
            handler.farewell();
        }
        self.close(ending.code, &ending.reason);
        true
    }

    /// Sends a Close and ends the connection once it is written.
    pub(in crate::socket) fn finish(&self, close: &Bytes) {
        self.begin_close(State::Finishing, close);
    }

    /// Ends the connection because the node cannot hold its client's messages.
    pub fn overloads(&self) {
        self.give_up("inbox_total", CloseCode::TRY_AGAIN_LATER, "the node is overloaded");
    }

    /// Ends the connection in the middle of a client's message; the received part is dropped at once.
    pub(in crate::socket) fn give_up(&self, label: &'static str, code: CloseCode, reason: &str) {
        if let Some(handler) = self.handler() {
            handler.give_up();
        }
        if self.state.get() == State::Closing {
            // The client's Close would come after the unfinished message: it is not awaited.
            self.state.set(State::Finishing);
            return self.wake();
        }
        if !self.is_open() {
            return;
        }
        self.connections.metrics().closed(label);
        match self.stream.get() {
            Some(_) => self.finish(&frame::close(code, reason)),
            None => self.hang_up(),
        }
    }

    /// The client's Close arrived, with this code if it has one: answers it, unless ours was sent first.
    pub(in crate::socket) fn closed_by_client(&self, code: Option<CloseCode>, answer: &Bytes) {
        self.close_code.set(code.map_or(NO_STATUS, CloseCode::get));
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
        self.connections.closing(self.index.get());
        self.wake();
    }

    /// A Close is queued regardless of the outbox's limit: its size is bounded by the protocol.
    fn deliver_last(&self, close: &Bytes) {
        let pressure = self.connections.pressure();
        let message = QueuedMessage::new(close.clone(), 0, Loss::Never, pressure);
        self.outbox.borrow_mut().push_last(&message, (pressure, self.index.get()));
    }

    /// Sends a last message before a Close, regardless of the outbox's limit: for small messages of a protocol.
    pub fn send_last(&self, payload: &Payload) {
        self.deliver_last(Frame::new(payload).bytes(self.deflate.get(), &self.limits.compression));
    }

    /// Drops the connection without a Close.
    pub(in crate::socket) fn abort(&self) {
        if self.state.get() != State::Gone {
            self.state.set(State::Gone);
            self.wake();
        }
    }
}
