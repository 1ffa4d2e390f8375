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
    protocol::{endpoint::Namespace, engineio::EngineSession, session::Outlet},
    socket::close::CloseCode,
};

/// One namespace of one Engine.IO session. Payloads name the namespace themselves, or its form.
///
/// A handler may run on after its client has left the namespace. Nothing of it is sent then: the client may have
/// connected to the namespace again, and would take it for its new session's.
pub(super) struct NamespaceOutlet {
    engine: Weak<EngineSession>,
    namespaces: Weak<SocketIoNamespaces>,
    name: Arc<str>,
    attempt: u32,
    holding: Cell<bool>,
    /// Whether its consumers serve several namespaces, so that payloads name only their form.
    of_form: bool,
}

impl NamespaceOutlet {
    pub fn new(
        engine: &Rc<EngineSession>,
        namespaces: &Rc<SocketIoNamespaces>,
        namespace: &Namespace,
        attempt: u32,
    ) -> Rc<Self> {
        let (engine, namespaces) = (Rc::downgrade(engine), Rc::downgrade(namespaces));
        let (name, of_form) = (Arc::clone(&namespace.name), namespace.first.has_namespaces());
        Rc::new(Self { engine, namespaces, name, attempt, holding: Cell::new(false), of_form })
    }

    /// Both, while the client is connected to the namespace.
    fn connected(&self) -> Option<(Rc<EngineSession>, Rc<SocketIoNamespaces>)> {
        let namespaces = self.namespaces.upgrade()?;
        namespaces.is_waited_for(&self.name, self.attempt).then_some((self.engine.upgrade()?, namespaces))
    }
}

impl Outlet for NamespaceOutlet {
    fn send(&self, payload: &Payload) {
        if let Some((engine, _)) = self.connected() {
            match self.of_form {
                true => engine.send(&packet::in_namespace(payload, &self.name)),
                false => engine.send(payload),
            }
        }
    }

    fn namespace(&self) -> Option<&Arc<str>> {
        self.of_form.then_some(&self.name)
    }

    /// Disconnects the client from the namespace; the other namespaces stay connected.
    fn close(&self, _code: CloseCode, _reason: &str) {
        self.hold(false);
        let Some((engine, namespaces)) = self.connected() else { return };
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
