//! Socket.IO and Engine.IO: heartbeat, payloads, transports.

use serde::{Deserialize, Serialize};

use super::Span;

/// Timers and limits of every Engine.IO session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SocketIo {
    /// The server asks each client for a sign of life this long after the last one.
    pub ping_interval: Span,
    /// Closed when the answer takes longer.
    pub ping_timeout: Span,
    /// Largest message, or body of a polling request, in bytes.
    pub max_payload: usize,
    /// Closed when the client has not connected to a namespace within this time.
    pub connect_timeout: Span,
    /// Closed when a session that polls has not asked for its messages within this time.
    pub poll_timeout: Span,
    /// Sessions that are in no namespace and wait to get into none; the oldest beyond that are closed.
    pub max_pending: usize,
    /// What clients may use.
    pub transports: Vec<Transport>,
    /// Pages of other origins that may poll; unset: those of `server.allowed_origins`.
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
