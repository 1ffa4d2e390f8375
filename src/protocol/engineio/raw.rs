//! Engine.IO without anything above it: messages as they are, for a consumer's `on_raw` and `on_message`.

use std::{
    cell::OnceCell,
    rc::{Rc, Weak},
};

use super::session::{EngineSession, Upper};
use crate::{
    event::{GapReason, Incoming, Payload},
    hub::Member,
    packet::Text,
    protocol::{
        services::WorkerServices,
        session::{Outlet, Part, Session},
    },
    socket::{Connection, close::CloseCode},
};

/// What a consumer's session says; its payloads are packets of Engine.IO already.
struct RawOutlet {
    connection: Rc<Connection>,
    carrier: OnceCell<Weak<EngineSession>>,
}

impl Outlet for RawOutlet {
    fn send(&self, payload: &Payload) {
        self.connection.send(payload);
    }

    fn close(&self, code: CloseCode, reason: &str) {
        self.connection.close(code, reason);
    }

    fn hold(&self, hold: bool) {
        if let Some(carrier) = self.carrier.get().and_then(Weak::upgrade) {
            carrier.hold(hold);
        }
    }
}

/// The messages of a session, for its consumer.
pub struct Raw {
    session: Rc<Session>,
    outlet: Rc<RawOutlet>,
}

impl Raw {
    /// A session for the members of the hub and the consumers that admitted the client.
    pub fn new(desk: &Rc<WorkerServices>, connection: &Rc<Connection>, member: Rc<Member>, parts: Box<[Part]>) -> Self {
        let outlet = Rc::new(RawOutlet { connection: Rc::clone(connection), carrier: OnceCell::new() });
        let session = Session::new(Rc::clone(desk), Rc::clone(&outlet) as Rc<dyn Outlet>, member, parts);
        Self { session, outlet }
    }

    /// The session is open, and carried by this one.
    pub fn opened(&self, carrier: &Rc<EngineSession>) {
        if self.outlet.carrier.set(Rc::downgrade(carrier)).is_ok() {
            self.session.opened();
        }
    }
}

impl Upper for Raw {
    fn text(self: Rc<Self>, _session: &Rc<EngineSession>, text: Text) {
        self.session.received(Incoming::Text(&text));
    }

    fn binary(self: Rc<Self>, _session: &Rc<EngineSession>, bytes: &[u8]) {
        self.session.received(Incoming::Binary(bytes));
    }

    fn is_settled(&self) -> bool {
        true
    }

    fn lost(&self) {
        self.session.missed(GapReason::SlowClient);
    }

    fn gone(&self) {
        self.session.gone();
    }
}
