//! Limits of admission: how many connections and handshakes, of an address, of a user, of the node; and what a node keeps
//! for its clients.

use serde::{Deserialize, Serialize};

use super::Span;

/// Limits at the door; 0 is none. `server.max_connections` is the one for the node's connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections of one address to this node; an IPv6 client's address is its /64.
    pub connections_per_address: u32,
    /// Connections of one user, over all nodes on one Redis.
    pub connections_per_user: u32,
    /// Handshakes that this node takes up in a second.
    pub handshakes_per_second: u32,
    /// Handshakes it takes up at once; 0: as many as in one second.
    pub handshake_burst: u32,
    /// Handshakes of one address in a second.
    pub handshakes_per_second_per_address: u32,
    /// Handshakes of one address at once; 0: as many as in one second.
    pub handshake_burst_per_address: u32,
    /// From the headers to the answer, or from a Socket.IO CONNECT to its answer: authentication, backend, joins.
    pub admission_timeout: Span,
    /// Bytes of what is kept of a connection: path, query, claims, what it connects with, variables.
    pub connection_state: usize,
    /// Groups of the node; while it has so many, a message of a client makes no new one.
    pub groups: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_address: 0,
            connections_per_user: 0,
            handshakes_per_second: 0,
            handshake_burst: 0,
            handshakes_per_second_per_address: 0,
            handshake_burst_per_address: 0,
            admission_timeout: Span::seconds(15),
            connection_state: 64 << 10,
            groups: 250_000,
        }
    }
}
