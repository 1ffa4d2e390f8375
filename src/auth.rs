//! Who is connecting: where a credential is read from, what makes it valid, and which origins may ask.
//!
//! In: the head of a handshake request. Out: an [`Identity`], or an [`AuthError`] with the reason. Never logs a token.

use std::time::{Duration, SystemTime};

use crate::event::Value;

/// A user, proven.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// `{id: …}` and what else the token or the cache says of the user; null for the anonymous.
    pub user: Value,
    /// All claims of the token, or null.
    pub claims: Value,
    /// When the token ends, where it says so.
    pub expires: Option<SystemTime>,
    /// The subprotocol to echo, where the credential came in one.
    pub subprotocol: Option<String>,
}

/// Why there is no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No credential was given.
    #[error("no credential was given")]
    Missing,
    /// The credential is not valid.
    #[error("{0}")]
    Invalid(&'static str),
    /// The node was not given what it needs to check it.
    #[error("{0}")]
    Unconfigured(&'static str),
    /// Redis is out of reach.
    #[error("the token store is not reachable")]
    Unavailable {
        /// When another try makes sense.
        retry_after: Duration,
    },
}
