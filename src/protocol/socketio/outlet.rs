//! Sends the messages of a namespace's session to its client.

use std::{
    cell::Cell,
    rc::{Rc, Weak},
    sync::Arc,
};

use super::SocketIoNamespaces;
use crate::{
    event::Payload,
    packet,
    protocol::{engineio::EngineSession, session::Outlet},
    socket::close::CloseCode,
};

/// One namespace of one Engine.IO session. Payloads name the namespace themselves.
pub(super) struct NamespaceOutlet {
    engine: Weak<EngineSession>,
    namespaces: Weak<SocketIoNamespaces>,
    name: Arc<str>,
    holding: Cell<bool>,
}

impl NamespaceOutlet {
    pub fn new(engine: &Rc<EngineSession>, namespaces: &Rc<SocketIoNamespaces>, name: Arc<str>) -> Rc<Self> {
        let (engine, namespaces) = (Rc::downgrade(engine), Rc::downgrade(namespaces));
        Rc::new(Self { engine, namespaces, name, holding: Cell::new(false) })
    }
}

impl Outlet for NamespaceOutlet {
    fn send(&self, payload: &Payload) {
        if let Some(engine) = self.engine.upgrade() {
            engine.send(payload);
        }
    }

    /// Disconnects the client from the namespace; the other namespaces stay connected.
    fn close(&self, _code: CloseCode, _reason: &str) {
        self.hold(false);
        let (Some(engine), Some(namespaces)) = (self.engine.upgrade(), self.namespaces.upgrade()) else { return };
        if let Some(session) = namespaces.remove(&engine, &self.name) {
            engine.send(&packet::disconnect(&self.name));
            // The session may still be running the work that closed it.
            actix_rt::spawn(async move { session.gone() });
        }
    }

    fn hold(&self, hold: bool) {
        if self.holding.replace(hold) != hold
            && let Some(engine) = self.engine.upgrade()
        {
            engine.hold(hold);
        }
    }
}
