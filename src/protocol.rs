//! What clients speak: plain WebSocket messages, or Socket.IO; and the session behind both.

pub mod desk;
pub mod engineio;
pub mod plain;
pub mod session;
pub mod socketio;

use crate::event::Value;

/// A query string as expressions see it: the last value of each name.
pub fn query(text: &str) -> Value {
    url::form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect()
}
