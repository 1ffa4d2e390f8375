//! The data of a connection that its consumer can use.

use std::sync::Arc;

use crate::event::Value;

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
    /// The auth data of a Socket.IO client's CONNECT packet.
    pub auth: Value,
    /// The connection's public id; in Socket.IO the socket's id.
    pub id: Arc<str>,
    /// Connection variables.
    pub vars: Value,
}

impl Context {
    /// The approximate number of bytes stored from the client.
    pub fn weight(&self) -> usize {
        [&self.route, &self.query, &self.claims, &self.auth, &self.vars].into_iter().map(Value::weight).sum()
    }
}
