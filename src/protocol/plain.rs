//! Plain WebSocket: JSON or raw messages, answered by the consumer's handlers.

use std::rc::Rc;

use super::session::{Outlet, Session};
use crate::{
    event::{GapReason, Incoming, Payload},
    socket::{Connection, Handler, close::CloseCode},
};

impl Outlet for Connection {
    fn send(&self, payload: &Payload) {
        Self::send(self, payload);
    }

    fn close(&self, code: CloseCode, reason: &str) {
        Self::close(self, code, reason);
    }

    fn hold(&self, hold: bool) {
        Self::hold(self, hold);
    }
}

impl Handler for Session {
    fn received(self: Rc<Self>, _connection: &Rc<Connection>, message: Incoming<'_>) {
        Self::received(&self, message);
    }

    fn lost(self: Rc<Self>, _messages: u64) {
        self.missed(GapReason::SlowClient);
    }

    fn gone(self: Rc<Self>) {
        Self::gone(&self);
    }
}
