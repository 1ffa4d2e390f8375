//! How a connection ends: by a Close of either side, or without a word.

use bytes::Bytes;

use super::{CloseCode, Connection, State};
use crate::{
    event::Payload,
    socket::{
        close::Ending,
        frame::{self, Frame},
        parcel::{Loss, Parcel},
    },
};

impl Connection {
    /// The node stops: the client should connect again, and will reach another.
    pub(in crate::socket) fn restart(&self) {
        if self.is_open() {
            self.roster.metrics().closed("drain");
            self.close(CloseCode::SERVICE_RESTART, "service restart");
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
    pub(in crate::socket) fn finish(&self, close: &Bytes) {
        self.begin_close(State::Finishing, close);
    }

    /// Ends the connection because of what its client has sent and the node cannot hold.
    pub fn overloads(&self) {
        self.give_up("inbox_total", CloseCode::TRY_AGAIN_LATER, "the node is overloaded");
    }

    /// Ends the connection in the middle of what its client sends; what is there of that goes at once.
    pub(in crate::socket) fn give_up(&self, label: &'static str, code: CloseCode, reason: &str) {
        if let Some(handler) = self.handler() {
            handler.give_up();
        }
        if self.state.get() == State::Closing {
            // The client's Close stands behind what it does not finish: it is not waited for any more.
            self.state.set(State::Finishing);
            return self.wake();
        }
        if !self.is_open() {
            return;
        }
        self.roster.metrics().closed(label);
        match self.stream.get() {
            Some(_) => self.finish(&frame::close(code, reason)),
            None => self.hang_up(),
        }
    }

    /// The client's Close came: answer it, unless ours went first.
    pub(in crate::socket) fn closed_by_client(&self, answer: &Bytes) {
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

    /// Drops the connection without another word.
    pub(in crate::socket) fn abort(&self) {
        if self.state.get() != State::Gone {
            self.state.set(State::Gone);
            self.wake();
        }
    }
}
