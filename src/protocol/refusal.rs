//! Why a client is refused, and the consequences: one table for plain WebSocket, Engine.IO and Socket.IO.
//!
//! In: the cause. Out: the HTTP answer, the message of Socket.IO's `connect_error` or the close code, and the metric
//! label and log line. It builds no response.
//!
//! Three answers must never be mistaken for each other: the node or what it needs is *away* (503 with `Retry-After`,
//! 1013), the credential is *wrong* (403, a close code by cause), the client is *forbidden* (403, a close code). A
//! fourth exists only with a consumer that Django runs: it *failed* (500, 1011).

mod breach;
mod bridge;
mod closing;
mod logged;
mod origin;
mod row;

use std::time::Duration;

use crate::{
    admission::OverLimit as Limited,
    auth::AuthError,
    consumer::{Consumer, Denial, GroupError},
    layer::LayerError,
    socket::negotiate::HandshakeError,
};

use super::services::AdmitError;

pub use self::{
    breach::Breach,
    bridge::{BridgeClose, BridgeRefusal},
    closing::Closing,
    origin::{Foreign, OriginRule},
    row::{Cause, ConnectErrorText, Row},
};

/// The text for a client if the node, or what it needs, is at fault; the reason is in the log.
const UNAVAILABLE: &str = "Service unavailable";

/// Why a client is refused.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// A request for a WebSocket breaks RFC 6455.
    Handshake(HandshakeError),
    /// An ordinary request on a WebSocket path.
    NotAnUpgrade,
    /// A request breaks Engine.IO.
    EngineIo(Breach),
    /// The node is about to stop.
    Draining,
    /// A limit is reached.
    Limited(Limited),
    /// Clients together send more than the node has room for.
    Overloaded,
    /// The layer is unreachable, so no group could be joined.
    NotReady,
    /// The namespace is unknown.
    Namespace,
    /// The page is of an origin that is not allowed.
    Origin(Foreign),
    /// Authentication failed.
    Auth(AuthError),
    /// `on_admit` refused it.
    Denied(Denial),
    /// The backend, which `on_admit` asks, gave no answer that it could use.
    Backend {
        /// When a retry makes sense, if the backend said so.
        retry_after: Option<Duration>,
    },
    /// The consumer, which Django runs, did not admit it.
    Bridge(BridgeRefusal),
    /// The name of one of its groups cannot be made.
    Groups(GroupError),
    /// Its state would be larger than `limits.connection_state`.
    State,
    /// A group could not be joined.
    Layer(LayerError),
    /// It took longer than `limits.admission_timeout`.
    Late,
}

impl From<Breach> for Refusal {
    fn from(breach: Breach) -> Self {
        Self::EngineIo(breach)
    }
}

impl From<BridgeRefusal> for Refusal {
    fn from(refusal: BridgeRefusal) -> Self {
        Self::Bridge(refusal)
    }
}

impl From<AdmitError> for Refusal {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::Denied(denial) => Self::Denied(denial),
            AdmitError::Backend { retry_after } => Self::Backend { retry_after },
            AdmitError::State => Self::State,
        }
    }
}

impl Refusal {
    /// The message of Socket.IO's `connect_error`, with this consumer's texts.
    pub fn connect_error<'a>(&'a self, consumer: &'a Consumer) -> &'a str {
        match self.row().connect_error {
            ConnectErrorText::Text(text) => text,
            ConnectErrorText::Rejected(why) => consumer.rejection_text(why),
            ConnectErrorText::Unavailable => UNAVAILABLE,
        }
    }
}

#[cfg(test)]
mod tests;
