//! Plain WebSocket: JSON or raw messages, answered by the consumer's handlers.

use std::rc::Rc;

use super::session::{Outlet, Session};
use crate::{
    consumer::{Incoming, Payload},
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

/// The messages of a connection that has one session.
pub struct Plain(pub Rc<Session>);

impl Handler for Plain {
    fn received(&self, _connection: &Rc<Connection>, message: Incoming<'_>) {
        self.0.received(message);
    }

    fn gone(&self) {
        self.0.gone();
    }
}
