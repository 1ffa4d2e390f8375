//! The first checks of every handshake, before anything is known about the client: whether the node accepts
//! connections, and whether a limit is reached.

use std::{rc::Rc, sync::Arc};

use actix_web::HttpRequest;

use super::{client::TrustedHops, health::Draining};
use crate::{
    admission::{AdmissionControl, HandshakePermit},
    protocol::refusal::Refusal,
    socket::{Connection, takeover::Accepted},
};

/// Checks handshakes first. One per worker.
pub(super) struct Precheck {
    pub draining: Draining,
    pub control: Arc<AdmissionControl>,
    pub hops: TrustedHops,
}

impl Precheck {
    /// A permit to continue.
    pub fn permit(&self, request: &HttpRequest) -> Result<HandshakePermit, Refusal> {
        if self.draining.is_draining() {
            return Err(Refusal::Draining);
        }
        let address = self.control.counts_addresses().then(|| self.hops.client(request)).flatten();
        self.control.try_admit(address).map_err(Refusal::Limited)
    }
}

/// A connection that holds its permit from now on and waits for its socket.
pub(super) fn pending(connection: &Rc<Connection>, permit: HandshakePermit) -> Accepted {
    let HandshakePermit { admitting, address } = permit;
    if address.is_some() {
        connection.with_permits(|permits| permits.address = address);
    }
    Accepted::new(Rc::clone(connection), Some(admitting))
}
