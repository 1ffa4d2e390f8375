//! What is known of a connection when its consumer looks at it.

use std::sync::Arc;

use crate::event::Value;

/// What expressions know of a connection.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Parameters of the path.
    pub route: Value,
    /// The query string, last value of a name.
    pub query: Value,
    /// The user, as authentication gave it; null for the anonymous.
    pub user: Value,
    /// All claims of the token.
    pub claims: Value,
    /// What a Socket.IO client sent with its CONNECT packet.
    pub auth: Value,
    /// The connection's public id; in Socket.IO the socket's.
    pub id: Arc<str>,
    /// Connection variables.
    pub vars: Value,
}

impl Context {
    /// About how many bytes are kept of what the client chose.
    pub fn weight(&self) -> usize {
        [&self.route, &self.query, &self.claims, &self.auth, &self.vars].into_iter().map(Value::weight).sum()
    }
}
