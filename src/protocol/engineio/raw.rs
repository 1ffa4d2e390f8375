//! Engine.IO without anything above it: messages as they are, for a consumer's `on_raw` and `on_message`.

use std::rc::Rc;

use super::session::{EngineSession, Upper};
use crate::{
    consumer::Incoming,
    event::Payload,
    hub::Member,
    packet::{Text, engine},
    protocol::{
        desk::Desk,
        session::{Outlet, Part, Session},
    },
    socket::{Connection, close::CloseCode},
};

/// What a consumer's session says goes out as messages of Engine.IO.
struct RawOutlet(Rc<Connection>);

impl Outlet for RawOutlet {
    fn send(&self, payload: &Payload) {
        self.0.send(&engine::message(payload));
    }

    fn close(&self, code: CloseCode, reason: &str) {
        self.0.close(code, reason);
    }

    fn hold(&self, hold: bool) {
        self.0.hold(hold);
    }
}

/// The messages of a session, for its consumer.
pub struct Raw(Rc<Session>);

impl Raw {
    /// A session for the members of the hub and the consumers that admitted the client.
    pub fn new(desk: &Rc<Desk>, connection: &Rc<Connection>, member: Rc<Member>, parts: Box<[Part]>) -> Self {
        Self(Session::new(Rc::clone(desk), Rc::new(RawOutlet(Rc::clone(connection))), member, parts))
    }

    /// The session behind it.
    pub const fn session(&self) -> &Rc<Session> {
        &self.0
    }
}

impl Upper for Raw {
    fn text(&self, _session: &Rc<EngineSession>, text: Text) {
        self.0.received(Incoming::Text(&text));
    }

    fn binary(&self, _session: &Rc<EngineSession>, bytes: &[u8]) {
        self.0.received(Incoming::Binary(bytes));
    }

    fn is_settled(&self) -> bool {
        true
    }

    fn gone(&self) {
        self.0.gone();
    }
}
