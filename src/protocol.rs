//! The client protocols: plain WebSocket messages, or Socket.IO; and the session behind both.

pub mod admission;
pub mod background;
mod binding;
mod effects;
pub mod endpoint;
pub mod engineio;
mod head;
pub mod plain;
mod principal;
pub mod refusal;
pub mod services;
pub mod session;
pub mod socketio;

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::event::Value;

/// A query string as expressions see it: the last value of each name.
pub fn query(text: &str) -> Value {
    url::form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect()
}

/// The public id of a connection: 20 characters like in the reference server of Socket.IO, which never shows the id of
/// the session below it.
pub fn new_id() -> Arc<str> {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>()).into()
}
