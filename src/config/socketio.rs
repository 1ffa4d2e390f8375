//! Socket.IO and Engine.IO: heartbeat, payloads, transports.

use serde::{Deserialize, Serialize};

use super::Span;

/// Timers and limits of every Engine.IO session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SocketIo {
    /// The server pings each client this long after its last answer.
    pub ping_interval: Span,
    /// The session is closed when the answer takes longer.
    pub ping_timeout: Span,
    /// Maximum size of a message, or of the body of a polling request, in bytes.
    pub max_payload: usize,
    /// The session is closed when the client does not connect to a namespace within this time.
    pub connect_timeout: Span,
    /// A polling session is closed when it does not poll within this time.
    pub poll_timeout: Span,
    /// Sessions that are in no namespace and are not connecting to one; the oldest beyond that are closed.
    pub max_pending: usize,
    /// Transports that clients may use.
    pub transports: Vec<Transport>,
    /// Origins of other sites that may poll; unset: `server.allowed_origins`.
    pub cors: Option<Vec<String>>,
}

/// How an Engine.IO session carries its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// HTTP requests.
    Polling,
    /// A WebSocket.
    Websocket,
}

impl Default for SocketIo {
    fn default() -> Self {
        Self {
            ping_interval: Span::seconds(25),
            ping_timeout: Span::seconds(20),
            max_payload: 1_000_000,
            connect_timeout: Span::seconds(45),
            poll_timeout: Span::seconds(5),
            max_pending: 1000,
            transports: vec![Transport::Polling, Transport::Websocket],
            cors: None,
        }
    }
}
