//! The data of a connection that its consumer can use.

use std::sync::Arc;

use crate::event::{ConnectionId, Value};

/// The data of a connection for expressions.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Parameters of the path.
    pub route: Value,
    /// The query string; of repeated names the last value.
    pub query: Value,
    /// The authenticated user; null for an anonymous one.
    pub user: Value,
    /// All claims of the token.
    pub claims: Value,
    /// The auth data of a Socket.IO client's CONNECT packet. Boxed, because few handlers read it, and a kept context is
    /// as large as a piece of the allocator's can be.
    pub auth: Option<Box<Value>>,
    /// The connection's public id, if something can name it; in Socket.IO the socket's id.
    pub id: Option<ConnectionId>,
    /// The name of the connection's channel, as `self.channel_name` in Channels; empty if no expression reads it.
    pub channel_name: Arc<str>,
    /// The host that the client named; empty if it named none, or if no expression reads it.
    pub host: Arc<str>,
    /// The room in which the member is counted; empty if the consumer counts in none. Known in `on_online` and
    /// `on_offline`.
    pub room: Arc<str>,
    /// Connection variables.
    pub vars: Value,
}

impl Context {
    /// The approximate number of bytes stored from the client.
    pub fn weight(&self) -> usize {
        let values = [&self.route, &self.query, &self.claims, &self.vars].into_iter().chain(self.auth.as_deref());
        values.map(Value::weight).sum::<usize>() + self.host.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_context_fits_a_piece_of_the_allocator() {
        // The next larger one of jemalloc has 512 bytes.
        assert!(size_of::<Context>() <= 448, "{}", size_of::<Context>());
    }
}
