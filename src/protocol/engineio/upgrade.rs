//! The upgrade: a WebSocket is probed (`2probe`, `3probe`) and then takes over the session (`5`).

use std::{cell::Cell, rc::Rc, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{net::TcpStream, time::Instant};

use super::session::EngineSession;
use crate::{
    event::{Incoming, Payload},
    packet::engine::{self, EnginePacket},
    socket::{
        negotiate::Deflate,
        probe::{Judge, Verdict, probe},
    },
};

/// How long a WebSocket may take from the handshake to the end of the upgrade, as in the reference server.
const DEADLINE: Duration = Duration::from_secs(10);

/// A WebSocket that is to take over a session.
struct Candidate {
    session: Rc<EngineSession>,
    probed: Cell<bool>,
}

impl Judge for Candidate {
    fn judge(&self, message: Incoming<'_>) -> Verdict {
        let packet = match message {
            Incoming::Text(text) => engine::parse(text),
            _ => return Verdict::End,
        };
        match packet {
            Ok(EnginePacket::Probe) if !self.probed.get() && self.session.begin_upgrade() => {
                self.probed.set(true);
                Verdict::Answer(Payload::Text(Bytes::from_static(b"3probe")))
            }
            Ok(EnginePacket::Upgrade) if self.probed.get() && self.session.end_upgrade() => {
                self.probed.set(false);
                Verdict::Adopt(Rc::clone(self.session.connection()))
            }
            _ => Verdict::End,
        }
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        // The upgrade failed; after a successful one the session no longer polls.
        if let Some(polling) = self.session.polling.borrow().as_deref() {
            polling.upgrading.set(false);
            polling.probed.set(false);
        }
    }
}

impl EngineSession {
    /// Reads a WebSocket that arrived for this session; after a successful probe, until the session is over.
    pub async fn upgrade(self: Rc<Self>, stream: TcpStream, early: BytesMut, deflate: Option<Deflate>) {
        if let Some(polling) = self.polling.borrow().as_deref() {
            polling.upgrading.set(true);
        }
        let max = self.sessions().settings().max_payload;
        let candidate = Candidate { session: self, probed: Cell::new(false) };
        let deadline = Instant::now() + DEADLINE;
        // Boxed separately, so that its memory is freed when the session continues.
        if let Some(driver) = Box::pin(probe(stream, early, deflate, max, candidate, deadline)).await {
            driver.await;
        }
    }

    /// Whether it polls and no WebSocket is taking it over yet.
    pub(super) fn may_upgrade(&self) -> bool {
        self.polling.borrow().as_deref().is_some_and(|polling| !polling.upgrading.get())
    }

    fn begin_upgrade(&self) -> bool {
        if let Some(polling) = self.polling.borrow().as_deref() {
            polling.probed.set(true);
        }
        // The client ends its polling before it continues, so a waiting request is answered.
        self.connection().wake();
        !self.connection().is_gone()
    }

    fn end_upgrade(&self) -> bool {
        if self.connection().is_gone() {
            return false;
        }
        let Some(ended) = self.polling.borrow_mut().take() else { return false };
        self.polling_ended(&ended);
        self.connection().wake();
        true
    }
}
